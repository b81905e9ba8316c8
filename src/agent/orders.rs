//! What the boot script tells the agent on the kernel's command line: which station, which run, which network card.
//!
//! ```text
//! oxbow.station=http://10.77.0.1:80 oxbow.run=0123456789abcdef0123456789abcdef BOOTIF=01-52-54-00-12-34-56
//! ```

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::domain::ids::{BadId, MacAddr, RunId};
use crate::protocol::paths::{RUN_ARG, STATION_ARG};

/// Everything the agent knows before it asks anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    pub station: StationUrl,
    pub run: RunId,
    /// The card the machine booted from, as iPXE and PXELINUX name it (`BOOTIF=01-` and the MAC).
    pub boot_nic: Option<MacAddr>,
}

/// Why the command line gives no orders.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoOrders {
    #[error("the kernel command line has no `{STATION_ARG}`: this system was not started by a station's boot script")]
    NoStation,
    #[error("`{STATION_ARG}{0}` is no station: write http:// and an IP address, as http://10.77.0.1:80")]
    BadStation(String),
    #[error("the kernel command line has no `{RUN_ARG}`: this system was not started by a station's boot script")]
    NoRun,
    #[error("`{RUN_ARG}{0}`: {1}")]
    BadRun(String, BadId),
}

impl FromStr for Orders {
    type Err = NoOrders;

    fn from_str(cmdline: &str) -> Result<Self, NoOrders> {
        let station = word(cmdline, STATION_ARG).ok_or(NoOrders::NoStation)?;
        let run = word(cmdline, RUN_ARG).ok_or(NoOrders::NoRun)?;
        Ok(Self {
            station: station.parse().map_err(|BadStation| NoOrders::BadStation(station.to_owned()))?,
            run: run.parse().map_err(|bad| NoOrders::BadRun(run.to_owned(), bad))?,
            boot_nic: word(cmdline, BOOT_NIC).and_then(|mac| mac.parse().ok()),
        })
    }
}

/// Where the station's HTTP service is. Always an address: the small system has no name service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StationUrl(SocketAddr);

/// The text is not `http://IP` or `http://IP:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadStation;

impl StationUrl {
    pub fn address(self) -> SocketAddr {
        self.0
    }

    /// The URL of `path`, which begins with `/`.
    pub fn at(self, path: &str) -> String {
        format!("{self}{path}")
    }
}

impl FromStr for StationUrl {
    type Err = BadStation;

    fn from_str(url: &str) -> Result<Self, BadStation> {
        let authority = url.strip_prefix("http://").ok_or(BadStation)?.trim_end_matches('/');
        let with_port = authority.parse::<SocketAddr>();
        let without = || authority.trim_matches(['[', ']']).parse::<IpAddr>().map(|ip| SocketAddr::new(ip, HTTP));
        with_port.or_else(|_| without()).map(Self).map_err(|_| BadStation)
    }
}

impl fmt::Display for StationUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

/// What follows `prefix` in the last word of `cmdline` that begins with it: as for the kernel, the last one counts.
fn word<'c>(cmdline: &'c str, prefix: &str) -> Option<&'c str> {
    cmdline.split_ascii_whitespace().rev().find_map(|word| word.strip_prefix(prefix))
}

/// `01` is the hardware type, Ethernet (RFC 1700).
const BOOT_NIC: &str = "BOOTIF=01-";
const HTTP: u16 = 80;

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "oxbow.run=0123456789abcdef0123456789abcdef";

    fn complaint(cmdline: &str) -> String {
        cmdline.parse::<Orders>().map_or_else(|no| no.to_string(), |orders| format!("{orders:?}"))
    }

    #[test]
    fn a_boot_scripts_words_are_found_among_the_kernels_own() {
        let cmdline = format!("quiet initrd=x oxbow.station=http://10.77.0.1:8080 {RUN} BOOTIF=01-52-54-00-12-34-56\n");
        let orders: Orders = cmdline.parse().expect("orders");
        assert_eq!(orders.station.at("/x"), "http://10.77.0.1:8080/x");
        assert_eq!(orders.run.to_string(), "0123456789abcdef0123456789abcdef");
        assert_eq!(orders.boot_nic.map(|mac| mac.to_string()), Some("52:54:00:12:34:56".into()));
    }

    #[test]
    fn a_station_is_an_address_with_or_without_a_port() {
        for (url, address) in [
            ("http://10.77.0.1", "10.77.0.1:80"),
            ("http://10.77.0.1/", "10.77.0.1:80"),
            ("http://[fe80::1]", "[fe80::1]:80"),
            ("http://[fe80::1]:81", "[fe80::1]:81"),
        ] {
            assert_eq!(url.parse::<StationUrl>().map(|url| url.address().to_string()), Ok(address.to_owned()));
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_in_words() {
        assert_eq!(
            complaint(RUN),
            "the kernel command line has no `oxbow.station=`: this system was not started by a station's boot script"
        );
        assert_eq!(
            complaint("oxbow.station=http://10.77.0.1"),
            "the kernel command line has no `oxbow.run=`: this system was not started by a station's boot script"
        );
        assert_eq!(
            complaint(&format!("{RUN} oxbow.station=https://bench")),
            "`oxbow.station=https://bench` is no station: write http:// and an IP address, as http://10.77.0.1:80"
        );
        assert_eq!(
            complaint("oxbow.station=http://10.77.0.1 oxbow.run=x"),
            "`oxbow.run=x`: a run is named by 32 hex digits"
        );
    }
}
