//! The profiles directory: what can be used of it, and what is wrong with the rest.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::domain::diagnostic::Diagnostic;
use crate::domain::digest::Digest;
use crate::domain::ids::ProfileId;
use crate::domain::profile::{Profile, file};
use crate::domain::sha256sum;

/// The last profile that could be used of each file.
#[derive(Debug, Default)]
pub(super) struct LastGoodProfiles {
    good: BTreeMap<String, Profile>,
}

impl LastGoodProfiles {
    /// Every profile of the directory, and what is wrong. One that cannot be read any more stays as it was.
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

/// The default profile is not there, or cannot be used.
pub fn no_default(missing: &ProfileId) -> Diagnostic {
    let what = format!("there is no usable profile {missing}, which is the default");
    wrong(format!("{missing}.toml"), what, "machines that nobody registered wait until it is there")
}

/// The digests that lists beside the files say, by file name.
pub(super) fn sums<'n>(
    images: &Path,
    names: impl Iterator<Item = &'n String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<String, Digest> {
    let mut found = BTreeMap::new();
    for name in names {
        let list = sha256sum::file_of(name);
        let complain =
            |what: String| wrong(list.clone(), what, "get the list again where the image is from, or take it away");
        let read = match std::fs::read_to_string(images.join(&list)) {
            Ok(text) => sha256sum::of(name, &text).map_err(|err| complain(err.to_string())),
            Err(err) if err.kind() == ErrorKind::NotFound => continue,
            Err(err) => Err(complain(format!("cannot be read: {err}"))),
        };
        match read {
            Ok(digest) => drop(found.insert(name.clone(), digest)),
            Err(wrong) => diagnostics.push(wrong),
        }
    }
    found
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
