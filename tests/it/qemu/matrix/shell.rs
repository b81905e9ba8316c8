//! A technician who wants to look at a machine before anything is written: its own shell, and what the agent says there.

use crate::lab::journey::{INSTALLED, OWN_OS, own_os, reaches};
use crate::lab::{Bench, Bus, Firmware, Station, built};

#[test]
fn a_technician_at_the_machines_own_shell_asks_what_would_be_written_and_goes_on_with_exit() {
    let bench = Bench::new("a_technician_at_the_machines_own_shell_asks_what_would_be_written_and_goes_on_with_exit");
    let (image, boot_files) = (built("test-image").join("os.raw.gz"), built("boot-files"));
    let words = "kernel_args = [\"no_timer_check\", \"oxbow.shell\"]";
    let station = Station::start_by(&bench, &image, boot_files, words, &[]);
    let machine = bench.machine("shell").firmware(Firmware::Bios).bus(Bus::Sata);
    let untouched = machine.disk_written();
    let mut power = machine.power_on();

    reaches(power.wait_for("a shell on every console", INSTALLED));
    reaches(power.wait_for("try: oxbow-agent discover, or oxbow-agent write --dry-run", INSTALLED));
    power.types("oxbow-agent discover");
    reaches(power.wait_for(&format!("this machine is serial {}", machine.serial), OWN_OS));
    reaches(power.wait_for("the rule chooses /dev/sda", OWN_OS));
    power.types("oxbow-agent write --dry-run");
    reaches(power.wait_for("profile test", OWN_OS));
    reaches(power.wait_for("image os.raw.gz, ", OWN_OS));
    reaches(power.wait_for(" to /dev/sda (sata, ", OWN_OS));
    reaches(power.wait_for("nothing was written", OWN_OS));
    assert_eq!(machine.disk_written(), untouched, "its disk was written");
    assert_eq!(power.said("starting the agent"), 0);

    power.types("exit");
    reaches(power.wait_for("the shell was left", OWN_OS));
    reaches(station.wait_node(&machine.mac, INSTALLED, |node| node.phase == "provisioned"));
    reaches(power.wait_for(&own_os("sda"), OWN_OS));
}
