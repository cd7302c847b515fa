use std::collections::BTreeMap;

use crate::CheckError;

/// What a name in a tree stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory whose content was not listed, such as `.git`.
    Directory,
    /// A symbolic link: never read and never written.
    Link,
}

/// One name in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the top, with `/` between names, without `.` and `..`.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
}

/// The files of a repository, given by the caller.
pub trait FileTree {
    /// Every file, link and unlisted directory.
    fn entries(&self) -> Result<Vec<Entry>, CheckError>;

    /// The text of a file that [`FileTree::entries`] named.
    fn read(&self, path: &str) -> Result<String, CheckError>;

    /// Every file and link below a directory, also where [`FileTree::entries`] lists fewer than all.
    fn below(&self, directory: &str) -> Result<Vec<Entry>, CheckError> {
        let prefix = format!("{directory}/");
        let mut entries = self.entries()?;
        entries.retain(|entry| entry.path.starts_with(&prefix));
        Ok(entries)
    }
}

/// A tree in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    files: BTreeMap<String, String>,
}

impl MemoryTree {
    /// The tree with a file more.
    pub fn with(mut self, path: &str, text: &str) -> MemoryTree {
        self.files.insert(path.into(), text.into());
        self
    }
}

impl FileTree for MemoryTree {
    fn entries(&self) -> Result<Vec<Entry>, CheckError> {
        let entry = |path: &String| match path.strip_suffix('/') {
            Some(directory) => Entry {
                path: directory.into(),
                kind: EntryKind::Directory,
            },
            None => Entry {
                path: path.clone(),
                kind: EntryKind::File,
            },
        };
        Ok(self.files.keys().map(entry).collect())
    }

    fn read(&self, path: &str) -> Result<String, CheckError> {
        let missing = || CheckError::Read {
            path: path.into(),
            reason: "no such file".into(),
        };
        self.files.get(path).cloned().ok_or_else(missing)
    }
}
