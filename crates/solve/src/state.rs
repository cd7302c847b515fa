//! What a stage is at one point: its layers, and the tree they make.

use std::io::Read;
use std::sync::Arc;

use praxis_layer::{Kind, Node, Tree, TreePath};
use praxis_oci::{Digest, Hasher};

use crate::SolveError;
use crate::layers::LayerHandle;
use crate::source::{Content, FileAt, NodeKind, SourceNode, SourceTree};
use crate::user::{Accounts, LIMIT};
use crate::view::{Look, View, resolve};

/// The layers of a stage, lowest first. The tree is built, and carried on to further layers, when it is needed.
#[derive(Clone, Default)]
pub(crate) struct State {
    layers: Vec<Arc<LayerHandle>>,
    tree: Arc<Tree>,
    /// How many of the layers are in the tree.
    merged: usize,
}

impl State {
    pub fn layers(&self) -> &[Arc<LayerHandle>] {
        &self.layers
    }

    /// Digest of the ids of all layers: the same content has the same identity.
    pub fn identity(&self) -> Digest {
        let mut hasher = Hasher::new();
        hasher.field(b"state");
        for layer in &self.layers {
            hasher.update(layer.id().as_bytes());
        }
        hasher.finish()
    }

    /// Adds a layer on top.
    pub fn push(&mut self, layer: Arc<LayerHandle>) {
        self.layers.push(layer);
    }

    /// The merged tree.
    pub fn tree(&mut self) -> Result<Arc<Tree>, SolveError> {
        while self.merged < self.layers.len() {
            let listing = self.layers[self.merged].listing()?;
            Arc::make_mut(&mut self.tree).apply(self.merged, &listing);
            self.merged += 1;
        }
        Ok(self.tree.clone())
    }

    /// The state as a source of files, called `name` in messages.
    pub fn source(&mut self, name: String) -> Result<StateSource, SolveError> {
        Ok(StateSource {
            tree: self.tree()?,
            layers: self.layers.clone(),
            name,
        })
    }

    /// The image's own user and group files; empty where they are missing or no regular files.
    pub fn accounts(&mut self) -> Result<Accounts, SolveError> {
        let source = self.source(String::new())?;
        Ok(Accounts {
            passwd: source.small_file(b"/etc/passwd")?,
            group: source.small_file(b"/etc/group")?,
        })
    }
}

/// A state as a source of files.
pub(crate) struct StateSource {
    tree: Arc<Tree>,
    layers: Vec<Arc<LayerHandle>>,
    name: String,
}

impl StateSource {
    fn small_file(&self, path: &[u8]) -> Result<Vec<u8>, SolveError> {
        let path = resolve(self, path, true)?;
        let Some(node) = self.tree.get(&path) else {
            return Ok(Vec::new());
        };
        let Kind::File { size, .. } = node.kind else {
            return Ok(Vec::new());
        };
        if size > LIMIT {
            return Err(SolveError::user(format!(
                "{path} of the image is {size} bytes long, more than {LIMIT}"
            )));
        }
        let mut bytes = Vec::new();
        if size > 0 {
            let reader = self.content(&path)?.open();
            let read = reader.and_then(|mut reader| reader.read_to_end(&mut bytes));
            read.map_err(|error| {
                SolveError::environment(format!("cannot read {path} of the image: {error}"))
            })?;
        }
        Ok(bytes)
    }

    fn node_of(&self, path: &TreePath, node: &Node) -> SourceNode {
        let kind = match &node.kind {
            Kind::Directory { .. } => NodeKind::Directory,
            Kind::Symlink { target } => NodeKind::Symlink {
                target: target.clone(),
            },
            Kind::Character { major, minor } => NodeKind::Character {
                major: *major,
                minor: *minor,
            },
            Kind::Block { major, minor } => NodeKind::Block {
                major: *major,
                minor: *minor,
            },
            Kind::Fifo => NodeKind::Fifo,
            Kind::File { size, .. } => NodeKind::File { size: *size },
            Kind::Hardlink { .. } | Kind::Whiteout => NodeKind::File { size: 0 },
        };
        let first = node.first_name.as_ref().unwrap_or(path);
        let inode = matches!(kind, NodeKind::File { .. })
            .then(|| Box::new((node.layer as u64, first.as_bytes().to_vec())));
        SourceNode {
            kind,
            mode: node.mode,
            uid: node.uid,
            gid: node.gid,
            mtime: node.mtime,
            xattrs: (!node.xattrs.is_empty()).then(|| Arc::new(node.xattrs.clone())),
            inode,
        }
    }
}

impl View for StateSource {
    fn look(&self, path: &TreePath) -> Result<Look, SolveError> {
        Ok(match self.tree.get(path).map(|node| &node.kind) {
            None => Look::Nothing,
            Some(Kind::Directory { .. }) => Look::Directory,
            Some(Kind::Symlink { target }) => Look::Link(target.clone()),
            Some(_) => Look::Other,
        })
    }
}

impl SourceTree for StateSource {
    fn node(&self, path: &TreePath) -> Result<Option<SourceNode>, SolveError> {
        Ok(self.tree.get(path).map(|node| self.node_of(path, node)))
    }

    fn children(&self, path: &TreePath) -> Result<Vec<Vec<u8>>, SolveError> {
        Ok(self.tree.children(path).map(|(name, _)| name.to_vec()).collect())
    }

    fn digests(&self, files: &[FileAt<'_>]) -> Result<Vec<Digest>, SolveError> {
        Ok(files
            .iter()
            .map(|file| match self.tree.get(&file.path()).map(|node| &node.kind) {
                Some(Kind::File { content, .. }) => *content,
                _ => Digest::of(b""),
            })
            .collect())
    }

    fn content(&self, path: &TreePath) -> Result<Content, SolveError> {
        let node = self
            .tree
            .get(path)
            .ok_or_else(|| SolveError::internal(format!("{path} is gone")))?;
        let first = node.first_name.clone().unwrap_or_else(|| path.clone());
        Ok(Content::Layer(self.layers[node.layer].clone(), first))
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}
