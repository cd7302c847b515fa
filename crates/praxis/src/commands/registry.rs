//! `praxis pull|push|copy|tags|login|logout|referrers`.

use std::io::Read;

use praxis_engine::{CopyOutcome, CopyRequest, Place, PullRequest};
use praxis_oci::{Platform, Reference};
use praxis_registry::{Client, Credential, Secret, forget_login, store_login};

use super::{Surroundings, result, write_stdout};
use crate::arguments::{
    CopyOptions, LoginOptions, LogoutOptions, PullOptions, PushOptions, ReferrersCommand, RegistryOptions,
    TagsOptions,
};
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::progress::units;
use crate::registries;

/// Longest password.
const PASSWORD_LIMIT: u64 = 64 << 10;

/// The engine, and the settings of registries. Signals are caught behind the user namespace.
pub(super) fn opened(
    options: &RegistryOptions,
    surroundings: &Surroundings,
) -> Result<(crate::backend::Engine, praxis_registry::Settings), Failure> {
    let settings = registries::settings(options, surroundings)?;
    let (engine, _) = surroundings.engine()?;
    Ok((engine, registries::interruptible(settings)?))
}

/// Pulls images into the store.
pub fn pull(options: &PullOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let (engine, settings) = opened(&options.registries, surroundings)?;
    let platform = options.platform.clone().or_else(|| Some(Platform::host()));
    let request = |reference: &Reference| PullRequest {
        reference: reference.clone(),
        platform: platform.clone().filter(|_| !options.all_platforms),
    };
    let requests: Vec<PullRequest> = options.images.iter().map(request).collect();
    let mut there = Vec::new();
    if options.offline {
        there = engine.0.pulled(&requests)?;
    }
    let mut there = there.into_iter();
    for request in &requests {
        let outcome = match there.next() {
            Some(outcome) => outcome,
            None => engine.0.pull(request, &settings)?,
        };
        warn(&outcome);
        result(options.format.json, &outcome, || {
            line(&request.reference.familiar(), &outcome)
        })?;
    }
    Ok(())
}

/// Tells of mirrors that were passed over.
fn warn(outcome: &CopyOutcome) {
    for message in &outcome.warnings {
        eprintln!("warning: {}", sanitize(message));
    }
}

/// Pushes an image of the store.
pub fn push(options: &PushOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let (engine, settings) = opened(&options.registries, surroundings)?;
    let own = vec![options.image.clone()];
    let names = if options.names.is_empty() {
        &own
    } else {
        &options.names
    };
    for name in names {
        let request = CopyRequest {
            source: Place::Store(options.image.clone()),
            target: Place::Registry(name.clone()),
            referrers: false,
        };
        let outcome = engine.0.copy(&request, &settings)?;
        result(options.format.json, &outcome, || line(&name.familiar(), &outcome))?;
    }
    Ok(())
}

/// Copies an image.
pub fn copy(options: &CopyOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let settings = registries::settings(&options.registries, surroundings)?;
    let request = CopyRequest {
        source: Place::parse(&options.source)?,
        target: Place::parse(&options.target)?,
        referrers: options.referrers,
    };
    let (engine, _) = surroundings.engine()?;
    let settings = registries::interruptible(settings)?;
    let outcome = engine.0.copy(&request, &settings)?;
    warn(&outcome);
    result(options.format.json, &outcome, || line(&options.target, &outcome))
}

fn line(name: &str, outcome: &CopyOutcome) -> String {
    format!(
        "{}  {}  {} blobs moved ({}), {} there already\n",
        outcome.digest,
        sanitize(name),
        outcome.moved,
        units::bytes(outcome.bytes),
        outcome.present
    )
}

/// Lists tags.
pub fn tags(options: &TagsOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let settings = registries::settings(&options.registries, surroundings)?;
    let client = Client::new(registries::interruptible(settings)?);
    let repository = client
        .repository(&options.repository)
        .map_err(registries::failure)?;
    let mut tags = repository.tags().map_err(registries::failure)?;
    // Registries have an order of their own, or none.
    tags.sort_unstable();
    result(options.format.json, &tags, || {
        tags.iter().map(|tag| format!("{}\n", sanitize(tag))).collect()
    })
}

/// Keeps a password after the registry took it.
pub fn login(options: &LoginOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let mut settings = registries::settings(&options.registries, surroundings)?;
    let mut password = String::new();
    std::io::stdin()
        .take(PASSWORD_LIMIT)
        .read_to_string(&mut password)
        .map_err(|error| Failure::failed(format!("the password cannot be read: {error}")))?;
    let password = password.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        return Err(Failure::usage("standard input holds no password"));
    }
    let credential = Credential::Password {
        user: options.username.clone(),
        password: Secret::new(password),
    };
    settings
        .credentials
        .given
        .insert(options.registry.clone(), credential);
    let client = Client::new(registries::interruptible(settings)?);
    client
        .check_login(&options.registry)
        .map_err(registries::failure)?;
    let path = registries::login_file(&surroundings.environment)?;
    let sources = &client.settings().credentials;
    let helped = store_login(sources, &path, &options.registry, &options.username, password)
        .map_err(registries::failure)?;
    let place = match helped {
        true => "the credential helper".into(),
        false => path.display().to_string(),
    };
    write_stdout(
        format!(
            "logged in to {}; the password is kept in {place}\n",
            sanitize(&options.registry)
        )
        .as_bytes(),
    )
}

/// Forgets a password.
pub fn logout(options: &LogoutOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let sources = registries::credentials(&surroundings.environment);
    let path = registries::login_file(&surroundings.environment)?;
    let forgot = forget_login(&sources, &path, &options.registry).map_err(registries::failure)?;
    let registry = sanitize(&options.registry).into_owned();
    let text = match forgot {
        true => format!("logged out of {registry}\n"),
        false => format!("there was no login for {registry} in {}\n", path.display()),
    };
    write_stdout(text.as_bytes())
}

/// Lists, fetches and attaches referrers.
pub fn referrers(command: &ReferrersCommand, surroundings: &Surroundings) -> Result<(), Failure> {
    match command {
        ReferrersCommand::List {
            image,
            artifact_type,
            registries: options,
            format,
        } => {
            let (engine, settings) = opened(options, surroundings)?;
            let found = engine.0.referrers(image, artifact_type.as_deref(), &settings)?;
            result(format.json, &found, || {
                let line = |one: &praxis_engine::Referrer| {
                    format!("{}  {}\n", one.digest, sanitize(&one.artifact_type))
                };
                found.iter().map(line).collect()
            })
        }
        ReferrersCommand::Fetch {
            image,
            artifact,
            output,
            registries: options,
            format,
        } => {
            let (engine, settings) = opened(options, surroundings)?;
            let Some(directory) = output else {
                let mut stdout = std::io::stdout().lock();
                return Ok(engine
                    .0
                    .referrer_content(image, artifact, &mut stdout, &settings)?);
            };
            let fetched = engine.0.fetch_referrer(image, artifact, directory, &settings)?;
            result(format.json, &fetched, || {
                let line = |one: &praxis_engine::FetchedBlob| {
                    let title = one.title.as_deref().unwrap_or_default();
                    let text = format!("{}  {}  {}  {title}", one.digest, one.media_type, one.size);
                    format!("{}\n", sanitize(text.trim_end()))
                };
                fetched.blobs.iter().map(line).collect()
            })
        }
        ReferrersCommand::Attach {
            image,
            file,
            artifact_type,
            registries: options,
        } => {
            let (engine, settings) = opened(options, surroundings)?;
            let digest = engine.0.attach(image, file, artifact_type, &settings)?;
            write_stdout(format!("{digest}\n").as_bytes())
        }
    }
}
