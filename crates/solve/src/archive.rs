//! ADD of archives: a tar unpacked into a draft.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::sync::Arc;

use praxis_layer::{ArchiveEntry, ArchiveKind, Entry, Kind, Limits, TreePath};
use praxis_oci::{Digest, Hasher};

use crate::SolveError;
use crate::copy::Placement;
use crate::draft::{Draft, Made};
use crate::layers::Workshop;
use crate::source::{Content, KeptFile};

/// Whether ADD unpacks what `content` holds: its bytes decide, not its name.
pub(crate) fn is_archive(content: &Content) -> Result<bool, SolveError> {
    let reader = content
        .open()
        .map_err(|error| SolveError::environment(format!("cannot read the archive: {error}")))?;
    Ok(praxis_layer::is_archive(reader))
}

/// Unpacks the archive in `content` at the destination.
pub(crate) fn unpack(
    workshop: &Arc<Workshop>,
    draft: &mut Draft<'_>,
    content: &Content,
    name: &str,
    placement: &Placement<'_>,
) -> Result<(), SolveError> {
    let wrong = |error: io::Error| SolveError::environment(format!("cannot read {name}: {error}"));
    unpack_from(workshop, draft, content.open().map_err(wrong)?, name, placement)
}

/// Unpacks the archive that `reader` gives at the destination.
pub(crate) fn unpack_from(
    workshop: &Arc<Workshop>,
    draft: &mut Draft<'_>,
    reader: impl Read + Send,
    name: &str,
    placement: &Placement<'_>,
) -> Result<(), SolveError> {
    let top = draft.resolve(placement.destination.as_bytes())?;
    draft.make_directories(
        &top,
        Made {
            owner: placement.owner,
            mode: None,
        },
    )?;
    let scratch = Arc::new(workshop.store.scratch()?);
    let path = scratch.path().join("content");
    let out = File::create(&path).map_err(SolveError::io("create", &path))?;
    let kept = Arc::new(KeptFile {
        path: path.clone(),
        _keeper: scratch,
    });
    let limits = Limits::default();
    let reader = praxis_layer::decompress(BufReader::new(reader), &limits)?;
    let mut unpacker = Unpacker {
        draft,
        top,
        owner: placement.owner,
        out: io::BufWriter::with_capacity(1 << 20, out),
        written: 0,
        kept,
        files: HashMap::new(),
        times: BTreeMap::new(),
    };
    praxis_layer::read_archive(reader, &limits, &mut |entry, body| unpacker.entry(entry, body)).map_err(
        |error: SolveError| SolveError {
            message: format!("{name}: {}", error.message),
            ..error
        },
    )?;
    unpacker.out.flush().map_err(SolveError::io("write", &path))?;
    // Directories get their times when everything is in them.
    for (path, mtime) in unpacker.times {
        unpacker.draft.touch_directory(&path, mtime);
    }
    Ok(())
}

struct Unpacker<'a, 't> {
    draft: &'a mut Draft<'t>,
    top: TreePath,
    owner: Option<(u32, u32)>,
    out: io::BufWriter<File>,
    written: u64,
    kept: Arc<KeptFile>,
    /// Where members ended up, for hard links: by name in the archive.
    files: HashMap<TreePath, (TreePath, Kind, Content, u64)>,
    times: BTreeMap<TreePath, praxis_layer::Timestamp>,
}

impl Unpacker<'_, '_> {
    /// Where a member goes: links in its parents are followed inside the root, its own name is not.
    fn place(&mut self, path: &TreePath) -> Result<TreePath, SolveError> {
        let Some(parent) = path.parent() else {
            return Ok(self.top.clone());
        };
        let parent = self.draft.resolve(self.top.join_path(&parent).as_bytes())?;
        self.draft.make_directories(
            &parent,
            Made {
                owner: self.owner,
                mode: None,
            },
        )?;
        Ok(parent.join(path.name()))
    }

    fn entry(&mut self, member: ArchiveEntry, body: &mut dyn Read) -> Result<(), SolveError> {
        if member.path.is_root() {
            return Ok(());
        }
        let place = self.place(&member.path)?;
        let mtime = self.draft.clamp(member.mtime);
        let (kind, content, group) = match member.kind {
            ArchiveKind::Directory => {
                if self.draft.seen(&place).is_some_and(|seen| !seen.is_directory()) {
                    self.draft
                        .put(Entry::new(place.clone(), Kind::Fifo, 0, mtime), None, None);
                }
                self.times.insert(place.clone(), mtime);
                (Kind::Directory { opaque: false }, None, None)
            }
            ArchiveKind::File { .. } => {
                let (size, digest, content) = self.keep(body)?;
                let kind = Kind::File {
                    size,
                    content: digest,
                };
                let group = self.draft.next_group();
                self.files.insert(
                    member.path.clone(),
                    (place.clone(), kind.clone(), content.clone(), group),
                );
                (kind, Some(content), Some(group))
            }
            ArchiveKind::Hardlink { target } => {
                let Some((_, kind, content, group)) = self.files.get(&target) else {
                    return Err(SolveError::user(format!(
                        "hard link {} to {target}, which is no file of it",
                        member.path
                    )));
                };
                (kind.clone(), Some(content.clone()), Some(*group))
            }
            ArchiveKind::Symlink { target } => (Kind::Symlink { target }, None, None),
            ArchiveKind::Character { major, minor } => (Kind::Character { major, minor }, None, None),
            ArchiveKind::Block { major, minor } => (Kind::Block { major, minor }, None, None),
            ArchiveKind::Fifo => (Kind::Fifo, None, None),
        };
        let is_link = matches!(kind, Kind::Symlink { .. });
        let mut entry = Entry::new(place, kind, if is_link { 0o777 } else { member.mode }, mtime);
        (entry.uid, entry.gid) = self.owner.unwrap_or((member.uid, member.gid));
        entry.xattrs = member.xattrs;
        self.draft.put(entry, content, group);
        Ok(())
    }

    /// Keeps the content of a member in the scratch file.
    fn keep(&mut self, body: &mut dyn Read) -> Result<(u64, Digest, Content), SolveError> {
        let mut hasher = Hasher::new();
        let mut buffer = [0; 64 << 10];
        let offset = self.written;
        loop {
            let count = body
                .read(&mut buffer)
                .map_err(|error| SolveError::user(error.to_string()))?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            self.out
                .write_all(&buffer[..count])
                .map_err(SolveError::io("write", &self.kept.path.clone()))?;
            self.written += count as u64;
        }
        let length = self.written - offset;
        let content = Content::Range {
            file: self.kept.clone(),
            offset,
            length,
        };
        Ok((length, hasher.finish(), content))
    }
}
