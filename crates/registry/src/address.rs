//! Addresses of HTTP requests, and where they may lead.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::RegistryError;
use crate::error::shown;

/// Longest address that is followed.
const LONGEST: usize = 16 << 10;

/// Scheme, host and port: what credentials are bound to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Origin {
    pub tls: bool,
    /// Lower case; an IPv6 address in brackets.
    pub host: String,
    pub port: u16,
}

/// An origin and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub origin: Origin,
    /// Path and query, beginning with a slash.
    pub path: String,
}

impl Origin {
    /// The origin that `authority` (`HOST[:PORT]`) names.
    pub fn of_authority(authority: &str, tls: bool) -> Result<Origin, &'static str> {
        if authority.contains('@') {
            return Err("it holds a user name");
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => {
                let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
                let port = digits.then(|| port.parse().ok()).flatten();
                (host, port.filter(|port| *port != 0).ok_or("its port is no port")?)
            }
            _ => (authority, if tls { 443 } else { 80 }),
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        let bracketed = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
        if !bracketed && (host.is_empty() || !host.bytes().all(plain)) {
            return Err("its host is no host name");
        }
        Ok(Origin {
            tls,
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// `HOST[:PORT]`, the port left out where the scheme implies it.
    pub fn authority(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    /// The address the host is, if it is one. Forms that resolvers take for addresses (`0x7f.1`, `2130706433`) count.
    fn ip(&self) -> Option<IpAddr> {
        let bare = self.host.trim_matches(['[', ']']);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Some(match ip {
                IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
                IpAddr::V4(_) => ip,
            });
        }
        loose_ipv4(bare).map(IpAddr::V4)
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.ip().is_some_and(|ip| ip.is_loopback())
    }

    /// Whether it is an address of the local link, where clouds keep their metadata, or none at all.
    pub fn is_link_local(&self) -> bool {
        match self.ip() {
            Some(IpAddr::V4(ip)) => ip.is_link_local() || ip.is_unspecified() || ip.is_broadcast(),
            Some(IpAddr::V6(ip)) => ip.is_unicast_link_local() || ip.is_unspecified(),
            None => false,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}://{}",
            if self.tls { "https" } else { "http" },
            self.authority()
        )
    }
}

impl Address {
    /// Parses `http://…` or `https://…`.
    pub fn parse(text: &str) -> Result<Address, RegistryError> {
        let wrong =
            |why: &str| RegistryError::lie(format!("{:?} is no usable address: {why}", shown(text, 200)));
        if text.len() > LONGEST {
            return Err(wrong("it is too long"));
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong("it has characters that addresses cannot have"));
        }
        let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
        let (tls, rest) = if lower.starts_with("https://") {
            (true, &text[8..])
        } else if lower.starts_with("http://") {
            (false, &text[7..])
        } else {
            return Err(wrong("it is neither http nor https"));
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let origin = Origin::of_authority(&rest[..end], tls).map_err(wrong)?;
        let path = rest[end..].split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') {
            path.to_string()
        } else {
            format!("/{path}")
        };
        if climbs(&path) {
            return Err(wrong("it climbs with `..`"));
        }
        Ok(Address { origin, path })
    }

    /// The address that a `Location` of an answer from here means.
    pub fn join(&self, location: &str) -> Result<Address, RegistryError> {
        let origin = &self.origin;
        let scheme = if origin.tls { "https" } else { "http" };
        let path = self.path.split('?').next().unwrap_or("/");
        let absolute = if has_scheme(location) {
            location.to_string()
        } else if location.starts_with("//") {
            format!("{scheme}:{location}")
        } else if location.starts_with('/') {
            format!("{origin}{location}")
        } else if location.starts_with('?') {
            format!("{origin}{path}{location}")
        } else {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{origin}{folder}/{location}")
        };
        Address::parse(&absolute)
    }

    /// The same with a parameter in the query.
    pub fn with_query(mut self, name: &str, value: &str) -> Address {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(name);
        self.path.push('=');
        self.path.push_str(&encoded(value));
        self
    }

    /// The address without its query, which may hold a signature.
    pub fn without_query(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        format!("{}{}", self.origin, shown(path, 300))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path)
    }
}

fn has_scheme(text: &str) -> bool {
    let scheme = text.split(['/', '?', '#']).next().unwrap_or_default();
    scheme.ends_with(':') || (scheme.contains(':') && !text.starts_with('/'))
}

/// Whether a segment of the path is `..`, encoded or not.
fn climbs(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    let lower = path
        .to_ascii_lowercase()
        .replace("%2e", ".")
        .replace("%2f", "/")
        .replace("%5c", "\\");
    lower.split(['/', '\\']).any(|part| part == "..")
}

/// Percent-encodes what is not unreserved.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// An IPv4 address as the C library reads it: one to four numbers, decimal, octal or hexadecimal.
fn loose_ipv4(text: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| -> Option<u64> {
        if let Some(hex) = part.strip_prefix("0x") {
            return u64::from_str_radix(if hex.is_empty() { "0" } else { hex }, 16).ok();
        }
        if part.len() > 1 && part.starts_with('0') {
            return u64::from_str_radix(part, 8).ok();
        }
        part.parse().ok()
    };
    let parts: Vec<u64> = text
        .trim_end_matches('.')
        .split('.')
        .map(number)
        .collect::<Option<_>>()?;
    let (last, front) = parts.split_last()?;
    if front.len() > 3 || front.iter().any(|part| *part > 255) || *last >= 1 << (8 * (4 - front.len())) {
        return None;
    }
    let high = front
        .iter()
        .enumerate()
        .fold(0, |sum, (index, part)| sum | part << (24 - 8 * index));
    u32::try_from(high | last).ok().map(Ipv4Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn joins_what_answers_say() {
        let from = address("https://r.test:5000/v2/a/blobs/uploads/?x=1");
        for (location, expected) in [
            ("https://Other.test/x?y=z#f", "https://other.test/x?y=z"),
            ("/v2/a/b", "https://r.test:5000/v2/a/b"),
            ("//o.test/x", "https://o.test/x"),
            ("?n=2", "https://r.test:5000/v2/a/blobs/uploads/?n=2"),
            ("id", "https://r.test:5000/v2/a/blobs/uploads/id"),
            ("https://r.test:443/", "https://r.test/"),
        ] {
            assert_eq!(from.join(location).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn row_31_addresses_that_climb_or_hold_users_are_refused() {
        let from = address("https://r.test/v2/");
        for location in [
            "/v2/../admin",
            "/v2/%2e%2E/admin",
            "/v2/..%2fadmin",
            "https://user@r.test/",
            "https://r.test@evil.test/",
            "file:///etc/passwd",
            "https://r.test:0/",
            "https://r.test:99999/",
            "https:///x",
            "/a\r\nAuthorization: x",
            "javascript:alert(1)",
        ] {
            let refused = from.join(location);
            assert!(refused.is_err(), "{location}: {refused:?}");
        }
    }

    #[test]
    fn row_30_the_local_link_is_known_in_every_spelling() {
        for host in [
            "169.254.169.254",
            "0xa9fea9fe",
            "2852039166",
            "169.254.43518",
            "[fe80::1]",
            "[::ffff:169.254.169.254]",
            "0251.0376.0251.0376",
        ] {
            let origin = Origin::of_authority(host, false).unwrap();
            assert!(origin.is_link_local(), "{host}");
        }
        for host in [
            "localhost",
            "127.0.0.1",
            "127.8.9.1",
            "[::1]",
            "0x7f.1",
            "2130706433",
        ] {
            assert!(Origin::of_authority(host, false).unwrap().is_loopback(), "{host}");
        }
        for host in ["r.test", "10.0.0.1", "127.0.0.1.evil.test", "1.2.3.4.5"] {
            let origin = Origin::of_authority(host, false).unwrap();
            assert!(!origin.is_loopback() && !origin.is_link_local(), "{host}");
        }
    }
}
