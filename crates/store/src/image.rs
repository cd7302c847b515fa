use std::fs;

use praxis_oci::{Descriptor, Digest};
use serde::{Deserialize, Serialize};

use crate::record::{seal, unseal};
use crate::{Store, StoreError};

/// A name in the store and what it stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredImage {
    /// Normalised name with tag.
    pub name: String,
    /// The manifest or index.
    pub descriptor: Descriptor,
}

impl Store {
    /// What `name` (normalised, with tag) stands for.
    pub fn image(&self, name: &str) -> Option<StoredImage> {
        let bytes = fs::read(self.area("images").join(Digest::of(name.as_bytes()).hex())).ok()?;
        unseal(&bytes).and_then(|body| serde_json::from_slice(body).ok())
    }

    /// Names a manifest or index that is in the store.
    pub fn put_image(&self, image: &StoredImage) -> Result<(), StoreError> {
        let path = self.area("images").join(Digest::of(image.name.as_bytes()).hex());
        self.replace(&path, &seal(&serde_json::to_vec(image).unwrap_or_default()))
    }

    /// All names.
    pub fn images(&self) -> Vec<StoredImage> {
        let Ok(entries) = fs::read_dir(self.area("images")) else {
            return Vec::new();
        };
        let mut images: Vec<StoredImage> = entries
            .flatten()
            .filter_map(|entry| fs::read(entry.path()).ok())
            .filter_map(|bytes| unseal(&bytes).and_then(|body| serde_json::from_slice(body).ok()))
            .collect();
        images.sort_by(|a, b| a.name.cmp(&b.name));
        images
    }

    /// The image of any name whose manifest or index has `digest`.
    pub fn image_by_digest(&self, digest: &Digest) -> Option<StoredImage> {
        self.images()
            .into_iter()
            .find(|image| image.descriptor.digest == *digest)
    }

    /// Bytes kept for `name` in the area of contexts (file times seen and digests computed).
    pub fn context_cache(&self, name: &Digest) -> Option<Vec<u8>> {
        let bytes = fs::read(self.area("contexts").join(name.hex())).ok()?;
        unseal(&bytes).map(<[u8]>::to_vec)
    }

    /// Replaces what [`Store::context_cache`] gives.
    pub fn put_context_cache(&self, name: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.replace(&self.area("contexts").join(name.hex()), &seal(bytes))
    }
}
