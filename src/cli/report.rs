//! `oxbow report` and `oxbow verify`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::connection::{Conversation, StationArgs};
use super::print;
use crate::config::ConfigProblem;
use crate::domain::batch::certificate::{Certificate, FORMATS};
use crate::domain::batch::export::ReportFormat;
use crate::domain::text;
use crate::export::{Unmade, patient, report};
use crate::seal::{self, NotGenuine, PUBLIC};

/// Exit status: 0 done, 1 there is no such batch, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct ReportArgs {
    #[command(flatten)]
    place: StationArgs,
    /// The batch; 0 is the whole bench [default: the latest, or the whole bench if none was ever opened]
    #[arg(long, value_name = "NUMBER")]
    batch: Option<u32>,
    /// csv (a row for each machine), json, html (to print), certificates [default: all of them]
    #[arg(long, value_name = "FORMAT", value_delimiter = ',')]
    format: Vec<ReportFormatArg>,
    /// A directory that does not exist yet or is empty
    directory: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ReportFormatArg {
    Csv,
    Json,
    Html,
    Certificates,
}

impl From<ReportFormatArg> for ReportFormat {
    fn from(word: ReportFormatArg) -> Self {
        match word {
            ReportFormatArg::Csv => Self::Csv,
            ReportFormatArg::Json => Self::Json,
            ReportFormatArg::Html => Self::Html,
            ReportFormatArg::Certificates => Self::Certificates,
        }
    }
}

/// Exit status: 0 all are genuine, 1 at least one is not, 2 it could not be tried.
#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    #[command(flatten)]
    place: StationArgs,
    /// The public key of the station that signed them; a report contains it [default: this station's own]
    #[arg(long, value_name = "PUBLIC.PEM")]
    key: Option<PathBuf>,
    /// Certificates
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn run(options: &ReportArgs) -> ExitCode {
    match report(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(unmade) => print::unmade(&unmade),
    }
}

fn report(options: &ReportArgs) -> Result<(), Unmade> {
    let seal = options.place.data()?.seal();
    let mut bench = Conversation::open(&options.place, true)?;
    let formats: Vec<ReportFormat> = options.format.iter().copied().map(ReportFormat::from).collect();
    let formats = if formats.is_empty() { &ReportFormat::ALL } else { formats.as_slice() };
    let made = report::make(bench.talk(), options.batch, formats, &seal, &patient)?;
    report::write(&made, &options.directory, &patient)?;
    let machines = if made.machines == 1 { "1 machine".into() } else { format!("{} machines", made.machines) };
    print::line(&format!("{machines}, certificates: {}: {}", made.certificates, options.directory.display()));
    Ok(())
}

pub(super) fn verify(options: &Verify) -> ExitCode {
    let key = match &options.key {
        Some(key) => Ok(key.clone()),
        None => options.place.data().map(|data| data.seal().join(PUBLIC)),
    };
    let public = match key.map(|file| (read(&file), file)) {
        Err(problems) => return print::failed(&problems),
        Ok((Ok(public), _)) => public,
        Ok((Err(err), file)) => {
            let what = format!("the station's public key cannot be read from {}: {err}", file.display());
            return print::failed(&[ConfigProblem::new(
                what,
                "name it with --key: it is public.pem beside the certificates",
            )]);
        }
    };
    let mut code = ExitCode::SUCCESS;
    for file in &options.files {
        let text = match read(file) {
            Ok(text) => text,
            Err(err) => {
                let what = format!("{} cannot be read: {err}", file.display());
                return print::failed(&[ConfigProblem::new(what, "name a certificate that is there")]);
            }
        };
        match seal::verify(&text, &public) {
            Ok(certificate) => print::line(&format!("{}: genuine: {}", file.display(), in_words(&certificate))),
            Err(err) => {
                print::problem(&format!("{} is not genuine: {err}", file.display()), Some(advice(&err)));
                code = ExitCode::from(print::REFUSED);
            }
        }
    }
    code
}

/// Reads at most one byte more than a certificate or a key can have: a longer file is neither.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `press-07, serial PF3K0001, has demo since 2026-11-23T14:02:11.000Z: its disk was read back (oxbow 0.1.0, bench-2)`.
fn in_words(certificate: &Certificate) -> String {
    let Certificate { name, serial, profile, ended, proof, station, .. } = certificate;
    let serial = serial.as_ref().map(|serial| format!(", serial {serial}")).unwrap_or_default();
    let (proof, software, host) = (proof.in_words(), &station.software, &station.host);
    let newer = if FORMATS.contains(&certificate.format.as_str()) {
        String::new()
    } else {
        let format = text::clean(&certificate.format, 60);
        format!("; a newer oxbow wrote it ({format:?}), it may say more than is shown here")
    };
    format!("{name}{serial}, has {profile} since {ended}: {proof} ({software}, {host}){newer}")
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

/// The largest certificate in bytes; that of a machine with 64 disks has a tenth of it.
const LARGEST: u64 = 1 << 20;
