//! What is done differently for a machine: by the register of quirks, and by what people chose for it.

use std::fmt;
use std::sync::Arc;

use crate::boot::architecture::ArchCode;
use crate::domain::machine::claims::Claims;
use crate::domain::machine::quirk::{BootProgram, Effects};
use crate::domain::snapshot::Snapshot;

/// The bench as it was last seen: its quirks, and which machine is which product.
#[derive(Clone, Default)]
pub struct Overrides {
    bench: Arc<Snapshot>,
}

impl Overrides {
    pub fn new(bench: Arc<Snapshot>) -> Self {
        Self { bench }
    }

    /// Takes in the bench as it is now.
    pub fn learn(&mut self, bench: &Arc<Snapshot>) {
        if !Arc::ptr_eq(&self.bench, bench) {
            self.bench = bench.clone();
        }
    }

    /// What is done differently for this machine; an ordinary DHCP client has no architecture.
    pub fn effects(&self, arch: Option<ArchCode>, claims: &Claims) -> Effects {
        let firmware = arch.and_then(ArchCode::row).map(|row| row.firmware);
        self.bench.effects(arch.map(|arch| arch.0), firmware, claims)
    }

    /// The program that this machine gets instead of its architecture's.
    pub fn file(&self, arch: ArchCode, claims: &Claims) -> Option<BootProgram> {
        self.effects(Some(arch), claims).program
    }

    /// Whether this machine's firmware is said to start signed programs only.
    pub fn enforces_secure_boot(&self, claims: &Claims) -> bool {
        self.bench.enforces_secure_boot(claims)
    }
}

/// Its version, and not the whole bench: this is in the line of the log that says how the station starts.
impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site").field("version", &self.bench.version).finish()
    }
}

impl PartialEq for Overrides {
    fn eq(&self, other: &Self) -> bool {
        self.bench.version == other.bench.version && self.bench.catalogue.quirks == other.bench.catalogue.quirks
    }
}

impl Eq for Overrides {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::fleet::Fleet;
    use crate::domain::ids::MacAddr;
    use crate::domain::ids::NodeId;
    use crate::domain::node::Node;
    use crate::domain::node::quirk_file;
    use crate::domain::snapshot::Catalogue;
    use crate::domain::time::Timestamp;

    const ROWS: &str = r#"
        [[quirk]]
        product = "Box 840"
        architecture = 7
        program = "ipxe.efi"

        [[quirk]]
        oui = "d8:3a:dd"
        program = "pi-boot.efi"

        [[quirk]]
        architecture = 11
        program = "ipxe-arm64.efi"
    "#;

    fn of(mac: Option<MacAddr>) -> Claims {
        Claims { macs: mac.into_iter().collect(), ..Claims::default() }
    }

    fn mac(text: &str) -> Option<MacAddr> {
        Some(text.parse().expect("a MAC"))
    }

    fn bench(change: impl FnOnce(&mut Node)) -> Arc<Snapshot> {
        let quirks = quirk_file::parse("quirks.toml", ROWS).expect("valid");
        let mut node = Node::new(NodeId(1), Timestamp::default());
        node.macs.extend(mac("52:54:00:00:00:01"));
        change(&mut node);
        let fleet = Fleet::restore([node]);
        let catalogue = Arc::new(Catalogue { quirks: Arc::new(quirks), ..Catalogue::default() });
        let (nodes, index) = (fleet.nodes().clone(), fleet.index().clone());
        Arc::new(Snapshot { version: 1, nodes, index, catalogue, ..Snapshot::default() })
    }

    fn file(site: &Overrides, arch: u16, mac: Option<MacAddr>) -> Option<String> {
        site.file(ArchCode(arch), &of(mac)).map(String::from)
    }

    #[test]
    fn a_machine_is_known_by_architecture_and_card_at_once_and_by_product_later() {
        let (hp, pi) = (mac("52:54:00:00:00:01"), mac("d8:3a:dd:00:00:01"));
        let mut site = Overrides::new(bench(|_| ()));
        assert_eq!(file(&site, 11, hp).as_deref(), Some("ipxe-arm64.efi"));
        assert_eq!(file(&site, 11, None).as_deref(), Some("ipxe-arm64.efi"));
        assert_eq!(file(&site, 11, pi).as_deref(), Some("pi-boot.efi"), "it comes first");
        assert_eq!(file(&site, 7, hp), None, "not a known product yet");
        site.learn(&bench(|node| node.product = Some("Box 840 G6".into())));
        assert_eq!(file(&site, 7, hp).as_deref(), Some("ipxe.efi"));
        assert_eq!(file(&site, 0, hp), None, "another architecture");
    }

    #[test]
    fn what_a_person_chose_for_a_machine_comes_before_every_row() {
        let site = Overrides::new(bench(|node| {
            node.product = Some("Box 840 G6".into());
            node.loader.choice = "mine.efi".parse().ok();
        }));
        assert_eq!(file(&site, 7, mac("52:54:00:00:00:01")).as_deref(), Some("mine.efi"));
        assert_eq!(file(&site, 7, mac("52:54:00:00:00:02")), None);
    }

    #[test]
    fn a_bench_without_quirks_does_nothing_differently() {
        let site = Overrides::new(Arc::new(Snapshot { nodes: BTreeMap::new(), ..Snapshot::default() }));
        assert!(site.effects(Some(ArchCode(7)), &of(mac("52:54:00:00:00:01"))).is_nothing());
    }
}
