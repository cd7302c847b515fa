//! Whole directory trees.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Every regular file below `directory`, sorted. A directory that is not there has none.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => files.extend(files_below(&entry.path())),
            Ok(kind) if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
    files.sort();
    files
}

/// The content of every regular file below `directory`, by its path inside.
///
/// # Panics
/// If a file cannot be read.
pub fn tree_of(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let content = |path: PathBuf| {
        let bytes = fs::read(&path).expect("file of the tree");
        (
            path.strip_prefix(directory).expect("below it").to_path_buf(),
            bytes,
        )
    };
    files_below(directory).into_iter().map(content).collect()
}

/// Lets every user read what lies below `path`.
///
/// # Panics
/// If it belongs to somebody else.
pub fn make_readable(path: &Path) {
    let metadata = fs::symlink_metadata(path).expect("entry of the tree");
    if metadata.is_symlink() {
        return;
    }
    let extra = if metadata.is_dir() { 0o555 } else { 0o444 };
    fs::set_permissions(
        path,
        Permissions::from_mode(metadata.permissions().mode() | extra),
    )
    .expect("permissions");
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        make_readable(&entry.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_read_and_opened() {
        let place = std::env::temp_dir().join(format!("praxis-testkit-{}", std::process::id()));
        fs::create_dir_all(place.join("a/b")).unwrap();
        fs::write(place.join("a/b/c"), "text").unwrap();
        fs::set_permissions(place.join("a/b/c"), Permissions::from_mode(0o600)).unwrap();
        make_readable(&place);
        assert_eq!(
            tree_of(&place),
            BTreeMap::from([("a/b/c".into(), b"text".to_vec())])
        );
        assert_eq!(
            fs::metadata(place.join("a/b/c")).unwrap().permissions().mode() & 0o777,
            0o644
        );
        assert!(files_below(&place.join("none")).is_empty());
        fs::remove_dir_all(&place).unwrap();
    }
}
