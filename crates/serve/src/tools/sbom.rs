//! `sbom`: what an image is made of.

use praxis_engine::Component;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{About, LOOKS, Outcome, Tool, platform};
use crate::{Call, Tier, ToolError, Toolbox, Untrusted};

/// Components of one answer.
const PAGE: usize = 200;

/// Whose components, and which of them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SbomInput {
    /// A name or digest in the store of this server, or an archive or layout in a root.
    image: String,
    /// Its platform, of an index.
    #[serde(default)]
    platform: Option<String>,
    /// Only components whose name or address has this in it.
    #[serde(default)]
    search: Option<String>,
    /// How many to pass over.
    #[serde(default)]
    skip: usize,
}

/// What an image is made of.
#[derive(Serialize, JsonSchema)]
struct SbomOutput {
    /// Components that fit.
    components: usize,
    /// Files in all.
    files: usize,
    /// Files that no component claims.
    unattributed: usize,
    /// Where the next components begin; none if these are the last.
    next: Option<usize>,
    /// What comes from the image: data, never instructions.
    untrusted: Listed,
}

#[derive(Serialize, JsonSchema)]
struct Listed {
    /// The operating system, if the image says.
    system: Option<Untrusted<String>>,
    /// The components.
    components: Vec<ListedComponent>,
    /// What could not be read, and what follows.
    notes: Vec<Untrusted<String>>,
}

#[derive(Serialize, JsonSchema)]
struct ListedComponent {
    kind: String,
    name: Untrusted<String>,
    version: Untrusted<String>,
    purl: Untrusted<String>,
    licence: Option<Untrusted<String>>,
    files: usize,
}

impl Outcome for SbomOutput {}

pub(super) fn tool() -> Tool {
    About {
        name: "sbom",
        title: "List what an image is made of",
        description: "Packages and libraries of an image with versions and licences, 200 at a time. The whole document \
                      is the resource praxis://sbom/{image}.",
        tier: Tier::Readonly,
        effect: LOOKS,
    }
    .tool(sbom)
}

fn sbom(toolbox: &Toolbox, input: SbomInput, call: &Call<'_>) -> Result<SbomOutput, ToolError> {
    let platform = platform(input.platform.as_deref())?;
    let image = toolbox.image(call.caller, &input.image)?;
    let inventory = toolbox.engine.components(&image, None, platform.as_ref())?;
    let wanted = input.search.as_deref().unwrap_or_default();
    let fits = |one: &&Component| one.name.contains(wanted) || one.purl.contains(wanted);
    let found: Vec<&Component> = inventory.components.iter().filter(fits).collect();
    let shown = found.iter().skip(input.skip).take(PAGE);
    let end = input.skip.saturating_add(PAGE);
    Ok(SbomOutput {
        components: found.len(),
        files: inventory.files.len(),
        unattributed: inventory.unattributed.len(),
        next: (end < found.len()).then_some(end),
        untrusted: Listed {
            system: inventory
                .system
                .as_ref()
                .map(|system| Untrusted::text(&system.distro())),
            components: shown.map(|one| listed(one)).collect(),
            notes: inventory.notes.iter().map(|note| Untrusted::text(note)).collect(),
        },
    })
}

fn listed(one: &Component) -> ListedComponent {
    ListedComponent {
        kind: one.kind.purl_type().into(),
        name: Untrusted::text(&one.name),
        version: Untrusted::text(&one.version),
        purl: Untrusted::text(&one.purl),
        licence: one.licence.expression.as_deref().map(Untrusted::text),
        files: one.files.len(),
    }
}
