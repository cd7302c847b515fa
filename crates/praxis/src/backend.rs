//! The seam between the command line and the engine: options become requests, errors become failures.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use praxis_engine::{
    BaseRequest, Books, BuildHolding, BuildRecord, BuildRequest, BuildResponse, BuildTarget, EngineError,
    ErrorKind, Event, Events, ImageDescription, Settings, Site,
};
use praxis_engine::{Explanation, ImageDifference, ImageReport, LayerSource, ReproduceRequest, Reproduction};
use praxis_oci::Platform;
use praxis_store::{
    CacheMount, CollectOptions, CollectReport, PruneOptions, PruneReport, Store, StoreError, Usage,
    VerifyReport,
};

use crate::arguments::{BaseBuildOptions, BaseLockOptions, BaseUpdateOptions, ExplainOptions};
use crate::failure::{Failure, FailureKind};

/// The engine on one store.
pub struct Engine(pub praxis_engine::Engine);

impl Engine {
    /// Opens the store under `root`, making it (0700) if it is not there. `owns_ids`: files can get any owner.
    pub fn open(root: &Path, owns_ids: bool, books: Arc<dyn Books>) -> Result<Engine, Failure> {
        Ok(Engine(praxis_engine::Engine::open(Settings {
            root: root.to_path_buf(),
            owns_ids,
            books,
        })?))
    }

    /// Builds.
    pub fn build(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<BuildResponse, Failure> {
        Ok(self.0.build(request, events, cancel)?)
    }

    /// Builds several targets as one.
    pub fn build_group(
        &self,
        targets: &[BuildTarget],
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<Vec<BuildResponse>, Failure> {
        Ok(self.0.build_group(targets, events, cancel)?)
    }

    /// Builds on record, latest first.
    pub fn history(&self) -> Result<Vec<BuildRecord>, Failure> {
        Ok(self.0.history()?)
    }

    /// One build on record.
    pub fn build_record(&self, id: &str) -> Result<BuildRecord, Failure> {
        Ok(self.0.build_record(id)?)
    }

    /// Forgets builds; gives their ids.
    pub fn forget_builds(&self, ids: &[String]) -> Result<Vec<String>, Failure> {
        Ok(self.0.forget_builds(ids)?)
    }

    /// What the store holds for each build on record.
    pub fn holdings(&self) -> Result<Vec<BuildHolding>, Failure> {
        Ok(self.0.holdings()?)
    }

    /// Describes an image.
    pub fn inspect(&self, image: &str, platform: Option<&Platform>) -> Result<ImageDescription, Failure> {
        Ok(self.0.inspect(image, platform)?)
    }

    /// Takes an image apart; also says where its layers come from, as far as that is known.
    pub fn tree(
        &self,
        image: &str,
        platform: Option<&Platform>,
    ) -> Result<(ImageReport, Vec<LayerSource>), Failure> {
        let report = self.0.image_report(image, platform)?;
        Ok((report, self.0.layer_sources(image, platform)?))
    }

    /// Compares two images.
    pub fn diff(&self, images: [&str; 2], platform: Option<&Platform>) -> Result<ImageDifference, Failure> {
        Ok(self.0.image_difference(images, platform)?)
    }

    /// Explains a file of an image.
    pub fn explain(&self, options: &ExplainOptions) -> Result<Explanation, Failure> {
        Ok(self.0.explain(
            &options.image,
            &options.path,
            options.dockerfile.as_ref(),
            options.platform.platform.as_ref(),
        )?)
    }

    /// Builds an image again and compares.
    pub fn reproduce(
        &self,
        request: &ReproduceRequest,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<Reproduction, Failure> {
        Ok(self.0.reproduce(request, events, cancel)?)
    }

    /// Resolves a recipe and writes its lock; gives the lock's path.
    pub fn base_lock(
        &self,
        options: &BaseLockOptions,
        site: Site,
        events: &dyn Events,
    ) -> Result<String, Failure> {
        let request = BaseRequest {
            recipe: options.recipe.clone(),
            mirrors: options.mirror.mirrors.clone(),
            allow_expired: options.expired.allow_expired,
            site,
            ..BaseRequest::default()
        };
        Ok(self.0.base_lock(&request, events)?.display().to_string())
    }

    /// Builds a base from its lock.
    pub fn base_build(
        &self,
        options: &BaseBuildOptions,
        site: Site,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<BuildResponse, Failure> {
        let request = BaseRequest {
            recipe: options.recipe.clone(),
            tag: options.tag.clone(),
            platforms: options.platforms.clone(),
            mirrors: options.mirror.mirrors.clone(),
            site,
            ..BaseRequest::default()
        };
        Ok(self.0.base_build(&request, events, cancel)?)
    }

    /// Locks again, builds and re-pins.
    pub fn base_update(
        &self,
        options: &BaseUpdateOptions,
        site: Site,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<BuildResponse, Failure> {
        let request = BaseRequest {
            recipe: options.recipe.clone(),
            tag: options.tag.clone(),
            mirrors: options.mirror.mirrors.clone(),
            allow_expired: options.expired.allow_expired,
            site,
            dockerfiles: options.dockerfiles.clone(),
            platforms: options.platforms.clone(),
        };
        let outcome = self.0.base_update(&request, events, cancel)?;
        for path in outcome.repinned {
            events.event(Event::Note {
                message: format!("re-pinned {}", path.display()),
            });
        }
        Ok(outcome.response)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Failure {
        Failure {
            kind: match error.kind {
                ErrorKind::User | ErrorKind::Environment => FailureKind::Failed,
                ErrorKind::Internal => FailureKind::Internal,
                ErrorKind::Cancelled => FailureKind::Cancelled,
            },
            message: error.message,
            excerpt: error.excerpt,
            hint: error.hint,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::failed(error.to_string())
    }
}

/// How much the store under `root` holds.
pub fn store_usage(root: &Path) -> Result<Usage, Failure> {
    Ok(Store::open(root)?.usage())
}

/// All cache mounts.
pub fn cache_mounts(root: &Path) -> Result<Vec<CacheMount>, Failure> {
    Ok(Store::open(root)?.cache_mounts())
}

/// Removes what is least worth keeping. Waits for nobody: a running build is a failure.
pub fn prune(root: &Path, options: &PruneOptions) -> Result<PruneReport, Failure> {
    Ok(Store::open_alone(root)?.prune(options)?)
}

/// Removes what nothing needs. Waits for nobody: a running build is a failure.
pub fn collect(root: &Path, options: &CollectOptions) -> Result<CollectReport, Failure> {
    Ok(Store::open_alone(root)?.collect(options)?)
}

/// Reads everything again and removes what is damaged.
pub fn verify(root: &Path) -> Result<VerifyReport, Failure> {
    Ok(Store::open(root)?.verify())
}
