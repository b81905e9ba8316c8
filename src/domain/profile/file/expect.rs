//! What a profile's `[expect]` may say.

use serde::Deserialize;

use super::one_or_more::OneOrMore;
use super::source::ProfileSource;
use crate::domain::profile::expectation::Expectation;

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenExpect {
    min_memory: Option<SizeToml>,
    min_threads: Option<u32>,
    disk_model: OneOrMore,
    bios_version: OneOrMore,
    tpm: Option<String>,
    secure_boot: Option<bool>,
    min_nic_speed: Option<u32>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "expected a number of bytes, or a text as \"16 GiB\"")]
enum SizeToml {
    Bytes(u64),
    Text(String),
}

/// None where something in it is wrong.
pub(super) fn read(page: &mut ProfileSource<'_>, written: WrittenExpect) -> Option<Expectation> {
    let (disk_model, bios_version): (Vec<String>, Vec<String>) =
        (written.disk_model.into(), written.bios_version.into());
    let mut right = true;
    for (key, list) in [("disk_model", &disk_model), ("bios_version", &bios_version)] {
        if list.iter().any(|text| text.trim().is_empty()) {
            right = false;
            page.wrong_at(&["expect", key], format!("{key} has an empty text"), "take it out: then any fits");
        }
    }
    let min_memory_bytes = match written.min_memory {
        None => None,
        Some(SizeToml::Bytes(bytes)) => Some(bytes),
        Some(SizeToml::Text(text)) => {
            let bytes = in_bytes(&text);
            if bytes.is_none() {
                right = false;
                page.wrong_at(&["expect", "min_memory"], format!("{text:?} is no size"), "write it as \"16 GiB\"");
            }
            bytes
        }
    };
    let tpm = written.tpm.as_deref().map(major);
    if tpm.is_some_and(|major| !matches!(major, "1" | "2")) {
        right = false;
        let what = format!("there is no TPM of version {:?}", written.tpm.as_deref().unwrap_or_default());
        page.wrong_at(&["expect", "tpm"], what, "write tpm = \"2\", or \"1\"");
    }
    right.then(|| Expectation {
        min_memory_bytes,
        min_threads: written.min_threads,
        disk_model,
        bios_version,
        tpm: tpm.map(str::to_owned),
        secure_boot: written.secure_boot,
        min_nic_speed: written.min_nic_speed,
    })
}

/// `2` of `2.0`.
fn major(version: &str) -> &str {
    version.split_once('.').map_or(version, |(major, _)| major).trim()
}

/// `16 GiB`, `512MiB`, `8 GB`.
fn in_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(
            ["16 GiB", "512MiB", " 8 gb ", "1024", "1 TiB"].map(in_bytes),
            [Some(16 << 30), Some(512 << 20), Some(8_000_000_000), Some(1024), Some(1 << 40)]
        );
        assert_eq!(["", "GiB", "16 G", "-1 GiB", "1.5 GiB", "99999999999 TiB"].map(in_bytes), [None; 6]);
    }
}
