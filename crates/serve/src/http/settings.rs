use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use praxis_reach::Network;

use crate::ServeError;

/// Where and for whom a server listens.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// The address.
    pub address: SocketAddr,
    /// The file of clients and their tokens.
    pub tokens: Option<PathBuf>,
    /// Others than this machine may connect.
    pub publicly: bool,
    /// Certificate chain and key, both PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where the proxy is that ends TLS in front of this server. Nobody else may ask for more than the server's health.
    pub proxies: Vec<Network>,
    /// What `Host` may say beside the address itself: `HOST` or `HOST:PORT`, as clients write it.
    pub hosts: Vec<String>,
    /// Where pages may come from that call this server, beside its own: `https://HOST[:PORT]`.
    pub origins: Vec<String>,
    /// Where traces are sent, such as `http://127.0.0.1:4318`: a collector that speaks OTLP over HTTP.
    pub otlp: Option<String>,
    /// How much at once, how large, how long.
    pub limits: Limits,
}

/// How much at once, how large, how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Requests of one client at once; an open stream is one.
    pub requests: usize,
    /// Sessions of one client.
    pub sessions: usize,
    /// Bytes of a message.
    pub message: usize,
    /// Objects and arrays in each other.
    pub depth: usize,
    /// The time for a request's head.
    pub head: Duration,
    /// The time for a request's body.
    pub body: Duration,
    /// How long a session waits for its client to come back for a result.
    pub reconnect: Duration,
    /// How long running calls may go on when the server is to end.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 512,
            requests: 32,
            sessions: 32,
            message: 1 << 20,
            depth: 32,
            head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            reconnect: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}

impl HttpSettings {
    /// Settings for an address, for which nothing else is said yet.
    pub fn new(address: SocketAddr) -> HttpSettings {
        HttpSettings {
            address,
            tokens: None,
            publicly: false,
            tls: None,
            proxies: Vec::new(),
            hosts: Vec::new(),
            origins: Vec::new(),
            otlp: None,
            limits: Limits::default(),
        }
    }

    /// Whether clients speak TLS, to this server or to the proxy before it.
    pub(crate) fn secure(&self) -> bool {
        self.tls.is_some() || !self.proxies.is_empty()
    }

    /// Says no to what would be open to others than it seems.
    ///
    /// # Errors
    /// If there is no token file, or the address is not loopback and opt-in or protection is missing.
    pub(crate) fn check(&self) -> Result<(), ServeError> {
        let refuse = |why: String| Err(ServeError::Refused(why));
        let address = self.address;
        if self.tokens.is_none() {
            return refuse(format!(
                "--http {address}: no token file; every program on this machine, and every page in its browsers, can \
                 reach a port: give --tokens FILE with a line `NAME TIER TOKEN` for each client"
            ));
        }
        if self.tls.is_some() && !self.proxies.is_empty() {
            return refuse(
                "--behind-proxy and --tls-certificate: TLS ends here or at the proxy, not at both".into(),
            );
        }
        if address.ip().is_loopback() {
            return Ok(());
        }
        if !self.publicly {
            return refuse(format!(
                "--http {address}: others than this machine can reach this address: listen on 127.0.0.1, or say \
                 --listen-publicly if that is meant"
            ));
        }
        if !self.secure() {
            return refuse(format!(
                "--http {address}: tokens and results would cross the network in clear: give --tls-certificate and \
                 --tls-key, or --behind-proxy ADDRESS if a proxy there ends TLS"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(settings: &HttpSettings) -> String {
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn service_row_01_nothing_listens_without_tokens_and_nothing_publicly_by_chance() {
        let loopback = HttpSettings::new("127.0.0.1:8080".parse().unwrap());
        assert!(refusal(&loopback).contains("--tokens FILE"));
        let with = HttpSettings {
            tokens: Some("t".into()),
            ..loopback
        };
        with.check().unwrap();
        for address in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[::ffff:127.0.0.1]:80"] {
            let public = HttpSettings {
                address: address.parse().unwrap(),
                ..with.clone()
            };
            assert!(refusal(&public).contains("--listen-publicly"), "{address}");
            let opted = HttpSettings {
                publicly: true,
                ..public
            };
            assert!(refusal(&opted).contains("--tls-certificate"), "{address}");
            let proxied = HttpSettings {
                proxies: vec!["192.0.2.7".parse().unwrap()],
                ..opted.clone()
            };
            proxied.check().unwrap();
            let both = HttpSettings {
                tls: Some(("c".into(), "k".into())),
                ..proxied
            };
            assert!(refusal(&both).contains("not at both"));
            HttpSettings {
                proxies: Vec::new(),
                ..both
            }
            .check()
            .unwrap();
        }
    }
}
