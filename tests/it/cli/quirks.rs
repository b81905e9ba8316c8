//! The register of quirks at the command line, with the built program.

use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A bench on which no station runs.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().expect("a directory"));
        home.write("empty.toml", "");
        home
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).expect("a file")
    }

    /// `oxbow` with these arguments: how it ended, what it printed, and what it complained of.
    fn oxbow(&self, arguments: &[&str]) -> (bool, String, String) {
        let mut oxbow = Command::new(env!("CARGO_BIN_EXE_oxbow"));
        oxbow.args(arguments).env("OXBOW_DATA", self.0.path()).env("OXBOW_CONFIG", self.0.path().join("empty.toml"));
        let Output { status, stdout, stderr } =
            oxbow.current_dir(self.0.path()).stdin(Stdio::null()).output().expect("oxbow starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (status.success(), text(&stdout), text(&stderr))
    }
}

const ROW: &str = "[[quirk]]\nproduct = \"Box 9\"\nfirmware = \"uefi_x64\"\nprogram = \"ipxe.efi\"\n";

#[test]
fn all_that_is_known_is_listed_with_where_it_is_known_from() {
    let (well, out, err) = Home::new().oxbow(&["quirks"]);
    assert!(well, "{err}");
    for words in [
        "nothing: all machines are treated alike",
        "ipxe#1696",
        "Lenovo T460, Kontron VX3040, Gigabyte Z77X: read option 67 on into the next option",
        "[reply_delay_ms 2000]; firmware#934",
    ] {
        assert!(out.contains(words), "{words:?} is not in: {out}");
    }
}

#[test]
fn rows_are_carried_from_one_bench_to_the_next() {
    let (here, there) = (Home::new(), Home::new());
    here.write("quirks.toml", &format!("# ours\n{ROW}"));
    let (well, exported, err) = here.oxbow(&["quirks", "export"]);
    assert!(well && exported == ROW, "{exported}{err}");

    there.write("quirks.toml", "# theirs\n[[quirk]]\noui = \"b8:27:eb\"\nreply_delay_ms = 2000\n");
    there.write("from-here.toml", &exported);
    let (well, out, err) = there.oxbow(&["quirks", "import", "from-here.toml"]);
    assert!(well && out.starts_with("added 1 row to "), "{out}{err}");
    let now = there.read("quirks.toml");
    assert!(now.starts_with("# theirs\n") && now.ends_with(ROW), "{now}");
    let (_, listed, _) = there.oxbow(&["quirks", "list"]);
    assert!(listed.contains("  product Box 9, firmware uefi_x64 -> program ipxe.efi (this site)\n"), "{listed}");
    let (well, out, _) = there.oxbow(&["quirks", "import", "from-here.toml"]);
    assert!(well && out.contains("nothing to import"), "{out}");
    assert_eq!(there.read("quirks.toml"), now);
}

#[test]
fn a_file_with_a_mistake_is_refused_with_its_line_and_changes_nothing() {
    let home = Home::new();
    home.write("quirks.toml", ROW);
    home.write("wrong.toml", "[[quirk]]\noui = \"b8:27:eb\"\nreply_delay = 2\n");
    let (well, _, err) = home.oxbow(&["quirks", "import", "wrong.toml"]);
    assert!(!well && err.contains("wrong.toml:3: unknown field `reply_delay`") && err.contains("hint: "), "{err}");
    let (well, _, err) = home.oxbow(&["quirks", "import", "nowhere.toml"]);
    assert!(!well && err.contains("cannot read nowhere.toml"), "{err}");
    assert_eq!(home.read("quirks.toml"), ROW);
}

#[test]
fn one_node_is_told_to_load_another_program() {
    let home = Home::new();
    assert!(home.oxbow(&["nodes", "register", "--serial", "SN-1", "--name", "press-01"]).0);
    let (well, out, err) = home.oxbow(&["nodes", "loader", "press-01", "ipxe.efi"]);
    assert!(well && out.contains("press-01 is to load ipxe.efi at its next network boot"), "{out}{err}");
    let (_, shown, _) = home.oxbow(&["nodes", "show", "press-01"]);
    assert!(shown.contains("is to load ipxe.efi"), "{shown}");
    let (well, out, _) = home.oxbow(&["nodes", "loader", "press-01", "auto"]);
    assert!(well && out.contains("the usual boot program"), "{out}");
    let (well, _, err) = home.oxbow(&["nodes", "loader", "press-01", "../etc/passwd"]);
    assert!(!well && err.contains("is not the name of a file in the boot-files folder"), "{err}");
}
