//! `oxbow report` and `oxbow verify`.

mod csv;
mod html;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sha2::{Digest as _, Sha256};

use super::batch::told;
use super::bench::Place;
use super::say;
use crate::config::Problem;
use crate::domain::batch::unit::Unit;
use crate::domain::certificate::{Certificate, Order, Station};
use crate::domain::digest::Digest;
use crate::domain::text;
use crate::protocol::batch::BatchRow;
use crate::protocol::control::{Answer, Ask};
use crate::seal::{self, NotGenuine, PUBLIC, Seal};
use crate::wire::SEAL;

/// Exit status: 0 done, 1 there is no such batch, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct Report {
    #[command(flatten)]
    place: Place,
    /// The batch [default: the latest; the whole bench where none was ever opened]
    #[arg(long, value_name = "NUMBER")]
    batch: Option<u32>,
    /// csv (a row for each machine), json, html (to print), certificates [default: all of them]
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    format: Vec<Format>,
    /// Where it is written: a directory that is not there yet, or is empty
    directory: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Csv,
    Json,
    Html,
    Certificates,
}

impl Format {
    const ALL: [Self; 4] = [Self::Csv, Self::Json, Self::Html, Self::Certificates];
}

/// Exit status: 0 all are genuine, 1 one is not, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    #[command(flatten)]
    place: Place,
    /// The public key of the station that signed them, as it is beside a report [default: this station's own]
    #[arg(long, value_name = "PUBLIC.PEM")]
    key: Option<PathBuf>,
    /// Certificates
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// A machine of a report, and its certificate if it has its system.
struct Entry {
    unit: Unit,
    certificate: Option<Signed>,
}

/// A certificate as it is written.
struct Signed {
    /// Below the report's directory.
    name: String,
    text: String,
    sha256: Digest,
}

pub(super) fn run(options: &Report) -> ExitCode {
    match report(options) {
        Ok(code) => code,
        Err(problems) => say::failed(&problems),
    }
}

fn report(options: &Report) -> Result<ExitCode, Vec<Problem>> {
    let one = |problem| vec![problem];
    let ask = Ask::Batch { number: options.batch, units: true, or_bench: true };
    let (batch, units) = match told(&options.place, ask)? {
        (Some(batch), units, Answer::Done { .. }) => (batch, units),
        (_, _, refused) => return Ok(say::outcome(&refused)),
    };
    let seal = Seal::open(&options.place.data()?.join(SEAL)).map_err(|err| one(unsealed(&err.to_string())))?;
    let public = seal.public_pem().map_err(|err| one(unsealed(&err.to_string())))?;
    let entries = entries(&batch, units, &seal).map_err(one)?;
    let done = entries.iter().filter(|entry| entry.certificate.is_some()).count();
    let formats = if options.format.is_empty() { Format::ALL.to_vec() } else { options.format.clone() };
    let files = files(&batch, &entries, &formats, &public).map_err(one)?;
    write_all(&options.directory, &files).map_err(one)?;
    let machines = if entries.len() == 1 { "1 machine".into() } else { format!("{} machines", entries.len()) };
    say::line(&format!("{machines}, certificates: {done}: {}", options.directory.display()));
    Ok(ExitCode::SUCCESS)
}

fn entries(batch: &BatchRow, units: Vec<Unit>, seal: &Seal) -> Result<Vec<Entry>, Problem> {
    let station = Station { software: batch.station.software.clone(), host: host() };
    let order = batch.number.map(|number| Order {
        number,
        name: batch.order.name.clone(),
        work_order: batch.order.work_order.clone(),
        operator: batch.order.operator.clone(),
    });
    let entry = |unit: Unit| {
        let certificate = Certificate::of(&unit, order.clone(), station.clone());
        let signed = certificate.map(|certificate| {
            let text = seal.sign(&certificate).map_err(|err| unsealed(&err.to_string()))?;
            // Two machines may have one name, not one number.
            let name = format!("certificates/{}-{}.json", text::file_name(&unit.name), unit.node);
            let sha256 = Digest::new(Sha256::digest(&text).into());
            Ok(Signed { name, text, sha256 })
        });
        Ok(Entry { certificate: signed.transpose()?, unit })
    };
    units.into_iter().map(entry).collect()
}

/// What the workstation calls itself.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    text::clean(&name, 64)
}

/// Names below the directory, and contents.
fn files(
    batch: &BatchRow,
    entries: &[Entry],
    formats: &[Format],
    public: &[u8],
) -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let name = batch.number.map_or("bench".to_owned(), |number| format!("batch-{number}"));
    let unwritable = |what: &str| Problem::new(format!("the report cannot be made: {what}"), "read the station's log");
    let mut files = Vec::new();
    for format in formats {
        match format {
            Format::Csv => files.push((format!("{name}.csv"), csv::written(batch, entries).into_bytes())),
            Format::Json => {
                let units: Vec<&Unit> = entries.iter().map(|entry| &entry.unit).collect();
                let page = serde_json::json!({ "batch": batch, "units": units });
                files.push((format!("{name}.json"), format!("{page:#}\n").into_bytes()));
            }
            Format::Html => {
                let page = html::page(batch, entries).map_err(|err| unwritable(&err))?;
                files.push((format!("{name}.html"), page.into_bytes()));
            }
            Format::Certificates => {
                files.push((PUBLIC.to_owned(), public.to_owned()));
                let signed = entries.iter().filter_map(|entry| entry.certificate.as_ref());
                files.extend(signed.map(|signed| (signed.name.clone(), signed.text.clone().into_bytes())));
            }
        }
    }
    Ok(files)
}

fn write_all(directory: &Path, files: &[(String, Vec<u8>)]) -> Result<(), Problem> {
    let problem = |err: std::io::Error| {
        let what = format!("the report cannot be written to {}: {err}", directory.display());
        let hint = match err.kind() {
            ErrorKind::AlreadyExists => "name a directory that is not there yet",
            _ => "choose a place with room that you may write to",
        };
        Problem::new(what, hint)
    };
    fs::create_dir_all(directory).map_err(problem)?;
    if fs::read_dir(directory).map_err(problem)?.next().is_some() {
        return Err(problem(std::io::Error::new(ErrorKind::AlreadyExists, "there are files in it already")));
    }
    for (name, content) in files {
        let path = directory.join(name);
        path.parent().map_or(Ok(()), fs::create_dir_all).map_err(problem)?;
        fs::File::create_new(path).and_then(|mut file| file.write_all(content)).map_err(problem)?;
    }
    Ok(())
}

fn unsealed(why: &str) -> Problem {
    let hint = "certificates are signed with the key in DATA/seal: use the account that the station runs under";
    Problem::new(format!("certificates cannot be signed: {why}"), hint)
}

pub(super) fn verify(options: &Verify) -> ExitCode {
    let key = match &options.key {
        Some(key) => Ok(key.clone()),
        None => options.place.data().map(|data| data.join(SEAL).join(PUBLIC)),
    };
    let public = match key.map(|file| (fs::read(&file), file)) {
        Err(problems) => return say::failed(&problems),
        Ok((Ok(public), _)) => public,
        Ok((Err(err), file)) => {
            let what = format!("the station's public key cannot be read from {}: {err}", file.display());
            return say::failed(&[Problem::new(what, "name it with --key: it is public.pem beside the certificates")]);
        }
    };
    let mut code = ExitCode::SUCCESS;
    for file in &options.files {
        let text = match fs::read(file) {
            Ok(text) => text,
            Err(err) => {
                let what = format!("{} cannot be read: {err}", file.display());
                return say::failed(&[Problem::new(what, "name a certificate that is there")]);
            }
        };
        match seal::verify(&text, &public) {
            Ok(certificate) => say::line(&format!("{}: genuine: {}", file.display(), in_words(&certificate))),
            Err(err) => {
                say::problem(&format!("{} is not genuine: {err}", file.display()), Some(advice(&err)));
                code = ExitCode::from(say::REFUSED);
            }
        }
    }
    code
}

/// `press-07, serial PF3K0001, has demo since 2026-11-23T14:02:11.000Z: its disk was read back (oxbow 0.1.0, bench-2)`.
fn in_words(certificate: &Certificate) -> String {
    let Certificate { name, serial, profile, ended, proof, station, .. } = certificate;
    let serial = serial.as_ref().map(|serial| format!(", serial {serial}")).unwrap_or_default();
    let (proof, software, host) = (proof.in_words(), &station.software, &station.host);
    format!("{name}{serial}, has {profile} since {ended}: {proof} ({software}, {host})")
}

fn advice(err: &NotGenuine) -> &'static str {
    match err {
        NotGenuine::Unreadable(_) => "this is another file, or only a part of one",
        NotGenuine::Altered | NotGenuine::Signature => {
            "get the file from the station again: `oxbow report` writes it as it was signed"
        }
        NotGenuine::OtherKey(_) | NotGenuine::Key => "name the key of the station that signed it with --key",
    }
}
