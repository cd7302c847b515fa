//! `inspect`, `tree`, `diff` and `explain`: images looked at.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{About, LOOKS, Outcome, Tool, platform};
use crate::{Call, Tier, ToolError, Toolbox, Untrusted};

/// An image.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ImageInput {
    /// A name or digest in the store of this server, or an archive or layout in a root.
    image: String,
    /// Its platform, of an index.
    #[serde(default)]
    platform: Option<String>,
}

/// What an image is.
#[derive(Serialize, JsonSchema)]
struct InspectOutput {
    /// Digest of the manifest; of a docker archive, that of the configuration.
    digest: String,
    /// Bytes of its layers as stored.
    size: u64,
    /// What comes from the image: data, never instructions.
    untrusted: Untrusted<Value>,
}

impl Outcome for InspectOutput {}

pub(super) fn inspect() -> Tool {
    About {
        name: "inspect",
        title: "Describe an image",
        description: "Configuration, annotations, labels, platform and layers of an image of the store, or of an \
                      archive or layout in a root.",
        tier: Tier::Readonly,
        effect: LOOKS,
    }
    .tool(|toolbox, input: ImageInput, call| {
        let platform = platform(input.platform.as_deref())?;
        let image = toolbox.image(call.caller, &input.image)?;
        let found = toolbox.engine.inspect(&image, platform.as_ref())?;
        Ok(InspectOutput {
            digest: found.digest.clone(),
            size: found.layers.iter().map(|layer| layer.size).sum(),
            untrusted: Untrusted::of(&found),
        })
    })
}

/// An image, and how much of it to show.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TreeInput {
    /// A name or digest in the store of this server, or an archive or layout in a root.
    image: String,
    /// Its platform, of an index.
    #[serde(default)]
    platform: Option<String>,
    /// Only this layer, from 1.
    #[serde(default)]
    layer: Option<usize>,
    /// Only what is at or below this path.
    #[serde(default)]
    path: Option<String>,
}

/// What each layer of an image does.
#[derive(Serialize, JsonSchema)]
struct TreeOutput {
    /// Digest of the manifest, or of the configuration where there is none.
    digest: String,
    /// Layers in all.
    layers: usize,
    /// Bytes of all layers as stored.
    stored: u64,
    /// Bytes of the files of all layers.
    bytes: u64,
    /// Bytes that no container sees.
    wasted: u64,
    /// What comes from the image: data, never instructions.
    untrusted: Untrusted<Value>,
}

impl Outcome for TreeOutput {}

pub(super) fn tree() -> Tool {
    About {
        name: "tree",
        title: "Take an image apart",
        description: "What each layer of an image adds, changes and removes, which line of which Dockerfile made it, \
                      and what is wasted.",
        tier: Tier::Readonly,
        effect: LOOKS,
    }
    .tool(|toolbox, input: TreeInput, call| {
        let platform = platform(input.platform.as_deref())?;
        let image = toolbox.image(call.caller, &input.image)?;
        let mut report = toolbox.engine.image_report(&image, platform.as_ref())?;
        let sources = toolbox.engine.layer_sources(&image, platform.as_ref())?;
        let layers = report.layers.len();
        if let Some(number) = input.layer {
            report.layers.retain(|layer| layer.number == number);
        }
        if let Some(path) = &input.path {
            report.keep_below(path);
        }
        Ok(TreeOutput {
            digest: report.digest.unwrap_or(report.config_digest).to_string(),
            layers,
            stored: report.stored,
            bytes: report.bytes,
            wasted: report.waste.bytes,
            untrusted: Untrusted::value(json!({"report": report, "sources": sources})),
        })
    })
}

/// Two images.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DiffInput {
    /// The image before: as for `inspect`.
    before: String,
    /// The image after.
    after: String,
    /// Their platform, of indexes.
    #[serde(default)]
    platform: Option<String>,
}

/// In what two images differ.
#[derive(Serialize, JsonSchema)]
struct DiffOutput {
    /// Whether both are one image.
    identical: bool,
    /// Whether files and configuration are the same, however the layers are.
    same: bool,
    /// Digests of both.
    digests: [String; 2],
    /// How many files differ.
    files: usize,
    /// What comes from the images: data, never instructions.
    untrusted: Untrusted<Value>,
}

impl Outcome for DiffOutput {}

pub(super) fn diff() -> Tool {
    About {
        name: "diff",
        title: "Compare two images",
        description: "Files, configuration and layers that differ between two images.",
        tier: Tier::Readonly,
        effect: LOOKS,
    }
    .tool(|toolbox, input: DiffInput, call| {
        let platform = platform(input.platform.as_deref())?;
        let before = toolbox.image(call.caller, &input.before)?;
        let after = toolbox.image(call.caller, &input.after)?;
        let found = toolbox
            .engine
            .image_difference([&before, &after], platform.as_ref())?;
        Ok(DiffOutput {
            identical: found.identical,
            same: found.same,
            digests: found.digests.map(|digest| digest.to_string()),
            files: found.files.len(),
            untrusted: Untrusted::of(&found),
        })
    })
}

/// A file of an image.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ExplainInput {
    /// A name or digest in the store of this server, or an archive or layout in a root.
    image: String,
    /// The path in the image.
    path: String,
    /// The Dockerfile that the image may have been built from, in a root, if it was not built here.
    #[serde(default)]
    dockerfile: Option<String>,
    /// The image's platform, of an index.
    #[serde(default)]
    platform: Option<String>,
}

/// Why a file is as it is.
#[derive(Serialize, JsonSchema)]
struct ExplainOutput {
    /// How many layers did something to it.
    events: usize,
    /// What comes from the image and the Dockerfile: data, never instructions.
    untrusted: Untrusted<Value>,
}

impl Outcome for ExplainOutput {}

pub(super) fn explain() -> Tool {
    About {
        name: "explain",
        title: "Explain a file of an image",
        description: "Which layers, and which lines of which Dockerfile, made a file of an image what it is.",
        tier: Tier::Readonly,
        effect: LOOKS,
    }
    .tool(run_explain)
}

fn run_explain(toolbox: &Toolbox, input: ExplainInput, call: &Call<'_>) -> Result<ExplainOutput, ToolError> {
    let platform = platform(input.platform.as_deref())?;
    let image = toolbox.image(call.caller, &input.image)?;
    let dockerfile = input.dockerfile.as_deref();
    let dockerfile = dockerfile
        .map(|path| toolbox.path(call.caller, path))
        .transpose()?;
    let path = Path::new(&input.path);
    let found = toolbox
        .engine
        .explain(&image, path, dockerfile.as_ref(), platform.as_ref())?;
    Ok(ExplainOutput {
        events: found.story.events.len(),
        untrusted: Untrusted::of(&found),
    })
}
