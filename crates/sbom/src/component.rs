use std::collections::BTreeSet;

use praxis_layer::TreePath;
use serde::Serialize;

use crate::Licence;

/// What manages a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ComponentKind {
    /// dpkg.
    Deb,
    /// apk.
    Apk,
    /// rpm.
    Rpm,
    /// Python distributions.
    Python,
    /// npm.
    Npm,
    /// Go modules.
    Go,
    /// Rust crates.
    Cargo,
}

impl ComponentKind {
    /// The type of its package addresses.
    pub fn purl_type(self) -> &'static str {
        match self {
            ComponentKind::Deb => "deb",
            ComponentKind::Apk => "apk",
            ComponentKind::Rpm => "rpm",
            ComponentKind::Python => "pypi",
            ComponentKind::Npm => "npm",
            ComponentKind::Go => "golang",
            ComponentKind::Cargo => "cargo",
        }
    }

    /// Whether the operating system's package manager installed it.
    pub fn is_system(self) -> bool {
        matches!(self, ComponentKind::Deb | ComponentKind::Apk | ComponentKind::Rpm)
    }
}

/// What a package was built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourcePackage {
    /// Its name.
    pub name: String,
    /// Its version, if it is said.
    pub version: String,
}

/// A component of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// What manages it.
    pub kind: ComponentKind,
    /// Its name, as its manager spells it.
    pub name: String,
    /// Its version; empty if there is none.
    pub version: String,
    /// Its package address.
    pub purl: String,
    /// Architecture, of packages of the operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// What it was built from, of packages of the operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourcePackage>,
    /// Its licence, as it declares it.
    pub licence: Licence,
    /// Who supplies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
    /// Its home.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// SHA-256 of the package it was installed from, hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_sha256: Option<String>,
    /// What in the image says that it is there.
    pub evidence: BTreeSet<String>,
    /// The addresses of components that it uses, as far as it says so.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub uses: BTreeSet<String>,
    /// The address of the component that brought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
    /// Its files that are in the image, in order.
    #[serde(skip)]
    pub files: Vec<TreePath>,
}

impl Component {
    pub(crate) fn new(kind: ComponentKind, name: &str, version: &str, purl: String) -> Component {
        Component {
            kind,
            name: name.into(),
            version: version.into(),
            purl,
            architecture: None,
            source: None,
            licence: Licence::default(),
            supplier: None,
            homepage: None,
            package_sha256: None,
            evidence: BTreeSet::new(),
            uses: BTreeSet::new(),
            part_of: None,
            files: Vec::new(),
        }
    }
}

/// A component that a reader found, and the files it claims.
pub(crate) struct Found {
    pub component: Component,
    pub claims: Claims,
}

/// Files of a component, as its manager names them.
#[derive(Default)]
pub(crate) struct Claims {
    /// Paths; links in their parents are followed.
    pub paths: Vec<Vec<u8>>,
    /// Directories of which everything is the component's, but for those of `except` at any depth.
    pub trees: Vec<TreePath>,
    /// Name of the directories in `trees` that belong to others.
    pub except: Option<&'static [u8]>,
}

impl Found {
    pub fn new(component: Component) -> Found {
        Found {
            component,
            claims: Claims::default(),
        }
    }
}
