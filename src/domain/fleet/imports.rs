//! A list of machines is taken in wholly or not at all. It can be taken back for a minute, see [`super::undo`].

use std::collections::BTreeMap;

use super::{Change, Fleet};
use crate::domain::command::{Import, Refusal};
use crate::domain::deed::{Touched, What};
use crate::domain::ids::NodeId;
use crate::domain::node::Listed;
use crate::domain::registration::Judgement;
use crate::domain::snapshot::Catalogue;
use crate::domain::time::Timestamp;

impl Fleet {
    pub(super) fn import(
        &mut self,
        now: Timestamp,
        import: &Import,
        catalogue: &Catalogue,
        change: &mut Change,
    ) -> Result<(), Refusal> {
        // Rows are taken in one after the other, each against what the ones before have made; the first that cannot be
        // ends it, and then none has happened.
        let mut trial = self.clone();
        if let Some(what) = trial.take_rows(now, import, catalogue, change)? {
            trial.remember(now, what, change);
        }
        *self = trial;
        Ok(())
    }

    /// A long list writes no line into any log for each of its rows: a node knows the row it is from.
    fn take_rows(
        &mut self,
        now: Timestamp,
        import: &Import,
        catalogue: &Catalogue,
        change: &mut Change,
    ) -> Result<Option<What>, Refusal> {
        let mut about: BTreeMap<NodeId, usize> = BTreeMap::new();
        let (mut made, mut touched) = (Vec::new(), Vec::new());
        for (row, wish) in &import.rows {
            let refused = |why| Refusal::Row { row: *row, why: Box::new(why) };
            self.check(wish, catalogue).map_err(refused)?;
            let judgement = wish.judge(now, &self.nodes, &self.index).map_err(refused)?;
            let before = judgement.node().and_then(|id| self.nodes.get(&id)).cloned();
            let id = match judgement {
                Judgement::Same(id) => id,
                Judgement::New { .. } | Judgement::Changes(..) => {
                    let (id, changes) = self.admit(now, wish, change);
                    if let Some(node) = self.node_mut(id) {
                        node.listed = Some(Listed { file: import.file.clone(), row: *row });
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
        }
        let changed = touched.iter().filter(|before| before.registered).count();
        let new = made.len() + touched.len() - changed;
        let file = import.file.clone();
        Ok((new + changed > 0).then_some(What::Import { file, new, changed, made, touched }))
    }
}

#[cfg(all(test, feature = "station"))]
mod tests;
