//! Another DHCP server on the cable: how it is asked for, whose answer counts, and what follows.
//!
//! ```text
//! authoritative  refuses to serve; with force it serves, and says so
//! proxy          serves beside it; says so when there is none, for then nobody gives the machines addresses
//! auto           is a proxy beside it, and the network's server where nobody answers
//! ```
//! Who was found to be a proxy stays one: a site's server that restarts must not find its network taken.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use dhcproto::Encodable;
use dhcproto::v4::{Decodable, Decoder, DhcpOption, Flags, Message, MessageType, Opcode, OptionCode};

use crate::boot::segment::{Mode, Segment};
use crate::domain::ids::MacAddr;

/// A DHCP client that only wants to see who answers.
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

    /// The server that offers this probe an address, if that is what the packet says. A proxy's offer has none.
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

/// What a person asked the station to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    #[default]
    Authoritative,
    Proxy,
    Auto,
}

impl FromStr for Choice {
    type Err = NoChoice;

    fn from_str(word: &str) -> Result<Self, NoChoice> {
        match word {
            "authoritative" => Ok(Self::Authoritative),
            "proxy" => Ok(Self::Proxy),
            "auto" => Ok(Self::Auto),
            _ => Err(NoChoice),
        }
    }
}

/// It is none of the words for a [`Choice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoChoice;

/// How the station stands to other servers: what was chosen, and who was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    choice: Choice,
    /// To serve although another server answers.
    forced: bool,
    rival: Option<Ipv4Addr>,
}

/// Another server answers, and this one was to be the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub Ipv4Addr);

impl Standing {
    pub fn new(choice: Choice, forced: bool) -> Self {
        Self { choice, forced, rival: None }
    }

    /// Whether nothing may be served until it is clear who else does.
    pub fn must_listen_first(&self) -> bool {
        match self.choice {
            Choice::Authoritative => !self.forced,
            Choice::Auto => true,
            Choice::Proxy => false,
        }
    }

    /// Another server answered.
    pub fn meet(&mut self, rival: Ipv4Addr) -> Result<(), Refused> {
        self.rival = Some(rival);
        match self.choice {
            Choice::Authoritative if !self.forced => Err(Refused(rival)),
            Choice::Authoritative | Choice::Proxy | Choice::Auto => Ok(()),
        }
    }

    pub fn mode(&self) -> Mode {
        match (self.choice, self.rival) {
            (Choice::Authoritative, _) | (Choice::Auto, None) => Mode::Authoritative,
            (Choice::Proxy, _) | (Choice::Auto, Some(_)) => Mode::Proxy,
        }
    }

    /// As the services line says it: `10.77.0.1 on enp3s0, proxy (auto: 10.77.0.2 answers DHCP)`.
    pub fn in_words(&self, segment: &Segment, interface: &str) -> String {
        let does: &dyn fmt::Display = match self.mode() {
            Mode::Authoritative => &format_args!("pool {}", segment.pool_in_words()),
            Mode::Proxy => &"proxy",
        };
        let at = format!("{} on {interface}, {does}", segment.address());
        match (self.choice, self.rival) {
            (Choice::Authoritative, None) => at,
            (Choice::Authoritative, Some(rival)) => format!("{at} (forced: {rival} answers DHCP too)"),
            (Choice::Proxy, None) => format!("{at} (no DHCP server answers: machines get no address)"),
            (Choice::Proxy, Some(rival)) => format!("{at} beside {rival}"),
            (Choice::Auto, None) => format!("{at} (auto: nobody else answers DHCP)"),
            (Choice::Auto, Some(rival)) => format!("{at} (auto: {rival} answers DHCP)"),
        }
    }
}

const BROADCAST: u16 = 0x8000;
const SHORTEST: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::dhcp::{self, Verdict};
    use crate::boot::leases::Leases;
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

    #[test]
    fn what_is_served_follows_from_the_choice_and_who_was_met() {
        use Choice::{Authoritative, Auto, Proxy};
        for (choice, forced, listens, alone, beside) in [
            (Authoritative, false, true, Mode::Authoritative, Err(Refused(OTHER))),
            (Authoritative, true, false, Mode::Authoritative, Ok(Mode::Authoritative)),
            (Proxy, false, false, Mode::Proxy, Ok(Mode::Proxy)),
            (Auto, false, true, Mode::Authoritative, Ok(Mode::Proxy)),
        ] {
            let mut standing = Standing::new(choice, forced);
            assert_eq!((standing.must_listen_first(), standing.mode()), (listens, alone), "{choice:?}");
            assert_eq!(standing.meet(OTHER).map(|()| standing.mode()), beside, "{choice:?} forced={forced}");
        }
    }

    #[test]
    fn the_services_line_says_what_was_picked_and_why() {
        let says = |choice, met: bool| {
            let mut standing = Standing::new(choice, true);
            if met {
                standing.meet(OTHER).expect("forced");
            }
            standing.in_words(&segment(STATION), "s0")
        };
        for (choice, met, words) in [
            (Choice::Authoritative, false, "10.77.0.1 on s0, pool 10.77.0.100–250"),
            (Choice::Authoritative, true, "10.77.0.1 on s0, pool 10.77.0.100–250 (forced: 10.77.0.2 answers DHCP too)"),
            (Choice::Proxy, false, "10.77.0.1 on s0, proxy (no DHCP server answers: machines get no address)"),
            (Choice::Proxy, true, "10.77.0.1 on s0, proxy beside 10.77.0.2"),
            (Choice::Auto, false, "10.77.0.1 on s0, pool 10.77.0.100–250 (auto: nobody else answers DHCP)"),
            (Choice::Auto, true, "10.77.0.1 on s0, proxy (auto: 10.77.0.2 answers DHCP)"),
        ] {
            assert_eq!(says(choice, met), words);
        }
    }
}
