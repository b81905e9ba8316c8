//! What a message does to the screen. Pure: the bench is read, time comes in as [`Msg::Tick`], wishes go out.

use std::sync::Arc;
use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::allowed::allowed;
use crate::tui::keymap::{Action, Motion, Tab};
use crate::tui::msg::{Answer, Ask, Effect, Msg, NotDone, What};
use crate::tui::screen::{Frozen, Pane, Popup, Reading, Screen, Then};
use crate::tui::theme::Meaning;
use crate::tui::words::count;
use crate::tui::{deeds, panes, popups};

/// Takes `msg` in; what is to be done in the world comes back.
pub fn update(screen: &mut Screen, bench: &Snapshot, msg: Msg) -> Option<Effect> {
    let effect = match msg {
        Msg::Key(key) => press(screen, bench, key),
        Msg::Paste(text) => {
            paste(screen, &text);
            None
        }
        Msg::Resized(size) => {
            screen.size = size;
            None
        }
        Msg::Bench => None,
        Msg::Tick(now) => {
            screen.now = now;
            screen.toast.take_if(|toast| toast.until <= now);
            None
        }
        Msg::Answered(answer) => {
            answered(screen, answer);
            None
        }
    };
    screen.refresh(bench);
    effect
}

fn press(screen: &mut Screen, bench: &Snapshot, key: KeyEvent) -> Option<Effect> {
    if key.kind != KeyEventKind::Press {
        return None;
    }
    let place = screen.place();
    let Some(binding) = place.binding(key) else {
        if place.is_typing() {
            type_letter(screen, key);
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
        Action::Open => {
            if let Some(id) = screen.chosen {
                go_to(screen, Pane::Node(id));
            }
        }
        Action::Back => go_to(screen, Pane::Nodes),
        Action::GoTo(tab) => go_to(screen, pane_of(tab)),
        Action::NextTab => turn(screen, 1),
        Action::PreviousTab => turn(screen, Tab::ALL.len() - 1),
        Action::Filter => screen.typing = true,
        Action::KeepFilter => screen.typing = false,
        Action::ClearFilter | Action::DropFilter => {
            screen.typing = false;
            screen.filter.clear();
        }
        Action::EraseLetter => drop(screen.field().and_then(|(text, _)| text.pop())),
        Action::EraseText => screen.field().into_iter().for_each(|(text, _)| text.clear()),
        Action::NextSort => (screen.sort, screen.flipped) = (screen.sort.next(), false),
        Action::FlipSort => screen.flipped = !screen.flipped,
        Action::Freeze => freeze(screen, bench),
        Action::Help => screen.popup = Some(Popup::Help { scrolled: 0 }),
        Action::Mark => mark(screen),
        Action::MarkAll => mark_all(screen),
        Action::Approve => screen.popup = Some(deeds::approve(screen, bench)),
        Action::ApproveAll => screen.popup = Some(deeds::approve_all(bench)),
        Action::Resolve => screen.popup = screen.node(bench).and_then(|node| deeds::resolve(node, bench)),
        Action::Rearm => screen.popup = Some(deeds::rearm(screen, bench)),
        Action::Assign => screen.popup = Some(deeds::assign(screen, bench)),
        Action::Forget => screen.popup = Some(deeds::forget(screen, bench)),
        Action::Policy => screen.popup = Some(deeds::policy(bench)),
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
    }
    None
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

fn mark_all(screen: &mut Screen) {
    let shown = &screen.listing.nodes;
    match shown.iter().all(|id| screen.marked.contains(id)) {
        true => screen.marked.clear(),
        false => screen.marked.extend(shown),
    }
}

fn go_to(screen: &mut Screen, pane: Pane) {
    (screen.pane, screen.scrolled, screen.reading, screen.typing) = (pane, 0, Reading::Following, false);
}

fn pane_of(tab: Tab) -> Pane {
    match tab {
        Tab::Nodes => Pane::Nodes,
        Tab::Profiles => Pane::Profiles,
        Tab::Services => Pane::Services,
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
    if at_work == 0 {
        return Some(Effect::Quit);
    }
    let (are, wait) = if at_work == 1 { ("is", "It waits") } else { ("are", "They wait") };
    screen.popup = Some(Popup::Question {
        title: "Quit oxbow?".into(),
        text: vec![
            format!("{} {are} at work.", count(at_work, "node")),
            format!("{wait} for this station, and nothing is served until it is started again."),
        ],
        on_yes: Effect::Quit,
        yes: false,
    });
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
        | Popup::Help { .. } => None,
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
    if let Effect::Ask(Ask { what: What::Each(_), deed }) = &effect {
        screen.marked.clear();
        screen.say(Meaning::Active, format!("under way: {deed}"));
    }
    Some(effect)
}

fn answered(screen: &mut Screen, answer: Answer) {
    match answer.result {
        Ok(()) => screen.say(Meaning::Success, format!("done: {}", answer.deed)),
        // A question that is being read is not taken away.
        Err(why) if why == NotDone::Waiting || screen.popup.is_some() => {
            screen.say(Meaning::Warning, format!("not done: {}: {why}", answer.deed));
        }
        Err(why) => {
            let text = vec![why.to_string()];
            screen.popup = Some(Popup::Notice { title: format!("Not done: {}", answer.deed), text });
        }
    }
}

fn type_letter(screen: &mut Screen, key: KeyEvent) {
    let KeyCode::Char(letter) = key.code else { return };
    if key.modifiers.difference(KeyModifiers::SHIFT).is_empty() {
        type_text(screen, &letter.to_string());
    }
}

/// Text that was pasted or scanned goes where text is typed, and nowhere else.
fn paste(screen: &mut Screen, text: &str) {
    type_text(screen, &clean(text, PASTED));
}

fn type_text(screen: &mut Screen, text: &str) {
    let Some((field, limit)) = screen.field() else { return };
    let room = limit.saturating_sub(field.chars().count());
    field.extend(text.chars().filter(|letter| !letter.is_control()).take(room));
}

fn move_by(screen: &mut Screen, bench: &Snapshot, motion: Motion) {
    let page = screen.page();
    if let Some(Popup::Help { scrolled }) = screen.popup {
        let (lines, page) = popups::help::extent(screen, bench);
        screen.popup = Some(Popup::Help { scrolled: moved(scrolled, lines.saturating_sub(page), page, motion) });
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
        Pane::Node(_) => read_on(screen, bench, motion),
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
    };
    to.min(last)
}

/// Letters of a line that is pasted.
const PASTED: usize = 4096;
const TWICE: Duration = Duration::from_secs(2);
