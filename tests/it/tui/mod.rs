//! The screen: journeys by keys, pictures, and a real terminal.

mod export_journeys;
mod journeys;
mod screens;
mod terminal;
