//! What the boot script tells the agent on the kernel's command line: which station, which run, which network card, and
//! for an HTTPS station which certificate authority to trust.
//!
//! ```text
//! oxbow.station=http://10.77.0.1:80 oxbow.run=0123456789abcdef0123456789abcdef BOOTIF=01-52-54-00-12-34-56
//! oxbow.station=https://10.77.0.1 oxbow.ca=(64 hex digits) oxbow.ca_url=http://10.77.0.1/ca.der oxbow.run=…
//! ```

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::domain::digest::Digest;
use crate::domain::ids::{BadId, MacAddr, RunId};
use crate::protocol::paths::{CA_ARG, CA_URL_ARG, RUN_ARG, STATION_ARG};

/// Everything the agent knows at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootArgs {
    pub station: StationUrl,
    pub run: RunId,
    /// The card the machine booted from, as iPXE and PXELINUX name it (`BOOTIF=01-` and the MAC).
    pub boot_nic: Option<MacAddr>,
    /// The authority to trust. None: the station uses plain HTTP.
    pub trust: Option<Trust>,
}

/// The only certificate authority that is trusted, identified by its digest however its certificate arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    /// The SHA-256 of the authority's certificate (DER).
    pub ca: Digest,
    /// Where to fetch the certificate. None: the station sends it in the handshake.
    pub place: Option<HttpUrl>,
}

/// A plain HTTP URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl {
    pub holder: StationUrl,
    pub path: String,
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.holder.at(&self.path))
    }
}

/// Why the kernel command line is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBootArgs {
    #[error("the kernel command line has no `{STATION_ARG}`: this system was not started by a station's boot script")]
    NoStation,
    #[error(
        "`{STATION_ARG}{0}` is not a station URL: write http:// or https:// and an IP address, such as http://10.77.0.1:80"
    )]
    BadStation(String),
    #[error("the kernel command line has no `{RUN_ARG}`: this system was not started by a station's boot script")]
    NoRun,
    #[error("`{RUN_ARG}{0}`: {1}")]
    BadRun(String, BadId),
    #[error(
        "the station uses HTTPS, but the kernel command line has no `{0}`: without it the station cannot be trusted"
    )]
    NoTrust(&'static str),
    #[error("`{CA_ARG}{0}` is not a digest: write the 64 hex digits of the SHA-256 of the authority's certificate")]
    BadCa(String),
    #[error(
        "`{CA_URL_ARG}{0}` is not a valid URL: write http://, an IP address and a path, such as http://10.77.0.1/ca.der"
    )]
    BadCaUrl(String),
}

impl FromStr for BootArgs {
    type Err = BadBootArgs;

    fn from_str(cmdline: &str) -> Result<Self, BadBootArgs> {
        let station = word(cmdline, STATION_ARG).ok_or(BadBootArgs::NoStation)?;
        let run = word(cmdline, RUN_ARG).ok_or(BadBootArgs::NoRun)?;
        let station: StationUrl = station.parse().map_err(|BadStation| BadBootArgs::BadStation(station.to_owned()))?;
        Ok(Self {
            station,
            run: run.parse().map_err(|bad| BadBootArgs::BadRun(run.to_owned(), bad))?,
            boot_nic: word(cmdline, BOOT_NIC).and_then(|mac| mac.parse().ok()),
            trust: if station.is_https() { Some(Trust::read(cmdline)?) } else { None },
        })
    }
}

impl Trust {
    fn read(cmdline: &str) -> Result<Self, BadBootArgs> {
        let ca = word(cmdline, CA_ARG).ok_or(BadBootArgs::NoTrust(CA_ARG))?;
        let url = word(cmdline, CA_URL_ARG).ok_or(BadBootArgs::NoTrust(CA_URL_ARG))?;
        let ca = ca.parse().map_err(|_| BadBootArgs::BadCa(ca.to_owned()))?;
        let bad = || BadBootArgs::BadCaUrl(url.to_owned());
        let (host, path) = url.split_at(url.match_indices('/').nth(2).ok_or_else(bad)?.0);
        let holder: StationUrl = host.parse().map_err(|BadStation| bad())?;
        // It is needed before anybody can be believed; the digest is what it is believed by.
        let place = HttpUrl { holder, path: path.to_owned() };
        if holder.is_https() { Err(bad()) } else { Ok(Self { ca, place: Some(place) }) }
    }
}

/// Where the station's HTTP or HTTPS service is. Always an address: the small system has no name service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StationUrl {
    https: bool,
    address: SocketAddr,
}

/// The text is not `http://IP` or `http://IP:PORT`, nor the same with `https`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadStation;

impl StationUrl {
    pub fn address(self) -> SocketAddr {
        self.address
    }

    pub fn is_https(self) -> bool {
        self.https
    }

    /// The URL of `path`, which begins with `/`.
    pub fn at(self, path: &str) -> String {
        format!("{self}{path}")
    }
}

impl FromStr for StationUrl {
    type Err = BadStation;

    fn from_str(url: &str) -> Result<Self, BadStation> {
        let plain = url.strip_prefix("http://").map(|rest| (false, HTTP, rest));
        let secure = || url.strip_prefix("https://").map(|rest| (true, HTTPS, rest));
        let (https, port, authority) = plain.or_else(secure).ok_or(BadStation)?;
        let authority = authority.trim_end_matches('/');
        let with_port = authority.parse::<SocketAddr>();
        let without = || authority.trim_matches(['[', ']']).parse::<IpAddr>().map(|ip| SocketAddr::new(ip, port));
        with_port.or_else(|_| without()).map(|address| Self { https, address }).map_err(|_| BadStation)
    }
}

impl fmt::Display for StationUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.address)
    }
}

/// What follows `prefix` in the last word of `cmdline` that begins with it: as for the kernel, the last one counts.
fn word<'c>(cmdline: &'c str, prefix: &str) -> Option<&'c str> {
    cmdline.split_ascii_whitespace().rev().find_map(|word| word.strip_prefix(prefix))
}

/// `01` is the hardware type, Ethernet (RFC 1700).
const BOOT_NIC: &str = "BOOTIF=01-";
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "oxbow.run=0123456789abcdef0123456789abcdef";

    fn complaint(cmdline: &str) -> String {
        cmdline.parse::<BootArgs>().map_or_else(|no| no.to_string(), |boot_args| format!("{boot_args:?}"))
    }

    #[test]
    fn a_boot_scripts_words_are_found_among_the_kernels_own() {
        let cmdline = format!("quiet initrd=x oxbow.station=http://10.77.0.1:8080 {RUN} BOOTIF=01-52-54-00-12-34-56\n");
        let boot_args: BootArgs = cmdline.parse().expect("boot arguments");
        assert_eq!(boot_args.station.at("/x"), "http://10.77.0.1:8080/x");
        assert_eq!(boot_args.run.to_string(), "0123456789abcdef0123456789abcdef");
        assert_eq!(boot_args.boot_nic.map(|mac| mac.to_string()), Some("52:54:00:12:34:56".into()));
    }

    #[test]
    fn a_station_is_an_address_with_or_without_a_port() {
        for (url, address) in [
            ("http://10.77.0.1", "10.77.0.1:80"),
            ("http://10.77.0.1/", "10.77.0.1:80"),
            ("http://[fe80::1]", "[fe80::1]:80"),
            ("http://[fe80::1]:81", "[fe80::1]:81"),
            ("https://10.77.0.1", "10.77.0.1:443"),
            ("https://10.77.0.1:8443", "10.77.0.1:8443"),
        ] {
            assert_eq!(url.parse::<StationUrl>().map(|url| url.address().to_string()), Ok(address.to_owned()));
        }
    }

    #[test]
    fn a_station_by_https_comes_with_the_authority_that_vouches_for_it() {
        let ca = "ca".repeat(32);
        let url = "oxbow.ca_url=http://10.77.0.1:8080/ca.der";
        let cmdline = format!("{RUN} oxbow.station=https://10.77.0.1 oxbow.ca={ca} {url}");
        let boot_args: BootArgs = cmdline.parse().expect("boot arguments");
        assert!(boot_args.station.is_https() && boot_args.station.at("/x") == "https://10.77.0.1:443/x");
        let trust = boot_args.trust.expect("an authority");
        let place = trust.place.map(|place| place.to_string());
        assert_eq!((trust.ca.to_string(), place.as_deref()), (ca.clone(), Some(&url[13..])));

        let https = format!("{RUN} oxbow.station=https://10.77.0.1");
        for (more, says) in [
            (String::new(), "has no `oxbow.ca=`: without it the station cannot be trusted"),
            (format!("oxbow.ca={ca}"), "has no `oxbow.ca_url=`: without it the station cannot be trusted"),
            (format!("oxbow.ca=12 {url}"), "`oxbow.ca=12` is not a digest: write the 64 hex digits"),
            (
                format!("oxbow.ca={ca} oxbow.ca_url=http://10.77.0.1"),
                "`oxbow.ca_url=http://10.77.0.1` is not a valid URL",
            ),
            (format!("oxbow.ca={ca} oxbow.ca_url=https://10.77.0.1/ca"), "is not a valid URL: write http://"),
        ] {
            let complaint = complaint(&format!("{https} {more}"));
            assert!(complaint.contains(says), "{complaint}");
        }
        let plain: BootArgs =
            format!("{RUN} oxbow.station=http://10.77.0.1 oxbow.ca=12").parse().expect("boot arguments");
        assert_eq!(plain.trust, None);
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
            "`oxbow.station=https://bench` is not a station URL: write http:// or https:// and an IP address, such as http://10.77.0.1:80"
        );
        assert_eq!(
            complaint("oxbow.station=http://10.77.0.1 oxbow.run=x"),
            "`oxbow.run=x`: a run is named by 32 hex digits"
        );
    }
}
