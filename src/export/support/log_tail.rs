//! The end of the station's own log, without what must not be mailed.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The newest lines of the log files in `directory`, the oldest first, and how many bytes are older.
pub(super) fn station_log(directory: &Path) -> (String, u64) {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| is_station_log(path)).collect();
    // Their names have their dates.
    files.sort();
    let (mut pieces, mut room, mut older) = (Vec::new(), TAIL, 0);
    for file in files.iter().rev() {
        let Ok((piece, before)) = end_of(file, room) else { continue };
        room -= piece.len() as u64;
        older += before;
        pieces.push(piece);
    }
    let lines = pieces.iter().rev().flat_map(|piece| piece.lines()).map(fit);
    (lines.fold(String::new(), |text, line| text + &line + "\n"), older)
}

fn is_station_log(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("station.") && name.ends_with(".log")
}

/// The last whole lines of `file` that fit in `room`, and how many bytes are before them.
fn end_of(file: &Path, room: u64) -> io::Result<(String, u64)> {
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    let begin = length.saturating_sub(room);
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(room).read_to_end(&mut bytes)?;
    if begin > 0 {
        let whole = bytes.iter().position(|octet| *octet == b'\n').map_or(bytes.len(), |at| at + 1);
        bytes.drain(..whole);
    }
    // Invalid UTF-8 becomes longer when it is converted: the room is counted after that.
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let text = if text.len() as u64 > room { String::new() } else { text };
    Ok((text, begin))
}

/// A line without what people have typed: of a command its name, of a configuration nothing, of a mistake in a profile
/// its position, of an edit only that there was one, as the values it replaced are not known any more.
pub(super) fn fit(line: &str) -> String {
    if let Some((before, _)) = line.split_once(EDITED) {
        return format!("{before}{EDITED}…");
    }
    if line.contains(OF_PROFILES) {
        let parts = line.split('"').enumerate();
        let parts = parts.map(|(at, part)| if at % 2 == 0 { part } else { "…" });
        return parts.collect::<Vec<_>>().join("\"");
    }
    let typed = line.match_indices('=').find(|(at, _)| {
        let value = &line[at + 1..];
        let name = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len());
        let is_of_a_type = value.starts_with(|c: char| c.is_ascii_uppercase());
        is_of_a_type && value[name..].starts_with([' ', '(', '{'])
    });
    match typed {
        Some((at, _)) => {
            let value = &line[at + 1..];
            let name = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len());
            format!("{} …", &line[..at + 1 + name])
        }
        None => line.to_owned(),
    }
}

/// The part of the station that quotes profiles in the log.
const OF_PROFILES: &str = " oxbow::service::images";
/// The text of an edit begins with it.
const EDITED: &str = " edited: ";
/// Bytes of the station's log: days of a bench that works, an hour of a bench in trouble.
const TAIL: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_told_by_its_name_alone() {
        let line =
            r#"2026-05-01 INFO oxbow::hub: asked for command=Register(Registration { metadata: {"key": "abc"} })"#;
        assert_eq!(fit(line), "2026-05-01 INFO oxbow::hub: asked for command=Register …");
        let line = "2026-05-01 INFO oxbow::station: starting version=\"0.1.0\" config=Config { interface: \"enp3s0\" }";
        assert_eq!(fit(line), "2026-05-01 INFO oxbow::station: starting version=\"0.1.0\" config=Config …");
        let line = r#"2026-05-01 WARN oxbow::service::images: os.toml:7: "hunter2" is no hash hint="make one""#;
        assert_eq!(fit(line), r#"2026-05-01 WARN oxbow::service::images: os.toml:7: "…" is no hash hint="…""#);
        let line = "2026-05-01 INFO oxbow::hub: seen node=\"SN-1\" level=\"info\"";
        assert_eq!(fit(line), line);
    }

    #[test]
    fn of_a_long_log_the_newest_whole_lines_are_taken_over_two_files_too() {
        let place = tempfile::TempDir::new().expect("a directory");
        let line = |day: u32, number: u32| format!("{day} {number:06} {}\n", "x".repeat(90));
        for day in 1..=3 {
            let text: String = (0..6000).map(|number| line(day, number)).collect();
            fs::write(place.path().join(format!("station.2026-05-0{day}.log")), text).expect("a file");
        }
        fs::write(place.path().join("node-00001.log"), "no").expect("a file");
        let (text, older) = station_log(place.path());
        let lines: Vec<&str> = text.lines().collect();
        assert!(text.len() as u64 <= TAIL && text.len() as u64 > TAIL - 200 && older > 0, "{} {older}", text.len());
        assert_eq!(lines.last().map(|line| &line[..8]), Some("3 005999"));
        assert!(lines.is_sorted() && lines[0].starts_with("2 ") && lines.iter().all(|line| line.len() == 99));
    }
}
