//! Which column means what: by its title, or in a list without a header by what it holds.

use super::ListFlaw;
use super::cell::{tidy, tidy_identifier};
use super::table::Record;
use crate::domain::ids::{MacAddr, SystemUuid};
use crate::domain::text;

/// A column of the file and what it is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListColumn {
    /// As the file says it; in a list without a header, as it would be said.
    pub title: String,
    pub meaning: ColumnMeaning,
}

/// What a column says of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ColumnMeaning {
    Serial,
    Uuid,
    Mac,
    Profile,
    Name,
    Hostname,
    /// `key=value&key=value`.
    Metadata,
    /// Kept as metadata under this key.
    Extra(String),
    /// What an import found wrong before.
    Ignored,
}

impl ColumnMeaning {
    /// The column's usual title.
    pub(super) fn title(&self) -> &str {
        match self {
            Self::Serial => "Serial",
            Self::Uuid => "UUID",
            Self::Mac => "MAC",
            Self::Profile => "Profile",
            Self::Name => "Name",
            Self::Hostname => "Hostname",
            Self::Metadata => "Metadata",
            Self::Extra(key) => key,
            Self::Ignored => "Problem",
        }
    }
}

/// How the rows of a file are to be read.
#[derive(Debug, Default)]
pub(super) struct ColumnLayout {
    pub columns: Vec<ListColumn>,
    /// The first of the records that is a machine.
    pub first: usize,
    pub flaws: Vec<ListFlaw>,
}

/// The columns of these records. What stands above the header (a title, a date) is passed over.
pub(super) fn layout(records: &[Record]) -> ColumnLayout {
    let header = records.iter().take(ABOVE_HEADER).position(names_an_identifier);
    match (header, records.first()) {
        (Some(at), _) => by_titles(&records[at], at + 1),
        (None, Some(first)) if !first.cells().any(|cell| cell.contains(|c: char| c.is_ascii_digit())) => {
            // Serials, UUIDs and MAC addresses have digits: this is a header whose titles are not known.
            let found: Vec<String> = first.cells().map(|cell| tidy(cell).into_owned()).collect();
            let meant = found.iter().find_map(|title| Some((title.clone(), nearest(title)?)));
            ColumnLayout { flaws: vec![ListFlaw::NoIdentifierColumn { found, meant }], ..ColumnLayout::default() }
        }
        (None, _) => by_content(records),
    }
}

fn names_an_identifier(record: &Record) -> bool {
    record
        .cells()
        .any(|cell| matches!(known(cell), Some(ColumnMeaning::Serial | ColumnMeaning::Uuid | ColumnMeaning::Mac)))
}

fn by_titles(header: &Record, first: usize) -> ColumnLayout {
    let mut layout = ColumnLayout { first, ..ColumnLayout::default() };
    for (at, cell) in header.cells().enumerate() {
        let mut title = text::clean(&tidy(cell), TITLE_LIMIT);
        if title.is_empty() {
            title = format!("column {}", letters(at));
        }
        let meaning = known(cell).unwrap_or_else(|| ColumnMeaning::Extra(title.clone()));
        let meaning = layout.unlike_those_before(&title, meaning);
        layout.columns.push(ListColumn { title, meaning });
    }
    layout
}

impl ColumnLayout {
    /// `meaning`, unless a column before has it and there can be only one: then its title is what it means.
    fn unlike_those_before(&mut self, title: &str, meaning: ColumnMeaning) -> ColumnMeaning {
        let before = self.columns.iter().find(|column| column.meaning == meaning);
        let Some(before) = before else { return meaning };
        match &meaning {
            ColumnMeaning::Mac | ColumnMeaning::Metadata | ColumnMeaning::Ignored => meaning,
            ColumnMeaning::Serial | ColumnMeaning::Uuid | ColumnMeaning::Profile => {
                self.flaws.push(ListFlaw::TwoColumns(before.title.clone(), title.into(), word(&meaning)));
                ColumnMeaning::Ignored
            }
            ColumnMeaning::Name | ColumnMeaning::Hostname | ColumnMeaning::Extra(_) => {
                let taken =
                    |key: &str| self.columns.iter().any(|column| column.meaning == ColumnMeaning::Extra(key.into()));
                let numbered = (2..).map(|number| format!("{title} {number}")).find(|key| !taken(key));
                ColumnMeaning::Extra(numbered.unwrap_or_default())
            }
        }
    }
}

fn word(meaning: &ColumnMeaning) -> &'static str {
    match meaning {
        ColumnMeaning::Serial => "the serial",
        ColumnMeaning::Uuid => "the UUID",
        _ => "the profile",
    }
}

/// Columns of a list without a header: MAC addresses and UUIDs show what they are; one that is neither is the serial.
fn by_content(records: &[Record]) -> ColumnLayout {
    let width = records.iter().map(Record::width).max().unwrap_or(0);
    let meanings: Vec<Option<ColumnMeaning>> = (0..width).map(|at| held(records, at)).collect();
    let unknown = meanings.iter().filter(|meaning| meaning.is_none()).count();
    if unknown > 1 {
        return ColumnLayout { flaws: vec![ListFlaw::NoHeader], ..ColumnLayout::default() };
    }
    let mut layout = ColumnLayout::default();
    for meaning in meanings.into_iter().map(|meaning| meaning.unwrap_or(ColumnMeaning::Serial)) {
        let title = meaning.title().to_owned();
        let meaning = layout.unlike_those_before(&title, meaning);
        layout.columns.push(ListColumn { title, meaning });
    }
    layout
}

/// What nearly all cells of a column are, so that one that is wrong is told as an error.
fn held(records: &[Record], at: usize) -> Option<ColumnMeaning> {
    let cells =
        || records.iter().take(ABOVE_HEADER).map(|record| record.cell(at)).filter(|cell| !tidy(cell).is_empty());
    let share =
        |is: fn(&str) -> bool| cells().filter(|cell| is(&tidy_identifier(cell))).count() * 10 >= cells().count() * 8;
    match () {
        () if cells().next().is_none() => Some(ColumnMeaning::Ignored),
        () if share(|cell| cell.parse::<MacAddr>().is_ok()) => Some(ColumnMeaning::Mac),
        () if share(|cell| cell.contains('-') && cell.parse::<SystemUuid>().is_ok()) => Some(ColumnMeaning::Uuid),
        () => None,
    }
}

/// What a title means, if it is known.
fn known(title: &str) -> Option<ColumnMeaning> {
    let squeezed = squeezed(title);
    let numbered = squeezed.trim_end_matches(|c: char| c.is_ascii_digit());
    let row = |wanted: &str| ALIASES.iter().find(|(_, aliases)| aliases.contains(&wanted));
    let (meaning, _) = row(&squeezed).or_else(|| row(numbered).filter(|(meaning, _)| *meaning == ColumnAlias::Mac))?;
    Some(match meaning {
        ColumnAlias::Serial => ColumnMeaning::Serial,
        ColumnAlias::Uuid => ColumnMeaning::Uuid,
        ColumnAlias::Mac => ColumnMeaning::Mac,
        ColumnAlias::Profile => ColumnMeaning::Profile,
        ColumnAlias::Name => ColumnMeaning::Name,
        ColumnAlias::Hostname => ColumnMeaning::Hostname,
        ColumnAlias::Metadata => ColumnMeaning::Metadata,
        ColumnAlias::Extra(key) => ColumnMeaning::Extra((*key).into()),
        ColumnAlias::Ignored => ColumnMeaning::Ignored,
    })
}

/// The identifier whose title `title` is nearly spelt like.
fn nearest(title: &str) -> Option<&'static str> {
    let squeezed = squeezed(title);
    let distance = |alias: &str| strsim::damerau_levenshtein(alias, &squeezed);
    let of = |wanted: ColumnAlias, title| {
        let aliases = ALIASES.iter().filter(move |(known, _)| *known == wanted).flat_map(|(_, aliases)| *aliases);
        aliases.filter(|alias| alias.len() > 3).map(move |alias| (distance(alias), title)).min()
    };
    let nearest = [of(ColumnAlias::Serial, "Serial"), of(ColumnAlias::Uuid, "UUID"), of(ColumnAlias::Mac, "MAC")]
        .into_iter()
        .flatten()
        .min();
    nearest.and_then(|(distance, title)| (distance <= 2).then_some(title))
}

fn squeezed(title: &str) -> String {
    tidy(title).chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(TITLE_LIMIT).collect()
}

/// A column's letters in a spreadsheet: A, B, … Z, AA.
fn letters(at: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(at % 26).unwrap_or(0));
    if at < 26 { letter.to_string() } else { format!("{}{letter}", letters(at / 26 - 1)) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ColumnAlias {
    Serial,
    Uuid,
    Mac,
    Profile,
    Name,
    Hostname,
    Metadata,
    Extra(&'static str),
    Ignored,
}

/// Titles without spaces and signs, in lower case. The identifiers come first.
const ALIASES: &[(ColumnAlias, &[&str])] = &[
    (
        ColumnAlias::Serial,
        &[
            "serial",
            "serialnumber",
            "serialnumbers",
            "serialno",
            "serialnr",
            "serialnum",
            "sn",
            "snr",
            "systemserial",
            "systemserialnumber",
            "productserial",
            "servicetag",
            "seriennummer",
            "seriennr",
            "seriennummern",
            "geraetenummer",
            "numerodeserie",
            "numérodesérie",
            "nodeserie",
            "numeroseriale",
            "matricola",
            "序列号",
            "序號",
            "シリアル番号",
        ],
    ),
    (
        ColumnAlias::Uuid,
        &["uuid", "systemuuid", "smbiosuuid", "productuuid", "hostuuid", "guid", "systemguid", "machineuuid"],
    ),
    (
        ColumnAlias::Mac,
        &[
            "mac",
            "macs",
            "macaddress",
            "macaddresses",
            "macaddr",
            "macadresse",
            "macadressen",
            "adressemac",
            "bootmac",
            "pxemac",
            "lanmac",
            "nicmac",
            "ethernetmac",
            "ethernetaddress",
            "ethmac",
            "hwaddr",
            "hwaddress",
            "hardwareaddress",
            "physicaladdress",
            "macid",
        ],
    ),
    (ColumnAlias::Profile, &["profile", "osprofile", "profil", "osprofil", "os", "operatingsystem", "betriebssystem"]),
    (
        ColumnAlias::Name,
        &["name", "nodename", "node", "label", "device", "devicename", "gerät", "gerätename", "bezeichnung"],
    ),
    (ColumnAlias::Hostname, &["hostname", "host", "computername", "rechnername", "fqdn"]),
    (ColumnAlias::Metadata, &["metadata", "metadaten", "labels", "tags"]),
    (ColumnAlias::Extra("Site"), &["site", "standort", "werk"]),
    (ColumnAlias::Extra("Secure"), &["secure"]),
    (ColumnAlias::Extra("RemoteUser"), &["remoteuser"]),
    (ColumnAlias::Extra("LVMSize"), &["lvmsize"]),
    (ColumnAlias::Extra("AMTEnable"), &["amtenable"]),
    (ColumnAlias::Extra("CloudInit"), &["cloudinit", "cloudinitmeta"]),
    (ColumnAlias::Extra("K8sEnable"), &["k8senable"]),
    (ColumnAlias::Extra("K8sClusterTemplate"), &["k8sclustertemplate"]),
    (ColumnAlias::Extra("K8sConfig"), &["k8sconfig"]),
    (ColumnAlias::Ignored, &["problem", "problems", "error", "errors", "errordonotfill", "fehler"]),
];

/// Rows that are looked at for the header, and for what a column holds.
const ABOVE_HEADER: usize = 30;
/// Characters of a title.
const TITLE_LIMIT: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::table::read;
    use super::*;

    fn meanings(text: &str) -> Vec<ColumnMeaning> {
        layout(&read(text).records).columns.into_iter().map(|column| column.meaning).collect()
    }

    #[test]
    fn titles_are_known_in_many_spellings() {
        for title in ["serial", "Serial Number", "S/N", "SERIAL_NO.", " Service-Tag ", "Seriennummer", "ＳＮ"] {
            assert_eq!(meanings(&format!("{title}\nA1\n")), [ColumnMeaning::Serial], "{title}");
        }
        assert_eq!(meanings("MAC,MAC 2,Mac-Adresse\n"), [ColumnMeaning::Mac, ColumnMeaning::Mac, ColumnMeaning::Mac]);
    }

    #[test]
    fn no_alias_means_two_things() {
        let mut all: Vec<&str> = ALIASES.iter().flat_map(|(_, aliases)| aliases.iter().copied()).collect();
        let (before, _) = (all.len(), all.sort_unstable());
        all.dedup();
        assert_eq!(all.len(), before);
    }

    #[test]
    fn a_list_without_a_header_shows_what_it_holds() {
        assert_eq!(meanings("2500JF3\n11002F3\n"), [ColumnMeaning::Serial]);
        assert_eq!(
            meanings("52:54:00:00:00:01,PF3KA\n52:54:00:00:00:02,PF3KB1\n"),
            [ColumnMeaning::Mac, ColumnMeaning::Serial]
        );
        assert_eq!(layout(&read("a1,b2,c3\nd4,e5,f6\n").records).flaws, [ListFlaw::NoHeader]);
    }

    #[test]
    fn what_stands_above_the_header_is_passed_over() {
        let table = read("Order 4711;;\nfrom 2026-03-02;;\n\nPos;Seriennummer;Artikel\n1;A1;Box\n");
        let layout = layout(&table.records);
        assert_eq!((layout.first, layout.columns[1].meaning.clone()), (3, ColumnMeaning::Serial));
        assert_eq!(layout.columns[2].meaning, ColumnMeaning::Extra("Artikel".into()));
    }

    #[test]
    fn a_misspelt_header_is_not_taken_for_a_serial() {
        let flaw =
            ListFlaw::NoIdentifierColumn { found: vec!["Serail".into()], meant: Some(("Serail".into(), "Serial")) };
        assert_eq!(layout(&read("Serail\nA1\n").records).flaws, [flaw]);
    }

    #[test]
    fn columns_have_a_spreadsheet_s_letters() {
        assert_eq!([0, 25, 26, 27, 701, 702].map(letters), ["A", "Z", "AA", "AB", "ZZ", "AAA"]);
    }
}
