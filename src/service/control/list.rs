//! A list that is imported at the command line: shown row by row, then imported completely or not at all.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::dispatch::{Answers, carry_out};
use crate::clock;
use crate::domain::command::Command;
use crate::domain::import::{self, ImportOptions, Located, Preview, PreviewRow, RowEffect};
use crate::protocol::control::{ControlReply, ListCounts, ListProblem, ListRequest, ListRow};
use crate::service::ServiceContext;

/// Shows the list in `bytes`, imports it if that is wanted and it has no problems, and replies how it ended.
pub(super) async fn import(
    context: &ServiceContext,
    wanted: ListRequest,
    bytes: Vec<u8>,
    to: &Answers,
) -> ControlReply {
    let bench = context.snapshot();
    if let Some(unknown) = wanted.profile.as_ref().filter(|id| !bench.catalogue.profiles.contains_key(id)) {
        let known: Vec<&str> = bench.catalogue.profiles.keys().map(|id| id.as_str()).collect();
        let hint =
            if known.is_empty() { "there are none yet".into() } else { format!("there is {}", known.join(", ")) };
        return ControlReply::Failed { problem: format!("there is no profile named {unknown}"), hint };
    }
    let (file, options) = (wanted.file.clone(), ImportOptions { profile: wanted.profile.clone() });
    let far = Arc::new(AtomicU8::new(UNKNOWN));
    let told = far.clone();
    let look = move || {
        let mut watch = |done: usize, of: usize| {
            told.store(u8::try_from(done * 100 / of.max(1)).unwrap_or(100), Ordering::Relaxed);
        };
        import::preview_watched(&file, &bytes, clock::now(), &bench, &options, &mut watch)
    };
    let preview = match working(to, "looking at", &far, tokio::task::spawn_blocking(look)).await {
        Ok(preview) => preview,
        Err(err) => {
            return ControlReply::Failed {
                problem: format!("the list could not be looked at: {err}"),
                hint: "please report it, with the station's log".into(),
            };
        }
    };
    if tell(&preview, &wanted, to).await.is_err() {
        // Nobody has seen the preview: the list must not be imported.
        return ControlReply::Failed { problem: "the connection was closed".into(), hint: "try again".into() };
    }
    match preview.import() {
        None => ControlReply::Refused { why: "nothing was imported".into(), hint: None },
        Some(_) if wanted.dry_run => ControlReply::Done { said: "nothing was imported: this was a dry run".into() },
        Some(_) if preview.counts.new + preview.counts.changes == 0 => {
            ControlReply::Done { said: "nothing to import: all rows are already known".into() }
        }
        Some(rows) => {
            let said = format!("imported {}", in_words(&preview));
            working(to, "storing", &AtomicU8::new(UNKNOWN), carry_out(context, Command::Import(rows), said)).await
        }
    }
}

/// `order.csv: 3 new, 1 changed, 2 the same`.
pub(crate) fn in_words(preview: &Preview) -> String {
    let counts = preview.counts;
    format!("{}: {} new, {} changed, {} the same", preview.file, counts.new, counts.changes, counts.same)
}

/// Sends flaws, rows, counts and errors. Fails when nobody reads them.
async fn tell(preview: &Preview, wanted: &ListRequest, to: &Answers) -> Result<(), ()> {
    let send = async |answer| to.send(answer).await.map_err(drop);
    for flaw in &preview.flaws {
        send(ControlReply::Flaw(ListProblem { column: None, problem: flaw.to_string(), hint: flaw.hint() })).await?;
    }
    let all = wanted.all || preview.rows.len() <= FEW;
    let is_trouble = |row: &&PreviewRow| matches!(row.standing, RowEffect::Error(_)) || !row.warnings.is_empty();
    let chosen: Vec<&PreviewRow> = preview.rows.iter().filter(|row| all || is_trouble(row)).collect();
    let told = if all { chosen.len() } else { chosen.len().min(FEW) };
    for row in &chosen[..told] {
        send(ControlReply::Row(said(row))).await?;
    }
    let counts = preview.counts;
    let counts = ListCounts {
        new: counts.new,
        same: counts.same,
        changes: counts.changes,
        errors: counts.errors,
        warnings: counts.warnings,
        untold: chosen.len() - told,
        flaws: preview.flaws.len(),
    };
    send(ControlReply::Counts(counts)).await?;
    if wanted.errors && !preview.is_clean() {
        let mut left = &*import::errors_csv(preview);
        while !left.is_empty() {
            let end = (0..=left.len().min(PIECE)).rev().find(|at| left.is_char_boundary(*at)).unwrap_or(left.len());
            let (piece, rest) = left.split_at(end);
            send(ControlReply::Errors { piece: piece.to_owned() }).await?;
            left = rest;
        }
    }
    Ok(())
}

fn said(row: &PreviewRow) -> ListRow {
    let (changes, errors) = match &row.standing {
        RowEffect::Changes(_, changes) => (changes.iter().map(ToString::to_string).collect(), Vec::new()),
        RowEffect::Error(errors) => (Vec::new(), errors.iter().map(trouble).collect()),
        RowEffect::New { seen: Some(_) } => (vec!["it has shown itself already".to_owned()], Vec::new()),
        RowEffect::New { seen: None } | RowEffect::Same(_) => (Vec::new(), Vec::new()),
    };
    ListRow {
        row: row.row,
        standing: row.standing.word().to_owned(),
        label: row.registration.label(),
        changes,
        errors,
        warnings: row.warnings.iter().map(trouble).collect(),
    }
}

fn trouble(located: &Located) -> ListProblem {
    ListProblem { column: located.column.clone(), problem: located.flaw.to_string(), hint: located.flaw.hint() }
}

/// Does `work`, and sends every second that it is not ready yet.
async fn working<T>(to: &Answers, on: &str, far: &AtomicU8, work: impl Future<Output = T>) -> T {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = every.tick() => {
                let percent = Some(far.load(Ordering::Relaxed)).filter(|percent| *percent != UNKNOWN);
                let _the_next_one_will_do = to.try_send(ControlReply::Working { on: on.into(), percent });
            }
        }
    }
}

/// No percentage.
const UNKNOWN: u8 = u8::MAX;
/// Rows that are sent one by one, unless all are wanted.
const FEW: usize = 50;
/// Bytes of the list of errors in one message.
const PIECE: usize = 32 * 1024;
