//! The archive, of a size that can be mailed. It lists what there was no room for.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, Header};

/// Files for one archive.
pub(super) struct Bundle {
    files: Vec<(String, Vec<u8>)>,
    bytes: usize,
    left_out: Vec<String>,
}

impl Bundle {
    pub(super) fn new() -> Self {
        Self { files: Vec::new(), bytes: 0, left_out: Vec::new() }
    }

    /// Adds a file if there is room for it.
    pub(super) fn add(&mut self, name: &str, content: Vec<u8>) {
        if self.bytes + content.len() > BYTES {
            return self.leave_out(format!("{name}: {} kB, for which there was no room", content.len().div_ceil(1000)));
        }
        self.bytes += content.len();
        self.files.push((name.to_owned(), content));
    }

    pub(super) fn leave_out(&mut self, what: String) {
        self.left_out.push(what);
    }

    pub(super) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|(name, _)| name.as_str())
    }

    /// The archive as a file, with everything below one directory; `first` is what people read first.
    pub(super) fn packed(self, first: String, at_seconds: u64) -> std::io::Result<Vec<u8>> {
        let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        let files = std::iter::once(("README.txt".to_owned(), first.into_bytes())).chain(self.files);
        for (name, content) in files {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(at_seconds);
            archive.append_data(&mut header, format!("oxbow-support/{name}"), content.as_slice())?;
        }
        let mut packed = archive.into_inner()?;
        packed.flush()?;
        packed.finish()
    }
}

/// Bytes of all files before they are packed: mail servers accept this much even if packing saves nothing.
const BYTES: usize = 8 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_room_for_is_left_out_and_said() {
        let mut bundle = Bundle::new();
        bundle.add("large", vec![7; BYTES - 10]);
        bundle.add("larger", vec![7; 11]);
        bundle.add("small", vec![7; 10]);
        assert_eq!(bundle.names().collect::<Vec<_>>(), ["large", "small"]);
        assert_eq!(bundle.left_out(), ["larger: 1 kB, for which there was no room"]);
    }
}
