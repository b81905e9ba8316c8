//! Where a list of machines is chosen, looked at and imported.

use std::path::PathBuf;
use std::sync::Arc;

use crate::domain::ids::ProfileId;
use crate::domain::import::{Preview, RowEffect};
use crate::domain::snapshot::Snapshot;
use crate::domain::text::clean;
use crate::tui::msg::{HubAction, HubRequest, UiEffect};
use crate::tui::popup::{MenuChoice, Popup, Then};
use crate::tui::style::text::count;
use crate::tui::workers::lists::{ListFile, ListJob, ListResult};

/// The state of the import pane.
#[derive(Clone, Debug, Default)]
pub struct ImportState {
    pub lists: Vec<ListFile>,
    /// The chosen list.
    pub at: usize,
    /// The path as it is typed.
    pub path: String,
    pub typing: bool,
    /// The file that is being read.
    pub reading: Option<PathBuf>,
    /// How many of its rows have been looked at, and of how many, where it is long.
    pub progress: Option<(usize, usize)>,
    /// Why the last file could not be read.
    pub problem: Option<String>,
    /// For all rows, whatever they say.
    pub profile: Option<ProfileId>,
    pub open: Option<Open>,
}

/// A list that is looked at.
#[derive(Clone, Debug)]
pub struct Open {
    pub path: PathBuf,
    pub preview: Arc<Preview>,
    /// The chosen row.
    pub at: usize,
}

impl ImportState {
    /// Reads the chosen list.
    pub fn read_chosen(&mut self) -> Option<UiEffect> {
        let path = self.lists.get(self.at)?.path.clone();
        self.read(path)
    }

    /// Reads the file whose path was typed.
    pub fn read_typed(&mut self) -> Option<UiEffect> {
        self.typing = false;
        let path = self.path.trim();
        if path.is_empty() { None } else { self.read(path.into()) }
    }

    /// Reads the open list again, with this profile for all of its rows.
    pub fn read_with(&mut self, profile: Option<ProfileId>) -> Option<UiEffect> {
        self.profile = profile;
        let path = self.open.as_ref()?.path.clone();
        self.read(path)
    }

    fn read(&mut self, path: PathBuf) -> Option<UiEffect> {
        (self.reading, self.progress, self.problem) = (Some(path.clone()), None, None);
        Some(UiEffect::Files(ListJob::Read { path, profile: self.profile.clone() }))
    }

    /// Takes in what was found, and says what is worth a word: done, or not.
    pub fn take(&mut self, found: ListResult) -> Option<Result<String, String>> {
        match found {
            ListResult::Lists(lists) => {
                self.at = self.at.min(lists.len().saturating_sub(1));
                self.lists = lists;
                None
            }
            ListResult::Reading { path, done, of } => {
                if self.reading.as_ref() == Some(&path) {
                    self.progress = Some((done, of));
                }
                None
            }
            ListResult::Read { path, .. } if self.reading.as_ref() != Some(&path) => None,
            ListResult::Read { path, preview } => {
                self.reading = None;
                match preview {
                    Ok(preview) => {
                        let row = self.open.as_ref().filter(|open| open.path == path).map_or(0, |open| open.at);
                        let at = row.min(preview.rows.len().saturating_sub(1));
                        self.open = Some(Open { path, preview, at });
                    }
                    Err(why) => (self.problem, self.open) = (Some(why), None),
                }
                None
            }
            ListResult::Saved(Ok(path)) => {
                Some(Ok(format!("errors saved in {}", clean(&path.to_string_lossy(), PATH))))
            }
            ListResult::Saved(Err(why)) => Some(Err(why)),
        }
    }

    /// To the next row with an error or a warning, from the beginning after the last.
    pub fn next_problem(&mut self) {
        let Some(open) = &mut self.open else { return };
        let rows = &open.preview.rows;
        let wrong = |at: &usize| {
            rows.get(*at).is_some_and(|row| matches!(row.standing, RowEffect::Error(_)) || !row.warnings.is_empty())
        };
        open.at = (open.at + 1..rows.len()).chain(0..open.at).find(wrong).unwrap_or(open.at);
    }

    pub fn save_errors(&self) -> Option<UiEffect> {
        let Open { path, preview, .. } = self.open.as_ref()?;
        Some(UiEffect::Files(ListJob::SaveErrors { path: path.clone(), preview: preview.clone() }))
    }

    /// Asks before the list is imported.
    pub fn ask_to_import(&self) -> Option<Popup> {
        let Open { path, preview, .. } = self.open.as_ref()?;
        let counts = preview.counts;
        let mut text = vec![
            format!("{}, {} changed, {} known already.", count(counts.new, "new machine"), counts.changes, counts.same),
            "All of it is done, or nothing. It can be taken back for a minute.".to_owned(),
        ];
        if counts.warnings > 0 {
            text.push(format!("{} with a warning: n shows them.", count(counts.warnings, "row")));
        }
        let deed = deed(&preview.file);
        Some(Popup::Question {
            title: format!("Import {}?", clean(&preview.file, NAME)),
            text,
            on_yes: UiEffect::Ask(HubRequest {
                what: HubAction::Import { path: path.clone(), preview: preview.clone() },
                deed,
            }),
            yes: false,
        })
    }

    /// The list that is open has been imported, if that was the deed.
    pub fn imported(&mut self, done: &str) -> bool {
        let is_this = self.open.as_ref().is_some_and(|open| deed(&open.preview.file) == done);
        if is_this {
            (self.open, self.profile) = (None, None);
        }
        is_this
    }
}

fn deed(file: &str) -> String {
    format!("import {}", clean(file, NAME))
}

/// Which profile all rows get, or what the rows say.
pub fn ask_for_profile(desk: &ImportState, bench: &Snapshot) -> Option<Popup> {
    let open = desk.open.as_ref()?;
    let named =
        bench.catalogue.profiles.values().map(|profile| (Some(profile.id.clone()), clean(&profile.title, NAME)));
    let rows = (None, "the column Profile where there is one, else the default".to_owned());
    let all: Vec<_> = [rows].into_iter().chain(named).collect();
    let at = all.iter().position(|(profile, _)| *profile == desk.profile).unwrap_or(0);
    let choice = |(profile, about): (Option<ProfileId>, String)| MenuChoice {
        words: profile.as_ref().map_or("what the rows say".into(), ToString::to_string),
        about,
        then: Then::Do(UiEffect::Files(ListJob::Read { path: open.path.clone(), profile })),
    };
    Some(Popup::Choice {
        title: "Profile for the whole list".into(),
        text: vec!["Whatever the rows say, all of them get:".into()],
        choices: all.into_iter().map(choice).collect(),
        at,
    })
}

/// Letters of a file's name.
const NAME: usize = 60;
const PATH: usize = 200;
