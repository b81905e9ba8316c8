//! Rules of the repository, read from its files.

mod docs;
mod imports;
mod layering;
mod requirements;
