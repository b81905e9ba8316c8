//! Connections of GRUB, which leaves them behind.
//!
//! It starts a kernel, or another loader, without closing what it has open, and after a restart it takes the same ports
//! again, from 21550 on (GRUB `grub-core/net/tcp.c`). To a port whose connection the station still knows it would speak
//! for 16 seconds in vain, and end at a prompt if that was its first configuration. So the station forgets early.

use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tracing::debug;

/// How long the connection may rest before it ends. Then it is forgotten at once, without waiting for a last word from
/// the other end: everything has been sent long since, or GRUB is no more.
pub(super) fn forgotten_soon(stream: &TcpStream) -> Duration {
    if let Err(err) = SockRef::from(stream).set_linger(Some(Duration::ZERO)) {
        debug!("a connection of GRUB will be remembered for a while: {err}");
    }
    REST
}

/// Whether GRUB sent `head`, the first bytes of a connection.
pub(super) fn sent(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n').any(|line| line.to_ascii_lowercase().starts_with(b"user-agent: grub "))
}

/// A machine needs longer from one GRUB to the next.
const REST: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grub_is_known_by_its_user_agent() {
        let head = b"GET /boot.grub?mac=1 HTTP/1.1\r\nHost: 10.77.0.1\r\nUser-Agent: GRUB 2.12-9+deb13u2\r\n\r\n";
        assert!(sent(head));
        assert!(!sent(b"GET /boot/grubx64.efi HTTP/1.1\r\nUser-Agent: UefiHttpBoot/1.0\r\n\r\n"));
        assert!(!sent(b"") && !sent(b"\xff\xfe\n\n"));
    }
}
