//! Indexes of packages: what an archive offers.

use std::io::{self, BufRead};

use praxis_oci::Digest;

use crate::Version;
use crate::control::{Paragraph, Paragraphs};
use crate::relation::is_package_name;

/// A package that an archive offers. Relations stay text until they are needed.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) architecture: String,
    pub(crate) archive: String,
    /// Whether every system has it: essential, or of priority required.
    pub(crate) required: bool,
    /// 0 for required to 4 for extra: which of several providers is preferred.
    pub(crate) rank: u8,
    pub(crate) depends: String,
    pub(crate) conflicts: String,
    pub(crate) provides: String,
    pub(crate) filename: String,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
}

/// Reads an index. One malformed paragraph makes all of it unusable.
pub(crate) fn read_index(reader: impl BufRead, archive: &str) -> io::Result<Vec<Offer>> {
    let mut paragraphs = Paragraphs::new(reader);
    let mut offers = Vec::new();
    while let Some(paragraph) = paragraphs.read()? {
        let offer = offer(&paragraph, archive).map_err(|reason| {
            let name = paragraph.get("Package").unwrap_or("without a name");
            io::Error::new(io::ErrorKind::InvalidData, format!("package {name:?}: {reason}"))
        })?;
        offers.push(offer);
    }
    Ok(offers)
}

fn offer(paragraph: &Paragraph, archive: &str) -> Result<Offer, String> {
    let optional = |name: &str| paragraph.get(name).unwrap_or_default();
    let field = |name: &str| {
        paragraph
            .get(name)
            .ok_or_else(|| format!("it has no field {name}"))
    };
    let name = field("Package")?;
    if !is_package_name(name) {
        return Err("this is no package name".into());
    }
    let filename = field("Filename")?;
    if !is_pool_path(filename) {
        return Err(format!("its file name {filename:?} leaves the archive"));
    }
    let both = |first: &str, second: &str| match (optional(first), optional(second)) {
        ("", one) | (one, "") => one.to_string(),
        (first, second) => format!("{first}, {second}"),
    };
    let priority = optional("Priority");
    let rank = ["required", "important", "standard", "optional"]
        .iter()
        .position(|name| *name == priority);
    Ok(Offer {
        name: name.into(),
        version: field("Version")?
            .parse()
            .map_err(|error: crate::VersionError| error.to_string())?,
        architecture: field("Architecture")?.into(),
        archive: archive.into(),
        required: rank == Some(0) || optional("Essential") == "yes",
        rank: rank.unwrap_or(4) as u8,
        depends: both("Pre-Depends", "Depends"),
        conflicts: both("Conflicts", "Breaks"),
        provides: optional("Provides").into(),
        filename: filename.into(),
        size: field("Size")?.parse().map_err(|_| "its size is no number")?,
        digest: format!("sha256:{}", field("SHA256")?)
            .parse()
            .map_err(|_| "its SHA256 is no digest")?,
    })
}

/// Whether `path` stays inside an archive when it is appended to its URI.
pub(crate) fn is_pool_path(path: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-._~%:/".contains(&b);
    path.ends_with(".deb")
        && path.bytes().all(plain)
        && path
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Package: hello\nVersion: 2:1.0-1\nArchitecture: amd64\nPriority: required\n\
        Pre-Depends: libc6\nDepends: awk\nBreaks: old\nFilename: pool/main/h/hello.deb\nSize: 3\n\
        SHA256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n";

    #[test]
    fn reads_what_resolving_needs() {
        let offers = read_index(TEXT.as_bytes(), "debian").unwrap();
        assert_eq!(offers[0].depends, "libc6, awk");
        assert_eq!(offers[0].conflicts, "old");
        assert!(offers[0].required);
        assert_eq!(offers[0].digest, Digest::of(b"abc"));
    }

    #[test]
    fn refuses_names_that_leave_the_archive() {
        for (from, to) in [
            ("pool/main/h", "pool/../.."),
            ("pool/main", "/pool"),
            ("Package: hello", "Package: ../../hello"),
            ("Size: 3", "Size: -3"),
            ("SHA256: ba", "SHA256: "),
        ] {
            assert!(
                read_index(TEXT.replace(from, to).as_bytes(), "debian").is_err(),
                "{to}"
            );
        }
    }
}
