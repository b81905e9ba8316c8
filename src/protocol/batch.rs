//! A batch for machines to read: `GET /api/v1/batch` and `oxbow batch --json`. Keys are only ever added.

use serde::{Deserialize, Serialize};

use crate::domain::batch::counts::BatchCounts;
use crate::domain::batch::unit::Unit;
use crate::domain::batch::{Batch, BatchOrder, WHOLE_BENCH};
use crate::domain::snapshot::Snapshot;
use crate::domain::station::Station;
use crate::domain::time::Timestamp;

/// A batch as it is now, or as it was when it was closed. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchRow {
    /// None: these are the machines of the whole bench.
    pub number: Option<u32>,
    #[serde(flatten)]
    pub order: BatchOrder,
    pub opened: u64,
    pub closed: Option<u64>,
    /// When this was said.
    pub at: u64,
    pub tally: BatchCounts,
    pub station: StationRow,
}

/// Who says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StationRow {
    pub software: String,
    pub interface: String,
    pub address: String,
}

impl BatchRow {
    /// The batch of this number, or the latest, in `bench`, with its machines. None if there is none.
    pub fn of(bench: &Snapshot, number: Option<u32>, now: Timestamp) -> Option<(Self, Vec<Unit>)> {
        let batch = match number {
            Some(number) => bench.batches.iter().find(|batch| batch.number == number)?,
            None => bench.batches.last()?,
        };
        Some(Self::with(bench, batch, now))
    }

    /// The whole bench, as if it were one.
    pub fn of_bench(bench: &Snapshot, now: Timestamp) -> (Self, Vec<Unit>) {
        let order = BatchOrder { name: "the whole bench".into(), ..BatchOrder::default() };
        let (row, units) = Self::with(bench, &Batch::open(WHOLE_BENCH, order, Timestamp::default()), now);
        let opened = bench.station.started.as_millis();
        (Self { number: None, opened, ..row }, units)
    }

    fn with(bench: &Snapshot, batch: &Batch, now: Timestamp) -> (Self, Vec<Unit>) {
        let units = batch.units(&bench.nodes);
        let row = Self {
            number: Some(batch.number),
            order: batch.order.clone(),
            opened: batch.opened.as_millis(),
            closed: batch.closed.as_ref().map(|closed| closed.at.as_millis()),
            at: now.as_millis(),
            tally: BatchCounts::of(&units),
            station: StationRow::from(&*bench.station),
        };
        (row, units)
    }
}

impl From<&Station> for StationRow {
    fn from(station: &Station) -> Self {
        Self {
            software: format!("oxbow {}", station.version),
            interface: station.interface.clone(),
            address: station.address.to_string(),
        }
    }
}
