//! Images of virtual machines become raw ones, by `qemu-img`, packed by zstd.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::ImageLibrary;
use super::progress::ProgressLine;
use crate::config::ConfigProblem;

/// Makes an image of `part`, which is `what`; gives its name and where it is. `part` is removed.
pub(super) fn converted(
    name: &str,
    part: &Path,
    what: &str,
    library: &ImageLibrary,
    room: &dyn Fn(u64) -> Result<(), ConfigProblem>,
) -> Result<(String, PathBuf), ConfigProblem> {
    let format = FORMATS.iter().find(|(known, _)| *known == what).map_or("raw", |(_, format)| format);
    let told = qemu_img(&["info", "--output=json", "-f", format], &[part], what)?;
    let info: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap_or_default();
    // Such a file could bring in any other file of this machine.
    if refers_elsewhere(&info, part) {
        let what = format!("{name} is only part of an image: it refers to other files");
        return Err(ConfigProblem::new(what, "make one file of it where those are, with `qemu-img convert`"));
    }
    room(info["virtual-size"].as_u64().unwrap_or(0))?;
    let raw = library.file(&format!(".{name}.raw"));
    let packed = library.file(&format!(".{name}.packed"));
    let made = qemu_img(&["convert", "-f", format, "-O", "raw"], &[part, &raw], what).and_then(|_| {
        pack(&raw, &packed)
            .map_err(|err| ConfigProblem::new(format!("packing {name} failed: {err}"), "make room and try again"))
    });
    let _temporary = fs::remove_file(&raw);
    if let Err(problem) = made {
        let _unfinished = fs::remove_file(&packed);
        return Err(problem);
    }
    let _done_with = fs::remove_file(part);
    let _done_with = fs::remove_file(super::fetch::note(part));
    let stem = FORMATS.iter().find_map(|(_, end)| name.strip_suffix(&format!(".{end}"))).unwrap_or(name);
    let stem = stem.strip_suffix(".img").unwrap_or(stem);
    Ok((format!("{stem}.raw.zst"), packed))
}

fn refers_elsewhere(info: &serde_json::Value, part: &Path) -> bool {
    let data = &info["format-specific"]["data"];
    let extents = data["extents"].as_array().map(Vec::as_slice).unwrap_or_default();
    let elsewhere = extents.iter().any(|extent| extent["filename"].as_str().map(Path::new) != Some(part));
    !info["backing-filename"].is_null() || !data["data-file"].is_null() || elsewhere
}

fn pack(raw: &Path, packed: &Path) -> io::Result<()> {
    let mut source = File::open(raw)?;
    let total = source.metadata()?.len();
    let mut encoder = zstd::stream::write::Encoder::new(File::create(packed)?, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut meter = ProgressLine::new("packing it");
    let (mut done, mut buffer) = (0, vec![0; 1024 * 1024]);
    loop {
        let some = io::Read::read(&mut source, &mut buffer)?;
        if some == 0 {
            return encoder.finish().and_then(|file| file.sync_all());
        }
        io::Write::write_all(&mut encoder, &buffer[..some])?;
        done += some as u64;
        meter.show(done, total);
    }
}

fn qemu_img(arguments: &[&str], files: &[&Path], what: &str) -> Result<Output, ConfigProblem> {
    let ran = Command::new("qemu-img").args(arguments).args(files).output();
    let output = ran.map_err(|err| {
        let what = format!("it is {what}, and qemu-img, which makes a raw image of it, does not start: {err}");
        ConfigProblem::new(what, "install it (on Debian: apt install qemu-utils), then repeat this command")
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ConfigProblem::new(
        format!("qemu-img makes no image of it: {said}"),
        "fetch the image again, or convert it by hand",
    ))
}

/// What an image is, and qemu's word for it.
const FORMATS: &[(&str, &str)] = &[
    ("a qcow2 image", "qcow2"),
    ("a VMDK image", "vmdk"),
    ("a VHDX image", "vhdx"),
    ("a VHD image", "vpc"),
    ("a VDI image", "vdi"),
];
/// zstd's own default: faster than disks, and zeros shrink to nothing.
const LEVEL: i32 = 3;
