//! Whether images are whole in the store.

use std::collections::BTreeMap;

use praxis_registry::{ContentSource, Document, RegistryError, Transfer, copy};
use praxis_store::Store;

use super::stored::Stored;
use super::{CopyOutcome, PullRequest, missing_images};
use crate::{Engine, EngineError};

impl Engine {
    /// The images as [`Engine::pull`] leaves them, without asking a registry.
    ///
    /// # Errors
    /// If one is not in the store, or not all of it; the message names all such images.
    pub fn pulled(&self, requests: &[PullRequest]) -> Result<Vec<CopyOutcome>, EngineError> {
        let store = self.store()?;
        let mut missing = BTreeMap::new();
        let mut outcomes = Vec::new();
        for request in requests {
            match whole(&store, request) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => {
                    let name = request.reference.familiar();
                    let reason = format!("{name}: {error}; --offline forbids to ask its registry");
                    missing.insert(name, reason);
                }
            }
        }
        missing_images(&missing).map(|()| outcomes)
    }
}

fn whole(store: &Store, request: &PullRequest) -> Result<CopyOutcome, RegistryError> {
    let reference = request.reference.clone().with_default_tag();
    let named = store
        .image(&reference.to_string())
        .ok_or_else(|| RegistryError::of_input("not in the store"))?;
    let mut root = Stored(store).document(&named.descriptor)?;
    if let (Some(platform), Document::Index(index)) = (&request.platform, &root.document) {
        let image = super::operations::fitting(index, platform)
            .ok_or_else(|| RegistryError::of_input(format!("no image for {platform} in the store")))?;
        root = Stored(store).document(&image)?;
    }
    // Nothing moves from the store to the store; what is not there cannot.
    let stored = Stored(store);
    let transfer = Transfer {
        source: &stored,
        target: &stored,
        parallel: 1,
        referrers: false,
    };
    let report = copy(&transfer, &root)?;
    Ok(CopyOutcome::new(&root.descriptor, report))
}
