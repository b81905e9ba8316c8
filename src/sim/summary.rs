//! How a simulated bench ended.

use std::fmt;
use std::time::Duration;

use super::identity::SimIdentity;

/// Every machine, in the order they were switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub(super) machines: Vec<MachineResult>,
    pub(super) took: Duration,
}

/// What became of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MachineResult {
    pub(super) who: SimIdentity,
    pub(super) end: EndState,
    /// Since it was switched on.
    pub(super) after: Duration,
}

/// Where a machine was when it or the simulation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EndState {
    /// Installed, restarted, and sent to its own disk.
    Provisioned,
    /// Sent to its own disk without being installed first: the station had it as provisioned.
    OwnDisk,
    /// Installed, and switched off as its profile says.
    SwitchedOff,
    /// Installed, but not sent to its own disk.
    Installed,
    Failed(String),
    Unfinished(String),
}

impl Summary {
    /// How many machines were installed and sent to their own disk, or switched off.
    pub fn provisioned(&self) -> usize {
        self.count(|end| matches!(end, EndState::Provisioned | EndState::SwitchedOff))
    }

    /// Whether every machine runs its own system.
    pub fn is_success(&self) -> bool {
        self.count(|end| matches!(end, EndState::Provisioned | EndState::OwnDisk | EndState::SwitchedOff))
            == self.machines.len()
    }

    fn count(&self, which: impl Fn(&EndState) -> bool) -> usize {
        self.machines.iter().filter(|told| which(&told.end)).count()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for MachineResult { who, end, after } in &self.machines {
            let seconds = after.as_secs_f64();
            writeln!(f, "{}  {}  {}  {seconds:6.1} s  {end}", who.serial, who.mac, who.firmware.word())?;
        }
        let (all, failed) = (self.machines.len(), self.count(|end| matches!(end, EndState::Failed(_))));
        let unfinished = self.count(|end| matches!(end, EndState::Unfinished(_) | EndState::Installed));
        let (provisioned, at_home) = (self.provisioned(), self.count(|end| *end == EndState::OwnDisk));
        let seconds = self.took.as_secs_f64();
        write!(
            f,
            "{all} machines in {seconds:.1} s: {provisioned} provisioned, {at_home} provisioned before, {failed} failed, {unfinished} unfinished"
        )
    }
}

impl fmt::Display for EndState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provisioned => f.write_str("provisioned"),
            Self::OwnDisk => f.write_str("provisioned before"),
            Self::SwitchedOff => f.write_str("provisioned, and switched off"),
            Self::Installed => f.write_str("unfinished: installed, but not sent to its own disk"),
            Self::Failed(why) => write!(f, "failed: {why}"),
            Self::Unfinished(why) => write!(f, "unfinished: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_and_names_every_machine() {
        let told = |number, end| MachineResult {
            who: SimIdentity::numbered(number),
            end,
            after: Duration::from_millis(12_340),
        };
        let machines =
            vec![told(1, EndState::Provisioned), told(2, EndState::Failed("writing: the disk is full".into()))];
        let summary = Summary { machines, took: Duration::from_secs(20) };
        assert_eq!(
            summary.to_string(),
            "\
SIM-0001  52:54:00:5b:00:01  BIOS    12.3 s  provisioned
SIM-0002  52:54:00:5b:00:02  UEFI    12.3 s  failed: writing: the disk is full
2 machines in 20.0 s: 1 provisioned, 0 provisioned before, 1 failed, 0 unfinished"
        );
        assert!(!summary.is_success());
    }
}
