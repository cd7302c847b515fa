use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use praxis_oci::{Digest, Hasher};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

use crate::error::FetchErrorKind;
use crate::forward::Forwarder;
use crate::{DebianError, FetchError};

/// Gets files by URL. What it gives is never trusted: callers check it against signatures or digests.
pub trait Fetch: Sync {
    /// The bytes at `url`. Attempts that may succeed later were repeated already.
    fn get(&self, url: &str) -> Result<Box<dyn Read + Send>, FetchError>;
}

/// How the network is reached.
#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    /// Proxy for `http:` URLs.
    pub http_proxy: Option<String>,
    /// Proxy for `https:` URLs.
    pub https_proxy: Option<String>,
    /// Hosts that are reached directly: `*`, a name, or a domain whose names are meant too.
    pub no_proxy: Vec<String>,
    /// PEM certificates to trust instead of the built-in ones.
    pub certificates: Option<Vec<u8>>,
}

/// [`Fetch`] over HTTP and HTTPS. TLS errors are final: there is no fallback to plain HTTP, and redirects from
/// HTTPS to HTTP are not followed.
pub struct HttpFetch {
    direct: Agent,
    http: Option<Agent>,
    https: Option<Agent>,
    forwarder: Option<Forwarder>,
    no_proxy: Vec<String>,
}

/// How often a request is tried.
const ATTEMPTS: u32 = 4;
/// Pause before the second attempt; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

impl HttpFetch {
    /// Checks the settings; does not touch the network.
    pub fn new(settings: &HttpSettings) -> Result<HttpFetch, FetchError> {
        let roots = settings.certificates.as_deref().map(certificates).transpose()?;
        let agent = |proxy: Option<Proxy>| {
            let mut tls = TlsConfig::builder();
            if let Some(roots) = &roots {
                tls = tls.root_certs(roots.clone());
            }
            Agent::config_builder()
                .proxy(proxy)
                .tls_config(tls.build())
                .http_status_as_error(false)
                .user_agent("praxis")
                .timeout_connect(Some(Duration::from_secs(20)))
                .timeout_recv_response(Some(Duration::from_secs(60)))
                .timeout_per_read(Some(Duration::from_secs(60)))
                .build()
                .new_agent()
        };
        let through = |proxy: &Option<String>| match proxy.as_deref().filter(|proxy| !proxy.is_empty()) {
            None => Ok(None),
            Some(proxy) => Proxy::new(proxy)
                .map(|proxy| Some(agent(Some(proxy))))
                .map_err(|error| {
                    FetchError::new(
                        proxy,
                        FetchErrorKind::Unusable(format!("it cannot be used as a proxy: {error}")),
                    )
                }),
        };
        Ok(HttpFetch {
            direct: agent(None),
            http: through(&settings.http_proxy)?,
            https: through(&settings.https_proxy)?,
            forwarder: settings.http_proxy.as_deref().and_then(Forwarder::new),
            no_proxy: settings.no_proxy.clone(),
        })
    }

    fn agent(&self, url: &str) -> Result<&Agent, FetchErrorKind> {
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let proxied = match scheme {
            "http" => &self.http,
            "https" => &self.https,
            _ => {
                return Err(FetchErrorKind::Unusable(
                    "only http: and https: are supported".into(),
                ));
            }
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _port)| host);
        match proxied {
            Some(agent) if !is_direct(host, &self.no_proxy) => Ok(agent),
            _ => Ok(&self.direct),
        }
    }

    fn try_once(&self, url: &str) -> Result<Box<dyn Read + Send>, FetchErrorKind> {
        let agent = self.agent(url)?;
        if let (Some(forwarder), Some(through)) = (&self.forwarder, &self.http)
            && std::ptr::eq(agent, through)
        {
            return forwarder.get(url);
        }
        let response = agent.get(url).call().map_err(|error| match error {
            ureq::Error::BadUri(reason) => FetchErrorKind::Unusable(reason),
            other => FetchErrorKind::Unreachable(other.to_string()),
        })?;
        match response.status().as_u16() {
            200 => Ok(Box::new(response.into_body().into_reader())),
            404 | 410 => Err(FetchErrorKind::NotFound),
            status => Err(FetchErrorKind::Status(status)),
        }
    }
}

impl Fetch for HttpFetch {
    fn get(&self, url: &str) -> Result<Box<dyn Read + Send>, FetchError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            match self.try_once(url) {
                Ok(body) => return Ok(body),
                Err(kind) if attempt < ATTEMPTS && may_pass(&kind) => {
                    std::thread::sleep(pause);
                    (attempt, pause) = (attempt + 1, pause * 2);
                }
                Err(kind) => return Err(FetchError::new(url, kind)),
            }
        }
    }
}

fn may_pass(kind: &FetchErrorKind) -> bool {
    match kind {
        FetchErrorKind::Unreachable(_) => true,
        FetchErrorKind::Status(status) => matches!(status, 408 | 425 | 429 | 500..=599),
        FetchErrorKind::NotFound | FetchErrorKind::Unusable(_) => false,
    }
}

fn is_direct(host: &str, no_proxy: &[String]) -> bool {
    no_proxy.iter().any(|entry| {
        let entry = entry.trim().trim_start_matches("*.").trim_start_matches('.');
        let inside = || {
            host.strip_suffix(entry)
                .is_some_and(|head| head.is_empty() || head.ends_with('.'))
        };
        entry == "*" || (!entry.is_empty() && inside())
    })
}

fn certificates(pem: &[u8]) -> Result<RootCerts, FetchError> {
    let wrong = |reason: &str| FetchError::new("the CA bundle", FetchErrorKind::Unusable(reason.into()));
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        match item.map_err(|error| wrong(&error.to_string()))? {
            PemItem::Certificate(certificate) => found.push(certificate),
            _ => continue,
        }
    }
    if found.is_empty() {
        return Err(wrong("there is no certificate in it"));
    }
    Ok(RootCerts::Specific(Arc::new(found)))
}

/// Files that pass through memory whole (Release files, indexes) are refused beyond this.
const LARGEST_IN_MEMORY: u64 = 256 << 20;

/// The file at `url`, of at most `limit` bytes.
pub(crate) fn get_limited(fetch: &dyn Fetch, url: &str, limit: u64) -> Result<Vec<u8>, DebianError> {
    let limit = limit.min(LARGEST_IN_MEMORY);
    let mut bytes = Vec::new();
    let body = fetch.get(url)?;
    body.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| FetchError::new(url, FetchErrorKind::Unreachable(error.to_string())))?;
    if bytes.len() as u64 > limit {
        return Err(DebianError::mismatch(
            url,
            format!("it has more than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// The file at `url`, which must have this size and digest.
pub(crate) fn get_verified(
    fetch: &dyn Fetch,
    url: &str,
    size: u64,
    digest: &Digest,
) -> Result<Vec<u8>, DebianError> {
    let bytes = get_limited(fetch, url, size)?;
    let found = Digest::of(&bytes);
    if bytes.len() as u64 != size || found != *digest {
        let reason = format!(
            "expected {size} bytes with {digest}, found {} with {found}",
            bytes.len()
        );
        return Err(DebianError::mismatch(url, reason));
    }
    Ok(bytes)
}

/// Copies the file at `url` into `out`; it must have this size and digest.
pub(crate) fn copy_verified(
    fetch: &dyn Fetch,
    url: &str,
    size: u64,
    digest: &Digest,
    out: &mut dyn std::io::Write,
) -> Result<(), DebianError> {
    let mut body = fetch.get(url)?.take(size + 1);
    let mut hasher = Hasher::new();
    let mut block = vec![0; 64 << 10];
    loop {
        let length = body
            .read(&mut block)
            .map_err(|error| FetchError::new(url, FetchErrorKind::Unreachable(error.to_string())))?;
        if length == 0 {
            break;
        }
        hasher.update(&block[..length]);
        out.write_all(&block[..length])
            .map_err(DebianError::file("write the download of", url))?;
    }
    let (length, found) = (hasher.length(), hasher.finish());
    if length != size || found != *digest {
        let reason = format!("expected {size} bytes with {digest}, found {length} with {found}");
        return Err(DebianError::mismatch(url, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    fn settings() -> HttpSettings {
        HttpSettings::default()
    }

    /// Answers one request after the other with `answers` and gives back what was asked.
    fn serve(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            answers
                .into_iter()
                .map(|answer| {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        let mut byte = [0];
                        stream.read_exact(&mut byte).unwrap();
                        request.push(byte[0]);
                    }
                    stream.write_all(answer.as_bytes()).unwrap();
                    String::from_utf8_lossy(&request)
                        .lines()
                        .next()
                        .unwrap()
                        .to_string()
                })
                .collect()
        });
        (url, server)
    }

    const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
    const MISSING: &str = "HTTP/1.1 404 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

    #[test]
    fn repeats_what_may_pass_and_not_what_is_final() {
        let fetch = HttpFetch::new(&settings()).unwrap();
        let (url, server) = serve(vec![BUSY, HELLO]);
        assert_eq!(get_limited(&fetch, &format!("{url}/a"), 5).unwrap(), b"hello");
        assert_eq!(server.join().unwrap().len(), 2);
        let (url, server) = serve(vec![MISSING]);
        assert!(fetch.get(&url).err().unwrap().is_not_found());
        server.join().unwrap();
    }

    #[test]
    fn refuses_other_bytes_than_expected() {
        let fetch = HttpFetch::new(&settings()).unwrap();
        let (url, server) = serve(vec![HELLO, HELLO, HELLO, HELLO]);
        assert!(get_verified(&fetch, &url, 5, &Digest::of(b"hello")).is_ok());
        assert!(get_verified(&fetch, &url, 5, &Digest::of(b"hallo")).is_err());
        assert!(get_limited(&fetch, &url, 4).is_err());
        assert!(copy_verified(&fetch, &url, 4, &Digest::of(b"hell"), &mut Vec::new()).is_err());
        server.join().unwrap();
    }

    #[test]
    fn goes_through_the_proxy_unless_the_host_is_direct() {
        let (proxy, server) = serve(vec![HELLO]);
        let mut settings = HttpSettings {
            http_proxy: Some(proxy),
            ..settings()
        };
        let fetch = HttpFetch::new(&settings).unwrap();
        assert!(get_limited(&fetch, "http://mirror.invalid/x", 5).is_ok());
        assert!(server.join().unwrap()[0].starts_with("GET http://mirror.invalid/x "));
        settings.no_proxy = vec![".invalid".into()];
        let direct = HttpFetch::new(&settings).unwrap();
        assert!(std::ptr::eq(
            direct.agent("http://a.invalid:80/x").unwrap(),
            &direct.direct
        ));
        assert!(!std::ptr::eq(
            direct.agent("http://xinvalid/").unwrap(),
            &direct.direct
        ));
    }

    #[test]
    fn a_proxy_may_redirect_and_must_not_cut_off() {
        const MOVED: &str = "HTTP/1.1 302 Found\r\nLocation: http://other.invalid/y\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        const CUT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
        const ELSEWHERE: &str = "HTTP/1.1 302 Found\r\nLocation: ftp://other.invalid/y\r\n\r\n";
        let (proxy, server) = serve(vec![MOVED, HELLO, CUT, ELSEWHERE, MISSING]);
        let fetch = HttpFetch::new(&HttpSettings {
            http_proxy: Some(proxy),
            ..settings()
        })
        .unwrap();
        let url = "http://mirror.invalid/x";
        assert_eq!(get_limited(&fetch, url, 5).unwrap(), b"hello");
        assert!(get_limited(&fetch, url, 9).is_err());
        assert!(fetch.get(url).is_err());
        assert!(fetch.get(url).err().unwrap().is_not_found());
        assert!(server.join().unwrap()[1].starts_with("GET http://other.invalid/y "));
    }

    #[test]
    fn other_schemes_and_empty_bundles_are_refused() {
        let fetch = HttpFetch::new(&settings()).unwrap();
        assert!(fetch.get("file:///etc/passwd").is_err());
        assert!(
            HttpFetch::new(&HttpSettings {
                certificates: Some(b"x".to_vec()),
                ..settings()
            })
            .is_err()
        );
    }
}
