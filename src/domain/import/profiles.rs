//! Which profile a cell means.

use std::collections::BTreeMap;

use super::ListFlaw;
use crate::domain::ids::ProfileId;
use crate::domain::profile::Profile;

/// The profiles there are, under every spelling a list may use. Remembers what it was asked: a list says the same
/// profile on most of its rows.
pub(super) struct ProfileLookup<'c> {
    known: &'c BTreeMap<ProfileId, Profile>,
    asked: BTreeMap<String, Result<ProfileId, ListFlaw>>,
}

impl<'c> ProfileLookup<'c> {
    pub(super) fn new(known: &'c BTreeMap<ProfileId, Profile>) -> Self {
        Self { known, asked: BTreeMap::new() }
    }

    /// The profile named, titled or also called so, in any case.
    pub(super) fn find(&mut self, value: &str) -> Result<ProfileId, ListFlaw> {
        if let Some(answer) = self.asked.get(value) {
            return answer.clone();
        }
        let answer = self.look_up(value);
        self.asked.insert(value.to_owned(), answer.clone());
        answer
    }

    fn look_up(&self, value: &str) -> Result<ProfileId, ListFlaw> {
        let wanted = value.to_lowercase();
        let by_name = self.known.keys().find(|id| id.as_str() == wanted);
        let is_called = |profile: &&Profile| {
            let mut names = profile.aliases.iter().chain([&profile.title]);
            names.any(|name| name.to_lowercase() == wanted)
        };
        let mut called = self.known.values().filter(is_called);
        let by_another = || called.next().filter(|_| called.next().is_none()).map(|profile| &profile.id);
        by_name.or_else(by_another).cloned().ok_or_else(|| ListFlaw::UnknownProfile {
            value: value.to_owned(),
            meant: self.nearest(&wanted).map(ToString::to_string),
        })
    }

    /// The profile whose name or title is most alike, if it is alike at all.
    fn nearest(&self, wanted: &str) -> Option<&ProfileId> {
        let likeness = |profile: &Profile| {
            let of = |text: &str| strsim::jaro_winkler(wanted, &text.to_lowercase());
            of(profile.id.as_str()).max(of(&profile.title))
        };
        let alike = self.known.values().map(|profile| (likeness(profile), &profile.id));
        alike.filter(|(likeness, _)| *likeness >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, id)| id)
    }
}

/// Jaro-Winkler likeness from which two names may be one misspelt: `emts` and `emt-s` have 0.95.
const ALIKE: f64 = 0.8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::profile::file;

    fn meant(value: &str) -> Result<String, ListFlaw> {
        let files = [
            ("edge-rt", "title = \"Edge RT\"\naliases = [\"os-51c4eba0\", \"both\"]"),
            ("edge", "aliases = [\"both\"]"),
        ];
        let known = files.map(|(name, more)| {
            let text = format!("schema = 1\nimage = \"edge.raw.gz\"\n{more}\n");
            let profile = file::parse(&format!("{name}.toml"), &text).expect("a profile");
            (profile.id.clone(), profile)
        });
        ProfileLookup::new(&known.into()).find(value).map(|id| id.to_string())
    }

    #[test]
    fn a_profile_is_found_by_its_name_its_title_and_what_other_tools_call_it() {
        for value in ["edge-rt", "Edge RT", "OS-51C4EBA0"] {
            assert_eq!(meant(value), Ok("edge-rt".to_owned()), "{value}");
        }
    }

    #[test]
    fn a_word_for_two_profiles_is_neither() {
        assert!(matches!(meant("both"), Err(ListFlaw::UnknownProfile { .. })));
    }
}
