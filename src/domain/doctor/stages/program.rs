//! Stopped after its boot program had started: before the script, before the kernel, before the agent.

use std::time::Duration;

use super::loader::is_grub;
use super::{dhcp, seconds, verdict};
use crate::domain::doctor::attempt::Attempt;
use crate::domain::doctor::context::DiagnosisContext;
use crate::domain::doctor::finding::Finding;
use crate::domain::doctor::verdict::Severity::{Failure, Warning};
use crate::domain::doctor::verdict::{Diagnosis, StoppedAt};
use crate::domain::machine::sighting::ScriptKind;
use crate::domain::time::{Timestamp, in_words};

/// iPXE, or another program from here, runs and has not asked for its script.
pub(in crate::domain::doctor) fn before_script(
    attempt: &Attempt<'_>,
    silent: Duration,
    now: Timestamp,
    context: &DiagnosisContext<'_>,
) -> Option<Diagnosis> {
    let talk = &attempt.ipxe;
    let address = if talk.asked.is_some() { dhcp::stopped(talk, silent, now, context) } else { None };
    match address {
        Some(told) if told.stage == StoppedAt::Dhcp => {
            return Some(Diagnosis { what: format!("iPXE runs, but {}", told.what), ..told });
        }
        Some(told) if told.severity == Failure => return Some(told),
        Some(_) | None => {}
    }
    if silent < LINKED {
        return None;
    }
    let (program, more) = match attempt.loaded() {
        // It takes over the firmware's address.
        Some(file) if is_grub(file) => ("GRUB", ""),
        Some(_) | None => ("iPXE", "; unplug other DHCP servers, whose file name it may follow"),
    };
    verdict(
        Finding::ProgramAsksNothing,
        StoppedAt::Script,
        Warning,
        format!("{program} was loaded and runs, and never asked for its script by HTTP"),
        format!(
            "see that the station's firewall lets HTTP in; switch on port-fast at the switch{more}; look at its screen"
        ),
    )
}

/// It has its script, and fetched no kernel.
pub(in crate::domain::doctor) fn before_kernel(attempt: &Attempt<'_>, silent: Duration) -> Option<Diagnosis> {
    if let Some(file) = attempt.missing {
        return verdict(
            Finding::BootFileMissing,
            StoppedAt::Kernel,
            Failure,
            format!("it asked for {file}, which is not among the boot files"),
            "`oxbow check` says what is missing; build the boot files again",
        );
    }
    let (script, _, often) = attempt.script?;
    match script {
        ScriptKind::Disk | ScriptKind::Wait(_) => None,
        ScriptKind::Install(_) if often >= AGAIN => verdict(
            Finding::ScriptAgainAndAgain,
            StoppedAt::Kernel,
            Failure,
            format!("it asked for its script {often} times and never for the kernel"),
            "look at its screen: the script says what it could not load",
        ),
        ScriptKind::Install(_) if silent >= TAKEN => verdict(
            Finding::KernelNotAsked,
            StoppedAt::Kernel,
            Warning,
            "it has its script and did not fetch the kernel",
            "look at its screen for the error; change the cable and the switch port",
        ),
        ScriptKind::Install(_) => None,
    }
}

/// The install system was fetched, and its agent has not spoken.
pub(in crate::domain::doctor) fn before_agent(attempt: &Attempt<'_>, silent: Duration) -> Option<Diagnosis> {
    if attempt.missing.is_some() {
        return before_kernel(attempt, silent);
    }
    if attempt.initramfs.is_none() {
        return if silent < STALLED {
            None
        } else {
            verdict(
                Finding::InitramfsNotAsked,
                StoppedAt::Kernel,
                Warning,
                "it fetched the kernel and then never asked for the initramfs",
                "its network stalls on large files: change the cable and the switch port; give it ipxe.efi by \
                 quirks.toml",
            )
        };
    }
    if silent < BOOTED {
        return None;
    }
    let ago = in_words(silent);
    if attempt.installer {
        return verdict(
            Finding::InstallerSilent,
            StoppedAt::Kernel,
            Warning,
            format!("its installer was fetched {ago} ago and has asked for nothing since"),
            "look at its screen: no driver for its network card, too little memory, or an argument of the profile's that \
             this installer does not read",
        );
    }
    match attempt.system {
        Some((_, address)) => {
            let at = address.map(|address| format!(" {address}")).unwrap_or_default();
            verdict(
                Finding::AgentSilent,
                StoppedAt::Kernel,
                Warning,
                format!(
                    "its install system started and asked for the address{at} {ago} ago, and its agent never spoke"
                ),
                "see that the station's firewall lets HTTP in; look at its screen",
            )
        }
        None => verdict(
            Finding::SystemSilent,
            StoppedAt::Kernel,
            if silent >= BOOTED * 2 { Failure } else { Warning },
            format!("the install system was fetched {ago} ago and its agent never spoke"),
            "look at its screen (`console=` in the profile's kernel_args chooses which): no driver for its network card, \
             too little memory, or a kernel panic",
        ),
    }
}

/// It begins again and again before it came this far.
pub(in crate::domain::doctor) fn in_circles(times: usize, stage: StoppedAt) -> Diagnosis {
    let (finding, what, hint) = match stage {
        StoppedAt::Script => (
            Finding::CirclesBeforeScript,
            "asks for its script",
            "see that the station's firewall lets HTTP in; look at its screen",
        ),
        _ => (
            Finding::CirclesBeforeKernel,
            "fetches the kernel",
            "look at its screen: the script says what it could not load",
        ),
    };
    Diagnosis {
        finding,
        stage,
        severity: Failure,
        what: format!("it has started {times} times and never {what}"),
        hint: hint.into(),
    }
}

/// It fetches the install system and starts from the beginning.
pub(in crate::domain::doctor) fn restarts(times: usize) -> Diagnosis {
    Diagnosis {
        finding: Finding::Restarts,
        stage: StoppedAt::Kernel,
        severity: Failure,
        what: format!("it fetched the install system {times} times and started again each time"),
        hint: "look at its screen for a kernel panic; test its memory; update its firmware".into(),
    }
}

/// The script itself tries five times to load the rest, 5 s apart, and then restarts.
const AGAIN: u32 = 3;
/// iPXE waits 15 s for its link; the first script then asks at once.
const LINKED: Duration = seconds(25);
/// The script's own time-out for the kernel is 15 s.
const TAKEN: Duration = seconds(25);
/// The script's own time-out for the initramfs is 30 s.
const STALLED: Duration = seconds(40);
/// A server with many cards takes a minute from the kernel's first word to the agent's; emulated ones 25 s.
const BOOTED: Duration = seconds(90);
