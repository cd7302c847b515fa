//! The side that has the context.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use praxis_layer::{Kind, TreePath};
use praxis_oci::Digest;
use praxis_solve::ContextDirectory;

use super::context::{SentContext, SentDockerfile, SentEntry, sent};
use crate::govern::Origin;
use crate::sources::{OpenContext, dockerfile, head_time};
use crate::{BuildRequest, ContextSource, Engine, EngineError};

/// A context to be sent: its list, and where the files of this machine are.
pub struct Parcel {
    /// What is said of it.
    pub context: SentContext,
    files: BTreeMap<Digest, (Arc<ContextDirectory>, TreePath)>,
}

impl Parcel {
    /// The content of a file, if it is still what it was when the list was made; else that shows in its digest.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(&self, content: &Digest) -> io::Result<Box<dyn Read + Send>> {
        match self.files.get(content) {
            Some((directory, path)) => Ok(Box::new(directory.read_file(path)?)),
            None => Err(io::Error::other(format!("{content} is no file of the context"))),
        }
    }
}

impl Engine {
    /// Reads the contexts of a build as the build itself would, for another machine. Files are hashed, with the help of
    /// what the store remembers, and otherwise left where they are.
    ///
    /// # Errors
    /// If there is no Dockerfile, something cannot be read, or a context is of a kind that is not sent.
    pub fn parcel(&self, request: &BuildRequest) -> Result<Parcel, EngineError> {
        let ContextSource::Directory(directory) = &request.context else {
            return Err(EngineError::user(
                "only a directory of this machine is sent to a build server as a context",
            )
            .with_hint("clone or unpack it here, and build that directory"));
        };
        let (source, path) = dockerfile(request, directory)?;
        let origin = Origin::of(request)?;
        let mut files = BTreeMap::new();
        let entries = self.listed(directory, path.as_deref(), &mut files)?;
        let mut contexts = BTreeMap::new();
        for (name, value) in &request.build_contexts {
            let path = Path::new(value);
            if path.is_dir() {
                contexts.insert(name.clone(), self.listed(path, None, &mut files)?);
            } else if !value.starts_with("docker-image://") {
                return Err(EngineError::user(format!(
                    "--build-context {name}: {value} is not sent to a build server"
                ))
                .with_hint(
                    "directories of this machine are, and docker-image://NAME is found by the server",
                ));
            }
        }
        let context = SentContext {
            dockerfile: SentDockerfile {
                name: source.name().into(),
                text: source.text().into(),
            },
            commit_time: request.context_epoch.or_else(|| head_time(directory)),
            revision: origin.revision,
            source: origin.source,
            policy: origin.policy_text,
            entries,
            contexts,
        };
        context.check()?;
        Ok(Parcel { context, files })
    }

    fn listed(
        &self,
        directory: &Path,
        dockerfile: Option<&Path>,
        files: &mut BTreeMap<Digest, (Arc<ContextDirectory>, TreePath)>,
    ) -> Result<Vec<SentEntry>, EngineError> {
        let store = self.store()?;
        let open = OpenContext::open(&store, directory, dockerfile, None)?;
        let entries = open.directory.entries()?;
        open.remember(&store);
        for entry in &entries {
            if let Kind::File { content, .. } = entry.kind {
                files.insert(content, (open.directory.clone(), entry.path.clone()));
            }
        }
        entries.iter().map(sent).collect()
    }
}
