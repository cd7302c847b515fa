use std::fs;
use std::path::PathBuf;

use praxis_oci::Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Store, StoreError};

impl Store {
    fn record_path(&self, key: &Digest) -> PathBuf {
        let hex = key.hex();
        self.area("records").join(&hex[..2]).join(&hex[2..])
    }

    /// What was recorded under `key`. A damaged record is evicted and counts as none.
    pub fn record<T: DeserializeOwned>(&self, key: &Digest) -> Option<T> {
        let path = self.record_path(key);
        let bytes = fs::read(&path).ok()?;
        // What was not used for longest is pruned first.
        let _ = fs::File::open(&path).and_then(|file| file.set_modified(std::time::SystemTime::now()));
        let value = unseal(&bytes).and_then(|body| serde_json::from_slice(body).ok());
        if value.is_none() {
            let _ = fs::remove_file(&path);
        }
        value
    }

    /// Records `value` under `key`, in place of what was there.
    pub fn put_record<T: Serialize>(&self, key: &Digest, value: &T) -> Result<(), StoreError> {
        let path = self.record_path(key);
        let body = serde_json::to_vec(value).unwrap_or_default();
        let directory = path.parent().expect("records are below a directory");
        let _ = fs::create_dir(directory);
        self.replace(&path, &seal(&body))
    }

    /// Forgets `key`.
    pub fn remove_record(&self, key: &Digest) {
        let _ = fs::remove_file(self.record_path(key));
    }
}

/// A body behind its own digest.
pub(crate) fn seal(body: &[u8]) -> Vec<u8> {
    let mut sealed = Digest::of(body).hex().into_bytes();
    sealed.push(b'\n');
    sealed.extend_from_slice(body);
    sealed
}

/// The body if the digest before it is right.
pub(crate) fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (digest, rest) = bytes.split_at_checked(64)?;
    let body = rest.strip_prefix(b"\n")?;
    (Digest::of(body).hex().as_bytes() == digest).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_record_is_a_miss() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        let key = Digest::of(b"key");
        store.put_record(&key, &vec![1, 2]).unwrap();
        assert_eq!(store.record::<Vec<u32>>(&key), Some(vec![1, 2]));
        let path = store.record_path(&key);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(store.record::<Vec<u32>>(&key), None);
        assert!(!path.exists());
    }
}
