//! Base images from a listing: maintainer scripts are run over it, and the result is one layer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use praxis_layer::{Compression, ContentSource, Entry, Kind, Listing, Timestamp};
use praxis_oci::{History, ImageConfig};
use praxis_plan::{NetworkMode, Run};

use crate::event::{Event, Events, StepInfo};
use crate::export::merged_layers;
use crate::layers::{LayerHandle, Workshop};
use crate::output_lines::Lines;
use crate::run::{Prepared, RunSettings};
use crate::site::SiteLoan;
use crate::source::Content;
use crate::state::State;
use crate::{BuiltImage, ImageSettings, Solution, SolveError, Workplace};

/// A command with its whole environment.
pub struct Script {
    /// The command and its arguments.
    pub arguments: Vec<String>,
    /// Names and values.
    pub environment: Vec<(String, String)>,
}

/// A root file system that is to become a base image.
pub struct BaseSource {
    /// Every entry.
    pub listing: Listing,
    /// The contents of its files.
    pub content: Arc<dyn ContentSource + Send>,
    /// Commands to run in it, in order, without network.
    pub scripts: Vec<Script>,
    /// Times later than this become this.
    pub epoch: Timestamp,
    /// The image's configuration, without layers and history.
    pub config: ImageConfig,
    /// What the history says of the layer.
    pub created_by: String,
    /// Takes what differs from machine to machine out of the listing after the scripts have run.
    pub settle: Box<dyn Fn(&Listing) -> Listing>,
}

/// Makes the image in the store.
///
/// # Errors
/// If a script fails, with the last of what it printed in the events.
pub fn make_base(
    workplace: Workplace,
    source: BaseSource,
    events: &dyn Events,
    cancel: &AtomicBool,
) -> Result<BuiltImage, SolveError> {
    let workshop = Workshop::of(&workplace);
    let files = source
        .listing
        .entries()
        .iter()
        .filter(|entry| matches!(entry.kind, Kind::File { .. }));
    let contents: HashMap<_, _> = files
        .map(|entry: &Entry| {
            (
                entry.path.clone(),
                Content::Shared(source.content.clone(), Arc::new(entry.clone())),
            )
        })
        .collect();
    let mut state = State::default();
    state.push(Arc::new(LayerHandle::made(
        &workshop,
        source.listing,
        contents,
        None,
    )?));
    if !source.scripts.is_empty() {
        let layer = run_scripts(
            &workshop,
            &mut state,
            &source.scripts,
            source.epoch,
            events,
            cancel,
        )?;
        state = layer;
        let (listing, contents) = merged_layers(&state)?;
        let listing = (source.settle)(&listing);
        state = State::default();
        state.push(Arc::new(LayerHandle::made(&workshop, listing, contents, None)?));
    }
    let layers = state.layers().to_vec();
    let mut config = source.config;
    let created = crate::rfc3339(source.epoch);
    config.history = vec![History {
        created: Some(created),
        created_by: Some(source.created_by),
        ..History::default()
    }];
    let solution = Solution {
        workshop,
        layers,
        state,
        steps: 0,
        cached: 0,
        outlook: Vec::new(),
        solved: Vec::new(),
    };
    let settings = ImageSettings {
        inline_cache: false,
        annotations: Default::default(),
        descriptor_annotations: Default::default(),
        compression: Compression::Gzip,
        compression_level: None,
        force_compression: false,
        docker_media_types: false,
        created: source.epoch,
    };
    solution.image(&config, &settings, events)
}

fn run_scripts(
    workshop: &Arc<Workshop>,
    state: &mut State,
    scripts: &[Script],
    epoch: Timestamp,
    events: &dyn Events,
    cancel: &AtomicBool,
) -> Result<State, SolveError> {
    let info = |index: usize, arguments: &[String]| StepInfo {
        stage: "base".into(),
        position: index + 1,
        count: scripts.len(),
        name: arguments.join(" ").lines().next().unwrap_or_default().to_string(),
        line: None,
        needs: Vec::new(),
    };
    let steps = scripts
        .iter()
        .enumerate()
        .map(|(index, script)| info(index, &script.arguments))
        .collect();
    events.event(Event::Planned { first: 0, steps });
    let settings = RunSettings {
        site: SiteLoan {
            resolv_conf: "# no network\n".into(),
            ..SiteLoan::default()
        },
        secrets: Default::default(),
        ssh: Default::default(),
        ssh_keys: Default::default(),
        limits: Default::default(),
        add_hosts: Vec::new(),
        epoch,
        allow_insecure: false,
        on_error: None,
        build: String::new(),
    };
    let mut done = state.clone();
    for (number, script) in scripts.iter().enumerate() {
        let started = std::time::Instant::now();
        events.event(Event::Started { step: number });
        let run = Run {
            arguments: script.arguments.clone(),
            environment: script.environment.clone(),
            hidden_environment: Vec::new(),
            directory: "/".into(),
            user: String::new(),
            network: NetworkMode::None,
            insecure: false,
            hostname: None,
            mounts: Vec::new(),
            files: Vec::new(),
        };
        let prepared = Prepared::without_mounts(&run);
        let mut lines = Lines::new(events, number);
        let made = prepared.execute(
            workshop,
            &mut done,
            &settings,
            false,
            &mut |stream, bytes| lines.take(stream, bytes),
            cancel,
        );
        lines.finish();
        let made = made.inspect_err(|error| {
            events.event(Event::Failed {
                step: number,
                error: error.message.clone(),
            })
        })?;
        done.push(Arc::new(made));
        events.event(Event::Finished {
            step: number,
            cached: false,
            took: started.elapsed(),
        });
    }
    Ok(done)
}
