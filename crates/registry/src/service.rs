//! Questions to services that are no registries, over the same TLS, proxies and limits.

use std::io::{Read, Write};

use praxis_oci::{Descriptor, Hasher};
use serde_json::Value;

use crate::address::Address;
use crate::error::shown;
use crate::transport::{Answer, Ask, Payload};
use crate::{BlobSource, Client, ErrorKind, RegistryError, Secret};

const JSON: &str = "application/json";

/// A service that takes a token and speaks JSON.
pub struct Service<'c> {
    client: &'c Client,
    base: String,
    authorization: Secret,
}

impl Client {
    /// The body, of at most `limit` bytes, that a POST to `address` is answered with, without credentials. HTTPS, and plain
    /// HTTP for loopback and names that are said to be insecure.
    ///
    /// # Errors
    /// If the service cannot be reached, redirects, or answers anything else than 200 or 201 with the type `accept`.
    pub fn post(
        &self,
        address: &str,
        (content_type, accept): (&str, &str),
        body: &[u8],
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let parsed = Address::parse(address)?;
        let what = format!("{}", parsed.origin);
        let origin = &parsed.origin;
        if !origin.tls && !origin.is_loopback() && !self.settings.insecure.contains(&origin.authority()) {
            return Err(RegistryError::input(format!(
                "{address}: plain HTTP is for this machine only"
            )));
        }
        let ask = Ask {
            method: "POST",
            headers: vec![("content-type", content_type.into()), ("accept", accept.into())],
            payload: Payload::Bytes(body),
            scopes: &[],
            what: what.clone(),
            repeat: true,
            address: parsed,
        };
        let mut answer = self.steadily(&ask, None)?;
        let kind = answer.header("content-type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_string();
        if !matches!(answer.status, 200 | 201) || kind != accept {
            let status = answer.status;
            return Err(RegistryError::lie(format!(
                "{what}: it answered {status} with {kind:?}, not with {accept}"
            )));
        }
        answer.small(limit, &what)
    }

    /// The service at `base`, asked with the token: HTTPS, and plain HTTP for loopback.
    ///
    /// # Errors
    /// If `base` is no address, or would have the token cross a network in clear.
    pub fn service(&self, base: &str, token: &Secret) -> Result<Service<'_>, RegistryError> {
        let parsed = Address::parse(base)?;
        if !parsed.origin.tls && !parsed.origin.is_loopback() {
            return Err(RegistryError::input(format!(
                "{base}: token and content would cross the network in clear"
            ))
            .with_hint("plain HTTP is for this machine only: write https://"));
        }
        if parsed.path.contains(['?', '#']) {
            return Err(RegistryError::input(format!(
                "{base}: the address of a server has no query"
            )));
        }
        Ok(Service {
            client: self,
            base: base.trim_end_matches('/').into(),
            authorization: Secret::new(format!("Bearer {}", token.expose())),
        })
    }
}

impl Service<'_> {
    /// Sends JSON, or nothing, and gives the answer, of at most `limit` bytes.
    ///
    /// # Errors
    /// If the service cannot be reached or refuses; then with what it says.
    pub fn ask(
        &self,
        method: &'static str,
        path: &str,
        json: Option<&[u8]>,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let payload = json.map_or(Payload::Nothing, Payload::Bytes);
        let mut answer = self.send(method, path, JSON, payload, true)?;
        answer.small(limit, &self.base)
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// See [`Service::ask`]; also if `source` cannot be read, or everything is to stop.
    pub fn upload(&self, path: &str, source: &dyn BlobSource, length: u64) -> Result<(), RegistryError> {
        let payload = Payload::Part {
            source,
            offset: 0,
            length,
        };
        self.send("PUT", path, "application/octet-stream", payload, false)
            .map(drop)
    }

    /// Sends JSON, and gives the answer as it comes.
    ///
    /// # Errors
    /// See [`Service::ask`].
    pub fn follow(
        &self,
        path: &str,
        json: &[u8],
    ) -> Result<impl Read + Send + 'static + use<>, RegistryError> {
        let answer = self.send("POST", path, JSON, Payload::Bytes(json), true)?;
        Ok(answer.body.into_reader())
    }

    /// Writes the content that `descriptor` describes to `out`.
    ///
    /// # Errors
    /// If it is not that; what was written is to be thrown away.
    pub fn fetch(
        &self,
        path: &str,
        descriptor: &Descriptor,
        out: &mut dyn Write,
    ) -> Result<(), RegistryError> {
        let answer = self.send("GET", path, JSON, Payload::Nothing, true)?;
        let mut reader = answer.body.into_reader().take(descriptor.size.saturating_add(1));
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 128 << 10];
        loop {
            self.client.stopped()?;
            let count = reader
                .read(&mut buffer)
                .map_err(|error| RegistryError::unreachable(format!("{}: {error}", self.base)))?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            out.write_all(&buffer[..count])
                .map_err(|error| RegistryError::machine("write what was fetched", &error))?;
        }
        let (length, digest) = (hasher.length(), hasher.finish());
        match (length, digest) == (descriptor.size, descriptor.digest) {
            true => Ok(()),
            false => Err(RegistryError::lie(format!(
                "{}: for {} of {} bytes it gave other content: {digest} of {length} or more",
                self.base, descriptor.digest, descriptor.size
            ))),
        }
    }

    fn send(
        &self,
        method: &'static str,
        path: &str,
        kind: &str,
        payload: Payload<'_>,
        repeat: bool,
    ) -> Result<Answer, RegistryError> {
        let mut headers = Vec::new();
        if !matches!(payload, Payload::Nothing) {
            headers.push(("content-type", kind.to_string()));
        }
        let ask = Ask {
            method,
            address: Address::parse(&format!("{}{path}", self.base))?,
            headers,
            payload,
            scopes: &[],
            what: self.base.clone(),
            repeat,
        };
        let answer = self.client.steadily(&ask, Some(&self.authorization))?;
        answer.success_or(|status, body| self.refusal(status, &body))
    }

    /// What the service says no with.
    fn refusal(&self, status: u16, body: &[u8]) -> RegistryError {
        let said: Value = serde_json::from_slice(body).unwrap_or_default();
        let token = self.authorization.expose().trim_start_matches("Bearer ");
        let text = |name: &str| {
            let text = said["error"][name].as_str()?.replace(token, "…");
            Some(shown(&text, 1000))
        };
        let message = text("message").unwrap_or_else(|| format!("it answered {status}"));
        let kind = match status {
            401 | 403 => ErrorKind::Denied,
            404 => ErrorKind::Missing,
            _ => ErrorKind::Input,
        };
        let error = RegistryError::new(kind, format!("{}: {message}", self.base));
        match text("hint") {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}
