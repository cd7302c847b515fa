//! `praxis pin`.

use praxis_check::{Pin, PinState, Repository, pins};
use praxis_engine::{Shelves, Worktree, pin_patches};
use praxis_registry::Client;
use serde_json::json;

use super::check::patch;
use super::{Outcome, Surroundings, result, write_stdout};
use crate::arguments::PinOptions;
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::registries;

/// Pins the images and actions of a repository.
pub fn run(options: &PinOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let settings = registries::settings(&options.registries, surroundings)?;
    let engine = surroundings.engine()?.0;
    let shelf = Shelves {
        engine: &engine.0,
        registries: match options.offline {
            true => None,
            false => Some(Client::new(registries::interruptible(settings)?)),
        },
        update: options.update,
        site: surroundings.site().site,
        told: Default::default(),
    };
    let tree = Worktree::open(&options.path)?;
    let repository = tree.repository(None)?;
    let pins = pins(&repository, &shelf, options.update);
    let ages: Vec<_> = pins.iter().map(|pin| shelf.ages(pin)).collect();
    let patches = pin_patches(&repository, &pins)?;
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
            eprintln!("pinned {}", sanitize(&patch.path));
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
        count => Outcome::Shown(Failure::failed(format!(
            "{count} images or actions are not pinned"
        ))),
    })
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
        let key = match state {
            "unresolved" => "reason",
            _ if more.is_empty() || more.contains(':') => "digest",
            _ => "commit",
        };
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
