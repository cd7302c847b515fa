//! Credentials: the files of docker and podman, and credential helpers.

mod file;
mod helper;
mod login;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

pub use login::{forget_login, store_login};

use crate::{RegistryError, Secret};
use file::AuthFile;

/// The key of Docker Hub in the files of docker.
const HUB: &str = "https://index.docker.io/v1/";

/// What a registry takes for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Name and password.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token that other tokens can be had for.
    Identity(Secret),
}

impl Credential {
    pub(crate) fn of(user: String, secret: String) -> Credential {
        if user == "<token>" {
            return Credential::Identity(Secret::new(secret));
        }
        Credential::Password {
            user,
            password: Secret::new(secret),
        }
    }
}

/// Where credentials are. The first source that has some for a registry is asked.
#[derive(Clone, Default)]
pub struct CredentialSources {
    /// The JSON of an auth file, such as CI systems keep in a variable.
    pub inline: Option<Secret>,
    /// `config.json` of docker and `auth.json` of podman, the first to be asked first. What is not there has none.
    pub files: Vec<PathBuf>,
    /// Directories for helpers' programs (`PATH`).
    pub helper_path: Option<OsString>,
    /// The environment of helpers.
    pub environment: Vec<(OsString, OsString)>,
    /// Credentials by registry that come before all others.
    pub given: BTreeMap<String, Credential>,
}

impl std::fmt::Debug for CredentialSources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialSources")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl CredentialSources {
    /// The credential for `repository` of `registry` (as references name it).
    ///
    /// # Errors
    /// If a file cannot be read, or a helper fails.
    pub fn find(&self, registry: &str, repository: &str) -> Result<Option<Credential>, RegistryError> {
        if let Some(given) = self.given.get(registry) {
            return Ok(Some(given.clone()));
        }
        let inline = self
            .inline
            .as_ref()
            .map(|text| AuthFile::parse(text.expose().as_bytes(), "DOCKER_AUTH_CONFIG"));
        let files = self
            .files
            .iter()
            .filter_map(|path| AuthFile::read(path).transpose());
        for file in inline.into_iter().chain(files) {
            if let Some(found) = self.in_file(&file?, registry, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn in_file(
        &self,
        file: &AuthFile,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credential>, RegistryError> {
        let server = if registry == "docker.io" { HUB } else { registry };
        if let Some(helper) = file.helper(registry) {
            let found = helper::ask(self, helper, server)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        file.credential(registry, repository)
    }
}
