//! What is different on each node: files and cloud-init's documents.

use serde::Deserialize;

use super::names::{is_inside, volume as volume_named};
use super::source::ProfileSource;
use crate::domain::profile::configuration::VolumeName;
use crate::domain::profile::template::Template;
use crate::domain::profile::{CloudInit, NodeFile};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenFile {
    pub(super) volume: Option<String>,
    path: String,
    mode: Option<String>,
    owner: Option<String>,
    template: Option<String>,
    content: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenCloudInit {
    user_data: Option<String>,
    meta_data: Option<String>,
    network_config: Option<String>,
}

/// None where one of them is wrong.
pub(super) fn files(
    page: &mut ProfileSource<'_>,
    written: Vec<WrittenFile>,
    root: &VolumeName,
) -> Option<Vec<NodeFile>> {
    let mut files: Vec<Option<NodeFile>> = Vec::new();
    for (at, written) in written.into_iter().enumerate() {
        let on = written.volume.as_deref().unwrap_or(&root.0);
        let known = |file: &NodeFile| file.path == written.path && file.volume.0 == on;
        if files.iter().flatten().any(known) {
            let what = format!("{} is there twice", written.path);
            page.wrong_at(&["file", &at.to_string(), "path"], what, "take one of them out");
        }
        files.push(file(page, &at.to_string(), written, root));
    }
    files.into_iter().collect()
}

fn file(page: &mut ProfileSource<'_>, at: &str, written: WrittenFile, root: &VolumeName) -> Option<NodeFile> {
    let WrittenFile { volume, path, mode, owner, template, content } = written;
    let volume = match volume {
        Some(name) => volume_named(page, &["file", at, "volume"], &name),
        None => Some(root.clone()),
    };
    let inside = is_inside(&path);
    if !inside {
        let what = format!("path {path:?} does not say where the file belongs");
        page.wrong_at(&["file", at, "path"], what, "name it from the root of the node's own system, as \"/etc/motd\"");
    }
    let mode =
        mode.as_deref().map_or(Some(PLAIN), |text| u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777));
    if mode.is_none() {
        page.wrong_at(&["file", at, "mode"], "the mode is not octal", "write it as chmod takes it, as \"0644\"");
    }
    let owner = owner.unwrap_or_else(|| "root:root".into());
    if !is_owner(&owner) {
        let what = format!("owner {owner:?} is neither user nor user:group");
        page.wrong_at(&["file", at, "owner"], what, "write it as chown takes it, as \"root:root\"");
    }
    let content = match (template, content) {
        (Some(name), None) => page.template(&["file", at, "template"], &name),
        (None, Some(text)) => Some(page.inline(&["file", at, "content"], text)),
        (None, None) | (Some(_), Some(_)) => {
            let what = format!("{path} has neither a template nor content, or both");
            page.wrong_at(&["file", at, "path"], what, "name a template beside the profile, or write the content here");
            None
        }
    };
    let content = content?;
    (inside && is_owner(&owner)).then_some(NodeFile { volume: volume?, path, mode: mode?, owner, content })
}

fn is_owner(owner: &str) -> bool {
    let is_name = |name: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !name.is_empty() && !name.starts_with('-') && name.chars().all(fits)
    };
    let mut names = owner.splitn(2, ':');
    names.all(is_name)
}

/// None where a template cannot be had.
pub(super) fn cloud_init(page: &mut ProfileSource<'_>, written: WrittenCloudInit) -> Option<CloudInit> {
    let mut document = |key: &str, name: Option<String>| -> Option<Option<Template>> {
        match name {
            None => Some(None),
            Some(name) => page.template(&["cloud_init", key], &name).map(Some),
        }
    };
    let user_data = document("user_data", written.user_data);
    let meta_data = document("meta_data", written.meta_data);
    let network_config = document("network_config", written.network_config);
    Some(CloudInit { user_data: user_data?, meta_data: meta_data?, network_config: network_config? })
}

const PLAIN: u32 = 0o644;
