//! Which machines start through the signed chain, shim and GRUB, because their firmware enforces Secure Boot.
//!
//! No DHCP request says whether it does: firmware refuses an unsigned program after it has fetched it, and then says
//! nothing. So the profile says it (`secure_boot = true`), and a machine nobody has seen is taken for one that will get
//! the default profile.

use crate::boot::architecture::{ArchCode, LoaderTransport};
use crate::boot::overrides::Overrides;
use crate::boot::script::shim::SHIM;
use crate::domain::machine::claims::Claims;
use crate::domain::machine::firmware::Firmware;

/// The first program of the chain, if the machine that claims this is to start through it and its architecture has one.
/// What a quirk says of it comes before what its profile says.
pub fn first(arch: ArchCode, transport: LoaderTransport, claims: &Claims, site: &Overrides) -> Option<&'static str> {
    let quirk = site.effects(Some(arch), claims).secure_boot;
    let secure = quirk.unwrap_or_else(|| site.enforces_secure_boot(claims));
    let signed = arch.row().is_some_and(|row| row.firmware == Firmware::UefiX64 && row.loads_over(transport));
    (secure && signed).then_some(SHIM)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::fleet::Fleet;
    use crate::domain::ids::MacAddr;
    use crate::domain::ids::NodeId;
    use crate::domain::node::Node;
    use crate::domain::profile::file;
    use crate::domain::snapshot::{Catalogue, Snapshot};
    use crate::domain::time::Timestamp;

    fn mac(last: u8) -> MacAddr {
        format!("52:54:00:00:00:{last:02x}").parse().expect("a MAC")
    }

    /// Node 1 is assigned the profile `secure`, node 2 `open`, node 3 nothing; node 4, `secure` too, is known by its UUID.
    fn site(default: &str) -> Overrides {
        let profile = |name: &str, more: &str| {
            let text = format!("schema = 1\nimage = \"os.raw\"\n{more}");
            file::parse(&format!("{name}.toml"), &text).expect("a profile")
        };
        let profiles = [profile("secure", "secure_boot = true"), profile("open", "")];
        let catalogue = Catalogue {
            profiles: profiles.map(|profile| (profile.id.clone(), profile)).into(),
            default_profile: default.parse().ok(),
            ..Catalogue::default()
        };
        let node = |number: u8, profile: &str| {
            let mut node = Node::new(NodeId(number.into()), Timestamp::default());
            (node.macs, node.profile, node.registered) = (vec![mac(number)], profile.parse().ok(), true);
            node
        };
        let mut fourth = node(4, "secure");
        (fourth.macs, fourth.uuid) = (Vec::new(), UUID.parse().ok());
        let fleet = Fleet::restore([node(1, "secure"), node(2, "open"), node(3, ""), fourth]);
        let (nodes, index) = (fleet.nodes().clone(), fleet.index().clone());
        Overrides::new(Arc::new(Snapshot {
            version: 1,
            nodes,
            index,
            catalogue: catalogue.into(),
            ..Snapshot::default()
        }))
    }

    const UUID: &str = "4c4c4544-0042-4a10-8052-b7c04f4d3432";

    fn of(mac: Option<MacAddr>) -> Claims {
        Claims { macs: mac.into_iter().collect(), ..Claims::default() }
    }

    #[test]
    fn the_profile_says_who_starts_through_the_signed_chain() {
        let secure = |site: &Overrides| {
            [Some(mac(1)), Some(mac(2)), Some(mac(3)), Some(mac(9)), None]
                .map(|mac| first(ArchCode(7), LoaderTransport::Tftp, &of(mac), site).is_some())
        };
        assert_eq!(secure(&Overrides::default()), [false; 5]);
        assert_eq!(secure(&site("open")), [true, false, false, false, false]);
        assert_eq!(
            secure(&site("secure")),
            [true, false, true, true, true],
            "the default is for machines nobody knows"
        );
    }

    #[test]
    fn a_machine_that_is_known_by_its_uuid_starts_as_its_profile_says() {
        let secure = |mac: u8, uuid: &str| {
            let claims = Claims { uuid: uuid.parse().ok(), ..of(Some(self::mac(mac))) };
            first(ArchCode(7), LoaderTransport::Tftp, &claims, &site("open")).is_some()
        };
        assert!(secure(9, UUID), "a card nobody knows");
        assert!(secure(9, "44454c4c-4200-104a-8052-b7c04f4d3432"), "the other byte order");
        assert!(!secure(9, "4c4c4544-0042-4a10-8052-b7c04f4d3433"));
        assert!(!secure(2, UUID), "the card of another node says more");
    }

    #[test]
    fn only_64_bit_uefi_has_a_signed_chain() {
        let site = site("secure");
        for (arch, transport, file) in [
            (7, LoaderTransport::Tftp, Some("shimx64.efi")),
            (9, LoaderTransport::Tftp, Some("shimx64.efi")),
            (16, LoaderTransport::Http, Some("shimx64.efi")),
            (16, LoaderTransport::Tftp, None),
            (0, LoaderTransport::Tftp, None),
            (6, LoaderTransport::Tftp, None),
            (11, LoaderTransport::Tftp, None),
        ] {
            assert_eq!(first(ArchCode(arch), transport, &of(None), &site), file, "{arch}");
        }
    }
}
