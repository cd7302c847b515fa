use std::sync::atomic::{AtomicUsize, Ordering};

use praxis_layer::{
    BlobBlocks, BlockIndex, BlockReuse, Compression, Entry, Kind, LayerError, Limits, Listing, Timestamp,
    TreePath, WrittenLayer, decompress, index_layer, write_layer,
};
use praxis_oci::Digest;

use crate::forge::{Contents, directory, run};

fn text(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..length)
        .map(|_| b"abcdefgh \n"[(next() % 10) as usize])
        .collect()
}

fn noise(length: usize) -> Vec<u8> {
    (0..length as u64 / 32 + 1)
        .flat_map(|n| *Digest::of(&n.to_le_bytes()).as_bytes())
        .take(length)
        .collect()
}

/// Every kind of entry, long names, odd times and numbers.
fn everything() -> (Listing, Contents) {
    let mut contents = Contents::default();
    let mut capable = contents.file("bin/tool", "tool\n");
    capable.mode = 0o4755;
    capable.uid = 3_000_000;
    capable.xattrs.insert(
        b"security.capability".to_vec(),
        vec![1, 0, 0, 2, 0, 4, 0, 0, 10, b'\n', 0, 0],
    );
    let mut early = contents.file("early", "1");
    early.mtime = Timestamp {
        seconds: -2,
        nanoseconds: 750_000_000,
    };
    let mut fine = contents.file("fine", "2");
    fine.mtime = Timestamp {
        seconds: 5,
        nanoseconds: 20,
    };
    let long = format!("deep/{}/{}", "d".repeat(150), "f".repeat(200));
    let split = format!("split/{}/{}", "d".repeat(90), "f".repeat(60));
    let time = Timestamp::seconds(100);
    let entry = |path: &str, kind| Entry::new(path.into(), kind, 0o644, time);
    let listing = Listing::new(vec![
        directory(""),
        directory("bin"),
        capable,
        Entry {
            kind: Kind::Hardlink {
                target: "bin/tool".into(),
            },
            ..entry("bin/twin", Kind::Fifo)
        },
        entry(
            "link",
            Kind::Symlink {
                target: "x".repeat(300).into(),
            },
        ),
        entry("null", Kind::Character { major: 1, minor: 3 }),
        entry(
            "disk",
            Kind::Block {
                major: 259,
                minor: 70_000,
            },
        ),
        entry("pipe", Kind::Fifo),
        Entry {
            kind: Kind::Directory { opaque: true },
            ..directory("opaque")
        },
        Entry::whiteout("gone/away".into()),
        contents.file("empty", ""),
        contents.file(&long, "long"),
        contents.file(&split, "split"),
        contents.file("naïve ☃", "unicode"),
        early,
        fine,
    ]);
    (listing, contents)
}

fn write(
    listing: &Listing,
    contents: &Contents,
    compression: Compression,
    threads: usize,
) -> (Vec<u8>, WrittenLayer) {
    let mut out = Vec::new();
    let written = write_layer(listing, contents, compression, threads, None, &mut out).unwrap();
    assert_eq!(written.digest, Digest::of(&out));
    assert_eq!(written.size, out.len() as u64);
    (out, written)
}

#[test]
fn a_listing_survives_its_tar() {
    let (mut listing, contents) = everything();
    let (tar, written) = write(&listing, &contents, Compression::None, 1);
    assert_eq!(written.diff_id, written.digest);
    let read = index_layer(tar.as_slice(), &Limits::default()).unwrap();
    // A hard link in a tar repeats the metadata of its file.
    let mut entries = listing.entries().to_vec();
    let tool = listing.get(&"bin/tool".into()).unwrap().clone();
    let twin = entries
        .iter_mut()
        .find(|entry| entry.path == "bin/twin".into())
        .unwrap();
    *twin = Entry {
        path: twin.path.clone(),
        kind: twin.kind.clone(),
        ..tool
    };
    for link in entries
        .iter_mut()
        .filter(|entry| matches!(entry.kind, Kind::Symlink { .. }))
    {
        link.mode = 0o777;
    }
    listing = Listing::new(entries);
    assert_eq!(read, listing);
}

#[test]
fn gnu_tar_and_python_read_what_is_written() {
    let (listing, contents) = everything();
    let (tar, _) = write(&listing, &contents, Compression::None, 1);
    let (ok, names) = run(
        "tar",
        &[
            "--numeric-owner",
            "--quoting-style=literal",
            "--full-time",
            "-tvf",
            "-",
        ],
        &tar,
    );
    assert!(ok);
    for part in [
        "-rwsr-xr-x 3000000/0",
        "opaque/.wh..wh..opq",
        "gone/.wh.away",
        "naïve ☃",
        "259,70000",
    ] {
        assert!(names.contains(part), "{part} in\n{names}");
    }
    assert!(names.contains("bin/twin link to bin/tool"));
    assert!(names.contains(&format!("{}/{}", "d".repeat(150), "f".repeat(200))));
    let script = "import sys,tarfile
t=tarfile.open(fileobj=sys.stdin.buffer,mode='r|')
for m in t: print(m.name, m.size, m.mtime, m.uid, sorted(m.pax_headers))";
    let (ok, lines) = run("python3", &["-c", script], &tar);
    assert!(ok);
    assert_eq!(lines.lines().count(), listing.entries().len() + 1);
    assert!(lines.contains("fine 1 5.00000002 0 ['mtime']"), "{lines}");
    assert!(lines.contains("early 1 -1.25 0 ['mtime']"), "{lines}");
    assert!(lines.contains("pipe 0 100 0 []"), "{lines}");
}

fn large() -> (Listing, Contents) {
    let mut contents = Contents::default();
    let mut entries = vec![directory("d")];
    for number in 0..3000 {
        entries.push(contents.file(&format!("d/{number:05}"), text(200 + number % 900, number as u64)));
    }
    entries.push(contents.file("noise", noise(3 << 20)));
    entries.push(contents.file("text", text((5 << 20) + 77, 9)));
    (Listing::new(entries), contents)
}

#[test]
fn bytes_do_not_depend_on_the_number_of_threads() {
    let (listing, contents) = large();
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        let one = write(&listing, &contents, compression, 1);
        for threads in [2, 3, 8] {
            assert!(
                one == write(&listing, &contents, compression, threads),
                "{compression:?} {threads}"
            );
        }
    }
}

#[test]
fn the_blob_is_one_gzip_member_and_holds_the_tar() {
    let (listing, contents) = large();
    let (tar, plain) = write(&listing, &contents, Compression::None, 2);
    let (blob, written) = write(&listing, &contents, Compression::Gzip, 2);
    assert_eq!(written.diff_id, plain.digest);
    assert_eq!(&blob[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    let mut one = flate2::read::GzDecoder::new(blob.as_slice());
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut one, &mut out).unwrap();
    assert!(out == tar);
    assert!(run("gzip", &["-t"], &blob).0);
    let (zstd, _) = write(&listing, &contents, Compression::Zstd, 2);
    assert!(run("zstd", &["-tq", "-"], &zstd).0);
    let mut reader = decompress(zstd.as_slice(), &Limits::default()).unwrap();
    out.clear();
    std::io::Read::read_to_end(&mut reader, &mut out).unwrap();
    assert!(out == tar);
}

#[test]
fn random_data_is_stored() {
    let (listing, contents) = large();
    let (_, written) = write(&listing, &contents, Compression::Gzip, 2);
    let stored = written
        .blocks
        .blocks()
        .iter()
        .filter(|block| block.sums.is_none());
    assert!(stored.clone().map(|block| block.length).sum::<u64>() >= 2 << 20);
    assert!(stored.into_iter().all(|block| block.packed_length > block.length));
}

struct Counting(BlobBlocks, AtomicUsize);

impl BlockReuse for Counting {
    fn lookup(&self, key: &Digest) -> Option<Vec<u8>> {
        let found = self.0.lookup(key);
        self.1.fetch_add(usize::from(found.is_none()), Ordering::Relaxed);
        found
    }
}

fn blob_file(blob: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, blob).unwrap();
    file
}

#[test]
fn a_changed_file_compresses_only_its_own_blocks_again() {
    let (listing, mut contents) = large();
    for compression in [Compression::Gzip, Compression::Zstd] {
        let (blob, written) = write(&listing, &contents, compression, 2);
        let mut entries = listing.entries().to_vec();
        let at = entries
            .iter()
            .position(|entry| entry.path == "d/01500".into())
            .unwrap();
        entries[at] = contents.file("d/01500", text(1234, 77));
        let at = entries
            .iter()
            .position(|entry| entry.path == TreePath::from("text"))
            .unwrap();
        entries[at] = contents.file("text", [text((5 << 20) + 77, 9), b"more".to_vec()].concat());
        let changed = Listing::new(entries);
        let index = BlockIndex::decode(&written.blocks.encode()).unwrap();
        assert_eq!(index, written.blocks);
        let reuse = Counting(
            BlobBlocks {
                file: blob_file(&blob),
                index,
            },
            AtomicUsize::new(0),
        );
        let mut out = Vec::new();
        let reused = write_layer(&changed, &contents, compression, 2, Some(&reuse), &mut out).unwrap();
        let (clean, fresh) = write(&changed, &contents, compression, 1);
        assert!(
            out == clean && reused == fresh,
            "{compression:?}: reuse changes nothing"
        );
        let misses = reuse.1.load(Ordering::Relaxed);
        assert!(
            misses <= 4,
            "{misses} of {} blocks were compressed again",
            fresh.blocks.blocks().len()
        );
    }
}

#[test]
fn damaged_blobs_give_no_blocks() {
    let (listing, contents) = large();
    let (mut blob, written) = write(&listing, &contents, Compression::Gzip, 2);
    let block = written
        .blocks
        .blocks()
        .iter()
        .find(|block| block.sums.is_some())
        .unwrap()
        .clone();
    let key = block.sums.unwrap().key;
    let sound = BlobBlocks {
        file: blob_file(&blob),
        index: written.blocks.clone(),
    };
    assert_eq!(sound.lookup(&key).unwrap().len() as u64, block.packed_length);
    blob[block.packed_offset as usize + 5] ^= 1;
    let damaged = BlobBlocks {
        file: blob_file(&blob),
        index: written.blocks.clone(),
    };
    assert_eq!(damaged.lookup(&key), None);
    let short = BlobBlocks {
        file: blob_file(&blob[..20]),
        index: written.blocks,
    };
    assert_eq!(short.lookup(&key), None);
}

#[test]
fn content_that_is_not_what_the_listing_says_is_an_error() {
    for wrong in ["longer than before", "short", "othersam"] {
        let mut contents = Contents::default();
        let entry = contents.file("etc/file", "the same");
        let Kind::File { content, .. } = entry.kind else {
            unreachable!()
        };
        contents.0.insert(content, wrong.into());
        let listing = Listing::new(vec![entry]);
        let result = write_layer(
            &listing,
            &contents,
            Compression::Gzip,
            2,
            None,
            &mut std::io::sink(),
        );
        let error = result.unwrap_err().to_string();
        assert!(
            error.starts_with("/etc/file changed while it was read"),
            "{error}"
        );
    }
}

struct Full(usize);

impl std::io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or(std::io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_stops_everything_with_its_own_error() {
    let (listing, contents) = large();
    let result = write_layer(
        &listing,
        &contents,
        Compression::Gzip,
        2,
        None,
        &mut Full(1 << 20),
    );
    assert!(
        matches!(result, Err(LayerError::Io { action: "write", .. })),
        "{result:?}"
    );
}

fn written_with_name(name: &str) -> Result<Vec<u8>, LayerError> {
    let mut contents = Contents::default();
    let listing = Listing::new(vec![contents.file(name, "x")]);
    let mut tar = Vec::new();
    write_layer(&listing, &contents, Compression::None, 1, None, &mut tar)?;
    Ok(tar)
}

#[test]
fn row_15_names_that_would_remove_directories_or_are_marks_are_refused() {
    for name in [
        "a/.wh.",
        "a/.wh..",
        "a/.wh...",
        "a/.wh..wh..opq",
        "a/.wh..wh.plnk",
    ] {
        let result = written_with_name(name);
        assert!(
            matches!(result, Err(LayerError::Unrepresentable { .. })),
            "{name}"
        );
    }
}

#[test]
fn a_file_named_like_a_whiteout_is_written_as_it_is() {
    let tar = written_with_name("a/.wh.b").unwrap();
    assert_eq!(&tar[..7], b"a/.wh.b");
    let listing = praxis_layer::index_layer(tar.as_slice(), &praxis_layer::Limits::default()).unwrap();
    assert_eq!(
        listing.get(&"a/b".into()).unwrap().kind,
        praxis_layer::Kind::Whiteout
    );
}

/// security row 6: emitted link names are relative.
#[test]
fn row_06_hard_links_are_written_relative() {
    let (listing, contents) = everything();
    let (tar, _) = write(&listing, &contents, Compression::None, 1);
    let needle = b"bin/tool\0";
    assert!(tar.windows(needle.len()).any(|window| window == needle));
    assert!(
        !tar.windows(needle.len() + 1)
            .any(|window| window == b"/bin/tool\0")
    );
}
