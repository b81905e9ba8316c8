//! The boot program for each client.

use crate::boot::architecture::{ArchCode, LoaderTransport};
use crate::boot::chain;
use crate::boot::dhcp::client::BootClient;
use crate::boot::dhcp::request::IpxeFeatures;
use crate::boot::dhcp::segment::Segment;
use crate::domain::machine::claims::Claims;

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
    /// The boot program for `client`. None if it does not boot from the network, or if there is none for it.
    ///
    /// An iPXE that can do HTTP gets the script. One that cannot is given the iPXE from here, once: that one can. It is
    /// the feature that decides, never a count or a version, so it cannot loop. Where HTTPS is required the same holds
    /// for that; who cannot be helped to it is sent by plain HTTP, and told there. The signed chain is for firmware alone.
    pub fn of(client: BootClient, claims: &Claims, segment: &Segment) -> Option<Self> {
        let base = segment.given_url();
        let own = |arch| segment.site.file(arch, claims).map(String::from);
        let named = |file: &str| Some(file.to_owned());
        let usual = |arch: ArchCode, transport| own(arch).or_else(|| arch.file(transport).and_then(named));
        let signed = |arch, transport| chain::first(arch, transport, claims, &segment.site).and_then(named);
        let first = |arch, transport| own(arch).or_else(|| signed(arch, transport)).or_else(|| usual(arch, transport));
        match client {
            BootClient::Pxe(arch) => first(arch, LoaderTransport::Tftp).map(Self::Tftp),
            BootClient::Ipxe { arch, features: IpxeFeatures { http: true, https: false } }
                if segment.required_https().is_some() =>
            {
                // The one from here, whatever the site has: that may be the very one that asks.
                let own = arch.file(LoaderTransport::Tftp).map(|file| Self::Tftp(file.to_owned()));
                own.or_else(|| Some(Self::Script(format!("{}/boot.ipxe", segment.base_url))))
            }
            BootClient::Ipxe { features: IpxeFeatures { http: true, .. }, .. } => {
                Some(Self::Script(format!("{base}/boot.ipxe")))
            }
            BootClient::Ipxe { arch, .. } => usual(arch, LoaderTransport::Tftp).map(Self::Tftp),
            BootClient::HttpClient(arch) => {
                first(arch, LoaderTransport::Http).map(|file| Self::Http(format!("{base}/boot/{file}")))
            }
            BootClient::OtherArch(_) | BootClient::Plain => None,
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
    use std::sync::Arc;

    use super::*;
    use crate::boot::overrides::Overrides;
    use crate::domain::digest::Digest;
    use crate::domain::node::quirk_file;
    use crate::domain::profile::file;
    use crate::domain::snapshot::{Catalogue, Snapshot};
    use crate::domain::station::https::Https;

    fn segment() -> Segment {
        Segment::new([10, 77, 0, 1].into(), 24, "http://10.77.0.1:8080").expect("a segment")
    }

    fn chosen_name(client: BootClient) -> Option<String> {
        Program::of(client, &Claims::default(), &segment()).map(|program| program.name().to_owned())
    }

    #[test]
    fn everyone_is_told_to_load_what_he_can_load() {
        let ipxe =
            |arch, http| BootClient::Ipxe { arch: ArchCode(arch), features: IpxeFeatures { http, https: false } };
        for (client, program) in [
            (BootClient::Pxe(ArchCode(0)), Some("undionly.kpxe")),
            (BootClient::Pxe(ArchCode(7)), Some("snponly.efi")),
            (ipxe(0, true), Some("http://10.77.0.1:8080/boot.ipxe")),
            (ipxe(0, false), Some("undionly.kpxe")),
            (ipxe(9, false), Some("snponly.efi")),
            (ipxe(11, false), Some("ipxe-arm64.efi")),
            (ipxe(10, false), None),
            (BootClient::HttpClient(ArchCode(16)), Some("http://10.77.0.1:8080/boot/ipxe.efi")),
            (BootClient::HttpClient(ArchCode(19)), Some("http://10.77.0.1:8080/boot/ipxe-arm64.efi")),
            (BootClient::OtherArch(ArchCode(10)), None),
            (BootClient::Plain, None),
        ] {
            assert_eq!(chosen_name(client).as_deref(), program, "{client:?}");
        }
    }

    #[test]
    fn under_secure_boot_firmware_loads_shim_and_ipxe_goes_on_as_it_was() {
        let mut secure = segment();
        secure.site = Overrides::new(Arc::new(bench_with_secure_default()));
        let ipxe = |http| BootClient::Ipxe { arch: ArchCode(7), features: IpxeFeatures { http, https: false } };
        for (client, program) in [
            (BootClient::Pxe(ArchCode(0)), "undionly.kpxe"),
            (BootClient::Pxe(ArchCode(7)), "shimx64.efi"),
            (BootClient::Pxe(ArchCode(9)), "shimx64.efi"),
            (BootClient::HttpClient(ArchCode(16)), "http://10.77.0.1:8080/boot/shimx64.efi"),
            (ipxe(true), "http://10.77.0.1:8080/boot.ipxe"),
            (ipxe(false), "snponly.efi"),
        ] {
            let chosen = Program::of(client, &Claims::default(), &secure);
            assert_eq!(chosen.as_ref().map(Program::name), Some(program), "{client:?}");
        }
    }

    #[test]
    fn the_register_of_quirks_comes_before_the_profile() {
        for (default_profile, effect, program) in [
            (bench_with_secure_default(), "program = \"ours.efi\"", "ours.efi"),
            (bench_with_secure_default(), "secure_boot = false", "snponly.efi"),
            (Snapshot::default(), "secure_boot = true", "shimx64.efi"),
        ] {
            let mut segment = segment();
            let rows = format!("[[quirk]]\narchitecture = 7\n{effect}");
            let quirks = Arc::new(quirk_file::parse("quirks.toml", &rows).expect("valid"));
            let catalogue = Catalogue { quirks, ..(*default_profile.catalogue).clone() };
            segment.site = Overrides::new(Arc::new(Snapshot { catalogue: catalogue.into(), ..default_profile }));
            let chosen = Program::of(BootClient::Pxe(ArchCode(7)), &Claims::default(), &segment);
            assert_eq!(chosen.as_ref().map(Program::name), Some(program), "{effect}");
        }
    }

    fn bench_with_secure_default() -> Snapshot {
        let profile = file::parse("os.toml", "schema = 1\nimage = \"os.raw\"\nsecure_boot = true");
        let profile = profile.expect("a profile");
        let default_profile = Some(profile.id.clone());
        let catalogue =
            Catalogue { profiles: [(profile.id.clone(), profile)].into(), default_profile, ..Catalogue::default() };
        Snapshot { version: 1, catalogue: catalogue.into(), ..Snapshot::default() }
    }

    #[test]
    fn where_https_is_required_everyone_is_helped_to_it() {
        let mut segment = Segment::new([10, 77, 0, 1].into(), 24, "http://10.77.0.1").expect("a segment");
        segment.https = Some(Https { base_url: "https://10.77.0.1".into(), ca: Digest::new([7; 32]) });
        segment.require_https = true;
        let ipxe =
            |arch, http, https| BootClient::Ipxe { arch: ArchCode(arch), features: IpxeFeatures { http, https } };
        for (client, program) in [
            (BootClient::Pxe(ArchCode(7)), Some("snponly.efi")),
            (ipxe(0, true, true), Some("https://10.77.0.1/boot.ipxe")),
            (ipxe(0, true, false), Some("undionly.kpxe")),
            (ipxe(7, true, false), Some("snponly.efi")),
            (ipxe(7, false, false), Some("snponly.efi")),
            (ipxe(10, true, false), Some("http://10.77.0.1/boot.ipxe")),
            (BootClient::HttpClient(ArchCode(16)), Some("https://10.77.0.1/boot/ipxe.efi")),
            (BootClient::Plain, None),
        ] {
            let chosen = Program::of(client, &Claims::default(), &segment);
            assert_eq!(chosen.as_ref().map(Program::name), program, "{client:?}");
        }
        segment.https = None;
        let chosen = Program::of(ipxe(0, true, false), &Claims::default(), &segment);
        let plain = Some(Program::Script("http://10.77.0.1/boot.ipxe".into()));
        assert_eq!(chosen, plain, "it is told there that the station has no HTTPS");
    }
}
