//! How a profile gets its operating system on the disk: an image, or an installer.

use serde::Deserialize;

use super::names::is_in_images;
use super::one_or_more::OneOrMore;
use super::source::ProfileSource;
use super::written::{EXPLAINED, ProfileToml};
use crate::domain::digest::Digest;
use crate::domain::profile::image::file_name;
use crate::domain::profile::{Architecture, Image, Install, Installer};

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenInstaller {
    kernel: String,
    initrd: OneOrMore,
    #[serde(default)]
    arguments: Vec<String>,
    answers: Option<String>,
}

pub(super) fn read(page: &mut ProfileSource<'_>, written: &ProfileToml) -> Option<Install> {
    match (&written.image, &written.installer) {
        (Some(file), None) => image(page, file, written).map(Install::Image),
        (None, Some(installer)) => {
            without_what_images_have(page, written);
            self::installer(page, installer).map(Install::Installer)
        }
        (Some(_), Some(_)) => {
            let what = "it has an image and an [installer], and a machine gets one of them";
            page.wrong_at(&["installer"], what, "make two profiles of it");
            None
        }
        (None, None) => {
            page.wrong(None, "it has neither an image nor an [installer]", EXPLAINED);
            None
        }
    }
}

fn image(page: &mut ProfileSource<'_>, file: &str, written: &ProfileToml) -> Option<Image> {
    let file = file_name(file);
    let is_file = is_in_images(page, &["image"], "image", file);
    let sha256 = written.sha256.as_ref().map(|text| text.parse::<Digest>());
    let sha256 = sha256.transpose().map_err(|err| {
        page.wrong_at(&["sha256"], err.to_string(), "copy the first field of the image's .sha256sum file");
    });
    let disk = written.disk.clone().unwrap_or_default();
    if let Some((key, what)) = disk.nonsense() {
        page.wrong_at(&["disk", key], what, "correct it, or leave it out: then any disk of these transports fits");
    }
    if disk.transport.is_empty() {
        let what = "the disk rule allows no transport, so no disk could ever be chosen";
        page.wrong_at(&["disk", "transport"], what, "name at least one, as transport = [\"nvme\", \"sata\"]");
    }
    if !disk.boots_from.is_empty() && !disk.boots_from.iter().any(|from| disk.transport.contains(from)) {
        let what = "the system starts from none of the disks that the rule allows";
        page.wrong_at(&["disk", "boots_from"], what, "name one of them in transport too");
    }
    if written.architecture != Architecture::X86_64 {
        let what = "images are written by the install system, which runs on x86_64 only";
        page.wrong_at(&["architecture"], what, "take it out, or boot an [installer] for that architecture");
    }
    is_file.then_some(Image { file: file.to_owned(), sha256: sha256.ok()?, disk })
}

fn installer(page: &mut ProfileSource<'_>, written: &WrittenInstaller) -> Option<Installer> {
    let WrittenInstaller { kernel, initrd, arguments, answers } = written;
    let initrd = Vec::from(initrd.clone());
    let mut whole = is_in_images(page, &["installer", "kernel"], "kernel", kernel);
    for file in &initrd {
        whole &= is_in_images(page, &["installer", "initrd"], "initrd", file);
    }
    for (at, word) in arguments.iter().enumerate() {
        if word.trim() != word || word.is_empty() {
            let what = format!("the argument {word:?} is not one word");
            page.wrong_at(&["installer", "arguments", &at.to_string()], what, "write each word for itself");
        }
    }
    let inline = |(at, word): (usize, &String)| page.inline(&["installer", "arguments", &at.to_string()], word.clone());
    let arguments = arguments.iter().enumerate().map(inline).collect();
    let answers = answers.as_ref().map(|name| page.template(&["installer", "answers"], name));
    whole &= !matches!(answers, Some(None));
    whole.then(|| Installer { kernel: kernel.clone(), initrd, arguments, answers: answers.flatten() })
}

/// Keys that say what the agent is to do, where no agent runs.
fn without_what_images_have(page: &mut ProfileSource<'_>, written: &ProfileToml) {
    let set = [
        ("sha256", written.sha256.is_some(), "put NAME.sha256sum beside each of its files"),
        ("disk", written.disk.is_some(), "the installer's own answers choose the disk"),
        ("kernel_args", !written.kernel_args.is_empty(), "write the words into [installer] arguments"),
        ("expect", written.expect.is_some(), "nobody looks at a machine that boots an installer: take it out"),
        ("approve", written.approve, "what an installer writes nobody here knows: take it out"),
        ("after", written.after.is_some(), "the installer's own answers say what follows"),
        ("https", written.https, "installers cannot be told to trust the station: take it out"),
    ];
    let agents = "an installer does this by itself: say it in its answers";
    let by_agent = [
        ("archive", !written.archive.is_empty()),
        ("configure", page.has("configure")),
        ("system", page.has("system")),
        ("layout", written.layout.is_some()),
        ("boot_entry", written.boot_entry.is_some()),
        ("first_boot", written.first_boot.is_some()),
    ];
    for (key, _) in by_agent.into_iter().filter(|(_, is_set)| *is_set) {
        let what = format!("[{key}] is carried out by the agent after an image, and this profile boots an installer");
        page.wrong_at(&[key], what, agents);
    }
    for (at, _) in written.file.iter().enumerate().filter(|(_, file)| file.volume.is_some()) {
        let what = "volume is for the agent, and an installer puts its files where it likes";
        page.wrong_at(&["file", &at.to_string(), "volume"], what, "take it out");
    }
    for (key, _, hint) in set.into_iter().filter(|(_, is_set, _)| *is_set) {
        page.wrong_at(&[key], format!("{key} is for images, and this profile boots an installer"), hint);
    }
}
