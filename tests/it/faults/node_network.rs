//! A machine's network fails in the middle of its installation, and comes back: the real agent, the real station, and the
//! initramfs' own DHCP script, in network namespaces.

use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::lab::{Bench, Node, Station, Traffic, Wired};
use oxbow::agent::outcome::AgentOutcome;
use oxbow::agent::station::backoff::RetryPolicy;

#[test]
fn a_machine_whose_cable_is_pulled_for_a_while_goes_on_where_it_was_and_its_row_counts_the_attempts() {
    let bench =
        Bench::new("a_machine_whose_cable_is_pulled_for_a_while_goes_on_where_it_was_and_its_row_counts_the_attempts");
    let test = Test::begin(&bench);
    let machine = test.machine();
    let outcome = test.installs(&machine, || {
        machine.cable("down");
        let before = machine.dials();
        until("it tries to reach the station, in vain", || machine.dials() >= before + IN_VAIN);
        let (dials, percent) = (machine.dials(), test.node().and_then(|node| node.percent));
        machine.cable("up");
        println!("{} attempts without a cable, at {percent:?} %", dials - before);
        until("its row counts the attempts", || test.retries() >= 2);
    });
    test.is_proven(&machine, &outcome);
}

#[test]
fn a_machine_whose_address_moves_while_it_is_installed_goes_on_from_the_new_one() {
    let bench = Bench::new("a_machine_whose_address_moves_while_it_is_installed_goes_on_from_the_new_one");
    let test = Test::begin(&bench);
    let machine = test.machine();
    let outcome = test.installs(&machine, || {
        // A lease that has run out is no reason to stop: the station may be away.
        machine.dhcp("deconfig", "");
        machine.dhcp("leasefail", "");
        assert_eq!(machine.addresses(), ["10.77.0.150/24"]);
        machine.dhcp("bound", "10.77.0.151");
        assert_eq!(machine.addresses(), ["10.77.0.151/24"]);
        until("it goes on from there", || test.retries() >= 1);
    });
    test.is_proven(&machine, &outcome);
}

/// A station with an image that takes a while, and how much it sends.
struct Test<'a> {
    bench: &'a Bench,
    image: Vec<u8>,
    station: Station<'a>,
    traffic: Traffic<'a>,
}

impl<'a> Test<'a> {
    fn begin(bench: &'a Bench) -> Self {
        let image = noise();
        let path = bench.scratch().join("noise.raw");
        fs::write(&path, &image).expect("an image");
        let station = Station::start_with(bench, &path, bench.simulated_boot_files());
        Self { bench, image, station, traffic: Traffic::count(bench) }
    }

    fn machine(&self) -> Wired {
        let machine = Wired::plug(self.bench, (IMAGE, PACE));
        machine.dhcp("deconfig", "");
        machine.dhcp("bound", "10.77.0.150");
        machine
    }

    /// Installs `machine`, and lets `happen` what happens once a part of the image is written.
    fn installs(&self, machine: &Wired, happen: impl FnOnce()) -> AgentOutcome {
        thread::scope(|scope| {
            let agent = scope.spawn(|| machine.boot(retry_policy()));
            until("it writes", || {
                agent.is_finished() || self.node().and_then(|node| node.percent).is_some_and(|percent| percent > 5.0)
            });
            assert!(!agent.is_finished(), "{}", machine.screen());
            happen();
            agent.join().expect("the agent ends")
        })
    }

    fn is_proven(&self, machine: &Wired, outcome: &AgentOutcome) {
        let screen = machine.screen();
        assert_eq!(*outcome, AgentOutcome::Installed, "{screen}");
        let is_resumed = |line: &str| line.contains("the download stopped at byte") && !line.contains("at byte 0 of");
        assert!(screen.lines().any(is_resumed), "{screen}");
        assert!(fs::read(machine.disk()).expect("its disk") == self.image, "its disk holds something else");
        let sent = self.traffic.sent_from(80);
        assert!(sent < IMAGE + IMAGE / 3, "{sent} bytes were sent for an image of {IMAGE}");
        let done = self.station.wait_node(Wired::MAC, PATIENCE, |node| node.phase == "provisioned");
        assert!(done.is_ok(), "{done:?}");
    }

    fn node(&self) -> Option<Node> {
        self.station.node(Wired::MAC)
    }

    /// As its row has them.
    fn retries(&self) -> u32 {
        self.node().and_then(|node| node.retries).unwrap_or_default()
    }
}

/// Waits for what must come.
fn until(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(100));
    }
}

/// A sixth of what a real machine has, so that a minute without a cable takes ten seconds.
fn retry_policy() -> RetryPolicy {
    let real = RetryPolicy::default();
    RetryPolicy {
        connect: real.connect / 6,
        read: real.read / 6,
        question: real.question / 6,
        retry: real.retry / 6,
        stalled: real.stalled / 6,
        ..real
    }
}

/// What does not compress and is nowhere like elsewhere.
fn noise() -> Vec<u8> {
    let mut state = 1_u64;
    let words = (0..IMAGE / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.collect()
}

const IMAGE: u64 = 48 << 20;
/// Bytes a second: far more than five seconds for the whole image, which sockets cannot hold.
const PACE: u64 = 8 << 20;
/// How many attempts to reach the station make ten seconds, or so.
const IN_VAIN: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(60);
