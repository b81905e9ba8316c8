//! What the screen remembers between frames: where it is, what is chosen, what was asked. Nothing of the bench itself.

pub mod alarm;
pub mod batch_form;
pub mod exports;
pub mod filter;
pub mod form;
pub mod import;
pub mod listing;
pub mod reader;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use ratatui::layout::{Rect, Size};

use crate::domain::forecast::Forecast;
use crate::domain::ids::NodeId;
use crate::domain::node::Node;
use crate::domain::snapshot::Snapshot;
use crate::domain::time::Timestamp;
use crate::tui::input::keymap::{KeyPlace, Tab};
use crate::tui::pane::Pane;
use crate::tui::popup::Popup;
use crate::tui::state::alarm::{AlarmState, Calls};
use crate::tui::state::exports::Papers;
use crate::tui::state::filter::Filter;
use crate::tui::state::form::{Editing, Form};
use crate::tui::state::import::ImportState;
use crate::tui::state::listing::{Listing, NodeCounts, SortBy};
use crate::tui::state::reader::Reader;
use crate::tui::style::layout::{FramePlan, layout};
use crate::tui::style::theme::{Meaning, Theme};

/// The state of the screen. [`crate::tui::update()`] changes it, [`crate::tui::view()`] shows it.
#[derive(Debug)]
pub struct Screen {
    pub theme: Theme,
    /// Times of day are shown in this zone.
    pub zone: TimeZone,
    pub size: Size,
    pub now: Timestamp,
    pub pane: Pane,
    /// The chosen node: the choice follows the node, not the row.
    pub chosen: Option<NodeId>,
    /// The nodes that keys act on instead of the chosen one, if there are any.
    pub marked: BTreeSet<NodeId>,
    /// The filter as it is typed.
    pub filter: String,
    /// Whether it is being typed now.
    pub typing: bool,
    pub sort: SortBy,
    pub flipped: bool,
    pub listing: Listing,
    /// All nodes, as the board of the batch has them.
    pub board: Listing,
    pub pace: Forecast,
    /// The second it is of, and who did what then.
    pub paced: Option<(u64, NodeCounts)>,
    pub form: Form,
    /// The node that is being edited, and what it is to become.
    pub editing: Option<Editing>,
    pub desk: ImportState,
    pub papers: Papers,
    /// Where the log of the open node is read.
    pub reading: LogPosition,
    /// Where in what all say.
    pub reader: Reader,
    /// Lines of a text that are above its window.
    pub scrolled: usize,
    /// The open node has the page for itself, without its log.
    pub whole: bool,
    /// Where one was when the open node was opened.
    pub opened_from: Pane,
    /// How fast a recording goes, as `x4`; none where the bench is a real one.
    pub replay: Option<String>,
    pub frozen: Option<Frozen>,
    /// Large figures instead of the panes.
    pub wall: bool,
    pub alarm: AlarmState,
    /// What a bell is rung for, and what makes the first lines stand out for a moment.
    pub bell: Calls,
    pub flash: Calls,
    /// Until when they stand out, and why.
    pub flashing: Option<(Meaning, Timestamp)>,
    pub popup: Option<Popup>,
    pub toast: Option<Toast>,
    /// When Ctrl-C was last pressed.
    pub interrupted: Option<Timestamp>,
    /// Who sits in front of it, as far as that is known.
    pub person: Option<String>,
}

/// Where a log is read.
#[derive(Clone, Debug, Default)]
pub enum LogPosition {
    /// At its end, as it grows.
    #[default]
    Following,
    /// From the first line that is kept.
    Beginning,
    /// This line is the last one in view.
    At(Arc<str>),
}

/// The view as it was when it was frozen. The services go on.
#[derive(Debug)]
pub struct Frozen {
    pub bench: Box<Snapshot>,
    pub at: Timestamp,
}

/// A line that goes by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    pub meaning: Meaning,
    pub text: String,
    pub until: Timestamp,
}

impl Screen {
    pub fn new(theme: Theme, zone: TimeZone, size: Size, now: Timestamp) -> Self {
        Self {
            theme,
            zone,
            size,
            now,
            pane: Pane::Nodes,
            chosen: None,
            marked: BTreeSet::new(),
            filter: String::new(),
            typing: false,
            sort: SortBy::default(),
            flipped: false,
            listing: Listing::default(),
            board: Listing::default(),
            pace: Forecast::default(),
            paced: None,
            form: Form::default(),
            editing: None,
            desk: ImportState::default(),
            papers: Papers::default(),
            reading: LogPosition::Following,
            reader: Reader::default(),
            scrolled: 0,
            whole: false,
            opened_from: Pane::Nodes,
            replay: None,
            frozen: None,
            wall: false,
            alarm: AlarmState::default(),
            bell: Calls::default(),
            flash: Calls::default(),
            flashing: None,
            popup: None,
            toast: None,
            interrupted: None,
            person: None,
        }
    }

    /// Where keys go.
    pub fn place(&self) -> KeyPlace {
        match (&self.popup, self.pane) {
            (Some(Popup::Question { .. }), _) => KeyPlace::Question,
            (Some(Popup::Typed { .. }), _) => KeyPlace::Typed,
            (Some(Popup::Choice { .. }), _) => KeyPlace::Choice,
            (Some(Popup::Notice { .. }), _) => KeyPlace::Notice,
            (Some(Popup::Order(_)), _) => KeyPlace::Order,
            (Some(Popup::Help { finding: true, .. }), _) => KeyPlace::Search,
            (Some(Popup::Help { .. }), _) => KeyPlace::Help,
            (Some(Popup::Commands { .. }), _) => KeyPlace::Commands,
            (None, _) if self.wall => KeyPlace::Wall,
            (None, _) => self.place_below(),
        }
    }

    /// Where keys would go without the popup.
    pub fn place_below(&self) -> KeyPlace {
        match self.pane {
            Pane::Nodes | Pane::Logs if self.typing => KeyPlace::Filter,
            Pane::Batch => KeyPlace::Batch,
            Pane::Nodes => KeyPlace::Nodes,
            Pane::Node(_) => KeyPlace::Node,
            Pane::Edit(_) => KeyPlace::Edit,
            Pane::Register => KeyPlace::Form,
            Pane::Import if self.desk.typing => KeyPlace::Path,
            Pane::Import if self.desk.open.is_some() => KeyPlace::Preview,
            Pane::Import => KeyPlace::Lists,
            Pane::Services => KeyPlace::Services,
            Pane::Logs => KeyPlace::Logs,
            Pane::Profiles => KeyPlace::Text,
        }
    }

    /// The tab that the pane belongs to.
    pub fn tab(&self) -> Tab {
        match self.pane {
            Pane::Batch => Tab::Batch,
            Pane::Nodes | Pane::Node(_) | Pane::Edit(_) => Tab::Nodes,
            Pane::Register => Tab::Register,
            Pane::Import => Tab::Import,
            Pane::Profiles => Tab::Profiles,
            Pane::Services => Tab::Services,
            Pane::Logs => Tab::Logs,
        }
    }

    /// The bench as it is shown: `live`, or what it was when the view was frozen.
    pub fn shown<'s>(&'s self, live: &'s Snapshot) -> &'s Snapshot {
        self.frozen.as_ref().map_or(live, |frozen| &frozen.bench)
    }

    /// The moment that ages are counted to.
    pub fn moment(&self) -> Timestamp {
        self.frozen.as_ref().map_or(self.now, |frozen| frozen.at)
    }

    /// The node that keys act on, as it is in `bench`.
    pub fn node<'s>(&self, bench: &'s Snapshot) -> Option<&'s Arc<Node>> {
        let id = match self.pane {
            Pane::Node(id) | Pane::Edit(id) => Some(id),
            Pane::Batch | Pane::Nodes => self.chosen,
            Pane::Register | Pane::Import | Pane::Profiles | Pane::Services | Pane::Logs => None,
        };
        bench.nodes.get(&id?)
    }

    /// The nodes that keys act on: the marked ones of the table, else the one that is open or chosen.
    pub fn meant<'s>(&'s self, bench: &'s Snapshot) -> Vec<&'s Arc<Node>> {
        match self.pane {
            Pane::Nodes if !self.marked.is_empty() => self.marked.iter().filter_map(|id| bench.nodes.get(id)).collect(),
            Pane::Batch
            | Pane::Nodes
            | Pane::Node(_)
            | Pane::Edit(_)
            | Pane::Register
            | Pane::Import
            | Pane::Profiles
            | Pane::Services
            | Pane::Logs => self.node(bench).into_iter().collect(),
        }
    }

    /// What letters are added to now, and how many it has room for.
    pub fn field(&mut self) -> Option<(&mut String, usize)> {
        match (&mut self.popup, self.pane) {
            (Some(Popup::Typed { typed, .. }), _) => Some((typed, TYPED)),
            (Some(Popup::Order(form)), _) => form.typed().map(|text| (text, ORDER)),
            (Some(Popup::Commands { typed, .. }), _) => Some((typed, FILTER)),
            (Some(Popup::Help { find, finding: true, .. }), _) => Some((find, FILTER)),
            (None, Pane::Nodes) if self.typing => Some((&mut self.filter, FILTER)),
            (None, Pane::Logs) if self.typing => Some((&mut self.reader.filter, FILTER)),
            (None, Pane::Import) if self.desk.typing => Some((&mut self.desk.path, PATH)),
            (None, Pane::Register) => self.form.field().map(|text| (text, FIELD)),
            (None, Pane::Edit(_)) => self.editing.as_mut()?.form.field().map(|text| (text, FIELD)),
            _ => None,
        }
    }

    /// The form that keys fill in.
    pub fn form_in_view(&mut self) -> &mut Form {
        match &mut self.editing {
            Some(editing) if matches!(self.pane, Pane::Edit(_)) => &mut editing.form,
            _ => &mut self.form,
        }
    }

    /// The row of the chosen node.
    pub fn row(&self) -> Option<usize> {
        self.chosen.and_then(|id| self.rows().position(id))
    }

    /// The nodes one chooses from, in their order.
    pub fn rows(&self) -> &Listing {
        if self.pane == Pane::Batch { &self.board } else { &self.listing }
    }

    pub fn plan(&self) -> Option<FramePlan> {
        layout(Rect::new(0, 0, self.size.width, self.size.height), self.pane, self.whole)
    }

    /// Rows of a pane that are seen at once.
    pub fn page(&self) -> usize {
        let rows = self.plan().map_or(1, |plan| match self.pane {
            Pane::Nodes => plan.table.height.saturating_sub(3),
            Pane::Node(_) => plan.log.unwrap_or(plan.table).height.saturating_sub(2),
            Pane::Edit(_)
            | Pane::Register
            | Pane::Import
            | Pane::Profiles
            | Pane::Services
            | Pane::Logs
            | Pane::Batch => plan.table.height.saturating_sub(2),
        });
        usize::from(rows.max(1))
    }

    pub fn say(&mut self, meaning: Meaning, text: impl Into<String>) {
        self.toast = Some(Toast { meaning, text: text.into(), until: self.now.after(TOAST) });
    }

    /// Tells what has happened on the bench since it was last looked at. Says whether a bell is to ring.
    pub fn heed(&mut self, live: &Snapshot) -> bool {
        let Some(news) = self.alarm.look(live) else { return false };
        self.say(news.meaning(), news.words(live));
        if news.calls(self.flash) {
            self.flashing = Some((news.meaning(), self.now.after(FLASH)));
        }
        news.calls(self.bell)
    }

    /// Brings what depends on the bench up to date: the order of the nodes, and a choice that exists.
    pub fn refresh(&mut self, live: &Snapshot) {
        let row = self.row();
        let (moment, filter) = (self.moment(), Filter::parse(&self.filter));
        let bench = self.frozen.as_ref().map_or(live, |frozen| &frozen.bench);
        // With ten thousand nodes an order is what costs most: only that one is made which is seen.
        let is_new = match self.pane {
            Pane::Batch => self.board.refresh(bench, moment, &Filter::default(), SortBy::Problems, false),
            _ => self.listing.refresh(bench, moment, &filter, self.sort, self.flipped),
        };
        if is_new {
            self.marked.retain(|id| bench.nodes.contains_key(id));
        }
        let paced = Some((moment.as_millis() / 1000, self.board.counts));
        if self.pane == Pane::Batch && self.paced != paced {
            (self.pace, self.paced) = (Forecast::of(bench, moment), paced);
        }
        if self.row().is_none() {
            // The node is gone or filtered away: the one that took its row is next to it.
            let rows = &self.rows().nodes;
            self.chosen = rows.len().checked_sub(1).and_then(|last| rows.get(row.unwrap_or(0).min(last)).copied());
        }
        if self.pane == Pane::Logs {
            self.reader.refresh(&bench.stream);
        }
        if let Pane::Node(id) | Pane::Edit(id) = self.pane
            && !bench.nodes.contains_key(&id)
        {
            (self.pane, self.editing) = (Pane::Nodes, None);
        }
    }
}

/// Letters of a filter.
const FILTER: usize = 80;
/// Letters of a path.
const PATH: usize = 1000;
/// Letters of a batch's name, order or operator: they fit on a label.
const ORDER: usize = 80;
/// Letters of a field.
const FIELD: usize = 200;
/// Letters of a number that is to be typed.
const TYPED: usize = 64;
const TOAST: Duration = Duration::from_secs(5);
const FLASH: Duration = Duration::from_secs(3);
