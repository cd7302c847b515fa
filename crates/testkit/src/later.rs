//! Programs of a later Debian suite, unpacked beside the system.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The program `name` of the package `package` of a later Debian suite. It is fetched when it is first asked for, into
/// `target/later`.
///
/// # Panics
/// If it cannot be fetched.
pub fn later_program(package: &str, name: &str) -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let directory = top.join("target/later").join(package);
    std::fs::create_dir_all(top.join("target/later")).expect("a directory");
    // Test programs run side by side.
    let lock = std::fs::File::create(top.join(format!("target/later/{package}.lock"))).expect("a file");
    lock.lock().expect("a lock");
    let fetched = Command::new(top.join("scripts/fetch-later"))
        .arg(&directory)
        .arg(package)
        .output()
        .expect("a shell");
    assert!(
        fetched.status.success(),
        "{package} of a later Debian suite cannot be fetched: {}",
        String::from_utf8_lossy(&fetched.stderr)
    );
    directory.join("usr/bin").join(name)
}

/// A Python that has sigstore's client. It is fetched from PyPI when it is first asked for, into `target/later`.
///
/// # Panics
/// If it cannot be fetched.
pub fn sigstore_python() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let made = Command::new(top.join("scripts/sigstore-python"))
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(
        made.status.success(),
        "sigstore's Python client cannot be fetched: {said}"
    );
    PathBuf::from(String::from_utf8_lossy(&made.stdout).trim_end())
}
