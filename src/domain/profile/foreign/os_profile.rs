//! Edge Infrastructure Manager's OS profile (`spec:` with `osImageUrl`, `osImageSha256` and so on), in every spelling its
//! tools have had.

use super::yaml::Yaml;
use super::{note, quoted};
use crate::domain::diagnostic::Diagnostic;
use crate::domain::digest::Digest;
use crate::domain::ids::ProfileId;
use crate::domain::profile::file;

/// A profile of ours, and what could not be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedProfile {
    pub id: ProfileId,
    pub toml: String,
    pub notes: Vec<Diagnostic>,
}

/// The profile in `text`, which was read from `file`.
pub fn read(file: &str, text: &str) -> Result<ImportedProfile, Vec<Diagnostic>> {
    let document = Yaml::read(text)
        .map_err(|(line, what)| vec![note(file, line, format!("this is no YAML: {what}"), "correct the file")])?;
    let Some(spec) = document.find("spec") else {
        let hint = "an OS profile of Edge Infrastructure Manager has appVersion, metadata and spec";
        return Err(vec![note(file, document.line, "there is no `spec`", hint)]);
    };
    let mut page = OsProfileSource { file, notes: Vec::new(), wrong: Vec::new() };
    page.name_unknown(&document, spec);
    let said = |keys: &[&str]| keys.iter().find_map(|key| spec.find(key)?.text().filter(|text| !text.is_empty()));
    let name = said(&["profileName", "profile_name"]).or(said(&["name"]));
    let id = name.map(as_id).and_then(|name| name.parse::<ProfileId>().ok());
    let Some(id) = id else {
        page.wrong.push(note(file, spec.line, "it has no profileName that could be used", "give it one"));
        return Err(page.wrong);
    };
    let url = said(&["osImageUrl", "osImageURL", "imageUrl", "image_url"]);
    let image = url.and_then(|url| url.rsplit('/').next()).filter(|name| !name.is_empty());
    let Some((url, image)) = url.zip(image) else {
        page.wrong.push(note(file, spec.line, "it has no osImageUrl", "oxbow must know the image's name"));
        return Err(page.wrong);
    };
    let mut toml = format!("# From Edge Infrastructure Manager's OS profile {}.\n", one_line(name.unwrap_or_default()));
    let mut remark = |what: &str, value: Option<&str>| {
        if let Some(value) = value {
            toml.push_str(&format!("# {what}: {}\n", one_line(value)));
        }
    };
    remark("version", said(&["osImageVersion", "imageId", "image_id", "profileVersion"]));
    remark("type", said(&["type", "osType"]));
    remark("provider", said(&["provider", "osProvider"]));
    for metadata in [document.find("metadata"), spec.find("metadata")].into_iter().flatten() {
        metadata.map().iter().for_each(|(key, value)| remark(&format!("metadata {}", one_line(key)), value.text()));
    }
    toml.push_str("\nschema = 1\n");
    let mut line = |key: &str, value: String| toml.push_str(&format!("{key} = {value}\n"));
    line("title", quoted(said(&["name"]).unwrap_or(id.as_str())));
    if let Some(description) = said(&["description"]) {
        line("description", quoted(description));
    }
    let source = if url.contains("://") { url.to_owned() } else { format!("the release server, {url}") };
    line("source", quoted(&source));
    let mut aliases: Vec<&str> = [name, said(&["resourceId", "resource_id"])].into_iter().flatten().collect();
    aliases.retain(|alias| *alias != id.as_str());
    if !aliases.is_empty() {
        line("aliases", format!("[{}]", aliases.into_iter().map(quoted).collect::<Vec<_>>().join(", ")));
    }
    page.architecture(spec);
    line("architecture", quoted("x86_64"));
    line("image", quoted(image));
    match said(&["osImageSha256", "sha256"]) {
        Some(sha256) => {
            line("sha256", quoted(&sha256.to_lowercase()));
            page.digest(spec, sha256);
        }
        None => {
            page.notes.push(note(file, spec.line, "it has no osImageSha256", "put the .sha256sum beside the image"))
        }
    }
    if page.wants_secure_boot(spec) {
        line("secure_boot", "true".into());
    }
    if id.as_str().contains("microvisor") || image.starts_with("edge-readonly") {
        // The toolkit starts by UEFI, from SATA and NVMe disks only.
        line("firmware", quoted("uefi"));
        toml.push_str("\n[disk]\ntransport = [\"nvme\", \"sata\"]\npick = \"smallest\"\nmin_bytes = 32000000000\n");
    }
    let ours = format!("{id}.toml");
    if page.wrong.is_empty() {
        page.wrong.extend(file::parse(&ours, &toml).err().into_iter().flatten());
    }
    if page.wrong.is_empty() { Ok(ImportedProfile { id, toml, notes: page.notes }) } else { Err(page.wrong) }
}

struct OsProfileSource<'f> {
    file: &'f str,
    notes: Vec<Diagnostic>,
    wrong: Vec<Diagnostic>,
}

impl OsProfileSource<'_> {
    fn name_unknown(&mut self, document: &Yaml, spec: &Yaml) {
        let at_top = document.map().iter().filter(|(key, _)| !TOP.contains(&key.as_str()));
        let in_spec = spec.map().iter().filter(|(key, _)| !TAKEN.contains(&key.as_str()));
        for (key, value) in at_top.chain(in_spec) {
            let empty = value.text().is_some_and(str::is_empty) || value.flow() == "null";
            let without = LEFT_OUT.iter().find(|(known, _)| *known == key.as_str());
            match without {
                Some(_) if empty => {}
                Some((_, why)) => self.notes.push(note(self.file, value.line, format!("{key} is left out"), *why)),
                None => {
                    let what = format!("the key {:?} means nothing to oxbow and is left out", one_line(key));
                    self.notes.push(note(
                        self.file,
                        value.line,
                        what,
                        "if it matters, say it in the profile's own words",
                    ));
                }
            }
        }
    }

    fn architecture(&mut self, spec: &Yaml) {
        let Some(value) = spec.find("architecture") else { return };
        let said = value.text().unwrap_or_default();
        if !matches!(said, "" | "x86_64" | "amd64" | "x86-64") {
            let what = format!("architecture {said:?}: images are written on x86_64 machines only");
            self.wrong.push(note(self.file, value.line, what, "there is no install system for it"));
        }
    }

    fn digest(&mut self, spec: &Yaml, sha256: &str) {
        let at = spec.find("osImageSha256").or(spec.find("sha256")).map_or(spec.line, |value| value.line);
        let wrong = sha256.parse::<Digest>().err();
        self.wrong.extend(wrong.map(|err| {
            note(self.file, at, format!("osImageSha256: {err}"), "copy the first field of the image's .sha256sum file")
        }));
    }

    fn wants_secure_boot(&mut self, spec: &Yaml) -> bool {
        let feature = spec.find("securityFeature").or(spec.find("security_feature"));
        let Some(value) = feature else { return false };
        let said = value.text().unwrap_or_default();
        match said.trim_start_matches("SECURITY_FEATURE_") {
            "" | "NONE" | "UNSPECIFIED" => false,
            "SECURE_BOOT_AND_FULL_DISK_ENCRYPTION" => {
                let what = "securityFeature: machines start through signed programs, and the disk is not encrypted";
                self.notes.push(note(self.file, value.line, what, "oxbow has no full disk encryption"));
                true
            }
            _ => {
                let what = format!("securityFeature {:?} means nothing to oxbow", one_line(said));
                self.notes.push(note(self.file, value.line, what, "say `secure_boot = true` if it needs that"));
                false
            }
        }
    }
}

/// A name as the file of a profile can have it.
fn as_id(name: &str) -> String {
    let fits =
        |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c.to_ascii_lowercase() } else { '-' };
    name.trim().chars().map(fits).collect()
}

fn one_line(text: &str) -> String {
    crate::domain::text::clean(text, 200)
}

const TOP: &[&str] = &["appVersion", "apiVersion", "kind", "metadata", "spec"];
/// Keys of `spec` that have a counterpart, in all their spellings.
const TAKEN: &[&str] = &[
    "name",
    "type",
    "osType",
    "provider",
    "osProvider",
    "architecture",
    "profileName",
    "profile_name",
    "profileVersion",
    "resourceId",
    "resource_id",
    "osImageUrl",
    "osImageURL",
    "imageUrl",
    "image_url",
    "osImageVersion",
    "imageId",
    "image_id",
    "osImageSha256",
    "sha256",
    "securityFeature",
    "security_feature",
    "description",
    "metadata",
];
/// Keys that are known and have none.
const LEFT_OUT: &[(&str, &str)] = &[
    ("osPackageManifestURL", PAPERS),
    ("installedPackages", PAPERS),
    ("installedPackagesUrl", PAPERS),
    ("osExistingCvesURL", PAPERS),
    ("existingCvesURL", PAPERS),
    ("existingCves", PAPERS),
    ("osFixedCvesURL", PAPERS),
    ("fixedCvesURL", PAPERS),
    ("fixedCves", PAPERS),
    ("platformBundle", "oxbow does not install what it names"),
    ("tlsCaCertificate", SERVER),
    ("tlsCaCert", SERVER),
    ("tlsCert", SERVER),
    ("kernelCommand", "the kernel's words are in the image"),
    ("kernel_command", "the kernel's words are in the image"),
    ("updateSources", "an immutable system has none"),
    ("update_sources", "an immutable system has none"),
];
const PAPERS: &str = "it is about the image, not about installing it";
const SERVER: &str = "oxbow fetches no image: copy it into the images directory";

#[cfg(test)]
mod tests {
    use super::*;

    const STANDALONE: &str = r#"appVersion: apps/v1
metadata:
  standalone-node: "true"
spec:
  name: "Edge Microvisor Toolkit Standalone"
  type: "OS_TYPE_IMMUTABLE"
  provider: "OS_PROVIDER_KIND_INFRA"
  architecture: "x86_64"
  profileName: "microvisor-standalone"
  osImageUrl: "files-edge-orch/repository/microvisor/non_rt/edge-readonly-3.0.20260602.2200.raw.gz"
  osImageVersion: "3.0.20260602.2200"
  osImageSha256: "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"
  osPackageManifestURL: "files-edge-orch/manifest.json"
  securityFeature: "SECURITY_FEATURE_NONE"
  description: "A system: \"immutable\""
  platformBundle: ""
  tlsCaCert: ""
"#;

    fn imported(text: &str) -> (crate::domain::profile::Profile, Vec<String>) {
        let imported = read("os.yaml", text).unwrap_or_else(|wrong| panic!("{wrong:#?}"));
        let profile = file::parse(&format!("{}.toml", imported.id), &imported.toml).expect("a profile");
        (profile, imported.notes.iter().map(Diagnostic::place_and_what).collect())
    }

    #[test]
    fn a_published_profile_is_taken_over_and_what_is_left_out_is_named() {
        let (profile, notes) = imported(STANDALONE);
        assert_eq!(profile.id.as_str(), "microvisor-standalone");
        assert_eq!(profile.title, "Edge Microvisor Toolkit Standalone");
        assert_eq!(profile.description.as_deref(), Some("A system: \"immutable\""));
        let image = profile.image().expect("an image");
        assert_eq!(image.file, "edge-readonly-3.0.20260602.2200.raw.gz");
        assert_eq!(image.sha256.map(String::from), Some("ab".repeat(32)));
        assert_eq!(notes, ["os.yaml:13: osPackageManifestURL is left out"]);
    }

    #[test]
    fn every_spelling_that_the_tools_have_had_means_the_same() {
        let drifted = STANDALONE
            .replace("OS_TYPE_IMMUTABLE", "OPERATING_SYSTEM_TYPE_IMMUTABLE")
            .replace("OS_PROVIDER_KIND_INFRA", "OPERATING_SYSTEM_PROVIDER_INFRA")
            .replace(
                "metadata:\n  standalone-node: \"true\"\nspec:\n",
                "spec:\n  metadata:\n    standalone-node: \"true\"\n",
            )
            .replace("  tlsCaCert: \"\"\n", "  tlsCert: \"\"\n  existingCvesURL: \"\"\n  tlsCaCertificate: \"\"\n");
        assert_eq!(imported(&drifted).0, imported(STANDALONE).0);
    }

    #[test]
    fn secure_boot_is_taken_over_and_encryption_is_said_not_to_be() {
        let secure =
            STANDALONE.replace("SECURITY_FEATURE_NONE", "SECURITY_FEATURE_SECURE_BOOT_AND_FULL_DISK_ENCRYPTION");
        let (profile, notes) = imported(&secure);
        assert!(profile.secure_boot);
        assert!(
            notes.iter().any(|note| note.starts_with("os.yaml:14: ") && note.contains("not encrypted")),
            "{notes:?}"
        );
    }

    #[test]
    fn unknown_keys_are_named_with_their_lines_and_do_not_stop_the_import() {
        let (_, notes) = imported(&format!("{STANDALONE}  colour: blue\nextra: 1\n"));
        assert!(
            notes.contains(&"os.yaml:18: the key \"colour\" means nothing to oxbow and is left out".into()),
            "{notes:?}"
        );
        assert!(notes.iter().any(|note| note.contains("\"extra\"")), "{notes:?}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_a_fault_and_what_is_imported_is_a_profile(
            text in "[\\[\\]{}:,&*!|>'\"#%@\\- \na-z0]{0,80}",
            name in "\\PC{0,12}",
        ) {
            let _says_why = read("os.yaml", &text);
            let name = quoted(&name);
            let text = format!("spec:\n  profileName: \"a\"\n  name: {name}\n  description: {name}\n  osImageUrl: x/{name}\n");
            if let Ok(imported) = read("os.yaml", &text) {
                proptest::prop_assert!(file::parse("a.toml", &imported.toml).is_ok());
            }
        }
    }

    #[test]
    fn what_is_no_profile_says_why() {
        for (text, said) in [
            ("spec:\n  profileName: x\n", "os.yaml:1: it has no osImageUrl"),
            ("a: [", "os.yaml:2: this is no YAML: "),
            ("hello", "os.yaml:1: there is no `spec`"),
            (
                "spec:\n  profileName: x\n  osImageUrl: a/b.raw\n  osImageSha256: abc\n",
                "os.yaml:4: osImageSha256: a SHA-256 is",
            ),
            (
                "spec:\n  profileName: x\n  osImageUrl: a/b.raw\n  architecture: riscv\n",
                "os.yaml:4: architecture \"riscv\": images are written on x86_64",
            ),
        ] {
            let wrong: Vec<String> =
                read("os.yaml", text).expect_err("wrong").iter().map(Diagnostic::place_and_what).collect();
            assert!(wrong[0].starts_with(said), "{said:?}: {wrong:?}");
        }
    }
}
