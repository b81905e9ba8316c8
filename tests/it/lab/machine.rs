//! A machine in QEMU that starts as a factory's does: its own firmware asks the network, nothing is preloaded.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::bench::command_in;
use super::serial::Serial;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Firmware {
    /// SeaBIOS with the network card's own PXE ROM.
    Bios,
    /// OVMF with its own PXE client.
    Uefi,
    /// OVMF whose PXE clients are switched off in its set-up: UEFI HTTP Boot is what is left of the network.
    UefiHttp,
    /// OVMF that starts only what Microsoft's keys vouch for.
    SecureBoot,
    /// The same without PXE clients.
    SecureHttpBoot,
}

impl Firmware {
    fn is_uefi(self) -> bool {
        match self {
            Self::Bios => false,
            Self::Uefi | Self::UefiHttp | Self::SecureBoot | Self::SecureHttpBoot => true,
        }
    }
}

/// How the disk is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bus {
    Sata,
    Nvme,
    Virtio,
    /// A card behind an SD host, which Linux names as it names eMMC.
    Mmc,
}

/// A machine: it keeps its disk and its firmware's settings while it is off.
pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) mac: String,
    pub(crate) serial: String,
    pub(crate) uuid: String,
    firmware: Firmware,
    bus: Bus,
    nic: &'static str,
    memory_mib: u32,
    disk_mib: u64,
    trusts: Option<PathBuf>,
    on_network: bool,
    /// Whether the firmware starts what its own settings say, and not what the emulator tells it to.
    keeps_order: bool,
    /// Where another card, which comes first, is plugged in.
    elsewhere: Option<String>,
    namespace: String,
    tap: String,
    disk: PathBuf,
    settings: PathBuf,
    evidence: PathBuf,
}

impl Machine {
    pub(super) fn new(name: &str, number: u8, namespace: String, tap: String, scratch: &Path, evidence: &Path) -> Self {
        let disk = scratch.join(format!("{name}.disk"));
        let blank = File::create(&disk).and_then(|file| file.set_len(DISK_MIB << 20));
        blank.unwrap_or_else(|err| panic!("{}: {err}", disk.display()));
        Self {
            name: name.into(),
            mac: format!("52:54:00:77:00:{number:02x}"),
            serial: format!("OXB{number:05}"),
            uuid: format!("8a1c6c5e-77aa-4d5e-9b0a-0000000000{number:02x}"),
            firmware: Firmware::Bios,
            bus: Bus::Sata,
            nic: "virtio-net-pci",
            memory_mib: 256,
            disk_mib: DISK_MIB,
            trusts: None,
            on_network: true,
            keeps_order: false,
            elsewhere: None,
            namespace,
            tap,
            disk,
            settings: scratch.join(format!("{name}.settings")),
            evidence: evidence.into(),
        }
    }

    pub(crate) fn firmware(self, firmware: Firmware) -> Self {
        Self { firmware, ..self }
    }

    pub(crate) fn bus(self, bus: Bus) -> Self {
        Self { bus, ..self }
    }

    /// QEMU's name of the network card, as `e1000e`.
    pub(crate) fn nic(self, nic: &'static str) -> Self {
        Self { nic, ..self }
    }

    pub(crate) fn memory_mib(self, memory_mib: u32) -> Self {
        Self { memory_mib, ..self }
    }

    /// An empty disk of this size.
    pub(crate) fn disk_mib(self, disk_mib: u64) -> Self {
        let sized = File::create(&self.disk).and_then(|file| file.set_len(disk_mib << 20));
        sized.unwrap_or_else(|err| panic!("{}: {err}", self.disk.display()));
        Self { disk_mib, ..self }
    }

    /// An authority enrolled in UEFI's set-up: an EFI signature list.
    pub(crate) fn trusts(self, authorities: PathBuf) -> Self {
        Self { trusts: Some(authorities), ..self }
    }

    pub(crate) fn without_network(self) -> Self {
        Self { on_network: false, ..self }
    }

    /// With a boot order of its own, as real firmware has one: an emulator's would be put in front of it at every start.
    pub(crate) fn keeps_order(self) -> Self {
        Self { keeps_order: true, ..self }
    }

    /// The disk's file, for a look at it while the machine is off.
    pub(crate) fn disk(&self) -> &Path {
        &self.disk
    }

    /// Puts another card before the first, plugged in at `port`; the firmware boots from it.
    pub(crate) fn with_card_at(self, port: &str) -> Self {
        Self { elsewhere: Some(port.into()), ..self }
    }

    /// Puts an image on the disk, as if it had been installed.
    pub(crate) fn with_image(self, image: &Path) -> Self {
        fs::copy(image, &self.disk).unwrap_or_else(|err| panic!("{}: {err}", image.display()));
        let grown = OpenOptions::new().write(true).open(&self.disk).and_then(|file| file.set_len(self.disk_mib << 20));
        grown.unwrap_or_else(|err| panic!("{}: {err}", self.disk.display()));
        self
    }

    /// When the disk was last written: by an agent, the OS on it, or anybody else.
    pub(crate) fn disk_written(&self) -> SystemTime {
        let written = fs::metadata(&self.disk).and_then(|of| of.modified());
        written.unwrap_or_else(|err| panic!("{}: {err}", self.disk.display()))
    }

    pub(crate) fn power_on(&self) -> Running {
        let mut qemu = command_in(&self.namespace, "qemu-system-x86_64");
        // No KVM, even where it seems to be there: a nested one may run the firmware and no kernel.
        qemu.args(["-accel", "tcg,thread=multi", "-cpu", "qemu64", "-smp", "1", "-m", &self.memory_mib.to_string()]);
        qemu.args(["-display", "none", "-monitor", "none", "-nodefaults", "-serial", "stdio"]);
        self.with_firmware(&mut qemu);
        self.with_network(&mut qemu);
        self.with_disk(&mut qemu);

        let log = |what: &str| {
            let path = self.evidence.join(format!("{}.{what}.log", self.name));
            let file = OpenOptions::new().create(true).append(true).open(&path);
            file.unwrap_or_else(|err| panic!("{}: {err}", path.display()))
        };
        qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log("qemu"));
        let mut process = qemu.spawn().expect("`ip` starts");
        let console = process.stdout.take().expect("a pipe");
        let keyboard = process.stdin.take().expect("a pipe");
        Running { process, keyboard, serial: Serial::record(console, log("serial")) }
    }

    fn with_firmware(&self, qemu: &mut Command) {
        match self.firmware {
            // Without graphics SeaBIOS and the PXE ROM speak on the serial console.
            Firmware::Bios => drop(qemu.args(["-machine", "pc,graphics=off"])),
            Firmware::Uefi | Firmware::UefiHttp => {
                self.with_ovmf(qemu.args(["-machine", "q35"]), OVMF, OVMF_SETTINGS);
            }
            Firmware::SecureBoot | Firmware::SecureHttpBoot => {
                // Only code in system management mode may write its settings, keys among them.
                qemu.args(["-machine", "q35,smm=on", "-global", "ICH9-LPC.disable_s3=1"]);
                qemu.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
                self.with_ovmf(qemu, OVMF_SECURE, OVMF_SECURE_SETTINGS);
            }
        }
        if matches!(self.firmware, Firmware::UefiHttp | Firmware::SecureHttpBoot) {
            for client in ["IPv4PXESupport", "IPv6PXESupport"] {
                qemu.args(["-fw_cfg", &format!("name=opt/org.tianocore/{client},string=n")]);
            }
        }
        if let Some(authorities) = &self.trusts {
            qemu.args(["-fw_cfg", &format!("name=etc/edk2/https/cacerts,file={}", authorities.display())]);
        }
        let smbios =
            format!("type=1,manufacturer=Oxbow,product=Bench machine,serial={},uuid={}", self.serial, self.uuid);
        qemu.args(["-smbios", &smbios]);
    }

    fn with_ovmf(&self, qemu: &mut Command, code: &str, settings: &str) {
        if !self.settings.exists() {
            let copied = fs::copy(settings, &self.settings);
            copied.unwrap_or_else(|err| panic!("{settings}: {err}\nhint: packaging/test-deps installs it"));
        }
        qemu.args(["-drive", &format!("if=pflash,unit=0,format=raw,readonly=on,file={code}")])
            .args(["-drive", &format!("if=pflash,unit=1,format=raw,file={}", self.settings.display())])
            // Newer OVMF has no network boot at all without a source of randomness.
            .args(["-device", "virtio-rng-pci"]);
    }

    fn with_network(&self, qemu: &mut Command) {
        if !self.on_network {
            qemu.args(["-nic", "none"]);
            return;
        }
        if let Some(port) = &self.elsewhere {
            let mac = self.mac.replace(":77:", ":99:");
            qemu.args(["-netdev", &format!("tap,id=elsewhere,ifname={port},script=no,downscript=no")])
                .args(["-device", &format!("{},netdev=elsewhere,mac={mac},bootindex=0", self.nic)]);
        }
        // OVMF has a driver of its own for virtio alone: without a ROM it uses that, and its own PXE client.
        let own_driver = self.firmware.is_uefi() && self.nic.starts_with("virtio-net");
        let rom = if own_driver { ",romfile=" } else { "" };
        qemu.args(["-netdev", &format!("tap,id=net,ifname={},script=no,downscript=no", self.tap)])
            .args(["-device", &format!("{},netdev=net,mac={}{}{rom}", self.nic, self.mac, self.place(1))]);
    }

    /// Where a device comes in the emulator's order, as a property of it.
    fn place(&self, index: u8) -> String {
        if self.keeps_order { String::new() } else { format!(",bootindex={index}") }
    }

    fn with_disk(&self, qemu: &mut Command) {
        qemu.args(["-drive", &format!("file={},if=none,id=disk,format=raw,cache=unsafe", self.disk.display())]);
        let serial = format!("DISK-{}{}", self.serial, self.place(2));
        match self.bus {
            Bus::Sata => qemu
                .args(["-device", "ahci,id=sata"])
                .args(["-device", &format!("ide-hd,bus=sata.0,drive=disk,serial={serial}")]),
            Bus::Nvme => qemu.args(["-device", &format!("nvme,drive=disk,serial={serial}")]),
            Bus::Virtio => qemu.args(["-device", &format!("virtio-blk-pci,drive=disk,serial={serial}")]),
            Bus::Mmc => qemu.args(["-device", "sdhci-pci", "-device", "sd-card,drive=disk"]),
        };
    }
}

/// A machine that is on. Drop switches it off.
pub(crate) struct Running {
    process: Child,
    keyboard: ChildStdin,
    serial: Serial,
}

impl Running {
    /// Waits until the serial console has said `text`, after what was waited for before.
    /// The answer is seconds since power-on, or the last lines that were said instead.
    pub(crate) fn wait_for(&mut self, text: &str, limit: Duration) -> Result<f64, String> {
        self.serial.wait_for(text, limit)
    }

    /// Types this line at the serial console.
    pub(crate) fn types(&mut self, line: &str) {
        let typed = self.keyboard.write_all(format!("{line}\r").as_bytes()).and_then(|()| self.keyboard.flush());
        typed.unwrap_or_else(|err| panic!("typing {line:?}: {err}"));
    }

    /// How often the serial console has said `text` since power-on.
    pub(crate) fn said(&self, text: &str) -> usize {
        self.serial.count(text)
    }

    /// What the serial console has said since power-on, line by line.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.serial.lines()
    }

    /// Waits until the machine has switched itself off.
    pub(crate) fn wait_off(&mut self, limit: Duration) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        loop {
            match self.process.try_wait() {
                Ok(Some(_)) => return Ok(()),
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
                Ok(None) => return Err(format!("the machine is still on after {limit:?}")),
                Err(err) => return Err(err.to_string()),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        self.serial.finish();
    }
}

const DISK_MIB: u64 = 128;
const OVMF: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
const OVMF_SETTINGS: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";
const OVMF_SECURE: &str = "/usr/share/OVMF/OVMF_CODE_4M.ms.fd";
/// Microsoft's keys are in here.
const OVMF_SECURE_SETTINGS: &str = "/usr/share/OVMF/OVMF_VARS_4M.ms.fd";
