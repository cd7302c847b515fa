use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind as IoKind, Read};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::{Credential, HUB};
use crate::RegistryError;

/// No auth file is larger.
const LARGEST: u64 = 4 << 20;

/// `config.json` of docker or `auth.json` of podman.
#[derive(Default, Deserialize)]
pub(crate) struct AuthFile {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default, rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
    #[serde(skip)]
    name: String,
}

#[derive(Default, Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default, rename = "identitytoken")]
    identity_token: String,
}

impl AuthFile {
    /// `None` if there is no file.
    pub fn read(path: &Path) -> Result<Option<AuthFile>, RegistryError> {
        let wrong =
            |error: std::io::Error| RegistryError::machine(&format!("read {}", path.display()), &error);
        let file = match File::open(path) {
            Err(error) if matches!(error.kind(), IoKind::NotFound | IoKind::NotADirectory) => {
                return Ok(None);
            }
            opened => opened.map_err(wrong)?,
        };
        if !file.metadata().map_err(wrong)?.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(LARGEST).read_to_end(&mut bytes).map_err(wrong)?;
        AuthFile::parse(&bytes, &path.display().to_string()).map(Some)
    }

    /// Errors tell the place, never the text: it holds passwords.
    pub fn parse(bytes: &[u8], name: &str) -> Result<AuthFile, RegistryError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(AuthFile::default());
        }
        let mut file: AuthFile = serde_json::from_slice(bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            RegistryError::input(format!("{name}:{line}:{column}: not a file of credentials"))
        })?;
        file.name = name.into();
        Ok(file)
    }

    /// The helper for `registry`.
    pub fn helper(&self, registry: &str) -> Option<&str> {
        let own = spellings(registry)
            .into_iter()
            .find_map(|key| self.helpers.get(&key));
        own.or(self.store.as_ref())
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }

    /// The entry of the repository, of the nearest folder above it, or of the registry.
    pub fn credential(&self, registry: &str, repository: &str) -> Result<Option<Credential>, RegistryError> {
        let mut scope = format!("{registry}/{repository}");
        loop {
            if scope == registry {
                break;
            }
            if let Some(entry) = self.auths.get(&scope) {
                return self.decoded(entry, &scope);
            }
            match scope.rsplit_once('/') {
                Some((parent, _)) => scope.truncate(parent.len()),
                None => break,
            }
        }
        let found = spellings(registry)
            .into_iter()
            .find_map(|key| Some((self.auths.get(&key)?, key)));
        found.map_or(Ok(None), |(entry, key)| self.decoded(entry, &key))
    }

    fn decoded(&self, entry: &Entry, key: &str) -> Result<Option<Credential>, RegistryError> {
        if !entry.identity_token.is_empty() {
            return Ok(Some(Credential::of(
                "<token>".into(),
                entry.identity_token.clone(),
            )));
        }
        if entry.auth.is_empty() {
            let given = !entry.username.is_empty() || !entry.password.is_empty();
            return Ok(given.then(|| Credential::of(entry.username.clone(), entry.password.clone())));
        }
        let wrong = || {
            RegistryError::input(format!(
                "{}: auths.{key:?}.auth is not base64 of USER:PASSWORD",
                self.name
            ))
        };
        let bytes = BASE64_STANDARD.decode(entry.auth.trim()).map_err(|_| wrong())?;
        let text = String::from_utf8(bytes).map_err(|_| wrong())?;
        let (user, password) = text.split_once(':').ok_or_else(wrong)?;
        Ok(Some(Credential::of(
            user.into(),
            password.trim_end_matches('\0').into(),
        )))
    }
}

/// How files spell a registry.
pub(super) fn spellings(registry: &str) -> Vec<String> {
    let mut keys = vec![registry.to_string()];
    if registry == "docker.io" {
        keys.extend([
            HUB.into(),
            "index.docker.io".into(),
            "registry-1.docker.io".into(),
        ]);
    }
    for end in ["", "/", "/v1/", "/v2/"] {
        keys.push(format!("https://{registry}{end}"));
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    fn password(user: &str, password: &str) -> Option<Credential> {
        Some(Credential::Password {
            user: user.into(),
            password: Secret::new(password),
        })
    }

    #[test]
    fn the_nearest_entry_is_taken() {
        let text = br#"{"auths": {
            "r.test": {"auth": "YTpi"},
            "r.test/team": {"auth": "Yzpk"},
            "https://index.docker.io/v1/": {"username": "u", "password": "p:q"},
            "t.test": {"identitytoken": "idt"}},
            "credHelpers": {"h.test": "pass"}}"#;
        let file = AuthFile::parse(text, "x").unwrap();
        assert_eq!(file.credential("r.test", "x").unwrap(), password("a", "b"));
        assert_eq!(file.credential("r.test", "team/x").unwrap(), password("c", "d"));
        assert_eq!(file.credential("r.test", "teams/x").unwrap(), password("a", "b"));
        assert_eq!(
            file.credential("docker.io", "library/x").unwrap(),
            password("u", "p:q")
        );
        assert_eq!(
            file.credential("t.test", "x").unwrap(),
            Some(Credential::Identity(Secret::new("idt")))
        );
        assert_eq!(file.helper("h.test"), Some("pass"));
    }

    #[test]
    fn row_31_credentials_of_one_port_are_not_for_another() {
        let file = AuthFile::parse(br#"{"auths": {"r.test:5000": {"auth": "YTpi"}}}"#, "x").unwrap();
        for other in [
            "r.test",
            "r.test:5001",
            "r.test:50000",
            "evil.r.test:5000",
            "test:5000",
        ] {
            assert_eq!(file.credential(other, "x").unwrap(), None, "{other}");
        }
    }

    #[test]
    fn row_67_errors_do_not_show_the_file() {
        for text in [
            r#"{"auths": {"r.test": {"auth": 5, "password": "hunter2"}}}"#,
            r#"{"auths": {"r.test": {"auth": "aHVudGVyMg=="}}}"#,
        ] {
            let outcome = AuthFile::parse(text.as_bytes(), "config.json")
                .and_then(|file| file.credential("r.test", "x"));
            let message = outcome.unwrap_err().message;
            assert!(
                !message.contains("hunter2") && !message.contains("aHVudGVyMg"),
                "{message}"
            );
            assert!(message.contains("config.json"), "{message}");
        }
    }
}
