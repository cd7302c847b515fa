use praxis_layer::{Entry, Kind, Listing};
use praxis_oci::Digest;
use serde::Serialize;

/// What is known of a file of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileFacts {
    /// `file`, `directory`, `link`, `character device`, `block device` or `pipe`.
    pub kind: &'static str,
    /// Permission bits, octal.
    pub mode: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Length of a regular file.
    pub size: u64,
    /// Time of modification, RFC 3339.
    pub modified: String,
    /// Digest of a regular file's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Digest>,
    /// Target of a symbolic link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Device number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Names of extended attributes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<String>,
}

impl FileFacts {
    /// The facts of an entry of `listing`.
    pub fn in_layer(entry: &Entry, listing: &Listing) -> FileFacts {
        FileFacts::of(&inode(entry, listing))
    }

    /// The facts of `entry`, which is no whiteout and no hard link (see [`inode`]).
    pub(crate) fn of(entry: &Entry) -> FileFacts {
        let content = match &entry.kind {
            Kind::File { content, .. } => Some(*content),
            _ => None,
        };
        let target = match &entry.kind {
            Kind::Symlink { target } => Some(lossy(target)),
            _ => None,
        };
        let device = match &entry.kind {
            Kind::Character { major, minor } | Kind::Block { major, minor } => {
                Some(format!("{major}:{minor}"))
            }
            _ => None,
        };
        FileFacts {
            kind: kind_name(&entry.kind),
            mode: format!("{:04o}", entry.mode),
            uid: entry.uid,
            gid: entry.gid,
            size: size_of(entry),
            modified: entry.mtime.rfc3339(),
            content,
            target,
            device,
            xattrs: entry.xattrs.keys().map(|name| lossy(name)).collect(),
        }
    }
}

pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn size_of(entry: &Entry) -> u64 {
    match entry.kind {
        Kind::File { size, .. } => size,
        _ => 0,
    }
}

/// `entry` with what it is when it is a further name of another entry of its layer.
pub(crate) fn inode(entry: &Entry, listing: &Listing) -> Entry {
    let mut inode = entry.clone();
    if let Kind::Hardlink { target } = &entry.kind
        && let Some(first) = listing.get(target)
    {
        inode.kind = first.kind.clone();
    }
    inode
}

pub(crate) fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Directory { .. } => "directory",
        Kind::File { .. } | Kind::Hardlink { .. } => "file",
        Kind::Symlink { .. } => "link",
        Kind::Character { .. } => "character device",
        Kind::Block { .. } => "block device",
        Kind::Fifo => "pipe",
        Kind::Whiteout => "removal",
    }
}
