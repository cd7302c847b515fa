use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use praxis_layer::Ownership;
use praxis_ledger::Books;
use praxis_solve::{Pull, Workplace};
use praxis_store::{CollectOptions, CollectReport, Store, Usage, VerifyReport};

use crate::EngineError;

/// How an engine is opened.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the store is, or will be.
    pub root: PathBuf,
    /// Whether this process can give files any owner: as root, or as root of a user namespace with subordinate ids.
    pub owns_ids: bool,
    /// Where what is done is written down; [`crate::own_books`] for a store on its own.
    pub books: Arc<dyn Books>,
}

/// The engine on one store. All faces of praxis work through it; it never prints, reads the environment or exits.
pub struct Engine {
    pub(crate) settings: Settings,
}

impl Engine {
    /// Opens the store, making it (0700) if it is not there.
    ///
    /// # Errors
    /// If the directory cannot be a store.
    pub fn open(settings: Settings) -> Result<Engine, EngineError> {
        drop(Store::open(&settings.root)?);
        Ok(Engine { settings })
    }

    pub(crate) fn store(&self) -> Result<Arc<Store>, EngineError> {
        Ok(Arc::new(Store::open(&self.settings.root)?))
    }

    pub(crate) fn workplace(&self, store: Arc<Store>) -> Workplace {
        Workplace {
            store,
            ownership: if self.settings.owns_ids {
                Ownership::Real
            } else {
                Ownership::Ignored
            },
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            named: Default::default(),
            promised: Default::default(),
            remote: None,
            pull: Pull::Missing,
            turns: Default::default(),
        }
    }

    /// Where the store is.
    pub fn root(&self) -> &Path {
        &self.settings.root
    }

    /// Disk use of the store.
    pub fn store_usage(&self) -> Result<Usage, EngineError> {
        Ok(self.store()?.usage())
    }

    /// Removes what no named image and no record used within `keep` needs.
    ///
    /// # Errors
    /// If a build is running.
    pub fn collect(&self, keep: Duration, caches: bool) -> Result<CollectReport, EngineError> {
        let store = Store::open_alone(&self.settings.root)?;
        Ok(store.collect(&CollectOptions {
            all: keep.is_zero(),
            older_than: Some(keep),
            caches,
        })?)
    }

    /// Reads everything again and evicts what is damaged.
    pub fn verify(&self) -> Result<VerifyReport, EngineError> {
        Ok(self.store()?.verify())
    }
}
