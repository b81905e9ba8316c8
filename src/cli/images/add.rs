//! `oxbow images add`: fetched into a part file beside the images, converted if it is no raw image, checked, and only
//! then given its name.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};

use super::convert::converted;
use super::fetch::{FetchSource, fetch};
use super::progress::ProgressLine;
use super::{ImageLibrary, is_name};
use crate::cli::print;
use crate::config::ConfigProblem;
use crate::domain::digest::Digest;
use crate::domain::machine::disk::in_bytes;
use crate::domain::profile::image::{HEAD, ImageFormat, NoImage};
use crate::service::images::{self, check};

/// Add an image from a file or a URL
#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// A file, or an http:// or https:// URL
    from: String,
    /// The name it gets [default: the name of the file]
    #[arg(long)]
    name: Option<String>,
    /// Add it only if the file has this SHA-256 [default: what FILE.sha256sum says, if it exists]
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Replace the image that has this name
    #[arg(long)]
    replace: bool,
}

pub(super) fn run(add: &Add, library: &ImageLibrary) -> Result<(), ConfigProblem> {
    let source = FetchSource::new(&add.from)?;
    let name = match &add.name {
        Some(name) => name.clone(),
        None => source.name(),
    };
    if !is_name(&name) {
        return Err(ConfigProblem::new(
            format!("{name:?} is not a name for an image"),
            "give it one with --name, without a path",
        ));
    }
    let expected = expected(add, &source)?;
    let trouble = |err: std::io::Error| {
        let what = format!("{} cannot be written: {err}", library.images.display());
        ConfigProblem::new(what, "run it as the user that runs the station, usually root, or make room")
    };
    fs::create_dir_all(&library.images).and_then(|()| fs::create_dir_all(&library.store)).map_err(trouble)?;
    let part = library.file(&format!(".{name}.part"));
    let _lock = lock(&part, &name)?;
    let room = |needed: u64| room(library, needed);

    let mut meter = ProgressLine::new(&format!("fetching {name}"));
    let fetched = fetch(&source, &part, &room, &mut |done, total| {
        meter.show(done, total);
    })?;
    drop(meter);
    if let Some((wanted, who)) = expected.filter(|(wanted, _)| *wanted != fetched.sha256) {
        forget(&part);
        let what = format!("its digest is {}, {who} says {wanted}", fetched.sha256);
        return Err(ConfigProblem::new(what, "it was damaged in transit, or is another file: fetch it again"));
    }

    let (name, part) = match kind(&part).map_err(trouble)? {
        Ok(_) => (name, part),
        Err(NoImage { converts: true, what }) => {
            print::line(&format!("{name}: it is {what}; converting it to a raw image"));
            converted(&name, &part, what, library, &room)?
        }
        Err(no) => {
            forget(&part);
            let what = format!("{name}: {no}, which cannot be written to a disk as it is");
            return Err(ConfigProblem::new(what, "unpack it, and add the disk image in it"));
        }
    };
    let file = library.file(&name);
    if file.exists() && !add.replace {
        forget(&part);
        let what = format!("there is already an image {name}");
        return Err(ConfigProblem::new(what, "replace it with --replace, or choose another name with --name"));
    }
    let mut meter = ProgressLine::new(&format!("checking {name}"));
    let info =
        check::check(&part, &library.store, &name, check::FileKind::Image, |done, total| meter.show(done, total))
            .map_err(|broken| {
                forget(&part);
                ConfigProblem::new(format!("{name}: {broken}"), broken.hint())
            })?;
    drop(meter);
    fs::rename(&part, &file).and_then(|()| check::moved(&library.store, &name, &file)).map_err(trouble)?;
    forget(&part);
    let (bytes, on_disk) = (in_bytes(info.bytes), in_bytes(info.disk_bytes));
    print::line(&format!("{name}: {}, {bytes}, {on_disk} on the disk", info.format.word()));
    print::line(&format!("sha256 {}", info.sha256));
    if library.users_of(&name).is_empty() {
        print::line(&format!("no profile uses it yet: image = {name:?}"));
    }
    Ok(())
}

/// The digest the file must have, and where that is written.
fn expected(add: &Add, source: &FetchSource) -> Result<Option<(Digest, String)>, ConfigProblem> {
    match (&add.sha256, source) {
        (Some(text), _) => {
            let first = text.split_whitespace().next().unwrap_or_default();
            let digest = first.parse().map_err(|err| {
                ConfigProblem::new(format!("--sha256: {err}"), "copy the 64 hex digits of the file's SHA-256")
            })?;
            Ok(Some((digest, "--sha256".into())))
        }
        (None, FetchSource::File(file)) => {
            let list = images::digest_list(file).display().to_string();
            match images::listed_digest(file) {
                None => Ok(None),
                Some(Ok(digest)) => Ok(Some((digest, list))),
                Some(Err(what)) => {
                    let hint = "get the list again where the image is from, or give the digest with --sha256";
                    Err(ConfigProblem::new(format!("{list}: {what}"), hint))
                }
            }
        }
        (None, FetchSource::Url(_)) => Ok(None),
    }
}

/// No other command fetches the same image meanwhile.
fn lock(part: &Path, name: &str) -> Result<Flock<File>, ConfigProblem> {
    let path = part.with_extension("lock");
    let file = File::create(&path).map_err(|err| {
        let what = format!("{} cannot be written: {err}", path.display());
        ConfigProblem::new(what, "run it as the user that runs the station, usually root")
    })?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
        ConfigProblem::new(
            format!("{name} is being added by another command"),
            "wait for it, or give this one another --name",
        )
    })
}

/// Whether there is room for `needed` more bytes beside the images, and for the station's own copy.
fn room(library: &ImageLibrary, needed: u64) -> Result<(), ConfigProblem> {
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    let together = device(&library.images) == device(&library.store);
    let images = if together { needed.saturating_mul(2) } else { needed };
    for (place, needed) in [(&library.images, images), (&library.store, if together { 0 } else { needed })] {
        if let Some(left) = check::room(place).filter(|left| *left < needed) {
            let (needed, left) = (in_bytes(needed), in_bytes(left));
            let what =
                format!("the image and the station's copy of it need {needed}, {} has {left} left", place.display());
            return Err(ConfigProblem::new(what, "make room, or remove images with `oxbow images remove`"));
        }
    }
    Ok(())
}

fn kind(part: &Path) -> std::io::Result<Result<ImageFormat, NoImage>> {
    let mut head = Vec::new();
    File::open(part)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(ImageFormat::of(&head))
}

/// Removes the part file and what belongs to it.
fn forget(part: &Path) {
    for path in [part.to_owned(), super::fetch::note(part), part.with_extension("lock")] {
        let _not_there = fs::remove_file(path);
    }
}
