//! What a profile says of the system on its image, as far as cloud-init can be told so: names, accounts, the network.

use crate::domain::profile::template::Template;

/// Everything is optional; what is not said stays as the image has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    pub hostname: Option<Template>,
    /// As `Europe/Berlin`.
    pub timezone: Option<String>,
    /// Time servers, by name or address.
    pub ntp: Vec<String>,
    pub proxies: Proxies,
    pub network: Option<NetworkSetup>,
    pub users: Vec<User>,
}

impl System {
    /// Whether cloud-init's user data has to say any of it.
    pub fn is_said_by_user_data(&self) -> bool {
        let Self { hostname, timezone, ntp, proxies: _, network: _, users } = self;
        hostname.is_some() || timezone.is_some() || !ntp.is_empty() || !users.is_empty()
    }

    /// The templates in it.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let network = self.network.iter().flat_map(NetworkSetup::templates);
        self.hostname.iter().chain(network)
    }
}

/// Proxies of the site, as the environment variables of the same names say them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    pub http: Option<String>,
    pub https: Option<String>,
    /// What is reached without one, parted by commas.
    pub no: Option<String>,
}

impl Proxies {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The card that the machine was installed over, known by its MAC address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkSetup {
    /// It asks by its MAC address, so that it gets the address that the installer had.
    Dhcp,
    Static {
        /// With the length of the prefix, as `10.0.0.7/24`.
        address: Template,
        gateway: Option<Template>,
        dns: Vec<Template>,
    },
}

impl NetworkSetup {
    fn templates(&self) -> Vec<&Template> {
        match self {
            Self::Dhcp => Vec::new(),
            Self::Static { address, gateway, dns } => [address].into_iter().chain(gateway).chain(dns).collect(),
        }
    }
}

/// An account.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    /// As `crypt(3)` makes it; without one nobody logs in by a password.
    pub password_hash: Option<String>,
    pub ssh_keys: Vec<String>,
    pub groups: Vec<String>,
    /// Whether it may do what root may, without a password.
    pub sudo: bool,
}

impl std::fmt::Debug for User {
    /// Without the hash.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, password_hash, ssh_keys, groups, sudo } = self;
        let (has_password, keys) = (password_hash.is_some(), ssh_keys.len());
        write!(f, "User({name}, password {has_password}, {keys} keys, groups {groups:?}, sudo {sudo})")
    }
}
