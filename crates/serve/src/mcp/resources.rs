//! What a client can read: logs and records of builds, SBOMs, pages of rules.

use praxis_check::RULES;
use praxis_engine::{RecordedStep, cyclonedx, spdx};
use praxis_source::sanitize::{json, lines, sanitize};
use rmcp::model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};

use crate::tools::whole_log;
use crate::{Caller, ToolError, ToolErrorKind, Toolbox, Untrusted};

/// Builds whose logs are listed.
const LISTED: usize = 25;
/// No resource is larger, in bytes.
const LARGEST: usize = 16 << 20;

/// What there is.
pub(super) fn list(toolbox: &Toolbox) -> Result<Vec<Resource>, ToolError> {
    let mut listed = Vec::new();
    for record in toolbox.engine.history()?.iter().take(LISTED) {
        let name = Untrusted::text(&record.name);
        for (kind, of) in [("log", "log"), ("record", "record")] {
            listed.push(
                Resource::new(
                    format!("praxis://build/{}/{kind}", record.id),
                    format!("{kind} of {}", record.id),
                )
                .with_title(format!("{of} of build {} ({})", record.id, name.as_str()))
                .with_mime_type(if kind == "log" {
                    "text/plain"
                } else {
                    "application/json"
                }),
            );
        }
    }
    let rules = RULES.iter().map(|rule| {
        Resource::new(format!("praxis://rule/{}", rule.id), format!("rule {}", rule.id))
            .with_title(rule.page().title)
            .with_mime_type("text/markdown")
    });
    listed.extend(rules);
    Ok(listed)
}

/// What can be read by name.
pub(super) fn templates() -> Vec<ResourceTemplate> {
    let template = |uri: &str, name: &str, description: &str, kind: &str| {
        ResourceTemplate::new(uri, name)
            .with_description(description)
            .with_mime_type(kind)
    };
    vec![
        template(
            "praxis://build/{id}/log",
            "log of a build",
            "What the steps printed, escaped",
            "text/plain",
        ),
        template(
            "praxis://build/{id}/record",
            "record of a build",
            "Its plan as it went: steps, what each waited for, what was cached, images",
            "application/json",
        ),
        template(
            "praxis://sbom/{image}",
            "SBOM of an image",
            "SPDX 2.3 in JSON",
            "application/spdx+json",
        ),
        template(
            "praxis://sbom-cyclonedx/{image}",
            "SBOM of an image, CycloneDX",
            "CycloneDX 1.6 in JSON",
            "application/vnd.cyclonedx+json",
        ),
        template(
            "praxis://rule/{id}",
            "page of a rule",
            "What it says, why, and how to mend it",
            "text/markdown",
        ),
    ]
}

/// Reads one.
pub(super) fn read(toolbox: &Toolbox, caller: &Caller, uri: &str) -> Result<ReadResourceResult, ToolError> {
    let missing = || {
        ToolError::new(
            ToolErrorKind::Missing,
            format!("{uri:?}: there is no such resource"),
        )
    };
    let path = uri.strip_prefix("praxis://").ok_or_else(missing)?;
    let (kind, rest) = path.split_once('/').ok_or_else(missing)?;
    let (text, mime) = match (kind, rest.rsplit_once('/')) {
        ("build", Some((id, "log"))) => (log(toolbox, id)?, "text/plain"),
        ("build", Some((id, "record"))) => {
            let record = toolbox.engine.build_record(id).map_err(|_| missing())?;
            (document(&Untrusted::of(&record))?, "application/json")
        }
        ("sbom", _) => (sbom(toolbox, caller, rest, true)?, "application/spdx+json"),
        ("sbom-cyclonedx", _) => (
            sbom(toolbox, caller, rest, false)?,
            "application/vnd.cyclonedx+json",
        ),
        ("rule", None) => {
            let rule = RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(rest));
            (rule.ok_or_else(missing)?.page().text, "text/markdown")
        }
        _ => return Err(missing()),
    };
    if text.len() > LARGEST {
        let message = format!("{uri:?}: it has {} bytes, and {LARGEST} are the most", text.len());
        return Err(ToolError::new(ToolErrorKind::Failed, message));
    }
    let contents = ResourceContents::text(text, uri).with_mime_type(mime);
    Ok(ReadResourceResult::new(vec![contents]))
}

/// The whole log, every line made harmless.
fn log(toolbox: &Toolbox, id: &str) -> Result<String, ToolError> {
    let record = toolbox.engine.build_record(id);
    let record = record.map_err(|error| ToolError::new(ToolErrorKind::Missing, error.message))?;
    let steps: Vec<&RecordedStep> = record.steps.iter().collect();
    let clean = whole_log(&steps);
    Ok(lines(&clean).fold(String::new(), |text, line| text + &sanitize(line) + "\n"))
}

fn sbom(toolbox: &Toolbox, caller: &Caller, image: &str, as_spdx: bool) -> Result<String, ToolError> {
    let image = toolbox.image(caller, image)?;
    let inventory = toolbox.engine.components(&image, None, None)?;
    let made = if as_spdx {
        spdx(&inventory)
    } else {
        cyclonedx(&inventory)
    };
    Ok(json(&made.to_string()).into_owned())
}

fn document(value: &Untrusted<serde_json::Value>) -> Result<String, ToolError> {
    serde_json::to_string_pretty(value.as_value()).map_err(|error| ToolError::internal(error.to_string()))
}
