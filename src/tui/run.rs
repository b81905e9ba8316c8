//! The loop: what happened goes into [`update()`], and [`view()`] draws what has become of it.

use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use crossterm::style::force_color_output;
use jiff::tz::TimeZone;
use ratatui::layout::Size;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::domain::batch::export::ExportError;
use crate::domain::node::question::who;
use crate::domain::snapshot::Snapshot;
use crate::domain::time::Timestamp;
use crate::inbox::Inbox;
use crate::tui::input::debounce::Haste;
use crate::tui::input::scanner::Wedge;
use crate::tui::msg::{Msg, ReplayControl, UiEffect};
use crate::tui::state::Screen;
use crate::tui::state::alarm::Calls;
use crate::tui::style::theme::{Looks, Meaning, Theme};
use crate::tui::terminal::{Console, Tty};
use crate::tui::update::update;
use crate::tui::view::view;
use crate::tui::workers::export::{ExportFn, ExportNews, ExportThread};
use crate::tui::workers::hub::HubClient;
use crate::tui::workers::lists::{Files, ListFolders};

/// What the screen is told when it starts.
#[derive(Clone, Debug)]
pub struct TuiOptions {
    /// What was chosen of how it looks, whatever the terminal says of itself.
    pub looks: Looks,
    /// What a bell rings for, and what makes the first lines stand out.
    pub bell: Calls,
    pub flash: Calls,
    /// A runtime of several threads, with its drivers on.
    pub runtime: Handle,
}

/// How the screen ended.
#[derive(Debug)]
pub enum Exit {
    /// A person asked for it.
    Quit,
    /// The station is stopping.
    Stopped,
    /// The terminal went away, as when an SSH connection is lost. The station itself is well.
    TerminalLost(io::Error),
    /// It has a fault, which the log tells. The station itself is well.
    Failed,
}

/// Why there is no screen.
#[derive(Debug, thiserror::Error)]
pub enum TuiError {
    #[error("standard input and output are not a terminal")]
    NoTerminal,
    #[error("the terminal cannot be used: {0}")]
    Terminal(#[source] io::Error),
}

impl TuiError {
    pub fn hint(&self) -> &'static str {
        "use --headless where there is no terminal"
    }
}

/// Shows the bench until somebody quits or `stop` says so. Blocks its thread and waits for no service.
pub fn run(
    bench: watch::Receiver<Arc<Snapshot>>,
    inbox: Inbox,
    stop: CancellationToken,
    options: TuiOptions,
) -> Result<Exit, TuiError> {
    run_in(bench, inbox, stop, options, ListFolders::default(), None)
}

/// As [`run`], with lists of machines in these folders, and somebody who writes papers.
pub fn run_in(
    mut bench: watch::Receiver<Arc<Snapshot>>,
    inbox: Inbox,
    stop: CancellationToken,
    options: TuiOptions,
    folders: ListFolders,
    office: Option<ExportFn>,
) -> Result<Exit, TuiError> {
    let theme = Theme::detect(|name| std::env::var(name).ok(), options.looks);
    // crossterm leaves colours out where there is NO_COLOR; a person who chose some knows better.
    force_color_output(theme.is_coloured());
    let courier = HubClient::start(options.runtime.clone(), inbox, folders.captures.clone(), &stop)
        .map_err(TuiError::Terminal)?;
    let can_be = office.is_some();
    let clerk = ExportThread::start(office).map_err(TuiError::Terminal)?;
    let files = Files::start(folders).map_err(TuiError::Terminal)?;
    let helpers = Helpers { courier, files, clerk, replay: None };
    let TuiOptions { bell, flash, .. } = options;
    let mut tty = Tty::open(options.runtime).map_err(TuiError::Terminal)?.ok_or(TuiError::NoTerminal)?;
    let size = tty.size().map_err(TuiError::Terminal)?;
    let mut screen = Screen { bell, flash, ..Screen::new(theme, TimeZone::system(), size, clock::now()) };
    screen.papers.can_be = can_be;
    screen.person = who(|name| std::env::var(name).ok());
    Ok(contained(|| drive(&mut screen, &mut tty, &helpers, &mut bench, &stop)))
}

/// A fault of the screen ends the screen, and nothing else. It has been told already: see `terminal.rs`.
fn contained(drive: impl FnOnce() -> io::Result<Exit>) -> Exit {
    let ended = panic::catch_unwind(AssertUnwindSafe(drive));
    ended.map_or(Exit::Failed, |exit| exit.unwrap_or_else(Exit::TerminalLost))
}

/// As [`run`], on another console, with lists of machines nowhere: the loop that technicians have, for whoever measures it
/// or looks at a replay.
pub fn run_on(
    console: &mut impl Console,
    theme: Theme,
    mut bench: watch::Receiver<Arc<Snapshot>>,
    inbox: Inbox,
    stop: CancellationToken,
    runtime: Handle,
) -> io::Result<Exit> {
    let folders = ListFolders::default();
    let courier = HubClient::start(runtime, inbox, folders.captures.clone(), &stop)?;
    let helpers = Helpers { courier, files: Files::start(folders)?, clerk: ExportThread::start(None)?, replay: None };
    let mut screen = Screen::new(theme, TimeZone::system(), console.size()?, clock::now());
    drive(&mut screen, console, &helpers, &mut bench, &stop)
}

/// What a replay is told by keys, and tells.
#[derive(Clone)]
pub struct ReplayLink {
    /// The moment that is shown, and how fast it goes, as `x4`.
    pub time: Arc<dyn Fn() -> (Timestamp, String) + Send + Sync>,
    pub wishes: Sender<ReplayControl>,
}

/// As [`run`], of a bench that was: its time is the recording's.
pub fn run_replay(
    mut bench: watch::Receiver<Arc<Snapshot>>,
    inbox: Inbox,
    stop: CancellationToken,
    options: TuiOptions,
    replay: ReplayLink,
) -> Result<Exit, TuiError> {
    let theme = Theme::detect(|name| std::env::var(name).ok(), options.looks);
    force_color_output(theme.is_coloured());
    let folders = ListFolders::default();
    let courier = HubClient::start(options.runtime.clone(), inbox, folders.captures.clone(), &stop)
        .map_err(TuiError::Terminal)?;
    let (files, now) = (Files::start(folders).map_err(TuiError::Terminal)?, (replay.time)().0);
    let clerk = ExportThread::start(None).map_err(TuiError::Terminal)?;
    let helpers = Helpers { courier, files, clerk, replay: Some(replay) };
    let mut tty = Tty::open(options.runtime).map_err(TuiError::Terminal)?.ok_or(TuiError::NoTerminal)?;
    let size = tty.size().map_err(TuiError::Terminal)?;
    let mut screen = Screen::new(theme, TimeZone::system(), size, now);
    Ok(contained(|| drive(&mut screen, &mut tty, &helpers, &mut bench, &stop)))
}

fn drive(
    screen: &mut Screen,
    console: &mut impl Console,
    helpers: &Helpers,
    bench: &mut watch::Receiver<Arc<Snapshot>>,
    stop: &CancellationToken,
) -> io::Result<Exit> {
    let mut live = bench.borrow_and_update().clone();
    screen.heed(&live);
    let (mut dirty, mut drawn, mut wedge, mut haste) = (true, Timestamp::default(), Wedge::default(), Haste::default());
    let mut pressed = false;
    while !stop.is_cancelled() {
        let now = clock::now();
        let (moment, pace) = match &helpers.replay {
            Some(replay) => Some((replay.time)()).map_or((now, None), |(moment, pace)| (moment, Some(pace))),
            None => (now, None),
        };
        dirty |= moment.as_millis() / 1000 != screen.now.as_millis() / 1000 || pace != screen.replay;
        screen.replay = pace;
        let mut news = vec![Msg::Tick(moment)];
        if bench.has_changed().unwrap_or(false) {
            live = bench.borrow_and_update().clone();
            news.push(Msg::Bench);
        }
        news.extend(helpers.courier.answers().map(Msg::Answered));
        news.extend(helpers.files.found().map(Msg::Found));
        news.extend(helpers.clerk.news().map(Msg::Paper));
        news.extend(wedge.settle(now));
        dirty |= news.len() > 1;
        for msg in news {
            let msg = if haste.lets(now, &msg) { msg } else { Msg::TooSoon };
            if take(screen, &live, helpers, console, msg)? {
                return Ok(Exit::Quit);
            }
            haste.look(now, screen.place());
        }

        // The clock may be set back; a frame too early does no harm.
        let since = if now < drawn { FRAME } else { now.since(drawn) };
        let each = if pressed { SOON } else { FRAME };
        if dirty && since >= each {
            console.draw(|frame| view(screen, &live, frame.area(), frame))?;
            (dirty, drawn, pressed) = (false, now, false);
        }
        let mut wait = if dirty { each.saturating_sub(since) } else { FRAME };
        wait = wedge.due().map_or(wait, |due| wait.min(due.since(now)));
        for _ in 0..BURST {
            let Some(event) = console.event(wait)? else { break };
            let now = clock::now();
            for msg in messages(event, now, &mut wedge, screen) {
                let msg = if haste.lets(now, &msg) { msg } else { Msg::TooSoon };
                if take(screen, &live, helpers, console, msg)? {
                    return Ok(Exit::Quit);
                }
                haste.look(now, screen.place());
                (dirty, pressed) = (true, true);
            }
            wait = Duration::ZERO;
        }
    }
    Ok(Exit::Stopped)
}

/// Those who do what takes time.
struct Helpers {
    courier: HubClient,
    files: Files,
    clerk: ExportThread,
    replay: Option<ReplayLink>,
}

/// Says whether this was the end.
fn take(
    screen: &mut Screen,
    live: &Arc<Snapshot>,
    helpers: &Helpers,
    console: &mut impl Console,
    msg: Msg,
) -> io::Result<bool> {
    match update(screen, live, msg) {
        None => Ok(false),
        Some(UiEffect::Quit) => Ok(true),
        Some(UiEffect::Bell) => console.bell().map(|()| false),
        Some(UiEffect::Replay(wish)) => {
            let _it_has_ended = helpers.replay.as_ref().map(|replay| replay.wishes.send(wish));
            Ok(false)
        }
        Some(UiEffect::Files(job)) => {
            if !helpers.files.send(job, live, screen.now) {
                screen.say(Meaning::Warning, "the files before are still being read: try again in a moment");
            }
            Ok(false)
        }
        Some(UiEffect::Write { paper, deed }) => {
            if helpers.clerk.send(paper) {
                return Ok(false);
            }
            let busy = ExportError::Problem {
                what: "another paper is being written".into(),
                hint: "try again when it is done".into(),
            };
            tracing::warn!("not written: {deed}: {busy}");
            take(screen, live, helpers, console, Msg::Paper(ExportNews::Ended(Err(busy))))
        }
        Some(UiEffect::DropPaper) => {
            helpers.clerk.drop_it();
            Ok(false)
        }
        Some(UiEffect::Ask(ask)) => match helpers.courier.send(ask) {
            Ok(()) => Ok(false),
            Err(answer) => take(screen, live, helpers, console, Msg::Answered(answer)),
        },
    }
}

fn messages(event: Event, now: Timestamp, wedge: &mut Wedge, screen: &Screen) -> Vec<Msg> {
    match event {
        Event::Key(key) => {
            let is_typing = screen.place().is_typing();
            pressed(key).flat_map(|key| wedge.take(now, key, is_typing)).collect()
        }
        Event::Paste(text) => vec![Msg::Paste(text)],
        Event::Resize(width, height) => vec![Msg::Resized(Size { width, height })],
        Event::FocusGained | Event::FocusLost | Event::Mouse(_) => Vec::new(),
    }
}

/// Esc and a key after it that a slow line brings together look like that key with Alt held. No key means anything with
/// Alt, so they are the two that were pressed.
fn pressed(key: KeyEvent) -> impl Iterator<Item = KeyEvent> {
    let escape = key.modifiers.contains(KeyModifiers::ALT).then(|| KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE));
    escape.into_iter().chain([KeyEvent { modifiers: key.modifiers - KeyModifiers::ALT, ..key }])
}

/// At most twenty frames a second, each of the latest state; looked for news as often.
const FRAME: Duration = Duration::from_millis(50);
/// What a key does is drawn sooner; a burst of keys is one frame.
const SOON: Duration = Duration::from_millis(15);
/// Keys taken in between two looks at the bench.
const BURST: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;
    use crate::inbox::inbox;
    use crate::tui::style::theme::Palette;

    /// A console whose keys were pressed before and whose screen can be looked at.
    struct Scripted {
        terminal: Terminal<TestBackend>,
        /// None: nothing comes for a while.
        events: VecDeque<Option<io::Result<Event>>>,
        frames: usize,
        bells: usize,
        /// Told to stop when nothing more comes.
        at_end: Option<CancellationToken>,
    }

    impl Scripted {
        fn new(events: impl IntoIterator<Item = io::Result<Event>>) -> Self {
            Self::with_pauses(events.into_iter().map(Some))
        }

        fn with_pauses(events: impl IntoIterator<Item = Option<io::Result<Event>>>) -> Self {
            let terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
            Self { terminal, events: events.into_iter().collect(), frames: 0, bells: 0, at_end: None }
        }
    }

    impl Console for Scripted {
        fn size(&self) -> io::Result<Size> {
            Ok(Size::new(80, 24))
        }

        fn draw(&mut self, view: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
            self.frames += 1;
            self.terminal.draw(view).map(drop).map_err(io::Error::other)
        }

        fn bell(&mut self) -> io::Result<()> {
            self.bells += 1;
            Ok(())
        }

        fn event(&mut self, wait: Duration) -> io::Result<Option<Event>> {
            match self.events.pop_front() {
                Some(Some(event)) => event.map(Some),
                Some(None) => {
                    std::thread::sleep(Duration::from_millis(500));
                    Ok(None)
                }
                None => {
                    // A frame later, so that what came last has been drawn.
                    self.at_end.as_ref().filter(|_| self.frames > 1).inspect(|stop| stop.cancel());
                    std::thread::sleep(wait);
                    Ok(None)
                }
            }
        }
    }

    fn key(code: KeyCode) -> io::Result<Event> {
        Ok(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
    }

    fn driven(console: &mut Scripted, stop: &CancellationToken) -> io::Result<Exit> {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (inbox, _outlet) = inbox();
        let courier = HubClient::start(runtime.handle().clone(), inbox, "/nowhere".into(), stop).expect("a courier");
        let (_hub, mut bench) = watch::channel(Arc::new(Snapshot::default()));
        let theme = Theme::new(Palette::Mono, false);
        let mut screen = Screen::new(theme, TimeZone::UTC, Size::new(80, 24), Timestamp::default());
        let files = Files::start(ListFolders::default()).expect("a thread");
        let clerk = ExportThread::start(None).expect("no thread");
        let helpers = Helpers { courier, files, clerk, replay: None };
        drive(&mut screen, console, &helpers, &mut bench, stop)
    }

    #[test]
    fn q_ends_the_screen_of_an_idle_bench() {
        let mut console = Scripted::new([key(KeyCode::Char('q'))]);
        assert!(matches!(driven(&mut console, &CancellationToken::new()), Ok(Exit::Quit)));
        assert_eq!(console.frames, 1);
    }

    #[test]
    fn esc_and_a_key_that_a_slow_line_brings_together_are_both_heard() {
        let together = Ok(Event::Key(KeyEvent::new(KeyCode::Char('q'), KeyModifiers::ALT)));
        let mut console = Scripted::new([key(KeyCode::Char('?')), together]);
        assert!(matches!(driven(&mut console, &CancellationToken::new()), Ok(Exit::Quit)));
    }

    #[test]
    fn a_station_that_stops_takes_the_screen_down() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(matches!(driven(&mut Scripted::new([]), &stop), Ok(Exit::Stopped)));
    }

    #[test]
    fn a_terminal_that_hangs_up_ends_the_screen_with_its_error() {
        let mut console = Scripted::new([Err(io::ErrorKind::BrokenPipe.into())]);
        let ended = driven(&mut console, &CancellationToken::new()).expect_err("it has hung up");
        assert_eq!(ended.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_fault_of_the_screen_ends_the_screen_and_not_the_station() {
        let exit = contained(|| -> io::Result<Exit> { panic!("a fault of the screen, for a test") });
        assert!(matches!(exit, Exit::Failed));
        assert!(matches!(contained(|| Err(io::ErrorKind::BrokenPipe.into())), Exit::TerminalLost(_)));
    }

    #[test]
    fn a_scan_that_is_refused_is_heard() {
        let scan = "MAC:52".chars().map(KeyCode::Char).chain([KeyCode::Enter]).map(|code| Some(key(code)));
        let keys = [Some(key(KeyCode::Char('2'))), None].into_iter().chain(scan);
        let mut console = Scripted::with_pauses(keys.chain([Some(ctrl_c()), Some(ctrl_c())]));
        driven(&mut console, &CancellationToken::new()).expect("it ends");
        assert_eq!(console.bells, 1);
    }

    #[test]
    fn a_scan_where_letters_are_keys_is_no_key() {
        let scan = "qqDy-1q".chars().map(KeyCode::Char).chain([KeyCode::Enter]).map(|code| Some(key(code)));
        let mut console = Scripted::with_pauses(scan.chain([None, Some(ctrl_c()), Some(ctrl_c())]));
        driven(&mut console, &CancellationToken::new()).expect("it ends");
        assert_eq!(console.bells, 1, "nobody knows it: it is offered to be registered, and q did not quit");
    }

    #[test]
    fn a_burst_of_keys_never_both_asks_and_answers() {
        // Quits from an idle bench only after a question, which Ctrl-C asks; the y is of the same burst.
        let mut console = Scripted::new([ctrl_c(), key(KeyCode::Char('y')), key(KeyCode::Down)]);
        let stop = CancellationToken::new();
        console.at_end = Some(stop.clone());
        assert!(matches!(driven(&mut console, &stop), Ok(Exit::Stopped)), "it did not quit");
        let shown = console.terminal.backend().to_string();
        assert!(shown.contains("Quit oxbow?") && shown.contains("faster than this can be read"), "{shown}");
        let pause = || [None];
        let read = [Some(ctrl_c())].into_iter().chain(pause()).chain([Some(key(KeyCode::Char('y')))]);
        assert!(matches!(driven(&mut Scripted::with_pauses(read), &CancellationToken::new()), Ok(Exit::Quit)));
    }

    fn ctrl_c() -> io::Result<Event> {
        Ok(Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)))
    }

    #[test]
    fn a_burst_of_keys_is_drawn_once() {
        let mut keys: Vec<_> = (0..60).map(|_| key(KeyCode::Down)).collect();
        keys.extend([ctrl_c(), ctrl_c()]);
        let mut console = Scripted::new(keys);
        driven(&mut console, &CancellationToken::new()).expect("it ends");
        assert_eq!(console.frames, 1);
    }
}
