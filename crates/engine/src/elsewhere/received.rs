//! The side that builds.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use praxis_layer::Timestamp;
use praxis_oci::Digest;
use praxis_solve::{ArchiveContext, Workplace};
use praxis_source::SourceFile;
use praxis_store::{Scratch, Store};

use super::context::{SentContext, checked};
use crate::{Engine, EngineError};

/// A context that a client sent, whole.
#[derive(Clone)]
pub struct Received(Arc<Inner>);

struct Inner {
    client: String,
    context: SentContext,
    files: Arc<Scratch>,
    /// Scratch directories last as long as the store is open.
    _store: Arc<Store>,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Received").field(&self.0.client).finish()
    }
}

impl PartialEq for Received {
    fn eq(&self, other: &Received) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Received {
    /// Who sent it.
    pub fn client(&self) -> &str {
        &self.0.client
    }

    /// How records name it.
    pub(crate) fn place(&self) -> String {
        format!("sent by {}", self.client())
    }

    /// What was said of it.
    pub fn context(&self) -> &SentContext {
        &self.0.context
    }

    pub(crate) fn dockerfile(&self) -> SourceFile {
        let dockerfile = &self.0.context.dockerfile;
        SourceFile::new(dockerfile.name.clone(), dockerfile.text.clone())
    }

    /// The main context, or the one of this name. Nothing of it gets the name that it had where it comes from.
    pub(crate) fn tree(
        &self,
        name: Option<&str>,
        workplace: &Workplace,
        times: Option<Timestamp>,
    ) -> Result<ArchiveContext, EngineError> {
        let context = &self.0.context;
        let list = match name {
            None => &context.entries,
            Some(name) => &context.contexts[name],
        };
        let entries = checked(list, name.unwrap_or_default())?;
        Ok(ArchiveContext::listed(workplace, entries, &self.0.files, times)?)
    }
}

impl Engine {
    /// The files that this client has to send before the context is whole: those that it has not sent before. What
    /// others sent is not looked at.
    ///
    /// # Errors
    /// If the list is none of a context.
    pub fn lacks(&self, client: &str, context: &SentContext) -> Result<Vec<(Digest, u64)>, EngineError> {
        let contents = context.check()?;
        let store = self.store()?;
        let sent = store.sent(client)?;
        let lacking = contents
            .into_iter()
            .filter(|(digest, size)| !sent.has(digest, *size));
        Ok(lacking.collect())
    }

    /// Makes room for files of a client, of which it may have `most` bytes, by removing what it used longest ago and
    /// does not need.
    ///
    /// # Errors
    /// If they are more than that.
    pub fn make_room(
        &self,
        client: &str,
        context: &SentContext,
        more: u64,
        most: u64,
    ) -> Result<(), EngineError> {
        let needed: BTreeSet<Digest> = context.check()?.into_keys().collect();
        match self.store()?.sent(client)?.make_room(more, most, &needed) {
            true => Ok(()),
            false => Err(EngineError::user(format!(
                "the context is larger than the {most} bytes that this server keeps for one client"
            ))
            .with_hint("leave out with .dockerignore what the build does not use")),
        }
    }

    /// Takes files one after the other from `reader`; each is kept when it is whole and has its digest.
    ///
    /// # Errors
    /// If one is not what was said, or cannot be kept. Those before it are.
    pub fn take_files(
        &self,
        client: &str,
        files: &[(Digest, u64)],
        reader: &mut dyn Read,
    ) -> Result<(), EngineError> {
        let store = self.store()?;
        let sent = store.sent(client)?;
        for (digest, size) in files {
            let mut writer = sent.writer()?;
            let mut part = reader.take(*size);
            let copied = io::copy(&mut part, &mut writer).map_err(|error| {
                EngineError::environment(format!("{digest}: it did not come whole: {error}"))
            })?;
            if copied != *size {
                return Err(EngineError::user(format!(
                    "{digest}: it ended after {copied} of {size} bytes"
                )));
            }
            writer.commit_as(digest).map_err(|error| match error {
                praxis_store::StoreError::Mismatch { actual, .. } => EngineError::user(format!(
                    "{digest}: what came has the digest {actual}: the file changed while it was sent"
                )),
                other => other.into(),
            })?;
        }
        Ok(())
    }

    /// The context, for a build. Its files stay for the build whatever else happens.
    ///
    /// # Errors
    /// If a file is lacking.
    pub fn received(&self, client: &str, context: SentContext) -> Result<Received, EngineError> {
        let contents: BTreeMap<Digest, u64> = context.check()?;
        let store = self.store()?;
        let sent = store.sent(client)?;
        let files = store.scratch()?;
        for digest in contents.keys() {
            let linked = sent.link(digest, &files.path().join(digest.hex()));
            linked.map_err(|_| {
                EngineError::user(format!(
                    "{digest}: this file of the context did not come, or not whole"
                ))
                .with_hint("send the files that are lacking first")
            })?;
        }
        Ok(Received(Arc::new(Inner {
            client: client.into(),
            context,
            files: Arc::new(files),
            _store: store,
        })))
    }
}
