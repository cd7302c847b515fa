//! Two trees compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use praxis_layer::{Entry, Kind, Node, Tree, TreePath};
use serde::Serialize;

use crate::Change;
use crate::file::FileFacts;

/// In what two files differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// One is a directory and the other a file, or such.
    Type,
    /// Bytes of a regular file.
    Content,
    /// Target of a symbolic link.
    Link,
    /// Device number.
    Device,
    /// Names that share the file.
    HardLink,
    /// Permission bits.
    Mode,
    /// User or group.
    Owner,
    /// Extended attributes.
    Xattr,
    /// Time of modification.
    Time,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Type => "type",
            Cause::Content => "content",
            Cause::Link => "link target",
            Cause::Device => "device number",
            Cause::HardLink => "hard links",
            Cause::Mode => "mode",
            Cause::Owner => "owner",
            Cause::Xattr => "extended attributes",
            Cause::Time => "time",
        })
    }
}

/// A path in which two trees differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The path, absolute.
    pub path: String,
    /// `added`: only in the second; `removed`: only in the first.
    pub change: Change,
    /// In what it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// What it is in the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<FileFacts>,
    /// What it is in the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<FileFacts>,
}

/// In what two entries of one path differ. Opaque directories and hard links are compared by what they show.
pub fn entry_causes(before: &Entry, after: &Entry) -> Vec<Cause> {
    let mut causes = Vec::new();
    match (&before.kind, &after.kind) {
        (Kind::File { content: a, .. }, Kind::File { content: b, .. }) if a != b => {
            causes.push(Cause::Content);
        }
        (Kind::Symlink { target: a }, Kind::Symlink { target: b }) if a != b => causes.push(Cause::Link),
        (Kind::Hardlink { target: a }, Kind::Hardlink { target: b }) if a != b => {
            causes.push(Cause::HardLink);
        }
        (Kind::Character { .. }, Kind::Character { .. }) | (Kind::Block { .. }, Kind::Block { .. })
            if before.kind != after.kind =>
        {
            causes.push(Cause::Device);
        }
        (Kind::Hardlink { .. }, Kind::File { .. }) | (Kind::File { .. }, Kind::Hardlink { .. }) => {
            causes.push(Cause::HardLink);
        }
        (a, b) if std::mem::discriminant(a) != std::mem::discriminant(b) => causes.push(Cause::Type),
        _ => {}
    }
    for (cause, differs) in [
        (Cause::Mode, before.mode != after.mode),
        (Cause::Owner, (before.uid, before.gid) != (after.uid, after.gid)),
        (Cause::Xattr, before.xattrs != after.xattrs),
        (Cause::Time, before.mtime != after.mtime),
    ] {
        if differs {
            causes.push(cause);
        }
    }
    causes
}

/// Every path in which the trees differ, in order.
pub fn differences(before: &Tree, after: &Tree) -> Vec<Difference> {
    let links = (first_names(before), first_names(after));
    let mut found = Vec::new();
    let mut waiting = vec![TreePath::root()];
    while let Some(path) = waiting.pop() {
        let nodes = (before.get(&path), after.get(&path));
        let change = match nodes {
            (None, Some(_)) => Change::Added,
            (Some(_), None) => Change::Removed,
            _ => Change::Changed,
        };
        let entry = |node: Option<&Node>| node.map(|node| node.entry(path.clone()));
        let entries = (entry(nodes.0), entry(nodes.1));
        let mut causes = match &entries {
            (Some(a), Some(b)) => entry_causes(a, b),
            _ => Vec::new(),
        };
        if entries.0.is_some() && entries.1.is_some() && links.0.get(&path) != links.1.get(&path) {
            causes.push(Cause::HardLink);
            causes.sort();
        }
        if change != Change::Changed || !causes.is_empty() {
            found.push(Difference {
                path: path.to_string(),
                change,
                causes,
                before: entries.0.as_ref().map(FileFacts::of),
                after: entries.1.as_ref().map(FileFacts::of),
            });
        }
        let names: BTreeSet<&[u8]> = before
            .children(&path)
            .chain(after.children(&path))
            .map(|(name, _)| name)
            .collect();
        waiting.extend(names.into_iter().rev().map(|name| path.join(name)));
    }
    found
}

/// For each name of a file that has several: the first of them.
fn first_names(tree: &Tree) -> BTreeMap<TreePath, TreePath> {
    let mut inodes: BTreeMap<(usize, TreePath), Vec<TreePath>> = BTreeMap::new();
    let mut waiting = vec![TreePath::root()];
    while let Some(path) = waiting.pop() {
        let Some(node) = tree.get(&path) else { continue };
        if !node.is_directory() {
            let first = node.first_name.clone().unwrap_or_else(|| path.clone());
            inodes.entry((node.layer, first)).or_default().push(path.clone());
        }
        waiting.extend(tree.children(&path).map(|(name, _)| path.join(name)));
    }
    let several = inodes.into_values().filter(|names| names.len() > 1);
    several
        .flat_map(|mut names| {
            names.sort();
            let first = names[0].clone();
            names.into_iter().map(move |name| (name, first.clone()))
        })
        .collect()
}
