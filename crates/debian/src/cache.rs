//! Packages on this machine: each is a file named by its digest.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use praxis_oci::Hasher;

use crate::fetch::copy_verified;
use crate::{DebianError, Fetch, LockedPackage, Mirrors};

/// The file of a package, and whether it was there already.
pub(crate) struct Cached {
    pub(crate) file: File,
    pub(crate) found: bool,
}

/// Opens `package` from the directory `cache`, downloading it first if it is not there. What is there is hashed
/// before it is used; a damaged file is replaced. Files appear by rename, so that others may use the same directory.
pub(crate) fn open_package(
    package: &LockedPackage,
    cache: &Path,
    mirrors: &Mirrors,
    fetch: &dyn Fetch,
) -> Result<Cached, DebianError> {
    let path = cache.join(format!("{}.deb", package.digest.hex()));
    if let Some(file) = open_verified(package, &path)? {
        return Ok(Cached { file, found: true });
    }
    let mut last = DebianError::NoMirror {
        archive: package.archive.clone(),
    };
    for mirror in mirrors.of(&package.archive)? {
        let mut download =
            tempfile::NamedTempFile::new_in(cache).map_err(DebianError::file("write in", cache))?;
        let url = format!("{mirror}/{}", package.filename);
        match copy_verified(fetch, &url, package.size, &package.digest, download.as_file_mut()) {
            Ok(()) => {
                let mut file = download
                    .persist(&path)
                    .map_err(|e| DebianError::file("write", &path)(e.error))?;
                file.seek(SeekFrom::Start(0))
                    .map_err(DebianError::file("read", &path))?;
                return Ok(Cached { file, found: false });
            }
            // A mirror that cannot be reached says more than one that does not have it.
            Err(error) if is_gone(&last) || matches!(last, DebianError::NoMirror { .. }) => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}

/// Whether the error says that a mirror answered and does not have the file.
pub(crate) fn is_gone(error: &DebianError) -> bool {
    matches!(error, DebianError::Fetch(error) if error.is_not_found())
}

fn open_verified(package: &LockedPackage, path: &Path) -> Result<Option<File>, DebianError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(DebianError::file("read", path)(error)),
    };
    let mut hasher = Hasher::new();
    std::io::copy(&mut file, &mut hasher).map_err(DebianError::file("read", path))?;
    if hasher.finish() != package.digest {
        std::fs::remove_file(path).map_err(DebianError::file("remove the damaged", path))?;
        return Ok(None);
    }
    file.seek(SeekFrom::Start(0))
        .map_err(DebianError::file("read", path))?;
    Ok(Some(file))
}
