//! From blocks of tar to a blob: workers compress, one thread hashes the tar, the caller's thread writes in order.

use std::io::Write;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ScopedJoinHandle};

use flate2::Crc;
use praxis_oci::{Digest, Hasher};

use crate::blocks::{Block, BlockIndex, BlockReuse};
use crate::pack::{Compression, DEFLATE_END, Done, GZIP_HEADER, Packer};
use crate::{LayerError, WrittenLayer};

type Answer = std::io::Result<Done>;

struct Job {
    bytes: Arc<Vec<u8>>,
    answer: SyncSender<Answer>,
}

/// Where the producer puts its blocks. Blocks the producer while too many are in work.
pub struct Blocks {
    jobs: SyncSender<Job>,
    order: SyncSender<Receiver<Answer>>,
    tar: SyncSender<Arc<Vec<u8>>>,
}

impl Blocks {
    /// Fails only after the writer has given up; its error then is the one that counts.
    pub fn send(&self, bytes: Vec<u8>) -> Result<(), LayerError> {
        let bytes = Arc::new(bytes);
        let (answer, receiver) = sync_channel(1);
        let stopped = || LayerError::damaged("writing stopped");
        self.order.send(receiver).map_err(|_| stopped())?;
        self.tar.send(bytes.clone()).map_err(|_| stopped())?;
        self.jobs.send(Job { bytes, answer }).map_err(|_| stopped())
    }
}

/// Runs `produce` on its own thread and writes what it sends.
pub fn run(
    compression: Compression,
    level: Option<u8>,
    threads: usize,
    reuse: Option<&dyn BlockReuse>,
    out: &mut dyn Write,
    produce: impl FnOnce(&Blocks) -> Result<(), LayerError> + Send,
) -> Result<WrittenLayer, LayerError> {
    let threads = threads.clamp(1, 64);
    let level = level.or(compression.usual_level()).unwrap_or(0);
    let (jobs, job_queue) = sync_channel::<Job>(threads);
    let (order, ordered) = sync_channel(2 * threads);
    let (tar, tar_blocks) = sync_channel::<Arc<Vec<u8>>>(threads + 1);
    let job_queue = Arc::new(Mutex::new(job_queue));
    thread::scope(|scope| {
        for _ in 0..threads {
            let queue = job_queue.clone();
            scope.spawn(move || work(&queue, Packer::new(compression, level, reuse)));
        }
        drop(job_queue);
        let hasher = scope.spawn(move || {
            let mut hasher = Hasher::new();
            tar_blocks.iter().for_each(|bytes| hasher.update(&bytes));
            hasher
        });
        let producer = scope.spawn(move || produce(&Blocks { jobs, order, tar }));
        let written = Writer::new(compression, out).and_then(|writer| writer.collect(ordered));
        let produced = joined(producer);
        let tar = joined(hasher);
        let writer = match (written, produced) {
            (Err(error), _) | (Ok(_), Err(error)) => return Err(error),
            (Ok(writer), Ok(())) => writer,
        };
        let uncompressed_size = tar.length();
        writer.finish(tar.finish(), uncompressed_size)
    })
}

fn joined<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| resume_unwind(panic))
}

fn work(queue: &Mutex<Receiver<Job>>, mut packer: Packer<'_>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // The writer may have given up; then nobody waits for the answer.
        let _ = job.answer.send(packer.pack(&job.bytes));
    }
}

struct Writer<'a> {
    compression: Compression,
    out: &'a mut dyn Write,
    hasher: Hasher,
    size: u64,
    offset: u64,
    crc: Crc,
    blocks: BlockIndex,
}

impl<'a> Writer<'a> {
    fn new(compression: Compression, out: &'a mut dyn Write) -> Result<Writer<'a>, LayerError> {
        let (hasher, blocks) = (Hasher::new(), BlockIndex::default());
        let mut writer = Writer {
            compression,
            out,
            hasher,
            size: 0,
            offset: 0,
            crc: Crc::new(),
            blocks,
        };
        if compression == Compression::Gzip {
            writer.put(&GZIP_HEADER)?;
        }
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), LayerError> {
        // The digest of an uncompressed blob is that of the tar, which another thread takes.
        if self.compression != Compression::None {
            self.hasher.update(bytes);
        }
        self.size += bytes.len() as u64;
        self.out
            .write_all(bytes)
            .map_err(|error| LayerError::io("write", "the layer's blob", error))
    }

    fn collect(mut self, ordered: Receiver<Receiver<Answer>>) -> Result<Writer<'a>, LayerError> {
        for answer in ordered {
            // A missing answer means that the producer or a worker has stopped; joining them says why.
            let Ok(done) = answer.recv() else { break };
            let done = done.map_err(|error| LayerError::io("compress", "a block of the layer", error))?;
            self.block(&done)?;
        }
        Ok(self)
    }

    fn block(&mut self, done: &Done) -> Result<(), LayerError> {
        self.crc.combine(&done.crc);
        if self.compression != Compression::None {
            self.blocks.push(Block {
                offset: self.offset,
                length: done.length,
                packed_offset: self.size,
                packed_length: done.packed.length(),
                sums: done.sums,
            });
        }
        self.offset += done.length;
        done.packed.pieces(|piece| self.put(piece))
    }

    fn finish(mut self, diff_id: Digest, uncompressed_size: u64) -> Result<WrittenLayer, LayerError> {
        if self.compression == Compression::Gzip {
            self.put(&DEFLATE_END)?;
            self.put(&self.crc.sum().to_le_bytes())?;
            self.put(&(uncompressed_size as u32).to_le_bytes())?;
        }
        self.out
            .flush()
            .map_err(|error| LayerError::io("write", "the layer's blob", error))?;
        let digest = match self.compression {
            Compression::None => diff_id,
            _ => self.hasher.finish(),
        };
        Ok(WrittenLayer {
            diff_id,
            digest,
            size: self.size,
            uncompressed_size,
            blocks: self.blocks,
        })
    }
}
