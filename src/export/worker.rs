//! Makes the exports that are asked for at the screen, and keeps them in the data directory.
//!
//! ```text
//!   DATA/reports/batch-3-20261123-140211/     batch-3.csv, batch-3.json, batch-3.html, public.pem, certificates/
//!   DATA/lists/bench-20261123-140230.csv
//!   DATA/support/bench-20261123-140301.tar.gz
//! ```
//!
//! Nothing is overwritten. An export gets its name once it is complete: until then it is in a directory whose name
//! begins with a dot, which is removed when the export is cancelled, or by the next export if the station was killed
//! meanwhile. A complete export survives a power cut.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use super::client::StationConversation;
use super::{ProgressWatch, Unmade, advice, durable, list, report, support};
use crate::clock;
use crate::config::{ConfigProblem, Settings};
use crate::data_dir::DataDir;
use crate::domain::batch::export::{Export, ExportError, ReportFormat, WrittenExport};
use crate::domain::ids::NodeId;
use crate::domain::profile::Profile;
use crate::protocol::control::ControlReply;

/// Makes and keeps exports.
pub struct ExportWorker {
    pub data: DataDir,
    /// The settings that the station was started with.
    pub settings: Settings,
    /// Reads the profiles as their files are now.
    pub profiles: Box<dyn Fn() -> Vec<Profile> + Send + Sync>,
    /// Begins a conversation with the station.
    pub connect: Box<dyn Fn() -> Result<UnixStream, ConfigProblem> + Send + Sync>,
}

impl ExportWorker {
    /// Makes an export, reports its progress to `watch`, and keeps it.
    pub fn write(&self, export: &Export, watch: &ProgressWatch<'_>) -> Result<WrittenExport, ExportError> {
        self.written(export, watch).map_err(unkept)
    }

    fn written(&self, export: &Export, watch: &ProgressWatch<'_>) -> Result<WrittenExport, Unmade> {
        let mut talk = StationConversation::over((self.connect)()?)?;
        match export {
            Export::Report { number, formats } => self.report(&mut talk, *number, formats, watch),
            Export::List => self.list(&mut talk, watch),
            Export::Support { nodes } => self.support(&mut talk, nodes, watch),
        }
    }

    fn report(
        &self,
        talk: &mut StationConversation,
        number: Option<u32>,
        formats: &[ReportFormat],
        watch: &ProgressWatch<'_>,
    ) -> Result<WrittenExport, Unmade> {
        let report = report::make(talk, number, formats, &self.data.seal(), watch)?;
        let draft = DraftExport::begin(self.data.reports())?;
        report::write(&report, &draft.path, watch)?;
        let place = draft.keep(&report.name, "")?;
        let machines = if report.machines == 1 { "1 machine".into() } else { format!("{} machines", report.machines) };
        Ok(WrittenExport { place, about: vec![format!("{machines}, certificates: {}", report.certificates)] })
    }

    fn list(&self, talk: &mut StationConversation, watch: &ProgressWatch<'_>) -> Result<WrittenExport, Unmade> {
        let list = list::make(talk, watch)?;
        let draft = DraftExport::begin(self.data.lists())?;
        let file = draft.file()?;
        list::save(&file, &list.csv)?;
        let place = draft.keep_file(&file, BENCH, ".csv")?;
        Ok(WrittenExport { place, about: vec![format!("machines in it: {}", list.machines)] })
    }

    fn support(
        &self,
        talk: &mut StationConversation,
        nodes: &[NodeId],
        watch: &ProgressWatch<'_>,
    ) -> Result<WrittenExport, Unmade> {
        let nodes: Vec<String> = nodes.iter().map(|node| format!("#{node}")).collect();
        let profiles = (self.profiles)();
        let profiles: Vec<&Profile> = profiles.iter().collect();
        let about = support::About {
            nodes: &nodes,
            syslog: false,
            settings: &self.settings,
            data: &self.data,
            profiles: &profiles,
        };
        let archive = support::make(talk, &about, watch)?;
        let draft = DraftExport::begin(self.data.support())?;
        let file = draft.file()?;
        support::save(&file, &archive)?;
        let place = draft.keep_file(&file, BENCH, ".tar.gz")?;
        let mut about = vec![format!("{} kB; look through it before you mail it", archive.kilobytes())];
        about.extend(archive.left_out.iter().take(LEFT_OUT).map(|what| format!("left out: {what}")));
        Ok(WrittenExport { place, about })
    }
}

/// An export that is not complete yet. What is left of it is removed on drop.
struct DraftExport {
    folder: PathBuf,
    /// Does not exist yet: a directory or a file may be created there.
    path: PathBuf,
}

impl DraftExport {
    /// In `folder`, which is created if it is missing.
    fn begin(folder: PathBuf) -> Result<Self, ConfigProblem> {
        let path = folder.join(DRAFT);
        let made = fs::create_dir_all(&folder).and_then(|()| match fs::remove_dir_all(&path) {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => Err(err),
            _ => Ok(()),
        });
        made.map_err(|err| unwritable(&folder, &err))?;
        Ok(Self { folder, path })
    }

    /// Where a single file is written until it is complete.
    fn file(&self) -> Result<PathBuf, ConfigProblem> {
        fs::create_dir(&self.path).map_err(|err| unwritable(&self.path, &err))?;
        Ok(self.path.join("whole"))
    }

    /// Gives the directory its name.
    fn keep(&self, name: &str, ending: &str) -> Result<PathBuf, ConfigProblem> {
        self.keep_file(&self.path, name, ending)
    }

    /// Gives what was written its name with the time, and with a number where that name is taken.
    fn keep_file(&self, written: &Path, name: &str, ending: &str) -> Result<PathBuf, ConfigProblem> {
        let now = i64::try_from(clock::now().as_millis()).ok();
        let now = now.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok()).unwrap_or_default();
        let name = format!("{name}-{}", now.to_zoned(TimeZone::system()).strftime("%Y%m%d-%H%M%S"));
        let more = (2_u32..).map(|number| format!("{name}-{number}"));
        let mut free = [name.clone()].into_iter().chain(more).map(|name| self.folder.join(name + ending));
        let place = free.find(|place| !place.exists()).unwrap_or_else(|| self.folder.join(&name));
        let named = fs::rename(written, &place).and_then(|()| durable::sync_name(&place));
        // With the first export of its kind the folder is new too.
        named.and_then(|()| durable::sync_name(&self.folder)).map_err(|err| unwritable(&place, &err))?;
        Ok(place)
    }
}

impl Drop for DraftExport {
    fn drop(&mut self) {
        // Nothing is left once the export has its name.
        let _the_next_one_removes_it = fs::remove_dir_all(&self.path);
    }
}

fn unwritable(place: &Path, err: &std::io::Error) -> ConfigProblem {
    let elsewhere = "write it elsewhere, in a shell: `oxbow report`, `oxbow export`, `oxbow support`";
    ConfigProblem::new(format!("{} cannot be written: {err}", place.display()), advice(err, elsewhere))
}

fn unkept(why: Unmade) -> ExportError {
    match why {
        Unmade::Dropped => ExportError::Dropped,
        Unmade::Problems(problems) => {
            let first = problems.into_iter().next();
            let ConfigProblem { what, hint } = first.unwrap_or_else(|| ConfigProblem::new("it was not written", LOG));
            ExportError::Problem { what, hint }
        }
        Unmade::Said(answer) => match *answer {
            ControlReply::Refused { why, hint } => {
                ExportError::Problem { what: why, hint: hint.unwrap_or_else(|| LOG.into()) }
            }
            ControlReply::Failed { problem, hint } => ExportError::Problem { what: problem, hint },
            other => ExportError::Problem { what: format!("the station said {other:?}"), hint: LOG.into() },
        },
    }
}

/// The directory of an export that is not complete yet.
const DRAFT: &str = ".unfinished";
/// The name of exports of the whole bench.
const BENCH: &str = "bench";
/// How many omissions are listed.
const LEFT_OUT: usize = 4;
const LOG: &str = "look at the station's log";
