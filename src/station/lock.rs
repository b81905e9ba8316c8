//! The lock of a data directory: one oxbow at a time. It goes with the process, however that ends.

use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

use crate::config::ConfigProblem;
use crate::data_dir::DataDir;

/// As [`lock`], waiting for a command that works on the data at this moment.
pub(super) fn lock_within(data: &DataDir, patience: Duration) -> Result<Option<File>, ConfigProblem> {
    let deadline = Instant::now() + patience;
    loop {
        match lock(data)? {
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(50)),
            locked => return Ok(locked),
        }
    }
}

/// Locks the data directory; none if another oxbow has it.
pub(super) fn lock(data: &DataDir) -> Result<Option<File>, ConfigProblem> {
    let path = data.lock();
    let file = File::create(&path).map_err(|err| {
        let what = format!("cannot write {}: {err}", path.display());
        ConfigProblem::new(what, "start oxbow as root, or choose another directory with --data")
    })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(err)) => {
            let what = format!("cannot lock {}: {err}", path.display());
            Err(ConfigProblem::new(what, "choose another directory with --data, on a file system that supports locks"))
        }
    }
}
