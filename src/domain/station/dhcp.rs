//! Whose the network's addresses are: what a person chose, what the DHCP service does about it, and whom it met.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::domain::ids::MacAddr;
use crate::domain::station::lease::Lease;
use crate::domain::time::Timestamp;

/// What a person asked the station to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DhcpChoice {
    #[default]
    Authoritative,
    Proxy,
    Auto,
}

impl DhcpChoice {
    pub const ALL: [Self; 3] = [Self::Authoritative, Self::Proxy, Self::Auto];

    /// As it is written in settings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Authoritative => "authoritative",
            Self::Proxy => "proxy",
            Self::Auto => "auto",
        }
    }

    /// What it means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Authoritative => "the station gives machines their addresses",
            Self::Proxy => "the site's DHCP server gives the addresses, the station only says what to boot",
            Self::Auto => "proxy where another DHCP server answers, authoritative where none does",
        }
    }
}

impl fmt::Display for DhcpChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// It is none of the words for a [`DhcpChoice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such mode of DHCP: it is authoritative, proxy or auto")]
pub struct BadDhcpChoice;

impl FromStr for DhcpChoice {
    type Err = BadDhcpChoice;

    fn from_str(word: &str) -> Result<Self, BadDhcpChoice> {
        Self::ALL.into_iter().find(|choice| choice.word() == word).ok_or(BadDhcpChoice)
    }
}

/// Whose the network's addresses are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The station's: it leases them.
    #[default]
    Authoritative,
    /// The site's DHCP server's. The station says beside it what to load, and never leases an address.
    Proxy,
}

/// What was chosen while the station runs, and what its setting said then. It counts for as long as the setting says the
/// same: of the two the later word counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chosen {
    pub choice: Option<DhcpChoice>,
    pub setting: Option<DhcpChoice>,
}

impl Chosen {
    /// What is left of a choice that was stored, with this setting.
    pub fn under(self, setting: Option<DhcpChoice>) -> Self {
        Self { choice: self.choice.filter(|_| self.setting == setting), setting }
    }
}

/// What the DHCP service does and what it does not, as it says itself; once a second at the most, when it has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhcp {
    /// What it was asked to be.
    pub choice: DhcpChoice,
    /// What it is. None while it does not serve.
    pub mode: Option<Mode>,
    /// Why it is that, in words; empty while it does not serve.
    pub why: String,
    /// Other servers that were met, the one that was heard last first.
    pub rivals: Vec<RogueServer>,
    pub pool: Pool,
    /// Leases that run, those that end last first; as many as a person may look at.
    pub leases: Vec<Lease>,
    /// Requests that were understood and left unanswered: why, and how many.
    pub unanswered: Vec<(String, u64)>,
    /// Requests that were not even looked at: why, and how many.
    pub dropped: Vec<(String, u64)>,
}

/// Another DHCP server on the cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RogueServer {
    pub address: Ipv4Addr,
    /// Its network card, once it has answered ARP.
    pub mac: Option<MacAddr>,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// The addresses that the station may give away, by what has become of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// `10.77.0.100–250`.
    pub range: String,
    pub size: usize,
    /// Leased now.
    pub leased: usize,
    /// Offered, and not taken yet.
    pub offered: usize,
    /// Somebody else was found to use them.
    pub resting: usize,
}

impl Pool {
    pub fn free(&self) -> usize {
        self.size.saturating_sub(self.leased + self.offered + self.resting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_is_read_as_it_is_written() {
        for choice in DhcpChoice::ALL {
            assert_eq!(choice.word().parse(), Ok(choice));
            assert_eq!(serde_json::to_string(&choice).expect("JSON"), format!("\"{choice}\""));
        }
        assert_eq!("relay".parse::<DhcpChoice>(), Err(BadDhcpChoice));
    }

    #[test]
    fn what_was_chosen_counts_until_the_setting_says_something_else() {
        let chosen = Chosen { choice: Some(DhcpChoice::Proxy), setting: None };
        assert_eq!(chosen.under(None).choice, Some(DhcpChoice::Proxy), "over a restart");
        assert_eq!(
            chosen.under(Some(DhcpChoice::Auto)).choice,
            None,
            "started with --dhcp auto: that is the later word"
        );
        let under_a_flag = Chosen { choice: Some(DhcpChoice::Proxy), setting: Some(DhcpChoice::Auto) };
        assert_eq!(
            under_a_flag.under(Some(DhcpChoice::Auto)).choice,
            Some(DhcpChoice::Proxy),
            "the unit file has the flag"
        );
        assert_eq!(under_a_flag.under(None).choice, None);
    }
}
