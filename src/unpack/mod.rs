//! Unpacks images. The station checks them and the agent writes them with this same code: what the one took in, the other
//! can write.
//!
//! Files of several parts (`pigz`, `xz -T0`, `zstd -T0`, `cat a.zst b.zst`) are one image. What follows the last part and
//! is none is an error, never left out in silence.

pub mod archive;

use std::io::{self, BufRead, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Error as XzError, Stream};
use zstd::stream::read::Decoder as ZstdDecoder;

use crate::domain::profile::image::ImageFormat;

/// Reads the content of the image file that `R` gives.
pub enum Unpacker<R: BufRead> {
    Raw(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Xz(Box<XzDecoder<R>>),
    Zstd(Box<ZstdDecoder<'static, R>>),
    Bzip2(Box<MultiBzDecoder<R>>),
}

impl<R: BufRead> Unpacker<R> {
    pub fn new(format: ImageFormat, file: R) -> io::Result<Self> {
        Ok(match format {
            ImageFormat::Raw => Self::Raw(file),
            ImageFormat::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(file))),
            ImageFormat::Xz => {
                let stream = Stream::new_stream_decoder(WINDOW + XZ_OVERHEAD, CONCATENATED)?;
                Self::Xz(Box::new(XzDecoder::new_stream(file, stream)))
            }
            ImageFormat::Zstd => {
                let mut decoder = ZstdDecoder::with_buffer(file)?;
                decoder.window_log_max(WINDOW.ilog2())?;
                Self::Zstd(Box::new(decoder))
            }
            ImageFormat::Bzip2 => Self::Bzip2(Box::new(MultiBzDecoder::new(file))),
        })
    }

    /// The file, of which everything is consumed that was needed for what has been read.
    pub fn file(&self) -> &R {
        match self {
            Self::Raw(file) => file,
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Xz(decoder) => decoder.get_ref(),
            Self::Zstd(decoder) => decoder.get_ref(),
            Self::Bzip2(decoder) => decoder.get_ref(),
        }
    }

    pub fn into_file(self) -> R {
        match self {
            Self::Raw(file) => file,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Xz(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
            Self::Bzip2(decoder) => decoder.into_inner(),
        }
    }
}

impl<R: BufRead> Read for Unpacker<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Raw(file) => file.read(room),
            Self::Gzip(decoder) => decoder.read(room),
            Self::Xz(decoder) => decoder.read(room),
            Self::Zstd(decoder) => decoder.read(room),
            Self::Bzip2(decoder) => decoder.read(room),
        }
    }
}

/// Why a file cannot be unpacked.
pub fn why(error: &io::Error) -> String {
    let text = error.to_string();
    if error.kind() == io::ErrorKind::UnexpectedEof || text == ZSTD_TRUNCATED {
        return "the file ends in the middle".to_owned();
    }
    let xz = error.get_ref().and_then(|inner| inner.downcast_ref::<XzError>());
    if text == ZSTD_WINDOW || matches!(xz, Some(XzError::MemLimit)) {
        return format!("unpacking needs more than {} MiB of memory, which not every machine has", WINDOW >> 20);
    }
    match xz {
        Some(XzError::Format) => "trailing data is not xz".to_owned(),
        Some(XzError::Data) => "the data is damaged".to_owned(),
        _ => text,
    }
}

/// Whether a file is refused for the memory that unpacking takes, rather than for what is in it.
pub fn is_too_large(why: &str) -> bool {
    why.starts_with("unpacking needs more than ")
}

/// How far back packed data may refer, in bytes: as far as `xz -8` and `zstd --ultra -20` do. All of it is in memory.
const WINDOW: u64 = 32 << 20;
const XZ_OVERHEAD: u64 = 1 << 20;
/// The words of libzstd (`ZSTD_getErrorString`) and of its Rust binding.
const ZSTD_WINDOW: &str = "Frame requires too much memory for decoding";
const ZSTD_TRUNCATED: &str = "incomplete frame";

#[cfg(test)]
mod tests {
    use super::*;
    use liblzma::stream::{Filters, LzmaOptions};
    use std::io::Write;

    const PACKED: [ImageFormat; 4] = [ImageFormat::Gzip, ImageFormat::Xz, ImageFormat::Zstd, ImageFormat::Bzip2];

    fn content() -> Vec<u8> {
        (0..200_000_u32).flat_map(|number| (number.wrapping_mul(2_654_435_761) >> 12).to_le_bytes()).collect()
    }

    fn packed(format: ImageFormat, content: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let read = match format {
            ImageFormat::Raw => (&*content).read_to_end(&mut file),
            ImageFormat::Gzip => {
                flate2::bufread::GzEncoder::new(content, flate2::Compression::fast()).read_to_end(&mut file)
            }
            ImageFormat::Xz => liblzma::bufread::XzEncoder::new(content, 1).read_to_end(&mut file),
            ImageFormat::Zstd => zstd::stream::read::Encoder::with_buffer(content, 1).and_then(|mut encoder| {
                encoder.include_checksum(true)?;
                encoder.read_to_end(&mut file)
            }),
            ImageFormat::Bzip2 => {
                bzip2::bufread::BzEncoder::new(content, bzip2::Compression::fast()).read_to_end(&mut file)
            }
        };
        read.expect("packed");
        file
    }

    fn unpacked(format: ImageFormat, file: &[u8]) -> Result<Vec<u8>, String> {
        let mut content = Vec::new();
        let mut unpacker = Unpacker::new(format, file).map_err(|error| why(&error))?;
        unpacker.read_to_end(&mut content).map_err(|error| why(&error))?;
        assert!(unpacker.file().is_empty(), "{format:?} leaves something");
        Ok(content)
    }

    #[test]
    fn an_image_of_several_parts_is_one() {
        let content = content();
        let (first, second) = content.split_at(300_001);
        for format in PACKED {
            let file = [packed(format, first), packed(format, second)].concat();
            assert_eq!(ImageFormat::of(&file), Ok(format));
            assert!(unpacked(format, &file).as_ref() == Ok(&content), "{format:?}");
        }
    }

    #[test]
    fn a_file_that_ends_too_early_is_an_error_wherever_it_ends() {
        for format in PACKED {
            let file = packed(format, &content());
            for length in [1, 5, 11, 20, file.len() / 2, file.len() - 5, file.len() - 1] {
                let outcome = unpacked(format, &file[..length]);
                assert_eq!(outcome.err().as_deref(), Some("the file ends in the middle"), "{format:?} cut at {length}");
            }
        }
    }

    #[test]
    fn what_follows_an_image_and_is_none_is_an_error() {
        for format in PACKED {
            for garbage in [&b"x"[..], b"trailing garbage of some length", &[0; 513]] {
                let file = [&*packed(format, &content()), garbage].concat();
                assert!(unpacked(format, &file).is_err(), "{format:?} takes {} bytes more", garbage.len());
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_found() {
        for format in PACKED {
            let mut file = packed(format, &content());
            let middle = file.len() / 2;
            file[middle] ^= 4;
            assert!(unpacked(format, &file).is_err(), "{format:?}");
        }
    }

    #[test]
    fn an_image_that_takes_too_much_memory_is_refused_and_one_at_the_limit_is_not() {
        let says = |outcome: Result<Vec<u8>, String>| outcome.err().filter(|why| is_too_large(why));
        for (preset, is_refused) in [(8, false), (9, true)] {
            let options = LzmaOptions::new_preset(preset).expect("options");
            let mut filters = Filters::new();
            filters.lzma2(&options);
            let stream = Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc64).expect("a stream");
            let mut file = Vec::new();
            liblzma::bufread::XzEncoder::new_stream(&b"image"[..], stream).read_to_end(&mut file).expect("packed");
            assert_eq!(says(unpacked(ImageFormat::Xz, &file)).is_some(), is_refused, "xz -{preset}");
        }
        for (log, is_refused) in [(25, false), (26, true)] {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("an encoder");
            encoder.window_log(log).expect("a window");
            encoder.include_contentsize(false).expect("no size");
            let file = encoder.write_all(b"image").and_then(|()| encoder.flush()).and_then(|()| encoder.finish());
            let outcome = unpacked(ImageFormat::Zstd, &file.expect("packed"));
            assert_eq!(says(outcome.clone()).is_some(), is_refused, "a window of 2^{log}: {outcome:?}");
        }
    }
}
