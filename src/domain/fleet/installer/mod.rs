//! Machines that boot somebody else's installer: it takes its files, and says that it is done. What is on the disk nobody
//! here has seen, so such a node is *installed*, never *provisioned*.

use std::net::Ipv4Addr;

use super::Fleet;
use super::change_set::{ChangeSet, enter, reach};
use crate::domain::effect::Effect;
use crate::domain::ids::RunId;
use crate::domain::logline::Level;
use crate::domain::node::Node;
use crate::domain::node::phase::{Phase, SAID_DONE, Stage};
use crate::domain::node::run::RunOutcome;
use crate::domain::time::Timestamp;

impl Fleet {
    pub(super) fn installer_took(
        &mut self,
        now: Timestamp,
        run: RunId,
        address: Ipv4Addr,
        file: &str,
        installing: bool,
    ) -> Vec<Effect> {
        let mut change = ChangeSet::default();
        let Some(id) = self.runs.get(&run).copied() else { return Vec::new() };
        let is_present = |node: &&mut Node| node.run().is_some_and(|last| last.id == run && last.is_open());
        let Some(node) = self.node_mut(id).filter(is_present) else { return Vec::new() };
        node.last_seen = Some(now);
        node.runs.last_mut().into_iter().for_each(|run| run.installer = true);
        reach(node, now, if installing { Stage::Installing } else { Stage::Kernel });
        change.log(now, node, Level::Info, &format!("http: the installer took {file}"));
        change.save(id);
        self.give_address(id, address, &mut change);
        self.settle(change)
    }
}

/// An installer says that it is done. An agent has other words, which are proven.
pub(super) fn said_done(now: Timestamp, node: &mut Node, change: &mut ChangeSet) {
    let Some(run) = node.runs.last_mut().filter(|run| run.expected.is_none()) else {
        change.log(
            now,
            node,
            Level::Warning,
            "somebody says that it is done, and its agent has not proven it: not heeded",
        );
        return;
    };
    run.installer = true;
    run.end(now, RunOutcome::SaidDone);
    (node.progress, node.silent_installers) = (None, 0);
    reach(node, now, Stage::Installing);
    enter(node, now, Phase::Installed);
    change.log(now, node, Level::Info, &format!("installed: {SAID_DONE}"));
}

#[cfg(all(test, feature = "station"))]
mod tests;
