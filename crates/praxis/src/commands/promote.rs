//! `praxis promote`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use praxis_engine::{
    Approver, Deployment, Engine, EngineError, ImageVerification, Place, Policy, PromoteRequest, Promotion,
    ReleaseRecord, ReleasedImage, VerificationRequest, Worktree, promotion_problems,
};
use praxis_oci::{Digest, Reference};
use praxis_registry::Settings;
use serde_json::{Value, json};

use super::{Outcome, Surroundings, check::patch, result, sign, write_stdout};
use crate::arguments::PromoteOptions;
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::registries;

/// Promotes a release, or looks at what is deployed.
pub fn run(options: &PromoteOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let record = options.record.as_deref().map(read).transpose()?;
    let tree = Worktree::open(&options.directory)?;
    let policy = tree.repository(None)?.policy;
    let record = match record {
        Some(record) if !options.check => record,
        record => return check(&tree, &policy, record.as_ref(), options),
    };
    let request = PromoteRequest {
        record: &record,
        policy: &policy,
        approver: approver(options)?,
        as_patch: options.diff,
    };
    let (engine, settings) = super::registry::opened(&options.registries, surroundings)?;
    let settings = registries::interruptible(settings)?;
    let trusted_root =
        sign::trusted_root_of(&policy, &options.directory).filter(|_| !options.insecure_skip_verify);
    let signers = match options.insecure_skip_verify {
        true => &[][..],
        false => &policy.verify.identities,
    };
    let believed = sign::Believed::read(trusted_root.as_deref(), signers)?;
    let images = demands(&record, &policy, options, &believed)?;
    let verify = |_: &ReleaseRecord| match options.insecure_skip_verify {
        true => Ok("not verified: --insecure-skip-verify".to_string()),
        false => images
            .iter()
            .map(|(image, request)| verified(&engine.0, image, request, &settings))
            .collect::<Result<Vec<_>, _>>()
            .map(|said| said.join("; ")),
    };
    if options.insecure_skip_verify {
        eprintln!("warning: nobody verified what the registry serves");
    }
    let promotion = engine.0.promote(&tree, &request, &verify)?;
    show(options, &record, &promotion)?;
    Ok(Outcome::Done)
}

fn read(path: &Path) -> Result<ReleaseRecord, Failure> {
    let name = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| Failure::failed(format!("{name}: {error}")))?;
    Ok(ReleaseRecord::parse(&bytes, &name)?)
}

fn check(
    tree: &Worktree,
    policy: &Policy,
    record: Option<&ReleaseRecord>,
    options: &PromoteOptions,
) -> Result<Outcome, Failure> {
    let (count, problems) = promotion_problems(tree, policy, record)?;
    let one =
        |(place, why): &(Deployment, String)| json!({"path": place.path, "line": place.line, "problem": why});
    let value = json!({"places": count, "problems": problems.iter().map(one).collect::<Vec<_>>()});
    result(options.format.json, &value, || {
        let lines = problems
            .iter()
            .map(|(place, why)| format!("{}:{}: {}\n", sanitize(&place.path), place.line, sanitize(why)));
        format!(
            "{}{} problems in {count} places\n",
            lines.collect::<String>(),
            problems.len()
        )
    })?;
    Ok(match problems.is_empty() {
        true => Outcome::Done,
        false => Outcome::Found,
    })
}

/// What has to hold of each image of the release.
fn demands<'r, 's>(
    record: &'r ReleaseRecord,
    policy: &Policy,
    options: &PromoteOptions,
    believed: &'s sign::Believed,
) -> Result<Vec<(&'r ReleasedImage, VerificationRequest<'s>)>, Failure> {
    if options.insecure_skip_verify {
        return Ok(Vec::new());
    }
    let demand = |image: &'r ReleasedImage| {
        let name = record.repository.parse::<Reference>();
        let name = name.map_err(|error| Failure::failed(error.to_string()))?;
        let mut predicates: Vec<String> = image
            .attestations
            .iter()
            .map(|it| it.predicate_type.clone())
            .collect();
        predicates.sort();
        predicates.dedup();
        let mut request = VerificationRequest {
            predicates,
            ..VerificationRequest::of(Place::Registry(name.with_digest(image.digest)))
        };
        let mut keys = sign::believed_keys(&options.keys);
        keys.extend(sign::demand(&mut request, policy, &options.directory)?);
        sign::believe(&mut request, &keys, believed)?;
        request.predicates.sort();
        request.predicates.dedup();
        Ok((image, request))
    };
    record.images.iter().map(demand).collect()
}

/// Verifies an image where the registry serves it, and that it is what the record says.
fn verified(
    engine: &Engine,
    image: &ReleasedImage,
    request: &VerificationRequest,
    settings: &Settings,
) -> Result<String, EngineError> {
    let found = engine.verify_image(request, settings)?;
    let refused = |why: String| {
        Err(EngineError::refused(format!(
            "{} is not verified: {why}",
            image.digest
        )))
    };
    if let Some(check) = found.checks.iter().find(|check| !check.holds) {
        let why = check.why.as_deref().unwrap_or("it does not hold");
        return refused(format!("{}: {}: {why}", check.digest, check.what));
    }
    let served: Vec<Digest> = found.parts.iter().map(|part| part.digest).collect();
    let named = image
        .manifests
        .iter()
        .map(|manifest| manifest.digest)
        .chain([image.digest]);
    if let Some(missing) = named.into_iter().find(|digest| !served.contains(digest)) {
        return refused(format!(
            "the registry serves no {missing}, which the record names"
        ));
    }
    Ok(format!("{} signed by {}", image.digest, signers(&found)))
}

fn signers(found: &ImageVerification) -> String {
    let signatures = found.parts.iter().flat_map(|part| &part.signatures);
    let mut keys: Vec<&str> = signatures.map(|signature| signature.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.join(", ")
}

/// Who approves. A patch needs nobody.
fn approver(options: &PromoteOptions) -> Result<Option<Approver>, Failure> {
    if let Some(name) = &options.approver {
        let name = name.trim();
        if name.is_empty() {
            return Err(Failure::usage("--approver has no name"));
        }
        return Ok(Some(Approver {
            name: name.into(),
            said_by: "command line",
        }));
    }
    if options.diff {
        return Ok(None);
    }
    let setting = |key: &str| {
        let mut git = Command::new("git");
        git.arg("-C")
            .arg(&options.directory)
            .args(["config", "--get", key]);
        let output = git.output().ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?.trim().to_string();
        (!text.is_empty()).then_some(text)
    };
    match (setting("user.name"), setting("user.email")) {
        (Some(name), Some(address)) => Ok(Some(Approver {
            name: format!("{name} <{address}>"),
            said_by: "git",
        })),
        _ => Err(Failure::usage("it is not said who approves")
            .with_hint("--approver NAME, or user.name and user.email of git")),
    }
}

fn show(options: &PromoteOptions, record: &ReleaseRecord, promotion: &Promotion) -> Result<(), Failure> {
    if options.diff {
        return write_stdout(promotion.patches.iter().map(patch).collect::<String>().as_bytes());
    }
    let place = |place: &Deployment| json!({"path": place.path, "line": place.line, "digest": place.digest});
    let places = |places: &[Deployment]| -> Vec<Value> { places.iter().map(place).collect() };
    let value = json!({
        "version": record.version,
        "images": record.images.iter().map(|image| image.digest).collect::<Vec<_>>(),
        "changed": places(&promotion.changed),
        "kept": places(&promotion.kept),
        "left": places(&promotion.left),
    });
    result(options.format.json, &value, || table(record, promotion))
}

fn table(record: &ReleaseRecord, promotion: &Promotion) -> String {
    let mut text = String::new();
    let groups = [
        ("wrote", &promotion.changed),
        ("has it", &promotion.kept),
        ("left", &promotion.left),
    ];
    for (word, places) in groups {
        for place in places {
            let _ = writeln!(
                text,
                "{word:7} {}:{}  {}",
                sanitize(&place.path),
                place.line,
                match word {
                    "wrote" => format!("took the place of {}", place.digest),
                    _ => place.digest.clone(),
                }
            );
        }
    }
    let _ = writeln!(
        text,
        "{} is in {} places; nothing was committed",
        sanitize(&record.version),
        promotion.changed.len() + promotion.kept.len()
    );
    text
}
