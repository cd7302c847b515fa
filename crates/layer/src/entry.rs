use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use praxis_oci::Digest;

/// A path inside a root file system: raw bytes, relative, `/` between components, never `.`/`..`/empty
/// components. The root itself is the empty path. Order is that of components (so a directory is followed by
/// what is in it before `dir-x`), which is the order of entries in a layer.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TreePath(Box<[u8]>);

impl TreePath {
    /// The root.
    pub fn root() -> TreePath {
        TreePath::default()
    }

    /// Cleans `text` lexically: leading `/` dropped, `.` and empty components dropped, `..` removes the component
    /// before it and stops at the root.
    pub fn clean(text: &[u8]) -> TreePath {
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in text.split(|&b| b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    parts.pop();
                }
                _ => parts.push(part),
            }
        }
        TreePath(parts.join(&b'/').into())
    }

    /// The raw bytes, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a relative host path. Empty for the root.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory this is in; `None` for the root.
    pub fn parent(&self) -> Option<TreePath> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Some(TreePath(self.0[..cut].into()))
    }

    /// The last component; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|&b| b == b'/').next().unwrap_or_default()
    }

    /// This path with one more component. `name` must be a single plain component.
    pub fn join(&self, name: &[u8]) -> TreePath {
        debug_assert!(!name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..");
        self.followed_by(name)
    }

    /// One allocation, of the exact length: there may be hundreds of thousands.
    fn followed_by(&self, rest: &[u8]) -> TreePath {
        let slash = usize::from(!self.is_root() && !rest.is_empty());
        let mut bytes = Vec::with_capacity(self.0.len() + slash + rest.len());
        bytes.extend_from_slice(&self.0);
        bytes.extend(&b"/"[..slash]);
        bytes.extend_from_slice(rest);
        TreePath(bytes.into())
    }

    /// This path with all components of `below` after it.
    pub fn join_path(&self, below: &TreePath) -> TreePath {
        self.followed_by(&below.0)
    }

    /// The components, outermost first; none for the root.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|&b| b == b'/').filter(|part| !part.is_empty())
    }

    /// Whether this is `other` or inside it.
    pub fn starts_with(&self, other: &TreePath) -> bool {
        other.is_root()
            || self.0 == other.0
            || (self.0.len() > other.0.len() && self.0.starts_with(&other.0) && self.0[other.0.len()] == b'/')
    }

    /// The rest of this path below `base`; `None` if it is not inside.
    pub fn below(&self, base: &TreePath) -> Option<TreePath> {
        if !self.starts_with(base) {
            return None;
        }
        Some(TreePath::clean(&self.0[base.0.len()..]))
    }
}

impl From<&str> for TreePath {
    fn from(text: &str) -> TreePath {
        TreePath::clean(text.as_bytes())
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &TreePath) -> std::cmp::Ordering {
        let key = |b: u8| if b == b'/' { 0 } else { b };
        match self.0.iter().zip(other.0.iter()).position(|(a, b)| a != b) {
            Some(at) => key(self.0[at]).cmp(&key(other.0[at])),
            None => self.0.len().cmp(&other.0.len()),
        }
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &TreePath) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A time of modification: seconds since 1970 UTC (may be negative) and nanoseconds (0 to 999,999,999).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Seconds since 1970 UTC.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// Whole seconds.
    pub fn seconds(seconds: i64) -> Timestamp {
        Timestamp {
            seconds,
            nanoseconds: 0,
        }
    }

    /// `1980-01-01T00:00:00Z`, with a fraction where there is one.
    pub fn rfc3339(self) -> String {
        let (days, second) = (self.seconds.div_euclid(86_400), self.seconds.rem_euclid(86_400));
        let (year, month, day) = date(days);
        let fraction = match self.nanoseconds {
            0 => String::new(),
            nanoseconds => format!(".{nanoseconds:09}"),
        };
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

/// Year, month and day of a day since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory. `opaque` hides what lower layers have in it.
    Directory {
        /// Hides the contents of lower layers.
        opaque: bool,
    },
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// Digest of its bytes.
        content: Digest,
    },
    /// A symbolic link.
    Symlink {
        /// Its text.
        target: Vec<u8>,
    },
    /// A further name of the non-directory at `target`, which is in the same layer, sorts before it and is no
    /// hard link itself. Metadata of the entry repeats the target's.
    Hardlink {
        /// The first name.
        target: TreePath,
    },
    /// A character device.
    Character {
        /// Device number.
        major: u32,
        /// Device number.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Device number.
        major: u32,
        /// Device number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// Removes this path of lower layers (`.wh.NAME` in the tar, a 0:0 character device in a snapshot).
    Whiteout,
}

/// One entry of a layer, with all metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where.
    pub path: TreePath,
    /// What.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky (12 bits). 0 for whiteouts, 0o777 for symlinks.
    pub mode: u32,
    /// Owner inside the image.
    pub uid: u32,
    /// Group inside the image.
    pub gid: u32,
    /// Time of modification.
    pub mtime: Timestamp,
    /// Extended attributes as they are in the image (`security.capability`, `user.*`, …).
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Entry {
    /// An entry of root's without extended attributes.
    pub fn new(path: TreePath, kind: Kind, mode: u32, mtime: Timestamp) -> Entry {
        Entry {
            path,
            kind,
            mode,
            uid: 0,
            gid: 0,
            mtime,
            xattrs: BTreeMap::new(),
        }
    }

    /// A whiteout of `path`.
    pub fn whiteout(path: TreePath) -> Entry {
        Entry::new(path, Kind::Whiteout, 0, Timestamp::default())
    }

    /// Whether this is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory { .. })
    }
}
