//! What a message does to the screen. Pure: the bench is read, time comes in as [`Msg::Tick`], wishes go out.

use std::sync::Arc;
use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::domain::command::Command;
use crate::domain::identity::Identity;
use crate::domain::naming::named;
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::allowed::allowed;
use crate::tui::files::Job;
use crate::tui::form::{Editing, Field, Form, Outcome};
use crate::tui::keymap::{Action, Motion, Place, Tab};
use crate::tui::msg::{Answer, Ask, Effect, Msg, NotDone, What};
use crate::tui::order::{OrderField, OrderForm};
use crate::tui::reader::Least;
use crate::tui::scan::Label;
use crate::tui::screen::{Frozen, Pane, Popup, Reading, Screen, Then};
use crate::tui::theme::Meaning;
use crate::tui::words::count;
use crate::tui::{deeds, desk, order, panes, papers, popups, undo};

/// Takes `msg` in; what is to be done in the world comes back.
pub fn update(screen: &mut Screen, bench: &Snapshot, msg: Msg) -> Option<Effect> {
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
        Msg::Bench => screen.heed(bench).then_some(Effect::Bell),
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
            papers::heard(screen, news);
            None
        }
    };
    papers::tell(screen);
    screen.refresh(bench);
    let arrived = screen.pane == Pane::Import && pane != Pane::Import;
    effect.or_else(|| arrived.then_some(Effect::Files(Job::List)))
}

fn press(screen: &mut Screen, bench: &Snapshot, key: KeyEvent) -> Option<Effect> {
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

fn act(screen: &mut Screen, bench: &Snapshot, action: Action) -> Option<Effect> {
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
        Action::Approve => screen.popup = Some(deeds::approve(screen, bench)),
        Action::ApproveAll => screen.popup = Some(deeds::approve_all(screen, bench)),
        Action::Resolve => screen.popup = screen.node(bench).and_then(|node| deeds::resolve(node, bench)),
        Action::Rearm => screen.popup = Some(deeds::rearm(screen, bench)),
        Action::Assign => screen.popup = Some(deeds::assign(screen, bench)),
        Action::Forget => screen.popup = Some(deeds::forget(screen, bench)),
        Action::OpenBatch => screen.popup = Some(Popup::Order(OrderForm::new(screen, bench))),
        Action::OrderEntered => return order_entered(screen),
        Action::NextList | Action::PreviousList => {
            if let Some(Popup::Order(form)) = &mut screen.popup {
                form.other_list(action == Action::PreviousList);
            }
        }
        Action::CloseBatch => screen.popup = order::close(screen, bench),
        Action::Report | Action::Export | Action::Support => return paper(screen, bench, action),
        Action::Policy => screen.popup = Some(deeds::policy(bench)),
        Action::Dhcp => screen.popup = Some(deeds::dhcp(screen, bench)),
        Action::Capture => return deeds::capture(screen, bench),
        Action::OpenList => return screen.desk.read_chosen(),
        Action::FindLists => return Some(Effect::Files(Job::List)),
        Action::TypePath => (screen.desk.typing, screen.desk.path) = (true, "/".into()),
        Action::ReadPath => return screen.desk.read_typed(),
        Action::DropPath => screen.desk.typing = false,
        Action::Import => screen.popup = screen.desk.ask_to_import(),
        Action::SaveErrors => return screen.desk.save_errors(),
        Action::NextProblem => screen.desk.next_problem(),
        Action::ListProfile => screen.popup = desk::ask_for_profile(&screen.desk, bench),
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
        Action::Replay(wish) => return Some(Effect::Replay(wish)),
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
fn order_entered(screen: &mut Screen) -> Option<Effect> {
    let Some(Popup::Order(form)) = &mut screen.popup else { return None };
    if !form.is_at_the_last() {
        form.step(false);
        return None;
    }
    let Some(effect) = form.open() else {
        form.field = OrderField::Name;
        screen.say(Meaning::Warning, "not opened: a batch needs a name");
        return Some(Effect::Bell);
    };
    screen.popup = None;
    Some(effect)
}

/// Something is to be written, or what is being written is to be dropped: there is one at a time.
fn paper(screen: &mut Screen, bench: &Snapshot, action: Action) -> Option<Effect> {
    if let Some(under_way) = &screen.papers.under_way {
        screen.popup = Some(papers::ask_to_drop(under_way));
        return None;
    }
    match action {
        Action::Export => begin(screen, papers::list()),
        Action::Support => begin(screen, papers::support(screen, bench)),
        _ => {
            screen.popup = Some(papers::report(screen, bench));
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
    let name = clean(said.by.name(), SCANNED).to_lowercase();
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
fn save_edit(screen: &mut Screen, bench: &Snapshot) -> Option<Effect> {
    let editing = screen.editing.as_ref()?;
    let node = bench.nodes.get(&editing.node)?;
    let Some(edit) = editing.form.edit(node) else {
        screen.say(Meaning::Warning, "not saved: correct what the form complains of");
        return Some(Effect::Bell);
    };
    match edit.judge(screen.now, node, &bench.nodes, &bench.index) {
        Err(why) => {
            screen.say(Meaning::Warning, format!("not saved: {why}"));
            Some(Effect::Bell)
        }
        Ok(changes) if changes.is_empty() && node.registered => {
            drop_edit(screen);
            screen.say(Meaning::Notice, "nothing was changed");
            None
        }
        Ok(_) => {
            let effect = deeds::edit(node, edit);
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
    (screen.pane, screen.scrolled, screen.reading, screen.typing) = (pane, 0, Reading::Following, false);
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

fn quit(screen: &mut Screen, bench: &Snapshot) -> Option<Effect> {
    let at_work = bench.nodes.values().filter(|node| node.is_at_work(screen.now)).count();
    let mut text = Vec::new();
    if at_work > 0 {
        let (are, wait) = if at_work == 1 { ("is", "It waits") } else { ("are", "They wait") };
        text.push(format!("{} {are} at work.", count(at_work, "node")));
        text.push(format!("{wait} for this station, and nothing is served until it is started again."));
    }
    if let Some(under_way) = &screen.papers.under_way {
        text.push(format!("{}. It is dropped, and nothing is left of it.", under_way.in_words()));
    }
    if text.is_empty() {
        return Some(Effect::Quit);
    }
    screen.popup = Some(Popup::Question { title: "Quit oxbow?".into(), text, on_yes: Effect::Quit, yes: false });
    None
}

fn interrupt(screen: &mut Screen, bench: &Snapshot) -> Option<Effect> {
    let twice = screen.interrupted.is_some_and(|at| screen.now.since(at) <= TWICE);
    screen.interrupted = Some(screen.now);
    if twice {
        return Some(Effect::Quit);
    }
    if quit(screen, bench).is_some() {
        screen.popup = Some(Popup::Question {
            title: "Quit oxbow?".into(),
            text: vec!["No node is at work. Nothing is served until it is started again.".into()],
            on_yes: Effect::Quit,
            yes: false,
        });
    }
    None
}

fn answer(screen: &mut Screen, yes: bool) -> Option<Effect> {
    match screen.popup.take()? {
        Popup::Question { on_yes, .. } | Popup::Typed { on_yes, .. } if yes => begin(screen, on_yes),
        Popup::Question { .. }
        | Popup::Typed { .. }
        | Popup::Choice { .. }
        | Popup::Notice { .. }
        | Popup::Order(_)
        | Popup::Help { .. }
        | Popup::Commands { .. } => None,
    }
}

fn set_search(screen: &mut Screen, on: bool) {
    if let Some(Popup::Help { finding, .. }) = &mut screen.popup {
        *finding = on;
    }
}

/// Does what was found by its name, or says why not.
fn run_command(screen: &mut Screen, bench: &Snapshot) -> Option<Effect> {
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

fn choose(screen: &mut Screen) -> Option<Effect> {
    let Some(Popup::Choice { mut choices, at, .. }) = screen.popup.take() else { return None };
    if at >= choices.len() {
        return None;
    }
    match choices.swap_remove(at).then {
        Then::Nothing => None,
        Then::Do(effect) => begin(screen, effect),
        Then::Ask(popup) => {
            screen.popup = Some(*popup);
            None
        }
    }
}

/// What marked nodes were marked for is on its way: the next key is about the chosen one again.
fn begin(screen: &mut Screen, effect: Effect) -> Option<Effect> {
    if let Effect::Files(Job::Read { profile, .. }) = &effect {
        return screen.desk.read_with(profile.clone());
    }
    if let Effect::Write { deed, .. } = &effect {
        papers::begun(screen, deed);
    }
    if let Effect::Ask(Ask { what: What::Import { .. }, deed }) = &effect {
        screen.say(Meaning::Active, format!("under way: {deed}"));
    }
    if let Effect::Ask(Ask { what, deed }) = &effect
        && matches!(what, What::Each(_) | What::One(Command::Forget { .. }))
    {
        screen.marked.clear();
        screen.say(Meaning::Active, format!("under way: {deed}"));
    }
    Some(effect)
}

fn answered(screen: &mut Screen, answer: Answer) -> Option<Effect> {
    if screen.form.answered(&answer) && screen.pane == Pane::Register {
        return answer.result.is_err().then_some(Effect::Bell);
    }
    match answer.result {
        Ok(()) if screen.desk.imported(&answer.deed) || deeds::can_be_undone(&answer.deed) => {
            screen.say(Meaning::Success, format!("done: {}; u takes it back within a minute", answer.deed));
        }
        Ok(()) => {
            let next = order::what_next(&answer.deed).map(|next| format!("; {next}")).unwrap_or_default();
            screen.say(Meaning::Success, format!("done: {}{next}", answer.deed));
        }
        // A question that is being read is not taken away, and no scan is lost to a popup.
        Err(why) if why == NotDone::Waiting || screen.popup.is_some() || screen.pane == Pane::Register => {
            screen.say(Meaning::Warning, format!("not done: {}: {why}", answer.deed));
        }
        Err(why) => {
            let text = vec![why.to_string()];
            screen.popup = Some(Popup::Notice { title: format!("Not done: {}", answer.deed), text });
        }
    }
    None
}

fn type_letter(screen: &mut Screen, key: KeyEvent) {
    let KeyCode::Char(letter) = key.code else { return };
    if key.modifiers.difference(KeyModifiers::SHIFT).is_empty() {
        type_text(screen, &letter.to_string());
    }
}

/// Text that was pasted or scanned goes where text is typed, and nowhere else.
fn paste(screen: &mut Screen, bench: &Snapshot, text: &str) -> Option<Effect> {
    if screen.place() == Place::Form && text.trim_end_matches([' ', '\t']).contains(['\r', '\n']) {
        let outcome = screen.form.pasted(text, screen.now, bench);
        return come_of(screen, outcome);
    }
    type_text(screen, &clean(text, PASTED));
    None
}

/// A code was scanned where letters are keys: the machine is shown, or offered to be registered.
fn scanned(screen: &mut Screen, bench: &Snapshot, text: &str) -> Option<Effect> {
    let code = clean(text, SCANNED);
    if screen.popup.is_some() {
        screen.say(Meaning::Warning, format!("{code} was scanned: answer this first, then scan it again"));
        return Some(Effect::Bell);
    }
    let wish = match Label::read(text) {
        Ok(label) => label.registration(),
        Err(why) => {
            screen.say(Meaning::Warning, format!("scanned: {why}"));
            return Some(Effect::Bell);
        }
    };
    let known = named(&bench.nodes, text).ok().or(match bench.index.settle(&bench.nodes, &wish.claims()) {
        Identity::Known(id) => Some(id),
        Identity::New | Identity::Conflict(_) => None,
    });
    let Some(node) = known.and_then(|id| bench.nodes.get(&id)) else {
        match wish.judge(screen.now, &bench.nodes, &bench.index) {
            Ok(_) => screen.popup = Some(deeds::register(&code, wish, bench)),
            Err(why) => screen.say(Meaning::Warning, format!("{code}: {why}")),
        }
        return Some(Effect::Bell);
    };
    if screen.listing.position(node.id).is_none() {
        screen.filter.clear();
    }
    let page = if let Pane::Node(_) = screen.pane { Pane::Node(node.id) } else { Pane::Nodes };
    go_to(screen, page);
    screen.chosen = Some(node.id);
    screen.say(Meaning::Notice, format!("{code}: {}, {}", clean(&node.label(), SCANNED), node.phase.word()));
    None
}

/// A line of the scanner, or a field, is complete.
fn entered(screen: &mut Screen, bench: &Snapshot) -> Option<Effect> {
    let outcome = match screen.form.field {
        Field::Scan => screen.form.scanned(screen.now, bench),
        Field::Profile => screen.form.register(screen.now, bench),
        Field::Serial | Field::Uuid | Field::Mac | Field::Name | Field::Hostname | Field::Site => {
            screen.form.step(false);
            Outcome::Nothing
        }
    };
    come_of(screen, outcome)
}

/// To the next field; a scanner may end its line so.
fn tab(screen: &mut Screen, bench: &Snapshot) -> Option<Effect> {
    if screen.form.field == Field::Scan && !screen.form.text(Field::Scan).is_empty() {
        return entered(screen, bench);
    }
    screen.form.step(false);
    None
}

fn come_of(screen: &mut Screen, outcome: Outcome) -> Option<Effect> {
    match outcome {
        Outcome::Nothing => None,
        Outcome::Do(effect) => Some(effect),
        Outcome::Bell => Some(Effect::Bell),
        Outcome::Wrong => {
            screen.say(Meaning::Warning, "not registered: correct what the form complains of");
            Some(Effect::Bell)
        }
        Outcome::Known(id) => {
            // The pane stays, so that the next scan is no key; the table has the node chosen.
            screen.filter.clear();
            screen.chosen = Some(id);
            Some(Effect::Bell)
        }
    }
}

fn type_text(screen: &mut Screen, text: &str) {
    let Some((field, limit)) = screen.field() else { return };
    let room = limit.saturating_sub(field.chars().count());
    field.extend(text.chars().filter(|letter| !letter.is_control()).take(room));
}

/// Other words find other things: the first of them is looked at.
fn from_the_first(screen: &mut Screen) {
    match &mut screen.popup {
        Some(Popup::Commands { at, .. }) => *at = 0,
        Some(Popup::Help { scrolled, .. }) => *scrolled = 0,
        Some(
            Popup::Question { .. }
            | Popup::Typed { .. }
            | Popup::Choice { .. }
            | Popup::Notice { .. }
            | Popup::Order(_),
        )
        | None => {}
    }
}

fn move_by(screen: &mut Screen, bench: &Snapshot, motion: Motion) {
    let page = screen.page();
    if let Some(Popup::Help { find, .. }) = &screen.popup {
        let (lines, page) = popups::help::extent(screen, bench, find);
        if let Some(Popup::Help { scrolled, .. }) = &mut screen.popup {
            *scrolled = moved(*scrolled, lines.saturating_sub(page), page, motion);
        }
        return;
    }
    if let Some(Popup::Commands { typed, .. }) = &screen.popup {
        let last = popups::commands::entries(screen, bench, typed).len().saturating_sub(1);
        if let Some(Popup::Commands { at, .. }) = &mut screen.popup {
            *at = moved(*at, last, page, motion);
        }
        return;
    }
    if let Some(Popup::Choice { choices, at, .. }) = &mut screen.popup {
        *at = moved(*at, choices.len().saturating_sub(1), page, motion);
        return;
    }
    match screen.pane {
        Pane::Nodes => {
            let Some(last) = screen.listing.nodes.len().checked_sub(1) else { return };
            let row = moved(screen.row().unwrap_or(0), last, page, motion);
            screen.chosen = screen.listing.nodes.get(row).copied();
        }
        Pane::Batch => {
            let Some(last) = screen.board.nodes.len().checked_sub(1) else { return };
            let (columns, rows) = panes::batch::steps(screen, screen.shown(bench));
            let at = screen.row().unwrap_or(0);
            let to = match motion {
                Motion::Left => at.saturating_sub(1),
                Motion::Right => at + 1,
                // Up from the first row, and down from the last, stays in its column.
                Motion::Up => at.checked_sub(columns).unwrap_or(at),
                Motion::Down if at + columns > last => at,
                Motion::Down => at + columns,
                Motion::PageUp => at.saturating_sub(columns * rows),
                Motion::PageDown => at + columns * rows,
                Motion::First => 0,
                Motion::Last => last,
            };
            screen.chosen = screen.board.nodes.get(to.min(last)).copied();
        }
        Pane::Register | Pane::Edit(_) => {}
        Pane::Import => match &mut screen.desk.open {
            Some(open) => open.at = moved(open.at, open.preview.rows.len().saturating_sub(1), page, motion),
            None => screen.desk.at = moved(screen.desk.at, screen.desk.lists.len().saturating_sub(1), page, motion),
        },
        Pane::Node(_) if screen.whole => {
            let lines = panes::node::extent(screen, screen.shown(bench));
            screen.scrolled = moved(screen.scrolled, lines.saturating_sub(page), page, motion);
        }
        Pane::Node(_) => read_on(screen, bench, motion),
        Pane::Logs => screen.reader.go(motion, page),
        Pane::Profiles | Pane::Services => {
            let lines = panes::text_height(screen, bench);
            screen.scrolled = moved(screen.scrolled, lines.saturating_sub(page), page, motion);
        }
    }
}

/// Moves through the log of the open node. At its end it is followed again.
fn read_on(screen: &mut Screen, bench: &Snapshot, motion: Motion) {
    let page = screen.page();
    let Some(node) = screen.node(screen.shown(bench)) else { return };
    let Some(last) = node.log.len().checked_sub(1) else { return };
    let first = page.saturating_sub(1).min(last);
    let at = match &screen.reading {
        Reading::Following => last,
        Reading::Beginning => first,
        Reading::At(text) => node.log.lines().rposition(|line| Arc::ptr_eq(&line.text, text)).unwrap_or(first),
    };
    let to = moved(at, last, page, motion);
    let reading = match node.log.lines().nth(to) {
        Some(line) if to > first && to < last => Reading::At(line.text.clone()),
        _ if to <= first && first < last => Reading::Beginning,
        _ => Reading::Following,
    };
    screen.reading = reading;
}

fn moved(at: usize, last: usize, page: usize, motion: Motion) -> usize {
    let to = match motion {
        Motion::Up => at.saturating_sub(1),
        Motion::Down => at + 1,
        Motion::PageUp => at.saturating_sub(page),
        Motion::PageDown => at + page,
        Motion::First => 0,
        Motion::Last => last,
        Motion::Left | Motion::Right => at,
    };
    to.min(last)
}

/// Letters of a code that are shown.
const SCANNED: usize = 60;
/// Letters of a line that is pasted.
const PASTED: usize = 4096;
const TWICE: Duration = Duration::from_secs(2);
