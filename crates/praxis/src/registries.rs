//! Settings of registries from files, options and the environment.

use std::path::{Path, PathBuf};

use praxis_engine::{Pull, RegistryAccess};
use praxis_registry::{CredentialSources, RegistriesFile, RegistryError, Secret, Settings};

use crate::arguments::{BuildOptions, RegistryOptions};
use crate::commands::Surroundings;
use crate::environment::Environment;
use crate::failure::{Failure, FailureKind};
use crate::interrupt;

const SYSTEM_FILE: &str = "/etc/praxis/registries.toml";

/// The settings for a command with these options.
pub fn settings(options: &RegistryOptions, surroundings: &Surroundings) -> Result<Settings, Failure> {
    let environment = &surroundings.environment;
    let site = surroundings.site().site;
    Ok(Settings {
        registries: file(options, environment)?,
        insecure: options.insecure_registries.clone(),
        credentials: credentials(environment),
        ca_bundle: site.ca_bundle,
        proxies: site.proxies,
        ..Settings::default()
    })
}

/// What a build may do with registries.
pub fn access(options: &BuildOptions, surroundings: &Surroundings) -> Result<RegistryAccess, Failure> {
    Ok(RegistryAccess {
        settings: settings(&options.registries, surroundings)?,
        offline: options.offline,
        pull: if options.pull { Pull::Names } else { Pull::Missing },
    })
}

/// The same, ended by the first interrupt. Catching signals starts no thread, but belongs behind the user namespace.
pub fn interruptible(settings: Settings) -> Result<Settings, Failure> {
    let stop = interrupt::cancel_flag()
        .map_err(|error| Failure::failed(format!("signals cannot be caught: {error}")))?;
    Ok(Settings { stop, ..settings })
}

/// An error of a registry as a failure of the command.
pub fn failure(error: RegistryError) -> Failure {
    Failure {
        kind: match error.kind {
            praxis_registry::ErrorKind::Cancelled => FailureKind::Cancelled,
            _ => FailureKind::Failed,
        },
        hint: error.hint.clone(),
        ..Failure::failed(error.message)
    }
}

fn file(options: &RegistryOptions, environment: &Environment) -> Result<RegistriesFile, Failure> {
    if let Some(path) = &options.registry_config {
        return read(path)?
            .ok_or_else(|| Failure::usage(format!("{}: there is no such file", path.display())));
    }
    let mut merged = read(Path::new(SYSTEM_FILE))?.unwrap_or_default();
    let own = configuration(environment).map(|folder| folder.join("praxis/registries.toml"));
    if let Some(own) = own.map(|path| read(&path)).transpose()?.flatten() {
        merged.registry.extend(own.registry);
        // What the system allows, a user's file does not widen.
        merged.allow = merged.allow.or(own.allow);
    }
    Ok(merged)
}

fn read(path: &Path) -> Result<Option<RegistriesFile>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => RegistriesFile::parse(&text, path).map(Some).map_err(failure),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::failed(format!("{}: {error}", path.display()))),
    }
}

/// Where docker and podman keep credentials, in the order in which they are asked.
pub fn credentials(environment: &Environment) -> CredentialSources {
    let mut files: Vec<PathBuf> = environment.path("REGISTRY_AUTH_FILE").into_iter().collect();
    files.extend(
        environment
            .path("XDG_RUNTIME_DIR")
            .map(|folder| folder.join("containers/auth.json")),
    );
    files.extend(configuration(environment).map(|folder| folder.join("containers/auth.json")));
    files.extend(login_file(environment));
    CredentialSources {
        inline: environment.text("DOCKER_AUTH_CONFIG").map(Secret::new),
        files,
        helper_path: environment.raw("PATH").map(Into::into),
        environment: environment.all(),
        given: Default::default(),
    }
}

/// The file that `praxis login` writes: docker's.
pub fn login_file(environment: &Environment) -> Result<PathBuf, Failure> {
    let folder = environment
        .path("DOCKER_CONFIG")
        .or_else(|| Some(home(environment)?.join(".docker")));
    folder
        .map(|folder| folder.join("config.json"))
        .ok_or_else(|| Failure::usage("no place for credentials: HOME and DOCKER_CONFIG are not set"))
}

fn configuration(environment: &Environment) -> Option<PathBuf> {
    let given = environment
        .path("XDG_CONFIG_HOME")
        .filter(|path| path.is_absolute());
    given.or_else(|| Some(home(environment)?.join(".config")))
}

fn home(environment: &Environment) -> Option<PathBuf> {
    environment.path("HOME").filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_credentials_in_order() {
        let environment = Environment::of(&[
            ("HOME", "/home/a"),
            ("REGISTRY_AUTH_FILE", "/x/auth.json"),
            ("XDG_RUNTIME_DIR", "/run/user/1"),
        ]);
        let files = [
            "/x/auth.json",
            "/run/user/1/containers/auth.json",
            "/home/a/.config/containers/auth.json",
            "/home/a/.docker/config.json",
        ];
        assert_eq!(credentials(&environment).files, files.map(PathBuf::from));
        let moved = Environment::of(&[("HOME", "/home/a"), ("DOCKER_CONFIG", "/d")]);
        assert_eq!(login_file(&moved).unwrap(), PathBuf::from("/d/config.json"));
        assert!(login_file(&Environment::default()).is_err());
    }
}
