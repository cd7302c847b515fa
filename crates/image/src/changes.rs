//! What a layer does to the tree below it.

use praxis_layer::{Kind, Listing, Tree, TreePath};
use serde::Serialize;

use crate::difference::{Cause, entry_causes};
use crate::file::{FileFacts, inode};

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was not there below.
    Added,
    /// It was there and is another now.
    Changed,
    /// It was there and is not any more.
    Removed,
    /// It was there, and the layer has it again just as it was.
    Repeated,
}

/// What a layer does to one path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FileChange {
    /// The path, absolute.
    pub path: String,
    /// Its bytes.
    #[serde(skip)]
    pub place: TreePath,
    /// What became of it.
    pub change: Change,
    /// In what it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// What it is now, or was before it was removed.
    pub file: FileFacts,
    /// It is a further name of this path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_link: Option<String>,
}

/// Everything that `listing` does to `below`, in the order of paths. Directories that it only repeats are left out.
pub(crate) fn changes(below: &Tree, listing: &Listing) -> Vec<FileChange> {
    let mut found = Vec::new();
    for entry in listing.entries() {
        let before = below.get(&entry.path);
        match (&entry.kind, before) {
            (Kind::Whiteout, None) => {}
            (Kind::Whiteout, Some(_)) => removed(below, &entry.path, listing, &mut found),
            (Kind::Directory { opaque }, Some(node)) if node.is_directory() => {
                if *opaque {
                    let names: Vec<TreePath> = below
                        .children(&entry.path)
                        .map(|(name, _)| entry.path.join(name))
                        .collect();
                    for path in names {
                        removed(below, &path, listing, &mut found);
                    }
                }
                let causes = entry_causes(&node.entry(entry.path.clone()), entry);
                if !causes.is_empty() {
                    found.push(made(entry, listing, Change::Changed, causes));
                }
            }
            (_, Some(node)) => {
                if node.is_directory() {
                    for (name, _) in below.children(&entry.path) {
                        removed(below, &entry.path.join(name), listing, &mut found);
                    }
                }
                let after = inode(entry, listing);
                let causes = entry_causes(&node.entry(entry.path.clone()), &after);
                let change = if causes.is_empty() {
                    Change::Repeated
                } else {
                    Change::Changed
                };
                found.push(made(entry, listing, change, causes));
            }
            (_, None) => found.push(made(entry, listing, Change::Added, Vec::new())),
        }
    }
    found.sort_by(|a, b| a.place.cmp(&b.place));
    found
}

fn made(entry: &praxis_layer::Entry, listing: &Listing, change: Change, causes: Vec<Cause>) -> FileChange {
    let hard_link = match &entry.kind {
        Kind::Hardlink { target } => Some(target.to_string()),
        _ => None,
    };
    FileChange {
        path: entry.path.to_string(),
        place: entry.path.clone(),
        change,
        causes,
        file: FileFacts::of(&inode(entry, listing)),
        hard_link,
    }
}

/// Everything at and below `path` in `below` that the layer itself does not have again. What a further entry of the layer
/// removes is left to that entry, so that no path is visited for more than one of them.
fn removed(below: &Tree, path: &TreePath, listing: &Listing, found: &mut Vec<FileChange>) {
    let mut waiting = vec![path.clone()];
    while let Some(here) = waiting.pop() {
        let Some(node) = below.get(&here) else { continue };
        let kind = listing.get(&here).map(|entry| &entry.kind);
        match kind {
            Some(Kind::Whiteout) if here != *path => continue,
            Some(Kind::Directory { opaque: true }) => continue,
            _ => waiting.extend(below.children(&here).map(|(name, _)| here.join(name))),
        }
        if !matches!(kind, None | Some(Kind::Whiteout)) {
            continue;
        }
        found.push(FileChange {
            path: here.to_string(),
            change: Change::Removed,
            causes: Vec::new(),
            file: FileFacts::of(&node.entry(here.clone())),
            hard_link: None,
            place: here,
        });
    }
}

/// Bytes of the files of `tree` at and below `path`, without what other entries of `listing` remove.
pub(crate) fn bytes_below(tree: &Tree, path: &TreePath, listing: &Listing) -> u64 {
    let mut total = 0;
    let mut waiting = vec![path.clone()];
    while let Some(here) = waiting.pop() {
        if let Some(node) = tree.get(&here)
            && let Kind::File { size, .. } = node.kind
        {
            total += size;
        }
        let is_own = here != *path && listing.get(&here).is_some();
        if !is_own {
            waiting.extend(tree.children(&here).map(|(name, _)| here.join(name)));
        }
    }
    total
}
