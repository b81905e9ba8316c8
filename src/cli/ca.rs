//! `oxbow ca`: the certificate authority that machines must trust for HTTPS.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::complain;
use crate::config::ConfigProblem;
use crate::data_dir::DataDir;
use crate::service::tls::{CertificateFormat, Exported, TlsError};

/// Show the station's certificate authority, or export its certificate
#[derive(Debug, clap::Args)]
pub(super) struct Ca {
    #[command(subcommand)]
    what: Option<CaCommand>,
    /// The data directory
    #[arg(long, value_name = "DIR", env = "OXBOW_DATA", default_value = DataDir::DEFAULT, global = true)]
    data: PathBuf,
}

#[derive(Debug, Subcommand)]
enum CaCommand {
    /// Write the authority's certificate; its key never leaves the station
    Export {
        /// pem for programs, der for most firmware's setup, esl (EFI signature list) for firmware that needs one
        #[arg(long, value_enum, default_value_t = CertificateOutput::Pem)]
        format: CertificateOutput,
        /// The file to write [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CertificateOutput {
    Pem,
    Der,
    Esl,
}

pub(super) fn run(ca: &Ca) -> ExitCode {
    let directory = DataDir::new(&ca.data).tls();
    let done = read(&directory).and_then(|exported| match &ca.what {
        None => {
            show(&exported, &directory);
            Ok(())
        }
        Some(CaCommand::Export { format, out }) => write(&exported, *format, out.as_deref()),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => complain(&[problem]),
    }
}

fn read(directory: &Path) -> Result<Exported, ConfigProblem> {
    Exported::read(directory).map_err(|error| match &error {
        TlsError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound && !directory.exists() => {
            ConfigProblem {
                what: format!("there is no certificate authority in {}", directory.display()),
                hint: "the station creates it at its first start; name the data directory with --data".into(),
            }
        }
        TlsError::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => ConfigProblem {
            what: error.to_string(),
            hint: "run it as the user that runs the station, usually root".into(),
        },
        TlsError::Unreadable { .. }
        | TlsError::Damaged { .. }
        | TlsError::Mismatched(_)
        | TlsError::Expired(_)
        | TlsError::Unwritable { .. }
        | TlsError::OpenSsl(_) => ConfigProblem { what: error.to_string(), hint: error.hint().into() },
    })
}

fn show(exported: &Exported, directory: &Path) {
    let [from, to] = &exported.validity;
    println!("authority  {}", exported.name);
    println!("SHA-256    {}", exported.fingerprint);
    println!("valid      {from} to {to}");
    println!("kept in    {}", directory.display());
    println!("give it to machines: `oxbow ca export`, or http://STATION/ca.pem, /ca.der and /ca.esl");
}

fn write(exported: &Exported, format: CertificateOutput, out: Option<&Path>) -> Result<(), ConfigProblem> {
    let content = exported.form(match format {
        CertificateOutput::Pem => CertificateFormat::Pem,
        CertificateOutput::Der => CertificateFormat::Der,
        CertificateOutput::Esl => CertificateFormat::Esl,
    });
    let (place, written) = match out {
        Some(file) => (file.display().to_string(), fs::write(file, content)),
        None => ("standard output".to_owned(), io::stdout().write_all(content)),
    };
    written.map_err(|error| ConfigProblem {
        what: format!("{place} cannot be written: {error}"),
        hint: "name another file with --out".into(),
    })
}
