//! Bundles that refer to a manifest, read from where the image is.

use praxis_oci::{Descriptor, Digest};
use praxis_registry::{Document, FetchedManifest};
use praxis_sign::{Bundle, Judged, SignError, Statement, Trust, carried_bundle};

use crate::EngineError;
use crate::registry::Held;

/// More bundles than this about one manifest are not read.
const MOST: usize = 200;

/// A bundle and the artifact that carries it.
pub(super) struct Kept {
    /// The digest of the artifact.
    pub artifact: Digest,
    /// What it carries, or why it cannot be read.
    pub bundle: Result<Bundle, SignError>,
}

/// A bundle that is believed.
pub(super) struct Believed {
    pub artifact: Digest,
    pub judged: Judged,
    pub bundle: Bundle,
}

/// The bundles that refer to `subject`.
pub(super) fn bundles(image: &Held, subject: &Digest) -> Result<Vec<Kept>, EngineError> {
    let mut found = Vec::new();
    for referrer in image.referrers(subject)? {
        let Some(layer) = layer(&referrer) else { continue };
        if found.len() == MOST {
            return Err(EngineError::user(format!(
                "{subject}: more than {MOST} bundles refer to it"
            )));
        }
        let bytes = image.bytes(&layer)?;
        found.push(Kept {
            artifact: referrer.descriptor.digest,
            bundle: Bundle::parse(&bytes),
        });
    }
    Ok(found)
}

fn layer(referrer: &FetchedManifest) -> Option<Descriptor> {
    match &referrer.document {
        Document::Manifest(manifest) => carried_bundle(manifest).cloned(),
        Document::Index(_) => None,
    }
}

impl Kept {
    /// The type of predicate that it says it holds, whoever says so.
    pub fn claimed(&self) -> Option<String> {
        let bytes = self.bundle.as_ref().ok()?.dsse_envelope.payload().ok()?;
        Some(Statement::parse(&bytes).ok()?.predicate_type)
    }

    /// The bundle, if somebody who is believed signed it and it is about `subject`.
    ///
    /// # Errors
    /// With why it is not believed.
    pub fn believed(self, subject: &Digest, trust: &Trust) -> Result<Believed, (Digest, SignError)> {
        let artifact = self.artifact;
        let believed = self.bundle.and_then(|bundle| {
            let judged = bundle.judged(trust)?;
            match judged.statement.is_about(subject) {
                true => Ok(Believed {
                    artifact,
                    judged,
                    bundle,
                }),
                false => Err(SignError {
                    message: "it is about another image than the one it refers to".into(),
                    hint: None,
                }),
            }
        });
        believed.map_err(|error| (artifact, error))
    }
}
