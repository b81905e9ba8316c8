//! The bench as a list that can be imported again.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use super::client::StationConversation;
use super::{ProgressWatch, Unmade, advice, durable};
use crate::config::ConfigProblem;
use crate::domain::import;
use crate::domain::node::registration::Registration;
use crate::protocol::control::{ControlReply, ControlRequest};
use crate::protocol::nodes::NodeRow;

/// A list, and how many machines are in it.
#[derive(Clone, Debug)]
pub struct BenchList {
    pub machines: usize,
    pub csv: String,
}

/// Makes the list of every machine that has an identifier.
pub fn make(talk: &mut StationConversation, watch: &ProgressWatch<'_>) -> Result<BenchList, Unmade> {
    let mut machines = Vec::new();
    talk.gather(ControlRequest::Nodes, "machines read", watch, |answer| {
        if let ControlReply::Node(row) = answer {
            machines.extend(Some(registration(*row)).filter(|machine| !machine.claims().is_empty()));
        }
    })?;
    Ok(BenchList { machines: machines.len(), csv: import::export_csv(&machines) })
}

/// The row that registers the node again.
fn registration(row: NodeRow) -> Registration {
    let identifiers = [row.serial.as_ref().map(ToString::to_string), row.macs.first().map(ToString::to_string)];
    // A node without a name is called by one of these.
    let name = Some(row.name).filter(|name| !identifiers.iter().flatten().any(|identifier| identifier == name));
    Registration {
        name: name.filter(|name| *name != format!("node {}", row.id)),
        hostname: row.hostname,
        macs: row.macs,
        uuid: row.uuid,
        serial: row.serial,
        profile: row.profile,
        metadata: row.metadata,
    }
}

/// Writes it to a new file: an existing list is never overwritten.
pub fn save(file: &Path, csv: &str) -> Result<(), ConfigProblem> {
    let written = File::create_new(file).and_then(|open| durable::write(open, file, csv.as_bytes()));
    written.map_err(|err| {
        let hint = match err.kind() {
            ErrorKind::AlreadyExists => "choose another name, or remove it".into(),
            _ => advice(&err, "name another file, in a directory that exists: `oxbow export FILE`"),
        };
        ConfigProblem::new(format!("the list cannot be written to {}: {err}", file.display()), hint)
    })
}
