//! One row to one registration, with everything that is wrong with it.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::cell::{is_rounded_number, lost_digits, tidy, tidy_identifier};
use super::columns::{ColumnMeaning, ListColumn};
use super::profiles::ProfileLookup;
use super::table::Record;
use super::{ListFlaw, Located};
use crate::domain::ids::placeholder::Placeholders;
use crate::domain::ids::{BadId, MacAddr, ProfileId, SERIAL_LIMIT, Serial, SystemUuid};
use crate::domain::node::registration::Registration;
use crate::domain::text;

/// A row as far as it could be understood.
#[derive(Debug, Default)]
pub(super) struct RowDraft {
    pub row: usize,
    pub registration: Registration,
    pub errors: Vec<Located>,
    pub warnings: Vec<Located>,
}

/// What rows are read with.
pub(super) struct RowContext<'r> {
    pub columns: &'r [ListColumn],
    pub separator: char,
    pub profiles: ProfileLookup<'r>,
    /// What the site adds to the shipped list.
    pub placeholders: &'r Placeholders,
    /// Instead of what the rows say.
    pub profile: Option<&'r ProfileId>,
}

impl RowContext<'_> {
    pub(super) fn draft(&mut self, record: &Record) -> RowDraft {
        let mut draft = RowDraft { row: record.row, ..RowDraft::default() };
        let mut placeholders = Vec::new();
        let columns = self.columns;
        for (at, column) in columns.iter().enumerate() {
            let raw = record.cell(at);
            if raw.is_empty() || column.meaning == ColumnMeaning::Ignored {
                continue;
            }
            match self.take(column, raw, &mut draft.registration) {
                Ok(None) => {}
                Ok(Some(warning)) => draft.warnings.push(column.located(warning)),
                Err(ListFlaw::Placeholder { value }) => placeholders.push((column, value)),
                Err(flaw) => draft.errors.push(column.located(flaw)),
            }
        }
        if record.width() > columns.len() {
            let flaw = ListFlaw::SurplusCells { found: record.width(), titles: columns.len() };
            draft.errors.push(Located { column: None, flaw });
        }
        if let Some(profile) = self.profile {
            draft.registration.profile = Some(profile.clone());
        }
        // A placeholder beside a real identifier is only clutter; alone it leaves nobody.
        let known = !draft.registration.claims().is_empty();
        for (column, value) in placeholders {
            match known {
                true => draft.warnings.push(column.located(ListFlaw::PlaceholderIgnored { value })),
                false => draft.errors.push(column.located(ListFlaw::Placeholder { value })),
            }
        }
        draft
    }

    /// Takes one cell in. A warning, or an error.
    fn take(&mut self, column: &ListColumn, raw: &str, into: &mut Registration) -> Result<Option<ListFlaw>, ListFlaw> {
        let characters = raw.chars().count();
        if characters > CELL_LIMIT {
            return Err(ListFlaw::TooLong { characters, limit: CELL_LIMIT });
        }
        if let Some(lines) = self.rows_within(raw) {
            return Err(ListFlaw::SwallowedRows { lines });
        }
        let tidied = tidy(raw);
        if tidied.is_empty() {
            return Ok(None);
        }
        match &column.meaning {
            ColumnMeaning::Serial => {
                let value = tidy_identifier(raw);
                into.serial = Some(self.serial(&value)?);
                return Ok(lost_digits(&value).then(|| ListFlaw::DigitsLost { value: value.into_owned() }));
            }
            ColumnMeaning::Uuid => into.uuid = Some(self.uuid(&tidy_identifier(raw))?),
            ColumnMeaning::Mac => add_macs(&tidy_identifier(raw), &mut into.macs)?,
            // With a profile for the whole list it does not matter what the rows say.
            ColumnMeaning::Profile if self.profile.is_some() => {}
            ColumnMeaning::Profile => into.profile = Some(self.profiles.find(&tidied)?),
            ColumnMeaning::Name => into.name = Some(text::clean(&tidied, NAME_LIMIT)),
            ColumnMeaning::Hostname => into.hostname = Some(read(&tidied)?),
            ColumnMeaning::Metadata => add_pairs(&tidied, &mut into.metadata)?,
            ColumnMeaning::Extra(key) => add_pair(key.clone(), text::clean(&tidied, CELL_LIMIT), &mut into.metadata)?,
            ColumnMeaning::Ignored => {}
        }
        Ok(None)
    }

    /// Lines of a cell that have as many cells of their own as the list has columns.
    fn rows_within(&self, raw: &str) -> Option<usize> {
        let said = self.columns.iter().filter(|column| column.meaning != ColumnMeaning::Ignored).count();
        let separators = said.saturating_sub(1).max(1)..self.columns.len().max(1);
        let is_row = |line: &&str| separators.contains(&line.matches(self.separator).count());
        let lines = raw.lines().skip(1).filter(is_row).count();
        (lines > 0).then_some(lines)
    }

    fn serial(&self, value: &str) -> Result<Serial, ListFlaw> {
        let characters = value.chars().count();
        if characters > SERIAL_LIMIT {
            return Err(ListFlaw::TooLong { characters, limit: SERIAL_LIMIT });
        }
        if is_rounded_number(value) {
            return Err(ListFlaw::RoundedNumber { value: value.into() });
        }
        if let Some(character) = value.chars().find(|c| !matches!(c, ' '..='~')) {
            return Err(ListFlaw::OddCharacter { value: value.into(), character });
        }
        match self.placeholders.has_serial(value) {
            true => Err(ListFlaw::Placeholder { value: value.into() }),
            false => read(value),
        }
    }

    fn uuid(&self, value: &str) -> Result<SystemUuid, ListFlaw> {
        let value = value.strip_prefix("urn:uuid:").unwrap_or(value);
        let uuid: SystemUuid = read(value).map_err(|flaw| match flaw {
            // Words as "Not Settable" stand where a UUID should be.
            ListFlaw::BadValue { value, .. } if Placeholders::shipped().has_serial(&value) => {
                ListFlaw::Placeholder { value }
            }
            flaw => flaw,
        })?;
        match self.placeholders.has_uuid(uuid.octets()) {
            true => Err(ListFlaw::Placeholder { value: value.into() }),
            false => Ok(uuid),
        }
    }
}

impl ListColumn {
    fn located(&self, flaw: ListFlaw) -> Located {
        Located { column: Some(self.title.clone()), flaw }
    }
}

fn read<T: FromStr<Err = BadId>>(value: &str) -> Result<T, ListFlaw> {
    value.parse().map_err(|reason| match reason {
        BadId::SerialPlaceholder | BadId::UuidPlaceholder => ListFlaw::Placeholder { value: value.into() },
        reason => ListFlaw::BadValue { value: value.into(), reason },
    })
}

/// One address or several, with white space or `,` `;` `/` `|` between them.
fn add_macs(value: &str, to: &mut Vec<MacAddr>) -> Result<(), ListFlaw> {
    if is_rounded_number(value) {
        return Err(ListFlaw::RoundedNumber { value: value.into() });
    }
    for part in value.split([' ', ',', ';', '/', '|']).filter(|part| !part.is_empty()) {
        let mac = read(part)?;
        if !to.contains(&mac) {
            to.push(mac);
        }
    }
    Ok(())
}

fn add_pairs(value: &str, to: &mut BTreeMap<String, String>) -> Result<(), ListFlaw> {
    for pair in value.split('&').map(str::trim).filter(|pair| !pair.is_empty()) {
        let pair = pair.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        let Some((key, said)) = pair.filter(|(key, said)| !key.is_empty() && !said.is_empty()) else {
            return Err(ListFlaw::BadMetadata { value: value.into() });
        };
        add_pair(text::clean(key, NAME_LIMIT), text::clean(said, CELL_LIMIT), to)?;
    }
    Ok(())
}

fn add_pair(key: String, value: String, to: &mut BTreeMap<String, String>) -> Result<(), ListFlaw> {
    match to.get(&key) {
        Some(first) if *first != value => Err(ListFlaw::MetadataTwice { key, first: first.clone(), second: value }),
        _ => {
            to.insert(key, value);
            Ok(())
        }
    }
}

/// Characters of a cell. More is a quotation mark that was never closed.
const CELL_LIMIT: usize = 2000;
/// Characters of a name or a key.
const NAME_LIMIT: usize = 64;
