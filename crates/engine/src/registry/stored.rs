//! The store as a place to copy from and to.

use std::io::{self, Write};
use std::path::PathBuf;

use praxis_oci::{Descriptor, Digest};
use praxis_registry::{
    BlobSource, ContentSource, ContentTarget, FetchedManifest, RegistryError, fetch_whole,
};
use praxis_store::{Store, StoreError};

/// The store's blobs.
pub(crate) struct Stored<'s>(pub &'s Store);

/// A blob in a file.
pub(super) struct InFile(pub PathBuf);

impl BlobSource for InFile {
    fn open(&self, offset: u64) -> io::Result<Box<dyn io::Read + '_>> {
        BlobSource::open(self.0.as_path(), offset)
    }
}

pub(super) fn store_error(error: StoreError) -> RegistryError {
    RegistryError::of_machine(error.to_string())
}

impl ContentSource for Stored<'_> {
    fn document(&self, descriptor: &Descriptor) -> Result<FetchedManifest, RegistryError> {
        let bytes = self
            .0
            .read_blob(&descriptor.digest, descriptor.size)
            .map_err(store_error)?;
        FetchedManifest::verified(descriptor, bytes)
    }

    fn blob(&self, descriptor: &Descriptor, out: &mut dyn Write) -> Result<(), RegistryError> {
        let mut file = self
            .0
            .open_blob(&descriptor.digest, descriptor.size)
            .map_err(store_error)?;
        io::copy(&mut file, out)
            .map(drop)
            .map_err(|error| RegistryError::of_machine(format!("blob {}: {error}", descriptor.digest)))
    }

    fn at_hand(&self, descriptor: &Descriptor) -> Option<Box<dyn BlobSource + '_>> {
        self.0.open_blob(&descriptor.digest, descriptor.size).ok()?;
        Some(Box::new(InFile(self.0.blob_path(&descriptor.digest))))
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, RegistryError> {
        Ok(self.0.referrers(subject))
    }
}

impl ContentTarget for Stored<'_> {
    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, RegistryError> {
        Ok(self.0.has_blob(&descriptor.digest, descriptor.size))
    }

    fn take_blob(&self, descriptor: &Descriptor, source: &dyn ContentSource) -> Result<bool, RegistryError> {
        let open = || Ok(self.0.blob_writer().map_err(store_error)?.without_hashing());
        let writer = fetch_whole(source, descriptor, open)?;
        writer.commit_hashed(&descriptor.digest).map_err(store_error)?;
        Ok(true)
    }

    fn take_document(&self, document: &FetchedManifest) -> Result<(), RegistryError> {
        self.0
            .put_blob(&document.descriptor.media_type, &document.bytes)
            .map_err(store_error)?;
        match document.document.subject() {
            Some(subject) => self
                .0
                .put_referrer(&subject.digest, &document.descriptor)
                .map_err(store_error),
            None => Ok(()),
        }
    }
}
