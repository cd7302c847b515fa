//! Compression of one block, independent of every other block.

use std::io;
use std::sync::Arc;

use flate2::{Compress, Crc, FlushCompress, Status};
use praxis_oci::{Digest, Hasher};

use crate::blocks::{BlockReuse, BlockSums};

/// How a blob is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// One gzip member.
    Gzip,
    /// One zstd frame a block.
    Zstd,
    /// Not at all: the blob is the tar.
    None,
}

impl Compression {
    /// The level that is used where none is asked for.
    pub fn usual_level(self) -> Option<u8> {
        match self {
            Compression::Gzip => Some(GZIP_LEVEL),
            Compression::Zstd => Some(ZSTD_LEVEL),
            Compression::None => None,
        }
    }
}

/// Level of deflate. Measured with `examples/gzip_speed.rs` on one thread: 111 MB/s on text made of random words
/// (12 % larger than level 6, which does 45), 84 on a directory of libraries (2 % larger than level 6).
const GZIP_LEVEL: u8 = 4;
const ZSTD_LEVEL: u8 = 3;
/// Part of every key: a change of level or method must change these, so that old blocks are not used again.
const GZIP_NAME: &[u8] = b"gzip zlib-rs 4 v1";
const ZSTD_NAME: &[u8] = b"zstd 3 v1";
const LARGEST_STORED: usize = 65535;

/// A header without name, time and system: nothing that depends on where it was made.
pub const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The empty last block of a deflate stream.
pub const DEFLATE_END: [u8; 2] = [3, 0];

/// The bytes of a block as they go into the blob.
pub enum Packed {
    /// As they are.
    Plain(Arc<Vec<u8>>),
    /// As stored deflate blocks.
    Stored(Arc<Vec<u8>>),
    /// Compressed.
    Deflated(Vec<u8>),
}

impl Packed {
    /// Hands the bytes on in pieces.
    pub fn pieces<E>(&self, mut put: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        match self {
            Packed::Plain(bytes) => put(bytes),
            Packed::Deflated(bytes) => put(bytes),
            Packed::Stored(bytes) => bytes.chunks(LARGEST_STORED).try_for_each(|chunk| {
                let length = (chunk.len() as u16).to_le_bytes();
                put(&[0, length[0], length[1], !length[0], !length[1]])?;
                put(chunk)
            }),
        }
    }

    pub fn length(&self) -> u64 {
        match self {
            Packed::Plain(bytes) => bytes.len() as u64,
            Packed::Deflated(bytes) => bytes.len() as u64,
            Packed::Stored(bytes) => (bytes.len() + 5 * bytes.len().div_ceil(LARGEST_STORED)) as u64,
        }
    }
}

/// A finished block.
pub struct Done {
    pub packed: Packed,
    pub length: u64,
    pub crc: Crc,
    pub sums: Option<BlockSums>,
}

/// Compresses blocks one by one; each result depends on the block alone.
pub struct Packer<'a> {
    compression: Compression,
    level: u8,
    reuse: Option<&'a dyn BlockReuse>,
    deflate: Compress,
    probe: Compress,
    scratch: Vec<u8>,
}

impl<'a> Packer<'a> {
    /// Blocks that `reuse` has are of the usual level: with another there is none.
    pub fn new(compression: Compression, level: u8, reuse: Option<&'a dyn BlockReuse>) -> Packer<'a> {
        let deflate_level = level.min(9).into();
        Packer {
            compression,
            level,
            reuse: reuse.filter(|_| compression.usual_level() == Some(level)),
            deflate: Compress::new(flate2::Compression::new(deflate_level), false),
            probe: Compress::new(flate2::Compression::fast(), false),
            scratch: Vec::new(),
        }
    }

    pub fn pack(&mut self, bytes: &Arc<Vec<u8>>) -> io::Result<Done> {
        let random = self.compression == Compression::Gzip && self.looks_random(bytes)?;
        let (packed, sums) = match self.compression {
            Compression::None => (Packed::Plain(bytes.clone()), None),
            Compression::Gzip if random => (Packed::Stored(bytes.clone()), None),
            Compression::Gzip | Compression::Zstd => self.pack_or_reuse(bytes)?,
        };
        let mut crc = Crc::new();
        if self.compression == Compression::Gzip {
            crc.update(bytes);
        }
        Ok(Done {
            packed,
            length: bytes.len() as u64,
            crc,
            sums,
        })
    }

    fn pack_or_reuse(&mut self, bytes: &Arc<Vec<u8>>) -> io::Result<(Packed, Option<BlockSums>)> {
        let key = block_key(self.compression, bytes);
        let found = self.reuse.and_then(|reuse| reuse.lookup(&key));
        let packed = match found {
            Some(packed) => packed,
            None if self.compression == Compression::Zstd => zstd::bulk::compress(bytes, self.level.into())?,
            None => deflate(&mut self.deflate, bytes)?,
        };
        let stored = Packed::Stored(bytes.clone());
        if self.compression == Compression::Gzip && packed.len() as u64 >= stored.length() {
            return Ok((stored, None));
        }
        let sums = BlockSums {
            key,
            packed: Digest::of(&packed),
        };
        Ok((Packed::Deflated(packed), Some(sums)))
    }

    /// Whether three samples hardly shrink: then deflate would only cost time.
    fn looks_random(&mut self, bytes: &[u8]) -> io::Result<bool> {
        const SAMPLE: usize = 8 << 10;
        if bytes.len() < 8 * SAMPLE {
            return Ok(false);
        }
        for start in [SAMPLE, bytes.len() / 2, bytes.len() - 2 * SAMPLE] {
            self.scratch.clear();
            self.scratch.reserve(2 * SAMPLE);
            self.probe.reset();
            let sample = &bytes[start..start + SAMPLE];
            self.probe
                .compress_vec(sample, &mut self.scratch, FlushCompress::Sync)
                .map_err(io::Error::other)?;
            if self.scratch.len() < SAMPLE / 100 * 98 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The key of a block; see [`BlockSums::key`].
fn block_key(compression: Compression, bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.update(if compression == Compression::Zstd {
        ZSTD_NAME
    } else {
        GZIP_NAME
    });
    hasher.finish()
}

/// Raw deflate from an empty window to a byte boundary, not marked as last.
fn deflate(state: &mut Compress, bytes: &[u8]) -> io::Result<Vec<u8>> {
    state.reset();
    let mut out = Vec::with_capacity(bytes.len() / 2 + 4096);
    loop {
        let rest = &bytes[state.total_in() as usize..];
        let status = state
            .compress_vec(rest, &mut out, FlushCompress::Sync)
            .map_err(io::Error::other)?;
        let room = out.capacity() > out.len();
        if room && state.total_in() as usize == bytes.len() {
            return Ok(out);
        }
        if room && status == Status::BufError {
            return Err(io::Error::other("deflate made no progress"));
        }
        out.reserve(out.len() / 2 + 4096);
    }
}
