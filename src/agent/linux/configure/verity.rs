//! dm-verity over the first system: hashes made once everything is on it, their root kept where the system looks for it.

use std::path::Path;

use super::error::{differs, failed, misfit};
use super::filesystem::{FilesystemKind, For, Mounted, make_ext4};
use super::layout::{HASHMAP_A, ROOTFS};
use super::partitions::Partition;
use super::tools::{run, succeed};
use crate::agent::machine::Unconfigured;

/// The file systems of the partitions that a layout has added.
pub(super) fn make_file_systems(partitions: &[Partition]) -> Result<(), Unconfigured> {
    make_ext4(&numbered(partitions, ROOTFS_B)?.device, "root_b")?;
    make_ext4(&numbered(partitions, ROOTHASH)?.device, "roothash")?;
    if let Some(swap) = partitions.iter().find(|partition| partition.number == SWAP) {
        succeed("mkswap", &["-L", "swap", &swap.device.display().to_string()])?;
    }
    Ok(())
}

/// Makes the hashes of the first system and keeps their root; gives it, in hex digits.
pub(super) fn seal(partitions: &[Partition], at: &Path) -> Result<String, Unconfigured> {
    let [data, hashes, roots] = three(partitions)?;
    let output = succeed("veritysetup", &["format", &data, &hashes])?;
    let root_hash = root_hash(&output).ok_or_else(|| misfit("veritysetup printed no root hash"))?;
    let mounted = Mounted::new(Path::new(&roots), FilesystemKind::Ext, For::Writing, at)?;
    let line = format!("{root_hash}\n");
    let placed = mounted.root()?.place(Path::new(ROOT_HASH), line.as_bytes(), 0o644, 0, 0);
    placed.map_err(|error| failed("writing part_a_roothash", &error))?;
    mounted.unmount()?;
    Ok(root_hash)
}

/// Compares every block of the first system with its hash, and the root with what is kept of it.
pub(super) fn verify(partitions: &[Partition], root_hash: &str, at: &Path) -> Result<(), Unconfigured> {
    let [data, hashes, roots] = three(partitions)?;
    let mounted = Mounted::new(Path::new(&roots), FilesystemKind::Ext, For::Reading, at)?;
    let kept = mounted.root()?.text(Path::new(ROOT_HASH), 1000);
    mounted.unmount()?;
    let kept = kept.map_err(|error| failed("reading part_a_roothash", &error))?;
    if kept.trim_end() != root_hash {
        return Err(differs("part_a_roothash reads back differently"));
    }
    let ran = run("veritysetup", &["verify", &data, &hashes, root_hash])?;
    match ran.status {
        Some(0) => Ok(()),
        Some(_) | None => Err(differs(format!("the sealed rootfs does not match its hashes: {}", ran.words))),
    }
}

fn three(partitions: &[Partition]) -> Result<[String; 3], Unconfigured> {
    let device = |number| Ok(numbered(partitions, number)?.device.display().to_string());
    Ok([device(ROOTFS)?, device(HASHMAP_A)?, device(ROOTHASH)?])
}

pub(super) fn numbered(partitions: &[Partition], number: u32) -> Result<&Partition, Unconfigured> {
    let found = partitions.iter().find(|partition| partition.number == number);
    found.ok_or_else(|| misfit(format!("partition {number} of the layout is missing")))
}

/// In veritysetup's words, `Root hash:      \t5fff…`.
fn root_hash(output: &str) -> Option<String> {
    let hash = output.lines().find_map(|line| line.strip_prefix("Root hash:"))?.trim();
    let is_one = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then(|| hash.to_owned())
}

const ROOTFS_B: u32 = 6;
const ROOTHASH: u32 = 7;
const SWAP: u32 = 8;
const ROOT_HASH: &str = "/part_a_roothash";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_hash_is_found_in_what_veritysetup_says() {
        let output = "VERITY header information for /dev/sda4\nHash algorithm:  \tsha256\nRoot hash:      \t\
                    5fffa6651d27aa37ba131f9c3c7471f23965f4b1875c52c230b0b98c7eae74e3\nHash device size: \t139264 [bytes]\n";
        assert!(root_hash(output).is_some_and(|hash| hash.starts_with("5fffa665") && hash.len() == 64));
        assert_eq!(root_hash("Root hash:      \tnone\n"), None);
    }
}
