//! The keys of a profile file, as serde reads them.

use serde::Deserialize;

use super::after_image::{WrittenArchive, WrittenBootEntry, WrittenConfigure, WrittenFirstBoot, WrittenLayout};
use super::expect::WrittenExpect;
use super::install::WrittenInstaller;
use super::per_node::{WrittenCloudInit, WrittenFile};
use super::system::WrittenSystem;
use crate::domain::machine::disk::DiskRule;
use crate::domain::profile::{After, Architecture, FirmwareNeed};

/// A profile as it is written in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProfileToml {
    pub(super) schema: u32,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) source: Option<String>,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    #[serde(default)]
    pub(super) architecture: Architecture,
    #[serde(default)]
    pub(super) firmware: FirmwareNeed,
    pub(super) image: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) disk: Option<DiskRule>,
    pub(super) installer: Option<WrittenInstaller>,
    #[serde(default)]
    pub(super) secure_boot: bool,
    #[serde(default)]
    pub(super) kernel_args: Vec<String>,
    #[serde(default)]
    pub(super) https: bool,
    pub(super) expect: Option<WrittenExpect>,
    #[serde(default)]
    pub(super) approve: bool,
    pub(super) after: Option<After>,
    #[serde(default)]
    pub(super) file: Vec<WrittenFile>,
    #[serde(default)]
    pub(super) archive: Vec<WrittenArchive>,
    #[serde(default)]
    pub(super) cloud_init: WrittenCloudInit,
    #[serde(default)]
    pub(super) configure: WrittenConfigure,
    #[serde(default)]
    pub(super) system: WrittenSystem,
    pub(super) layout: Option<WrittenLayout>,
    pub(super) boot_entry: Option<WrittenBootEntry>,
    pub(super) first_boot: Option<WrittenFirstBoot>,
}

/// The hint for keys and values that cannot be guessed.
pub(super) const EXPLAINED: &str = "compare it with the explained profiles/demo.toml";
