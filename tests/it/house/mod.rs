//! Rules of the repository, read from its files.

mod imports;
mod layering;
mod readme;
mod requirements;
