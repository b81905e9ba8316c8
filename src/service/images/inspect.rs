//! Looks at profiles and what they need without a station, and changes nothing: nothing is copied, and an image that was
//! checked before is not read again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::check::{self, FileIdentity, FileKind};
use super::needed_by;
use super::profiles::{LastGoodProfiles, sums};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::digest::Digest;
use crate::domain::ids::ProfileId;
use crate::domain::profile::Profile;

/// Where to look.
#[derive(Clone, Debug)]
pub struct Places {
    pub profiles: PathBuf,
    pub images: PathBuf,
    /// The station's own copies, and what was noted of them. There need not be any.
    pub store: PathBuf,
}

/// What there is.
#[derive(Debug, Default)]
pub struct Inspection {
    pub profiles: BTreeMap<ProfileId, Profile>,
    pub wrong: Vec<Diagnostic>,
}

/// Every profile, with its templates, and nothing of the files it needs.
pub fn read(places: &Places) -> Inspection {
    let (profiles, mut wrong) = LastGoodProfiles::default().read(&places.profiles, None);
    if profiles.is_empty() && wrong.is_empty() {
        wrong.push(Diagnostic {
            file: places.profiles.display().to_string(),
            line: None,
            column: None,
            what: "there is no profile in it".into(),
            hint: "copy one of the shipped ones there; profiles/demo.toml explains every key".into(),
        });
    }
    Inspection { profiles, wrong }
}

/// The same, and the files. `reading` is told which file is read from end to end.
pub fn inspect(places: &Places, mut reading: impl FnMut(&str)) -> Inspection {
    let Inspection { profiles, mut wrong } = read(places);
    let names: Vec<String> = profiles.values().flat_map(Profile::needs).map(str::to_owned).collect();
    let sums = sums(&places.images, names.iter(), &mut wrong);
    let mut digests = BTreeMap::new();
    for profile in profiles.values() {
        for (name, kind) in needed_by(profile) {
            let by_profile = profile.image().filter(|image| image.file == name).and_then(|image| image.sha256);
            let demanded = by_profile.or(sums.get(name).copied());
            let by = if by_profile.is_some() { "the profile".into() } else { crate::domain::sha256sum::file_of(name) };
            let mut found = || match digests.get(name) {
                Some(known) => Ok(*known),
                None => {
                    let digest = digest_of(places, name, kind, &mut reading)?;
                    digests.insert(name.to_owned(), digest);
                    Ok(digest)
                }
            };
            let what = match (FileIdentity::of(&places.images.join(name)), demanded) {
                (None, _) => format!("there is no {} {name} in {}", kind.word(), places.images.display()),
                (Some(_), None) => continue,
                (Some(_), Some(demanded)) => match found() {
                    Ok(digest) if digest == demanded => continue,
                    Ok(digest) => {
                        format!("{name} has digest {}…, {by} says {}…", digest.short(), demanded.short())
                    }
                    Err(err) => said(name, &err),
                },
            };
            let line = line_of(&places.profiles, profile, name);
            wrong.push(Diagnostic {
                file: format!("{}.toml", profile.id),
                line,
                column: None,
                what,
                hint: hint(profile),
            });
        }
    }
    Inspection { profiles, wrong }
}

/// How large a file of the images directory is, if it is there.
pub fn bytes_of(places: &Places, name: &str) -> Option<u64> {
    FileIdentity::of(&places.images.join(name)).map(|identity| identity.bytes())
}

fn said(name: &str, err: &io::Error) -> String {
    format!("{name} cannot be read: {err}")
}

/// Kind words for whoever misses a file: it may be one that nobody can ship.
fn hint(profile: &Profile) -> String {
    match &profile.source {
        Some(source) => format!("it comes from: {source}"),
        None => "copy it there (again), or correct the profile".into(),
    }
}

/// The digest of a file: what was noted of it if it is unchanged, else by reading it.
fn digest_of(places: &Places, name: &str, kind: FileKind, reading: &mut impl FnMut(&str)) -> io::Result<Digest> {
    let path = places.images.join(name);
    let known = FileIdentity::of(&path).and_then(|identity| check::recalled(&places.store, name, kind, &identity));
    if let Some(info) = known {
        return Ok(info.sha256);
    }
    reading(name);
    let (mut file, mut sha256, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; BUFFER]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::new(sha256.finalize().into())),
            read => sha256.update(&buffer[..read]),
        }
    }
}

/// Where a profile names a file.
fn line_of(profiles: &Path, profile: &Profile, name: &str) -> Option<usize> {
    let text = std::fs::read_to_string(profiles.join(format!("{}.toml", profile.id))).ok()?;
    let names = |line: &str| {
        !line.trim_start().starts_with('#')
            && (line.contains(&format!("\"{name}\"")) || line.contains(&format!("'{name}'")))
    };
    text.lines().position(names).map(|at| at + 1)
}

const BUFFER: usize = 1024 * 1024;
