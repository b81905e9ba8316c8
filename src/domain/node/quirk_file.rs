//! Reads and writes the register of quirks as TOML: a diagnostic for everything that is wrong, with its line.
//!
//! ```toml
//! [[quirk]]
//! product = "EliteBook"        # as the machine reports it, or the beginning of that
//! firmware = "uefi_x64"        # bios, uefi_x64 or other
//! architecture = 7             # DHCP option 93
//! oui = "d8:3a:dd"             # the first half of its Ethernet address
//! program = "ipxe.efi"         # a file in the boot-files folder
//! always_ack = true            # as a proxy, acknowledge its broadcast REQUEST too
//! reply_delay_ms = 2000        # DHCP answers wait
//! pace = 1000000               # bytes a second by HTTP
//! local_boot = "exit"          # or exit-error, sanboot, not-found
//! secure_boot = true           # it starts signed programs only
//! symptom = "…"                # for people
//! source = "…"
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;

use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::NodeId;
use crate::domain::machine::firmware::Firmware;
use crate::domain::machine::quirk::{BootProgram, Effects, LocalBoot, Machines, Oui, Quirk, Quirks, Remedy};
use crate::domain::node::Node;
use crate::domain::text;

/// What oxbow itself knows.
pub fn shipped() -> &'static Quirks {
    &SHIPPED
}

/// The site's rows in `text`, which was read from `file`, before those that oxbow itself knows.
pub fn parse(file: &str, text: &str) -> Result<Quirks, Vec<Diagnostic>> {
    before(file, text, shipped())
}

fn before(file: &str, text: &str, known: &Quirks) -> Result<Quirks, Vec<Diagnostic>> {
    let written = read(file, text)?;
    let rows = written.quirk.into_iter().map(|row| Quirk { is_sites: true, ..row.quirk });
    Ok(Quirks { rows: rows.chain(known.rows.iter().cloned()).collect(), remedies: known.remedies.clone() })
}

/// `row` as a file says it.
pub fn toml(row: &Quirk) -> String {
    let Quirk { machines, effects, symptom, source, is_sites: _ } = row;
    let mut lines = "[[quirk]]\n".to_owned();
    let mut line = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _memory_takes_all = writeln!(lines, "{key} = {value}");
        }
    };
    let quoted = |text: &str| toml::Value::from(text).to_string();
    line("product", machines.product.as_deref().map(quoted));
    line("firmware", machines.firmware.and_then(firmware_word).map(quoted));
    line("architecture", machines.architecture.map(|code| code.to_string()));
    line("oui", machines.oui.map(|oui| quoted(&oui.to_string())));
    line("program", effects.program.as_ref().map(|loader| quoted(loader.as_str())));
    line("always_ack", effects.always_ack.map(|yes| yes.to_string()));
    line("reply_delay_ms", effects.reply_delay_ms.map(|ms| ms.to_string()));
    line("pace", effects.pace.map(|pace| pace.to_string()));
    line("local_boot", effects.local_boot.map(|how| quoted(how.word())));
    line("secure_boot", effects.secure_boot.map(|yes| yes.to_string()));
    line("symptom", symptom.as_deref().map(quoted));
    line("source", source.as_deref().map(quoted));
    lines
}

/// Rows that what happened at this bench suggests: a program led nowhere on a product, another led to the agent.
pub fn suggested(nodes: &BTreeMap<NodeId, Arc<Node>>) -> Vec<Quirk> {
    let mut seen: BTreeMap<(&str, &BootProgram), (usize, &BootProgram, Option<Firmware>)> = BTreeMap::new();
    for node in nodes.values() {
        let learned = node.loader.learned();
        let Some((product, (failed, works))) = node.product.as_deref().zip(learned) else { continue };
        seen.entry((product, works)).or_insert((0, failed, node.firmware)).0 += 1;
    }
    let row = |((product, works), (count, failed, firmware)): (
        (&str, &BootProgram),
        (usize, &BootProgram, Option<Firmware>),
    )| {
        let machines = if count == 1 { "1 machine".to_owned() } else { format!("{count} machines") };
        Quirk {
            machines: Machines {
                product: Some(product.to_owned()),
                firmware: firmware.filter(|firmware| firmware_word(*firmware).is_some()),
                ..Machines::default()
            },
            effects: Effects { program: Some(works.clone()), ..Effects::default() },
            symptom: Some(format!("{failed} led nowhere")),
            source: Some(format!("learned at this bench on {machines}")),
            is_sites: false,
        }
    };
    seen.into_iter().map(row).collect()
}

/// Who it is for and what is done, in one line: `product EliteBook, firmware uefi_x64 -> program ipxe.efi`.
pub fn in_words(row: &Quirk) -> String {
    let only = |machines: &Machines, effects: &Effects| Quirk {
        machines: machines.clone(),
        effects: effects.clone(),
        ..Quirk::default()
    };
    let who = pairs(&only(&row.machines, &Effects::default()));
    let what = pairs(&only(&Machines::default(), &row.effects));
    if who.is_empty() { what } else { format!("{who} -> {what}") }
}

fn pairs(row: &Quirk) -> String {
    let pair = |line: &str| line.split_once(" = ").map(|(key, value)| format!("{key} {}", value.trim_matches('"')));
    let pairs: Vec<String> = toml(row).lines().filter_map(pair).collect();
    text::clean(&pairs.join(", "), LINE)
}

/// All that is known, for people: what is in force, then the troubles that were met elsewhere.
pub fn listing(quirks: &Quirks) -> Vec<String> {
    let mut lines = vec!["In force:".to_owned()];
    if quirks.rows.is_empty() {
        lines.push("  nothing: all machines are treated alike".to_owned());
    }
    for row in quirks.rows.iter() {
        let whose = if row.is_sites { "this site" } else { "shipped" };
        lines.push(format!("  {} ({whose})", in_words(row)));
        let why = [row.symptom.as_deref(), row.source.as_deref()];
        let why: Vec<&str> = why.into_iter().flatten().collect();
        if !why.is_empty() {
            lines.push(format!("      {}", text::clean(&why.join("; "), LINE)));
        }
    }
    lines.extend([String::new(), "Known troubles:".to_owned()]);
    for known in quirks.remedies.iter() {
        lines.push(format!("  {}: {}", known.firmware, known.symptom));
        let does = in_words(&Quirk { effects: known.effects.clone(), ..Quirk::default() });
        let does = if does.is_empty() { String::new() } else { format!(" [{does}]") };
        lines.push(format!("      {}{does}; {}", known.answer, known.source));
    }
    lines
}

/// The site's rows, and what was learned here, as a file for another bench.
pub fn export(quirks: &Quirks, nodes: &BTreeMap<NodeId, Arc<Node>>) -> Vec<String> {
    let own: Vec<&Quirk> = quirks.rows.iter().filter(|row| row.is_sites).collect();
    let learned = suggested(nodes);
    let is_new = |row: &&Quirk| !own.iter().any(|known| known.does_as(row));
    own.iter().copied().chain(learned.iter().filter(is_new)).map(toml).collect()
}

fn read(file: &str, text: &str) -> Result<QuirkToml, Vec<Diagnostic>> {
    let at = |place: usize| text.get(..place).map(|before| before.matches('\n').count() + 1);
    let wrong = |place: usize, what: String, hint: &str| Diagnostic {
        file: file.into(),
        line: at(place),
        column: None,
        what,
        hint: hint.into(),
    };
    let file: File = toml::from_str(text).map_err(|error| {
        let what = error.message().replace('\n', " ");
        vec![wrong(error.span().map_or(0, |span| span.start), what, HINT)]
    })?;
    let mut diagnostics = Vec::new();
    if file.quirk.len() > MOST {
        let what = format!("{} rows are more than the {MOST} that are read", file.quirk.len());
        diagnostics.push(wrong(0, what, "name products by their beginning, so that one row does for many"));
    }
    for row in &file.quirk {
        let place = row.span().start;
        let row = row.get_ref();
        if row.quirk.machines.is_nobody() {
            let what = "a row names no machine".to_owned();
            diagnostics.push(wrong(place, what, "give it an architecture, a firmware, an oui or a product"));
        }
        if row.quirk.effects.is_nothing() {
            diagnostics.push(wrong(place, "a row does nothing".to_owned(), HINT));
        }
        if row.quirk.effects.reply_delay_ms.is_some_and(|delay| delay > LONGEST_DELAY) {
            let what = format!("a reply delay of more than {LONGEST_DELAY} ms outlasts every firmware");
            diagnostics.push(wrong(place, what, "iPXE waits for a second at first, UEFI for four"));
        }
        if row.quirk.effects.pace.is_some_and(|pace| pace < SLOWEST) {
            let what = format!("a pace below {SLOWEST} bytes a second outlasts every timeout");
            diagnostics.push(wrong(place, what, "it counts bytes a second: 1000000 is usual"));
        }
    }
    let rows = file.quirk.into_iter().map(toml::Spanned::into_inner);
    let written = QuirkToml { quirk: rows.collect(), remedy: file.remedy };
    if diagnostics.is_empty() { Ok(written) } else { Err(diagnostics) }
}

struct QuirkToml {
    quirk: Vec<QuirkRow>,
    remedy: Vec<RemedyRow>,
}

/// A file as it is spelled.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    quirk: Vec<toml::Spanned<QuirkRow>>,
    #[serde(default)]
    remedy: Vec<RemedyRow>,
}

#[derive(Deserialize)]
#[serde(from = "RowFields")]
struct QuirkRow {
    quirk: Quirk,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowFields {
    product: Option<String>,
    firmware: Option<FirmwareWord>,
    architecture: Option<u16>,
    oui: Option<Oui>,
    program: Option<BootProgram>,
    always_ack: Option<bool>,
    reply_delay_ms: Option<u16>,
    pace: Option<u64>,
    local_boot: Option<LocalBoot>,
    secure_boot: Option<bool>,
    symptom: Option<String>,
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RemedyRow {
    firmware: String,
    symptom: String,
    answer: String,
    source: String,
    program: Option<BootProgram>,
    always_ack: Option<bool>,
    reply_delay_ms: Option<u16>,
    pace: Option<u64>,
}

/// [`Firmware`] takes any word, as an older oxbow's store may have one. A person who misspells it wants to know.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FirmwareWord {
    Bios,
    UefiX64,
    Other,
}

impl From<RowFields> for QuirkRow {
    fn from(row: RowFields) -> Self {
        let firmware = row.firmware.map(|word| match word {
            FirmwareWord::Bios => Firmware::Bios,
            FirmwareWord::UefiX64 => Firmware::UefiX64,
            FirmwareWord::Other => Firmware::Other,
        });
        Self {
            quirk: Quirk {
                machines: Machines { architecture: row.architecture, firmware, oui: row.oui, product: row.product },
                effects: Effects {
                    program: row.program,
                    always_ack: row.always_ack,
                    reply_delay_ms: row.reply_delay_ms,
                    pace: row.pace,
                    local_boot: row.local_boot,
                    secure_boot: row.secure_boot,
                },
                symptom: row.symptom,
                source: row.source,
                is_sites: false,
            },
        }
    }
}

impl From<RemedyRow> for Remedy {
    fn from(row: RemedyRow) -> Self {
        let RemedyRow { firmware, symptom, answer, source, program, always_ack, reply_delay_ms, pace } = row;
        let effects = Effects { program, always_ack, reply_delay_ms, pace, ..Effects::default() };
        Self { firmware, symptom, answer, source, effects }
    }
}

fn firmware_word(firmware: Firmware) -> Option<&'static str> {
    match firmware {
        Firmware::Bios => Some("bios"),
        Firmware::UefiX64 => Some("uefi_x64"),
        Firmware::Other => Some("other"),
        Firmware::Ipxe | Firmware::Plain => None,
    }
}

/// Embedded, and valid by the test below.
static SHIPPED: LazyLock<Quirks> = LazyLock::new(|| {
    let written = read("assets/quirks.toml", TABLE).unwrap_or(QuirkToml { quirk: Vec::new(), remedy: Vec::new() });
    Quirks {
        rows: written.quirk.into_iter().map(|row| row.quirk).collect(),
        remedies: written.remedy.into_iter().map(Remedy::from).collect(),
    }
});

const TABLE: &str = include_str!("../../../assets/quirks.toml");
const HINT: &str = "a row says of product, firmware, architecture and oui who it is for, then what is done; \
                    `oxbow quirks` shows all that are in force";
/// Every packet is held against every row.
const MOST: usize = 1000;
const LONGEST_DELAY: u16 = 10_000;
const SLOWEST: u64 = 10_000;
/// Characters of one row on the command line.
const LINE: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::machine::quirk::QuirkSubject;
    use crate::domain::time::Timestamp;

    fn complaints(text: &str) -> Vec<String> {
        parse("quirks.toml", text).expect_err("it is wrong").iter().map(Diagnostic::place_and_what).collect()
    }

    #[test]
    fn what_is_shipped_is_valid_and_says_where_it_is_known_from() {
        let written = read("assets/quirks.toml", TABLE).map_err(|wrong| format!("{wrong:?}")).expect("valid");
        assert_eq!(written.quirk.len(), shipped().rows.len());
        assert!(shipped().remedies.len() > 15);
        for row in shipped().rows.iter() {
            assert!(row.symptom.is_some() && row.source.is_some(), "{row:?}");
        }
        let said =
            shipped().remedies.iter().map(|known| [&known.firmware, &known.symptom, &known.answer, &known.source]);
        assert!(said.flatten().all(|text| !text.is_empty()));
    }

    #[test]
    fn the_sites_rows_come_before_what_is_shipped() {
        let known = Quirks {
            rows: read("a", ROW).expect("valid").quirk.into_iter().map(|row| row.quirk).collect(),
            ..Quirks::default()
        };
        let own = "[[quirk]]\nproduct = \"Box 9\"\nprogram = \"ipxe.efi\"\n";
        let quirks = before("quirks.toml", own, &known).expect("valid");
        let product = Some("Box 9 rev 2");
        let uefi = QuirkSubject { product, firmware: Some(Firmware::UefiX64), ..QuirkSubject::default() };
        assert_eq!(known.of(uefi).program, "snponly.efi".parse().ok());
        assert_eq!((quirks.of(uefi).program, quirks.of(uefi).pace), ("ipxe.efi".parse().ok(), Some(20000)));
        assert_eq!(quirks.rows.iter().map(|row| row.is_sites).collect::<Vec<_>>(), [true, false]);
        assert_eq!(parse("quirks.toml", "").as_ref(), Ok(shipped()));
    }

    const ROW: &str = "[[quirk]]\nfirmware = \"uefi_x64\"\nprogram = \"snponly.efi\"\npace = 20000\n";

    #[test]
    fn what_makes_no_sense_is_said_with_its_line() {
        for (text, said) in [
            ("[[quirk]]\noui = \"d8:3a\"\nprogram = \"a\"", "quirks.toml:2: \"d8:3a\" is not the first half"),
            ("[[quirk]]\noui = \"d8:3a:dd\"\nprogram = \"../x\"", "quirks.toml:3: \"../x\" is not the name of a file"),
            ("[[quirk]]\narch = 7\nprogram = \"a\"", "quirks.toml:2: unknown field `arch`"),
            ("\n\n[[quirk]]\narchitecture = 7", "quirks.toml:3: a row does nothing"),
            ("[[quirk]]\nprogram = \"a\"", "quirks.toml:1: a row names no machine"),
            ("[[quirk]]\nfirmware = \"uefi\"\npace = 1", "quirks.toml:2: unknown variant `uefi`"),
            ("[[quirk]]\nproduct = \"x\"\npace = 1", "quirks.toml:1: a pace below 10000 bytes a second"),
            (
                "[[quirk]]\nproduct = \"x\"\nreply_delay_ms = 60000",
                "quirks.toml:1: a reply delay of more than 10000 ms",
            ),
            ("[[quirk]]\nproduct = \"x\"\nlocal_boot = \"reboot\"", "quirks.toml:3: unknown variant `reboot`"),
        ] {
            let found = complaints(text);
            assert!(found.iter().any(|what| what.starts_with(said)), "{text:?}: {found:?}");
        }
        assert_eq!(complaints("[[quirk]]\n[[quirk]]\n").len(), 4, "all at once");
        assert!(complaints(&"[[quirk]]\noui = \"00:00:01\"\npace = 20000\n".repeat(1001))[0].contains("1001 rows"));
    }

    #[test]
    fn a_row_comes_back_as_it_was_written() {
        let text = "[[quirk]]\nproduct = 'a \"quoted\" \\ name'\nfirmware = \"bios\"\narchitecture = 0\noui = \"00:1B:21\"\n\
            program = \"x.kpxe\"\nalways_ack = true\nreply_delay_ms = 7\npace = 20000\nlocal_boot = \"not-found\"\n\
            secure_boot = false\nsymptom = \"new\\nline\"\nsource = \"us\"\n";
        let row = &parse("a", text).expect("valid").rows[0];
        let again = &parse("b", &toml(row)).expect("valid").rows[0];
        assert_eq!(again, row);
        assert_eq!(
            in_words(
                &parse("c", "[[quirk]]\noui = \"d8:3a:dd\"\narchitecture = 0\npace = 20000").expect("valid").rows[0]
            ),
            "architecture 0, oui d8:3a:dd -> pace 20000"
        );
    }

    #[test]
    fn a_product_on_which_another_program_worked_is_suggested_as_a_row() {
        let mut nodes = BTreeMap::new();
        for (number, product) in [(1, Some("Box 9")), (2, Some("Box 9")), (3, None)] {
            let mut node = Node::new(NodeId(number), Timestamp::default());
            node.product = product.map(str::to_owned);
            node.firmware = Some(Firmware::UefiX64);
            for (file, works) in [("snponly.efi", false), ("ipxe.efi", true)] {
                node.loader.fetched(file);
                if works {
                    node.loader.worked();
                } else {
                    node.loader.led_nowhere();
                }
            }
            nodes.insert(node.id, Arc::new(node));
        }
        let rows = suggested(&nodes);
        assert_eq!(
            rows.iter().map(toml).collect::<String>(),
            "[[quirk]]\nproduct = \"Box 9\"\nfirmware = \"uefi_x64\"\nprogram = \"ipxe.efi\"\n\
             symptom = \"snponly.efi led nowhere\"\nsource = \"learned at this bench on 2 machines\"\n"
        );
    }
}
