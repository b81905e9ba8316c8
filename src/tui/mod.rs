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

pub mod alarm;
pub mod allowed;
pub mod clerk;
pub mod colours;
pub mod courier;
pub mod deeds;
pub mod desk;
pub mod files;
pub mod filter;
pub mod footer;
pub mod form;
pub mod fuzzy;
pub mod glyphs;
pub mod haste;
pub mod header;
pub mod keymap;
pub mod layout;
pub mod listing;
pub mod msg;
pub mod order;
pub mod panes;
pub mod papers;
pub mod popups;
pub mod reader;
pub mod run;
pub mod scan;
pub mod screen;
pub mod spoken;
pub mod status;
pub mod terminal;
pub mod theme;
pub mod undo;
pub mod update;
pub mod view;
pub mod wall;
pub mod wedge;
pub mod widgets;
pub mod words;

pub use alarm::Calls;
pub use clerk::{News, Office};
pub use colours::{Ground, Sight};
pub use files::{Folders, Found, Job};
pub use keymap::{Action, BINDINGS, Binding, Place, keys_markdown};
pub use msg::{Answer, Ask, Effect, Msg, NotDone, What, Wish};
pub use run::{Exit, Options, TuiError, run, run_in};
pub use screen::{Pane, Popup, Screen};
pub use theme::{Looks, Meaning, Palette, Theme};
pub use update::update;
pub use view::view;
