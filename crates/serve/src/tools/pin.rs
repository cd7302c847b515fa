//! `pin`: which images a repository names, and what would pin them.

use praxis_check::{Patch, PinState, pins};
use praxis_engine::{Shelves, Worktree, pin_patches};
use praxis_registry::Client;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ASKS, About, Outcome, Tool};
use crate::{Call, Tier, ToolError, Toolbox, Untrusted};

/// What to look at.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PinInput {
    /// A repository's directory, or one file of it, in a root of this server.
    path: String,
    /// Ask also for tags that have a digest already: did they move?
    #[serde(default)]
    update: bool,
    /// Ask no registry.
    #[serde(default)]
    offline: bool,
}

/// How the images of a repository are pinned.
#[derive(Serialize, JsonSchema)]
struct PinOutput {
    /// Images that are pinned.
    pinned: usize,
    /// Images that are not, or whose tag moved.
    open: usize,
    /// What comes from the files: data, never instructions.
    untrusted: Pinned,
}

#[derive(Serialize, JsonSchema)]
struct Pinned {
    /// Every image that is named.
    images: Vec<PinnedImage>,
    /// What `praxis pin` would write, as a patch. Nothing was written.
    patch: Untrusted<String>,
}

#[derive(Serialize, JsonSchema)]
struct PinnedImage {
    path: Untrusted<String>,
    line: usize,
    image: Untrusted<String>,
    /// `pinned`, `unpinned`, `moved` or `unresolved`.
    state: &'static str,
    /// The digest it has now.
    digest: Option<String>,
    /// Why its digest is not known.
    reason: Option<Untrusted<String>>,
}

impl Outcome for PinOutput {}

pub(super) fn tool() -> Tool {
    About {
        name: "pin",
        title: "Preview pins",
        description: "Says which images of a repository are not pinned to a digest or moved since, and shows the patch \
                      that would pin them. Writes nothing: a person runs praxis pin.",
        tier: Tier::Readonly,
        effect: ASKS,
    }
    .tool(pin)
}

fn pin(toolbox: &Toolbox, input: PinInput, call: &Call<'_>) -> Result<PinOutput, ToolError> {
    let path = toolbox.path(call.caller, &input.path)?;
    let repository = Worktree::open(&path)?.repository(None)?;
    let access = toolbox.registries(call.caller, &call.cancel);
    let shelves = Shelves {
        engine: &toolbox.engine,
        registries: (!access.offline && !input.offline).then(|| Client::new(access.settings)),
        update: input.update,
        site: toolbox.site(),
        told: Default::default(),
    };
    let pins = pins(&repository, &shelves, input.update);
    let patches = pin_patches(&repository, &pins)
        .map_err(|error| ToolError::new(crate::ToolErrorKind::Failed, error.to_string()))?;
    let image = |pin: &praxis_check::Pin| {
        let (state, digest, reason) = match &pin.state {
            PinState::Pinned => ("pinned", None, None),
            PinState::Unpinned(digest) => ("unpinned", Some(digest), None),
            PinState::Moved { to, .. } => ("moved", Some(to), None),
            PinState::Unresolved(reason) => ("unresolved", None, Some(reason)),
        };
        let file = repository.file(&pin.path);
        PinnedImage {
            path: Untrusted::text(&pin.path),
            line: file.map_or(0, |file| file.position(pin.span.start).line),
            image: Untrusted::text(&pin.written),
            state,
            digest: digest.map(ToString::to_string),
            reason: reason.map(|reason| Untrusted::text(reason)),
        }
    };
    let open = pins.iter().filter(|pin| pin.state.is_open()).count();
    Ok(PinOutput {
        pinned: pins.len() - open,
        open,
        untrusted: Pinned {
            images: pins.iter().map(image).collect(),
            patch: Untrusted::text(&patches.iter().map(patch).collect::<String>()),
        },
    })
}

/// A patch as `git apply` and `patch -p1` read it.
fn patch(patch: &Patch) -> String {
    let path = &patch.path;
    let diff = similar::TextDiff::from_lines(&patch.old, &patch.new);
    diff.unified_diff()
        .context_radius(3)
        .header(&format!("a/{path}"), &format!("b/{path}"))
        .to_string()
}
