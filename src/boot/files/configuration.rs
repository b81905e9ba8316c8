//! What a machine's disk gets after its image, filled in for its node.
//!
//! It is put together twice: when the machine asks for its script and when its agent says hello, so that a machine whose
//! templates cannot be filled in is held before a byte is written; and when the agent asks for it, to be carried out.

use std::net::IpAddr;
use std::str::FromStr;

use minijinja::Value;
use sha2::{Digest as _, Sha256};

use crate::boot::files::cloud_config::{self, Address, UserData};
use crate::boot::files::installer::node_of;
use crate::domain::digest::Digest;
use crate::domain::ids::{Hostname, ProfileId, RunId};
use crate::domain::machine::claims::Claims;
use crate::domain::node::Node;
use crate::domain::node::run::{Run, files_path};
use crate::domain::profile::configuration::{Configuration, PlacedArchive, PlacedFile, ROOT, SeedVolume, manifest};
use crate::domain::profile::filled::{self, Unfilled, fill, unfilled, values};
use crate::domain::profile::image::ImageState;
use crate::domain::profile::system::{NetworkSetup, Proxies};
use crate::domain::profile::template::Template;
use crate::domain::profile::{CloudInit, CloudInitAt, NodeArchive, NodeFile, Profile};
use crate::domain::snapshot::{Catalogue, Snapshot};
use crate::domain::station::Station;
use crate::domain::station::plan::BootPlan;

/// Why a machine is given nothing to follow its image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGiven {
    #[error("this station does not know run {}", .0.short())]
    UnknownRun(RunId),
    #[error("run {} is over", .0.short())]
    Over(RunId),
    #[error("the station no longer has profile {0}")]
    NoProfile(ProfileId),
    #[error("profile {profile} cannot be filled in for this machine: {first}{}", and_more(*.count))]
    Unfilled { profile: ProfileId, first: Unfilled, count: usize },
    #[error("profile {profile} cannot be filled in for this machine: {place}: {text:?} is no {what}")]
    Meaningless { profile: ProfileId, place: String, text: String, what: &'static str },
    #[error("profile {profile} configures a network card, but none of this machine's cards is known")]
    NoCard { profile: ProfileId },
    #[error("profile {profile} needs {file}, which is not ready")]
    NotReady { profile: ProfileId, file: String },
}

/// What the agent of `run` is to do after its image.
pub fn given(bench: &Snapshot, run: RunId) -> Result<Configuration, NotGiven> {
    let has_run = |node: &&std::sync::Arc<Node>| node.runs.iter().any(|known| known.id == run);
    let node = bench.nodes.values().find(has_run).ok_or(NotGiven::UnknownRun(run))?;
    let last = node.run().filter(|last| last.id == run && last.is_open()).ok_or(NotGiven::Over(run))?;
    let gone = || NotGiven::NoProfile(last.profile.clone());
    let profile = bench.catalogue.profiles.get(&last.profile).ok_or_else(gone)?;
    filled_in(RenderContext { catalogue: &bench.catalogue, profile, node, station: &bench.station, run })
}

/// Whether `profile` can be carried out on the machine that claims this.
pub fn possible(bench: &Snapshot, profile: &Profile, claims: &Claims, run: RunId) -> Result<(), NotGiven> {
    let node = node_of(bench, claims);
    let (catalogue, station) = (&bench.catalogue, &bench.station);
    filled_in(RenderContext { catalogue, profile, node: &node, station, run }).map(drop)
}

/// Why the agent of `run`, on a machine that claims this, is not to begin yet. None where it may, or has its job already.
pub fn lacking(bench: &Snapshot, claims: &Claims, run: RunId) -> Option<NotGiven> {
    let BootPlan::Install(id) = bench.plan(claims) else { return None };
    let profile = bench.catalogue.profiles.get(&id)?;
    let at_work = |known: &Run| known.id == run && known.expected.is_some();
    if node_of(bench, claims).runs.iter().any(at_work) {
        return None;
    }
    possible(bench, profile, claims, run).err()
}

/// The digest by which the disk is proven to hold what `configuration` asks for. None: nothing is to be proven.
pub fn proof(configuration: &Configuration) -> Option<Digest> {
    configuration.writes().then(|| sha256(manifest(&configuration.facts(sha256)).as_bytes()))
}

fn sha256(content: &[u8]) -> Digest {
    Digest::new(Sha256::digest(content).into())
}

/// Everything that follows the image for this node.
fn filled_in(occasion: RenderContext<'_>) -> Result<Configuration, NotGiven> {
    let RenderContext { catalogue, profile, .. } = occasion;
    let wrong = unfilled(occasion.filling());
    if let Some(first) = wrong.first().cloned() {
        return Err(NotGiven::Unfilled { profile: profile.id.clone(), first, count: wrong.len() });
    }
    let page = RenderState { occasion, values: values(occasion.filling()) };
    let mut files = Vec::new();
    for NodeFile { volume, path, mode, owner, content } in &profile.files {
        let (volume, path, owner) = (volume.clone(), path.clone(), owner.clone());
        files.push(PlacedFile { volume, path, mode: *mode, owner, content: page.text(content)? });
    }
    let mut seed = None;
    let mut made = page.environment().into_iter().collect::<Vec<_>>();
    if profile.has_documents() {
        match profile.cloud_init_at {
            CloudInitAt::Seed => {
                let documents = page.documents()?.into_iter();
                made.extend(documents.map(|(name, content)| page.file(&format!("{SEED}/{name}"), 0o600, content)));
            }
            CloudInitAt::Cidata => {
                let documents = page.documents()?.into_iter();
                let documents = documents.map(|(name, content)| (name.to_owned(), content)).collect();
                seed = Some(SeedVolume { documents });
            }
            CloudInitAt::Emt => made.extend(page.system_config()?),
        }
    }
    // What the profile itself brings comes before what is made of it.
    let brought = |made: &PlacedFile| files.iter().any(|file| file.path == made.path && file.volume == made.volume);
    made.retain(|made| !brought(made));
    files.extend(made);
    let archives = profile.archives.iter().map(|archive| placed(catalogue, profile, archive));
    Ok(Configuration {
        archives: archives.collect::<Result<_, _>>()?,
        files,
        seed,
        layout: profile.layout.clone(),
        boot: profile.boot_entry.clone(),
    })
}

/// For whom it is filled in, and the files there are.
#[derive(Clone, Copy)]
struct RenderContext<'a> {
    catalogue: &'a Catalogue,
    profile: &'a Profile,
    node: &'a Node,
    station: &'a Station,
    run: RunId,
}

impl<'a> RenderContext<'a> {
    fn filling(self) -> filled::TemplateScope<'a> {
        let Self { catalogue: _, profile, node, station, run } = self;
        filled::TemplateScope { profile, node, station, base_url: &station.base_url, run }
    }
}

fn placed(catalogue: &Catalogue, profile: &Profile, archive: &NodeArchive) -> Result<PlacedArchive, NotGiven> {
    let NodeArchive { volume, path, file } = archive;
    match catalogue.copied(profile, file) {
        Some(ImageState::Ready(info)) => Ok(PlacedArchive {
            volume: volume.clone(),
            path: path.clone(),
            source: info.path(),
            name: info.name,
            bytes: info.bytes,
            sha256: info.sha256,
        }),
        Some(ImageState::Checking { .. } | ImageState::Broken { .. }) | None => {
            Err(NotGiven::NotReady { profile: profile.id.clone(), file: file.clone() })
        }
    }
}

/// A profile while it is filled in.
struct RenderState<'a> {
    occasion: RenderContext<'a>,
    values: Value,
}

impl RenderState<'_> {
    fn text(&self, template: &Template) -> Result<String, NotGiven> {
        let profile = || self.occasion.profile.id.clone();
        fill(template, &self.values).map_err(|first| NotGiven::Unfilled { profile: profile(), first, count: 1 })
    }

    /// What `template` comes to, as it is meant; `what` says what that is.
    fn meant<T: FromStr>(&self, template: &Template, what: &'static str) -> Result<T, NotGiven> {
        let text = self.text(template)?;
        let profile = || self.occasion.profile.id.clone();
        text.trim().parse().map_err(|_| NotGiven::Meaningless {
            profile: profile(),
            place: format!("{}:{}", template.file, template.line),
            text: crate::domain::text::clean(&text, 60),
            what,
        })
    }

    fn file(&self, path: &str, mode: u32, content: String) -> PlacedFile {
        let volume = self.occasion.profile.root.clone();
        PlacedFile { volume, path: path.into(), mode, owner: ROOT.into(), content }
    }

    /// The proxies, for every program of the node's own system.
    fn environment(&self) -> Option<PlacedFile> {
        let Proxies { http, https, no } = &self.occasion.profile.system.proxies;
        let proxies = [("http_proxy", http), ("https_proxy", https), ("no_proxy", no)];
        let set = proxies.iter().filter_map(|(name, value)| value.as_ref().map(|value| (*name, value)));
        let lines: String = set
            .flat_map(|(name, value)| [format!("{name}={value}\n"), format!("{}={value}\n", name.to_uppercase())])
            .collect();
        (!lines.is_empty()).then(|| self.file(ENVIRONMENT, 0o644, format!("PATH={PATH}\n{lines}")))
    }

    /// cloud-init's documents by name: the profile's own, and those that are made.
    fn documents(&self) -> Result<Vec<(&'static str, String)>, NotGiven> {
        let RenderContext { profile, run, .. } = self.occasion;
        let CloudInit { user_data, meta_data, network_config } = &profile.cloud_init;
        let hostname = self.hostname()?;
        let network = self.network()?;
        let mut documents = Vec::new();
        documents.push((
            USER_DATA,
            match user_data {
                Some(template) => self.text(template)?,
                None if profile.makes_user_data() => cloud_config::user_data(&self.user_data_fields()?),
                // NoCloud takes a seed only whole.
                None => String::new(),
            },
        ));
        documents.push((
            "meta-data",
            match meta_data {
                Some(template) => self.text(template)?,
                None => cloud_config::meta_data(&run.to_string(), hostname.as_ref()),
            },
        ));
        let network_config = network_config.as_ref().map(|template| self.text(template)).transpose()?;
        let network_config = network_config.or(network.as_ref().map(cloud_config::network_config));
        documents.extend(network_config.map(|content| ("network-config", content)));
        Ok(documents)
    }

    /// Configuration of the system itself, where the toolkit's own installer puts it: the profile's user data, and beside
    /// it what is made here. cloud-init merges the two; where both say something, the profile's own counts.
    fn system_config(&self) -> Result<Vec<PlacedFile>, NotGiven> {
        let own = self.occasion.profile.cloud_init.user_data.as_ref();
        let data = UserData { network: self.network()?, merges: true, ..self.user_data_fields()? };
        let made = || cloud_config::user_data(&data);
        let mut files = match own {
            None => vec![self.file(EMT_USER_DATA, 0o755, made())],
            Some(own) => vec![self.file(EMT_USER_DATA, 0o755, self.text(own)?)],
        };
        if own.is_some() && (self.occasion.profile.makes_user_data() || data.network.is_some()) {
            files.push(self.file(EMT_BESIDE, 0o755, made()));
        }
        files.push(self.file(DS_IDENTIFY, 0o600, "datasource: NoCloud\n".into()));
        Ok(files)
    }

    /// What the profile says, for this node.
    fn user_data_fields(&self) -> Result<UserData<'_>, NotGiven> {
        let Profile { system, first_boot, .. } = self.occasion.profile;
        Ok(UserData {
            hostname: self.hostname()?,
            timezone: system.timezone.as_deref(),
            ntp: &system.ntp,
            users: &system.users,
            home: first_boot.map(|first_boot| (self.home(), first_boot.within_minutes)),
            sends_output: first_boot.is_some_and(|first_boot| first_boot.output),
            network: None,
            merges: false,
        })
    }

    fn hostname(&self) -> Result<Option<Hostname>, NotGiven> {
        let name = self.occasion.profile.system.hostname.as_ref();
        name.map(|name| self.meant(name, "host name")).transpose()
    }

    /// None: it stays as the image has it.
    fn network(&self) -> Result<Option<serde_json::Value>, NotGiven> {
        let Some(network) = &self.occasion.profile.system.network else { return Ok(None) };
        let profile = || self.occasion.profile.id.clone();
        let mac = self.occasion.node.macs.first().copied().ok_or_else(|| NotGiven::NoCard { profile: profile() })?;
        let address = match network {
            NetworkSetup::Dhcp => None,
            NetworkSetup::Static { address, gateway, dns } => Some(Address {
                address: self.meant::<WithPrefix>(address, "address with the length of its prefix")?.0,
                gateway: gateway.as_ref().map(|template| self.meant(template, "address")).transpose()?,
                dns: dns.iter().map(|template| self.meant(template, "address")).collect::<Result<_, _>>()?,
            }),
        };
        Ok(Some(cloud_config::network(mac, address.as_ref())))
    }

    fn home(&self) -> String {
        format!("{}{}/home", self.occasion.station.base_url, files_path(self.occasion.run))
    }
}

/// `10.0.0.7/24`
struct WithPrefix(String);

impl FromStr for WithPrefix {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, bits) = text.split_once('/').ok_or(())?;
        let (address, bits): (IpAddr, u8) = (address.parse().map_err(drop)?, bits.parse().map_err(drop)?);
        let most = if address.is_ipv4() { 32 } else { 128 };
        if (1..=most).contains(&bits) { Ok(Self(format!("{address}/{bits}"))) } else { Err(()) }
    }
}

fn and_more(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

const USER_DATA: &str = "user-data";
/// Where cloud-init looks for NoCloud's documents.
const SEED: &str = "/var/lib/cloud/seed/nocloud";
/// Where the Edge Microvisor Toolkit's own installer puts them.
const EMT_USER_DATA: &str = "/etc/cloud/cloud.cfg.d/99_infra.cfg";
/// cloud-init reads these files from the last name to the first, and what is there already stays.
const EMT_BESIDE: &str = "/etc/cloud/cloud.cfg.d/98_oxbow.cfg";
const DS_IDENTIFY: &str = "/etc/cloud/ds-identify.cfg";
const ENVIRONMENT: &str = "/etc/environment";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
