//! The configurations of GRUB, for machines that start through the signed chain: firmware, shim, GRUB, Linux.
//!
//! ```text
//! shimx64.efi ─► grubx64.efi ─► grub/x86_64-efi/grub.cfg ─► /boot.grub?mac=…&serial=… ─► install | local | wait
//! ```
//! The same questions and answers as those of [`crate::boot::script`], in another language. The texts are templates in
//! `assets/grub`; what goes into them from outside is put between single quotes, in which GRUB expands nothing.

use minijinja::context;

use crate::boot::files::installer::Boot;
use crate::boot::script::templates::filled;
use crate::boot::script::{ScriptQuery, install_args};
use crate::domain::ids::{ProfileId, RunId};
use crate::domain::station::Station;
use crate::domain::text;

/// The configuration that makes GRUB say on which machine it runs. It is the same for everybody. GRUB has no HTTPS:
/// `base_url` is the one for plain HTTP.
pub fn ask(base_url: &str) -> String {
    let host = base_url.trim_start_matches("http://");
    let device = format!("(http,{host})");
    filled("grub/ask.cfg", context! { base_url, device })
}

/// The configuration that starts the agent for `run`.
pub fn install(
    station: &Station,
    run: RunId,
    profile: &ProfileId,
    kernel_args: &[String],
    asked: &ScriptQuery,
) -> String {
    let args: Vec<String> =
        install_args(station, None, run, asked).iter().chain(kernel_args).map(|word| quoted(word)).collect();
    let base_url = &station.base_url;
    let (run, profile, args) = (run.to_string(), profile.as_str(), args.join(" "));
    let (kernel, initrds) = ("/boot/vmlinuz", ["/boot/initramfs.img"]);
    filled("grub/install.cfg", context! { base_url, run, profile, kernel, initrds, args })
}

/// The configuration that starts an installer.
pub fn installer(station: &Station, run: RunId, profile: &ProfileId, boot: &Boot) -> String {
    let args: Vec<String> = boot.args.iter().map(|word| quoted(word)).collect();
    let (base_url, run, profile, args) = (&station.base_url, run.to_string(), profile.as_str(), args.join(" "));
    let initrds: Vec<&str> = boot.initrds.iter().map(|initrd| initrd.path.as_str()).collect();
    let values = context! { base_url, run, profile, kernel => boot.kernel.path, initrds, args };
    filled("grub/install.cfg", values)
}

/// The configuration that leaves the network for the machine's own disk.
///
/// GRUB starts the loader itself: after its `exit` EDK2 ends in its menu (measured).
pub fn local_disk() -> String {
    filled("grub/local.cfg", context! { loaders => LOADERS.join(" ") })
}

/// The configuration that shows why nothing happens and lets the machine ask again.
pub fn wait(reason: &str) -> String {
    filled("grub/wait.cfg", context! { reason => plain(reason) })
}

/// `word` as one argument that GRUB takes as it is.
fn quoted(word: &str) -> String {
    format!("'{}'", plain(word))
}

/// `text` without what would end a string in single quotes, or a line.
fn plain(text: &str) -> String {
    text::clean(text, 200).replace('\'', "")
}

/// What may start a system from its disk, the first that is there: the path of removable media (UEFI 2.10 section
/// 3.5.1.1), which every image for many machines has, then those of systems that were installed on this one.
const LOADERS: &[&str] = &[
    "/EFI/BOOT/BOOTX64.EFI",
    "/EFI/debian/shimx64.efi",
    "/EFI/ubuntu/shimx64.efi",
    "/EFI/fedora/shimx64.efi",
    "/EFI/redhat/shimx64.efi",
    "/EFI/opensuse/shim.efi",
    "/EFI/systemd/systemd-bootx64.efi",
    "/EFI/Microsoft/Boot/bootmgfw.efi",
];

#[cfg(test)]
mod tests {
    use super::*;

    const STATION: &str = "http://10.77.0.1:8080";

    fn asked() -> ScriptQuery {
        ScriptQuery::from_query(
            "mac=52:54:00:12:34:56&uuid=4c4c4544-0042-4a10-8052-b7c04f4d3432&serial=SN%20%231&platform=efi",
        )
    }

    fn installed(kernel_args: &[&str]) -> String {
        let kernel_args: Vec<String> = kernel_args.iter().map(|word| (*word).to_owned()).collect();
        let station = Station { base_url: STATION.into(), ..Station::default() };
        install(&station, RunId::new([7; 16]), &"emt-s".parse().expect("a name"), &kernel_args, &asked())
    }

    #[test]
    fn every_configuration_is_filled() {
        insta::assert_snapshot!("ask", ask(STATION));
        insta::assert_snapshot!("install", installed(&["quiet", "isolcpus=1,2"]));
        let station = Station { base_url: STATION.into(), ..Station::default() };
        let boot = crate::boot::script::tests::boot();
        let profile = "debian".parse().expect("a name");
        insta::assert_snapshot!("installer", installer(&station, RunId::new([7; 16]), &profile, &boot));
        insta::assert_snapshot!("local", local_disk());
        insta::assert_snapshot!("wait", wait("no profile is assigned"));
    }

    #[test]
    fn what_comes_from_outside_cannot_begin_a_command() {
        let config = wait("bad'\nreboot; $net_default_mac \"'");
        assert!(config.contains("\n  echo 'oxbow: bad reboot; $net_default_mac \"'\n"), "{config}");
        let config = installed(&["a=b;reboot", "c='d", "$root"]);
        assert!(config.contains(" 'a=b;reboot' 'c=d' '$root'; then\n"), "{config}");
    }
}
