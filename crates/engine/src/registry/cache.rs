//! A cache of steps in a repository of a registry.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use praxis_oci::{Descriptor, Digest, Platform, Reference, media_type};
use praxis_registry::{Client, Document, RegistryError, Settings, fetch_whole};
use praxis_solve::{CacheSink, CacheSource, SolveError};
use praxis_store::Store;

use super::operations::fitting;
use super::remote::solve_error;
use super::stored::InFile;

/// A place for a cache: a name in a registry.
pub(crate) struct RegistryCache {
    client: Client,
    reference: Reference,
    store: Arc<Store>,
    /// Of an image for several platforms, this one's serves as a cache.
    platform: Platform,
}

impl RegistryCache {
    /// The cache called `reference`.
    pub fn new(
        reference: &Reference,
        settings: &Settings,
        store: &Arc<Store>,
        platform: Option<&Platform>,
    ) -> RegistryCache {
        RegistryCache {
            client: Client::new(settings.clone()),
            reference: reference.clone().with_default_tag(),
            store: store.clone(),
            platform: platform.cloned().unwrap_or_else(Platform::host),
        }
    }

    fn failure(&self, error: RegistryError) -> SolveError {
        let mut error = solve_error(error);
        error.message = format!("cache {}: {}", self.reference.familiar(), error.message);
        error
    }

    fn spool(&self) -> impl Fn(io::Error) -> SolveError {
        |error| SolveError::environment(format!("the cache's blob cannot be kept: {error}"))
    }
}

impl CacheSource for RegistryCache {
    fn describe(&self) -> String {
        self.reference.familiar()
    }

    fn manifest(&self) -> Result<Vec<u8>, SolveError> {
        let fetched = self.client.repository(&self.reference).and_then(|repository| {
            let root = repository.manifest(&self.reference)?;
            match &root.document {
                Document::Index(index) => match fitting(index, &self.platform) {
                    Some(image) => repository.manifest_of(&image),
                    None => Ok(root),
                },
                Document::Manifest(_) => Ok(root),
            }
        });
        Ok(fetched.map_err(|error| self.failure(error))?.bytes)
    }

    fn has(&self, blob: &Descriptor) -> bool {
        let repository = self.client.repository(&self.reference);
        repository
            .and_then(|repository| repository.has_blob(blob))
            .unwrap_or(false)
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + Send>, SolveError> {
        // Into a file first: a connection that breaks while layers are unpacked could not be resumed.
        let scratch = self.store.scratch()?;
        let path = scratch.path().join("blob");
        let open = || {
            File::create(&path)
                .map_err(|error| RegistryError::of_machine(format!("the cache's blob: {error}")))
        };
        self.client
            .repository(&self.reference)
            .and_then(|repository| fetch_whole(&repository, blob, open))
            .map_err(|error| self.failure(error))?;
        // The file outlives its name.
        Ok(Box::new(File::open(&path).map_err(self.spool())?))
    }
}

impl CacheSink for RegistryCache {
    fn describe(&self) -> String {
        self.reference.familiar()
    }

    fn has(&self, blob: &Descriptor) -> bool {
        CacheSource::has(self, blob)
    }

    fn put(&self, blob: &Descriptor, content: &mut dyn Read) -> Result<(), SolveError> {
        let scratch = self.store.scratch()?;
        let path = scratch.path().join("blob");
        let mut file = File::create(&path).map_err(self.spool())?;
        io::copy(content, &mut file).map_err(self.spool())?;
        self.client
            .repository(&self.reference)
            .and_then(|repository| repository.push_blob(blob, &InFile(path.clone()), None))
            .map(drop)
            .map_err(|error| self.failure(error))
    }

    fn commit(&self, bytes: &[u8]) -> Result<Digest, SolveError> {
        let descriptor = Descriptor::of(media_type::MANIFEST, bytes);
        self.client
            .repository(&self.reference)
            .and_then(|repository| repository.push_manifest(&descriptor, bytes, self.reference.tag()))
            .map_err(|error| self.failure(error))?;
        Ok(descriptor.digest)
    }
}
