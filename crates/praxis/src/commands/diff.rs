//! `praxis diff`.

use praxis_engine::{Change, Difference, FieldChange, FileFacts, ImageDifference, LayerPair};
use serde_json::Value;

use super::tree::symbol;
use super::{Outcome, Surroundings, result};
use crate::arguments::DiffOptions;
use crate::failure::Failure;
use crate::progress::sanitize::sanitize;
use crate::progress::style::Style;
use crate::progress::units;

/// Compares two images. Differences are a finding.
pub fn run(options: &DiffOptions, surroundings: &Surroundings) -> Result<Outcome, Failure> {
    let style = surroundings.style();
    let engine = surroundings.engine()?.0;
    let images = [options.before.as_str(), options.after.as_str()];
    let difference = engine.diff(images, options.platform.platform.as_ref())?;
    result(options.format.json, &difference, || {
        let mut text = if options.stat {
            String::new()
        } else {
            details(&difference, style)
        };
        if options.layers {
            text.push_str(&layers(&difference.layers, style));
        }
        text + &summary(&difference)
    })?;
    Ok(if difference.same {
        Outcome::Done
    } else {
        Outcome::Found
    })
}

/// Files and fields that differ.
fn details(difference: &ImageDifference, style: Style) -> String {
    let files = difference.files.iter().map(|one| file(one, style));
    let fields = difference.configuration.iter().map(|one| field(one, style));
    files.chain(fields).collect()
}

fn file(one: &Difference, style: Style) -> String {
    let mut line = format!("{} {}", symbol(one.change), sanitize(&one.path));
    let shown = one.after.as_ref().or(one.before.as_ref());
    match (&one.before, &one.after) {
        (Some(before), Some(after)) => {
            let causes = one.causes.iter().map(|cause| in_words(*cause, before, after));
            line.push_str(&format!("  {}", causes.collect::<Vec<_>>().join(", ")));
        }
        _ => line.push_str(&shown.map_or_else(String::new, facts)),
    }
    let line = match one.change {
        Change::Added => style.good(&line),
        Change::Removed => style.bad(&line),
        _ => style.notable(&line),
    };
    line + "\n"
}

/// What a file is, in a few words.
pub(super) fn facts(file: &FileFacts) -> String {
    let what = match (file.kind, &file.target, &file.device) {
        ("file", ..) => units::bytes(file.size),
        (_, Some(target), _) => format!("link → {}", sanitize(target)),
        (kind, _, Some(device)) => format!("{kind} {device}"),
        (kind, ..) => kind.to_string(),
    };
    format!("  {what}, {} {}:{}", file.mode, file.uid, file.gid)
}

fn in_words(cause: praxis_engine::Cause, before: &FileFacts, after: &FileFacts) -> String {
    use praxis_engine::Cause;
    let (from, to) = match cause {
        Cause::Type => (before.kind.to_string(), after.kind.to_string()),
        Cause::Content if before.size != after.size => (units::bytes(before.size), units::bytes(after.size)),
        Cause::Content => return "content (same size)".into(),
        Cause::Link => (
            before.target.clone().unwrap_or_default(),
            after.target.clone().unwrap_or_default(),
        ),
        Cause::Device => (
            before.device.clone().unwrap_or_default(),
            after.device.clone().unwrap_or_default(),
        ),
        Cause::Mode => (before.mode.clone(), after.mode.clone()),
        Cause::Owner => (
            format!("{}:{}", before.uid, before.gid),
            format!("{}:{}", after.uid, after.gid),
        ),
        Cause::Time => (before.modified.clone(), after.modified.clone()),
        Cause::Xattr => (before.xattrs.join(" "), after.xattrs.join(" ")),
        Cause::HardLink => return cause.to_string(),
    };
    if from == to {
        return cause.to_string();
    }
    format!("{cause} {} → {}", sanitize(&from), sanitize(&to))
}

pub(super) fn field(one: &FieldChange, style: Style) -> String {
    let shown = |value: &Option<Value>| match value {
        None => "nothing".to_string(),
        Some(Value::String(text)) => format!("\"{}\"", sanitize(text)),
        Some(Value::Array(items)) if one.field.starts_with("config.Env.") && items.len() == 1 => {
            format!("\"{}\"", sanitize(items[0].as_str().unwrap_or_default()))
        }
        Some(other) => sanitize(&other.to_string()).into_owned(),
    };
    let line = format!(
        "~ configuration {}: {} → {}",
        sanitize(&one.field),
        shown(&one.before),
        shown(&one.after)
    );
    style.notable(&line) + "\n"
}

fn layers(pairs: &[LayerPair], style: Style) -> String {
    let side = |pair: &LayerPair, index: usize| {
        let told = pair.created_by[index].as_deref().unwrap_or("");
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        match pair.diff_ids[index] {
            None => "nothing".to_string(),
            Some(id) => format!(
                "{}  {}",
                units::short_digest(&id.to_string()),
                units::fit(&sanitize(&told), 100)
            ),
        }
    };
    let lines = pairs.iter().map(|pair| {
        let number = pair.number;
        match (pair.same_content, pair.same_blob) {
            (true, true) => format!("= layer {number}  {}\n", side(pair, 0)),
            (true, false) => format!("= layer {number}  {}  (compressed differently)\n", side(pair, 0)),
            _ => {
                style.notable(&format!(
                    "~ layer {number}  {}\n           {}",
                    side(pair, 0),
                    side(pair, 1)
                )) + "\n"
            }
        }
    });
    lines.collect()
}

fn summary(difference: &ImageDifference) -> String {
    let count = |wanted: Change| difference.files.iter().filter(|one| one.change == wanted).count();
    let shared = difference
        .layers
        .iter()
        .take_while(|pair| pair.same_content)
        .count();
    let files = match difference.files.len() {
        0 => "no file differs".to_string(),
        _ => format!(
            "{} files added, {} removed, {} changed",
            count(Change::Added),
            count(Change::Removed),
            count(Change::Changed)
        ),
    };
    let fields = match difference.configuration.len() {
        0 => "the configuration is the same".to_string(),
        1 => "1 field of the configuration differs".to_string(),
        number => format!("{number} fields of the configuration differ"),
    };
    let digests = match difference.identical {
        true => format!("one image: {}", difference.digests[0]),
        false => format!(
            "digests differ: {} and {}",
            difference.digests[0], difference.digests[1]
        ),
    };
    format!(
        "{files}; {fields}; the lowest {shared} of {} layers are the same\n{digests}\n",
        difference.layers.len()
    )
}
