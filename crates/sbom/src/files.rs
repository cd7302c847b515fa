//! The files of an image as a container would see them, with what was kept of them.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use praxis_layer::{Kind, Node, Tree, TreePath};

use crate::binary::BinaryFacts;
use crate::gather::{Gathered, Place};

/// Deeper trees are not walked.
const DEPTH: usize = 512;

pub(crate) struct Files {
    pub tree: Tree,
    pub gathered: Gathered,
    /// Every path that is no directory, in order.
    pub paths: Vec<TreePath>,
    parents: RefCell<HashMap<Vec<u8>, Option<TreePath>>>,
}

impl Files {
    pub fn new(tree: Tree, gathered: Gathered) -> Files {
        let mut paths = Vec::new();
        collect(&tree, &TreePath::root(), 0, &mut paths);
        Files {
            tree,
            gathered,
            paths,
            parents: RefCell::default(),
        }
    }

    /// Where the content of the regular file at `path` was seen.
    pub fn place(path: &TreePath, node: &Node) -> Option<Place> {
        matches!(node.kind, Kind::File { .. }).then(|| {
            (
                node.layer,
                node.first_name.clone().unwrap_or_else(|| path.clone()),
            )
        })
    }

    /// The kept bytes of the file at `path`.
    pub fn bytes(&self, path: &TreePath) -> Option<&[u8]> {
        let place = Files::place(path, self.tree.get(path)?)?;
        self.gathered.texts.get(&place).map(Vec::as_slice)
    }

    /// The kept text of the file that `path` leads to, links followed.
    pub fn text(&self, path: &str) -> Option<Cow<'_, str>> {
        let resolved = self.tree.resolve(path.as_bytes(), true).ok()?;
        let bytes = self.bytes(&resolved.exists().then_some(resolved.path)?)?;
        Some(String::from_utf8_lossy(bytes))
    }

    /// The kept text of the file at `path` itself.
    pub fn text_at(&self, path: &TreePath) -> Option<Cow<'_, str>> {
        self.bytes(path).map(String::from_utf8_lossy)
    }

    /// What is known of the program at `path`.
    pub fn binary(&self, path: &TreePath) -> Option<&BinaryFacts> {
        let place = Files::place(path, self.tree.get(path)?)?;
        self.gathered.binaries.get(&place)
    }

    /// The SHA-1 of the regular file at `path`.
    pub fn sha1(&self, path: &TreePath) -> Option<[u8; 20]> {
        let place = Files::place(path, self.tree.get(path)?)?;
        self.gathered.sums.get(&place).copied()
    }

    /// The files in the directory `path` that end in `end`.
    pub fn in_directory<'a>(&'a self, path: &'a TreePath) -> impl Iterator<Item = TreePath> + 'a {
        self.tree.children(path).map(move |(name, _)| path.join(name))
    }

    /// Where `path` leads, links of its parents followed; none if nothing is there.
    pub fn located(&self, path: &[u8]) -> Option<TreePath> {
        let clean = TreePath::clean(path);
        if clean.is_root() {
            return None;
        }
        let parent = clean.parent()?;
        let mut known = self.parents.borrow_mut();
        let directory = known.entry(parent.as_bytes().to_vec()).or_insert_with(|| {
            let resolved = self.tree.resolve(parent.as_bytes(), true).ok()?;
            resolved.exists().then_some(resolved.path)
        });
        let located = directory.as_ref()?.join(clean.name());
        self.tree.get(&located).map(|_| located)
    }
}

fn collect(tree: &Tree, directory: &TreePath, depth: usize, paths: &mut Vec<TreePath>) {
    if depth > DEPTH {
        return;
    }
    for (name, node) in tree.children(directory) {
        let path = directory.join(name);
        match node.is_directory() {
            true => collect(tree, &path, depth + 1, paths),
            false => paths.push(path),
        }
    }
}
