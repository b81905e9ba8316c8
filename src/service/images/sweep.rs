//! Copies that nobody needs any more are removed: no profile names their file, and no machine is being given it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tracing::info;

use super::{check, needed_by};
use crate::domain::digest::Digest;
use crate::domain::profile::image::ImageState;
use crate::domain::snapshot::{Catalogue, Snapshot};

/// Since when each copy has been needed by nobody.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    since: BTreeMap<Digest, Instant>,
}

impl Sweep {
    /// Removes the copies in `store` that have not been in `needed` for [`GRACE`], and what was noted of them.
    pub(super) fn remove(&mut self, now: Instant, store: &Path, needed: &BTreeSet<Digest>) {
        let there: BTreeSet<Digest> = names(store).iter().filter_map(|name| name.parse().ok()).collect();
        self.since.retain(|digest, _| there.contains(digest) && !needed.contains(digest));
        for digest in there.difference(needed) {
            let since = *self.since.entry(*digest).or_insert(now);
            if now.duration_since(since) >= GRACE && fs::remove_file(store.join(digest.to_string())).is_ok() {
                info!(%digest, "removed the copy of a file that no profile names");
                check::forget(store, *digest);
            }
        }
    }
}

/// The copies that profiles name, also those whose image cannot be read at the moment, and those that machines are being
/// given. None when that cannot be told.
pub(super) fn needed(catalogue: &Catalogue, bench: &Snapshot, store: &Path) -> Option<BTreeSet<Digest>> {
    // A profile that cannot be read may name any of them.
    if !catalogue.diagnostics.is_empty() {
        return None;
    }
    let files = catalogue.profiles.values().flat_map(needed_by);
    let noted = files.filter_map(|(name, kind)| check::noted(store, name, kind));
    let ready = catalogue.images.values().chain(catalogue.boot_files.values()).filter_map(|state| match state {
        ImageState::Ready(info) => Some(info.sha256),
        ImageState::Checking { .. } | ImageState::Broken { .. } => None,
    });
    let mut needed: BTreeSet<Digest> = noted.chain(ready).collect();
    // However long a machine is silent: it may have been without its network over a holiday. Its run ends when it boots
    // again, or is forgotten.
    for run in bench.nodes.values().flat_map(|node| &node.runs).filter(|run| run.is_open()) {
        needed.extend(&run.copies);
        if let Some(expected) = &run.expected {
            needed.insert(expected.sha256?);
        }
    }
    Some(needed)
}

/// Removes what checks have left that were killed in the middle.
pub(super) fn remove_unfinished(store: &Path) {
    for name in names(store) {
        let Some(rest) = name.strip_prefix(check::UNFINISHED) else { continue };
        let pid = rest.split('-').find(|part| !part.is_empty());
        if pid.is_none_or(|pid| !Path::new("/proc").join(pid).exists()) {
            let _gone_already = fs::remove_file(store.join(name));
        }
    }
}

fn names(store: &Path) -> Vec<String> {
    let entries = fs::read_dir(store).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// A machine may be given a job by what the hub knew a moment ago, and a profile file is away for a moment while it is
/// edited.
const GRACE: Duration = Duration::from_secs(60);
