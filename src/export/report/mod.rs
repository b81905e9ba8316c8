//! The report of a batch: a table for an ERP, JSON for programs, a page to print, a signed certificate for each
//! machine.

mod csv;
mod html;
mod summary;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::client::StationConversation;
use super::{ProgressWatch, Unmade, advice, durable, told};
use crate::config::ConfigProblem;
use crate::domain::batch::certificate::{Certificate, CertifiedBy, CertifiedOrder};
use crate::domain::batch::export::ReportFormat;
use crate::domain::batch::label;
use crate::domain::batch::unit::Unit;
use crate::domain::digest::Digest;
use crate::domain::text;
use crate::protocol::batch::BatchRow;
use crate::protocol::control::{ControlReply, ControlRequest};
use crate::seal::{PUBLIC, Seal};

pub use self::summary::{figures, headline};

/// A machine of a report, and its certificate if it has its system.
pub(super) struct ReportEntry {
    unit: Unit,
    certificate: Option<Signed>,
}

impl ReportEntry {
    /// The text of its label's code; none without a certificate.
    pub(super) fn label(&self) -> Option<String> {
        let signed = self.certificate.as_ref()?;
        Some(label::text(self.unit.serial.as_ref(), &self.unit.macs, self.unit.node, signed.sha256))
    }
}

/// A signed certificate.
struct Signed {
    /// Its file below the report's directory.
    name: String,
    text: String,
    sha256: Digest,
}

/// A report that is ready to be written.
pub struct BatchReport {
    /// A name for it, as `batch-3`.
    pub name: String,
    pub machines: usize,
    pub certificates: usize,
    /// Names below the directory, and contents.
    files: Vec<(String, Vec<u8>)>,
}

/// Makes the report of the batch with this number ([`crate::domain::batch::WHOLE_BENCH`] is every machine); without a
/// number of the latest batch, or of the whole bench if none was ever opened. The signing key is in `seal`.
pub fn make(
    talk: &mut StationConversation,
    number: Option<u32>,
    formats: &[ReportFormat],
    seal: &Path,
    watch: &ProgressWatch<'_>,
) -> Result<BatchReport, Unmade> {
    let (batch, units) = gathered(talk, number, watch)?;
    let (entries, public) = signed(&batch, units, seal, watch)?;
    let certificates = entries.iter().filter(|entry| entry.certificate.is_some()).count();
    let name = batch.number.map_or("bench".to_owned(), |number| format!("batch-{number}"));
    let files = files(&name, &batch, &entries, formats, &public)?;
    Ok(BatchReport { name, machines: entries.len(), certificates, files })
}

/// The batch, and its machines.
pub(super) fn gathered(
    talk: &mut StationConversation,
    number: Option<u32>,
    watch: &ProgressWatch<'_>,
) -> Result<(BatchRow, Vec<Unit>), Unmade> {
    let (mut batch, mut units) = (None, Vec::new());
    talk.gather(ControlRequest::Batch { number, units: true, or_bench: true }, "machines read", watch, |answer| {
        if let ControlReply::Batch(row) = answer {
            batch = Some(*row);
        } else if let ControlReply::Unit(unit) = answer {
            units.push(*unit);
        }
    })?;
    Ok((batch.unwrap_or_default(), units))
}

/// These machines with their certificates, and the public key in PEM. The signing key is in `seal`.
pub(super) fn signed(
    batch: &BatchRow,
    units: Vec<Unit>,
    seal: &Path,
    watch: &ProgressWatch<'_>,
) -> Result<(Vec<ReportEntry>, Vec<u8>), Unmade> {
    let seal = Seal::open(seal).map_err(|err| unsealed(&err.to_string()))?;
    let public = seal.public_pem().map_err(|err| unsealed(&err.to_string()))?;
    Ok((entries(batch, units, &seal, watch)?, public))
}

fn entries(
    batch: &BatchRow,
    units: Vec<Unit>,
    seal: &Seal,
    watch: &ProgressWatch<'_>,
) -> Result<Vec<ReportEntry>, Unmade> {
    let key = seal.fingerprint().map_err(|err| unsealed(&err.to_string()))?;
    let station = CertifiedBy { software: batch.station.software.clone(), host: host(), key_sha256: Some(key) };
    let order = batch.number.map(|number| CertifiedOrder {
        number,
        name: batch.order.name.clone(),
        work_order: batch.order.work_order.clone(),
        operator: batch.order.operator.clone(),
    });
    let all = Some(units.len());
    let entry = |(number, unit): (usize, Unit)| {
        told(watch, "machines signed", number, all)?;
        let certificate = Certificate::of(&unit, order.clone(), station.clone());
        let signed = certificate.map(|certificate| {
            let text = seal.sign(&certificate).map_err(|err| unsealed(&err.to_string()))?;
            // Two machines may have the same name, but not the same number.
            let name = format!("certificates/{}-{}.json", text::file_name(&unit.name), unit.node);
            let sha256 = Digest::new(Sha256::digest(&text).into());
            Ok::<_, ConfigProblem>(Signed { name, text, sha256 })
        });
        Ok(ReportEntry { certificate: signed.transpose()?, unit })
    };
    units.into_iter().enumerate().map(entry).collect()
}

/// The host name of the workstation.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    text::clean(&name, 64)
}

fn files(
    name: &str,
    batch: &BatchRow,
    entries: &[ReportEntry],
    formats: &[ReportFormat],
    public: &[u8],
) -> Result<Vec<(String, Vec<u8>)>, ConfigProblem> {
    let unwritable =
        |what: &str| ConfigProblem::new(format!("the report cannot be made: {what}"), "read the station's log");
    let mut files = Vec::new();
    for format in formats {
        match format {
            ReportFormat::Csv => files.push((format!("{name}.csv"), csv::written(batch, entries).into_bytes())),
            ReportFormat::Json => {
                let units: Vec<&Unit> = entries.iter().map(|entry| &entry.unit).collect();
                let page = serde_json::json!({ "batch": batch, "units": units });
                files.push((format!("{name}.json"), format!("{page:#}\n").into_bytes()));
            }
            ReportFormat::Html => {
                let page = html::page(batch, entries).map_err(|err| unwritable(&err))?;
                files.push((format!("{name}.html"), page.into_bytes()));
            }
            ReportFormat::Certificates => {
                files.push((PUBLIC.to_owned(), public.to_owned()));
                let signed = entries.iter().filter_map(|entry| entry.certificate.as_ref());
                files.extend(signed.map(|signed| (signed.name.clone(), signed.text.clone().into_bytes())));
            }
        }
    }
    Ok(files)
}

/// Writes it into `directory`, which does not exist yet or is empty.
pub fn write(report: &BatchReport, directory: &Path, watch: &ProgressWatch<'_>) -> Result<(), Unmade> {
    write_all(directory, &report.files, watch)
}

fn write_all(directory: &Path, files: &[(String, Vec<u8>)], watch: &ProgressWatch<'_>) -> Result<(), Unmade> {
    let problem = |err: std::io::Error| {
        let what = format!("the report cannot be written to {}: {err}", directory.display());
        let hint = match err.kind() {
            ErrorKind::AlreadyExists => "name a directory that does not exist yet".into(),
            _ => advice(&err, "name another directory: `oxbow report DIRECTORY`"),
        };
        ConfigProblem::new(what, hint)
    };
    fs::create_dir_all(directory).map_err(problem)?;
    if fs::read_dir(directory).map_err(problem)?.next().is_some() {
        return Err(problem(std::io::Error::new(ErrorKind::AlreadyExists, "it is not empty")).into());
    }
    let many = durable::Many::begin(directory).map_err(problem)?;
    for (number, (name, content)) in files.iter().enumerate() {
        told(watch, "files written", number, Some(files.len()))?;
        let path = directory.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(problem)?;
        fs::File::create_new(path).and_then(|mut file| file.write_all(content)).map_err(problem)?;
    }
    told(watch, "files brought to the disk", 0, Some(files.len()))?;
    many.sync().map_err(problem)?;
    Ok(())
}

fn unsealed(why: &str) -> ConfigProblem {
    let hint = "certificates are signed with the key in DATA/seal: use the account that the station runs under";
    ConfigProblem::new(format!("certificates cannot be signed: {why}"), hint)
}
