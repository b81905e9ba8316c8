//! The station as it is now, for whoever helps from afar. It holds what is named here and nothing else: of a profile what
//! it is and what it needs, never what it fills in for machines.

use serde::{Deserialize, Serialize};

use crate::domain::profile::image::ImageState;
use crate::domain::profile::system::{NetworkSetup, System};
use crate::domain::profile::{CloudInitAt, FirstBoot, Install, Profile};
use crate::domain::snapshot::{Catalogue, Snapshot};
use crate::domain::station::Station;
use crate::domain::station::service::{ServiceState, ServiceStatus};
use crate::domain::time::Timestamp;

/// The station, its services and what it has to install. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StationNow {
    pub software: String,
    /// Empty where no station runs.
    pub interface: String,
    pub address: String,
    pub base_url: String,
    /// Where by HTTPS; null if that cannot be had.
    pub https: Option<String>,
    pub require_https: bool,
    pub started: u64,
    pub at: u64,
    pub policy: String,
    pub dhcp: String,
    /// Why it is so.
    pub dhcp_why: String,
    pub leased: usize,
    pub free: usize,
    pub link_mbit: Option<u32>,
    pub nodes: usize,
    /// Observations that were dropped because the hub could not keep up.
    pub dropped: u64,
    pub packets_dropped: u64,
    pub default_profile: Option<String>,
    pub services: Vec<ServiceRow>,
    pub profiles: Vec<ProfileRow>,
    /// Where something is wrong in what people wrote, as `emt-s.toml:7`.
    pub wrong: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceRow {
    pub name: String,
    /// `starting`, `up`, `down` or `stopped`.
    pub state: String,
    pub what: String,
    pub restarts: u32,
}

/// What a profile is, without anything that it fills in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProfileRow {
    pub id: String,
    pub architecture: String,
    pub firmware: String,
    pub installs: String,
    pub secure_boot: bool,
    pub https: bool,
    pub approve: bool,
    /// Each with how it is: `os.raw.gz: ready`.
    pub needs: Vec<String>,
    pub kernel_args: usize,
    pub files: usize,
    pub archives: usize,
    /// Where cloud-init's documents go, if there are any.
    pub cloud_init: Option<String>,
    pub accounts: usize,
    pub proxies: bool,
    /// `dhcp` or `static`.
    pub network: Option<String>,
    pub layout: bool,
    pub boot_entry: bool,
    pub first_boot_minutes: Option<u32>,
}

impl StationNow {
    pub fn of(bench: &Snapshot, now: Timestamp) -> Self {
        let Station { version, interface, address, base_url, https, require_https, started } = &*bench.station;
        let pool = &bench.dhcp.pool;
        let place = |found: &crate::domain::diagnostic::Diagnostic| {
            format!("{}{}", found.file, found.line.map(|line| format!(":{line}")).unwrap_or_default())
        };
        Self {
            software: (*version).to_owned(),
            interface: interface.clone(),
            address: address.to_string(),
            base_url: base_url.clone(),
            https: https.as_ref().map(|https| https.base_url.clone()),
            require_https: *require_https,
            started: started.as_millis(),
            at: now.as_millis(),
            policy: bench.policy.to_string(),
            dhcp: bench.dhcp.choice.to_string(),
            dhcp_why: bench.dhcp.why.clone(),
            leased: pool.leased,
            free: pool.free(),
            link_mbit: bench.link_mbit,
            nodes: bench.nodes.len(),
            dropped: bench.dropped,
            packets_dropped: bench.packets_dropped,
            default_profile: bench.catalogue.default_profile.as_ref().map(ToString::to_string),
            services: bench.services.iter().map(ServiceRow::from).collect(),
            profiles: bench.catalogue.profiles.values().map(|it| ProfileRow::of(it, &bench.catalogue)).collect(),
            wrong: bench.catalogue.diagnostics.iter().map(place).collect(),
        }
    }
}

impl From<&ServiceStatus> for ServiceRow {
    fn from(ServiceStatus { name, state, restarts }: &ServiceStatus) -> Self {
        let (word, what) = match state {
            ServiceState::Starting => ("starting", String::new()),
            ServiceState::Up { at } => ("up", at.clone()),
            ServiceState::Down { what, hint } => ("down", format!("{what}; {hint}")),
            ServiceState::Stopped => ("stopped", String::new()),
        };
        Self { name: name.word().into(), state: word.into(), what, restarts: *restarts }
    }
}

impl ProfileRow {
    fn of(profile: &Profile, catalogue: &Catalogue) -> Self {
        let System { hostname: _, timezone: _, ntp: _, proxies, network, users } = &profile.system;
        let needs = catalogue.files(profile).into_iter().map(|(name, state)| format!("{name}: {}", in_words(state)));
        Self {
            id: profile.id.to_string(),
            architecture: profile.architecture.word().into(),
            firmware: profile.firmware.word().into(),
            installs: match &profile.install {
                Install::Image(_) => "an image",
                Install::Installer(_) => "by an installer",
            }
            .into(),
            secure_boot: profile.secure_boot,
            https: profile.https,
            approve: profile.approve,
            needs: needs.collect(),
            kernel_args: profile.kernel_args.len(),
            files: profile.files.len(),
            archives: profile.archives.len(),
            cloud_init: profile.has_documents().then(|| {
                match profile.cloud_init_at {
                    CloudInitAt::Seed => "seed",
                    CloudInitAt::Cidata => "cidata",
                    CloudInitAt::Emt => "emt",
                }
                .into()
            }),
            accounts: users.len(),
            proxies: !proxies.is_empty(),
            network: network.as_ref().map(|network| match network {
                NetworkSetup::Dhcp => "dhcp".into(),
                NetworkSetup::Static { .. } => "static".into(),
            }),
            layout: profile.layout.is_some(),
            boot_entry: profile.boot_entry.is_some(),
            first_boot_minutes: profile.first_boot.map(|FirstBoot { within_minutes, output: _ }| within_minutes),
        }
    }
}

fn in_words(state: Option<ImageState>) -> String {
    match state {
        Some(ImageState::Ready(info)) => format!("ready, {} bytes, digest {}…", info.bytes, info.sha256.short()),
        Some(ImageState::Checking { done, total }) => format!("being read, {done} of {total} bytes"),
        Some(ImageState::Broken { what, .. }) => format!("cannot be used: {what}"),
        None => "not looked at yet".into(),
    }
}
