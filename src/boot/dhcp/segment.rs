//! The network that oxbow serves: its own address there, the addresses it may give away, where machines find it. And the
//! networks behind relay agents, in which it gives addresses too.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use crate::boot::overrides::Overrides;
use crate::domain::ids::MacAddr;
use crate::domain::station::https::Https;

pub use crate::domain::station::dhcp::Mode;

/// An IPv4 network on one interface, valid as it stands: the pool lies in the subnet and has at least one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The station's own. Behind a relay agent it lies in another network.
    address: Ipv4Addr,
    network: Subnet,
    relayed: Arc<[Subnet]>,
    /// Where the station's HTTP is, without a slash at the end: `http://10.77.0.1:8080`. An address, never a name:
    /// firmware has no resolver yet.
    pub base_url: String,
    /// Where it is by HTTPS, and the authority that machines are told to trust. None if that cannot be had.
    pub https: Option<Https>,
    /// Machines are given `https` or nothing, as far as they can do it.
    pub require_https: bool,
    /// Given to clients as their router (option 3), if any.
    pub router: Option<Ipv4Addr>,
    /// For how long an address is given to a machine that boots.
    pub lease: Duration,
    pub mode: Mode,
    /// The station's own card, which never needs an answer: it only looks for other DHCP servers.
    pub card: Option<MacAddr>,
    /// Which machines get other boot programs than the usual ones.
    pub site: Overrides,
}

/// A subnet, and the part of it that is given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Subnet {
    /// Any address of the subnet. Behind a relay agent: the agent's, or the subnet's name.
    within: Ipv4Addr,
    prefix: u8,
    first: Ipv4Addr,
    last: Ipv4Addr,
}

/// A network behind a relay agent, as people write it: `10.80.0.1/24=10.80.0.100-10.80.0.250`, the agent's address there
/// with its prefix, and the addresses that are given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed(Subnet);

/// Why an interface cannot be served like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSegment {
    #[error("a subnet of {0}/{1} has no room for machines, use a prefix from 1 to 30")]
    Prefix(Ipv4Addr, u8),
    #[error("{address} is not an address for a host in its subnet /{prefix}")]
    Address { address: Ipv4Addr, prefix: u8 },
    #[error("the pool {first}–{last} is not inside {address}/{prefix}")]
    Pool { first: Ipv4Addr, last: Ipv4Addr, address: Ipv4Addr, prefix: u8 },
    #[error("the pool {first}–{last} has no address to give away")]
    EmptyPool { first: Ipv4Addr, last: Ipv4Addr },
    #[error("the relayed network of {within}/{prefix} overlaps another one that is served")]
    Overlap { within: Ipv4Addr, prefix: u8 },
    #[error("relay pool {0:?}: this is not a network and its pool")]
    RelayPool(String),
}

impl Segment {
    /// The subnet of `address`/`prefix` with the default pool: `.100`–`.250` of the station's /24, or the same share
    /// of a smaller subnet. No router, leases of ten minutes.
    pub fn new(address: Ipv4Addr, prefix: u8, base_url: impl Into<String>) -> Result<Self, BadSegment> {
        if !(1..=30).contains(&prefix) {
            return Err(BadSegment::Prefix(address, prefix));
        }
        let block = 1_u32 << (32 - prefix.max(24));
        let start = u32::from(address) & !(block - 1);
        let (first, last) = (start + block * 100 / 256, start + block * 250 / 256);
        let base_url = base_url.into().trim_end_matches('/').to_owned();
        let network = Subnet { within: address, prefix, first: first.into(), last: last.into() };
        let segment = Self {
            address,
            network,
            relayed: Arc::default(),
            base_url,
            https: None,
            require_https: false,
            router: None,
            lease: DEFAULT_LEASE,
            mode: Mode::default(),
            card: None,
            site: Overrides::default(),
        };
        if !segment.is_host(address) {
            return Err(BadSegment::Address { address, prefix });
        }
        segment.checked()
    }

    /// The same segment giving away `first` to `last`, both included.
    pub fn with_pool(self, first: Ipv4Addr, last: Ipv4Addr) -> Result<Self, BadSegment> {
        Self { network: Subnet { first, last, ..self.network }, ..self }.checked()
    }

    /// The same segment giving addresses behind relay agents too.
    pub fn with_relayed(self, networks: impl IntoIterator<Item = Relayed>) -> Result<Self, BadSegment> {
        let mut relayed: Vec<Subnet> = Vec::new();
        for Relayed(network) in networks {
            let Subnet { within, prefix, .. } = network;
            let overlaps = |other: &Subnet| other.contains(network.name()) || network.contains(other.name());
            if overlaps(&self.network) || relayed.iter().any(overlaps) {
                return Err(BadSegment::Overlap { within, prefix });
            }
            self.in_network(network).checked()?;
            relayed.push(network);
        }
        Ok(Self { relayed: relayed.into(), ..self })
    }

    /// The network that this address of a relay agent, or of a machine behind one, is in; with the agent as its router.
    pub fn behind(&self, address: Ipv4Addr) -> Option<Self> {
        self.relayed.iter().find(|network| network.contains(address)).map(|network| self.in_network(*network))
    }

    /// Whether machines are reached through a relay agent.
    pub fn is_relayed(&self) -> bool {
        !self.contains(self.address)
    }

    fn in_network(&self, network: Subnet) -> Self {
        let is_name = network.within == network.name();
        let router = (!is_name).then_some(network.within);
        Self { network, router, relayed: Arc::default(), ..self.clone() }
    }

    fn checked(self) -> Result<Self, BadSegment> {
        let Subnet { within: address, prefix, first, last } = self.network;
        if first > last || !self.contains(first) || !self.contains(last) {
            return Err(BadSegment::Pool { first, last, address, prefix });
        }
        let is_empty = self.pool().next().is_none();
        if is_empty { Err(BadSegment::EmptyPool { first, last }) } else { Ok(self) }
    }

    /// The station's own address: DHCP server identifier, TFTP server and next server.
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The URL that machines are given: HTTPS where it is required, and can be had.
    pub fn given_url(&self) -> &str {
        self.required_https().map_or(&self.base_url, |https| &https.base_url)
    }

    pub fn required_https(&self) -> Option<&Https> {
        self.https.as_ref().filter(|_| self.require_https)
    }

    pub fn mask(&self) -> Ipv4Addr {
        self.network.mask()
    }

    pub fn broadcast(&self) -> Ipv4Addr {
        self.network.name() | !self.mask()
    }

    /// The pool's first and last address.
    pub fn range(&self) -> RangeInclusive<Ipv4Addr> {
        self.network.first..=self.network.last
    }

    /// The pool as people say it: `10.77.0.100–250`; with `10.80.0.100–250 by relay` behind it if there is.
    pub fn pool_in_words(&self) -> String {
        let relayed = self.relayed.iter().map(|network| format!(", {} by relay", network.pool_in_words()));
        std::iter::once(self.network.pool_in_words()).chain(relayed).collect()
    }

    /// The addresses that may be given away, ascending.
    pub fn pool(&self) -> impl Iterator<Item = Ipv4Addr> {
        let Subnet { first, last, .. } = self.network;
        (u32::from(first)..=u32::from(last)).map(Ipv4Addr::from).filter(|address| self.gives(*address))
    }

    /// Whether `address` may be given away: in the pool, and nobody's by its nature.
    pub fn gives(&self, address: Ipv4Addr) -> bool {
        let taken = address == self.address || Some(address) == self.router;
        self.range().contains(&address) && self.is_host(address) && !taken
    }

    /// Whether `address` is on this network.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.network.contains(address)
    }

    /// Neither the subnet's own name nor its broadcast address. `.0` and `.255` are avoided in larger subnets too:
    /// firmware stumbles over them (edk2#6623).
    fn is_host(&self, address: Ipv4Addr) -> bool {
        self.contains(address)
            && address != self.network.name()
            && address != self.broadcast()
            && !matches!(address.octets()[3], 0 | 255)
    }
}

impl Subnet {
    fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::MAX << (32 - self.prefix))
    }

    fn name(self) -> Ipv4Addr {
        self.within & self.mask()
    }

    fn contains(self, address: Ipv4Addr) -> bool {
        address & self.mask() == self.name()
    }

    fn pool_in_words(self) -> String {
        match (self.first.octets(), self.last.octets()) {
            ([a, b, c, _], [d, e, f, last]) if (a, b, c) == (d, e, f) => format!("{}–{last}", self.first),
            _ => format!("{}–{}", self.first, self.last),
        }
    }
}

impl FromStr for Relayed {
    type Err = BadSegment;

    fn from_str(text: &str) -> Result<Self, BadSegment> {
        let parsed = || {
            let (network, pool) = text.split_once('=')?;
            let (within, prefix) = network.trim().split_once('/')?;
            let (first, last) = pool.split_once('-')?;
            let prefix = prefix.parse().ok().filter(|prefix| (1..=30).contains(prefix))?;
            let within = within.parse().ok()?;
            Some(Subnet { within, prefix, first: first.trim().parse().ok()?, last: last.trim().parse().ok()? })
        };
        parsed().map(Self).ok_or_else(|| BadSegment::RelayPool(text.to_owned()))
    }
}

const DEFAULT_LEASE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(address: &str, prefix: u8) -> Result<Segment, BadSegment> {
        Segment::new(address.parse().expect("an address"), prefix, "http://10.77.0.1:8080/")
    }

    fn ends(segment: &Segment) -> [String; 2] {
        [segment.range().start().to_string(), segment.range().end().to_string()]
    }

    #[test]
    fn the_default_pool_is_100_to_250_of_the_stations_own_24() {
        assert_eq!(segment("10.77.0.1", 24).map(|it| ends(&it)), Ok(["10.77.0.100", "10.77.0.250"].map(str::to_owned)));
        assert_eq!(segment("10.77.3.1", 16).map(|it| ends(&it)), Ok(["10.77.3.100", "10.77.3.250"].map(str::to_owned)));
        assert_eq!(segment("10.77.0.1", 24).map(|it| it.pool_in_words()), Ok("10.77.0.100–250".to_owned()));
        assert_eq!(segment("10.77.0.1", 24).map(|it| it.base_url), Ok("http://10.77.0.1:8080".to_owned()));
    }

    #[test]
    fn a_small_subnet_has_a_small_pool() {
        assert_eq!(segment("10.77.0.1", 28).map(|it| it.pool().count()), Ok(9), ".6 to .14");
        assert_eq!(segment("10.77.0.1", 30).map(|it| it.pool().count()), Ok(1));
        let none = Ipv4Addr::new(10, 77, 0, 1);
        assert_eq!(segment("10.77.0.1", 31), Err(BadSegment::Prefix(none, 31)));
    }

    #[test]
    fn the_station_the_router_and_odd_addresses_are_never_given_away() {
        let mut segment = segment("10.77.0.1", 16).expect("a segment");
        segment.router = Some(Ipv4Addr::new(10, 77, 0, 2));
        let segment = segment.with_pool(Ipv4Addr::new(10, 77, 0, 0), Ipv4Addr::new(10, 77, 1, 4)).expect("a pool");
        let pool: Vec<Ipv4Addr> = segment.pool().collect();
        assert_eq!(pool.len(), 252 + 4);
        assert!(pool.iter().all(|address| !matches!(address.octets(), [_, _, 0, 0 | 1 | 2 | 255] | [_, _, 1, 0])));
    }

    #[test]
    fn a_pool_outside_the_subnet_or_without_addresses_is_refused() {
        let given = |first: &str, last: &str| {
            let [first, last] = [first, last].map(|text| text.parse().expect("an address"));
            segment("10.77.0.1", 24).and_then(|it| it.with_pool(first, last)).map_err(|error| error.to_string())
        };
        assert_eq!(
            given("10.77.1.1", "10.77.1.9").err().as_deref(),
            Some("the pool 10.77.1.1–10.77.1.9 is not inside 10.77.0.1/24")
        );
        assert!(given("10.77.0.9", "10.77.0.8").is_err());
        assert_eq!(
            given("10.77.0.1", "10.77.0.1").err().as_deref(),
            Some("the pool 10.77.0.1–10.77.0.1 has no address to give away")
        );
        assert!(given("10.77.0.1", "10.77.0.2").is_ok());
    }

    #[test]
    fn a_network_behind_a_relay_agent_has_a_mask_a_router_and_a_pool_of_its_own() {
        let relayed = |texts: &[&str]| {
            let networks: Vec<Relayed> =
                texts.iter().map(|text| text.parse()).collect::<Result<_, _>>().map_err(|error: BadSegment| error)?;
            segment("10.77.0.1", 24)?.with_relayed(networks)
        };
        let served =
            relayed(&["10.80.0.1/16=10.80.1.100-10.80.1.250", "10.90.0.0/24=10.90.0.5-10.90.0.9"]).expect("valid");
        assert_eq!(served.pool_in_words(), "10.77.0.100–250, 10.80.1.100–250 by relay, 10.90.0.5–9 by relay");
        let far = served.behind([10, 80, 7, 7].into()).expect("it is served");
        assert_eq!((far.mask(), far.broadcast()), ([255, 255, 0, 0].into(), [10, 80, 255, 255].into()));
        assert_eq!((far.router, far.address()), (Some([10, 80, 0, 1].into()), [10, 77, 0, 1].into()));
        assert!(far.is_relayed() && !served.is_relayed() && far.gives([10, 80, 1, 100].into()));
        assert_eq!(served.behind([10, 90, 0, 1].into()).expect("it is served").router, None, "only its name is known");
        assert_eq!(served.behind([10, 81, 0, 1].into()), None);

        for (text, said) in [
            ("10.80.0.0/24", "relay pool \"10.80.0.0/24\": this is not a network and its pool"),
            (
                "10.80.0.0/31=10.80.0.0-10.80.0.1",
                "relay pool \"10.80.0.0/31=10.80.0.0-10.80.0.1\": this is not a network and its pool",
            ),
            ("10.80.0.0/24=10.81.0.1-10.81.0.9", "the pool 10.81.0.1–10.81.0.9 is not inside 10.80.0.0/24"),
            ("10.80.0.1/24=10.80.0.1-10.80.0.1", "the pool 10.80.0.1–10.80.0.1 has no address to give away"),
            (
                "10.77.0.2/24=10.77.0.9-10.77.0.9",
                "the relayed network of 10.77.0.2/24 overlaps another one that is served",
            ),
        ] {
            assert_eq!(relayed(&[text]).expect_err("it is wrong").to_string(), said);
        }
        let twice = ["10.80.0.0/24=10.80.0.5-10.80.0.9", "10.80.0.0/16=10.80.7.5-10.80.7.9"];
        assert!(matches!(relayed(&twice), Err(BadSegment::Overlap { .. })));
    }

    #[test]
    fn a_network_name_is_no_address_for_the_station() {
        assert!(matches!(segment("10.77.0.0", 24), Err(BadSegment::Address { .. })));
    }
}
