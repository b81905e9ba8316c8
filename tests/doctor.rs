//! The doctor's verdicts, each from packets: what firmware sent (captures) or would send goes through the very decisions
//! that answer it, and what came of it to the doctor, as the services do it, at times of the test's making.
#![cfg(feature = "station")]

#[path = "doctor/bench.rs"]
mod bench;
#[path = "fixtures/pcap.rs"]
mod pcap;

use bench::{Bench, Packet, captured, mac};
use oxbow::boot::segment::Mode;
use oxbow::domain::doctor::verdict::{Severity, Stop};
use oxbow::domain::phase::Phase;

use Severity::{Failure, Notice, Warning};

const OVMF: &str = "uefi-ovmf-pxe.authoritative";

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
        bench.script_installs();
        bench.wait(2);
        bench.gets("vmlinuz");
        bench.gets("initramfs.img");
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
        bench.script_installs();
        bench.gets("vmlinuz");
        bench.gets("initramfs.img");
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

    for sent in [Bench::script_waits, Bench::script_disk] {
        let mut bench = Bench::new(Mode::Authoritative);
        bench.replay("bios-e1000-ipxe-2019-rom.authoritative");
        for _ in 0..20 {
            sent(&mut bench);
            bench.wait(10);
        }
        bench.wait(3600);
        assert_eq!(bench.alarms(), Vec::<String>::new());
    }
    let mut bench = Bench::new(Mode::Authoritative);
    bench.phase = Some(Phase::Provisioned);
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
    bench.says(Stop::Dhcp, Failure, "offered an address 3 times and took none", "DHCP snooping");
    bench.other_server();
    bench.says(
        Stop::Dhcp,
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
        Stop::Dhcp,
        Failure,
        "no DHCP server gives it an address: it asked 3 times",
        "plug the site's DHCP server",
    );
    bench.other_server();
    bench.says(Stop::Dhcp, Failure, "10.77.0.2, which is to give it an address, did not", "look at 10.77.0.2");
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
    bench.says(Stop::Dhcp, Failure, "took the address of another DHCP server, 10.77.0.2", "--dhcp proxy");
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
    bench.says(Stop::BootServer, Warning, "got its address from 10.77.0.2 and never asked port 4011", "before 2017");
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
    bench.says(Stop::BootServer, Warning, "asked port 4011 4 times", "both ways");
}

#[test]
fn an_address_and_then_nothing() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.wait(14);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(Stop::Loader, Warning, "told to load snponly.efi, and never asked for it", "UDP port 69");

    let http = "uefi-ovmf-http-boot.authoritative";
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(http, 0), &captured(http, 1));
    bench.wait(15);
    bench.says(Stop::Loader, Warning, "by HTTP, and never did", "may refuse plain http");

    let ipxe = "bios-e1000-ipxe-2019-rom.authoritative";
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(ipxe, 0), &captured(ipxe, 1));
    bench.wait(15);
    bench.says(
        Stop::Script,
        Warning,
        "iPXE has an address and never asked for http://10.77.0.1:8080/boot.ipxe",
        "lets HTTP in",
    );
}

#[test]
fn an_address_again_and_again() {
    let mut bench = Bench::new(Mode::Authoritative);
    let ipxe = "bios-e1000-ipxe-2019-rom.authoritative";
    for round in 0..3 {
        assert_eq!(bench.verdict(), None, "round {round}");
        bench.leases(&captured(ipxe, 0), &captured(ipxe, 1));
        bench.wait(3);
    }
    bench.says(Stop::Script, Failure, "iPXE gets an address again and again (3 times)", "other DHCP servers");
}

#[test]
fn questions_without_an_answer_say_why() {
    for (packet, mode, what, hint) in [
        (Packet::pxe(6), Mode::Authoritative, "no boot program for its architecture 6 (UEFI IA32)", "64-bit UEFI"),
        (Packet::pxe(6), Mode::Proxy, "no boot program for its architecture 6 (UEFI IA32)", "quirks.toml"),
        (Packet::pxe(4711), Mode::Authoritative, "no boot program for its architecture 4711", "quirks.toml"),
        (
            Packet::pxe(7).through([10, 9, 0, 1]),
            Mode::Authoritative,
            "comes through relay 10.9.0.1, of a network this station does not serve",
            "relay's list",
        ),
    ] {
        let mut bench = Bench::new(mode);
        bench.discovers(&packet, &[0, 4]);
        bench.says(Stop::Dhcp, Failure, what, hint);
    }
    let mut bench = Bench::new(Mode::Authoritative);
    bench.discovers(&Packet::pxe(0).bootp(), &[0, 4]);
    if bench.bootp_is_silent() {
        bench.says(Stop::Dhcp, Failure, "BOOTP only", "switch PXE on");
    }
}

#[test]
fn no_address_is_left() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.pool(10, 11);
    for machine in 1..=2 {
        bench.leases(&Packet::plain().of(mac(machine)), &Packet::plain().of(mac(machine)).request());
    }
    bench.discovers(&Packet::pxe(7).of(mac(3)), &[0]);
    bench.says(Stop::Dhcp, Failure, "every address of the pool is in use", "--pool");
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
    bench.says(Stop::Dhcp, Failure, "insists on the address 192.168.1.5 and was refused 3 times", "off at the plug");
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
    bench.says(Stop::Dhcp, Failure, "found twice that another machine uses the address it was given", "proxy ARP");
}

#[test]
fn a_loader_of_which_nothing_arrives() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&bench::probe("snponly.efi"), bench::Client::Silent);
    assert_eq!(bench.verdict(), None);
    bench.tftp(&bench::probe("snponly.efi"), bench::Client::Silent);
    bench.tftp(&bench::probe("snponly.efi"), bench::Client::Silent);
    bench.says(
        Stop::Loader,
        Failure,
        "asked 3 times for snponly.efi and took none of it (blocks of 1468 bytes)",
        "MTU",
    );
}

#[test]
fn a_loader_that_stops_half_way() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&bench::probe("snponly.efi"), bench::Client::Probes);
    bench.tftp(&bench::read("snponly.efi"), bench::Client::Until(40));
    bench.wait(14);
    assert_eq!(bench.verdict(), None, "it may ask again");
    bench.wait(1);
    bench.says(
        Stop::Loader,
        Failure,
        "snponly.efi stopped half-way: 58.7 kB of 300.0 kB in blocks of 1468 bytes",
        "change the cable",
    );
    bench.tftp(&bench::read("snponly.efi"), bench::Client::Whole);
    assert_eq!(bench.verdict(), None, "the second time it went well");
}

#[test]
fn only_the_size_and_then_nothing() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&bench::probe("snponly.efi"), bench::Client::Probes);
    bench.wait(14);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Stop::Loader,
        Warning,
        "asked once how large snponly.efi is and never fetched it",
        "only the first packet",
    );
}

#[test]
fn a_machine_that_gives_up_is_quoted() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&bench::read("snponly.efi"), bench::Client::GivesUp("no room left"));
    bench.wait(15);
    bench.says(Stop::Loader, Failure, "gave up on snponly.efi: no room left (TFTP error 3)", "update its firmware");
}

#[test]
fn a_file_that_is_not_here() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&bench::read("grub/<?>Onboard"), bench::Client::Whole);
    bench.wait(15);
    bench.says(Stop::Loader, Failure, "asked for grub/<?>Onboard, which is not here", "oxbow check");
}

#[test]
fn a_program_that_secure_boot_refuses() {
    let mut bench = Bench::new(Mode::Authoritative);
    let boots = |bench: &mut Bench| {
        bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
        bench.tftp(&bench::probe("snponly.efi"), bench::Client::Probes);
        bench.tftp(&bench::read("snponly.efi"), bench::Client::Whole);
    };
    boots(&mut bench);
    bench.wait(44);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Stop::Program,
        Warning,
        "fetched all of snponly.efi, which never started: Secure Boot",
        "secure_boot = true",
    );
    boots(&mut bench);
    bench.wait(30);
    bench.discovers(&captured("uefi-ovmf-http-boot.authoritative", 0).of(bench.mac), &[0]);
    bench.says(Stop::Program, Failure, "fetched all of snponly.efi twice, which never started", "Secure Boot off");
}

#[test]
fn a_bios_program_that_never_starts() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&Packet::pxe(0), &Packet::pxe(0).request());
    bench.tftp(b"\0\x01undionly.kpxe\0octet\0", bench::Client::Whole);
    bench.wait(45);
    bench.says(Stop::Program, Warning, "fetched all of undionly.kpxe, which never started", "undionly.kkpxe");
}

#[test]
fn a_shim_that_goes_no_further() {
    let mut bench = Bench::new(Mode::Authoritative);
    let shim = "uefi-secure-boot-shim-grub";
    bench.leases(&captured(shim, 0), &captured(shim, 1));
    bench.tftp(&bench::read("shimx64.efi"), bench::Client::Whole);
    bench.wait(45);
    bench.says(Stop::Program, Warning, "fetched all of shimx64.efi, which did not go on to GRUB", "third-party keys");
}

#[test]
fn ipxe_runs_and_does_not_reach_the_script() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&bench::read("snponly.efi"), bench::Client::Whole);
    bench.tftp(&bench::read("autoexec.ipxe"), bench::Client::Whole);
    bench.wait(24);
    assert_eq!(bench.verdict(), None, "it waits for its link");
    bench.wait(1);
    bench.says(Stop::Script, Warning, "iPXE was loaded and runs, and never asked for its script by HTTP", "port-fast");

    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&bench::read("ipxe.efi"), bench::Client::Whole);
    bench.discovers(&captured(OVMF, 2), &[0, 1, 3, 7, 15]);
    bench.says(Stop::Dhcp, Failure, "iPXE runs, but it was offered an address 5 times and took none", "another cable");
}

#[test]
fn a_script_and_no_kernel() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.replay("bios-e1000-ipxe-2019-rom.authoritative");
    bench.script_installs();
    bench.wait(24);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(Stop::Kernel, Warning, "has its script and did not fetch the kernel", "look at its screen");
    bench.script_installs();
    bench.script_installs();
    bench.says(Stop::Kernel, Failure, "asked for its script 3 times and never for the kernel", "look at its screen");
    bench.lacks("vmlinuz");
    bench.says(Stop::Kernel, Failure, "asked for vmlinuz, which is not among the boot files", "oxbow check");
}

#[test]
fn a_kernel_and_no_agent() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.replay("bios-e1000-ipxe-2019-rom.authoritative");
    bench.script_installs();
    bench.gets("vmlinuz");
    bench.wait(39);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Stop::Kernel,
        Warning,
        "fetched the kernel and then never asked for the initramfs",
        "stalls on large files",
    );
    bench.gets("initramfs.img");
    bench.wait(89);
    assert_eq!(bench.verdict(), None);
    bench.wait(1);
    bench.says(
        Stop::Kernel,
        Warning,
        "was fetched 1:30 ago and its agent never spoke",
        "no driver for its network card",
    );
    bench.wait(90);
    bench.says(Stop::Kernel, Failure, "was fetched 3:00 ago and its agent never spoke", "too little memory");
    bench.leases(&captured(OVMF, 4).of(bench.mac), &captured(OVMF, 5).of(bench.mac));
    bench.wait(95);
    bench.says(Stop::Kernel, Warning, "its install system started and asked for the address", "lets HTTP in");
    bench.agent();
    assert_eq!(bench.verdict(), None);
}

#[test]
fn a_machine_that_restarts_in_circles() {
    let mut bench = Bench::new(Mode::Authoritative);
    for _ in 0..2 {
        bench.replay("bios-e1000-ipxe-2019-rom.authoritative");
        bench.script_installs();
        bench.gets("vmlinuz");
        bench.gets("initramfs.img");
        bench.wait(30);
        assert_eq!(bench.verdict(), None, "once may be somebody's hand");
    }
    bench.replay("bios-e1000-ipxe-2019-rom.authoritative");
    bench.says(Stop::Kernel, Failure, "fetched the install system 2 times and started again each time", "kernel panic");
}

#[test]
fn http_boot_that_comes_to_nothing() {
    let http = "uefi-ovmf-http-boot.authoritative";
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(http, 0), &captured(http, 1));
    bench.heads("ipxe.efi");
    bench.wait(15);
    bench.says(Stop::Loader, Warning, "asked by HTTP once how large ipxe.efi is and never fetched it", "plain http");
    bench.gets("ipxe.efi");
    bench.wait(45);
    bench.says(Stop::Program, Warning, "fetched all of ipxe.efi, which never started: Secure Boot", "secure_boot");

    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(http, 0), &captured(http, 1));
    bench.tls_refused("unknown authority");
    bench.says(Stop::Loader, Failure, "does not trust the station's certificate: unknown authority", "oxbow ca export");
}

#[test]
fn a_switch_that_opens_its_port_late() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0).at(28), &captured(OVMF, 1));
    bench.says(Stop::Dhcp, Notice, "not heard for 28 s after its link came up", "port-fast");

    let mut bench = Bench::new(Mode::Authoritative);
    bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
    bench.tftp(&bench::read("ipxe.efi"), bench::Client::Whole);
    bench.wait(31);
    assert_eq!(bench.verdict(), None);
    bench.leases(&captured(OVMF, 2), &captured(OVMF, 3));
    bench.says(Stop::Dhcp, Notice, "not heard for 31 s after its link came up", "port-fast");
}

#[test]
fn two_machines_with_one_mac() {
    let mut bench = Bench::new(Mode::Authoritative);
    let (one, other) = (Packet::pxe(7).with_uuid(1), Packet::pxe(7).with_uuid(2));
    bench.discovers(&one, &[0]);
    bench.discovers(&other, &[2]);
    assert_eq!(bench.verdict(), None, "an adapter that was passed on");
    bench.discovers(&one, &[2]);
    bench.says(Stop::Dhcp, Failure, "two machines use this MAC address", "another network card");
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
    bench.says(Stop::Dhcp, Notice, "02:00:00:00:00:01 says the same UUID at the same time", "cloned UUID");
    let mut bench = Bench::new(Mode::Authoritative);
    bench.discovers(&one, &[0, 2]);
    bench.wait(60);
    bench.discovers(&other, &[0, 2]);
    assert_eq!(bench.verdict(), None, "two cards of one machine, one after the other");
}

#[test]
fn what_an_unknown_packet_lacks_is_counted_and_not_lost() {
    let mut bench = Bench::new(Mode::Authoritative);
    bench.dhcp(&Packet::pxe(7).of_no_card());
    let nameless = bench.doctor.nameless().expect("counted");
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
    assert_eq!((bench.doctor.trails().count(), bench.doctor.dropped()), (1024, 20_000 + 1 - 1024));
    assert!(bench.doctor.trail(known).is_some_and(|trail| trail.entries().len() > 4));
    // A few microseconds in a release build; this one has checks and shares its processor with others.
    assert!(each < std::time::Duration::from_millis(1), "{each:?} for each");
}

#[test]
fn a_machine_that_never_stops_has_a_bounded_trail() {
    let mut bench = Bench::new(Mode::Authoritative);
    for _ in 0..100 {
        bench.leases(&captured(OVMF, 0), &captured(OVMF, 1));
        bench.tftp(&bench::probe("snponly.efi"), bench::Client::Probes);
        bench.tftp(&bench::read("snponly.efi"), bench::Client::Whole);
        bench.wait(30);
    }
    let trail = bench.doctor.trail(bench.mac).expect("a trail");
    assert!(trail.entries().len() <= 48 && trail.dropped() > 300, "{}", trail.dropped());
    bench.says(Stop::Program, Failure, "fetched all of snponly.efi", "secure_boot");
}
