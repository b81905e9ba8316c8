//! The screen: what a technician sees of the bench, and the keys to act on it.
//!
//! ```text
//!   keys, resizes ──► Msg ──► update(&mut Screen, &Snapshot, Msg) ──► Effect ──► courier ──► inbox of the hub
//!   newer snapshot ──┘  ▲                                                          │
//!                       └───────────────────────── answers ────────────────────────┘
//!   view(&Screen, &Snapshot, Rect, &mut Frame): header, pane, footer, popup
//! ```
//!
//! [`update()`] and [`view()`] are pure: no clock, no terminal, no waiting. [`run()`] is the only part that touches the world.
//!
//! | to change | look at |
//! |---|---|
//! | what a key does; where it is heard | a row of `keymap/table.rs`; `keymap/place.rs`; then `update.rs` |
//! | when a key makes sense | `allowed.rs` |
//! | what is asked before something is done, or taken back | `deeds.rs`, `undo.rs` |
//! | where things go at which size | `layout.rs` |
//! | a pane or a popup | its file in `panes/` or `popups/` |
//! | what is drawn how; colours; glyphs; words of a status | `theme.rs`; `colours.rs`; `glyphs.rs`; `status.rs` |
//! | finding, reading and writing lists; choosing one | `files.rs`; `desk.rs` |
//! | opening and closing a batch; what is written of it, by whom | `order.rs`; `papers.rs`, `clerk.rs` |
//! | what a scanner may say, and how it is told from fingers; the form | `scan.rs`, `wedge.rs`, `haste.rs`; `form.rs` |
//! | what rings; what is said of a deed as a command; how commands are found | `alarm.rs`; `spoken.rs`; `fuzzy.rs` |
//! | order and filter of the table | `listing.rs`; `filter.rs` |
//! | which lines of all are shown | `reader.rs` |

pub mod confirm;
pub mod input;
pub mod msg;
pub mod pane;
pub mod panes;
pub mod popup;
pub mod popups;
pub mod run;
pub mod state;
pub mod style;
pub mod terminal;
pub mod update;
pub mod view;
pub mod workers;

pub use input::keymap::{Action, BINDINGS, KeyBinding, KeyPlace, keys_markdown};
pub use msg::{HubAction, HubReply, HubRequest, Msg, NotDone, ReplayControl, UiEffect};
pub use pane::Pane;
pub use popup::Popup;
pub use run::{Exit, TuiError, TuiOptions, run, run_in};
pub use state::Screen;
pub use state::alarm::Calls;
pub use style::colours::{Backdrop, Sight};
pub use style::theme::{Looks, Meaning, Palette, Theme};
pub use update::update;
pub use view::view;
pub use workers::export::{ExportFn, ExportNews};
pub use workers::lists::{ListFolders, ListJob, ListResult};
