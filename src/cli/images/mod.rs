//! `oxbow images`: adds, lists, verifies and removes images. It works on the files, whether a station runs or not: a
//! running one notices changes by itself.

mod add;
mod convert;
mod fetch;
mod progress;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

use self::progress::ProgressLine;
use super::connection::LibraryArgs;
use super::print;
use crate::config::ConfigProblem;
use crate::data_dir::DataDir;
use crate::domain::digest::Digest;
use crate::domain::ids::ProfileId;
use crate::domain::machine::disk::in_bytes;
use crate::service::images::{self, check};

/// Exit status: 0 done, 1 refused, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct ImagesArgs {
    #[command(flatten)]
    library: LibraryArgs,
    #[command(subcommand)]
    what: Option<ImagesCommand>,
}

#[derive(Debug, Subcommand)]
enum ImagesCommand {
    /// List images and the profiles that use them (what `oxbow images` alone does too)
    List,
    /// Add an image from a file or a URL; resumes after an interruption
    Add(add::Add),
    /// Read images and the station's copies of them again, and compare
    Verify {
        /// The images [default: all]
        names: Vec<String>,
    },
    /// Remove an image that no profile uses
    Remove { name: String },
}

pub(super) fn run(images: &ImagesArgs) -> ExitCode {
    let library = match ImageLibrary::find(images) {
        Ok(library) => library,
        Err(problems) => return print::failed(&problems),
    };
    let done = match &images.what {
        None | Some(ImagesCommand::List) => list(&library),
        Some(ImagesCommand::Add(add)) => add::run(add, &library),
        Some(ImagesCommand::Verify { names }) => return verify(&library, names),
        Some(ImagesCommand::Remove { name }) => remove(&library, name),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => refused(&problem),
    }
}

fn refused(problem: &ConfigProblem) -> ExitCode {
    print::problem(&problem.what, Some(&problem.hint));
    ExitCode::from(print::REFUSED)
}

/// Where images are, and who uses them.
struct ImageLibrary {
    images: PathBuf,
    /// The station's own copies.
    store: PathBuf,
    users: BTreeMap<String, Vec<ProfileId>>,
    /// Profiles that cannot be read: the images they use are unknown.
    unread: Vec<String>,
}

impl ImageLibrary {
    fn find(options: &ImagesArgs) -> Result<Self, Vec<ConfigProblem>> {
        let folders = options.library.folders()?;
        let catalogue = images::read(&folders.profiles, None, &folders.data.quirks(), &folders.data.placeholders());
        let mut users: BTreeMap<String, Vec<ProfileId>> = BTreeMap::new();
        for profile in catalogue.profiles.values() {
            for name in profile.needs() {
                users.entry(name.to_owned()).or_default().push(profile.id.clone());
            }
        }
        let is_profile =
            |file: &str| [DataDir::QUIRKS, DataDir::PLACEHOLDERS].iter().all(|other| !file.ends_with(other));
        let unread = catalogue.diagnostics.iter().filter(|found| is_profile(&found.file));
        let unread = unread.map(|found| found.place_and_what()).collect();
        Ok(Self { images: folders.images, store: folders.data.blobs(), users, unread })
    }

    /// The names of the images. A profile cannot name a file that begins with a dot.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.images).into_iter().flatten().flatten();
        let files = entries.filter(|entry| entry.path().is_file());
        let mut names: Vec<String> = files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.retain(|name| !name.starts_with('.') && !is_digest_file(name));
        names.sort();
        names
    }

    fn file(&self, name: &str) -> PathBuf {
        self.images.join(name)
    }

    /// The file of an image. Only a name that a profile can give is an image's.
    fn named(&self, name: &str) -> Result<PathBuf, ConfigProblem> {
        if is_name(name) && self.file(name).is_file() {
            return Ok(self.file(name));
        }
        let what = format!("there is no image {name:?} in {}", self.images.display());
        Err(ConfigProblem::new(what, "`oxbow images` lists what there is"))
    }

    fn users_of(&self, name: &str) -> String {
        let users = self.users.get(name).map(Vec::as_slice).unwrap_or_default();
        users.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

fn list(library: &ImageLibrary) -> Result<(), ConfigProblem> {
    let names = library.names();
    if names.is_empty() {
        print::line(&format!(
            "no images in {}; add one with `oxbow images add FILE` or a URL",
            library.images.display()
        ));
    }
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    for name in names {
        let file = library.file(&name);
        let state = match check::known(&library.store, &name, &file) {
            Some(info) => {
                let (bytes, on_disk) = (in_bytes(info.bytes), in_bytes(info.disk_bytes));
                format!("{:<7}  {bytes:>8}, {on_disk:>8} on the disk  {}…", info.format.word(), info.sha256.short())
            }
            None => {
                let bytes = fs::metadata(&file).map_or(0, |meta| meta.len());
                format!("{:<7}  {:>8}, not checked yet", "?", in_bytes(bytes))
            }
        };
        let users = match library.users_of(&name) {
            users if users.is_empty() => "no profile uses it".to_owned(),
            users => format!("used by {users}"),
        };
        print::raw(&format!("{:<width$}  {state}  {users}\n", print::clean(&name)));
    }
    Ok(())
}

fn verify(library: &ImageLibrary, names: &[String]) -> ExitCode {
    let names = if names.is_empty() { library.names() } else { names.to_vec() };
    let mut code = ExitCode::SUCCESS;
    for name in names {
        match verify_one(library, &name) {
            Ok(digest) => print::line(&format!("{name}: good, {digest}")),
            Err(problem) => code = refused(&problem),
        }
    }
    code
}

/// Reads the image and the station's copy, if there is one, and compares both with what the check found.
fn verify_one(library: &ImageLibrary, name: &str) -> Result<Digest, ConfigProblem> {
    let file = library.named(name)?;
    let known = check::known(&library.store, name, &file);
    let mut meter = ProgressLine::new(&format!("reading {name}"));
    let info = check::look_at(&file, name, |done, total| meter.show(done, total))
        .map_err(|broken| ConfigProblem::new(format!("{name}: {broken}"), broken.hint()))?;
    let Some(known) = known else { return Ok(info.sha256) };
    if info != known {
        let (found, was) = (info.sha256.short(), known.sha256.short());
        let what =
            format!("{name}: its digest is {found}…, and was {was}… when it was checked, although nobody wrote to it");
        return Err(ConfigProblem::new(what, "the station's disk or memory is failing: add the image again"));
    }
    let copy = library.store.join(known.sha256.to_string());
    let mut meter = ProgressLine::new(&format!("reading the station's copy of {name}"));
    let copied = check::look_at(&copy, name, |done, total| meter.show(done, total));
    if copied.as_ref().ok() != Some(&known) {
        let what = format!("{name}: the station's copy of it is damaged ({})", copy.display());
        return Err(ConfigProblem::new(what, "remove that file: the station copies the image again"));
    }
    Ok(known.sha256)
}

fn remove(library: &ImageLibrary, name: &str) -> Result<(), ConfigProblem> {
    let file = library.named(name)?;
    let users = library.users_of(name);
    if !users.is_empty() {
        let what = format!("{name} is used by {users}");
        return Err(ConfigProblem::new(what, "remove those profiles first, or change the image they name"));
    }
    if let Some(unread) = library.unread.first() {
        let what = format!("it is unknown whether {name} is used: {unread}");
        return Err(ConfigProblem::new(what, "correct the profile, or remove it"));
    }
    fs::remove_file(&file).map_err(|err| {
        ConfigProblem::new(
            format!("{} cannot be removed: {err}", file.display()),
            "run it as the user that owns the file",
        )
    })?;
    print::line(&format!("removed {name}; the station's copy is removed too once no machine is downloading it"));
    Ok(())
}

/// Whether a profile can name it.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.')
}

/// Whether the file has the digest of the image beside it.
fn is_digest_file(name: &str) -> bool {
    [".sha256sum", ".sha256"].iter().any(|end| name.ends_with(end))
}
