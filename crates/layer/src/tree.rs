use std::collections::{BTreeMap, VecDeque};

use crate::{Entry, Kind, Listing, Timestamp, TreePath};

/// The merged view of stacked listings: what a container would see.
#[derive(Clone, Debug)]
pub struct Tree {
    root: Node,
    /// What layers have taken away or replaced, as it last was.
    former: BTreeMap<TreePath, Node>,
}

/// One file of a [`Tree`].
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is. Never a hard link (that has become the file it names) and never a whiteout.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of modification.
    pub mtime: Timestamp,
    /// Extended attributes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Index of the listing this comes from: the one that holds its content.
    pub layer: usize,
    /// For a hard link: the path in that listing which holds the content. With `layer`, it names the inode.
    pub first_name: Option<TreePath>,
    children: BTreeMap<Box<[u8]>, Node>,
}

/// Where a path leads inside a [`Tree`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The part that exists, free of symbolic links in its parents.
    pub path: TreePath,
    /// What is missing below it; empty when the whole path exists.
    pub missing: TreePath,
}

impl Resolved {
    /// The whole path, existing or not.
    pub fn full(&self) -> TreePath {
        self.path.join_path(&self.missing)
    }

    /// Whether the whole path exists.
    pub fn exists(&self) -> bool {
        self.missing.is_root()
    }
}

/// Why a path leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A component before the end is a file.
    #[error("{0} is not a directory")]
    NotADirectory(TreePath),
    /// More links than the kernel would follow.
    #[error("{0}: too many levels of symbolic links")]
    TooManyLinks(TreePath),
}

/// As many links as the kernel follows.
pub(crate) const MAX_LINKS: usize = 40;

impl Node {
    fn directory(layer: usize) -> Node {
        Node {
            kind: Kind::Directory { opaque: false },
            mode: 0o755,
            uid: 0,
            gid: 0,
            mtime: Timestamp::default(),
            xattrs: BTreeMap::new(),
            layer,
            first_name: None,
            children: BTreeMap::new(),
        }
    }

    /// Whether this is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory { .. })
    }

    /// The entry that puts this file at `path`, directories not opaque.
    pub fn entry(&self, path: TreePath) -> Entry {
        Entry {
            path,
            kind: self.kind.clone(),
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            mtime: self.mtime,
            xattrs: self.xattrs.clone(),
        }
    }

    fn set(&mut self, entry: &Entry, layer: usize) {
        self.mode = entry.mode;
        self.uid = entry.uid;
        self.gid = entry.gid;
        self.mtime = entry.mtime;
        self.xattrs.clone_from(&entry.xattrs);
        self.layer = layer;
        self.first_name = None;
    }
}

impl Default for Tree {
    fn default() -> Tree {
        Tree {
            root: Node::directory(0),
            former: BTreeMap::new(),
        }
    }
}

impl Tree {
    /// An empty root, 0755 of root's.
    pub fn new() -> Tree {
        Tree::default()
    }

    /// Puts the layer with index `layer` on top. Directories that the listing only implies appear with 0755.
    pub fn apply(&mut self, layer: usize, listing: &Listing) {
        for entry in listing.entries() {
            match &entry.kind {
                Kind::Whiteout => self.remove(&entry.path),
                Kind::Directory { opaque } => self.put_directory(layer, entry, *opaque),
                kind => {
                    let first = match kind {
                        Kind::Hardlink { target } => listing.get(target),
                        _ => None,
                    };
                    self.put_file(layer, entry, first);
                }
            }
        }
    }

    fn remove(&mut self, path: &TreePath) {
        let Some(parent) = path.parent() else { return };
        let removed = self
            .get_mut(&parent)
            .and_then(|node| node.children.remove(path.name()));
        if let Some(node) = removed {
            self.bury(path.clone(), node);
        }
    }

    /// Remembers what was at `path`.
    fn bury(&mut self, path: TreePath, node: Node) {
        if node.is_directory() {
            let inner = self.former.range(&path..).map(|(inner, _)| inner.clone());
            let older: Vec<TreePath> = inner.take_while(|inner| inner.starts_with(&path)).collect();
            older.iter().for_each(|inner| drop(self.former.remove(inner)));
        }
        self.former.insert(path, node);
    }

    /// What was last at `path` before a layer took it away or put something else there.
    pub fn former(&self, path: &TreePath) -> Option<&Node> {
        let mut top = path.clone();
        loop {
            if let Some(node) = self.former.get(&top) {
                return path
                    .below(&top)?
                    .components()
                    .try_fold(node, |node, name| node.children.get(name));
            }
            top = top.parent()?;
        }
    }

    fn put_directory(&mut self, layer: usize, entry: &Entry, opaque: bool) {
        let node = self.make_directory(layer, &entry.path);
        node.set(entry, layer);
        if opaque {
            for (name, child) in std::mem::take(&mut node.children) {
                self.bury(entry.path.join(&name), child);
            }
        }
    }

    fn put_file(&mut self, layer: usize, entry: &Entry, first: Option<&Entry>) {
        let mut node = Node::directory(layer);
        node.set(entry, layer);
        node.kind = first.unwrap_or(entry).kind.clone();
        node.first_name = first.map(|first| first.path.clone());
        let Some(parent) = entry.path.parent() else { return };
        let replaced = self
            .make_directory(layer, &parent)
            .children
            .insert(entry.path.name().into(), node);
        if let Some(node) = replaced {
            self.bury(entry.path.clone(), node);
        }
    }

    fn make_directory(&mut self, layer: usize, path: &TreePath) -> &mut Node {
        let mut node = &mut self.root;
        for (depth, name) in path.components().enumerate() {
            node = node
                .children
                .entry(name.into())
                .or_insert_with(|| Node::directory(layer));
            if !node.is_directory() {
                let file = std::mem::replace(node, Node::directory(layer));
                let names: Vec<&[u8]> = path.components().take(depth + 1).collect();
                self.former.insert(TreePath::clean(&names.join(&b'/')), file);
            }
        }
        node
    }

    /// The node at `path`; links in its parents are not followed.
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        path.components()
            .try_fold(&self.root, |node, name| node.children.get(name))
    }

    fn get_mut(&mut self, path: &TreePath) -> Option<&mut Node> {
        path.components()
            .try_fold(&mut self.root, |node, name| node.children.get_mut(name))
    }

    /// What is in the directory at `path`, by name in order; nothing if it is no directory.
    pub fn children(&self, path: &TreePath) -> impl Iterator<Item = (&[u8], &Node)> {
        let node = self.get(path);
        node.into_iter()
            .flat_map(|node| node.children.iter().map(|(name, child)| (&**name, child)))
    }

    /// Follows `path` as the kernel does when this tree is its root: absolute links start again at the root,
    /// `..` stops at the root. `follow_last`: also follow a link that is the last component. What does not exist
    /// comes back as [`Resolved::missing`], with `..` in it taken lexically.
    pub fn resolve(&self, path: &[u8], follow_last: bool) -> Result<Resolved, ResolveError> {
        let mut walk = Walk {
            existing: Vec::new(),
            missing: Vec::new(),
            links: 0,
        };
        let mut rest = split(path);
        while let Some(name) = rest.pop_front() {
            if walk.special(&name) {
                continue;
            }
            let here = TreePath::clean(&walk.existing.join(&b'/'));
            let Some(node) = self.get(&here.join(&name)).filter(|_| walk.missing.is_empty()) else {
                walk.missing.push(name);
                continue;
            };
            let found = here.join(&name);
            match &node.kind {
                Kind::Symlink { target } if follow_last || !rest.is_empty() => {
                    walk.follow(target, &mut rest)
                        .ok_or(ResolveError::TooManyLinks(found))?;
                }
                kind if !rest.is_empty() && !matches!(kind, Kind::Directory { .. }) => {
                    return Err(ResolveError::NotADirectory(found));
                }
                _ => walk.existing.push(name),
            }
        }
        Ok(Resolved {
            path: TreePath::clean(&walk.existing.join(&b'/')),
            missing: TreePath::clean(&walk.missing.join(&b'/')),
        })
    }
}

struct Walk {
    existing: Vec<Vec<u8>>,
    missing: Vec<Vec<u8>>,
    links: usize,
}

impl Walk {
    /// Handles a component that is no name.
    fn special(&mut self, name: &[u8]) -> bool {
        if name == b".." && self.missing.pop().is_none() {
            self.existing.pop();
        }
        matches!(name, b"." | b"..")
    }

    fn follow(&mut self, target: &[u8], rest: &mut VecDeque<Vec<u8>>) -> Option<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return None;
        }
        if target.first() == Some(&b'/') {
            self.existing.clear();
        }
        for part in split(target).into_iter().rev() {
            rest.push_front(part);
        }
        Some(())
    }
}

fn split(path: &[u8]) -> VecDeque<Vec<u8>> {
    let mut parts: VecDeque<Vec<u8>> = path
        .split(|&b| b == b'/')
        .filter(|part| !part.is_empty())
        .map(<[u8]>::to_vec)
        .collect();
    if path.len() > 1 && path.ends_with(b"/") {
        parts.push_back(b".".to_vec());
    }
    parts
}

#[cfg(test)]
mod tests {
    use praxis_oci::Digest;

    use super::*;

    fn file(path: &str) -> Entry {
        let kind = Kind::File {
            size: 1,
            content: Digest::of(path.as_bytes()),
        };
        Entry::new(path.into(), kind, 0o644, Timestamp::seconds(1))
    }

    fn link(path: &str, target: &str) -> Entry {
        Entry::new(
            path.into(),
            Kind::Symlink {
                target: target.into(),
            },
            0o777,
            Timestamp::seconds(1),
        )
    }

    fn directory(path: &str, opaque: bool) -> Entry {
        Entry::new(
            path.into(),
            Kind::Directory { opaque },
            0o700,
            Timestamp::seconds(1),
        )
    }

    fn names(tree: &Tree, path: &str) -> Vec<String> {
        tree.children(&path.into())
            .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
            .collect()
    }

    #[test]
    fn upper_layers_add_hide_and_replace() {
        let mut tree = Tree::new();
        tree.apply(
            0,
            &Listing::new(vec![
                file("a/1"),
                file("a/2"),
                file("b/1"),
                file("c"),
                link("l", "b"),
            ]),
        );
        let upper = vec![
            Entry::whiteout("a/1".into()),
            directory("b", true),
            file("b/new"),
            file("c/below"),
            file("l/x"),
            directory("a", false),
        ];
        tree.apply(1, &Listing::new(upper));
        assert_eq!(names(&tree, ""), ["a", "b", "c", "l"]);
        assert_eq!(names(&tree, "a"), ["2"]);
        assert_eq!(names(&tree, "b"), ["new"]);
        assert_eq!(names(&tree, "c"), ["below"]);
        assert_eq!(tree.get(&"a".into()).unwrap().mode, 0o700);
        assert_eq!(tree.get(&"a/2".into()).unwrap().layer, 0);
        assert_eq!(tree.get(&"l/x".into()).unwrap().layer, 1);
    }

    #[test]
    fn a_hard_link_survives_the_removal_of_its_first_name() {
        let second = Entry::new(
            "z".into(),
            Kind::Hardlink { target: "a".into() },
            0o644,
            Timestamp::seconds(1),
        );
        let mut tree = Tree::new();
        tree.apply(0, &Listing::new(vec![file("a"), second]));
        tree.apply(1, &Listing::new(vec![Entry::whiteout("a".into())]));
        let node = tree.get(&"z".into()).unwrap();
        assert_eq!(node.kind, file("a").kind);
        assert_eq!((node.layer, node.first_name.clone()), (0, Some("a".into())));
    }

    fn linked() -> Tree {
        let mut tree = Tree::new();
        tree.apply(
            0,
            &Listing::new(vec![
                file("usr/lib/x"),
                link("lib", "usr/lib"),
                link("abs", "/usr/lib"),
                link("deep/er/up", "../../../../../../../../../../usr"),
                link("loop", "loop"),
                link("dangling", "/no/where"),
            ]),
        );
        tree
    }

    fn resolve(path: &str, follow: bool) -> (String, String) {
        let resolved = linked().resolve(path.as_bytes(), follow).unwrap();
        (resolved.path.to_string(), resolved.missing.to_string())
    }

    #[test]
    fn links_lead_where_the_kernel_leads_inside_the_root() {
        assert_eq!(resolve("lib/x", true), ("/usr/lib/x".into(), "/".into()));
        assert_eq!(resolve("/abs/x", true), ("/usr/lib/x".into(), "/".into()));
        assert_eq!(resolve("lib", false), ("/lib".into(), "/".into()));
        assert_eq!(resolve("lib/", false), ("/usr/lib".into(), "/".into()));
        assert_eq!(resolve("lib/../../../x/y", true), ("/".into(), "/x/y".into()));
        assert_eq!(resolve("dangling/a", true), ("/".into(), "/no/where/a".into()));
        assert_eq!(resolve("dangling", false), ("/dangling".into(), "/".into()));
    }

    /// security row 3: more `..` in a link than there are directories is no escape.
    #[test]
    fn row_03_links_with_too_many_dots_stay_inside() {
        assert_eq!(
            resolve("deep/er/up/lib/x", true),
            ("/usr/lib/x".into(), "/".into())
        );
    }

    /// security rows 49 and 50: paths with `..` and `.` stop at the root.
    #[test]
    fn row_49_dots_stop_at_the_root() {
        assert_eq!(resolve("/../../etc", true), ("/".into(), "/etc".into()));
        assert_eq!(resolve("..", true), ("/".into(), "/".into()));
        assert_eq!(resolve("usr/./../..", true), ("/".into(), "/".into()));
    }

    #[test]
    fn loops_and_files_in_the_way_are_errors() {
        assert_eq!(
            linked().resolve(b"loop", true),
            Err(ResolveError::TooManyLinks("loop".into()))
        );
        assert_eq!(
            linked().resolve(b"usr/lib/x/y", true),
            Err(ResolveError::NotADirectory("usr/lib/x".into()))
        );
    }
}
