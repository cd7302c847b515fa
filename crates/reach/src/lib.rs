//! Which addresses may be connected to.
//!
//! A server that fetches what its callers name can be sent to places that only it can reach: the metadata service of a
//! cloud, what listens on loopback, machines of the network behind it. [`Reach`] says no to all of these that were not
//! allowed. It looks at what a name resolves to, at every address of it, and what was looked at is what is connected to:
//! no second resolution comes after the check. A redirect is a new connection, and so is checked like the first.

mod network;
mod public;

use std::fmt;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;
use std::sync::Arc;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

pub use network::Network;

/// Where connections may go.
#[derive(Clone, Debug, Default)]
pub struct Reach(Option<Arc<Vec<Destination>>>);

/// A place that may be reached though it is not public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Whatever a name resolves to, but for addresses of the local link; on one port, or on all.
    Host(String, Option<u16>),
    /// These addresses, whatever their names.
    Network(Network),
}

impl FromStr for Destination {
    type Err = String;

    /// Reads `HOST`, `HOST:PORT`, an address or a network.
    fn from_str(text: &str) -> Result<Destination, String> {
        if let Ok(network) = text.parse() {
            return Ok(Destination::Network(network));
        }
        let wrong =
            || format!("{text:?} is neither HOST, HOST:PORT, an address nor a network such as 10.0.0.0/8");
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        match !host.is_empty() && host.bytes().all(plain) {
            true => Ok(Destination::Host(host.to_ascii_lowercase(), port)),
            false => Err(wrong()),
        }
    }
}

/// A connection that may not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfReach {
    host: String,
    address: IpAddr,
}

impl fmt::Display for OutOfReach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = public::kind(self.address).unwrap_or("no public address");
        let (host, address) = (&self.host, self.address);
        match host.trim_matches(['[', ']']) == address.to_string() {
            true => write!(f, "{host} is {what}, and may not be reached from here"),
            false => write!(
                f,
                "{host} is at {address}, {what}, and may not be reached from here"
            ),
        }
    }
}

impl std::error::Error for OutOfReach {}

impl Reach {
    /// Public addresses, and what else is named.
    pub fn public(allowed: Vec<Destination>) -> Reach {
        Reach(Some(Arc::new(allowed)))
    }

    /// Whether there is any address that may not be reached.
    pub fn is_bounded(&self) -> bool {
        self.0.is_some()
    }

    /// Whether `host` may be reached at all of these addresses.
    ///
    /// # Errors
    /// The first that may not.
    pub fn check(&self, host: &str, addresses: &[SocketAddr]) -> Result<(), OutOfReach> {
        let Some(allowed) = &self.0 else {
            return Ok(());
        };
        let refused = addresses.iter().find(|address| !may(allowed, host, address));
        refused.map_or(Ok(()), |address| {
            Err(OutOfReach {
                host: host.into(),
                address: address.ip(),
            })
        })
    }

    /// The addresses of `host`, each of which may be reached.
    ///
    /// # Errors
    /// If there is none, or one may not be reached.
    pub fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let found: Vec<SocketAddr> = (host.trim_matches(['[', ']']), port).to_socket_addrs()?.collect();
        self.check(host, &found).map_err(denied)?;
        Ok(found)
    }

    /// An agent that connects only to where it may. A proxy that `config` names is the operator's, and resolves names
    /// itself: then only addresses that are written as such are looked at, by [`Reach::check_written`].
    pub fn agent(&self, config: Config) -> Agent {
        if !self.is_bounded() || config.proxy().is_some() {
            return config.into();
        }
        let resolver = Bounded {
            reach: self.clone(),
            inner: DefaultResolver::default(),
        };
        Agent::with_parts(config, DefaultConnector::default(), resolver)
    }

    /// Looks at a host that somebody else will resolve: if it is an address in any form that resolvers take for one
    /// (`0x7f.1`, `2130706433`, `::ffff:7f00:1`), or a name of this machine.
    ///
    /// # Errors
    /// If that may not be reached.
    pub fn check_written(&self, host: &str, port: u16) -> Result<(), OutOfReach> {
        let numeric = host.trim_matches(['[', ']']);
        let this_machine = numeric.eq_ignore_ascii_case("localhost") || numeric.ends_with(".localhost");
        let digits = numeric.contains(':')
            || numeric.trim_end_matches('.').split('.').all(|part| {
                part.parse::<u64>().is_ok() || part.to_ascii_lowercase().strip_prefix("0x").is_some()
            });
        match self.is_bounded() && (this_machine || digits) {
            true => match (numeric, port).to_socket_addrs() {
                Ok(found) => self.check(host, &found.collect::<Vec<_>>()),
                Err(_) => Ok(()),
            },
            false => Ok(()),
        }
    }
}

fn may(allowed: &[Destination], host: &str, address: &SocketAddr) -> bool {
    let ip = address.ip();
    public::kind(ip).is_none()
        || allowed.iter().any(|destination| match destination {
            Destination::Network(network) => network.contains(ip),
            Destination::Host(name, port) => {
                name.eq_ignore_ascii_case(host)
                    && port.is_none_or(|port| port == address.port())
                    && !public::is_link_local(ip)
            }
        })
}

fn denied(why: OutOfReach) -> Error {
    Error::new(ErrorKind::PermissionDenied, why)
}

/// Resolves as usual, and refuses what may not be reached.
#[derive(Debug)]
struct Bounded {
    reach: Reach,
    inner: DefaultResolver,
}

impl Resolver for Bounded {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let host = uri.host().unwrap_or_default();
        self.reach.check(host, &found).map_err(denied)?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
