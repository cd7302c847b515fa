//! A question to a service that is no registry, over the same TLS, proxies and limits.

use crate::address::Address;
use crate::transport::{Ask, Payload};
use crate::{Client, RegistryError};

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
}
