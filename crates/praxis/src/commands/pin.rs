//! `praxis pin`.

use praxis_check::{Finding, Fix, Pin, PinState, Repository, Resolver, patches, pins};
use praxis_oci::{Digest, Reference};
use praxis_registry::Client;
use serde_json::json;

use super::check::{patch, read};
use super::{Outcome, Surroundings, result, write_stdout};
use crate::arguments::PinOptions;
use crate::backend::Engine;
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::registries;
use crate::worktree::Worktree;

/// Who knows what a tag stands for: the store, and registries.
struct Shelves {
    engine: Engine,
    /// `None`: no registry is asked.
    registries: Option<Client>,
    /// Registries are asked also for names that the store has.
    update: bool,
}

impl Resolver for Shelves {
    fn resolve(&self, reference: &Reference) -> Result<Digest, String> {
        let stored = self
            .engine
            .0
            .named_digest(reference)
            .map_err(|error| error.message)?;
        // `localhost` without a port is no registry.
        let registries = self
            .registries
            .as_ref()
            .filter(|_| reference.domain() != "localhost");
        match (stored, registries) {
            (Some(digest), None) => Ok(digest),
            (Some(digest), Some(_)) if !self.update => Ok(digest),
            (_, Some(client)) => client
                .repository(reference)
                .and_then(|repository| repository.resolve(reference))
                .map_err(|error| error.message),
            (None, None) => Err(format!("{}: no such image in the store", reference.familiar())),
        }
    }
}

impl Shelves {
    /// When the image with this digest was made, RFC 3339.
    fn created(&self, name: &str, digest: &str) -> Option<String> {
        let reference: Reference = format!("{name}@{digest}").parse().ok()?;
        let created =
            |image: praxis_engine::ImageDescription| image.config["created"].as_str().map(String::from);
        let stored = self
            .engine
            .0
            .inspect(&reference.to_string(), None)
            .ok()
            .and_then(created);
        let remote = || {
            let client = self.registries.as_ref()?;
            let image = self.engine.0.inspect_remote(&reference, client.settings(), None);
            image.ok().and_then(created)
        };
        stored.or_else(remote)
    }

    /// When the images of a tag that moved were made.
    fn ages(&self, pin: &Pin) -> Option<[Option<String>; 2]> {
        let PinState::Moved { from, to } = &pin.state else {
            return None;
        };
        let name = pin.written.parse::<Reference>().ok()?.name();
        Some([self.created(&name, from), self.created(&name, &to.to_string())])
    }
}

/// Pins the images of a repository.
pub fn run(options: &PinOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let settings = registries::settings(&options.registries, surroundings)?;
    let engine = surroundings.engine()?.0;
    let shelf = Shelves {
        engine,
        registries: match options.offline {
            true => None,
            false => Some(Client::new(registries::interruptible(settings)?)),
        },
        update: options.update,
    };
    let tree = Worktree::open(&options.path)?;
    let repository = read(&tree, None)?;
    let pins = pins(&repository, &shelf, options.update);
    let ages: Vec<_> = pins.iter().map(|pin| shelf.ages(pin)).collect();
    let patches = patches(&repository, &as_findings(&pins), false)?;
    if options.diff {
        write_stdout(patches.iter().map(patch).collect::<String>().as_bytes())?;
    } else {
        result(options.format.json, &as_json(&repository, &pins, &ages), || {
            table(&repository, &pins, &ages)
        })?;
    }
    if !options.check && !options.diff {
        for patch in &patches {
            tree.write(patch)?;
        }
        super::record::pin(surroundings, &options.path, &pins, true);
    }
    let unresolved = pins
        .iter()
        .filter(|pin| matches!(pin.state, PinState::Unresolved(_)))
        .count();
    let open = pins.iter().filter(|pin| pin.state.is_open()).count();
    let count = if options.check { open } else { unresolved };
    Ok(match count {
        0 => Outcome::Done,
        count => Outcome::Shown(Failure::failed(format!("{count} images are not pinned"))),
    })
}

/// The edits of pins in the form that the editor takes.
fn as_findings(pins: &[Pin]) -> Vec<Finding> {
    let finding = |pin: &Pin| Finding {
        rule: String::new(),
        severity: praxis_source::Severity::Note,
        confidence: praxis_check::Confidence::High,
        path: pin.path.clone(),
        span: Some(pin.span),
        message: String::new(),
        why: String::new(),
        help: String::new(),
        page: String::new(),
        fix: Some(Fix {
            safe: true,
            edits: pin.edits.clone(),
        }),
    };
    pins.iter()
        .filter(|pin| !pin.edits.is_empty())
        .map(finding)
        .collect()
}

fn line(repository: &Repository, pin: &Pin) -> usize {
    repository
        .file(&pin.path)
        .map_or(0, |file| file.position(pin.span.start).line)
}

fn words(state: &PinState) -> (&'static str, String) {
    match state {
        PinState::Pinned => ("pinned", String::new()),
        PinState::Unpinned(digest) => ("unpinned", digest.to_string()),
        PinState::Moved { to, .. } => ("moved", to.to_string()),
        PinState::Unresolved(reason) => ("unresolved", reason.clone()),
    }
}

/// When the images before and after were made.
type Ages = Option<[Option<String>; 2]>;

fn table(repository: &Repository, pins: &[Pin], ages: &[Ages]) -> String {
    let mut text = String::new();
    for (pin, age) in pins.iter().zip(ages) {
        let (state, more) = words(&pin.state);
        let place = format!("{}:{}", pin.path, line(repository, pin));
        let written = sanitize(&pin.written).into_owned();
        let arrow = if more.is_empty() { "" } else { "\n            " };
        text.push_str(&format!(
            "{state:11} {} {written}{arrow}{}\n",
            sanitize(&place),
            sanitize(&more)
        ));
        if let Some([from, to]) = age {
            let day = |time: &Option<String>| {
                time.as_deref()
                    .map_or("unknown".into(), |time| sanitize(time).into_owned())
            };
            text.push_str(&format!("            made {}, before {}\n", day(to), day(from)));
        }
    }
    text
}

fn as_json(repository: &Repository, pins: &[Pin], ages: &[Ages]) -> serde_json::Value {
    let one = |(pin, age): (&Pin, &Ages)| {
        let (state, more) = words(&pin.state);
        let key = if state == "unresolved" { "reason" } else { "digest" };
        let mut value = json!({
            "path": pin.path,
            "line": line(repository, pin),
            "image": pin.written,
            "state": state,
            key: more,
        });
        if let Some([from, to]) = age {
            value["created"] = json!({"before": from, "now": to});
        }
        value
    };
    json!({ "pins": pins.iter().zip(ages).map(one).collect::<Vec<_>>() })
}
