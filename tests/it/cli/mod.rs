//! Commands of the built program, and what they print.

mod bad_input;
mod image_source;
mod images;
mod logs;
mod profiles;
mod quirks;
