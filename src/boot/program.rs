//! What a client is told to load.

use crate::boot::architecture::{ArchCode, Transport};
use crate::boot::client::Client;
use crate::boot::request::IpxeFeatures;
use crate::boot::segment::Segment;
use crate::domain::ids::MacAddr;

/// The boot program, or script, that a DHCP reply names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// A file on the station's TFTP server.
    Tftp(String),
    /// A script for iPXE, by its URL.
    Script(String),
    /// A program for UEFI HTTP Boot, by its URL.
    Http(String),
}

impl Program {
    /// What `client` is told to load. None for those who do not boot from the network, or for whom nothing is here.
    ///
    /// An iPXE that can do HTTP gets the script. One that cannot is given the iPXE from here, once: that one can. It is
    /// the feature that decides, never a count or a version, so it cannot loop.
    pub fn of(client: Client, mac: Option<MacAddr>, segment: &Segment) -> Option<Self> {
        let base = &segment.base_url;
        let file = |arch: ArchCode, transport| {
            let own = segment.site.file(arch, mac).map(String::from);
            own.or_else(|| arch.file(transport).map(str::to_owned))
        };
        let tftp = |arch| file(arch, Transport::Tftp).map(Self::Tftp);
        match client {
            Client::Pxe(arch) => tftp(arch),
            Client::Ipxe { features: IpxeFeatures { http: true, .. }, .. } => {
                Some(Self::Script(format!("{base}/boot.ipxe")))
            }
            Client::Ipxe { arch, .. } => tftp(arch),
            Client::HttpClient(arch) => {
                file(arch, Transport::Http).map(|file| Self::Http(format!("{base}/boot/{file}")))
            }
            Client::OtherArch(_) | Client::Plain => None,
        }
    }

    /// As the header field `file` and option 67 say it.
    pub fn name(&self) -> &str {
        match self {
            Self::Tftp(file) => file,
            Self::Script(url) | Self::Http(url) => url,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(client: Client) -> Option<String> {
        let segment = Segment::new([10, 77, 0, 1].into(), 24, "http://10.77.0.1:8080").expect("a segment");
        Program::of(client, None, &segment).map(|program| program.name().to_owned())
    }

    #[test]
    fn everyone_is_told_to_load_what_he_can_load() {
        let ipxe = |arch, http| Client::Ipxe { arch: ArchCode(arch), features: IpxeFeatures { http, https: false } };
        for (client, program) in [
            (Client::Pxe(ArchCode(0)), Some("undionly.kpxe")),
            (Client::Pxe(ArchCode(7)), Some("snponly.efi")),
            (ipxe(0, true), Some("http://10.77.0.1:8080/boot.ipxe")),
            (ipxe(0, false), Some("undionly.kpxe")),
            (ipxe(9, false), Some("snponly.efi")),
            (ipxe(11, false), None),
            (Client::HttpClient(ArchCode(16)), Some("http://10.77.0.1:8080/boot/ipxe.efi")),
            (Client::OtherArch(ArchCode(11)), None),
            (Client::Plain, None),
        ] {
            assert_eq!(told(client).as_deref(), program, "{client:?}");
        }
    }
}
