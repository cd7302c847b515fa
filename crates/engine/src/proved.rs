//! What a tested image has to have before it may be released.

use praxis_oci::{Digest, Index};

use crate::provenance::provenance_of;
use crate::{Assertion, Engine, EngineError};

impl Engine {
    /// Whether the manifest that was tested is the image that was built, or part of the index, and whether it is known what it
    /// was made from: without both a release would refuse it.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn proved(&self, built: &Digest, tested: &Digest) -> Result<Vec<Assertion>, EngineError> {
        let store = self.store()?;
        let size = store.blob_size(built).unwrap_or_default();
        let index: Option<Index> = store
            .read_blob(built, size)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let listed = |index: &Index| index.manifests.iter().any(|one| one.digest == *tested);
        let same = built == tested || index.as_ref().is_some_and(listed);
        let provenance = provenance_of(&store, tested, false, None);
        Ok(vec![
            assertion("what was tested is what was built", same, || {
                format!("{tested} is not {built}")
            }),
            assertion("it is known what it was made from", provenance.is_some(), || {
                format!("the store has no record of the build of {tested}")
            }),
        ])
    }
}

fn assertion(what: &str, holds: bool, instead: impl FnOnce() -> String) -> Assertion {
    Assertion {
        what: what.into(),
        holds,
        instead: (!holds).then(instead),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn what_was_not_built_here_is_not_proved() {
        let place = tempfile::tempdir().unwrap();
        let settings = Settings {
            root: place.path().join("store"),
            owns_ids: true,
            books: crate::own_books(place.path()),
        };
        let engine = Engine::open(settings).unwrap();
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let holds: Vec<bool> = engine
            .proved(&one, &two)
            .unwrap()
            .iter()
            .map(|it| it.holds)
            .collect();
        assert_eq!(holds, [false, false]);
        assert!(engine.proved(&one, &one).unwrap()[0].holds);
    }
}
