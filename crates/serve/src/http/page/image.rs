//! An image: its layers with their files, what it is made of, where it comes from, and who signed it.

use maud::{Markup, html};
use praxis_engine::{
    Change, ImageDescription, ImageReport, Inventory, LayerSource, Origin, VerificationCheck,
};
use serde_json::Value;

use super::clean;
use super::view::{count, short};
use crate::tools::{Bundle, bundles};
use crate::verifier::Verified;
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
            a href="#layers" { "Layers" } a href="#config" { "Configuration" } a href="#sbom" { "SBOM" } a href="#origin" { "Provenance" } a href="#signed" { "Verification" }
        }
        (layers(&report, &sources))
        h2 id="config" { "Configuration" }
        (configuration(&toolbox.engine.inspect(image, None)?))
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
        (verification(&toolbox.verify(image)))
    })
}

fn layers(report: &ImageReport, sources: &[LayerSource]) -> Markup {
    html! {
        h2 id="layers" { "Layers" }
        p { (count(report.layers.len(), "layer")) ", " (bytes(report.stored)) " as stored, " (bytes(report.bytes)) " of files, "
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

/// What a container of it starts with, and what it says of itself.
fn configuration(image: &ImageDescription) -> Markup {
    let config = &image.config["config"];
    let words = |name: &str| {
        let words = config[name].as_array()?.iter().filter_map(Value::as_str);
        Some(words.collect::<Vec<_>>().join(" "))
    };
    let text = |name: &str| config[name].as_str().map(String::from);
    let keys = |name: &str| {
        Some(
            config[name]
                .as_object()?
                .keys()
                .cloned()
                .collect::<Vec<_>>()
                .join(", "),
        )
    };
    let facts = [
        ("Platform", Some(image.platform.clone())),
        ("User", text("User")),
        ("Entrypoint", words("Entrypoint")),
        ("Command", words("Cmd")),
        ("Directory", text("WorkingDir")),
        ("Ports", keys("ExposedPorts")),
        ("Volumes", keys("Volumes")),
    ];
    let variables = config["Env"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let labels = config["Labels"].as_object().into_iter().flatten();
    html! {
        dl class="facts" {
            @for (name, value) in facts {
                @if let Some(value) = value.filter(|value| !value.is_empty()) { dt { (name) } dd { code { (clean(&value)) } } }
            }
            @for variable in variables {
                @let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
                dt { "Variable " (clean(name)) } dd { code { (clean(value)) } }
            }
            @for (name, value) in labels {
                dt { "Label " (clean(name)) } dd { code { (clean(value.as_str().unwrap_or_default())) } }
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
        p { (count(inventory.components.len(), "component")) "; " (inventory.unattributed.len()) " of " (inventory.files.len()) " files belong to none" }
        @for note in &inventory.notes { p class="warn" { (clean(note)) } }
        @if !inventory.components.is_empty() {
            div class="wide" tabindex="0" role="region" aria-label="Components" {
                table {
                    thead { tr { th { "Name" } th { "Version" } th { "Kind" } th { "Licence" } th class="number" { "Files" } } }
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
            dt { "Dockerfile" } dd { (clean(&origin.dockerfile.name)) " " code class="digest" { (short(&origin.dockerfile.digest.to_string())) } }
            @for (name, value) in &origin.build_args { dt { "Argument " (clean(name)) } dd { code { (clean(value)) } } }
        }
    }
}

fn verification(verified: &Result<Verified, ToolError>) -> Markup {
    let Verified { judged, found } = match verified {
        Ok(verified) => verified,
        Err(error) => return html! { p class="bad" { (clean(&error.message)) } },
    };
    let bundles = bundles(&found.parts, *judged);
    let broken = found.checks.iter().filter(|check| !check.holds).count();
    html! {
        @if !judged {
            p class="verdict" { strong { "Not checked: " } "no key is configured. The operator of this server names who is believed with "
                code { "--verify-policy" } "." }
        } @else if found.passed {
            p class="verdict good" { strong { "Verified: " } "all that is demanded of it holds." }
        } @else {
            p class="verdict bad" { strong { "Not verified: " } (broken) " of " (found.checks.len()) " demands do not hold." }
        }
        @if *judged { (demands(&found.checks)) }
        h3 { "Signatures and statements" }
        @if bundles.is_empty() { p { "There is no signature and no statement." } }
        @else { (signed(&bundles)) }
    }
}

fn demands(checks: &[VerificationCheck]) -> Markup {
    html! {
        div class="wide" tabindex="0" role="region" aria-label="What is demanded" {
            table class="demands" {
                thead { tr { th { "Demand" } th { "Manifest" } th { "Holds" } th { "Why not" } } }
                tbody {
                    @for check in checks {
                        tr {
                            td { (clean(&check.what)) }
                            td { code class="digest" { (short(&check.digest.to_string())) } }
                            td { (mark(if check.holds { "good" } else { "bad" }, if check.holds { "yes" } else { "no" })) }
                            td { (clean(check.why.as_deref().unwrap_or_default())) }
                        }
                    }
                }
            }
        }
    }
}

fn signed(bundles: &[Bundle]) -> Markup {
    html! {
        div class="wide" tabindex="0" role="region" aria-label="Signatures and statements" {
            table class="bundles" {
                thead { tr { th { "Of" } th { "Manifest" } th { "Holds" } th { "Status" } th { "By whom, or why not" } } }
                tbody {
                    @for one in bundles {
                        tr {
                            td { (one.untrusted.of.as_str()) }
                            td { code class="digest" { (short(&one.subject)) } }
                            td { (one.untrusted.holds.as_str()) }
                            td { (mark(match one.status { "believed" => "good", "not believed" => "bad", _ => "" }, one.status)) }
                            td { (one.untrusted.detail.as_str()) }
                        }
                    }
                }
            }
        }
    }
}

fn mark(class: &str, text: &str) -> Markup {
    html! { span class={ "status " (class) } { (text) } }
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
