//! Names of volumes, of paths on them, and of files in the images directory.

use super::source::ProfileSource;
use crate::domain::profile::configuration::VolumeName;

/// A volume by the name of its partition or the label of its file system. None where there can be none.
pub(super) fn volume(page: &mut ProfileSource<'_>, key: &[&str], name: &str) -> Option<VolumeName> {
    let is_name = !name.is_empty() && name.chars().count() <= GPT_NAME && name.chars().all(|c| c.is_ascii_graphic());
    if !is_name {
        let what = format!("{name:?} is no name of a partition, nor a label");
        page.wrong_at(key, what, "write what `lsblk -o PARTLABEL,LABEL` shows of the image");
    }
    is_name.then(|| VolumeName(name.to_owned()))
}

/// Whether it is an absolute path without `.`, `..`, empty parts or control characters.
pub(super) fn is_inside(path: &str) -> bool {
    let below = path.strip_prefix('/').filter(|below| !below.chars().any(char::is_control));
    below.is_some_and(|below| below.split('/').all(|part| !matches!(part, "" | "." | "..")))
}

pub(super) fn is_in_images(page: &mut ProfileSource<'_>, key: &[&str], what: &str, name: &str) -> bool {
    let is_file = !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
    if !is_file {
        let what = format!("{what} {name:?} is not a file name");
        page.wrong_at(key, what, "put the file in the images directory and name it without a path");
    }
    is_file
}

/// Letters of a partition's name (UEFI 2.10 section 5.3.3).
const GPT_NAME: usize = 36;
