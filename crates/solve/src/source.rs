//! Where COPY, ADD and bind mounts take files from.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;

use praxis_layer::{Timestamp, TreePath};
use praxis_oci::Digest;

use crate::SolveError;
use crate::context::ContextDirectory;
use crate::layers::LayerHandle;
use crate::view::{Look, View};

/// What a source entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeKind {
    Directory,
    File { size: u64 },
    Symlink { target: Vec<u8> },
    Character { major: u32, minor: u32 },
    Block { major: u32, minor: u32 },
    Fifo,
}

/// What all names of one file have in common, within one source.
pub(crate) type Inode = (u64, Vec<u8>);

/// One entry of a source, as it will be copied.
#[derive(Clone, Debug)]
pub(crate) struct SourceNode {
    pub kind: NodeKind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub mtime: Timestamp,
    /// A pointer like the next: few files have any, and there may be hundreds of thousands in memory.
    pub xattrs: Option<Arc<BTreeMap<Vec<u8>, Vec<u8>>>>,
    /// Same for all names of one file, for files that may have several.
    pub inode: Option<Box<Inode>>,
}

impl SourceNode {
    pub fn is_directory(&self) -> bool {
        self.kind == NodeKind::Directory
    }
}

/// A file of a source: where it is and how long. Of many files there is one path in memory, not two.
#[derive(Clone, Copy)]
pub(crate) struct FileAt<'a> {
    pub directory: &'a TreePath,
    /// Below `directory`; the root means `directory` itself.
    pub relative: &'a TreePath,
    pub size: u64,
}

impl FileAt<'_> {
    pub fn path(&self) -> TreePath {
        self.directory.join_path(self.relative)
    }
}

/// A tree to copy from. Paths given are resolved (no links in parents).
pub(crate) trait SourceTree: Sync {
    /// What is at `path`, not following a link.
    fn node(&self, path: &TreePath) -> Result<Option<SourceNode>, SolveError>;
    /// Names in the directory at `path`, sorted.
    fn children(&self, path: &TreePath) -> Result<Vec<Vec<u8>>, SolveError>;
    /// Digests of `files`, in order.
    fn digests(&self, files: &[FileAt<'_>]) -> Result<Vec<Digest>, SolveError>;
    /// How to read the file at `path` later.
    fn content(&self, path: &TreePath) -> Result<Content, SolveError>;
    /// How to name this source in messages.
    fn describe(&self) -> String;
}

/// [`View`] of a source, for following links.
pub(crate) struct SourceView<'a>(pub &'a dyn SourceTree);

impl View for SourceView<'_> {
    fn look(&self, path: &TreePath) -> Result<Look, SolveError> {
        Ok(match self.0.node(path)?.map(|node| node.kind) {
            None => Look::Nothing,
            Some(NodeKind::Directory) => Look::Directory,
            Some(NodeKind::Symlink { target }) => Look::Link(target),
            Some(_) => Look::Other,
        })
    }
}

/// Where the bytes of a file are.
#[derive(Clone)]
pub(crate) enum Content {
    /// In memory (heredocs, small generated files).
    Bytes(Arc<[u8]>),
    /// In the build context.
    Context(Arc<ContextDirectory>, TreePath),
    /// In a layer.
    Layer(Arc<LayerHandle>, TreePath),
    /// With a source of its own.
    Shared(
        Arc<dyn praxis_layer::ContentSource + Send>,
        Arc<praxis_layer::Entry>,
    ),
    /// A range of a file that stays as long as this lives.
    Range {
        file: Arc<KeptFile>,
        offset: u64,
        length: u64,
    },
}

/// A file in a scratch directory.
pub(crate) struct KeptFile {
    pub path: PathBuf,
    pub _keeper: Arc<praxis_store::Scratch>,
}

impl Content {
    /// Opens the bytes.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        match self {
            Content::Bytes(bytes) => Ok(Box::new(Cursor::new(bytes.clone()))),
            Content::Context(context, path) => Ok(Box::new(context.open_file(path)?)),
            Content::Layer(layer, path) => layer.open(path),
            Content::Shared(source, entry) => {
                // The source outlives no reader it gave out: read small files whole.
                let mut bytes = Vec::new();
                source.open(entry)?.read_to_end(&mut bytes)?;
                Ok(Box::new(Cursor::new(bytes)))
            }
            Content::Range { file, offset, length } => {
                let mut open = File::open(&file.path)?;
                io::Seek::seek(&mut open, io::SeekFrom::Start(*offset))?;
                Ok(Box::new(open.take(*length)))
            }
        }
    }
}
