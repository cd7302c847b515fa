//! A layer in the making: archive members become a listing, whiteouts interpreted, links in parents resolved.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use praxis_oci::Digest;

use crate::tree::MAX_LINKS;
use crate::{Entry, Kind, LayerError, Listing, Timestamp, Tree, TreePath};

/// Entries so far. Names of one file share a node, so that a name may go or be replaced without the others.
pub struct Assembly<'a> {
    lower: Option<&'a Tree>,
    paths: BTreeMap<TreePath, usize>,
    nodes: Vec<Entry>,
    /// Paths that hide what the lower tree has below them.
    hiding: BTreeSet<TreePath>,
    /// The parent that was resolved last, and what came out.
    last_parent: Option<(TreePath, TreePath)>,
}

impl<'a> Assembly<'a> {
    pub fn new(lower: Option<&'a Tree>) -> Assembly<'a> {
        let (paths, hiding) = (BTreeMap::new(), BTreeSet::new());
        Assembly {
            lower,
            paths,
            nodes: Vec::new(),
            hiding,
            last_parent: None,
        }
    }

    /// Where `path` is once the links in its parents are followed inside the root.
    pub fn locate(&mut self, path: &TreePath) -> Result<TreePath, LayerError> {
        let Some(parent) = path.parent() else {
            return Ok(TreePath::root());
        };
        if let Some((known, resolved)) = &self.last_parent
            && *known == parent
        {
            return Ok(resolved.join(path.name()));
        }
        let resolved = self.follow(&parent, path)?;
        let located = resolved.join(path.name());
        self.last_parent = Some((parent, resolved));
        Ok(located)
    }

    fn follow(&self, parent: &TreePath, path: &TreePath) -> Result<TreePath, LayerError> {
        let mut here: Vec<Vec<u8>> = Vec::new();
        let mut rest: VecDeque<Vec<u8>> = parent.components().map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(name) = rest.pop_front() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    here.pop();
                    continue;
                }
                _ => here.push(name),
            }
            match self.kind(&TreePath::clean(&here.join(&b'/'))) {
                Some(Kind::Symlink { target }) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(LayerError::member(
                            path.as_bytes(),
                            "too many levels of symbolic links",
                        ));
                    }
                    here.pop();
                    if target.starts_with(b"/") {
                        here.clear();
                    }
                    target
                        .split(|&b| b == b'/')
                        .rev()
                        .for_each(|part| rest.push_front(part.to_vec()));
                }
                None | Some(Kind::Directory { .. } | Kind::Whiteout) => {}
                Some(_) => {
                    return Err(LayerError::member(
                        path.as_bytes(),
                        "one of its parents is not a directory",
                    ));
                }
            }
        }
        Ok(TreePath::clean(&here.join(&b'/')))
    }

    /// What is at `path`: in this layer, else a link of the lower tree.
    fn kind(&self, path: &TreePath) -> Option<&Kind> {
        if let Some(&node) = self.paths.get(path) {
            return Some(&self.nodes[node].kind);
        }
        let lower = self.lower?;
        let mut above = Some(path.clone());
        while let Some(one) = above.filter(|_| !self.hiding.is_empty()) {
            if self.hiding.contains(&one) {
                return None;
            }
            above = one.parent();
        }
        lower
            .get(path)
            .map(|node| &node.kind)
            .filter(|kind| matches!(kind, Kind::Symlink { .. }))
    }

    /// The entry at `path`, under the path of any of its names.
    pub fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.paths.get(path).map(|&node| &self.nodes[node])
    }

    /// Adds `entry`, which is no hard link. Tells whether something of this layer was there that has to go first.
    pub fn put(&mut self, mut entry: Entry) -> bool {
        let path = entry.path.clone();
        self.open_parents(&path);
        let before = self.get(&path).map(|before| before.kind.clone());
        if let (Some(Kind::Whiteout | Kind::Directory { opaque: true }), Kind::Directory { opaque }) =
            (&before, &mut entry.kind)
        {
            *opaque = true;
        }
        let keep = match &before {
            None | Some(Kind::Whiteout) => entry.is_directory() || !self.has_below(&path),
            Some(kind) => entry.is_directory() && matches!(kind, Kind::Directory { .. }),
        };
        if !keep {
            self.remove(&path);
        }
        if before.is_some() || matches!(entry.kind, Kind::Symlink { .. }) {
            self.last_parent = None;
        }
        if matches!(entry.kind, Kind::Directory { opaque: true } | Kind::Whiteout) {
            self.hiding.insert(path.clone());
        }
        self.paths.insert(path, self.nodes.len());
        self.nodes.push(entry);
        !keep
    }

    /// Says what the file at `path`, which was put just now, has in it.
    pub fn set_content(&mut self, path: &TreePath, size: u64, content: Digest) {
        if let Some(&node) = self.paths.get(path) {
            self.nodes[node].kind = Kind::File { size, content };
        }
    }

    /// Adds `path` as a further name of what is at `target`. Tells whether something has to go first.
    pub fn link(&mut self, path: &TreePath, target: &TreePath) -> Result<bool, LayerError> {
        let node = self
            .paths
            .get(target)
            .copied()
            .filter(|&node| !matches!(self.nodes[node].kind, Kind::Directory { .. } | Kind::Whiteout));
        let Some(node) = node else {
            let reason = format!("it is a hard link to {target}, which is no earlier file of this archive");
            return Err(LayerError::member(path.as_bytes(), reason));
        };
        if target.starts_with(path) {
            return Err(LayerError::member(path.as_bytes(), "it is a hard link to itself"));
        }
        self.open_parents(path);
        let before =
            self.get(path).is_some_and(|before| before.kind != Kind::Whiteout) || self.has_below(path);
        if before {
            self.remove(path);
        }
        self.last_parent = None;
        self.paths.insert(path.clone(), node);
        Ok(before)
    }

    /// Hides `path` of the layers below; what this layer itself has there stays.
    pub fn whiteout(&mut self, path: TreePath) {
        self.last_parent = None;
        match self.get(&path).map(|entry| &entry.kind) {
            Some(Kind::Directory { .. }) => self.mark_opaque(path),
            Some(_) => {}
            None if self.has_below(&path) => self.mark_opaque(path),
            None => {
                self.open_parents(&path);
                self.hiding.insert(path.clone());
                self.paths.insert(path.clone(), self.nodes.len());
                self.nodes.push(Entry::whiteout(path));
            }
        }
    }

    /// Hides what the layers below have in the directory `path`.
    pub fn mark_opaque(&mut self, path: TreePath) {
        if !self.hiding.insert(path.clone()) && matches!(self.get(&path), Some(entry) if entry.is_directory())
        {
            return;
        }
        self.last_parent = None;
        match self.paths.get(&path) {
            Some(&node) if self.nodes[node].is_directory() => {
                self.nodes[node].kind = Kind::Directory { opaque: true };
            }
            _ => {
                let mut entry = self.implied(&path);
                entry.kind = Kind::Directory { opaque: true };
                self.put(entry);
            }
        }
    }

    /// A directory that the archive takes for granted.
    fn implied(&self, path: &TreePath) -> Entry {
        let below = self
            .lower
            .and_then(|lower| lower.get(path))
            .filter(|node| node.is_directory());
        let plain = || {
            Entry::new(
                path.clone(),
                Kind::Directory { opaque: false },
                0o755,
                Timestamp::default(),
            )
        };
        below.map_or_else(plain, |node| node.entry(path.clone()))
    }

    fn has_below(&self, path: &TreePath) -> bool {
        let mut after = self
            .paths
            .range((std::ops::Bound::Excluded(path), std::ops::Bound::Unbounded));
        after.next().is_some_and(|(next, _)| next.starts_with(path))
    }

    /// Parents that were removed before come back as directories that hide what was there.
    fn open_parents(&mut self, path: &TreePath) {
        if self.hiding.is_empty() {
            return;
        }
        let mut above = path.parent();
        while let Some(parent) = above {
            if matches!(self.get(&parent), Some(entry) if entry.kind == Kind::Whiteout) {
                let kind = Kind::Directory { opaque: true };
                self.paths.insert(parent.clone(), self.nodes.len());
                self.nodes
                    .push(Entry::new(parent.clone(), kind, 0o755, Timestamp::default()));
            }
            above = parent.parent();
        }
    }

    fn remove(&mut self, path: &TreePath) {
        let after = self.paths.range(path.clone()..);
        let gone: Vec<TreePath> = after
            .map(|(name, _)| name)
            .take_while(|name| name.starts_with(path))
            .cloned()
            .collect();
        for name in gone {
            self.paths.remove(&name);
        }
    }

    /// The listing: of several names of one file the first is the file and the others are links.
    pub fn finish(self) -> Listing {
        let mut nodes: Vec<Option<Entry>> = self.nodes.into_iter().map(Some).collect();
        let mut first: BTreeMap<usize, usize> = BTreeMap::new();
        let mut entries: Vec<Entry> = Vec::with_capacity(self.paths.len());
        for (path, node) in self.paths {
            let entry = match nodes[node].take() {
                Some(entry) => {
                    first.insert(node, entries.len());
                    Entry { path, ..entry }
                }
                None => {
                    let target = &entries[first[&node]];
                    Entry {
                        kind: Kind::Hardlink {
                            target: target.path.clone(),
                        },
                        path,
                        ..target.clone()
                    }
                }
            };
            entries.push(entry);
        }
        Listing::new(entries)
    }
}
