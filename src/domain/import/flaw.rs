//! What can be wrong with a list, and what to do about it.

use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::BadId;
use crate::domain::node::change::NodeField;
use crate::domain::refusal::Refusal;

/// One thing wrong with a file, a row or a cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListFlaw {
    #[error("the file is empty")]
    Empty,
    #[error("the file is larger than {} MiB", super::FILE_LIMIT >> 20)]
    TooLarge,
    #[error("this is {0}, not a CSV file")]
    NotText(&'static str),
    #[error("no column is called Serial, UUID or MAC")]
    NoIdentifierColumn { found: Vec<String>, meant: Option<(String, &'static str)> },
    #[error("there is no header, and the columns cannot be told from what they hold")]
    NoHeader,
    #[error("the columns {0:?} and {1:?} both say {2}")]
    TwoColumns(String, String, &'static str),
    #[error("the quotation mark in row {row} is not closed: all rows below it are inside it")]
    UnclosedQuote { row: usize },
    #[error("there is no row below the header")]
    NoRows,

    #[error("{value:?} is a number that the spreadsheet has rounded: its last digits are lost")]
    RoundedNumber { value: String },
    #[error("{value:?}: {reason}")]
    BadValue { value: String, reason: BadId },
    #[error("{value:?} is a placeholder that identifies nobody")]
    Placeholder { value: String },
    #[error("{value:?} contains {character:?}, which no firmware prints in a serial")]
    OddCharacter { value: String, character: char },
    #[error("the cell holds {characters} characters, {limit} are the most")]
    TooLong { characters: usize, limit: usize },
    #[error("the cell holds {lines} lines that look like rows of their own")]
    SwallowedRows { lines: usize },
    #[error("there is no profile {value:?}")]
    UnknownProfile { value: String, meant: Option<String> },
    #[error("{value:?} is not key=value&key=value")]
    BadMetadata { value: String },
    #[error("{key:?} is said twice, as {first:?} and {second:?}")]
    MetadataTwice { key: String, first: String, second: String },
    #[error("the row has {found} cells, the header {titles}")]
    SurplusCells { found: usize, titles: usize },
    #[error("{field} {value} is also in row {other}")]
    Duplicate { field: NodeField, value: String, other: usize },
    #[error("row {other} is about the same node, {label}")]
    SameNode { label: String, other: usize },
    #[error(transparent)]
    Refused(Refusal),

    #[error("{value:?} is ignored: it is a placeholder that identifies nobody")]
    PlaceholderIgnored { value: String },
    #[error("{value:?} is shorter than the other serials, which have {usual} digits: leading zeros may be lost")]
    LeadingZeros { value: String, usual: usize },
    #[error("{value:?} may be {known}, which the bench knows: leading zeros may be lost")]
    LeadingZerosOf { value: String, known: String },
    #[error("{value:?} has more than 15 digits and ends in zeros: a spreadsheet keeps 15")]
    DigitsLost { value: String },
}

impl ListFlaw {
    /// What to do about it, in words.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty | Self::NoRows => "choose another file, or fill this one in".into(),
            Self::TooLarge => "split it into several files".into(),
            Self::NotText(_) => "open it with the spreadsheet and save it as CSV".into(),
            Self::NoIdentifierColumn { meant: Some((title, alias)), .. } => {
                format!("did you mean {alias} by {title:?}?")
            }
            Self::NoIdentifierColumn { found, meant: None } => {
                format!("the first row says {}: rename one to Serial, UUID or MAC", found.join(", "))
            }
            Self::NoHeader => "add a first row that names the columns, as Serial,UUID,MAC,Profile".into(),
            Self::TwoColumns(..) => "delete or rename one of them".into(),
            Self::RoundedNumber { .. } | Self::DigitsLost { .. } => {
                "format the column as text in the spreadsheet, enter the value again and save again".into()
            }
            Self::BadValue { reason, .. } => bad_value_hint(*reason).into(),
            Self::Placeholder { .. } => "leave it empty and give the MAC address".into(),
            Self::OddCharacter { .. } => "copy the serial from the label or the firmware's setup".into(),
            Self::TooLong { .. } | Self::UnclosedQuote { .. } => {
                "look for a quotation mark that is not closed in this row or before it".into()
            }
            Self::SwallowedRows { .. } => {
                "look for a quotation mark that is not closed in this row; if all is right, make the cell one line"
                    .into()
            }
            Self::UnknownProfile { meant: Some(meant), .. } => format!("did you mean {meant}?"),
            Self::UnknownProfile { meant: None, .. } => {
                "add the profile, leave the cell empty for the default, or choose one for the whole list".into()
            }
            Self::BadMetadata { .. } => "write it as site=ulm&line=3".into(),
            Self::MetadataTwice { .. } => "delete one of the two".into(),
            Self::SurplusCells { .. } => "put a value that contains the separator between quotation marks".into(),
            Self::Duplicate { field: NodeField::Serial, .. } => {
                "delete one of the rows; several MAC addresses of one machine go into one cell".into()
            }
            Self::Duplicate { .. } | Self::SameNode { .. } => "delete or correct one of the rows".into(),
            Self::Refused(refusal) => refused_hint(refusal).into(),
            Self::PlaceholderIgnored { .. } => "the machine is known by its other identifiers".into(),
            Self::LeadingZeros { .. } | Self::LeadingZerosOf { .. } => {
                "format the column as text in the spreadsheet and compare with the label".into()
            }
        }
    }
}

/// A flaw and the column it is in; none for the row as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    pub column: Option<String>,
    pub flaw: ListFlaw,
}

impl Located {
    pub(super) fn diagnostic(&self, file: &str, row: usize) -> Diagnostic {
        Diagnostic {
            file: file.into(),
            line: Some(row),
            column: self.column.clone(),
            what: self.flaw.to_string(),
            hint: self.flaw.hint(),
        }
    }
}

fn bad_value_hint(reason: BadId) -> &'static str {
    match reason {
        BadId::MacForm => "copy it from the label; a spreadsheet drops leading zeros unless the column is text",
        BadId::MacGroup | BadId::MacZero => "copy it from the label or the firmware's setup",
        BadId::UuidForm => "copy it from the firmware's setup, or leave it empty and give the serial",
        BadId::HostnameForm => "use letters, digits and hyphens",
        BadId::SerialEmpty | BadId::SerialPlaceholder | BadId::UuidPlaceholder => {
            "leave it empty and give the MAC address"
        }
        BadId::ProfileForm | BadId::RunForm => "correct it, or leave the cell empty",
    }
}

fn refused_hint(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::NoIdentifier => "fill in one of Serial, UUID and MAC, or delete the row",
        Refusal::SeveralNodes { .. } => "correct the row, or forget one of the nodes",
        Refusal::Busy { .. } => "import the list again when it has ended",
        _ => "correct the row",
    }
}
