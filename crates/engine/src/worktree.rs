//! The files of a repository on disk: read and written below one open directory, never through a symbolic link.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use praxis_check::{CheckError, Entry, EntryKind, FileTree, Patch};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, openat, openat2};

use crate::EngineError;

/// Files longer than this are not read.
const LONGEST: u64 = 8 << 20;
/// How deep directories are listed.
const DEEPEST: usize = 40;
/// How many names are listed.
const MOST: usize = 500_000;

/// A repository on disk.
pub struct Worktree {
    top: OwnedFd,
    path: PathBuf,
    only: Option<String>,
}

impl Worktree {
    /// Opens a directory, or the directory of a file, of which then only that file and what it needs is listed.
    ///
    /// # Errors
    /// If it is not there or may not be read.
    pub fn open(path: &Path) -> Result<Worktree, EngineError> {
        let failed = |error: std::io::Error| EngineError::user(format!("{}: {error}", path.display()));
        let is_file = path.metadata().map_err(failed)?.is_file();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = if is_file {
            parent.unwrap_or(Path::new("."))
        } else {
            path
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open(directory, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Worktree {
            top,
            path: directory.to_path_buf(),
            only: name.filter(|_| is_file),
        })
    }

    /// A file of git's directory, cut at 64 KiB; `None` if it is not there.
    pub(crate) fn git(&self, name: &str) -> Option<String> {
        let mut text = String::new();
        let file = File::from(self.open_file(&format!(".git/{name}")).ok()?);
        file.take(64 << 10).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Opens a regular file below the top, never through a link.
    fn open_file(&self, path: &str) -> std::io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = openat2(&self.top, path, flags, Mode::empty(), resolve)?;
        if FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(std::io::Error::other("it is no regular file"));
        }
        Ok(file)
    }

    /// Writes the new text of a file beside it and renames it into place.
    ///
    /// # Errors
    /// If the file does not hold the old text any more, or cannot be written.
    pub fn write(&self, patch: &Patch) -> Result<(), EngineError> {
        self.prepare(std::slice::from_ref(patch))?.place()
    }

    /// Writes the new texts of files beside them, synced to disk, where nobody sees them before they are placed. What was
    /// left by a run that was killed is removed.
    ///
    /// # Errors
    /// If a file does not hold its old text any more, or one cannot be written. Nothing is left then.
    pub fn prepare(&self, patches: &[Patch]) -> Result<Prepared<'_>, EngineError> {
        let mut prepared = Prepared {
            tree: self,
            parts: Vec::new(),
        };
        for patch in patches {
            let part = self.part(patch).map_err(|error| self.failed(patch, &error))?;
            prepared.parts.push(part);
        }
        Ok(prepared)
    }

    fn failed(&self, patch: &Patch, error: &std::io::Error) -> EngineError {
        EngineError::user(format!("{}: {error}", self.path.join(&patch.path).display()))
    }

    /// The mode of a file that holds the old text of a patch.
    fn unchanged(&self, patch: &Patch) -> std::io::Result<u32> {
        let file = File::from(self.open_file(&patch.path)?);
        let mode = rustix::fs::fstat(&file)?.st_mode & 0o7777;
        let mut held = String::new();
        file.take(LONGEST).read_to_string(&mut held)?;
        match held == patch.old {
            true => Ok(mode),
            false => Err(std::io::Error::other(
                "it was changed meanwhile; it was not written",
            )),
        }
    }

    fn part(&self, patch: &Patch) -> std::io::Result<Part> {
        let mode = self.unchanged(patch)?;
        let (directory, name) = patch.path.rsplit_once('/').unwrap_or((".", &patch.path));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let directory = openat2(&self.top, directory, flags, Mode::empty(), resolve)?;
        remove_leftovers(&directory, name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let part = Part {
            name: name.into(),
            beside: format!("{}{}", part_prefix(name), std::process::id()),
            patch: patch.clone(),
            directory,
        };
        let file = openat(&part.directory, &part.beside, flags, Mode::from_raw_mode(0o600))?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
        let mut file = File::from(file);
        let written = file
            .write_all(patch.new.as_bytes())
            .and_then(|()| file.sync_all());
        written.inspect_err(|_| part.remove())?;
        Ok(part)
    }

    fn list(
        &self,
        directory: &OwnedFd,
        prefix: &str,
        depth: usize,
        found: &mut Vec<Entry>,
    ) -> std::io::Result<()> {
        let mut names = Vec::new();
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().to_str()
                && !matches!(name, "." | "..")
            {
                names.push((name.to_string(), entry.file_type()));
            }
        }
        names.sort_by(|a, b| a.0.cmp(&b.0));
        let marked = names
            .iter()
            .any(|(name, _)| matches!(name.as_str(), "CACHEDIR.TAG" | "pyvenv.cfg"));
        if depth > 0 && (marked || depth > DEEPEST) || found.len() > MOST {
            return Ok(());
        }
        for (name, kind) in names {
            let path = format!("{prefix}{name}");
            let kind = match kind {
                FileType::Unknown => FileType::from_raw_mode(
                    rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode,
                ),
                known => known,
            };
            match kind {
                FileType::RegularFile => found.push(Entry {
                    path,
                    kind: EntryKind::File,
                }),
                FileType::Symlink => found.push(Entry {
                    path,
                    kind: EntryKind::Link,
                }),
                FileType::Directory if matches!(name.as_str(), ".git" | "node_modules") => {
                    found.push(Entry {
                        path,
                        kind: EntryKind::Directory,
                    });
                }
                FileType::Directory => {
                    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    // A directory that this user may not read holds nothing to check.
                    if let Ok(below) = openat(directory.as_fd(), &name, flags, Mode::empty()) {
                        self.list(&below, &format!("{path}/"), depth + 1, found)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A new text beside a file.
struct Part {
    directory: OwnedFd,
    name: String,
    beside: String,
    patch: Patch,
}

impl Part {
    fn remove(&self) {
        let _ = rustix::fs::unlinkat(&self.directory, &self.beside, AtFlags::empty());
    }
}

/// New texts that wait beside their files. Dropped, they are gone.
pub struct Prepared<'t> {
    tree: &'t Worktree,
    parts: Vec<Part>,
}

impl Prepared<'_> {
    /// Renames every text into place, one after the other. Each file is at any moment wholly old or wholly new.
    ///
    /// # Errors
    /// If a file was changed meanwhile or cannot be renamed. Those before it are placed; the same again places the rest.
    pub fn place(mut self) -> Result<(), EngineError> {
        self.place_first(usize::MAX)
    }

    fn place_first(&mut self, count: usize) -> Result<(), EngineError> {
        for _ in 0..count.min(self.parts.len()) {
            let part = &self.parts[0];
            let placed = self.tree.unchanged(&part.patch).and_then(|_| {
                rustix::fs::renameat(&part.directory, &part.beside, &part.directory, &part.name)?;
                Ok(rustix::fs::fsync(&part.directory)?)
            });
            placed.map_err(|error| self.tree.failed(&part.patch, &error))?;
            self.parts.remove(0);
        }
        Ok(())
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        self.parts.iter().for_each(Part::remove);
    }
}

fn part_prefix(name: &str) -> String {
    format!(".{name}.praxis-")
}

/// Removes what killed runs left beside a file.
fn remove_leftovers(directory: &OwnedFd, name: &str) -> std::io::Result<()> {
    let prefix = part_prefix(name);
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let found = entry.file_name().to_str().unwrap_or_default();
        let number = found.strip_prefix(&prefix);
        if number.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())) {
            rustix::fs::unlinkat(directory, found, AtFlags::empty())?;
        }
    }
    Ok(())
}

impl FileTree for Worktree {
    fn entries(&self) -> Result<Vec<Entry>, CheckError> {
        let mut found = Vec::new();
        if let Some(only) = &self.only {
            let names = [
                only.clone(),
                ".dockerignore".into(),
                format!("{only}.dockerignore"),
                "praxis.toml".into(),
            ];
            for path in names {
                if &path == only || self.open_file(&path).is_ok() {
                    found.push(Entry {
                        path,
                        kind: EntryKind::File,
                    });
                }
            }
            return Ok(found);
        }
        let unreadable = |error: std::io::Error| CheckError::Read {
            path: self.path.display().to_string(),
            reason: error.to_string(),
        };
        let top = self.top.try_clone().map_err(unreadable)?;
        self.list(&top, "", 0, &mut found).map_err(unreadable)?;
        Ok(found)
    }

    fn below(&self, directory: &str) -> Result<Vec<Entry>, CheckError> {
        let unreadable = |error: std::io::Error| CheckError::Read {
            path: directory.into(),
            reason: error.to_string(),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let opened = openat2(&self.top, directory, flags, Mode::empty(), resolve);
        let opened = opened.map_err(|error| unreadable(error.into()))?;
        let mut found = Vec::new();
        self.list(&opened, &format!("{directory}/"), 1, &mut found)
            .map_err(unreadable)?;
        Ok(found)
    }

    fn read(&self, path: &str) -> Result<String, CheckError> {
        let read = || {
            let mut bytes = Vec::new();
            File::from(self.open_file(path)?)
                .take(LONGEST + 1)
                .read_to_end(&mut bytes)?;
            if bytes.len() as u64 > LONGEST {
                return Err(std::io::Error::other(format!(
                    "it is longer than {LONGEST} bytes"
                )));
            }
            String::from_utf8(bytes).map_err(|_| std::io::Error::other("it is not UTF-8"))
        };
        read().map_err(|error| CheckError::Read {
            path: path.into(),
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn patches() -> Vec<Patch> {
        let patch = |name: &str| Patch {
            path: name.into(),
            old: format!("old {name}"),
            new: format!("new {name}"),
        };
        ["a", "below/b", "below/c"].map(patch).into()
    }

    fn tree() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("below")).unwrap();
        for patch in patches() {
            fs::write(directory.path().join(&patch.path), patch.old).unwrap();
        }
        directory
    }

    fn names(directory: &Path) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(name).collect();
        names.sort();
        names
    }

    /// A run that ends after `placed` renames without cleaning up, as if it was killed.
    fn killed(worktree: &Worktree, placed: usize) {
        let mut prepared = worktree.prepare(&patches()).unwrap();
        prepared.place_first(placed).unwrap();
        std::mem::forget(prepared);
    }

    #[test]
    fn a_run_that_is_killed_between_two_operations_is_completed_by_the_next() {
        for placed in 0..=3 {
            let directory = tree();
            let worktree = Worktree::open(directory.path()).unwrap();
            killed(&worktree, placed);
            let held = |patch: &Patch| fs::read_to_string(directory.path().join(&patch.path)).unwrap();
            for (at, patch) in patches().iter().enumerate() {
                let expected = if at < placed { &patch.new } else { &patch.old };
                assert_eq!(&held(patch), expected, "after {placed}");
            }
            let left: Vec<Patch> = patches().into_iter().skip(placed).collect();
            worktree.prepare(&left).unwrap().place().unwrap();
            assert!(patches().iter().all(|patch| held(patch) == patch.new));
            assert_eq!(names(directory.path()), ["a", "below"]);
            assert_eq!(names(&directory.path().join("below")), ["b", "c"]);
        }
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_not_written_and_nothing_stays() {
        let directory = tree();
        let worktree = Worktree::open(directory.path()).unwrap();
        let prepared = worktree.prepare(&patches()).unwrap();
        fs::write(directory.path().join("below/b"), "somebody's").unwrap();
        let error = prepared.place().unwrap_err();
        assert!(
            error
                .message
                .ends_with("below/b: it was changed meanwhile; it was not written"),
            "{error}"
        );
        assert_eq!(
            fs::read_to_string(directory.path().join("below/b")).unwrap(),
            "somebody's"
        );
        assert_eq!(names(&directory.path().join("below")), ["b", "c"]);
        assert!(
            worktree.prepare(&patches()).is_err(),
            "a does not hold its old text"
        );
        assert_eq!(names(directory.path()), ["a", "below"]);
    }
}
