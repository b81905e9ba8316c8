//! What a machine that asks for a boot script is to do.

use crate::domain::ids::{NodeId, ProfileId};

/// The station's word to a booting machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootPlan {
    /// Boot the agent and install this profile.
    Install(ProfileId),
    /// Its disk is proven: boot from it.
    LocalDisk,
    /// Not now; ask again.
    Wait(Wait),
    Refuse(Refuse),
}

/// Why a machine waits. It asks again by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wait {
    #[error("the station is still checking the image of profile {profile} ({percent} %)")]
    ImageBeingChecked { profile: ProfileId, percent: u8 },
    #[error("it is not clear which machine this is: it has identifiers of {}", nodes(.0))]
    Conflict(Vec<NodeId>),
    #[error(
        "the installer of profile {0} was started {CIRCLES} times and never said that it is done: see the machine's screen, then re-arm it"
    )]
    InstallerInCircle(ProfileId),
    #[error("nobody has registered this machine: it waits to be approved at the station")]
    Approval,
}

/// Why a machine gets nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refuse {
    #[error("nobody has registered this machine, and the station serves registered ones only")]
    NotRegistered,
    #[error("no profile is assigned and the station has no default profile")]
    NoProfile,
    #[error("the station has no profile named {0}")]
    UnknownProfile(ProfileId),
    #[error("profile {profile} cannot be used: {what}")]
    BrokenImage { profile: ProfileId, what: String },
}

/// After so many installers that never said that they are done, one after the other, a person is wanted.
pub const CIRCLES: u8 = 3;

fn nodes(ids: &[NodeId]) -> String {
    ids.iter().map(|id| format!("node {id}")).collect::<Vec<_>>().join(" and ")
}
