//! The seam between the command line and the engine.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use praxis_engine::{BuildRequest, BuildResponse, Events, LayerInfo};
use serde::Serialize;

use crate::arguments::{BaseBuildOptions, BaseLockOptions, BaseUpdateOptions};
use crate::failure::{Failure, FailureKind};

/// The engine on one store.
pub struct Engine;

/// How much a store holds.
#[derive(Debug, Serialize)]
pub struct StoreUsage {
    /// Kinds of content.
    pub parts: Vec<StorePart>,
}

/// One kind of content of a store.
#[derive(Debug, Serialize)]
pub struct StorePart {
    /// Kind, such as `blobs`.
    pub name: String,
    /// How many.
    pub entries: u64,
    /// Their size.
    pub bytes: u64,
}

/// What a collection removed.
#[derive(Debug, Serialize)]
pub struct Collected {
    /// How many entries.
    pub entries: u64,
    /// Their size.
    pub bytes: u64,
}

/// What a verification found.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// Entries that were read.
    pub checked: u64,
    /// One line for each damaged entry.
    pub problems: Vec<String>,
}

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

    /// How much the store holds.
    pub fn store_usage(&self) -> Result<StoreUsage, Failure> {
        absent()
    }

    /// Removes what was not used within `keep` and what nothing needs.
    pub fn collect(&self, _keep: Duration) -> Result<Collected, Failure> {
        absent()
    }

    /// Reads everything again.
    pub fn verify(&self) -> Result<Verified, Failure> {
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
