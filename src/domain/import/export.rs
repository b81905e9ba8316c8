//! The bench as a list: what an import would make of it is the same bench.

use std::collections::{BTreeMap, BTreeSet};

use super::columns::ColumnMeaning;
use super::csv_text::written;
use crate::domain::node::registration::Registration;

/// A list of these machines with a column for all that a list can say. One without an identifier is in no list.
pub fn export_csv(machines: &[Registration]) -> String {
    let machines = machines.iter().filter(|machine| !machine.claims().is_empty());
    let apart: BTreeSet<&String> = machines.clone().flat_map(|machine| &machine.metadata).filter_map(odd).collect();
    let titles = COLUMNS.iter().map(|meaning| meaning.title().to_owned()).chain(apart.iter().map(ToString::to_string));
    let line = |machine: &Registration| {
        let said = COLUMNS.iter().map(|meaning| cell(meaning, machine));
        let extra = apart.iter().map(|key| machine.metadata.get(*key).cloned().unwrap_or_default());
        said.chain(extra).collect::<Vec<_>>()
    };
    let lines = [titles.collect()].into_iter().chain(machines.map(line));
    written(',', lines.map(|cells: Vec<String>| cells.into_iter().map(kept).collect()))
}

/// What a machine has in a column.
fn cell(meaning: &ColumnMeaning, machine: &Registration) -> String {
    let spelt = |value: Option<String>| value.unwrap_or_default();
    match meaning {
        ColumnMeaning::Serial => spelt(machine.serial.as_ref().map(ToString::to_string)),
        ColumnMeaning::Uuid => spelt(machine.uuid.map(|uuid| uuid.to_string())),
        ColumnMeaning::Mac => machine.macs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        ColumnMeaning::Profile => spelt(machine.profile.as_ref().map(ToString::to_string)),
        ColumnMeaning::Name => spelt(machine.name.clone()),
        ColumnMeaning::Hostname => spelt(machine.hostname.as_ref().map(ToString::to_string)),
        ColumnMeaning::Metadata => pairs(&machine.metadata),
        ColumnMeaning::Extra(_) | ColumnMeaning::Ignored => String::new(),
    }
}

/// An import takes one apostrophe off a cell.
fn kept(cell: String) -> String {
    if cell.starts_with('\'') { format!("'{cell}") } else { cell }
}

/// `key=value&key=value`, of what can be said so.
fn pairs(metadata: &BTreeMap<String, String>) -> String {
    let plain = metadata.iter().filter(|pair| odd(*pair).is_none());
    plain.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
}

/// The key of what needs a column of its own: the signs that part pairs are in it.
fn odd<'m>((key, value): (&'m String, &'m String)) -> Option<&'m String> {
    (key.contains(['=', '&']) || value.contains('&')).then_some(key)
}

const COLUMNS: [ColumnMeaning; 7] = [
    ColumnMeaning::Serial,
    ColumnMeaning::Uuid,
    ColumnMeaning::Mac,
    ColumnMeaning::Profile,
    ColumnMeaning::Name,
    ColumnMeaning::Hostname,
    ColumnMeaning::Metadata,
];
