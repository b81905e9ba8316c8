//! What machines say by HTTP: the query of their boot script, and what their agents post, by the first byte.
#![no_main]

use libfuzzer_sys::fuzz_target;

use oxbow::boot::script::{self, ScriptQuery};
use oxbow::domain::ids::RunId;
use oxbow::domain::snapshot::Snapshot;
use oxbow::domain::station::Station;
use oxbow::protocol::{HelloMessage, LogLines, Moved, Reports, control};

fuzz_target!(|data: &[u8]| {
    let Some((what, body)) = data.split_first() else { return };
    match what % 6 {
        0 => asks_for_its_script(&String::from_utf8_lossy(body)),
        1 => {
            if let Ok(hello) = serde_json::from_slice::<HelloMessage>(body) {
                let again = serde_json::to_vec(&hello).expect("what was read can be written");
                assert_eq!(serde_json::from_slice::<HelloMessage>(&again).expect("and read again"), hello);
                drop(Snapshot::default().plan(&hello.claims));
            }
        }
        2 => drop(serde_json::from_slice::<Reports>(body)),
        3 => drop(serde_json::from_slice::<LogLines>(body)),
        4 => drop(serde_json::from_slice::<Moved>(body)),
        _ => drop(serde_json::from_slice::<control::Message<control::ControlRequest>>(body)),
    }
});

fn asks_for_its_script(query: &str) {
    let asked = ScriptQuery::from_query(query);
    assert!(asked.claims.macs.len() <= 1);
    let station = Station { base_url: "http://10.77.0.1".into(), ..Station::default() };
    let profile = "demo".parse().expect("a profile");
    let to_disk = |asked: &ScriptQuery| script::local_disk(asked, None).expect("the usual way is a script");
    let scripts = [
        script::install(&station, None, RunId::new([7; 16]), &profile, &[], &asked),
        to_disk(&asked),
        script::wait("http://10.77.0.1", query),
    ];
    // What a machine says of itself never becomes a line of a script, which iPXE would carry out.
    let lines = |query: &str, at: usize| match at {
        0 => script::install(&station, None, RunId::new([7; 16]), &profile, &[], &ScriptQuery::from_query(query)),
        1 => to_disk(&ScriptQuery::from_query(query)),
        _ => script::wait("http://10.77.0.1", "a"),
    };
    for (at, script) in scripts.iter().enumerate() {
        assert!(script.starts_with("#!ipxe\n"));
        let plain = lines(if asked.uefi { "platform=efi" } else { "" }, at);
        assert_eq!(script.lines().count(), plain.lines().count(), "{script}");
    }
}
