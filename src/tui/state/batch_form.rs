//! A batch is opened: what people say of it, typed or scanned from the order's papers. And it is closed.

use std::collections::BTreeSet;

use crate::domain::batch::counts::BatchCounts;
use crate::domain::batch::{Batch, BatchOrder};
use crate::domain::command::Command;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::msg::{HubRequest, UiEffect};
use crate::tui::popup::Popup;
use crate::tui::state::Screen;
use crate::tui::style::text::count;

/// The form of a batch that is not open yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderForm {
    pub field: OrderField,
    texts: [String; 3],
    /// Only the machines of this list are expected; none: all that are registered and not done.
    pub list: Option<String>,
    /// Lists that machines were registered by.
    lists: Vec<String>,
}

/// A line of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OrderField {
    #[default]
    Name,
    WorkOrder,
    Operator,
    Expected,
}

impl OrderField {
    pub const ALL: [Self; 4] = [Self::Name, Self::WorkOrder, Self::Operator, Self::Expected];

    pub fn title(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::WorkOrder => "Work order",
            Self::Operator => "Operator",
            Self::Expected => "Expected",
        }
    }
}

impl OrderForm {
    /// Empty, but for who sits here.
    pub fn new(screen: &Screen, bench: &Snapshot) -> Self {
        let listed = bench.nodes.values().filter_map(|node| node.listed.as_ref());
        let lists: BTreeSet<&String> = listed.map(|listed| &listed.file).collect();
        let operator = screen.person.clone().unwrap_or_default();
        let texts = [String::new(), String::new(), operator];
        Self { texts, lists: lists.into_iter().cloned().collect(), ..Self::default() }
    }

    pub fn text(&self, field: OrderField) -> &str {
        self.texts.get(field as usize).map_or("", String::as_str)
    }

    /// The text that letters are added to; a list is chosen, not typed.
    pub fn typed(&mut self) -> Option<&mut String> {
        self.texts.get_mut(self.field as usize)
    }

    pub fn step(&mut self, back: bool) {
        let at = self.field as usize + if back { OrderField::ALL.len() - 1 } else { 1 };
        self.field = OrderField::ALL[at % OrderField::ALL.len()];
    }

    pub fn is_at_the_last(&self) -> bool {
        Some(&self.field) == OrderField::ALL.last()
    }

    /// Another list, or all that are registered.
    pub fn other_list(&mut self, back: bool) {
        let all: Vec<Option<&String>> = [None].into_iter().chain(self.lists.iter().map(Some)).collect();
        let at = all.iter().position(|list| *list == self.list.as_ref()).unwrap_or(0);
        let to = if back { at + all.len() - 1 } else { at + 1 };
        self.list = all[to % all.len()].cloned();
    }

    /// Whether there is anything to choose from.
    pub fn has_lists(&self) -> bool {
        !self.lists.is_empty()
    }

    /// What it says; none as long as it has no name.
    pub fn order(&self) -> Option<BatchOrder> {
        let some = |field| Some(self.text(field).to_owned());
        let order = BatchOrder {
            name: self.text(OrderField::Name).to_owned(),
            work_order: some(OrderField::WorkOrder),
            operator: some(OrderField::Operator),
            list: self.list.clone(),
        };
        order.cleaned()
    }

    /// Asks for the batch, if it has a name.
    pub fn open(&self) -> Option<UiEffect> {
        let order = self.order()?;
        let deed = format!("{OPEN}{}", order.name);
        Some(UiEffect::Ask(HubRequest::one(Command::OpenBatch(order), deed)))
    }

    /// How many machines it expects.
    pub fn expects(&self, bench: &Snapshot) -> usize {
        let of_list = |file: &String| self.list.as_ref().is_none_or(|list| list == file);
        let nodes = bench.nodes.values().filter(|node| node.registered && !node.phase.is_done());
        nodes.filter(|node| self.list.is_none() || node.listed.as_ref().is_some_and(|it| of_list(&it.file))).count()
    }
}

/// The batch that is open.
pub fn open_batch(bench: &Snapshot) -> Option<&Batch> {
    bench.batches.last().map(AsRef::as_ref).filter(|batch| batch.is_open())
}

/// Asks before the batch that is open is closed: for good. Where it is not whole, its name is to be typed.
pub fn close(screen: &Screen, bench: &Snapshot) -> Option<Popup> {
    let batch = open_batch(bench)?;
    let (label, name) = (clean(&batch.to_string(), NAME), clean(&batch.order.name, NAME));
    let tally = BatchCounts::of(&batch.units(&bench.nodes));
    let at_work = bench.nodes.values().filter(|node| node.is_at_work(screen.now)).count();
    let mut text = vec![format!("{}.", tally.in_words())];
    if at_work > 0 {
        let (are, they) = if at_work == 1 { ("is", "it was") } else { ("are", "they were") };
        text.push(format!("{} {are} at work: it is kept that {they} not done.", count(at_work, "node")));
    }
    text.push("What became of each machine is kept as it is now, and the batch is not opened again.".into());
    let on_yes = UiEffect::Ask(HubRequest::one(Command::CloseBatch, format!("{CLOSE}{label}")));
    let title = format!("Close {label}?");
    if tally.is_whole() && at_work == 0 {
        return Some(Popup::Question { title, text, on_yes, yes: false });
    }
    let can_be_typed = name.chars().all(|letter| letter == ' ' || letter.is_ascii_graphic());
    let wanted = if can_be_typed { name } else { batch.number.to_string() };
    Some(Popup::Typed { title, text, on_yes, wanted, typed: String::new() })
}

/// What is to be said beside that a deed is done: what comes next.
pub fn what_next(deed: &str) -> Option<&'static str> {
    match deed {
        deed if deed.starts_with(CLOSE) => Some("R writes its report"),
        deed if deed.starts_with(OPEN) => Some("what is done from now on is of it"),
        _ => None,
    }
}

const OPEN: &str = "open the batch ";
const CLOSE: &str = "close ";
/// Letters of a batch's name.
const NAME: usize = 60;
