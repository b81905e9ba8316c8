//! The summary of a batch, for the command line and the head of the page.

use std::time::Duration;

use crate::domain::batch::BatchOrder;
use crate::domain::batch::counts::BatchCounts;
use crate::domain::time::in_words;
use crate::protocol::batch::BatchRow;

/// `batch 3, line 2, work order 4711, operator Kim: open for 1:02:03`.
pub fn headline(batch: &BatchRow) -> String {
    let BatchOrder { name, work_order, operator, list } = &batch.order;
    let parts = [("work order", work_order), ("operator", operator), ("expected by", list)];
    let parts = parts.iter().filter_map(|(what, words)| Some(format!(", {what} {}", words.as_ref()?)));
    let number = batch.number.map(|number| format!("batch {number}, ")).unwrap_or_default();
    let lasted = in_words(Duration::from_millis(batch.closed.unwrap_or(batch.at).saturating_sub(batch.opened)));
    let state = if batch.closed.is_some() { "closed after" } else { "open for" };
    format!("{number}{name}{}: {state} {lasted}", parts.collect::<String>())
}

/// How long machines took, and how many an hour; none while no machine is done.
pub fn figures(tally: &BatchCounts) -> Option<String> {
    let [quickest, median, slowest] =
        [tally.quickest_ms?, tally.median_ms?, tally.slowest_ms?].map(|took| in_words(Duration::from_millis(took)));
    let rate = tally.per_hour_milli.filter(|_| tally.done >= ENOUGH);
    let rate = rate.map(|rate| format!(", {}.{} an hour", rate / 1000, rate % 1000 / 100));
    Some(format!("from power-on to proof: {median} ({quickest} to {slowest}){}", rate.unwrap_or_default()))
}

/// From this many machines on, their number in an hour is meaningful: with fewer it depends on when they were switched
/// on.
const ENOUGH: usize = 10;
