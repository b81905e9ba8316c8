//! Stopped before it had an address and knew what to load, or right after.

use std::time::Duration;

use super::{seconds, times, verdict};
use crate::domain::doctor::attempt::DhcpExchange;
use crate::domain::doctor::context::DiagnosisContext;
use crate::domain::doctor::finding::Finding;
use crate::domain::doctor::verdict::Severity::{Failure, Warning};
use crate::domain::doctor::verdict::{Diagnosis, StoppedAt};
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::sighting::{Cause, DhcpSpeaker};
use crate::domain::time::Timestamp;

/// Why a machine that has said nothing for `silent` has got no further than DHCP.
pub(in crate::domain::doctor) fn stopped(
    talk: &DhcpExchange<'_>,
    silent: Duration,
    now: Timestamp,
    context: &DiagnosisContext<'_>,
) -> Option<Diagnosis> {
    unanswered(talk)
        .or_else(|| declined(talk))
        .or_else(|| refused(talk))
        .or_else(|| chose_another(talk, silent))
        .or_else(|| asks_again(talk))
        .or_else(|| has_address(talk, silent))
        .or_else(|| took_no_offer(talk, silent, now, context))
}

fn unanswered(talk: &DhcpExchange<'_>) -> Option<Diagnosis> {
    let (cause, often) = talk.silent?;
    let say = |finding, severity, what: String, hint: &str| verdict(finding, StoppedAt::Dhcp, severity, what, hint);
    match cause {
        Cause::NoProgram(arch) => say(
            Finding::NoProgram,
            Failure,
            format!("there is no boot program for its architecture {arch}"),
            "set its firmware to 64-bit UEFI or BIOS boot, or put a program for it into quirks.toml",
        ),
        Cause::PoolEmpty => match talk.in_use {
            Some((address, by)) => say(
                Finding::AddressesInUse,
                Failure,
                format!("it gets no address: {by} uses {address} already, and none is left in the pool"),
                "find the device with that MAC and take its fixed address away, or give a larger --pool",
            ),
            None => say(
                Finding::PoolEmpty,
                Failure,
                "it gets no address: every address of the pool is in use".into(),
                "unplug what does not belong to the bench, wait ten minutes for old leases to end, or give a larger --pool",
            ),
        },
        Cause::OtherNetwork(relay) => say(
            Finding::OtherNetwork,
            Failure,
            format!("its request comes through relay {relay}, of a network this station does not serve"),
            "plug it into the bench's own switch, or take this station out of the relay's list of servers",
        ),
        Cause::Bootp if often >= 2 => say(
            Finding::BootpOnly,
            Failure,
            "it asks by BOOTP only, which is older than network boot by DHCP".into(),
            "switch PXE on in its firmware, update the card's boot ROM, or start iPXE from a USB stick",
        ),
        Cause::Other(words) if often >= 2 => say(
            Finding::NotAnswered,
            Warning,
            format!("it asked {} and was not answered: {words}", times(often)),
            "look at the Services pane and at the station's log",
        ),
        Cause::Bootp
        | Cause::InUse { .. }
        | Cause::Other(_)
        | Cause::AnotherServer(_)
        | Cause::NotOurs
        | Cause::Declined(_)
        | Cause::Released(_) => None,
    }
}

fn declined(talk: &DhcpExchange<'_>) -> Option<Diagnosis> {
    let address = talk.declined?;
    let what =
        format!("it found {} that another machine uses the address it was given, {address}", times(talk.declines));
    if talk.declines >= 2 {
        let hint = "find the device that answers for these addresses: a fixed address, or a router with proxy ARP; \
                    or give another --pool";
        return verdict(Finding::Declined, StoppedAt::Dhcp, Failure, what, hint);
    }
    // It asks again by itself, and gets another.
    None
}

fn refused(talk: &DhcpExchange<'_>) -> Option<Diagnosis> {
    if talk.naks < REFUSALS {
        return None;
    }
    let wanted = talk.refused.map(|address| format!(" {address}")).unwrap_or_default();
    verdict(
        Finding::Insists,
        StoppedAt::Dhcp,
        Failure,
        format!("it insists on the address{wanted} and was refused {}", times(talk.naks)),
        "switch it off at the plug and on again; look for another DHCP server that gives it this address",
    )
}

/// An address of another server's where this one gives them too.
fn chose_another(talk: &DhcpExchange<'_>, silent: Duration) -> Option<Diagnosis> {
    let server = talk.elsewhere.filter(|_| talk.addressed || !talk.has_address)?;
    if silent < AT_ONCE {
        return None;
    }
    verdict(
        Finding::OtherServerWon,
        StoppedAt::Dhcp,
        Failure,
        format!("it took the address of another DHCP server, {server}, which does not say what to load"),
        format!("unplug {server} from this cable, or work beside it: --dhcp proxy"),
    )
}

/// It gets an address, and begins anew.
fn asks_again(talk: &DhcpExchange<'_>) -> Option<Diagnosis> {
    let asked = talk.asked.filter(|_| talk.discovers >= AGAIN && talk.given >= AGAIN)?;
    let file = talk.file.unwrap_or("its boot program");
    match asked.speaker {
        DhcpSpeaker::Ipxe => verdict(
            Finding::IpxeBeginsAnew,
            StoppedAt::Script,
            Failure,
            format!("iPXE gets an address again and again ({}) and never asks for {file}", times(talk.discovers)),
            "see that the station's firewall lets HTTP in; unplug other DHCP servers, whose file name it may follow; look \
             at its screen for the error",
        ),
        DhcpSpeaker::Pxe | DhcpSpeaker::HttpBoot | DhcpSpeaker::Plain => verdict(
            Finding::FirmwareBeginsAnew,
            StoppedAt::Loader,
            Failure,
            format!("it gets an address again and again ({}) and never asks for {file}", times(talk.discovers)),
            "see that the station's firewall lets UDP port 69 in; look at its screen for the error",
        ),
    }
}

fn has_address(talk: &DhcpExchange<'_>, silent: Duration) -> Option<Diagnosis> {
    let asked = talk.asked.filter(|_| talk.has_address && silent >= NEXT)?;
    let file = talk.file.unwrap_or("its boot program");
    match (asked.speaker, talk.elsewhere) {
        (DhcpSpeaker::HttpBoot, _) => verdict(
            Finding::HttpBootNotBegun,
            StoppedAt::Loader,
            Warning,
            format!("it has an address and was told to load {file} by HTTP, and never did"),
            "its firmware may refuse plain http: choose PXE (IPv4) in its boot menu, or allow HTTP there; \
             see that the station's firewall lets the port in",
        ),
        (DhcpSpeaker::Ipxe, _) => verdict(
            Finding::ScriptNotAsked,
            StoppedAt::Script,
            Warning,
            format!("iPXE has an address and never asked for {file}"),
            "see that the station's firewall lets HTTP in; look at its screen for the error",
        ),
        // Beside the site's server the address comes from there and the rest from port 4011.
        (_, Some(server)) if talk.boot_server == 0 && asked.firmware != Firmware::Bios => verdict(
            Finding::BootServerNotAsked,
            StoppedAt::BootServer,
            Warning,
            format!("it got its address from {server} and never asked port 4011 what to load"),
            "let UDP port 4011 through the firewall; update its firmware (UEFI of before 2017 ignores proxies); or let \
             this station give the addresses: --dhcp authoritative, with the other server unplugged",
        ),
        (_, Some(_)) if talk.boot_server >= 2 => verdict(
            Finding::BootServerNotHeard,
            StoppedAt::BootServer,
            Warning,
            format!("it asked port 4011 {} and seems to have heard no answer", times(talk.boot_server)),
            "let UDP port 4011 through the firewall both ways",
        ),
        _ => verdict(
            Finding::LoaderNotAsked,
            StoppedAt::Loader,
            Warning,
            format!("it has an address and was told to load {file}, and never asked for it"),
            "see that the station's firewall lets UDP port 69 in; PXE-E32 on its screen means the same",
        ),
    }
}

fn took_no_offer(
    talk: &DhcpExchange<'_>,
    silent: Duration,
    now: Timestamp,
    context: &DiagnosisContext<'_>,
) -> Option<Diagnosis> {
    let asked = talk.asked.filter(|_| talk.offers >= 1)?;
    let lasted = now.since(talk.first);
    if (talk.offers < OFFERS || lasted < DECIDED) && silent < GIVEN_UP {
        return None;
    }
    let often = times(talk.offers);
    let (finding, what, hint) = match (talk.addressed, context.other_server) {
        (false, None) => (
            Finding::NobodyGivesAddresses,
            format!("no DHCP server gives it an address: it asked {often}, and this station only says what to load"),
            "plug the site's DHCP server into this cable, or let this station give addresses: --dhcp auto".to_owned(),
        ),
        (false, Some(server)) => (
            Finding::SitesServerSilent,
            format!("{server}, which is to give it an address, did not: it asked {often}"),
            format!("look at {server}: its pool may be used up, or may not know this MAC"),
        ),
        (true, Some(server)) => (
            Finding::OtherServerAnswers,
            format!("it was offered an address {often} and took none: {server} answers on this cable too"),
            format!("unplug {server}, or work beside it: --dhcp proxy"),
        ),
        (true, None) => {
            let quirk = match asked.firmware {
                Firmware::Bios => "; an old boot ROM may need an update",
                Firmware::UefiX64 | Firmware::Ipxe | Firmware::Plain | Firmware::Other => "; or update its firmware",
            };
            (
                Finding::OffersNotTaken,
                format!(
                    "it was offered an address {often} and took none: the answers do not reach it, or it rejects them"
                ),
                format!(
                    "try another cable and switch port; switch DHCP snooping off at the switch, or trust this port{quirk}"
                ),
            )
        }
    };
    verdict(finding, StoppedAt::Dhcp, Failure, what, hint)
}

/// The second offer may have crossed the second question; the third did not help either.
const OFFERS: u32 = 3;
/// EDK2's third DISCOVER comes 12 s after its first, iPXE's at 3 s: a slow server of the site's may still answer then.
const DECIDED: Duration = seconds(10);
/// EDK2 waits for 32 s after its last DISCOVER.
const GIVEN_UP: Duration = seconds(40);
/// What comes after the address comes at once; port 4011 is asked for 10 s.
const NEXT: Duration = seconds(15);
/// iPXE asks twice in an ordinary boot at most: once as a ROM, once as the one from here.
const AGAIN: u32 = 3;
const AT_ONCE: Duration = seconds(5);
/// A lease of another bench is refused once or twice before firmware lets go of it.
const REFUSALS: u32 = 3;
