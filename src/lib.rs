//! # oxbow
//!
//! One program on a factory workstation that gives every machine on the bench its operating system over the network and
//! proves it. Two programs come from this crate: `oxbow`, the station (feature `station`, the default), and
//! `oxbow-agent`, the static program inside the network-booted initramfs (feature `agent` alone).
//!
//! ```text
//!  firmware ──DHCP/TFTP/HTTP──► service loops ──Event──┐
//!  agent ──report, log────────► service/http ──Note────┤         (inbox: bounded, a policy for each kind)
//!  keys ──► tui::update ──Command─────────────────────► hub: Fleet::{observe, apply, hello, report}
//!                                                        │ effects ──► store thread ──► acknowledged
//!            ┌────────── watch<Arc<Snapshot>> ◄──────────┤          └► a log file for each node
//!            ▼              ▼              ▼
//!        tui::view     boot decisions   http routes
//!
//!  keys ──► Effect::Write ──► tui::clerk ──► paper::office ──Ask──► control.sock ──► DATA/reports, lists, support
//! ```
//!
//! ## Who may import whom
//!
//! Kept by `tests/it/house/layering.rs`:
//!
//! ```text
//!             wire  main  cli                      know everyone
//!                     paper                        wire and cli have it write; imports protocol, seal, config, domain
//!    ┌──────────┬──────────┬─────────┬──────┬─────┐
//!   tui        hub      service    store  agent  sim     do not import each other (hub -> store's handle, sim -> agent)
//!    └────┬─────┴───┬───┬──┴───┬─────┴──┬───┴──┬──┘
//!         │  inbox  │  boot    │     protocol  │          (service and agent: unpack; hub and service: herald)
//!         └─────────┴────┴── domain ───┴───────┘
//! ```
//!
//! ## The invariants
//!
//! 1. `domain` cannot fail for outside reasons: no I/O, no clock, no async, no randomness. Time is an argument.
//! 2. One writer: only `hub` holds a `&mut Fleet`; everyone else reads an `Arc<Snapshot>`.
//! 3. `boot` decides, `service` carries out: a file that names a socket holds no `if` about a packet.
//! 4. The screen is a function of its state, the snapshot and the time; it never waits for a service.
//! 5. Every queue has a bound and a stated policy; what is dropped is counted and shown.
//! 6. Every task is in a set, joined, and told to stop by a token.
//! 7. No answer has a reason that the screen can print.
//! 8. A key is one row in one table.
//! 9. Nothing is known by colour alone.
//! 10. Data on the wire and on the disk has a version and an `Unknown`.
//!
//! ## What differs from the first plan, and why
//!
//! * **`inbox`** is a room of its own. Services, screen and HTTP all send to the hub, and must not import it.
//! * **A run is a 128-bit token** made by the HTTP service, not a number made by the hub: a boot script is answered from
//!   the snapshot, without waiting for anybody. A station that was killed before it stored a run takes it up again when
//!   the agent says hello.
//! * **Images are copied** once into the station's own store, under their digest, while they are checked. What machines
//!   read is mapped into memory, and a mapping of a file that somebody shortens ends the process; nobody shortens the copy.
//! * **Profiles and images are looked at every two seconds** rather than watched by inotify: it works on every file
//!   system a stick can have, and needs no debouncing.
//! * **TFTP is our own** (`boot::tftp`, `service::tftp`): `async-tftp` 0.4.2 keeps sending after a client's ERROR, which
//!   every UEFI firmware sends after its size probe, and refuses that client's port for minutes.
//! * **The station's HTTPS is OpenSSL's, not `rustls`'**, and its authority is made by it too. UEFI's HTTPS Boot (EDK2 to
//!   2025) offers RSA key exchange and DHE alone, and `rustls` has neither; an iPXE before 2.0 takes RSA certificates only.
//!   Beside nginx on the same OpenSSL, both busy, a full handshake with an RSA certificate cost the station 0.80 ms of CPU
//!   (an unoptimised build; nginx 0.72) and a GiB by TLS 1.3 0.69 s (nginx 0.63). The agent, which is static and meets
//!   nobody but the station, has `rustls`.
//! * **Images are unpacked by the same code** on the station, which checks them, and in the agent (`unpack`): what was
//!   taken in can be written. zstd and xz are the C libraries, built into the static agent; bzip2 and gzip are Rust
//!   (`libbz2-rs-sys`, `zlib-rs`). Measured on one core and 400 MB of programs, MB/s of content: zstd 1085 to 1272 (`ruzstd`
//!   424 to 451, libzstd in Rust 774 to 996), xz 64 to 87 (`lzma-rust2` 56 to 68), bzip2 8 to 15 (the C program 10),
//!   gzip 366 to 460; the machine was busy, pairs were measured in turn.
//! * **A command takes the station's place** when none runs: it opens the store under the station's lock and speaks to
//!   itself over a socket pair, as it would to a station over `control.sock`. Nothing is decided, or tested, twice.
//! * **What machines say is in files, and not in the store**: thousands of lines a second would hold up what has to be
//!   stored before it is acknowledged. Which lines of an agent are there is read in the files when the station starts.
//! * **The store writes with `synchronous = FULL`**, so that what was acknowledged survives a power cut.
//!
//! ## Where do I change …
//!
//! | what | where |
//! |---|---|
//! | what a DHCP client is answered | `boot::dhcp` |
//! | how much is answered to whom in a flood | `boot::{gate, limits, lanes}` |
//! | why a machine did not boot, and what to try | `domain::doctor`, fed by `service::witness`; in the log by `service::bulletin` |
//! | what happens when the network card is gone | `service::link` |
//! | what firmware demands, and which test shows it | `tests/requirements.toml` |
//! | which boot program an architecture gets | `assets/architectures.toml`; for certain machines `assets/quirks.toml` and `DATA/quirks.toml`, `domain::quirk` |
//! | whom machines trust, what the station shows them | `service::tls` |
//! | who is sent to HTTPS, and with what | `boot::script::Way`, `boot::program` |
//! | what a boot script says | `assets/ipxe/*.ipxe`, filled in by `boot::script` |
//! | which machines start through shim and GRUB, and what GRUB is told | `boot::chain`; `assets/grub/*.cfg`, `boot::grub` |
//! | when a node is provisioned, failed, re-imaged | `domain::fleet` |
//! | which machine is which node, and when that is a conflict | `domain::identity`, `domain::fleet` |
//! | which serials and UUIDs identify nobody | `assets/placeholders.toml`; at a site `DATA/placeholders.toml`, `service::images` |
//! | what an edit or a list changes of a node, and how it is taken back | `domain::{change, edit, registration}`; `domain::deed`, `domain::fleet` |
//! | how a scanner is told from fingers | `tui::wedge`, `tui::scan` |
//! | what becomes of machines nobody registered | `domain::policy` |
//! | how a list of machines is read, and what is said of its mistakes | `domain::import` |
//! | what a profile's file may say | `domain::profile_file`; `profiles/demo.toml` explains it |
//! | what templates may speak of | `domain::profile::filled` |
//! | what an installer is booted with and served, and when it is done | `boot::installer`, `domain::fleet::installer` |
//! | what is taken over of other tools' profiles | `domain::foreign` |
//! | which disk is written | `domain::disk` |
//! | what a machine is made of | `agent::linux::inventory`, `domain::inventory` |
//! | what is expected of a machine, what a person has to approve | `domain::{expectation, question}`, `domain::fleet::questions` |
//! | which image formats there are, and how much memory one may take | `domain::image`, `unpack` |
//! | what of an archive goes on a disk, and what is refused | `unpack::archive` |
//! | how bytes get on the disk, and zeros | `agent::linux::medium` |
//! | what follows the image on a real disk | `agent::linux::configure`, its programs in `packaging/boot-files` |
//! | what agent and station say to each other | `protocol` |
//! | what the command line asks, and what it is answered | `protocol::control`, `service::control`, `cli` |
//! | which lists are imported by themselves | `service::import_folder` |
//! | why half a system is never started from a disk | `agent::head`, `agent::linux::configure::start` |
//! | what a recording holds, and how it is shown again | `record`, `cli::replay` |
//! | a key, a pane, a colour | `tui::keymap`, `tui::panes`, `tui::colours` |
//! | when a line of a machine's log is acknowledged, and how a repeated one is known | `logs::nodes`, `logs::{line, past}`; how much one may say: `boot::talk`, `boot::syslog::gathered` |
//! | how what machines said is searched | `logs::index`, `cli::logs` |
//! | what all nodes and services say as one stream | `domain::stream`, fed by `hub` and `logs::tap`; read in `tui::reader` |
//! | how fast a batch is, when it ends, what the link allows | `domain::pace` |
//! | what programs elsewhere may read, and in which words | `service::http::api`, `service::http::metrics`, `domain::eim` |
//! | what a batch is, what is reported of it and signed | `domain::batch`, `domain::certificate`, `seal`, `paper::report`; `assets/report.html` |
//! | what the code on a label says, and how it is drawn | `domain::label`, `paper::label` |
//! | what a program elsewhere is told of each change, and how often it is tried | `herald`, `protocol::webhook`, `service::webhook`, `config::webhook` |
//! | what keys have written, and where it is kept | `tui::papers`, `domain::paper`, `paper::office` |
//! | what is mailed to whoever helps, and what never is | `paper::support`, `protocol::station` |
//! | a setting | `config` |
//! | what is stored | `store::schema`, `store::rows` |
//! | what the initramfs does before the agent | `assets/initramfs/init` |

#[cfg(feature = "agent")]
pub mod agent;
pub mod domain;
pub mod protocol;
#[cfg(feature = "agent")]
pub mod unpack;

#[cfg(feature = "station")]
pub mod boot;
#[cfg(feature = "station")]
pub mod cli;
#[cfg(feature = "station")]
pub mod clock;
#[cfg(feature = "station")]
pub mod config;
#[cfg(feature = "station")]
pub mod herald;
#[cfg(feature = "station")]
pub mod hub;
#[cfg(feature = "station")]
pub mod inbox;
#[cfg(feature = "station")]
pub mod logs;
#[cfg(feature = "station")]
pub mod paper;
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
#[cfg(feature = "station")]
pub mod wire;
