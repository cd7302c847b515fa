//! Bind mounts: the part of a context, stage or image that a RUN step sees, as a layer of its own.
//!
//! The selection becomes a listing and a snapshot in the store, named by its content. RUN never sees the host's
//! context directory, only that copy; what it writes goes to an overlay that is thrown away.

use std::path::PathBuf;
use std::sync::Arc;

use praxis_layer::{Timestamp, Tree, TreePath};
use praxis_oci::{Digest, Hasher};
use praxis_plan::Origin;
use praxis_sandbox::{Mount, Source};

use crate::SolveError;
use crate::copy::{Placement, copy};
use crate::draft::Draft;
use crate::layers::{LayerHandle, Workshop};
use crate::select::{SelectOptions, Selected, add_to_key, select};
use crate::source::{NodeKind, SourceTree, SourceView};
use crate::view::resolve;

/// Finds the tree behind an origin.
pub(crate) trait Origins {
    fn tree(&self, origin: &Origin) -> Result<Box<dyn SourceTree + '_>, SolveError>;
}

/// Makes bind mounts.
pub(crate) struct BindMaker<'a> {
    pub workshop: &'a Arc<Workshop>,
    pub origins: &'a dyn Origins,
}

/// A bound part of a tree.
pub(crate) struct BoundTree {
    pub key: Digest,
    layer: Arc<LayerHandle>,
    is_directory: bool,
}

impl BindMaker<'_> {
    pub fn bind(&self, origin: &Origin, source: &str) -> Result<BoundTree, SolveError> {
        let tree = self.origins.tree(origin)?;
        let mut selected = match select_exactly(tree.as_ref(), source)? {
            Some(selected) => selected,
            None => {
                return Err(SolveError::user(format!(
                    "mount source {source}: not found in {}",
                    tree.describe()
                )));
            }
        };
        let mut hasher = Hasher::new();
        add_to_key(std::slice::from_ref(&selected), &mut hasher);
        let is_directory = selected.node.is_directory();
        if !is_directory && !matches!(selected.node.kind, NodeKind::File { .. }) {
            let where_ = tree.describe();
            return Err(SolveError::user(format!(
                "mount source {source}: neither a file nor a directory in {where_}"
            )));
        }
        let empty = Tree::new();
        let late = Timestamp::seconds(i64::MAX);
        let mut draft = Draft::new(&empty, late, false);
        let place = Placement {
            destination: if is_directory { "/bound" } else { "/file" },
            owner: None,
            mode: None,
        };
        copy(&mut draft, tree.as_ref(), &mut selected, &place)?;
        let (listing, content) = with_top(draft, &selected, is_directory);
        let layer = LayerHandle::made(self.workshop, listing, content, None)?;
        Ok(BoundTree {
            key: hasher.finish(),
            layer: Arc::new(layer),
            is_directory,
        })
    }
}

/// The bound directory itself keeps the mode and owner of its source.
fn with_top(
    draft: Draft<'_>,
    selected: &Selected,
    is_directory: bool,
) -> (
    praxis_layer::Listing,
    std::collections::HashMap<TreePath, crate::source::Content>,
) {
    let (listing, content) = draft.finish();
    let mut entries = listing.entries().to_vec();
    for entry in entries
        .iter_mut()
        .filter(|entry| is_directory && entry.path.as_bytes() == b"bound")
    {
        (entry.mode, entry.uid, entry.gid) = (selected.node.mode, selected.node.uid, selected.node.gid);
        entry.mtime = selected.node.mtime;
    }
    (praxis_layer::Listing::new(entries), content)
}

fn select_exactly(tree: &dyn SourceTree, source: &str) -> Result<Option<Selected>, SolveError> {
    let path = resolve(&SourceView(tree), source.as_bytes(), true)?;
    if tree.node(&path)?.is_none() {
        return Ok(None);
    }
    // The path is resolved and literal: keep `select` from reading patterns in it.
    let mut escaped = String::new();
    for letter in String::from_utf8_lossy(path.as_bytes()).chars() {
        if "*?[\\".contains(letter) {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    Ok(select(tree, &escaped, &SelectOptions::default())?
        .into_iter()
        .next())
}

impl BoundTree {
    /// The directory or file on the host that holds the copy.
    pub fn path(&self) -> Result<PathBuf, SolveError> {
        Ok(self
            .layer
            .plain_snapshot()?
            .join(if self.is_directory { "bound" } else { "file" }))
    }

    pub fn is_directory(&self) -> bool {
        self.is_directory
    }

    /// How it is mounted; `number` makes names in `scratch` unique.
    pub fn mount(
        &self,
        target: PathBuf,
        writable: bool,
        scratch: &praxis_store::Scratch,
        number: usize,
    ) -> Result<Mount, SolveError> {
        let path = self.path()?;
        if !writable {
            return Ok(Mount::Bind {
                source: Source::Path(path),
                target,
                writable: false,
            });
        }
        if !self.is_directory {
            let copy = scratch.path().join(format!("file-{number}"));
            std::fs::copy(&path, &copy).map_err(SolveError::io("copy", &path))?;
            return Ok(Mount::Bind {
                source: Source::Path(copy),
                target,
                writable: true,
            });
        }
        let upper = scratch.directory(&format!("upper-{number}"))?;
        let metadata = std::fs::metadata(&path).map_err(SolveError::io("read", &path))?;
        std::fs::set_permissions(&upper, metadata.permissions())
            .map_err(SolveError::io("set the mode of", &upper))?;
        let work = scratch.directory(&format!("work-{number}"))?;
        Ok(Mount::Overlay {
            lower: vec![path],
            upper,
            work,
            target,
        })
    }
}
