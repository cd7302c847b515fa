//! One request and its answer: retries, redirects, limits.

use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use ureq::http::{HeaderMap, Request};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};

use crate::address::{Address, Origin};
use crate::client::{Client, Route};
use crate::error::shown;
use crate::{ErrorKind, RegistryError, Secret, problem};

/// Longest chain of redirects.
const REDIRECTS: usize = 5;
/// Heads of answers are not larger.
const LARGEST_HEAD: usize = 64 << 10;
/// Bodies of refusals are read up to this.
const LARGEST_REFUSAL: u64 = 64 << 10;
/// Headers that go along to another host.
const FOR_ANYONE: [&str; 2] = ["accept", "range"];

/// Bytes that can be read again from any place.
pub trait BlobSource: Sync {
    /// A reader of the bytes from `offset` on.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>>;
}

impl BlobSource for &[u8] {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        let start = usize::try_from(offset).map_or(self.len(), |offset| offset.min(self.len()));
        Ok(Box::new(&self[start..]))
    }
}

impl BlobSource for Path {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        use std::io::{Seek, SeekFrom};
        let mut file = std::fs::File::open(self)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    }
}

/// What a request carries.
pub(crate) enum Payload<'a> {
    Nothing,
    Bytes(&'a [u8]),
    Part {
        source: &'a dyn BlobSource,
        offset: u64,
        length: u64,
    },
}

/// A request.
pub(crate) struct Ask<'a> {
    pub method: &'static str,
    pub address: Address,
    pub headers: Vec<(&'static str, String)>,
    pub payload: Payload<'a>,
    pub scopes: &'a [String],
    /// What is done, and to what: the beginning of messages.
    pub what: String,
    /// Whether it may simply be sent again.
    pub repeat: bool,
}

impl<'a> Ask<'a> {
    pub fn get(address: Address, scopes: &'a [String], what: String) -> Ask<'a> {
        Ask {
            method: "GET",
            address,
            headers: Vec::new(),
            payload: Payload::Nothing,
            scopes,
            what,
            repeat: true,
        }
    }
}

/// An answer.
pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: ureq::Body,
    /// Who answered, after redirects.
    pub address: Address,
    what: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn length(&self) -> Option<u64> {
        self.header("content-length").and_then(|text| text.parse().ok())
    }

    /// The answer if its status is one of success, else the refusal that it is.
    pub fn success(self, client: &Client) -> Result<Answer, RegistryError> {
        let what = self.what.clone();
        self.success_or(|status, body| problem::refusal(&what, status, &client.redacted(body)))
    }

    pub fn success_or(
        mut self,
        refusal: impl FnOnce(u16, Vec<u8>) -> RegistryError,
    ) -> Result<Answer, RegistryError> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let mut body = Vec::new();
        let _ = self.body.as_reader().take(LARGEST_REFUSAL).read_to_end(&mut body);
        Err(refusal(self.status, body))
    }

    /// The whole body, at most `limit` bytes.
    pub fn small(&mut self, limit: u64, what: &str) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        let too_large = || RegistryError::lie(format!("{what}: the answer is larger than {limit} bytes"));
        if self.length().is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        self.body
            .as_reader()
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| RegistryError::unreachable(format!("{what}: {error}")))?;
        if bytes.len() as u64 > limit {
            return Err(too_large());
        }
        Ok(bytes)
    }
}

impl Client {
    /// Sends a request with the credentials that the registry asks for.
    pub(crate) fn send(&self, route: &Route, ask: &Ask) -> Result<Answer, RegistryError> {
        self.repeatedly(ask, &|| {
            let header = self.authorization(route, ask.scopes)?;
            let answer = self.follow(ask, header.as_ref())?;
            if answer.status != 401 || answer.address.origin != route.endpoint.origin {
                return Ok(answer);
            }
            // Some registries say only at their root what they want.
            let asked = match answer.headers.contains_key("www-authenticate") {
                true => answer,
                false => self.greet(route)?,
            };
            self.learn(&route.endpoint, ask.scopes, &asked)?;
            let header = self.authorization(route, ask.scopes)?;
            self.follow(ask, header.as_ref())
        })
    }

    /// What the root of the API answers to a stranger.
    fn greet(&self, route: &Route) -> Result<Answer, RegistryError> {
        let address = route.endpoint.address("/v2/");
        let ask = Ask::get(address, &[], route.endpoint.origin.to_string());
        self.once(&ask, &ask.address, None, true)
    }

    /// Sends a request that follows no redirect, with exactly this `Authorization`.
    pub(crate) fn steadily(&self, ask: &Ask, header: Option<&Secret>) -> Result<Answer, RegistryError> {
        let answer = self.repeatedly(ask, &|| self.once(ask, &ask.address, header, true))?;
        if (300..400).contains(&answer.status) {
            return Err(RegistryError::lie(format!(
                "{}: {} redirects, which is not followed here",
                ask.what, ask.address.origin
            )));
        }
        Ok(answer)
    }

    fn repeatedly(
        &self,
        ask: &Ask,
        send: &dyn Fn() -> Result<Answer, RegistryError>,
    ) -> Result<Answer, RegistryError> {
        let mut attempt = 0;
        loop {
            self.stopped()?;
            attempt += 1;
            let last = attempt > self.settings.retries || !ask.repeat;
            let wait = match send() {
                Ok(answer) if !last && matches!(answer.status, 408 | 429 | 500 | 502 | 503 | 504) => {
                    self.asked_wait(&answer)?.unwrap_or_else(|| self.backoff(attempt))
                }
                Err(error) if !last && error.transient => self.backoff(attempt),
                other => return other,
            };
            self.wait(wait)?;
        }
    }

    /// The wait that `Retry-After` asks for, in seconds.
    fn asked_wait(&self, answer: &Answer) -> Result<Option<Duration>, RegistryError> {
        let Some(seconds) = answer
            .header("retry-after")
            .and_then(|text| text.trim().parse::<u64>().ok())
        else {
            return Ok(None);
        };
        let wait = Duration::from_secs(seconds);
        if wait > self.settings.longest_wait {
            return Err(RegistryError::new(
                ErrorKind::Unreachable,
                format!(
                    "{}: the registry answered {} and asks to wait {seconds} seconds, longer than {}",
                    answer.what,
                    answer.status,
                    self.settings.longest_wait.as_secs()
                ),
            ));
        }
        Ok(Some(wait))
    }

    /// Sends a request and follows redirects of what only reads. Credentials stay with the origin they were made for.
    fn follow(&self, ask: &Ask, header: Option<&Secret>) -> Result<Answer, RegistryError> {
        let mut address = ask.address.clone();
        for _ in 0..=REDIRECTS {
            let own = address.origin == ask.address.origin;
            let answer = self.once(ask, &address, header.filter(|_| own), own)?;
            if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let location = answer.header("location").ok_or_else(|| {
                RegistryError::lie(format!(
                    "{}: the answer {} has no Location",
                    ask.what, answer.status
                ))
            })?;
            let next = address
                .join(location)
                .map_err(|error| RegistryError::lie(format!("{}: redirect refused: {error}", ask.what)))?;
            if !matches!(ask.method, "GET" | "HEAD") {
                return Err(RegistryError::lie(format!(
                    "{}: {} redirects a {} to {}, which is not followed",
                    ask.what, address.origin, ask.method, next.origin
                )));
            }
            self.check_hop(&address.origin, &next.origin).map_err(|why| {
                RegistryError::lie(format!(
                    "{}: redirect to {} refused: {why}",
                    ask.what, next.origin
                ))
            })?;
            address = next;
        }
        Err(RegistryError::lie(format!(
            "{}: more than {REDIRECTS} redirects",
            ask.what
        )))
    }

    /// Whether an answer of `from` may lead to `to`.
    pub(crate) fn check_hop(&self, from: &Origin, to: &Origin) -> Result<(), &'static str> {
        if from == to {
            return Ok(());
        }
        if from.tls && !to.tls {
            return Err("it leaves TLS for plain HTTP");
        }
        if to.is_link_local() {
            return Err("it is an address of the local link");
        }
        if to.is_loopback() && !from.is_loopback() {
            return Err("it is this machine");
        }
        if !to.tls
            && !to.is_loopback()
            && from.host != to.host
            && !self.settings.insecure.contains(&to.authority())
        {
            return Err("it is plain HTTP on another host");
        }
        Ok(())
    }

    fn once(
        &self,
        ask: &Ask,
        address: &Address,
        header: Option<&Secret>,
        own: bool,
    ) -> Result<Answer, RegistryError> {
        let wrong = |why: String| RegistryError::input(format!("{}: {why}", ask.what));
        let agent = self.agent(&address.origin)?;
        let mut request = Request::builder()
            .method(ask.method)
            .uri(address.to_string())
            .header("user-agent", "praxis")
            .header("accept-encoding", "identity");
        for (name, value) in ask
            .headers
            .iter()
            .filter(|(name, _)| own || FOR_ANYONE.contains(name))
        {
            request = request.header(*name, value);
        }
        if let Some(header) = header {
            request = request.header("authorization", header.expose());
        }
        let answered = match &ask.payload {
            Payload::Nothing if matches!(ask.method, "GET" | "HEAD" | "DELETE") => {
                agent.run(request.body(()).map_err(|error| wrong(error.to_string()))?)
            }
            Payload::Nothing => agent.run(request.body(&[][..]).map_err(|error| wrong(error.to_string()))?),
            Payload::Bytes(bytes) => {
                agent.run(request.body(*bytes).map_err(|error| wrong(error.to_string()))?)
            }
            Payload::Part {
                source,
                offset,
                length,
            } => {
                let reader = source
                    .open(*offset)
                    .map_err(|error| RegistryError::machine("read a blob", &error))?;
                let mut reader = Stoppable {
                    client: self,
                    reader: reader.take(*length),
                };
                let request = request.header("content-length", length.to_string());
                let body = ureq::SendBody::from_reader(&mut reader);
                agent.run(request.body(body).map_err(|error| wrong(error.to_string()))?)
            }
        };
        self.stopped()?;
        let answer = answered.map_err(|error| self.failure(ask, &address.origin, &error))?;
        let (parts, body) = answer.into_parts();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            address: address.clone(),
            what: ask.what.clone(),
        })
    }

    fn failure(&self, ask: &Ask, origin: &Origin, error: &ureq::Error) -> RegistryError {
        let what = format!("{}: {origin}", ask.what);
        let said = self.redacted(error.to_string().into_bytes());
        let said = shown(&String::from_utf8_lossy(&said), 300);
        let certificate = matches!(error, ureq::Error::Rustls(_) | ureq::Error::Tls(_))
            || matches!(error, ureq::Error::Io(inner) if inner.kind() == io::ErrorKind::InvalidData);
        match error {
            _ if certificate => RegistryError::new(ErrorKind::Unreachable, format!("{what}: TLS failed: {said}"))
                .with_hint(format!(
                    "plain HTTP is not tried instead; in registries.toml, [registry.{:?}] takes ca = FILE, or insecure = true",
                    origin.authority()
                )),
            ureq::Error::Io(inner) if inner.kind() == io::ErrorKind::PermissionDenied => {
                RegistryError::new(ErrorKind::Forbidden, format!("{what}: {said}"))
            }
            _ if said.contains("lookup address") => {
                RegistryError::new(ErrorKind::Unreachable, format!("{what}: {said}"))
            }
            ureq::Error::HostNotFound => {
                RegistryError::new(ErrorKind::Unreachable, format!("{what}: no host has this name"))
            }
            ureq::Error::LargeResponseHeader(..) => {
                RegistryError::lie(format!("{what}: the head of the answer is larger than {LARGEST_HEAD} bytes"))
            }
            ureq::Error::Protocol(_) | ureq::Error::Http(_) => {
                let error = RegistryError::lie(format!("{what}: the answer is not HTTP: {said}"));
                RegistryError { transient: true, ..error }
            }
            _ => RegistryError::unreachable(format!("{what}: {said}")),
        }
    }

    fn agent(&self, origin: &Origin) -> Result<ureq::Agent, RegistryError> {
        if let Some(known) = self.agents.lock().expect("no panic while held").get(origin) {
            return Ok(known.clone());
        }
        let settings = &self.settings;
        let reach = &settings.reach;
        reach
            .check_written(&origin.host, origin.port)
            .map_err(|why| RegistryError::new(ErrorKind::Forbidden, why.to_string()))?;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .save_redirect_history(false)
            .max_response_header_size(LARGEST_HEAD)
            .max_idle_connections_per_host(settings.parallel.max(1))
            .timeout_connect(Some(settings.connect_timeout))
            .timeout_per_read(Some(settings.silence_timeout))
            .timeout_per_write(Some(settings.silence_timeout))
            .tls_config(self.tls(origin)?)
            .proxy(self.proxy(origin)?)
            .build();
        let agent = reach.agent(config);
        self.agents
            .lock()
            .expect("no panic while held")
            .insert(origin.clone(), agent.clone());
        Ok(agent)
    }

    /// Certificates of a registry are for the registry itself, not for where it redirects.
    fn tls(&self, origin: &Origin) -> Result<TlsConfig, RegistryError> {
        let entries = &self.settings.registries.registry;
        let named = entries.iter().find(|(name, entry)| {
            let place = entry.location.as_deref().unwrap_or(name);
            let authority = place.split('/').next().unwrap_or(place);
            Origin::of_authority(authority, true).is_ok_and(|place| place == *origin)
        });
        let entry = named.map(|(_, entry)| entry);
        let mut builder = TlsConfig::builder();
        let ca = entry
            .and_then(|entry| entry.ca.as_ref())
            .or(self.settings.ca_bundle.as_ref());
        if let Some(path) = ca.filter(|_| origin.tls) {
            let certificates = certificates(path)?;
            builder = builder.root_certs(RootCerts::new_with_certs(&certificates));
        }
        if let Some((chain, key)) =
            entry.and_then(|entry| entry.client_certificate.as_ref().zip(entry.client_key.as_ref()))
        {
            let chain = certificates(chain)?;
            let pem = read_pem(key)?;
            let key = PrivateKey::from_pem(&pem)
                .map_err(|_| RegistryError::input(format!("{}: no private key (PEM)", key.display())))?;
            builder = builder.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        Ok(builder.build())
    }

    fn proxy(&self, origin: &Origin) -> Result<Option<ureq::Proxy>, RegistryError> {
        let proxies = &self.settings.proxies;
        let of = |wanted: &str| {
            let found = proxies
                .iter()
                .find(|(name, value)| name.eq_ignore_ascii_case(wanted) && !value.is_empty());
            found.map(|(_, value)| value.as_str())
        };
        let scheme = if origin.tls { "https_proxy" } else { "http_proxy" };
        let Some(proxy) = of(scheme).or_else(|| of("all_proxy")) else {
            return Ok(None);
        };
        if origin.is_loopback() || bypasses(of("no_proxy").unwrap_or_default(), &origin.host) {
            return Ok(None);
        }
        ureq::Proxy::new(proxy)
            .map(Some)
            .map_err(|_| RegistryError::input(format!("{scheme}: not the address of a proxy")))
    }
}

fn bypasses(list: &str, host: &str) -> bool {
    list.split(',')
        .map(|part| part.trim().trim_start_matches('.'))
        .any(|part| {
            let part = part.split(':').next().unwrap_or(part);
            part == "*" || (!part.is_empty() && (host == part || host.ends_with(&format!(".{part}"))))
        })
}

fn read_pem(path: &Path) -> Result<Vec<u8>, RegistryError> {
    std::fs::read(path).map_err(|error| RegistryError::machine(&format!("read {}", path.display()), &error))
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let pem = read_pem(path)?;
    let found: Vec<_> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(RegistryError::input(format!(
            "{}: no certificate (PEM)",
            path.display()
        )));
    }
    Ok(found)
}

/// A reader that fails when everything is to stop.
struct Stoppable<'a, R> {
    client: &'a Client,
    reader: R,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.client.stopped().map_err(io::Error::other)?;
        self.reader.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    fn origin(authority: &str, tls: bool) -> Origin {
        Origin::of_authority(authority, tls).unwrap()
    }

    #[test]
    fn row_34_tls_is_never_left() {
        let client = Client::new(Settings::default());
        let hop = |from: &Origin, to: &Origin| client.check_hop(from, to).is_ok();
        let registry = origin("r.test", true);
        assert!(hop(&registry, &origin("cdn.test", true)));
        assert!(!hop(&registry, &origin("r.test", false)));
        assert!(!hop(&registry, &origin("cdn.test", false)));
        assert!(!hop(&registry, &origin("169.254.169.254", true)));
        assert!(!hop(&registry, &origin("localhost:8080", true)));
        assert!(hop(
            &origin("127.0.0.1:5000", false),
            &origin("127.0.0.1:5001", false)
        ));
        assert!(!hop(
            &origin("127.0.0.1:5000", false),
            &origin("other.test", false)
        ));
    }

    #[test]
    fn hosts_that_need_no_proxy() {
        assert!(bypasses("a.test, .b.test:443", "x.b.test"));
        assert!(bypasses("a.test", "a.test"));
        assert!(!bypasses("a.test,", "ba.test"));
        assert!(bypasses("*", "x"));
    }
}
