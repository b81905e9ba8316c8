//! What a DHCP request on port 67 is answered beside the site's DHCP server: what to load, and never an address.
//!
//! A REQUEST there is the site's server's business (dnsmasq and pixiecore keep out of it too); it says which address the
//! machine is about to have, and a machine that fetches files is known by that.

use std::net::Ipv4Addr;

use dhcproto::v4::MessageType;

use super::{Answer, Case, Destination, Silence, Verdict, lacks};
use crate::boot::request::Kind;
use crate::domain::event::DhcpAnswer;

impl Case<'_> {
    pub(super) fn as_proxy(&self, kind: Kind) -> Verdict {
        match kind {
            Kind::Discover => self.tell_what_to_load(MessageType::Offer),
            Kind::Request if self.request.server == Some(self.segment.address()) => {
                self.tell_what_to_load(MessageType::Ack)
            }
            Kind::Request => self.overhear(),
            Kind::Inform | Kind::Release | Kind::Decline => Verdict::Silence(Silence::ForTheSitesServer),
            Kind::Other(number) => Verdict::Silence(Silence::NotForServers(number)),
        }
    }

    fn tell_what_to_load(&self, kind: MessageType) -> Verdict {
        let Some(program) = self.program() else {
            return Verdict::Silence(lacks(self.client, None).unwrap_or(Silence::NotBooting));
        };
        let to = self.request.giaddr.map_or(Destination::Broadcast, Destination::Relay);
        let event = self.answered(DhcpAnswer::Offer, Ipv4Addr::UNSPECIFIED, Some(&program));
        match self.reply(kind, to, None, Some((self.client, Some(program)))) {
            Verdict::Reply(reply) => Verdict::Reply(Box::new(Answer { event: Some(event), ..*reply })),
            nothing @ (Verdict::Overheard(_) | Verdict::Silence(_)) => nothing,
        }
    }

    fn overhear(&self) -> Verdict {
        let Some(address) = self.address() else { return Verdict::Silence(Silence::ForTheSitesServer) };
        let program = self.program();
        Verdict::Overheard(Box::new(self.answered(DhcpAnswer::Ack, address, program.as_ref())))
    }
}
