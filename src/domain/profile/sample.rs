//! A node that knows everything, to try a profile's templates on before a machine needs them.

use std::net::Ipv4Addr;

use super::Profile;
use super::filled::TemplateScope;
use crate::domain::ids::{NodeId, RunId};
use crate::domain::node::Node;
use crate::domain::station::Station;
use crate::domain::time::Timestamp;

/// The sample and what belongs to it.
pub struct Sample {
    node: Node,
    station: Station,
}

impl Default for Sample {
    fn default() -> Self {
        let mut node = Node::new(NodeId(1), Timestamp::default());
        node.name = Some("sample".into());
        node.serial = "SAMPLE1".parse().ok();
        node.uuid = "6f78626f-7773-4169-806d-5254005b0001".parse().ok();
        node.macs = "52:54:00:5b:00:01".parse().into_iter().collect();
        node.hostname = "sample".parse().ok();
        node.address = Some(Ipv4Addr::new(10, 77, 0, 100));
        (node.manufacturer, node.product) = (Some("oxbow".into()), Some("sample".into()));
        // Which titles a list has nobody knows beforehand.
        node.metadata = [(ANY_TITLE.to_owned(), "sample".to_owned())].into();
        let address = Ipv4Addr::new(10, 77, 0, 1);
        Self { node, station: Station { address, base_url: format!("http://{address}"), ..Station::default() } }
    }
}

impl Sample {
    pub fn occasion<'a>(&'a self, profile: &'a Profile) -> TemplateScope<'a> {
        let Self { node, station } = self;
        TemplateScope { profile, node, station, base_url: &station.base_url, run: RunId::new([0x5a; 16]) }
    }
}

/// Stands for every title. No list can have it.
pub(super) const ANY_TITLE: &str = "\0";
