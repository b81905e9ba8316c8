//! The station's own log on its disk: a file a day by `tracing-appender`, and more where a day has too many lines. All
//! of them together have a bound; the oldest goes first. Lines that the disk does not take are counted, which is logged
//! once it does.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};

/// Bytes that are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct StationLogBounds {
    /// Of one file; it may be longer by a line.
    pub(super) file: u64,
    pub(super) total: u64,
}

impl Default for StationLogBounds {
    fn default() -> Self {
        Self { file: 16 << 20, total: 256 << 20 }
    }
}

/// The files `station.DATE.log`, and `station.DATE.NUMBER.log` of a day's earlier lines, in `directory`.
pub(super) struct StationLog {
    directory: PathBuf,
    bounds: StationLogBounds,
    file: RollingFileAppender,
    /// Bytes of the current file, at most: a new day's is shorter.
    written: u64,
    /// Lines that could not be written since that was last logged.
    missing: u64,
}

impl StationLog {
    pub(super) fn open(directory: &Path, bounds: StationLogBounds) -> Result<Self, InitError> {
        let file = appender(directory)?;
        let mut own = Self { directory: directory.to_owned(), bounds, file, written: 0, missing: 0 };
        own.look();
        Ok(own)
    }

    /// Finds out how long the current file is; one that is long enough is set aside, and the oldest are removed. What
    /// fails is tried again a file's length later.
    fn look(&mut self) {
        let names = names(&self.directory);
        self.written = 0;
        // Numbered ones of the same day come before it.
        let Some(current) = names.last() else { return };
        let bytes = size(current);
        if bytes < self.bounds.file {
            self.written = bytes;
        } else if let Some(aside) = place_aside(current, &names)
            && fs::rename(current, aside).is_ok()
            && let Ok(file) = appender(&self.directory)
        {
            self.file = file;
        }
        self.make_room();
    }

    fn make_room(&self) {
        let names = names(&self.directory);
        let mut total: u64 = names.iter().map(|name| size(name)).sum();
        // The current file may become as long as one may be.
        let most = self.bounds.total.saturating_sub(self.bounds.file);
        for oldest in names.iter().take(names.len().saturating_sub(1)) {
            if total <= most {
                return;
            }
            let bytes = size(oldest);
            if fs::remove_file(oldest).is_ok() {
                total -= bytes;
            }
        }
    }

    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        if self.missing > 0 {
            // There may be half a line before it.
            let said = format!("\n{} lines are missing here: they could not be written\n", self.missing);
            self.file.write_all(said.as_bytes())?;
            self.missing = 0;
        }
        self.file.write_all(line)
    }
}

impl Write for StationLog {
    /// Writes a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(err) = self.put(line) {
            self.missing += 1;
            return Err(err);
        }
        self.written += line.len() as u64;
        if self.written >= self.bounds.file {
            self.look();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn appender(directory: &Path) -> Result<RollingFileAppender, InitError> {
    let files = RollingFileAppender::builder().rotation(Rotation::DAILY);
    files.filename_prefix("station").filename_suffix("log").max_log_files(FILES).build(directory)
}

/// The log's files, the oldest first: `station.2026-05-03.001.log` is older than `station.2026-05-03.log`.
fn names(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_log = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("station.") && name.ends_with(".log")
    };
    let mut names: Vec<PathBuf> = entries.filter(is_log).collect();
    names.sort();
    names
}

/// The next number of the day of `current`.
fn place_aside(current: &Path, names: &[PathBuf]) -> Option<PathBuf> {
    let day = current.to_str()?.strip_suffix(".log")?;
    let number =
        |name: &PathBuf| name.to_str()?.strip_prefix(day)?.strip_prefix('.')?.strip_suffix(".log")?.parse().ok();
    let last: u32 = names.iter().filter_map(number).max().unwrap_or_default();
    Some(PathBuf::from(format!("{day}.{:03}.log", last + 1)))
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |about| about.len())
}

/// A month, if no day has too many lines.
const FILES: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: StationLogBounds = StationLogBounds { file: 1000, total: 5000 };

    fn texts(directory: &Path) -> Vec<String> {
        names(directory).iter().map(|name| fs::read_to_string(name).expect("a file")).collect()
    }

    #[test]
    fn the_stations_log_has_a_bound_however_much_a_day_says_and_the_oldest_lines_go_first() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let old = directory.path().join("station.2026-05-03.log");
        fs::write(&old, "of an earlier day\n").expect("a file");
        let mut log = StationLog::open(directory.path(), BOUNDS).expect("a log");
        for number in 0..2000 {
            log.write_all(format!("line {number}\n").as_bytes()).expect("it is written");
            let total: u64 = names(directory.path()).iter().map(|name| size(name)).sum();
            assert!(total <= BOUNDS.total, "{total}");
        }
        let lines: String = texts(directory.path()).concat();
        let numbers: Vec<u32> = lines.lines().map(|line| line[5..].parse().expect("a number")).collect();
        assert_eq!(numbers.last(), Some(&1999));
        assert!(
            numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "none is missing within, and their order is kept"
        );
        assert!(!old.exists() && numbers.len() > 250, "{}", numbers.len());
    }

    #[test]
    fn a_station_that_starts_again_goes_on_where_the_file_ends() {
        let directory = tempfile::TempDir::new().expect("a directory");
        for number in 0..300 {
            let mut log = StationLog::open(directory.path(), BOUNDS).expect("a log");
            log.write_all(format!("line {number}\n").as_bytes()).expect("it is written");
        }
        let texts = texts(directory.path());
        assert!(texts.len() > 2 && texts.iter().all(|text| text.len() < 1010), "{texts:?}");
        assert_eq!(texts.concat().lines().count(), 300);
    }
}
