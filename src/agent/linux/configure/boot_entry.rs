//! The firmware's boot entry for the disk, made by efibootmgr(8). A firmware that takes none starts a disk by the loader
//! of removable media, which must be there then.

use std::path::Path;

use super::error::misfit;
use super::filesystem::{FilesystemKind, For, Mounted, check};
use super::firmware::BootEntries;
use super::partitions::Partition;
use super::tools::succeed;
use crate::agent::machine::{Aid, Unconfigured};
use crate::domain::profile::configuration::{BootEntry, NetworkBootPlace};

/// The EFI system partition of the chosen disk.
pub(super) struct Esp<'a> {
    pub disk: &'a Path,
    pub partition: &'a Partition,
    /// Its own GUID, as firmware writes it.
    pub guid: String,
}

/// Sees to it that the firmware starts `asked` from `esp`.
pub(super) fn set(asked: &BootEntry, esp: &Esp<'_>, at: &Path, aid: &dyn Aid) -> Result<(), Unconfigured> {
    settle(asked, esp, loaders(asked, esp, at)?, &|args| succeed(PROGRAM, args), aid)
}

/// Which of the loaders are on the ESP.
#[derive(Clone, Copy, Debug)]
struct LoadersPresent {
    asked: bool,
    fallback: bool,
}

/// Asks efibootmgr, by its arguments; the answer is what it prints.
type Efibootmgr<'a> = dyn Fn(&[&str]) -> Result<String, Unconfigured> + 'a;

fn settle(
    asked: &BootEntry,
    esp: &Esp<'_>,
    there: LoadersPresent,
    ask: &Efibootmgr<'_>,
    aid: &dyn Aid,
) -> Result<(), Unconfigured> {
    let missing = || format!("the boot entry starts {}, which is not on the image's ESP", asked.loader);
    let asked = match there {
        LoadersPresent { asked: true, .. } => asked.clone(),
        LoadersPresent { fallback: true, .. } => {
            aid.warn(&format!("{}: using {FALLBACK} instead", missing()));
            BootEntry { loader: FALLBACK.to_owned(), ..asked.clone() }
        }
        LoadersPresent { asked: false, fallback: false } => {
            return Err(misfit(format!("{}, and neither is {FALLBACK}", missing())));
        }
    };
    match entered(&asked, esp, ask) {
        Ok(firmware) => {
            aid.say(&format!("boot order: {}", firmware.in_words()));
            Ok(())
        }
        Err(Unconfigured { detail, .. }) if there.fallback => {
            aid.warn(&format!(
                "the firmware rejects the boot entry ({detail}): it has to find {FALLBACK} by itself, which exists"
            ));
            Ok(())
        }
        Err(Unconfigured { kind, detail }) => {
            let detail =
                format!("the firmware rejects the boot entry, and there is no {FALLBACK} to fall back on: {detail}");
            Err(Unconfigured { kind, detail })
        }
    }
}

fn loaders(asked: &BootEntry, esp: &Esp<'_>, at: &Path) -> Result<LoadersPresent, Unconfigured> {
    let device = &esp.partition.device;
    let kind = FilesystemKind::of(device)?.ok_or_else(|| misfit("the image's ESP has no file system"))?;
    check(kind, device)?;
    let mounted = Mounted::new(device, kind, For::Reading, at)?;
    let root = mounted.root()?;
    let has = |loader: &str| root.has(Path::new(&loader.replace('\\', "/")));
    let found = LoadersPresent { asked: has(&asked.loader), fallback: has(FALLBACK) };
    mounted.unmount()?;
    Ok(found)
}

/// What the firmware has when it is done.
fn entered(asked: &BootEntry, esp: &Esp<'_>, ask: &Efibootmgr<'_>) -> Result<BootEntries, Unconfigured> {
    let list = || Ok(BootEntries::read(&ask(&["-v"])?));
    let firmware = list()?;
    for stale in firmware.stale(asked, &esp.guid) {
        ask(&["-b", &hex(stale), "-B"])?;
    }
    if firmware.ours(asked, &esp.guid).is_none() {
        let (disk, number) = (esp.disk.display().to_string(), esp.partition.number.to_string());
        ask(&["-c", "-d", &disk, "-p", &number, "-L", &asked.label, "-l", &asked.loader])?;
    }
    let firmware = list()?;
    let ours = firmware.ours(asked, &esp.guid).ok_or_else(|| misfit("the firmware did not keep it"))?;
    if firmware.entries.iter().any(|entry| entry.number == ours && !entry.is_active) {
        ask(&["-b", &hex(ours), "-a"])?;
    }
    for network in firmware.to_silence(asked.network) {
        ask(&["-b", &hex(network), "-A"])?;
    }
    let order = firmware.order(ours, asked.network);
    if order != firmware.order {
        let order: Vec<String> = order.iter().copied().map(hex).collect();
        ask(&["-o", &order.join(",")])?;
    }
    if firmware.next.is_some() {
        ask(&["-N"])?;
    }
    let firmware = list()?;
    let is_first = firmware.order.first() == Some(&ours) || asked.network == NetworkBootPlace::First;
    if firmware.ours(asked, &esp.guid).is_some() && is_first {
        Ok(firmware)
    } else {
        Err(misfit(format!("the firmware keeps another order: {}", firmware.in_words())))
    }
}

fn hex(number: u16) -> String {
    format!("{number:04X}")
}

const PROGRAM: &str = "efibootmgr";
/// UEFI specification section 3.5.1.1: what firmware looks for on a medium of which it knows nothing.
const FALLBACK: &str = r"\EFI\BOOT\BOOTX64.EFI";

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::{self, Read};
    use std::path::PathBuf;

    use super::*;
    use crate::agent::linux::configure::partitions::tests_support::partition;
    use crate::domain::profile::configuration::PlacedArchive;

    const GUID: &str = "0a0b0c0d-0000-4000-8000-000000000001";
    const SHIM: &str = r"\EFI\press\shimx64.efi";
    const ORDER: &str = "boot order: Press line (0007), UEFI second disk (0005), UEFI PXEv4 (0003)";
    const BOTH: LoadersPresent = LoadersPresent { asked: true, fallback: true };

    /// A firmware's variables behind an efibootmgr, which may fail at one of its options.
    struct Nvram {
        order: RefCell<Vec<u16>>,
        entries: RefCell<Vec<(u16, String)>>,
        fails: Option<(&'static str, &'static str)>,
        forgets: bool,
    }

    impl Nvram {
        fn new() -> Self {
            let entries = [
                (1, "Linux Boot Manager\tHD(1,GPT,99999999-0000-4000-8000-000000000001,0x800,0x12000)/File(\\x.efi)"),
                (5, "UEFI second disk\tPciRoot(0x0)/Pci(0x1f,0x2)/Sata(1,65535,0)"),
                (3, "UEFI PXEv4\tPciRoot(0x0)/Pci(0x2,0x0)/MAC(525400770001,1)/IPv4(0.0.0.0,0,DHCP)"),
            ];
            let entries = entries.map(|(number, entry)| (number, entry.to_owned())).into();
            Self { order: vec![3, 1, 5].into(), entries: RefCell::new(entries), fails: None, forgets: false }
        }

        fn failing(option: &'static str, words: &'static str) -> Self {
            Self { fails: Some((option, words)), ..Self::new() }
        }

        fn answer(&self, args: &[&str]) -> Result<String, Unconfigured> {
            if let Some((option, words)) = self.fails
                && args.contains(&option)
            {
                return Err(misfit(format!("efibootmgr {} ended with status 2: {words}", args.join(" "))));
            }
            let number = |text: &str| u16::from_str_radix(text, 16).expect("a number");
            match *args {
                ["-v"] => {
                    let order: Vec<String> = self.order.borrow().iter().copied().map(hex).collect();
                    let entries = self.entries.borrow();
                    let entries = entries.iter().map(|(number, entry)| format!("Boot{}* {entry}\n", hex(*number)));
                    return Ok(format!("BootOrder: {}\n{}", order.join(","), entries.collect::<String>()));
                }
                ["-b", stale, "-B"] => {
                    self.entries.borrow_mut().retain(|(entry, _)| *entry != number(stale));
                    self.order.borrow_mut().retain(|entry| *entry != number(stale));
                }
                ["-c", "-d", "/dev/sda", "-p", "1", "-L", label, "-l", loader] => {
                    if !self.forgets {
                        let entry = format!("{label}\tHD(1,GPT,{GUID},0x800,0x12000)/File({loader})");
                        self.entries.borrow_mut().push((7, entry));
                        self.order.borrow_mut().insert(0, 7);
                    }
                }
                ["-o", order] => *self.order.borrow_mut() = order.split(',').map(number).collect(),
                _ => panic!("efibootmgr {args:?}"),
            }
            Ok(String::new())
        }
    }

    #[derive(Default)]
    struct Said(RefCell<Vec<String>>);

    impl Aid for Said {
        fn fetch<'a>(&'a self, _: &'a PlacedArchive) -> io::Result<Box<dyn Read + 'a>> {
            Err(io::ErrorKind::NotFound.into())
        }

        fn say(&self, detail: &str) {
            self.0.borrow_mut().push(detail.to_owned());
        }
    }

    /// How it ended, and what was said meanwhile.
    fn settled(nvram: &Nvram, there: LoadersPresent) -> (Result<(), String>, String) {
        let asked = BootEntry {
            label: "Press line".into(),
            loader: SHIM.into(),
            stale: vec!["Linux Boot Manager".into()],
            network: NetworkBootPlace::Last,
        };
        let disk = PathBuf::from("/dev/sda");
        let esp = Esp { disk: &disk, partition: &partition(1, "esp", "ESP"), guid: GUID.into() };
        let said = Said::default();
        let ended = settle(&asked, &esp, there, &|args| nvram.answer(args), &said).map_err(|error| error.detail);
        (ended, said.0.into_inner().join("\n"))
    }

    #[test]
    fn the_disk_is_first_and_what_was_there_of_a_former_system_is_gone() {
        let nvram = Nvram::new();
        let (ended, said) = settled(&nvram, BOTH);
        assert_eq!((ended, said.as_str()), (Ok(()), ORDER));
        assert!(nvram.entries.borrow().iter().all(|(number, _)| *number != 1));
    }

    #[test]
    fn a_firmware_that_takes_no_entry_is_left_to_find_the_loader_of_removable_media_and_it_is_said() {
        for nvram in [
            Nvram::failing("-v", "EFI variables are not supported on this system."),
            Nvram::failing("-c", "Could not prepare Boot variable: No space left on device"),
            Nvram::failing("-B", "Could not delete variable: Read-only file system"),
            Nvram::failing("-o", "Could not set BootOrder: Input/output error"),
            Nvram { forgets: true, ..Nvram::new() },
        ] {
            let (ended, said) = settled(&nvram, BOTH);
            assert_eq!(ended, Ok(()), "{said}");
            let why = nvram.fails.map_or("the firmware did not keep it", |(_, words)| words);
            assert!(said.starts_with("warning: the firmware rejects the boot entry (") && said.contains(why), "{said}");
            assert!(said.ends_with(r"it has to find \EFI\BOOT\BOOTX64.EFI by itself, which exists"), "{said}");
        }
    }

    #[test]
    fn a_firmware_that_takes_no_entry_and_a_disk_without_that_loader_fail_the_run_with_the_firmwares_words() {
        let nvram = Nvram::failing("-c", "Could not prepare Boot variable: No space left on device");
        let (ended, said) = settled(&nvram, LoadersPresent { asked: true, fallback: false });
        let why = ended.expect_err("nothing would start this disk");
        assert!(why.contains(r"there is no \EFI\BOOT\BOOTX64.EFI to fall back on"), "{why}");
        assert!(why.ends_with("No space left on device") && said.is_empty(), "{why} {said}");
    }

    #[test]
    fn a_loader_that_the_image_does_not_have_is_replaced_by_that_of_removable_media_and_it_is_said() {
        let nvram = Nvram::new();
        let (ended, said) = settled(&nvram, LoadersPresent { asked: false, fallback: true });
        assert_eq!(ended, Ok(()));
        let ours = nvram.entries.borrow().iter().find(|(number, _)| *number == 7).cloned().expect("an entry");
        assert!(ours.1.ends_with(r"File(\EFI\BOOT\BOOTX64.EFI)"), "{ours:?}");
        assert!(said.starts_with(r"warning: the boot entry starts \EFI\press\shimx64.efi, which is not"), "{said}");
        assert!(said.ends_with(ORDER), "{said}");

        let (ended, _) = settled(&Nvram::new(), LoadersPresent { asked: false, fallback: false });
        let neither = ended.expect_err("there is nothing to start");
        assert!(neither.ends_with(r"is not on the image's ESP, and neither is \EFI\BOOT\BOOTX64.EFI"), "{neither}");
    }
}
