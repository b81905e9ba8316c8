//! The doctor's verdicts, each from packets: what firmware, iPXE, GRUB and the agent sent (captures) or would send goes to
//! the decisions that answer it, by HTTP over real sockets, and what came of it to the doctor, at times of the test's
//! making.

use Severity::{Failure, Notice, Warning};

use super::bench::{Bench, Client, FOUND};
use super::packet::{Packet, captured, mac, probe, read};
use oxbow::boot::dhcp::segment::Mode;
use oxbow::domain::doctor::finding::Finding;
use oxbow::domain::doctor::verdict::{Severity, StoppedAt};
use oxbow::domain::station::policy::Policy;

const OVMF: &str = "uefi-ovmf-pxe.authoritative";
const SHIM: &str = "uefi-secure-boot-shim-grub";
const HTTP_BOOT: &str = "uefi-ovmf-http-boot.authoritative";
/// A card with iPXE in its ROM.
const ROM: &str = "bios-e1000-ipxe-2019-rom.authoritative";

#[test]
fn an_ordinary_boot_gives_no_alarm_at_any_second() {
    for capture in [
        "bios-e1000-ipxe-2019-rom.authoritative",
        "bios-ipxe-2019-chains-undionly-2.0",
        "bios-qemu-ipxe-rom.authoritative",
        "uefi-ipxe-1.21-autoexec",
        "uefi-ipxe-2.0-snponly-autoexec",
        "uefi-ovmf-pxe.authoritative",
        "uefi-secure-boot-shim-grub",
        "uefi-ovmf-http-boot.authoritative",
    ] {
        let mut bench = Bench::new(Mode::Authoritative);
        bench.replay(capture);
        if capture == SHIM {
            bench.grub_asks_for_script()
        } else {
            bench.asks_for_script()
        };
        bench.wait(2);
        bench.fetches("vmlinuz");
        bench.fetches("initramfs.img");
        bench.wait(25);
        bench.agent();
        bench.wait(3600);
        assert_eq!(bench.alarms(), Vec::<String>::new(), "{capture}");
    }
}

#[test]
fn an_ordinary_boot_beside_the_sites_server_gives_no_alarm() {
    for capture in [
        "uefi-ovmf-pxe.proxy-with-option-43",
        "uefi-ovmf-pxe.proxy-without-option-43",
        "uefi-ovmf-pxe-then-ipxe-2.0.proxy",
        "uefi-ovmf-http-boot.proxy",
    ] {
        let mut bench = Bench::new(Mode::Proxy);
        bench.other_server();
        bench.replay(capture);
        bench.asks_for_script();
        bench.fetches("vmlinuz");
        bench.fetches("initramfs.img");
        bench.wait(20);
        bench.agent();
        bench.wait(3600);
        assert_eq!(bench.alarms(), Vec::<String>::new(), "{capture}");
    }
}

#[test]
fn laptops_and_those_that_wait_or_go_to_their_own_disk_give_no_alarm() {
    let mut bench = Bench::new(Mode::Authoritative);
    for second in 0..20 {
        bench.dhcp(&Packet::plain().at(second));
        bench.wait(1);
    }
    bench.wait(600);
    assert_eq!(bench.alarms(), Vec::<String>::new(), "a laptop that asks and takes nothing");

    for policy in [Policy::Hold, Policy::AllowList] {
        let mut bench = Bench::with_policy(policy);
        bench.replay(ROM);
        for _ in 0..20 {
            bench.asks_for_script();
            bench.wait(10);
        }
        bench.wait(3600);
        assert_eq!(bench.alarms(), Vec::<String>::new(), "{policy}");
    }
    let mut bench = Bench::new(Mode::Authoritative);
    bench.replay(OVMF);
    bench.asks_for_script();
    bench.fetches("vmlinuz");
    bench.fetches("initramfs.img");
    let job = bench.agent();
    bench.agent_proves(&job);
    bench.wait(60);
    bench.discovers(&captured(OVMF, 0), &[0, 4, 12, 28]);
    bench.wait(600);
    assert_eq!(bench.alarms(), Vec::<String>::new(), "provisioned, it falls through to its own disk");
}

#[test]
fn offered_and_never_taken() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.discovers(&captured(OVMF, 0), &[0, 4]);
    bench.wait(2);
    assert_eq!(bench.verdict(), None, "the second offer may have crossed the second question");
    bench.wait(6);
    bench.discovers(&captured(OVMF, 0), &[0]);
    bench.says(
        Finding::OffersNotTaken,
        StoppedAt::Dhcp,
        Failure,
        "offered an address 3 times and took none",
        "DHCP snooping",
    );
    bench.other_server();
    bench.says(
        Finding::OtherServerAnswers,
        StoppedAt::Dhcp,
        Failure,
        "took none: 10.77.0.2 answers on this cable too",
        "unplug 10.77.0.2, or work beside it",
    );
}

#[test]
fn offered_by_a_proxy_and_nobody_gives_an_address() {
    let mut bench = Bench::new(Mode::Proxy);
    bench.discovers(&captured(OVMF, 0), &[0, 4, 12]);
    bench.says(
        Finding::NobodyGivesAddresses,
        StoppedAt::Dhcp,
        Failure,
        "no DHCP server gives it an address: it asked 3 times",
        "plug the site's DHCP server",
    );
    bench.other_server();
    bench.says(
        Finding::SitesServerSilent,
        StoppedAt::Dhcp,
        Failure,
        "10.77.0.2, which is to give it an address, did not",
        "look at 10.77.0.2",
    );
}

#[test]
fn another_server_wins() {
    let mut bench = Bench::new(Mode::Authoritative);
    let site = "uefi-ovmf-pxe.proxy-without-option-43";
    bench.dhcp(&captured(site, 0));
    bench.wait(4);
    bench.dhcp(&captured(site, 1));
    bench.wait(4);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Finding::OtherServerWon,
        StoppedAt::Dhcp,
        Failure,
        "took the address of another DHCP server, 10.77.0.2",
        "--dhcp proxy",
    );
}

#[test]
fn an_address_of_the_site_and_never_a_word_to_port_4011() {
    let site = "uefi-ovmf-pxe.proxy-without-option-43";
    let mut bench = Bench::new(Mode::Proxy);
    bench.dhcp(&captured(site, 0));
    bench.wait(4);
    bench.dhcp(&captured(site, 1));
    bench.wait(14);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Finding::BootServerNotAsked,
        StoppedAt::BootServer,
        Warning,
        "got its address from 10.77.0.2 and never asked port 4011",
        "before 2017",
    );
}

#[test]
fn port_4011_answers_and_nobody_hears_it() {
    let site = "uefi-ovmf-pxe.proxy-without-option-43";
    let mut bench = Bench::new(Mode::Proxy);
    bench.dhcp(&captured(site, 0));
    bench.dhcp(&captured(site, 1));
    for _ in 0..4 {
        bench.dhcp(&captured(site, 2));
        bench.wait(3);
    }
    bench.wait(12);
    bench.says(Finding::BootServerNotHeard, StoppedAt::BootServer, Warning, "asked port 4011 4 times", "both ways");
}

#[test]
fn an_address_and_then_nothing() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.wait(14);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Finding::LoaderNotAsked,
        StoppedAt::Loader,
        Warning,
        "told to load snponly.efi, and never asked for it",
        "UDP port 69",
    );

    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(HTTP_BOOT, 0), &captured(HTTP_BOOT, 1));
    bench.wait(15);
    bench.says(
        Finding::HttpBootNotBegun,
        StoppedAt::Loader,
        Warning,
        "by HTTP, and never did",
        "may refuse plain http",
    );

    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(ROM, 0), &captured(ROM, 1));
    bench.wait(15);
    bench.says(
        Finding::ScriptNotAsked,
        StoppedAt::Script,
        Warning,
        "iPXE has an address and never asked for http://10.77.0.1:8080/boot.ipxe",
        "lets HTTP in",
    );
}

#[test]
fn an_address_again_and_again() {
    let mut bench = Bench::new(Mode::Authoritative);
    for round in 0..3 {
        assert_eq!(bench.verdict(), None, "round {round}");
        bench.leases(&captured(ROM, 0), &captured(ROM, 1));
        bench.wait(3);
    }
    bench.says(
        Finding::IpxeBeginsAnew,
        StoppedAt::Script,
        Failure,
        "iPXE gets an address again and again (3 times)",
        "other DHCP servers",
    );
}

#[test]
fn an_address_again_and_again_and_no_word_to_tftp() {
    let mut bench = Bench::new(Mode::Authoritative);
    for _ in 0..3 {
        assert_eq!(bench.verdict(), None);
        bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
        bench.wait(10);
    }
    bench.says(
        Finding::FirmwareBeginsAnew,
        StoppedAt::Loader,
        Failure,
        "gets an address again and again (3 times) and never asks for snponly.efi",
        "UDP port 69",
    );
}

#[test]
fn questions_without_an_answer_say_why() {
    let no_program = Finding::NoProgram;
    for (finding, packet, mode, what, hint) in [
        (no_program, Packet::pxe(6), Mode::Authoritative, "for its architecture 6 (UEFI IA32)", "64-bit UEFI"),
        (no_program, Packet::pxe(6), Mode::Proxy, "no boot program for its architecture 6 (UEFI IA32)", "quirks.toml"),
        (no_program, Packet::pxe(4711), Mode::Authoritative, "for its architecture 4711", "quirks.toml"),
        (
            Finding::OtherNetwork,
            Packet::pxe(7).through([10, 9, 0, 1]),
            Mode::Authoritative,
            "comes through relay 10.9.0.1, of a network this station does not serve",
            "relay's list",
        ),
    ] {
        let mut bench = Bench::new(mode);
        bench.discovers(&packet, &[0, 4]);
        bench.says(finding, StoppedAt::Dhcp, Failure, what, hint);
    }
    let mut bench = Bench::new(Mode::Authoritative);
    bench.discovers(&Packet::pxe(0).bootp(), &[0, 4]);
    bench.says(Finding::BootpOnly, StoppedAt::Dhcp, Failure, "BOOTP only", "switch PXE on");
    let mut bench = Bench::new(Mode::Proxy);
    bench.discovers(&Packet::pxe(7).at_boot_server(), &[0, 4]);
    bench.says(
        Finding::NotAnswered,
        StoppedAt::Dhcp,
        Warning,
        "asked twice and was not answered: only a REQUEST or an INFORM is for port 4011",
        "the station's log",
    );
}

#[test]
fn no_address_is_left() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.pool(10, 11);
    for machine in 1..=2 {
        bench.leases(&Packet::plain().of(mac(machine)), &Packet::plain().of(mac(machine)).request());
    }
    bench.discovers(&Packet::pxe(7).of(mac(3)), &[0]);
    bench.says(Finding::PoolEmpty, StoppedAt::Dhcp, Failure, "every address of the pool is in use", "--pool");
}

#[test]
fn the_last_address_is_used_by_somebody_else() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.pool(10, 11);
    bench.squatter(mac(99));
    bench.dhcp(&Packet::pxe(7));
    bench.says(
        Finding::AddressesInUse,
        StoppedAt::Dhcp,
        Failure,
        "it gets no address: 02:00:00:00:00:63 uses 10.77.0.11 already, and none is left",
        "find the device with that MAC",
    );

    let mut bench = Bench::new(Mode::Authoritative);
    bench.squatter(mac(99));
    for _ in 0..2 {
        bench.dhcp(&Packet::pxe(7));
        bench.wait(15);
        assert_eq!(bench.verdict(), None, "it was offered another one at once");
    }
    assert!(bench.timeline().contains("no answer: 02:00:00:00:00:63 uses 10.77.0.100\n"), "{}", bench.timeline());
}

#[test]
fn refused_again_and_again() {
    let mut bench = Bench::new(Mode::Authoritative);
    let stubborn = Packet::pxe(7).request().wanting([192, 168, 1, 5]);
    for _ in 0..2 {
        bench.dhcp(&stubborn);
        bench.wait(4);
    }
    assert_eq!(bench.verdict(), None);
    bench.dhcp(&stubborn);
    bench.says(
        Finding::Insists,
        StoppedAt::Dhcp,
        Failure,
        "insists on the address 192.168.1.5 and was refused 3 times",
        "off at the plug",
    );
}

#[test]
fn its_addresses_are_used_by_others() {
    let mut bench = Bench::new(Mode::Authoritative);
    for round in 0..2 {
        assert_eq!(bench.verdict(), None, "round {round}");
        bench.leases(&Packet::pxe(7), &Packet::pxe(7).request());
        bench.dhcp(&Packet::pxe(7).decline());
        bench.wait(10);
    }
    bench.says(
        Finding::Declined,
        StoppedAt::Dhcp,
        Failure,
        "found twice that another machine uses the address it was given",
        "proxy ARP",
    );
}

#[test]
fn a_loader_of_which_nothing_arrives() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&probe("snponly.efi"), Client::Silent);
    assert_eq!(bench.verdict(), None);
    bench.tftp(&probe("snponly.efi"), Client::Silent);
    bench.tftp(&probe("snponly.efi"), Client::Silent);
    bench.says(
        Finding::LoaderNotReceived,
        StoppedAt::Loader,
        Failure,
        "asked 3 times for snponly.efi and took none of it (blocks of 1468 bytes)",
        "MTU",
    );
}

#[test]
fn a_loader_that_stops_half_way() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&probe("snponly.efi"), Client::Probes);
    bench.tftp(&read("snponly.efi"), Client::Until(40));
    bench.wait(14);
    assert_eq!(bench.verdict(), None, "it may ask again");
    bench.wait(1);
    bench.says(
        Finding::LoaderHalfWay,
        StoppedAt::Loader,
        Failure,
        "snponly.efi stopped half-way: 58.7 kB of 300.0 kB in blocks of 1468 bytes",
        "change the cable",
    );
    bench.tftp(&read("snponly.efi"), Client::Whole);
    assert_eq!(bench.verdict(), None, "the second time it went well");
}

#[test]
fn only_the_size_and_then_nothing() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&probe("snponly.efi"), Client::Probes);
    bench.wait(14);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Finding::LoaderOnlyProbed,
        StoppedAt::Loader,
        Warning,
        "asked once how large snponly.efi is and never fetched it",
        "only the first packet",
    );
}

#[test]
fn a_machine_that_gives_up_is_quoted() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&read("snponly.efi"), Client::GivesUp("no room left"));
    bench.wait(15);
    bench.says(
        Finding::LoaderGivenUp,
        StoppedAt::Loader,
        Failure,
        "gave up on snponly.efi: no room left (TFTP error 3)",
        "update its firmware",
    );
}

#[test]
fn a_file_that_is_not_here() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&read("grub/<?>Onboard"), Client::Whole);
    bench.wait(15);
    bench.says(
        Finding::LoaderMissing,
        StoppedAt::Loader,
        Failure,
        "asked for grub/<?>Onboard, which is not here",
        "oxbow check",
    );
}

#[test]
fn a_program_that_secure_boot_probably_refuses() {
    let mut bench = Bench::new(Mode::Authoritative);
    let boots = |bench: &mut Bench| {
        bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
        bench.tftp(&probe("snponly.efi"), Client::Probes);
        bench.tftp(&read("snponly.efi"), Client::Whole);
    };
    boots(&mut bench);
    bench.wait(44);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Finding::ProgramSilent,
        StoppedAt::Program,
        Warning,
        "fetched all of snponly.efi, which never started: Secure Boot probably refuses it",
        "secure_boot = true",
    );
    boots(&mut bench);
    bench.wait(30);
    bench.discovers(&captured(HTTP_BOOT, 0).of(bench.mac), &[0]);
    bench.says(
        Finding::ProgramSilent,
        StoppedAt::Program,
        Failure,
        "fetched all of snponly.efi twice, which never started",
        "Secure Boot off",
    );
}

#[test]
fn a_bios_program_that_never_starts() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&Packet::pxe(0), &Packet::pxe(0).request());
    bench.tftp(b"\0\x01undionly.kpxe\0octet\0", Client::Whole);
    bench.wait(45);
    bench.says(
        Finding::BiosProgramSilent,
        StoppedAt::Program,
        Warning,
        "fetched all of undionly.kpxe, which never started",
        "undionly.kkpxe",
    );
}

#[test]
fn shim_and_grub_step_by_step() {
    let mut bench = Bench::with_profile("secure_boot = true");
    bench.leases(&captured(SHIM, 0), &captured(SHIM, 1));
    assert!(bench.timeline().contains("given 10.77.0.100, shimx64.efi"), "{}", bench.timeline());
    bench.tftp(&read("shimx64.efi"), Client::Whole);
    bench.wait(45);
    bench.says(
        Finding::ShimSilent,
        StoppedAt::Program,
        Warning,
        "fetched all of shimx64.efi, which did not go on to GRUB",
        "third-party keys",
    );
    bench.tftp(&read("revocations_sku.efi"), Client::Whole);
    bench.tftp(&read("grubx64.efi"), Client::Whole);
    bench.wait(44);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Finding::GrubSilent,
        StoppedAt::Program,
        Warning,
        "fetched all of grubx64.efi, which never asked for its configuration: shim probably refuses this GRUB",
        "`Security Violation`",
    );
    bench.tftp(&read("/grub/x86_64-efi/command.lst"), Client::Whole);
    bench.tftp(&read("/grub/grub.cfg"), Client::Whole);
    bench.wait(24);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    let what = "GRUB was loaded and runs, and never asked for its script by HTTP";
    bench.says(Finding::ProgramAsksNothing, StoppedAt::Script, Warning, what, "lets HTTP in");
    bench.grub_asks_for_script();
    bench.wait(25);
    let what = "it has its script and did not fetch the kernel";
    bench.says(Finding::KernelNotAsked, StoppedAt::Kernel, Warning, what, "look at its screen");
    for file in ["vmlinuz", "initramfs.img"] {
        bench.grub_fetches(file);
    }
    bench.wait(89);
    assert_eq!(bench.verdict(), None);
    bench.agent();
    bench.wait(3600);
    assert_eq!(bench.verdict(), None);
}

#[test]
fn ipxe_runs_and_does_not_reach_the_script() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&read("snponly.efi"), Client::Whole);
    bench.tftp(&read("autoexec.ipxe"), Client::Whole);
    bench.wait(24);
    assert_eq!(bench.verdict(), None, "it waits for its link");
    bench.wait(1);
    bench.says(
        Finding::ProgramAsksNothing,
        StoppedAt::Script,
        Warning,
        "iPXE was loaded and runs, and never asked for its script by HTTP",
        "port-fast",
    );

    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&read("ipxe.efi"), Client::Whole);
    bench.discovers(&captured(OVMF, 2), &[0, 1, 3, 7, 15]);
    bench.says(
        Finding::OffersNotTaken,
        StoppedAt::Dhcp,
        Failure,
        "iPXE runs, but it was offered an address 5 times and took none",
        "another cable",
    );
}

#[test]
fn a_script_and_no_kernel() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.replay(ROM);
    bench.asks_for_script();
    bench.wait(24);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Finding::KernelNotAsked,
        StoppedAt::Kernel,
        Warning,
        "has its script and did not fetch the kernel",
        "look at its screen",
    );
    bench.asks_for_script();
    bench.asks_for_script();
    bench.says(
        Finding::ScriptAgainAndAgain,
        StoppedAt::Kernel,
        Failure,
        "asked for its script 3 times and never for the kernel",
        "look at its screen",
    );
    bench.loses("vmlinuz");
    bench.fetches("vmlinuz");
    bench.says(
        Finding::BootFileMissing,
        StoppedAt::Kernel,
        Failure,
        "asked for vmlinuz, which is not among the boot files",
        "oxbow check",
    );
}

#[test]
fn a_kernel_and_no_agent() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.replay(ROM);
    bench.asks_for_script();
    bench.fetches("vmlinuz");
    bench.wait(39);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Finding::InitramfsNotAsked,
        StoppedAt::Kernel,
        Warning,
        "fetched the kernel and then never asked for the initramfs",
        "stalls on large files",
    );
    bench.fetches("initramfs.img");
    bench.wait(89);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Finding::SystemSilent,
        StoppedAt::Kernel,
        Warning,
        "was fetched 1:30 ago and its agent never spoke",
        "no driver for its network card",
    );
    bench.wait(90);
    bench.says(
        Finding::SystemSilent,
        StoppedAt::Kernel,
        Failure,
        "was fetched 3:00 ago and its agent never spoke",
        "too little memory",
    );
    bench.leases(&captured(OVMF, 4).of(bench.mac), &captured(OVMF, 5).of(bench.mac));
    bench.wait(95);
    bench.says(
        Finding::AgentSilent,
        StoppedAt::Kernel,
        Warning,
        "its install system started and asked for the address",
        "lets HTTP in",
    );
    bench.agent();
    assert_eq!(bench.verdict(), None);
}

#[test]
fn an_installer_that_never_asks_for_its_answers() {
    let profile =
        "schema = 1\n[installer]\nkernel = \"linux\"\ninitrd = [\"initrd.gz\"]\nanswers = \"os/preseed.cfg\"\n";
    let mut bench = Bench::with_installer(profile);
    bench.replay(ROM);
    bench.asks_for_script();
    for file in ["boot/linux", "boot/initrd.gz"] {
        assert!(bench.fetches_of_run(file).starts_with("HTTP/1.1 200 "), "{file}");
    }
    bench.wait(89);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    let what = "its installer was fetched 1:30 ago and has asked for nothing since";
    bench.says(Finding::InstallerSilent, StoppedAt::Kernel, Warning, what, "no driver for its network card");
    bench.leases(&captured(OVMF, 4).of(bench.mac), &captured(OVMF, 5).of(bench.mac));
    assert!(bench.fetches_of_run("answers").ends_with("# answers\n"));
    bench.wait(3600);
    assert_eq!(bench.verdict(), None, "it works, for as long as it takes");
}

#[test]
fn a_machine_that_restarts_in_circles() {
    let mut bench = Bench::new(Mode::Authoritative);
    for _ in 0..2 {
        bench.replay(ROM);
        bench.asks_for_script();
        bench.fetches("vmlinuz");
        bench.fetches("initramfs.img");
        bench.wait(30);
        assert_eq!(bench.verdict(), None, "once may be somebody's hand");
    }
    bench.replay(ROM);
    bench.says(
        Finding::Restarts,
        StoppedAt::Kernel,
        Failure,
        "fetched the install system 2 times and started again each time",
        "kernel panic",
    );
}

#[test]
fn a_machine_that_restarts_before_its_script() {
    let mut bench = Bench::new(Mode::Authoritative);
    for _ in 0..2 {
        bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
        bench.tftp(&read("snponly.efi"), Client::Whole);
        bench.tftp(&read("autoexec.ipxe"), Client::Whole);
        bench.wait(20);
        assert_eq!(bench.verdict(), None, "once may be somebody's hand");
    }
    bench.dhcp(&captured(OVMF, 0));
    let what = "it has started 2 times and never asks for its script";
    bench.says(Finding::CirclesBeforeScript, StoppedAt::Script, Failure, what, "lets HTTP in");
}

#[test]
fn a_machine_that_restarts_before_its_kernel() {
    let mut bench = Bench::new(Mode::Authoritative);
    for _ in 0..2 {
        bench.leases(&captured(ROM, 0), &captured(ROM, 1));
        bench.asks_for_script();
        bench.wait(20);
        assert_eq!(bench.verdict(), None, "once may be somebody's hand");
    }
    bench.dhcp(&captured(ROM, 0));
    let what = "it has started 2 times and never fetches the kernel";
    bench.says(Finding::CirclesBeforeKernel, StoppedAt::Kernel, Failure, what, "the script says what");
}

#[test]
fn http_boot_that_comes_to_nothing() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(HTTP_BOOT, 0), &captured(HTTP_BOOT, 1));
    bench.probes("ipxe.efi");
    bench.wait(15);
    bench.says(
        Finding::LoaderOnlyProbedByHttp,
        StoppedAt::Loader,
        Warning,
        "asked by HTTP once how large ipxe.efi is and never fetched it",
        "plain http",
    );
    bench.firmware_fetches("ipxe.efi");
    bench.wait(45);
    bench.says(
        Finding::ProgramSilent,
        StoppedAt::Program,
        Warning,
        "fetched all of ipxe.efi, which never started: Secure Boot probably",
        "secure_boot",
    );

    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(HTTP_BOOT, 0), &captured(HTTP_BOOT, 1));
    bench.shakes_hands();
    bench.says(
        Finding::Refused,
        StoppedAt::Loader,
        Failure,
        "it does not trust the station's certificate authority",
        "enrol it there (`oxbow ca export`), or start it by PXE",
    );
    bench.probes("ipxe.efi");
    assert_eq!(bench.verdict(), None, "it goes on by plain HTTP");
}

#[test]
fn plain_http_where_https_is_required() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.require_https();
    bench.leases(&captured(HTTP_BOOT, 0), &captured(HTTP_BOOT, 1));
    assert!(bench.timeline().contains("given 10.77.0.100, https://10.77.0.1/boot/ipxe.efi"), "{}", bench.timeline());
    // Its firmware was given another URL by hand.
    assert!(bench.firmware_fetches("ipxe.efi").starts_with("HTTP/1.1 403 "));
    let what = "/boot/ipxe.efi was requested by plain HTTP, but this station requires HTTPS";
    bench.says(Finding::Refused, StoppedAt::Loader, Failure, what, "oxbow ca export");
}

#[test]
fn a_switch_that_opens_its_port_late() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0).at(28), &captured(OVMF, 1));
    bench.says(Finding::SlowSwitch, StoppedAt::Dhcp, Notice, "not heard for 28 s after its link came up", "port-fast");

    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&read("ipxe.efi"), Client::Whole);
    bench.wait(31);
    assert_eq!(bench.verdict(), None);
    bench.leases(&captured(OVMF, 2), &captured(OVMF, 3));
    bench.says(Finding::SlowSwitch, StoppedAt::Dhcp, Notice, "not heard for 31 s after its link came up", "port-fast");
}

#[test]
fn two_machines_with_one_mac() {
    let mut bench = Bench::new(Mode::Authoritative);
    let (one, other) = (Packet::pxe(7).with_uuid(1), Packet::pxe(7).with_uuid(2));
    bench.discovers(&one, &[0]);
    bench.discovers(&other, &[2]);
    assert_eq!(bench.verdict(), None, "an adapter that was passed on");
    bench.discovers(&one, &[2]);
    bench.says(
        Finding::TwoMachinesOneMac,
        StoppedAt::Dhcp,
        Failure,
        "two machines use this MAC address",
        "another network card",
    );
}

#[test]
fn two_machines_with_one_uuid() {
    let mut bench = Bench::new(Mode::Authoritative);
    let (one, other) = (Packet::pxe(7).of(mac(1)).with_uuid(1), Packet::pxe(7).of(mac(2)).with_uuid(1));
    for _ in 0..2 {
        bench.dhcp(&one);
        bench.wait(1);
        bench.dhcp(&other);
        bench.wait(2);
    }
    bench.says(
        Finding::TwoMachinesOneUuid,
        StoppedAt::Dhcp,
        Notice,
        "02:00:00:00:00:01 says the same UUID at the same time",
        "cloned UUID",
    );
    let mut bench = Bench::new(Mode::Authoritative);
    bench.discovers(&one, &[0, 2]);
    bench.wait(60);
    bench.discovers(&other, &[0, 2]);
    assert_eq!(bench.verdict(), None, "two cards of one machine, one after the other");
}

#[test]
fn everything_the_doctor_can_find_is_found_from_packets() {
    for finding in Finding::ALL {
        FOUND.take();
        shown_by(finding)();
        assert!(FOUND.take().contains(&finding), "{finding:?} is not shown by the test that is to show it");
    }
    let last = Finding::ALL.last().map(|last| *last as usize + 1);
    assert!(Finding::ALL.is_sorted() && last == Some(Finding::ALL.len()), "the list is in order and lacks nothing");
}

/// The test in which it is found.
fn shown_by(finding: Finding) -> fn() {
    match finding {
        Finding::NoProgram | Finding::OtherNetwork | Finding::BootpOnly | Finding::NotAnswered => {
            questions_without_an_answer_say_why
        }
        Finding::PoolEmpty => no_address_is_left,
        Finding::AddressesInUse => the_last_address_is_used_by_somebody_else,
        Finding::Declined => its_addresses_are_used_by_others,
        Finding::Insists => refused_again_and_again,
        Finding::OtherServerWon => another_server_wins,
        Finding::IpxeBeginsAnew => an_address_again_and_again,
        Finding::FirmwareBeginsAnew => an_address_again_and_again_and_no_word_to_tftp,
        Finding::HttpBootNotBegun | Finding::ScriptNotAsked | Finding::LoaderNotAsked => an_address_and_then_nothing,
        Finding::BootServerNotAsked => an_address_of_the_site_and_never_a_word_to_port_4011,
        Finding::BootServerNotHeard => port_4011_answers_and_nobody_hears_it,
        Finding::NobodyGivesAddresses | Finding::SitesServerSilent => offered_by_a_proxy_and_nobody_gives_an_address,
        Finding::OtherServerAnswers | Finding::OffersNotTaken => offered_and_never_taken,
        Finding::LoaderMissing => a_file_that_is_not_here,
        Finding::LoaderOnlyProbed => only_the_size_and_then_nothing,
        Finding::LoaderNotReceived => a_loader_of_which_nothing_arrives,
        Finding::LoaderHalfWay => a_loader_that_stops_half_way,
        Finding::LoaderGivenUp => a_machine_that_gives_up_is_quoted,
        Finding::LoaderOnlyProbedByHttp => http_boot_that_comes_to_nothing,
        Finding::BiosProgramSilent => a_bios_program_that_never_starts,
        Finding::ShimSilent | Finding::GrubSilent => shim_and_grub_step_by_step,
        Finding::ProgramSilent => a_program_that_secure_boot_probably_refuses,
        Finding::Refused => plain_http_where_https_is_required,
        Finding::ProgramAsksNothing => ipxe_runs_and_does_not_reach_the_script,
        Finding::ScriptAgainAndAgain | Finding::KernelNotAsked | Finding::BootFileMissing => a_script_and_no_kernel,
        Finding::InitramfsNotAsked | Finding::AgentSilent | Finding::SystemSilent => a_kernel_and_no_agent,
        Finding::InstallerSilent => an_installer_that_never_asks_for_its_answers,
        Finding::CirclesBeforeScript => a_machine_that_restarts_before_its_script,
        Finding::CirclesBeforeKernel => a_machine_that_restarts_before_its_kernel,
        Finding::Restarts => a_machine_that_restarts_in_circles,
        Finding::TwoMachinesOneMac => two_machines_with_one_mac,
        Finding::TwoMachinesOneUuid => two_machines_with_one_uuid,
        Finding::SlowSwitch => a_switch_that_opens_its_port_late,
    }
}

#[test]
fn what_an_unknown_packet_lacks_is_counted_and_not_lost() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.dhcp(&Packet::pxe(7).of_no_card());
    let nameless = bench.doctor().nameless().expect("counted");
    assert_eq!(
        (nameless.times, nameless.reason.as_str()),
        (1, "the hardware address is not that of one Ethernet card")
    );
}

#[test]
fn a_flood_of_made_up_machines_takes_no_more_room_and_leaves_known_ones_alone() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.replay(OVMF);
    let known = bench.mac;
    let began = std::time::Instant::now();
    for number in 0..20_000_u32 {
        bench.dhcp(&Packet::pxe(7).of(mac(number + 10)));
    }
    let each = began.elapsed() / 20_000;
    assert_eq!((bench.doctor().trails().count(), bench.doctor().dropped()), (1024, 20_000 + 1 - 1024));
    assert!(bench.doctor().trail(known).is_some_and(|trail| trail.entries().len() > 4));
    // A few microseconds in a release build; this one has checks and shares its processor with others.
    assert!(each < std::time::Duration::from_millis(1), "{each:?} for each");

    bench.wait(41);
    let began = std::time::Instant::now();
    let cases = bench.cases();
    let took = began.elapsed();
    println!("{} verdicts in {took:?}", cases.len());
    assert!(cases.len() > 500 && took < std::time::Duration::from_secs(1), "{} in {took:?}", cases.len());
}

#[test]
fn a_machine_that_never_stops_has_a_bounded_trail() {
    let mut bench = Bench::new(Mode::Authoritative);
    for _ in 0..100 {
        bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
        bench.tftp(&probe("snponly.efi"), Client::Probes);
        bench.tftp(&read("snponly.efi"), Client::Whole);
        bench.wait(30);
    }
    let trail = bench.doctor().trail(bench.mac).expect("a trail");
    assert!(trail.entries().len() <= 48 && trail.dropped() > 300, "{}", trail.dropped());
    bench.says(Finding::ProgramSilent, StoppedAt::Program, Failure, "fetched all of snponly.efi", "secure_boot");
}
