//! A list of machines is taken in wholly or not at all. It can be taken back for a minute, see [`super::undo`].

use std::collections::BTreeMap;

use super::Fleet;
use super::change_set::ChangeSet;
use crate::domain::command::{ImportList, Undo};
use crate::domain::effect::Effect;
use crate::domain::ids::NodeId;
use crate::domain::node::ListedIn;
use crate::domain::node::registration::Judgement;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::Catalogue;
use crate::domain::time::Timestamp;
use crate::domain::undo::{Touched, UndoAction};

/// A list on its way into the fleet, and what it has done so far.
pub struct Importing {
    import: ImportList,
    /// Rows that have been taken in.
    taken: usize,
    about: BTreeMap<NodeId, usize>,
    made: Vec<NodeId>,
    touched: Vec<Touched>,
    change: ChangeSet,
}

impl Importing {
    pub fn new(import: ImportList) -> Self {
        let (about, made, touched) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { import, taken: 0, about, made, touched, change: ChangeSet::default() }
    }
}

/// How far a list has come.
pub enum ImportProgress {
    /// There are more rows.
    Partly(Importing),
    /// All of it is in the fleet.
    Wholly(Vec<Effect>),
    /// A row was refused: what the rows before it did has been taken back.
    Not(Refusal, Vec<Effect>),
}

impl Fleet {
    pub(super) fn import(
        &mut self,
        now: Timestamp,
        import: ImportList,
        catalogue: &Catalogue,
        change: &mut ChangeSet,
    ) -> Result<(), Refusal> {
        // The first row that cannot be taken in ends it, and then none has happened.
        let mut trial = self.clone();
        let mut importing = Importing::new(import);
        trial.take_rows(now, &mut importing, catalogue, usize::MAX)?;
        *change = trial.imported(now, importing);
        *self = trial;
        Ok(())
    }

    /// Takes in the next rows of a long list, so that others have their turn between two pieces of it.
    pub fn import_on(
        &mut self,
        now: Timestamp,
        mut importing: Importing,
        catalogue: &Catalogue,
        rows: usize,
    ) -> ImportProgress {
        match self.take_rows(now, &mut importing, catalogue, rows) {
            Ok(()) if importing.taken < importing.import.rows.len() => ImportProgress::Partly(importing),
            Ok(()) => {
                let change = self.imported(now, importing);
                ImportProgress::Wholly(self.settle(change))
            }
            Err(refusal) => {
                let Importing { made, touched, mut change, .. } = importing;
                let _the_idle_ones_can_always_be = self.undo_import(now, &made, &touched, Undo::Idle, &mut change);
                ImportProgress::Not(refusal, self.settle(change))
            }
        }
    }

    /// Takes rows in one after the other, each against what the ones before have made. A long list writes no line into
    /// any log for each of them: a node knows the row it is from.
    fn take_rows(
        &mut self,
        now: Timestamp,
        importing: &mut Importing,
        catalogue: &Catalogue,
        rows: usize,
    ) -> Result<(), Refusal> {
        let Importing { import, taken, about, made, touched, change } = importing;
        for (row, wish) in import.rows.iter().skip(*taken).take(rows) {
            let refused = |why| Refusal::Row { row: *row, why: Box::new(why) };
            self.check(wish, catalogue).map_err(refused)?;
            let judgement = wish.judge(now, &self.nodes, &self.index).map_err(refused)?;
            let before = judgement.node().and_then(|id| self.nodes.get(&id)).cloned();
            let id = match judgement {
                Judgement::Same(id) => id,
                Judgement::New { .. } | Judgement::Changes(..) => {
                    let (id, changes) = self.admit(now, wish, change);
                    if let Some(node) = self.node_mut(id) {
                        node.listed = Some(ListedIn { file: import.file.clone(), row: *row });
                    }
                    match before {
                        Some(before) => touched.push(Touched::of(&before, changes)),
                        None => made.push(id),
                    }
                    id
                }
            };
            if let Some(other) = about.insert(id, *row) {
                return Err(refused(Refusal::SameNode { other }));
            }
            *taken += 1;
        }
        Ok(())
    }

    /// What the whole list has done, which can be taken back from now on.
    fn imported(&mut self, now: Timestamp, importing: Importing) -> ChangeSet {
        let Importing { import, made, touched, mut change, .. } = importing;
        let changed = touched.iter().filter(|before| before.registered).count();
        let new = made.len() + touched.len() - changed;
        if new + changed > 0 {
            let what = UndoAction::Import { file: import.file, new, changed, made, touched };
            self.remember(now, what, &mut change);
        }
        change
    }
}

#[cfg(all(test, feature = "station"))]
mod tests;
