//! The doctor: why a machine does not boot.

mod bench;
mod cable;
mod hub;
mod packet;
mod station;
mod verdicts;
mod web;
