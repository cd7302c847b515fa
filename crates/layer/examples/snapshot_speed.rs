//! Measures snapshots: `cargo run --release -p praxis-layer --example snapshot_speed DIRECTORY`.
//!
//! In DIRECTORY, which should be on the file system of the store, it makes 50,000 small files, scans them as an
//! upper directory, writes their blob, unpacks it and makes a snapshot of the listing, and prints the times and
//! the peak of memory.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use praxis_layer::{
    Compression, ContentSource, Entry, Limits, Listing, Ownership, Timestamp, Tree, decompress,
    extract_layer, materialize, scan_upper, write_layer,
};

struct Directory(PathBuf);

impl ContentSource for Directory {
    fn open(&self, entry: &Entry) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(File::open(self.0.join(entry.path.as_path()))?))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let top = std::env::args_os().nth(1).ok_or("DIRECTORY is missing")?;
    let top = Path::new(&top).join("snapshot-speed");
    let made = |name: &str| std::fs::create_dir_all(top.join(name)).map(|()| top.join(name));
    let (source, extracted, materialized) = (made("source")?, made("extracted")?, made("materialized")?);
    fill(&source)?;
    let descriptor = |path: &Path| File::open(path).map(OwnedFd::from);

    let listing: Listing = timed("scan", || {
        scan_upper(&descriptor(&source)?, &Tree::new(), Timestamp::seconds(0)).map_err(io::Error::other)
    })?;
    timed("encode, decode and id", || {
        let same = Listing::decode(&listing.encode()).map_err(io::Error::other)?.id() == listing.id();
        if same {
            Ok(())
        } else {
            Err(io::Error::other("the listing has changed"))
        }
    })?;
    let mut blob = Vec::new();
    let contents = Directory(source.clone());
    timed("write gzip", || {
        write_layer(&listing, &contents, Compression::Gzip, 2, None, &mut blob).map_err(io::Error::other)
    })?;
    timed("extract", || {
        let limits = Limits::default();
        let reader = decompress(blob.as_slice(), &limits).map_err(io::Error::other)?;
        extract_layer(reader, &descriptor(&extracted)?, &limits, Ownership::Real).map_err(io::Error::other)
    })?;
    timed("materialize", || {
        materialize(&listing, &contents, &descriptor(&materialized)?, Ownership::Real)
            .map_err(io::Error::other)
    })?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!(
        "{}",
        status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap_or_default()
    );
    std::fs::remove_dir_all(&top)?;
    Ok(())
}

fn timed<T>(name: &str, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let started = Instant::now();
    let result = work()?;
    println!("{name}: {:.2} s", started.elapsed().as_secs_f64());
    Ok(result)
}

fn fill(directory: &Path) -> io::Result<()> {
    for number in 0..50_000 {
        let inner = directory.join(format!("d{:03}", number / 100));
        std::fs::create_dir_all(&inner)?;
        let mut file = io::BufWriter::new(File::create(inner.join(format!("f{number:05}.txt")))?);
        for word in 0..(20 + number % 630) {
            write!(
                file,
                "{} ",
                ["layer", "digest", "stage", "pin", "root"][(word * number + word) % 5]
            )?;
        }
    }
    Ok(())
}
