//! The iPXE scripts: what a machine said of itself, and the text it is answered with.
//!
//! The texts are templates in `assets/ipxe`. What goes into them from outside is made fit for iPXE's command line first:
//! no settings are expanded and no second command begins.

pub mod grub;
pub mod quote;
pub mod shim;
mod templates;

use std::net::Ipv4Addr;

use minijinja::context;

use crate::boot::architecture::{ArchCode, LoaderTransport};
use crate::boot::files::installer::Boot;
use crate::boot::script::quote::harmless;
use crate::boot::script::templates::filled;
use crate::domain::ids::{MacAddr, ProfileId, RunId};
use crate::domain::machine::claims::Claims;
use crate::domain::machine::quirk::LocalBoot;
use crate::domain::node::run::{CA_ARG, CA_URL_ARG, RUN_ARG, STATION_ARG};
use crate::domain::profile::{Architecture, Install, Profile};
use crate::domain::station::Station;
use crate::domain::station::https::Https;
use crate::domain::text;

/// What the query of a script's address says (matchbox's names: `mac uuid serial manufacturer product platform`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptQuery {
    pub claims: Claims,
    /// iPXE's `${platform}` says `efi`.
    pub uefi: bool,
    /// What the loader was built for, as iPXE's `${buildarch}` says it.
    pub arch: Option<String>,
}

impl ScriptQuery {
    /// Reads a query string. What cannot be read, and placeholders, count as not said.
    pub fn from_query(query: &str) -> Self {
        let mut asked = Self::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = text::percent_decoded(value);
            let said = || Some(text::clean(&value, NAME)).filter(|text| !text.is_empty());
            match key {
                "mac" => asked.claims.macs.extend(value.parse::<MacAddr>().ok()),
                "uuid" => asked.claims.uuid = value.parse().ok(),
                "serial" => asked.claims.serial = value.parse().ok(),
                "manufacturer" => asked.claims.manufacturer = said(),
                "product" => asked.claims.product = said(),
                "platform" => asked.uefi = value == "efi",
                "arch" => asked.arch = said(),
                _ => {}
            }
        }
        asked.claims.macs.truncate(1);
        asked
    }

    /// Why this profile is not for it, if that is so.
    pub fn misfit(&self, profile: &Profile) -> Option<String> {
        let (id, arch) = (&profile.id, self.arch.as_deref().unwrap_or_default());
        if Architecture::said(self.arch.as_deref()) != Some(profile.architecture) {
            return Some(match &profile.install {
                // There is one install system.
                Install::Image(_) => format!("its processor is {arch}, and oxbow installs x86-64 machines only"),
                Install::Installer(_) => {
                    let needed = profile.architecture.word();
                    format!("its processor is {arch}, and profile {id} is for {needed}: give it another profile")
                }
            });
        }
        let (needed, own) = (profile.firmware, if self.uefi { "UEFI" } else { "BIOS" });
        (!needed.allows(self.uefi)).then(|| {
            let needed = needed.word();
            format!("it boots by {own}, and profile {id} is for {needed}: change its firmware set-up, or its profile")
        })
    }

    /// Nothing was said by which a machine could be known.
    pub fn is_nobody(&self) -> bool {
        self.claims.macs.is_empty() && self.claims.uuid.is_none() && self.claims.serial.is_none()
    }
}

/// The script that makes a machine say who it is. The same text is `autoexec.ipxe`, which iPXE's EFI builds fetch from
/// where they were loaded. `log_server` is where iPXE's own log goes.
pub fn ask(base_url: &str, log_server: Ipv4Addr) -> String {
    let https = base_url.starts_with("https:");
    filled("ipxe/ask.ipxe", context! { base_url, log_server, https, claims => CLAIMS })
}

/// How a machine is to reach the station for what it asked by `by_https`, or by plain HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via<'a> {
    /// As it came; by HTTPS if that is given.
    AsItCame(Option<&'a Https>),
    /// It came by plain HTTP and is sent to HTTPS.
    Detour(&'a Https),
    /// It must come by HTTPS, and the station has none.
    Closed,
}

impl<'a> Via<'a> {
    /// `required` is what the profile demands; the station may demand it for everybody.
    pub fn of(station: &'a Station, by_https: bool, required: bool) -> Self {
        match &station.https {
            Some(https) if by_https => Self::AsItCame(Some(https)),
            _ if !required && !station.require_https => Self::AsItCame(None),
            Some(https) => Self::Detour(https),
            None => Self::Closed,
        }
    }
}

/// The script that sends a machine from plain HTTP to HTTPS; if its boot program cannot speak that, it gets the station's.
pub fn detour(station: &Station, https: &Https) -> String {
    let own = |arch: ArchCode| arch.file(LoaderTransport::Tftp).unwrap_or_default();
    let (bios, efi, address) = (own(ArchCode::BIOS), own(ArchCode::UEFI_X64), station.address.to_string());
    let base_url = &https.base_url;
    filled("ipxe/detour.ipxe", context! { base_url, address, bios, efi })
}

/// The script that starts the agent for `run`, which speaks to the station by HTTPS if `https` is given.
pub fn install(
    station: &Station,
    https: Option<&Https>,
    run: RunId,
    profile: &ProfileId,
    kernel_args: &[String],
    asked: &ScriptQuery,
) -> String {
    let base_url = https.map_or(&station.base_url, |https| &https.base_url);
    let mut args = vec!["initrd=initramfs.img".to_owned()];
    args.extend(install_args(station, https, run, asked));
    args.extend(kernel_args.iter().map(|word| harmless(word)));
    let (run, profile, args) = (run.to_string(), profile.as_str(), args.join(" "));
    let initrds = [context! { name => "initramfs.img", path => "/boot/initramfs.img" }];
    let values = context! { base_url, run, profile, kernel => "/boot/vmlinuz", initrds, args };
    filled("ipxe/install.ipxe", values)
}

/// The script that starts an installer.
pub fn installer(station: &Station, run: RunId, profile: &ProfileId, boot: &Boot) -> String {
    // The kernel asks its loader for the initramfs by these names (UEFI).
    let named = boot.initrds.iter().map(|initrd| format!("initrd={}", initrd.name));
    let args = named.chain(boot.args.iter().cloned()).collect::<Vec<_>>().join(" ");
    let (base_url, run, profile) = (&station.base_url, run.to_string(), profile.as_str());
    let initrds: Vec<_> = boot.initrds.iter().map(|it| context! { name => it.name, path => it.path }).collect();
    let values = context! { base_url, run, profile, kernel => boot.kernel.path, initrds, args };
    filled("ipxe/install.ipxe", values)
}

/// The words of the install kernel's command line, whatever loads it.
pub(super) fn install_args(station: &Station, https: Option<&Https>, run: RunId, asked: &ScriptQuery) -> Vec<String> {
    let base_url = https.map_or(&station.base_url, |https| &https.base_url);
    let mut args = vec![format!("{STATION_ARG}{base_url}"), format!("{RUN_ARG}{run}")];
    if let Some(https) = https {
        args.push(format!("{CA_ARG}{}", https.ca));
        args.push(format!("{CA_URL_ARG}{}/ca.der", station.base_url));
    }
    args.extend(asked.claims.macs.first().map(|mac| format!("BOOTIF=01-{}", mac.to_string().replace(':', "-"))));
    args.extend(["console=tty0", "console=ttyS0,115200", "loglevel=4"].map(str::to_owned));
    args
}

/// The script that leaves the network for the machine's own disk.
///
/// BIOS goes on to the next boot device on `exit`. UEFI firmware would end in its menu (EDK2, measured), so there iPXE
/// itself starts the removable-media path of the first disk that has one (UEFI 2.10 section 3.5.1.1).
/// None where no script at all is the way that works.
pub fn local_disk(asked: &ScriptQuery, way: Option<LocalBoot>) -> Option<String> {
    let usual = if asked.uefi { LocalBoot::Sanboot } else { LocalBoot::Exit };
    let way = way.unwrap_or(usual);
    let loader = if asked.arch.as_deref() == Some("arm64") { "BOOTAA64.EFI" } else { "BOOTX64.EFI" };
    let values = context! { uefi => asked.uefi, way => way.word(), loader };
    (way != LocalBoot::NotFound).then(|| filled("ipxe/local.ipxe", values))
}

/// The script that shows why nothing happens and asks again.
pub fn wait(base_url: &str, reason: &str) -> String {
    filled("ipxe/wait.ipxe", context! { base_url, reason => harmless(reason) })
}

/// What a machine says of itself, in iPXE's words: `netX` is the card that was opened last. `:uristring` because names of products hold blanks. Asset tag, board
/// and version are for whoever reads the station's log.
const CLAIMS: &str = "mac=${netX/mac:hexhyp}&uuid=${uuid}&serial=${serial:uristring}&manufacturer=${manufacturer:uristring}\
    &product=${product:uristring}&platform=${platform}&arch=${buildarch}&asset=${asset:uristring}\
    &board=${board-serial:uristring}&version=${version:uristring}";

const NAME: usize = 100;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::digest::Digest;

    const STATION: &str = "http://10.77.0.1";
    const LOG_SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

    fn asked() -> ScriptQuery {
        ScriptQuery::from_query(
            "mac=52-54-00-12-34-56&uuid=4c4c4544-0042-4a10-8052-b7c04f4d3432&serial=SN%20%231&product=Edge%20Box&platform=efi",
        )
    }

    #[test]
    fn a_query_says_who_the_machine_is() {
        let ScriptQuery { claims, uefi, .. } = asked();
        assert_eq!(claims.macs.iter().map(ToString::to_string).collect::<Vec<_>>(), ["52:54:00:12:34:56"]);
        assert_eq!(claims.serial.map(|serial| serial.to_string()), Some("SN #1".to_owned()));
        assert_eq!((claims.product.as_deref(), uefi), (Some("Edge Box"), true));
    }

    #[test]
    fn placeholders_and_nonsense_say_nothing() {
        let asked = ScriptQuery::from_query(
            "mac=zz&uuid=00000000-0000-0000-0000-000000000000&serial=To%20Be%20Filled%20By%20O.E.M.&%%%=%zz&",
        );
        assert!(asked.is_nobody(), "{asked:?}");
    }

    #[test]
    fn a_machine_that_no_install_system_runs_on_is_told_so() {
        let image = profile("image = \"os.raw\"");
        let misfit = |arch: &str| ScriptQuery::from_query(&format!("mac=52-54-00-12-34-56&arch={arch}")).misfit(&image);
        assert_eq!(["x86_64", "i386", ""].map(misfit), [None, None, None]);
        assert_eq!(misfit("arm64").as_deref(), Some("its processor is arm64, and oxbow installs x86-64 machines only"));
        assert_eq!(asked().misfit(&image), None, "an older script did not say");
    }

    #[test]
    fn a_machine_of_another_architecture_or_firmware_than_the_profiles_is_told_so() {
        let installer = "[installer]\nkernel = \"linux\"\ninitrd = \"initrd.gz\"";
        let arm = profile(&format!("architecture = \"aarch64\"\n{installer}"));
        let said = |query: &str, profile: &Profile| ScriptQuery::from_query(query).misfit(profile);
        assert_eq!(said("platform=efi&arch=arm64", &arm), None, "an installer brings its own kernel");
        assert_eq!(
            said("platform=efi&arch=x86_64", &arm).as_deref(),
            Some("its processor is x86_64, and profile os is for aarch64: give it another profile")
        );
        let uefi = profile("image = \"os.raw\"\nfirmware = \"uefi\"");
        assert_eq!(said("platform=efi&arch=x86_64", &uefi), None);
        assert_eq!(
            said("platform=pcbios&arch=i386", &uefi).as_deref(),
            Some("it boots by BIOS, and profile os is for UEFI: change its firmware set-up, or its profile")
        );
        let bios = profile("image = \"os.raw\"\nfirmware = \"bios\"");
        assert!(said("platform=efi&arch=x86_64", &bios).is_some_and(|said| said.starts_with("it boots by UEFI, ")));
    }

    fn profile(lines: &str) -> Profile {
        crate::domain::profile::file::parse("os.toml", &format!("schema = 1\n{lines}\n")).expect("a profile")
    }

    pub(in crate::boot) fn boot() -> Boot {
        let loaded = |name: &str| crate::boot::files::installer::Loaded {
            name: name.into(),
            path: format!("/r/07/boot/{name}"),
        };
        let args = ["auto=true", "url=http://10.77.0.1/r/07/answers"].map(str::to_owned).into();
        Boot { kernel: loaded("linux"), initrds: vec![loaded("initrd.gz"), loaded("firmware.cpio")], args }
    }

    #[test]
    fn every_script_is_filled() {
        let run = RunId::new([7; 16]);
        let profile = "emt-s".parse().expect("a name");
        insta::assert_snapshot!("ask", ask(STATION, LOG_SERVER));
        let station = Station { base_url: STATION.into(), ..Station::default() };
        let https = Https { base_url: "https://10.77.0.1".into(), ca: Digest::new([0xca; 32]) };
        let quiet = ["quiet".to_owned()];
        insta::assert_snapshot!("install", install(&station, None, run, &profile, &quiet, &asked()));
        insta::assert_snapshot!("install_https", install(&station, Some(&https), run, &profile, &quiet, &asked()));
        insta::assert_snapshot!("installer", installer(&station, run, &profile, &boot()));
        insta::assert_snapshot!("detour", detour(&station, &https));
        insta::assert_snapshot!("ask_https", ask(&https.base_url, LOG_SERVER));
        insta::assert_snapshot!("local_uefi", local_disk(&asked(), None).expect("a script"));
        insta::assert_snapshot!("local_bios", local_disk(&ScriptQuery::default(), None).expect("a script"));
        insta::assert_snapshot!("wait", wait(STATION, "no profile is assigned"));
    }

    #[test]
    fn the_way_to_the_disk_is_what_works_on_the_product() {
        let bios = ScriptQuery::default();
        let last = |asked: &ScriptQuery, way| {
            let script = local_disk(asked, Some(way)).expect("a script");
            script.lines().skip(3).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(last(&asked(), LocalBoot::Exit), ["exit"]);
        assert_eq!(last(&asked(), LocalBoot::ExitError), ["exit 1"]);
        assert_eq!(last(&bios, LocalBoot::Sanboot)[0], "sanboot --no-describe --drive 0x80 ||");
        assert!(last(&asked(), LocalBoot::Sanboot)[0].contains("BOOTX64.EFI"));
        assert_eq!(local_disk(&bios, Some(LocalBoot::NotFound)), None);
    }

    #[test]
    fn who_must_come_by_https_is_sent_there_and_nobody_else() {
        let https = Https { base_url: "https://10.77.0.1".into(), ca: Digest::new([0xca; 32]) };
        let plain = Station::default();
        let free = Station { https: Some(https.clone()), ..Station::default() };
        let strict = Station { require_https: true, ..free.clone() };
        let broken = Station { https: None, ..strict.clone() };
        for (station, by_https, required, way) in [
            (&plain, false, false, Via::AsItCame(None)),
            (&plain, false, true, Via::Closed),
            (&free, false, false, Via::AsItCame(None)),
            (&free, false, true, Via::Detour(&https)),
            (&free, true, false, Via::AsItCame(Some(&https))),
            (&strict, false, false, Via::Detour(&https)),
            (&strict, true, true, Via::AsItCame(Some(&https))),
            (&broken, false, false, Via::Closed),
        ] {
            assert_eq!(Via::of(station, by_https, required), way, "{station:?} {by_https} {required}");
        }
    }

    #[test]
    fn a_reason_cannot_begin_a_command() {
        let script = wait(STATION, "bad\necho ${net0/ip} || shell & reboot");
        assert!(script.contains("oxbow: bad echo net0/ip shell reboot\n"), "{script}");
    }
}
