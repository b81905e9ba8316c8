//! An OS profile: what a node gets, and how.

pub mod configuration;
pub mod expectation;
#[cfg(feature = "station")]
pub mod file;
#[cfg(feature = "station")]
pub mod filled;
#[cfg(feature = "station")]
pub mod foreign;
pub mod image;
#[cfg(feature = "station")]
pub mod sample;
pub mod system;
pub mod template;

use serde::{Deserialize, Serialize};
use system::System;
use template::Template;

use crate::domain::digest::Digest;
use crate::domain::ids::ProfileId;
use crate::domain::machine::disk::DiskRule;
use crate::domain::profile::configuration::{BootEntry, DiskLayout, VolumeName};
use crate::domain::profile::expectation::Expectation;

/// A profile that has been read and checked. [`crate::domain::profile::file`] reads one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub id: ProfileId,
    /// For people, as `Edge Microvisor Toolkit 3.1`.
    pub title: String,
    /// For people: what it is for, and what should be known of it.
    pub description: Option<String>,
    /// Where its files are to be had, for whoever misses them.
    pub source: Option<String>,
    /// What lists made for other tools call it, as `os-51c4eba0` (Edge Infrastructure Manager's resource ids).
    pub aliases: Vec<String>,
    pub architecture: Architecture,
    pub firmware: FirmwareNeed,
    pub install: Install,
    /// Its machines enforce Secure Boot: they start through programs that are signed.
    pub secure_boot: bool,
    /// Words added to the install kernel's command line.
    pub kernel_args: Vec<String>,
    /// Machines get it by HTTPS, or not at all.
    pub https: bool,
    /// What its machines must be before anything is written; one that is not is held.
    pub expect: Expectation,
    /// A person has to approve before anything is written, disk by disk.
    pub approve: bool,
    /// What follows once the disk is proven.
    pub after: After,
    /// The volume with the root of the node's own system.
    pub root: VolumeName,
    /// Files for each node.
    pub files: Vec<NodeFile>,
    pub archives: Vec<NodeArchive>,
    pub cloud_init: CloudInit,
    pub cloud_init_at: CloudInitAt,
    pub system: System,
    pub layout: Option<DiskLayout>,
    pub boot_entry: Option<BootEntry>,
    /// The machine's own system has to say that it runs.
    pub first_boot: Option<FirstBoot>,
}

impl Profile {
    /// The image it writes, if it writes one.
    pub fn image(&self) -> Option<&Image> {
        match &self.install {
            Install::Image(image) => Some(image),
            Install::Installer(_) => None,
        }
    }

    /// The installer it boots, if it boots one.
    pub fn installer(&self) -> Option<&Installer> {
        match &self.install {
            Install::Image(_) => None,
            Install::Installer(installer) => Some(installer),
        }
    }

    /// What must be in the images directory for it, each file once.
    pub fn needs(&self) -> Vec<&str> {
        let mut names: Vec<&str> = match &self.install {
            Install::Image(image) => std::iter::once(image.file.as_str()).chain(self.archive_files()).collect(),
            Install::Installer(installer) => installer.boot_files().collect(),
        };
        let mut known = std::collections::BTreeSet::new();
        names.retain(|name| known.insert(*name));
        names
    }

    /// The files of its archives.
    pub fn archive_files(&self) -> impl Iterator<Item = &str> {
        self.archives.iter().map(|archive| archive.file.as_str())
    }

    /// Whether something is written to the disk after the image, and has to be proven.
    pub fn follows(&self) -> bool {
        let files = !self.files.is_empty() || !self.archives.is_empty() || !self.system.proxies.is_empty();
        self.image().is_some() && (files || self.has_documents() || self.layout.is_some())
    }

    /// Whether cloud-init is told anything.
    pub fn has_documents(&self) -> bool {
        !self.cloud_init.is_empty() || self.makes_user_data() || self.system.network.is_some()
    }

    /// Whether user data is made of what the profile says: where it brings none of its own, or where ours is merged with
    /// that.
    pub fn makes_user_data(&self) -> bool {
        let has_room = self.cloud_init.user_data.is_none() || self.cloud_init_at == CloudInitAt::Emt;
        has_room && (self.system.is_said_by_user_data() || self.first_boot.is_some())
    }
}

/// How the operating system gets on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Install {
    /// The agent writes an image and reads it back.
    Image(Image),
    /// Somebody else's installer is booted; what it does nobody here sees.
    Installer(Installer),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// A file name in the images directory.
    pub file: String,
    /// What the image file's digest must be; checked before any machine boots.
    pub sha256: Option<Digest>,
    pub disk: DiskRule,
}

/// A kernel with its initramfs that installs by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installer {
    /// A file name in the images directory.
    pub kernel: String,
    /// Further ones, loaded one behind the other.
    pub initrd: Vec<String>,
    /// The words of its command line.
    pub arguments: Vec<Template>,
    /// What it is told to do: a preseed, a kickstart.
    pub answers: Option<Template>,
}

impl Installer {
    /// The kernel and all that is loaded with it.
    pub fn boot_files(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.kernel.as_str()).chain(self.initrd.iter().map(String::as_str))
    }
}

/// The processors it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    #[default]
    #[serde(rename = "x86_64")]
    X86_64,
    #[serde(rename = "aarch64")]
    Aarch64,
}

impl Architecture {
    pub fn word(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// What a loader means by `arch`, as iPXE's `${buildarch}` and GRUB's `$grub_cpu` say it. iPXE for BIOS is built for
    /// i386 and says nothing about the processor; an older script said nothing at all.
    pub fn said(arch: Option<&str>) -> Option<Self> {
        match arch {
            None | Some("" | "x86_64" | "i386") => Some(Self::X86_64),
            Some("arm64" | "aarch64") => Some(Self::Aarch64),
            Some(_) => None,
        }
    }
}

/// The firmware that can start what it installs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirmwareNeed {
    #[default]
    Any,
    Uefi,
    Bios,
}

impl FirmwareNeed {
    pub fn allows(self, is_uefi: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Uefi => is_uefi,
            Self::Bios => !is_uefi,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Uefi => "UEFI",
            Self::Bios => "BIOS",
        }
    }
}

/// What a machine does once its disk is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum After {
    #[default]
    Reboot,
    PowerOff,
    /// It stays as it is until it is re-armed or switched off.
    Wait,
}

impl After {
    pub fn words(self) -> &'static str {
        match self {
            Self::Reboot => "the machine restarts into its own system",
            Self::PowerOff => "the machine switches itself off",
            Self::Wait => "the machine waits until somebody switches it off",
        }
    }
}

/// A file that is different on each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFile {
    pub volume: VolumeName,
    /// Where it belongs on the node, from the root of the volume.
    pub path: String,
    /// Permissions as `chmod` takes them.
    pub mode: u32,
    /// `user` or `user:group`.
    pub owner: String,
    pub content: Template,
}

/// A tar, packed or not, that is unpacked on each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeArchive {
    pub volume: VolumeName,
    /// The directory.
    pub path: String,
    /// A file name in the images directory.
    pub file: String,
}

/// Where cloud-init finds its documents on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloudInitAt {
    /// In the seed directory of the root volume (NoCloud).
    #[default]
    Seed,
    /// On a volume of their own, labelled CIDATA (NoCloud).
    Cidata,
    /// Where the Edge Microvisor Toolkit has them: the user data is a file of `/etc/cloud/cloud.cfg.d`.
    Emt,
}

/// The machine's own system is to call the station once it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstBoot {
    /// Since its disk was proven.
    pub within_minutes: u32,
    /// It sends what cloud-init writes meanwhile, for its log.
    #[serde(default)]
    pub output: bool,
}

/// cloud-init's documents, for its NoCloud data source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudInit {
    pub user_data: Option<Template>,
    pub meta_data: Option<Template>,
    pub network_config: Option<Template>,
}

impl CloudInit {
    pub fn is_empty(&self) -> bool {
        self.user_data.is_none() && self.meta_data.is_none() && self.network_config.is_none()
    }
}
