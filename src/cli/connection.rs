//! Where a command goes: to the station that runs on the data directory, or to the stored data if none runs. The
//! protocol is the same.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::{ConfigProblem, Settings};
use crate::data_dir::DataDir;
use crate::domain::ids::ProfileId;
use crate::export::client::StationConversation;
use crate::protocol::control::{ControlReply, ControlRequest};
use crate::station::{self, InitialSettings, OfflineStation};

/// Where the bench's data and configuration are.
#[derive(Debug, clap::Args)]
pub(super) struct StationArgs {
    /// The data directory [default: /var/lib/oxbow]
    #[arg(long, value_name = "DIR", env = "OXBOW_DATA", global = true)]
    data: Option<PathBuf>,
    /// The profiles, if no station runs [default: DATA/profiles]
    #[arg(long, value_name = "DIR", env = "OXBOW_PROFILES", global = true)]
    profiles: Option<PathBuf>,
    /// The configuration file [default: /etc/oxbow/oxbow.toml, if it exists]
    #[arg(long, value_name = "FILE", env = "OXBOW_CONFIG", global = true)]
    config: Option<PathBuf>,
}

/// The same, and where its images are.
#[derive(Debug, clap::Args)]
pub(super) struct LibraryArgs {
    #[command(flatten)]
    place: StationArgs,
    /// The images [default: DATA/images]
    #[arg(long, value_name = "DIR", env = "OXBOW_IMAGES", global = true)]
    images: Option<PathBuf>,
}

impl LibraryArgs {
    /// Where everything is.
    pub(super) fn folders(&self) -> Result<BenchFolders, Vec<ConfigProblem>> {
        self.place.folders(self.images.as_ref())
    }
}

impl StationArgs {
    /// The station's data directory.
    pub(super) fn data(&self) -> Result<DataDir, Vec<ConfigProblem>> {
        self.folders(None).map(|folders| folders.data)
    }

    /// The settings of the file and of the command.
    pub(super) fn settings(&self) -> Result<Settings, Vec<ConfigProblem>> {
        let (data, profiles) = (self.data.clone(), self.profiles.clone());
        Settings { data, profiles, ..Settings::default() }.over_file(self.config.as_deref())
    }

    /// Where everything is; the images in `images` if that is given.
    pub(super) fn folders(&self, images: Option<&PathBuf>) -> Result<BenchFolders, Vec<ConfigProblem>> {
        let mut settings = self.settings()?;
        settings.images = images.cloned().or(settings.images);
        let data = settings.data.map_or_else(DataDir::default, DataDir::new);
        let profiles = settings.profiles.unwrap_or_else(|| data.profiles());
        let images = settings.images.unwrap_or_else(|| data.images());
        let dhcp = settings.dhcp.and_then(|word| word.parse().ok());
        // A wrong word is reported by the station when it starts.
        let policy = settings.policy.and_then(|word| word.parse().ok()).unwrap_or_default();
        let default_profile = settings.default_profile.and_then(|name| name.parse().ok());
        Ok(BenchFolders { data, profiles, images, default_profile, initial: InitialSettings { policy, dhcp } })
    }
}

/// What the settings say of the bench.
pub(super) struct BenchFolders {
    pub(super) data: DataDir,
    pub(super) profiles: PathBuf,
    pub(super) images: PathBuf,
    /// The profile of unregistered machines.
    pub(super) default_profile: Option<ProfileId>,
    initial: InitialSettings,
}

/// An open conversation with the bench.
pub(super) struct Conversation {
    /// Dropped before the bench without a station, which then ends.
    talk: StationConversation,
    _offline: Option<OfflineStation>,
}

impl Conversation {
    /// Connects to the station, or opens its data as long as this lives.
    pub(super) fn open(place: &StationArgs, question: bool) -> Result<Self, Vec<ConfigProblem>> {
        let BenchFolders { data, profiles, initial, .. } = place.folders(None)?;
        if question && !data.path().is_dir() {
            let what = format!("there is no data of a station in {data}");
            return Err(vec![ConfigProblem { what, hint: "name the data directory with --data".into() }]);
        }
        Self::find(&data, &profiles, initial).map_err(|problem| vec![problem])
    }

    /// A station that starts or stops has the lock and no socket; another command has it for a moment.
    fn find(data: &DataDir, profiles: &Path, initial: InitialSettings) -> Result<Self, ConfigProblem> {
        let (socket, deadline) = (data.control_socket(), Instant::now() + BUSY);
        loop {
            match UnixStream::connect(&socket) {
                Ok(stream) => return Self::over(stream, None),
                Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {}
                Err(err) => {
                    return Err(ConfigProblem {
                        what: format!("cannot connect to the station at {}: {err}", socket.display()),
                        hint: "use the account that the station runs under, which is usually root".into(),
                    });
                }
            }
            if let Some((stream, offline)) = station::open_offline(data, profiles, initial)? {
                return Self::over(stream, Some(offline));
            }
            if Instant::now() > deadline {
                return Err(ConfigProblem {
                    what: format!("another oxbow uses the data in {data} and does not answer"),
                    hint: "wait until it has started, or look at its log".into(),
                });
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn over(stream: UnixStream, offline: Option<OfflineStation>) -> Result<Self, ConfigProblem> {
        Ok(Self { talk: StationConversation::over(stream)?, _offline: offline })
    }

    /// Sends a request with the bytes that belong to it, passes on every reply but the final one, and returns that.
    pub(super) fn ask(
        &mut self,
        ask: ControlRequest,
        bytes: &[u8],
        hear: impl FnMut(ControlReply),
    ) -> Result<ControlReply, ConfigProblem> {
        self.talk.ask(ask, bytes, hear)
    }

    /// The conversation itself, for exports.
    pub(super) fn talk(&mut self) -> &mut StationConversation {
        &mut self.talk
    }
}

/// How long a command waits for another oxbow that starts, stops or works.
const BUSY: Duration = Duration::from_secs(10);
