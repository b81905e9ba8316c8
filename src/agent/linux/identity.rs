//! The machine's identity: SMBIOS from `/sys/class/dmi/id`, network cards from `/sys/class/net`.

use std::path::Path;

use super::{attribute, names};
use crate::domain::ids::{BadId, MacAddr, Serial};
use crate::domain::machine::claims::Claims;

/// The machine's claims, and remarks about values that are placeholders. `sys` is where sysfs is mounted.
pub(super) fn claims(sys: &Path, boot_nic: Option<MacAddr>) -> (Claims, Vec<String>) {
    let mut remarks = Vec::new();
    let dmi = |name: &str| attribute(&sys.join("class/dmi/id").join(name));
    let claims = Claims {
        macs: macs(sys, boot_nic),
        uuid: parsed("UUID", dmi("product_uuid"), &mut remarks),
        serial: parsed("serial", dmi("product_serial"), &mut remarks),
        manufacturer: dmi("sys_vendor").filter(|text| says_something(text)),
        product: dmi("product_name").filter(|text| says_something(text)),
    };
    (claims, remarks)
}

/// The identifier in `text`; where there is none, `remarks` says why.
fn parsed<T: std::str::FromStr<Err = BadId>>(what: &str, text: Option<String>, remarks: &mut Vec<String>) -> Option<T> {
    let Some(text) = text else {
        remarks.push(format!("the firmware reports no {what}"));
        return None;
    };
    text.parse().inspect_err(|bad| remarks.push(format!("{what} \"{text}\" is not used: {bad}"))).ok()
}

/// Boards are shipped with the same placeholders for names as for serials.
fn says_something(text: &str) -> bool {
    text.parse::<Serial>().is_ok()
}

/// The MACs of the machine's Ethernet cards, `boot_nic` first, then by the name of their interface.
fn macs(sys: &Path, boot_nic: Option<MacAddr>) -> Vec<MacAddr> {
    let net = sys.join("class/net");
    let physical = |name: &String| net.join(name).join("device").exists();
    let ethernet = |name: &String| attribute(&net.join(name).join("type")).as_deref() == Some(ETHERNET);
    let found = names(&net).into_iter().filter(physical).filter(ethernet);
    let found = found.filter_map(|name| attribute(&net.join(name).join("address"))?.parse().ok());
    let mut macs: Vec<MacAddr> = boot_nic.into_iter().collect();
    for mac in found {
        if !macs.contains(&mac) {
            macs.push(mac);
        }
    }
    macs
}

/// ARPHRD_ETHER (linux/if_arp.h).
const ETHERNET: &str = "1";

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn sysfs(files: &[(&str, &str)]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().expect("a directory");
        for (path, text) in files {
            let path = sys.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        sys
    }

    #[test]
    fn a_machine_is_its_smbios_and_its_physical_cards_the_boot_card_first() {
        let sys = sysfs(&[
            ("class/dmi/id/product_serial", "FB-0042\n"),
            ("class/dmi/id/product_uuid", "4c4c4544-0042-4a10-8052-b7c04f4d3432\n"),
            ("class/dmi/id/sys_vendor", "ACME\n"),
            ("class/dmi/id/product_name", "EdgeBox 3\n"),
            ("class/net/eth0/address", "52:54:00:00:00:01\n"),
            ("class/net/eth0/type", "1\n"),
            ("class/net/eth0/device/vendor", "0x8086\n"),
            ("class/net/eth1/address", "52:54:00:00:00:02\n"),
            ("class/net/eth1/type", "1\n"),
            ("class/net/eth1/device/vendor", "0x8086\n"),
            ("class/net/ib0/address", "00:00:10:86:fe:80:00:00\n"),
            ("class/net/ib0/type", "32\n"),
            ("class/net/ib0/device/vendor", "0x15b3\n"),
            ("class/net/lo/address", "00:00:00:00:00:00\n"),
            ("class/net/lo/type", "772\n"),
            ("class/net/br0/address", "52:54:00:00:00:09\n"),
            ("class/net/br0/type", "1\n"),
        ]);
        let (claims, remarks) = claims(sys.path(), "52:54:00:00:00:02".parse().ok());
        let macs: Vec<_> = claims.macs.iter().map(ToString::to_string).collect();
        assert_eq!(macs, ["52:54:00:00:00:02", "52:54:00:00:00:01"]);
        assert_eq!(claims.serial.map(|serial| serial.to_string()), Some("FB-0042".into()));
        assert_eq!((claims.manufacturer.as_deref(), claims.product.as_deref()), (Some("ACME"), Some("EdgeBox 3")));
        assert!(claims.uuid.is_some() && remarks.is_empty());
    }

    #[test]
    fn placeholders_are_left_out_and_said() {
        let sys = sysfs(&[
            ("class/dmi/id/product_serial", "Default string\n"),
            ("class/dmi/id/product_name", "To Be Filled By O.E.M.\n"),
        ]);
        let (claims, remarks) = claims(sys.path(), None);
        assert_eq!(claims, Claims::default());
        assert_eq!(
            remarks,
            [
                "the firmware reports no UUID",
                "serial \"Default string\" is not used: the serial is a placeholder that many machines share"
            ]
        );
    }
}
