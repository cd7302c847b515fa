//! From a challenge to an `Authorization`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use crate::address::{Address, encoded};
use crate::challenge::{Challenge, parse_challenges};
use crate::client::{Client, Endpoint, Route};
use crate::error::shown;
use crate::transport::{Answer, Ask, Payload};
use crate::{Credential, ErrorKind, RegistryError, Secret};

/// Token hosts that are known to belong to a registry.
const KNOWN_TOKEN_HOSTS: [(&str, &str); 2] = [
    ("docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
];
/// Answers with a token are not larger.
const LARGEST_TOKEN: u64 = 1 << 20;
/// How long a token is used whose answer does not say.
const SHORT_LIFE: u64 = 60;

/// What is known of an endpoint's wishes.
#[derive(Default)]
pub(crate) struct Known {
    challenge: Option<Challenge>,
    tokens: HashMap<String, Token>,
}

struct Token {
    header: Secret,
    until: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Client {
    /// The `Authorization` for `scopes` as far as the endpoint is known to want one.
    pub(crate) fn authorization(
        &self,
        route: &Route,
        scopes: &[String],
    ) -> Result<Option<Secret>, RegistryError> {
        let endpoint = &route.endpoint;
        let challenge = {
            let known = endpoint.known.lock().expect("no panic while held");
            let Some(challenge) = known.challenge.clone() else {
                return Ok(None);
            };
            let live = known
                .tokens
                .get(&scopes.join(" "))
                .filter(|token| token.until > Instant::now());
            if let Some(token) = live {
                return Ok(Some(token.header.clone()));
            }
            challenge
        };
        let credential = self.credential(route)?;
        if challenge.scheme == "basic" {
            return self.basic(endpoint, credential.as_ref()).map(Some);
        }
        let token = self.token(endpoint, &challenge, credential.as_ref(), scopes)?;
        let header = token.header.clone();
        let mut known = endpoint.known.lock().expect("no panic while held");
        known.tokens.insert(scopes.join(" "), token);
        Ok(Some(header))
    }

    /// Learns from an answer 401 what the endpoint wants.
    pub(crate) fn learn(
        &self,
        endpoint: &Endpoint,
        scopes: &[String],
        answer: &Answer,
    ) -> Result<(), RegistryError> {
        let headers = answer.headers.get_all("www-authenticate");
        let challenges: Vec<Challenge> = headers
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(parse_challenges)
            .collect();
        let of = |scheme: &str| challenges.iter().find(|one| one.scheme == scheme).cloned();
        let chosen = of("bearer").or_else(|| of("basic")).ok_or_else(|| {
            let names: Vec<String> = challenges.iter().map(|one| shown(&one.scheme, 20)).collect();
            RegistryError::new(
                ErrorKind::Denied,
                format!(
                    "{}: the registry wants credentials of a kind that is not known: {:?}",
                    endpoint.origin, names
                ),
            )
        })?;
        let mut known = endpoint.known.lock().expect("no panic while held");
        known.tokens.remove(&scopes.join(" "));
        known.challenge = Some(chosen);
        Ok(())
    }

    fn credential(&self, route: &Route) -> Result<Option<Credential>, RegistryError> {
        let found = self
            .settings
            .credentials
            .find(&route.endpoint.registry, &route.repository)?;
        match &found {
            Some(Credential::Password { password, .. }) => self.keep_secret(password.expose()),
            Some(Credential::Identity(token)) => self.keep_secret(token.expose()),
            None => {}
        }
        Ok(found)
    }

    fn basic(&self, endpoint: &Endpoint, credential: Option<&Credential>) -> Result<Secret, RegistryError> {
        match credential {
            Some(Credential::Password { user, password }) => Ok(self.basic_header(user, password)),
            Some(Credential::Identity(_)) => Err(RegistryError::new(
                ErrorKind::Denied,
                format!(
                    "{}: wants a password, but there is only an identity token",
                    endpoint.registry
                ),
            )),
            None => Err(no_credentials(endpoint)),
        }
    }

    fn basic_header(&self, user: &str, password: &Secret) -> Secret {
        let pair = BASE64_STANDARD.encode(format!("{user}:{}", password.expose()));
        self.keep_secret(&pair);
        Secret::new(format!("Basic {pair}"))
    }

    fn token(
        &self,
        endpoint: &Endpoint,
        challenge: &Challenge,
        credential: Option<&Credential>,
        scopes: &[String],
    ) -> Result<Token, RegistryError> {
        let what = format!("token for {}", endpoint.registry);
        let realm = challenge.parameters.get("realm").ok_or_else(|| {
            RegistryError::lie(format!(
                "{what}: the registry does not say where tokens are (no realm)"
            ))
        })?;
        let realm = Address::parse(realm).map_err(|error| RegistryError::lie(format!("{what}: {error}")))?;
        self.check_realm(endpoint, &realm, credential.is_some())
            .map_err(|why| RegistryError::lie(format!("{what}: refused to ask {}: {why}", realm.origin)).with_hint(format!(
                "if that host is the registry's own, list it: [registry.{:?}] token-hosts = [{:?}] in registries.toml",
                endpoint.registry, realm.origin.authority()
            )))?;
        let service = challenge.parameters.get("service").map(String::as_str);
        let answer = match credential {
            Some(Credential::Identity(identity)) => {
                self.exchange_identity(realm, identity, service, scopes, &what)?
            }
            password => self.ask_token(realm, password, service, scopes, &what)?,
        };
        let mut answer = answer.success_or(|status, body| {
            let error = crate::problem::refusal(&what, status, &self.redacted(body));
            if credential.is_none() {
                no_credentials(endpoint)
            } else {
                error
            }
        })?;
        let bytes = answer.small(LARGEST_TOKEN, &what)?;
        let token: TokenAnswer = serde_json::from_slice(&bytes)
            .map_err(|_| RegistryError::lie(format!("{what}: the answer is not the JSON of a token")))?;
        let text = if token.token.is_empty() {
            token.access_token
        } else {
            token.token
        };
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(RegistryError::lie(format!(
                "{what}: the answer holds no usable token"
            )));
        }
        self.keep_secret(&text);
        let life = token.expires_in.unwrap_or(SHORT_LIFE).clamp(10, 86_400);
        Ok(Token {
            header: Secret::new(format!("Bearer {text}")),
            // Not to the last second: the request takes time, clocks differ.
            until: Instant::now() + Duration::from_secs(life * 9 / 10),
        })
    }

    fn ask_token(
        &self,
        realm: Address,
        credential: Option<&Credential>,
        service: Option<&str>,
        scopes: &[String],
        what: &str,
    ) -> Result<Answer, RegistryError> {
        let mut address = realm;
        if let Some(service) = service {
            address = address.with_query("service", service);
        }
        for scope in scopes {
            address = address.with_query("scope", scope);
        }
        let header = match credential {
            Some(Credential::Password { user, password }) => {
                address = address.with_query("account", user);
                Some(self.basic_header(user, password))
            }
            _ => None,
        };
        self.steadily(&Ask::get(address, &[], what.into()), header.as_ref())
    }

    fn exchange_identity(
        &self,
        realm: Address,
        identity: &Secret,
        service: Option<&str>,
        scopes: &[String],
        what: &str,
    ) -> Result<Answer, RegistryError> {
        let form = format!(
            "grant_type=refresh_token&client_id=praxis&service={}&scope={}&refresh_token={}",
            encoded(service.unwrap_or_default()),
            encoded(&scopes.join(" ")),
            encoded(identity.expose())
        );
        self.keep_secret(&encoded(identity.expose()));
        let mut ask = Ask::get(realm, &[], what.into());
        ask.method = "POST";
        ask.headers
            .push(("content-type", "application/x-www-form-urlencoded".into()));
        ask.payload = Payload::Bytes(form.as_bytes());
        self.steadily(&ask, None)
    }

    /// Whether a token may be asked for there.
    fn check_realm(
        &self,
        endpoint: &Endpoint,
        realm: &Address,
        confidential: bool,
    ) -> Result<(), &'static str> {
        let (own, there) = (&endpoint.origin, &realm.origin);
        if own == there {
            return Ok(());
        }
        if there.is_link_local() {
            return Err("it is an address of the local link");
        }
        if !there.tls && (own.tls || own.host != there.host) {
            return Err("it is plain HTTP");
        }
        if there.is_loopback() && !own.is_loopback() {
            return Err("it is this machine");
        }
        let entry = self.settings.registries.entry(&endpoint.registry);
        let authority = there.authority();
        let listed = entry.is_some_and(|entry| entry.token_hosts.contains(&authority))
            || KNOWN_TOKEN_HOSTS.contains(&(endpoint.registry.as_str(), authority.as_str()));
        if confidential && !listed {
            return Err("it is another host or port, and credentials would go there");
        }
        Ok(())
    }
}

fn no_credentials(endpoint: &Endpoint) -> RegistryError {
    let registry = &endpoint.registry;
    RegistryError::new(
        ErrorKind::Denied,
        format!("{registry}: the registry wants credentials, and there are none"),
    )
    .with_hint(format!("praxis login {registry}"))
}
