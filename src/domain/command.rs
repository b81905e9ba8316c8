//! What people ask for, and the ways of being refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::batch::BatchOrder;
use crate::domain::ids::{NodeId, ProfileId};
use crate::domain::machine::quirk::BootProgram;
use crate::domain::node::edit::Edit;
use crate::domain::node::question::Question;
use crate::domain::station::dhcp::DhcpChoice;
use crate::domain::station::policy::Policy;
use crate::domain::time::Timestamp;

pub use crate::domain::node::registration::Registration;

/// A wish of a person. It is durable before it is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Make a machine known before it is seen.
    Register(Registration),
    /// Give a node a profile, or none for the default.
    Assign { node: NodeId, profile: Option<ProfileId> },
    /// Have a node load this boot program, or none for what is usual.
    ChooseLoader { node: NodeId, loader: Option<BootProgram> },
    /// Install at the next network boot; a machine whose agent waits after a failure restarts now.
    Rearm { node: NodeId },
    /// Correct what is known of a node.
    Edit { node: NodeId, edit: Edit },
    /// Drop nodes and all that is known of them: all of these or none.
    Forget { nodes: Vec<NodeId> },
    /// Make the machines of a list known, all or none. Again it changes nothing.
    Import(ImportList),
    /// Take back what was done at that moment, within a minute.
    Undo { deed: Timestamp, scope: Undo },
    /// From now on machines nobody registered are treated so.
    SetPolicy(Policy),
    /// From now on the network's addresses are this one's.
    SetDhcp(DhcpChoice),
    /// Let machines that wait for approval go on, with this profile if one is given.
    Approve { nodes: Approval, profile: Option<ProfileId> },
    /// Say yes to what the agent of this node has asked, and to nothing else.
    Consent { node: NodeId, to: Question, by: String },
    /// Say who the machine is that is in conflict with this node, and perhaps with others.
    Resolve { node: NodeId, how: Resolution },
    /// From now on what comes is of this batch.
    OpenBatch(BatchOrder),
    /// The batch is over: what became of each machine is kept.
    CloseBatch,
}

/// A list of machines, each with the number of its row. Done wholly or not at all.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportList {
    /// The file, as the person knows it.
    pub file: String,
    pub rows: Vec<(usize, Registration)>,
}

impl fmt::Debug for ImportList {
    /// How many rows: a log is no place for all of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Import({:?}, {} rows)", self.file, self.rows.len())
    }
}

/// Which nodes something is taken back for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Undo {
    /// All of them, or none when one has begun to work.
    All,
    /// Those that have not begun to work; the others stay as they are.
    Idle,
}

/// Which machines are approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Approval {
    /// This one, whether or not it waits already.
    One(NodeId),
    /// All that wait now.
    All,
}

/// Who a machine in conflict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resolution {
    /// It is the node, and the others it was in conflict with are wrong: they are forgotten.
    ForgetOthers,
    /// It is the node, which gets the identifiers it showed; the others keep what else they have.
    MoveIdentifiers,
    /// It is none of them: what it shares with them (an adapter, a cloned serial) identifies nobody from now on.
    TellApart,
}
