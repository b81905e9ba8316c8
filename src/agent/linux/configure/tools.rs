//! Programs of the initramfs that know file systems, dm-verity and the firmware's variables better than anybody else.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::misfit;
use crate::agent::machine::Unconfigured;
use crate::domain::text::clean;

/// A program that has come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ran {
    /// None: it was killed.
    pub status: Option<i32>,
    pub output: String,
    /// The last words of its error output, or of its output where that is empty.
    pub words: String,
}

/// Runs `program` to its end, whatever its status.
pub(super) fn run(program: &str, args: &[&str]) -> Result<Ran, Unconfigured> {
    let known = DIRECTORIES.iter().map(|directory| Path::new(directory).join(program)).find(|path| path.exists());
    let path: PathBuf = known
        .ok_or_else(|| misfit(format!("the boot files have no {program}: rebuild the boot files from this version")))?;
    let ended = Command::new(path).args(args).env_clear().env("PATH", "/bin:/usr/sbin").env("LC_ALL", "C").output();
    let ended = ended.map_err(|error| misfit(format!("{program} cannot be started: {error}")))?;
    let output = String::from_utf8_lossy(&ended.stdout).into_owned();
    let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
    let last = |text: &str| text.lines().rev().find(|line| !line.trim().is_empty()).map(|line| clean(line, WORDS));
    let words = last(&errors).or_else(|| last(&output)).unwrap_or_else(|| "no output".to_owned());
    Ok(Ran { status: ended.status.code(), output, words })
}

/// Runs `program`, which must succeed; gives its output.
pub(super) fn succeed(program: &str, args: &[&str]) -> Result<String, Unconfigured> {
    let ran = run(program, args)?;
    match ran.status {
        Some(0) => Ok(ran.output),
        status => {
            let status = status.map_or_else(|| "a signal".to_owned(), |status| format!("status {status}"));
            Err(misfit(format!("{program} {} ended with {status}: {}", args.join(" "), ran.words)))
        }
    }
}

/// What was made for the agent comes before busybox.
const DIRECTORIES: &[&str] = &["/usr/sbin", "/sbin", "/bin"];
const WORDS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_older_boot_files_do_not_have_is_named() {
        let missing = run("oxbow-no-such-tool", &[]).expect_err("it is not there");
        assert!(missing.detail.starts_with("the boot files have no oxbow-no-such-tool"), "{missing:?}");
    }

    #[test]
    fn a_program_that_fails_is_quoted_with_its_status_and_last_words() {
        let failed = succeed("sh", &["-c", "echo first >&2; echo 'no room left' >&2; exit 3"]).expect_err("it fails");
        assert!(failed.detail.ends_with("ended with status 3: no room left"), "{failed:?}");
    }
}
