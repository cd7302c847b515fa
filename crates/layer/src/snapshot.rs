//! A directory in overlayfs format, written through directory descriptors only: no path is ever followed through a
//! symbolic link, whoever may swap one in.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use praxis_oci::{Digest, Hasher};
use rustix::fs::{
    self, AtFlags, CWD, Dev, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;

use crate::{Entry, Kind, LayerError, Listing, Timestamp, Tree, TreePath};

/// Whether files of a snapshot get the owners of their listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Files get the listing's owners: for root, or the root of a user namespace that maps them.
    Real,
    /// Files stay the caller's, who can always read and change them; owners live in the listing alone.
    Ignored,
}

/// The attribute that makes a directory hide what lower ones have in it.
pub const OPAQUE: &str = "user.overlay.opaque";

/// Resolution that never leaves the directory and never follows a link.
pub fn contained() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS
}

pub struct Snapshot<'a> {
    root: BorrowedFd<'a>,
    ownership: Ownership,
    last: Option<(TreePath, OwnedFd)>,
    buffer: Vec<u8>,
}

impl<'a> Snapshot<'a> {
    pub fn new(root: &'a OwnedFd, ownership: Ownership) -> Snapshot<'a> {
        Snapshot {
            root: root.as_fd(),
            ownership,
            last: None,
            buffer: vec![0; 64 << 10],
        }
    }

    /// Opens the directory at `path`, making what is missing, and keeps it for the next file in it.
    fn directory(&mut self, path: &TreePath) -> Result<BorrowedFd<'_>, LayerError> {
        if self.last.as_ref().is_none_or(|(last, _)| last != path) {
            let opened = self
                .open(path)
                .map_err(|error| LayerError::io("open", path, error))?;
            self.last = Some((path.clone(), opened));
        }
        Ok(self.last.as_ref().map_or(self.root, |(_, opened)| opened.as_fd()))
    }

    fn open(&self, path: &TreePath) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let place = if path.is_root() {
            b".".as_slice()
        } else {
            path.as_bytes()
        };
        let open = || fs::openat2(self.root, place, flags, Mode::empty(), contained());
        match open() {
            Err(Errno::NOENT) => {
                let parent = self.open(&path.parent().unwrap_or_default())?;
                match fs::mkdirat(parent, path.name(), Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => open(),
                    Err(error) => Err(error),
                }
            }
            other => other,
        }
    }

    fn parent(&mut self, path: &TreePath) -> Result<BorrowedFd<'_>, LayerError> {
        self.directory(&path.parent().unwrap_or_default())
    }

    /// Makes the directory at `path`; its metadata is set at the end.
    pub fn make_directory(&mut self, path: &TreePath) -> Result<(), LayerError> {
        self.directory(path).map(|_| ())
    }

    /// Makes a regular file from `content`, all of it, and says its length and digest.
    pub fn file(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(u64, Digest), LayerError> {
        let failed = |error: Errno| LayerError::io("create", &entry.path, error);
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(self.mode(entry) & 0o777);
        let file = fs::openat(self.parent(&entry.path)?, entry.path.name(), flags, mode).map_err(failed)?;
        let mut file = std::fs::File::from(file);
        let mut hasher = Hasher::new();
        loop {
            let count = match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(crate::decompress::read_failed(error)),
            };
            hasher.update(&self.buffer[..count]);
            file.write_all(&self.buffer[..count])
                .map_err(|error| LayerError::io("write", &entry.path, error))?;
        }
        self.dress(entry, file.as_fd())?;
        Ok((hasher.length(), hasher.finish()))
    }

    /// Metadata of a regular file or directory that is open. The time comes last: all else changes it.
    fn dress(&self, entry: &Entry, file: BorrowedFd<'_>) -> Result<(), LayerError> {
        let failed = |action| move |error: Errno| LayerError::io(action, &entry.path, error);
        // Looking is cheaper than changing, and most files are made as they should be.
        let made = fs::fstat(file).map_err(failed("look at"))?;
        let moved = self.ownership == Ownership::Real && (made.st_uid, made.st_gid) != (entry.uid, entry.gid);
        if moved {
            let (uid, gid) = owner(entry);
            fs::fchown(file, uid, gid).map_err(failed("give its owner to"))?;
        }
        for (name, value) in real_xattrs(&entry.xattrs) {
            let set = fs::fsetxattr(file, name, value, XattrFlags::empty());
            tolerate(self.ownership, name, set).map_err(failed("set an extended attribute of"))?;
        }
        if moved || made.st_mode & 0o7777 != self.mode(entry) {
            fs::fchmod(file, Mode::from_raw_mode(self.mode(entry))).map_err(failed("set the mode of"))?;
        }
        fs::futimens(file, &times(entry.mtime)).map_err(failed("set the time of"))
    }

    fn mode(&self, entry: &Entry) -> u32 {
        match (self.ownership, &entry.kind) {
            (Ownership::Real, _) => entry.mode,
            (Ownership::Ignored, Kind::Directory { .. }) => entry.mode | 0o700,
            (Ownership::Ignored, _) => entry.mode | 0o600,
        }
    }

    /// Makes a link, device or pipe. A device that the host does not let this caller make becomes an empty file.
    pub fn special(&mut self, entry: &Entry) -> Result<(), LayerError> {
        let failed = |error: Errno| LayerError::io("create", &entry.path, error);
        let name = entry.path.name();
        let parent = self.parent(&entry.path)?;
        let mode = Mode::from_raw_mode(0o600);
        let device =
            |kind, major, minor| match fs::mknodat(parent, name, kind, mode, fs::makedev(major, minor)) {
                Err(Errno::PERM) => fs::mknodat(parent, name, FileType::RegularFile, mode, 0),
                other => other,
            };
        match &entry.kind {
            Kind::Symlink { target } => fs::symlinkat(target.as_slice(), parent, name),
            Kind::Character { major, minor } => device(FileType::CharacterDevice, *major, *minor),
            Kind::Block { major, minor } => device(FileType::BlockDevice, *major, *minor),
            Kind::Fifo => fs::mknodat(parent, name, FileType::Fifo, mode, 0),
            Kind::Whiteout => fs::mknodat(parent, name, FileType::CharacterDevice, Mode::empty(), 0 as Dev),
            Kind::Directory { .. } | Kind::File { .. } | Kind::Hardlink { .. } => Err(Errno::INVAL),
        }
        .map_err(failed)?;
        if entry.kind == Kind::Whiteout {
            Ok(())
        } else {
            self.dress_special(entry)
        }
    }

    fn dress_special(&mut self, entry: &Entry) -> Result<(), LayerError> {
        let failed = |action| move |error: Errno| LayerError::io(action, &entry.path, error);
        let (mode, name) = (self.mode(entry), entry.path.name());
        let ownership = self.ownership;
        let parent = self.parent(&entry.path)?;
        if ownership == Ownership::Real {
            let (uid, gid) = owner(entry);
            let done = fs::chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW);
            done.map_err(failed("give its owner to"))?;
        }
        if !matches!(entry.kind, Kind::Symlink { .. }) {
            set_mode(parent, name, mode).map_err(failed("set the mode of"))?;
        }
        for (key, value) in real_xattrs(&entry.xattrs) {
            let set = fs::lsetxattr(through(parent, name), key, value, XattrFlags::empty());
            tolerate(ownership, key, set).map_err(failed("set an extended attribute of"))?;
        }
        fs::utimensat(parent, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed("set the time of"))
    }

    /// Gives what is at `target` the further name `path`.
    pub fn link(&mut self, path: &TreePath, target: &TreePath) -> Result<(), LayerError> {
        let failed = |error: Errno| LayerError::io("link", path, error);
        let from = self.open(&target.parent().unwrap_or_default()).map_err(failed)?;
        let parent = self.parent(path)?;
        fs::linkat(from, target.name(), parent, path.name(), AtFlags::empty()).map_err(failed)
    }

    /// Removes what is at `path`, with everything in it.
    pub fn remove(&mut self, path: &TreePath) -> Result<(), LayerError> {
        self.last = None;
        let parent = self.open(&path.parent().unwrap_or_default());
        let removed = parent.and_then(|parent| remove_all(parent.as_fd(), path.name()));
        removed.map_err(|error| LayerError::io("remove", path, error))
    }

    /// Sets the metadata of all directories of `listing` and makes its whiteouts: what has to wait until all else
    /// is there. Directories that the listing only implies are as in `lower`, else 0755 of root's.
    pub fn finish(&mut self, listing: &Listing, lower: Option<&Tree>) -> Result<(), LayerError> {
        for entry in listing
            .entries()
            .iter()
            .filter(|entry| entry.kind == Kind::Whiteout)
        {
            self.special(entry)?;
        }
        for path in implied_directories(listing) {
            let below = lower
                .and_then(|tree| tree.get(&path))
                .filter(|node| node.is_directory());
            let plain = || {
                Entry::new(
                    path.clone(),
                    Kind::Directory { opaque: false },
                    0o755,
                    Timestamp::default(),
                )
            };
            let entry = below.map_or_else(plain, |node| node.entry(path.clone()));
            self.finish_directory(&entry)?;
        }
        // Deepest first: a directory that its owner may not search would lock out what is below.
        for entry in listing
            .entries()
            .iter()
            .rev()
            .filter(|entry| entry.is_directory())
        {
            self.finish_directory(entry)?;
        }
        self.last = None;
        Ok(())
    }

    fn finish_directory(&mut self, entry: &Entry) -> Result<(), LayerError> {
        let opened = self
            .open(&entry.path)
            .map_err(|error| LayerError::io("open", &entry.path, error))?;
        if entry.kind == (Kind::Directory { opaque: true }) && !entry.path.is_root() {
            let set = fs::fsetxattr(&opened, OPAQUE, b"y", XattrFlags::empty());
            set.map_err(|error| LayerError::io("mark as opaque", &entry.path, error))?;
        }
        self.dress(entry, opened.as_fd())
    }
}

/// Attributes that the host does not let this caller set live on in the listing. Only capabilities, where
/// owners are real, are worth failing for.
fn tolerate(ownership: Ownership, name: &[u8], result: Result<(), Errno>) -> Result<(), Errno> {
    let needed = ownership == Ownership::Real && name == b"security.capability";
    match result {
        Err(Errno::PERM | Errno::NOTSUP | Errno::INVAL) if !needed => Ok(()),
        other => other,
    }
}

fn owner(entry: &Entry) -> (Option<Uid>, Option<Gid>) {
    // The largest number is no id: to the kernel it means that the owner stays.
    let id = |number: u32| (number != u32::MAX).then_some(number);
    (id(entry.uid).map(Uid::from_raw), id(entry.gid).map(Gid::from_raw))
}

pub fn times(mtime: Timestamp) -> Timestamps {
    let time = Timespec {
        tv_sec: mtime.seconds,
        tv_nsec: mtime.nanoseconds.into(),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Names that overlayfs understands never come from an image.
pub fn is_overlay_xattr(name: &[u8]) -> bool {
    name.starts_with(b"user.overlay.") || name.starts_with(b"trusted.overlay.")
}

fn real_xattrs(xattrs: &BTreeMap<Vec<u8>, Vec<u8>>) -> impl Iterator<Item = (&[u8], &[u8])> {
    let all = xattrs
        .iter()
        .map(|(name, value)| (name.as_slice(), value.as_slice()));
    all.filter(|(name, _)| !is_overlay_xattr(name))
}

/// A path to `name` in `parent` for calls that take no descriptor; its last component is not followed by the
/// calls it is used with.
pub fn through(parent: BorrowedFd<'_>, name: &[u8]) -> Vec<u8> {
    [format!("/proc/self/fd/{}/", parent.as_raw_fd()).as_bytes(), name].concat()
}

/// chmod of a device or pipe without following a link that was put in its place.
fn set_mode(parent: BorrowedFd<'_>, name: &[u8], mode: u32) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let node = fs::openat(parent, name, flags, Mode::empty())?;
    if FileType::from_raw_mode(fs::fstat(&node)?.st_mode) == FileType::Symlink {
        return Err(Errno::LOOP);
    }
    fs::chmodat(
        CWD,
        format!("/proc/self/fd/{}", node.as_raw_fd()),
        Mode::from_raw_mode(mode),
        AtFlags::empty(),
    )
}

fn remove_all(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(Errno::NOENT) => return Ok(()),
        other => return other,
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = fs::openat(parent, name, flags, Mode::empty())?;
    for inner in fs::Dir::read_from(&directory)? {
        let inner = inner?;
        if !matches!(inner.file_name().to_bytes(), b"." | b"..") {
            remove_all(directory.as_fd(), inner.file_name().to_bytes())?;
        }
    }
    fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// Directories above entries of `listing` that have no entry themselves, deepest first; never the root.
fn implied_directories(listing: &Listing) -> Vec<TreePath> {
    let mut found = std::collections::BTreeSet::new();
    let mut last = TreePath::root();
    for entry in listing.entries() {
        let mut above = entry.path.parent().filter(|parent| *parent != last);
        if let Some(parent) = &above {
            last = parent.clone();
        }
        while let Some(path) = above.filter(|path| !path.is_root() && !found.contains(path)) {
            above = path.parent();
            if listing.get(&path).is_none() {
                found.insert(path);
            }
        }
    }
    found.into_iter().rev().collect()
}
