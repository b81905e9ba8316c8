//! Pictures of the screen, reviewed by eye, at the sizes that technicians have.
#![cfg(feature = "station")]

mod sample;

use oxbow::domain::snapshot::Snapshot;
use oxbow::tui::{Screen, update};
use ratatui::crossterm::event::KeyCode;
use ratatui::layout::Size;

/// Each view: its name, its bench, and the keys that lead to it.
fn views() -> Vec<(&'static str, Snapshot, Vec<KeyCode>)> {
    use KeyCode::{Char, Down, Enter, Home};
    vec![
        ("nodes", sample::busy(), vec![]),
        ("node_failed", sample::busy(), vec![Enter]),
        ("node_writing", sample::busy(), "/SN-4004".chars().map(Char).chain([Enter, Enter]).collect()),
        ("node_log_read_back", sample::busy(), vec![Enter, Home]),
        ("filter", sample::busy(), "/press !phase:held".chars().map(Char).collect()),
        ("profiles", sample::busy(), vec![Char('2')]),
        ("services", sample::busy(), vec![Char('3')]),
        ("help", sample::busy(), vec![Char('?')]),
        ("question", sample::busy(), vec![Char('r')]),
        ("marked", sample::busy(), vec![Char('m'), Down, Char('m'), Char('m')]),
        ("typed", sample::long(), vec![Char('M'), Char('D'), Char('5')]),
        ("profile_choice", sample::busy(), vec![Char('p')]),
        ("policy_choice", sample::busy(), vec![Char('P'), Down]),
        ("waiting", sample::waiting(), vec![]),
        ("conflict_choice", sample::waiting(), vec![Char('c'), Down]),
        ("empty", sample::empty(), vec![]),
        ("failed_bind", sample::ailing(), vec![]),
        ("failed_bind_services", sample::ailing(), vec![Char('3')]),
        ("broken_profiles", sample::ailing(), vec![Char('2')]),
    ]
}

const SIZES: [(u16, u16, bool); 6] =
    [(200, 50, false), (120, 40, false), (80, 24, false), (80, 24, true), (60, 20, false), (40, 12, false)];

fn shown(bench: &Snapshot, keys: &[KeyCode], width: u16, height: u16, ascii: bool) -> Screen {
    let mut screen = sample::screen(bench, width, height, ascii);
    for key in keys {
        update(&mut screen, bench, sample::key(*key));
    }
    screen
}

#[test]
fn every_view_is_as_it_was_reviewed() {
    for (name, bench, keys) in views() {
        for (width, height, ascii) in SIZES {
            let screen = shown(&bench, &keys, width, height, ascii);
            let set = if ascii { "_ascii" } else { "" };
            insta::with_settings!({ omit_expression => true }, {
                insta::assert_snapshot!(format!("{name}_{width}x{height}{set}"), sample::picture(&screen, &bench));
            });
        }
    }
}

#[test]
fn no_view_needs_room_to_live() {
    for (_, bench, keys) in views() {
        for (width, height) in [(0, 0), (1, 1), (5, 3), (40, 10), (41, 11), (300, 10), (40, 200)] {
            let mut screen = shown(&bench, &keys, 80, 24, false);
            sample::picture(&Screen { size: Size { width, height }, ..screen }, &bench);
            screen = shown(&bench, &keys, width, height, true);
            sample::picture(&screen, &bench);
        }
    }
}

#[test]
fn plain_terminals_get_nothing_but_ascii() {
    for (name, bench, keys) in views() {
        let picture = sample::picture(&shown(&bench, &keys, 120, 40, true), &bench);
        assert!(picture.is_ascii(), "{name}: {:?}", picture.chars().find(|c| !c.is_ascii()));
    }
}
