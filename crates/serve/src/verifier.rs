//! Whether images are signed and attested as the operator of a server demands.

use praxis_engine::{ImageVerification, Place, VerificationRequest};
use praxis_registry::Settings;

use crate::{ToolError, Toolbox};

/// What the operator demands of images: who is believed, and what has to be said of them.
pub trait Verifier: Send + Sync {
    /// The demands on an image.
    fn demands(&self, image: Place) -> VerificationRequest<'_>;
}

/// What was found of an image.
pub(crate) struct Verified {
    /// Whether anybody is believed at all; without that nothing was judged.
    pub judged: bool,
    /// What there is, and what of it is believed.
    pub found: ImageVerification,
}

impl Toolbox {
    /// Verifies an image of the store, or of an archive or layout, as `praxis verify` does.
    ///
    /// # Errors
    /// If the image cannot be read.
    pub(crate) fn verify(&self, image: &str) -> Result<Verified, ToolError> {
        let image = Place::parse(image)?;
        let demands = match &self.machine.verifier {
            Some(verifier) => verifier.demands(image),
            None => VerificationRequest::of(image),
        };
        Ok(Verified {
            judged: self.machine.verifier.is_some(),
            found: self.engine.verify_image(&demands, &Settings::default())?,
        })
    }
}
