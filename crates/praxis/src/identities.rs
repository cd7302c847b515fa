//! Who signs, and who is believed to have signed, by an identity instead of a key.

use std::path::Path;

use praxis_check::SignerIdentity;
use praxis_engine::{IdentityVerifier, Signer, Zeroizing};
use praxis_registry::Settings;

use crate::failure::Failure;

#[cfg(feature = "keyless")]
mod with {
    use praxis_engine::{Identities, Identity, certified_key};

    use super::*;

    pub fn certified(
        address: &str,
        token: &Zeroizing<String>,
        settings: &Settings,
    ) -> Result<Box<dyn Signer>, Failure> {
        let key = certified_key(address, token, settings).map_err(|error| Failure {
            hint: error.hint,
            ..Failure::failed(error.message)
        })?;
        Ok(Box::new(key))
    }

    pub fn believed(
        root: &Path,
        identities: &[SignerIdentity],
    ) -> Result<Box<dyn IdentityVerifier>, Failure> {
        let identity = |one: &SignerIdentity| Identity {
            name: one.name.clone(),
            issuer: one.issuer.clone(),
            logged: one.require_log,
        };
        Ok(Box::new(Identities {
            root: crate::timestamps::root(root)?,
            believed: identities.iter().map(identity).collect(),
        }))
    }
}

#[cfg(not(feature = "keyless"))]
mod with {
    use super::*;

    fn missing() -> Failure {
        Failure::usage("this praxis was built without certificates for signatures")
            .with_hint("cargo install with --features keyless")
    }

    pub fn certified(_: &str, _: &Zeroizing<String>, _: &Settings) -> Result<Box<dyn Signer>, Failure> {
        Err(missing())
    }

    pub fn believed(_: &Path, _: &[SignerIdentity]) -> Result<Box<dyn IdentityVerifier>, Failure> {
        Err(missing())
    }
}

/// A key for this command, with a certificate for whom the token names.
pub fn certified(
    address: &str,
    token: &Zeroizing<String>,
    settings: &Settings,
) -> Result<Box<dyn Signer>, Failure> {
    with::certified(address, token, settings)
}

/// Those identities, as the authorities of a trusted root know them.
pub fn believed(
    root: Option<&Path>,
    identities: &[SignerIdentity],
) -> Result<Option<Box<dyn IdentityVerifier>>, Failure> {
    match (identities, root) {
        ([], _) => Ok(None),
        (_, Some(root)) => with::believed(root, identities).map(Some),
        (_, None) => Err(Failure::usage("it is not said whose certificates are believed")
            .with_hint("--trusted-root FILE, or trusted-root in [verify] of praxis.toml")),
    }
}
