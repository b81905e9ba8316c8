//! What shim asks for once it runs (shim `shim.c` `load_unbundled_trust`, `init_grub`; `netboot.c`, `httpboot.c`).
//!
//! It looks for `revocations_sku.efi`, `revocations_sbat.efi` and `shim_certificate_0.efi`, which need not be there, and
//! for `grubx64.efi` beside itself. Where firmware passes load options on that are none, shim takes them for the name of
//! the second stage (shim#649: `<garbage>Onboard`, `USB`): there is only one it can mean.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::domain::time::Timestamp;

/// The program that firmware loads: signed by Microsoft.
pub const SHIM: &str = "shimx64.efi";
/// The program that shim loads: signed by Debian. shim verifies it, so a wrong guess starts nothing.
pub const SECOND_STAGE: &str = "grubx64.efi";

/// Whether shim or GRUB only probe for this file. A missing one is not worth a log line.
pub fn is_optional(asked: &str) -> bool {
    let last = last_part(asked);
    let begins = ["revocations", "shim_certificate", "grub.cfg"].iter().any(|word| last.starts_with(word));
    begins || last.ends_with(".lst")
}

/// Machines that have fetched shim and not yet its second stage.
#[derive(Clone, Debug, Default)]
pub struct Shims {
    fetched: BTreeMap<Ipv4Addr, Timestamp>,
}

impl Shims {
    /// `file` is going to be sent to the machine at `peer`. It may run shim before its last acknowledgement was read here.
    pub fn begins(&mut self, now: Timestamp, peer: Ipv4Addr, file: &str) {
        self.fetched.retain(|_, at| now.since(*at) < STARTS_WITHIN);
        if file == SHIM && self.fetched.len() < MOST {
            self.fetched.insert(peer, now);
        }
    }

    /// `file` was sent to the machine at `peer`.
    pub fn sent(&mut self, now: Timestamp, peer: Ipv4Addr, file: &str) {
        self.begins(now, peer, file);
        if file == SECOND_STAGE {
            self.fetched.remove(&peer);
        }
    }

    /// Whether an unknown name is shim's second stage, to the machine at `peer`.
    pub fn means_second_stage(&self, now: Timestamp, peer: Ipv4Addr, asked: &str) -> bool {
        let has_shim = self.fetched.get(&peer).is_some_and(|at| now.since(*at) < STARTS_WITHIN);
        has_shim && !is_optional(asked) && !KEY_MANAGERS.contains(&&*last_part(asked))
    }
}

fn last_part(asked: &str) -> String {
    asked.rsplit(['/', '\\']).next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// They are asked for when the second stage was not trusted, or beside an installed system.
const KEY_MANAGERS: &[&str] = &["mmx64.efi", "fbx64.efi"];
/// From the last byte of shim to its question for the second stage; generous to emulation.
const STARTS_WITHIN: Duration = Duration::from_secs(60);
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_spoilt_name_after_shim_is_its_second_stage() {
        let mut shims = Shims::default();
        for name in ["\u{fffd}Onboard", "grubx64.efi\u{ff}", "USB", "/loader/\u{1}\u{2}USB"] {
            assert!(!shims.means_second_stage(at(0), MACHINE, name), "{name}: it has no shim yet");
            shims.begins(at(0), MACHINE, "shimx64.efi");
            assert!(shims.means_second_stage(at(5), MACHINE, name), "{name}: its last acknowledgement is on its way");
            shims.sent(at(0), MACHINE, "shimx64.efi");
            assert!(shims.means_second_stage(at(5), MACHINE, name), "{name}");
            assert!(!shims.means_second_stage(at(5), Ipv4Addr::new(10, 77, 0, 101), name), "another machine");
            assert!(!shims.means_second_stage(at(60), MACHINE, name), "{name}: too late");
            shims.sent(at(6), MACHINE, "grubx64.efi");
            assert!(!shims.means_second_stage(at(7), MACHINE, name), "{name}: GRUB asks now");
        }
    }

    #[test]
    fn what_shim_and_grub_can_do_without_is_nothing_else() {
        let mut shims = Shims::default();
        shims.sent(at(0), MACHINE, "shimx64.efi");
        for name in [
            "revocations.efi",
            "/revocations_sku.efi",
            "revocations_sbat.efi",
            "shim_certificate_0.efi",
            "/grub/x86_64-efi/command.lst",
            "grub/grub.cfg-01-52-54-00-12-34-56",
            "grub\\grub.cfg-0A4D",
        ] {
            assert!(is_optional(name) && !shims.means_second_stage(at(1), MACHINE, name), "{name}");
        }
        assert!(!shims.means_second_stage(at(1), MACHINE, "mmx64.efi"));
        assert!(!is_optional("snponly.efi") && !is_optional("grubx64.efi"));
    }
}
