//! Profiles, images, boot files, quirks and placeholders: looks at them every two seconds and says what is there and
//! whether it can be used. A register of quirks that cannot be read leaves the last good one in force, and so does a list
//! of placeholders.
//!
//! An image is copied once into the station's own store while its digests are computed, under the digest's name and
//! read-only. What machines download is that copy: nobody can shorten or swap it under their feet, and the same name
//! with new content is simply another image.

pub mod check;
pub mod inspect;
mod placeholders;
mod profiles;
mod quirks;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{info, warn};

use self::check::{FileKind, Unusable};
use self::profiles::LastGoodProfiles;
use self::sweep::Sweep;
use super::{ServiceContext, ServiceError};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::ProfileId;
use crate::domain::ids::placeholder::Placeholders;
use crate::domain::machine::disk::in_bytes;
use crate::domain::node::quirk_file;
use crate::domain::profile::image::ImageState;
use crate::domain::profile::{Installer, Profile};
use crate::domain::snapshot::Catalogue;
use crate::domain::station::service::ServiceName;
use crate::inbox::Input;

pub use check::FileIdentity;
pub use profiles::no_default;

/// Where profiles and images are.
#[derive(Clone, Debug)]
pub struct ImagesConfig {
    pub profiles: PathBuf,
    pub images: PathBuf,
    /// The station's own copies, by digest.
    pub store: PathBuf,
    /// What machines fetch before their image.
    pub boot_files: PathBuf,
    /// The site's own register of quirks. There need not be one.
    pub quirks: PathBuf,
    /// The site's own list of serials and UUIDs that identify nobody. There need not be one.
    pub placeholders: PathBuf,
    pub default_profile: Option<ProfileId>,
}

/// Watches until told to stop. Checks one image at a time: they share one disk.
pub async fn serve(context: ServiceContext, config: ImagesConfig) -> Result<(), ServiceError> {
    context.up(ServiceName::Images, config.images.display()).await;
    let mut catalogue = Catalogue {
        default_profile: config.default_profile.clone(),
        quirks: context.snapshot().catalogue.quirks.clone(),
        placeholders: context.snapshot().catalogue.placeholders.clone(),
        ..Catalogue::default()
    };
    let mut checked = KnownFiles::new();
    let mut sweep = Sweep::default();
    let mut said_room = None;
    let mut shelf = LastGoodProfiles::default();
    sweep::remove_unfinished(&config.store);
    loop {
        checked.retain(|_, checked| checked.again.is_none_or(|again| Instant::now() < again));
        let (profiles, mut diagnostics) = written(&config, &mut shelf);
        match quirks::read(&config.quirks, Some(&config.boot_files)) {
            Ok(quirks) => catalogue.quirks = Arc::new(quirks),
            Err(wrong) => diagnostics.extend(wrong),
        }
        match placeholders::read(&config.placeholders) {
            Ok(listed) => catalogue.placeholders = Arc::new(listed),
            Err(wrong) => diagnostics.extend(wrong),
        }
        let wanted = wanted(profiles.values());
        catalogue.sums = profiles::sums(&config.images, wanted.iter().map(|(name, _)| name), &mut diagnostics);
        for new in diagnostics.iter().filter(|found| !catalogue.diagnostics.contains(found)) {
            warn!(hint = new.hint, "{}", new.place_and_what());
        }
        (catalogue.profiles, catalogue.diagnostics) = (profiles, diagnostics);
        catalogue.images.clear();
        catalogue.boot_files.clear();
        for (name, kind) in &wanted {
            states(&mut catalogue, *kind).insert(name.clone(), state(&config, name, *kind, &checked));
        }
        publish(&context, &catalogue).await;
        let unread = |(name, kind): &(String, FileKind)| {
            matches!(states(&mut catalogue, *kind).get(name), Some(ImageState::Checking { .. }))
        };
        match wanted.into_iter().find(unread) {
            Some((name, kind)) => {
                if let Some(identity) = FileIdentity::of(&config.images.join(&name)) {
                    let (state, may_pass) = check_one(&context, &config, &mut catalogue, &name, kind).await;
                    let again = may_pass.then(|| Instant::now() + TRY_AGAIN);
                    checked.insert((name, kind), CheckedFile { identity, state, again });
                }
            }
            None => {
                let room = check::room(&config.store);
                if said_room != Some(room.map(in_bytes)) {
                    said_room = Some(room.map(in_bytes));
                    context.inbox.send(Input::Room(room)).await;
                }
                if let Some(needed) = sweep::needed(&catalogue, &context.snapshot(), &config.store) {
                    sweep.remove(Instant::now(), &config.store, &needed);
                }
                tokio::select! {
                    () = context.stop.cancelled() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        }
        if context.stop.is_cancelled() {
            return Ok(());
        }
    }
}

/// By name and what they are for.
type KnownFiles = BTreeMap<(String, FileKind), CheckedFile>;

/// The files that profiles need, each once.
fn wanted<'p>(profiles: impl Iterator<Item = &'p Profile>) -> BTreeSet<(String, FileKind)> {
    let mut files: BTreeSet<_> = profiles.flat_map(needed_by).map(|(name, kind)| (name.to_owned(), kind)).collect();
    // What is a boot file somewhere and an archive elsewhere has to be a tar, and is copied once.
    let archives: Vec<_> = files.iter().filter(|(_, kind)| *kind == FileKind::Archive).cloned().collect();
    for (name, _) in archives {
        files.remove(&(name, FileKind::BootFile));
    }
    files
}

fn needed_by(profile: &Profile) -> impl Iterator<Item = (&str, FileKind)> {
    let image = profile.image().map(|image| (image.file.as_str(), FileKind::Image));
    let boot_files = profile.installer().into_iter().flat_map(Installer::boot_files);
    let boot_files = boot_files.map(|name| (name, FileKind::BootFile));
    let archives = profile.archive_files().map(|name| (name, FileKind::Archive));
    image.into_iter().chain(boot_files).chain(archives)
}

fn states(catalogue: &mut Catalogue, kind: FileKind) -> &mut BTreeMap<String, ImageState> {
    match kind {
        FileKind::Image => &mut catalogue.images,
        FileKind::BootFile | FileKind::Archive => &mut catalogue.boot_files,
    }
}

/// What came of reading a file.
struct CheckedFile {
    identity: FileIdentity,
    state: ImageState,
    /// When the same file is read again, if it was not its own fault.
    again: Option<Instant>,
}

/// The profiles there are, with nothing known of their images yet, and the quirks and placeholders in these files.
pub fn read(
    profiles_in: &Path,
    default_profile: Option<&ProfileId>,
    quirks_in: &Path,
    placeholders_in: &Path,
) -> Catalogue {
    let (profiles, mut diagnostics) = LastGoodProfiles::default().read(profiles_in, default_profile);
    let quirks = quirks::read(quirks_in, None).unwrap_or_else(|wrong| {
        diagnostics.extend(wrong);
        quirk_file::shipped().clone()
    });
    let placeholders = placeholders::read(placeholders_in).unwrap_or_else(|wrong| {
        diagnostics.extend(wrong);
        Placeholders::default()
    });
    let (quirks, placeholders) = (Arc::new(quirks), Arc::new(placeholders));
    let default_profile = default_profile.cloned();
    Catalogue { profiles, diagnostics, default_profile, quirks, placeholders, ..Catalogue::default() }
}

/// Reads every profile and every image they name, without a station. Each thing wrong, with what to do.
pub fn examine(config: &ImagesConfig) -> Vec<(String, String)> {
    let (profiles, mut diagnostics) = written(config, &mut LastGoodProfiles::default());
    diagnostics.extend(quirks::read(&config.quirks, Some(&config.boot_files)).err().into_iter().flatten());
    diagnostics.extend(placeholders::read(&config.placeholders).err().into_iter().flatten());
    let (mut checked, mut catalogue, wanted) = (KnownFiles::new(), Catalogue::default(), wanted(profiles.values()));
    catalogue.sums = profiles::sums(&config.images, wanted.iter().map(|(name, _)| name), &mut diagnostics);
    for (name, kind) in wanted {
        let file = config.images.join(&name);
        if let ImageState::Checking { .. } = state(config, &name, kind, &checked)
            && let Some(identity) = FileIdentity::of(&file)
        {
            let read = check::check(&file, &config.store, &name, kind, |_, _| true);
            let state = read.map_or_else(|broken| told(&broken), ImageState::Ready);
            checked.insert((name.clone(), kind), CheckedFile { identity, state, again: None });
        }
        let state = state(config, &name, kind, &checked);
        states(&mut catalogue, kind).insert(name, state);
    }
    let mut wrong: Vec<_> = diagnostics.into_iter().map(|found| (found.place_and_what(), found.hint)).collect();
    for profile in profiles.values() {
        wrong.extend(catalogue.files(profile).into_iter().filter_map(|(_, state)| match state? {
            ImageState::Broken { what, hint } => {
                let source =
                    profile.source.iter().map(|source| format!("; it comes from: {source}")).collect::<String>();
                Some((format!("profile {}: {what}", profile.id), hint + &source))
            }
            ImageState::Checking { .. } | ImageState::Ready(_) => None,
        }));
    }
    wrong
}

fn told(broken: &Unusable) -> ImageState {
    ImageState::Broken { what: broken.to_string(), hint: broken.hint().into() }
}

async fn publish(context: &ServiceContext, catalogue: &Catalogue) {
    if *context.snapshot().catalogue != *catalogue {
        context.inbox.send(Input::Catalogue(Arc::new(catalogue.clone()))).await;
    }
}

/// What is known of the file of this name, without reading it.
fn state(config: &ImagesConfig, name: &str, kind: FileKind, checked: &KnownFiles) -> ImageState {
    let Some(identity) = FileIdentity::of(&config.images.join(name)) else {
        return ImageState::Broken {
            what: format!("there is no {} {name} in {}", kind.word(), config.images.display()),
            hint: "copy it there, or correct its name in the profile".into(),
        };
    };
    match checked.get(&(name.to_owned(), kind)) {
        Some(known) if known.identity == identity => known.state.clone(),
        _ => match check::recalled(&config.store, name, kind, &identity) {
            Some(info) => ImageState::Ready(info),
            None => ImageState::Checking { done: 0, total: identity.bytes() },
        },
    }
}

/// Reads a file, and says too whether it may turn out otherwise another time.
async fn check_one(
    context: &ServiceContext,
    config: &ImagesConfig,
    catalogue: &mut Catalogue,
    name: &str,
    kind: FileKind,
) -> (ImageState, bool) {
    info!(image = name, "checking");
    let (moved, mut moves) = mpsc::channel(1);
    let (file, store, own, stop) =
        (config.images.join(name), config.store.clone(), name.to_owned(), context.stop.clone());
    let check = tokio::task::spawn_blocking(move || {
        check::check(&file, &store, &own, kind, |done, total| {
            let _the_last_figure_is_still_on_its_way = moved.try_send((done, total));
            !stop.is_cancelled()
        })
    });
    while let Some((done, total)) = moves.recv().await {
        states(catalogue, kind).insert(name.to_owned(), ImageState::Checking { done, total });
        publish(context, catalogue).await;
    }
    match check.await {
        Ok(Ok(info)) => {
            info!(image = name, sha256 = %info.sha256, bytes = info.bytes, disk_bytes = info.disk_bytes, "image is good");
            (ImageState::Ready(info), false)
        }
        Ok(Err(broken)) => {
            warn!(image = name, "{broken}");
            (told(&broken), broken.may_pass())
        }
        Err(panic) => {
            let (what, hint) = (format!("checking it failed: {panic}"), "read the station's log".into());
            (ImageState::Broken { what, hint }, true)
        }
    }
}

/// What is there beside images: the profiles that can be used, and everything that is wrong or missing.
fn written(config: &ImagesConfig, shelf: &mut LastGoodProfiles) -> (BTreeMap<ProfileId, Profile>, Vec<Diagnostic>) {
    let (profiles, wrong) = shelf.read(&config.profiles, config.default_profile.as_ref());
    let signed = profiles.values().any(|profile| profile.secure_boot);
    (profiles, missing_boot_files(&config.boot_files, signed).into_iter().chain(wrong).collect())
}

/// What machines will ask for and not get. The signed ones only those for which a profile says `secure_boot`.
fn missing_boot_files(directory: &Path, signed: bool) -> Option<Diagnostic> {
    let needed = BOOT_FILES.iter().chain(SIGNED_FILES.iter().filter(|_| signed)).copied();
    let missing: Vec<&str> = needed.filter(|name| !directory.join(name).is_file()).collect();
    (!missing.is_empty()).then(|| Diagnostic {
        file: directory.display().to_string(),
        line: None,
        column: None,
        what: format!("boot files are missing: {}", missing.join(", ")),
        hint: "build them with `make boot-files`, or name their place with --boot-files".into(),
    })
}

const BOOT_FILES: &[&str] = &["undionly.kpxe", "snponly.efi", "vmlinuz", "initramfs.img"];
const SIGNED_FILES: &[&str] = &["shimx64.efi", "grubx64.efi"];
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// An image that could not be read or copied is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
