//! What a person has to say yes to before an agent may write: that a machine is not what its profile expects, and the
//! disk that would be written. Each hello is looked at anew: who is corrected goes on by itself.

use super::Fleet;
use super::agent::Task;
use super::booting::hold;
use super::change_set::{ChangeSet, reach};
use crate::domain::ids::NodeId;
use crate::domain::logline::Level;
use crate::domain::machine::hello::Hello;
use crate::domain::node::phase::Stage;
use crate::domain::node::question::{Consent, Question};
use crate::domain::node::run::Run;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::Catalogue;
use crate::domain::text::clean;
use crate::domain::time::Timestamp;

impl Task {
    /// What a person has to say yes to before the machine of `hello` may begin with this. A rule that chooses no disk is
    /// for the agent to say.
    pub(super) fn question(&self, hello: &Hello, run: Option<&Run>, catalogue: &Catalogue) -> Option<Question> {
        let profile = catalogue.profiles.get(&self.profile)?;
        let disk = self.disk.choose(&hello.disks, self.image.disk_bytes).ok();
        let consents = run.map_or(&[][..], |run| &run.consents);
        let is_open = |question: &Question| !consents.iter().any(|consent| consent.to.covers(question));
        // A run that has its job keeps it: only what somebody said yes to must still be the same.
        let has_begun = run.is_some_and(|run| run.expected.is_some());
        let was_asked = consents.iter().any(|consent| matches!(consent.to, Question::Write { .. }));
        let differences = profile.expect.differences(hello.inventory.as_ref(), disk);
        let differs = (!has_begun && !differences.is_empty())
            .then(|| Question::Differs { profile: self.profile.clone(), differences });
        let write = disk.filter(|_| if has_begun { was_asked } else { profile.approve }).map(|disk| {
            let (profile, image, sha256) = (self.profile.clone(), self.image.name.clone(), self.image.sha256);
            Question::Write { profile, image, sha256, disk: Box::new(disk.clone()) }
        });
        differs.into_iter().chain(write).find(is_open)
    }
}

impl Fleet {
    /// Its agent waits until a person says yes, or there is nothing more to ask.
    pub(super) fn ask(&mut self, now: Timestamp, id: NodeId, question: Question, change: &mut ChangeSet) {
        let Some(node) = self.node_mut(id) else { return };
        hold(node, now, question.to_string(), change);
        node.runs.last_mut().into_iter().for_each(|run| run.question = Some(question.clone()));
        change.save(id);
    }

    /// A person says yes to what the node's agent asks. It says hello again by itself, and goes on from there.
    pub(super) fn consent(
        &mut self,
        now: Timestamp,
        id: NodeId,
        to: Question,
        by: &str,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        let node = self.node_mut(id).ok_or(Refusal::NoSuchNode(id))?;
        let asked = node.question().ok_or_else(|| Refusal::NothingAsked(node.label()))?;
        if !to.covers(asked) {
            return Err(Refusal::AskedAnew { label: node.label(), now: asked.to_string() });
        }
        let consent = Consent { at: now, by: clean(by, WHO), to };
        change.log(now, node, Level::Info, &consent.to_string());
        if let Some(run) = node.runs.last_mut() {
            run.question = None;
            run.consents.push(consent);
        }
        reach(node, now, Stage::Agent);
        change.save(id);
        Ok(())
    }
}

/// Letters of the name of a person and of where that person is.
const WHO: usize = 80;

#[cfg(all(test, feature = "station"))]
mod tests;
