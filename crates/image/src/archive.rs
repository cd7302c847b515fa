//! An archive of an image: where each of its files is, found in one pass.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use praxis_layer::{ArchiveKind, LayerError, Limits, TreePath, decompress, detect, read_archive};
use praxis_store::Store;

use crate::ImageError;

/// No image has more files than this in its archive.
const MEMBERS: u64 = 10_000;
/// Links to links are followed this far.
const LINKS: usize = 4;

/// An archive whose members can be read in any order.
pub(crate) struct ArchiveIndex {
    file: Arc<File>,
    members: BTreeMap<TreePath, Member>,
}

enum Member {
    File { offset: u64, size: u64 },
    Link(TreePath),
}

/// A part of a file.
pub(crate) struct Section {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Section {
    /// How many bytes are left.
    pub fn length(&self) -> u64 {
        self.left
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..wanted], self.offset)?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

impl ArchiveIndex {
    /// Reads the archive at `path` once. One that is compressed is first decompressed into a file of `store`'s.
    pub fn read(path: &Path, store: &Store) -> Result<ArchiveIndex, ImageError> {
        let wrong = |error: io::Error| ImageError::new(format!("{}: {error}", path.display()));
        let mut file = File::open(path).map_err(wrong)?;
        if !file.metadata().map_err(wrong)?.is_file() {
            return Err(ImageError::new(format!(
                "{}: is not a regular file",
                path.display()
            )));
        }
        let mut first = [0; 6];
        let length = file.read(&mut first).map_err(wrong)?;
        file.rewind().map_err(wrong)?;
        if detect(&first[..length]).is_some() {
            file = plain(&file, store)?;
        }
        let members = members(&file)?;
        Ok(ArchiveIndex {
            file: Arc::new(file),
            members,
        })
    }

    /// The file called `name`, links of the archive followed.
    pub fn open(&self, name: &str) -> Option<Section> {
        let mut path = TreePath::from(name);
        for _ in 0..LINKS {
            match self.members.get(&path)? {
                Member::File { offset, size } => {
                    return Some(Section {
                        file: self.file.clone(),
                        offset: *offset,
                        left: *size,
                    });
                }
                Member::Link(target) => path = target.clone(),
            }
        }
        None
    }

    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(&TreePath::from(name))
    }
}

/// The content of a compressed archive, as a file without a name.
fn plain(file: &File, store: &Store) -> Result<File, ImageError> {
    let scratch = store.scratch()?;
    let path = scratch.path().join("archive");
    let wrong = |error: io::Error| ImageError::new(format!("{}: {error}", path.display()));
    let mut copy = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(wrong)?;
    let mut reader = decompress(BufReader::new(file), &Limits::default())?;
    io::copy(&mut reader, &mut copy).map_err(|error| ImageError::new(error.to_string()))?;
    copy.flush().and_then(|()| copy.rewind()).map_err(wrong)?;
    Ok(copy)
}

/// Counts what is read, so that members know where their content begins.
struct Counting<'a> {
    file: BufReader<&'a File>,
    at: &'a AtomicU64,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.at.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

fn members(file: &File) -> Result<BTreeMap<TreePath, Member>, ImageError> {
    let at = AtomicU64::new(0);
    let reader = Counting {
        file: BufReader::with_capacity(256 << 10, file),
        at: &at,
    };
    let limits = Limits {
        max_entries: MEMBERS,
        ..Limits::default()
    };
    let mut members = BTreeMap::new();
    read_archive(reader, &limits, &mut |entry, _| {
        let member = match entry.kind {
            ArchiveKind::File { size } => Member::File {
                offset: at.load(Ordering::Relaxed),
                size,
            },
            ArchiveKind::Hardlink { target } => Member::Link(target),
            ArchiveKind::Symlink { target } => Member::Link(beside(&entry.path, &target)),
            _ => return Ok::<(), LayerError>(()),
        };
        members.insert(entry.path, member);
        Ok(())
    })?;
    Ok(members)
}

/// What a symbolic link at `path` means inside the archive.
fn beside(path: &TreePath, target: &[u8]) -> TreePath {
    let parent = path.parent().unwrap_or_default();
    TreePath::clean(&[parent.as_bytes(), b"/", target].concat())
}
