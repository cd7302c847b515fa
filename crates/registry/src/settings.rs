use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use praxis_reach::Reach;
use serde::Deserialize;

use crate::credentials::CredentialSources;
use crate::{ErrorKind, RegistryError};

/// How registries are talked to. The caller gathers it: nothing here reads the environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What `registries.toml` says.
    pub registries: RegistriesFile,
    /// Registries that are spoken to without TLS, as given on the command line: `HOST[:PORT]`.
    pub insecure: Vec<String>,
    /// Where credentials are.
    pub credentials: CredentialSources,
    /// The bundle of trusted certificates (PEM) instead of the built-in one.
    pub ca_bundle: Option<PathBuf>,
    /// Proxy variables by name: `https_proxy`, `http_proxy`, `no_proxy`.
    pub proxies: BTreeMap<String, String>,
    /// Where connections may go.
    pub reach: Reach,
    /// How often a request that failed is tried again.
    pub retries: u32,
    /// The wait before the first try again; each further one is twice as long.
    pub backoff: Duration,
    /// The longest wait that a registry may ask for.
    pub longest_wait: Duration,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long the other side may be silent.
    pub silence_timeout: Duration,
    /// Blobs on their way at once.
    pub parallel: usize,
    /// Pieces in which blobs are pushed; `None`: in one.
    pub chunk: Option<u64>,
    /// Larger blobs go as a stream that can be resumed; smaller ones in one request.
    pub monolithic: u64,
    /// Set by whoever wants everything to stop.
    pub stop: Arc<AtomicBool>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            registries: RegistriesFile::default(),
            insecure: Vec::new(),
            credentials: CredentialSources::default(),
            ca_bundle: None,
            proxies: BTreeMap::new(),
            reach: Reach::default(),
            retries: 5,
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(30),
            silence_timeout: Duration::from_secs(60),
            parallel: 4,
            chunk: None,
            monolithic: 1 << 20,
            stop: Arc::default(),
        }
    }
}

/// `registries.toml`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegistriesFile {
    /// The only registries and repositories that may be used: `HOST[:PORT]` or `HOST[:PORT]/PREFIX`. Absent: all.
    pub allow: Option<Vec<String>>,
    /// Settings of one registry, by its name in references.
    #[serde(default)]
    pub registry: BTreeMap<String, RegistryEntry>,
}

/// Settings of one registry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RegistryEntry {
    /// Where it really is: `HOST[:PORT][/PREFIX]`. The prefix comes before the repository.
    pub location: Option<String>,
    /// Where to pull from first, in this order: `HOST[:PORT][/PREFIX]`.
    #[serde(default)]
    pub mirrors: Vec<String>,
    /// Plain HTTP.
    #[serde(default)]
    pub insecure: bool,
    /// TLS also on loopback, where plain HTTP is the default.
    #[serde(default)]
    pub tls: bool,
    /// Certificates (PEM) that may sign the registry's, and no others.
    pub ca: Option<PathBuf>,
    /// The certificate (PEM) to show to the registry.
    pub client_certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub client_key: Option<PathBuf>,
    /// Other hosts that may be given the registry's credentials to make tokens of: `HOST[:PORT]`.
    #[serde(default)]
    pub token_hosts: Vec<String>,
}

impl RegistriesFile {
    /// Reads the file's text; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<RegistriesFile, RegistryError> {
        let file: RegistriesFile = toml::from_str(text).map_err(|error| {
            RegistryError::input(format!("{}: {}", path.display(), one_line(&error.to_string())))
        })?;
        for (name, entry) in &file.registry {
            let wrong =
                |why: &str| RegistryError::input(format!("{}: registry.{name:?}: {why}", path.display()));
            if entry.insecure && (entry.tls || entry.ca.is_some() || entry.client_certificate.is_some()) {
                return Err(wrong("insecure = true and TLS settings contradict each other"));
            }
            if entry.client_certificate.is_some() != entry.client_key.is_some() {
                return Err(wrong("client-certificate and client-key belong together"));
            }
        }
        Ok(file)
    }

    pub(crate) fn entry(&self, registry: &str) -> Option<&RegistryEntry> {
        self.registry.get(registry)
    }

    /// Whether the file allows `repository` of `registry`.
    ///
    /// # Errors
    /// [`ErrorKind::Forbidden`] if it has a list without it.
    pub fn check_allowed(&self, registry: &str, repository: &str) -> Result<(), RegistryError> {
        let Some(allow) = &self.allow else {
            return Ok(());
        };
        let name = format!("{registry}/{repository}");
        let fits = |prefix: &String| {
            let prefix = prefix.trim_end_matches('/');
            name.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if allow.iter().any(fits) {
            return Ok(());
        }
        Err(RegistryError::new(
            ErrorKind::Forbidden,
            format!("{name}: not on the list of allowed registries"),
        )
        .with_hint("add it to `allow` in registries.toml"))
    }
}

fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RegistriesFile, RegistryError> {
        RegistriesFile::parse(text, Path::new("registries.toml"))
    }

    #[test]
    fn reads_what_is_documented_and_nothing_else() {
        let file = parse(
            "allow = [\"docker.io\", \"r.test/team\"]\n[registry.\"docker.io\"]\nmirrors = [\"m.test/hub\"]\n\
             [registry.\"r.test:5000\"]\nca = \"/ca.pem\"\nclient-certificate = \"/c\"\nclient-key = \"/k\"\n",
        )
        .unwrap();
        assert_eq!(file.entry("docker.io").unwrap().mirrors, ["m.test/hub"]);
        assert!(file.check_allowed("docker.io", "library/a").is_ok());
        assert!(file.check_allowed("r.test", "team/a").is_ok());
        for (registry, repository) in [
            ("r.test", "teams/a"),
            ("r.test", "a"),
            ("docker.io.evil.test", "a"),
        ] {
            let refused = file.check_allowed(registry, repository).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Forbidden, "{registry}/{repository}");
        }
        let wrong = parse("[registry.x]\ninsecur = true\n").unwrap_err();
        assert!(
            wrong.message.contains("registries.toml") && wrong.message.contains("insecur"),
            "{wrong}"
        );
        assert!(parse("[registry.x]\ninsecure = true\ntls = true\n").is_err());
        assert!(parse("[registry.x]\nclient-key = \"a\"\n").is_err());
    }
}
