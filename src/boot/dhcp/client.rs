//! What kind of network boot client a DHCP request comes from.

use crate::boot::architecture::{ArchCode, LoaderTransport};
use crate::boot::dhcp::request::{IpxeFeatures, Request};
use crate::domain::machine::firmware::Firmware;

/// A client by what it can load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootClient {
    /// Firmware's own PXE client, BIOS or UEFI, of an architecture that has a program here.
    Pxe(ArchCode),
    /// iPXE: of a ROM, of a virtual machine, or the one loaded from here.
    Ipxe { arch: ArchCode, features: IpxeFeatures },
    /// UEFI HTTP Boot of an architecture that has a program here.
    HttpClient(ArchCode),
    /// A network boot client for which there is no program here.
    OtherArch(ArchCode),
    /// A DHCP client that does not boot from the network: an installed system, a laptop, the agent's own.
    Plain,
}

impl BootClient {
    /// Reads who asks from options 60, 77, 93 and 175. Never from a version: that has looped for ever in the field.
    pub fn of(request: &Request) -> Self {
        let arch = architecture(request);
        if request.ipxe.is_some() || request.user_classes.iter().any(|class| class == b"iPXE") {
            return Self::Ipxe { arch, features: request.ipxe.unwrap_or_default() };
        }
        if request.vendor_class.starts_with(b"PXEClient") {
            return arch.file(LoaderTransport::Tftp).map_or(Self::OtherArch(arch), |_| Self::Pxe(arch));
        }
        if request.vendor_class.starts_with(b"HTTPClient") {
            return arch.file(LoaderTransport::Http).map_or(Self::OtherArch(arch), |_| Self::HttpClient(arch));
        }
        Self::Plain
    }

    /// The same client where the site has a program for it, whatever the table says.
    pub fn with_program(self, request: &Request) -> Self {
        match self {
            Self::OtherArch(arch) if request.vendor_class.starts_with(b"HTTPClient") => Self::HttpClient(arch),
            Self::OtherArch(arch) => Self::Pxe(arch),
            known @ (Self::Pxe(_) | Self::Ipxe { .. } | Self::HttpClient(_) | Self::Plain) => known,
        }
    }

    /// Its architecture, if it boots from the network.
    pub fn arch(self) -> Option<ArchCode> {
        match self {
            Self::Pxe(arch) | Self::Ipxe { arch, .. } | Self::HttpClient(arch) | Self::OtherArch(arch) => Some(arch),
            Self::Plain => None,
        }
    }

    /// Whether it is an iPXE that says it has HTTP and no HTTPS.
    pub fn lacks_https(self) -> bool {
        matches!(self, Self::Ipxe { features: IpxeFeatures { http: true, https: false }, .. })
    }

    /// The word the rest of the station uses for it.
    pub fn firmware(self) -> Firmware {
        match self {
            Self::Ipxe { .. } => Firmware::Ipxe,
            Self::Pxe(arch) | Self::HttpClient(arch) => arch.row().map_or(Firmware::Other, |row| row.firmware),
            Self::OtherArch(_) => Firmware::Other,
            Self::Plain => Firmware::Plain,
        }
    }
}

/// The first of option 93; without it the number in `PXEClient:Arch:00007:UNDI:003016`; without that, a BIOS. A card may
/// say better.
fn architecture(request: &Request) -> ArchCode {
    let in_class = || {
        let class = String::from_utf8_lossy(&request.vendor_class);
        class.split_once(":Arch:")?.1.split(':').next()?.parse().ok().map(ArchCode)
    };
    request.archs.first().copied().or_else(in_class).unwrap_or(ArchCode::BIOS).meant(request.mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(vendor_class: &str, archs: &[u16]) -> Request {
        Request {
            vendor_class: vendor_class.as_bytes().to_vec(),
            archs: archs.iter().copied().map(ArchCode).collect(),
            ..Request::default()
        }
    }

    #[test]
    fn firmware_is_told_apart_by_class_and_architecture() {
        for (class, archs, client) in [
            ("PXEClient:Arch:00000:UNDI:002001", &[0][..], BootClient::Pxe(ArchCode(0))),
            ("PXEClient", &[], BootClient::Pxe(ArchCode(0))),
            ("PXEClient:Arch:00007:UNDI:003000", &[7], BootClient::Pxe(ArchCode(7))),
            ("PXEClient:Arch:00009:UNDI:003016", &[], BootClient::Pxe(ArchCode(9))),
            ("PXEClient", &[8, 0], BootClient::Pxe(ArchCode(8))),
            ("PXEClient:Arch:00006:UNDI:003000", &[6], BootClient::OtherArch(ArchCode(6))),
            ("PXEClient:Arch:00010:UNDI:003000", &[10], BootClient::OtherArch(ArchCode(10))),
            ("PXEClient", &[16], BootClient::OtherArch(ArchCode(16))),
            ("PXEClient", &[4711], BootClient::OtherArch(ArchCode(4711))),
            ("HTTPClient:Arch:00016:UNDI:003000", &[16], BootClient::HttpClient(ArchCode(16))),
            ("HTTPClient:Arch:00018:UNDI:003000", &[18], BootClient::OtherArch(ArchCode(18))),
            ("HTTPClient", &[7], BootClient::OtherArch(ArchCode(7))),
            ("udhcp 1.35.0", &[], BootClient::Plain),
            ("", &[7], BootClient::Plain),
        ] {
            assert_eq!(BootClient::of(&request(class, archs)), client, "{class} {archs:?}");
        }
    }

    #[test]
    fn ipxe_is_known_by_its_option_or_by_its_user_class() {
        let http = IpxeFeatures { http: true, https: false };
        let by_option = Request { ipxe: Some(http), ..request("PXEClient", &[7]) };
        assert_eq!(BootClient::of(&by_option), BootClient::Ipxe { arch: ArchCode(7), features: http });
        let by_class = Request { user_classes: vec![b"iPXE".to_vec()], ..request("PXEClient", &[0]) };
        let features = IpxeFeatures::default();
        assert_eq!(BootClient::of(&by_class), BootClient::Ipxe { arch: ArchCode::BIOS, features });
    }
}
