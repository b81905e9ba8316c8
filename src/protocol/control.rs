//! What `oxbow nodes`, `oxbow import`, `oxbow policy` and `oxbow quirks` say to a running station over its control socket: JSON, one
//! message a line, each with a version.
//!
//! ```text
//! oxbow COMMAND                      station
//!   Ask                           ->
//!   the file's bytes (import)     ->
//!                                 <-  Answer … Answer, the last of them a final one
//! ```
//!
//! A connection takes one ask after the other. A reader takes any version and treats what it does not know as `Unknown`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::batch::BatchRow;
use super::nodes::{NodeRow, StrangerRow};
use crate::domain::batch::BatchOrder;
use crate::domain::batch::unit::Unit;
use crate::domain::ids::{Hostname, MacAddr, ProfileId, Serial, SystemUuid};
use crate::domain::machine::quirk::BootProgram;
use crate::domain::node::edit::Edit;
use crate::domain::station::dhcp::DhcpChoice;
use crate::domain::station::policy::Policy;
use crate::protocol::station::StationNow;

/// The version that this crate speaks.
pub const VERSION: u16 = 1;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<T> {
    pub version: u16,
    pub body: T,
}

impl<T> Message<T> {
    pub fn new(body: T) -> Self {
        Self { version: VERSION, body }
    }
}

/// What somebody at the command line wants. Nodes are named as people name them, see [`crate::domain::node::lookup`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum ControlRequest {
    /// Every node.
    Nodes,
    /// One node with what happened to it last.
    Node {
        which: String,
    },
    /// The packets that are kept of one node, or of a MAC address that is no node's.
    Capture {
        which: String,
    },
    Register(RegisterRequest),
    Edit {
        which: String,
        edit: Edit,
    },
    Assign {
        which: String,
        /// None for the default.
        profile: Option<ProfileId>,
    },
    Rearm {
        which: String,
    },
    Forget {
        which: String,
    },
    Approve {
        /// None for all that wait.
        which: Option<String>,
        profile: Option<ProfileId>,
        /// Who says so.
        #[serde(default)]
        by: Option<String>,
        /// The [`crate::domain::node::question::Question::mark`]s of what is said yes to.
        #[serde(default)]
        asked: Vec<String>,
    },
    Resolve {
        which: String,
        how: How,
    },
    /// The station itself, its services and its profiles.
    Station,
    Policy,
    SetPolicy {
        policy: Policy,
    },
    Dhcp,
    SetDhcp {
        choice: DhcpChoice,
    },
    /// A list of machines, whose bytes follow the line.
    Import(ListRequest),
    /// What is done differently for certain machines: for people, or as a file for another bench.
    Quirks {
        export: bool,
    },
    /// The boot program for one node.
    ChooseLoader {
        which: String,
        /// None for what is usual.
        loader: Option<BootProgram>,
    },
    UndoImport {
        /// Only for nodes that have not begun to work.
        idle: bool,
    },
    /// Take back what was done last.
    Undo,
    /// The batch that is open, or was last, or the one of this number; 0 is the whole bench.
    Batch {
        number: Option<u32>,
        /// With every machine of it.
        units: bool,
        /// The whole bench, if no batch was ever opened.
        #[serde(default)]
        or_bench: bool,
    },
    OpenBatch {
        order: BatchOrder,
    },
    CloseBatch,
    #[serde(other)]
    Unknown,
}

impl ControlRequest {
    /// Whether it changes nothing.
    pub fn is_question(&self) -> bool {
        match self {
            Self::Nodes
            | Self::Node { .. }
            | Self::Capture { .. }
            | Self::Station
            | Self::Policy
            | Self::Dhcp
            | Self::Batch { .. }
            | Self::Quirks { .. } => true,
            Self::Import(list) => list.dry_run,
            Self::Register(_)
            | Self::Edit { .. }
            | Self::Assign { .. }
            | Self::Rearm { .. }
            | Self::Forget { .. }
            | Self::Approve { .. }
            | Self::Resolve { .. }
            | Self::SetPolicy { .. }
            | Self::SetDhcp { .. }
            | Self::ChooseLoader { .. }
            | Self::UndoImport { .. }
            | Self::Undo
            | Self::OpenBatch { .. }
            | Self::CloseBatch
            | Self::Unknown => false,
        }
    }
}

/// A machine to make known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RegisterRequest {
    pub name: Option<String>,
    pub hostname: Option<Hostname>,
    pub macs: Vec<MacAddr>,
    pub uuid: Option<SystemUuid>,
    pub serial: Option<Serial>,
    pub profile: Option<ProfileId>,
    pub metadata: BTreeMap<String, String>,
}

/// How to end a conflict; the words of [`crate::domain::command::Resolution`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    ForgetOthers,
    MoveIdentifiers,
    TellApart,
    #[serde(other)]
    Unknown,
}

/// A list and what is wanted of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListRequest {
    /// The file, as the person knows it.
    pub file: String,
    /// How many bytes follow.
    pub bytes: usize,
    /// This profile for every row.
    pub profile: Option<ProfileId>,
    /// Only say what it would do.
    pub dry_run: bool,
    /// Tell every row, however many there are.
    pub all: bool,
    /// Send the rows with errors as a list to correct.
    pub errors: bool,
}

/// What the station says. The last answer to an ask is a final one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum ControlReply {
    Node(Box<NodeRow>),
    /// A machine that is no node, and why it does not boot.
    Stranger(Box<StrangerRow>),
    /// What a node did last and was answered, the oldest first.
    Trail {
        at: u64,
        times: u32,
        text: String,
    },
    /// The next piece of a capture file, in hexadecimal digits.
    Packets {
        piece: String,
    },
    /// What happened to the node, the oldest first.
    Log {
        at: u64,
        source: String,
        level: String,
        text: String,
    },
    /// What is wrong with a list as a whole.
    Flaw(ListProblem),
    /// A row of a list.
    Row(ListRow),
    Counts(ListCounts),
    /// The next piece of the list of errors.
    Errors {
        piece: String,
    },
    Station(Box<StationNow>),
    Batch(Box<BatchRow>),
    /// A machine of a batch.
    Unit(Box<Unit>),
    /// A part of a text; lines end with it.
    Text {
        text: String,
    },
    /// Not ready yet; sent every second.
    Working {
        on: String,
        /// How far it is, where that is known.
        #[serde(default)]
        percent: Option<u8>,
    },
    /// Final: it is done, and stored.
    Done {
        said: String,
    },
    /// Final: understood, and no.
    Refused {
        why: String,
        hint: Option<String>,
    },
    /// Final: it could not be tried.
    Failed {
        problem: String,
        hint: String,
    },
    #[serde(other)]
    Unknown,
}

impl ControlReply {
    /// Whether nothing comes after it.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Refused { .. } | Self::Failed { .. })
    }
}

/// A row of a list and what it would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRow {
    /// As a spreadsheet numbers it.
    pub row: usize,
    /// `new`, `same`, `changes` or `error`.
    pub standing: String,
    pub label: String,
    /// `Profile demo → emt-s`.
    pub changes: Vec<String>,
    pub errors: Vec<ListProblem>,
    pub warnings: Vec<ListProblem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListProblem {
    pub column: Option<String>,
    pub problem: String,
    pub hint: String,
}

/// How many rows of each kind a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListCounts {
    pub new: usize,
    pub same: usize,
    pub changes: usize,
    pub errors: usize,
    pub warnings: usize,
    /// Rows that were left out above because they are many.
    pub untold: usize,
    /// What is wrong with the list as a whole.
    pub flaws: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_oxbow_says_is_unknown_and_no_error() {
        let ask: Message<ControlRequest> =
            serde_json::from_str(r#"{"version":9,"body":{"what":"dance","to":3}}"#).expect("JSON");
        assert_eq!((ask.version, ask.body), (9, ControlRequest::Unknown));
        let answer: ControlReply = serde_json::from_str(r#"{"what":"sing","song":"x"}"#).expect("JSON");
        assert_eq!(answer, ControlReply::Unknown);
    }

    #[test]
    fn messages_come_back_as_they_were_sent() {
        let list = ListRequest { file: "a.csv".into(), bytes: 3, dry_run: true, ..ListRequest::default() };
        for ask in [
            ControlRequest::Nodes,
            ControlRequest::Import(list),
            ControlRequest::Resolve { which: "#1".into(), how: How::TellApart },
        ] {
            let text = serde_json::to_string(&Message::new(ask.clone())).expect("JSON");
            assert_eq!(serde_json::from_str::<Message<ControlRequest>>(&text).expect("JSON").body, ask, "{text}");
        }
    }
}
