//! The whole station, mostly with simulated machines.

mod approval;
mod hub;
mod identity;
mod recording;
mod running;
mod simulated_bench;
mod simulated_tftp;
mod webhook;
