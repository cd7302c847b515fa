//! `praxis pin`.

use praxis_check::{Finding, Fix, Pin, PinState, Repository, Resolver, patches, pins};
use praxis_oci::{Digest, Reference};
use serde_json::json;

use super::check::{patch, read};
use super::{Outcome, Surroundings, result, write_stdout};
use crate::arguments::PinOptions;
use crate::backend::Engine;
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::worktree::Worktree;

/// Images in the store.
struct Shelf(Engine);

impl Resolver for Shelf {
    fn resolve(&self, reference: &Reference) -> Result<Digest, String> {
        let image = self
            .0
            .inspect(&reference.to_string(), None)
            .map_err(|failure| failure.message)?;
        image
            .digest
            .parse()
            .map_err(|_| format!("{reference}: the store gives no digest"))
    }
}

/// Pins the images of a repository.
pub fn run(options: &PinOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let shelf = Shelf(surroundings.engine()?.0);
    let tree = Worktree::open(&options.path)?;
    let repository = read(&tree, None)?;
    let pins = pins(&repository, &shelf, options.update);
    let patches = patches(&repository, &as_findings(&pins), false)?;
    if options.diff {
        write_stdout(patches.iter().map(patch).collect::<String>().as_bytes())?;
    } else {
        result(options.format.json, &as_json(&repository, &pins), || {
            table(&repository, &pins)
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

fn table(repository: &Repository, pins: &[Pin]) -> String {
    let mut text = String::new();
    for pin in pins {
        let (state, more) = words(&pin.state);
        let place = format!("{}:{}", pin.path, line(repository, pin));
        let written = sanitize(&pin.written).into_owned();
        let arrow = if more.is_empty() { "" } else { "\n            " };
        text.push_str(&format!(
            "{state:11} {} {written}{arrow}{}\n",
            sanitize(&place),
            sanitize(&more)
        ));
    }
    text
}

fn as_json(repository: &Repository, pins: &[Pin]) -> serde_json::Value {
    let one = |pin: &Pin| {
        let (state, more) = words(&pin.state);
        let key = if state == "unresolved" { "reason" } else { "digest" };
        json!({
            "path": pin.path,
            "line": line(repository, pin),
            "image": pin.written,
            "state": state,
            key: more,
        })
    };
    json!({ "pins": pins.iter().map(one).collect::<Vec<_>>() })
}
