//! Which file is meant by the name a machine sends.

use std::fmt;

use super::packet;

/// A file that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootFile {
    /// One of the listed names.
    File(String),
    /// iPXE's own first script, which has no file: it is made for this station.
    Autoexec,
    /// GRUB's first configuration, which is made too.
    GrubConfig,
}

/// Why there is none. Firmware shows these words on its screen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchFile {
    #[error("no file \"{asked}\"; oxbow has {}", Few(there))]
    NoSuchFile { asked: String, there: Vec<String> },
    #[error("\"{0}\" is outside the boot files")]
    OutOfBounds(String),
}

impl NoSuchFile {
    /// The ERROR packet for it.
    pub fn packet(&self) -> Vec<u8> {
        let code = match self {
            Self::NoSuchFile { .. } => packet::FILE_NOT_FOUND,
            Self::OutOfBounds(_) => packet::ACCESS_VIOLATION,
        };
        packet::error(code, &self.to_string())
    }
}

/// Finds what `asked` means among `names` (paths below the boot-files folder, with `/`).
///
/// Firmware puts `/`, `//` or `\` before and between, and changes case; a path that leads upwards is refused. iPXE asks
/// for `autoexec.ipxe` in the folder it was loaded from and above: that is found in every one.
pub fn find(asked: &str, names: &[String]) -> Result<BootFile, NoSuchFile> {
    let parts: Vec<&str> = asked.split(['/', '\\']).map(str::trim).filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err(NoSuchFile::OutOfBounds(shown(asked)));
    }
    if parts.last().is_some_and(|last| last.eq_ignore_ascii_case(AUTOEXEC)) {
        return Ok(BootFile::Autoexec);
    }
    let wanted = parts.join("/");
    let exact = names.iter().find(|name| **name == wanted);
    let any_case = || names.iter().find(|name| name.eq_ignore_ascii_case(&wanted));
    match exact.or_else(any_case) {
        Some(name) => Ok(BootFile::File(name.clone())),
        // The signed one looks in grub/x86_64-efi and then in grub; over HTTP the folder it came from may be before that.
        None if parts.last().is_some_and(|last| last.eq_ignore_ascii_case(GRUB_CONFIG)) => Ok(BootFile::GrubConfig),
        None => Err(NoSuchFile::NoSuchFile { asked: shown(asked), there: programs(names) }),
    }
}

/// The names that a machine could have meant.
fn programs(names: &[String]) -> Vec<String> {
    let is_program = |name: &&String| PROGRAMS.iter().any(|ending| name.to_ascii_lowercase().ends_with(ending));
    names.iter().filter(is_program).cloned().collect()
}

fn shown(asked: &str) -> String {
    asked.chars().filter(|c| !c.is_control() && *c != '"').take(80).collect()
}

/// The first of some names, and that there are more.
struct Few<'a>(&'a [String]);

impl fmt::Display for Few<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("no boot files"),
            names => {
                f.write_str(&names[..names.len().min(AT_MOST)].join(", "))?;
                if names.len() > AT_MOST { f.write_str(", …") } else { Ok(()) }
            }
        }
    }
}

const GRUB_CONFIG: &str = "grub.cfg";
const AUTOEXEC: &str = "autoexec.ipxe";
const PROGRAMS: &[&str] = &[".kpxe", ".kkpxe", ".pxe", ".efi"];
const AT_MOST: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(asked: &str) -> Result<BootFile, String> {
        let names = ["MANIFEST", "snponly.efi", "undionly.kpxe", "vmlinuz", "x64/Grub.efi"].map(str::to_owned);
        find(asked, &names).map_err(|missing| missing.to_string())
    }

    #[test]
    fn every_spelling_of_firmware_finds_the_file() {
        for asked in ["snponly.efi", "/snponly.efi", "//snponly.efi", "\\snponly.efi", "./SNPONLY.EFI", " snponly.efi "]
        {
            assert_eq!(found(asked), Ok(BootFile::File("snponly.efi".into())), "{asked}");
        }
        assert_eq!(found("\\X64\\\\grub.EFI"), Ok(BootFile::File("x64/Grub.efi".into())));
    }

    #[test]
    fn autoexec_is_found_in_every_folder() {
        for asked in ["autoexec.ipxe", "/a/b/autoexec.ipxe", "x64\\AUTOEXEC.IPXE"] {
            assert_eq!(found(asked), Ok(BootFile::Autoexec), "{asked}");
        }
    }

    #[test]
    fn grubs_configuration_is_found_in_every_folder_and_by_no_other_name() {
        for asked in ["/grub/x86_64-efi/grub.cfg", "grub//grub.cfg", "boot\\grub\\GRUB.CFG"] {
            assert_eq!(found(asked), Ok(BootFile::GrubConfig), "{asked}");
        }
        assert!(found("/grub/grub.cfg-amd64").is_err() && found("/grub/x86_64-efi/command.lst").is_err());
        let own = ["grub/grub.cfg".to_owned()];
        assert_eq!(
            find("/grub/grub.cfg", &own),
            Ok(BootFile::File("grub/grub.cfg".into())),
            "a site's own comes first"
        );
    }

    #[test]
    fn nothing_outside_is_found() {
        for asked in ["../etc/passwd", "/..\\..//etc/passwd", "x64/../../snponly.efi", "../autoexec.ipxe"] {
            assert!(found(asked).is_err_and(|words| words.contains("is outside the boot files")), "{asked}");
        }
        assert!(found("/etc/passwd").is_err() && found("").is_err() && found("snponly.efi/").is_ok());
    }

    #[test]
    fn a_missing_file_is_answered_with_what_there_is() {
        let words = "no file \"revocations.efi\"; oxbow has snponly.efi, undionly.kpxe, x64/Grub.efi";
        assert_eq!(found("revocations.efi"), Err(words.into()));
        let empty = find("a\u{7}\"b", &[]).map_err(|missing| missing.to_string());
        assert_eq!(empty, Err("no file \"ab\"; oxbow has no boot files".into()));
    }
}
