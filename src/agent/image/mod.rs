//! The image on its way to the disk: download, unpack, write, read back.

pub(super) mod arrival;
pub(super) mod boot_sector;
pub(super) mod download;
pub(super) mod prefix_digests;
pub mod pump;
pub(super) mod verify;
pub(super) mod write;
