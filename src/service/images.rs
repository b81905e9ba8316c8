//! Profiles, images, boot files, quirks and placeholders: looks at them every two seconds and says what is there and
//! whether it can be used. A register of quirks that cannot be read leaves the last good one in force, and so does a list
//! of placeholders.
//!
//! An image is copied once into the station's own store while its digests are computed, under the digest's name and
//! read-only. What machines download is that copy: nobody can shorten or swap it under their feet, and the same name
//! with new content is simply another image.

mod check;
mod placeholders;
mod quirks;
mod sweep;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{Context, ServiceError};
use crate::clock;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::ProfileId;
use crate::domain::image::ImageState;
use crate::domain::placeholder::Placeholders;
use crate::domain::profile::Profile;
use crate::domain::profile_file;
use crate::domain::quirk_file;
use crate::domain::service::ServiceName;
use crate::domain::snapshot::Catalogue;
use crate::inbox::Note;

use self::check::Broken;
use self::sweep::Sweep;

pub use check::Identity;

/// Where profiles and images are.
#[derive(Clone, Debug)]
pub struct Config {
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
pub async fn serve(context: Context, config: Config) -> Result<(), ServiceError> {
    context.up(ServiceName::Images, config.images.display()).await;
    let mut catalogue = Catalogue {
        default_profile: config.default_profile.clone(),
        quirks: context.snapshot().catalogue.quirks.clone(),
        placeholders: context.snapshot().catalogue.placeholders.clone(),
        ..Catalogue::default()
    };
    let mut checked: BTreeMap<String, Checked> = BTreeMap::new();
    let mut sweep = Sweep::default();
    sweep::remove_unfinished(&config.store);
    loop {
        checked.retain(|_, checked| checked.again.is_none_or(|again| Instant::now() < again));
        let (profiles, mut diagnostics) = written(&config);
        match quirks::read(&config.quirks, Some(&config.boot_files)) {
            Ok(quirks) => catalogue.quirks = Arc::new(quirks),
            Err(wrong) => diagnostics.extend(wrong),
        }
        match placeholders::read(&config.placeholders) {
            Ok(listed) => catalogue.placeholders = Arc::new(listed),
            Err(wrong) => diagnostics.extend(wrong),
        }
        for new in diagnostics.iter().filter(|found| !catalogue.diagnostics.contains(found)) {
            warn!(hint = new.hint, "{}", new.place_and_what());
        }
        (catalogue.profiles, catalogue.diagnostics) = (profiles, diagnostics);
        let wanted: Vec<Profile> = catalogue.profiles.values().cloned().collect();
        catalogue.images =
            wanted.iter().map(|profile| (profile.image.clone(), state(&config, &profile.image, &checked))).collect();
        publish(&context, &catalogue).await;
        let next = wanted
            .into_iter()
            .find(|profile| matches!(catalogue.images.get(&profile.image), Some(ImageState::Checking { .. })));
        match next {
            Some(profile) => {
                if let Some(identity) = Identity::of(&config.images.join(&profile.image)) {
                    let (state, may_pass) = check_one(&context, &config, &mut catalogue, &profile).await;
                    let again = may_pass.then(|| Instant::now() + TRY_AGAIN);
                    checked.insert(profile.image, Checked { identity, state, again });
                }
            }
            None => {
                if let Some(needed) = sweep::needed(clock::now(), &catalogue, &context.snapshot(), &config.store) {
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

/// What came of reading an image.
struct Checked {
    identity: Identity,
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
    let (profiles, mut diagnostics) = profiles(profiles_in, default_profile);
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
pub fn examine(config: &Config) -> Vec<(String, String)> {
    let (profiles, mut diagnostics) = written(config);
    diagnostics.extend(quirks::read(&config.quirks, Some(&config.boot_files)).err().into_iter().flatten());
    diagnostics.extend(placeholders::read(&config.placeholders).err().into_iter().flatten());
    let mut wrong: Vec<_> = diagnostics.into_iter().map(|found| (found.place_and_what(), found.hint)).collect();
    let (mut checked, mut catalogue) = (BTreeMap::new(), Catalogue::default());
    for profile in profiles.values() {
        if let ImageState::Checking { .. } = state(config, &profile.image, &checked)
            && let Some(identity) = Identity::of(&config.images.join(&profile.image))
        {
            let read = check::check(&config.images.join(&profile.image), &config.store, &profile.image, |_, _| true);
            let state = read.map_or_else(|broken| told(&broken), ImageState::Ready);
            checked.insert(profile.image.clone(), Checked { identity, state, again: None });
        }
        catalogue.images.insert(profile.image.clone(), state(config, &profile.image, &checked));
        if let Some(ImageState::Broken { what, hint }) = catalogue.image(profile) {
            wrong.push((format!("profile {}: {what}", profile.id), hint));
        }
    }
    wrong
}

fn told(broken: &Broken) -> ImageState {
    ImageState::Broken { what: broken.to_string(), hint: broken.hint().into() }
}

async fn publish(context: &Context, catalogue: &Catalogue) {
    if *context.snapshot().catalogue != *catalogue {
        context.inbox.send(Note::Catalogue(Arc::new(catalogue.clone()))).await;
    }
}

/// What is known of the image of this name, without reading it.
fn state(config: &Config, image: &str, checked: &BTreeMap<String, Checked>) -> ImageState {
    let Some(identity) = Identity::of(&config.images.join(image)) else {
        return ImageState::Broken {
            what: format!("there is no image {image} in {}", config.images.display()),
            hint: "copy the image there, or correct the profile's `image`".into(),
        };
    };
    match checked.get(image) {
        Some(known) if known.identity == identity => known.state.clone(),
        _ => match check::recalled(&config.store, image, &identity) {
            Some(info) => ImageState::Ready(info),
            None => ImageState::Checking { done: 0, total: identity.bytes() },
        },
    }
}

/// Reads an image, and says too whether it may turn out otherwise another time.
async fn check_one(
    context: &Context,
    config: &Config,
    catalogue: &mut Catalogue,
    profile: &Profile,
) -> (ImageState, bool) {
    info!(image = profile.image, "checking");
    let (moved, mut moves) = mpsc::channel(1);
    let (file, store, name, stop) =
        (config.images.join(&profile.image), config.store.clone(), profile.image.clone(), context.stop.clone());
    let check = tokio::task::spawn_blocking(move || {
        check::check(&file, &store, &name, |done, total| {
            let _the_last_figure_is_still_on_its_way = moved.try_send((done, total));
            !stop.is_cancelled()
        })
    });
    while let Some((done, total)) = moves.recv().await {
        catalogue.images.insert(profile.image.clone(), ImageState::Checking { done, total });
        publish(context, catalogue).await;
    }
    match check.await {
        Ok(Ok(info)) => {
            info!(image = info.name, sha256 = %info.sha256, bytes = info.bytes, disk_bytes = info.disk_bytes, "image is good");
            (ImageState::Ready(info), false)
        }
        Ok(Err(broken)) => {
            warn!(image = profile.image, "{broken}");
            (told(&broken), broken.may_pass())
        }
        Err(panic) => {
            let (what, hint) = (format!("checking it failed: {panic}"), "read the station's log".into());
            (ImageState::Broken { what, hint }, true)
        }
    }
}

/// What is there beside images: the profiles that can be used, and everything that is wrong or missing.
fn written(config: &Config) -> (BTreeMap<ProfileId, Profile>, Vec<Diagnostic>) {
    let (profiles, wrong) = profiles(&config.profiles, config.default_profile.as_ref());
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

/// Every profile of the directory that can be read, and what is wrong with the others.
fn profiles(directory: &Path, default: Option<&ProfileId>) -> (BTreeMap<ProfileId, Profile>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let wrong =
        |file: String, what: String, hint: &str| Diagnostic { file, line: None, column: None, what, hint: hint.into() };
    let mut read = BTreeMap::new();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(err) => {
            let hint = "make the directory and put a profile in it; profiles/demo.toml explains one";
            diagnostics.push(wrong(directory.display().to_string(), format!("cannot be read: {err}"), hint));
            Vec::new()
        }
    };
    let mut files: Vec<PathBuf> =
        entries.into_iter().filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match std::fs::read_to_string(&path)
            .map_err(|err| vec![wrong(name.clone(), format!("cannot be read: {err}"), "check its permissions")])
            .and_then(|text| profile_file::parse(&name, &text))
        {
            Ok(profile) => drop(read.insert(profile.id.clone(), profile)),
            Err(wrong) => diagnostics.extend(wrong),
        }
    }
    if let Some(missing) = default.filter(|id| !read.contains_key(id)) {
        let what = format!("there is no usable profile {missing}, which is the default");
        diagnostics.push(wrong(
            format!("{missing}.toml"),
            what,
            "machines that nobody registered wait until it is there",
        ));
    }
    (read, diagnostics)
}

const BOOT_FILES: &[&str] = &["undionly.kpxe", "snponly.efi", "vmlinuz", "initramfs.img"];
const SIGNED_FILES: &[&str] = &["shimx64.efi", "grubx64.efi"];
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// An image that could not be read or copied is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
