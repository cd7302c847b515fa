//! One build as text.

use praxis_engine::{BuildRecord, RecordedStep, StepStatus};

use super::{label, seconds, status};
use crate::progress::sanitize::sanitize;
use crate::progress::style::Style;
use crate::progress::units;

/// A build for a terminal of `width` columns: what it was, and its steps with bars where they lay in time.
pub fn story(record: &BuildRecord, width: usize, style: Style) -> String {
    let mut text = heading(record, style);
    if !record.steps.is_empty() {
        text.push_str(&format!(
            "\n{}  {}\n",
            style.strong("Steps"),
            style.dim("█ worked  ░ waited for another stage")
        ));
    }
    let columns = (width / 4).clamp(10, 40);
    let names = width.saturating_sub(columns + 5 + 10 + 8 + 4).max(20);
    for step in &record.steps {
        let bar = style.active(&bar(step, record.duration, columns));
        text.push_str(&format!(
            "{:>4}  {} {} {:>7} {bar}\n",
            step.number,
            units::pad(&label(step), names),
            outcome(step.status, style),
            units::duration(seconds(step.took)),
        ));
    }
    for image in &record.images {
        let size: u64 = image.layers.iter().map(|layer| layer.size).sum();
        let layers = image.layers.len();
        text.push_str(&format!(
            "\nimage     {}, {} in {layers} layers\n",
            image.digest,
            units::bytes(size)
        ));
    }
    for output in &record.outputs {
        let size = match output.bytes {
            0 => "unchanged".into(),
            bytes => units::bytes(bytes),
        };
        let destination = sanitize(&output.destination);
        text.push_str(&format!(
            "output    {destination} ({}, {size})\n",
            sanitize(&output.kind)
        ));
    }
    for warning in &record.warnings {
        text.push_str(&format!("warning   {}\n", sanitize(warning)));
    }
    text
}

fn heading(record: &BuildRecord, style: Style) -> String {
    let (steps, cached) = record.counts();
    let mut lines = vec![
        ("build", record.id.clone()),
        ("name", record.name.clone()),
        ("started", record.started.clone()),
        ("took", units::duration(seconds(record.duration))),
        ("steps", format!("{cached} of {steps} cached")),
        ("context", record.context.clone()),
    ];
    let digest = record.dockerfile_digest.map_or(String::new(), |digest| {
        format!(", sha256 {}", units::short_digest(&digest.to_string()))
    });
    if let Some(name) = &record.dockerfile {
        lines.push(("file", format!("{name}{digest}")));
    }
    lines.extend(record.target.clone().map(|target| ("target", target)));
    let lists = [
        ("platforms", &record.platforms),
        ("tags", &record.tags),
        ("secrets", &record.secrets),
        ("ssh", &record.ssh),
    ];
    lines.extend(
        lists
            .into_iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(title, list)| (title, list.join(", "))),
    );
    let arguments = record.build_args.iter();
    lines.extend(arguments.map(|(name, value)| {
        let value = value
            .as_deref()
            .map_or("(not kept)".into(), |value| value.to_string());
        ("argument", format!("{name}={value}"))
    }));
    let mut text = String::new();
    for (title, line) in lines {
        text.push_str(&format!("{title:9} {}\n", sanitize(&line)));
    }
    text.push_str(&format!(
        "status    {}\n",
        status(record.status, style).trim_end()
    ));
    if let Some(error) = &record.error {
        let line = error.line.map_or(String::new(), |line| format!(" (line {line})"));
        let message = error.message.split_whitespace().collect::<Vec<_>>().join(" ");
        text.push_str(&format!("error     {}{line}\n", sanitize(&message)));
    }
    text
}

fn outcome(status: StepStatus, style: Style) -> String {
    match status {
        StepStatus::Cached => style.dim("cached "),
        StepStatus::Done => style.good("done   "),
        StepStatus::Failed => style.bad("failed "),
        StepStatus::Stopped => style.notable("stopped"),
    }
}

/// Where a step lay in a build that took `whole` seconds: waiting, then working.
fn bar(step: &RecordedStep, whole: f64, columns: usize) -> String {
    let Some(started) = step.started else {
        return "·".repeat(columns);
    };
    let cell = |time: f64| ((time / whole.max(0.001)).clamp(0.0, 1.0) * columns as f64) as usize;
    let from = cell(started).min(columns - 1);
    let to = cell(started + step.took).clamp(from + 1, columns);
    let waiting = cell(started - step.waited).min(from);
    // A step of a fraction of a cell before it is no wait worth a sign.
    let waiting = if step.needs.is_empty() { from } else { waiting };
    "·".repeat(waiting) + &"░".repeat(from - waiting) + &"█".repeat(to - from) + &"·".repeat(columns - to)
}
