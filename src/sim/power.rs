//! Whether the simulation goes on. Everything that waits, waits here.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The switch of all machines; on at first.
#[derive(Debug, Default)]
pub struct Power {
    is_off: Mutex<bool>,
    switched: Condvar,
}

/// The machine was switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine was switched off")]
pub struct Off;

impl Power {
    pub(super) fn switch_off(&self) {
        *self.is_off.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.switched.notify_all();
    }

    pub(super) fn is_on(&self) -> bool {
        !*self.is_off.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn check(&self) -> Result<(), Off> {
        if self.is_on() { Ok(()) } else { Err(Off) }
    }

    /// Lets `time` pass.
    pub(super) fn pause(&self, time: Duration) -> Result<(), Off> {
        let until = Instant::now() + time;
        let mut is_off = self.is_off.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_off {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            is_off = self.switched.wait_timeout(is_off, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Err(Off)
    }
}
