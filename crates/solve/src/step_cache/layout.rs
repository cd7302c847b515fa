//! A cache in a directory: an OCI layout.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use praxis_oci::{Descriptor, Digest, Hasher, Index, media_type};
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, ResolveFlags, openat2};

use super::format::{ARTIFACT, MANIFEST_LIMIT};
use super::place::{CacheSink, CacheSource};
use crate::SolveError;

const BLOBS: &str = "blobs/sha256";
/// Names of files that are being written.
const PARTIAL: &str = ".praxis-";

/// A directory that a cache is read from.
#[derive(Clone, Debug)]
pub struct CacheDirectory {
    path: PathBuf,
    digest: Option<Digest>,
}

impl CacheDirectory {
    /// The cache in `path`; with a `digest`, only if its manifest has it.
    pub fn new(path: &Path, digest: Option<Digest>) -> CacheDirectory {
        CacheDirectory {
            path: path.to_path_buf(),
            digest,
        }
    }

    fn failure(&self, error: &dyn std::fmt::Display) -> SolveError {
        SolveError::user(format!("cache {}: {error}", self.path.display()))
    }
}

impl CacheSource for CacheDirectory {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn manifest(&self) -> Result<Vec<u8>, SolveError> {
        let root = open_root(&self.path).map_err(|error| self.failure(&error))?;
        let index = read_index(&root).map_err(|error| self.failure(&error))?;
        let index = index.ok_or_else(|| self.failure(&"it has no index.json"))?;
        let fits = |entry: &&Descriptor| self.digest.is_none_or(|digest| entry.digest == digest);
        let found = index
            .manifests
            .iter()
            .find(|entry| is_cache(entry) && fits(entry));
        let found = found.ok_or_else(|| match &self.digest {
            Some(digest) => self.failure(&format!("it holds no cache {digest}")),
            None => self.failure(&"it holds no cache of praxis"),
        })?;
        super::place::read_small(self, found, MANIFEST_LIMIT).map_err(|why| self.failure(&why))
    }

    fn has(&self, blob: &Descriptor) -> bool {
        let file = open_root(&self.path).and_then(|root| open_regular(&root, &blob_name(&blob.digest)));
        let length = file.and_then(|file| file.metadata());
        length.is_ok_and(|metadata| metadata.len() == blob.size)
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, SolveError> {
        let file = open_root(&self.path).and_then(|root| open_regular(&root, &blob_name(&blob.digest)));
        let file = file.map_err(|error| self.failure(&format!("{}: {error}", blob.digest)))?;
        Ok(Box::new(file))
    }
}

/// A directory that a cache is written to, locked against other writers. The cache that is there serves readers until
/// the new one is complete; then blobs that only the old one named are removed.
pub struct CacheDirectoryWriter {
    path: PathBuf,
    root: OwnedFd,
    blobs: OwnedFd,
    /// The directory held a cache before, so that what is in it is known to be a cache's.
    is_cache: bool,
    named: Mutex<BTreeSet<Digest>>,
}

impl CacheDirectoryWriter {
    /// Opens the directory `path`, which is made if it is not there.
    ///
    /// # Errors
    /// If it cannot be written to, or holds something that is no cache.
    pub fn open(path: &Path) -> Result<CacheDirectoryWriter, SolveError> {
        fs::create_dir_all(path).map_err(SolveError::io("create", path))?;
        let root = open_root(path).map_err(SolveError::io("open", path))?;
        rustix::fs::flock(&root, FlockOperation::LockExclusive)
            .map_err(|error| SolveError::io("lock", path)(error.into()))?;
        let index = read_index(&root).map_err(SolveError::io("read the index of", path))?;
        if index
            .as_ref()
            .is_some_and(|index| !index.manifests.iter().all(is_cache))
        {
            return Err(SolveError::user(format!(
                "{} holds something else than a cache of praxis",
                path.display()
            ))
            .with_hint("give a directory of its own to --cache-to"));
        }
        let blobs = make_blobs(&root).map_err(SolveError::io("create the blobs of", path))?;
        Ok(CacheDirectoryWriter {
            path: path.to_path_buf(),
            root,
            blobs,
            is_cache: index.is_some(),
            named: Mutex::default(),
        })
    }

    /// Writes a file of `directory` whole or not at all.
    fn write(&self, directory: &OwnedFd, name: &str, content: &mut dyn Read) -> io::Result<Digest> {
        let partial = format!("{PARTIAL}{name}");
        let _ = rustix::fs::unlinkat(directory, &partial, AtFlags::empty());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(directory, &partial, flags, Mode::from_raw_mode(0o644))?;
        let mut out = Hashed {
            file: File::from(file),
            hasher: Hasher::new(),
        };
        let written = io::copy(content, &mut out)
            .and_then(|_| Ok(rustix::fs::renameat(directory, &partial, directory, name)?));
        if let Err(error) = written {
            let _ = rustix::fs::unlinkat(directory, &partial, AtFlags::empty());
            return Err(error);
        }
        Ok(out.hasher.finish())
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> SolveError {
        SolveError::io("write the cache", &self.path)
    }

    fn remember(&self, digest: &Digest) {
        self.named.lock().expect("no panic while held").insert(*digest);
    }

    /// Removes blobs that the cache does not name. Never anything in a directory that was not known as a cache's.
    fn drop_unnamed(&self) -> io::Result<()> {
        let named = self.named.lock().expect("no panic while held");
        for entry in rustix::fs::Dir::read_from(&self.blobs)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            let digest: Option<Digest> = format!("sha256:{name}").parse().ok();
            let doomed = digest.is_some_and(|digest| !named.contains(&digest)) || name.starts_with(PARTIAL);
            if doomed {
                rustix::fs::unlinkat(&self.blobs, name, AtFlags::empty())?;
            }
        }
        Ok(())
    }
}

impl CacheSink for CacheDirectoryWriter {
    fn describe(&self) -> String {
        self.path.display().to_string()
    }

    fn has(&self, blob: &Descriptor) -> bool {
        let whole = || -> io::Result<bool> {
            let mut file = open_regular(&self.root, &blob_name(&blob.digest))?;
            let mut hasher = Hasher::new();
            Ok(file.metadata()?.len() == blob.size
                && io::copy(&mut file, &mut hasher).is_ok()
                && hasher.finish() == blob.digest)
        };
        let there = whole().unwrap_or(false);
        if there {
            self.remember(&blob.digest);
        }
        there
    }

    fn put(&self, blob: &Descriptor, content: &mut dyn Read) -> Result<(), SolveError> {
        let name = blob.digest.hex();
        let digest = self.write(&self.blobs, &name, content).map_err(self.failed())?;
        if digest != blob.digest {
            let _ = rustix::fs::unlinkat(&self.blobs, &name, AtFlags::empty());
            return Err(SolveError::internal(format!(
                "blob {} changed while it was written",
                blob.digest
            )));
        }
        self.remember(&digest);
        Ok(())
    }

    fn commit(&self, bytes: &[u8]) -> Result<Digest, SolveError> {
        let mut manifest = Descriptor::of(media_type::MANIFEST, bytes);
        if !self.has(&manifest) {
            self.put(&manifest, &mut &bytes[..])?;
        }
        manifest.artifact_type = Some(ARTIFACT.into());
        let digest = manifest.digest;
        let index = Index {
            schema_version: 2,
            media_type: Some(media_type::INDEX.into()),
            artifact_type: None,
            manifests: vec![manifest],
            subject: None,
            annotations: Default::default(),
            other: Default::default(),
        };
        let index = serde_json::to_vec(&index).map_err(|error| SolveError::internal(error.to_string()))?;
        let version = br#"{"imageLayoutVersion":"1.0.0"}"#;
        self.write(&self.root, "oci-layout", &mut &version[..])
            .map_err(self.failed())?;
        self.write(&self.root, "index.json", &mut index.as_slice())
            .map_err(self.failed())?;
        if self.is_cache {
            self.drop_unnamed().map_err(self.failed())?;
        }
        Ok(digest)
    }
}

struct Hashed {
    file: File,
    hasher: Hasher,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_cache(entry: &Descriptor) -> bool {
    entry.artifact_type.as_deref() == Some(ARTIFACT) && entry.media_type == media_type::MANIFEST
}

/// The digest is well formed by type, so the name is one of a file in the directory of blobs.
fn blob_name(digest: &Digest) -> String {
    format!("{BLOBS}/{}", digest.hex())
}

fn open_root(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

const CONFINED: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// Opens a regular file below `root`; links on the way or at the end are refused, pipes are not waited for.
fn open_regular(root: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(openat2(root, name, flags, Mode::empty(), CONFINED)?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    Ok(file)
}

fn read_index(root: &OwnedFd) -> io::Result<Option<Index>> {
    let file = match open_regular(root, "index.json") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    file.take(MANIFEST_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MANIFEST_LIMIT {
        return Err(io::Error::other("its index.json is too long"));
    }
    let index = serde_json::from_slice(&bytes);
    index
        .map(Some)
        .map_err(|error| io::Error::other(format!("its index.json: {error}")))
}

fn make_blobs(root: &OwnedFd) -> io::Result<OwnedFd> {
    for name in ["blobs", BLOBS] {
        let parent = match name.rsplit_once('/') {
            Some((parent, _)) => open_below(root.as_fd(), parent)?,
            None => open_below(root.as_fd(), ".")?,
        };
        let last = name.rsplit('/').next().unwrap_or(name);
        match rustix::fs::mkdirat(&parent, last, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    open_below(root.as_fd(), BLOBS)
}

fn open_below(root: std::os::fd::BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat2(root, name, flags, Mode::empty(), CONFINED)?)
}
