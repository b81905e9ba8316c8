//! A list of machines that somebody made with a spreadsheet: what it says, what is wrong with it, what it would do.
//!
//! ```text
//!  bytes ─decode─► text ─table─► records ─layout─► columns ─draft─► registrations ─judge─► Preview ─► Command::Import
//!         BOM, UTF-16   separator,         titles,          cells,            against       │
//!         Windows-1252  quotes, rows       aliases          every flaw        the bench     └► errors_csv
//! ```
//!
//! The other way, [`export_csv`] makes a list of machines of which an import makes the same machines.
//!
//! Nothing is stored by looking: a [`Preview`] is plain data. Rows are numbered as a spreadsheet numbers them, from 1
//! and with the header. A blank cell says nothing and therefore changes nothing.
//!
//! | column | titles (any case; spaces, `-`, `_` and `.` do not matter) | what it holds |
//! |---|---|---|
//! | Serial | `Serial`, `S/N`, `Service Tag`, `Seriennummer`, … | the machine's serial (SMBIOS type 1) |
//! | UUID | `UUID`, `GUID`, `System UUID`, … | the system UUID, in either byte order |
//! | MAC | `MAC`, `MAC Address`, `MAC 2`, `Boot MAC`, … | one address or several; several columns add up |
//! | Profile | `Profile`, `OSProfile`, `OS`, … | a profile by its name or its title |
//! | Name | `Name`, `Label`, `Node`, … | what people call the machine |
//! | Hostname | `Hostname`, `Host Name`, … | what its operating system is to be called |
//! | Metadata | `Metadata` | `key=value&key=value` |
//! | none | `Problem`, `Error - do not fill` | ignored |
//! | any other | | kept as metadata under its title |
//!
//! An address is added to those that a known machine has, or corrects one that was given before and that the machine has
//! never shown: of several the one it resembles most.
//!
//! The four header generations of orch-cli (2025-04 to 2025-09) are read as they are, and so is a list without a header
//! whose columns can be told from what they hold: serials, UUIDs, MAC addresses.

mod cell;
mod columns;
mod csv_text;
mod decode;
mod draft;
mod errors;
mod export;
mod flaw;
mod preview;
mod profiles;
mod table;

pub use columns::{ColumnMeaning, ListColumn};
pub use decode::Encoding;
pub use errors::{errors_csv, errors_file_name, problem_csv};
pub use export::export_csv;
pub use flaw::{ListFlaw, Located};
pub use preview::{ImportOptions, Preview, PreviewRow, RowCounts, RowEffect, preview, preview_watched};

/// An empty list with every column that means something, for `oxbow import --template`.
pub fn template() -> &'static str {
    include_str!("../../../assets/import-template.csv")
}

/// Bytes of the largest file that is read; a list of a million machines is smaller.
pub const FILE_LIMIT: usize = 128 << 20;
