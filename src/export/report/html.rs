//! The report as one page to read and print: no scripts, no external resources.

use std::time::Duration;

use minijinja::{Environment, Value, context};

use super::ReportEntry;
use super::summary::{figures, headline};
use crate::domain::batch::certificate::moment;
use crate::domain::batch::unit::Unit;
use crate::domain::time::{Timestamp, in_words};
use crate::export::label::svg;
use crate::protocol::batch::BatchRow;

/// The page, or what is wrong with its template.
pub(super) fn page(batch: &BatchRow, entries: &[ReportEntry]) -> Result<String, String> {
    let mut pages = Environment::new();
    pages.add_template(NAME, include_str!("../../../assets/report.html")).map_err(|err| err.to_string())?;
    let span = Span::of(entries);
    let tally = &batch.tally;
    let board = [
        ("expected", tally.expected),
        ("seen", tally.seen),
        ("done", tally.done),
        ("failed", tally.failed),
        ("unfinished", tally.unfinished),
        ("missing", tally.missing),
        ("unexpected", tally.unexpected),
        ("duplicates", tally.duplicates),
    ];
    let page = context! {
        title => headline(batch),
        whole => tally.is_whole(),
        board => board.map(|(what, count)| context! { what, count }).to_vec(),
        figures => figures(tally),
        lane => span.map(Span::in_words),
        units => entries.iter().map(|entry| unit(entry, span)).collect::<Vec<_>>(),
        station => &batch.station.software,
        host => super::host(),
        at => moment(Timestamp::from_millis(batch.at)),
    };
    pages.get_template(NAME).and_then(|template| template.render(page)).map_err(|err| format!("{err:#}"))
}

fn unit(entry: &ReportEntry, span: Option<Span>) -> Value {
    let ReportEntry { unit, certificate } = entry;
    let run = unit.run.as_ref();
    let image = run.and_then(|run| run.image.as_ref());
    let steps = run.map(|run| run.steps.as_slice()).unwrap_or_default();
    // Firmware, loader and script often take less than a second: such stages are in the certificate only.
    let long = steps.iter().enumerate().filter_map(|(place, step)| {
        let took = run.and_then(|run| run.took(place)).filter(|took| *took >= 1000)?;
        Some(context! { stage => step.stage.word(), at => moment(step.at), took => in_words(Duration::from_millis(took)) })
    });
    let label = entry.label();
    context! {
        name => unit.name,
        standing => unit.standing.word(),
        done => unit.standing.is_done(),
        expected => unit.expected,
        contested => unit.contested,
        reason => unit.reason,
        serial => unit.serial.as_ref().map(ToString::to_string),
        uuid => unit.uuid.map(|uuid| uuid.to_string()),
        macs => unit.macs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        made => [&unit.manufacturer, &unit.product].into_iter().flatten().cloned().collect::<Vec<_>>().join(" "),
        facts => unit.inventory.facts().into_iter().map(|(what, words)| context! { what, words }).collect::<Vec<_>>(),
        disks => unit.disks.iter().map(|disk| format!("{} {} {} ({:.1} GB)", disk.path, disk.model, disk.serial, gigabytes(disk.bytes))).collect::<Vec<_>>(),
        profile => run.map(|run| run.profile.to_string()),
        runs => unit.runs,
        image => image.map(|image| image.name.clone()),
        image_sha256 => image.and_then(|image| image.travelled_sha256).map(|digest| digest.to_string()),
        written => image.map(|image| image.written_sha256.to_string()),
        read_back => image.and_then(|image| image.read_back_sha256).map(|digest| digest.to_string()),
        configuration => run.and_then(|run| run.configuration_sha256).map(|digest| digest.to_string()),
        took => unit.took().map(|took| in_words(Duration::from_millis(took))),
        ended => run.and_then(|run| run.ended).map(moment),
        root_hash => run.and_then(|run| run.root_hash).map(|digest| digest.to_string()),
        steps => long.collect::<Vec<_>>(),
        bar => span.and_then(|span| span.bar(unit)).map(|(left, width)| context! { left, width }),
        certificate => certificate.as_ref().map(|signed| signed.name.clone()),
        qr => label.as_deref().and_then(svg).map(Value::from_safe_string),
        label => label.iter().flat_map(|label| label.split_inclusive(';')).collect::<Vec<_>>(),
    }
}

fn gigabytes(bytes: u64) -> f64 {
    // A tenth of a gigabyte is exact enough for people.
    bytes as f64 / 1e9
}

/// The time that the page shows, in milliseconds since 1970.
#[derive(Clone, Copy)]
struct Span {
    first: u64,
    last: u64,
}

impl Span {
    fn of(entries: &[ReportEntry]) -> Option<Self> {
        let ends = entries.iter().filter_map(|entry| ends(&entry.unit));
        ends.map(|(first, last)| Self { first, last })
            .reduce(|one, other| Self { first: one.first.min(other.first), last: one.last.max(other.last) })
    }

    /// Its two ends, in UTC; the day of the second only where it is another.
    fn in_words(self) -> Value {
        let [from, to] = [self.first, self.last].map(|at| moment(Timestamp::from_millis(at)));
        let second = |at: &str| at.get(..19).unwrap_or_default().replace('T', " ");
        let (from, to) = (second(&from), second(&to));
        let to = if from.get(..10) == to.get(..10) { to.get(11..).unwrap_or_default().to_owned() } else { to };
        context! { from, to }
    }

    /// Where the bar of a machine begins, and how wide it is, in hundredths of the width.
    fn bar(self, unit: &Unit) -> Option<(u64, u64)> {
        let (first, last) = ends(unit)?;
        let all = self.last.saturating_sub(self.first).max(1);
        let left = first.saturating_sub(self.first).saturating_mul(100) / all;
        Some((left.min(99), (last.saturating_sub(first).saturating_mul(100) / all).clamp(1, 100 - left.min(99))))
    }
}

fn ends(unit: &Unit) -> Option<(u64, u64)> {
    let run = unit.run.as_ref()?;
    let first = run.steps.first().map_or(run.started, |first| first.at.min(run.started));
    let last = run.ended.or(run.steps.last().map(|last| last.at))?;
    Some((first.as_millis(), last.as_millis()))
}

/// The extension makes the engine escape text from machines.
const NAME: &str = "report.html";
