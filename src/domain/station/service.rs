//! How the station's own services are, for the services line.

use serde::{Deserialize, Serialize};

/// The services, in the order they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ServiceName {
    /// The network card and its cable.
    Network,
    Dhcp,
    Tftp,
    Http,
    Https,
    /// Takes in what machines say of themselves.
    Syslog,
    /// Answers IPv6 router solicitations so that iPXE does not wait for them.
    RouterAdvert,
    /// Reads profiles and checks images.
    Images,
    /// Answers the command line.
    Control,
    /// Takes in lists that are put into the import folder.
    ImportFolder,
    /// Tells a program elsewhere what becomes of machines, if one was named.
    Webhook,
    Store,
    /// Writes the nodes' log files.
    NodeLogs,
}

impl ServiceName {
    pub const ALL: [ServiceName; 12] = [
        Self::Network,
        Self::Dhcp,
        Self::Tftp,
        Self::Http,
        Self::Https,
        Self::Syslog,
        Self::RouterAdvert,
        Self::Images,
        Self::Control,
        Self::ImportFolder,
        Self::Webhook,
        Self::Store,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Dhcp => "dhcp",
            Self::Tftp => "tftp",
            Self::Http => "http",
            Self::Https => "https",
            Self::Syslog => "syslog",
            Self::RouterAdvert => "ipv6",
            Self::Images => "images",
            Self::Control => "control",
            Self::ImportFolder => "import",
            Self::Webhook => "webhook",
            Self::Store => "store",
            Self::NodeLogs => "logs",
        }
    }
}

/// What a service is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServiceState {
    Starting,
    /// Serving at this address.
    Up {
        at: String,
    },
    /// Not serving; tried again by itself.
    Down {
        what: String,
        hint: String,
    },
    Stopped,
}

/// A service and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    pub name: ServiceName,
    pub state: ServiceState,
    pub restarts: u32,
}
