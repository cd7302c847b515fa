//! Reading ahead: decompression runs beside what is done with its output.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::write::read_full;

const CHUNK: usize = 256 << 10;
const CHUNKS: usize = 4;

type Chunk = io::Result<Vec<u8>>;

/// Gives `work` a reader of the same bytes that is kept filled by another thread, with bounded memory.
pub fn read_ahead<T>(reader: impl Read + Send, work: impl FnOnce(Ahead) -> T) -> T {
    let (sender, receiver) = sync_channel(CHUNKS);
    thread::scope(|scope| {
        scope.spawn(move || fill(reader, &sender));
        work(Ahead {
            receiver,
            chunk: Vec::new(),
            at: 0,
        })
    })
}

/// Reads until the end, an error, or until nobody listens any more.
fn fill(mut reader: impl Read, sender: &SyncSender<Chunk>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let read = read_full(&mut reader, &mut chunk);
        let last = !matches!(read, Ok(CHUNK));
        let sent = sender.send(read.map(|length| {
            chunk.truncate(length);
            chunk
        }));
        if last || sent.is_err() {
            return;
        }
    }
}

/// The receiving end.
pub struct Ahead {
    receiver: Receiver<Chunk>,
    chunk: Vec<u8>,
    at: usize,
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            match self.receiver.recv() {
                Ok(chunk) => (self.chunk, self.at) = (chunk?, 0),
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.chunk.len() - self.at);
        buffer[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_and_the_error_arrive_in_order() {
        let bytes: Vec<u8> = (0..3 * CHUNK + 5).map(|n| (n / 7) as u8).collect();
        let mut out = Vec::new();
        read_ahead(bytes.as_slice(), |mut ahead| ahead.read_to_end(&mut out)).unwrap();
        assert!(out == bytes);
        let failing = bytes.as_slice().chain(Broken);
        let error = read_ahead(failing, |mut ahead| ahead.read_to_end(&mut Vec::new())).unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }

    #[test]
    fn an_endless_reader_ends_with_its_listener() {
        let mut first = [1; 10];
        read_ahead(io::repeat(0), |mut ahead| ahead.read_exact(&mut first)).unwrap();
        assert_eq!(first, [0; 10]);
    }

    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
}
