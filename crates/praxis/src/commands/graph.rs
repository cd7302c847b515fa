//! `praxis graph`.

use std::io::Read;

use praxis_engine::{BuildRequest, ContextSource, Event, Events, RegistryAccess};

use super::{Surroundings, result, write_file, write_stdout};
use crate::arguments::{GraphFormat, GraphOptions, RegistryOptions};
use crate::failure::Failure;
use crate::graph::{dot, mermaid, outline, picture};
use crate::interrupt;
use crate::request::{build_arguments, build_contexts, source_date_epoch};

/// No Dockerfile is longer.
const LONGEST: u64 = 16 << 20;

/// Tells nobody what happens: the result is the picture, and what is doubtful is for `praxis check`.
struct Silent;

impl Events for Silent {
    fn event(&self, _: Event) {}
}

/// Draws or writes the plan of a build.
pub fn run(options: &GraphOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let request = request(options, surroundings)?;
    let cancel = interrupt::cancel_flag()
        .map_err(|error| Failure::failed(format!("signals cannot be caught: {error}")))?;
    let response = surroundings.engine()?.0.build(&request, &Silent, &cancel)?;
    let graph = response
        .graph
        .ok_or_else(|| Failure::failed("what the store has of this build cannot be told"))?;
    let text = match options.format {
        GraphFormat::Svg => picture(&graph, &title(options)),
        GraphFormat::Dot => dot(&graph),
        GraphFormat::Mermaid => mermaid(&graph),
        GraphFormat::Text => outline(&graph),
        GraphFormat::Json if options.output.is_none() => return result(true, &graph, String::new),
        GraphFormat::Json => {
            serde_json::to_string_pretty(&graph).map_err(|error| Failure::failed(error.to_string()))? + "\n"
        }
    };
    match &options.output {
        Some(path) => write_file(path, "--output", &text),
        None => write_stdout(text.as_bytes()),
    }
}

fn title(options: &GraphOptions) -> String {
    let file = options.file.as_deref().and_then(|file| file.file_name());
    let file = file.map_or_else(|| "Dockerfile".into(), |name| name.to_string_lossy());
    let place = std::fs::canonicalize(&options.context).ok();
    let place = place.as_deref().and_then(|place| place.file_name());
    match (place, &options.target) {
        (Some(place), None) => format!("{} · {file}", place.to_string_lossy()),
        (Some(place), Some(target)) => format!("{} · {file} · {target}", place.to_string_lossy()),
        (None, _) => file.into_owned(),
    }
}

fn request(options: &GraphOptions, surroundings: &Surroundings) -> Result<BuildRequest, Failure> {
    let environment = &surroundings.environment;
    let context = ContextSource::named(&options.context);
    if context == ContextSource::Stdin {
        return Err(Failure::usage(
            "praxis graph takes no context from standard input: give a directory",
        ));
    }
    let mut stdin = None;
    if options
        .file
        .as_deref()
        .is_some_and(|file| file.as_os_str() == "-")
    {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(LONGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::failed(format!("standard input cannot be read: {error}")))?;
        stdin = Some(bytes);
    }
    Ok(BuildRequest {
        context,
        stdin,
        dockerfile: options.file.clone(),
        target: options.target.clone().filter(|target| !target.is_empty()),
        build_args: build_arguments(&options.build_args, environment)?,
        build_contexts: build_contexts(&options.build_contexts)?,
        platforms: options.platform.iter().cloned().collect(),
        source_date_epoch: source_date_epoch(environment)?,
        no_cache: options.no_cache,
        dry_run: true,
        site: surroundings.site().site,
        registries: RegistryAccess {
            settings: crate::registries::settings(&RegistryOptions::default(), surroundings)?,
            ..RegistryAccess::default()
        },
        ..BuildRequest::default()
    })
}
