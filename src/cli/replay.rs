//! `oxbow replay FILE`: what was recorded goes over the screen again, as fast as one likes, and step by step.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::ConfigProblem;
use crate::domain::refusal::Refusal;
use crate::domain::snapshot::Snapshot;
use crate::domain::time::Timestamp;
use crate::inbox::{Input, Outlet, inbox};
use crate::record::replay::Scene;
use crate::record::{RecordedLine, Recording, read};
use crate::tui::run::{ReplayLink as Shown, run_replay};
use crate::tui::style::theme::Looks;
use crate::tui::{self, Calls, Exit, ReplayControl, TuiOptions};

#[derive(Debug, clap::Args)]
pub(super) struct ReplayArgs {
    /// The recording, as `oxbow run --record` made it
    file: PathBuf,
    /// How many times as fast as it was; 0 stands at the beginning
    #[arg(long, default_value_t = 1)]
    speed: u64,
    /// Draw with ASCII characters only
    #[arg(long)]
    ascii: bool,
}

pub(super) fn run(options: &ReplayArgs) -> ExitCode {
    match show(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => super::complain(&[problem]),
    }
}

fn show(options: &ReplayArgs) -> Result<(), ConfigProblem> {
    let path = options.file.display();
    let problem = |what: String, hint: &str| ConfigProblem { what, hint: hint.into() };
    let recording = read(&options.file)
        .map_err(|err| problem(format!("cannot read {path}: {err}"), "name a file that `oxbow run --record` made"))?;
    if recording.lines.is_empty() {
        return Err(problem(
            format!("{path} is no recording of this oxbow"),
            "name a file that `oxbow run --record` made",
        ));
    }
    let (left_out, lines) = (recording.unreadable, recording.lines.len());
    let runtime = Runtime::new().map_err(|err| problem(format!("cannot start: {err}"), "close other programs"))?;
    let stop = CancellationToken::new();
    let (inbox, outlet) = inbox();
    let (wishes, wished) = channel();
    let mut player = Player::new(recording, options.speed);
    let (publish, bench) = watch::channel(Arc::new(player.snapshot()));
    let shown = player.shown.clone();
    let time = Arc::new(move || shown.read());
    let ended = std::thread::scope(|scope| {
        scope.spawn(move || player.play(&wished, &publish));
        runtime.spawn(refuse_all(outlet));
        let looks = Looks { ascii: options.ascii, ..Looks::default() };
        let options =
            TuiOptions { looks, bell: Calls::Never, flash: Calls::default(), runtime: runtime.handle().clone() };
        // The player ends when nobody can wish any more.
        run_replay(bench, inbox, stop, options, Shown { time, wishes })
    });
    match ended {
        Ok(Exit::Quit | Exit::Stopped | Exit::TerminalLost(_)) => {
            if left_out > 0 {
                eprintln!(
                    "{left_out} of {} lines are not understood by this oxbow, and were left out",
                    lines + left_out
                );
            }
            Ok(())
        }
        Ok(Exit::Failed) => Err(problem("the screen has a fault".into(), "send what it said, and the recording")),
        Err(err) => Err(problem(err.to_string(), tui_hint(&err))),
    }
}

fn tui_hint(err: &tui::TuiError) -> &'static str {
    match err {
        tui::TuiError::NoTerminal => "a recording is shown on a terminal",
        tui::TuiError::Terminal(_) => err.hint(),
    }
}

/// Nothing is done to a bench that was.
async fn refuse_all(mut outlet: Outlet) {
    while let Some(note) = outlet.notes.recv().await {
        if let Input::Command(_, done) = note {
            let _nobody_waits = done.send(Err(Refusal::NotStored("this is a recording".into())));
        }
    }
}

/// The moment that is shown, for those who draw it.
#[derive(Debug, Default)]
struct Moment {
    millis: AtomicU64,
    speed: AtomicU64,
    /// Lines that were taken in, and all.
    taken: AtomicUsize,
    all: usize,
    /// The last moment there is.
    end: u64,
}

impl Moment {
    fn read(&self) -> (Timestamp, String) {
        let (speed, millis) = (self.speed.load(Ordering::Relaxed), self.millis.load(Ordering::Relaxed));
        let pace = match speed {
            _ if millis >= self.end => "end".to_owned(),
            0 => format!("stands {}/{}", self.taken.load(Ordering::Relaxed), self.all),
            speed => format!("x{speed}"),
        };
        (Timestamp::from_millis(millis), pace)
    }
}

/// Takes line after line into the scene.
struct Player {
    scene: Scene,
    lines: Vec<RecordedLine>,
    next: usize,
    shown: Arc<Moment>,
}

impl Player {
    fn new(recording: Recording, speed: u64) -> Self {
        let first = recording.lines.first().map_or(0, |line| line.at.as_millis());
        let end = recording.lines.last().map_or(0, |line| line.at.after(SILENCE).as_millis());
        let shown = Moment { all: recording.lines.len(), end, ..Moment::default() };
        shown.millis.store(first, Ordering::Relaxed);
        shown.speed.store(speed.min(FASTEST), Ordering::Relaxed);
        Self { scene: Scene::default(), lines: recording.lines, next: 0, shown: Arc::new(shown) }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.shown.millis.load(Ordering::Relaxed))
    }

    fn snapshot(&self) -> Snapshot {
        self.scene.snapshot(self.now())
    }

    /// Until nobody looks any more.
    fn play(&mut self, wished: &Receiver<ReplayControl>, publish: &watch::Sender<Arc<Snapshot>>) {
        let mut last = Instant::now();
        loop {
            match wished.recv_timeout(EACH) {
                Ok(wish) => self.heed(wish),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let passed = u64::try_from(last.elapsed().as_millis()).unwrap_or(u64::MAX);
            last = Instant::now();
            self.advance(passed.saturating_mul(self.shown.speed.load(Ordering::Relaxed)));
            publish.send_replace(Arc::new(self.snapshot()));
        }
    }

    fn heed(&mut self, wish: ReplayControl) {
        let speed = self.shown.speed.load(Ordering::Relaxed);
        match wish {
            ReplayControl::Step => {
                self.shown.speed.store(0, Ordering::Relaxed);
                let to = self.lines.get(self.next).map_or(self.shown.end, |line| line.at.as_millis());
                self.shown.millis.fetch_max(to, Ordering::Relaxed);
                self.take();
                self.scene.tick(self.now());
            }
            ReplayControl::Faster => self.shown.speed.store((speed * 2).clamp(1, FASTEST), Ordering::Relaxed),
            ReplayControl::Slower => self.shown.speed.store(speed / 2, Ordering::Relaxed),
        }
    }

    /// As if so many milliseconds had passed. At the end it stands.
    fn advance(&mut self, millis: u64) {
        let now = self.shown.millis.load(Ordering::Relaxed);
        if millis == 0 || now >= self.shown.end {
            return;
        }
        self.shown.millis.store(now.saturating_add(millis).min(self.shown.end), Ordering::Relaxed);
        while self.lines.get(self.next).is_some_and(|line| line.at <= self.now()) {
            self.take();
        }
        self.scene.tick(self.now());
    }

    fn take(&mut self) {
        if let Some(line) = self.lines.get(self.next) {
            self.scene.take(line);
            self.next += 1;
            self.shown.taken.store(self.next, Ordering::Relaxed);
        }
    }
}

/// As often as a hub publishes.
const EACH: Duration = Duration::from_millis(50);
const FASTEST: u64 = 1024;
/// After the last line: who fell silent then is diagnosed by that.
const SILENCE: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::read_from;

    fn player(speed: u64) -> Player {
        let line = |at: u64| format!("{{\"oxbow\":1,\"at\":{at},\"took\":{{\"link\":{at}}}}}\n");
        let text: String = [1_000, 2_000, 60_000].map(line).concat();
        Player::new(read_from(text.as_bytes()).expect("readable"), speed)
    }

    #[test]
    fn a_recording_goes_at_the_speed_one_chose_and_stands_at_its_end() {
        let mut player = player(1);
        player.advance(1_500);
        assert_eq!((player.snapshot().link_mbit, player.shown.read().1.as_str()), (Some(2_000), "x1"));
        player.heed(ReplayControl::Faster);
        assert_eq!(player.shown.read().1, "x2");
        player.advance(100_000);
        assert_eq!((player.snapshot().link_mbit, player.shown.read().1.as_str()), (Some(60_000), "x2"));
        player.advance(1_000_000);
        assert_eq!((player.now().as_millis(), player.shown.read().1.as_str()), (180_000, "end"));
        let end = player.now();
        player.advance(100_000);
        assert_eq!(player.now(), end);
    }

    #[test]
    fn a_step_goes_to_what_happened_next_and_stands_there() {
        let mut player = player(4);
        for (link, at, words) in [
            (1_000, 1_000, "stands 1/3"),
            (2_000, 2_000, "stands 2/3"),
            (60_000, 60_000, "stands 3/3"),
            (60_000, 180_000, "end"),
        ] {
            player.heed(ReplayControl::Step);
            player.advance(0);
            assert_eq!((player.snapshot().link_mbit, player.now().as_millis()), (Some(link), at));
            assert_eq!(player.shown.read().1, words);
        }
    }
}
