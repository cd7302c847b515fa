use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use praxis_oci::Hasher;

use crate::record::{seal, unseal};
use crate::{Store, StoreError};

/// The id of a build: sixteen hexadecimal digits, later builds have greater ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildId(String);

impl BuildId {
    /// An id for a build that begins now.
    pub fn fresh() -> BuildId {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut hasher = Hasher::new();
        hasher.field(&std::process::id().to_le_bytes());
        hasher.field(&now.as_nanos().to_le_bytes());
        hasher.field(format!("{:?}", std::thread::current().id()).as_bytes());
        let tail = hasher.finish().hex();
        BuildId(format!("{:012x}{}", now.as_millis() as u64, &tail[..4]))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When the build began.
    pub fn time(&self) -> SystemTime {
        let milliseconds = u64::from_str_radix(&self.0[..12], 16).unwrap_or_default();
        UNIX_EPOCH + Duration::from_millis(milliseconds)
    }
}

impl FromStr for BuildId {
    type Err = String;

    fn from_str(text: &str) -> Result<BuildId, String> {
        let well = text.len() == 16
            && text
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        match well {
            true => Ok(BuildId(text.into())),
            false => Err(format!("{text:?} is no id of a build: see praxis history")),
        }
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Store {
    fn build_path(&self, id: &BuildId) -> PathBuf {
        self.area("builds").join(id.as_str())
    }

    /// Keeps the record of a build, and of all others the `most` latest only.
    pub fn put_build(&self, id: &BuildId, body: &[u8], most: usize) -> Result<(), StoreError> {
        self.replace(&self.build_path(id), &seal(body))?;
        let ids = self.build_ids();
        let excess = ids.len().saturating_sub(most);
        // A build that waited long, or was taken over, is older than its record.
        let old = ids[..excess].iter().filter(|old| *old != id);
        old.for_each(|old| _ = self.remove_build(old));
        Ok(())
    }

    /// Ids of all builds on record, oldest first.
    pub fn build_ids(&self) -> Vec<BuildId> {
        let entries = fs::read_dir(self.area("builds")).into_iter().flatten().flatten();
        let mut ids: Vec<BuildId> = entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        ids.sort();
        ids
    }

    /// The record of a build; none if it is not there or damaged.
    pub fn build(&self, id: &BuildId) -> Option<Vec<u8>> {
        let bytes = fs::read(self.build_path(id)).ok()?;
        unseal(&bytes).map(<[u8]>::to_vec)
    }

    /// Forgets a build; whether it was there.
    pub fn remove_build(&self, id: &BuildId) -> bool {
        fs::remove_file(self.build_path(id)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_24_an_id_is_never_a_path() {
        for text in [
            "../x",
            "",
            "latest",
            "0123456789abcde",
            "0123456789ABCDEF",
            "0123456789abcde/",
        ] {
            assert!(text.parse::<BuildId>().is_err(), "{text}");
        }
        assert!("0123456789abcdef".parse::<BuildId>().is_ok());
    }

    #[test]
    fn the_latest_are_kept() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path()).unwrap();
        for number in 0..5 {
            let id: BuildId = format!("{number:016x}").parse().unwrap();
            store.put_build(&id, b"{}", 3).unwrap();
        }
        let ids = store.build_ids();
        assert_eq!(ids.len(), 3);
        assert_eq!(ids[0].as_str(), "0000000000000002");
        assert_eq!(store.build(&ids[0]).as_deref(), Some(&b"{}"[..]));
        fs::write(place.path().join("builds").join(ids[0].as_str()), "x").unwrap();
        assert_eq!(store.build(&ids[0]), None);
        assert!(store.remove_build(&ids[0]) && !store.remove_build(&ids[0]));
    }

    #[test]
    fn ids_are_in_order_of_time() {
        let before = SystemTime::now() - Duration::from_secs(1);
        let id = BuildId::fresh();
        assert!(id.time() > before);
        assert!("0000000000000fff".parse::<BuildId>().unwrap() < id);
    }
}
