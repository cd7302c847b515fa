use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use praxis_oci::Digest;

use crate::LayerError;
use crate::wire::{Wire, put_number};

const MAGIC: &[u8] = b"praxis blocks 1\n";

/// One independently compressed piece of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where it begins in the uncompressed tar.
    pub offset: u64,
    /// Its length there.
    pub length: u64,
    /// Where its compressed form begins in the blob.
    pub packed_offset: u64,
    /// Its length there.
    pub packed_length: u64,
    /// Missing for a block that is stored uncompressed: looking it up would cost more than storing it again.
    pub sums: Option<BlockSums>,
}

/// What finds and verifies a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSums {
    /// Digest of the uncompressed bytes followed by the name of the compression: equal keys mean that this
    /// version would give the same compressed bytes.
    pub key: Digest,
    /// Digest of the compressed bytes.
    pub packed: Digest,
}

/// Where the independently compressed blocks of a blob are, in order and without gaps.
#[derive(Clone, Debug, Default)]
pub struct BlockIndex {
    blocks: Vec<Block>,
    by_key: HashMap<Digest, usize>,
}

impl PartialEq for BlockIndex {
    fn eq(&self, other: &BlockIndex) -> bool {
        self.blocks == other.blocks
    }
}

impl BlockIndex {
    pub(crate) fn push(&mut self, block: Block) {
        if let Some(sums) = &block.sums {
            self.by_key.entry(sums.key).or_insert(self.blocks.len());
        }
        self.blocks.push(block);
    }

    /// The blocks in order.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// A block by [`BlockSums::key`].
    pub fn find(&self, key: &Digest) -> Option<&Block> {
        self.by_key.get(key).and_then(|&at| self.blocks.get(at))
    }

    /// The binary form.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.blocks.len() * 72);
        out.extend_from_slice(MAGIC);
        put_number(
            &mut out,
            self.blocks.first().map_or(0, |block| block.packed_offset),
        );
        put_number(&mut out, self.blocks.len() as u64);
        for block in &self.blocks {
            put_number(&mut out, block.length);
            put_number(&mut out, block.packed_length);
            out.push(u8::from(block.sums.is_some()));
            if let Some(sums) = &block.sums {
                out.extend_from_slice(sums.key.as_bytes());
                out.extend_from_slice(sums.packed.as_bytes());
            }
        }
        out
    }

    /// Reads what [`BlockIndex::encode`] wrote; other bytes are an error.
    pub fn decode(bytes: &[u8]) -> Result<BlockIndex, LayerError> {
        let mut wire = Wire::new(bytes, MAGIC, "block index")?;
        let (mut offset, mut packed_offset) = (0u64, wire.number()?);
        let mut index = BlockIndex::default();
        for _ in 0..wire.number()? {
            let (length, packed_length) = (wire.number()?, wire.number()?);
            let sums = match wire.byte()? {
                0 => None,
                1 => Some(BlockSums {
                    key: wire.digest()?,
                    packed: wire.digest()?,
                }),
                _ => return Err(wire.invalid("a block has an unknown mark")),
            };
            index.push(Block {
                offset,
                length,
                packed_offset,
                packed_length,
                sums,
            });
            let ends = (
                offset.checked_add(length),
                packed_offset.checked_add(packed_length),
            );
            let (Some(end), Some(packed_end)) = ends else {
                return Err(wire.invalid("its lengths are beyond any file"));
            };
            (offset, packed_offset) = (end, packed_end);
        }
        match wire.remaining() {
            0 => Ok(index),
            _ => Err(wire.invalid("it goes on after its end")),
        }
    }
}

/// Where compressed blocks of earlier layers are found.
pub trait BlockReuse: Sync {
    /// The compressed bytes of the block with [`BlockSums::key`] `key`, verified; `None` when there are none.
    fn lookup(&self, key: &Digest) -> Option<Vec<u8>>;
}

/// The blocks of an earlier blob. What it returns has been verified; a damaged blob is a miss.
#[derive(Debug)]
pub struct BlobBlocks {
    /// The blob.
    pub file: File,
    /// Its index.
    pub index: BlockIndex,
}

/// No block is larger than this: entries are bounded and large files are cut.
const LARGEST_PACKED: u64 = 64 << 20;

impl BlockReuse for BlobBlocks {
    fn lookup(&self, key: &Digest) -> Option<Vec<u8>> {
        let block = self
            .index
            .find(key)
            .filter(|block| block.packed_length <= LARGEST_PACKED)?;
        let mut bytes = vec![0; usize::try_from(block.packed_length).ok()?];
        self.file.read_exact_at(&mut bytes, block.packed_offset).ok()?;
        (Digest::of(&bytes) == block.sums?.packed).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_reads_what_it_wrote_and_never_panics_on_damage() {
        let mut index = BlockIndex::default();
        let sums = BlockSums {
            key: Digest::of(b"a"),
            packed: Digest::of(b"b"),
        };
        index.push(Block {
            offset: 0,
            length: 300,
            packed_offset: 10,
            packed_length: 20,
            sums: Some(sums),
        });
        index.push(Block {
            offset: 300,
            length: 5,
            packed_offset: 30,
            packed_length: 15,
            sums: None,
        });
        let bytes = index.encode();
        assert_eq!(BlockIndex::decode(&bytes).unwrap(), index);
        assert_eq!(index.find(&Digest::of(b"a")), Some(&index.blocks()[0]));
        assert_eq!(index.find(&Digest::of(b"b")), None);
        for length in 0..bytes.len() {
            assert!(BlockIndex::decode(&bytes[..length]).is_err());
        }
    }
}
