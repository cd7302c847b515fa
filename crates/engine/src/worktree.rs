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
        let failed = |error: std::io::Error| {
            EngineError::user(format!("{}: {error}", self.path.join(&patch.path).display()))
        };
        self.replace(patch).map_err(failed)
    }

    fn replace(&self, patch: &Patch) -> std::io::Result<()> {
        let file = File::from(self.open_file(&patch.path)?);
        let mode = rustix::fs::fstat(&file)?.st_mode & 0o7777;
        let mut held = String::new();
        file.take(LONGEST).read_to_string(&mut held)?;
        if held != patch.old {
            return Err(std::io::Error::other(
                "it was changed meanwhile; nothing was written",
            ));
        }
        let (directory, name) = patch.path.rsplit_once('/').unwrap_or((".", &patch.path));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let directory = openat2(&self.top, directory, flags, Mode::empty(), resolve)?;
        let part = format!(".{name}.praxis-{}", std::process::id());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let written = openat(&directory, &part, flags, Mode::from_raw_mode(0o600)).map_err(Into::into);
        let written = written.and_then(|file| {
            rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            let mut file = File::from(file);
            file.write_all(patch.new.as_bytes())?;
            file.sync_all()?;
            Ok(rustix::fs::renameat(&directory, &part, &directory, name)?)
        });
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&directory, &part, AtFlags::empty());
        }
        written
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
