//! The flight recorder: what enters the hub, with its times, as lines of a file; [`replay`] makes the bench of it again.
//!
//! ```text
//! {"oxbow":1,"at":1795442531000,"took":{"begins":{"software":"0.1.0",…}}}
//! {"oxbow":1,"at":1795442531412,"took":{"event":{"DhcpAnswered":{…}}}}
//! ```
//!
//! Each line is written wholly when it comes: a station that is killed leaves a recording up to its last line. A file ends
//! at [`LIMIT`] bytes and says so; lines for which the disk is too slow are left out, and counted in their place.
//!
//! No secret is in it: profiles are recorded by their names and the digests of their images alone, what lists say beside
//! identifiers not at all, and the tokens of runs under other names (`disguise`).

mod redact;
pub mod replay;

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use redact::Disguise;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::domain::batch::Batch;
use crate::domain::command::Command;
use crate::domain::digest::Digest;
use crate::domain::event::Event;
use crate::domain::fleet::{Fleet, Hello};
use crate::domain::ids::{ProfileId, RunId};
use crate::domain::logline::Level;
use crate::domain::machine::report::Report;
use crate::domain::node::Node;
use crate::domain::profile::expectation::Expectation;
use crate::domain::profile::image::ImageState;
use crate::domain::profile::{After, FirstBoot, Profile};
use crate::domain::snapshot::Catalogue;
use crate::domain::station::Station;
use crate::domain::station::policy::Policy;
use crate::domain::station::service::ServiceStatus;
use crate::domain::station::stream::Origin;
use crate::domain::time::Timestamp;
use crate::inbox::Input;

/// A line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedLine {
    /// The version of what follows; [`VERSION`].
    oxbow: u32,
    pub at: Timestamp,
    pub took: Took,
}

/// What entered the hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Took {
    Begins {
        software: String,
        interface: String,
        address: Ipv4Addr,
        base_url: String,
        policy: Policy,
    },
    /// A node that was known at the beginning.
    Node(Box<Node>),
    /// A batch that was kept at the beginning, or open.
    Batch(Box<Batch>),
    Event(Box<Event>),
    Service(ServiceStatus),
    Link(Option<u32>),
    Catalogue(Box<Stock>),
    Command(Box<Command>),
    Hello(Box<Hello>),
    Reports {
        run: RunId,
        first: u32,
        reports: Vec<Report>,
    },
    Home {
        run: RunId,
        said: Vec<String>,
    },
    Configuration {
        run: RunId,
        manifest: Option<Digest>,
    },
    AgentLog {
        run: RunId,
        first: u32,
        lines: Vec<(Level, String)>,
    },
    /// A line of a service's own, or of the station's.
    Said {
        by: String,
        level: Level,
        text: String,
    },
    /// As many were left out here.
    Lost(u64),
    /// The file is as long as it may be.
    Full,
}

/// Profiles and images, as far as a bench shows them: no template and no answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stock {
    pub profiles: Vec<Named>,
    pub default_profile: Option<ProfileId>,
    pub images: Vec<(String, ImageState)>,
    pub boot_files: Vec<(String, ImageState)>,
}

/// A profile by its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    pub id: ProfileId,
    pub title: String,
    /// The file that it writes, and what its digest must be. None: it boots an installer of these files.
    pub image: Option<(String, Option<Digest>)>,
    pub installer: Vec<String>,
    pub after: After,
    pub secure_boot: bool,
    /// A person is asked before a disk is written.
    #[serde(default)]
    pub approve: bool,
    #[serde(default)]
    pub expect: Expectation,
    #[serde(default)]
    pub first_boot: Option<FirstBoot>,
}

impl Stock {
    fn of(catalogue: &Catalogue) -> Self {
        let named = |profile: &Profile| Named {
            id: profile.id.clone(),
            title: profile.title.clone(),
            image: profile.image().map(|image| (image.file.clone(), image.sha256)),
            installer: profile.installer().into_iter().flat_map(|it| it.boot_files().map(str::to_owned)).collect(),
            after: profile.after,
            secure_boot: profile.secure_boot,
            approve: profile.approve,
            expect: profile.expect.clone(),
            first_boot: profile.first_boot,
        };
        let files = |files: &std::collections::BTreeMap<String, ImageState>| {
            files.iter().map(|(name, state)| (name.clone(), state.clone())).collect()
        };
        Self {
            profiles: catalogue.profiles.values().map(named).collect(),
            default_profile: catalogue.default_profile.clone(),
            images: files(&catalogue.images),
            boot_files: files(&catalogue.boot_files),
        }
    }
}

impl Took {
    /// What is recorded of `note`. Packets, leases, what DHCP counts and the room on the disk are not.
    fn of(note: &Input) -> Option<Self> {
        Some(match note {
            Input::Event(event) => Self::Event(Box::new(event.clone())),
            Input::Service(status) => Self::Service(status.clone()),
            Input::Link(mbit) => Self::Link(*mbit),
            Input::Catalogue(catalogue) => Self::Catalogue(Box::new(Stock::of(catalogue))),
            Input::Command(command, _) => Self::Command(Box::new(command.clone())),
            Input::Hello(hello, _) => Self::Hello(hello.clone()),
            Input::Reports { run, first, reports, .. } => {
                Self::Reports { run: *run, first: *first, reports: reports.clone() }
            }
            Input::Home { run, said, .. } => Self::Home { run: *run, said: said.clone() },
            Input::Configuration { run, manifest, .. } => Self::Configuration { run: *run, manifest: *manifest },
            Input::AgentLog { run, first, lines, .. } => {
                Self::AgentLog { run: *run, first: *first, lines: lines.clone() }
            }
            Input::Said(said) => Self::Said {
                by: match said.by {
                    Origin::Service(service) => service.word().into(),
                    Origin::Node { .. } | Origin::Station => "station".into(),
                },
                level: said.line.level,
                text: said.line.text.to_string(),
            },
            Input::Packet(_)
            | Input::Capture(..)
            | Input::Leases(_)
            | Input::Dhcp(_)
            | Input::DhcpTried(..)
            | Input::Output { .. }
            | Input::Room(_) => return None,
        })
    }
}

/// Records what the hub takes, by a thread of its own: a slow disk holds nobody up.
#[derive(Debug)]
pub struct Recorder {
    lines: SyncSender<String>,
    disguise: Disguise,
    lost: u64,
}

/// Begins a recording in a new file, which only its owner may read. The thread ends when the [`Recorder`] is dropped.
pub fn start(path: &Path, salt: [u8; 16]) -> io::Result<(Recorder, JoinHandle<()>)> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let (lines, queue) = sync_channel(QUEUED);
    let thread = std::thread::Builder::new().name("recorder".into()).spawn(move || write_all(file, &queue, LIMIT))?;
    Ok((Recorder { lines, disguise: Disguise::new(salt), lost: 0 }, thread))
}

impl Recorder {
    /// What the station is, and what it knew when the recording began.
    pub fn begin(&mut self, at: Timestamp, station: &Station, fleet: &Fleet) {
        let begins = Took::Begins {
            software: station.version.into(),
            interface: station.interface.clone(),
            address: station.address,
            base_url: station.base_url.clone(),
            policy: fleet.policy(),
        };
        self.write(at, begins);
        for node in fleet.nodes().values() {
            self.write(at, Took::Node(Box::new((**node).clone())));
        }
        for batch in fleet.batches() {
            self.write(at, Took::Batch(Box::new((**batch).clone())));
        }
    }

    pub fn take(&mut self, at: Timestamp, note: &Input) {
        if let Some(took) = Took::of(note) {
            self.write(at, took);
        }
    }

    fn write(&mut self, at: Timestamp, took: Took) {
        if self.lost > 0 {
            let line = RecordedLine { oxbow: VERSION, at, took: Took::Lost(self.lost) };
            if self.disguise.line(&line).is_some_and(|line| self.lines.try_send(line).is_ok()) {
                self.lost = 0;
            }
        }
        let line = self.disguise.line(&RecordedLine { oxbow: VERSION, at, took });
        if line.is_none_or(|line| self.lines.try_send(line).is_err()) {
            self.lost += 1;
        }
    }
}

/// Writes each line as it comes, up to `limit` bytes.
fn write_all(mut file: File, queue: &Receiver<String>, limit: u64) {
    let mut written = 0;
    while let Ok(line) = queue.recv() {
        written += line.len() as u64;
        let full = written > limit;
        let at = Timestamp::default();
        let last =
            || serde_json::to_string(&RecordedLine { oxbow: VERSION, at, took: Took::Full }).unwrap_or_default() + "\n";
        let said = if full { last() } else { line };
        if let Err(err) = file.write_all(said.as_bytes()) {
            return warn!("the recording ends here: {err}");
        }
        if full {
            return warn!(bytes = written, "the recording ends here: it is as long as it may be");
        }
    }
}

/// A recording as it was read.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    pub lines: Vec<RecordedLine>,
    /// Lines that are not understood: of a newer oxbow, or cut off at the end.
    pub unreadable: usize,
}

/// Reads a recording. What is not understood is left out, and counted.
pub fn read(path: &Path) -> io::Result<Recording> {
    read_from(BufReader::new(File::open(path)?))
}

pub fn read_from(from: impl BufRead) -> io::Result<Recording> {
    let mut recording = Recording::default();
    for line in from.split(b'\n') {
        match serde_json::from_slice::<RecordedLine>(&line?) {
            Ok(line) if line.oxbow <= VERSION => recording.lines.push(line),
            Ok(_) | Err(_) => recording.unreadable += 1,
        }
    }
    Ok(recording)
}

pub const VERSION: u32 = 1;
/// Lines that may wait for the disk.
const QUEUED: usize = 8192;
/// Bytes of a recording: days of a busy bench.
pub const LIMIT: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_that_is_as_long_as_it_may_be_ends_with_that_word() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("r");
        let (lines, queue) = sync_channel(10);
        let line =
            serde_json::to_string(&RecordedLine { oxbow: 1, at: Timestamp::default(), took: Took::Link(Some(1000)) });
        let line = line.expect("JSON") + "\n";
        (0..5).for_each(|_| lines.send(line.clone()).expect("room"));
        drop(lines);
        write_all(File::create(&path).expect("a file"), &queue, line.len() as u64 * 3);
        let recording = read(&path).expect("readable");
        let took: Vec<_> = recording.lines.into_iter().map(|line| line.took).collect();
        assert_eq!(took, [Took::Link(Some(1000)), Took::Link(Some(1000)), Took::Link(Some(1000)), Took::Full]);
    }

    #[test]
    fn a_line_that_was_cut_off_and_one_of_a_newer_oxbow_are_counted_and_the_others_read() {
        let text = "{\"oxbow\":1,\"at\":5,\"took\":{\"link\":10}}\n{\"oxbow\":2,\"at\":5,\"took\":{\"link\":10}}\n\
                    {\"oxbow\":1,\"at\":5,\"took\":{\"telepathy\":10}}\n{\"oxbow\":1,\"at\":9,\"to";
        let recording = read_from(text.as_bytes()).expect("readable");
        assert_eq!((recording.lines.len(), recording.unreadable), (1, 3));
    }
}
