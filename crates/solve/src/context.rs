//! A directory on the host as a build context: filtered, read through one directory descriptor, its digests
//! remembered by file times.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use praxis_layer::{Timestamp, TreePath};
use praxis_oci::{Digest, Hasher};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RawMode, ResolveFlags, Stat, openat2, statat};

use crate::SolveError;
use crate::source::{Content, FileAt, NodeKind, SourceNode, SourceTree};

/// Which paths of a context exist for the build (`.dockerignore`).
pub trait ContextFilter: Send + Sync {
    /// Whether `path` (relative, `/` between components) is left out.
    fn is_excluded(&self, path: &[u8]) -> bool;
    /// Whether something below the left-out directory `path` may still be in.
    fn may_include_below(&self, path: &[u8]) -> bool;
}

/// Lets everything through.
pub struct Everything;

impl ContextFilter for Everything {
    fn is_excluded(&self, _: &[u8]) -> bool {
        false
    }

    fn may_include_below(&self, _: &[u8]) -> bool {
        true
    }
}

/// What identifies an unchanged file. The time of the last status change is in it, which programs cannot set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, u32),
    changed: (i64, u32),
}

/// An entry of a directory. There may be hundreds of thousands in memory: what can be told from other fields is not
/// kept.
#[derive(Clone)]
struct ContextNode {
    name: Box<[u8]>,
    kind: NodeKind,
    mode: u32,
    /// The file has further names.
    several: bool,
    state: FileState,
}

/// A context directory.
pub struct ContextDirectory {
    path: PathBuf,
    root: OwnedFd,
    filter: Box<dyn ContextFilter>,
    times: Option<Timestamp>,
    directories: Mutex<HashMap<TreePath, Arc<Vec<ContextNode>>>>,
    known: Mutex<Known>,
    used: Mutex<Option<BTreeMap<TreePath, UsedFile>>>,
    threads: usize,
    /// Keeps a directory there that is removed when nobody needs it any more.
    keeper: Option<Arc<praxis_store::Scratch>>,
}

/// Of contexts with more files no list is kept in memory.
const MOST_USED: usize = 20_000;
/// Of contexts with more entries the directories are forgotten once their files have digests.
const MOST_LISTED: usize = 100_000;

/// A file of a context that a build used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedFile {
    /// Permission bits.
    pub mode: u32,
    /// Digest of its content.
    pub content: Digest,
}

#[derive(Default)]
struct Known {
    digests: Digests,
    changed: bool,
}

/// What is known of files by inode, which is shorter than by path. The state is there as a fingerprint only.
type Digests = HashMap<u64, (Fingerprint, Digest)>;

/// The first half of the SHA-256 of a file's state.
type Fingerprint = [u8; 16];

impl ContextDirectory {
    /// Opens the directory at `path`. If `times` is given, every entry gets that time of modification.
    /// `remembered` is what [`ContextDirectory::remember`] returned after an earlier build.
    ///
    /// # Errors
    /// If it is not there, or no directory.
    pub fn open(
        path: &Path,
        filter: Box<dyn ContextFilter>,
        times: Option<Timestamp>,
        remembered: Option<&[u8]>,
    ) -> Result<ContextDirectory, SolveError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| {
            SolveError::user(format!(
                "build context {}: {}",
                path.display(),
                io::Error::from(error)
            ))
            .with_hint("the last argument of `praxis build` is a directory; `.` is this one")
        })?;
        let digests = remembered.and_then(decode).unwrap_or_default();
        Ok(ContextDirectory {
            path: path.to_path_buf(),
            root,
            filter,
            times,
            directories: Mutex::default(),
            known: Mutex::new(Known {
                digests,
                changed: false,
            }),
            used: Mutex::new(Some(BTreeMap::new())),
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            keeper: None,
        })
    }

    /// The same, keeping `scratch`, which the directory is in, as long as this is needed.
    pub(crate) fn keeping(mut self, scratch: Arc<praxis_store::Scratch>) -> ContextDirectory {
        self.keeper = Some(scratch);
        self
    }

    /// What to keep for the next build over this directory; `None` if nothing is new.
    pub fn remember(&self) -> Option<Vec<u8>> {
        let known = self.known.lock().expect("no panic while held");
        known.changed.then(|| encode(&known.digests))
    }

    /// The files whose content this build asked for; nothing if they were more than are worth noting.
    pub fn used(&self) -> Option<BTreeMap<TreePath, UsedFile>> {
        self.used.lock().expect("no panic while held").clone()
    }

    /// Directories that are needed again are read again.
    fn forget_many(&self) {
        let mut directories = self.directories.lock().expect("no panic while held");
        if directories.values().map(|nodes| nodes.len()).sum::<usize>() > MOST_LISTED {
            *directories = HashMap::new();
        }
    }

    fn note_used(&self, files: &[FileAt<'_>], digests: &[Digest]) -> Result<(), SolveError> {
        let mut used = self.used.lock().expect("no panic while held");
        for (file, digest) in files.iter().zip(digests) {
            let Some(noted) = used.as_mut() else { break };
            let path = file.path();
            if let Some(node) = self.find(&path)? {
                let mode = node.mode;
                let content = *digest;
                noted.insert(path, UsedFile { mode, content });
            }
            if noted.len() > MOST_USED {
                *used = None;
            }
        }
        Ok(())
    }

    /// Opens a file, never through a link. What took its place meanwhile and is no regular file is not read.
    pub(crate) fn open_file(&self, path: &TreePath) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = File::from(openat2(
            &self.root,
            path.as_path(),
            flags,
            Mode::empty(),
            confined(),
        )?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file any more"));
        }
        Ok(file)
    }

    fn directory(&self, path: &TreePath) -> Result<Arc<Vec<ContextNode>>, SolveError> {
        if let Some(known) = self.directories.lock().expect("no panic while held").get(path) {
            return Ok(known.clone());
        }
        let listed = Arc::new(self.read_directory(path)?);
        self.directories
            .lock()
            .expect("no panic while held")
            .insert(path.clone(), listed.clone());
        Ok(listed)
    }

    fn read_directory(&self, path: &TreePath) -> Result<Vec<ContextNode>, SolveError> {
        let shown = self.path.join(path.as_path());
        let wrong = |error: rustix::io::Errno| SolveError::io("read", &shown)(error.into());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let here = if path.is_root() {
            Path::new(".")
        } else {
            path.as_path()
        };
        let directory = openat2(&self.root, here, flags, Mode::empty(), confined()).map_err(wrong)?;
        let mut nodes = Vec::new();
        for entry in Dir::read_from(&directory).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let below = path.join(name);
            let excluded = self.filter.is_excluded(below.as_bytes());
            if excluded
                && !(matches!(entry.file_type(), FileType::Directory | FileType::Unknown)
                    && self.filter.may_include_below(below.as_bytes()))
            {
                continue;
            }
            let stat = match statat(&directory, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(rustix::io::Errno::NOENT) => continue,
                Err(error) => return Err(wrong(error)),
            };
            let mut node = node_of(&directory, name, &stat).map_err(wrong)?;
            if excluded {
                if node.kind != NodeKind::Directory || !self.holds_included(&below)? {
                    continue;
                }
                node.mode = 0o755;
            }
            nodes.push(node);
        }
        nodes.shrink_to_fit();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(nodes)
    }

    /// Whether anything in a left-out directory is in.
    fn holds_included(&self, path: &TreePath) -> Result<bool, SolveError> {
        Ok(!self.directory(path)?.is_empty())
    }

    fn source_node(&self, node: ContextNode) -> SourceNode {
        let (seconds, nanoseconds) = node.state.modified;
        let own = Timestamp { seconds, nanoseconds };
        SourceNode {
            kind: node.kind,
            mode: node.mode,
            uid: 0,
            gid: 0,
            mtime: self.times.unwrap_or(own),
            xattrs: Default::default(),
            inode: node
                .several
                .then(|| Box::new((node.state.device, node.state.inode.to_le_bytes().to_vec()))),
        }
    }

    fn find(&self, path: &TreePath) -> Result<Option<ContextNode>, SolveError> {
        let Some(parent) = path.parent() else {
            return Ok(None);
        };
        if !parent.is_root()
            && !self
                .find(&parent)?
                .is_some_and(|node| node.kind == NodeKind::Directory)
        {
            return Ok(None);
        }
        let listed = self.directory(&parent)?;
        let found = listed.binary_search_by(|node| node.name.as_ref().cmp(path.name()));
        Ok(found.ok().map(|index| listed[index].clone()))
    }

    /// The digest of a file, from memory if its state is unchanged.
    fn digest(&self, path: &TreePath, size: u64) -> Result<Digest, SolveError> {
        if size == 0 {
            return Ok(Digest::of(b""));
        }
        let shown = self.path.join(path.as_path());
        let state = self.find(path)?.map(|node| node.state);
        if let Some(state) = state
            && let Some((known, digest)) = self
                .known
                .lock()
                .expect("no panic while held")
                .digests
                .get(&state.inode)
            && *known == state.fingerprint()
        {
            return Ok(*digest);
        }
        let started = SystemTime::now();
        let file = self.open_file(path).map_err(SolveError::io("read", &shown))?;
        let opened = rustix::fs::fstat(&file).ok().map(|stat| FileState::of(&stat));
        let mut file = file.take(size.saturating_add(1));
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let count = file.read(&mut buffer).map_err(SolveError::io("read", &shown))?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
        }
        if hasher.length() != size {
            return Err(SolveError::user(format!(
                "{} changed while it was read",
                shown.display()
            )));
        }
        let digest = hasher.finish();
        // Only what was listed is remembered, not what may have taken its place before it was opened.
        if let Some(state) = state.filter(|state| opened == Some(*state) && state.is_settled(started)) {
            let mut known = self.known.lock().expect("no panic while held");
            known.digests.insert(state.inode, (state.fingerprint(), digest));
            known.changed = true;
        }
        Ok(digest)
    }
}

fn node_of(directory: &OwnedFd, name: &[u8], stat: &Stat) -> rustix::io::Result<ContextNode> {
    let device = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev));
    let kind = match FileType::from_raw_mode(stat.st_mode as RawMode) {
        FileType::Directory => NodeKind::Directory,
        FileType::RegularFile => NodeKind::File {
            size: stat.st_size as u64,
        },
        FileType::Symlink => {
            let name = std::ffi::OsStr::from_bytes(name);
            let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
            NodeKind::Symlink {
                target: target.into_bytes(),
            }
        }
        FileType::CharacterDevice => NodeKind::Character {
            major: device.0,
            minor: device.1,
        },
        FileType::BlockDevice => NodeKind::Block {
            major: device.0,
            minor: device.1,
        },
        FileType::Fifo => NodeKind::Fifo,
        // A socket has no content that could be copied; like BuildKit, it becomes an empty file.
        _ => NodeKind::File { size: 0 },
    };
    let is_link = matches!(kind, NodeKind::Symlink { .. });
    Ok(ContextNode {
        name: name.into(),
        mode: if is_link { 0o777 } else { stat.st_mode & 0o7777 },
        several: stat.st_nlink > 1 && matches!(kind, NodeKind::File { .. }),
        kind,
        state: FileState::of(stat),
    })
}

fn confined() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS
}

impl FileState {
    fn of(stat: &Stat) -> FileState {
        FileState {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size as u64,
            modified: (stat.st_mtime, stat.st_mtime_nsec as u32),
            changed: (stat.st_ctime, stat.st_ctime_nsec as u32),
        }
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut hasher = Hasher::new();
        for number in [self.device, self.inode, self.size] {
            hasher.update(&number.to_le_bytes());
        }
        for (seconds, nanoseconds) in [self.modified, self.changed] {
            hasher.update(&seconds.to_le_bytes());
            hasher.update(&nanoseconds.to_le_bytes());
        }
        let digest = hasher.finish();
        let (half, _) = digest.as_bytes().split_first_chunk().expect("32 bytes");
        *half
    }

    /// Whether the file was last changed long enough before `moment` that a later change must show in its times.
    fn is_settled(&self, moment: SystemTime) -> bool {
        let changed = UNIX_EPOCH + std::time::Duration::new(self.changed.0.max(0) as u64, self.changed.1);
        moment
            .duration_since(changed)
            .is_ok_and(|age| age.as_millis() >= 50)
    }
}

impl SourceTree for Arc<ContextDirectory> {
    fn node(&self, path: &TreePath) -> Result<Option<SourceNode>, SolveError> {
        if path.is_root() {
            return Ok(Some(SourceNode {
                kind: NodeKind::Directory,
                mode: 0o755,
                uid: 0,
                gid: 0,
                mtime: self.times.unwrap_or_default(),
                xattrs: Default::default(),
                inode: None,
            }));
        }
        Ok(self.find(path)?.map(|node| self.source_node(node)))
    }

    fn children(&self, path: &TreePath) -> Result<Vec<Vec<u8>>, SolveError> {
        Ok(self
            .directory(path)?
            .iter()
            .map(|node| node.name.to_vec())
            .collect())
    }

    fn digests(&self, files: &[FileAt<'_>]) -> Result<Vec<Digest>, SolveError> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let start = next.fetch_add(64, Ordering::Relaxed);
                if start >= files.len() {
                    return Ok(done);
                }
                for (index, file) in files.iter().enumerate().skip(start).take(64) {
                    done.push((index, self.digest(&file.path(), file.size)?));
                }
            }
        };
        let parts: Result<Vec<Vec<(usize, Digest)>>, SolveError> = std::thread::scope(|scope| {
            let threads = if files.len() > 64 { self.threads } else { 1 };
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut parts = vec![work()];
            parts.extend(
                others
                    .into_iter()
                    .map(|thread| thread.join().expect("no panic in hashing")),
            );
            parts.into_iter().collect()
        });
        let mut digests = vec![Digest::of(b""); files.len()];
        for (index, digest) in parts?.into_iter().flatten() {
            digests[index] = digest;
        }
        self.note_used(files, &digests)?;
        self.forget_many();
        Ok(digests)
    }

    fn content(&self, path: &TreePath) -> Result<Content, SolveError> {
        Ok(Content::Context(self.clone(), path.clone()))
    }

    fn describe(&self) -> String {
        "the build context".into()
    }
}

const FORMAT: &[u8] = b"praxis context 3\n";
/// Inode, fingerprint, digest.
const RECORD: usize = 8 + 16 + 32;

fn encode(digests: &Digests) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FORMAT.len() + digests.len() * RECORD);
    bytes.extend(FORMAT);
    for (inode, (fingerprint, digest)) in digests {
        bytes.extend(inode.to_le_bytes());
        bytes.extend(fingerprint);
        bytes.extend(digest.as_bytes());
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Digests> {
    let (records, []) = bytes.strip_prefix(FORMAT)?.as_chunks::<RECORD>() else {
        return None;
    };
    let mut digests = HashMap::with_capacity(records.len());
    for record in records {
        let (inode, rest) = record.split_first_chunk::<8>()?;
        let (fingerprint, digest) = rest.split_first_chunk::<16>()?;
        let digest = Digest::from_bytes(digest.try_into().ok()?);
        digests.insert(u64::from_le_bytes(*inode), (*fingerprint, digest));
    }
    Some(digests)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &Path, remembered: Option<&[u8]>) -> Arc<ContextDirectory> {
        Arc::new(ContextDirectory::open(path, Box::new(Everything), None, remembered).unwrap())
    }

    fn digest(context: &Arc<ContextDirectory>, name: &str) -> Digest {
        let path = TreePath::from(name);
        let Some(NodeKind::File { size }) = context.node(&path).unwrap().map(|node| node.kind) else {
            panic!("{name} is no file");
        };
        let file = FileAt {
            directory: &path,
            relative: &TreePath::root(),
            size,
        };
        context.digests(&[file]).unwrap()[0]
    }

    #[test]
    fn an_unchanged_file_is_not_read_again_and_a_changed_one_is() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("f");
        std::fs::write(&file, "one").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(80));
        let first = open(place.path(), None);
        assert_eq!(digest(&first, "f"), Digest::of(b"one"));
        let kept = first.remember().unwrap();
        let second = open(place.path(), Some(&kept));
        assert_eq!(digest(&second, "f"), Digest::of(b"one"));
        assert!(second.remember().is_none(), "nothing new was learnt");
        std::fs::write(&file, "two").unwrap();
        assert_eq!(digest(&open(place.path(), Some(&kept)), "f"), Digest::of(b"two"));
    }

    #[test]
    fn what_was_just_written_is_not_remembered() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("f"), "one").unwrap();
        let context = open(place.path(), None);
        digest(&context, "f");
        assert!(context.remember().is_none());
    }
}
