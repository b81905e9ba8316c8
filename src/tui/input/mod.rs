//! What comes from the keyboard and the scanner, before it means anything.

pub mod barcode;
pub mod debounce;
pub mod fuzzy;
pub mod keymap;
pub mod scanner;
