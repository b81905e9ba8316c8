//! # oxbow
//!
//! One program on a factory workstation that gives every machine on the bench its operating system over the network and
//! proves it. Two programs come from this crate: `oxbow`, the station (feature `station`, the default), and
//! `oxbow-agent`, the static program inside the network-booted initramfs (feature `agent` alone).
//!
//! The code map, the invariants and the decisions are in `docs/development/architecture.md`. The picture shows the
//! rooms. A room imports only rooms below its own line, and of these only what `tests/it/house/layering.rs` lists:
//!
//! ```text
//! bin  cli  lib  main  station                               | know everyone
//! logs  supervise                                            | the hub's files; the services' restarts
//! hub  service  export  sim                                  | do not import each other
//! tui  agent  record  webhook_queue  config                  | nor do these
//! store  boot  protocol  unpack  inbox  seal  clock          |
//! domain  data_dir                                           | no I/O, no clock, no async, no randomness
//! ```

#[cfg(feature = "agent")]
pub mod agent;
pub mod domain;
#[cfg(feature = "station")]
pub mod export;
pub mod protocol;
#[cfg(feature = "station")]
pub mod station;
#[cfg(feature = "agent")]
pub mod unpack;
#[cfg(feature = "station")]
pub mod webhook_queue;

#[cfg(feature = "station")]
pub mod boot;
#[cfg(feature = "station")]
pub mod cli;
#[cfg(feature = "station")]
pub mod clock;
#[cfg(feature = "station")]
pub mod config;
#[cfg(feature = "station")]
pub mod data_dir;
#[cfg(feature = "station")]
pub mod hub;
#[cfg(feature = "station")]
pub mod inbox;
#[cfg(feature = "station")]
pub mod logs;
#[cfg(feature = "station")]
pub mod record;
#[cfg(feature = "station")]
pub mod seal;
#[cfg(feature = "station")]
pub mod service;
#[cfg(feature = "station")]
pub mod sim;
#[cfg(feature = "station")]
pub mod store;
#[cfg(feature = "station")]
pub mod supervise;
#[cfg(feature = "station")]
pub mod tui;
