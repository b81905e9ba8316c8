//! The profiles directory: the profiles that can be used, and what is wrong with the rest.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::domain::diagnostic::Diagnostic;
use crate::domain::digest::Digest;
use crate::domain::ids::ProfileId;
use crate::domain::profile::{Profile, file};
use crate::domain::sha256sum;

/// The last good profile of each file.
#[derive(Debug, Default)]
pub(super) struct LastGoodProfiles {
    good: BTreeMap<String, Profile>,
}

impl LastGoodProfiles {
    /// Every profile of the directory, and all problems. A profile that cannot be read any more stays as it was.
    pub(super) fn read(
        &mut self,
        directory: &Path,
        default: Option<&ProfileId>,
    ) -> (BTreeMap<ProfileId, Profile>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let files = files(directory).unwrap_or_else(|err| {
            let hint = "make the directory and put a profile in it; profiles/demo.toml explains one";
            diagnostics.push(wrong(directory.display().to_string(), format!("cannot be read: {err}"), hint));
            Vec::new()
        });
        let mut good = BTreeMap::new();
        for path in files {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let profile = one(directory, &path, &name).or_else(|mut wrong| {
                let before = self.good.remove(&name).ok_or(());
                if let (Some(last), Ok(_)) = (wrong.last_mut(), &before) {
                    last.hint.push_str("; until then the profile stays as it was");
                }
                diagnostics.extend(wrong);
                before
            });
            good.extend(profile.map(|profile| (name, profile)));
        }
        self.good = good;
        let profiles: BTreeMap<_, _> =
            self.good.values().map(|profile| (profile.id.clone(), profile.clone())).collect();
        if let Some(missing) = default.filter(|id| !profiles.contains_key(id)) {
            diagnostics.push(no_default(missing));
        }
        (profiles, diagnostics)
    }
}

/// The default profile is missing, or cannot be used.
pub fn no_default(missing: &ProfileId) -> Diagnostic {
    let what = format!("there is no usable profile {missing}, which is the default");
    wrong(format!("{missing}.toml"), what, "unregistered machines wait until it exists")
}

/// The digests that lists beside the files give, by file name.
pub(super) fn sums<'n>(
    images: &Path,
    names: impl Iterator<Item = &'n String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Digest> {
    let mut found = BTreeMap::new();
    for name in names {
        match listed_digest(&images.join(name)) {
            None => {}
            Some(Ok(digest)) => drop(found.insert(name.clone(), digest)),
            Some(Err(what)) => {
                let hint = "get the list again where the image is from, or remove it";
                diagnostics.push(wrong(sha256sum::file_of(name), what, hint));
            }
        }
    }
    found
}

/// The digest of `file` in the list beside it, or why that list does not give it. None where there is no list.
pub fn listed_digest(file: &Path) -> Option<Result<Digest, String>> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match std::fs::read(digest_list(file)) {
        // Names of other files in the list may be in any encoding.
        Ok(list) => Some(sha256sum::of(&name, &String::from_utf8_lossy(&list)).map_err(|err| err.to_string())),
        Err(err) if err.kind() == ErrorKind::NotFound => None,
        Err(err) => Some(Err(format!("it cannot be read: {err}"))),
    }
}

/// Where the list with the digest of `file` is, if there is one.
pub fn digest_list(file: &Path) -> PathBuf {
    let mut list = file.as_os_str().to_owned();
    list.push(sha256sum::file_of(""));
    list.into()
}

fn files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory)?.flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    files.sort();
    Ok(files)
}

fn one(directory: &Path, path: &Path, name: &str) -> Result<Profile, Vec<Diagnostic>> {
    let text = std::fs::read_to_string(path)
        .map_err(|err| vec![wrong(name.to_owned(), format!("cannot be read: {err}"), "check its permissions")])?;
    file::read(name, &text, &|beside| std::fs::read_to_string(directory.join(beside)).map_err(|err| err.to_string()))
}

fn wrong(file: String, what: String, hint: &str) -> Diagnostic {
    Diagnostic { file, line: None, column: None, what, hint: hint.into() }
}
