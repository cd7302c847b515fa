//! Files that come from elsewhere: git repositories, archives at an address or on standard input.

mod address;
mod archive_context;
mod checkout;
mod git;
mod references;
mod surroundings;
mod tidy;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

pub use address::{GitAddress, Local};
pub use archive_context::{ArchiveContext, Context, FetchedAddress, fetch_address};
pub use checkout::{Checkout, fetch_git};
pub use references::remote_references;

use crate::site::SiteLoan;

/// What fetching may use: the site's certificates and proxies, secrets, ssh agents, and the wish to stop.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// Certificates, proxies and known hosts.
    pub site: &'a SiteLoan,
    /// Secrets by id: `GIT_AUTH_TOKEN` and `GIT_AUTH_HEADER`, alone or with `.HOST` after them.
    pub secrets: &'a BTreeMap<String, Vec<u8>>,
    /// Agents' sockets or keys by id; git uses `default`.
    pub ssh: &'a BTreeMap<String, PathBuf>,
    /// Set when the build is to stop.
    pub stop: &'a AtomicBool,
}
