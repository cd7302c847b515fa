use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use praxis_oci::{Digest, Hasher};
use rustix::buffer::spare_capacity;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::snapshot::{contained, is_overlay_xattr, through, times};
use crate::{Entry, Kind, LayerError, Listing, Node, Timestamp, Tree, TreePath};

const THREADS: usize = 2;
/// From this many bytes to hash on, a second thread is worth its start.
const WORTH_A_THREAD: u64 = 1 << 20;

/// Turns the upper directory that a RUN step left into a listing, and the inodes on disk into what it says.
///
/// Whiteouts and opaque directories are those of overlayfs in either dialect. Times after `epoch` become `epoch`;
/// what differs from `lower`, or from what a lower layer had there before it was taken away, only by such a time gets
/// the old one back, and so does any directory that differs from
/// `lower` only by its time, unless a command set one and something in it has changed. Left out are sockets, files and
/// links that equal those of `lower` (so that a new hard link to a lower file is a file of its own), whiteouts of
/// nothing, and a root that has not changed. Nothing is
/// followed: every file is opened below `directory` without links.
pub fn scan_upper(directory: &OwnedFd, lower: &Tree, epoch: Timestamp) -> Result<Listing, LayerError> {
    let mut scan = Scan {
        root: directory.as_fd(),
        lower,
        epoch,
        found: Vec::new(),
        names: HashMap::new(),
    };
    scan.directory(directory.as_fd(), &TreePath::root(), false)?;
    scan.hash()?;
    scan.listing()
}

struct Scan<'a> {
    root: BorrowedFd<'a>,
    lower: &'a Tree,
    epoch: Timestamp,
    found: Vec<Found>,
    /// First name of each file with several, by device and inode.
    names: HashMap<(u64, u64), usize>,
}

struct Found {
    entry: Entry,
    /// The time on disk has to become the entry's.
    touch: bool,
    /// Its own time came from the clock.
    clamped: bool,
    /// The first name of this file.
    first: Option<usize>,
    /// Other names follow.
    linked: bool,
    /// An opaque directory above hides what is below.
    hidden: bool,
}

impl Scan<'_> {
    fn directory(
        &mut self,
        directory: BorrowedFd<'_>,
        path: &TreePath,
        hidden: bool,
    ) -> Result<(), LayerError> {
        let failed = |error: Errno| LayerError::io("read", path, error);
        let (hidden, set_on_purpose) = self.found_directory(directory, path, hidden)?;
        let noted = self.found.len();
        let mut names: Vec<Vec<u8>> = Vec::new();
        for inner in fs::Dir::read_from(directory).map_err(failed)? {
            let inner = inner.map_err(failed)?;
            let name = inner.file_name().to_bytes();
            if !matches!(name, b"." | b"..") {
                names.push(name.to_vec());
            }
        }
        names.sort();
        for name in names {
            let inner = path.join(&name);
            let failed = |error: Errno| LayerError::io("read", &inner, error);
            let stat = fs::statat(directory, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => {
                    let opened = open(directory, &name, OFlags::DIRECTORY).map_err(failed)?;
                    self.directory(opened.as_fd(), &inner, hidden)?;
                }
                FileType::Socket => {}
                FileType::CharacterDevice if stat.st_rdev == 0 => {
                    // Under an opaque directory there is nothing left to hide.
                    if self.lower.get(&inner).is_some() && !hidden {
                        self.push(Entry::whiteout(inner), false, hidden);
                    }
                }
                _ => self.file(directory, inner, &stat, hidden)?,
            }
        }
        // BuildKit writes a directory because of what has changed in it, and then with the time it has.
        if let Some(time) = set_on_purpose.filter(|_| self.found.len() > noted) {
            let directory = &mut self.found[noted - 1];
            (directory.entry.mtime, directory.clamped) = (time, false);
        }
        Ok(())
    }

    fn push(&mut self, entry: Entry, touch: bool, hidden: bool) {
        self.found.push(Found {
            entry,
            touch,
            clamped: touch,
            first: None,
            linked: false,
            hidden,
        });
    }

    /// Notes the directory; tells whether what is below its contents is hidden, and the time that it was given by a
    /// command if that is another than the lower one's.
    fn found_directory(
        &mut self,
        directory: BorrowedFd<'_>,
        path: &TreePath,
        hidden: bool,
    ) -> Result<(bool, Option<Timestamp>), LayerError> {
        let failed = |error: Errno| LayerError::io("read", path, error);
        let stat = fs::fstat(directory).map_err(failed)?;
        let (xattrs, overlay) = read_xattrs(directory, b".", path)?;
        let below = self.lower.get(path).filter(|node| node.is_directory() && !hidden);
        let opaque = overlay.opaque && below.is_some() && !path.is_root();
        let kind = Kind::Directory { opaque };
        let (mut entry, touch) = self.entry(path.clone(), kind, &stat, xattrs);
        if path.is_root() && below.is_none_or(|node| same_metadata(&entry, node)) {
            return Ok((hidden, None));
        }
        let clamped = touch;
        let mut touch = touch;
        let mut kept = None;
        // A directory's own time changes with what is in it; a layer records only one that was set on purpose.
        if let Some(node) = below.filter(|node| same_metadata(&entry, node) && entry.mtime != node.mtime) {
            kept = (!clamped).then_some(entry.mtime);
            entry.mtime = node.mtime;
            touch = true;
        }
        self.push(entry, touch, hidden);
        Ok((hidden || opaque, kept))
    }

    /// An entry, and whether its time was clamped.
    fn entry(&self, path: TreePath, kind: Kind, stat: &Stat, xattrs: Xattrs) -> (Entry, bool) {
        let mode = match kind {
            Kind::Symlink { .. } => 0o777,
            _ => stat.st_mode & 0o7777,
        };
        let written = Timestamp {
            seconds: stat.st_mtime,
            nanoseconds: stat.st_mtime_nsec as u32,
        };
        let mtime = written.min(self.epoch);
        (
            Entry {
                path,
                kind,
                mode,
                uid: stat.st_uid,
                gid: stat.st_gid,
                mtime,
                xattrs,
            },
            mtime != written,
        )
    }

    fn file(
        &mut self,
        parent: BorrowedFd<'_>,
        path: TreePath,
        stat: &Stat,
        hidden: bool,
    ) -> Result<(), LayerError> {
        let failed = |error: Errno| LayerError::io("read", &path, error);
        let device = || (fs::major(stat.st_rdev), fs::minor(stat.st_rdev));
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File {
                size: stat.st_size as u64,
                content: Digest::of(b""),
            },
            FileType::Symlink => {
                let target = fs::readlinkat(parent, path.name(), Vec::new()).map_err(failed)?;
                Kind::Symlink {
                    target: target.into_bytes(),
                }
            }
            FileType::CharacterDevice => Kind::Character {
                major: device().0,
                minor: device().1,
            },
            FileType::BlockDevice => Kind::Block {
                major: device().0,
                minor: device().1,
            },
            FileType::Fifo => Kind::Fifo,
            _ => {
                return Err(LayerError::Upper {
                    path,
                    reason: "it is of no kind that a layer knows",
                });
            }
        };
        let (xattrs, overlay) = read_xattrs(parent, path.name(), &path)?;
        if overlay.elsewhere {
            let reason =
                "its data is in a lower directory; mount the overlay without metacopy and redirect_dir";
            return Err(LayerError::Upper { path, reason });
        }
        let (entry, touch) = self.entry(path, kind, stat, xattrs);
        self.push(entry, touch, hidden);
        if stat.st_nlink > 1 {
            self.name(stat);
        }
        Ok(())
    }

    /// Ties the last one found to other names of its file.
    fn name(&mut self, stat: &Stat) {
        let this = self.found.len() - 1;
        let first = *self.names.entry((stat.st_dev, stat.st_ino)).or_insert(this);
        if first != this {
            self.found[first].linked = true;
            self.found[this].first = Some(first);
            self.found[this].touch = false;
            self.found[this].clamped = false;
        }
    }

    /// Reads all files, with several threads when there is much to read, and sets the times on disk.
    fn hash(&mut self) -> Result<(), LayerError> {
        let total: u64 = self.found.iter().map(|found| size(&found.entry)).sum();
        let threads = if total >= WORTH_A_THREAD || self.found.len() > 1000 {
            THREADS
        } else {
            1
        };
        let (next, root, found) = (AtomicUsize::new(0), self.root, &self.found);
        let hashed = thread::scope(|scope| {
            let worker = || hash_some(root, found, &next);
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
            let joined = workers
                .into_iter()
                .map(|one| one.join().unwrap_or_else(|panic| resume_unwind(panic)));
            joined.collect::<Result<Vec<_>, _>>()
        })?;
        for (at, length, digest) in hashed.into_iter().flatten() {
            self.found[at].entry.kind = Kind::File {
                size: length,
                content: digest,
            };
        }
        Ok(())
    }

    fn listing(self) -> Result<Listing, LayerError> {
        let mut entries: Vec<Entry> = Vec::with_capacity(self.found.len());
        // The name under which the content of a file with several stands: its first that is not left out.
        let mut shown: HashMap<usize, TreePath> = HashMap::new();
        for (at, found) in self.found.iter().enumerate() {
            let first = found.first.unwrap_or(at);
            let mut entry = Entry {
                path: found.entry.path.clone(),
                ..self.found[first].entry.clone()
            };
            if found.clamped
                && !found.linked
                && let Some(time) = self.old_time(&entry)
            {
                entry.mtime = time;
            }
            if found.touch {
                touch(self.root, &entry)?;
            }
            let below = self.lower.get(&entry.path).filter(|_| !found.hidden);
            if below.is_some_and(|node| unchanged(&entry, node)) {
                continue;
            }
            if found.linked || found.first.is_some() {
                match shown.get(&first) {
                    Some(target) => {
                        entry.kind = Kind::Hardlink {
                            target: target.clone(),
                        }
                    }
                    None => drop(shown.insert(first, entry.path.clone())),
                }
            }
            entries.push(entry);
        }
        Ok(Listing::new(entries))
    }
}

impl Scan<'_> {
    /// The time that an entry equal but for its time had in the layers below. A step that makes a file again has made
    /// nothing new; and how the commands are cut into steps makes no difference.
    fn old_time(&self, entry: &Entry) -> Option<Timestamp> {
        [self.lower.get(&entry.path), self.lower.former(&entry.path)]
            .into_iter()
            .flatten()
            .find(|node| same_kind(&entry.kind, &node.kind) && same_metadata(entry, node))
            .map(|node| node.mtime)
    }
}

/// Whether type and content are the same.
fn same_kind(new: &Kind, old: &Kind) -> bool {
    match (new, old) {
        (Kind::Directory { .. }, Kind::Directory { .. }) => true,
        _ => new == old,
    }
}

/// Whether owner, mode and attributes are the same.
fn same_metadata(entry: &Entry, node: &Node) -> bool {
    (entry.mode, entry.uid, entry.gid) == (node.mode, node.uid, node.gid) && entry.xattrs == node.xattrs
}

/// Whether a file or link is in every way what is below.
fn unchanged(entry: &Entry, node: &Node) -> bool {
    matches!(entry.kind, Kind::File { .. } | Kind::Symlink { .. })
        && entry.kind == node.kind
        && entry.mtime == node.mtime
        && same_metadata(entry, node)
}

fn size(entry: &Entry) -> u64 {
    match entry.kind {
        Kind::File { size, .. } => size,
        _ => 0,
    }
}

fn open(parent: BorrowedFd<'_>, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    fs::openat2(parent, name, flags, Mode::empty(), contained())
}

/// Takes files from `next` on until none is left. Large files come one by one, so threads share the work evenly.
fn hash_some(
    root: BorrowedFd<'_>,
    found: &[Found],
    next: &AtomicUsize,
) -> Result<Vec<(usize, u64, Digest)>, LayerError> {
    let mut hashed = Vec::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(one) = found.get(at) else {
            return Ok(hashed);
        };
        if !matches!(one.entry.kind, Kind::File { .. }) || one.first.is_some() {
            continue;
        }
        let path = &one.entry.path;
        let opened = open(root, path.as_bytes(), OFlags::empty());
        let opened = opened.map_err(|error| LayerError::io("read", path, error))?;
        let mut hasher = Hasher::new();
        let copied = copy(File::from(opened), &mut buffer, &mut hasher);
        copied.map_err(|error| LayerError::io("read", path, error))?;
        hashed.push((at, hasher.length(), hasher.finish()));
    }
}

fn copy(mut file: File, buffer: &mut [u8], hasher: &mut Hasher) -> io::Result<()> {
    loop {
        match io::Read::read(&mut file, buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sets the time on disk to the entry's.
fn touch(root: BorrowedFd<'_>, entry: &Entry) -> Result<(), LayerError> {
    let failed = |error: Errno| LayerError::io("set the time of", &entry.path, error);
    let parent = entry.path.parent().filter(|parent| !parent.is_root());
    let place = parent
        .as_ref()
        .map_or(b".".as_slice(), |parent| parent.as_bytes());
    let parent = open(root, place, OFlags::DIRECTORY).map_err(failed)?;
    let name = if entry.path.is_root() {
        b"."
    } else {
        entry.path.name()
    };
    fs::utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW).map_err(failed)
}

type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// What overlayfs says about an inode.
#[derive(Default)]
struct Overlay {
    opaque: bool,
    elsewhere: bool,
}

/// The attributes of `name` in `parent`, those of overlayfs apart.
fn read_xattrs(
    parent: BorrowedFd<'_>,
    name: &[u8],
    path: &TreePath,
) -> Result<(Xattrs, Overlay), LayerError> {
    let failed = |error: Errno| LayerError::io("read the extended attributes of", path, error);
    let (mut xattrs, mut overlay) = (BTreeMap::new(), Overlay::default());
    let place = through(parent, name);
    let mut names = Vec::new();
    match grown(&mut names, |buffer| {
        fs::llistxattr(&*place, spare_capacity(buffer))
    }) {
        Ok(()) => {}
        Err(Errno::NOTSUP) => return Ok((xattrs, overlay)),
        Err(error) => return Err(failed(error)),
    }
    for key in names.split(|&b| b == 0).filter(|key| !key.is_empty()) {
        let of_the_host = key.starts_with(b"security.") && key != b"security.capability";
        if of_the_host || key.starts_with(b"system.") {
            continue;
        }
        let mut value = Vec::new();
        grown(&mut value, |buffer| {
            fs::lgetxattr(&*place, key, spare_capacity(buffer))
        })
        .map_err(failed)?;
        match key {
            b"user.overlay.opaque" | b"trusted.overlay.opaque" => overlay.opaque |= value == b"y",
            b"user.overlay.redirect" | b"trusted.overlay.redirect" => overlay.elsewhere = true,
            b"user.overlay.metacopy" | b"trusted.overlay.metacopy" => overlay.elsewhere = true,
            _ if is_overlay_xattr(key) => {}
            _ => drop(xattrs.insert(key.to_vec(), value)),
        }
    }
    Ok((xattrs, overlay))
}

/// Calls `read` with more and more room until the answer fits.
fn grown(buffer: &mut Vec<u8>, read: impl Fn(&mut Vec<u8>) -> Result<usize, Errno>) -> Result<(), Errno> {
    for room in [256, 4 << 10, 64 << 10, 1 << 20] {
        buffer.clear();
        buffer.reserve(room);
        match read(buffer) {
            Err(Errno::RANGE) => {}
            other => return other.map(|_| ()),
        }
    }
    Err(Errno::RANGE)
}
