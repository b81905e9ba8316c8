//! Stopped while it fetched its boot program, or when that was to start.

use std::time::Duration;

use super::{seconds, times, verdict};
use crate::domain::doctor::attempt::Attempt;
use crate::domain::doctor::finding::Finding;
use crate::domain::doctor::verdict::Severity::{self, Failure, Warning};
use crate::domain::doctor::verdict::{Diagnosis, StoppedAt};
use crate::domain::machine::disk::in_bytes;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::sighting::{Http, Sighting, Terms, Tftp};

/// Why a machine that has said nothing for `silent` has got no further than its boot program.
pub(in crate::domain::doctor) fn stopped(attempt: &Attempt<'_>, silent: Duration) -> Option<Diagnosis> {
    if let Some(file) = attempt.loaded() {
        return if silent >= STARTED { not_started(attempt, file, 1) } else { None };
    }
    fetching(attempt, silent).or_else(|| only_asked(attempt, silent))
}

/// What an attempt before showed, when the machine has begun again. `paused` is how long it took to.
pub(in crate::domain::doctor) fn stopped_before(
    attempt: &Attempt<'_>,
    often: usize,
    paused: Duration,
) -> Option<Diagnosis> {
    match attempt.loaded() {
        Some(file) if often >= 2 || paused >= NEXT_BOOT_OPTION => not_started(attempt, file, often),
        Some(_) => None,
        None => stopped(attempt, Duration::MAX),
    }
}

/// It has all of the program, and the program never spoke.
fn not_started(attempt: &Attempt<'_>, file: &str, often: usize) -> Option<Diagnosis> {
    let severity = if often >= 2 { Failure } else { Warning };
    let often = u32::try_from(often).unwrap_or(u32::MAX);
    let fetched =
        if often >= 2 { format!("fetched all of {file} {}", times(often)) } else { format!("fetched all of {file}") };
    let say = |finding, what: String, hint: &str| verdict(finding, StoppedAt::Program, severity, what, hint);
    match attempt.firmware.asked.map(|asked| asked.firmware) {
        Some(Firmware::Bios) => say(
            Finding::BiosProgramSilent,
            format!("it {fetched}, which never started"),
            "look at its screen; give it another program by quirks.toml: undionly.kkpxe, or ipxe.pxe",
        ),
        _ if is_shim(file) => say(
            Finding::ShimSilent,
            format!("it {fetched}, which did not go on to GRUB"),
            "look at its screen for a Secure Boot message; its firmware may not know Microsoft's third-party keys",
        ),
        _ if is_grub(file) => say(
            Finding::GrubSilent,
            format!("it {fetched}, which never asked for its configuration: shim probably refuses this GRUB"),
            "look at its screen for `Security Violation`; build the boot files again, for its firmware may have revoked \
             older ones",
        ),
        // Nobody outside the machine sees whether Secure Boot is on.
        _ => say(
            Finding::ProgramSilent,
            format!("it {fetched}, which never started: Secure Boot probably refuses it"),
            "set `secure_boot = true` in its profile, or switch Secure Boot off in its firmware; if it is off, try another \
             program (`oxbow nodes loader`)",
        ),
    }
}

fn is_shim(file: &str) -> bool {
    file.to_ascii_lowercase().contains("shim")
}

pub(super) fn is_grub(file: &str) -> bool {
    file.to_ascii_lowercase().contains("grub")
}

/// What TFTP says.
fn fetching(attempt: &Attempt<'_>, silent: Duration) -> Option<Diagnosis> {
    let entry = attempt.programs.last()?;
    let Sighting::Tftp { file, how } = &entry.what else { return None };
    let often = entry.times;
    let decided = silent >= REPEATED || often >= 3;
    let say = |finding, severity: Severity, what: String, hint: &str| {
        verdict(finding, StoppedAt::Loader, severity, what, hint)
    };
    match how {
        Tftp::Missing { .. } if silent >= REPEATED => say(
            Finding::LoaderMissing,
            Failure,
            format!("it asked for {file}, which is not here"),
            "`oxbow check` says whether the boot files are whole; a name with odd letters comes from its firmware: update it",
        ),
        Tftp::Probed if silent >= REPEATED => say(
            Finding::LoaderOnlyProbed,
            Warning,
            format!("it asked {} how large {file} is and never fetched it", times(often)),
            "look at its screen; its firmware may have no room for it, or a firewall lets only the first packet through",
        ),
        Tftp::Lost { sent: 0, terms } if decided => say(
            Finding::LoaderNotReceived,
            Failure,
            format!("it asked {} for {file} and took none of it (blocks of {} bytes)", times(often), terms.blksize),
            "a firewall or switch between drops the answers, which come from other ports than 69; or the path has a \
             smaller MTU than 1500",
        ),
        Tftp::Lost { sent, terms } if decided => {
            let Terms { bytes, blksize, .. } = *terms;
            say(
                Finding::LoaderHalfWay,
                Failure,
                format!(
                    "{file} stopped half-way: {} of {} in blocks of {blksize} bytes, {}",
                    in_bytes(*sent),
                    in_bytes(bytes),
                    times(often)
                ),
                "change the cable and the switch port; set both ends to auto-negotiation; look for a smaller MTU on the way",
            )
        }
        Tftp::Aborted { reason, .. } if decided => say(
            Finding::LoaderGivenUp,
            Failure,
            format!("it gave up on {file}: {reason}"),
            "look at its screen; try another boot program for it by quirks.toml, or update its firmware",
        ),
        Tftp::Missing { .. }
        | Tftp::Probed
        | Tftp::Lost { .. }
        | Tftp::Aborted { .. }
        | Tftp::Begun(_)
        | Tftp::Done { .. } => None,
    }
}

/// By HTTP: the size, and then nothing.
fn only_asked(attempt: &Attempt<'_>, silent: Duration) -> Option<Diagnosis> {
    let entry = attempt.head.filter(|_| silent >= REPEATED)?;
    let Sighting::Http(Http::Head { file }) = &entry.what else { return None };
    verdict(
        Finding::LoaderOnlyProbedByHttp,
        StoppedAt::Loader,
        Warning,
        format!("it asked by HTTP {} how large {file} is and never fetched it", times(entry.times)),
        "look at its screen; its firmware may have too little room or refuse plain http: choose PXE (IPv4) in its boot menu",
    )
}

/// A program that was fetched starts within seconds; iPXE then waits up to 15 s for its link, and a switch up to 30 s
/// before that counts as up.
const STARTED: Duration = seconds(45);
/// EDK2 asks again every 4 s, six times in all; ROMs within 10 s.
const REPEATED: Duration = seconds(15);
/// Firmware that was refused a program goes on to IPv6 and then to HTTP, which takes it longer than this; who switches a
/// machine off and on waits for its self-test.
const NEXT_BOOT_OPTION: Duration = seconds(25);
