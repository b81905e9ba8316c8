//! Every key, as one row of one table. The dispatcher, the footer, the help page and the README read it.
//!
//! A row belongs to a [`Scope`]; a [`Place`] is where the screen is, and lists the scopes that hear keys there.

use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use Action::{Answer, GoTo, Move, Other};

use crate::tui::msg::Wish;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Open,
    /// Everything about the open node, without its log, and back.
    Whole,
    Back,
    ClearFilter,
    Filter,
    NextSort,
    FlipSort,
    /// Lines of this level and above.
    Level,
    /// What the one who said this line says, and nobody else.
    Only,
    Mark,
    MarkAll,
    Approve,
    ApproveAll,
    /// Say who a machine in conflict is.
    Resolve,
    Rearm,
    Assign,
    Forget,
    /// Save its latest packets.
    Capture,
    /// Say what the next batch is.
    OpenBatch,
    /// The line of that is complete.
    OrderEntered,
    NextList,
    PreviousList,
    CloseBatch,
    /// Write what became of a batch.
    Report,
    /// Write the bench as a list.
    Export,
    /// Write what somebody far away needs to help.
    Support,
    /// What becomes of machines nobody registered.
    Policy,
    /// Whose the network's addresses are.
    Dhcp,
    Move(Motion),
    GoTo(Tab),
    NextTab,
    PreviousTab,
    Freeze,
    Help,
    /// Show only the keys with these words.
    Search,
    KeepSearch,
    DropSearch,
    /// Find a command by its name.
    Commands,
    RunCommand,
    /// Large figures alone.
    Wall,
    LeaveWall,
    Quit,
    /// Quit from anywhere; the second time within two seconds without asking.
    Interrupt,
    /// Look at the chosen list.
    OpenList,
    FindLists,
    TypePath,
    ReadPath,
    DropPath,
    Import,
    SaveErrors,
    NextProblem,
    ListProfile,
    CloseList,
    /// Take back what was done last.
    Undo,
    /// Correct what is known of the node.
    Edit,
    SaveEdit,
    DropEdit,
    /// The line or field is complete.
    Enter,
    NextField,
    PreviousField,
    /// As above; in an empty form to the next or the previous pane.
    NextFieldOrTab,
    PreviousFieldOrTab,
    NextProfile,
    PreviousProfile,
    /// Labels have one code or two.
    Codes,
    KeepFilter,
    DropFilter,
    EraseLetter,
    EraseText,
    /// Answer a question.
    Answer(bool),
    /// The other button of a question.
    Other,
    /// The button that has the focus.
    Press,
    /// What was asked, now that the number is typed.
    Confirm,
    Choose,
    Close,
    /// How a recording goes on.
    Replay(Wish),
}

/// A movement in a list or a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Left,
    Right,
}

/// The panes that a digit leads to, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    Batch,
    Nodes,
    Register,
    Import,
    Profiles,
    Services,
    Logs,
}

impl Tab {
    pub const ALL: [Tab; 7] =
        [Self::Batch, Self::Nodes, Self::Register, Self::Import, Self::Profiles, Self::Services, Self::Logs];

    /// The key that leads to it.
    pub fn digit(self) -> char {
        match self {
            Self::Batch => '0',
            Self::Nodes => '1',
            Self::Register => '2',
            Self::Import => '3',
            Self::Profiles => '4',
            Self::Services => '5',
            Self::Logs => '6',
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Batch => "Batch",
            Self::Nodes => "Nodes",
            Self::Register => "Register",
            Self::Import => "Import",
            Self::Profiles => "Profiles",
            Self::Services => "Services",
            Self::Logs => "Logs",
        }
    }
}

/// What may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Danger {
    Safe,
    /// A popup names what would happen; the focus is on *no*.
    /// And for more than ten nodes their number is to be typed.
    AsksFirst,
}

/// A group of rows that are heard together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Batch,
    Nodes,
    Node,
    /// Where one node is chosen.
    Chosen,
    /// Lists and texts.
    Moving,
    Everywhere,
    /// The panes that a digit leads to.
    Top,
    /// A batch begins and ends.
    Orders,
    /// What is written to be kept elsewhere.
    Papers,
    Form,
    Lists,
    Preview,
    /// A node's own form.
    Edit,
    Services,
    Logs,
    Path,
    Filter,
    /// Where letters are text.
    Text,
    Question,
    Typed,
    Choice,
    Notice,
    /// The form of a batch.
    Order,
    Help,
    /// While words are typed that keys are looked for by.
    Search,
    Commands,
    Wall,
    /// Even while something is asked or typed.
    Always,
}

impl Scope {
    /// In the order of the help page.
    pub const ALL: [Scope; 28] = [
        Self::Batch,
        Self::Nodes,
        Self::Node,
        Self::Chosen,
        Self::Moving,
        Self::Everywhere,
        Self::Top,
        Self::Orders,
        Self::Papers,
        Self::Form,
        Self::Lists,
        Self::Preview,
        Self::Edit,
        Self::Services,
        Self::Logs,
        Self::Path,
        Self::Filter,
        Self::Text,
        Self::Question,
        Self::Typed,
        Self::Choice,
        Self::Notice,
        Self::Order,
        Self::Help,
        Self::Search,
        Self::Commands,
        Self::Wall,
        Self::Always,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Self::Batch => "The board of the batch",
            Self::Nodes => "Nodes",
            Self::Node => "One node",
            Self::Chosen => "The chosen node, or the marked ones",
            Self::Moving => "Moving in lists, logs and texts",
            Self::Everywhere => "Everywhere",
            Self::Top => "Leaving",
            Self::Orders => "A batch begins and ends",
            Self::Papers => "To be kept elsewhere",
            Self::Form => "Register",
            Self::Lists => "Import: choosing a list",
            Self::Preview => "Import: looking at a list",
            Self::Edit => "Editing a node",
            Self::Services => "Services",
            Self::Logs => "Logs",
            Self::Path => "While a path is typed",
            Self::Filter => "While a filter is typed",
            Self::Text => "While something is typed",
            Self::Question => "When asked",
            Self::Typed => "When a name or a number is to be typed",
            Self::Choice => "When there is a choice",
            Self::Notice => "When told",
            Self::Order => "Opening a batch",
            Self::Help => "Help",
            Self::Search => "While a key is looked for",
            Self::Commands => "Commands by name",
            Self::Wall => "On the wall",
            Self::Always => "Always",
        }
    }
}

/// Where the screen is, as far as keys are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Batch,
    Nodes,
    Node,
    Text,
    Services,
    Logs,
    Form,
    Edit,
    Lists,
    Preview,
    Path,
    Filter,
    Question,
    Typed,
    Choice,
    Notice,
    Order,
    Help,
    Search,
    Commands,
    Wall,
}

impl Place {
    pub const ALL: [Place; 21] = [
        Self::Batch,
        Self::Nodes,
        Self::Node,
        Self::Text,
        Self::Services,
        Self::Logs,
        Self::Form,
        Self::Edit,
        Self::Lists,
        Self::Preview,
        Self::Path,
        Self::Filter,
        Self::Question,
        Self::Typed,
        Self::Choice,
        Self::Notice,
        Self::Order,
        Self::Help,
        Self::Search,
        Self::Commands,
        Self::Wall,
    ];

    /// The scopes that hear keys here, the nearest first.
    pub fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Batch => &[
                Scope::Batch,
                Scope::Orders,
                Scope::Chosen,
                Scope::Everywhere,
                Scope::Top,
                Scope::Papers,
                Scope::Moving,
                Scope::Always,
            ],
            Self::Nodes => &[
                Scope::Nodes,
                Scope::Chosen,
                Scope::Everywhere,
                Scope::Top,
                Scope::Orders,
                Scope::Papers,
                Scope::Moving,
                Scope::Always,
            ],
            Self::Node => &[
                Scope::Node,
                Scope::Chosen,
                Scope::Everywhere,
                Scope::Orders,
                Scope::Papers,
                Scope::Moving,
                Scope::Always,
            ],
            Self::Text => &[Scope::Everywhere, Scope::Top, Scope::Orders, Scope::Papers, Scope::Moving, Scope::Always],
            Self::Services => &[
                Scope::Services,
                Scope::Everywhere,
                Scope::Top,
                Scope::Orders,
                Scope::Papers,
                Scope::Moving,
                Scope::Always,
            ],
            Self::Logs => &[
                Scope::Logs,
                Scope::Everywhere,
                Scope::Top,
                Scope::Orders,
                Scope::Papers,
                Scope::Moving,
                Scope::Always,
            ],
            Self::Form => &[Scope::Form, Scope::Text, Scope::Always],
            Self::Edit => &[Scope::Edit, Scope::Text, Scope::Always],
            Self::Lists => &[
                Scope::Lists,
                Scope::Everywhere,
                Scope::Top,
                Scope::Orders,
                Scope::Papers,
                Scope::Moving,
                Scope::Always,
            ],
            Self::Preview => {
                &[Scope::Preview, Scope::Everywhere, Scope::Orders, Scope::Papers, Scope::Moving, Scope::Always]
            }
            Self::Path => &[Scope::Path, Scope::Text, Scope::Always],
            Self::Filter => &[Scope::Filter, Scope::Text, Scope::Always],
            Self::Question => &[Scope::Question, Scope::Always],
            Self::Typed => &[Scope::Typed, Scope::Text, Scope::Always],
            Self::Choice => &[Scope::Choice, Scope::Moving, Scope::Always],
            Self::Notice => &[Scope::Notice, Scope::Always],
            Self::Order => &[Scope::Order, Scope::Text, Scope::Always],
            Self::Help => &[Scope::Help, Scope::Moving, Scope::Always],
            Self::Search => &[Scope::Search, Scope::Text, Scope::Always],
            Self::Commands => &[Scope::Commands, Scope::Text, Scope::Always],
            Self::Wall => &[Scope::Wall, Scope::Always],
        }
    }

    /// Whether letters are text here.
    pub fn is_typing(self) -> bool {
        self.scopes().contains(&Scope::Text)
    }

    /// The rows that are heard here.
    pub fn bindings(self) -> impl Iterator<Item = &'static Binding> {
        self.scopes().iter().flat_map(|scope| BINDINGS.iter().filter(move |binding| binding.scope == *scope))
    }

    /// The row that `event` means here.
    pub fn binding(self, event: KeyEvent) -> Option<&'static Binding> {
        self.bindings().find(|binding| binding.keys.iter().any(|key| key.is(event)))
    }
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    pub scope: Scope,
    /// The first is the one that is shown; the others do the same.
    pub keys: &'static [Key],
    pub action: Action,
    /// For the footer, which shows what has one.
    pub brief: Option<&'static str>,
    /// For the help page.
    pub words: &'static str,
    pub danger: Danger,
}

const fn bind(scope: Scope, keys: &'static [Key], action: Action, words: &'static str) -> Binding {
    Binding { scope, keys, action, brief: None, words, danger: Danger::Safe }
}

impl Binding {
    const fn brief(self, brief: &'static str) -> Self {
        Self { brief: Some(brief), ..self }
    }

    const fn asks_first(self) -> Self {
        Self { danger: Danger::AsksFirst, ..self }
    }
}

pub const BINDINGS: &[Binding] = &[
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
        Action::Replay(Wish::Step),
        "of a recording: to what happened next, and stand",
    )
    .brief("step"),
    bind(Scope::Everywhere, &[char('>')], Action::Replay(Wish::Faster), "of a recording: twice as fast, or go on")
        .brief("faster"),
    bind(Scope::Everywhere, &[char('<')], Action::Replay(Wish::Slower), "of a recording: half as fast, or stand"),
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

/// A key as every terminal sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    code: KeyCode,
    ctrl: bool,
}

const fn char(c: char) -> Key {
    Key { code: KeyCode::Char(c), ctrl: false }
}

const fn ctrl(c: char) -> Key {
    Key { code: KeyCode::Char(c), ctrl: true }
}

const fn plain(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

const ENTER: Key = plain(KeyCode::Enter);
const ESC: Key = plain(KeyCode::Esc);
const TAB: Key = plain(KeyCode::Tab);
const BACK_TAB: Key = plain(KeyCode::BackTab);
const BACKSPACE: Key = plain(KeyCode::Backspace);
const UP: Key = plain(KeyCode::Up);
const DOWN: Key = plain(KeyCode::Down);
const LEFT: Key = plain(KeyCode::Left);
const RIGHT: Key = plain(KeyCode::Right);
const PAGE_UP: Key = plain(KeyCode::PageUp);
const PAGE_DOWN: Key = plain(KeyCode::PageDown);
const HOME: Key = plain(KeyCode::Home);
const END: Key = plain(KeyCode::End);
const F1: Key = plain(KeyCode::F(1));

impl Key {
    /// Shift says nothing that the letter does not; other modifiers make another key.
    fn is(self, event: KeyEvent) -> bool {
        let wanted = if self.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
        self.code == event.code && event.modifiers.difference(KeyModifiers::SHIFT) == wanted
    }

    /// As the terminal would report it.
    pub fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, if self.ctrl { KeyModifiers::CONTROL } else { KeyModifiers::NONE })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) if self.ctrl => write!(f, "Ctrl-{}", c.to_ascii_uppercase()),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::BackTab => f.write_str("Shift-Tab"),
            other => write!(f, "{other}"),
        }
    }
}

/// The keys of a row as the help page shows them: `Up k`.
pub fn names(keys: &[Key]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The table for the README: every scope with its rows.
pub fn keys_markdown() -> String {
    let mut text = String::from("| where | key | does |\n|---|---|---|\n");
    for scope in Scope::ALL {
        for binding in BINDINGS.iter().filter(|binding| binding.scope == scope) {
            let keys: Vec<String> = binding.keys.iter().map(|key| format!("`{key}`")).collect();
            let asks = if binding.danger == Danger::AsksFirst { " (asks first)" } else { "" };
            text += &format!("| {} | {} | {}{asks} |\n", scope.title(), keys.join(" "), binding.words);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_place() {
        for place in Place::ALL {
            let rows: Vec<_> = place.bindings().flat_map(|row| row.keys.iter().map(move |key| (*key, row))).collect();
            for (at, (key, row)) in rows.iter().enumerate() {
                let clash = rows[..at].iter().find(|(other, _)| other == key);
                assert!(
                    clash.is_none(),
                    "{key} in {place:?}: {:?} and {:?}",
                    row.words,
                    clash.map(|(_, row)| row.words)
                );
            }
        }
    }

    #[test]
    fn every_row_is_heard_somewhere() {
        for binding in BINDINGS {
            assert!(Place::ALL.iter().any(|place| place.scopes().contains(&binding.scope)), "{}", binding.words);
        }
    }

    #[test]
    fn a_field_for_text_has_no_letter_bindings() {
        for place in Place::ALL.into_iter().filter(|place| place.is_typing()) {
            let keys = place.bindings().flat_map(|row| row.keys).filter(|key| !key.ctrl);
            assert!(keys.into_iter().all(|key| !matches!(key.code, KeyCode::Char(_))), "{place:?}");
        }
    }

    #[test]
    fn what_may_lose_something_asks_first() {
        let asking: Vec<_> =
            BINDINGS.iter().filter(|row| row.danger == Danger::AsksFirst).map(|row| row.action).collect();
        let nodes = [Action::ApproveAll, Action::Approve, Action::Rearm, Action::Forget];
        assert_eq!(asking, [&nodes[..], &[Action::Undo, Action::CloseBatch, Action::Import, Action::Dhcp]].concat());
    }

    #[test]
    fn the_digit_beside_a_pane_leads_to_it() {
        for tab in Tab::ALL {
            let digit = KeyEvent::new(KeyCode::Char(tab.digit()), KeyModifiers::NONE);
            assert_eq!(Place::Nodes.binding(digit).map(|row| row.action), Some(GoTo(tab)));
        }
    }

    #[test]
    fn a_shifted_letter_is_the_letter_and_alt_is_another_key() {
        let pressed =
            |modifiers| Place::Nodes.binding(KeyEvent::new(KeyCode::Char('D'), modifiers)).map(|row| row.action);
        assert_eq!(pressed(KeyModifiers::SHIFT), Some(Action::Forget));
        assert_eq!(pressed(KeyModifiers::ALT), None);
    }

    #[test]
    fn the_table_for_the_readme_has_a_line_for_every_row() {
        assert_eq!(keys_markdown().lines().count(), BINDINGS.len() + 2);
    }
}
