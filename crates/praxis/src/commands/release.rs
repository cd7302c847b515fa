//! `praxis release`.

use std::path::{Path, PathBuf};

use praxis_engine::{Engine, Policy, ReleaseRecord, ReleaseRequest, TestedImage, Worktree, record_time};
use praxis_oci::{Digest, Reference};
use praxis_registry::{Credential, CredentialSources, Secret, Settings};
use serde_json::Value;

use super::{Surroundings, result, sign, write_file};
use crate::arguments::{GrantOptions, ReleaseOptions};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::{keys, registries, timestamps};

const PASSWORD: &str = "PRAXIS_RELEASE_PASSWORD";
/// No report and no password file is larger.
const LARGEST: u64 = 64 << 20;

/// Publishes what was tested.
pub fn run(options: &ReleaseOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let environment = &surroundings.environment;
    let record_path = options
        .record
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("release-{}.json", options.version)));
    let commit = Engine::release_commit(&options.path, &options.version, &record_path)?;
    let project = Worktree::open(&options.path)?.repository(None)?;
    let repository = repository(options, &project.policy)?;
    sign::refuse_legacy(options.legacy, &options.key, &options.log)?;
    let settings = Settings {
        credentials: grant(&options.grant, &repository, environment)?,
        ..registries::settings(&options.registries, surroundings)?
    };
    let stamps = timestamps::believed_authority(&options.timestamps)?;
    let (engine, _) = surroundings.engine()?;
    let settings = registries::interruptible(settings)?;
    let (tested, place) = match &options.report {
        Some(path) => (report(path)?, path.display().to_string()),
        None => match engine.0.tested(&commit)? {
            Some(record) if !record.entry.success => {
                return Err(untested(&commit, "the last praxis ci of it failed"));
            }
            Some(record) => (
                record.entry.body,
                format!("record {} of the ledger", record.number),
            ),
            None => return Err(untested(&commit, "praxis ci did not test it in this store")),
        },
    };
    let images = tested_images(&tested, options, &commit, &place)?;
    let sealer = keys::sealer(
        &options.key,
        &options.timestamps,
        &options.log,
        &settings,
        environment,
    )?;
    let request = ReleaseRequest {
        version: options.version.clone(),
        repository,
        images,
        commit,
        source: project.facts.git.and_then(|git| git.source),
        builder: options.builder_id.clone(),
        seal: sealer.seal(),
        stamps: stamps.as_deref(),
        legacy: options.legacy,
        created: record_time(),
    };
    let record = engine.0.release(&request, &settings, &|step| {
        eprintln!("{}: {}", sanitize(&step.tag), step.what);
    })?;
    let record = kept(&record_path, record);
    let text = String::from_utf8_lossy(&record.to_bytes()).into_owned();
    write_file(&record_path, "--record", &text)?;
    result(options.format.json, &record, || released(&record, &record_path))
}

fn released(record: &ReleaseRecord, path: &Path) -> String {
    let lines = record.images.iter().flat_map(|image| {
        let tag = |tag: &String| format!("{}  {}:{tag}\n", image.digest, record.repository);
        image.tags.iter().map(tag).collect::<Vec<_>>()
    });
    let lines: String = lines.collect();
    format!(
        "{lines}the record is {}; praxis promote takes it into the deploy files\n",
        path.display()
    )
}

/// The record as it was written before, if this release says the same: then its time stays.
fn kept(path: &Path, record: ReleaseRecord) -> ReleaseRecord {
    let before = std::fs::read(path).ok();
    let before = before.and_then(|bytes| ReleaseRecord::parse(&bytes, "record").ok());
    match before {
        Some(before)
            if (ReleaseRecord {
                created: before.created.clone(),
                ..record.clone()
            }) == before =>
        {
            before
        }
        _ => record,
    }
}

fn repository(options: &ReleaseOptions, policy: &Policy) -> Result<Reference, Failure> {
    let named = match (&options.repository, &policy.image.name) {
        (Some(given), _) => given.clone(),
        (None, Some(name)) => name
            .parse()
            .map_err(|error| Failure::failed(format!("image.name {name:?}: {error}")))?,
        (None, None) => {
            return Err(Failure::usage("it is not said where the image goes")
                .with_hint("--repository NAME, or name in [image] of praxis.toml"));
        }
    };
    match named.tag().is_none() && named.digest().is_none() {
        true => Ok(named),
        false => Err(Failure::usage(format!(
            "{}: the version is its tag; write the name alone",
            named.familiar()
        ))),
    }
}

/// The credentials that were named, and no others.
fn grant(
    options: &GrantOptions,
    repository: &Reference,
    environment: &Environment,
) -> Result<CredentialSources, Failure> {
    let mut sources = CredentialSources::default();
    if options.anonymous {
        return Ok(sources);
    }
    let Some(user) = &options.registry_user else {
        return Err(Failure::usage("a password without an account").with_hint("--registry-user USER"));
    };
    let password = match &options.registry_password_file {
        Some(path) => small(path)?.trim_end_matches(['\n', '\r']).to_string(),
        None => match environment.text(PASSWORD) {
            Some(password) => password.to_string(),
            None => {
                return Err(Failure::usage(format!("{user}: there is no password"))
                    .with_hint(format!("--registry-password-file FILE, or {PASSWORD}")));
            }
        },
    };
    let credential = Credential::Password {
        user: user.clone(),
        password: Secret::new(password),
    };
    sources.given.insert(repository.domain().to_string(), credential);
    Ok(sources)
}

fn small(path: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::failed(format!("{}: {why}", path.display()));
    let length = std::fs::metadata(path)
        .map_err(|error| failed(error.to_string()))?
        .len();
    if length > LARGEST {
        return Err(failed(format!("{length} bytes are too many")));
    }
    std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))
}

fn report(path: &Path) -> Result<Value, Failure> {
    let value: Value = serde_json::from_str(&small(path)?).map_err(|error| {
        Failure::failed(format!("{}: not a report of praxis ci: {error}", path.display()))
    })?;
    match value["passed"].as_bool() {
        Some(true) => Ok(value),
        Some(false) => Err(Failure::failed(format!(
            "{}: what it reports did not pass",
            path.display()
        ))),
        None => Err(Failure::failed(format!(
            "{}: not a report of praxis ci",
            path.display()
        ))),
    }
}

fn untested(commit: &str, why: &str) -> Failure {
    Failure::failed(format!("commit {commit} is not tested: {why}"))
        .with_hint("praxis ci, or --report FILE with what it wrote elsewhere")
}

/// The images that were tested, with their tags.
fn tested_images(
    tested: &Value,
    options: &ReleaseOptions,
    commit: &str,
    place: &str,
) -> Result<Vec<TestedImage>, Failure> {
    let wrong = |why: &str| untested(commit, &format!("{place}: {why}"));
    if tested["revision"] != commit {
        return Err(wrong("it is about another commit"));
    }
    if tested["clean"] != true {
        return Err(wrong(
            "what was tested was not the commit alone: files had been changed",
        ));
    }
    let mut images = Vec::new();
    for image in tested["images"].as_array().into_iter().flatten() {
        let digest: Option<Digest> = image["digest"].as_str().and_then(|text| text.parse().ok());
        let variant = image["variant"].as_str().map(str::to_string);
        let tagged = |tag: &String| match &variant {
            Some(variant) => format!("{tag}-{variant}"),
            None => tag.clone(),
        };
        images.push(TestedImage {
            digest: digest.ok_or_else(|| wrong("an image without a digest"))?,
            tag: tagged(&options.version),
            moving: options.moving_tags.iter().map(tagged).collect(),
            variant,
        });
    }
    match images.first() {
        Some(first) if first.variant.is_none() => Ok(images),
        _ => Err(wrong("no image")),
    }
}
