//! Reads a profile from TOML. Everything wrong in it is said at once, with the line.
//!
//! What each key means is explained in `profiles/demo.toml`. Templates are tried on a sample node: what cannot be filled
//! in there is wrong before any machine asks.

mod after_image;
mod expect;
mod install;
mod keys;
mod names;
mod one_or_more;
mod per_node;
mod source;
mod system;
mod trial;
mod written;

use source::ProfileSource;
use written::{EXPLAINED, ProfileToml};

use crate::domain::diagnostic::Diagnostic;
use crate::domain::ids::ProfileId;
use crate::domain::profile::Profile;
use crate::domain::profile::image::is_url;

pub use source::ReadBeside;

/// The profile in `text`, which was read from `file` (`name.toml`; its stem is the profile's name) and needs no other.
pub fn parse(file: &str, text: &str) -> Result<Profile, Vec<Diagnostic>> {
    read(file, text, &|_| Err("there is nothing beside this profile".into()))
}

/// The same with what is beside it: `beside` reads a file of the profiles directory, or says why not.
pub fn read(file: &str, text: &str, beside: &ReadBeside<'_>) -> Result<Profile, Vec<Diagnostic>> {
    let mut page = ProfileSource::new(file, text, beside);
    keys::unknown(&mut page);
    let written: ProfileToml = match toml::from_str(text) {
        Ok(written) => written,
        Err(err) => {
            // Unknown keys have been said, with what was meant.
            if !err.message().starts_with("unknown field") {
                let line = err.span().map(|span| page.line(span.start));
                page.wrong(line, err.message().replace('\n', " "), EXPLAINED);
            }
            return Err(page.diagnostics);
        }
    };
    let profile = checked(&mut page, written);
    page.diagnostics.extend(profile.iter().flat_map(trial::complaints));
    profile.filter(|_| page.diagnostics.is_empty()).ok_or(page.diagnostics)
}

/// None where something is wrong that leaves no profile.
fn checked(page: &mut ProfileSource<'_>, written: ProfileToml) -> Option<Profile> {
    let stem = page.file.strip_suffix(".toml").unwrap_or(page.file);
    let id = stem.parse::<ProfileId>().map_err(|err| page.wrong(None, err.to_string(), "rename the file")).ok();
    if written.schema != SCHEMA {
        let what = format!("schema {} is not known, this oxbow reads schema {SCHEMA}", written.schema);
        page.wrong_at(&["schema"], what, "use the oxbow that this profile was written for");
    }
    if written.secure_boot && written.https {
        let what = "secure_boot and https exclude each other: GRUB, which Secure Boot needs, has no HTTPS";
        page.wrong_at(&["secure_boot"], what, "take one of them out");
    }
    let install = install::read(page, &written);
    let expect = expect::read(page, written.expect.clone().unwrap_or_default());
    let first_boot = after_image::first_boot(page, &written);
    let (root, cloud_init_at) = after_image::configure(page, &written.configure)?;
    let files = per_node::files(page, written.file, &root);
    let archives = after_image::archives(page, &written.archive, &root);
    let layout = written.layout.as_ref().map(|layout| after_image::layout(page, layout));
    let boot_entry = written.boot_entry.as_ref().map(|entry| after_image::boot_entry(page, entry));
    let system = system::read(page, written.system);
    let cloud_init = per_node::cloud_init(page, written.cloud_init);
    let id = id?;
    let fetched = written.image.filter(|image| is_url(image)).map(|url| format!("`oxbow images add {url}`"));
    let source = written.source.or(fetched);
    let profile = Profile {
        title: written.title.unwrap_or_else(|| id.to_string()),
        id,
        description: written.description,
        source,
        aliases: written.aliases,
        architecture: written.architecture,
        firmware: written.firmware,
        install: install?,
        secure_boot: written.secure_boot,
        kernel_args: written.kernel_args,
        https: written.https,
        expect: expect?,
        approve: written.approve,
        after: written.after.unwrap_or_default(),
        root,
        files: files?,
        archives: archives?,
        cloud_init: cloud_init?,
        cloud_init_at,
        system: system?,
        layout: layout.map_or(Some(None), |layout| layout.map(Some))?,
        boot_entry: boot_entry.map_or(Some(None), |entry| entry.map(Some))?,
        first_boot,
    };
    after_image::contradictions(page, &profile);
    Some(profile)
}

const SCHEMA: u32 = 1;

#[cfg(test)]
mod tests;
