//! A source that is one file: a here-document or a download.

use praxis_layer::{Timestamp, TreePath};
use praxis_oci::Digest;

use crate::SolveError;
use crate::source::{Content, FileAt, NodeKind, SourceNode, SourceTree};

/// One file with a name.
pub(crate) struct SingleFile {
    pub name: Vec<u8>,
    pub node: SourceNode,
    pub digest: Digest,
    pub content: Content,
}

impl SingleFile {
    pub fn new(
        name: &[u8],
        size: u64,
        mode: u32,
        mtime: Timestamp,
        digest: Digest,
        content: Content,
    ) -> SingleFile {
        let node = SourceNode {
            kind: NodeKind::File { size },
            mode,
            uid: 0,
            gid: 0,
            mtime,
            xattrs: Default::default(),
            inode: None,
        };
        SingleFile {
            name: name.to_vec(),
            node,
            digest,
            content,
        }
    }

    /// A here-document: mode 0644, the time of the build.
    pub fn inline(name: &str, text: &str, epoch: Timestamp) -> SingleFile {
        let bytes = text.as_bytes();
        let content = Content::Bytes(bytes.into());
        SingleFile::new(
            name.as_bytes(),
            bytes.len() as u64,
            0o644,
            epoch,
            Digest::of(bytes),
            content,
        )
    }

    /// The file as a selection.
    pub fn selected(&self) -> crate::select::Selected {
        crate::select::Selected {
            name: self.name.clone(),
            path: TreePath::root().join(b"file"),
            node: self.node.clone(),
            digest: Some(self.digest),
            inside: Vec::new(),
        }
    }
}

impl SourceTree for SingleFile {
    fn node(&self, path: &TreePath) -> Result<Option<SourceNode>, SolveError> {
        Ok((path.as_bytes() == b"file").then(|| self.node.clone()))
    }

    fn children(&self, _: &TreePath) -> Result<Vec<Vec<u8>>, SolveError> {
        Ok(vec![b"file".to_vec()])
    }

    fn digests(&self, files: &[FileAt<'_>]) -> Result<Vec<Digest>, SolveError> {
        Ok(vec![self.digest; files.len()])
    }

    fn content(&self, _: &TreePath) -> Result<Content, SolveError> {
        Ok(self.content.clone())
    }

    fn describe(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }
}
