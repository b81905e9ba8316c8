//! A terminal that is not there: the built station on a pseudo-terminal, and what a person would see on it.

use std::fs;
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use portable_pty::{Child, CommandBuilder, MasterPty, PtyPair, PtySize, native_pty_system};

use super::Bench;

/// A terminal with a station on it.
pub(crate) struct Terminal {
    /// Both ends: the modes of a terminal that everybody has closed are gone.
    pair: Option<PtyPair>,
    keys: Option<Box<dyn Write + Send>>,
    screen: Arc<Mutex<vt100::Parser>>,
    reader: Option<JoinHandle<()>>,
    closed: Arc<AtomicBool>,
    station: Box<dyn Child + Send + Sync>,
    before: String,
    data: PathBuf,
}

impl Terminal {
    /// Starts the station in front, with a profile `test` that installs an image of these bytes by default, and waits until its
    /// screen is there.
    pub(crate) fn start(bench: &Bench, image: &[u8], options: &[&str]) -> Self {
        let home = bench.scratch().join("station");
        for part in ["data", "profiles", "images"] {
            fs::create_dir_all(home.join(part)).expect("a directory");
        }
        fs::write(home.join("images/os.raw"), image).expect("a file");
        let profile = "schema = 1\ntitle = \"test OS\"\nimage = \"os.raw\"\n";
        fs::write(home.join("profiles/test.toml"), profile).expect("a file");

        let mut command = CommandBuilder::new("ip");
        command.args([
            "netns",
            "exec",
            &bench.station(),
            "setpriv",
            "--pdeathsig",
            "KILL",
            env!("CARGO_BIN_EXE_oxbow"),
        ]);
        command.args(["run", "--interface", Bench::INTERFACE, "--default-profile", "test"]);
        command.args(options);
        for (flag, part) in [("--data", "data"), ("--profiles", "profiles"), ("--images", "images")] {
            command.arg(flag);
            command.arg(home.join(part));
        }
        command.arg("--boot-files");
        command.arg(bench.simulated_boot_files());
        let mut terminal = Self::run(command, home.join("data"));
        terminal.sees("1 Nodes");
        terminal
    }

    /// Starts any program in front.
    pub(crate) fn run(mut command: CommandBuilder, data: PathBuf) -> Self {
        let pair = native_pty_system().openpty(size(80, 24)).expect("a pseudo-terminal");
        let before = modes(&*pair.master);
        let screen = Arc::new(Mutex::new(vt100::Parser::new(least_one(24), least_one(80), 0)));
        let closed = Arc::new(AtomicBool::new(false));
        let reader = watched(pair.master.try_clone_reader().expect("its end"), screen.clone(), closed.clone());
        for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("OXBOW_CONFIG", "/dev/null")] {
            command.env(name, value);
        }
        let station = pair.slave.spawn_command(command).expect("it starts");
        let keys = pair.master.take_writer().expect("its end");
        Self { pair: Some(pair), keys: Some(keys), screen, reader: Some(reader), closed, station, before, data }
    }

    pub(crate) fn data(&self) -> &std::path::Path {
        &self.data
    }

    /// What is on the screen now.
    pub(crate) fn picture(&self) -> String {
        self.screen.lock().expect("whole").screen().contents()
    }

    #[track_caller]
    pub(crate) fn sees(&mut self, words: &str) -> &mut Self {
        assert!(within(|| self.picture().contains(words)), "no {words:?} in\n{}", self.picture());
        self
    }

    #[track_caller]
    pub(crate) fn misses(&mut self, words: &str) -> &mut Self {
        assert!(within(|| !self.picture().contains(words)), "{words:?} in\n{}", self.picture());
        self
    }

    /// Presses keys at once, as a terminal sends them.
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        let to = self.keys.as_mut().expect("an open terminal");
        to.write_all(keys.as_bytes()).and_then(|()| to.flush()).expect("room");
        self
    }

    /// Answers a question once it can have been read: until then its key is not taken.
    #[track_caller]
    pub(crate) fn answer(&mut self, question: &str, key: &str) -> &mut Self {
        self.sees(question);
        let deadline = Instant::now() + LIMIT;
        while self.picture().contains(question) {
            assert!(Instant::now() < deadline, "{question:?} is not answered\n{}", self.picture());
            self.press(key);
            thread::sleep(Duration::from_millis(300));
        }
        self
    }

    /// Another program writes to the terminal.
    pub(crate) fn scribble(&self, bytes: &str) {
        self.screen.lock().expect("whole").process(bytes.as_bytes());
    }

    pub(crate) fn resize(&self, width: u16, height: u16) {
        let pair = self.pair.as_ref().expect("an open terminal");
        self.screen.lock().expect("whole").screen_mut().set_size(least_one(height), least_one(width));
        pair.master.resize(size(width, height)).expect("a size");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    /// The letter of proc_pid_stat(5): `T` is stopped.
    pub(crate) fn state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    }

    /// Closes the terminal's window. Its last end is the reader's, which hears of it with the clock's next second.
    pub(crate) fn close(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        (self.keys, self.pair) = (None, None);
        self.reader.take().expect("an open terminal").join().expect("a screen that was understood");
    }

    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.station.try_wait(), Ok(None))
    }

    /// Waits until the station has ended, and says how.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> u32 {
        let deadline = Instant::now() + LIMIT;
        loop {
            match self.station.try_wait().expect("a child") {
                Some(status) => return status.exit_code(),
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
                None => panic!("it has not ended\n{}", self.picture()),
            }
        }
    }

    /// The terminal is as the station found it: its modes, the screen, the cursor.
    #[track_caller]
    pub(crate) fn is_as_before(&self) {
        let pair = self.pair.as_ref().expect("an open terminal");
        assert_eq!(modes(&*pair.master), self.before, "the modes of the line");
        let clean = || {
            let parser = self.screen.lock().expect("whole");
            let screen = parser.screen();
            !screen.alternate_screen() && !screen.bracketed_paste() && !screen.hide_cursor()
        };
        assert!(within(clean), "the other screen, bracketed paste or a hidden cursor is left\n{}", self.picture());
    }

    fn pid(&self) -> Pid {
        let pid = self.station.process_id().expect("a process number");
        Pid::from_raw(i32::try_from(pid).expect("a process number"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.station.kill().ok();
        self.station.wait().ok();
    }
}

/// Shows on `screen` what is sent, until the reader is gone.
fn watched(
    mut sent: Box<dyn Read + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    closed: Arc<AtomicBool>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = sent.read(&mut bytes) {
            screen.lock().expect("whole").process(&bytes[..read]);
            if closed.load(Ordering::Relaxed) {
                return;
            }
        }
    })
}

fn size(width: u16, height: u16) -> PtySize {
    PtySize { rows: height, cols: width, pixel_width: 0, pixel_height: 0 }
}

fn least_one(cells: u16) -> NonZero<u16> {
    NonZero::new(cells).unwrap_or(NonZero::<u16>::MIN)
}

fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().expect("the modes of a terminal"))
}

pub(crate) fn within(there: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + LIMIT;
    while !there() {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

const LIMIT: Duration = Duration::from_secs(60);
