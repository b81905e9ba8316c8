//! The nodes in the order the table shows them, and how many there are of each kind. Made anew only when the snapshot,
//! the filter, the order or the second has changed: a frame takes its window from here.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::domain::ids::{NodeId, Serial};
use crate::domain::node::Node;
use crate::domain::node::phase::Stage;
use crate::domain::snapshot::{Catalogue, Snapshot, Stranger};
use crate::domain::time::Timestamp;
use crate::tui::state::filter::Filter;
use crate::tui::style::status::NodeStatus;
use crate::tui::style::text::width;

/// By what the table is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortBy {
    /// What needs a person first.
    #[default]
    Problems,
    Name,
    Profile,
    Progress,
    /// What changed last first.
    Time,
}

impl SortBy {
    pub fn next(self) -> Self {
        match self {
            Self::Problems => Self::Name,
            Self::Name => Self::Profile,
            Self::Profile => Self::Progress,
            Self::Progress => Self::Time,
            Self::Time => Self::Problems,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Problems => "problems first",
            Self::Name => "by name",
            Self::Profile => "by profile",
            Self::Progress => "by progress",
            Self::Time => "by time",
        }
    }
}

/// How many nodes are doing what, of the whole bench.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeCounts {
    /// Failed, or claimed by two registrations.
    pub failed: usize,
    pub stalled: usize,
    pub held: usize,
    pub active: usize,
    pub waiting: usize,
    pub done: usize,
}

impl NodeCounts {
    pub fn all(&self) -> usize {
        self.failed + self.stalled + self.held + self.active + self.waiting + self.done
    }

    fn add(&mut self, status: NodeStatus) {
        let count = match status {
            NodeStatus::Failed | NodeStatus::Conflict => &mut self.failed,
            NodeStatus::Stalled(_) => &mut self.stalled,
            NodeStatus::Held => &mut self.held,
            NodeStatus::Active(_) => &mut self.active,
            NodeStatus::Registered => &mut self.waiting,
            NodeStatus::Installed | NodeStatus::Provisioned => &mut self.done,
        };
        *count += 1;
    }
}

/// What the table shows.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    made_from: Option<MadeFrom>,
    pub nodes: Vec<NodeId>,
    pub counts: NodeCounts,
    /// Columns that the longest name and the longest profile of all nodes shown need.
    pub name_width: usize,
    pub profile_width: usize,
    /// What needs a person first, of all nodes.
    pub first_problem: Option<NodeId>,
    /// Machines that ask, do not boot, and are no nodes.
    pub strangers: Vec<Stranger>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct MadeFrom {
    version: u64,
    second: u64,
    filter: Filter,
    sort: SortBy,
    flipped: bool,
}

impl Listing {
    /// Brings it up to date. Says whether anything had to be done.
    pub fn refresh(&mut self, bench: &Snapshot, now: Timestamp, filter: &Filter, sort: SortBy, flipped: bool) -> bool {
        let second = now.as_millis() / 1000;
        let from = MadeFrom { version: bench.version, second, filter: filter.clone(), sort, flipped };
        if self.made_from.as_ref() == Some(&from) {
            return false;
        }
        let mut counts = NodeCounts::default();
        let mut first_problem: Option<(u8, NodeId)> = None;
        let mut rows = Vec::with_capacity(bench.nodes.len());
        let fallback = unassigned(&bench.catalogue);
        for node in bench.nodes.values() {
            let row = SortKey::new(bench, node, &fallback, now);
            counts.add(row.status);
            if row.status.rank() < NodeStatus::Active(Stage::Seen).rank() {
                let this = (row.status.rank(), row.id);
                first_problem = Some(first_problem.map_or(this, |first| first.min(this)));
            }
            if filter.keeps(node, row.status, row.profile) {
                rows.push(row);
            }
        }
        // Nodes come nearly in the order of their names: of those that are alike, hardly any has to be moved.
        rows.sort_by(|a, b| a.compare(b, sort));
        for alike in rows.chunk_by_mut(|a, b| a.compare(b, sort).is_eq()) {
            alike.sort_by(|a, b| natural(&a.name, &b.name).then(a.id.cmp(&b.id)));
        }
        if flipped {
            rows.reverse();
        }
        *self = Self {
            made_from: Some(from),
            counts,
            name_width: rows.iter().map(|row| width(&row.name)).max().unwrap_or(0),
            profile_width: rows.iter().map(|row| width(row.profile)).max().unwrap_or(0),
            first_problem: first_problem.map(|(_, id)| id),
            nodes: rows.into_iter().map(|row| row.id).collect(),
            strangers: bench.strangers(now),
        };
        true
    }

    pub fn position(&self, node: NodeId) -> Option<usize> {
        self.nodes.iter().position(|id| *id == node)
    }
}

/// The profile that `node` gets: its own, or in brackets the default, or `none`.
pub fn profile_of(node: &Node, catalogue: &Catalogue) -> String {
    node.profile.as_ref().map_or_else(|| unassigned(catalogue), ToString::to_string)
}

/// What stands in place of the profile of a node that has none of its own.
fn unassigned(catalogue: &Catalogue) -> String {
    catalogue.default_profile.as_ref().map_or_else(|| "none".into(), |default| format!("({default})"))
}

/// What a node is sorted by.
struct SortKey<'a> {
    id: NodeId,
    status: NodeStatus,
    name: Cow<'a, str>,
    profile: &'a str,
    percent: u8,
    since: Timestamp,
}

impl<'a> SortKey<'a> {
    fn new(bench: &Snapshot, node: &'a Node, fallback: &'a str, now: Timestamp) -> Self {
        let named = node.name.as_deref().or(node.serial.as_ref().map(Serial::as_str));
        let percent = node.progress.as_ref().map_or(0, |progress| progress.percent());
        Self {
            id: node.id,
            status: NodeStatus::judged(bench, node, now).0,
            name: named.map_or_else(|| node.label().into(), Cow::Borrowed),
            profile: node.profile.as_ref().map_or(fallback, |own| own.as_str()),
            percent,
            since: node.phase_since,
        }
    }

    /// Names apart.
    fn compare(&self, other: &Self, sort: SortBy) -> Ordering {
        match sort {
            SortBy::Problems => self.status.rank().cmp(&other.status.rank()),
            SortBy::Name => Ordering::Equal,
            SortBy::Profile => self.profile.cmp(other.profile),
            SortBy::Progress => self.furthest().cmp(&other.furthest()).reverse(),
            SortBy::Time => self.since.cmp(&other.since).reverse(),
        }
    }

    /// How near its end it is.
    fn furthest(&self) -> (u8, u8, u8) {
        match self.status {
            NodeStatus::Installed | NodeStatus::Provisioned => (2, 0, 0),
            NodeStatus::Active(stage) => (1, stage as u8, self.percent),
            NodeStatus::Failed
            | NodeStatus::Conflict
            | NodeStatus::Stalled(_)
            | NodeStatus::Held
            | NodeStatus::Registered => (0, 0, 0),
        }
    }
}

/// Text order in which `press-2` comes before `press-10`.
fn natural(a: &str, b: &str) -> Ordering {
    let alike = a.bytes().zip(b.bytes()).take_while(|(x, y)| x == y).count();
    let digits = a.as_bytes()[..alike].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let from = (0..=alike - digits).rev().find(|at| a.is_char_boundary(*at)).unwrap_or(0);
    let (mut a, mut b) = (&a[from..], &b[from..]);
    while let (Some(x), Some(y)) = (a.chars().next(), b.chars().next()) {
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let ((m, rest_a), (n, rest_b)) = (number(a), number(b));
            // Without leading zeros the longer number is the larger one, of however many digits.
            match (m.len(), m).cmp(&(n.len(), n)) {
                Ordering::Equal => (a, b) = (rest_a, rest_b),
                order => return order,
            }
        } else if x == y {
            (a, b) = (&a[x.len_utf8()..], &b[y.len_utf8()..]);
        } else {
            return x.cmp(&y);
        }
    }
    a.len().cmp(&b.len())
}

/// The digits that `text` begins with, without leading zeros, and what comes after.
fn number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (text[..end].trim_start_matches('0'), &text[end..])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn bench(names: &[&str]) -> Snapshot {
        let node = |(at, name): (usize, &&str)| {
            let id = NodeId(u32::try_from(at).expect("few"));
            (id, Arc::new(Node { name: Some((*name).into()), ..Node::new(id, Timestamp::default()) }))
        };
        Snapshot { nodes: names.iter().enumerate().map(node).collect(), ..Snapshot::default() }
    }

    #[test]
    fn numbers_in_names_are_sorted_as_numbers() {
        let mut names = ["press-10", "press-2", "press", "lathe-1", "press-02b", "名"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["lathe-1", "press", "press-2", "press-02b", "press-10", "名"]);
        for (less, more) in
            [("a1b", "a10"), ("a9-2", "a09-10"), ("a1_", "a10"), ("名1", "名2"), ("同", "名"), ("x", "x1")]
        {
            assert_eq!(
                (natural(less, more), natural(more, less)),
                (Ordering::Less, Ordering::Greater),
                "{less} {more}"
            );
        }
    }

    #[test]
    fn an_order_may_be_turned_round() {
        let (bench, mut listing) = (bench(&["b", "a", "c"]), Listing::default());
        let mut order = |flipped| {
            listing.refresh(&bench, Timestamp::default(), &Filter::default(), SortBy::Name, flipped);
            listing.nodes.iter().map(|id| id.0).collect::<Vec<_>>()
        };
        assert_eq!((order(false), order(true)), (vec![1, 0, 2], vec![2, 0, 1]));
    }

    #[test]
    fn nothing_is_sorted_anew_until_something_has_changed() {
        let (mut bench, mut listing, all) = (bench(&["b", "a"]), Listing::default(), Filter::default());
        let mut refresh = |bench: &Snapshot, millis, filter: &Filter, sort| {
            listing.refresh(bench, Timestamp::from_millis(millis), filter, sort, false)
        };
        assert!(refresh(&bench, 0, &all, SortBy::Problems));
        assert!(!refresh(&bench, 999, &all, SortBy::Problems));
        assert!(refresh(&bench, 1000, &all, SortBy::Problems), "a second later a node may have stalled");
        assert!(refresh(&bench, 1000, &all, SortBy::Name));
        assert!(refresh(&bench, 1000, &Filter::parse("a"), SortBy::Name));
        bench.version += 1;
        assert!(refresh(&bench, 1000, &Filter::parse("a"), SortBy::Name));
    }

    #[test]
    fn counts_are_of_the_whole_bench_and_not_of_what_the_filter_keeps() {
        let mut listing = Listing::default();
        listing.refresh(&bench(&["a", "b"]), Timestamp::default(), &Filter::parse("a"), SortBy::Name, false);
        assert_eq!((listing.nodes.len(), listing.counts.all()), (1, 2));
    }
}
