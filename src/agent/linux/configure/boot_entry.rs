//! The firmware's boot entry for the disk, made by efibootmgr(8). A firmware that takes none starts a disk by the loader
//! of removable media, which must be there then.

use std::path::Path;

use super::filesystem::{For, Kind, Mounted, check};
use super::firmware::Firmware;
use super::partitions::Partition;
use super::tools::succeed;
use super::trouble::misfit;
use crate::agent::machine::{Aid, Unconfigured};
use crate::domain::configuration::{BootEntry, NetworkBoot};

/// The EFI system partition of the chosen disk.
pub(super) struct Esp<'a> {
    pub disk: &'a Path,
    pub partition: &'a Partition,
    /// Its own GUID, as firmware writes it.
    pub guid: String,
}

/// Sees to it that the firmware starts `asked` from `esp`.
pub(super) fn set(asked: &BootEntry, esp: &Esp<'_>, at: &Path, aid: &dyn Aid) -> Result<(), Unconfigured> {
    let (has_loader, has_fallback) = loaders(asked, esp, at)?;
    if !has_loader {
        return Err(misfit(format!("the boot entry starts {}, which is not on the image's ESP", asked.loader)));
    }
    match entered(asked, esp) {
        Ok(firmware) => {
            aid.say(&format!("boot order: {}", firmware.in_words()));
            Ok(())
        }
        Err(Unconfigured { detail, .. }) if has_fallback => {
            aid.say(&format!(
                "warning: the firmware takes no boot entry ({detail}): it is left to find {FALLBACK}, which is there"
            ));
            Ok(())
        }
        Err(Unconfigured { kind, detail }) => {
            let detail =
                format!("the firmware takes no boot entry, and there is no {FALLBACK} to do without one: {detail}");
            Err(Unconfigured { kind, detail })
        }
    }
}

/// Whether the asked loader and the one of removable media are on the ESP.
fn loaders(asked: &BootEntry, esp: &Esp<'_>, at: &Path) -> Result<(bool, bool), Unconfigured> {
    let device = &esp.partition.device;
    let kind = Kind::of(device)?.ok_or_else(|| misfit("the image's ESP has no file system"))?;
    check(kind, device)?;
    let mounted = Mounted::new(device, kind, For::Reading, at)?;
    let root = mounted.root()?;
    let has = |loader: &str| root.has(Path::new(&loader.replace('\\', "/")));
    let found = (has(&asked.loader), has(FALLBACK));
    mounted.unmount()?;
    Ok(found)
}

/// What the firmware has when it is done.
fn entered(asked: &BootEntry, esp: &Esp<'_>) -> Result<Firmware, Unconfigured> {
    let list = || Ok(Firmware::read(&succeed(PROGRAM, &["-v"])?));
    let firmware = list()?;
    for stale in firmware.stale(asked, &esp.guid) {
        succeed(PROGRAM, &["-b", &hex(stale), "-B"])?;
    }
    if firmware.ours(asked, &esp.guid).is_none() {
        let (disk, number) = (esp.disk.display().to_string(), esp.partition.number.to_string());
        succeed(PROGRAM, &["-c", "-d", &disk, "-p", &number, "-L", &asked.label, "-l", &asked.loader])?;
    }
    let firmware = list()?;
    let ours = firmware.ours(asked, &esp.guid).ok_or_else(|| misfit("it was made, and is not there"))?;
    if firmware.entries.iter().any(|entry| entry.number == ours && !entry.is_active) {
        succeed(PROGRAM, &["-b", &hex(ours), "-a"])?;
    }
    for network in firmware.to_silence(asked.network) {
        succeed(PROGRAM, &["-b", &hex(network), "-A"])?;
    }
    let order = firmware.order(ours, asked.network);
    if order != firmware.order {
        let order: Vec<String> = order.iter().copied().map(hex).collect();
        succeed(PROGRAM, &["-o", &order.join(",")])?;
    }
    if firmware.next.is_some() {
        succeed(PROGRAM, &["-N"])?;
    }
    let firmware = list()?;
    let is_first = firmware.order.first() == Some(&ours) || asked.network == NetworkBoot::First;
    if firmware.ours(asked, &esp.guid).is_some() && is_first {
        Ok(firmware)
    } else {
        Err(misfit(format!("it keeps another order: {}", firmware.in_words())))
    }
}

fn hex(number: u16) -> String {
    format!("{number:04X}")
}

const PROGRAM: &str = "efibootmgr";
/// UEFI specification section 3.5.1.1: what firmware looks for on a medium of which it knows nothing.
const FALLBACK: &str = r"\EFI\BOOT\BOOTX64.EFI";
