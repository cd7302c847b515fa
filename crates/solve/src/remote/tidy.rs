//! A checkout made independent of the machine and the moment it was made.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::SolveError;

/// Gives everything below `top` the permissions that git knows (0644 or 0755; 0444 and 0555 for what is read-only),
/// whatever the umask was, and removes every `.git` unless `keep_git_directory`.
pub(crate) fn tidy(top: &Path, keep_git_directory: bool) -> Result<(), SolveError> {
    let mut directories = vec![top.to_path_buf()];
    while let Some(directory) = directories.pop() {
        give_mode(
            &directory,
            &fs::symlink_metadata(&directory).map_err(SolveError::io("read", &directory))?,
        )?;
        let entries = fs::read_dir(&directory).map_err(SolveError::io("read", &directory))?;
        for entry in entries {
            let entry = entry.map_err(SolveError::io("read", &directory))?;
            let path = entry.path();
            let metadata = entry.metadata().map_err(SolveError::io("read", &path))?;
            if entry.file_name() == ".git" && !keep_git_directory {
                let removed = match metadata.is_dir() {
                    true => fs::remove_dir_all(&path),
                    false => fs::remove_file(&path),
                };
                removed.map_err(SolveError::io("remove", &path))?;
            } else if metadata.is_dir() {
                directories.push(path);
            } else if metadata.is_file() {
                give_mode(&path, &metadata)?;
            }
        }
    }
    Ok(())
}

/// Others get what the owner has, but for writing.
fn give_mode(path: &Path, metadata: &fs::Metadata) -> Result<(), SolveError> {
    let mode = metadata.permissions().mode() & 0o7777;
    let readable = (mode & 0o500) >> 6;
    let wanted = (mode & 0o700) | readable << 3 | readable;
    if wanted == mode {
        return Ok(());
    }
    fs::set_permissions(path, Permissions::from_mode(wanted)).map_err(SolveError::io("set the mode of", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_do_not_depend_on_the_umask() {
        let place = tempfile::tempdir().unwrap();
        let mode = |name: &str| {
            let metadata = fs::symlink_metadata(place.path().join(name)).unwrap();
            metadata.permissions().mode() & 0o7777
        };
        for (name, before) in [("a", 0o600), ("b", 0o777), ("c", 0o400)] {
            fs::write(place.path().join(name), name).unwrap();
            fs::set_permissions(place.path().join(name), Permissions::from_mode(before)).unwrap();
        }
        fs::create_dir(place.path().join("d")).unwrap();
        fs::set_permissions(place.path().join("d"), Permissions::from_mode(0o700)).unwrap();
        fs::write(place.path().join("d/.git"), "gitdir: elsewhere").unwrap();
        std::os::unix::fs::symlink("/etc/shadow", place.path().join("l")).unwrap();
        tidy(place.path(), false).unwrap();
        assert_eq!(
            [mode("a"), mode("b"), mode("c"), mode("d")],
            [0o644, 0o755, 0o444, 0o755]
        );
        assert!(!place.path().join("d/.git").exists());
    }
}
