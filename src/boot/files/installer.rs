//! Runs with a distribution's installer: what is booted, and what the machine is served while it installs.
//!
//! ```text
//! /r/RUN/boot/NAME         its kernel and its initramfs
//! /r/RUN/answers           its answer file, filled in for this node
//! /r/RUN/seed/user-data    cloud-init's documents (NoCloud): meta-data, vendor-data, network-config
//! /r/RUN/files/etc/motd    a file of this node; /r/RUN/files.tar has all of them, with owners and modes
//! /r/RUN/done              it says that it is done
//! ```
//! The run is the token: 128 random bits that only the machine knows. What a profile has for its nodes is served to
//! the machine of any run, also after it has ended well; the rest to installers alone.

use crate::boot::script::quote::harmless;
use crate::domain::digest::Digest;
use crate::domain::ids::{NodeId, ProfileId, RunId};
use crate::domain::machine::claims::Claims;
use crate::domain::node::Node;
use crate::domain::node::identity::Identity;
use crate::domain::node::run::{Run, RunOutcome, files_path};
use crate::domain::profile::filled::{TemplateScope, Unfilled, fill, unfilled, values};
use crate::domain::profile::image::ImageState;
use crate::domain::profile::template::Template;
use crate::domain::profile::{CloudInit, Installer, NodeFile, Profile};
use crate::domain::snapshot::Snapshot;

/// What a loader loads, and the words it hands over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    pub kernel: Loaded,
    pub initrds: Vec<Loaded>,
    pub args: Vec<String>,
}

/// A file that a loader loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Fit for a path, and for a command line.
    pub name: String,
    /// On the station, beginning with `/`.
    pub path: String,
}

/// Why an installer cannot be booted on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBoot {
    #[error("profile {profile} cannot be filled in for this machine: {first}{}", and_more(*.count))]
    Unfilled { profile: ProfileId, first: Unfilled, count: usize },
    #[error(
        "profile {profile} cannot be filled in for this machine: the kernel's argument {word:?} has characters that boot loaders interpret"
    )]
    Word { profile: ProfileId, word: String },
}

/// What the machine that claims this boots for `run`. Every template of the profile is tried: a machine that could not
/// be given its answers is not begun with.
pub fn boot(
    bench: &Snapshot,
    profile: &Profile,
    installer: &Installer,
    claims: &Claims,
    run: RunId,
) -> Result<Boot, NoBoot> {
    let node = node_of(bench, claims);
    let occasion =
        TemplateScope { profile, node: &node, station: &bench.station, base_url: &bench.station.base_url, run };
    let wrong = unfilled(occasion);
    if let Some(first) = wrong.first().cloned() {
        return Err(NoBoot::Unfilled { profile: profile.id.clone(), first, count: wrong.len() });
    }
    let loaded = |name: &str| {
        let name = encoded(name);
        Loaded { path: format!("{}/boot/{name}", files_path(run)), name }
    };
    let values = values(occasion);
    let mut args = Vec::new();
    for template in &installer.arguments {
        // It was tried above.
        let words = fill(template, &values).unwrap_or_default();
        if harmless(&words) != words {
            return Err(NoBoot::Word { profile: profile.id.clone(), word: words });
        }
        args.extend(Some(words).filter(|words| !words.is_empty()));
    }
    let initrds = installer.initrd.iter().map(|name| loaded(name)).collect();
    Ok(Boot { kernel: loaded(&installer.kernel), initrds, args })
}

/// The node of a machine that is about to get a run, or what is known of one that nobody has seen.
pub(crate) fn node_of(bench: &Snapshot, claims: &Claims) -> Node {
    let known = match bench.index.recognise(&bench.nodes, claims) {
        Identity::Known(id) => bench.nodes.get(&id).map(|node| (**node).clone()),
        Identity::New | Identity::Conflict(_) => None,
    };
    let mut node = known.unwrap_or_else(|| Node::new(NodeId(0), bench.at));
    node.learn(claims);
    node
}

/// An answer below `/r/RUN/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// The station's copy of a file, loaded by the machine.
    Copy {
        digest: Digest,
        name: String,
    },
    Text {
        text: String,
        content_type: &'static str,
        name: String,
    },
    /// All files of the node.
    Files(Vec<(NodeFile, String)>),
    /// What the machine says is to be taken in.
    Done,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    #[error("this station does not know run {}", .0.short())]
    UnknownRun(RunId),
    #[error("run {} is over", .0.short())]
    Over(RunId),
    #[error("the station no longer has profile {0}")]
    NoProfile(ProfileId),
    #[error("profile {0} does not boot an installer: the agent reports when the disk is written")]
    NoInstaller(ProfileId),
    #[error("{0} is not ready")]
    NotReady(String),
    #[error("profile {profile} has nothing for {path}")]
    Nothing { profile: ProfileId, path: String },
    #[error("{0}")]
    Unfilled(#[from] Unfilled),
}

/// What is served at `path` below `/r/RUN/`, with the profile of the run.
pub fn served<'b>(bench: &'b Snapshot, run: RunId, path: &str) -> Result<(&'b Profile, Served), NotServed> {
    let has_run = |node: &&std::sync::Arc<Node>| node.runs.iter().any(|known| known.id == run);
    let node = bench.nodes.values().find(has_run).ok_or(NotServed::UnknownRun(run))?;
    let last = node.run().filter(|last| last.id == run && goes_on(last)).ok_or(NotServed::Over(run))?;
    let gone = || NotServed::NoProfile(last.profile.clone());
    let profile = bench.catalogue.profiles.get(&last.profile).ok_or_else(gone)?;
    let nothing = || NotServed::Nothing { profile: profile.id.clone(), path: path.to_owned() };
    let installer = || profile.installer().ok_or_else(|| NotServed::NoInstaller(profile.id.clone()));
    let occasion = TemplateScope { profile, node, station: &bench.station, base_url: &bench.station.base_url, run };
    let text = |template: &Template, content_type| -> Result<Served, NotServed> {
        let text = fill(template, &values(occasion))?;
        Ok(Served::Text { text, content_type, name: path.to_owned() })
    };
    let (place, rest) = path.split_once('/').unwrap_or((path, ""));
    let answer = match (place, rest) {
        ("boot", name) => {
            let name = installer()?.boot_files().find(|known| encoded(known) == name || *known == name);
            copy(bench, profile, name.ok_or_else(nothing)?)?
        }
        ("answers", "") => text(installer()?.answers.as_ref().ok_or_else(nothing)?, PLAIN)?,
        ("seed", name) => {
            let CloudInit { user_data, meta_data, network_config } = &profile.cloud_init;
            match (name, user_data, meta_data, network_config) {
                ("user-data", Some(template), ..)
                | ("meta-data", _, Some(template), _)
                | ("network-config", _, _, Some(template)) => text(template, YAML)?,
                // NoCloud takes a seed only whole: an instance id it must have, the others may be empty.
                ("meta-data", _, None, _) => {
                    Served::Text { text: format!("instance-id: {run}\n"), content_type: YAML, name: path.to_owned() }
                }
                ("user-data" | "vendor-data", ..) => {
                    Served::Text { text: String::new(), content_type: YAML, name: path.to_owned() }
                }
                _ => return Err(nothing()),
            }
        }
        ("files", below) => {
            let as_asked = |path: &str| path.split('/').map(encoded).collect::<Vec<_>>().join("/");
            let is_meant = |file: &&NodeFile| as_asked(file.path.trim_start_matches('/')) == below;
            text(&profile.files.iter().find(is_meant).ok_or_else(nothing)?.content, PLAIN)?
        }
        ("files.tar", "") => {
            let values = values(occasion);
            let filled = |file: &NodeFile| Ok((file.clone(), fill(&file.content, &values)?));
            Served::Files(profile.files.iter().map(filled).collect::<Result<_, Unfilled>>()?)
        }
        ("done", "") => installer().map(|_| Served::Done)?,
        _ => return Err(nothing()),
    };
    Ok((profile, answer))
}

/// Whether the machine of this run may be served: it is at work, or has ended it well.
fn goes_on(run: &Run) -> bool {
    match &run.outcome {
        None | Some(RunOutcome::Proven | RunOutcome::SaidDone) => true,
        Some(RunOutcome::Failed(_) | RunOutcome::Interrupted | RunOutcome::Unknown) => false,
    }
}

fn copy(bench: &Snapshot, profile: &Profile, name: &str) -> Result<Served, NotServed> {
    let state = bench.catalogue.files(profile).into_iter().find(|(known, _)| *known == name);
    match state {
        Some((name, Some(ImageState::Ready(info)))) => Ok(Served::Copy { digest: info.sha256, name: name.to_owned() }),
        Some((_, Some(ImageState::Checking { .. } | ImageState::Broken { .. }) | None)) | None => {
            Err(NotServed::NotReady(name.to_owned()))
        }
    }
}

/// Whether only the installer requests this: it has started.
pub fn is_at_work(profile: &Profile, served: &Served) -> bool {
    let Some(installer) = profile.installer() else { return false };
    match served {
        Served::Text { .. } | Served::Files(_) => true,
        // One that asks for nothing else is at work once it has everything.
        Served::Copy { name, .. } => {
            let asks = installer.answers.is_some() || !profile.cloud_init.is_empty();
            !asks && installer.boot_files().last() == Some(name)
        }
        Served::Done => false,
    }
}

fn encoded(name: &str) -> String {
    crate::domain::text::percent_encoded(name)
}

fn and_more(count: usize) -> String {
    if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() }
}

const PLAIN: &str = "text/plain; charset=utf-8";
const YAML: &str = "text/yaml; charset=utf-8";
