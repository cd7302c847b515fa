//! Measures `write_layer`: `cargo run --release -p praxis-layer --example gzip_speed [DIRECTORY]`.
//!
//! Without a directory it uses text-like and random data. It prints MB/s of tar for gzip with one and two threads,
//! and the size beside that of one zlib stream of level 6, which is what gzip(1) writes.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use flate2::write::GzEncoder;
use praxis_layer::{Compression, ContentSource, Entry, Kind, Listing, Timestamp, write_layer};
use praxis_oci::Digest;

/// Files kept in memory, so that no disk is measured.
struct Memory(Vec<Vec<u8>>);

impl ContentSource for Memory {
    fn open(&self, entry: &Entry) -> io::Result<Box<dyn Read + Send + '_>> {
        let number: usize = String::from_utf8_lossy(entry.path.name())
            .parse()
            .map_err(io::Error::other)?;
        Ok(Box::new(self.0[number].as_slice()))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args_os().nth(1) {
        Some(directory) => {
            let mut files = Vec::new();
            collect(Path::new(&directory), &mut files, &mut (400 << 20))?;
            measure("directory", files)?;
        }
        None => {
            measure("text", vec![text(128 << 20)])?;
            measure("random", vec![random(512 << 20)])?;
            measure("small files", (0..20_000).map(|n| text(500 + n % 3000)).collect())?;
        }
    }
    Ok(())
}

fn measure(name: &str, files: Vec<Vec<u8>>) -> Result<(), Box<dyn std::error::Error>> {
    let entries = files.iter().enumerate().map(|(number, bytes)| {
        let kind = Kind::File {
            size: bytes.len() as u64,
            content: Digest::of(bytes),
        };
        Entry::new(
            format!("d{}/{number}", number / 100).as_str().into(),
            kind,
            0o644,
            Timestamp::seconds(0),
        )
    });
    let listing = Listing::new(entries.collect());
    let source = Memory(files);
    let mut reference = GzEncoder::new(Count(0), flate2::Compression::new(6));
    let started = Instant::now();
    write_layer(&listing, &source, Compression::None, 1, None, &mut reference)?;
    let (reference, seconds) = (reference.finish()?.0, started.elapsed().as_secs_f64());
    println!("{name}: one stream of level 6: {reference} bytes in {seconds:.2} s");
    for (compression, threads) in [
        (Compression::Gzip, 1),
        (Compression::Gzip, 2),
        (Compression::Zstd, 2),
        (Compression::None, 2),
    ] {
        let started = Instant::now();
        let written = write_layer(&listing, &source, compression, threads, None, &mut io::sink())?;
        let seconds = started.elapsed().as_secs_f64();
        println!(
            "{name}: {compression:?}, {threads} threads: {:.0} MB/s, {} bytes, {:+.1} % of the reference, {} blocks",
            written.uncompressed_size as f64 / seconds / 1e6,
            written.size,
            100.0 * (written.size as f64 / reference as f64 - 1.0),
            written.blocks.blocks().len(),
        );
    }
    Ok(())
}

struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn random(length: usize) -> Vec<u8> {
    let mut state = 3;
    (0..length / 8)
        .flat_map(|_| next(&mut state).to_le_bytes())
        .collect()
}

fn text(length: usize) -> Vec<u8> {
    const WORDS: [&str; 12] = [
        "layer", "digest", "stage", "pin", "root", "label", "mount", "cache", "blob", "tar", "whiteout",
        "index",
    ];
    let mut state = 88172645463325252 + length as u64;
    let mut out = Vec::with_capacity(length + 16);
    while out.len() < length {
        out.extend_from_slice(WORDS[(next(&mut state) % 12) as usize].as_bytes());
        out.push(b' ');
    }
    out.truncate(length);
    out
}

fn collect(directory: &Path, files: &mut Vec<Vec<u8>>, budget: &mut u64) -> io::Result<()> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)?
        .map(|e| e.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        let metadata = path.symlink_metadata()?;
        if metadata.is_dir() {
            collect(&path, files, budget)?;
        } else if metadata.is_file() && metadata.len() <= *budget {
            *budget -= metadata.len();
            files.push(std::fs::read(&path)?);
        }
    }
    Ok(())
}
