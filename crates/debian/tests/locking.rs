//! From a signed archive to a lock, and every way to be lied to on the way.

#[allow(dead_code)] // not every test file uses all of it
#[allow(unused_imports)]
mod archive;

use archive::{Archive, BASE, Key, Member, OPTIONS, Package, recipe};
use praxis_debian::{DebianError, Lock, LockOptions, Progress, lock};
use std::path::Path;

fn packages() -> Vec<Package> {
    vec![
        Package::new(
            "hello",
            "1.0-1",
            "Depends: libhello (>= 2)",
            vec![Member::File("usr/bin/hello", 0o755, "x")],
        ),
        Package::new("libhello", "2.1", "", vec![]),
        Package::new("libhello", "2.0", "", vec![]),
        Package::new("base", "1", "Essential: yes", vec![]),
        Package::new("unrelated", "1", "", vec![]),
    ]
}

fn locked(archive: &Archive) -> Result<Lock, DebianError> {
    lock(
        &recipe(&["hello"], "minimal = true"),
        &Archive::mirrors(),
        archive,
        OPTIONS,
        &|_| {},
    )
}

fn names(lock: &Lock) -> Vec<String> {
    lock.packages("amd64")
        .unwrap()
        .iter()
        .map(|one| format!("{} {}", one.name, one.version))
        .collect()
}

#[test]
fn locks_the_newest_packages_that_are_needed() {
    let lock = locked(&Archive::new(&packages())).unwrap();
    assert_eq!(names(&lock), ["hello 1.0-1", "libhello 2.1"]);
    assert_eq!(lock.epoch, 1_767_312_000);
    assert_eq!(Lock::parse(&lock.render(), Path::new("x")).unwrap(), lock);
    assert!(!lock.render().contains("archive.invalid"));
    assert!(lock.check_fits(&recipe(&["hello"], "minimal = true")).is_ok());
    assert!(
        lock.check_fits(&recipe(&["hello", "unrelated"], "minimal = true"))
            .is_err()
    );
}

#[test]
fn essential_packages_belong_to_bases_that_run_scripts() {
    let archive = Archive::new(&packages());
    let lock = lock(
        &recipe(&["hello"], ""),
        &Archive::mirrors(),
        &archive,
        OPTIONS,
        &|_| {},
    )
    .unwrap();
    assert_eq!(names(&lock), ["base 1", "hello 1.0-1", "libhello 2.1"]);
}

#[test]
fn says_who_signed() {
    let seen = std::sync::Mutex::new(Vec::new());
    let archive = Archive::new(&packages());
    lock(
        &recipe(&["hello"], ""),
        &Archive::mirrors(),
        &archive,
        OPTIONS,
        &|event| seen.lock().unwrap().push(event),
    )
    .unwrap();
    let signers = vec![Key::from_seed(7).fingerprint()];
    assert_eq!(
        seen.into_inner().unwrap()[0],
        Progress::Verified {
            suite: "example".into(),
            signers
        }
    );
}

#[test]
fn an_index_that_is_only_there_by_name_is_found() {
    let mut archive = Archive::new(&packages());
    let by_hash = archive
        .files
        .keys()
        .find(|url| url.contains("by-hash"))
        .unwrap()
        .clone();
    let index = archive.files.remove(&by_hash).unwrap();
    archive.files.insert(
        format!("{BASE}/dists/example/main/binary-amd64/Packages.xz"),
        index,
    );
    assert_eq!(names(&locked(&archive).unwrap()).len(), 2);
}

#[test]
fn a_release_file_that_was_altered_is_refused() {
    let url = format!("{BASE}/dists/example/InRelease");
    let mut archive = Archive::new(&packages());
    let text = String::from_utf8(archive.files[&url].clone()).unwrap();
    archive.files.insert(
        url.clone(),
        text.replace("Suite: stable", "Suite: stabel").into_bytes(),
    );
    assert!(matches!(locked(&archive), Err(DebianError::Signature { .. })));
    let stranger = Key::from_seed(8).clear_sign("Suite: example\n");
    archive.files.insert(url, stranger.into_bytes());
    let message = locked(&archive).unwrap_err().to_string();
    assert!(
        message.contains(&Key::from_seed(8).fingerprint()) && message.contains("not trusted"),
        "{message}"
    );
}

#[test]
fn an_index_that_was_altered_is_refused() {
    let mut archive = Archive::new(&packages());
    let by_hash = archive
        .files
        .keys()
        .find(|url| url.contains("by-hash"))
        .unwrap()
        .clone();
    archive.files.get_mut(&by_hash).unwrap()[40] ^= 1;
    assert!(matches!(locked(&archive), Err(DebianError::Mismatch { .. })));
    archive.files.insert(by_hash, Vec::new());
    assert!(matches!(locked(&archive), Err(DebianError::Mismatch { .. })));
}

#[test]
fn a_stale_mirror_is_refused_unless_that_is_allowed() {
    let archive = Archive::new(&packages());
    let at = |now, allow_expired| {
        let options = LockOptions { now, allow_expired };
        lock(
            &recipe(&["hello"], ""),
            &Archive::mirrors(),
            &archive,
            options,
            &|_| {},
        )
    };
    let late = OPTIONS.now + 30 * 86_400;
    assert!(at(late, false).unwrap_err().to_string().contains("valid until"));
    assert!(at(late, true).is_ok());
}

#[test]
fn what_is_missing_is_named() {
    let message = lock(
        &recipe(&["absent"], ""),
        &Archive::mirrors(),
        &Archive::new(&packages()),
        OPTIONS,
        &|_| {},
    );
    assert_eq!(
        message.unwrap_err().to_string(),
        "cannot resolve the packages for amd64: there is no package absent"
    );
}

/// The key and the signature of these tests are what GnuPG calls good.
#[test]
fn gpgv_agrees_with_the_signature_of_this_archive() {
    let directory = tempfile::tempdir().unwrap();
    let archive = Archive::new(&packages());
    let (key, message) = (
        directory.path().join("key.gpg"),
        directory.path().join("InRelease"),
    );
    std::fs::write(&key, Key::from_seed(7).certificate()).unwrap();
    std::fs::write(
        &message,
        &archive.files[&format!("{BASE}/dists/example/InRelease")],
    )
    .unwrap();
    assert!(locked(&archive).is_ok());
    if let Ok(output) = std::process::Command::new("gpgv")
        .arg("--keyring")
        .arg(&key)
        .arg(&message)
        .output()
    {
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
