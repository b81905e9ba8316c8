//! The bench at one moment, shared with everybody who reads.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::batch::Batch;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::digest::Digest;
use crate::domain::doctor::Doctor;
use crate::domain::doctor::log::{LoggedVerdict, Patient};
use crate::domain::doctor::verdict::Diagnosis;
use crate::domain::ids::placeholder::Placeholders;
use crate::domain::ids::{MacAddr, NodeId, ProfileId, RunId};
use crate::domain::machine::claims::Claims;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::quirk::{Effects, QuirkSubject, Quirks};
use crate::domain::node::Node;
use crate::domain::node::identity::{Identity, IdentityIndex};
use crate::domain::node::phase::Phase;
use crate::domain::node::run::Run;
use crate::domain::profile::image::ImageState;
use crate::domain::profile::{After, Installer, Profile};
use crate::domain::sha256sum;
use crate::domain::station::Station;
use crate::domain::station::dhcp::{Dhcp, DhcpChoice};
use crate::domain::station::plan::{BootPlan, CIRCLES, Refuse, Wait};
use crate::domain::station::policy::Policy;
use crate::domain::station::service::ServiceStatus;
use crate::domain::station::stream::LogStream;
use crate::domain::time::Timestamp;
use crate::domain::undo::{UndoAction, UndoEntry};

/// Everything readers may see. Cheap to clone: what is large is shared.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Counts up with every change.
    pub version: u64,
    /// When it was made.
    pub at: Timestamp,
    pub station: Arc<Station>,
    pub nodes: BTreeMap<NodeId, Arc<Node>>,
    pub index: Arc<IdentityIndex>,
    pub catalogue: Arc<Catalogue>,
    /// What becomes of machines nobody registered.
    pub policy: Policy,
    /// What was done last, the newest last; it can be taken back for as long as [`UndoEntry::undo_left`] says.
    pub deeds: Vec<Arc<UndoEntry>>,
    /// The latest batches, the newest last; that one may be open.
    pub batches: Vec<Arc<Batch>>,
    pub services: Vec<ServiceStatus>,
    /// What all nodes and services said last.
    pub stream: Arc<LogStream>,
    /// Megabits a second of the card that leads to the machines, if it says so.
    pub link_mbit: Option<u32>,
    /// Bytes that are left on the disk of the station's data, if that is known.
    pub room: Option<u64>,
    pub dhcp: Arc<Dhcp>,
    /// What DHCP is to be, if somebody chose; else what the settings say.
    pub dhcp_chosen: Option<DhcpChoice>,
    /// What somebody wants DHCP to be, if the service finds that it can.
    pub dhcp_asked: Option<DhcpChoice>,
    /// What was seen of machines on their way, and why they got no further.
    pub doctor: Arc<Doctor>,
    /// Machines whose packets are not kept any more, as there was no room.
    pub packets_dropped: u64,
    /// Observations that were dropped because the hub could not keep up.
    pub dropped: u64,
}

/// Profiles and images as they were last read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    pub profiles: BTreeMap<ProfileId, Profile>,
    pub default_profile: Option<ProfileId>,
    /// By file name; every image that a profile names is here.
    pub images: BTreeMap<String, ImageState>,
    /// Kernels and initramfs of installers, in the same way.
    pub boot_files: BTreeMap<String, ImageState>,
    /// What the digests of files must be, as a list beside them says, by file name.
    pub sums: BTreeMap<String, Digest>,
    /// What is done differently for certain machines.
    pub quirks: Arc<Quirks>,
    /// What identifies nobody at this site, beside what is shipped.
    pub placeholders: Arc<Placeholders>,
    /// What is wrong in the files that people wrote.
    pub diagnostics: Vec<Diagnostic>,
}

impl Snapshot {
    /// What the machine that claims this is to do now.
    pub fn plan(&self, claims: &Claims) -> BootPlan {
        let node = match self.index.recognise(&self.nodes, claims) {
            Identity::Known(id) => self.nodes.get(&id),
            Identity::New => None,
            Identity::Conflict(nodes) => return BootPlan::Wait(Wait::Conflict(nodes)),
        };
        if node.is_some_and(|node| node.phase.has_own_system()) {
            return BootPlan::LocalDisk;
        }
        let barred = self.policy.bars().filter(|_| !node.is_some_and(|node| node.is_vouched_for()));
        if let Some(plan) = barred {
            return plan;
        }
        match (node, self.catalogue.install(node.and_then(|node| node.profile.as_ref()))) {
            (Some(node), BootPlan::Install(id))
                if node.silent_installers >= CIRCLES && self.catalogue.boots_installer(&id) =>
            {
                BootPlan::Wait(Wait::InstallerInCircle(id))
            }
            (_, plan) => plan,
        }
    }
}

impl Snapshot {
    /// The newest deed, if it can still be taken back.
    pub fn undoable(&self, now: Timestamp) -> Option<&Arc<UndoEntry>> {
        self.deeds.last().filter(|deed| deed.undo_left(now).is_some())
    }

    /// The newest import, whether or not it can still be taken back.
    pub fn last_import(&self) -> Option<&Arc<UndoEntry>> {
        self.deeds.iter().rev().find(|deed| matches!(deed.what, UndoAction::Import { .. }))
    }
}

/// A machine that asks, does not boot, and is no node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    pub mac: MacAddr,
    pub last: Timestamp,
    pub verdict: Diagnosis,
}

impl Snapshot {
    /// Why the machine of `node` got no further, if anything is wrong.
    pub fn verdict(&self, node: &Node, now: Timestamp) -> Option<Diagnosis> {
        self.doctor.verdict_of(node, now)
    }

    /// Every verdict of this moment, on nodes and on machines that are none.
    pub fn cases(&self, now: Timestamp) -> Vec<LoggedVerdict> {
        let nodes = self.nodes.values().filter_map(|node| {
            let (mac, verdict) = (self.doctor.latest(node)?, self.verdict(node, now)?);
            Some(LoggedVerdict { patient: Patient::Node(node.id), mac, name: Some(node.label()), verdict })
        });
        let strangers = self.strangers(now).into_iter().map(|Stranger { mac, verdict, .. }| LoggedVerdict {
            patient: Patient::Stranger(mac),
            mac,
            name: None,
            verdict,
        });
        nodes.chain(strangers).collect()
    }

    /// Machines of the last minutes that are no nodes and did not boot, the worst and the newest first.
    pub fn strangers(&self, now: Timestamp) -> Vec<Stranger> {
        let recent = self.doctor.trails().filter_map(|(mac, trail)| Some((mac, trail.last()?)));
        let recent = recent.filter(|(_, last)| now.since(*last) < LATELY);
        let unknown = recent.filter(|(mac, _)| {
            let claims = Claims { macs: vec![*mac], ..Claims::default() };
            self.index.settle(&self.nodes, &claims) == Identity::New
        });
        let mut strangers: Vec<Stranger> = unknown
            .filter_map(|(mac, last)| Some(Stranger { mac, last, verdict: self.doctor.verdict(mac, None, now)? }))
            .collect();
        strangers.sort_by_key(|stranger| (Reverse(stranger.verdict.severity), Reverse(stranger.last)));
        strangers
    }
}

impl Snapshot {
    /// What is done differently for the machine that claims this, as far as it is known by now. What a person chose for
    /// it comes before what is known of its kind.
    pub fn effects(&self, architecture: Option<u16>, firmware: Option<Firmware>, claims: &Claims) -> Effects {
        let node = self.known(claims);
        let product = node.and_then(|node| node.product.as_deref());
        let mac = claims.macs.first().copied();
        let effects = self.catalogue.quirks.of(QuirkSubject { architecture, firmware, mac, product });
        let chosen = node.and_then(|node| node.loader.choice.clone());
        Effects { program: chosen.or(effects.program.clone()), ..effects }
    }

    /// As [`Snapshot::effects`], for the machine at this address.
    pub fn effects_at(&self, address: Ipv4Addr) -> Effects {
        let node = self.nodes.values().find(|node| node.address == Some(address));
        let claims =
            |node: &Node| Claims { macs: node.macs.first().copied().into_iter().collect(), ..Claims::default() };
        node.map_or_else(Effects::default, |node| self.effects(None, node.firmware, &claims(node)))
    }

    /// Whether the profile of the machine that claims this says that its firmware enforces Secure Boot. A machine that
    /// nobody has seen or registered is taken for one that gets the default profile.
    pub fn enforces_secure_boot(&self, claims: &Claims) -> bool {
        let assigned = self.known(claims).and_then(|node| node.profile.as_ref());
        let profile = assigned.or(self.catalogue.default_profile.as_ref());
        profile.and_then(|id| self.catalogue.profiles.get(id)).is_some_and(|profile| profile.secure_boot)
    }

    /// The node that a machine seems to be before it has said all of itself: where its card and its UUID lead to two, the
    /// card does.
    fn known(&self, claims: &Claims) -> Option<&Arc<Node>> {
        let id = match self.index.settle(&self.nodes, claims) {
            Identity::Known(id) => Some(id),
            Identity::New => None,
            Identity::Conflict(_) => claims.macs.first().and_then(|mac| self.index.owner_of(*mac)),
        };
        self.nodes.get(&id?)
    }
}

impl Snapshot {
    /// What the agent of `run`, whose work has ended or was refused, is to do now.
    /// None: nobody here knows of it.
    pub fn word(&self, run: RunId) -> Option<RestartWord> {
        let has_run = |node: &&Arc<Node>| node.runs.iter().any(|known| known.id == run);
        let node = self.nodes.values().find(has_run)?;
        let last = node.run().filter(|last| last.id == run);
        let stays = |last: &Run| match node.phase {
            Phase::Failed(_) => true,
            Phase::Provisioned => self.catalogue.profiles.get(&last.profile).is_some_and(|it| it.after == After::Wait),
            Phase::Registered
            | Phase::Booting { .. }
            | Phase::Installed
            | Phase::Held { .. }
            | Phase::Conflict { .. } => false,
        };
        Some(if last.is_some_and(stays) { RestartWord::Wait } else { RestartWord::Reboot })
    }
}

/// The station's word to an agent that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartWord {
    Wait,
    Reboot,
}

impl Catalogue {
    /// What can be said of the image that `profile` names: what is known of the file, and that it is not the one that is
    /// demanded if it is another. None when nobody has looked yet, or the profile writes no image.
    pub fn image(&self, profile: &Profile) -> Option<ImageState> {
        let image = profile.image()?;
        Some(self.as_demanded(profile, &image.file, image.sha256, self.images.get(&image.file)?))
    }

    /// The same for every file that `profile` needs, by name.
    pub fn files<'p>(&self, profile: &'p Profile) -> Vec<(&'p str, Option<ImageState>)> {
        let image = profile.image().map(|image| (image.file.as_str(), self.image(profile)));
        let state = |file| (file, self.copied(profile, file));
        let boot_files = profile.installer().into_iter().flat_map(Installer::boot_files);
        image.into_iter().chain(boot_files.chain(profile.archive_files()).map(state)).collect()
    }

    /// What is known of a file of `profile` that is served as it is: a kernel, an archive.
    pub fn copied(&self, profile: &Profile, file: &str) -> Option<ImageState> {
        Some(self.as_demanded(profile, file, None, self.boot_files.get(file)?))
    }

    /// `state`, unless it is of another file than the profile, or the list of digests beside it, demands.
    fn as_demanded(&self, profile: &Profile, file: &str, by_profile: Option<Digest>, state: &ImageState) -> ImageState {
        let (demanded, by, hint) = match (by_profile, self.sums.get(file)) {
            (Some(demanded), _) => {
                (demanded, format!("profile {} demands", profile.id), "correct the profile's `sha256`")
            }
            (None, Some(sum)) => (*sum, format!("{} says", sha256sum::file_of(file)), "take that list away"),
            (None, None) => return state.clone(),
        };
        match state {
            ImageState::Ready(info) if info.sha256 != demanded => {
                let (found, wanted) = (info.sha256.short(), demanded.short());
                ImageState::Broken {
                    what: format!("{file} has digest {found}…, {by} {wanted}…"),
                    hint: format!("copy the file again, or {hint}"),
                }
            }
            ImageState::Ready(_) | ImageState::Checking { .. } | ImageState::Broken { .. } => state.clone(),
        }
    }

    fn boots_installer(&self, id: &ProfileId) -> bool {
        self.profiles.get(id).is_some_and(|profile| profile.installer().is_some())
    }

    /// The plan for a node with this assigned profile, or none for the default.
    pub(crate) fn install(&self, assigned: Option<&ProfileId>) -> BootPlan {
        let Some(id) = assigned.or(self.default_profile.as_ref()) else {
            return BootPlan::Refuse(Refuse::NoProfile);
        };
        let Some(profile) = self.profiles.get(id) else {
            return BootPlan::Refuse(Refuse::UnknownProfile(id.clone()));
        };
        let id = id.clone();
        let mut plan = BootPlan::Install(id.clone());
        for (_, state) in self.files(profile) {
            match state {
                Some(ImageState::Ready(_)) => {}
                Some(ImageState::Broken { what, .. }) => {
                    return BootPlan::Refuse(Refuse::BrokenImage { profile: id, what });
                }
                Some(ImageState::Checking { done, total }) => {
                    let percent = u8::try_from(done.saturating_mul(100) / total.max(1)).unwrap_or(100);
                    plan = BootPlan::Wait(Wait::ImageBeingChecked { profile: id.clone(), percent });
                }
                None => plan = BootPlan::Wait(Wait::ImageBeingChecked { profile: id.clone(), percent: 0 }),
            }
        }
        plan
    }
}

/// Who asked before that has been switched off, or was helped.
const LATELY: Duration = Duration::from_secs(600);
