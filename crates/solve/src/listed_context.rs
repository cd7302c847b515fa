//! A context as a list of entries: what a directory is to a build elsewhere, and that list as a context there.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::sync::Arc;

use praxis_layer::{Entry, Kind, Listing, Timestamp, TreePath};
use praxis_oci::Digest;
use praxis_store::Scratch;

use crate::context::ContextDirectory;
use crate::layers::Workshop;
use crate::source::{Content, FileAt, KeptFile, NodeKind, SourceTree};
use crate::{ArchiveContext, SolveError, Workplace};

impl ContextDirectory {
    /// Everything that exists for the build, in the order of layers, with its own times and without owners. Further
    /// names of a file are links to the first.
    ///
    /// # Errors
    /// If something cannot be read, or changes meanwhile.
    pub fn entries(self: &Arc<ContextDirectory>) -> Result<Vec<Entry>, SolveError> {
        let mut entries = Vec::new();
        let mut first = HashMap::new();
        self.add_entries(&TreePath::root(), &mut entries, &mut first)?;
        let root = TreePath::root();
        let sizes = entries.iter().filter_map(|entry: &Entry| match entry.kind {
            Kind::File { size, .. } => Some((&entry.path, size)),
            _ => None,
        });
        let files: Vec<FileAt<'_>> = sizes
            .map(|(path, size)| FileAt {
                directory: path,
                relative: &root,
                size,
            })
            .collect();
        let mut digests = self.digests(&files)?.into_iter();
        for entry in &mut entries {
            if let Kind::File { content, .. } = &mut entry.kind {
                *content = digests.next().unwrap_or(*content);
            }
        }
        Ok(entries)
    }

    fn add_entries(
        self: &Arc<ContextDirectory>,
        directory: &TreePath,
        entries: &mut Vec<Entry>,
        first: &mut HashMap<crate::source::Inode, TreePath>,
    ) -> Result<(), SolveError> {
        for name in self.children(directory)? {
            let path = directory.join(&name);
            let Some(node) = self.node(&path)? else { continue };
            let earlier = node.inode.as_ref().and_then(|inode| first.get(inode.as_ref()));
            let kind = match (node.kind, earlier) {
                (NodeKind::File { .. }, Some(target)) => Kind::Hardlink {
                    target: target.clone(),
                },
                (NodeKind::File { size }, None) => Kind::File {
                    size,
                    content: Digest::of(b""),
                },
                (NodeKind::Directory, _) => Kind::Directory { opaque: false },
                (NodeKind::Symlink { target }, _) => Kind::Symlink { target },
                (NodeKind::Fifo, _) => Kind::Fifo,
                (NodeKind::Character { major, minor }, _) => Kind::Character { major, minor },
                (NodeKind::Block { major, minor }, _) => Kind::Block { major, minor },
            };
            if let (Some(inode), Kind::File { .. }) = (node.inode, &kind) {
                first.insert(*inode, path.clone());
            }
            let is_directory = matches!(kind, Kind::Directory { .. });
            entries.push(Entry::new(path.clone(), kind, node.mode, node.mtime));
            if is_directory {
                self.add_entries(&path, entries, first)?;
            }
        }
        Ok(())
    }

    /// The content of a file, never through a link.
    ///
    /// # Errors
    /// If it is no regular file any more, or cannot be read.
    pub fn read_file(&self, path: &TreePath) -> io::Result<impl Read + Send + use<>> {
        self.open_file(path)
    }
}

impl ArchiveContext {
    /// A context of `entries`, which are in the order of layers and hold all directories that others are in. The content
    /// of a file is in `files`, under its digest. With `times`, all files get that time.
    ///
    /// # Errors
    /// If the store cannot take the list.
    pub fn listed(
        workplace: &Workplace,
        entries: Vec<Entry>,
        files: &Arc<Scratch>,
        times: Option<Timestamp>,
    ) -> Result<ArchiveContext, SolveError> {
        let mut kept: BTreeMap<Digest, Arc<KeptFile>> = BTreeMap::new();
        let mut contents = HashMap::new();
        for entry in &entries {
            if let Kind::File { size, content } = entry.kind {
                let file = kept.entry(content).or_insert_with(|| {
                    Arc::new(KeptFile {
                        path: files.path().join(content.hex()),
                        _keeper: files.clone(),
                    })
                });
                let range = Content::Range {
                    file: file.clone(),
                    offset: 0,
                    length: size,
                };
                contents.insert(entry.path.clone(), range);
            }
        }
        ArchiveContext::of_listing(&Workshop::of(workplace), Listing::new(entries), contents, times)
    }
}
