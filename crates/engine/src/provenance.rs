//! What an image was made from, as SLSA provenance in an in-toto statement (decision 29).

use std::collections::BTreeSet;

use praxis_dockerfile::Kind;
use praxis_oci::{Digest, Platform, Reference};
use praxis_source::SourceFile;
use praxis_store::Store;
use serde_json::{Value, json};

use crate::components::base_packages;
use crate::origin::{Origin, RecordedDownload};
use crate::{Engine, EngineError};

/// The type of the predicate.
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// What kind of build it was: a name, nothing is there to be fetched.
const BUILD_TYPE: &str = "urn:praxis:build:dockerfile:v1";
const BUILDER: &str = "urn:praxis:builder:local";

impl Engine {
    /// The provenance of an image that was built in this store. The same build gives the same bytes: there is no clock in
    /// it. Of secrets, agents and withheld build arguments there are only names; with `all`, values of the other build
    /// arguments, the Dockerfile and the steps. `builder` says who built it.
    ///
    /// # Errors
    /// If it is not known what the image was built from.
    pub fn provenance(
        &self,
        image: &str,
        platform: Option<&Platform>,
        all: bool,
        builder: Option<&str>,
    ) -> Result<Value, EngineError> {
        let store = self.store()?;
        let opened = self.image(image, platform, &store)?;
        let known = opened
            .digest
            .and_then(|digest| provenance_of(&store, &digest, all, builder));
        known.ok_or_else(|| {
            EngineError::user(format!("{image}: it is not known what this image was built from"))
                .with_hint("images that were built in this store have a provenance")
        })
    }
}

/// The same of the manifest with this digest, if the store knows what it was built from.
pub(crate) fn provenance_of(
    store: &Store,
    digest: &Digest,
    all: bool,
    builder: Option<&str>,
) -> Option<Value> {
    let origin: Origin = store.origin(digest)?;
    let packages = base_packages(store, digest);
    let packages = packages.iter().map(|package| {
        let (name, version) = (&package.name, &package.version);
        json!({
            "name": format!("{name} {version} {}", package.architecture),
            "uri": package.filename,
            "digest": {"sha256": package.sha256},
        })
    });
    let mut dependencies = materials(&origin);
    dependencies.extend(packages);
    Some(statement(digest, &origin, dependencies, all, builder))
}

fn statement(
    digest: &Digest,
    origin: &Origin,
    dependencies: Vec<Value>,
    all: bool,
    builder: Option<&str>,
) -> Value {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "_", "digest": {"sha256": digest.hex()}}],
        "predicateType": PROVENANCE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": external(origin, all),
                "internalParameters": internal(origin, all),
                "resolvedDependencies": dependencies,
            },
            "runDetails": {
                "builder": {
                    "id": builder.unwrap_or(BUILDER),
                    "version": {"praxis": origin.praxis},
                },
                "metadata": {
                    "praxis_reproducibility": {
                        "epoch": origin.epoch,
                        "epochGiven": origin.epoch_given,
                        "contextDigest": origin.context.digest,
                        "contextCommit": origin.context.commit,
                        // Without a checksum nobody said what had to come, and it may be something else next time.
                        "downloadsWithoutChecksum": origin.downloads.iter().filter(|one| one.checksum.is_none()).count(),
                    },
                    "praxis_privilege": {
                        "commandNetworks": origin.command_networks,
                        "publishingCredentialsInReach": origin.publishing_credentials,
                    },
                },
            },
        },
    })
}

/// What was asked for.
fn external(origin: &Origin, all: bool) -> Value {
    let arguments = match all {
        true => json!(origin.build_args),
        false => json!(origin.build_args.keys().collect::<Vec<_>>()),
    };
    let mut source = json!({
        "path": origin.dockerfile.name,
        "digest": {"sha256": origin.dockerfile.digest.hex()},
    });
    // Where a directory was says nothing to others.
    if origin.context.kind == "remote" {
        source["uri"] = origin.context.place.clone().into();
    }
    json!({
        "configSource": source,
        "request": {
            "frontend": "dockerfile.v0",
            "target": origin.target,
            "args": arguments,
            "withheldArgs": origin.withheld_args,
            "secrets": origin.secrets,
            "ssh": origin.ssh,
            "locals": origin.build_contexts.keys().collect::<Vec<_>>(),
            "network": origin.network,
            "platform": origin.platform.to_string(),
        },
    })
}

fn internal(origin: &Origin, all: bool) -> Value {
    let mut value = json!({"builderPlatform": Platform::host().to_string()});
    if all {
        let steps = origin
            .layers
            .iter()
            .map(|layer| json!({"stage": layer.stage, "line": layer.line, "instruction": layer.instruction}));
        value["buildConfig"] = json!({
            "dockerfile": origin.dockerfile.text,
            "layers": steps.collect::<Vec<_>>(),
        });
    }
    value
}

/// Images and commits that the build resolved.
fn materials(origin: &Origin) -> Vec<Value> {
    let platform = origin.platform.to_string().replace('/', "%2F");
    let images = origin.bases.iter().map(|base| {
        let parsed: Option<Reference> = base.reference.parse().ok();
        let name = parsed
            .as_ref()
            .map_or_else(|| base.reference.clone(), Reference::name);
        let tag = parsed
            .as_ref()
            .and_then(Reference::tag)
            .map(|tag| format!("@{tag}"));
        let pinned = parsed
            .as_ref()
            .and_then(Reference::digest)
            .unwrap_or(&base.manifest);
        let tag = tag.unwrap_or_default();
        json!({
            "uri": format!("pkg:docker/{name}{tag}?digest={pinned}&platform={platform}"),
            "digest": {"sha256": base.manifest.hex()},
        })
    });
    let mut all: Vec<Value> = images.collect();
    if let Some(commit) = &origin.context.commit {
        let uri = match origin.context.kind.as_str() {
            "remote" => origin.context.place.clone(),
            _ => "git+local:context".into(),
        };
        all.push(json!({"uri": uri, "digest": {"gitCommit": commit}}));
    }
    all.extend(origin.downloads.iter().map(download));
    all
}

/// What ADD fetched. A checksum is a digest, or the beginning of a commit: only a whole one names it.
fn download(download: &RecordedDownload) -> Value {
    let mut value = json!({"uri": download.address});
    let checksum = download.checksum.as_deref().unwrap_or_default();
    match checksum.split_once(':') {
        Some((algorithm, hex)) => value["digest"] = json!({algorithm: hex}),
        None if matches!(checksum.len(), 40 | 64) => value["digest"] = json!({"gitCommit": checksum}),
        None => {}
    }
    value
}

/// Digests that a Dockerfile's `FROM` (and the `ARG` before the first of them) name and that the provenance in `statement`
/// does not have among its resolved dependencies: rule PX802.
///
/// # Errors
/// If `statement` is no provenance.
pub fn missing_materials(statement: &[u8], dockerfile: &str) -> Result<Vec<Digest>, EngineError> {
    let value: Value = serde_json::from_slice(statement)
        .map_err(|error| EngineError::user(format!("the provenance is not valid JSON: {error}")))?;
    if value["predicateType"] != PROVENANCE {
        return Err(EngineError::user(format!(
            "the predicate is {}, not {PROVENANCE}",
            value["predicateType"]
        )));
    }
    let resolved = value["predicate"]["buildDefinition"]["resolvedDependencies"].to_string();
    let missing = pinned(dockerfile)
        .into_iter()
        .filter(|digest| !resolved.contains(&digest.hex()));
    Ok(missing.collect())
}

fn pinned(dockerfile: &str) -> BTreeSet<Digest> {
    let source = SourceFile::new("Dockerfile", dockerfile);
    let (tree, _) = praxis_dockerfile::parse(&source);
    let mut texts: Vec<String> = tree.stages.iter().map(|stage| stage.from.base.clone()).collect();
    for instruction in tree.instructions() {
        if let Kind::Arg(_) = &instruction.kind {
            texts.push(instruction.text.clone());
        }
    }
    let words = texts
        .iter()
        .flat_map(|text| text.split(['@', '"', '\'', ' ', '}', '\t']));
    words.filter_map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_that_is_not_among_the_materials_is_found() {
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let dockerfile = format!("ARG BASE=a:1@{one}\nFROM ${{BASE}}\nFROM b:1@{two}\nCOPY --from=0 a b\n");
        let statement = |digests: &[Digest]| {
            let dependencies: Vec<Value> = digests
                .iter()
                .map(|one| json!({"digest": {"sha256": one.hex()}}))
                .collect();
            let definition = json!({"resolvedDependencies": dependencies});
            let value = json!({"predicateType": PROVENANCE, "predicate": {"buildDefinition": definition}});
            value.to_string()
        };
        let missing = |text: String| missing_materials(text.as_bytes(), &dockerfile).unwrap();
        assert_eq!(missing(statement(&[one, two])), []);
        assert_eq!(missing(statement(&[one])), [two]);
        assert_eq!(missing(statement(&[two])), [one]);
        assert!(missing_materials(b"{\"predicateType\":\"https://spdx.dev/Document\"}", "").is_err());
    }
}
