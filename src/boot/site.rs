//! The site's own choice of boot programs: rows that come before those of `assets/architectures.toml`.
//!
//! ```toml
//! [[program]]
//! architecture = 11            # DHCP option 93
//! file = "ipxe-arm64.efi"      # in the boot-files folder
//!
//! [[program]]
//! product = "EliteBook"        # as the machine reports it, or the beginning of that, once it has
//! architecture = 7
//! file = "ipxe.efi"
//!
//! [[program]]
//! oui = "d8:3a:dd"             # the first half of its Ethernet address
//! file = "pi.efi"
//! ```
//! A row fits if all it names fits; the first that fits counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::boot::architecture::ArchCode;
use crate::domain::ids::MacAddr;
use crate::domain::snapshot::Snapshot;

/// The rows, and what they need to know of machines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    rows: Arc<[Row]>,
    products: BTreeMap<MacAddr, String>,
    /// Of the snapshot that `products` were read from.
    version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    architecture: Option<ArchCode>,
    oui: Option<Oui>,
    product: Option<String>,
    file: FileName,
}

/// The three octets that a maker of network cards begins its addresses with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Oui([u8; 3]);

/// A file in the boot-files folder: HTTP serves nothing deeper.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct FileName(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(default)]
    program: Vec<Row>,
}

impl Site {
    /// Reads the file. An error knows its place.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let rows = toml::from_str::<Table>(text)?.program;
        Ok(Self { rows: rows.into(), ..Self::default() })
    }

    /// The files that rows name.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.file.0.as_str())
    }

    /// Takes in which machine is which product.
    pub fn learn(&mut self, bench: &Snapshot) {
        if bench.version == self.version || self.rows.iter().all(|row| row.product.is_none()) {
            return;
        }
        let products = bench.nodes.values().filter_map(|node| Some((&node.macs, node.product.as_ref()?)));
        self.products = products.flat_map(|(macs, product)| macs.iter().map(|mac| (*mac, product.clone()))).collect();
        self.version = bench.version;
    }

    /// The program of the first row that fits this machine.
    pub fn file(&self, arch: ArchCode, mac: Option<MacAddr>) -> Option<&str> {
        let product = mac.and_then(|mac| self.products.get(&mac));
        let row = self.rows.iter().find(|row| {
            row.architecture.is_none_or(|its| its == arch)
                && row.oui.is_none_or(|its| mac.is_some_and(|mac| mac.octets().starts_with(&its.0)))
                && row.product.as_ref().is_none_or(|its| product.is_some_and(|product| product.starts_with(its)))
        });
        row.map(|row| row.file.0.as_str())
    }
}

impl TryFrom<String> for Oui {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let whole = format!("{text}:00:00:00")
            .parse::<MacAddr>()
            .map_err(|_| format!("{text:?} is not the first half of an Ethernet address, as d8:3a:dd"))?;
        let [a, b, c, ..] = whole.octets();
        Ok(Self([a, b, c]))
    }
}

impl TryFrom<String> for FileName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let is_plain = !matches!(&*name, "" | "." | "..") && !name.contains('/') && name.is_ascii();
        // It goes into a header field of 128 bytes, with a zero behind it.
        if is_plain && name.len() < 128 {
            return Ok(Self(name));
        }
        Err(format!("{name:?} is not the name of a file in the boot-files folder"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::NodeId;
    use crate::domain::node::Node;
    use crate::domain::time::Timestamp;

    fn mac(text: &str) -> Option<MacAddr> {
        Some(text.parse().expect("a MAC"))
    }

    const ROWS: &str = r#"
        [[program]]
        product = "EliteBook 840"
        architecture = 7
        file = "ipxe.efi"

        [[program]]
        oui = "d8:3a:dd"
        file = "pi-boot.efi"

        [[program]]
        architecture = 11
        file = "ipxe-arm64.efi"
    "#;

    #[test]
    fn the_first_row_that_fits_counts() {
        let mut site = Site::parse(ROWS).expect("valid");
        let (hp, pi) = (mac("52:54:00:00:00:01"), mac("d8:3a:dd:00:00:01"));
        let (x64, arm) = (ArchCode(7), ArchCode(11));
        assert_eq!(site.file(arm, hp), Some("ipxe-arm64.efi"));
        assert_eq!(site.file(arm, None), Some("ipxe-arm64.efi"));
        assert_eq!(site.file(arm, pi), Some("pi-boot.efi"), "it comes first");
        assert_eq!(site.file(x64, hp), None, "not a known product yet");

        let mut node = Node::new(NodeId(1), Timestamp::default());
        node.macs.extend(hp);
        node.product = Some("EliteBook 840 G6".into());
        let nodes = BTreeMap::from([(node.id, Arc::new(node))]);
        site.learn(&Snapshot { version: 1, nodes, ..Snapshot::default() });
        assert_eq!(site.file(x64, hp), Some("ipxe.efi"));
        assert_eq!(site.file(ArchCode(0), hp), None, "another architecture");
    }

    #[test]
    fn what_makes_no_sense_is_said_with_its_place() {
        for (text, said) in [
            ("[[program]]\noui = \"d8:3a\"\nfile = \"a\"", "is not the first half of an Ethernet address"),
            ("[[program]]\nfile = \"../etc/passwd\"", "is not the name of a file in the boot-files folder"),
            ("[[program]]\nfile = \"/a\"", "is not the name of a file in the boot-files folder"),
            ("[[program]]\narch = 7\nfile = \"a\"", "unknown field `arch`"),
            ("[[program]]\narchitecture = 7", "missing field `file`"),
        ] {
            let error = Site::parse(text).expect_err("it is wrong");
            assert!(error.message().contains(said) && error.span().is_some(), "{error}");
        }
        assert_eq!(Site::parse(""), Ok(Site::default()));
    }
}
