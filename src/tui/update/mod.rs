//! What a message does to the screen. Pure: the bench is read, time comes in as [`Msg::Tick`], wishes go out.

mod asking;
mod moving;
mod typing;

use crossterm::event::{KeyEvent, KeyEventKind};

use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::confirm::allowed::allowed;
use crate::tui::confirm::{self, undo};
use crate::tui::input::keymap::{Action, Tab};
use crate::tui::msg::{Msg, UiEffect};
use crate::tui::pane::Pane;
use crate::tui::popup::Popup;
use crate::tui::popups;
use crate::tui::state::batch_form::{self, OrderField, OrderForm};
use crate::tui::state::form::{Editing, Form};
use crate::tui::state::reader::Least;
use crate::tui::state::{Frozen, LogPosition, Screen, exports, import};
use crate::tui::style::theme::Meaning;
use crate::tui::update::asking::{answer, answered, begin, choose, interrupt, quit};
use crate::tui::update::moving::move_by;
use crate::tui::update::typing::{entered, from_the_first, paste, scanned, tab, type_letter};
use crate::tui::workers::lists::ListJob;

/// Takes `msg` in; what is to be done in the world comes back.
pub fn update(screen: &mut Screen, bench: &Snapshot, msg: Msg) -> Option<UiEffect> {
    let pane = screen.pane;
    let effect = match msg {
        Msg::Key(key) => press(screen, bench, key),
        Msg::Paste(text) => paste(screen, bench, &text),
        Msg::Scanned(text) => scanned(screen, bench, &text),
        Msg::TooSoon => {
            screen.say(Meaning::Warning, "the keys came faster than this can be read: answer it again");
            None
        }
        Msg::Resized(size) => {
            screen.size = size;
            None
        }
        Msg::Bench => screen.heed(bench).then_some(UiEffect::Bell),
        Msg::Tick(now) => {
            screen.now = now;
            screen.toast.take_if(|toast| screen.replay.is_none() && toast.until <= now);
            screen.flashing.take_if(|(_, until)| *until <= now);
            None
        }
        Msg::Found(found) => {
            match screen.desk.take(found) {
                Some(Ok(words)) => screen.say(Meaning::Success, words),
                Some(Err(words)) => screen.say(Meaning::Failure, words),
                None => {}
            }
            None
        }
        Msg::Answered(answer) => answered(screen, answer),
        Msg::Paper(news) => {
            exports::heard(screen, news);
            None
        }
    };
    exports::tell(screen);
    screen.refresh(bench);
    let arrived = screen.pane == Pane::Import && pane != Pane::Import;
    effect.or_else(|| arrived.then_some(UiEffect::Files(ListJob::List)))
}

fn press(screen: &mut Screen, bench: &Snapshot, key: KeyEvent) -> Option<UiEffect> {
    if key.kind != KeyEventKind::Press {
        return None;
    }
    if screen.replay.is_some() {
        // A recording's time may stand, or run: what was said is there until the next key.
        screen.toast = None;
    }
    let place = screen.place();
    let Some(binding) = place.binding(key) else {
        if place.is_typing() {
            type_letter(screen, key);
            from_the_first(screen);
        }
        return None;
    };
    if let Err(why) = allowed(binding.action, screen, bench) {
        screen.say(Meaning::Notice, why.to_string());
        return None;
    }
    act(screen, bench, binding.action)
}

fn act(screen: &mut Screen, bench: &Snapshot, action: Action) -> Option<UiEffect> {
    match action {
        Action::Open => open(screen, bench),
        Action::Whole => (screen.whole, screen.scrolled) = (!screen.whole, 0),
        Action::Back if matches!(screen.pane, Pane::Node(_)) => go_to(screen, screen.opened_from),
        Action::Back => go_to(screen, Pane::Nodes),
        Action::GoTo(tab) => go_to(screen, pane_of(tab)),
        Action::NextTab => turn(screen, 1),
        Action::PreviousTab => turn(screen, Tab::ALL.len() - 1),
        Action::Filter => screen.typing = true,
        Action::KeepFilter => screen.typing = false,
        Action::ClearFilter | Action::DropFilter if screen.pane == Pane::Logs => {
            screen.typing = false;
            screen.reader.filter.clear();
            screen.reader.least = Least::All;
        }
        Action::ClearFilter | Action::DropFilter => {
            screen.typing = false;
            screen.filter.clear();
        }
        Action::Level => screen.reader.least = screen.reader.least.next(),
        Action::Only => only(screen, bench),
        Action::EraseLetter => {
            screen.field().and_then(|(text, _)| text.pop());
            from_the_first(screen);
        }
        Action::EraseText => {
            screen.field().into_iter().for_each(|(text, _)| text.clear());
            from_the_first(screen);
        }
        Action::NextSort => (screen.sort, screen.flipped) = (screen.sort.next(), false),
        Action::FlipSort => screen.flipped = !screen.flipped,
        Action::Freeze => freeze(screen, bench),
        Action::Help => screen.popup = Some(Popup::Help { scrolled: 0, find: String::new(), finding: false }),
        Action::Search => set_search(screen, true),
        Action::KeepSearch => set_search(screen, false),
        Action::DropSearch => screen.popup = Some(Popup::Help { scrolled: 0, find: String::new(), finding: false }),
        Action::Commands => screen.popup = Some(Popup::Commands { typed: String::new(), at: 0 }),
        Action::RunCommand => return run_command(screen, bench),
        Action::Wall => screen.wall = true,
        Action::LeaveWall => screen.wall = false,
        Action::Mark => mark(screen),
        Action::MarkAll => mark_all(screen),
        Action::Approve => screen.popup = Some(confirm::approve(screen, bench)),
        Action::ApproveAll => screen.popup = Some(confirm::approve_all(screen, bench)),
        Action::Resolve => screen.popup = screen.node(bench).and_then(|node| confirm::resolve(node, bench)),
        Action::Rearm => screen.popup = Some(confirm::rearm(screen, bench)),
        Action::Assign => screen.popup = Some(confirm::assign(screen, bench)),
        Action::Forget => screen.popup = Some(confirm::forget(screen, bench)),
        Action::OpenBatch => screen.popup = Some(Popup::Order(OrderForm::new(screen, bench))),
        Action::OrderEntered => return order_entered(screen),
        Action::NextList | Action::PreviousList => {
            if let Some(Popup::Order(form)) = &mut screen.popup {
                form.other_list(action == Action::PreviousList);
            }
        }
        Action::CloseBatch => screen.popup = batch_form::close(screen, bench),
        Action::Report | Action::Export | Action::Support => return paper(screen, bench, action),
        Action::Policy => screen.popup = Some(confirm::policy(bench)),
        Action::Dhcp => screen.popup = Some(confirm::dhcp(screen, bench)),
        Action::Capture => return confirm::capture(screen, bench),
        Action::OpenList => return screen.desk.read_chosen(),
        Action::FindLists => return Some(UiEffect::Files(ListJob::List)),
        Action::TypePath => (screen.desk.typing, screen.desk.path) = (true, "/".into()),
        Action::ReadPath => return screen.desk.read_typed(),
        Action::DropPath => screen.desk.typing = false,
        Action::Import => screen.popup = screen.desk.ask_to_import(),
        Action::SaveErrors => return screen.desk.save_errors(),
        Action::NextProblem => screen.desk.next_problem(),
        Action::ListProfile => screen.popup = import::ask_for_profile(&screen.desk, bench),
        Action::CloseList => (screen.desk.open, screen.desk.profile) = (None, None),
        Action::Undo => screen.popup = bench.undoable(screen.now).map(|deed| undo::ask_to_undo(deed)),
        Action::Edit => edit(screen, bench),
        Action::SaveEdit => return save_edit(screen, bench),
        Action::DropEdit => drop_edit(screen),
        Action::Enter => return entered(screen, bench),
        Action::NextFieldOrTab if screen.form.is_empty() => turn(screen, 1),
        Action::PreviousFieldOrTab if screen.form.is_empty() => turn(screen, Tab::ALL.len() - 1),
        Action::NextFieldOrTab => return tab(screen, bench),
        Action::NextField => step(screen, false),
        Action::PreviousField | Action::PreviousFieldOrTab => step(screen, true),
        Action::NextProfile => screen.form_in_view().other_profile(bench, false),
        Action::PreviousProfile => screen.form_in_view().other_profile(bench, true),
        Action::Codes => (screen.form.two_codes, screen.form.half) = (!screen.form.two_codes, None),
        Action::Quit => return quit(screen, bench),
        Action::Interrupt => return interrupt(screen, bench),
        Action::Move(motion) => move_by(screen, bench, motion),
        Action::Answer(yes) => return answer(screen, yes),
        Action::Other => {
            if let Some(Popup::Question { yes, .. }) = &mut screen.popup {
                *yes = !*yes;
            }
        }
        Action::Press => {
            let focus = matches!(screen.popup, Some(Popup::Question { yes: true, .. }));
            return answer(screen, focus);
        }
        Action::Confirm => return answer(screen, true),
        Action::Choose => return choose(screen),
        Action::Close => screen.popup = None,
        Action::Replay(wish) => return Some(UiEffect::Replay(wish)),
    }
    None
}

/// To another field of the form that is filled in.
fn step(screen: &mut Screen, back: bool) {
    match &mut screen.popup {
        Some(Popup::Order(form)) => form.step(back),
        _ => screen.form_in_view().step(back),
    }
}

/// A field of the batch's form is complete; the last one opens it.
fn order_entered(screen: &mut Screen) -> Option<UiEffect> {
    let Some(Popup::Order(form)) = &mut screen.popup else { return None };
    if !form.is_at_the_last() {
        form.step(false);
        return None;
    }
    let Some(effect) = form.open() else {
        form.field = OrderField::Name;
        screen.say(Meaning::Warning, "not opened: a batch needs a name");
        return Some(UiEffect::Bell);
    };
    screen.popup = None;
    Some(effect)
}

/// Something is to be written, or what is being written is to be dropped: there is one at a time.
fn paper(screen: &mut Screen, bench: &Snapshot, action: Action) -> Option<UiEffect> {
    if let Some(under_way) = &screen.papers.under_way {
        screen.popup = Some(exports::ask_to_drop(under_way));
        return None;
    }
    match action {
        Action::Export => begin(screen, exports::list()),
        Action::Support => begin(screen, exports::support(screen, bench)),
        _ => {
            screen.popup = Some(exports::report(screen, bench));
            None
        }
    }
}

/// Opens the chosen node, or the one that said the line that is looked at.
fn open(screen: &mut Screen, bench: &Snapshot) {
    let of_line = || screen.reader.line(&screen.shown(bench).stream)?.by.node();
    let node = if screen.pane == Pane::Logs { of_line() } else { screen.chosen };
    if let Some(id) = node {
        screen.opened_from = screen.pane;
        go_to(screen, Pane::Node(id));
    }
}

/// Narrows the lines to those of whoever said the one that is looked at.
fn only(screen: &mut Screen, bench: &Snapshot) {
    let Some(said) = screen.reader.line(&screen.shown(bench).stream) else { return };
    let kind = if said.by.node().is_some() { "node" } else { "service" };
    // A term is one word.
    let name = clean(said.by.name(), NAME).to_lowercase();
    let word = name.split_whitespace().max_by_key(|word| word.len()).unwrap_or_default();
    screen.reader.filter = format!("{kind}:{word}");
}

/// Marks the chosen node, or takes its mark off, and goes on to the next.
fn mark(screen: &mut Screen) {
    let Some(id) = screen.chosen else { return };
    if !screen.marked.remove(&id) {
        screen.marked.insert(id);
    }
    let next = screen.row().and_then(|row| screen.listing.nodes.get(row + 1));
    screen.chosen = next.copied().or(screen.chosen);
}

/// Opens the form with what is known of the node.
fn edit(screen: &mut Screen, bench: &Snapshot) {
    let Some(node) = screen.node(bench) else { return };
    let (form, id) = (Form::of(node), node.id);
    screen.editing = Some(Editing { node: id, form, back: screen.pane });
    go_to(screen, Pane::Edit(id));
}

fn drop_edit(screen: &mut Screen) {
    let back = screen.editing.take().map_or(Pane::Nodes, |editing| editing.back);
    go_to(screen, back);
}

/// Asks for what the form says, if all of it can be had.
fn save_edit(screen: &mut Screen, bench: &Snapshot) -> Option<UiEffect> {
    let editing = screen.editing.as_ref()?;
    let node = bench.nodes.get(&editing.node)?;
    let Some(edit) = editing.form.edit(node) else {
        screen.say(Meaning::Warning, "not saved: correct what the form complains of");
        return Some(UiEffect::Bell);
    };
    match edit.judge(screen.now, node, &bench.nodes, &bench.index) {
        Err(why) => {
            screen.say(Meaning::Warning, format!("not saved: {why}"));
            Some(UiEffect::Bell)
        }
        Ok(changes) if changes.is_empty() && node.registered => {
            drop_edit(screen);
            screen.say(Meaning::Notice, "nothing was changed");
            None
        }
        Ok(_) => {
            let effect = confirm::edit(node, edit);
            drop_edit(screen);
            Some(effect)
        }
    }
}

fn mark_all(screen: &mut Screen) {
    let shown = &screen.listing.nodes;
    match shown.iter().all(|id| screen.marked.contains(id)) {
        true => screen.marked.clear(),
        false => screen.marked.extend(shown),
    }
}

fn go_to(screen: &mut Screen, pane: Pane) {
    (screen.pane, screen.scrolled, screen.reading, screen.typing) = (pane, 0, LogPosition::Following, false);
    screen.whole = false;
}

fn pane_of(tab: Tab) -> Pane {
    match tab {
        Tab::Batch => Pane::Batch,
        Tab::Nodes => Pane::Nodes,
        Tab::Register => Pane::Register,
        Tab::Import => Pane::Import,
        Tab::Profiles => Pane::Profiles,
        Tab::Services => Pane::Services,
        Tab::Logs => Pane::Logs,
    }
}

fn turn(screen: &mut Screen, steps: usize) {
    let at = Tab::ALL.iter().position(|tab| *tab == screen.tab()).unwrap_or(0);
    go_to(screen, pane_of(Tab::ALL[(at + steps) % Tab::ALL.len()]));
}

fn freeze(screen: &mut Screen, bench: &Snapshot) {
    screen.frozen = match screen.frozen {
        Some(_) => None,
        None => Some(Frozen { bench: Box::new(bench.clone()), at: screen.now }),
    };
}

fn set_search(screen: &mut Screen, on: bool) {
    if let Some(Popup::Help { finding, .. }) = &mut screen.popup {
        *finding = on;
    }
}

/// Does what was found by its name, or says why not.
fn run_command(screen: &mut Screen, bench: &Snapshot) -> Option<UiEffect> {
    let Some(Popup::Commands { typed, at }) = screen.popup.take() else { return None };
    let entry = popups::commands::entries(screen, bench, &typed).into_iter().nth(at)?;
    match entry.why_not {
        None => act(screen, bench, entry.binding.action),
        Some(why) => {
            screen.say(Meaning::Notice, why);
            None
        }
    }
}

/// Letters of a name that is filtered by.
const NAME: usize = 60;
