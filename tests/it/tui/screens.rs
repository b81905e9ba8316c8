//! Pictures of the screen, reviewed by eye, at the sizes that technicians have.

use crossterm::event::KeyCode;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Rect, Size};
use ratatui::{Terminal, TerminalOptions, Viewport};

use crate::sample;
use oxbow::domain::batch::export::{ExportProgress, WrittenExport};
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::policy::Policy;
use oxbow::tui::{ExportNews, Msg, Palette, Screen, Theme, update};

/// Each view: its name, its bench, and the keys that lead to it.
fn views() -> Vec<(&'static str, Snapshot, Vec<KeyCode>)> {
    use KeyCode::{Char, Down, End, Enter, Home, Right, Up};
    vec![
        ("nodes", sample::busy(), vec![]),
        ("node_failed", sample::busy(), vec![Enter]),
        ("node_writing", sample::busy(), "/SN-4004".chars().map(Char).chain([Enter, Enter]).collect()),
        ("node_log_read_back", sample::busy(), vec![Enter, Home]),
        ("filter", sample::busy(), "/press !phase:held".chars().map(Char).collect()),
        ("profiles", sample::busy(), vec![Char('4')]),
        ("services", sample::busy(), vec![Char('5')]),
        ("node_whole", sample::busy(), vec![Enter, Enter]),
        ("batch", sample::busy(), vec![Char('0')]),
        ("batch_chosen", sample::waiting(), vec![Char('0'), Down, Right]),
        ("batch_open", sample::with_batches(), vec![Char('0')]),
        ("batch_close", sample::with_batches(), vec![Char('0'), Char('C')]),
        ("batch_form", sample::imported(), "Bline 2".chars().map(Char).chain([Down, Down]).collect()),
        ("report_of_which", sample::with_batches(), vec![Char('R')]),
        ("report_of_what", sample::busy(), vec![Char('R'), Down, Down]),
        ("batch_long", sample::long(), vec![Char('0'), End]),
        ("batch_strangers", sample::strangers(), vec![Char('0')]),
        ("batch_empty", sample::empty(), vec![Char('0')]),
        ("batch_ailing", sample::ailing(), vec![Char('0')]),
        ("logs", sample::busy(), vec![Char('6')]),
        ("logs_read_back", sample::busy(), vec![Char('6'), KeyCode::PageUp]),
        ("logs_filter", sample::busy(), "6/writing !node:sn-4004".chars().map(Char).collect()),
        ("logs_warnings", sample::busy(), vec![Char('6'), Char('l')]),
        ("logs_none", Snapshot { stream: Default::default(), ..sample::empty() }, vec![Char('6')]),
        ("services_beside", sample::beside(), vec![Char('5')]),
        ("services_exhausted", sample::exhausted(), vec![Char('5'), End]),
        ("services_flooded", sample::flooded(), vec![Char('5'), End]),
        ("dhcp_choice", sample::beside(), vec![Char('5'), Char('d'), Up]),
        ("dhcp_to_proxy", sample::busy(), vec![Char('5'), Char('d'), Down, Enter]),
        ("dhcp_to_authoritative", sample::beside(), vec![Char('5'), Char('d'), Home, Enter]),
        ("help", sample::busy(), vec![Char('?')]),
        ("help_search", sample::busy(), "?/node next".chars().map(Char).collect()),
        ("commands", sample::busy(), vec![Char(':')]),
        ("commands_found", sample::busy(), ":profile".chars().map(Char).chain([Down]).collect()),
        ("wall", sample::busy(), vec![Char('W')]),
        ("wall_empty", sample::empty(), vec![Char('W')]),
        ("question", sample::busy(), vec![Char('r')]),
        ("marked", sample::busy(), vec![Char('m'), Down, Char('m'), Char('m')]),
        ("typed", sample::long(), vec![Char('M'), Char('D'), Char('5')]),
        ("profile_choice", sample::busy(), vec![Char('p')]),
        ("policy_choice", sample::busy(), vec![Char('P'), Down]),
        ("waiting", sample::waiting(), vec![]),
        ("conflict_choice", sample::waiting(), vec![Char('c'), Down]),
        ("register", sample::busy(), scans()),
        (
            "register_form",
            sample::busy(),
            "2".chars().map(Char).chain([Down, Down, Down]).chain("52:54".chars().map(Char)).collect(),
        ),
        (
            "edit",
            sample::busy(),
            "/press-11".chars().map(Char).chain([Enter, Char('e'), Char('0'), Down, Down, Right]).collect(),
        ),
        ("undo_forget", sample::forgotten(), vec![Char('u')]),
        ("stuck", sample::stuck(), vec![]),
        ("stuck_node", sample::stuck(), vec![Enter]),
        ("strangers", sample::strangers(), vec![]),
        ("installers", sample::installers(), vec![]),
        ("installed_node", sample::installers(), vec![Down, Enter]),
        ("asking", sample::asking(), vec![]),
        ("asking_to_write", sample::asking(), "/SN-4002".chars().map(Char).chain([Enter, Enter]).collect()),
        ("asking_to_write_yes", sample::asking(), "/SN-4002".chars().map(Char).chain([Enter, Char('a')]).collect()),
        ("asking_to_pass", sample::asking(), "/SN-4003".chars().map(Char).chain([Enter, Enter]).collect()),
        ("asking_to_pass_yes", sample::asking(), "/SN-4003".chars().map(Char).chain([Enter, Char('a')]).collect()),
        ("asking_both", sample::asking(), vec![Char('A')]),
        ("warned_node", sample::warned(), vec![Enter]),
        ("empty", sample::empty(), vec![]),
        ("empty_hold", Snapshot { policy: Policy::Hold, ..sample::empty() }, vec![]),
        ("failed_bind", sample::ailing(), vec![]),
        ("failed_bind_services", sample::ailing(), vec![Char('5')]),
        ("broken_profiles", sample::ailing(), vec![Char('4')]),
    ]
}

/// Known, refused, new, and the first of two codes.
fn scans() -> Vec<KeyCode> {
    let line = |text: &str| text.chars().map(KeyCode::Char).chain([KeyCode::Enter]).collect::<Vec<_>>();
    let lines = ["2SN-4011", "MAC:52:54", "SN-7001"].into_iter().flat_map(line);
    let codes = KeyCode::Char('7');
    lines.chain([codes]).collect()
}

const SIZES: [(u16, u16); 5] = [(200, 50), (120, 40), (80, 24), (60, 20), (40, 12)];

/// The panes themselves, which are looked at in both sets of glyphs at every size; what lies over them at the design size.
const PANES: [&str; 13] = [
    "batch",
    "nodes",
    "node_failed",
    "node_writing",
    "register",
    "edit",
    "import_lists",
    "import_errors",
    "profiles",
    "services",
    "logs",
    "wall",
    "empty",
];

/// The sizes at which a view is looked at, and whether in ASCII.
fn frames(name: &str) -> Vec<(u16, u16, bool)> {
    let ascii = |(width, height)| PANES.contains(&name) || (width, height) == (80, 24);
    let plain = SIZES.into_iter().filter(|size| ascii(*size)).map(|(width, height)| (width, height, true));
    SIZES.into_iter().map(|(width, height)| (width, height, false)).chain(plain).collect()
}

/// The import pane and papers, where files are found, read and written by others.
fn import_views() -> Vec<(&'static str, Snapshot, Vec<Msg>)> {
    use KeyCode::{Char, Down, Enter};
    let (key, open) = (sample::key, |text: &[u8]| sample::read(sample::list(&sample::busy(), text)));
    let lists = || vec![key(Char('3')), sample::lists(), key(Down)];
    let read = |text: &[u8]| [lists(), vec![key(Enter), open(text)]].concat();
    let clean = b"Serial\nSN-9001\nSN-9002\nSN-4011\n";
    vec![
        ("paper_under_way", sample::busy(), vec![key(Char('X')), paper(Ok(7))]),
        (
            "paper_written",
            sample::busy(),
            vec![key(Char('X')), paper(Err("/var/lib/oxbow/lists/bench-20261123-140211.csv"))],
        ),
        ("import_none", sample::busy(), vec![key(Char('3'))]),
        ("import_lists", sample::imported(), lists()),
        ("import_path", sample::busy(), [lists(), "/media".chars().map(|c| key(Char(c))).collect()].concat()),
        ("import_reading", sample::busy(), [lists(), vec![key(Enter)]].concat()),
        ("import_errors", sample::busy(), [read(sample::MIXED), vec![key(Char('n'))]].concat()),
        ("import_changes", sample::busy(), [read(sample::MIXED), vec![key(Down), key(Down), key(Down)]].concat()),
        ("import_flawed", sample::busy(), read(b"Colour,Size\nred,1\n")),
        ("import_question", sample::busy(), [read(clean), vec![key(Enter)]].concat()),
        ("import_undo", sample::imported(), [lists(), vec![key(Char('u')), key(Down)]].concat()),
    ]
}

/// So many machines are read, or the list is there.
fn paper(how: Result<usize, &str>) -> Msg {
    Msg::Paper(match how {
        Ok(done) => ExportNews::Step(ExportProgress { what: "machines read", done, of: None }),
        Err(place) => {
            ExportNews::Ended(Ok(WrittenExport { place: place.into(), about: vec!["machines in it: 12".into()] }))
        }
    })
}

/// All views, each with what leads to it.
fn all_views() -> Vec<(&'static str, Snapshot, Vec<Msg>)> {
    let pressed =
        |(name, bench, keys): (_, _, Vec<KeyCode>)| (name, bench, keys.into_iter().map(sample::key).collect());
    views().into_iter().map(pressed).chain(import_views()).collect()
}

fn shown(bench: &Snapshot, way: &[Msg], width: u16, height: u16, ascii: bool) -> Screen {
    let mut screen = sample::screen(bench, width, height, ascii);
    for msg in way {
        update(&mut screen, bench, msg.clone());
    }
    screen
}

#[test]
fn every_view_is_as_it_was_reviewed() {
    for (name, bench, keys) in all_views() {
        for (width, height, ascii) in frames(name) {
            let screen = shown(&bench, &keys, width, height, ascii);
            let set = if ascii { "_ascii" } else { "" };
            insta::with_settings!({ omit_expression => true }, {
                insta::assert_snapshot!(format!("{name}_{width}x{height}{set}"), sample::picture(&screen, &bench));
            });
        }
    }
}

#[test]
fn every_pane_is_looked_at_in_both_sets_of_glyphs() {
    let views = all_views();
    for pane in PANES {
        assert!(views.iter().any(|(name, _, _)| *name == pane), "{pane}");
        assert_eq!(frames(pane).len(), 2 * SIZES.len());
    }
}

/// What is sent to a terminal that is to have no colours, view by view.
#[test]
fn a_terminal_without_colours_gets_no_colour_code() {
    let sent = |palette: Palette, view: &(&'static str, Snapshot, Vec<Msg>)| {
        let (_, bench, way) = view;
        let mut screen = shown(bench, way, 120, 40, false);
        screen.theme = Theme::new(palette, false);
        let (mut bytes, area) = (Vec::new(), Rect::new(0, 0, 120, 40));
        let options = TerminalOptions { viewport: Viewport::Fixed(area) };
        let mut terminal = Terminal::with_options(CrosstermBackend::new(&mut bytes), options).expect("a terminal");
        terminal.draw(|frame| oxbow::tui::view(&screen, bench, area, frame)).expect("a frame");
        drop(terminal);
        colours(&String::from_utf8(bytes).expect("text"))
    };
    let views = all_views();
    for view in &views {
        assert_eq!(sent(Palette::Mono, view), Vec::<String>::new(), "{}", view.0);
    }
    assert!(!sent(Palette::Sixteen, &views[0]).is_empty(), "the test can tell");
}

/// The parameters of SGR sequences that set a colour (ECMA-48 8.3.117: 30 to 49; 90 to 107 by habit); 39 and 49 set none.
fn colours(sent: &str) -> Vec<String> {
    let sequences = sent.split("\u{1b}[").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
        rest[end..].starts_with('m').then_some(&rest[..end])
    });
    let colour = |parameters: &&str| {
        let first = parameters.split(';').next().unwrap_or_default();
        let empty = first.is_empty() || parameters.ends_with(';');
        let number: u16 = first.parse().unwrap_or_default();
        empty || ((30..=49).contains(&number) && ![39, 49].contains(&number)) || (90..=107).contains(&number)
    };
    sequences.filter(colour).map(str::to_owned).collect()
}

#[test]
fn no_view_needs_room_to_live() {
    for (_, bench, keys) in all_views() {
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
    for (name, bench, keys) in all_views() {
        let picture = sample::picture(&shown(&bench, &keys, 120, 40, true), &bench);
        assert!(picture.is_ascii(), "{name}: {:?}", picture.chars().find(|c| !c.is_ascii()));
    }
}
