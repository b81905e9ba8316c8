//! Keys in, words on the screen and wishes out.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::KeyCode::{self, Char};
use crossterm::event::{KeyEvent, KeyModifiers};

use oxbow::domain::command::Command;
use oxbow::domain::ids::NodeId;
use oxbow::domain::node::Node;
use oxbow::domain::snapshot::Snapshot;
use oxbow::tui::{HubAction, HubRequest, Msg, Screen, UiEffect, update};

/// A technician in front of a bench.
pub(crate) struct Journey {
    pub(crate) bench: Snapshot,
    pub(crate) screen: Screen,
    pub(crate) wishes: Vec<UiEffect>,
}

impl Journey {
    pub(crate) fn at(bench: Snapshot) -> Self {
        let screen = super::screen(&bench, 80, 24, false);
        Self { bench, screen, wishes: Vec::new() }
    }

    pub(crate) fn tell(&mut self, msg: Msg) -> &mut Self {
        self.wishes.extend(update(&mut self.screen, &self.bench, msg));
        self
    }

    pub(crate) fn press(&mut self, keys: impl IntoIterator<Item = KeyCode>) -> &mut Self {
        for key in keys {
            self.tell(super::key(key));
        }
        self
    }

    pub(crate) fn type_text(&mut self, text: &str) -> &mut Self {
        self.press(text.chars().map(Char))
    }

    pub(crate) fn control(&mut self, letter: char) -> &mut Self {
        self.tell(Msg::Key(KeyEvent::new(Char(letter), KeyModifiers::CONTROL)))
    }

    pub(crate) fn wait(&mut self, seconds: u64) -> &mut Self {
        let later = self.screen.now.after(Duration::from_secs(seconds));
        self.tell(Msg::Tick(later))
    }

    /// Something happens to a node of the bench.
    pub(crate) fn change(&mut self, node: NodeId, change: impl FnOnce(&mut Node)) -> &mut Self {
        let node = self.bench.nodes.get_mut(&node).expect("a known node");
        change(Arc::make_mut(node));
        self.bench.version += 1;
        self.tell(Msg::Bench)
    }

    pub(crate) fn picture(&self) -> String {
        super::picture(&self.screen, &self.bench)
    }

    #[track_caller]
    pub(crate) fn sees(&mut self, words: &str) -> &mut Self {
        assert!(self.picture().contains(words), "no {words:?} in\n{}", self.picture());
        self
    }

    #[track_caller]
    pub(crate) fn misses(&mut self, words: &str) -> &mut Self {
        assert!(!self.picture().contains(words), "{words:?} in\n{}", self.picture());
        self
    }

    #[track_caller]
    pub(crate) fn asks_for(&mut self, command: Command) {
        self.asks_for_all(&[command]);
    }

    #[track_caller]
    pub(crate) fn asks_for_all(&mut self, commands: &[Command]) {
        let asked = self.wishes.iter().flat_map(|wish| match wish {
            UiEffect::Ask(HubRequest { what: HubAction::One(command), .. }) => vec![command.clone()],
            UiEffect::Ask(HubRequest { what: HubAction::Each(commands), .. }) => commands.clone(),
            UiEffect::Ask(HubRequest { what: HubAction::Import { .. }, .. }) => panic!("it imports"),
            UiEffect::Ask(HubRequest { what: HubAction::Capture { .. }, .. }) => panic!("it saves packets"),
            UiEffect::Write { deed, .. } => panic!("it writes {deed}"),
            UiEffect::Bell | UiEffect::Files(_) | UiEffect::Replay(_) | UiEffect::DropPaper => Vec::new(),
            UiEffect::Quit => panic!("it quits"),
        });
        assert_eq!(asked.collect::<Vec<_>>(), commands);
    }
}
