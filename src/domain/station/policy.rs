//! What becomes of a machine that boots from the network and that nobody has registered.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::station::plan::{BootPlan, Refuse, Wait};

/// The bench's rule for machines nobody registered. A registered one, or one that was given a profile, is not subject
/// to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// It gets the default profile.
    #[default]
    Default,
    /// It waits until somebody approves it.
    Hold,
    /// It gets nothing, and its screen says so; it asks again, in case it is registered meanwhile.
    Refuse,
    /// It is none of the bench's business: it goes on to its own disk. For a network that others use too.
    AllowList,
}

impl Policy {
    /// In the order in which a key goes through them.
    pub const ALL: [Self; 4] = [Self::Default, Self::Hold, Self::Refuse, Self::AllowList];

    /// As it is written in settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Hold => "hold",
            Self::Refuse => "refuse",
            Self::AllowList => "allow-list",
        }
    }

    /// What it means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Default => "machines nobody registered get the default profile",
            Self::Hold => "machines nobody registered wait for approval",
            Self::Refuse => "machines nobody registered get nothing",
            Self::AllowList => "machines nobody registered go on to their own disk",
        }
    }

    /// What a machine nobody registered is to do, unless it is to be installed as any other.
    pub fn bars(self) -> Option<BootPlan> {
        match self {
            Self::Default => None,
            Self::Hold => Some(BootPlan::Wait(Wait::Approval)),
            Self::Refuse => Some(BootPlan::Refuse(Refuse::NotRegistered)),
            Self::AllowList => Some(BootPlan::LocalDisk),
        }
    }

    /// Why its agent, if it has got that far, may not write.
    pub fn reason(self) -> Option<String> {
        match self {
            Self::Default => None,
            Self::Hold => Some(Wait::Approval.to_string()),
            Self::Refuse => Some(Refuse::NotRegistered.to_string()),
            Self::AllowList => Some(NOT_LISTED.into()),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no policy {0:?}: it is default, hold, refuse or allow-list")]
pub struct NoSuchPolicy(String);

impl FromStr for Policy {
    type Err = NoSuchPolicy;

    fn from_str(text: &str) -> Result<Self, NoSuchPolicy> {
        Self::ALL.into_iter().find(|policy| policy.word() == text).ok_or_else(|| NoSuchPolicy(text.into()))
    }
}

/// What is said of a machine that an allow-list leaves to itself.
pub(crate) const NOT_LISTED: &str = "this machine is not on the list: left to its own disk";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_read_as_it_is_written() {
        for policy in Policy::ALL {
            assert_eq!(policy.word().parse(), Ok(policy));
            assert_eq!(serde_json::to_string(&policy).expect("JSON"), format!("\"{policy}\""));
        }
        assert_eq!("yes".parse::<Policy>(), Err(NoSuchPolicy("yes".into())));
    }
}
