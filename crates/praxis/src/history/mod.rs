//! Past builds as text and as a picture.

mod picture;
mod story;

use std::time::SystemTime;

use praxis_engine::{BuildRecord, BuildStatus, RecordedStep};

use crate::commands::ago;
use crate::progress::sanitize::sanitize;
use crate::progress::style::Style;
use crate::progress::units;

pub use picture::picture;
pub use story::story;

/// The table of builds for a terminal of `width` columns.
pub fn listing(records: &[BuildRecord], now: SystemTime, width: usize, style: Style) -> String {
    let name = width.saturating_sub(16 + 9 + 15 + 9 + 9 + 6).clamp(12, 60);
    let mut text = style.strong(&format!(
        "{:16}  {}  {:9} {:14} {:>8}  {:>7}",
        "ID",
        units::pad("NAME", name),
        "STATUS",
        "CREATED",
        "DURATION",
        "CACHED"
    )) + "\n";
    for record in records {
        let (steps, cached) = record.counts();
        let created = record
            .id
            .parse::<praxis_store::BuildId>()
            .map_or_else(|_| record.started.clone(), |id| ago(id.time(), now));
        text.push_str(&format!(
            "{:16}  {}  {} {created:14} {:>8}  {:>7}\n",
            sanitize(&record.id),
            units::pad(&sanitize(&record.name), name),
            status(record.status, style),
            units::duration(seconds(record.duration)),
            format!("{cached}/{steps}"),
        ));
    }
    text
}

/// The status in nine columns.
fn status(status: BuildStatus, style: Style) -> String {
    match status {
        BuildStatus::Done => style.good("done     "),
        BuildStatus::Failed => style.bad("failed   "),
        BuildStatus::Cancelled => style.notable("cancelled"),
    }
}

/// `[builder 2/5] RUN make`, in one line, safe to print.
pub fn label(step: &RecordedStep) -> String {
    let name = step.name.split_whitespace().collect::<Vec<_>>().join(" ");
    let place = match step.stage.is_empty() {
        true => format!("{}/{}", step.position, step.count),
        false => format!("{} {}/{}", step.stage, step.position, step.count),
    };
    sanitize(&format!("[{place}] {name}")).into_owned()
}

/// A number of seconds from a record, whatever it holds.
fn seconds(number: f64) -> std::time::Duration {
    std::time::Duration::try_from_secs_f64(number).unwrap_or_default()
}

#[cfg(test)]
mod tests;
