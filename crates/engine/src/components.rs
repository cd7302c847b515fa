//! What an image is made of, with what this store knows of the bases it was built from.

use std::path::Path;

use praxis_debian::Lock;
use praxis_image::OpenedImage;
use praxis_oci::{Digest, Platform};
use praxis_sbom::{Inventory, KnownPackage, SbomDifference, differences, inventory, listed};
use praxis_store::Store;
use serde::{Deserialize, Serialize};

use crate::origin::Origin;
use crate::{Engine, EngineError};

/// Bases of bases are followed this far.
const DEPTH: usize = 16;

/// What a base of Debian packages was made from, noted under its manifest when it is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaseOrigin {
    /// Debian's name of its architecture.
    pub base_architecture: String,
    /// The text of its lock.
    pub base_lock: String,
}

impl BaseOrigin {
    /// The packages it was made of.
    pub(crate) fn packages(&self) -> Vec<KnownPackage> {
        let lock = Lock::parse(&self.base_lock, Path::new("the lock of the base"));
        lock.map_or_else(|_| Vec::new(), |lock| known(&lock, &self.base_architecture))
    }
}

fn known(lock: &Lock, architecture: &str) -> Vec<KnownPackage> {
    let packages = lock.packages(architecture).unwrap_or_default();
    let known = packages.iter().map(|package| KnownPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        filename: package.filename.clone(),
        sha256: package.digest.hex(),
    });
    known.collect()
}

/// The packages of the base that the image with this manifest starts from, as far as this store knows them.
pub(crate) fn base_packages(store: &Store, manifest: &Digest) -> Vec<KnownPackage> {
    let mut next = Some(*manifest);
    for _ in 0..DEPTH {
        let Some(digest) = next else { break };
        if let Some(base) = store.origin::<BaseOrigin>(&digest) {
            return base.packages();
        }
        let origin: Option<Origin> = store.origin(&digest);
        let lowest = origin.and_then(|origin| origin.layers.into_iter().next());
        next = lowest.and_then(|layer| layer.base).map(|(base, _)| base.manifest);
    }
    Vec::new()
}

/// The inventory of an opened image.
pub(crate) fn components(store: &Store, image: &OpenedImage) -> Result<Inventory, EngineError> {
    let known = image
        .digest
        .map_or_else(Vec::new, |digest| base_packages(store, &digest));
    Ok(inventory(image, &known)?)
}

impl Engine {
    /// What an image is made of. `lock` is that of the Debian base it was built from, where this store does not know.
    ///
    /// # Errors
    /// If the image or the lock cannot be read.
    pub fn components(
        &self,
        image: &str,
        lock: Option<&Path>,
        platform: Option<&Platform>,
    ) -> Result<Inventory, EngineError> {
        let store = self.store()?;
        let opened = self.image(image, platform, &store)?;
        let Some(path) = lock else {
            return components(&store, &opened);
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| EngineError::user(format!("{}: {error}", path.display())))?;
        let lock = Lock::parse(&text, path)?;
        let architecture = crate::base::debian_architecture(&opened.config.platform())?;
        Ok(inventory(&opened, &known(&lock, architecture))?)
    }

    /// In what an SBOM (SPDX or CycloneDX in JSON, or an in-toto statement about one) and the files of an image differ:
    /// rule PX803.
    ///
    /// # Errors
    /// If either cannot be read.
    pub fn sbom_differences(
        &self,
        image: &str,
        document: &[u8],
        platform: Option<&Platform>,
    ) -> Result<Vec<SbomDifference>, EngineError> {
        let listed = listed(document)?;
        Ok(differences(&listed, &self.components(image, None, platform)?))
    }
}

impl From<praxis_sbom::SbomError> for EngineError {
    fn from(error: praxis_sbom::SbomError) -> EngineError {
        EngineError {
            hint: error.hint,
            ..EngineError::user(error.message)
        }
    }
}
