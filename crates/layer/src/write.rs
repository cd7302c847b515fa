use std::io::{Read, Write};

use praxis_oci::{Digest, Hasher};

use crate::blocks::{BlockIndex, BlockReuse};
use crate::header::{BLOCK, pad, put_header};
use crate::pack::Compression;
use crate::pipeline::{self, Blocks};
use crate::{ContentSource, Entry, Kind, LayerError, Listing, TreePath};

/// What [`write_layer`] has written.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenLayer {
    /// Digest of the tar.
    pub diff_id: Digest,
    /// Digest of the blob.
    pub digest: Digest,
    /// Length of the blob.
    pub size: u64,
    /// Length of the tar.
    pub uncompressed_size: u64,
    /// Where the blocks of the blob are, for [`crate::BlobBlocks`].
    pub blocks: BlockIndex,
}

/// At an entry's end a block of this length may end …
const SMALL_BLOCK: usize = 256 << 10;
/// … and one of this length does. Files are cut at multiples of it.
const LARGE_BLOCK: usize = 1 << 20;
/// The name that says that a directory hides what lower layers have in it.
pub(crate) const OPAQUE_NAME: &[u8] = b".wh..wh..opq";
/// What comes before the name of a removed file.
pub(crate) const WHITEOUT_PREFIX: &[u8] = b".wh.";

/// Writes `listing` as a tar to `out`, compressed by `threads` threads.
///
/// The bytes depend on the listing and the compression alone, never on `threads` or `reuse`. Each file read from
/// `source` is verified; a file that is not what the listing says ends in [`LayerError::Changed`]. Memory is
/// bounded by a few MiB a thread.
pub fn write_layer(
    listing: &Listing,
    source: &dyn ContentSource,
    compression: Compression,
    threads: usize,
    reuse: Option<&dyn BlockReuse>,
    out: &mut dyn Write,
) -> Result<WrittenLayer, LayerError> {
    pipeline::run(compression, None, threads, reuse, out, |blocks| {
        let mut tar = Tar {
            blocks,
            buffer: Vec::with_capacity(2 * LARGE_BLOCK),
        };
        for entry in listing.entries() {
            tar.entry(entry, source)?;
        }
        tar.finish()
    })
}

/// Compresses a tar as it is, at the usual level if none is given. The bytes depend on those of the tar, the compression
/// and the level alone, never on `threads`.
pub fn compress_tar(
    tar: &mut (dyn Read + Send),
    compression: Compression,
    level: Option<u8>,
    threads: usize,
    out: &mut dyn Write,
) -> Result<WrittenLayer, LayerError> {
    pipeline::run(compression, level, threads, None, out, |blocks| {
        loop {
            let mut block = vec![0; LARGE_BLOCK];
            let got = read_full(tar, &mut block)
                .map_err(|error| LayerError::io("read", TreePath::root(), error))?;
            block.truncate(got);
            if got == 0 {
                return Ok(());
            }
            blocks.send(block)?;
        }
    })
}

/// A tar in the making; `buffer` is the block that is not yet full.
struct Tar<'a> {
    blocks: &'a Blocks,
    buffer: Vec<u8>,
}

impl Tar<'_> {
    fn entry(&mut self, entry: &Entry, source: &dyn ContentSource) -> Result<(), LayerError> {
        let name = tar_name(entry)?;
        put_header(&mut self.buffer, entry, &name)?;
        match &entry.kind {
            Kind::File { size, content } => self.content(entry, *size, content, source)?,
            Kind::Directory { opaque: true } => {
                let mark = Entry::whiteout(entry.path.join(OPAQUE_NAME));
                put_header(&mut self.buffer, &mark, mark.path.as_bytes())?;
            }
            _ => {}
        }
        let length = self.buffer.len();
        if length >= LARGE_BLOCK || (length >= SMALL_BLOCK && ends_block(&entry.path)) {
            self.cut()?;
        }
        Ok(())
    }

    fn content(
        &mut self,
        entry: &Entry,
        size: u64,
        content: &Digest,
        source: &dyn ContentSource,
    ) -> Result<(), LayerError> {
        if size == 0 {
            return Ok(());
        }
        let failed = |error| LayerError::io("read", &entry.path, error);
        let changed = || LayerError::Changed {
            path: entry.path.clone(),
        };
        let mut reader = source.open(entry).map_err(failed)?;
        let mut hasher = Hasher::new();
        while hasher.length() < size {
            let wanted = (size - hasher.length()).min(LARGE_BLOCK as u64) as usize;
            let start = self.buffer.len();
            self.buffer.resize(start + wanted, 0);
            let got = read_full(&mut reader, &mut self.buffer[start..]).map_err(failed)?;
            if got < wanted {
                return Err(changed());
            }
            hasher.update(&self.buffer[start..]);
            if wanted == LARGE_BLOCK {
                self.cut()?;
            }
        }
        let more = read_full(&mut reader, &mut [0]).map_err(failed)?;
        if more > 0 || hasher.finish() != *content {
            return Err(changed());
        }
        pad(&mut self.buffer, size);
        Ok(())
    }

    fn cut(&mut self) -> Result<(), LayerError> {
        let next = Vec::with_capacity(self.buffer.len().max(SMALL_BLOCK));
        self.blocks.send(std::mem::replace(&mut self.buffer, next))
    }

    fn finish(mut self) -> Result<(), LayerError> {
        self.buffer.resize(self.buffer.len() + 2 * BLOCK, 0);
        self.blocks.send(self.buffer)
    }
}

/// Reads until `buffer` is full or the end.
pub(crate) fn read_full(reader: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Whether a block may end after this path: decided by the path alone, so that after a change the next blocks
/// begin at the same entries again.
fn ends_block(path: &TreePath) -> bool {
    let hash = path
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    (hash >> 32) & 31 == 0
}

fn tar_name(entry: &Entry) -> Result<Vec<u8>, LayerError> {
    if let Some(removed) = entry.path.name().strip_prefix(WHITEOUT_PREFIX) {
        // A file of such a name is written as it is, as BuildKit does, and is a removal to whoever unpacks the
        // layer. What would remove a directory itself or is a mark of its own is refused.
        let plain = !matches!(removed, b"" | b"." | b"..") && !removed.starts_with(WHITEOUT_PREFIX);
        if !plain || !matches!(entry.kind, Kind::File { .. }) {
            let reason = "names that begin with `.wh.` mean removals in image layers; rename the file";
            return Err(LayerError::Unrepresentable {
                path: entry.path.clone(),
                reason,
            });
        }
    }
    Ok(match entry.kind {
        Kind::Directory { .. } if entry.path.is_root() => b"./".to_vec(),
        Kind::Directory { .. } => [entry.path.as_bytes(), b"/"].concat(),
        Kind::Whiteout => {
            let name = [WHITEOUT_PREFIX, entry.path.name()].concat();
            entry
                .path
                .parent()
                .unwrap_or_default()
                .join(&name)
                .as_bytes()
                .to_vec()
        }
        _ => entry.path.as_bytes().to_vec(),
    })
}
