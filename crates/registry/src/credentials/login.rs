//! `praxis login` and `praxis logout`: the file of docker, changed and otherwise left as it was.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::file::{AuthFile, spellings};
use super::{CredentialSources, HUB, helper};
use crate::RegistryError;

/// Keeps a password for `registry` in the file at `path`, or with the helper that the file names. The file gets mode
/// 0600 and keeps what else it has. Tells whether a helper has it now.
pub fn store_login(
    sources: &CredentialSources,
    path: &Path,
    registry: &str,
    user: &str,
    password: &str,
) -> Result<bool, RegistryError> {
    let server = server(registry);
    let mut file = read(path)?;
    if let Some(name) = AuthFile::read(path)?.unwrap_or_default().helper(registry) {
        helper::store(sources, name, server, user, password)?;
        return Ok(true);
    }
    let auth = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let auths = file.entry("auths").or_insert_with(|| json!({}));
    let auths = auths.as_object_mut().ok_or_else(|| not_ours(path))?;
    auths.insert(server.into(), json!({ "auth": auth }));
    write(path, &file)?;
    Ok(false)
}

/// Forgets what is kept for `registry`; tells whether there was anything.
pub fn forget_login(sources: &CredentialSources, path: &Path, registry: &str) -> Result<bool, RegistryError> {
    let mut file = read(path)?;
    let mut forgot = false;
    if let Some(name) = AuthFile::read(path)?.unwrap_or_default().helper(registry)
        && helper::ask(sources, name, server(registry))?.is_some()
    {
        helper::erase(sources, name, server(registry))?;
        forgot = true;
    }
    if let Some(auths) = file.get_mut("auths").and_then(Value::as_object_mut) {
        let before = auths.len();
        for key in spellings(registry) {
            auths.remove(&key);
        }
        if auths.len() != before {
            write(path, &file)?;
            forgot = true;
        }
    }
    Ok(forgot)
}

fn server(registry: &str) -> &str {
    if registry == "docker.io" { HUB } else { registry }
}

fn not_ours(path: &Path) -> RegistryError {
    RegistryError::input(format!(
        "{}: not a file of credentials; it was left as it is",
        path.display()
    ))
}

fn read(path: &Path) -> Result<Map<String, Value>, RegistryError> {
    match fs::read(path) {
        Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => Ok(Map::new()),
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| not_ours(path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(RegistryError::machine(
            &format!("read {}", path.display()),
            &error,
        )),
    }
}

/// Through a new file of mode 0600 beside it. A link stays one: what it leads to is replaced.
fn write(path: &Path, file: &Map<String, Value>) -> Result<(), RegistryError> {
    let path: PathBuf = path.canonicalize().unwrap_or_else(|_| path.into());
    let wrong = |error: std::io::Error| RegistryError::machine(&format!("write {}", path.display()), &error);
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.exists() {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(wrong)?;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.praxis-{}", std::process::id()));
    let _ = fs::remove_file(&temporary);
    let mut text = serde_json::to_vec_pretty(file).unwrap_or_default();
    text.push(b'\n');
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut out| out.write_all(&text).and_then(|()| out.sync_all()))
        .and_then(|()| fs::rename(&temporary, &path));
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        wrong(error)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::{Credential, Secret};

    #[test]
    fn row_67_the_file_is_private_and_keeps_what_it_had() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("new/config.json");
        let sources = CredentialSources {
            files: vec![path.clone()],
            ..CredentialSources::default()
        };
        store_login(&sources, &path, "docker.io", "u", "p").unwrap();
        let mut text: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        text["HttpHeaders"] = json!({"x": "y"});
        fs::write(&path, text.to_string()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        store_login(&sources, &path, "r.test:5000", "v", "q").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let expected = |user: &str, password: &str| {
            let password = Secret::new(password);
            Some(Credential::Password {
                user: user.into(),
                password,
            })
        };
        assert_eq!(sources.find("docker.io", "x").unwrap(), expected("u", "p"));
        assert_eq!(sources.find("r.test:5000", "x").unwrap(), expected("v", "q"));
        assert!(forget_login(&sources, &path, "r.test:5000").unwrap());
        assert!(!forget_login(&sources, &path, "r.test:5000").unwrap());
        assert_eq!(sources.find("r.test:5000", "x").unwrap(), None);
        let after: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(after["HttpHeaders"]["x"], "y");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_none_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("config.json");
        fs::write(&path, "hello").unwrap();
        assert!(store_login(&CredentialSources::default(), &path, "r.test", "u", "p").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "hello");
    }
}
