//! Who says, and who is believed about, when something was signed.

use std::path::Path;

use praxis_engine::{Stamp, StampVerifier};
use praxis_registry::Settings;

use crate::arguments::TimestampOptions;
use crate::failure::Failure;

#[cfg(feature = "tsa")]
mod with {
    use praxis_engine::{Authority, TrustedRoot, timestamp_server};

    use super::*;

    /// The authority of the options.
    pub fn authority(options: &TimestampOptions) -> Result<Option<Authority>, Failure> {
        let (Some(address), Some(path)) = (&options.timestamp_server, &options.timestamp_certs) else {
            return Ok(None);
        };
        let failed = |why: String| Failure::failed(format!("--timestamp-certs {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let authority = Authority::from_pem(&text, address).map_err(|error| failed(error.message))?;
        Ok(Some(authority))
    }

    pub fn stamp(options: &TimestampOptions, settings: &Settings) -> Result<Option<Box<dyn Stamp>>, Failure> {
        let server = |authority| Box::new(timestamp_server(authority, settings)) as Box<dyn Stamp>;
        Ok(authority(options)?.map(server))
    }

    pub fn believed_authority(options: &TimestampOptions) -> Result<Option<Box<dyn StampVerifier>>, Failure> {
        let root = |authority| {
            Box::new(TrustedRoot {
                authorities: vec![authority],
                ..TrustedRoot::default()
            }) as Box<dyn StampVerifier>
        };
        Ok(authority(options)?.map(root))
    }

    pub fn root(path: &Path) -> Result<TrustedRoot, Failure> {
        let failed = |why: String| Failure::failed(format!("{}: {why}", path.display()));
        let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        TrustedRoot::parse(&bytes).map_err(|error| failed(error.message))
    }

    pub fn believed(path: &Path) -> Result<Box<dyn StampVerifier>, Failure> {
        Ok(Box::new(root(path)?))
    }

    pub fn believed_of_signatures(path: &Path) -> Result<Option<Box<dyn StampVerifier>>, Failure> {
        let root = root(path)?;
        let silent = root.authorities.is_empty() && !root.logs.is_empty();
        Ok((!silent).then(|| Box::new(root) as Box<dyn StampVerifier>))
    }
}

#[cfg(not(feature = "tsa"))]
mod with {
    use super::*;

    pub fn missing(what: &str) -> Failure {
        Failure::usage(format!(
            "{what}: this praxis was built without timestamps and logs"
        ))
        .with_hint("cargo install with --features tsa, or the -tsa variant of the image")
    }

    pub fn stamp(options: &TimestampOptions, _: &Settings) -> Result<Option<Box<dyn Stamp>>, Failure> {
        match &options.timestamp_server {
            Some(_) => Err(missing("--timestamp-server")),
            None => Ok(None),
        }
    }

    pub fn believed_authority(options: &TimestampOptions) -> Result<Option<Box<dyn StampVerifier>>, Failure> {
        match &options.timestamp_server {
            Some(_) => Err(missing("--timestamp-server")),
            None => Ok(None),
        }
    }

    pub fn believed(_: &Path) -> Result<Box<dyn StampVerifier>, Failure> {
        Err(missing("--trusted-root"))
    }

    pub fn believed_of_signatures(_: &Path) -> Result<Option<Box<dyn StampVerifier>>, Failure> {
        Err(missing("--trusted-root"))
    }
}

/// Who is asked for the time of a signature.
pub fn stamp(options: &TimestampOptions, settings: &Settings) -> Result<Option<Box<dyn Stamp>>, Failure> {
    with::stamp(options, settings)
}

/// The same authority, believed.
pub fn believed_authority(options: &TimestampOptions) -> Result<Option<Box<dyn StampVerifier>>, Failure> {
    with::believed_authority(options)
}

#[cfg(feature = "tsa")]
pub use with::{authority, root};

#[cfg(not(feature = "tsa"))]
pub use with::missing;

/// The authorities of such a file.
pub fn believed(path: &Path) -> Result<Box<dyn StampVerifier>, Failure> {
    with::believed(path)
}

/// The same for signatures, which need a time unless the file names logs and nobody who says times.
pub fn believed_of_signatures(path: &Path) -> Result<Option<Box<dyn StampVerifier>>, Failure> {
    with::believed_of_signatures(path)
}
