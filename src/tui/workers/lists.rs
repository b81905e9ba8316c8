//! Lists of machines on this workstation and on sticks: found, read, judged and written on a thread of their own, joined
//! when the screen ends. The screen asks and goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::domain::ids::ProfileId;
use crate::domain::import::{FILE_LIMIT, ImportOptions, Preview, errors_csv, errors_file_name, preview_watched};
use crate::domain::snapshot::Snapshot;
use crate::domain::time::Timestamp;

/// Where lists are looked for, besides sticks, and where what is saved goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFolders {
    pub import: PathBuf,
    /// Where captures of packets are kept.
    pub captures: PathBuf,
}

impl ListFolders {
    /// Where errors are kept that cannot be kept beside their list.
    fn errors(&self) -> PathBuf {
        self.import.join("errors")
    }
}

impl Default for ListFolders {
    fn default() -> Self {
        Self { import: "/var/lib/oxbow/import".into(), captures: "/var/lib/oxbow/captures".into() }
    }
}

/// What is to be done with files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListJob {
    /// Which lists there are.
    List,
    /// What this one would do, with this profile for all of its rows if one is given.
    Read { path: PathBuf, profile: Option<ProfileId> },
    /// Keep the rows with errors, beside the list they are from where that is possible.
    SaveErrors { path: PathBuf, preview: Arc<Preview> },
}

/// What has come of a [`ListJob`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListResult {
    Lists(Vec<ListFile>),
    /// Of a long list so many rows have been looked at.
    Reading {
        path: PathBuf,
        done: usize,
        of: usize,
    },
    Read {
        path: PathBuf,
        preview: Result<Arc<Preview>, String>,
    },
    Saved(Result<PathBuf, String>),
}

/// A list that can be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListFile {
    pub path: PathBuf,
    pub bytes: u64,
}

#[derive(Debug)]
pub struct Files {
    jobs: Option<SyncSender<(ListJob, Arc<Snapshot>, Timestamp)>>,
    found: Receiver<ListResult>,
    thread: Option<JoinHandle<()>>,
}

impl Files {
    pub fn start(folders: ListFolders) -> io::Result<Self> {
        let (jobs, asked) = sync_channel::<(ListJob, Arc<Snapshot>, Timestamp)>(JOBS);
        let (done, found) = channel();
        let work = move || {
            for (job, bench, now) in asked {
                let tell = |found| drop(done.send(found));
                if done.send(carry_out(job, &folders, &bench, now, &tell)).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name("files".into()).spawn(work)?;
        Ok(Self { jobs: Some(jobs), found, thread: Some(thread) })
    }

    /// Hands `job` over; `false` when those before it have not ended.
    pub fn send(&self, job: ListJob, bench: &Arc<Snapshot>, now: Timestamp) -> bool {
        self.jobs.as_ref().is_some_and(|jobs| jobs.try_send((job, bench.clone(), now)).is_ok())
    }

    /// What has been found since.
    pub fn found(&self) -> impl Iterator<Item = ListResult> {
        self.found.try_iter()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _its_panic_is_in_the_log = thread.join();
        }
    }
}

fn carry_out(
    job: ListJob,
    folders: &ListFolders,
    bench: &Snapshot,
    now: Timestamp,
    tell: &dyn Fn(ListResult),
) -> ListResult {
    match job {
        ListJob::List => ListResult::Lists(lists(folders)),
        ListJob::Read { path, profile } => {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            let mut watch = |done, of| tell(ListResult::Reading { path: path.clone(), done, of });
            let mut look = |bytes: Vec<u8>| {
                preview_watched(&name, &bytes, now, bench, &ImportOptions { profile: profile.clone() }, &mut watch)
            };
            let judged = read(&path).map(|bytes| Arc::new(look(bytes)));
            let preview = judged.map_err(|err| format!("cannot read {}: {err}", path.display()));
            ListResult::Read { path, preview }
        }
        ListJob::SaveErrors { path, preview } => {
            let text = errors_csv(&preview);
            let name = errors_file_name(&preview.file);
            // What lies in the import folder itself is imported by itself: not the place for what is to be corrected.
            let beside = path.parent().filter(|folder| *folder != folders.import);
            let saved = beside.and_then(|folder| write(folder, &name, &text).ok()).map_or_else(
                || {
                    fs::create_dir_all(folders.errors())?;
                    write(&folders.errors(), &name, &text)
                },
                Ok,
            );
            ListResult::Saved(saved.map_err(|err| format!("cannot write {name}: {err}")))
        }
    }
}

/// Lists of the import folder and of mounted sticks, by path.
fn lists(folders: &ListFolders) -> Vec<ListFile> {
    let sticks = [entries(Path::new("/media")), entries(Path::new("/run/media"))].concat();
    let below = sticks.iter().flat_map(|folder| entries(folder)).collect::<Vec<_>>();
    let folders = [vec![folders.import.clone(), folders.errors()], sticks, below].concat();
    let mut lists: Vec<ListFile> =
        folders.iter().flat_map(|folder| entries(folder)).filter_map(listed).take(LISTS).collect();
    lists.sort_by(|a, b| a.path.cmp(&b.path));
    lists
}

/// What is in a folder; nothing if it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).into_iter().flatten().take(ENTRIES);
    read.filter_map(Result::ok).map(|entry| entry.path()).collect()
}

fn listed(path: PathBuf) -> Option<ListFile> {
    let name = path.file_name()?.to_string_lossy().to_ascii_lowercase();
    // What the import folder says of its lists is no list.
    let is_list = name.ends_with(".csv") && !name.ends_with(".problems.csv");
    let about = is_list.then(|| fs::metadata(&path).ok()).flatten().filter(fs::Metadata::is_file)?;
    Some(ListFile { path, bytes: about.len() })
}

/// At most one byte more than is accepted.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(FILE_LIMIT).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a new file: one that is being corrected is not written over.
fn write(folder: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let stem = name.trim_end_matches(".csv");
    let names = [name.to_owned()].into_iter().chain((2..100).map(|number| format!("{stem}-{number}.csv")));
    for name in names {
        let path = folder.join(name);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => return file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map(|()| path),
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists => {}
            Err(err) => return Err(err),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Jobs on their way. Full means that a file takes long: a person is told so.
const JOBS: usize = 4;
const LISTS: usize = 1000;
/// Entries of a folder that are looked at.
const ENTRIES: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn carried_out(job: ListJob, folder: &Path) -> ListResult {
        let folders = ListFolders { import: folder.join("import"), ..ListFolders::default() };
        carry_out(job, &folders, &Snapshot::default(), Timestamp::default(), &drop)
    }

    #[test]
    fn a_list_is_found_and_read_and_its_errors_are_kept_where_they_are_not_imported() {
        let folder = tempfile::tempdir().expect("a folder");
        let import = folder.path().join("import");
        fs::create_dir(&import).expect("a folder");
        let path = import.join("po.CSV");
        fs::write(&path, "Serial,MAC\nSN-1,\n,52:54\n").expect("a file");
        fs::write(import.join("po.CSV.problems.csv"), "no list").expect("a file");
        let ListResult::Lists(lists) = carried_out(ListJob::List, folder.path()) else { panic!("no lists") };
        assert!(lists.contains(&ListFile { path: path.clone(), bytes: 24 }), "{lists:?}");
        assert!(!lists.iter().any(|list| list.path.ends_with("po.CSV.problems.csv")));
        let job = ListJob::Read { path: path.clone(), profile: None };
        let ListResult::Read { preview: Ok(preview), .. } = carried_out(job, folder.path()) else { panic!("not read") };
        assert_eq!((preview.counts.new, preview.counts.errors), (1, 1));
        for name in ["po-errors.csv", "po-errors-2.csv"] {
            let job = ListJob::SaveErrors { path: path.clone(), preview: preview.clone() };
            assert_eq!(carried_out(job, folder.path()), ListResult::Saved(Ok(import.join("errors").join(name))));
        }
    }

    #[test]
    fn what_is_no_file_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        let job = ListJob::Read { path: folder.path().into(), profile: None };
        let ListResult::Read { preview: Err(why), .. } = carried_out(job, folder.path()) else { panic!("read") };
        assert!(why.ends_with("it is not a file"), "{why}");
    }
}
