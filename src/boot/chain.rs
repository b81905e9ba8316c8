//! Which machines start through the signed chain, shim and GRUB, because their firmware enforces Secure Boot.
//!
//! No DHCP request says whether it does: firmware refuses an unsigned program after it has fetched it, and then says
//! nothing. So the profile says it (`secure_boot = true`), and a machine nobody has seen is taken for one that will get
//! the default profile.

use std::collections::BTreeMap;

use crate::boot::architecture::{ArchCode, Transport};
use crate::boot::shim::SHIM;
use crate::domain::event::Firmware;
use crate::domain::ids::MacAddr;
use crate::domain::snapshot::Snapshot;

/// What is known of the machines' Secure Boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Of machines that nobody has seen or registered.
    others: bool,
    known: BTreeMap<MacAddr, bool>,
    /// Of the snapshot that this was read from.
    version: u64,
}

impl Chain {
    /// Takes in who gets which profile.
    pub fn learn(&mut self, bench: &Snapshot) {
        if bench.version == self.version {
            return;
        }
        let catalogue = &bench.catalogue;
        let is_secure = |assigned: Option<_>| {
            let profile = assigned.or(catalogue.default_profile.as_ref());
            profile.and_then(|id| catalogue.profiles.get(id)).is_some_and(|profile| profile.secure_boot)
        };
        let nodes = bench.nodes.values().map(|node| (&node.macs, is_secure(node.profile.as_ref())));
        self.known = nodes.flat_map(|(macs, secure)| macs.iter().map(move |mac| (*mac, secure))).collect();
        self.others = is_secure(None);
        self.version = bench.version;
    }

    /// The first program of the chain, if this machine is to start through it and its architecture has one. What a quirk
    /// says of it comes before what its profile says.
    pub fn file(
        &self,
        arch: ArchCode,
        transport: Transport,
        mac: Option<MacAddr>,
        quirk: Option<bool>,
    ) -> Option<&'static str> {
        let by_profile = || mac.and_then(|mac| self.known.get(&mac)).copied().unwrap_or(self.others);
        let secure = quirk.unwrap_or_else(by_profile);
        let signed = arch.row().is_some_and(|row| row.firmware == Firmware::UefiX64 && row.loads_over(transport));
        (secure && signed).then_some(SHIM)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::ids::NodeId;
    use crate::domain::node::Node;
    use crate::domain::profile_file;
    use crate::domain::snapshot::Catalogue;
    use crate::domain::time::Timestamp;

    fn mac(last: u8) -> MacAddr {
        format!("52:54:00:00:00:{last:02x}").parse().expect("a MAC")
    }

    /// Node 1 is assigned the profile `secure`, node 2 `open`, node 3 nothing.
    fn bench(version: u64, default: &str) -> Snapshot {
        let profile = |name: &str, more: &str| {
            let text = format!("schema = 1\nimage = \"os.raw\"\n{more}");
            profile_file::parse(&format!("{name}.toml"), &text).expect("a profile")
        };
        let profiles = [profile("secure", "secure_boot = true"), profile("open", "")];
        let catalogue = Catalogue {
            profiles: profiles.map(|profile| (profile.id.clone(), profile)).into(),
            default_profile: default.parse().ok(),
            ..Catalogue::default()
        };
        let node = |number: u8, profile: &str| {
            let mut node = Node::new(NodeId(number.into()), Timestamp::default());
            (node.macs, node.profile) = (vec![mac(number)], profile.parse().ok());
            (node.id, Arc::new(node))
        };
        let nodes = [node(1, "secure"), node(2, "open"), node(3, "")].into();
        Snapshot { version, nodes, catalogue: Arc::new(catalogue), ..Snapshot::default() }
    }

    #[test]
    fn the_profile_says_who_starts_through_the_signed_chain() {
        let mut chain = Chain::default();
        let secure = |chain: &Chain| {
            [Some(mac(1)), Some(mac(2)), Some(mac(3)), Some(mac(9)), None]
                .map(|mac| chain.file(ArchCode(7), Transport::Tftp, mac, None).is_some())
        };
        assert_eq!(secure(&chain), [false; 5]);
        chain.learn(&bench(1, "open"));
        assert_eq!(secure(&chain), [true, false, false, false, false]);
        chain.learn(&bench(2, "secure"));
        assert_eq!(secure(&chain), [true, false, true, true, true], "the default is for machines nobody knows");
    }

    #[test]
    fn only_64_bit_uefi_has_a_signed_chain() {
        let mut chain = Chain::default();
        chain.learn(&bench(1, "secure"));
        for (arch, transport, file) in [
            (7, Transport::Tftp, Some("shimx64.efi")),
            (9, Transport::Tftp, Some("shimx64.efi")),
            (16, Transport::Http, Some("shimx64.efi")),
            (16, Transport::Tftp, None),
            (0, Transport::Tftp, None),
            (6, Transport::Tftp, None),
            (11, Transport::Tftp, None),
        ] {
            assert_eq!(chain.file(ArchCode(arch), transport, None, None), file, "{arch}");
        }
    }
}
