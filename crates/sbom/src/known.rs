//! Packages that are known from the lock of a base, for what the image itself does not say.

use crate::component::Found;
use crate::purl::system_purl;
use crate::{Component, ComponentKind, SourcePackage, System};

/// A Debian package that a base was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Debian's name of its architecture, or `all`.
    pub architecture: String,
    /// Its path in the archive, below `pool/`.
    pub filename: String,
    /// SHA-256 of the package, hexadecimal.
    pub sha256: String,
}

impl KnownPackage {
    /// The package it was built from: its directory is called so. A rebuild of the same source has `+bN` in its version.
    pub(crate) fn source(&self) -> SourcePackage {
        let named = self.filename.rsplit('/').nth(1);
        let rebuilt = self.version.rsplit_once("+b");
        let rebuilt = rebuilt.filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
        SourcePackage {
            name: named.unwrap_or(&self.name).into(),
            version: rebuilt
                .map_or(self.version.as_str(), |(version, _)| version)
                .into(),
        }
    }

    /// As a component of an image that has no record of it.
    pub(crate) fn found(&self, system: &System) -> Option<Found> {
        let source = self.source();
        let qualifiers = [
            ("arch", self.architecture.clone()),
            ("upstream", format!("{}@{}", source.name, source.version)),
        ];
        let named = (self.name.as_str(), self.version.as_str());
        let purl = system_purl(ComponentKind::Deb, system, named, &qualifiers)?;
        let mut component = Component::new(ComponentKind::Deb, &self.name, &self.version, purl);
        component.architecture = Some(self.architecture.clone());
        component.source = Some(source);
        component.package_sha256 = Some(self.sha256.clone());
        component.evidence.insert("the lock of the base".into());
        Some(Found::new(component))
    }
}
