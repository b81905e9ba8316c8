//! Keys that mean nothing, each with its line and the key that was probably meant.
//!
//! serde would stop at the first. Which keys there are is asked of the types themselves, so that no list can be out of
//! date.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use toml::de::{DeTable, DeValue};

use super::after_image::{WrittenArchive, WrittenBootEntry, WrittenConfigure, WrittenFirstBoot, WrittenLayout};
use super::expect::WrittenExpect;
use super::install::WrittenInstaller;
use super::per_node::{WrittenCloudInit, WrittenFile};
use super::source::ProfileSource;
use super::system::{WrittenNetwork, WrittenProxy, WrittenSystem, WrittenUser};
use super::written::{EXPLAINED, ProfileToml};
use crate::domain::machine::disk::DiskRule;

pub(super) fn unknown(page: &mut ProfileSource<'_>) {
    let mut found = Vec::new();
    let Some(root) = &page.root else { return };
    look(root, "", fields::<ProfileToml>(), &mut found);
    for (path, known) in below() {
        for table in path.split('.').fold(vec![root], |within, key| below_key(&within, key)) {
            look(table, path, known, &mut found);
        }
    }
    found.sort_by_key(|(at, ..)| *at);
    for (at, what, meant) in found {
        let hint = meant.map_or_else(|| EXPLAINED.to_owned(), |meant| format!("did you mean {meant:?}?"));
        page.wrong(Some(page.line(at)), what, hint);
    }
}

type Fields = &'static [&'static str];

/// The tables there are below the first, and their keys.
fn below() -> [(&'static str, Fields); 14] {
    [
        ("disk", fields::<DiskRule>()),
        ("expect", fields::<WrittenExpect>()),
        ("installer", fields::<WrittenInstaller>()),
        ("cloud_init", fields::<WrittenCloudInit>()),
        ("file", fields::<WrittenFile>()),
        ("archive", fields::<WrittenArchive>()),
        ("configure", fields::<WrittenConfigure>()),
        ("system", fields::<WrittenSystem>()),
        ("system.proxy", fields::<WrittenProxy>()),
        ("system.network", fields::<WrittenNetwork>()),
        ("system.user", fields::<WrittenUser>()),
        ("layout", fields::<WrittenLayout>()),
        ("boot_entry", fields::<WrittenBootEntry>()),
        ("first_boot", fields::<WrittenFirstBoot>()),
    ]
}

/// The tables that are under `key` in any of these.
fn below_key<'t, 'i>(within: &[&'t DeTable<'i>], key: &str) -> Vec<&'t DeTable<'i>> {
    let of = |table: &&'t DeTable<'i>| table.iter().find(|(known, _)| known.get_ref() == key).map(|(_, value)| value);
    within.iter().filter_map(of).flat_map(|value| tables(value.get_ref())).collect()
}

/// The table, or each table of an array.
fn tables<'t, 'i>(value: &'t DeValue<'i>) -> Vec<&'t DeTable<'i>> {
    let several =
        value.as_array().into_iter().flat_map(|array| array.iter().filter_map(|one| one.get_ref().as_table()));
    value.as_table().into_iter().chain(several).collect()
}

type UnknownKey = (usize, String, Option<&'static str>);

fn look(table: &DeTable<'_>, within: &str, known: &[&'static str], found: &mut Vec<UnknownKey>) {
    for key in table.keys().filter(|key| !known.contains(&&**key.get_ref())) {
        let name = &**key.get_ref();
        let place = if within.is_empty() { String::new() } else { format!(" in [{within}]") };
        found.push((
            key.span().start,
            format!("there is no key {name:?}{place}"),
            nearest(name, known.iter().copied()),
        ));
    }
}

/// The known word that is most alike, if one is alike at all.
pub(super) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let alike = known.map(|known| (strsim::jaro_winkler(name, known), known));
    alike.filter(|(likeness, _)| *likeness >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// The names of the fields that a struct is read from.
fn fields<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It says what it wants, and gets nothing.
    let _always_an_error = T::deserialize(KeyQuery { fields: &mut fields });
    fields
}

struct KeyQuery<'a> {
    fields: &'a mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for KeyQuery<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only asked"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.fields = fields;
        Err(Error::custom("only asked"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Every key there is, with those below it.
#[cfg(test)]
pub(super) fn all() -> Vec<&'static str> {
    let below = below().into_iter().map(|(_, fields)| fields);
    [fields::<ProfileToml>()].into_iter().chain(below).flatten().copied().collect()
}

/// Jaro-Winkler likeness from which one word may be another misspelt.
const ALIKE: f64 = 0.8;
