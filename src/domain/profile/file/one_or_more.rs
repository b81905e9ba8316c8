//! A key whose value is a string or a list of strings.

use serde::Deserialize;

#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "expected a string or a list of strings")]
pub(super) enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Default for OneOrMore {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

impl From<OneOrMore> for Vec<String> {
    fn from(written: OneOrMore) -> Self {
        match written {
            OneOrMore::One(text) => vec![text],
            OneOrMore::More(texts) => texts,
        }
    }
}
