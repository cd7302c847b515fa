//! `praxis bake`: the targets of bake and compose files, built as one.

mod access;
mod files;
mod list;
mod options;

use std::sync::atomic::{AtomicUsize, Ordering};

use praxis_bake::{Bake, Resolved, Target};
use praxis_engine::{BuildResponse, BuildTarget, Event, Events};
use serde_json::{Map, Value};

use super::build::{Counting, close};
use super::{Outcome, Surroundings, write_file, write_stdout};
use crate::arguments::{BakeOptions, Call};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::progress::printer;
use crate::request::{build_request, refuse_publishing};
use crate::{interrupt, metadata};

/// Builds the targets, or shows what they are.
pub fn run(options: &BakeOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    refuse_publishing(options.load, options.push)?;
    let environment = &surroundings.environment;
    let inputs = files::inputs(options, environment)?;
    let bake = praxis_bake::read(&inputs).map_err(failure)?;
    if let Some(list) = options.list {
        write_stdout(list::text(list, &bake).as_bytes())?;
        return Ok(Outcome::Done);
    }
    let resolved = resolve(options, environment, &bake)?;
    if options.print {
        let text = serde_json::to_string_pretty(&resolved.escaped()).unwrap_or_default() + "\n";
        write_stdout(crate::progress::sanitize::json(&text).as_bytes())?;
        return Ok(Outcome::Done);
    }
    access::check(options, &resolved)?;
    build(options, surroundings, &resolved)
}

/// The targets that the command line names, with what it sets.
fn resolve(options: &BakeOptions, environment: &Environment, bake: &Bake) -> Result<Resolved, Failure> {
    if let Some(address) = options.targets.iter().find(|target| target.contains("://")) {
        return Err(Failure::usage(format!(
            "{address}: bake files of a repository are not fetched: clone it and name its files with -f"
        )));
    }
    let mut overrides = options.overrides.clone();
    overrides.extend(options.no_cache.then(|| "*.no-cache=true".to_string()));
    overrides.extend(options.pull.then(|| "*.pull=true".to_string()));
    let variables = environment.texts();
    let mut resolved = bake
        .resolve(&options.targets, &overrides, &variables)
        .map_err(failure)?;
    if let Some(epoch) = environment.text("SOURCE_DATE_EPOCH") {
        for target in resolved.targets.values_mut() {
            let arguments = &mut target.args;
            arguments
                .entry("SOURCE_DATE_EPOCH".into())
                .or_insert_with(|| epoch.into());
        }
    }
    Ok(resolved)
}

fn failure(error: praxis_bake::BakeError) -> Failure {
    Failure {
        excerpt: error.excerpt,
        hint: error.hint,
        ..Failure::failed(error.message)
    }
}

fn build(
    options: &BakeOptions,
    surroundings: &Surroundings,
    resolved: &Resolved,
) -> Result<Outcome, Failure> {
    let gathered = surroundings.site();
    let is_check = options.check || options.call == Call::Check;
    let mut targets = Vec::new();
    for (name, target) in &resolved.targets {
        let request =
            request(options, surroundings, target, &gathered.site, is_check).map_err(|error| Failure {
                message: format!("{name}: {}", error.message),
                hint: error
                    .hint
                    .clone()
                    .or_else(|| options::hint(target, &error.message)),
                ..error
            })?;
        targets.push(BuildTarget {
            name: name.clone(),
            request,
        });
    }
    options::refuse_two_on_stdout(&targets)?;
    let platforms: Vec<_> = targets
        .iter()
        .flat_map(|target| target.request.platforms_in_sight())
        .collect();
    let (engine, warning) = surroundings.engine_for(&platforms)?;
    let cancel = interrupt::cancel_flag()
        .map_err(|error| Failure::failed(format!("signals cannot be caught: {error}")))?;
    for target in &mut targets {
        target.request.registries.settings.stop = cancel.clone();
    }
    let printer = printer(options.progress, &surroundings.environment);
    let events = Counting {
        printer: printer.as_ref(),
        warnings: AtomicUsize::new(0),
    };
    super::build::warn(printer.as_ref(), &gathered.withheld, warning);
    let left_out = resolved.targets.values().flat_map(options::left_out);
    left_out.for_each(|message| printer.event(Event::Note { message }));
    let built = engine
        .build_group(&targets, &events, &cancel)
        .and_then(|responses| deliver(options, &targets, responses, &events))
        .and_then(|response| {
            super::build::judge(is_check, response, events.warnings.load(Ordering::Relaxed))
        });
    Ok(close(printer.as_ref(), &cancel, built))
}

/// What `praxis build` would be asked for this target.
fn request(
    options: &BakeOptions,
    surroundings: &Surroundings,
    target: &Target,
    site: &praxis_engine::Site,
    is_check: bool,
) -> Result<praxis_engine::BuildRequest, Failure> {
    let build_options = options::of(options, target)?;
    let epoch = target.args.get("SOURCE_DATE_EPOCH").map(String::as_str);
    let environment = match epoch {
        Some(epoch) => surroundings.environment.with("SOURCE_DATE_EPOCH", epoch),
        None => surroundings.environment.clone(),
    };
    let inline = target.dockerfile_inline.clone().unwrap_or_default();
    let mut request = build_request(&build_options, &environment, site.clone(), &mut inline.as_bytes())?;
    request.dry_run = is_check;
    request.registries = praxis_engine::RegistryAccess {
        settings: crate::registries::settings(&options.registries, surroundings)?,
        offline: options.offline,
        ..crate::registries::access(&build_options, surroundings)?
    };
    Ok(request)
}

/// Says what came out, and writes it where the options want it. The result is that of all targets together.
fn deliver(
    options: &BakeOptions,
    targets: &[BuildTarget],
    responses: Vec<BuildResponse>,
    events: &dyn Events,
) -> Result<BuildResponse, Failure> {
    let mut metadata = Map::new();
    let mut all = BuildResponse::default();
    for (target, response) in targets.iter().zip(&responses) {
        if let Some(digest) = response.digest.as_ref().filter(|_| targets.len() > 1) {
            let message = format!("{}: {digest}", target.name);
            events.event(Event::Note { message });
        }
        let described: Value = metadata::of(response, &target.request.tags);
        metadata.insert(target.name.clone(), described);
        all.steps += response.steps;
        all.cached += response.cached;
    }
    if let [only] = responses.as_slice() {
        all = only.clone();
    }
    if let Some(path) = &options.metadata_file {
        let text = serde_json::to_string_pretty(&Value::Object(metadata)).unwrap_or_default();
        write_file(path, "--metadata-file", &text)?;
    }
    Ok(all)
}
