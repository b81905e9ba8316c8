//! `oxbow profiles import`: converts profiles and configuration of other tools, completely or not at all.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use sha_crypt::{PasswordHasher, ShaCrypt};

use crate::cli::print;
use crate::config::ConfigProblem;
use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::ProfileId;
use crate::domain::profile::file;
use crate::domain::profile::foreign::config_file::{self, ConfigFile};
use crate::domain::profile::foreign::{os_profile, quoted};

#[derive(Debug, clap::Args)]
pub(super) struct ProfileImportArgs {
    /// OS profiles (YAML) of Edge Infrastructure Manager, or a config-file of Edge Microvisor Toolkit Standalone
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The profile that a config-file is for [default: the one that is imported with it]
    #[arg(long, value_name = "PROFILE")]
    to: Option<ProfileId>,
    /// The password of the config-file's account, on the first line of a file (- is standard input). Only its hash is
    /// kept
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A tar of the images directory whose content goes to /user-apps on the partition edge_persistent
    #[arg(long, value_name = "NAME")]
    user_apps: Option<String>,
    /// Replace what exists
    #[arg(long)]
    force: bool,
}

pub(super) fn run(options: &ProfileImportArgs, profiles: &Path) -> ExitCode {
    match planned(options, profiles) {
        Err(problems) => {
            problems.iter().for_each(|found| print::problem(&found.what, Some(&found.hint)));
            ExitCode::from(print::REFUSED)
        }
        Ok(ImportPlan { files, notes }) => {
            notes.iter().for_each(|found| print::problem(&found.what, Some(&found.hint)));
            for (path, text) in &files {
                if let Err(err) = replace(path, text) {
                    let what = format!("cannot write {}: {err}", path.display());
                    let hint = "use the account that the station runs under, which is usually root".into();
                    return print::failed(&[ConfigProblem { what, hint }]);
                }
                print::line(&format!("wrote {}", path.display()));
            }
            ExitCode::SUCCESS
        }
    }
}

/// What is to be written, and notes on it.
#[derive(Default)]
struct ImportPlan {
    files: Vec<(PathBuf, String)>,
    notes: Vec<ConfigProblem>,
}

fn planned(options: &ProfileImportArgs, directory: &Path) -> Result<ImportPlan, Vec<ConfigProblem>> {
    let (mut plan, mut problems) = (ImportPlan::default(), Vec::new());
    let (mut profiles, mut configs) = (Vec::new(), Vec::new());
    for path in &options.files {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match fs::read_to_string(path) {
            Err(err) => {
                let what = format!("cannot read {}: {err}", path.display());
                problems.push(ConfigProblem { what, hint: "name a file that is there".into() });
            }
            Ok(text) if config_file::is_one(&text) => match config_file::read(&name, &text) {
                Ok(config) => configs.push((name, text, config)),
                Err(wrong) => problems.extend(wrong.into_iter().map(explained)),
            },
            Ok(text) => match os_profile::read(&name, &text) {
                Ok(imported) => profiles.push(imported),
                Err(wrong) => problems.extend(wrong.into_iter().map(explained)),
            },
        }
    }
    if configs.len() > 1 {
        let what = "more than one config-file was named".to_owned();
        problems.push(ConfigProblem { what, hint: "import each with the profile it is for".into() });
    }
    let only = || profiles.first().filter(|_| profiles.len() == 1).map(|imported| imported.id.clone());
    let target = options.to.clone().or_else(only);
    for imported in &profiles {
        let path = directory.join(format!("{}.toml", imported.id));
        if path.exists() && !options.force {
            let what = format!("there is a profile {} already", imported.id);
            problems.push(ConfigProblem { what, hint: "--force replaces it".into() });
        }
        plan.files.push((path, imported.toml.clone()));
        plan.notes.extend(imported.notes.iter().cloned().map(explained));
    }
    for (name, text, config) in configs {
        match target.as_ref() {
            Some(target) => match configured(options, directory, target, (&name, &text), &config, &plan.files) {
                Ok(files) => {
                    plan.files.retain(|(path, _)| files.iter().all(|(new, _)| new != path));
                    plan.files.extend(files);
                }
                Err(problem) => problems.push(problem),
            },
            None => {
                let what = format!("{name} does not say which profile it is for");
                problems.push(ConfigProblem { what, hint: "name the profile with --to".into() });
            }
        }
        plan.notes.extend(config.notes.iter().cloned().map(explained));
        if let Some(user) = config.user.as_ref().filter(|_| options.password_file.is_none()) {
            let what = format!("the account {user} gets no password: it logs in by its key alone");
            plan.notes.push(ConfigProblem { what, hint: "--password-file sets one".into() });
        }
    }
    if problems.is_empty() { Ok(plan) } else { Err(problems) }
}

/// The profile `target` with this configuration, and its user data.
fn configured(
    options: &ProfileImportArgs,
    directory: &Path,
    target: &ProfileId,
    (name, original): (&str, &str),
    config: &ConfigFile,
    imported: &[(PathBuf, String)],
) -> Result<Vec<(PathBuf, String)>, ConfigProblem> {
    let (file, template) = (format!("{target}.toml"), format!("{target}/user-data"));
    let path = directory.join(&file);
    let known = imported.iter().find(|(known, _)| *known == path).map(|(_, text)| text.clone());
    let text = known.map_or_else(|| fs::read_to_string(&path), Ok).map_err(|err| ConfigProblem {
        what: format!("the profile {target} cannot be read: {err}"),
        hint: "`oxbow profiles list` shows those there are".into(),
    })?;
    let hash = options.password_file.as_deref().map(hashed).transpose()?;
    let user_data = config.user_data(name, hash.as_deref());
    let line = format!("user_data = \"{template}\"");
    let names_it = text.lines().any(|known| known.trim() == line);
    if names_it && directory.join(&template).exists() && !options.force {
        let what = format!("the profile {target} has user data already, in {template}");
        return Err(ConfigProblem { what, hint: "--force replaces it".into() });
    }
    let text = match text.lines().any(|line| line.trim() == "[cloud_init]") {
        _ if names_it => text,
        true => text.replacen("[cloud_init]", &format!("[cloud_init]\n{line}"), 1),
        false => format!("{}\n\n[cloud_init]\n{line}\n", text.trim_end()),
    };
    // Where the toolkit's own installer has them, also for its updates, which read the file itself.
    let (copy, kept) = (format!("{target}/config-file"), config_file::as_template(original));
    let text = with_lines(text, "cloud_init = \"emt\"", "[configure]");
    let file_line = format!("template = \"{copy}\"");
    let place = "[[file]]\npath = \"/etc/cloud/config-file\"\nmode = \"0600\"";
    let text = if text.contains(&file_line) { text } else { format!("{text}\n{place}\n{file_line}\n") };
    let apps = options.user_apps.as_ref().map(|file| {
        format!("[[archive]]\nvolume = \"edge_persistent\"\npath = \"/user-apps\"\nfile = {}\n", quoted(file))
    });
    let network = config.network();
    let text = network.as_ref().map_or(text.clone(), |network| text.replacen(BY_DHCP, network, 1));
    let text = [("[system.network]", network), ("path = \"/user-apps\"", apps)].into_iter().fold(text, added);
    let beside = |asked: &str| {
        if asked == template {
            Ok(user_data.clone())
        } else if asked == copy {
            Ok(kept.clone())
        } else {
            fs::read_to_string(directory.join(asked)).map_err(|err| err.to_string())
        }
    };
    match file::read(&file, &text, &beside) {
        Ok(_) => Ok(vec![(directory.join(&template), user_data), (directory.join(&copy), kept), (path, text)]),
        Err(wrong) => Err(wrong.into_iter().next().map(explained).unwrap_or_else(|| ConfigProblem {
            what: format!("the profile {target} cannot take it"),
            hint: "check it with `oxbow profiles check`".into(),
        })),
    }
}

/// `profile` with `table` at its end, unless it has the line that marks such a table.
fn added(profile: String, (mark, table): (&str, Option<String>)) -> String {
    let has_one = profile.lines().any(|line| line.trim() == mark);
    match table.filter(|_| !has_one) {
        Some(table) => format!("{}\n\n{table}", profile.trim_end()),
        None => profile,
    }
}

/// `profile` with `line` in the table `head`, unless something like it is there already.
fn with_lines(profile: String, line: &str, head: &str) -> String {
    let key = line.split(" = ").next().unwrap_or(line);
    let says = |known: &str| known.trim().starts_with(&format!("{key} = "));
    match profile.lines().any(|known| known.trim() == head) {
        _ if profile.lines().any(says) => profile,
        true => profile.replacen(head, &format!("{head}\n{line}"), 1),
        false => format!("{}\n\n{head}\n{line}\n", profile.trim_end()),
    }
}

/// The password on the first line, as `crypt(3)` keeps it (SHA-512).
fn hashed(file: &Path) -> Result<String, ConfigProblem> {
    let cannot = |why: String| ConfigProblem {
        what: format!("no password in {}: {why}", file.display()),
        hint: "put it on the first line of a file, or give - and type it".into(),
    };
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => io::stdin().take(PASSWORD).read_to_string(&mut text),
        _ => fs::File::open(file).and_then(|file| file.take(PASSWORD).read_to_string(&mut text)),
    };
    read.map_err(|err| cannot(err.to_string()))?;
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        return Err(cannot("its first line is empty".into()));
    }
    let mut salt = [0; SALT];
    getrandom::fill(&mut salt).map_err(|err| cannot(err.to_string()))?;
    let hash = ShaCrypt::SHA512.hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.as_str().to_owned()).map_err(|err| cannot(err.to_string()))
}

fn explained(found: Diagnostic) -> ConfigProblem {
    ConfigProblem { what: found.place_and_what(), hint: found.hint }
}

/// Replaces the file in one step: a station that reads it meanwhile sees the old file or the new one. User data may
/// contain a password hash, so that only its owner may read it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mode = if path.extension().is_some_and(|end| end == "toml") { 0o644 } else { 0o600 };
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let new = PathBuf::from(format!("{}.new", path.display()));
    let _one_that_was_left_behind = fs::remove_file(&new);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(new, path)
}

/// What shipped profiles say about the network.
const BY_DHCP: &str = "[system.network]\ndhcp = true\n";
/// Bytes of a file that are looked at for a password.
const PASSWORD: u64 = 4096;
/// 16 characters, as `crypt(3)` takes at most.
const SALT: usize = 12;
