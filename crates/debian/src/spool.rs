use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use praxis_layer::{ContentSource, Entry, Kind};
use praxis_oci::{Digest, Hasher};

/// The contents of files, one after the other in a file without a name: gone when this is dropped, or with the
/// process.
pub(crate) struct Spool {
    file: File,
    length: u64,
    places: BTreeMap<Digest, (u64, u64)>,
}

impl Spool {
    /// An empty spool in `directory`.
    pub(crate) fn new(directory: &Path) -> io::Result<Spool> {
        Ok(Spool {
            file: tempfile::tempfile_in(directory)?,
            length: 0,
            places: BTreeMap::new(),
        })
    }

    /// Adds what `reader` gives, and shows it to `also`. Gives length and digest.
    pub(crate) fn add(&mut self, reader: &mut dyn Read, also: &mut dyn Write) -> io::Result<(u64, Digest)> {
        let mut hasher = Hasher::new();
        let mut block = vec![0; 64 << 10];
        loop {
            let length = reader.read(&mut block)?;
            if length == 0 {
                break;
            }
            self.file
                .write_all_at(&block[..length], self.length + hasher.length())?;
            also.write_all(&block[..length])?;
            hasher.update(&block[..length]);
        }
        let size = hasher.length();
        let digest = hasher.finish();
        if let std::collections::btree_map::Entry::Vacant(place) = self.places.entry(digest) {
            place.insert((self.length, size));
            self.length += size;
        }
        Ok((size, digest))
    }

    /// Adds `bytes`.
    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) -> io::Result<Kind> {
        let (size, content) = self.add(&mut &*bytes, &mut io::sink())?;
        Ok(Kind::File { size, content })
    }

    fn open(&self, digest: &Digest) -> Option<Range<'_>> {
        let (start, size) = *self.places.get(digest)?;
        Some(Range {
            file: &self.file,
            position: start,
            end: start + size,
        })
    }
}

/// The contents of the files of an unpacked base.
pub struct SpooledContent {
    pub(crate) spools: Vec<Spool>,
}

impl SpooledContent {
    /// The content with this digest.
    pub(crate) fn open_digest(&self, digest: &Digest) -> io::Result<Box<dyn Read + Send + '_>> {
        let found = self.spools.iter().find_map(|spool| spool.open(digest));
        let missing = || {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("no package has content {digest}"),
            )
        };
        found
            .map(|range| Box::new(range) as Box<dyn Read + Send>)
            .ok_or_else(missing)
    }
}

impl ContentSource for SpooledContent {
    fn open(&self, entry: &Entry) -> io::Result<Box<dyn Read + Send + '_>> {
        match &entry.kind {
            Kind::File { content, .. } => self.open_digest(content),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{} is no file", entry.path),
            )),
        }
    }
}

/// A part of a file, read without moving the file's own position.
struct Range<'a> {
    file: &'a File,
    position: u64,
    end: u64,
}

impl Read for Range<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let wanted = out
            .len()
            .min(usize::try_from(self.end - self.position).unwrap_or(usize::MAX));
        let length = self.file.read_at(&mut out[..wanted], self.position)?;
        if length == 0 && wanted > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_it_was_given() {
        let directory = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(directory.path()).unwrap();
        let contents: [&[u8]; 4] = [b"first", b"", b"second", b"first"];
        let digests: Vec<Digest> = contents
            .iter()
            .map(|bytes| spool.add(&mut &**bytes, &mut io::sink()).unwrap().1)
            .collect();
        assert_eq!(spool.length, 11);
        let content = SpooledContent { spools: vec![spool] };
        for (bytes, digest) in contents.iter().zip(&digests) {
            assert_eq!(*digest, Digest::of(bytes));
            let mut read = Vec::new();
            content
                .open_digest(digest)
                .unwrap()
                .read_to_end(&mut read)
                .unwrap();
            assert_eq!(read, *bytes);
        }
        assert!(content.open_digest(&Digest::of(b"other")).is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
