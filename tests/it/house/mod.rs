//! Rules of the repository, read from its files.

mod bench;
mod docs;
mod imports;
mod layering;
mod requirements;
