use std::fs;
use std::path::PathBuf;

use praxis_oci::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::{seal, unseal};
use crate::{Store, StoreError};

impl Store {
    fn origin_path(&self, manifest: &Digest) -> PathBuf {
        self.area("origins").join(manifest.hex())
    }

    /// What the image with this manifest was made from, if it was built here. It lives as long as the manifest does.
    pub fn origin<T: DeserializeOwned>(&self, manifest: &Digest) -> Option<T> {
        let bytes = fs::read(self.origin_path(manifest)).ok()?;
        unseal(&bytes).and_then(|body| serde_json::from_slice(body).ok())
    }

    /// Notes what the image with this manifest was made from.
    pub fn put_origin<T: Serialize>(&self, manifest: &Digest, origin: &T) -> Result<(), StoreError> {
        let body = serde_json::to_vec(origin).unwrap_or_default();
        self.replace(&self.origin_path(manifest), &seal(&body))
    }

    /// Removes the origins of manifests that are gone.
    pub(crate) fn sweep_origins(&self) {
        for entry in fs::read_dir(self.area("origins")).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let digest = name.to_str().and_then(|hex| format!("sha256:{hex}").parse().ok());
            if digest.is_none_or(|digest| self.blob_size(&digest).is_none()) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_goes_with_its_manifest() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let manifest = store.put_blob("x", b"manifest").unwrap().digest;
        store.put_origin(&manifest, &"here").unwrap();
        store.sweep_origins();
        assert_eq!(store.origin::<String>(&manifest).as_deref(), Some("here"));
        fs::remove_file(store.blob_path(&manifest)).unwrap();
        store.sweep_origins();
        assert_eq!(store.origin::<String>(&manifest), None);
    }

    #[test]
    fn a_damaged_origin_is_found_and_removed() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let manifest = store.put_blob("x", b"manifest").unwrap().digest;
        store.put_origin(&manifest, &"here").unwrap();
        assert!(store.verify().damage.is_empty());
        let path = store.origin_path(&manifest);
        fs::write(&path, fs::read(&path).unwrap().split_last().unwrap().1).unwrap();
        let damage = store.verify().damage;
        assert!(damage.len() == 1 && damage[0].what == path.display().to_string());
        assert!(store.verify().damage.is_empty() && !path.exists());
    }
}
