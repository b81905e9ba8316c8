//! How a batch gets on: machines an hour, when the last one will be done, and how fast the link lets it be at best.

use std::time::Duration;

use crate::domain::node::Node;
use crate::domain::node::phase::Phase;
use crate::domain::node::run::{Run, RunOutcome};
use crate::domain::profile::image::ImageState;
use crate::domain::snapshot::{Catalogue, Snapshot};
use crate::domain::time::Timestamp;

/// The figures of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Machines that people made known, and how many of them have shown themselves.
    pub expected: usize,
    pub seen: usize,
    /// Machines that showed themselves and nobody made known.
    pub unexpected: usize,
    pub done: usize,
    /// Neither done nor failed.
    pub left: usize,
    /// Of these, those that are not at work: they are to come yet, or wait for a person.
    pub waiting: usize,
    /// Done in an hour at the pace of the last hour; none as long as nothing was done in it.
    pub per_hour: Option<u64>,
    /// Until the last one is done. None when nothing is left, or nothing tells.
    pub eta: Option<Duration>,
    /// The machines of the batch that is open, and how many of them are done.
    pub batch: Option<(usize, usize)>,
    /// None when nobody knows how fast the link is.
    pub link: Option<Link>,
}

/// What the cable to the machines has to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// As the card says, in megabits a second.
    pub mbit: u32,
    /// Bytes a second that images can be sent with at best, and are sent with now.
    pub best: u64,
    pub used: u64,
    /// How many machines an hour that allows; none when no image is known.
    pub allows: Option<u64>,
    /// It is what keeps the batch from being faster.
    pub is_limit: bool,
}

impl Forecast {
    /// The pace of all machines of `bench`.
    pub fn of(bench: &Snapshot, now: Timestamp) -> Self {
        let mut pace = Self::default();
        let mut since = now;
        let (mut lately, mut took, mut begun) = (0_u64, Vec::new(), Vec::new());
        let (mut to_send, mut used) = (0_u64, 0_u64);
        let mut sizes = Sizes::default();
        let open = bench.batches.last().filter(|batch| batch.is_open());
        pace.batch = open.map(|_| (0, 0));
        for node in bench.nodes.values() {
            if let Some((batch, (all, done))) = open.zip(pace.batch.as_mut())
                && batch.has(node)
            {
                *all += 1;
                *done += usize::from(node.phase.is_done());
            }
            let has_shown = node.last_seen.is_some() || !node.runs.is_empty();
            pace.expected += usize::from(node.registered);
            pace.seen += usize::from(node.registered && has_shown);
            pace.unexpected += usize::from(!node.registered);
            let size = sizes.of(node, &bench.catalogue);
            for run in &node.runs {
                let Some(ended) = run.ended else {
                    since = since.min(run.started);
                    continue;
                };
                if now.since(ended) <= HOUR {
                    since = since.min(run.started);
                    if is_done(run) {
                        lately += 1;
                        took.push(ended.since(run.started));
                    }
                }
            }
            match &node.phase {
                Phase::Provisioned | Phase::Installed => pace.done += 1,
                Phase::Failed(_) => {}
                Phase::Booting { .. } => {
                    pace.left += 1;
                    begun.extend(node.run().map(|run| now.since(run.started)));
                    let progress = node.progress.as_ref();
                    used += progress.map_or(0, |progress| progress.network_rate(now));
                    to_send += size.saturating_sub(progress.map_or(0, |progress| progress.arrived.bytes));
                }
                Phase::Registered | Phase::Held { .. } | Phase::Conflict { .. } => {
                    pace.left += 1;
                    pace.waiting += 1;
                    to_send += size;
                }
            }
        }
        let window = now.since(since).min(HOUR);
        if lately > 0 && window >= LEAST {
            pace.per_hour = Some(lately * HOUR.as_secs() / window.as_secs());
        }
        pace.link = bench.link_mbit.map(|mbit| Link::of(mbit, used, sizes.usual()));
        pace.eta = pace.ends(&mut took, &begun, to_send);
        pace
    }

    /// When the last is done: those at work take as long as others did, those that wait come at the present pace, and no
    /// byte comes faster than the link lets it.
    fn ends(&mut self, took: &mut [Duration], begun: &[Duration], to_send: u64) -> Option<Duration> {
        if self.left == 0 || took.is_empty() {
            return None;
        }
        took.sort_unstable();
        let usual = took[took.len() / 2];
        let at_work = begun.iter().map(|so_far| usual.saturating_sub(*so_far)).max().unwrap_or_default();
        let waiting = match self.per_hour {
            Some(pace) if self.waiting > 0 => Duration::from_secs(self.left as u64 * HOUR.as_secs() / pace.max(1)),
            _ => Duration::ZERO,
        };
        let eta = at_work.max(waiting);
        let Some(link) = &mut self.link else { return Some(eta) };
        let sent = Duration::from_secs(to_send / link.best.max(1));
        link.is_limit |= sent > eta;
        Some(eta.max(sent))
    }
}

impl Link {
    fn of(mbit: u32, used: u64, size: Option<u64>) -> Self {
        // Of 1538 octets of a full frame on the wire (IEEE 802.3, gaps too) TCP has 1448 for the image.
        let best = u64::from(mbit) * 125_000 * 1448 / 1538;
        let allows = size.filter(|size| *size > 0).map(|size| best.saturating_mul(HOUR.as_secs()) / size);
        Self { mbit, best, used, allows, is_limit: used > best / 100 * FULL }
    }
}

/// How large the images are that machines get, as they travel.
#[derive(Default)]
struct Sizes {
    sum: u64,
    nodes: u64,
}

impl Sizes {
    /// What is sent to `node`; 0 when nobody knows.
    fn of(&mut self, node: &Node, catalogue: &Catalogue) -> u64 {
        let id = node.profile.as_ref().or(catalogue.default_profile.as_ref());
        let image = id.and_then(|id| catalogue.profiles.get(id)?.image());
        match image.and_then(|image| catalogue.images.get(&image.file)) {
            Some(ImageState::Ready(info)) => {
                (self.sum, self.nodes) = (self.sum.saturating_add(info.bytes), self.nodes + 1);
                info.bytes
            }
            Some(ImageState::Checking { .. } | ImageState::Broken { .. }) | None => 0,
        }
    }

    fn usual(&self) -> Option<u64> {
        self.sum.checked_div(self.nodes)
    }
}

fn is_done(run: &Run) -> bool {
    match run.outcome {
        Some(RunOutcome::Proven | RunOutcome::SaidDone) => true,
        Some(RunOutcome::Failed(_) | RunOutcome::Interrupted | RunOutcome::Unknown) | None => false,
    }
}

const HOUR: Duration = Duration::from_secs(3600);
/// A pace of less time than this says nothing.
const LEAST: Duration = Duration::from_secs(10);
/// Percent of the link that make it the limit.
const FULL: u64 = 85;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::ids::{NodeId, RunId};
    use crate::domain::machine::progress::{Arrived, StepProgress};
    use crate::domain::machine::report::Step;
    use crate::domain::node::phase::Stage;

    const START: Timestamp = Timestamp::from_millis(1_000_000_000_000);

    fn at(minutes: u64) -> Timestamp {
        START.after(Duration::from_secs(minutes * 60))
    }

    fn run(began: u64) -> Run {
        let id = RunId::new([7; 16]);
        Run::begin(id, "demo".parse().expect("a profile name"), at(began))
    }

    fn node(number: u32, registered: bool) -> Node {
        Node { registered, ..Node::new(NodeId(number), START) }
    }

    /// Took from minute `began` to minute `ended`.
    fn done(number: u32, began: u64, ended: u64) -> Node {
        let mut run = run(began);
        run.end(at(ended), RunOutcome::Proven);
        Node { phase: Phase::Provisioned, runs: vec![run], ..node(number, true) }
    }

    fn working(number: u32, began: u64) -> Node {
        let phase = Phase::Booting { stage: Stage::Writing };
        Node { phase, runs: vec![run(began)], last_seen: Some(at(began)), ..node(number, true) }
    }

    fn pace(nodes: Vec<Node>, minutes: u64, link_mbit: Option<u32>) -> Forecast {
        let nodes = nodes.into_iter().map(|node| (node.id, Arc::new(node))).collect();
        Forecast::of(&Snapshot { nodes, link_mbit, ..Snapshot::default() }, at(minutes))
    }

    #[test]
    fn ten_done_in_half_an_hour_are_twenty_an_hour_and_ten_that_wait_take_as_long_again() {
        let nodes = (0..10).map(|number| done(number, 0, 30)).chain((10..20).map(|number| node(number, true)));
        let pace = pace(nodes.collect(), 30, None);
        assert_eq!((pace.expected, pace.seen, pace.done, pace.left), (20, 10, 10, 10));
        assert_eq!((pace.per_hour, pace.eta), (Some(20), Some(Duration::from_secs(1800))));
    }

    #[test]
    fn the_last_ones_at_work_take_as_long_as_the_others_did() {
        let pace = pace(vec![done(1, 0, 12), done(2, 0, 10), done(3, 0, 11), working(4, 5)], 12, None);
        assert_eq!(pace.eta, Some(Duration::from_secs(4 * 60)));
    }

    #[test]
    fn what_was_done_yesterday_says_nothing_about_today() {
        let pace = pace(vec![done(1, 0, 10), node(2, true)], 24 * 60, None);
        assert_eq!((pace.per_hour, pace.eta, pace.left), (None, None, 1));
    }

    #[test]
    fn a_machine_nobody_made_known_is_unexpected_and_a_failed_one_is_not_waited_for() {
        let mut failed = working(1, 0);
        failed.phase = Phase::Failed(crate::domain::node::phase::Failure {
            stage: Stage::Writing,
            kind: crate::domain::machine::report::FailureKind::DiskIo,
            reason: "no".into(),
        });
        let pace = pace(vec![failed, Node { registered: false, ..working(2, 0) }], 1, None);
        assert_eq!((pace.expected, pace.unexpected, pace.left, pace.eta), (1, 1, 1, None));
    }

    #[test]
    fn a_link_that_is_full_is_said_to_be_the_limit() {
        let mut busy = working(1, 0);
        let mut progress = StepProgress::begin(Step::Write, at(1), 0, 10_000_000_000);
        progress.advance(at(2), 1, 10_000_000_000, Arrived { bytes: 60 * 110_000_000, retries: 0 });
        busy.progress = Some(progress);
        let link = |mbit| pace(vec![busy.clone()], 2, Some(mbit)).link.expect("a link");
        assert_eq!((link(1000).best, link(1000).used), (117_685_305, 110_000_000));
        assert_eq!((link(1000).is_limit, link(2500).is_limit), (true, false));
    }
}
