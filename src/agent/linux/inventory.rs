//! What the machine is made of, by way of `/sys` and `/proc`: nothing is asked of the hardware itself.

use std::fs;
use std::path::Path;

use super::{attribute, names};
use crate::domain::machine::inventory::{Inventory, Nic};
use crate::domain::text::clean;

/// The inventory. `sys` and `proc` are where sysfs (with efivarfs at its usual place) and procfs are mounted.
pub(super) fn read(sys: &Path, proc: &Path) -> Inventory {
    let dmi = |name: &str| attribute(&sys.join("class/dmi/id").join(name));
    let cpuinfo = fs::read_to_string(proc.join("cpuinfo")).unwrap_or_default();
    let values = |key: &'static str| cpuinfo.lines().filter_map(move |line| value(line, key));
    let firmware = sys.join("firmware");
    Inventory {
        cpu: values("model name").next().map(|name| clean(name, WORDS)),
        cpu_threads: u32::try_from(values("processor").count()).unwrap_or(u32::MAX),
        memory_bytes: fitted(&firmware.join("dmi/tables/DMI")).unwrap_or_else(|| seen_by_the_kernel(proc)),
        nics: nics(&sys.join("class/net")),
        bios_vendor: dmi("bios_vendor"),
        bios_version: dmi("bios_version"),
        bios_date: dmi("bios_date"),
        uefi: firmware.join("efi").is_dir(),
        secure_boot: secure_boot(&firmware.join("efi/efivars").join(SECURE_BOOT)),
        tpm: tpm(&sys.join("class/tpm/tpm0")),
    }
}

/// Of `key   : value`, as `/proc/cpuinfo` and `/proc/meminfo` have it.
fn value<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    line.strip_prefix(key)?.trim_start().strip_prefix(':').map(str::trim)
}

/// The bytes of all memory modules: SMBIOS structures of type 17 (DSP0134 section 7.18). None where the firmware names
/// no module.
fn fitted(tables: &Path) -> Option<u64> {
    let tables = fs::read(tables).ok()?;
    let mut rest: &[u8] = tables.get(..TABLES).unwrap_or(&tables);
    let mut bytes = 0_u64;
    // Type, length, handle and the fields; then texts, each ended by a zero, and another zero behind the last.
    while let [kind, length, ..] = *rest {
        let Some((structure, behind)) = rest.split_at_checked(length.into()).filter(|_| length >= 4) else { break };
        if kind == MEMORY_DEVICE {
            bytes = bytes.saturating_add(module(structure).unwrap_or(0));
        }
        let Some(end) = behind.windows(2).position(|pair| pair == [0, 0]) else { break };
        rest = &behind[end + 2..];
    }
    (bytes > 0).then_some(bytes)
}

/// The size of a module: KiB or MiB in sixteen bits, or where those are full MiB in the extended size.
fn module(structure: &[u8]) -> Option<u64> {
    let size = u16::from_le_bytes(*structure.get(0x0c..)?.first_chunk()?);
    match size {
        0 | 0xffff => None,
        0x7fff => {
            let mib = u32::from_le_bytes(*structure.get(0x1c..)?.first_chunk()?) & 0x7fff_ffff;
            Some(u64::from(mib) << 20)
        }
        kib if kib & 0x8000 != 0 => Some(u64::from(kib & 0x7fff) << 10),
        mib => Some(u64::from(mib) << 20),
    }
}

fn seen_by_the_kernel(proc: &Path) -> u64 {
    let meminfo = fs::read_to_string(proc.join("meminfo")).unwrap_or_default();
    let total = meminfo.lines().find_map(|line| value(line, "MemTotal"));
    let kib: Option<u64> = total.and_then(|total| total.strip_suffix("kB")?.trim().parse().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// The machine's own Ethernet cards.
fn nics(net: &Path) -> Vec<Nic> {
    let nic = |name: String| {
        let card = net.join(&name);
        let mac = attribute(&card.join("address"))?.parse().ok()?;
        // The kernel refuses to read both while a card is down.
        let link = attribute(&card.join("carrier")).as_deref() == Some("1");
        let speed = attribute(&card.join("speed")).and_then(|speed| speed.parse().ok()).filter(|speed| *speed > 0);
        let driver = fs::read_link(card.join("device/driver")).ok();
        let driver = driver.and_then(|path| Some(clean(path.file_name()?.to_str()?, WORDS)));
        Some(Nic { name: clean(&name, WORDS), mac, driver, mbit_per_second: speed.filter(|_| link), link })
    };
    let physical = |name: &String| net.join(name).join("device").exists();
    names(net).into_iter().filter(physical).filter_map(nic).collect()
}

/// Four bytes of attributes, then 1 or 0 (UEFI specification section 3.3).
fn secure_boot(variable: &Path) -> Option<bool> {
    match *fs::read(variable).ok()? {
        [_, _, _, _, value] => Some(value == 1),
        _ => None,
    }
}

/// Kernels before 5.6 do not say which version: those that have `caps` have a TPM of version 1.2.
fn tpm(tpm: &Path) -> Option<String> {
    let version = attribute(&tpm.join("tpm_version_major"));
    version.or_else(|| tpm.is_dir().then(|| if tpm.join("caps").exists() { "1" } else { "2" }.to_owned()))
}

const SECURE_BOOT: &str = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
const MEMORY_DEVICE: u8 = 17;
/// More than any firmware's tables.
const TABLES: usize = 1 << 20;
const WORDS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A tree with these files, where a name that ends in `@` is a link.
    fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a directory");
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            match path.to_str().and_then(|path| path.strip_suffix('@')) {
                Some(link) => symlink(std::str::from_utf8(content).expect("a path"), link).expect("a link"),
                None => fs::write(path, content).expect("a file"),
            }
        }
        root
    }

    /// A memory module of this size, its extended size, and two texts.
    fn memory(size: u16, extended: u32) -> Vec<u8> {
        let mut structure = vec![0; 0x28];
        structure[..2].copy_from_slice(&[MEMORY_DEVICE, 0x28]);
        structure[0x0c..0x0e].copy_from_slice(&size.to_le_bytes());
        structure[0x1c..0x20].copy_from_slice(&extended.to_le_bytes());
        structure.extend(b"DIMM 0\0Acme\0\0");
        structure
    }

    /// A structure of another type, without texts.
    const OTHER: &[u8] = &[16, 6, 1, 0, 0xff, 0xff, 0, 0];

    #[test]
    fn a_machine_is_read_whole() {
        let sys = tree(&[
            ("class/dmi/id/bios_vendor", b"Acme\n"),
            ("class/dmi/id/bios_version", b"1.07\n"),
            ("class/dmi/id/bios_date", b"03/14/2025\n"),
            ("firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", &[6, 0, 0, 0, 1]),
            ("firmware/dmi/tables/DMI", &[OTHER, &memory(8192, 0), &memory(8192, 0), &[127, 4, 0, 0, 0, 0]].concat()),
            ("class/tpm/tpm0/tpm_version_major", b"2\n"),
            ("class/net/eth0/address", b"52:54:00:00:00:01\n"),
            ("class/net/eth0/carrier", b"1\n"),
            ("class/net/eth0/speed", b"2500\n"),
            ("class/net/eth0/device/vendor", b"0x8086\n"),
            ("class/net/eth0/device/driver@", b"../../../bus/pci/drivers/igc"),
            ("class/net/eth1/address", b"52:54:00:00:00:02\n"),
            ("class/net/eth1/carrier", b"0\n"),
            ("class/net/eth1/speed", b"-1\n"),
            ("class/net/eth1/device/vendor", b"0x8086\n"),
            ("class/net/lo/address", b"00:00:00:00:00:00\n"),
        ]);
        let proc = tree(&[
            (
                "cpuinfo",
                b"processor\t: 0\nmodel name\t: Intel(R)  Core\x1b[31m\n\nprocessor\t: 1\nmodel name\t: other\n",
            ),
            ("meminfo", b"MemTotal:       16012345 kB\nMemFree: 1 kB\n"),
        ]);
        let found = read(sys.path(), proc.path());
        let says: Vec<_> = found.facts().into_iter().map(|(name, fact)| format!("{name}: {fact}")).collect();
        assert_eq!(
            says,
            [
                "processor: Intel(R) Core·[31m, 2 threads",
                "memory: 16 GiB",
                "BIOS: Acme 1.07 03/14/2025",
                "started by: UEFI, Secure Boot on",
                "TPM: version 2",
                "card: eth0 52:54:00:00:00:01, igc, 2500 Mbit/s",
                "card: eth1 52:54:00:00:00:02, no link",
            ]
        );
    }

    #[test]
    fn a_machine_that_says_nothing_of_itself_has_the_memory_that_the_kernel_has() {
        let proc = tree(&[("meminfo", b"MemTotal:        8009208 kB\n")]);
        let nothing = tempfile::tempdir().expect("a directory");
        let found = read(nothing.path(), proc.path());
        assert_eq!(found, Inventory { memory_bytes: 8_009_208 * 1024, ..Inventory::default() });
        assert_eq!(read(nothing.path(), nothing.path()), Inventory::default());
    }

    #[test]
    fn memory_modules_of_every_size_are_counted_and_empty_slots_are_not() {
        let bytes = |modules: &[Vec<u8>]| {
            let sys = tree(&[("firmware/dmi/tables/DMI", &[&modules.concat(), OTHER].concat())]);
            read(sys.path(), sys.path()).memory_bytes
        };
        assert_eq!(bytes(&[memory(0x7fff, 65_536)]), 64 << 30);
        assert_eq!(bytes(&[memory(0x8200, 0), memory(0, 0), memory(0xffff, 0)]), 512 << 10);
        assert_eq!(bytes(&[memory(4096, 0), memory(16_384, 0)]), 20 << 30);
    }

    #[test]
    fn whatever_the_firmware_has_put_into_its_tables_they_can_be_read() {
        let sound = [OTHER, &memory(8192, 0), &memory(0x7fff, 65_536)].concat();
        for at in 0..sound.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut tables = sound.clone();
                tables[at] = byte;
                for tables in [&tables[..], &tables[..at], &tables[at..]] {
                    let sys = tree(&[("firmware/dmi/tables/DMI", tables)]);
                    read(sys.path(), sys.path());
                }
            }
        }
    }

    #[test]
    fn an_old_kernel_does_not_say_the_tpms_version_and_no_tpm_is_none() {
        let of = |files: &[(&str, &[u8])]| read(tree(files).path(), Path::new("/nowhere")).tpm;
        assert_eq!(of(&[("class/tpm/tpm0/caps", b"x"), ("class/tpm/tpm0/dev", b"x")]).as_deref(), Some("1"));
        assert_eq!(of(&[("class/tpm/tpm0/dev", b"x")]).as_deref(), Some("2"));
        assert_eq!(of(&[]), None);
    }
}
