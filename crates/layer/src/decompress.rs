use std::io::{self, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

use crate::write::read_full;
use crate::{LayerError, Limits};

/// A compression that praxis reads. All of them run inside this process; no program is ever started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// gzip, of any number of members.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// zstd, of any number of frames.
    Zstd,
}

const MAGIC_LENGTH: usize = 6;

/// The compression that `first` bytes announce; `None` for anything else.
pub fn detect(first: &[u8]) -> Option<Format> {
    let skippable = first.len() >= 4 && first[0] & 0xf0 == 0x50 && first[1..4] == [0x2a, 0x4d, 0x18];
    match first {
        [0x1f, 0x8b, 8, ..] => Some(Format::Gzip),
        [b'B', b'Z', b'h', ..] => Some(Format::Bzip2),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Format::Xz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Format::Zstd),
        _ if skippable => Some(Format::Zstd),
        _ => None,
    }
}

/// Reads `reader` through the decompressor that its first bytes ask for, or as it is. What comes out is bounded
/// by `limits` in size, in ratio to what went in, and in the memory its windows take.
pub fn decompress<'a>(
    mut reader: impl Read + Send + 'a,
    limits: &Limits,
) -> Result<Box<dyn Read + Send + 'a>, LayerError> {
    let mut first = vec![0; MAGIC_LENGTH];
    let length = read_full(&mut reader, &mut first).map_err(read_failed)?;
    first.truncate(length);
    let format = detect(&first);
    let taken = Arc::new(AtomicU64::new(0));
    let counted = Counted {
        reader: Cursor::new(first).chain(reader),
        taken: taken.clone(),
    };
    let source = BufReader::with_capacity(128 << 10, counted);
    let failed = |error| LayerError::io("start to decompress", "the archive", error);
    let inner: Box<dyn Read + Send + 'a> = match format {
        None => Box::new(source),
        Some(Format::Gzip) => Box::new(MultiGzDecoder::new(source)),
        Some(Format::Bzip2) => Box::new(MultiBzDecoder::new(source)),
        Some(Format::Xz) => {
            let memory = 1u64 << limits.max_window_log;
            let stream = Stream::new_stream_decoder(memory, CONCATENATED);
            Box::new(XzDecoder::new_stream(
                source,
                stream.map_err(|error| failed(error.into()))?,
            ))
        }
        Some(Format::Zstd) => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(source).map_err(failed)?;
            decoder.window_log_max(limits.max_window_log).map_err(failed)?;
            Box::new(decoder)
        }
    };
    let limits = limits.clone();
    Ok(Box::new(Capped {
        inner,
        given: 0,
        taken,
        limits,
        compressed: format.is_some(),
    }))
}

/// The error of a read, with the limit or damage behind it.
pub(crate) fn read_failed(error: io::Error) -> LayerError {
    match error.downcast::<LayerError>() {
        Ok(error) => error,
        Err(error) => LayerError::damaged(error.to_string()),
    }
}

struct Counted<R> {
    reader: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

struct Capped<'a> {
    inner: Box<dyn Read + Send + 'a>,
    given: u64,
    taken: Arc<AtomicU64>,
    limits: Limits,
    compressed: bool,
}

impl Read for Capped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.given += count as u64;
        let taken = self.taken.load(Ordering::Relaxed);
        let limits = &self.limits;
        let error = if self.given > limits.max_bytes {
            LayerError::Limit {
                what: "bytes after decompression",
                cap: limits.max_bytes,
            }
        } else if self.compressed
            && self.given > limits.ratio_floor
            && self.given / taken.max(1) > limits.max_ratio
        {
            LayerError::Limit {
                what: "bytes out of each compressed byte",
                cap: limits.max_ratio,
            }
        } else {
            return Ok(count);
        };
        Err(io::Error::other(error))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read_all(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, LayerError> {
        let mut out = Vec::new();
        decompress(bytes, limits)?
            .read_to_end(&mut out)
            .map_err(read_failed)?;
        Ok(out)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn every_format_is_read_and_may_have_several_members() {
        let limits = Limits::default();
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(b"hello").unwrap();
        let mut bz = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        bz.write_all(b"hello").unwrap();
        let compressed = [
            gzip(b"hello"),
            bz.finish().unwrap(),
            xz.finish().unwrap(),
            zstd::bulk::compress(b"hello", 3).unwrap(),
        ];
        for one in compressed {
            assert_eq!(read_all(&one, &limits).unwrap(), b"hello");
            assert_eq!(
                read_all(&[one.clone(), one.clone()].concat(), &limits).unwrap(),
                b"hellohello"
            );
            assert!(
                read_all(&one[..one.len() - 1], &limits).is_err(),
                "truncated {one:?}"
            );
        }
        assert_eq!(read_all(b"plain", &limits).unwrap(), b"plain");
        assert_eq!(read_all(b"", &limits).unwrap(), b"");
    }

    /// security row 17: much data out of little.
    #[test]
    fn row_17_bombs_stop_at_the_caps() {
        let bomb = gzip(&vec![0; 64 << 20]);
        let ratio = Limits {
            ratio_floor: 1 << 20,
            ..Limits::default()
        };
        assert!(matches!(
            read_all(&bomb, &ratio),
            Err(LayerError::Limit { cap: 200, .. })
        ));
        let size = Limits {
            max_bytes: 10 << 20,
            ..Limits::default()
        };
        assert!(matches!(read_all(&bomb, &size), Err(LayerError::Limit { .. })));
        assert_eq!(read_all(&bomb, &Limits::default()).unwrap().len(), 64 << 20);
    }

    /// security row 17: a window beyond the cap.
    #[test]
    fn row_17_large_windows_are_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(24).unwrap();
        encoder.write_all(&vec![1; 20 << 20]).unwrap();
        let bytes = encoder.finish().unwrap();
        let limits = Limits {
            max_window_log: 20,
            ..Limits::default()
        };
        assert!(matches!(
            read_all(&bytes, &limits),
            Err(LayerError::Damaged { .. })
        ));
        assert_eq!(read_all(&bytes, &Limits::default()).unwrap().len(), 20 << 20);
    }
}
