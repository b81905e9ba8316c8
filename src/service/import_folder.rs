//! The import folder: a list that is put there is imported by itself, if nothing is wrong with it.
//!
//! ```text
//!  DATA/import/order.csv ──whole?──► preview ──clean──► imported ─► DATA/import/done/20260302-140211-order.csv
//!                                       └─────problems, or a refusal─► order.csv stays,
//!                                                                       order.csv.problems.csv says why
//! ```
//!
//! A list that stays is looked at again when it changes, when the profiles change, and every half minute: a machine at
//! work, for whose sake it was refused, ends at some time.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::time::Instant;
use tracing::{info, warn};

use super::images::FileIdentity;
use super::{ServiceContext, ServiceError};
use crate::clock;
use crate::domain::command::Command;
use crate::domain::import::{self, FILE_LIMIT, ImportOptions, Preview};
use crate::domain::snapshot::Catalogue;
use crate::domain::station::service::ServiceName;
use crate::domain::time::Timestamp;
use crate::inbox::Input;

/// Where lists are put.
#[derive(Clone, Debug)]
pub struct ImportFolderConfig {
    pub folder: PathBuf,
}

/// Looks into the folder every second until told to stop.
pub async fn serve(context: ServiceContext, config: ImportFolderConfig) -> Result<(), ServiceError> {
    let folder = &config.folder;
    fs::create_dir_all(folder.join(DONE)).map_err(|err| ServiceError {
        what: format!("cannot make the import folder {}: {err}", folder.display()),
        hint: "check that the data directory can be written; lists can be imported with `oxbow import` too".into(),
        source: Some(err),
    })?;
    context.up(ServiceName::ImportFolder, folder.display()).await;
    let mut known: BTreeMap<PathBuf, PendingList> = BTreeMap::new();
    loop {
        let lists = lists(folder);
        known.retain(|path, _| lists.contains(path));
        for path in lists {
            let Some(identity) = FileIdentity::of(&path) else { continue };
            let list = known.entry(path.clone()).or_insert_with(|| PendingList::new(identity.clone()));
            let profiles = context.snapshot().catalogue.clone();
            if list.is_due(identity, &profiles) {
                let words = take_in(&context, &path).await;
                list.looked(profiles, words);
            }
        }
        tokio::select! {
            () = context.stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// A file in the folder, as far as it has been looked at.
struct PendingList {
    identity: FileIdentity,
    /// Since when it has not changed.
    since: Instant,
    looked: Option<Look>,
}

struct Look {
    at: Instant,
    profiles: Arc<Catalogue>,
    words: String,
}

impl PendingList {
    fn new(identity: FileIdentity) -> Self {
        Self { identity, since: Instant::now(), looked: None }
    }

    /// Whether the file is whole, and there is a reason to look at it.
    fn is_due(&mut self, identity: FileIdentity, profiles: &Arc<Catalogue>) -> bool {
        if self.identity != identity {
            *self = Self { looked: None, ..Self::new(identity) };
        }
        match &self.looked {
            None => self.since.elapsed() >= WHOLE_AFTER,
            Some(look) => look.profiles.profiles != profiles.profiles || look.at.elapsed() >= AGAIN_AFTER,
        }
    }

    /// Keeps how it ended, and logs what is news.
    fn looked(&mut self, profiles: Arc<Catalogue>, ended: Ended) {
        let before = self.looked.as_ref().map(|look| look.words.as_str());
        let words = match ended {
            Ended::Imported(words) => {
                info!("import folder: {words}");
                words
            }
            Ended::Left(words) => {
                if before != Some(&words) {
                    warn!("import folder: {words}");
                }
                words
            }
        };
        self.looked = Some(Look { at: Instant::now(), profiles, words });
    }
}

/// What became of a list, in words.
enum Ended {
    Imported(String),
    Left(String),
}

async fn take_in(context: &ServiceContext, path: &Path) -> Ended {
    let (bench, file) = (context.snapshot(), path.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let left = |why: &str| Ended::Left(format!("{name} is left where it is: {why}"));
    let look = move || {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        read(&file).map(|bytes| import::preview(&name, &bytes, clock::now(), &bench, &ImportOptions::default()))
    };
    let preview = match tokio::task::spawn_blocking(look).await {
        Ok(Ok(preview)) => preview,
        Ok(Err(err)) => return left(&format!("it cannot be read: {err}")),
        Err(err) => return left(&format!("looking at it failed: {err}")),
    };
    let Some(rows) = preview.import() else {
        let why = format!("{}; {} says which", problems_in_words(&preview), beside(path).display());
        return match fs::write(beside(path), import::errors_csv(&preview)) {
            Ok(()) => left(&why),
            Err(err) => left(&format!("{why}, if it could be written: {err}")),
        };
    };
    match context.inbox.ask(|done| Input::Command(Command::Import(rows), done)).await {
        Some(Ok(())) => {}
        Some(Err(refusal)) => {
            let told = fs::write(beside(path), import::problem_csv(&refusal.to_string()));
            return left(&told.err().map_or(refusal.to_string(), |err| format!("{refusal} ({err})")));
        }
        None => return left("the station is stopping"),
    }
    let _there_may_be_none = fs::remove_file(beside(path));
    let counts = preview.counts;
    let said = format!("imported {name}: {} new, {} changed, {} the same", counts.new, counts.changes, counts.same);
    match fs::rename(path, done(path, clock::now())) {
        Ok(()) => Ended::Imported(said),
        // It may come again: then it changes nothing.
        Err(err) => Ended::Left(format!("{said}; it cannot be moved to {DONE}/: {err}")),
    }
}

fn problems_in_words(preview: &Preview) -> String {
    match preview.flaws.first() {
        Some(flaw) => flaw.to_string(),
        None if preview.counts.errors == 1 => "1 row has errors".into(),
        None => format!("{} rows have errors", preview.counts.errors),
    }
}

/// One byte more than a list may have is enough to tell that it is too large.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The files that are lists, and not what this service or an editor has put there.
fn lists(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())).map(|entry| entry.path());
    let mut lists: Vec<PathBuf> = files.filter(|path| is_list(path)).collect();
    lists.sort();
    lists
}

fn is_list(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let ends = [".csv", ".txt", ".tsv"].iter().any(|end| name.ends_with(end));
    ends && !name.ends_with(PROBLEMS) && !name.starts_with(['.', '~'])
}

/// `order.csv.problems.csv`.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}{PROBLEMS}"))
}

/// Where an imported list is kept: with the time, in a form that FAT allows.
fn done(path: &Path, now: Timestamp) -> PathBuf {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(now.as_millis()).unwrap_or_default()).unwrap_or_default();
    let at = at.to_zoned(TimeZone::system()).strftime("%Y%m%d-%H%M%S").to_string();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(DONE).join(format!("{at}-{name}"))
}

const DONE: &str = "done";
const PROBLEMS: &str = ".problems.csv";
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A file that has not changed for so long is whole: nothing more is being copied into it.
const WHOLE_AFTER: Duration = Duration::from_secs(2);
const AGAIN_AFTER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_list_is_left_alone() {
        for name in ["order.csv", "ORDER.CSV", "serials.txt", "a b.tsv"] {
            assert!(is_list(Path::new("import").join(name).as_path()), "{name}");
        }
        for name in ["order.csv.problems.csv", ".order.csv", "~$order.csv", "order.xlsx", "order.csv.part"] {
            assert!(!is_list(Path::new("import").join(name).as_path()), "{name}");
        }
    }

    #[test]
    fn an_imported_list_is_kept_with_the_time() {
        let path = done(Path::new("/d/import/order.csv"), Timestamp::from_millis(1_795_442_531_000));
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(path.starts_with("/d/import/done") && name.starts_with("2026112") && name.ends_with("-order.csv"));
        assert!(!name.contains(':'), "{name}: legal on FAT");
    }
}
