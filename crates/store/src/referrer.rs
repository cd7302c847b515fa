use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use praxis_oci::{Descriptor, Digest};

use crate::record::{seal, unseal};
use crate::{Store, StoreError};

const AREA: &str = "referrers";

impl Store {
    fn referrers_of(&self, subject: &Digest) -> PathBuf {
        self.area(AREA).join(subject.hex())
    }

    /// Notes that the manifest `referrer`, which the store holds, refers to `subject`. It lives as long as the subject.
    pub fn put_referrer(&self, subject: &Digest, referrer: &Descriptor) -> Result<(), StoreError> {
        let directory = self.referrers_of(subject);
        fs::create_dir_all(&directory).map_err(StoreError::io("create", &directory))?;
        let body = serde_json::to_vec(referrer).unwrap_or_default();
        self.replace(&directory.join(referrer.digest.hex()), &seal(&body))
    }

    /// The manifests of the store that refer to `subject`, in the order of their digests.
    pub fn referrers(&self, subject: &Digest) -> Vec<Descriptor> {
        let entries = fs::read_dir(self.referrers_of(subject))
            .into_iter()
            .flatten()
            .flatten();
        let mut found: Vec<Descriptor> = entries.filter_map(|entry| read(&entry.path())).collect();
        found.sort_by_key(|one| one.digest);
        found
    }

    /// Adds what refers to what is needed, and what refers to that, with all they name.
    pub(crate) fn need_referrers(&self, needed: &mut BTreeSet<Digest>) {
        let mut waiting: Vec<Digest> = needed.iter().copied().collect();
        while let Some(subject) = waiting.pop() {
            for referrer in self.referrers(&subject) {
                if !needed.contains(&referrer.digest) {
                    self.need_manifest(&referrer.digest, referrer.size, needed, 0);
                    waiting.push(referrer.digest);
                }
            }
        }
    }

    /// Forgets referrers whose subject is gone, and those that are gone themselves.
    pub(crate) fn sweep_referrers(&self) {
        for subject in fs::read_dir(self.area(AREA)).into_iter().flatten().flatten() {
            let there = |name: &std::ffi::OsStr| {
                let digest = name.to_str().and_then(|hex| format!("sha256:{hex}").parse().ok());
                digest.is_some_and(|digest| self.blob_size(&digest).is_some())
            };
            if !there(&subject.file_name()) {
                let _ = fs::remove_dir_all(subject.path());
                continue;
            }
            for referrer in fs::read_dir(subject.path()).into_iter().flatten().flatten() {
                if !there(&referrer.file_name()) {
                    let _ = fs::remove_file(referrer.path());
                }
            }
        }
    }
}

fn read(path: &Path) -> Option<Descriptor> {
    let bytes = fs::read(path).ok()?;
    unseal(&bytes).and_then(|body| serde_json::from_slice(body).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CollectReport, StoredImage};

    #[test]
    fn a_referrer_lives_as_long_as_its_subject_is_named() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let kept = store.put_blob("x", b"{\"config\":\"kept\"}").unwrap();
        let dropped = store.put_blob("x", b"{\"config\":\"dropped\"}").unwrap();
        let blob = store.put_blob("x", b"bundle").unwrap();
        let manifest = format!("{{\"layers\":[{{\"digest\":\"{}\"}}]}}", blob.digest);
        let signature = store.put_blob("x", manifest.as_bytes()).unwrap();
        let other = store.put_blob("x", b"{}").unwrap();
        store.put_referrer(&kept.digest, &signature).unwrap();
        store.put_referrer(&dropped.digest, &other).unwrap();
        store
            .put_image(&StoredImage {
                name: "docker.io/library/a:1".into(),
                descriptor: kept.clone(),
            })
            .unwrap();
        store.sweep(false, &mut CollectReport::default());
        assert_eq!(store.referrers(&kept.digest), [signature]);
        assert!(store.has_blob(&blob.digest, blob.size));
        assert_eq!(store.referrers(&dropped.digest), []);
        assert!(!store.has_blob(&other.digest, other.size));
        assert!(!store.referrers_of(&dropped.digest).exists());
    }
}
