//! The layer that a COPY, ADD or WORKDIR is making, over the tree below it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use praxis_layer::{Entry, Kind, Listing, Timestamp, Tree, TreePath};

use crate::SolveError;
use crate::source::Content;
use crate::view::{Look, View, resolve};

/// A layer in the making.
pub(crate) struct Draft<'t> {
    base: &'t Tree,
    /// Boxed: nodes of the map are half empty.
    changes: BTreeMap<TreePath, Box<Change>>,
    /// Paths of the draft below which nothing of the base shows through.
    hiders: BTreeSet<TreePath>,
    epoch: Timestamp,
    /// With `--link`: destinations are made in an empty tree, links of the base are not followed.
    detached: bool,
    groups: u64,
}

struct Change {
    /// Without its path, which is the key.
    entry: Entry,
    content: Option<Content>,
    /// All entries of one group are names of one file.
    group: Option<u64>,
}

/// What the draft shows at a path.
pub(crate) struct Seen {
    pub kind: Kind,
    pub mode: u32,
    pub gid: u32,
}

impl Seen {
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory { .. })
    }
}

/// Owner and permissions of directories that are made on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Made {
    pub owner: Option<(u32, u32)>,
    pub mode: Option<u32>,
}

impl<'t> Draft<'t> {
    pub fn new(base: &'t Tree, epoch: Timestamp, detached: bool) -> Draft<'t> {
        Draft {
            base,
            changes: BTreeMap::new(),
            hiders: BTreeSet::new(),
            epoch,
            detached,
            groups: 0,
        }
    }

    /// Everything later than the epoch becomes the epoch.
    pub fn clamp(&self, time: Timestamp) -> Timestamp {
        time.min(self.epoch)
    }

    /// A number for a file with several names.
    pub fn next_group(&mut self) -> u64 {
        self.groups += 1;
        self.groups
    }

    /// What is at `path`, not following a link.
    pub fn seen(&self, path: &TreePath) -> Option<Seen> {
        if let Some(entry) = self.changes.get(path).map(|change| &change.entry) {
            return Some(Seen {
                kind: entry.kind.clone(),
                mode: entry.mode,
                gid: entry.gid,
            });
        }
        if (self.detached && !path.is_root()) || self.is_hidden(path) {
            return None;
        }
        let node = self.base.get(path)?;
        Some(Seen {
            kind: node.kind.clone(),
            mode: node.mode,
            gid: node.gid,
        })
    }

    fn is_hidden(&self, path: &TreePath) -> bool {
        if self.hiders.is_empty() {
            return false;
        }
        let mut parent = path.parent();
        while let Some(path) = parent {
            if self.hiders.contains(&path) {
                return true;
            }
            parent = path.parent();
        }
        false
    }

    /// Where `path` leads, links followed (the last one too).
    pub fn resolve(&self, path: &[u8]) -> Result<TreePath, SolveError> {
        resolve(self, path, true)
    }

    /// Makes `path` (resolved) and its parents directories where they are missing.
    ///
    /// # Errors
    /// If something on the way is no directory.
    pub fn make_directories(&mut self, path: &TreePath, made: Made) -> Result<(), SolveError> {
        let mut missing = Vec::new();
        let mut next = Some(path.clone());
        while let Some(path) = next {
            match self.seen(&path) {
                Some(seen) if seen.is_directory() => break,
                Some(_) => {
                    return Err(SolveError::user(format!(
                        "cannot make the directory {path}: it is not a directory"
                    )));
                }
                None => next = path.parent(),
            }
            missing.push(path);
        }
        missing
            .iter()
            .rev()
            .try_for_each(|path| self.make_directory(path, made))
    }

    /// Makes one directory, whose parent is there.
    fn make_directory(&mut self, path: &TreePath, made: Made) -> Result<(), SolveError> {
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        let mut entry = self.new_directory(path, made.mode.unwrap_or(0o755) & 0o777);
        if self.detached && self.base.get(path).is_some_and(|node| node.is_directory()) {
            self.put(entry, None, None);
            return Ok(());
        }
        if let Some(parent) = self.seen(&parent)
            && parent.mode & 0o2000 != 0
        {
            entry.gid = parent.gid;
            entry.mode |= 0o2000;
        }
        if let Some((uid, gid)) = made.owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        self.put(entry, None, None);
        Ok(())
    }

    fn new_directory(&self, path: &TreePath, mode: u32) -> Entry {
        let mut entry = Entry::new(path.clone(), Kind::Directory { opaque: false }, mode, self.epoch);
        // A detached layer does not change the directories that the base already has.
        if self.detached
            && let Some(node) = self.base.get(path).filter(|node| node.is_directory())
        {
            (entry.mode, entry.uid, entry.gid, entry.mtime) = (node.mode, node.uid, node.gid, node.mtime);
            entry.xattrs = node.xattrs.clone();
        }
        entry
    }

    /// Puts `entry` in place of what was there. Entries with one `group` are names of one file.
    pub fn put(&mut self, mut entry: Entry, content: Option<Content>, group: Option<u64>) {
        let path = std::mem::take(&mut entry.path);
        if entry.is_directory() {
            if self.hiders.contains(&path) {
                entry.kind = Kind::Directory { opaque: true };
            }
        } else {
            let below: Vec<TreePath> = self.below(&path);
            for path in below {
                self.changes.remove(&path);
            }
            if self.base.get(&path).is_some_and(|node| node.is_directory()) {
                self.hiders.insert(path.clone());
            }
        }
        self.changes.insert(
            path,
            Box::new(Change {
                entry,
                content,
                group,
            }),
        );
    }

    fn below(&self, path: &TreePath) -> Vec<TreePath> {
        let after = self
            .changes
            .range(path.clone()..)
            .skip_while(|(key, _)| *key == path);
        after
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(path))
            .cloned()
            .collect()
    }

    /// Sets the time of modification of a directory.
    pub fn touch_directory(&mut self, path: &TreePath, mtime: Timestamp) {
        if path.is_root() {
            return;
        }
        if let Some(change) = self.changes.get_mut(path) {
            change.entry.mtime = mtime;
            return;
        }
        let Some(node) = (!self.is_hidden(path)).then(|| self.base.get(path)).flatten() else {
            return;
        };
        if node.is_directory() && node.mtime != mtime {
            let mut entry = node.entry(path.clone());
            entry.kind = Kind::Directory { opaque: false };
            entry.mtime = mtime;
            self.put(entry, None, None);
        }
    }

    /// Adds the directories of the base that changed entries are in, as they are there: a layer stands for itself,
    /// whatever is below it.
    fn add_parents(&mut self) {
        let mut missing = BTreeMap::new();
        for path in self.changes.keys() {
            let mut parent = path.parent();
            while let Some(path) = parent.filter(|path| !path.is_root()) {
                if self.changes.contains_key(&path) || missing.contains_key(&path) {
                    break;
                }
                let Some(node) = self.base.get(&path) else { break };
                let mut entry = node.entry(TreePath::root());
                entry.kind = Kind::Directory { opaque: false };
                parent = path.parent();
                let change = Change {
                    entry,
                    content: None,
                    group: None,
                };
                missing.insert(path, Box::new(change));
            }
        }
        self.changes.extend(missing);
    }

    /// The listing, and where the bytes of its files are.
    pub fn finish(mut self) -> (Listing, HashMap<TreePath, Content>) {
        self.add_parents();
        let mut first: HashMap<u64, TreePath> = HashMap::new();
        let mut contents = HashMap::new();
        let mut entries = Vec::with_capacity(self.changes.len());
        for (path, change) in self.changes {
            let Change {
                mut entry,
                content,
                group,
            } = *change;
            entry.path = path;
            if let Some(group) = group {
                match first.get(&group) {
                    Some(target) => {
                        entry.kind = Kind::Hardlink {
                            target: target.clone(),
                        };
                        entries.push(entry);
                        continue;
                    }
                    None => {
                        first.insert(group, entry.path.clone());
                    }
                }
            }
            if let Some(content) = content {
                contents.insert(entry.path.clone(), content);
            }
            entries.push(entry);
        }
        (Listing::new(entries), contents)
    }
}

impl View for Draft<'_> {
    fn look(&self, path: &TreePath) -> Result<Look, SolveError> {
        Ok(match self.seen(path).map(|seen| seen.kind) {
            None => Look::Nothing,
            Some(Kind::Directory { .. }) => Look::Directory,
            Some(Kind::Symlink { target }) => Look::Link(target),
            Some(_) => Look::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Tree {
        let directory = |path: &str, mode| {
            Entry::new(
                path.into(),
                Kind::Directory { opaque: false },
                mode,
                Timestamp::seconds(1),
            )
        };
        let mut tree = Tree::new();
        let mut owned = directory("owned", 0o2775);
        owned.gid = 10;
        let link = Kind::Symlink {
            target: b"/owned".to_vec(),
        };
        let link = Entry::new("link".into(), link, 0o777, Timestamp::seconds(1));
        tree.apply(0, &Listing::new(vec![owned, directory("owned/in", 0o755), link]));
        tree
    }

    #[test]
    fn directories_inherit_the_group_of_a_setgid_parent() {
        let tree = base();
        let mut draft = Draft::new(&tree, Timestamp::seconds(9), false);
        let path = draft.resolve(b"/link/new").unwrap();
        draft.make_directories(&path, Made::default()).unwrap();
        let (listing, _) = draft.finish();
        let shown: Vec<_> = listing
            .entries()
            .iter()
            .map(|entry| (entry.path.to_string(), entry.mode, entry.gid))
            .collect();
        assert_eq!(
            shown,
            [("/owned".into(), 0o2775, 10), ("/owned/new".into(), 0o2755, 10)]
        );
    }

    #[test]
    fn a_file_over_a_directory_hides_what_was_in_it() {
        let tree = base();
        let mut draft = Draft::new(&tree, Timestamp::seconds(9), false);
        draft.put(
            Entry::new("owned".into(), Kind::Fifo, 0o644, Timestamp::seconds(2)),
            None,
            None,
        );
        assert!(draft.seen(&"owned/in".into()).is_none());
        draft.put(
            Entry::new(
                "owned".into(),
                Kind::Directory { opaque: false },
                0o700,
                Timestamp::seconds(2),
            ),
            None,
            None,
        );
        assert!(draft.seen(&"owned/in".into()).is_none());
        let (listing, _) = draft.finish();
        assert_eq!(listing.entries()[0].kind, Kind::Directory { opaque: true });
    }
}
