//! Many packages → one tree, with symbolic links in parents followed (merged /usr) as dpkg follows them.

use std::collections::{BTreeMap, VecDeque};

use praxis_layer::{ArchiveEntry, ArchiveKind, Entry, Kind, Listing, Timestamp, TreePath};
use praxis_oci::Digest;

use crate::DebianError;
use crate::deb::Unpacked;
use crate::relation::parse_relations;

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// The tree while packages are merged into it.
pub(crate) struct Merge {
    /// Entries, and the index of the package that each is of.
    entries: BTreeMap<TreePath, (Entry, Option<usize>)>,
    /// Directories that are only made where something is below them.
    reserve: BTreeMap<TreePath, Entry>,
    epoch: i64,
}

impl Merge {
    /// An empty tree; no file of it will be younger than `epoch`.
    pub(crate) fn new(epoch: i64) -> Merge {
        let root = Entry::new(
            TreePath::root(),
            Kind::Directory { opaque: false },
            0o755,
            Timestamp::seconds(epoch),
        );
        let entries = BTreeMap::from([(TreePath::root(), (root, None))]);
        Merge {
            entries,
            reserve: BTreeMap::new(),
            epoch,
        }
    }

    /// Merges `packages` in their order. Two may only have one path where both have a directory, where the files
    /// are the same, or where one says that it replaces the other. Gives, for each package, the paths that it lost.
    pub(crate) fn add_packages(&mut self, packages: &[Unpacked]) -> Result<Vec<Vec<TreePath>>, DebianError> {
        let mut lost = vec![Vec::new(); packages.len()];
        // The package with the links of merged /usr comes first, so that all others land behind them.
        let (first, rest): (Vec<usize>, Vec<usize>) =
            (0..packages.len()).partition(|&index| packages[index].package.name == "base-files");
        for index in first.into_iter().chain(rest) {
            for directory in &packages[index].excluded_directories {
                let entry = self.entry(directory, Kind::Directory { opaque: false });
                self.reserve.entry(directory.path.clone()).or_insert(entry);
            }
            for (member, digest) in &packages[index].files {
                self.add_member(packages, index, member, digest, &mut lost)?;
            }
        }
        Ok(lost)
    }

    fn add_member(
        &mut self,
        packages: &[Unpacked],
        index: usize,
        member: &ArchiveEntry,
        digest: &Option<Digest>,
        lost: &mut [Vec<TreePath>],
    ) -> Result<(), DebianError> {
        let name = &packages[index].package.name;
        let path = self.locate(&member.path, name)?;
        let kind = self.kind(member, digest, name)?;
        let mut entry = self.entry(member, kind);
        entry.path = path.clone();
        let Some((known, owner)) = self.entries.get(&path) else {
            self.insert(entry, Some(index));
            return Ok(());
        };
        let leads_to_directory = |path: &TreePath| {
            self.locate(&path.join(b"x"), name)
                .ok()
                .and_then(|below| below.parent())
                .is_some_and(|parent| {
                    self.entries
                        .get(&parent)
                        .is_some_and(|(entry, _)| entry.is_directory())
                })
        };
        match (known.is_directory(), entry.is_directory()) {
            // The first package that is not only passing through says what a directory is like.
            (true, true) => {
                if owner.is_none() {
                    self.insert(entry, Some(index));
                }
            }
            (false, true) if matches!(known.kind, Kind::Symlink { .. }) && leads_to_directory(&path) => {}
            (false, false) if known.kind == entry.kind && known.mode == entry.mode => {}
            (false, false) => match *owner {
                Some(other) if replaces(&packages[index], &packages[other]) => {
                    lost[other].push(member.path.clone());
                    self.insert(entry, Some(index));
                }
                Some(other) if replaces(&packages[other], &packages[index]) => {
                    lost[index].push(member.path.clone())
                }
                Some(other) if other != index => {
                    let other = &packages[other].package.name;
                    return Err(DebianError::package(
                        name,
                        format!("{path} is also in package {other}"),
                    ));
                }
                _ => self.insert(entry, Some(index)),
            },
            _ => {
                return Err(DebianError::package(
                    name,
                    format!("{path} is a directory and something else at once"),
                ));
            }
        }
        Ok(())
    }

    fn entry(&self, member: &ArchiveEntry, kind: Kind) -> Entry {
        let mode = if matches!(kind, Kind::Symlink { .. }) {
            0o777
        } else {
            member.mode & 0o7777
        };
        Entry {
            path: member.path.clone(),
            kind,
            mode,
            uid: member.uid,
            gid: member.gid,
            mtime: Timestamp::seconds(member.mtime.seconds.min(self.epoch)),
            xattrs: member.xattrs.clone(),
        }
    }

    fn kind(&self, member: &ArchiveEntry, digest: &Option<Digest>, name: &str) -> Result<Kind, DebianError> {
        let wrong = |reason: String| DebianError::package(name, format!("{}: {reason}", member.path));
        Ok(match (&member.kind, digest) {
            (ArchiveKind::Directory, _) => Kind::Directory { opaque: false },
            (ArchiveKind::File { size }, Some(content)) => Kind::File {
                size: *size,
                content: *content,
            },
            (ArchiveKind::Symlink { target }, _) => Kind::Symlink {
                target: target.clone(),
            },
            (ArchiveKind::Fifo, _) => Kind::Fifo,
            (ArchiveKind::Hardlink { target }, _) => {
                let target = self.locate(target, name)?;
                match self.entries.get(&target) {
                    Some((first, _)) if !first.is_directory() => Kind::Hardlink { target },
                    _ => {
                        return Err(wrong(format!(
                            "it is a hard link to {target}, which is not unpacked"
                        )));
                    }
                }
            }
            _ => return Err(wrong("packages may not bring devices".into())),
        })
    }

    /// Puts a file of nobody's package there, in place of what is there; of directories only empty ones give way.
    pub(crate) fn put(&mut self, mut entry: Entry) -> Result<(), DebianError> {
        let path = self.locate(&entry.path, "the recipe")?;
        let known = self.entries.get(&path).map(|(known, _)| known.is_directory());
        let has_content = || {
            self.entries
                .range(path.clone()..)
                .nth(1)
                .is_some_and(|(next, _)| next.starts_with(&path))
        };
        let clash = match known {
            Some(true) => !entry.is_directory() && has_content(),
            Some(false) => entry.is_directory(),
            None => false,
        };
        if clash {
            let reason = format!("{path} is a directory and something else at once");
            return Err(DebianError::package("the recipe", reason));
        }
        entry.path = path;
        entry.mtime = Timestamp::seconds(self.epoch);
        self.insert(entry, None);
        Ok(())
    }

    fn insert(&mut self, entry: Entry, owner: Option<usize>) {
        let mut parent = entry.path.parent();
        while let Some(path) = parent.filter(|path| !self.entries.contains_key(path)) {
            let made = self.reserve.get(&path).cloned().unwrap_or_else(|| {
                let kind = Kind::Directory { opaque: false };
                Entry::new(path.clone(), kind, 0o755, Timestamp::seconds(self.epoch))
            });
            parent = path.parent();
            self.entries.insert(path, (made, None));
        }
        self.entries.insert(entry.path.clone(), (entry, owner));
    }

    /// All entries, by path.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(|(entry, _)| entry)
    }

    /// Where `path` is once the links in its parents are followed inside the tree. A file in the way, or too many
    /// links, is an error about `package`.
    fn locate(&self, path: &TreePath, package: &str) -> Result<TreePath, DebianError> {
        let mut rest: VecDeque<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
        let Some(last) = rest.pop_back() else {
            return Ok(TreePath::root());
        };
        let mut here = TreePath::root();
        let mut links = 0;
        let wrong = |reason: &str| DebianError::package(package, format!("{path}: {reason}"));
        while let Some(name) = rest.pop_front() {
            if name == b"." || name == b".." {
                here = if name == b".." {
                    here.parent().unwrap_or_default()
                } else {
                    here
                };
                continue;
            }
            let next = here.join(&name);
            match self.entries.get(&next).map(|(entry, _)| &entry.kind) {
                Some(Kind::Symlink { target }) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(wrong("too many levels of symbolic links"));
                    }
                    if target.first() == Some(&b'/') {
                        here = TreePath::root();
                    }
                    let parts = target.split(|&b| b == b'/').filter(|part| !part.is_empty());
                    for part in parts.collect::<Vec<_>>().into_iter().rev() {
                        rest.push_front(part.to_vec());
                    }
                }
                Some(Kind::Directory { .. }) | None => here = next,
                Some(_) => return Err(wrong("a file is in the way")),
            }
        }
        Ok(here.join(&last))
    }

    /// The tree as a listing: of the names of one file the first in order has the content.
    pub(crate) fn finish(self) -> Listing {
        let mut names: BTreeMap<TreePath, Vec<TreePath>> = BTreeMap::new();
        for (path, (entry, _)) in &self.entries {
            if let Kind::Hardlink { target } = &entry.kind {
                names
                    .entry(self.first_name(target))
                    .or_default()
                    .push(path.clone());
            }
        }
        let mut entries: BTreeMap<TreePath, Entry> = self
            .entries
            .into_iter()
            .map(|(path, (entry, _))| (path, entry))
            .collect();
        for (content, mut links) in names {
            let Some(file) = entries.get(&content).cloned() else {
                continue;
            };
            links.push(content);
            links.sort();
            for (index, path) in links.iter().enumerate() {
                let kind = match index {
                    0 => file.kind.clone(),
                    _ => Kind::Hardlink {
                        target: links[0].clone(),
                    },
                };
                entries.insert(
                    path.clone(),
                    Entry {
                        path: path.clone(),
                        kind,
                        ..file.clone()
                    },
                );
            }
        }
        Listing::new(entries.into_values().collect())
    }

    fn first_name(&self, path: &TreePath) -> TreePath {
        match self.entries.get(path).map(|(entry, _)| &entry.kind) {
            Some(Kind::Hardlink { target }) if target != path => self.first_name(target),
            _ => path.clone(),
        }
    }
}

/// Whether `one` may overwrite files of `other`.
fn replaces(one: &Unpacked, other: &Unpacked) -> bool {
    let relations = parse_relations(one.control.get("Replaces").unwrap_or_default()).unwrap_or_default();
    let Ok(version) = other.package.version.parse() else {
        return false;
    };
    relations
        .iter()
        .flatten()
        .any(|named| named.name == other.package.name && named.accepts(&version))
}
