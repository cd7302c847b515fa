//! Who knows which digest a tag has: the store, and registries. Which commit one is, git is asked.

use std::cell::RefCell;
use std::collections::BTreeMap;

use praxis_check::{
    CheckError, Confidence, Finding, Fix, Patch, Pin, PinState, Repository, Resolver, patches,
};
use praxis_oci::{Digest, Reference};
use praxis_registry::Client;
use praxis_solve::{Access, GitAddress, Local, remote_references};
use praxis_source::Severity;

use crate::loan::loan;
use crate::{Engine, EngineError, ImageDescription, Site};

/// Who knows what a tag stands for: the store, and registries.
pub struct Shelves<'a> {
    /// The store's engine.
    pub engine: &'a Engine,
    /// `None`: no registry is asked.
    pub registries: Option<Client>,
    /// Registries are asked also for names that the store has.
    pub update: bool,
    /// Certificates and proxies for git.
    pub site: Site,
    /// What git was told, by address: each repository is asked once.
    pub told: RefCell<BTreeMap<String, Told>>,
}

/// The branches and tags of a repository, or why nobody knows them.
pub type Told = Result<BTreeMap<String, String>, String>;

impl Resolver for Shelves<'_> {
    fn resolve(&self, reference: &Reference) -> Result<Digest, String> {
        let stored = self
            .engine
            .named_digest(reference)
            .map_err(|error| error.message)?;
        // `localhost` without a port is no registry.
        let registries = self
            .registries
            .as_ref()
            .filter(|_| reference.domain() != "localhost");
        match (stored, registries) {
            (Some(digest), None) => Ok(digest),
            (Some(digest), Some(_)) if !self.update => Ok(digest),
            (_, Some(client)) => client
                .repository(reference)
                .and_then(|repository| repository.resolve(reference))
                .map_err(|error| error.message),
            (None, None) => Err(format!("{}: no such image in the store", reference.familiar())),
        }
    }

    fn references(&self, address: &str) -> Told {
        if let Some(told) = self.told.borrow().get(address) {
            return told.clone();
        }
        let told = match &self.registries {
            None => Err(format!("{address} is not asked: --offline")),
            Some(_) => self.ask(address).map_err(|error| error.message),
        };
        self.told.borrow_mut().insert(address.into(), told.clone());
        told
    }
}

impl Shelves<'_> {
    /// Asks the repository with no key and no token, as anybody may.
    fn ask(&self, address: &str) -> Result<BTreeMap<String, String>, EngineError> {
        let address = GitAddress::parse(address, Local::Refused)?;
        let registries = self.registries.as_ref();
        let stop = registries
            .map(|client| client.settings().stop.clone())
            .unwrap_or_default();
        let access = Access {
            site: &loan(&self.site),
            secrets: &BTreeMap::new(),
            ssh: &BTreeMap::new(),
            stop: &stop,
        };
        Ok(remote_references(&*self.engine.store()?, &address, &access)?)
    }

    /// When the image with this digest was made, RFC 3339.
    fn created(&self, name: &str, digest: &str) -> Option<String> {
        let reference: Reference = format!("{name}@{digest}").parse().ok()?;
        let created = |image: ImageDescription| image.config["created"].as_str().map(String::from);
        let stored = self
            .engine
            .inspect(&reference.to_string(), None)
            .ok()
            .and_then(created);
        let remote = || {
            let client = self.registries.as_ref()?;
            let image = self.engine.inspect_remote(&reference, client.settings(), None);
            image.ok().and_then(created)
        };
        stored.or_else(remote)
    }

    /// When the images of a tag that moved were made: before and now.
    pub fn ages(&self, pin: &Pin) -> Option<[Option<String>; 2]> {
        let PinState::Moved { from, to } = &pin.state else {
            return None;
        };
        let name = pin.written.parse::<Reference>().ok()?.name();
        Some([self.created(&name, from), self.created(&name, to)])
    }
}

/// What writes the pins into the files of the repository.
///
/// # Errors
/// If two edits contradict each other.
pub fn pin_patches(repository: &Repository, pins: &[Pin]) -> Result<Vec<Patch>, CheckError> {
    let finding = |pin: &Pin| Finding {
        rule: String::new(),
        severity: Severity::Note,
        confidence: Confidence::High,
        path: pin.path.clone(),
        span: Some(pin.span),
        message: String::new(),
        why: String::new(),
        help: String::new(),
        page: String::new(),
        fix: Some(Fix {
            safe: true,
            edits: pin.edits.clone(),
        }),
    };
    let open = pins.iter().filter(|pin| !pin.edits.is_empty());
    let findings: Vec<Finding> = open.map(finding).collect();
    patches(repository, &findings, false)
}
