//! Lists of machines, as files and at the command line.

mod cli;
mod lists;
