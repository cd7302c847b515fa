//! A client of registries, after the OCI distribution specification 1.1.
//!
//! A [`Client`] knows settings and credentials; a [`Repository`] pulls, pushes, lists tags and keeps referrers. What
//! comes in is verified against its digest and size while it streams; credentials stay with the scheme, host and port
//! they were made for. Nothing here prints or reads the environment.

mod address;
mod auth;
mod challenge;
mod client;
mod credentials;
mod document;
mod error;
mod problem;
mod pull;
mod push;
mod referrers;
mod repository;
mod secret;
mod service;
mod settings;
mod transfer;
mod transport;

pub use challenge::{Challenge, parse_challenges};
pub use client::Client;
pub use credentials::{Credential, CredentialSources, forget_login, store_login};
pub use document::{Document, IMAGE_TYPES, Part, parse_document};
pub use error::{ErrorKind, RegistryError};
pub use pull::FetchedManifest;
pub use push::Pushed;
pub use referrers::entry as referrer_entry;
pub use repository::Repository;
pub use secret::Secret;
pub use service::Service;
pub use settings::{RegistriesFile, RegistryEntry, Settings};
pub use transfer::{ContentSource, ContentTarget, Pulled, Transfer, TransferReport, copy, fetch_whole};
pub use transport::BlobSource;
