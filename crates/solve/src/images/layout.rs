//! Files of an OCI layout on disk, which somebody else may have put there.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use praxis_oci::Digest;
use rustix::fs::{Mode, OFlags};

use super::documents::MANIFEST_LIMIT;

/// Opens a blob of a layout; a link there is refused.
pub(super) fn open_blob(layout: &Path, digest: &Digest) -> io::Result<File> {
    let path = layout.join("blobs/sha256").join(digest.hex());
    open_regular(&path)
}

/// Opens a regular file; anything else, also a link to one, is refused and never waited for.
fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    Ok(file)
}

pub(super) fn read_limited(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.take(MANIFEST_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}
