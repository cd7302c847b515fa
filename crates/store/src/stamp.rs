//! Trust in files that were verified before.
//!
//! A verified file gets a time of modification whose nanoseconds are derived from its name and the boot id of the
//! machine. Any later write changes the time, and a reboot (after which unwritten data may be gone) changes the
//! boot id: in both cases the stamp no longer fits and the file is hashed again before it is used.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use praxis_oci::Hasher;
use rustix::fs::{Timespec, Timestamps};

fn boot_id() -> &'static [u8] {
    static BOOT: OnceLock<Vec<u8>> = OnceLock::new();
    BOOT.get_or_init(|| fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default())
}

/// The boot id as a token for marker files.
pub(crate) fn boot_token() -> Vec<u8> {
    boot_id().to_vec()
}

fn nanoseconds(name: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.field(boot_id());
    hasher.field(name);
    let digest = hasher.finish();
    let bytes = digest.as_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) % 1_000_000_000
}

/// Marks `file` as verified under `name`. `seconds` becomes its visible time.
pub(crate) fn set(file: &File, name: &[u8], seconds: i64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds(name).into(),
    };
    rustix::fs::futimens(
        file,
        &Timestamps {
            last_access: time,
            last_modification: time,
        },
    )?;
    Ok(())
}

/// Whether `metadata` still carries the mark for `name`.
pub(crate) fn holds(metadata: &fs::Metadata, name: &[u8]) -> bool {
    metadata.mtime_nsec() == i64::from(nanoseconds(name))
}
