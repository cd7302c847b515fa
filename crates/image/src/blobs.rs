//! Where the bytes of an image are.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use praxis_oci::{Descriptor, Digest};
use praxis_store::Store;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use crate::ImageError;
use crate::archive::{ArchiveIndex, Section};

/// Manifests, indexes and configurations larger than this are refused.
pub(crate) const SMALL: u64 = 4 << 20;

/// Where blobs come from.
#[derive(Clone)]
pub(crate) enum Blobs {
    Store(Arc<Store>),
    Layout(Arc<OwnedFd>),
    Archive(Arc<ArchiveIndex>),
}

/// One blob, not yet read.
pub(crate) enum Blob {
    File(File),
    Section(Section),
}

impl Blob {
    /// How many bytes there are to read.
    pub fn length(&self) -> u64 {
        match self {
            Blob::File(file) => file.metadata().map_or(0, |metadata| metadata.len()),
            Blob::Section(section) => section.length(),
        }
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Blob::File(file) => file.read(buffer),
            Blob::Section(section) => section.read(buffer),
        }
    }
}

impl Blobs {
    /// Opens a layout's directory.
    pub fn layout(path: &Path) -> Result<Blobs, ImageError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| ImageError::new(format!("{}: {}", path.display(), io::Error::from(error))))?;
        Ok(Blobs::Layout(Arc::new(directory)))
    }

    /// Opens the blob that `descriptor` names; its content is not yet compared with the digest.
    pub fn open(&self, descriptor: &Descriptor) -> Result<Blob, ImageError> {
        match self {
            Blobs::Store(store) => Ok(Blob::File(store.open_blob(&descriptor.digest, descriptor.size)?)),
            _ => self.member(&blob_path(&descriptor.digest)),
        }
    }

    /// Opens a file of a layout or archive by its name there.
    pub fn member(&self, name: &str) -> Result<Blob, ImageError> {
        match self {
            Blobs::Store(_) => Err(ImageError::new(format!("{name}: the store has no such file"))),
            Blobs::Layout(directory) => regular(directory, name)
                .map(Blob::File)
                .map_err(|error| ImageError::new(format!("{name}: {error}"))),
            Blobs::Archive(index) => index
                .open(name)
                .map(Blob::Section)
                .ok_or_else(|| ImageError::new(format!("no {name} in the archive"))),
        }
    }

    /// A small file of a layout or archive.
    pub fn small_member(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        self.member(name)?
            .take(SMALL + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| ImageError::new(format!("{name}: {error}")))?;
        if bytes.len() as u64 > SMALL {
            return Err(ImageError::new(format!("{name}: more than {SMALL} bytes")));
        }
        Ok(bytes)
    }

    /// A manifest, index or configuration, which is what its descriptor says.
    pub fn small(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        let digest = &descriptor.digest;
        if descriptor.size > SMALL {
            return Err(ImageError::new(format!(
                "{digest}: {} bytes are too many for a manifest or configuration",
                descriptor.size
            )));
        }
        let mut bytes = Vec::new();
        self.open(descriptor)?
            .take(descriptor.size + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| ImageError::new(format!("{digest}: {error}")))?;
        if bytes.len() as u64 != descriptor.size {
            return Err(ImageError::new(format!(
                "{digest}: it is not {} bytes long, as its descriptor says",
                descriptor.size
            )));
        }
        if Digest::of(&bytes) != *digest {
            return Err(ImageError::new(format!(
                "{digest}: the content has another digest"
            )));
        }
        Ok(bytes)
    }
}

pub(crate) fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Opens a regular file below `directory`; a link on the way or in its place is refused, nothing is waited for.
fn regular(directory: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let confined = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let file = File::from(openat2(directory, name, flags, Mode::empty(), confined)?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    Ok(file)
}
