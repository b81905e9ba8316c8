//! The real terminal: taken over when the screen begins, given back however it ends, and while the program is suspended.

use std::io::{self, BufWriter, IsTerminal, Stdin, Stdout, Write, stderr, stdin, stdout};
use std::mem::ManuallyDrop;
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossterm::cursor::Show;
use crossterm::event::{self, DisableBracketedPaste, EnableBracketedPaste, Event};
use crossterm::style::ResetColor;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{execute, queue};
use nix::sys::signal::{Signal as Kind, raise};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Position, Rect, Size};
use ratatui::{Frame, Terminal};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Where frames go and keys come from.
pub trait Console {
    fn size(&self) -> io::Result<Size>;
    fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()>;
    fn bell(&mut self) -> io::Result<()>;
    /// The next event, if one comes within `wait`.
    fn event(&mut self, wait: Duration) -> io::Result<Option<Event>>;
}

/// The terminal on standard input and output. Dropped, it is as it was before.
pub struct Tty {
    /// Never dropped: ratatui 0.30 would then print to a terminal that may be gone, which is a panic.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stdout>>>>,
    keys: AsyncFd<Stdin>,
    /// `kill -TSTP`: the key Ctrl-Z is a key like another.
    suspend: Signal,
    /// Somebody stopped the program, perhaps unasked, and the shell has had the terminal since.
    resume: Signal,
    /// The window has another size.
    resized: Signal,
    runtime: Handle,
    /// What panics did before.
    hook: Option<Hook>,
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

impl Tty {
    /// Takes the terminal over; `None` where there is none.
    pub fn open(runtime: Handle) -> io::Result<Option<Self>> {
        if !stdin().is_terminal() || !stdout().is_terminal() {
            return Ok(None);
        }
        let (keys, suspend, resume, resized) = {
            let _inside = runtime.enter();
            let suspend = signal(SignalKind::from_raw(Kind::SIGTSTP as i32))?;
            let resume = signal(SignalKind::from_raw(Kind::SIGCONT as i32))?;
            let resized = signal(SignalKind::window_change())?;
            // The other constructor is `unsafe`, for types that may lie about their descriptor. This one does not.
            #[allow(deprecated, reason = "standard input is open, and the same, for as long as the program runs")]
            let keys = AsyncFd::new(stdin())?;
            (keys, suspend, resume, resized)
        };
        let terminal = Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(FRAME_BYTES, stdout())))?;
        let (terminal, hook) = (ManuallyDrop::new(terminal), Some(panic::take_hook()));
        let mut tty = Self { terminal, keys, suspend, resume, resized, runtime, hook };
        panic::set_hook(Box::new(on_panic()));
        tty.take_over()?;
        tty.has_new_size()?;
        Ok(Some(tty))
    }

    fn take_over(&mut self) -> io::Result<()> {
        TAKEN.store(true, Ordering::Relaxed);
        enable_raw_mode()?;
        execute!(self.terminal.backend_mut(), EnterAlternateScreen, EnableBracketedPaste)
    }

    fn take_over_again(&mut self) -> io::Result<Option<Event>> {
        restore();
        self.take_over()?;
        self.has_new_size()
    }

    /// Everything is drawn anew, for the size that it has now, even if it is what it was: a terminal that was small for a
    /// moment has lost what had no room.
    fn has_new_size(&mut self) -> io::Result<Option<Event>> {
        let size = self.terminal.size()?;
        // Not ratatui's `clear`: that asks where the cursor is, and a terminal that does not answer would have no screen.
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))?;
        let Size { width, height } = size;
        Ok(Some(Event::Resize(width, height)))
    }
}

impl Console for Tty {
    fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    fn draw(&mut self, view: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(view)?;
        queue!(self.terminal.backend_mut(), EndSynchronizedUpdate)?;
        Write::flush(self.terminal.backend_mut())
    }

    fn bell(&mut self) -> io::Result<()> {
        self.terminal.backend_mut().write_all(b"\x07")?;
        Write::flush(self.terminal.backend_mut())
    }

    fn event(&mut self, wait: Duration) -> io::Result<Option<Event>> {
        let Self { keys, suspend, resume, resized, runtime, .. } = self;
        let came = async {
            tokio::select! {
                Some(()) = suspend.recv() => Ok(Came::Suspend),
                Some(()) = resume.recv() => Ok(Came::Resume),
                Some(()) = resized.recv() => Ok(Came::NewSize),
                ready = keys.readable() => ready.map(|mut ready| {
                    ready.clear_ready();
                    Came::Keys
                }),
                () = tokio::time::sleep(wait) => Ok(Came::Nothing),
            }
        };
        match runtime.block_on(came)? {
            Came::Keys | Came::Nothing => {}
            Came::Resume => return self.take_over_again(),
            Came::NewSize => return self.has_new_size(),
            Came::Suspend => {
                restore();
                // Here the whole program stands still, its services too.
                raise(Kind::SIGSTOP)?;
                return self.take_over_again();
            }
        }
        // crossterm 0.29 reads for ever from a terminal that has hung up (its mio.rs ignores EIO and end of file).
        if !stdin().is_terminal() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the terminal has hung up"));
        }
        let event = if event::poll(Duration::ZERO)? { Some(event::read()?) } else { None };
        if matches!(event, Some(Event::Resize(..))) {
            wake_for_keys()?;
        }
        Ok(event)
    }
}

/// crossterm 0.29 forgets keys that came together with a new size until the next key (its mio.rs returns the size and
/// drops what else epoll said, once for all). Setting the line's modes, though to what they are, wakes who waits for it
/// (`n_tty_set_termios` in Linux), and epoll says again that there are keys.
fn wake_for_keys() -> io::Result<()> {
    let modes = tcgetattr(stdin())?;
    Ok(tcsetattr(stdin(), SetArg::TCSANOW, &modes)?)
}

/// What ended the waiting.
enum Came {
    Keys,
    Suspend,
    Resume,
    NewSize,
    Nothing,
}

impl Drop for Tty {
    fn drop(&mut self) {
        restore();
        if let Some(hook) = self.hook.take().filter(|_| !thread::panicking()) {
            panic::set_hook(hook);
        }
    }
}

/// Logs every panic. One of the screen itself gives the terminal back before it is told: else nobody could read it.
fn on_panic() -> impl Fn(&PanicHookInfo<'_>) {
    let screen = thread::current().id();
    move |panic| {
        let said = panic.to_string().replace('\n', " ");
        tracing::error!("{said}");
        if thread::current().id() == screen {
            restore();
            let _gone = writeln!(stderr(), "oxbow: the screen failed, the log says more: {said}");
        }
    }
}

/// Everything that was switched on is switched off, once: doing it again would move the cursor back over what has been
/// printed since. The terminal may be gone: then there is nobody to tell.
fn restore() {
    if !TAKEN.swap(false, Ordering::Relaxed) {
        return;
    }
    let _gone =
        execute!(stdout(), EndSynchronizedUpdate, ResetColor, DisableBracketedPaste, LeaveAlternateScreen, Show);
    let _gone = disable_raw_mode();
}

/// Whether the terminal is taken over now: a panic must know, and it can only ask a static.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A large frame in one write.
const FRAME_BYTES: usize = 64 * 1024;
