//! What follows the image: what the agent was given is kept, and what it reads back is compared with that.

use super::Fleet;
use super::change_set::ChangeSet;
use super::failing::{ReportError, fail, unproven};
use crate::domain::digest::Digest;
use crate::domain::effect::Effect;
use crate::domain::ids::RunId;
use crate::domain::logline::Level;
use crate::domain::machine::report::FailureKind;
use crate::domain::node::Node;
use crate::domain::node::phase::{Failure, Stage};
use crate::domain::node::run::{Following, Run};
use crate::domain::time::Timestamp;

impl Fleet {
    /// The agent of `run` is about to be given what follows the image, of which this is the manifest's digest; none where
    /// there is nothing to be proven, and it is to fetch these copies for it. What was given last counts, until it is proven.
    pub fn configuration_given(
        &mut self,
        now: Timestamp,
        run: RunId,
        manifest: Option<Digest>,
        copies: Vec<Digest>,
    ) -> Result<Vec<Effect>, ReportError> {
        let id = *self.runs.get(&run).ok_or(ReportError::UnknownRun(run))?;
        let mut change = ChangeSet::default();
        let node = self.node_mut(id).ok_or(ReportError::UnknownRun(run))?;
        node.last_seen = Some(now);
        let is_at_work = |of: &&mut Run| of.id == run && of.is_open() && of.expected.is_some() && !of.configured;
        if let Some(of_run) = node.runs.last_mut().filter(is_at_work) {
            of_run.following = manifest.map_or(Following::Nothing, Following::Manifest);
            of_run.copies = copies;
            change.save(id);
        }
        Ok(self.settle(change))
    }
}

/// The agent has read back what it wrote after the image.
pub(super) fn configured(
    now: Timestamp,
    node: &mut Node,
    files: u32,
    sha256: Digest,
    root_hash: Option<&str>,
    change: &mut ChangeSet,
) {
    let stage = Stage::Configuring;
    let Some(run) = node.runs.last_mut() else { return };
    match run.following {
        Following::Manifest(asked) if asked == sha256 => {
            run.configured = true;
            run.root_hash = root_hash.and_then(|hash| hash.parse().ok());
            let hash = root_hash.map(|hash| crate::domain::text::clean(hash, ROOT_HASH));
            let sealed = hash.map(|hash| format!(", sealed by root hash {hash}")).unwrap_or_default();
            let what = format!("configured: what is read back of {files} files is what was asked for{sealed}");
            change.log(now, node, Level::Info, &what);
        }
        Following::Manifest(asked) => {
            let reason = format!(
                "what was written after the image does not read back as it was asked for: {files} files have digest {}…, \
                 asked for was {}…",
                sha256.short(),
                asked.short()
            );
            fail(now, node, Failure { stage, kind: FailureKind::ReadBackDiffers, reason }, change);
        }
        Following::Nothing if files == 0 => change.log(now, node, Level::Info, "configured: no files were asked for"),
        Following::Nothing | Following::Something => {
            let reason = "the disk was configured before the agent had asked how";
            fail(now, node, Failure { stage, ..unproven(reason) }, change);
        }
    }
}

/// dm-verity's hashes have 128 hex digits at most.
const ROOT_HASH: usize = 128;

#[cfg(all(test, feature = "station"))]
mod tests;
