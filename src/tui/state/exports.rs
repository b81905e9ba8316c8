//! What keys have written: the report of a batch, the list of the bench, an archive for whoever helps. One at a time; while it
//! is under way the screen says how far it is, and the same keys drop it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::batch::counts::BatchCounts;
use crate::domain::batch::export::{Export, ExportError, ExportProgress, ReportFormat, WrittenExport};
use crate::domain::batch::{Batch, BatchOrder, WHOLE_BENCH};
use crate::domain::ids::NodeId;
use crate::domain::node::Node;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::domain::time::Timestamp;
use crate::tui::msg::UiEffect;
use crate::tui::popup::{MenuChoice, Popup, Then};
use crate::tui::state::Screen;
use crate::tui::style::text::{clock, count};
use crate::tui::style::theme::Meaning;
use crate::tui::workers::export::ExportNews;

/// What is known of papers.
#[derive(Clone, Debug, Default)]
pub struct Papers {
    /// There is somebody who writes them.
    pub can_be: bool,
    pub under_way: Option<UnderWay>,
    /// What is to be said of the last one as soon as nothing else is read or typed.
    untold: Option<Popup>,
}

/// A paper that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// As `the report of batch 3, line 2`.
    pub deed: String,
    pub step: Option<ExportProgress>,
}

impl UnderWay {
    /// `the report of batch 3, line 2: machines signed 512 of 3000`.
    pub fn in_words(&self) -> String {
        match self.step {
            Some(ExportProgress { what, done, of: Some(of) }) => format!("{}: {what} {done} of {of}", self.deed),
            Some(ExportProgress { what, done, of: None }) if done > 0 => format!("{}: {what} {done}", self.deed),
            Some(ExportProgress { of: None, .. }) | None => format!("{}: under way", self.deed),
        }
    }
}

/// Which batch, if there are several, and what of its report.
pub fn report(screen: &Screen, bench: &Snapshot) -> Popup {
    let whole = of_all(bench);
    let (first, others) = match bench.batches.as_slice() {
        [] => return formats(screen, None, BENCH, &whole),
        [only] if !has_done_beside(only, bench) => return of_batch(screen, only, bench),
        [others @ .., latest] => (latest, others),
    };
    let choice = |batch: &Arc<Batch>| MenuChoice {
        words: clean(&batch.to_string(), NAME),
        about: state(screen, batch),
        then: Then::Ask(Box::new(of_batch(screen, batch, bench))),
    };
    let of_bench = MenuChoice {
        words: BENCH.into(),
        about: format!("Every machine that is on it now, in a batch or not: {}.", whole.in_words()),
        then: Then::Ask(Box::new(formats(screen, None, BENCH, &whole))),
    };
    Popup::Choice {
        title: "The report of which batch?".into(),
        text: vec!["The latest is the first.".into()],
        choices: [first].into_iter().chain(others.iter().rev()).map(choice).chain([of_bench]).collect(),
        at: 0,
    }
}

/// Whether machines have their system that are not of `batch`: they were done before it was opened, or after its end.
fn has_done_beside(batch: &Batch, bench: &Snapshot) -> bool {
    let done = |node: &&Arc<Node>| node.phase.is_done();
    let of_it: BTreeSet<NodeId> = batch.units(&bench.nodes).iter().map(|unit| unit.node).collect();
    bench.nodes.values().filter(done).any(|node| !of_it.contains(&node.id))
}

fn of_batch(screen: &Screen, batch: &Batch, bench: &Snapshot) -> Popup {
    let tally = BatchCounts::of(&batch.units(&bench.nodes));
    formats(screen, Some(batch), &clean(&batch.to_string(), NAME), &tally)
}

fn of_all(bench: &Snapshot) -> BatchCounts {
    BatchCounts::of(&Batch::open(WHOLE_BENCH, BatchOrder::default(), Timestamp::default()).units(&bench.nodes))
}

/// `open since 14:02:11`.
fn state(screen: &Screen, batch: &Batch) -> String {
    match &batch.closed {
        Some(closed) => format!("Closed at {}, with {}.", clock(&screen.zone, closed.at), machines(closed.units.len())),
        None => format!("Open since {}: its report is of how it stands now.", clock(&screen.zone, batch.opened)),
    }
}

/// What of a report is to be written.
fn formats(screen: &Screen, batch: Option<&Batch>, name: &str, tally: &BatchCounts) -> Popup {
    let mut text = vec![format!("{name}: {}.", tally.in_words())];
    text.extend(batch.filter(|batch| batch.is_open()).map(|batch| state(screen, batch)));
    let number = Some(batch.map_or(WHOLE_BENCH, |batch| batch.number));
    let certificates = match tally.done {
        0 => "No machine of it is done yet: there is none to sign.".to_owned(),
        done => format!("{}, signed: `oxbow verify` tells whether one was altered.", count(done, "machine")),
    };
    let all = "Table, JSON, page and certificates, in a directory of their own.".to_owned();
    let csv = "A row for each machine, for the ERP or a spreadsheet.".to_owned();
    let html = "The board, the timelines, every machine with its code: for a browser and a printer.".to_owned();
    let json = "Everything that is known of the batch and its machines.".to_owned();
    let choice = |words: &str, about: String, formats: Vec<ReportFormat>| {
        let is_nothing = formats == [ReportFormat::Certificates] && tally.done == 0;
        let write =
            UiEffect::Write { paper: Export::Report { number, formats }, deed: format!("the report of {name}") };
        MenuChoice { words: words.to_owned(), about, then: if is_nothing { Then::Nothing } else { Then::Do(write) } }
    };
    let choices = vec![
        choice("all of it", all, ReportFormat::ALL.to_vec()),
        choice("a page to print (HTML)", html, vec![ReportFormat::Html]),
        choice("a table (CSV)", csv, vec![ReportFormat::Csv]),
        choice("for programs (JSON)", json, vec![ReportFormat::Json]),
        choice("certificates alone", certificates, vec![ReportFormat::Certificates]),
    ];
    Popup::Choice { title: format!("Write the report of {name}"), text, choices, at: 0 }
}

/// The bench as a list.
pub fn list() -> UiEffect {
    UiEffect::Write { paper: Export::List, deed: "the list of the bench".into() }
}

/// An archive for whoever helps, with all about the nodes that are meant.
pub fn support(screen: &Screen, bench: &Snapshot) -> UiEffect {
    let meant = screen.meant(bench);
    let about = match meant.as_slice() {
        [] => "for whoever helps".to_owned(),
        [node] => format!("about {}", clean(&node.label(), NAME)),
        nodes => format!("about {}", count(nodes.len(), "node")),
    };
    let nodes = meant.iter().map(|node| node.id).collect();
    UiEffect::Write { paper: Export::Support { nodes }, deed: format!("the support archive {about}") }
}

/// Whether the paper that is under way is to be dropped.
pub fn ask_to_drop(under_way: &UnderWay) -> Popup {
    Popup::Question {
        title: "Drop what is being written?".into(),
        text: vec![
            format!("{}.", under_way.in_words()),
            "Nothing is left of it then; it can be asked for again.".into(),
        ],
        on_yes: UiEffect::DropPaper,
        yes: false,
    }
}

/// Begins with a paper.
pub fn begun(screen: &mut Screen, deed: &str) {
    screen.papers.under_way = Some(UnderWay { deed: deed.to_owned(), step: None });
}

/// Takes in what was heard of it.
pub fn heard(screen: &mut Screen, news: ExportNews) {
    let ended = match news {
        ExportNews::Step(step) => {
            if let Some(under_way) = &mut screen.papers.under_way {
                under_way.step = Some(step);
            }
            return;
        }
        ExportNews::Ended(ended) => ended,
    };
    let deed = screen.papers.under_way.take().map(|under_way| under_way.deed).unwrap_or_default();
    match ended {
        Ok(kept) => {
            screen.say(Meaning::Success, format!("written: {deed}"));
            screen.papers.untold = Some(where_it_is(&deed, &kept));
        }
        Err(ExportError::Dropped) => screen.say(Meaning::Notice, format!("dropped: {deed}; nothing is left of it")),
        Err(ExportError::Problem { what, hint }) => {
            screen.say(Meaning::Failure, format!("not written: {deed}"));
            let text = vec![clean(&what, WORDS), format!("hint: {}", clean(&hint, WORDS))];
            screen.papers.untold = Some(Popup::Notice { title: format!("Not written: {deed}"), text });
        }
    }
}

/// Says what was not said yet, once nothing else is read or typed.
pub fn tell(screen: &mut Screen) {
    if screen.popup.is_none() && !screen.place().is_typing() {
        screen.popup = screen.papers.untold.take();
    }
}

/// The whole path has a line of its own, to be copied or read out.
fn where_it_is(deed: &str, kept: &WrittenExport) -> Popup {
    let about = kept.about.iter().map(|about| format!("{}.", clean(about, WORDS)));
    let carry =
        "To carry it away, copy it to a stick below /media by cp -r, or fetch it from this workstation by scp -r.";
    let place = clean(&kept.place.to_string_lossy(), PATH);
    let text = about.chain([String::new(), place, String::new(), carry.to_owned()]).collect();
    Popup::Notice { title: format!("Written: {deed}"), text }
}

fn machines(number: usize) -> String {
    count(number, "machine")
}

const BENCH: &str = "the whole bench";
/// Letters of a batch's or a node's name.
const NAME: usize = 60;
const WORDS: usize = 400;
const PATH: usize = 4096;
