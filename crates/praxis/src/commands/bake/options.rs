//! A target as the options of `praxis build`, so that both mean and refuse the same.

use clap::Parser;
use praxis_bake::{Entry, Target, path};
use praxis_engine::BuildTarget;
use praxis_oci::Platform;

use crate::arguments::{Arguments, BakeOptions, BuildOptions, Command, parse_cache_from, parse_cache_to};
use crate::failure::Failure;
use crate::request::LOAD;

/// The options for a target.
pub fn of(options: &BakeOptions, target: &Target) -> Result<BuildOptions, Failure> {
    let line = arguments(options, target)?;
    let parsed = Arguments::try_parse_from(line).map_err(|error| {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        Failure::usage(text.lines().next().unwrap_or_default().to_string())
    })?;
    match parsed.command {
        Command::Build(options) => Ok(options.build),
        _ => Err(Failure::failed("a target is no build")),
    }
}

fn arguments(options: &BakeOptions, target: &Target) -> Result<Vec<String>, Failure> {
    let context = target.context.clone().unwrap_or_else(|| ".".into());
    let dockerfile = target.dockerfile.clone().unwrap_or_else(|| "Dockerfile".into());
    if context == "-" || dockerfile == "-" {
        return Err(Failure::usage(
            "context and Dockerfile of a target cannot come from standard input",
        ));
    }
    let mut line = vec!["praxis".to_string(), "build".into()];
    let mut add = |name: &str, value: &str| line.push(format!("--{name}={value}"));
    add("jobs", &options.jobs.to_string());
    // A remote context may be the Dockerfile itself.
    let is_plain = target.dockerfile_inline.is_none() && dockerfile == "Dockerfile";
    if !(is_plain && praxis_bake::is_remote(&context)) {
        add("file", &file(&context, &dockerfile, target));
    }
    for (name, values) in [("tag", &target.tags), ("platform", &target.platforms)] {
        for value in values.iter().flatten() {
            let is_local = name == "platform" && value == "local";
            add(
                name,
                &if is_local {
                    Platform::host().to_string()
                } else {
                    value.clone()
                },
            );
        }
    }
    for (name, map) in [("build-arg", &target.args), ("label", &target.labels)] {
        map.iter()
            .for_each(|(key, value)| add(name, &format!("{key}={value}")));
    }
    for (key, value) in &target.contexts {
        let value = value.strip_prefix("cwd://").map_or(value.clone(), path::clean);
        add("build-context", &format!("{key}={value}"));
    }
    for (key, value) in &target.extra_hosts {
        add("add-host", &format!("{key}={value}"));
    }
    let lists = [
        ("annotation", &target.annotations),
        ("no-cache-filter", &target.no_cache_filter),
        ("ulimit", &target.ulimits),
        ("allow", &target.entitlements),
    ];
    for (name, values) in lists {
        values.iter().for_each(|value| add(name, value));
    }
    let texts = [
        ("target", &target.target),
        ("network", &target.network),
        ("shm-size", &target.shm_size),
        ("call", &target.call),
    ];
    for (name, value) in texts {
        value.iter().for_each(|value| add(name, value));
    }
    let written = target.cache_to.clone().unwrap_or_default();
    for (name, caches) in [("cache-from", &target.cache_from), ("cache-to", &written)] {
        let usable = caches.iter().filter(|cache| unusable(name, cache).is_none());
        usable.for_each(|cache| add(name, &cache.option()));
    }
    for secret in &target.secrets {
        add("secret", &secret_option(secret));
    }
    for key in &target.ssh {
        let paths = key.paths.join(",");
        let given = if paths.is_empty() {
            key.id.clone()
        } else {
            format!("{}={paths}", key.id)
        };
        add("ssh", &given);
    }
    for output in target
        .outputs
        .iter()
        .flatten()
        .filter(|output| output.kind() != "cacheonly")
    {
        if output.kind() == "docker" && output.field("dest").is_none() {
            return Err(
                Failure::usage(format!("output type=docker without dest is refused: {LOAD}")).with_hint(
                    format!(
                        "--set {}.output=type=docker,dest=FILE, or type=image to keep it in the store",
                        target.name
                    ),
                ),
            );
        }
        add("output", &output.option());
    }
    for kind in ["provenance", "sbom"] {
        if let Some(value) = attestation(options, target, kind) {
            add(kind, &value);
        }
    }
    line.extend((target.no_cache == Some(true)).then(|| "--no-cache".to_string()));
    line.extend((target.pull == Some(true)).then(|| "--pull".to_string()));
    line.push("--".into());
    line.push(context);
    Ok(line)
}

/// Why a cache is left out: one of a kind that is not known here. A build without it gives the same image.
fn unusable(name: &str, cache: &Entry) -> Option<String> {
    let option = cache.option();
    let parsed = match name {
        "cache-from" => parse_cache_from(&option).map(drop),
        _ => parse_cache_to(&option).map(drop),
    };
    parsed.err().filter(|_| cache.kind() != "local")
}

/// What a target asks for and goes without.
pub fn left_out(target: &Target) -> Vec<String> {
    let caches = target.cache_from.iter().map(|cache| ("cache-from", cache));
    let caches = caches.chain(target.cache_to.iter().flatten().map(|cache| ("cache-to", cache)));
    caches
        .filter_map(|(name, cache)| {
            let why = unusable(name, cache)?;
            Some(format!("{}: {name} is left out: {why}", target.name))
        })
        .collect()
}

/// The Dockerfile as `--file` takes it: in the context's directory, unless that is no directory of this machine.
fn file(context: &str, dockerfile: &str, target: &Target) -> String {
    if target.dockerfile_inline.is_some() {
        "-".into()
    } else if let Some(here) = dockerfile.strip_prefix("cwd://") {
        path::clean(here)
    } else if praxis_bake::is_remote(context) {
        dockerfile.into()
    } else {
        path::join(context, dockerfile)
    }
}

fn secret_option(secret: &praxis_bake::Secret) -> String {
    let mut fields = vec![format!("id={}", secret.id)];
    if !secret.file.is_empty() {
        fields.push(format!("src={}", secret.file));
    }
    if !secret.variable.is_empty() {
        fields.push(format!("env={}", secret.variable));
    }
    let quoted = fields.into_iter().map(|field| {
        if field.contains([',', '"']) {
            format!("\"{}\"", field.replace('"', "\"\""))
        } else {
            field
        }
    });
    quoted.collect::<Vec<_>>().join(",")
}

/// The command line comes before the file.
fn attestation(options: &BakeOptions, target: &Target, kind: &str) -> Option<String> {
    let given = match kind {
        "provenance" => &options.provenance,
        _ => &options.sbom,
    };
    if given.is_some() {
        return given.clone();
    }
    let entry = target.attest.iter().find(|entry| entry.kind() == kind)?;
    (entry.field("disabled") != Some("true")).then(|| entry.option())
}

/// Standard output can hold one result.
pub fn refuse_two_on_stdout(targets: &[BuildTarget]) -> Result<(), Failure> {
    let outputs = targets.iter().flat_map(|target| &target.request.outputs);
    if outputs.filter(|output| output.destination.is_none()).count() > 1 {
        return Err(Failure::usage(
            "the outputs of two targets cannot both go to standard output: give them dest=FILE",
        ));
    }
    Ok(())
}

/// How to go without the attestations that a target asks for, if it failed over them.
pub fn hint(target: &Target, failure: &str) -> Option<String> {
    let wanted = target
        .attest
        .iter()
        .filter(|entry| entry.field("disabled") != Some("true"));
    let flags: Vec<String> = wanted.map(|entry| format!("--{}=false", entry.kind())).collect();
    (!flags.is_empty() && failure.contains("attestations"))
        .then(|| format!("{} builds without attestations", flags.join(" ")))
}
