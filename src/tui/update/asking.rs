//! Questions: what is asked before it is done, what was answered, and what came of it.

use std::time::Duration;

use crate::domain::command::Command;
use crate::domain::snapshot::Snapshot;
use crate::tui::confirm;
use crate::tui::msg::{HubAction, HubReply, HubRequest, NotDone, UiEffect};
use crate::tui::pane::Pane;
use crate::tui::popup::{Popup, Then};
use crate::tui::state::{Screen, batch_form, exports};
use crate::tui::style::text::count;
use crate::tui::style::theme::Meaning;
use crate::tui::workers::lists::ListJob;

pub(super) fn quit(screen: &mut Screen, bench: &Snapshot) -> Option<UiEffect> {
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
        return Some(UiEffect::Quit);
    }
    screen.popup = Some(Popup::Question { title: "Quit oxbow?".into(), text, on_yes: UiEffect::Quit, yes: false });
    None
}

pub(super) fn interrupt(screen: &mut Screen, bench: &Snapshot) -> Option<UiEffect> {
    let twice = screen.interrupted.is_some_and(|at| screen.now.since(at) <= TWICE);
    screen.interrupted = Some(screen.now);
    if twice {
        return Some(UiEffect::Quit);
    }
    if quit(screen, bench).is_some() {
        screen.popup = Some(Popup::Question {
            title: "Quit oxbow?".into(),
            text: vec!["No node is at work. Nothing is served until it is started again.".into()],
            on_yes: UiEffect::Quit,
            yes: false,
        });
    }
    None
}

pub(super) fn answer(screen: &mut Screen, yes: bool) -> Option<UiEffect> {
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

pub(super) fn choose(screen: &mut Screen) -> Option<UiEffect> {
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
pub(super) fn begin(screen: &mut Screen, effect: UiEffect) -> Option<UiEffect> {
    if let UiEffect::Files(ListJob::Read { profile, .. }) = &effect {
        return screen.desk.read_with(profile.clone());
    }
    if let UiEffect::Write { deed, .. } = &effect {
        exports::begun(screen, deed);
    }
    if let UiEffect::Ask(HubRequest { what: HubAction::Import { .. }, deed }) = &effect {
        screen.say(Meaning::Active, format!("under way: {deed}"));
    }
    if let UiEffect::Ask(HubRequest { what, deed }) = &effect
        && matches!(what, HubAction::Each(_) | HubAction::One(Command::Forget { .. }))
    {
        screen.marked.clear();
        screen.say(Meaning::Active, format!("under way: {deed}"));
    }
    Some(effect)
}

pub(super) fn answered(screen: &mut Screen, answer: HubReply) -> Option<UiEffect> {
    if screen.form.answered(&answer) && screen.pane == Pane::Register {
        return answer.result.is_err().then_some(UiEffect::Bell);
    }
    match answer.result {
        Ok(()) if screen.desk.imported(&answer.deed) || confirm::can_be_undone(&answer.deed) => {
            screen.say(Meaning::Success, format!("done: {}; u takes it back within a minute", answer.deed));
        }
        Ok(()) => {
            let next = batch_form::what_next(&answer.deed).map(|next| format!("; {next}")).unwrap_or_default();
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

const TWICE: Duration = Duration::from_secs(2);
