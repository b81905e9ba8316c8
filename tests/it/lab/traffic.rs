//! How much the station sends from which port, counted by the kernel.

use super::Bench;
use super::bench::command_in;

/// Counts what leaves the station for machines from now on.
pub(crate) struct Traffic<'a>(&'a Bench);

impl<'a> Traffic<'a> {
    pub(crate) fn count(bench: &'a Bench) -> Self {
        let rule = |port: u16| format!("oifname {} tcp sport {port} counter name port{port}; ", Bench::INTERFACE);
        let counters: String = PORTS.map(|port| format!("counter port{port} {{ }}; ")).concat();
        nft(
            bench,
            &format!(
                "table inet oxbow {{ {counters} chain sent {{ type filter hook output priority 0; {} }}; }}",
                PORTS.map(rule).concat()
            ),
        );
        Self(bench)
    }

    /// Bytes sent from this port, headers included.
    pub(crate) fn sent_from(&self, port: u16) -> u64 {
        let said = nft(self.0, &format!("list counter inet oxbow port{port}"));
        let bytes = said.split_whitespace().skip_while(|word| *word != "bytes").nth(1).and_then(|it| it.parse().ok());
        bytes.unwrap_or_else(|| panic!("nft: {said}"))
    }
}

fn nft(bench: &Bench, command: &str) -> String {
    let output = command_in(&bench.station(), "nft").arg(command).output().expect("`ip` starts");
    assert!(output.status.success(), "nft {command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const PORTS: [u16; 2] = [80, 443];
