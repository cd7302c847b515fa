//! An image: its layers with their files, what it is made of, where it comes from, and who signed it.

use maud::{Markup, html};
use praxis_engine::{
    Change, ImageReport, ImageVerification, Inventory, LayerSource, Origin, Place, VerificationRequest,
};
use praxis_registry::Settings;

use super::clean;
use super::view::short;
use crate::{ToolError, Toolbox};

/// Paths of one layer that are shown.
const MOST_PATHS: usize = 500;
/// Components that are shown.
const MOST_COMPONENTS: usize = 2000;

/// What is shown of an image of the store.
pub(super) fn look(toolbox: &Toolbox, image: &str) -> Result<Markup, ToolError> {
    let report = toolbox.engine.image_report(image, None)?;
    let sources = toolbox.engine.layer_sources(image, None)?;
    let origin = match &report.digest {
        Some(digest) => toolbox.engine.image_origin(digest)?,
        None => None,
    };
    let inventory = toolbox.engine.components(image, None, None);
    Ok(html! {
        h1 { "Image " code { (clean(image)) } }
        nav class="inside" aria-label="On this page" {
            a href="#layers" { "Layers" } a href="#sbom" { "SBOM" } a href="#origin" { "Provenance" } a href="#signed" { "Verification" }
        }
        (layers(&report, &sources))
        h2 id="sbom" { "What it is made of" }
        @match inventory {
            Ok(inventory) => (components(&inventory)),
            Err(error) => p class="bad" { (clean(&error.message)) },
        }
        h2 id="origin" { "Provenance" }
        @match &origin {
            Some(origin) => (provenance(origin)),
            None => p { "It was not built in this store." },
        }
        h2 id="signed" { "Verification" }
        (verification(&verified(toolbox, image)))
    })
}

/// Nobody's signature counts here: a server has no keys, so this says what there is, not that it is good.
fn verified(toolbox: &Toolbox, image: &str) -> Result<ImageVerification, ToolError> {
    let request = VerificationRequest {
        image: Place::parse(image)?,
        keys: Vec::new(),
        predicates: Vec::new(),
        builders: Vec::new(),
        dockerfile: None,
        sbom: false,
        stamps: None,
        identities: None,
        logs: None,
        require_log: false,
        logged_keys: Vec::new(),
    };
    Ok(toolbox.engine.verify_image(&request, &Settings::default())?)
}

fn layers(report: &ImageReport, sources: &[LayerSource]) -> Markup {
    html! {
        h2 id="layers" { "Layers" }
        p { (report.layers.len()) " layers, " (bytes(report.stored)) " as stored, " (bytes(report.bytes)) " of files, "
            (bytes(report.waste.bytes)) " that no container sees" }
        @for layer in &report.layers {
            details {
                summary {
                    (layer.number) " " code { (clean(layer.created_by.as_deref().unwrap_or("?"))) } " "
                    span class="dim" { (bytes(layer.stored)) ", " (layer.added) " added, " (layer.changed) " changed, " (layer.removed) " removed" }
                }
                @if let Some(source) = sources.get(layer.number - 1) {
                    @if let Some(line) = source.line { p { "Line " (line) " of " (clean(source.dockerfile.as_deref().unwrap_or("the Dockerfile"))) } }
                    @if let Some(base) = &source.base { p { "From the base " (clean(base)) } }
                }
                ul class="files" {
                    @for change in layer.changes.iter().take(MOST_PATHS) {
                        li { span class={ "sign " (sign(change.change).1) } { (sign(change.change).0) } code { (clean(&change.path)) }
                            " " span class="dim" { (change.file.mode) " " (bytes(change.file.size)) } }
                    }
                    @if layer.changes.len() > MOST_PATHS { li { (layer.changes.len() - MOST_PATHS) " more" } }
                }
            }
        }
    }
}

fn sign(change: Change) -> (&'static str, &'static str) {
    match change {
        Change::Added => ("+", "added"),
        Change::Changed => ("~", "changed"),
        Change::Removed => ("−", "removed"),
        Change::Repeated => ("=", "repeated"),
    }
}

fn components(inventory: &Inventory) -> Markup {
    html! {
        p { (inventory.components.len()) " components; " (inventory.unattributed.len()) " of " (inventory.files.len()) " files belong to none" }
        @for note in &inventory.notes { p class="warn" { (clean(note)) } }
        @if !inventory.components.is_empty() {
            div class="wide" tabindex="0" role="region" aria-label="Components" {
                table {
                    thead { tr { th { "Name" } th { "Version" } th { "Kind" } th { "Licence" } th { "Files" } } }
                    tbody {
                        @for one in inventory.components.iter().take(MOST_COMPONENTS) {
                            tr {
                                td { (clean(&one.name)) } td { (clean(&one.version)) } td { (one.kind.purl_type()) }
                                td { (clean(one.licence.expression.as_deref().unwrap_or("unknown"))) } td class="number" { (one.files.len()) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn provenance(origin: &Origin) -> Markup {
    html! {
        dl class="facts" {
            dt { "Built by" } dd { "praxis " (clean(&origin.praxis)) }
            dt { "Platform" } dd { (origin.platform) }
            dt { "Context" } dd { code { (clean(&origin.context.place)) } }
            @if let Some(commit) = &origin.context.commit { dt { "Commit" } dd { code { (clean(commit)) } } }
            dt { "Dockerfile" } dd { (clean(&origin.dockerfile.name)) " " code { (short(&origin.dockerfile.digest.to_string())) } }
            @for (name, value) in &origin.build_args { dt { "Argument " (clean(name)) } dd { code { (clean(value)) } } }
        }
    }
}

fn verification(found: &Result<ImageVerification, ToolError>) -> Markup {
    let found = match found {
        Ok(found) => found,
        Err(error) => return html! { p class="bad" { (clean(&error.message)) } },
    };
    html! {
        p { "This server has no keys: it says what there is, and praxis verify with a key says whether it is to be believed." }
        ul {
            @for part in &found.parts {
                li {
                    (clean(&part.what)) " " code { (short(&part.digest.to_string())) } ": "
                    @if part.rejected.is_empty() { "no signature and no attestation" }
                    @else { (part.rejected.len()) " signatures and attestations, none judged" }
                }
            }
        }
    }
}

/// A size for people.
fn bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_short() {
        assert_eq!(
            [bytes(0), bytes(1536), bytes(5 << 20)],
            ["0 B", "1.5 KiB", "5.0 MiB"]
        );
    }
}
