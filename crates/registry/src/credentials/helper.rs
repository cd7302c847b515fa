//! Credential helpers: `docker-credential-NAME`, which read the server's name from standard input.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Credential, CredentialSources};
use crate::RegistryError;
use crate::error::shown;

/// How long a helper may take: it may ask the user for a password.
const PATIENCE: Duration = Duration::from_secs(120);
const LARGEST: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Answer {
    #[serde(default, rename = "ServerURL")]
    server: String,
    #[serde(default, rename = "Username")]
    user: String,
    #[serde(default, rename = "Secret")]
    secret: String,
}

/// What the helper `name` has for `server`.
pub(super) fn ask(
    sources: &CredentialSources,
    name: &str,
    server: &str,
) -> Result<Option<Credential>, RegistryError> {
    let (success, output) = run(sources, name, "get", server.as_bytes())?;
    if !success {
        if output.to_ascii_lowercase().contains("credentials not found") {
            return Ok(None);
        }
        return Err(failed(name, "get", &output));
    }
    let answer: Answer = serde_json::from_str(&output).map_err(|_| {
        RegistryError::input(format!(
            "docker-credential-{name}: its answer is not the JSON of a credential"
        ))
    })?;
    Ok((!answer.secret.is_empty()).then(|| Credential::of(answer.user, answer.secret)))
}

/// Gives the helper a credential to keep.
pub(super) fn store(
    sources: &CredentialSources,
    name: &str,
    server: &str,
    user: &str,
    secret: &str,
) -> Result<(), RegistryError> {
    let answer = Answer {
        server: server.into(),
        user: user.into(),
        secret: secret.into(),
    };
    let text = serde_json::to_vec(&answer).unwrap_or_default();
    match run(sources, name, "store", &text)? {
        (true, _) => Ok(()),
        (false, output) => Err(failed(name, "store", &output)),
    }
}

/// Makes the helper forget a credential.
pub(super) fn erase(sources: &CredentialSources, name: &str, server: &str) -> Result<(), RegistryError> {
    match run(sources, name, "erase", server.as_bytes())? {
        (true, _) => Ok(()),
        (false, output) => Err(failed(name, "erase", &output)),
    }
}

fn failed(name: &str, action: &str, output: &str) -> RegistryError {
    RegistryError::input(format!(
        "docker-credential-{name} {action} failed: {}",
        shown(output.trim(), 200)
    ))
}

/// The secret goes through standard input only, never through arguments.
fn run(
    sources: &CredentialSources,
    name: &str,
    action: &str,
    input: &[u8],
) -> Result<(bool, String), RegistryError> {
    let program = program(sources.helper_path.as_deref(), name)?;
    let wrong = |error: std::io::Error| RegistryError::machine(&format!("run {}", program.display()), &error);
    let mut child = Command::new(&program)
        .arg(action)
        .env_clear()
        .envs(sources.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(wrong)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input still may answer.
        let _ = stdin.write_all(input);
    }
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.map(|pipe| pipe.take(LARGEST).read_to_end(&mut bytes));
        bytes
    });
    let success = wait(&mut child).map_err(wrong)?;
    let Some(success) = success else {
        return Err(RegistryError::input(format!(
            "docker-credential-{name} {action} did not end in time"
        )));
    };
    let bytes = reader.join().unwrap_or_default();
    Ok((success, String::from_utf8_lossy(&bytes).into_owned()))
}

/// Whether it succeeded; `None` if it had to be killed.
fn wait(child: &mut Child) -> std::io::Result<Option<bool>> {
    let deadline = Instant::now() + PATIENCE;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Only a plain name, and only from absolute directories: a file of credentials starts nothing else.
fn program(path: Option<&OsStr>, name: &str) -> Result<PathBuf, RegistryError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) || name.starts_with(['-', '.']) {
        return Err(RegistryError::input(format!(
            "{:?} is no name of a credential helper: letters, digits, `-`, `_` and `.`",
            shown(name, 80)
        )));
    }
    let file = format!("docker-credential-{name}");
    let directories = path.map(std::env::split_paths).into_iter().flatten();
    directories
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(&file))
        .find(|path| {
            std::fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
        })
        .ok_or_else(|| {
            RegistryError::input(format!(
                "{file}: not found in PATH, but the file of credentials names it"
            ))
            .with_hint("install it, or remove credsStore and credHelpers from the file and log in again")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    fn sources(script: &str) -> (tempfile::TempDir, CredentialSources) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("docker-credential-test");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let sources = CredentialSources {
            helper_path: Some(place.path().into()),
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
            ..CredentialSources::default()
        };
        (place, sources)
    }

    #[test]
    fn a_helper_is_asked_through_its_input() {
        let (_place, sources) = sources(
            r#"read server; [ "$1" = get ] && [ $# = 1 ] && echo "{\"Username\":\"$server\",\"Secret\":\"s\"}""#,
        );
        let expected = Credential::Password {
            user: "r.test".into(),
            password: Secret::new("s"),
        };
        assert_eq!(ask(&sources, "test", "r.test").unwrap(), Some(expected));
    }

    #[test]
    fn a_helper_without_an_entry_has_none_and_one_that_fails_says_why() {
        let (_place, none) = sources("echo credentials not found in native keychain; exit 1");
        assert_eq!(ask(&none, "test", "r.test").unwrap(), None);
        let (_other, failing) = sources("echo locked; exit 1");
        assert!(
            ask(&failing, "test", "r.test")
                .unwrap_err()
                .message
                .contains("locked")
        );
    }

    #[test]
    fn row_25_names_of_helpers_are_plain() {
        let (_place, sources) = sources("echo '{}'");
        for name in [
            "../test",
            "/bin/sh",
            "",
            "-x",
            ".",
            "a b",
            "a;b",
            "a/../test",
            "a\0",
        ] {
            let refused = ask(&sources, name, "r.test").unwrap_err();
            assert!(
                refused.message.contains("no name of a credential helper"),
                "{name:?}: {refused}"
            );
        }
        let relative = CredentialSources {
            helper_path: Some("relative:.".into()),
            ..CredentialSources::default()
        };
        assert!(
            ask(&relative, "test", "r.test")
                .unwrap_err()
                .message
                .contains("not found in PATH")
        );
    }
}
