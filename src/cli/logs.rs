//! `oxbow logs`.

use std::process::ExitCode;

use super::connection::{Conversation, StationArgs};
use super::print;
use crate::clock;
use crate::config::ConfigProblem;
use crate::domain::ids::NodeId;
use crate::domain::logline::Level;
use crate::domain::text;
use crate::domain::time::Timestamp;
use crate::export::Unmade;
use crate::logs::index::{LogIndex, SearchQuery};
use crate::protocol::control::{ControlReply, ControlRequest};

/// Exit status: 0 found, 1 nothing found or no such node, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct Logs {
    #[command(flatten)]
    place: StationArgs,
    /// Only this node: its name, serial, UUID, MAC address, or number as #7
    #[arg(long, value_name = "NODE")]
    node: Option<String>,
    /// Only this run: the eight characters that a line of an agent has after `agent:`
    #[arg(long, value_name = "RUN", value_parser = run_name)]
    run: Option<String>,
    /// This level or worse
    #[arg(long, value_name = "LEVEL", value_parser = ["info", "warning", "error"])]
    level: Option<String>,
    /// From this time on: 90s, 15m, 2h, 3d ago, or a time such as 2026-05-03T14:00 (local) or with Z (UTC)
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Up to this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// At most this many lines, the newest
    #[arg(long, value_name = "LINES", default_value_t = 1000)]
    limit: usize,
    /// A line must have all these words, or words that begin with them, in any case
    #[arg(allow_negative_numbers = true)]
    words: Vec<String>,
}

pub(super) fn run(options: &Logs) -> ExitCode {
    match search(options) {
        Ok(answer) => {
            for line in &answer.lines {
                print::raw(&format!("{}\n", text::clean(line, LONGEST)));
            }
            if answer.has_more {
                print::note(&format!("these are the newest {}: older ones with --limit\n", options.limit));
            }
            if answer.lines.is_empty() {
                print::note("no line is so\n");
                return ExitCode::from(1);
            }
            ExitCode::SUCCESS
        }
        Err(unmade) => print::unmade(&unmade),
    }
}

fn search(options: &Logs) -> Result<crate::logs::index::SearchResult, Unmade> {
    let data = options.place.data()?;
    let node = options.node.as_deref().map(|node| number(options, node)).transpose()?;
    let question = SearchQuery {
        node,
        run: options.run.clone(),
        level: options.level.as_deref().map(|level| match level {
            "error" => Level::Error,
            "warning" => Level::Warning,
            _ => Level::Info,
        }),
        since: options.since,
        until: options.until,
        words: options.words.iter().flat_map(|words| words.split_whitespace()).map(str::to_owned).collect(),
    };
    let logs = data.node_logs();
    let cannot = |err: &dyn std::error::Error| {
        let why = err.source().map(|why| format!(": {why}")).unwrap_or_default();
        let hint = format!("the log files are in {}: search them with grep", logs.display());
        Unmade::from(vec![ConfigProblem { what: format!("{err}{why}"), hint }])
    };
    if !logs.is_dir() {
        let what = format!("there are no node logs in {}", logs.display());
        return Err(Unmade::from(vec![ConfigProblem { what, hint: "name the data directory with --data".into() }]));
    }
    let mut index = LogIndex::open(&data.log_index(), &logs).map_err(|err| cannot(&err))?;
    while index.catch_up().map_err(|err| cannot(&err))? {}
    index.search(&question, options.limit).map_err(|err| cannot(&err))
}

/// The node's number: a forgotten one may still have logs.
fn number(options: &Logs, node: &str) -> Result<NodeId, Unmade> {
    if let Some(number) = node.strip_prefix('#').and_then(|number| number.parse().ok()) {
        return Ok(NodeId(number));
    }
    let mut bench = Conversation::open(&options.place, true)?;
    let mut found = None;
    let answer = bench.ask(ControlRequest::Node { which: node.to_owned() }, &[], |answer| {
        if let ControlReply::Node(row) = answer {
            found = Some(row.id);
        }
    });
    match (answer, found) {
        (Ok(ControlReply::Done { .. }), Some(id)) => Ok(id),
        (Ok(answer), _) => Err(Unmade::Said(Box::new(answer))),
        (Err(problem), _) => Err(Unmade::from(vec![problem])),
    }
}

fn run_name(text: &str) -> Result<String, String> {
    let name = text.trim().to_ascii_lowercase();
    let is_name = name.len() >= 8 && name.bytes().all(|c| c.is_ascii_hexdigit());
    is_name.then_some(name).ok_or_else(|| "write it as 5f3a9c01, as the log has it after `agent:`".into())
}

fn time(text: &str) -> Result<Timestamp, String> {
    let now = clock::now();
    let text = text.trim();
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let ago = units.into_iter().find_map(|(unit, seconds)| {
        let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(std::time::Duration::from_secs(count.checked_mul(seconds)?))
    });
    if let Some(ago) = ago {
        let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        return Ok(Timestamp::from_millis(now.as_millis().saturating_sub(ago)));
    }
    let of_zone = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let of_wall = |text: &str| {
        let wall = text.parse::<jiff::civil::DateTime>().ok()?;
        wall.to_zoned(jiff::tz::TimeZone::system()).ok().map(|moment| moment.timestamp())
    };
    let at = of_zone(text).or_else(|| of_wall(text)).and_then(|at| u64::try_from(at.as_millisecond()).ok());
    at.map(Timestamp::from_millis).ok_or_else(|| "write it as 2h, or as 2026-05-03T14:00".into())
}

/// Characters of a line with its time and the node's name.
const LONGEST: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_write_it() {
        let now = clock::now().as_millis();
        for (text, ago) in [("90s", 90_000), ("15m", 900_000), ("2h", 7_200_000), ("3d", 259_200_000)] {
            let read = time(text).expect("a time").as_millis();
            assert!((now - ago..=now - ago + 60_000).contains(&read), "{text}");
        }
        assert_eq!(time("2026-05-03T10:00:00Z"), Ok(Timestamp::from_millis(1_777_802_400_000)));
        assert!(time("2026-05-03T14:00").is_ok() && time("2026-05-03").is_ok());
        for text in ["", "h", "yesterday", "2 h", "-1h", "99999999999999999999d"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
