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
    /// the feature that decides, never a count or a version, so it cannot loop. Where HTTPS is required the same holds
    /// for that; who cannot be helped to it is sent by plain HTTP, and told there.
    pub fn of(client: Client, mac: Option<MacAddr>, segment: &Segment) -> Option<Self> {
        let base = segment.given_url();
        let file = |arch: ArchCode, transport| {
            let own = segment.site.file(arch, mac).map(String::from);
            own.or_else(|| arch.file(transport).map(str::to_owned))
        };
        let tftp = |arch| file(arch, Transport::Tftp).map(Self::Tftp);
        match client {
            Client::Pxe(arch) => tftp(arch),
            Client::Ipxe { arch, features: IpxeFeatures { http: true, https: false } }
                if segment.required_https().is_some() =>
            {
                // The one from here, whatever the site has: that may be the very one that asks.
                let own = arch.file(Transport::Tftp).map(|file| Self::Tftp(file.to_owned()));
                own.or_else(|| Some(Self::Script(format!("{}/boot.ipxe", segment.base_url))))
            }
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
    use crate::domain::digest::Digest;
    use crate::domain::https::Https;

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

    #[test]
    fn where_https_is_required_everyone_is_helped_to_it() {
        let mut segment = Segment::new([10, 77, 0, 1].into(), 24, "http://10.77.0.1").expect("a segment");
        segment.https = Some(Https { base_url: "https://10.77.0.1".into(), ca: Digest::new([7; 32]) });
        segment.require_https = true;
        let ipxe = |arch, http, https| Client::Ipxe { arch: ArchCode(arch), features: IpxeFeatures { http, https } };
        for (client, program) in [
            (Client::Pxe(ArchCode(7)), Some("snponly.efi")),
            (ipxe(0, true, true), Some("https://10.77.0.1/boot.ipxe")),
            (ipxe(0, true, false), Some("undionly.kpxe")),
            (ipxe(7, true, false), Some("snponly.efi")),
            (ipxe(7, false, false), Some("snponly.efi")),
            (ipxe(11, true, false), Some("http://10.77.0.1/boot.ipxe")),
            (Client::HttpClient(ArchCode(16)), Some("https://10.77.0.1/boot/ipxe.efi")),
            (Client::Plain, None),
        ] {
            let told = Program::of(client, None, &segment);
            assert_eq!(told.as_ref().map(Program::name), program, "{client:?}");
        }
        segment.https = None;
        let told = Program::of(ipxe(0, true, false), None, &segment);
        let plain = Some(Program::Script("http://10.77.0.1/boot.ipxe".into()));
        assert_eq!(told, plain, "it is told there that the station has no HTTPS");
    }
}
