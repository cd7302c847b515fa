use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use praxis_oci::{Digest, Reference};

use crate::address::{Address, Origin};
use crate::auth::Known;
use crate::{RegistryError, Repository, Settings};

/// A client of registries. Connections, tokens and challenges are shared by all that is done with it.
pub struct Client {
    pub(crate) settings: Settings,
    endpoints: Mutex<HashMap<(String, String), Arc<Endpoint>>>,
    pub(crate) agents: Mutex<HashMap<Origin, ureq::Agent>>,
    /// What must never be in a message.
    secrets: Mutex<Vec<String>>,
    /// One at a time per subject when lists of referrers are changed.
    pub(crate) lists: Mutex<()>,
    warnings: Mutex<Vec<String>>,
    /// Mirrors that gave wrong bytes of a blob, and the blob.
    liars: Mutex<HashSet<(Origin, Digest)>>,
}

/// No more warnings than this are kept.
const MOST_WARNINGS: usize = 20;

/// A registry or a mirror of one.
pub(crate) struct Endpoint {
    /// The name that credentials and settings are looked up by.
    pub registry: String,
    pub origin: Origin,
    pub known: Mutex<Known>,
}

/// An endpoint and the repository as it is called there.
#[derive(Clone)]
pub(crate) struct Route {
    pub endpoint: Arc<Endpoint>,
    pub repository: String,
}

impl Client {
    /// A client with these settings.
    pub fn new(settings: Settings) -> Client {
        Client {
            settings,
            endpoints: Mutex::default(),
            agents: Mutex::default(),
            secrets: Mutex::default(),
            lists: Mutex::default(),
            warnings: Mutex::default(),
            liars: Mutex::default(),
        }
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Mirrors that were passed over since this was last asked, and why.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().expect("no panic while held"))
    }

    /// Whether this mirror gave wrong bytes for the blob before.
    pub(crate) fn lied(&self, mirror: &Route, blob: &Digest) -> bool {
        let liars = self.liars.lock().expect("no panic while held");
        liars.contains(&(mirror.endpoint.origin.clone(), *blob))
    }

    pub(crate) fn note_lie(&self, mirror: &Route, blob: &Digest) {
        let mut liars = self.liars.lock().expect("no panic while held");
        liars.insert((mirror.endpoint.origin.clone(), *blob));
    }

    pub(crate) fn passed_over(&self, mirror: &Route, error: &RegistryError) {
        let mut warnings = self.warnings.lock().expect("no panic while held");
        let message = format!(
            "mirror {}: {}; the next source is asked",
            mirror.endpoint.registry, error.message
        );
        if warnings.len() < MOST_WARNINGS && !warnings.contains(&message) {
            warnings.push(message);
        }
    }

    /// The repository that `reference` names; its tag and digest do not matter.
    ///
    /// # Errors
    /// If the settings do not allow it, or are wrong.
    pub fn repository(&self, reference: &Reference) -> Result<Repository<'_>, RegistryError> {
        let (registry, path) = (reference.domain(), reference.path());
        self.settings.registries.check_allowed(registry, path)?;
        let entry = self.settings.registries.entry(registry);
        let location = entry.and_then(|entry| entry.location.clone());
        let origin = self.route(registry, location.as_deref(), path)?;
        let mirrors = entry.map(|entry| entry.mirrors.as_slice()).unwrap_or_default();
        let mut pull = mirrors
            .iter()
            .map(|mirror| self.route(mirror_name(mirror), Some(mirror), path))
            .collect::<Result<Vec<_>, _>>()?;
        pull.push(origin.clone());
        Ok(Repository {
            client: self,
            name: reference.name(),
            origin,
            pull,
        })
    }

    /// Whether `registry` takes the credentials there are for it.
    ///
    /// # Errors
    /// If it does not, or cannot be reached.
    pub fn check_login(&self, registry: &str) -> Result<(), RegistryError> {
        let location = self
            .settings
            .registries
            .entry(registry)
            .and_then(|entry| entry.location.clone());
        let route = self.route(registry, location.as_deref(), "")?;
        let address = route.endpoint.address("/v2/");
        let ask = crate::transport::Ask::get(address, &[], format!("login to {registry}"));
        self.send(&route, &ask)?.success(self)?;
        Ok(())
    }

    fn route(&self, registry: &str, location: Option<&str>, path: &str) -> Result<Route, RegistryError> {
        let location = match (location, registry) {
            (Some(location), _) => location,
            (None, "docker.io") => "registry-1.docker.io",
            (None, registry) => registry,
        };
        let (authority, prefix) = location.split_once('/').unwrap_or((location, ""));
        let mut endpoints = self.endpoints.lock().expect("no panic while held");
        let key = (registry.to_string(), authority.to_string());
        let endpoint = match endpoints.get(&key) {
            Some(known) => known.clone(),
            None => {
                let origin = Origin::of_authority(authority, self.speaks_tls(registry, authority))
                    .map_err(|why| RegistryError::input(format!("registry {authority:?}: {why}")))?;
                let made = Arc::new(Endpoint {
                    registry: registry.into(),
                    origin,
                    known: Mutex::default(),
                });
                endpoints.insert(key, made.clone());
                made
            }
        };
        let prefix = prefix.trim_matches('/');
        Ok(Route {
            endpoint,
            repository: if prefix.is_empty() {
                path.into()
            } else {
                format!("{prefix}/{path}")
            },
        })
    }

    /// Settings alone decide: a failure of TLS never leads to plain HTTP.
    fn speaks_tls(&self, registry: &str, authority: &str) -> bool {
        let entry = self.settings.registries.entry(registry);
        if entry.is_some_and(|entry| entry.tls || entry.ca.is_some() || entry.client_certificate.is_some()) {
            return true;
        }
        let named = |name: &String| name == registry || name == authority;
        let insecure = entry.is_some_and(|entry| entry.insecure) || self.settings.insecure.iter().any(named);
        let loopback = Origin::of_authority(authority, false).is_ok_and(|origin| origin.is_loopback());
        !insecure && !loopback
    }

    pub(crate) fn keep_secret(&self, text: &str) {
        let mut secrets = self.secrets.lock().expect("no panic while held");
        if text.len() >= 4 && !secrets.iter().any(|known| known == text) {
            secrets.push(text.into());
        }
    }

    /// What a registry said, without what it was told in confidence.
    pub(crate) fn redacted(&self, bytes: Vec<u8>) -> Vec<u8> {
        let secrets = self.secrets.lock().expect("no panic while held");
        let Ok(mut text) = String::from_utf8(bytes) else {
            return Vec::new();
        };
        for secret in secrets.iter() {
            if text.contains(secret) {
                text = text.replace(secret, "***");
            }
        }
        text.into_bytes()
    }

    pub(crate) fn stopped(&self) -> Result<(), RegistryError> {
        match self.settings.stop.load(Ordering::Relaxed) {
            true => Err(RegistryError::cancelled()),
            false => Ok(()),
        }
    }

    /// Waits, and stops waiting when told to.
    pub(crate) fn wait(&self, time: Duration) -> Result<(), RegistryError> {
        let slice = Duration::from_millis(50);
        let mut left = time;
        while !left.is_zero() {
            self.stopped()?;
            let now = left.min(slice);
            std::thread::sleep(now);
            left -= now;
        }
        self.stopped()
    }

    /// The wait before try number `attempt`, from 1: doubled each time, and not the same for all.
    pub(crate) fn backoff(&self, attempt: u32) -> Duration {
        let base = self
            .settings
            .backoff
            .saturating_mul(1 << (attempt.saturating_sub(1)).min(6));
        let base = base.min(self.settings.longest_wait);
        base.mul_f64(0.75 + 0.5 * random_part())
    }
}

/// A number from 0 to 1 that differs from process to process and call to call.
pub(crate) fn random_part() -> f64 {
    use std::hash::{BuildHasher, RandomState};
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

/// Mirrors have their own name: the registry's credentials are not theirs.
fn mirror_name(mirror: &str) -> &str {
    mirror.split('/').next().unwrap_or(mirror)
}

impl Endpoint {
    pub fn address(&self, path: &str) -> Address {
        Address {
            origin: self.origin.clone(),
            path: path.into(),
        }
    }
}

impl Route {
    /// `/v2/REPOSITORY/…`
    pub fn address(&self, rest: &str) -> Address {
        self.endpoint.address(&format!("/v2/{}/{rest}", self.repository))
    }

    pub fn shown(&self) -> String {
        format!("{}/{}", self.endpoint.origin.authority(), self.repository)
    }
}
