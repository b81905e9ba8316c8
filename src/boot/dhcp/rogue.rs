//! Rogue server detection: how other DHCP servers are found, whose answer counts, and which mode follows from it.
//!
//! ```text
//! authoritative  refuses to serve; if forced it serves, and reports that
//! proxy          serves beside it; reports when there is none, because then machines get no address
//! auto           is a proxy beside it, and the network's server where nobody answers
//! ```
//! Once *auto* has become a proxy it stays one: a site's server that restarts must not find its network taken.

use std::net::Ipv4Addr;
use std::time::Duration;

use dhcproto::Encodable;
use dhcproto::v4::{Decodable, Decoder, DhcpOption, Flags, Message, MessageType, Opcode, OptionCode};

use crate::boot::dhcp::arp::Claim;
use crate::boot::dhcp::segment::{Mode, Segment};
use crate::domain::ids::MacAddr;
use crate::domain::station::dhcp::RogueServer;
use crate::domain::time::Timestamp;

pub use crate::domain::station::dhcp::{BadDhcpChoice, DhcpChoice};

/// A DHCP client that only finds out who answers.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    mac: MacAddr,
    station: Ipv4Addr,
}

impl Probe {
    /// `mac` is that of the station's own card: switches may let no other through.
    pub fn new(mac: MacAddr, station: Ipv4Addr) -> Self {
        Self { mac, station }
    }

    pub fn mac(&self) -> MacAddr {
        self.mac
    }

    /// The DISCOVER to broadcast.
    pub fn discover(&self, xid: u32) -> Vec<u8> {
        let zero = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(xid, zero, zero, zero, zero, &self.mac.octets());
        message.set_flags(Flags::new(BROADCAST));
        message.opts_mut().insert(DhcpOption::MessageType(MessageType::Discover));
        message.opts_mut().insert(DhcpOption::ParameterRequestList(vec![OptionCode::SubnetMask, OptionCode::Router]));
        let mut bytes = message.to_vec().unwrap_or_default();
        bytes.resize(bytes.len().max(SHORTEST), 0);
        bytes
    }

    /// The server whose offer of an address to this probe the packet is. A proxy's offer has no address.
    pub fn rival(&self, packet: &[u8]) -> Option<Ipv4Addr> {
        // dhcproto panics on a longer hardware address.
        if packet.get(2).is_none_or(|len| *len != 6) {
            return None;
        }
        let reply = Message::decode(&mut Decoder::new(packet)).ok()?;
        let is_offer = reply.opcode() == Opcode::BootReply
            && reply.opts().msg_type() == Some(MessageType::Offer)
            && reply.chaddr() == self.mac.octets()
            && !reply.yiaddr().is_unspecified();
        let server = match reply.opts().get(OptionCode::ServerIdentifier) {
            Some(DhcpOption::ServerIdentifier(server)) => *server,
            _ => reply.siaddr(),
        };
        (is_offer && server != self.station).then_some(server)
    }
}

/// The chosen mode, and the other servers that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeState {
    choice: DhcpChoice,
    /// To serve although another server answers.
    forced: bool,
    /// The latest one first.
    rivals: Vec<RogueServer>,
}

/// Another server answers, and the chosen mode does not allow that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub Ipv4Addr);

impl ModeState {
    pub fn new(choice: DhcpChoice, forced: bool) -> Self {
        Self { choice, forced, rivals: Vec::new() }
    }

    pub fn choice(&self) -> DhcpChoice {
        self.choice
    }

    /// Changes the mode. Servers that were found are remembered.
    pub fn choose(&mut self, choice: DhcpChoice) {
        self.choice = choice;
    }

    pub fn rivals(&self) -> &[RogueServer] {
        &self.rivals
    }

    /// Whether `choice` demands to look for other servers before anything is served.
    pub fn must_listen_first(&self, choice: DhcpChoice) -> bool {
        match choice {
            DhcpChoice::Authoritative => !self.forced,
            DhcpChoice::Auto => true,
            DhcpChoice::Proxy => false,
        }
    }

    /// Another server answered.
    pub fn meet(&mut self, now: Timestamp, address: Ipv4Addr) -> Result<(), Refused> {
        let known = self.rivals.iter().position(|rival| rival.address == address);
        let known = known.map(|at| self.rivals.remove(at));
        let met = known.unwrap_or(RogueServer { address, mac: None, first: now, last: now });
        self.rivals.insert(0, RogueServer { last: now, ..met });
        self.rivals.truncate(REMEMBERED);
        self.tolerates(self.choice, address)
    }

    /// Whether the station may be `choice` beside this server.
    pub fn tolerates(&self, choice: DhcpChoice, rival: Ipv4Addr) -> Result<(), Refused> {
        match choice {
            DhcpChoice::Authoritative if !self.forced => Err(Refused(rival)),
            DhcpChoice::Authoritative | DhcpChoice::Proxy | DhcpChoice::Auto => Ok(()),
        }
    }

    /// A card claimed an address by ARP.
    pub fn hear(&mut self, claim: Claim) {
        for rival in self.rivals.iter_mut().filter(|rival| rival.address == claim.address) {
            rival.mac = Some(claim.by);
        }
    }

    pub fn mode(&self) -> Mode {
        match (self.choice, self.rivals.as_slice()) {
            (DhcpChoice::Authoritative, _) | (DhcpChoice::Auto, []) => Mode::Authoritative,
            (DhcpChoice::Proxy, _) | (DhcpChoice::Auto, [_, ..]) => Mode::Proxy,
        }
    }

    /// The mode and why: `proxy (auto: 10.77.0.2 answers DHCP)`.
    pub fn in_words(&self, now: Timestamp, segment: &Segment) -> String {
        let does = match self.mode() {
            Mode::Authoritative => format!("pool {}", segment.pool_in_words()),
            Mode::Proxy => "proxy".to_owned(),
        };
        let heard = self.rivals.first().map(|rival| (rival.address, now.since(rival.last) < GONE));
        match (self.choice, heard) {
            (DhcpChoice::Authoritative, None | Some((_, false))) => does,
            (DhcpChoice::Authoritative, Some((rival, true))) => format!("{does} (forced: {rival} answers DHCP too)"),
            (DhcpChoice::Proxy, None) => format!("{does} (no DHCP server answers: machines get no address)"),
            (DhcpChoice::Proxy, Some((rival, true))) => format!("{does} beside {rival}"),
            (DhcpChoice::Proxy, Some((rival, false))) => {
                format!("{does} ({rival} does not answer any more: machines get no address)")
            }
            (DhcpChoice::Auto, None) => format!("{does} (auto: nobody else answers DHCP)"),
            (DhcpChoice::Auto, Some((rival, true))) => format!("{does} (auto: {rival} answers DHCP)"),
            (DhcpChoice::Auto, Some((rival, false))) => format!(
                "{does} (auto: {rival} answered DHCP, and does not any more: if it is gone for good, choose authoritative)"
            ),
        }
    }
}

const BROADCAST: u16 = 0x8000;
const SHORTEST: usize = 300;

/// Other servers that are remembered at most.
const REMEMBERED: usize = 8;

/// After this time without an answer, asked once a minute, a server counts as gone.
const GONE: Duration = Duration::from_secs(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::dhcp::leases::Leases;
    use crate::boot::dhcp::{self, Verdict};
    use crate::domain::time::Timestamp;

    const STATION: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

    fn segment(address: Ipv4Addr) -> Segment {
        Segment::new(address, 24, "http://10.77.0.1").expect("a segment")
    }

    fn probe() -> Probe {
        Probe::new(MacAddr::new([0x52, 0x54, 0, 0, 0, 9]).expect("a MAC"), STATION)
    }

    /// What the server at this address says to the probe.
    fn offer(server: Ipv4Addr) -> Vec<u8> {
        let question = probe().discover(7);
        let (_, verdict) = dhcp::handle(Timestamp::default(), &question, &segment(server), &mut Leases::default());
        let Verdict::Reply(answer) = verdict else { panic!("not answered: {verdict:?}") };
        answer.message
    }

    #[test]
    fn the_probe_is_a_plain_client_that_hears_broadcasts() {
        let bytes = probe().discover(0xcafe);
        assert_eq!((bytes.len(), &bytes[4..8], &bytes[10..12]), (300, &[0, 0, 0xca, 0xfe][..], &[0x80, 0][..]));
    }

    #[test]
    fn another_server_is_known_by_its_offer() {
        assert_eq!(probe().rival(&offer(OTHER)), Some(OTHER));
        assert_eq!(probe().rival(&offer(STATION)), None, "the station's own");
        let mut to_another = offer(OTHER);
        to_another[33] = 8;
        assert_eq!(probe().rival(&to_another), None);
        let mut without_address = offer(OTHER);
        without_address[16..20].fill(0);
        assert_eq!(probe().rival(&without_address), None, "a proxy is no rival");
        assert_eq!(probe().rival(&probe().discover(1)), None, "a question is no answer");
        let mut long = offer(OTHER);
        long[2] = 200;
        assert_eq!((probe().rival(&long), probe().rival(&[]), probe().rival(&[2; 30])), (None, None, None));
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1000)
    }

    #[test]
    fn what_is_served_follows_from_the_choice_and_who_was_met() {
        use DhcpChoice::{Authoritative, Auto, Proxy};
        for (choice, forced, listens, alone, beside) in [
            (Authoritative, false, true, Mode::Authoritative, Err(Refused(OTHER))),
            (Authoritative, true, false, Mode::Authoritative, Ok(Mode::Authoritative)),
            (Proxy, false, false, Mode::Proxy, Ok(Mode::Proxy)),
            (Auto, false, true, Mode::Authoritative, Ok(Mode::Proxy)),
        ] {
            let mut standing = ModeState::new(choice, forced);
            assert_eq!((standing.must_listen_first(choice), standing.mode()), (listens, alone), "{choice:?}");
            let met = standing.meet(at(0), OTHER).map(|()| standing.mode());
            assert_eq!(met, beside, "{choice:?} forced={forced}");
        }
    }

    #[test]
    fn who_was_met_is_remembered_over_a_change_of_mind() {
        let mut standing = ModeState::new(DhcpChoice::Proxy, false);
        assert_eq!(standing.meet(at(0), OTHER), Ok(()));
        assert_eq!(standing.meet(at(60), OTHER), Ok(()));
        let card = MacAddr::new([0x52, 0x54, 0, 0, 0, 2]).expect("a MAC");
        standing.hear(Claim { address: OTHER, by: card });
        standing.hear(Claim { address: Ipv4Addr::new(10, 77, 0, 9), by: card });
        assert_eq!(standing.rivals(), [RogueServer { address: OTHER, mac: Some(card), first: at(0), last: at(60) }]);
        standing.choose(DhcpChoice::Auto);
        assert_eq!(
            (standing.mode(), standing.tolerates(DhcpChoice::Authoritative, OTHER)),
            (Mode::Proxy, Err(Refused(OTHER)))
        );
        for other in 10..100 {
            assert_eq!(standing.meet(at(61), Ipv4Addr::new(10, 77, 0, other)), Ok(()));
        }
        assert_eq!(standing.rivals().len(), REMEMBERED, "memory is bounded");
    }

    #[test]
    fn the_services_line_says_what_was_picked_and_why() {
        let says = |choice, met: bool, seconds| {
            let mut standing = ModeState::new(choice, true);
            if met {
                standing.meet(at(0), OTHER).expect("forced");
            }
            standing.in_words(at(seconds), &segment(STATION))
        };
        for (choice, met, seconds, words) in [
            (DhcpChoice::Authoritative, false, 0, "pool 10.77.0.100–250"),
            (DhcpChoice::Authoritative, true, 0, "pool 10.77.0.100–250 (forced: 10.77.0.2 answers DHCP too)"),
            (DhcpChoice::Authoritative, true, 200, "pool 10.77.0.100–250"),
            (DhcpChoice::Proxy, false, 0, "proxy (no DHCP server answers: machines get no address)"),
            (DhcpChoice::Proxy, true, 199, "proxy beside 10.77.0.2"),
            (DhcpChoice::Proxy, true, 200, "proxy (10.77.0.2 does not answer any more: machines get no address)"),
            (DhcpChoice::Auto, false, 0, "pool 10.77.0.100–250 (auto: nobody else answers DHCP)"),
            (DhcpChoice::Auto, true, 0, "proxy (auto: 10.77.0.2 answers DHCP)"),
            (
                DhcpChoice::Auto,
                true,
                200,
                "proxy (auto: 10.77.0.2 answered DHCP, and does not any more: if it is gone for good, choose authoritative)",
            ),
        ] {
            assert_eq!(says(choice, met, seconds), words);
        }
    }
}
