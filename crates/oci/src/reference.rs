use std::fmt;
use std::str::FromStr;

use crate::Digest;

/// An image name, normalised the way Docker does: `busybox` is `docker.io/library/busybox`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no image name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid image name {text:?}: {why}")]
pub struct ReferenceError {
    text: String,
    why: &'static str,
}

impl Reference {
    /// The registry: `docker.io`, `ghcr.io`, `localhost:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository inside the registry: `library/busybox`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag as written, if any.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest as written, if any.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Registry and repository without tag or digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// The short form people write, without `docker.io/library/`, unless it would name another registry.
    pub fn familiar(&self) -> String {
        let mut text = match (self.domain.as_str(), self.path.strip_prefix("library/")) {
            ("docker.io", Some(short)) if !short.contains('/') => short.to_string(),
            ("docker.io", _) if !begins_with_domain(&self.path) => self.path.clone(),
            _ => self.name(),
        };
        if let Some(tag) = &self.tag {
            text = format!("{text}:{tag}");
        }
        if let Some(digest) = &self.digest {
            text = format!("{text}@{digest}");
        }
        text
    }

    /// The same name with the tag `latest` if it has neither tag nor digest.
    pub fn with_default_tag(mut self) -> Reference {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".into());
        }
        self
    }

    /// The same repository with `digest` and the tag kept.
    pub fn with_digest(mut self, digest: Digest) -> Reference {
        self.digest = Some(digest);
        self
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Reference, ReferenceError> {
        let wrong = |why| ReferenceError {
            text: text.chars().take(300).collect(),
            why,
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (
                rest,
                Some(
                    digest
                        .parse()
                        .map_err(|_| wrong("the digest is not sha256: and 64 hex digits"))?,
                ),
            ),
            None => (text, None),
        };
        let (name, tag) = match rest.rfind(':') {
            Some(colon) if !rest[colon..].contains('/') => (&rest[..colon], Some(&rest[colon + 1..])),
            _ => (rest, None),
        };
        if let Some(tag) = tag {
            let good = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
            if tag.is_empty() || tag.len() > 128 || !tag.bytes().all(good) || tag.starts_with(['.', '-']) {
                return Err(wrong("the tag has a character that tags cannot have"));
            }
        }
        if name.is_empty() {
            return Err(wrong("it is empty"));
        }
        let (domain, path) = match name.split_once('/') {
            Some((first, path)) if is_domain(first) => (first, path.to_string()),
            Some(_) => ("docker.io", name.to_string()),
            None => ("docker.io", format!("library/{name}")),
        };
        let domain = if domain == "index.docker.io" {
            "docker.io"
        } else {
            domain
        };
        let path = if domain == "docker.io" && !path.contains('/') {
            format!("library/{path}")
        } else {
            path
        };
        if !well_formed_domain(domain) {
            return Err(wrong("the registry has a character that host names cannot have"));
        }
        if path.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(wrong("repository names are lower case"));
        }
        if !path.split('/').all(well_formed_component) {
            return Err(wrong(
                "the repository is not words of a-z 0-9 . _ - between slashes",
            ));
        }
        if path.len() + domain.len() > 255 {
            return Err(wrong("it is longer than 255 characters"));
        }
        Ok(Reference {
            domain: domain.to_string(),
            path,
            tag: tag.map(str::to_string),
            digest,
        })
    }
}

/// Words of a-z and 0-9 with one `.`, one or two `_`, or any number of `-` between them.
fn well_formed_component(part: &str) -> bool {
    let word = |b: char| b.is_ascii_lowercase() || b.is_ascii_digit();
    let separators: Vec<&str> = part.split(word).filter(|between| !between.is_empty()).collect();
    part.starts_with(word)
        && part.ends_with(word)
        && separators
            .iter()
            .all(|one| matches!(*one, "." | "_" | "__") || one.bytes().all(|b| b == b'-'))
}

/// A host name, an IPv4 address or an IPv6 address in brackets, and perhaps a port.
fn well_formed_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                let plain = |b: u8| b.is_ascii_hexdigit() || b == b':';
                if address.is_empty() || !address.bytes().all(plain) {
                    return false;
                }
                ("v6", port)
            }
            None => return false,
        },
        None => domain.split_at(domain.find(':').unwrap_or(domain.len())),
    };
    let label = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let digits = port.strip_prefix(':').unwrap_or("0");
    let port_is_good = (port.is_empty() || port.starts_with(':'))
        && !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit());
    host.split('.').all(label) && port_is_good
}

/// Whether the first part of a name is a registry's.
fn is_domain(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost" || first.bytes().any(|b| b.is_ascii_uppercase())
}

fn begins_with_domain(path: &str) -> bool {
    path.split_once('/').is_some_and(|(first, _)| is_domain(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_38_no_text_makes_the_parser_panic() {
        let pieces = [
            "a",
            "A",
            "localhost",
            ":",
            "/",
            "//",
            "@",
            "sha256:",
            "5000",
            "..",
            ".",
            "-",
            "_",
            "__",
            "é",
            "\0",
            "\n",
            " ",
            "[::1]",
            "%2e",
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ];
        let mut state: u64 = 0x2545_f491_4f6c_dd1d;
        let mut taken = 0;
        for _ in 0..20_000 {
            let mut text = String::new();
            loop {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                text.push_str(pieces[(state % pieces.len() as u64) as usize]);
                if state >> 61 == 0 {
                    break;
                }
            }
            if let Ok(reference) = text.parse::<Reference>() {
                let shown = reference.to_string();
                assert_eq!(
                    shown.parse::<Reference>().map(|again| again.to_string()),
                    Ok(shown),
                    "{text:?}"
                );
                assert!(!text.split('/').any(|part| part == ".."), "{text:?} climbs");
                taken += 1;
            }
        }
        assert!(taken > 100, "{taken}");
    }

    #[test]
    fn normalises() {
        for (text, expected) in [
            ("busybox", "docker.io/library/busybox"),
            ("busybox:1", "docker.io/library/busybox:1"),
            ("a/b", "docker.io/a/b"),
            ("ghcr.io/a/b:c", "ghcr.io/a/b:c"),
            ("localhost:5000/x", "localhost:5000/x"),
            ("localhost/x", "localhost/x"),
            (
                "nosuchimage.invalid/never:pulled",
                "nosuchimage.invalid/never:pulled",
            ),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), expected);
        }
    }

    #[test]
    fn a_short_form_names_no_other_registry() {
        for (text, short) in [
            ("docker.io/library/a:1", "a:1"),
            ("docker.io/a/b", "a/b"),
            ("docker.io/evil.test/x", "docker.io/evil.test/x"),
            ("docker.io/localhost/x", "docker.io/localhost/x"),
            ("docker.io/library/a/b", "library/a/b"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.familiar(), short);
            assert_eq!(short.parse::<Reference>().unwrap(), reference);
        }
    }

    #[test]
    fn refuses_what_could_leave_a_directory() {
        for text in [
            "",
            "../x",
            "a/../b",
            "A",
            "x:",
            "x@sha256:12",
            "a//b",
            "x/-y",
            "UPPER/x y",
            "a...b/c",
            "a___b/c",
            "[::/x",
            "h:x/y",
            "-h.a/x",
            "h..a/x",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
