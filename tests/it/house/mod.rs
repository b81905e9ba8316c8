//! Rules of the repository, read from its files.

mod layering;
mod readme;
mod requirements;
