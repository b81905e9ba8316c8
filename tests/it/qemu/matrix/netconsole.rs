//! What a kernel of Debian says by its own netconsole, in both spellings at once: from its first line to its panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::lab::journey::{INSTALLED, reaches};
use crate::lab::{Bench, Bus, Firmware, Running, Simulated, Station, built};

#[test]
fn what_a_kernel_says_is_in_the_log_of_its_node_within_a_second_from_its_first_line_to_its_panic() {
    let bench = Bench::new("what_a_kernel_says_is_in_the_log_of_its_node_within_a_second");
    let image = bench.scratch().join("os.raw");
    fs::write(&image, vec![7; 1 << 20]).expect("an image");
    let station = Station::start_by(&bench, &image, boot_files(&bench), KERNEL_ARGS, &[]);
    Simulated::power_on(&bench, 1, 8_000_000, LIMIT).wait(LIMIT).unwrap_or_else(|seen| panic!("{seen}"));

    let machine = bench.machine("speaks").firmware(Firmware::Bios).bus(Bus::Virtio);
    let mut power = machine.power_on();
    reaches(power.wait_for(SPEAKS, INSTALLED));
    let node = station.node(&machine.mac).expect("it has started from this station");
    let address = node.address.clone().expect("it was leased one");
    assert_eq!(power.said(&format!("{SPEAKS} {address}/24")), 1, "the kernel has the node's address");
    let log = Log(station.data().join(format!("log/nodes/node-{:05}.log", node.id.as_u64().expect("a number"))));

    // What it had said before it had a network it sends as soon as it has one, all at once.
    log.has_of_each_spelling("[ 0.000000] Linux version ");
    log.has_of_each_spelling("netconsole: network logging started");
    for (level, word) in [(3, "error"), (4, "warning"), (6, "info")] {
        log.hears_within_a_second(&mut power, level, word);
    }

    // Of the exact spelling each of its bytes is four: more than the 1000 that a kernel sends at once.
    power.types(r#"echo "<4>unit: long $(printf '\303\274%.0s' $(seq 125))" >/dev/kmsg"#);
    log.has_of_each_spelling("] unit: long üüüüüüüüüü");

    power.types("echo c >/proc/sysrq-trigger");
    reaches(power.wait_for(PANICKED, LIMIT));
    let shown = Instant::now();
    log.has_of_each_spelling(PANICKED);
    println!("a kernel's last line is in the log {} ms after it is on the console", shown.elapsed().as_millis());

    let said = log.read();
    let panics = said.lines().filter(|line| line.ends_with("] Kernel panic - not syncing: sysrq triggered crash"));
    let panics: Vec<bool> = panics.map(|line| line.contains(" syslog error [")).collect();
    assert!(panics.len() == 2 && panics.contains(&true), "an error, where the level is told: {said}");
    let mut long: Vec<usize> = said.lines().map(|line| line.matches('ü').count()).filter(|count| *count > 0).collect();
    long.sort_unstable();
    assert!(matches!(long[..], [50..125, 125]), "one in full, of one the first piece, none of the rest: {long:?}");
    assert!(!said.contains("were dropped") && !said.contains("left out"), "{said}");
    let files = fs::read_dir(log.0.parent().expect("a directory")).expect("the logs").flatten().map(|file| file.path());
    let others: Vec<PathBuf> = files.filter(|file| *file != log.0).collect();
    assert!(!others.is_empty(), "there is a machine beside it");
    for other in others {
        let said = fs::read_to_string(&other).expect("a log");
        assert!(!said.contains(" syslog "), "a line of the kernel is in {}: {said}", other.display());
    }
}

/// The log of the node, by its file.
struct Log(PathBuf);

impl Log {
    fn read(&self) -> String {
        fs::read_to_string(&self.0).unwrap_or_default()
    }

    /// Both of the kernel's targets get each line.
    #[track_caller]
    fn has_of_each_spelling(&self, words: &str) {
        self.holds(words, |line| line.contains(words), 2);
    }

    #[track_caller]
    fn holds(&self, what: &str, is: impl Fn(&str) -> bool, times: usize) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let found = self.read().lines().filter(|line| is(line)).count();
            if found == times {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {found} times, not {times}, in {}", self.0.display());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The kernel says a line of this level, and the log has it twice: of the exact spelling, which tells the level, and
    /// of the plain one, which does not. The second begins when somebody types at the machine that the kernel is to say
    /// it; once in three times, as others may be at work here.
    #[track_caller]
    fn hears_within_a_second(&self, power: &mut Running, level: u8, word: &str) {
        let mut tries = Vec::new();
        for number in 1..=3 {
            let words = format!("unit: {word} {number}");
            let typed = Instant::now();
            power.types(&format!("echo '<{level}>{words}' >/dev/kmsg"));
            let is = |line: &str, word: &str| {
                line.contains(&format!(" syslog {word} [")) && line.ends_with(&format!("] {words}"))
            };
            if word == "info" {
                self.holds(&words, |line| is(line, "info"), 2);
            } else {
                self.holds(&words, |line| is(line, word), 1);
                self.holds(&words, |line| is(line, "info"), 1);
            }
            let took = typed.elapsed();
            reaches(power.wait_for(&format!("] {words}"), LIMIT));
            tries.push(took);
            if took < Duration::from_secs(1) {
                println!("a kernel's line is in the log {} ms after it was typed", took.as_millis());
                return;
            }
        }
        panic!("not within a second: {word}: {tries:?}");
    }
}

/// A kernel and its netconsole in the place of the install system.
fn boot_files(bench: &Bench) -> PathBuf {
    let path = bench.scratch().join("boot-files");
    fs::create_dir(&path).expect("a directory");
    let copy = |from: &Path, name: &str| {
        let from = from.join(name);
        fs::copy(&from, path.join(name)).unwrap_or_else(|err| panic!("{}: {err}", from.display()));
    };
    for name in ["undionly.kpxe", "snponly.efi"] {
        copy(&built("boot-files"), name);
    }
    for name in ["vmlinuz", "initramfs.img"] {
        copy(&built("senders").join("kernel"), name);
    }
    path
}

/// As people write them on the command line of a Debian kernel, whose netconsole is a module; `+` is the exact spelling. The
/// rest: an emulator that gets little time is found to have no timer; it says what is no warning, too; and it says whatever
/// is written to `/dev/kmsg`.
const KERNEL_ARGS: &str = r#"kernel_args = [
    "netconsole.netconsole=@/,514@10.77.0.1/;+@/,514@10.77.0.1/", "no_timer_check", "loglevel=7", "printk.devkmsg=on",
]"#;
const SPEAKS: &str = "KERNEL-SPEAKS from";
/// The last that a kernel says.
const PANICKED: &str = "---[ end Kernel panic - not syncing: sysrq triggered crash ]---";
/// For everything but starting, on two cores that tests share.
const LIMIT: Duration = Duration::from_secs(60);
