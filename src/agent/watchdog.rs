//! Notices work that does not come back: a disk that says neither yes nor no, a step in which nothing moves.
//!
//! A thread that waits for a disk inside the kernel cannot be ended, and whoever waits for that thread waits as long. So
//! the watchdog has a thread of its own, touches no disk, and takes the run's end into its own hands.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::failure::{RunFailure, StopReason};
use super::machine::Medium;
use super::station::backoff::RetryPolicy;
use crate::domain::machine::report::{FailureKind, Step};

/// The state of the work, shared with the watchdog.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
    changed: Condvar,
    retry_policy: RetryPolicy,
}

#[derive(Debug)]
struct State {
    /// None while nothing is watched: the station is waited for, however long it is away.
    step: Option<Step>,
    /// Since when nothing has moved.
    since: Instant,
    /// What a disk was asked for and has not answered.
    asked: Option<DiskRequest>,
    /// The disk that was opened last.
    disk: Option<String>,
    warned: bool,
    tripped: Option<RunFailure>,
    over: bool,
}

#[derive(Clone, Debug)]
struct DiskRequest {
    disk: String,
    act: Act,
    since: Instant,
}

/// What a disk is asked for; with the byte it is about.
#[derive(Clone, Copy, Debug)]
enum Act {
    Opening,
    Writing(u64),
    Flushing,
    Rewinding,
    Reading(u64),
}

/// What the watchdog has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum WatchdogAlarm {
    /// Half of the patience is gone.
    Warning(Step, String),
    /// The limit has passed: the run has failed, and only the watchdog reports it.
    Tripped(RunFailure),
}

impl Activity {
    pub(super) fn new(retry_policy: RetryPolicy) -> Self {
        let state = State {
            step: None,
            since: Instant::now(),
            asked: None,
            disk: None,
            warned: false,
            tripped: None,
            over: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), retry_policy }
    }

    /// From now on `step` is watched.
    pub(super) fn begin(&self, step: Step) {
        let mut state = self.lock();
        (state.step, state.since, state.warned) = (Some(step), Instant::now(), false);
        drop(state);
        self.changed.notify_all();
    }

    /// The step has moved on.
    pub(super) fn moved(&self) {
        let mut state = self.lock();
        (state.since, state.warned) = (Instant::now(), false);
    }

    /// Stops watching; an error if the alarm has already tripped.
    pub(super) fn rest(&self) -> Result<(), StopReason> {
        let mut state = self.lock();
        state.step = None;
        state.tripped.clone().map_or(Ok(()), |failure| Err(StopReason::Failed(failure)))
    }

    /// The disk being written, once it is open.
    pub(super) fn disk(&self) -> Option<String> {
        self.lock().disk.clone()
    }

    /// Ends [`Self::serve`].
    pub(super) fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }

    /// Opens a disk, under watch from the first moment on.
    pub(super) fn open(
        &self,
        disk: &str,
        open: impl FnOnce() -> io::Result<Box<dyn Medium>>,
    ) -> io::Result<Watched<'_>> {
        self.lock().disk = Some(disk.to_owned());
        let medium = self.during(disk, Act::Opening, open)?;
        Ok(Watched { watch: self, disk: disk.to_owned(), medium, at: 0 })
    }

    fn during<T>(&self, disk: &str, act: Act, ask: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.lock().asked = Some(DiskRequest { disk: disk.to_owned(), act, since: Instant::now() });
        let answer = ask();
        let mut state = self.lock();
        (state.asked, state.since, state.warned) = (None, Instant::now(), false);
        if state.tripped.is_some() { Err(io::Error::other("the disk answered too late")) } else { answer }
    }

    /// Watches until [`Self::end`], or until a limit has passed.
    pub(super) fn serve(&self, mut on_alarm: impl FnMut(WatchdogAlarm)) {
        let mut state = self.lock();
        while !state.over {
            let alarm = state.alarm(&self.retry_policy);
            let is_last = match &alarm {
                Some(WatchdogAlarm::Tripped(failure)) => {
                    state.tripped = Some(failure.clone());
                    true
                }
                Some(WatchdogAlarm::Warning(..)) => {
                    state.warned = true;
                    false
                }
                None => false,
            };
            if let Some(alarm) = alarm {
                drop(state);
                on_alarm(alarm);
                if is_last {
                    return;
                }
                state = self.lock();
            }
            let glance = (self.retry_policy.disk.min(self.retry_policy.step) / 8).min(GLANCE);
            state = self.changed.wait_timeout(state, glance).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    // A panic elsewhere leaves it whole: every change is one step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn alarm(&self, retry_policy: &RetryPolicy) -> Option<WatchdogAlarm> {
        let step = self.step?;
        let of_disk = self.asked.as_ref().map(|asked| {
            let DiskRequest { disk, act, since } = asked;
            (since.elapsed(), retry_policy.disk, format!("{disk}: {}: the disk has not answered", act.words()))
        });
        let of_step = (self.since.elapsed(), retry_policy.step, format!("{}: no progress", step.word()));
        let due = |(silent, limit, what): &(Duration, Duration, String)| {
            if silent >= limit {
                let detail = format!("{what} for {}", seconds(*limit));
                Some(WatchdogAlarm::Tripped(RunFailure { step, kind: FailureKind::Hung, detail }))
            } else if !self.warned && *silent >= *limit / 2 {
                let text = format!("{what} for {}; giving up after {}", seconds(*silent), seconds(*limit));
                Some(WatchdogAlarm::Warning(step, text))
            } else {
                None
            }
        };
        of_disk.as_ref().and_then(due).or_else(|| due(&of_step))
    }
}

impl Act {
    fn words(self) -> String {
        match self {
            Self::Opening => "opening".to_owned(),
            Self::Writing(at) => format!("writing at byte {at}"),
            Self::Flushing => "flushing".to_owned(),
            Self::Rewinding => "seeking to its first byte".to_owned(),
            Self::Reading(at) => format!("reading back at byte {at}"),
        }
    }
}

/// A watched medium. An answer after the watchdog has tripped is an error.
pub(super) struct Watched<'a> {
    watch: &'a Activity,
    disk: String,
    medium: Box<dyn Medium>,
    at: u64,
}

impl Medium for Watched<'_> {
    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        self.watch.during(&self.disk, Act::Writing(self.at), || self.medium.write(block))?;
        self.at += block.len() as u64;
        Ok(())
    }

    fn put_head(&mut self, head: &[u8]) -> io::Result<()> {
        self.watch.during(&self.disk, Act::Writing(0), || self.medium.put_head(head))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.watch.during(&self.disk, Act::Flushing, || self.medium.flush())
    }

    fn rewind(&mut self) -> io::Result<()> {
        self.at = 0;
        self.watch.during(&self.disk, Act::Rewinding, || self.medium.rewind())
    }

    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let some = self.watch.during(&self.disk, Act::Reading(self.at), || self.medium.read(block))?;
        self.at += some as u64;
        Ok(some)
    }

    fn zeros_made(&self) -> u64 {
        self.medium.zeros_made()
    }
}

/// A time as text, short ones too.
fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{:.1} s", time.as_secs_f64()) }
}

/// How often the watchdog looks at least.
const GLANCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn retry_policy(disk: u64, step: u64) -> RetryPolicy {
        let [disk, step] = [disk, step].map(Duration::from_millis);
        RetryPolicy { disk, step, ..RetryPolicy::default() }
    }

    fn alarms(watch: &Activity) -> Vec<WatchdogAlarm> {
        let mut heard = Vec::new();
        watch.serve(|alarm| heard.push(alarm));
        heard
    }

    fn detail(alarm: &WatchdogAlarm) -> &str {
        match alarm {
            WatchdogAlarm::Warning(_, text) => text,
            WatchdogAlarm::Tripped(failure) => &failure.detail,
        }
    }

    #[test]
    fn a_step_in_which_nothing_moves_is_warned_of_and_then_given_up() {
        let watch = Activity::new(retry_policy(60_000, 200));
        watch.begin(Step::Configure);
        let heard = alarms(&watch);
        assert_eq!(heard.len(), 2, "{heard:?}");
        assert!(matches!(heard[0], WatchdogAlarm::Warning(Step::Configure, _)), "{heard:?}");
        assert_eq!(detail(&heard[1]), "configuring: no progress for 0.2 s");
        assert!(watch.rest().is_err(), "too late");
    }

    #[test]
    fn what_moves_now_and_then_and_what_is_not_watched_is_left_alone() {
        let watch = Activity::new(retry_policy(60_000, 2000));
        std::thread::scope(|scope| {
            let heard = scope.spawn(|| alarms(&watch));
            watch.begin(Step::Write);
            for _ in 0..30 {
                std::thread::sleep(Duration::from_millis(50));
                watch.moved();
            }
            watch.rest().expect("in time");
            std::thread::sleep(Duration::from_millis(2500));
            watch.end();
            let heard = heard.join().expect("it ends");
            assert!(!heard.iter().any(|alarm| matches!(alarm, WatchdogAlarm::Tripped(_))), "{heard:?}");
        });
    }

    #[test]
    fn a_disk_is_named_with_what_it_was_asked_for() {
        struct Stuck;
        impl Medium for Stuck {
            fn write(&mut self, _: &[u8]) -> io::Result<()> {
                std::thread::sleep(Duration::from_millis(800));
                Ok(())
            }
            fn put_head(&mut self, _: &[u8]) -> io::Result<()> {
                Ok(())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
            fn rewind(&mut self) -> io::Result<()> {
                Ok(())
            }
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Ok(0)
            }
        }
        let watch = Activity::new(retry_policy(200, 60_000));
        watch.begin(Step::Write);
        std::thread::scope(|scope| {
            let heard = scope.spawn(|| alarms(&watch));
            let mut disk = watch.open("/dev/sda", || Ok(Box::new(Stuck))).expect("open");
            disk.write(&[1; 100]).expect_err("it came back, too late");
            let heard = heard.join().expect("it ends");
            let last = heard.last().map(detail);
            assert_eq!(last, Some("/dev/sda: writing at byte 0: the disk has not answered for 0.2 s"));
        });
    }
}
