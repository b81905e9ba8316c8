//! A cable between two network namespaces, for tests with real sockets on privileged ports. Needs root.

use std::process::Command;

use super::rerun;

/// Two namespaces joined by a cable, `s0` (10.77.0.1/24) here and `c0` there. Gone when dropped.
pub(crate) struct Cable {
    pub(crate) station: String,
    pub(crate) client: String,
}

impl Cable {
    pub(crate) fn lay(name: &str) -> Self {
        let id = std::process::id();
        // The number comes first: what is left behind is swept up by it.
        let cable = Self { station: format!("oxb-{id}-{name}-s"), client: format!("oxb-{id}-{name}-c") };
        let Self { station, client } = &cable;
        for command in [
            format!("netns add {station}"),
            format!("netns add {client}"),
            format!("-n {station} link add s0 type veth peer name c0 netns {client}"),
            format!("-n {station} address add 10.77.0.1/24 dev s0"),
            format!("-n {station} link set s0 up"),
            format!("-n {client} link set c0 up"),
        ] {
            let done = Command::new("ip").args(command.split(' ')).status().expect("iproute2 is installed");
            assert!(done.success(), "`ip {command}` failed: network namespaces need root");
        }
        cable
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for namespace in [&self.station, &self.client] {
            let _gone_already = Command::new("ip").args(["netns", "delete", namespace]).output();
        }
    }
}

/// What this process is to play, if it has been run again by [`run_in`].
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Runs `test` of this program again, in `namespace`, where it finds its [`role`].
pub(crate) fn run_in<F: Fn()>(namespace: &str, test: F, role: &str) {
    let output = Command::new("ip")
        .args(["netns", "exec", namespace])
        .arg(std::env::current_exe().expect("this test"))
        .args(rerun::arguments(test))
        .env(ROLE, role)
        .output()
        .expect("runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success() && text.contains("test result: ok. 1 passed"), "{text}");
    println!("{text}");
}

const ROLE: &str = "OXBOW_TEST_ROLE";
