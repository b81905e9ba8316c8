//! An OS profile: which image a node gets and where it goes.

use crate::domain::digest::Digest;
use crate::domain::disk::DiskRule;
use crate::domain::ids::ProfileId;

/// A profile that has been read and checked. [`crate::domain::profile_file`] reads one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub id: ProfileId,
    /// For people, as `Edge Microvisor Toolkit 3.1`.
    pub title: String,
    /// What lists made for other tools call it, as `os-51c4eba0` (Edge Infrastructure Manager's resource ids).
    pub aliases: Vec<String>,
    /// A file name in the images directory.
    pub image: String,
    /// What the image file's digest must be; checked before any machine boots.
    pub sha256: Option<Digest>,
    pub disk: DiskRule,
    /// Its machines enforce Secure Boot: they start through programs that are signed.
    pub secure_boot: bool,
    /// Words added to the install kernel's command line.
    pub kernel_args: Vec<String>,
    /// Machines get it by HTTPS, or not at all.
    pub https: bool,
}
