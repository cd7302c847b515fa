use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use praxis_oci::Digest;

use crate::{Store, StoreError, stamp};

impl Store {
    fn export_path(&self, key: &Digest) -> PathBuf {
        self.area("exports").join(key.hex())
    }

    /// Whether `destination` is already the export `key`, byte for byte as written.
    pub fn is_exported(&self, key: &Digest, destination: &Path) -> bool {
        let (Ok(kept), Ok(there)) = (
            fs::metadata(self.export_path(key)),
            fs::symlink_metadata(destination),
        ) else {
            return false;
        };
        there.is_file()
            && (kept.dev(), kept.ino()) == (there.dev(), there.ino())
            && stamp::holds(&kept, key.as_bytes())
    }

    /// Puts the kept export `key` at `destination` without copying: a second name for the file. Only done while
    /// the store's is its only name, so that two files of a user never share their bytes. `false` if it is not
    /// there, was changed, or is on another file system.
    pub fn link_export(&self, key: &Digest, destination: &Path) -> bool {
        let kept = self.export_path(key);
        let Ok(metadata) = fs::metadata(&kept) else {
            return false;
        };
        if !stamp::holds(&metadata, key.as_bytes()) {
            let _ = fs::remove_file(&kept);
            return false;
        }
        if metadata.nlink() != 1 {
            return false;
        }
        let temporary = beside(destination);
        if fs::hard_link(&kept, &temporary).is_err() {
            return false;
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs() as i64);
        let done = File::open(&temporary)
            .and_then(|file| stamp::set(&file, key.as_bytes(), now))
            .is_ok()
            && fs::rename(&temporary, destination).is_ok();
        if !done {
            let _ = fs::remove_file(&temporary);
        }
        done
    }

    /// Keeps a second name for the file just written as export `key`; where that is impossible, nothing.
    pub fn keep_export(&self, key: &Digest, file: &Path) -> Result<(), StoreError> {
        let temporary = self.fresh();
        if fs::hard_link(file, &temporary).is_err() {
            return Ok(());
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |time| time.as_secs() as i64);
        if let Ok(handle) = File::open(&temporary) {
            let _ = stamp::set(&handle, key.as_bytes(), now);
        }
        let kept = self.export_path(key);
        fs::rename(&temporary, &kept).map_err(StoreError::io("rename to", &kept))?;
        let _ = fs::remove_file(&temporary);
        Ok(())
    }
}

/// A temporary name in the directory of `destination`.
fn beside(destination: &Path) -> PathBuf {
    let name = destination
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    destination.with_file_name(format!(".{name}.praxis-{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_export_is_not_given_out_again() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(&place.path().join("store")).unwrap();
        let key = Digest::of(b"export");
        let out = place.path().join("out.tar");
        fs::write(&out, "archive").unwrap();
        store.keep_export(&key, &out).unwrap();
        assert!(store.is_exported(&key, &out));
        let second = place.path().join("second.tar");
        assert!(
            !store.link_export(&key, &second),
            "two files of the user must not share bytes"
        );
        fs::remove_file(&out).unwrap();
        assert!(store.link_export(&key, &second));
        assert_eq!(fs::read(&second).unwrap(), b"archive");
        fs::write(&second, "changed").unwrap();
        fs::remove_file(&second).unwrap();
        assert!(!store.link_export(&key, &out));
        assert!(!out.exists());
    }
}
