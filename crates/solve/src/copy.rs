//! COPY and ADD of files: what BuildKit's copier does, on listings.

use std::collections::HashMap;

use praxis_layer::{Entry, Kind, TreePath};
use praxis_oci::Digest;

use crate::SolveError;
use crate::draft::{Draft, Made};
use crate::mode::ModeChange;
use crate::select::Selected;
use crate::source::{Content, Inode, NodeKind, SourceNode, SourceTree};

/// Where and how to copy.
pub(crate) struct Placement<'a> {
    /// Absolute destination as written, with a slash at the end if it is a directory.
    pub destination: &'a str,
    pub owner: Option<(u32, u32)>,
    pub mode: Option<&'a ModeChange>,
}

impl Placement<'_> {
    pub fn made(&self) -> Made {
        let mode = match self.mode {
            Some(ModeChange::Octal(bits)) => Some(*bits),
            _ => None,
        };
        Made {
            owner: self.owner,
            mode,
        }
    }

    /// Makes the parents of the destination, or the destination itself if it was written as a directory, and
    /// returns where the destination leads.
    pub fn prepare(&self, draft: &mut Draft<'_>) -> Result<TreePath, SolveError> {
        let written = self.destination.as_bytes();
        let parent = match written.iter().rposition(|&b| b == b'/') {
            Some(cut) => &written[..=cut],
            None => b"/",
        };
        let parent = draft.resolve(parent)?;
        draft.make_directories(&parent, self.made())?;
        draft.resolve(written)
    }
}

/// After so many files the memory of the selection is given back.
const SHRINK_EVERY: usize = 16 << 10;

/// Copies one selected file or directory.
pub(crate) fn copy(
    draft: &mut Draft<'_>,
    tree: &dyn SourceTree,
    selected: &mut Selected,
    placement: &Placement<'_>,
) -> Result<(), SolveError> {
    let mut target = placement.prepare(draft)?;
    let into = draft.seen(&target);
    let source_is_directory = selected.node.is_directory();
    if !source_is_directory
        && into.as_ref().is_some_and(|seen| seen.is_directory())
        && !selected.name.is_empty()
    {
        target = target.join(&selected.name);
    }
    let ensure = if source_is_directory && into.is_none() {
        Some(target.clone())
    } else {
        target.parent()
    };
    if let Some(directory) = ensure {
        draft.make_directories(&directory, placement.made())?;
    }
    let mut copier = Copier {
        draft,
        tree,
        placement,
        groups: HashMap::new(),
    };
    if !source_is_directory {
        return copier.file(target, &selected.path, &selected.node, selected.digest);
    }
    if !copier.draft.seen(&target).is_some_and(|seen| seen.is_directory()) {
        return Err(SolveError::user(format!(
            "cannot copy to non-directory: {target}"
        )));
    }
    // What is copied is not needed as a selection any more: there may be hundreds of thousands of files.
    let mut left = std::mem::take(&mut selected.inside);
    left.reverse();
    while let Some(entry) = left.pop() {
        if left.len().is_multiple_of(SHRINK_EVERY) {
            left.shrink_to_fit();
        }
        let place = target.join_path(&entry.relative);
        if entry.node.is_directory() {
            copier.directory(place, &entry.node)?;
        } else {
            let path = selected.path.join_path(&entry.relative);
            copier.file(place, &path, &entry.node, entry.digest)?;
        }
    }
    // The time of a directory is restored after its contents were written, also where it was there before.
    // The root of a source has no time of its own.
    if !selected.path.is_root() {
        let mtime = copier.draft.clamp(selected.node.mtime);
        copier.draft.touch_directory(&target, mtime);
    }
    Ok(())
}

struct Copier<'a, 't> {
    draft: &'a mut Draft<'t>,
    tree: &'a dyn SourceTree,
    placement: &'a Placement<'a>,
    groups: HashMap<Inode, u64>,
}

impl Copier<'_, '_> {
    fn entry(&self, place: TreePath, node: &SourceNode, kind: Kind) -> Entry {
        let mut entry = Entry::new(place, kind, node.mode, self.draft.clamp(node.mtime));
        (entry.uid, entry.gid) = self.placement.owner.unwrap_or((node.uid, node.gid));
        entry.xattrs = node.xattrs.as_deref().cloned().unwrap_or_default();
        if let (Some(change), false) = (self.placement.mode, matches!(entry.kind, Kind::Symlink { .. })) {
            entry.mode = change.apply(node.mode, node.is_directory());
        }
        entry
    }

    fn directory(&mut self, place: TreePath, node: &SourceNode) -> Result<(), SolveError> {
        if self.draft.seen(&place).is_some_and(|seen| !seen.is_directory()) {
            return Err(SolveError::user(format!("cannot copy to non-directory: {place}")));
        }
        let entry = self.entry(place, node, Kind::Directory { opaque: false });
        self.draft.put(entry, None, None);
        Ok(())
    }

    fn file(
        &mut self,
        place: TreePath,
        path: &TreePath,
        node: &SourceNode,
        digest: Option<Digest>,
    ) -> Result<(), SolveError> {
        if self.draft.seen(&place).is_some_and(|seen| seen.is_directory()) {
            return Err(SolveError::user(format!(
                "cannot replace to directory {place} with file"
            )));
        }
        let kind = match &node.kind {
            NodeKind::File { size } => Kind::File {
                size: *size,
                content: digest.unwrap_or_else(|| Digest::of(b"")),
            },
            NodeKind::Symlink { target } => Kind::Symlink {
                target: target.clone(),
            },
            NodeKind::Character { major, minor } => Kind::Character {
                major: *major,
                minor: *minor,
            },
            NodeKind::Block { major, minor } => Kind::Block {
                major: *major,
                minor: *minor,
            },
            NodeKind::Fifo => Kind::Fifo,
            NodeKind::Directory => return Err(SolveError::internal("a directory copied as a file")),
        };
        let content = match &kind {
            Kind::File { size, .. } if *size > 0 => Some(self.tree.content(path)?),
            Kind::File { .. } => Some(Content::Bytes(Vec::new().into())),
            _ => None,
        };
        let group = node.inode.as_deref().map(|inode| self.group(inode.clone()));
        let entry = self.entry(place, node, kind);
        self.draft.put(entry, content, group);
        Ok(())
    }

    /// Groups are unique over all sources of a draft: names are linked within one source only.
    fn group(&mut self, inode: Inode) -> u64 {
        let next = self.draft.next_group();
        *self.groups.entry(inode).or_insert(next)
    }
}
