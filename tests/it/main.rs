//! The integration tests: one program, a module for each part of the station.
//!
//! A folder or file here is what is tested, `lab` and `sample` are what tests are made with. Machines in QEMU are in `qemu`,
//! where `qemu::matrix` is left out of `make test` for its length. Nothing else runs only in `make test-all`.
//!
//! Each test runs in a process of its own (`cargo nextest run`, or `packaging/run-tests` without nextest): some enter
//! network namespaces, and some catch signals.

mod agent;
mod cli;
mod dhcp;
mod doctor;
mod export;
mod faults;
mod house;
mod http;
mod import;
mod lab;
mod logs;
mod qemu;
mod sample;
mod station;
mod tftp;
mod tui;
