//! A log that is believed.

use super::key::LogKey;
use crate::authority::covers;

/// A log that is believed: of signatures, or of certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransparencyLog {
    /// Where it is; checkpoints of a log of signatures bear the name of that host.
    pub address: String,
    /// The key that signs its checkpoints, or what it says about certificates.
    pub key: LogKey,
    /// What entries call it.
    pub id: Vec<u8>,
    /// Times for which it is believed, RFC 3339: from, and until if there is an end.
    pub valid_for: (Option<String>, Option<String>),
}

impl TransparencyLog {
    /// A log of signatures at this address.
    pub fn of_signatures(address: &str, key: LogKey) -> TransparencyLog {
        let id = key.note_id(host(address)).to_vec();
        TransparencyLog {
            address: address.into(),
            key,
            id,
            valid_for: (None, None),
        }
    }

    /// A log of certificates; its key names it.
    pub fn of_certificates(key: LogKey) -> TransparencyLog {
        TransparencyLog {
            address: String::new(),
            id: key.digest().to_vec(),
            key,
            valid_for: (None, None),
        }
    }

    /// The names under which it signs: its host, as sigstore's clients have it, or its address without the scheme.
    pub(super) fn names(&self) -> [&str; 2] {
        [host(&self.address), without_scheme(&self.address)]
    }

    /// Whether it is believed for a time, RFC 3339 in UTC.
    pub(super) fn covers(&self, time: &str) -> bool {
        covers(&self.valid_for, time)
    }
}

fn without_scheme(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.trim_end_matches('/')
}

fn host(address: &str) -> &str {
    let authority = without_scheme(address).split('/').next().unwrap_or_default();
    if let Some(inside) = authority.strip_prefix('[') {
        return inside.split(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_an_address() {
        for (address, host_name, rest) in [
            ("https://log.example.test", "log.example.test", "log.example.test"),
            (
                "https://log.example.test:8080/",
                "log.example.test",
                "log.example.test:8080",
            ),
            ("http://[::1]:80/a/", "::1", "[::1]:80/a"),
            ("log", "log", "log"),
        ] {
            assert_eq!((host(address), without_scheme(address)), (host_name, rest));
        }
    }
}
