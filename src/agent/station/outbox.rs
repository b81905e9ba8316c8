//! What is on its way to the station: reports, log lines, and the newest progress figure.
//!
//! Whoever works puts things in and never waits; the [`super::sender`] takes them out and repeats them until they are
//! acknowledged. Reports are all kept (a run has about ten); of the log the oldest lines give way when [`LINES`] are
//! waiting, and a line says how many; of progress only the newest figure is kept. A line that is said alone goes at once;
//! those that follow it are gathered for [`GATHERED`], so that a machine that talks does not ask the station for each.
//! Before its first line the station is asked, with an empty message, where the log goes on: an earlier life of this agent
//! in the same run may have said some, and a line under a number that the station has seen would be lost.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::logline::Level;
use crate::domain::machine::report::Report;
use crate::protocol::{LogLines, Moved, Reports, VERSION};

/// Shared by everybody in the agent who has something to tell.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    post: Mutex<OutboxState>,
    changed: Condvar,
}

/// The next thing to carry to the station, the most important first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outgoing {
    Reports(Reports),
    Lines(LogLines),
    Moved(Moved),
}

/// How far the reports have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeliveryState {
    Underway,
    Acknowledged,
    /// The station has ended the run and takes no more reports.
    Ended(String),
}

impl Outbox {
    pub(crate) fn report(&self, report: Report) {
        self.change(|post| post.reports.push(report));
    }

    pub(crate) fn line(&self, level: Level, text: String) {
        self.change(|post| {
            post.lines.push((level, text));
            post.make_room();
        });
    }

    pub(crate) fn moved(&self, moved: Moved) {
        self.change(|post| post.moved = Some(moved));
    }

    /// The station wants the report with index `next`.
    pub(crate) fn reports_acknowledged(&self, next: u32) {
        self.change(|post| post.reports.acknowledge(next));
    }

    /// The station wants the line numbered `next`.
    pub(crate) fn lines_acknowledged(&self, next: u32) {
        self.change(|post| {
            if !std::mem::replace(&mut post.is_numbered, true) {
                return post.lines.begin_at(next);
            }
            // Not after an answer that only says where to go on.
            if next > post.lines.next && next <= post.lines.end() {
                post.lines_from = Some(Instant::now() + GATHERED);
            }
            post.lines.acknowledge(next);
            post.lines.forget_acknowledged();
        });
    }

    /// The station has left so many lines out. True the first time.
    pub(crate) fn lines_left_out(&self, lines: u32) -> bool {
        let mut post = self.lock();
        let is_news = lines > 0 && !post.is_cut_short;
        post.is_cut_short |= is_news;
        is_news
    }

    /// The station will never take the lines now waiting. Gives how many.
    pub(crate) fn drop_lines(&self) -> usize {
        let mut post = self.lock();
        let dropped = post.lines.unseen();
        let end = post.lines.end();
        post.lines.acknowledge(end);
        post.lines.forget_acknowledged();
        self.changed.notify_all();
        dropped
    }

    /// The station takes no more reports of this run.
    pub(crate) fn run_ended(&self, reason: String) {
        self.change(|post| post.ended = Some(reason));
    }

    /// Nothing more is to be carried.
    pub(crate) fn close(&self) {
        self.change(|post| post.closed = true);
    }

    /// The next message to send; waits at most `timeout` for one. `Err` when closed.
    pub(crate) fn next(&self, timeout: Duration) -> Result<Option<Outgoing>, OutboxClosed> {
        let until = Instant::now() + timeout;
        let mut post = self.lock();
        loop {
            if post.closed {
                return Err(OutboxClosed);
            }
            let now = Instant::now();
            let left = until.saturating_duration_since(now);
            match post.outgoing(now) {
                None if !left.is_zero() => {
                    let gathered = post.lines_from.map_or(left, |from| from.saturating_duration_since(now));
                    let wait = if gathered.is_zero() { left } else { left.min(gathered) };
                    post = self.wait(post, wait);
                }
                outgoing => return Ok(outgoing),
            }
        }
    }

    /// Waits until `enough` is true of the state, or for `timeout`.
    fn wait_until(&self, timeout: Duration, enough: impl Fn(&OutboxState) -> bool) {
        let until = Instant::now() + timeout;
        let mut post = self.lock();
        while !enough(&post) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            post = self.wait(post, left);
        }
    }

    /// How far the reports have come, waiting at most `timeout` for more than [`DeliveryState::Underway`].
    pub(crate) fn delivery(&self, timeout: Duration) -> DeliveryState {
        self.wait_until(timeout, |post| post.delivery() != DeliveryState::Underway);
        self.lock().delivery()
    }

    /// Gives the log at most `timeout` to reach the station.
    pub(crate) fn settle_log(&self, timeout: Duration) {
        self.wait_until(timeout, |post| post.lines.is_settled());
    }

    fn change(&self, change: impl FnOnce(&mut OutboxState)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    // A panic elsewhere leaves the post whole: every change is one step.
    fn lock(&self) -> MutexGuard<'_, OutboxState> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'p>(&self, post: MutexGuard<'p, OutboxState>, timeout: Duration) -> MutexGuard<'p, OutboxState> {
        self.changed.wait_timeout(post, timeout).unwrap_or_else(PoisonError::into_inner).0
    }
}

/// The outbox has been closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutboxClosed;

#[derive(Debug, Default)]
struct OutboxState {
    reports: Sequence<Report>,
    lines: Sequence<(Level, String)>,
    lost_lines: u64,
    /// The station has said which number the first of them gets.
    is_numbered: bool,
    /// Before that lines are gathered.
    lines_from: Option<Instant>,
    /// The station does not keep all of them.
    is_cut_short: bool,
    moved: Option<Moved>,
    ended: Option<String>,
    closed: bool,
}

impl OutboxState {
    fn outgoing(&mut self, now: Instant) -> Option<Outgoing> {
        if self.ended.is_none()
            && let Some((first, reports)) = self.reports.waiting(BATCH)
        {
            return Some(Outgoing::Reports(Reports { version: VERSION, first, reports }));
        }
        if !self.is_numbered && !self.lines.is_settled() {
            return Some(Outgoing::Lines(LogLines { version: VERSION, first: 0, lines: Vec::new() }));
        }
        if let Some((first, lines)) = self.lines.waiting(BATCH)
            && (lines.len() == BATCH || self.lines_from.is_none_or(|from| from <= now))
        {
            return Some(Outgoing::Lines(LogLines { version: VERSION, first, lines }));
        }
        self.moved.take().map(Outgoing::Moved)
    }

    fn delivery(&self) -> DeliveryState {
        if self.reports.is_settled() {
            return DeliveryState::Acknowledged;
        }
        match &self.ended {
            Some(reason) => DeliveryState::Ended(reason.clone()),
            None => DeliveryState::Underway,
        }
    }

    /// The two oldest lines make room for one that counts what is lost.
    fn make_room(&mut self) {
        if self.lines.items.len() <= LINES {
            return;
        }
        self.lost_lines += if self.lost_lines == 0 { 2 } else { 1 };
        self.lines.pop_oldest();
        if let Some(oldest) = self.lines.items.front_mut() {
            let lost = self.lost_lines;
            *oldest =
                (Level::Warning, format!("log: {lost} lines lost here: the station was unreachable for too long"));
        }
    }
}

/// Things with consecutive indexes, of which the station has seen those before `next`.
#[derive(Debug)]
struct Sequence<T> {
    items: VecDeque<T>,
    /// The index of the first of `items`.
    first: u32,
    next: u32,
}

impl<T> Default for Sequence<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), first: 0, next: 0 }
    }
}

impl<T: Clone> Sequence<T> {
    fn push(&mut self, item: T) {
        self.items.push_back(item);
    }

    /// One after the last index.
    fn end(&self) -> u32 {
        self.first.saturating_add(u32::try_from(self.items.len()).unwrap_or(u32::MAX))
    }

    fn is_settled(&self) -> bool {
        self.next >= self.end()
    }

    /// Items of which none was sent get the indexes from `next` on.
    fn begin_at(&mut self, next: u32) {
        (self.first, self.next) = (next, next);
    }

    /// How many the station has not seen.
    fn unseen(&self) -> usize {
        self.items.len().saturating_sub(self.seen())
    }

    fn seen(&self) -> usize {
        usize::try_from(self.next.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    /// The oldest items that the station has not seen, with the index of the first.
    fn waiting(&self, most: usize) -> Option<(u32, Vec<T>)> {
        let (begin, seen) = (self.next.max(self.first), self.seen());
        let items: Vec<T> = self.items.iter().skip(seen).take(most).cloned().collect();
        (!items.is_empty()).then_some((begin, items))
    }

    /// Takes the station's word for what it wants next: it may go back (it lost what it had), and it may be ahead of
    /// everything so far from an earlier start of this agent in the same run: then we go on from there.
    fn acknowledge(&mut self, next: u32) {
        if next > self.end() {
            self.first += next - self.next.max(self.first);
        }
        self.next = next;
    }

    fn forget_acknowledged(&mut self) {
        while self.first < self.next && self.items.pop_front().is_some() {
            self.first += 1;
        }
    }

    fn pop_oldest(&mut self) {
        if self.items.pop_front().is_some() {
            self.first += 1;
        }
    }
}

/// Log lines that wait for the station: hours of an agent's talk.
const LINES: usize = 1000;
/// Lines within this time of each other go in one message.
const GATHERED: Duration = Duration::from_millis(100);
/// Reports or lines in one message.
const BATCH: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn next(outbox: &Outbox) -> Option<Outgoing> {
        outbox.next(Duration::ZERO).expect("open")
    }

    fn lines(outbox: &Outbox) -> (u32, Vec<String>) {
        match next(outbox) {
            Some(Outgoing::Lines(lines)) => (lines.first, lines.lines.into_iter().map(|(_, text)| text).collect()),
            other => panic!("lines expected, not {other:?}"),
        }
    }

    /// One whose log begins in this run.
    fn numbered() -> Outbox {
        let outbox = Outbox::default();
        outbox.lines_acknowledged(0);
        outbox
    }

    fn first_report(outbox: &Outbox) -> (u32, usize) {
        match next(outbox) {
            Some(Outgoing::Reports(reports)) => (reports.first, reports.reports.len()),
            other => panic!("reports expected, not {other:?}"),
        }
    }

    #[test]
    fn reports_go_before_lines_and_lines_before_progress() {
        let outbox = numbered();
        let moved =
            Moved { step: crate::domain::machine::report::Step::Write, done: 1, total: 2, arrived: 0, retries: 0 };
        outbox.moved(Moved { done: 0, ..moved });
        outbox.moved(moved);
        outbox.line(Level::Info, "hello".into());
        outbox.report(Report::Complete);
        assert_eq!(first_report(&outbox), (0, 1));
        outbox.reports_acknowledged(1);
        assert_eq!(lines(&outbox), (0, vec!["hello".to_owned()]));
        outbox.lines_acknowledged(1);
        assert_eq!((next(&outbox), next(&outbox)), (Some(Outgoing::Moved(moved)), None));
    }

    #[test]
    fn a_line_goes_at_once_those_after_it_are_gathered_and_reports_do_not_wait_for_them() {
        let outbox = numbered();
        outbox.line(Level::Info, "alone".into());
        assert_eq!(lines(&outbox).1, ["alone"]);
        outbox.lines_acknowledged(1);
        for number in 1..BATCH {
            outbox.line(Level::Info, number.to_string());
            assert_eq!(next(&outbox), None, "they are gathered");
        }
        outbox.report(Report::Complete);
        assert_eq!(first_report(&outbox), (0, 1));
        outbox.reports_acknowledged(1);
        let waited = outbox.next(Duration::from_secs(30)).expect("open");
        assert!(matches!(waited, Some(Outgoing::Lines(lines)) if lines.first == 1 && lines.lines.len() == BATCH - 1));
        outbox.lines_acknowledged(1);
        outbox.line(Level::Info, "the message is full".into());
        assert_eq!(lines(&outbox).1.len(), BATCH, "which does not wait");
    }

    #[test]
    fn what_is_not_acknowledged_is_said_again() {
        let outbox = Outbox::default();
        outbox.report(Report::Complete);
        assert_eq!(first_report(&outbox), first_report(&outbox));
        assert_eq!(outbox.delivery(Duration::ZERO), DeliveryState::Underway);
    }

    #[test]
    fn a_station_that_lost_its_memory_hears_every_report_again() {
        let outbox = Outbox::default();
        (0..3).for_each(|_| outbox.report(Report::Complete));
        outbox.reports_acknowledged(3);
        assert_eq!(outbox.delivery(Duration::ZERO), DeliveryState::Acknowledged);
        outbox.reports_acknowledged(0);
        assert_eq!(first_report(&outbox), (0, 3));
    }

    #[test]
    fn a_second_life_in_the_same_run_goes_on_where_the_first_ended() {
        let outbox = Outbox::default();
        (0..2).for_each(|_| outbox.report(Report::Complete));
        outbox.reports_acknowledged(7);
        assert_eq!(first_report(&outbox), (7, 2));
        outbox.reports_acknowledged(9);
        (0..3).for_each(|number| outbox.line(Level::Info, format!("second life {number}")));
        assert_eq!((lines(&outbox), lines(&outbox)), ((0, vec![]), (0, vec![])), "asked until it is answered");
        // The first said fewer than are waiting now.
        outbox.lines_acknowledged(2);
        let all = ["second life 0", "second life 1", "second life 2"].map(str::to_owned);
        assert_eq!(lines(&outbox), (2, all.to_vec()));
        outbox.lines_acknowledged(4);
        let rest = outbox.next(Duration::from_secs(30)).expect("open");
        assert!(matches!(rest, Some(Outgoing::Lines(lines)) if (lines.first, lines.lines.len()) == (4, 1)));
        outbox.lines_acknowledged(5);
        assert_eq!(next(&outbox), None);
    }

    #[test]
    fn lines_that_gave_way_before_the_station_answered_at_all_are_counted_and_have_no_numbers() {
        let outbox = Outbox::default();
        (0..LINES + 5).for_each(|number| outbox.line(Level::Info, number.to_string()));
        outbox.lines_acknowledged(40);
        let (first, texts) = lines(&outbox);
        assert_eq!((first, texts[1].as_str()), (40, "6"));
        assert_eq!(texts[0], "log: 6 lines lost here: the station was unreachable for too long");
        assert_eq!(outbox.drop_lines(), LINES);
        assert_eq!(next(&outbox), None);
    }

    #[test]
    fn when_too_many_lines_wait_the_oldest_go_and_one_says_how_many() {
        let outbox = numbered();
        (0..LINES + 5).for_each(|number| outbox.line(Level::Info, number.to_string()));
        let (first, texts) = lines(&outbox);
        assert_eq!((first, texts[1].as_str()), (5, "6"));
        assert_eq!(texts[0], "log: 6 lines lost here: the station was unreachable for too long");
    }

    #[test]
    fn after_the_run_has_ended_only_the_log_goes_on() {
        let outbox = numbered();
        outbox.report(Report::Complete);
        outbox.line(Level::Info, "still here".into());
        outbox.run_ended("re-armed".into());
        assert_eq!(lines(&outbox).0, 0);
        assert_eq!(outbox.delivery(Duration::ZERO), DeliveryState::Ended("re-armed".into()));
    }
}
