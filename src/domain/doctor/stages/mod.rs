//! What may be wrong at each stage, and after how long a silence it is said.
//!
//! | who | repeats | source |
//! |---|---|---|
//! | EDK2 DHCP, PXE 2.1 | after 4, 8, 16, 32 s | `NetworkPkg/Dhcp4Dxe/Dhcp4Io.c`, `UefiPxeBcDxe/PxeBcDhcp4.c` |
//! | EDK2 port 4011 | after 1, 2, 3, 4 s | `PxeBcDhcp4.c`, `PxeBcDhcp4Discover` |
//! | EDK2 TFTP | every 4 s, 6 times | `PxeBcImpl.h`, `PXEBC_MTFTP_TIMEOUT`, `PXEBC_MTFTP_RETRIES` |
//! | iPXE DHCP | after 1 s, growing to 10 s | `src/config/dhcp.h` |
//! | iPXE waits for its link | 15 s | `src/usr/ifmgmt.c`, `LINK_WAIT_TIMEOUT` |
//! | this station's TFTP | given up after 6.5 s | `boot::tftp::transfer` |

pub(super) mod dhcp;
pub(super) mod loader;
pub(super) mod program;

use std::time::Duration;

use super::finding::Finding;
use super::verdict::{Diagnosis, Severity, StoppedAt};

/// What a machine was refused by HTTP. The service names the remedy behind the reason.
pub(super) fn refused(why: &str, stage: StoppedAt) -> Diagnosis {
    let (what, hint) = why.rsplit_once(": ").unwrap_or((why, ENROL));
    Diagnosis {
        finding: Finding::Refused,
        stage,
        severity: Severity::Failure,
        what: what.to_owned(),
        hint: hint.to_owned(),
    }
}

const ENROL: &str = "enrol the station's authority in its firmware (`oxbow ca export`), or boot it by PXE";

fn verdict(
    finding: Finding,
    stage: StoppedAt,
    severity: Severity,
    what: impl Into<String>,
    hint: impl Into<String>,
) -> Option<Diagnosis> {
    Some(Diagnosis { finding, stage, severity, what: what.into(), hint: hint.into() })
}

/// `once`, `twice`, `5 times`.
fn times(number: u32) -> String {
    match number {
        1 => "once".into(),
        2 => "twice".into(),
        more => format!("{more} times"),
    }
}

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}
