//! Contexts that are no directories: an archive, or one file at an address.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use praxis_layer::{Entry, Kind, Listing, Timestamp, Tree, TreePath};
use praxis_oci::Digest;

use crate::archive;
use crate::context::ContextDirectory;
use crate::copy::Placement;
use crate::download::download;
use crate::draft::Draft;
use crate::layers::{LayerHandle, Workshop};
use crate::remote::Access;
use crate::source::{Content, FileAt, NodeKind, SourceNode, SourceTree, SourceView};
use crate::state::{State, StateSource};
use crate::view::resolve;
use crate::{SolveError, Workplace};

/// The name of a lone file at an address, as a context.
const LONE_FILE: &[u8] = b"context";

/// Where COPY, ADD and mounts take files from that no stage or image has.
#[derive(Clone)]
pub enum Context {
    /// A directory.
    Directory(Arc<ContextDirectory>),
    /// What an archive held.
    Archive(Arc<ArchiveContext>),
}

/// What an archive held, with the owners, modes and times it has there. Nothing of it is on disk under its own
/// name, so that no name in it can lead anywhere.
pub struct ArchiveContext {
    files: StateSource,
    times: Option<Timestamp>,
}

/// What was at an address.
pub struct FetchedAddress {
    /// Its files.
    pub context: ArchiveContext,
    /// Whether it was an archive; else the one file is called `context`.
    pub is_archive: bool,
}

impl ArchiveContext {
    /// Reads an archive in any compression that ADD takes, of which `head` is the beginning; `None`, with `rest` not
    /// touched, if that is no archive. With `times`, all files get that time.
    ///
    /// # Errors
    /// If it is damaged, or a name in it is absolute or climbs.
    pub fn unpack(
        workplace: &Workplace,
        head: &[u8],
        rest: &mut (dyn Read + Send),
        name: &str,
        times: Option<Timestamp>,
    ) -> Result<Option<ArchiveContext>, SolveError> {
        if !praxis_layer::is_archive(head) {
            return Ok(None);
        }
        ArchiveContext::of(&Workshop::of(workplace), head.chain(rest), name, times).map(Some)
    }

    fn of(
        workshop: &Arc<Workshop>,
        reader: impl Read + Send,
        name: &str,
        times: Option<Timestamp>,
    ) -> Result<ArchiveContext, SolveError> {
        let empty = Tree::new();
        let mut draft = Draft::new(&empty, Timestamp::seconds(i64::MAX), false);
        let placement = Placement {
            destination: "/",
            owner: None,
            mode: None,
        };
        archive::unpack_from(workshop, &mut draft, reader, name, &placement)?;
        ArchiveContext::made(workshop, draft, times)
    }

    fn made(
        workshop: &Arc<Workshop>,
        draft: Draft<'_>,
        times: Option<Timestamp>,
    ) -> Result<ArchiveContext, SolveError> {
        let (listing, content) = draft.finish();
        ArchiveContext::of_listing(workshop, listing, content, times)
    }

    pub(crate) fn of_listing(
        workshop: &Arc<Workshop>,
        listing: Listing,
        content: HashMap<TreePath, Content>,
        times: Option<Timestamp>,
    ) -> Result<ArchiveContext, SolveError> {
        let mut state = State::default();
        state.push(Arc::new(LayerHandle::made(workshop, listing, content, None)?));
        Ok(ArchiveContext {
            files: state.source("the build context".into())?,
            times,
        })
    }

    /// The content of the file at `path`, links followed inside the context; `None` if there is none.
    ///
    /// # Errors
    /// If it is no regular file, or longer than `limit`.
    pub fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, SolveError> {
        let real = resolve(&SourceView(&self.files), path.as_bytes(), true)?;
        let Some(node) = self.files.node(&real)? else {
            return Ok(None);
        };
        match node.kind {
            NodeKind::File { size } if size <= limit => {}
            NodeKind::File { size } => {
                return Err(SolveError::user(format!(
                    "{path} of the build context is {size} bytes long, more than {limit}"
                )));
            }
            _ => {
                return Err(SolveError::user(format!(
                    "{path} of the build context is not a file"
                )));
            }
        }
        let mut bytes = Vec::new();
        if node.kind != (NodeKind::File { size: 0 }) {
            let reader = self.files.content(&real)?.open();
            let read = reader.and_then(|mut reader| reader.read_to_end(&mut bytes));
            read.map_err(|error| {
                SolveError::environment(format!("cannot read {path} of the build context: {error}"))
            })?;
        }
        Ok(Some(bytes))
    }
}

/// Downloads `url` and reads it as a context.
///
/// # Errors
/// If it cannot be had, or is a damaged archive.
pub fn fetch_address(
    workplace: &Workplace,
    url: &str,
    access: &Access<'_>,
    times: Option<Timestamp>,
) -> Result<FetchedAddress, SolveError> {
    let workshop = Workshop::of(workplace);
    let file = download(&workshop, access.site, url, times.unwrap_or_default())?;
    if archive::is_archive(&file.content)? {
        let reader = file.content.open();
        let reader =
            reader.map_err(|error| SolveError::environment(format!("cannot read {url}: {error}")))?;
        return Ok(FetchedAddress {
            context: ArchiveContext::of(&workshop, reader, url, times)?,
            is_archive: true,
        });
    }
    let NodeKind::File { size } = file.node.kind else {
        return Err(SolveError::internal("a download is a file"));
    };
    let empty = Tree::new();
    let mut draft = Draft::new(&empty, Timestamp::seconds(i64::MAX), false);
    let kind = Kind::File {
        size,
        content: file.digest,
    };
    let path = TreePath::root().join(LONE_FILE);
    draft.put(
        Entry::new(path, kind, file.node.mode, file.node.mtime),
        Some(file.content),
        None,
    );
    Ok(FetchedAddress {
        context: ArchiveContext::made(&workshop, draft, times)?,
        is_archive: false,
    })
}

impl SourceTree for ArchiveContext {
    fn node(&self, path: &TreePath) -> Result<Option<SourceNode>, SolveError> {
        let node = self.files.node(path)?;
        Ok(node.map(|node| SourceNode {
            mtime: self.times.unwrap_or(node.mtime),
            ..node
        }))
    }

    fn children(&self, path: &TreePath) -> Result<Vec<Vec<u8>>, SolveError> {
        self.files.children(path)
    }

    fn digests(&self, files: &[FileAt<'_>]) -> Result<Vec<Digest>, SolveError> {
        self.files.digests(files)
    }

    fn content(&self, path: &TreePath) -> Result<Content, SolveError> {
        self.files.content(path)
    }

    fn describe(&self) -> String {
        self.files.describe()
    }
}

impl Context {
    fn tree(&self) -> &dyn SourceTree {
        match self {
            Context::Directory(directory) => directory,
            Context::Archive(archive) => archive.as_ref(),
        }
    }
}

impl SourceTree for Context {
    fn node(&self, path: &TreePath) -> Result<Option<SourceNode>, SolveError> {
        self.tree().node(path)
    }

    fn children(&self, path: &TreePath) -> Result<Vec<Vec<u8>>, SolveError> {
        self.tree().children(path)
    }

    fn digests(&self, files: &[FileAt<'_>]) -> Result<Vec<Digest>, SolveError> {
        self.tree().digests(files)
    }

    fn content(&self, path: &TreePath) -> Result<Content, SolveError> {
        self.tree().content(path)
    }

    fn describe(&self) -> String {
        self.tree().describe()
    }
}
