//! What a DHCP request on port 67 is answered beside the site's DHCP server: what to load, and never an address.
//!
//! A REQUEST there is the site's server's business (dnsmasq and pixiecore keep out of it too); it says which address the
//! machine is about to have, and a machine that fetches files is known by that. Some old boot ROMs want it acknowledged
//! all the same (pixiecore#21): that is a quirk, `always_ack`.

use std::net::Ipv4Addr;

use dhcproto::v4::MessageType;

use super::{Answerable, Destination, DhcpReply, Silence, Verdict, lacks};
use crate::boot::dhcp::client::BootClient;
use crate::boot::dhcp::request::RequestType;
use crate::boot::program::Program;
use crate::domain::event::DhcpAnswer;
use crate::domain::machine::firmware::Firmware;

impl Answerable<'_> {
    pub(super) fn as_proxy(&self, kind: RequestType) -> Verdict {
        match kind {
            RequestType::Discover => self.tell_what_to_load(MessageType::Offer, DhcpAnswer::Offer, None),
            RequestType::Request if self.request.server == Some(self.segment.address()) => {
                self.tell_what_to_load(MessageType::Ack, DhcpAnswer::Told, None)
            }
            RequestType::Request if self.wants_every_ack() => {
                self.tell_what_to_load(MessageType::Ack, DhcpAnswer::Overheard, self.address())
            }
            RequestType::Request => self.overhear(),
            RequestType::Inform | RequestType::Release | RequestType::Decline => {
                Verdict::Silence(Silence::ForTheSitesServer)
            }
            RequestType::Other(number) => Verdict::Silence(Silence::NotForServers(number)),
        }
    }

    fn tell_what_to_load(&self, kind: MessageType, answer: DhcpAnswer, address: Option<Ipv4Addr>) -> Verdict {
        let Some(program) = self.program() else {
            return Verdict::Silence(lacks(self.client, None).unwrap_or(Silence::NotBooting));
        };
        let to = self.request.giaddr.map_or(Destination::Broadcast, Destination::Relay);
        let event = self.answered(answer, address, Some(&program));
        match self.reply(kind, to, None, Some((self.client, Some(program)))) {
            Verdict::Reply(reply) => Verdict::Reply(Box::new(DhcpReply { event: Some(event), ..*reply })),
            nothing @ (Verdict::Overheard(_) | Verdict::Silence(_)) => nothing,
        }
    }

    /// A machine that boots and has no address yet; a renewal is a matter between it and its server.
    fn wants_every_ack(&self) -> bool {
        self.effects.always_ack == Some(true) && self.request.ciaddr.is_none() && self.program().is_some()
    }

    fn overhear(&self) -> Verdict {
        let Some(address) = self.address() else { return Verdict::Silence(Silence::ForTheSitesServer) };
        let program = self.program().filter(|_| !self.goes_to_the_boot_server());
        Verdict::Overheard(Box::new(self.answered(DhcpAnswer::Overheard, Some(address), program.as_ref())))
    }

    /// UEFI's PXE client asks on port 4011 for what it was offered, and is told there.
    fn goes_to_the_boot_server(&self) -> bool {
        matches!((self.client, self.program()), (BootClient::Pxe(_), Some(Program::Tftp(_))))
            && self.client.firmware() == Firmware::UefiX64
    }
}
