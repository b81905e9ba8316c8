//! Which column means what: by its title, or in a list without a header by what it holds.

use super::Flaw;
use super::cell::{tidy, tidy_identifier};
use super::table::Record;
use crate::domain::ids::{MacAddr, SystemUuid};
use crate::domain::text;

/// A column of the file and what it is taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As the file says it; in a list without a header, as it would be said.
    pub title: String,
    pub meaning: Meaning,
}

/// What a column says of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
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

impl Meaning {
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
pub(super) struct Layout {
    pub columns: Vec<Column>,
    /// The first of the records that is a machine.
    pub first: usize,
    pub flaws: Vec<Flaw>,
}

/// The columns of these records. What stands above the header (a title, a date) is passed over.
pub(super) fn layout(records: &[Record]) -> Layout {
    let header = records.iter().take(ABOVE_HEADER).position(names_an_identifier);
    match (header, records.first()) {
        (Some(at), _) => by_titles(&records[at], at + 1),
        (None, Some(first)) if !first.cells().any(|cell| cell.contains(|c: char| c.is_ascii_digit())) => {
            // Serials, UUIDs and MAC addresses have digits: this is a header whose titles are not known.
            let found: Vec<String> = first.cells().map(|cell| tidy(cell).into_owned()).collect();
            let meant = found.iter().find_map(|title| Some((title.clone(), nearest(title)?)));
            Layout { flaws: vec![Flaw::NoIdentifierColumn { found, meant }], ..Layout::default() }
        }
        (None, _) => by_content(records),
    }
}

fn names_an_identifier(record: &Record) -> bool {
    record.cells().any(|cell| matches!(known(cell), Some(Meaning::Serial | Meaning::Uuid | Meaning::Mac)))
}

fn by_titles(header: &Record, first: usize) -> Layout {
    let mut layout = Layout { first, ..Layout::default() };
    for (at, cell) in header.cells().enumerate() {
        let mut title = text::clean(&tidy(cell), TITLE_LIMIT);
        if title.is_empty() {
            title = format!("column {}", letters(at));
        }
        let meaning = known(cell).unwrap_or_else(|| Meaning::Extra(title.clone()));
        let meaning = layout.unlike_those_before(&title, meaning);
        layout.columns.push(Column { title, meaning });
    }
    layout
}

impl Layout {
    /// `meaning`, unless a column before has it and there can be only one: then its title is what it means.
    fn unlike_those_before(&mut self, title: &str, meaning: Meaning) -> Meaning {
        let before = self.columns.iter().find(|column| column.meaning == meaning);
        let Some(before) = before else { return meaning };
        match &meaning {
            Meaning::Mac | Meaning::Metadata | Meaning::Ignored => meaning,
            Meaning::Serial | Meaning::Uuid | Meaning::Profile => {
                self.flaws.push(Flaw::TwoColumns(before.title.clone(), title.into(), word(&meaning)));
                Meaning::Ignored
            }
            Meaning::Name | Meaning::Hostname | Meaning::Extra(_) => {
                let taken = |key: &str| self.columns.iter().any(|column| column.meaning == Meaning::Extra(key.into()));
                let numbered = (2..).map(|number| format!("{title} {number}")).find(|key| !taken(key));
                Meaning::Extra(numbered.unwrap_or_default())
            }
        }
    }
}

fn word(meaning: &Meaning) -> &'static str {
    match meaning {
        Meaning::Serial => "the serial",
        Meaning::Uuid => "the UUID",
        _ => "the profile",
    }
}

/// Columns of a list without a header: MAC addresses and UUIDs show what they are; one that is neither is the serial.
fn by_content(records: &[Record]) -> Layout {
    let width = records.iter().map(Record::width).max().unwrap_or(0);
    let meanings: Vec<Option<Meaning>> = (0..width).map(|at| held(records, at)).collect();
    let unknown = meanings.iter().filter(|meaning| meaning.is_none()).count();
    if unknown > 1 {
        return Layout { flaws: vec![Flaw::NoHeader], ..Layout::default() };
    }
    let mut layout = Layout::default();
    for meaning in meanings.into_iter().map(|meaning| meaning.unwrap_or(Meaning::Serial)) {
        let title = meaning.title().to_owned();
        let meaning = layout.unlike_those_before(&title, meaning);
        layout.columns.push(Column { title, meaning });
    }
    layout
}

/// What nearly all cells of a column are, so that one that is wrong is told as an error.
fn held(records: &[Record], at: usize) -> Option<Meaning> {
    let cells =
        || records.iter().take(ABOVE_HEADER).map(|record| record.cell(at)).filter(|cell| !tidy(cell).is_empty());
    let share =
        |is: fn(&str) -> bool| cells().filter(|cell| is(&tidy_identifier(cell))).count() * 10 >= cells().count() * 8;
    match () {
        () if cells().next().is_none() => Some(Meaning::Ignored),
        () if share(|cell| cell.parse::<MacAddr>().is_ok()) => Some(Meaning::Mac),
        () if share(|cell| cell.contains('-') && cell.parse::<SystemUuid>().is_ok()) => Some(Meaning::Uuid),
        () => None,
    }
}

/// What a title means, if it is known.
fn known(title: &str) -> Option<Meaning> {
    let squeezed = squeezed(title);
    let numbered = squeezed.trim_end_matches(|c: char| c.is_ascii_digit());
    let row = |wanted: &str| ALIASES.iter().find(|(_, aliases)| aliases.contains(&wanted));
    let (meaning, _) = row(&squeezed).or_else(|| row(numbered).filter(|(meaning, _)| *meaning == Known::Mac))?;
    Some(match meaning {
        Known::Serial => Meaning::Serial,
        Known::Uuid => Meaning::Uuid,
        Known::Mac => Meaning::Mac,
        Known::Profile => Meaning::Profile,
        Known::Name => Meaning::Name,
        Known::Hostname => Meaning::Hostname,
        Known::Metadata => Meaning::Metadata,
        Known::Extra(key) => Meaning::Extra((*key).into()),
        Known::Ignored => Meaning::Ignored,
    })
}

/// The identifier whose title `title` is nearly spelt like.
fn nearest(title: &str) -> Option<&'static str> {
    let squeezed = squeezed(title);
    let distance = |alias: &str| strsim::damerau_levenshtein(alias, &squeezed);
    let of = |wanted: Known, title| {
        let aliases = ALIASES.iter().filter(move |(known, _)| *known == wanted).flat_map(|(_, aliases)| *aliases);
        aliases.filter(|alias| alias.len() > 3).map(move |alias| (distance(alias), title)).min()
    };
    let nearest =
        [of(Known::Serial, "Serial"), of(Known::Uuid, "UUID"), of(Known::Mac, "MAC")].into_iter().flatten().min();
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
enum Known {
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
const ALIASES: &[(Known, &[&str])] = &[
    (
        Known::Serial,
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
        Known::Uuid,
        &["uuid", "systemuuid", "smbiosuuid", "productuuid", "hostuuid", "guid", "systemguid", "machineuuid"],
    ),
    (
        Known::Mac,
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
    (Known::Profile, &["profile", "osprofile", "profil", "osprofil", "os", "operatingsystem", "betriebssystem"]),
    (Known::Name, &["name", "nodename", "node", "label", "device", "devicename", "gerät", "gerätename", "bezeichnung"]),
    (Known::Hostname, &["hostname", "host", "computername", "rechnername", "fqdn"]),
    (Known::Metadata, &["metadata", "metadaten", "labels", "tags"]),
    (Known::Extra("Site"), &["site", "standort", "werk"]),
    (Known::Extra("Secure"), &["secure"]),
    (Known::Extra("RemoteUser"), &["remoteuser"]),
    (Known::Extra("LVMSize"), &["lvmsize"]),
    (Known::Extra("AMTEnable"), &["amtenable"]),
    (Known::Extra("CloudInit"), &["cloudinit", "cloudinitmeta"]),
    (Known::Extra("K8sEnable"), &["k8senable"]),
    (Known::Extra("K8sClusterTemplate"), &["k8sclustertemplate"]),
    (Known::Extra("K8sConfig"), &["k8sconfig"]),
    (Known::Ignored, &["problem", "problems", "error", "errors", "errordonotfill", "fehler"]),
];

/// Rows that are looked at for the header, and for what a column holds.
const ABOVE_HEADER: usize = 30;
/// Characters of a title.
const TITLE_LIMIT: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::table::read;
    use super::*;

    fn meanings(text: &str) -> Vec<Meaning> {
        layout(&read(text).records).columns.into_iter().map(|column| column.meaning).collect()
    }

    #[test]
    fn titles_are_known_in_many_spellings() {
        for title in ["serial", "Serial Number", "S/N", "SERIAL_NO.", " Service-Tag ", "Seriennummer", "ＳＮ"] {
            assert_eq!(meanings(&format!("{title}\nA1\n")), [Meaning::Serial], "{title}");
        }
        assert_eq!(meanings("MAC,MAC 2,Mac-Adresse\n"), [Meaning::Mac, Meaning::Mac, Meaning::Mac]);
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
        assert_eq!(meanings("2500JF3\n11002F3\n"), [Meaning::Serial]);
        assert_eq!(meanings("52:54:00:00:00:01,PF3KA\n52:54:00:00:00:02,PF3KB1\n"), [Meaning::Mac, Meaning::Serial]);
        assert_eq!(layout(&read("a1,b2,c3\nd4,e5,f6\n").records).flaws, [Flaw::NoHeader]);
    }

    #[test]
    fn what_stands_above_the_header_is_passed_over() {
        let table = read("Order 4711;;\nfrom 2026-03-02;;\n\nPos;Seriennummer;Artikel\n1;A1;Box\n");
        let layout = layout(&table.records);
        assert_eq!((layout.first, layout.columns[1].meaning.clone()), (3, Meaning::Serial));
        assert_eq!(layout.columns[2].meaning, Meaning::Extra("Artikel".into()));
    }

    #[test]
    fn a_misspelt_header_is_not_taken_for_a_serial() {
        let flaw = Flaw::NoIdentifierColumn { found: vec!["Serail".into()], meant: Some(("Serail".into(), "Serial")) };
        assert_eq!(layout(&read("Serail\nA1\n").records).flaws, [flaw]);
    }

    #[test]
    fn columns_have_a_spreadsheet_s_letters() {
        assert_eq!([0, 25, 26, 27, 701, 702].map(letters), ["A", "Z", "AA", "AB", "ZZ", "AAA"]);
    }
}
