//! Reads a profile from TOML. Everything wrong in it is said at once, with the line.

use serde::Deserialize;

use crate::domain::diagnostic::Diagnostic;
use crate::domain::digest::Digest;
use crate::domain::disk::DiskRule;
use crate::domain::ids::ProfileId;
use crate::domain::profile::Profile;

/// The profile in `text`, which was read from `file` (`name.toml`; its stem is the profile's name).
pub fn parse(file: &str, text: &str) -> Result<Profile, Vec<Diagnostic>> {
    let stem = file.strip_suffix(".toml").unwrap_or(file);
    let wrong =
        |line, what: String, hint: &str| Diagnostic { file: file.into(), line, column: None, what, hint: hint.into() };
    let written: Written = toml::from_str(text).map_err(|err| {
        let line = err.span().map(|span| text[..span.start].matches('\n').count() + 1);
        vec![wrong(line, err.message().replace('\n', " "), "compare it with the explained profiles/demo.toml")]
    })?;

    let mut diagnostics = Vec::new();
    let line_of = |key: &str| text.lines().position(|line| line.trim_start().starts_with(key)).map(|at| at + 1);
    let id = stem.parse::<ProfileId>().map_err(|err| diagnostics.push(wrong(None, err.to_string(), "rename the file")));
    if written.schema != SCHEMA {
        let what = format!("schema {} is not known, this oxbow reads schema {SCHEMA}", written.schema);
        diagnostics.push(wrong(line_of("schema"), what, "use the oxbow that this profile was written for"));
    }
    if written.image.is_empty() || written.image.contains(['/', '\\']) || written.image.starts_with('.') {
        let what = format!("image {:?} is not a file name", written.image);
        diagnostics.push(wrong(
            line_of("image"),
            what,
            "put the image in the images directory and name it without a path",
        ));
    }
    let sha256 = written.sha256.map(|text| {
        text.parse::<Digest>().map_err(|err| {
            diagnostics.push(wrong(
                line_of("sha256"),
                err.to_string(),
                "copy the first field of the image's .sha256sum file",
            ));
        })
    });
    if written.disk.transport.is_empty() {
        let what = "the disk rule allows no transport, so no disk could ever be chosen".to_owned();
        diagnostics.push(wrong(line_of("transport"), what, "name at least one, as transport = [\"nvme\", \"sata\"]"));
    }
    if written.secure_boot && written.https {
        let what = "secure_boot and https exclude each other: GRUB, which Secure Boot needs, has no HTTPS".to_owned();
        diagnostics.push(wrong(line_of("secure_boot"), what, "take one of them out"));
    }
    match (id, sha256.transpose()) {
        (Ok(id), Ok(sha256)) if diagnostics.is_empty() => Ok(Profile {
            title: written.title.unwrap_or_else(|| id.to_string()),
            id,
            aliases: written.aliases,
            image: written.image,
            sha256,
            disk: written.disk,
            secure_boot: written.secure_boot,
            kernel_args: written.kernel_args,
            https: written.https,
        }),
        _ => Err(diagnostics),
    }
}

/// A profile as its file spells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    schema: u32,
    title: Option<String>,
    #[serde(default)]
    aliases: Vec<String>,
    image: String,
    sha256: Option<String>,
    #[serde(default)]
    disk: DiskRule,
    #[serde(default)]
    secure_boot: bool,
    #[serde(default)]
    kernel_args: Vec<String>,
    #[serde(default)]
    https: bool,
}

const SCHEMA: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        parse("demo.toml", text).expect_err("it is wrong").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_least_profile_is_a_schema_and_an_image() {
        let profile = parse("emt-s.toml", "schema = 1\nimage = \"edge.raw.gz\"\n").expect("a profile");
        assert_eq!(
            (profile.id.as_str(), profile.title.as_str(), profile.image.as_str()),
            ("emt-s", "emt-s", "edge.raw.gz")
        );
    }

    #[test]
    fn a_misspelt_key_is_named_with_its_line() {
        let said = complaints("schema = 1\nimagee = \"edge.raw.gz\"\n");
        assert!(said[0].starts_with("demo.toml:2: unknown field `imagee`"), "{said:?}");
    }

    #[test]
    fn secure_boot_by_https_alone_is_refused_and_never_done_by_http() {
        let said = complaints("schema = 1\nimage = \"edge.raw.gz\"\nhttps = true\nsecure_boot = true\n");
        assert!(said.len() == 1 && said[0].starts_with("demo.toml:4: secure_boot and https exclude"), "{said:?}");
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let said = complaints("schema = 9\nimage = \"../etc/passwd\"\nsha256 = \"12\"\n[disk]\ntransport = []\n");
        assert_eq!(said.len(), 4, "{said:?}");
    }
}
