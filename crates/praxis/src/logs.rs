//! Logs that signatures are written into, and those that are believed.

use std::path::Path;

use praxis_engine::{Log, LogVerifier};
use praxis_registry::Settings;

use crate::arguments::{LogOptions, TimestampOptions};
use crate::failure::Failure;

#[cfg(feature = "tsa")]
mod with {
    use praxis_engine::{Authority, LogKey, SignError, TransparencyLog, TrustedRoot, log_server};

    use super::*;
    use crate::timestamps::{authority, root};

    /// What `read` makes of the file of an option.
    fn file<T>(option: &str, path: &Path, read: impl Fn(&str) -> Result<T, SignError>) -> Result<T, Failure> {
        let failed = |why: String| Failure::failed(format!("{option} {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        read(&text).map_err(|error| failed(error.message))
    }

    /// The log of the options.
    fn named(options: &LogOptions) -> Result<Option<TransparencyLog>, Failure> {
        let (Some(address), Some(path)) = (&options.rekor_url, &options.rekor_key) else {
            return Ok(None);
        };
        let read = |text: &str| match text.trim_start().starts_with('{') {
            true => listed(text, address),
            false => Ok(TransparencyLog::of_signatures(address, LogKey::from_pem(text)?)),
        };
        file("--rekor-key", path, read).map(Some)
    }

    /// The log at `address` of a trusted root.
    fn listed(text: &str, address: &str) -> Result<TransparencyLog, SignError> {
        let plain = |address: &str| address.trim_end_matches('/').to_string();
        let root = TrustedRoot::parse(text.as_bytes())?;
        let found = root
            .logs
            .into_iter()
            .find(|log| plain(&log.address) == plain(address));
        found.ok_or_else(|| SignError {
            message: format!("it names no log of signatures at {address}"),
            hint: None,
        })
    }

    pub fn log(options: &LogOptions, settings: &Settings) -> Result<Option<Box<dyn Log>>, Failure> {
        let server = |log| Box::new(log_server(log, settings)) as Box<dyn Log>;
        Ok(named(options)?.map(server))
    }

    pub fn believed(path: &Path) -> Result<Option<Box<dyn LogVerifier>>, Failure> {
        let root = root(path)?;
        Ok((!root.logs.is_empty()).then(|| Box::new(root) as Box<dyn LogVerifier>))
    }

    pub fn trusted_root(
        times: &TimestampOptions,
        log: &LogOptions,
        issuer: Option<&Path>,
        ct_key: Option<&Path>,
    ) -> Result<String, Failure> {
        let issuer = issuer.map(|path| {
            file("--fulcio-certs", path, |text| {
                Authority::issuer_from_pem(text, "")
            })
        });
        let seen = ct_key
            .map(|path| file("--ct-key", path, LogKey::from_pem))
            .transpose()?;
        let root = TrustedRoot {
            authorities: authority(times)?.into_iter().collect(),
            issuers: issuer.transpose()?.into_iter().collect(),
            logs: named(log)?.into_iter().collect(),
            certificate_logs: seen.map(TransparencyLog::of_certificates).into_iter().collect(),
        };
        if root.authorities.is_empty() && root.logs.is_empty() {
            return Err(Failure::usage("it is not said who is believed").with_hint(
                "--timestamp-server and --timestamp-certs say which authority, --rekor-url and --rekor-key which log",
            ));
        }
        let bytes = root.to_bytes().map_err(|error| Failure::failed(error.message))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(not(feature = "tsa"))]
mod with {
    use super::*;
    use crate::timestamps::missing;

    pub fn log(options: &LogOptions, _: &Settings) -> Result<Option<Box<dyn Log>>, Failure> {
        match &options.rekor_url {
            Some(_) => Err(missing("--rekor-url")),
            None => Ok(None),
        }
    }

    pub fn believed(_: &Path) -> Result<Option<Box<dyn LogVerifier>>, Failure> {
        Err(missing("--trusted-root"))
    }

    pub fn trusted_root(
        _: &TimestampOptions,
        _: &LogOptions,
        _: Option<&Path>,
        _: Option<&Path>,
    ) -> Result<String, Failure> {
        Err(missing("praxis key trusted-root"))
    }
}

/// The log that signatures are written into.
pub fn log(options: &LogOptions, settings: &Settings) -> Result<Option<Box<dyn Log>>, Failure> {
    with::log(options, settings)
}

/// The logs of a trusted root, if it names any.
pub fn believed(path: &Path) -> Result<Option<Box<dyn LogVerifier>>, Failure> {
    with::believed(path)
}

/// The file by which others believe the authority about times, the log of signatures, the authority that has these
/// certificates about identities, and the log that has seen what it gave.
pub fn trusted_root(
    times: &TimestampOptions,
    log: &LogOptions,
    issuer: Option<&Path>,
    ct_key: Option<&Path>,
) -> Result<String, Failure> {
    with::trusted_root(times, log, issuer, ct_key)
}
