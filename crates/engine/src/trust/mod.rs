//! Signatures and attestations of images, made and verified (decision 26).

mod attest;
mod evidence;
#[cfg(feature = "keyless")]
mod identity;
mod kept;
#[cfg(feature = "tsa")]
mod log;
mod seal;
mod sign;
#[cfg(feature = "tsa")]
mod timestamps;
mod verify;

pub use attest::{AttestOutcome, AttestRequest, Attested, Predicate};
pub(crate) use evidence::{absent_materials, sbom_differences};
#[cfg(feature = "keyless")]
pub use identity::certified_key;
#[cfg(feature = "tsa")]
pub use log::log_server;
pub use seal::Seal;
pub use sign::{SignOutcome, SignRequest, SignedManifest};
#[cfg(feature = "tsa")]
pub use timestamps::timestamp_server;
pub use verify::{
    ImageVerification, KeptAttestation, KeptSignature, SignedPart, VerificationCheck, VerificationRequest,
    predicate_name,
};

impl From<praxis_sign::SignError> for crate::EngineError {
    fn from(error: praxis_sign::SignError) -> crate::EngineError {
        crate::EngineError {
            hint: error.hint,
            ..crate::EngineError::user(error.message)
        }
    }
}
