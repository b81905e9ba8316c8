//! A DHCP relay agent (RFC 1542), which dnsmasq is too.

use std::process::{Child, Stdio};

use super::bench::command_in;

/// An agent at work. Drop stops it.
pub(crate) struct Relay(Child);

impl Relay {
    /// For the network where it is `address`, to the DHCP server `server`.
    pub(super) fn start(namespace: &str, address: &str, server: &str) -> Self {
        let mut dnsmasq = command_in(namespace, "dnsmasq");
        dnsmasq
            .args(["--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0", "--pid-file="])
            .arg(format!("--dhcp-relay={address},{server}"))
            .stderr(Stdio::null());
        Self(dnsmasq.spawn().expect("`ip` starts"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
