//! What a list would do, row by row, before anything is stored.

use std::collections::{BTreeMap, HashMap};

use super::columns::layout;
use super::decode::decode;
use super::draft::{RowContext, RowDraft};
use super::profiles::ProfileLookup;
use super::table::{Record, read};
use super::{Encoding, ListColumn, ListFlaw, Located};
use crate::domain::command::ImportList;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::{MacAddr, NodeId, ProfileId, Serial, SystemUuid};
use crate::domain::node::change::{FieldChange, NodeField};
use crate::domain::node::registration::{Judgement, Registration};
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::Snapshot;
use crate::domain::time::Timestamp;

/// A choice for the whole list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportOptions {
    /// This profile for every row, whatever the row says.
    pub profile: Option<ProfileId>,
}

/// A list as it was understood and what each row would do. Plain data, complete in itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The file, as the person knows it.
    pub file: String,
    pub encoding: Encoding,
    pub separator: char,
    pub columns: Vec<ListColumn>,
    /// What is wrong with the file as a whole. Nothing can be imported while there is any.
    pub flaws: Vec<ListFlaw>,
    pub rows: Vec<PreviewRow>,
    pub counts: RowCounts,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewRow {
    /// As a spreadsheet numbers it, from 1.
    pub row: usize,
    pub registration: Registration,
    pub standing: RowEffect,
    pub warnings: Vec<Located>,
    /// The cells as they were written, kept for a row with errors only.
    pub(super) cells: Vec<String>,
}

/// What a row would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowEffect {
    /// A machine nobody has registered; `seen` when it has shown itself already.
    New {
        seen: Option<NodeId>,
    },
    /// The bench knows all of it.
    Same(NodeId),
    Changes(NodeId, Vec<FieldChange>),
    /// Nothing, and these are all the reasons.
    Error(Vec<Located>),
}

impl RowEffect {
    /// `new`, `same`, `changes` or `error`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::New { .. } => "new",
            Self::Same(_) => "same",
            Self::Changes(..) => "changes",
            Self::Error(_) => "error",
        }
    }
}

/// How many rows of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    pub new: usize,
    pub same: usize,
    pub changes: usize,
    pub errors: usize,
    /// Rows with a warning, whatever else they are.
    pub warnings: usize,
}

/// What the list in `bytes`, known as `file`, would do to this bench.
pub fn preview(file: &str, bytes: &[u8], now: Timestamp, bench: &Snapshot, options: &ImportOptions) -> Preview {
    preview_watched(file, bytes, now, bench, options, &mut |_, _| {})
}

/// The same. Of a long list it is told every now and then how many rows have been looked at, and of how many.
pub fn preview_watched(
    file: &str,
    bytes: &[u8],
    now: Timestamp,
    bench: &Snapshot,
    options: &ImportOptions,
    watch: &mut dyn FnMut(usize, usize),
) -> Preview {
    let mut preview = Preview {
        file: file.into(),
        encoding: Encoding::Utf8,
        separator: ',',
        columns: Vec::new(),
        flaws: Vec::new(),
        rows: Vec::new(),
        counts: RowCounts::default(),
    };
    let text = match decode(bytes) {
        Ok((text, encoding)) => {
            preview.encoding = encoding;
            text
        }
        Err(flaw) => {
            preview.flaws.push(flaw);
            return preview;
        }
    };
    let table = read(&text);
    let layout = layout(&table.records);
    (preview.separator, preview.columns, preview.flaws) = (table.separator, layout.columns, layout.flaws);
    preview.flaws.extend(table.unclosed.map(|row| ListFlaw::UnclosedQuote { row }));
    let records = &table.records[layout.first..];
    if records.is_empty() && preview.flaws.is_empty() {
        preview.flaws.push(ListFlaw::NoRows);
    }
    if !preview.flaws.is_empty() {
        return preview;
    }
    let mut reading = RowContext {
        columns: &preview.columns,
        separator: preview.separator,
        profiles: ProfileLookup::new(&bench.catalogue.profiles),
        placeholders: bench.index.placeholders(),
        profile: options.profile.as_ref(),
    };
    // Each row is looked at twice: for what it says, and for what that would do.
    let mut steps = 0;
    let mut step = || {
        steps += 1;
        if records.len() > LONG && steps % (2 * WATCHED) == 0 {
            watch(steps / 2, records.len());
        }
    };
    let read = |record| {
        step();
        reading.draft(record)
    };
    let mut drafts: Vec<RowDraft> = records.iter().map(read).collect();
    mark_duplicates(&mut drafts);
    warn_of_lost_zeros(&mut drafts, bench);
    preview.rows = judge_all(drafts, records, now, bench, &mut step);
    preview.counts = RowCounts::of(&preview.rows);
    preview
}

impl Preview {
    /// Whether the file and every row can be imported.
    pub fn is_clean(&self) -> bool {
        self.flaws.is_empty() && self.counts.errors == 0
    }

    /// What imports all of it; none while anything is wrong.
    pub fn import(&self) -> Option<ImportList> {
        self.is_clean().then(|| self.import_without_errors())
    }

    /// What imports the rows that have no error.
    pub fn import_without_errors(&self) -> ImportList {
        let good = self.rows.iter().filter(|row| !matches!(row.standing, RowEffect::Error(_)));
        ImportList { file: self.file.clone(), rows: good.map(|row| (row.row, row.registration.clone())).collect() }
    }

    /// Everything that is wrong, in the order of the rows.
    pub fn errors(&self) -> impl Iterator<Item = Diagnostic> {
        let of_file = self.flaws.iter().map(|flaw| Diagnostic {
            file: self.file.clone(),
            line: None,
            column: None,
            what: flaw.to_string(),
            hint: flaw.hint(),
        });
        of_file.chain(self.rows.iter().flat_map(|row| match &row.standing {
            RowEffect::Error(errors) => errors.iter().map(|error| error.diagnostic(&self.file, row.row)).collect(),
            RowEffect::New { .. } | RowEffect::Same(_) | RowEffect::Changes(..) => Vec::new(),
        }))
    }

    /// Everything that may be wrong, in the order of the rows.
    pub fn warnings(&self) -> impl Iterator<Item = Diagnostic> {
        self.rows.iter().flat_map(|row| row.warnings.iter().map(|warning| warning.diagnostic(&self.file, row.row)))
    }
}

impl RowCounts {
    fn of(rows: &[PreviewRow]) -> Self {
        let mut counts = Self::default();
        for row in rows {
            match row.standing {
                RowEffect::New { .. } => counts.new += 1,
                RowEffect::Same(_) => counts.same += 1,
                RowEffect::Changes(..) => counts.changes += 1,
                RowEffect::Error(_) => counts.errors += 1,
            }
            counts.warnings += usize::from(!row.warnings.is_empty());
        }
        counts
    }
}

/// Rows that share an identifier: none of them can be told to be the right one, so each is told the other.
fn mark_duplicates(drafts: &mut [RowDraft]) {
    let mut serials: HashMap<String, usize> = HashMap::with_capacity(drafts.len());
    let mut uuids: HashMap<SystemUuid, usize> = HashMap::new();
    let mut macs: HashMap<MacAddr, usize> = HashMap::new();
    let mut shared: Vec<(usize, usize, NodeField, Option<MacAddr>)> = Vec::new();
    for (at, draft) in drafts.iter().enumerate() {
        let Registration { serial, uuid, macs: own, .. } = &draft.registration;
        if let Some(serial) = serial {
            let first = *serials.entry(serial.as_str().to_ascii_lowercase()).or_insert(at);
            shared.push((first, at, NodeField::Serial, None));
        }
        if let Some(uuid) = uuid {
            shared.push((*uuids.entry(uuid.canonical()).or_insert(at), at, NodeField::Uuid, None));
        }
        shared.extend(own.iter().map(|mac| (*macs.entry(*mac).or_insert(at), at, NodeField::Mac, Some(*mac))));
    }
    for (first, at, field, mac) in shared.into_iter().filter(|(first, at, ..)| first != at) {
        let (row, other) = (drafts[first].row, drafts[at].row);
        drafts[at].share(&field, mac, row);
        drafts[first].share(&field, mac, other);
    }
}

impl RowDraft {
    /// Notes that another row has this too, once for each value, in the row's own spelling.
    fn share(&mut self, field: &NodeField, mac: Option<MacAddr>, other: usize) {
        let Registration { serial, uuid, .. } = &self.registration;
        let value = match field {
            NodeField::Serial => serial.as_ref().map(ToString::to_string),
            NodeField::Uuid => uuid.map(|uuid| uuid.to_string()),
            _ => mac.map(|mac| mac.to_string()),
        };
        let value = value.unwrap_or_default();
        let is_this = |flaw: &ListFlaw| matches!(flaw, ListFlaw::Duplicate { value: known, .. } if *known == value);
        if !self.errors.iter().any(|error| is_this(&error.flaw)) {
            let flaw = ListFlaw::Duplicate { field: field.clone(), value, other };
            self.errors.push(Located { column: None, flaw });
        }
    }
}

/// A serial of digits that is shorter than nearly all others of the list, or that the bench knows with zeros before it.
fn warn_of_lost_zeros(drafts: &mut [RowDraft], bench: &Snapshot) {
    let digits = |draft: &RowDraft| {
        let serial = draft.registration.serial.as_ref().map(Serial::as_str);
        serial.filter(|serial| serial.bytes().all(|byte| byte.is_ascii_digit())).map(str::to_owned)
    };
    let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
    drafts.iter().filter_map(digits).for_each(|serial| *lengths.entry(serial.len()).or_default() += 1);
    let all: usize = lengths.values().sum();
    let usual = lengths.iter().max_by_key(|(_, count)| **count).filter(|(_, count)| **count >= 3 && **count * 2 > all);
    let usual = usual.map(|(length, _)| *length);

    let serials = bench.nodes.values().filter_map(|node| node.serial.as_ref());
    let zeroed =
        serials.filter_map(|serial| Some((serial.as_str().strip_prefix('0')?.trim_start_matches('0'), serial)));
    let zeroed: BTreeMap<&str, &Serial> = zeroed.collect();
    for draft in drafts {
        let Some(value) = digits(draft) else { continue };
        let known = zeroed.get(value.trim_start_matches('0')).filter(|known| known.as_str() != value);
        let flaw = match (known, usual) {
            (Some(known), _) => ListFlaw::LeadingZerosOf { known: known.to_string(), value },
            (None, Some(usual)) if value.len() < usual => ListFlaw::LeadingZeros { value, usual },
            (None, _) => continue,
        };
        draft.warnings.push(Located { column: Some("Serial".into()), flaw });
    }
}

fn judge_all(
    drafts: Vec<RowDraft>,
    records: &[Record],
    now: Timestamp,
    bench: &Snapshot,
    step: &mut dyn FnMut(),
) -> Vec<PreviewRow> {
    let mut about: HashMap<NodeId, usize> = HashMap::new();
    let judged = drafts.into_iter().zip(records).map(|(mut draft, record)| {
        step();
        let judgement = draft.registration.judge(now, &bench.nodes, &bench.index);
        match &judgement {
            Ok(judgement) => {
                let other = judgement.node().and_then(|node| Some((node, about.insert(node, draft.row)?)));
                if let Some((node, other)) = other {
                    let label = bench.nodes.get(&node).map(|node| node.label()).unwrap_or_default();
                    draft.errors.push(Located { column: None, flaw: ListFlaw::SameNode { label, other } });
                }
            }
            // That there is no identifier is no news where each of them was found wrong.
            Err(Refusal::NoIdentifier) if !draft.errors.is_empty() => {}
            Err(refusal) => draft.errors.push(Located { column: None, flaw: ListFlaw::Refused(refusal.clone()) }),
        }
        let standing = match judgement {
            Ok(judgement) if draft.errors.is_empty() => RowEffect::from(judgement),
            _ => RowEffect::Error(std::mem::take(&mut draft.errors)),
        };
        let cells = match standing {
            RowEffect::Error(_) => record.cells().map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        PreviewRow { row: draft.row, registration: draft.registration, standing, warnings: draft.warnings, cells }
    });
    judged.collect()
}

/// Rows from which on it is told how far it is, and rows between one word and the next.
const LONG: usize = 10_000;
const WATCHED: usize = 1000;

impl From<Judgement> for RowEffect {
    fn from(judgement: Judgement) -> Self {
        match judgement {
            Judgement::New { seen } => Self::New { seen },
            Judgement::Same(node) => Self::Same(node),
            Judgement::Changes(node, changes) => Self::Changes(node, changes),
        }
    }
}
