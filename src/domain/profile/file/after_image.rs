//! What the agent does after the image: where files go, archives, the layout, the boot entry, the first boot.

use serde::Deserialize;

use super::names::{is_in_images, is_inside, volume};
use super::source::ProfileSource;
use super::written::ProfileToml;
use crate::domain::profile::configuration::{AbVerity, BootEntry, DiskLayout, NetworkBootPlace, VolumeName};
use crate::domain::profile::{After, CloudInitAt, FirstBoot, NodeArchive, Profile};

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenConfigure {
    root: Option<String>,
    cloud_init: Option<CloudInitAt>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenArchive {
    volume: Option<String>,
    path: String,
    file: String,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenLayout {
    kind: String,
    rootfs_mib: Option<u64>,
    hash_mib: Option<u64>,
    roothash_mib: Option<u64>,
    swap_mib: Option<u64>,
    reserved_mib: Option<u64>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenBootEntry {
    label: String,
    loader: Option<String>,
    #[serde(default)]
    stale: Vec<String>,
    #[serde(default)]
    network: NetworkBootPlace,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFirstBoot {
    within_minutes: u32,
    #[serde(default)]
    output: bool,
}

/// The volume with the root of the node's own system, and where cloud-init is told.
pub(super) fn configure(page: &mut ProfileSource<'_>, written: &WrittenConfigure) -> Option<(VolumeName, CloudInitAt)> {
    let root = written.root.as_deref().unwrap_or(ROOTFS);
    Some((volume(page, &["configure", "root"], root)?, written.cloud_init.unwrap_or_default()))
}

pub(super) fn archives(
    page: &mut ProfileSource<'_>,
    written: &[WrittenArchive],
    root: &VolumeName,
) -> Option<Vec<NodeArchive>> {
    let mut archives: Vec<Option<NodeArchive>> = Vec::new();
    for (at, WrittenArchive { volume: on, path, file }) in written.iter().enumerate() {
        let at = at.to_string();
        let on = match on {
            Some(name) => volume(page, &["archive", &at, "volume"], name),
            None => Some(root.clone()),
        };
        let inside = is_inside(path) || path == "/";
        if !inside {
            let what = format!("path {path:?} does not say where the archive belongs");
            page.wrong_at(
                &["archive", &at, "path"],
                what,
                "name a directory from the volume's root, as \"/user-apps\"",
            );
        }
        let is_file = is_in_images(page, &["archive", &at, "file"], "file", file);
        let archive = |volume| NodeArchive { volume, path: path.clone(), file: file.clone() };
        archives.push(on.filter(|_| inside && is_file).map(archive));
    }
    archives.into_iter().collect()
}

pub(super) fn layout(page: &mut ProfileSource<'_>, written: &WrittenLayout) -> Option<DiskLayout> {
    let WrittenLayout { kind, rootfs_mib, hash_mib, roothash_mib, swap_mib, reserved_mib } = written;
    if kind != AB_VERITY {
        let what = format!("the layout {kind:?} is not known");
        page.wrong_at(&["layout", "kind"], what, "write kind = \"ab-verity\", or take [layout] out");
        return None;
    }
    let usual = AbVerity::default();
    let layout = AbVerity {
        rootfs_mib: rootfs_mib.unwrap_or(usual.rootfs_mib),
        hash_mib: hash_mib.unwrap_or(usual.hash_mib),
        roothash_mib: roothash_mib.unwrap_or(usual.roothash_mib),
        swap_mib: *swap_mib,
        reserved_mib: reserved_mib.unwrap_or(usual.reserved_mib),
    };
    let AbVerity { rootfs_mib, hash_mib, roothash_mib, swap_mib, reserved_mib } = &layout;
    let sizes = [
        ("rootfs_mib", *rootfs_mib),
        ("hash_mib", *hash_mib),
        ("roothash_mib", *roothash_mib),
        ("swap_mib", swap_mib.unwrap_or(1)),
        ("reserved_mib", *reserved_mib),
    ];
    let mut fits = true;
    for (key, size) in sizes.into_iter().filter(|(_, size)| !(1..=LARGEST_MIB).contains(size)) {
        let what = format!("{key} = {size} is no size of a partition");
        page.wrong_at(&["layout", key], what, format!("MiB, from 1 to {LARGEST_MIB}"));
        fits = false;
    }
    fits.then_some(DiskLayout::AbVerity(layout))
}

pub(super) fn boot_entry(page: &mut ProfileSource<'_>, written: &WrittenBootEntry) -> Option<BootEntry> {
    let before = page.diagnostics.len();
    let WrittenBootEntry { label, loader, stale, network } = written.clone();
    let loader = loader.unwrap_or_else(|| REMOVABLE.into());
    let is_label = |label: &str| !label.trim().is_empty() && label.len() <= LABEL && label.chars().all(is_plain);
    if !is_label(&label) {
        let what = format!("{label:?} is no name for a firmware's menu");
        page.wrong_at(&["boot_entry", "label"], what, "letters, digits and signs in one line");
    }
    if !loader.starts_with('\\') || loader.contains('/') || !loader.chars().all(is_plain) {
        let what = format!("the loader {loader:?} is no file of the ESP");
        page.wrong_at(&["boot_entry", "loader"], what, "write it with backslashes, as '\\EFI\\BOOT\\BOOTX64.EFI'");
    }
    if stale.iter().any(|name| !is_label(name)) {
        let what = "one of the stale names is empty, and every entry begins with that";
        page.wrong_at(&["boot_entry", "stale"], what, "write the names that the firmware shows");
    }
    (page.diagnostics.len() == before).then_some(BootEntry { label, loader, stale, network })
}

pub(super) fn first_boot(page: &mut ProfileSource<'_>, written: &ProfileToml) -> Option<FirstBoot> {
    let WrittenFirstBoot { within_minutes, output } = written.first_boot.clone()?;
    if !(1..=DAY).contains(&within_minutes) {
        let what = format!("within_minutes = {within_minutes} is no time to wait for a machine");
        page.wrong_at(&["first_boot", "within_minutes"], what, "minutes, from 1 to 1440");
    }
    if written.after.is_some_and(|after| after != After::Reboot) {
        let what = "[first_boot] waits for the machine's own system, which does not start by itself with this `after`";
        page.wrong_at(&["after"], what, "write after = \"reboot\", or take [first_boot] out");
    }
    Some(FirstBoot { within_minutes, output })
}

/// What cannot be meant together.
pub(super) fn contradictions(page: &mut ProfileSource<'_>, profile: &Profile) {
    let Profile { system, cloud_init, cloud_init_at, first_boot, .. } = profile;
    // The toolkit's cloud-init merges any number of files.
    let merges = *cloud_init_at == CloudInitAt::Emt;
    if cloud_init.user_data.is_some() && system.is_said_by_user_data() && !merges {
        let what = "it has user data of its own, and what [system] says would have to stand in it too";
        page.wrong_at(&["system"], what, "write it into the user data, or take `user_data` out: then it is made");
    }
    if system.network.is_some() && cloud_init.network_config.is_some() {
        let what = "[system.network] and cloud-init's own document would both say what the network is";
        page.wrong_at(&["system", "network"], what, "take one of them out");
    }
    if merges {
        for (key, document) in [("meta_data", &cloud_init.meta_data), ("network_config", &cloud_init.network_config)] {
            if document.is_some() {
                let what = format!("the toolkit reads no {key}: its cloud-init has the user data alone");
                page.wrong_at(&["cloud_init", key], what, "write it into the user data, as `network:`");
            }
        }
    }
    let speaks_of_home = |text: &str| text.contains("run.home");
    let calls = profile.makes_user_data() || {
        let documents = [&cloud_init.user_data, &cloud_init.meta_data].into_iter().flatten();
        documents.chain(profile.files.iter().map(|file| &file.content)).any(|template| speaks_of_home(&template.text))
    };
    if first_boot.is_some() && !calls {
        let what = "[first_boot] waits for a call home, and nothing in this profile makes the machine call";
        page.wrong_at(&["first_boot"], what, "have the user data, or a file, fetch {{ run.home }}");
    } else if first_boot.is_some_and(|first_boot| first_boot.output) && !profile.makes_user_data() {
        let what = "cloud-init's output is sent by user data that is made here, and this profile brings its own";
        page.wrong_at(&["first_boot", "output"], what, "take `output` out, or `user_data`");
    }
}

fn is_plain(c: char) -> bool {
    crate::domain::text::is_printable(c)
}

const ROOTFS: &str = "rootfs";
const AB_VERITY: &str = "ab-verity";
/// The loader that firmware looks for by itself.
const REMOVABLE: &str = "\\EFI\\BOOT\\BOOTX64.EFI";
const LABEL: usize = 64;
/// 16 TiB.
const LARGEST_MIB: u64 = 16 << 20;
/// In minutes.
const DAY: u32 = 1440;
