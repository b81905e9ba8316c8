//! The rows. Within a scope they are in the order of the help page; those with a brief word are in the footer.

use crate::tui::input::keymap::Action::{self, Answer, GoTo, Move, Other};
use crate::tui::input::keymap::key::{
    BACK_TAB, BACKSPACE, DOWN, END, ENTER, ESC, F1, HOME, LEFT, PAGE_DOWN, PAGE_UP, RIGHT, TAB, UP, char, ctrl,
};
use crate::tui::input::keymap::{Danger, Key, KeyBinding, Motion, Scope, Tab};
use crate::tui::msg::ReplayControl;

pub const BINDINGS: &[KeyBinding] = &[
    bind(Scope::Batch, &[ENTER], Action::Open, "open the node of the chosen tile").brief("open"),
    bind(Scope::Batch, &[LEFT], Move(Motion::Left), "the tile before"),
    bind(Scope::Batch, &[RIGHT], Move(Motion::Right), "the next tile"),
    bind(Scope::Nodes, &[ENTER], Action::Open, "open the node: stages, identity, runs, log").brief("open"),
    bind(Scope::Nodes, &[char('/')], Action::Filter, "show only some: text, phase:failed, profile:x, !word")
        .brief("filter"),
    bind(Scope::Nodes, &[ESC], Action::ClearFilter, "show all nodes again").brief("show all"),
    bind(Scope::Nodes, &[char('s')], Action::NextSort, "sort by the next column").brief("sort"),
    bind(Scope::Nodes, &[char('S')], Action::FlipSort, "turn the order round"),
    bind(Scope::Nodes, &[char('m')], Action::Mark, "mark the node, or take the mark off; keys act on the marked ones")
        .brief("mark"),
    bind(Scope::Nodes, &[char('M')], Action::MarkAll, "mark all that are shown; again takes all marks off"),
    bind(Scope::Nodes, &[char('A')], Action::ApproveAll, "approve all machines that wait for it")
        .brief("approve all")
        .asks_first(),
    bind(Scope::Node, &[ESC], Action::Back, "back to the table").brief("back"),
    bind(Scope::Node, &[ENTER], Action::Whole, "all that is known of it, without its log; again: with the log")
        .brief("all of it"),
    bind(
        Scope::Chosen,
        &[char('a')],
        Action::Approve,
        "approve a waiting machine: unregistered, disk at risk, or not as expected",
    )
    .brief("approve")
    .asks_first(),
    bind(Scope::Chosen, &[char('c')], Action::Resolve, "say who a machine in conflict is: both sides are shown")
        .brief("conflict"),
    bind(Scope::Chosen, &[char('r')], Action::Rearm, "install it again at its next network boot")
        .brief("re-arm")
        .asks_first(),
    bind(Scope::Chosen, &[char('p')], Action::Assign, "choose the profile that is installed next").brief("profile"),
    bind(Scope::Chosen, &[char('e')], Action::Edit, "edit the chosen node: identifiers, profile, names").brief("edit"),
    bind(Scope::Chosen, &[char('D')], Action::Forget, "forget the node, its runs and its log")
        .brief("forget")
        .asks_first(),
    bind(Scope::Chosen, &[char('w')], Action::Capture, "save its latest packets in a file for Wireshark")
        .brief("packets"),
    bind(Scope::Everywhere, &[char('u')], Action::Undo, "undo the latest import, edit or forgetting, within a minute")
        .brief("undo")
        .asks_first(),
    bind(Scope::Everywhere, &[char(' ')], Action::Freeze, "freeze the view, the services go on; again to go on")
        .brief("freeze"),
    bind(Scope::Everywhere, &[TAB], Action::NextTab, "next pane").brief("next pane"),
    bind(Scope::Everywhere, &[BACK_TAB], Action::PreviousTab, "pane before"),
    bind(
        Scope::Everywhere,
        &[char('0')],
        GoTo(Tab::Batch),
        "the batch: a tile for each machine, how it gets on, what went wrong",
    ),
    bind(Scope::Everywhere, &[char('1')], GoTo(Tab::Nodes), "nodes"),
    bind(Scope::Everywhere, &[char('2')], GoTo(Tab::Register), "register machines by hand or with a scanner"),
    bind(Scope::Everywhere, &[char('3')], GoTo(Tab::Import), "import a list of machines"),
    bind(Scope::Everywhere, &[char('4')], GoTo(Tab::Profiles), "profiles and images"),
    bind(Scope::Everywhere, &[char('5')], GoTo(Tab::Services), "services of this station"),
    bind(Scope::Everywhere, &[char('6')], GoTo(Tab::Logs), "what all nodes and services say"),
    bind(Scope::Everywhere, &[char('P')], Action::Policy, "choose what becomes of machines nobody registered"),
    bind(
        Scope::Everywhere,
        &[char('W')],
        Action::Wall,
        "large figures for a screen on the wall, read from five metres",
    ),
    bind(Scope::Everywhere, &[char(':')], Action::Commands, "find a command by its name, with its key beside it")
        .brief("commands"),
    bind(
        Scope::Everywhere,
        &[char('.')],
        Action::Replay(ReplayControl::Step),
        "of a recording: to what happened next, and stand",
    )
    .brief("step"),
    bind(
        Scope::Everywhere,
        &[char('>')],
        Action::Replay(ReplayControl::Faster),
        "of a recording: twice as fast, or go on",
    )
    .brief("faster"),
    bind(
        Scope::Everywhere,
        &[char('<')],
        Action::Replay(ReplayControl::Slower),
        "of a recording: half as fast, or stand",
    ),
    bind(Scope::Everywhere, &[char('?'), F1], Action::Help, "this page").brief("help"),
    bind(Scope::Top, &[char('q')], Action::Quit, "quit; asks while a machine is at work").brief("quit"),
    bind(
        Scope::Orders,
        &[char('B')],
        Action::OpenBatch,
        "open a batch: its name, work order, operator, what it expects",
    )
    .brief("open batch"),
    bind(Scope::Orders, &[char('C')], Action::CloseBatch, "close the batch: what became of each machine is kept")
        .brief("close batch")
        .asks_first(),
    bind(
        Scope::Papers,
        &[char('R')],
        Action::Report,
        "write the report, the proof of a batch: table, JSON, page to print, certificates",
    )
    .brief("report"),
    bind(Scope::Papers, &[char('X')], Action::Export, "export the bench as a list that can be imported again")
        .brief("export"),
    bind(
        Scope::Papers,
        &[char('H')],
        Action::Support,
        "write a support archive for who helps from afar: all about the chosen nodes and those in trouble, no secrets",
    )
    .brief("support"),
    bind(Scope::Moving, &[UP, char('k')], Move(Motion::Up), "one up"),
    bind(Scope::Moving, &[DOWN, char('j')], Move(Motion::Down), "one down"),
    bind(Scope::Moving, &[PAGE_UP], Move(Motion::PageUp), "a page up"),
    bind(Scope::Moving, &[PAGE_DOWN], Move(Motion::PageDown), "a page down"),
    bind(Scope::Moving, &[HOME, char('g')], Move(Motion::First), "to the beginning"),
    bind(Scope::Moving, &[END, char('G')], Move(Motion::Last), "to the end; a log follows again"),
    bind(
        Scope::Form,
        &[ENTER],
        Action::Enter,
        "register what was scanned; in the form: next field, and register at the last",
    )
    .brief("register, next field"),
    bind(Scope::Form, &[TAB], Action::NextFieldOrTab, "next field, and ends a scan; in an empty form: next pane"),
    bind(Scope::Form, &[BACK_TAB], Action::PreviousFieldOrTab, "field before; in an empty form: pane before"),
    bind(Scope::Form, &[DOWN], Action::NextField, "next field").brief("next field"),
    bind(Scope::Form, &[UP], Action::PreviousField, "field before"),
    bind(Scope::Form, &[RIGHT], Action::NextProfile, "another profile for what is registered from now on")
        .brief("profile"),
    bind(Scope::Form, &[LEFT], Action::PreviousProfile, "the profile before"),
    bind(Scope::Form, &[ctrl('t')], Action::Codes, "labels have one code, or two: serial and MAC address")
        .brief("codes a label"),
    bind(Scope::Form, &[ESC], Action::Back, "to the table of nodes").brief("nodes"),
    bind(Scope::Form, &[F1], Action::Help, "all keys").brief("help"),
    bind(Scope::Edit, &[ENTER], Action::SaveEdit, "save: what it changes is shown below the form").brief("save"),
    bind(Scope::Edit, &[DOWN, TAB], Action::NextField, "next field").brief("next field"),
    bind(Scope::Edit, &[UP, BACK_TAB], Action::PreviousField, "field before"),
    bind(Scope::Edit, &[RIGHT], Action::NextProfile, "another profile").brief("profile"),
    bind(Scope::Edit, &[LEFT], Action::PreviousProfile, "the profile before"),
    bind(Scope::Edit, &[ESC], Action::DropEdit, "back, and change nothing").brief("change nothing"),
    bind(Scope::Edit, &[F1], Action::Help, "all keys").brief("help"),
    bind(Scope::Lists, &[ENTER], Action::OpenList, "look at the list: what each row would do; nothing is stored")
        .brief("look"),
    bind(Scope::Lists, &[char('/')], Action::TypePath, "type the path of a list").brief("type a path"),
    bind(Scope::Lists, &[char('l')], Action::FindLists, "look for lists again, as after a stick was put in")
        .brief("look again"),
    bind(Scope::Preview, &[ENTER], Action::Import, "import the list, wholly or not at all")
        .brief("import")
        .asks_first(),
    bind(Scope::Preview, &[char('n')], Action::NextProblem, "to the next row with an error or a warning")
        .brief("next problem"),
    bind(Scope::Preview, &[char('e')], Action::SaveErrors, "save the rows with errors as a list to correct and import")
        .brief("save errors"),
    bind(Scope::Preview, &[char('p')], Action::ListProfile, "one profile for all rows, or what the rows say")
        .brief("profile"),
    bind(Scope::Preview, &[ESC], Action::CloseList, "another list").brief("another list"),
    bind(Scope::Services, &[char('d')], Action::Dhcp, "choose who gives machines their addresses, while it all runs")
        .brief("DHCP")
        .asks_first(),
    bind(
        Scope::Logs,
        &[char('/')],
        Action::Filter,
        "show only some lines: text, node:x, service:x, level:warning, !word",
    )
    .brief("filter"),
    bind(Scope::Logs, &[char('l')], Action::Level, "all lines, those that warn, or errors alone").brief("level"),
    bind(Scope::Logs, &[char('o')], Action::Only, "only what the one says who said this line").brief("only this one"),
    bind(Scope::Logs, &[ENTER], Action::Open, "open the node that said it").brief("open node"),
    bind(Scope::Logs, &[ESC], Action::ClearFilter, "show all lines again").brief("show all"),
    bind(Scope::Path, &[ENTER], Action::ReadPath, "look at this file").brief("look"),
    bind(Scope::Path, &[ESC], Action::DropPath, "type no path").brief("drop"),
    bind(Scope::Filter, &[ENTER], Action::KeepFilter, "keep the filter").brief("keep"),
    bind(Scope::Filter, &[ESC], Action::DropFilter, "drop the filter").brief("drop"),
    bind(Scope::Text, &[BACKSPACE], Action::EraseLetter, "take the last letter away"),
    bind(Scope::Text, &[ctrl('u')], Action::EraseText, "take all letters away").brief("empty"),
    bind(Scope::Question, &[char('y')], Answer(true), "yes").brief("yes"),
    bind(Scope::Question, &[char('n'), ESC], Answer(false), "no").brief("no"),
    bind(Scope::Question, &[TAB, LEFT, RIGHT, BACK_TAB], Other, "the other button").brief("other button"),
    bind(Scope::Question, &[ENTER], Action::Press, "press the button: it is on no at first").brief("press"),
    bind(Scope::Typed, &[ENTER], Action::Confirm, "do it, once that is typed").brief("do it"),
    bind(Scope::Typed, &[ESC], Answer(false), "do nothing").brief("do nothing"),
    bind(Scope::Choice, &[ENTER], Action::Choose, "take this one").brief("choose"),
    bind(Scope::Choice, &[ESC], Answer(false), "leave it as it is").brief("leave it"),
    bind(Scope::Notice, &[ENTER, ESC], Action::Close, "close").brief("close"),
    bind(Scope::Order, &[ENTER], Action::OrderEntered, "next field, and open the batch at the last")
        .brief("next field, open at the last"),
    bind(Scope::Order, &[DOWN, TAB], Action::NextField, "next field"),
    bind(Scope::Order, &[UP, BACK_TAB], Action::PreviousField, "field before"),
    bind(Scope::Order, &[RIGHT], Action::NextList, "the machines of another imported list are expected")
        .brief("another list"),
    bind(Scope::Order, &[LEFT], Action::PreviousList, "those of the list before"),
    bind(Scope::Order, &[ESC], Action::Close, "open none").brief("open none"),
    bind(Scope::Help, &[ESC, ENTER, char('?'), F1], Action::Close, "close this page").brief("close"),
    bind(Scope::Help, &[char('/')], Action::Search, "show only keys with these words").brief("search"),
    bind(Scope::Search, &[ENTER], Action::KeepSearch, "keep the words").brief("keep"),
    bind(Scope::Search, &[ESC], Action::DropSearch, "show all keys again").brief("drop"),
    bind(Scope::Commands, &[ENTER], Action::RunCommand, "do the chosen one").brief("do it"),
    bind(Scope::Commands, &[UP], Move(Motion::Up), "the one above"),
    bind(Scope::Commands, &[DOWN], Move(Motion::Down), "the one below").brief("next"),
    bind(Scope::Commands, &[ESC], Action::Close, "do nothing").brief("do nothing"),
    bind(Scope::Wall, &[ESC, char('W'), ENTER], Action::LeaveWall, "back to the panes").brief("back to the panes"),
    bind(Scope::Always, &[ctrl('c')], Action::Interrupt, "ask to quit; twice within two seconds quits at once"),
];

const fn bind(scope: Scope, keys: &'static [Key], action: Action, words: &'static str) -> KeyBinding {
    KeyBinding { scope, keys, action, brief: None, words, danger: Danger::Safe }
}

impl KeyBinding {
    const fn brief(self, brief: &'static str) -> Self {
        Self { brief: Some(brief), ..self }
    }

    const fn asks_first(self) -> Self {
        Self { danger: Danger::AsksFirst, ..self }
    }
}
