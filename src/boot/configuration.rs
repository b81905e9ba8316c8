//! What a machine's disk gets after its image, filled in for its node.
//!
//! It is put together twice: when the machine asks for its script and when its agent says hello, so that a machine whose
//! templates cannot be filled in is held before a byte is written; and when the agent asks for it, to be carried out.

use sha2::{Digest as _, Sha256};

use crate::boot::installer::node_of;
use crate::domain::configuration::{Configuration, PlacedFile, VolumeName, manifest};
use crate::domain::digest::Digest;
use crate::domain::identity::Claims;
use crate::domain::ids::{ProfileId, RunId};
use crate::domain::node::Node;
use crate::domain::plan::Plan;
use crate::domain::profile::filled::{Occasion, Unfilled, fill, unfilled, values};
use crate::domain::profile::template::Template;
use crate::domain::profile::{CloudInit, Profile};
use crate::domain::run::Run;
use crate::domain::snapshot::Snapshot;

/// Why a machine is given nothing to follow its image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGiven {
    #[error("this station knows no run {0}")]
    UnknownRun(RunId),
    #[error("run {0} is over")]
    Over(RunId),
    #[error("the station has no profile {0} any more")]
    NoProfile(ProfileId),
    #[error("profile {profile} cannot be filled in for it: {first}{}", and_more(*.count))]
    Unfilled { profile: ProfileId, first: Unfilled, count: usize },
}

/// What the agent of `run` is to do after its image.
pub fn given(bench: &Snapshot, run: RunId) -> Result<Configuration, NotGiven> {
    let has_run = |node: &&std::sync::Arc<Node>| node.runs.iter().any(|known| known.id == run);
    let node = bench.nodes.values().find(has_run).ok_or(NotGiven::UnknownRun(run))?;
    let last = node.run().filter(|last| last.id == run && last.is_open()).ok_or(NotGiven::Over(run))?;
    let gone = || NotGiven::NoProfile(last.profile.clone());
    let profile = bench.catalogue.profiles.get(&last.profile).ok_or_else(gone)?;
    filled_in(Occasion { profile, node, station: &bench.station, base_url: &bench.station.base_url, run })
}

/// Whether `profile` can be carried out on the machine that claims this.
pub fn possible(bench: &Snapshot, profile: &Profile, claims: &Claims, run: RunId) -> Result<(), NotGiven> {
    let node = node_of(bench, claims);
    let (station, base_url) = (&bench.station, bench.station.base_url.as_str());
    filled_in(Occasion { profile, node: &node, station, base_url, run }).map(drop)
}

/// Why the agent of `run`, on a machine that claims this, is not to begin yet. None where it may, or has its job already.
pub fn lacking(bench: &Snapshot, claims: &Claims, run: RunId) -> Option<NotGiven> {
    let Plan::Install(id) = bench.plan(claims) else { return None };
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

fn filled_in(occasion: Occasion<'_>) -> Result<Configuration, NotGiven> {
    let Occasion { profile, run, .. } = occasion;
    let all = |wrong: Vec<Unfilled>| -> Result<(), NotGiven> {
        let Some(first) = wrong.first().cloned() else { return Ok(()) };
        Err(NotGiven::Unfilled { profile: profile.id.clone(), first, count: wrong.len() })
    };
    all(unfilled(occasion))?;
    let values = values(occasion);
    let text = |template: &Template| {
        fill(template, &values).map_err(|first| NotGiven::Unfilled { profile: profile.id.clone(), first, count: 1 })
    };
    let mut files = Vec::new();
    for file in &profile.files {
        let (volume, path, owner) = (root(), file.path.clone(), file.owner.clone());
        files.push(PlacedFile { volume, path, mode: file.mode, owner, content: text(&file.content)? });
    }
    let CloudInit { user_data, meta_data, network_config } = &profile.cloud_init;
    if !profile.cloud_init.is_empty() {
        let mut seed = |name: &str, content: String| {
            files.push(PlacedFile {
                volume: root(),
                path: format!("{SEED}/{name}"),
                mode: 0o600,
                owner: "root:root".into(),
                content,
            });
        };
        seed("user-data", user_data.as_ref().map(text).transpose()?.unwrap_or_default());
        // An instance id it must have; one for each run makes it begin anew after each.
        let meta_data = meta_data.as_ref().map(text).transpose()?;
        seed("meta-data", meta_data.unwrap_or_else(|| format!("instance-id: {run}\n")));
        if let Some(network_config) = network_config {
            seed("network-config", text(network_config)?);
        }
    }
    Ok(Configuration { files, ..Configuration::default() })
}

fn root() -> VolumeName {
    VolumeName("rootfs".into())
}

fn and_more(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

/// Where cloud-init looks for NoCloud's documents.
const SEED: &str = "/var/lib/cloud/seed/nocloud";
