//! `praxis history`.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, SystemTime};

use praxis_engine::{BuildRecord, RecordedStep};

use super::{Surroundings, result, write_file, write_stdout};
use crate::arguments::{HistoryCommand, HistoryOptions};
use crate::failure::Failure;
use crate::history::{listing, picture, story};
use crate::progress::output_width;
use crate::progress::record::printable_line;
use crate::progress::sanitize::lines;
use crate::progress::style::Style;

/// Runs `praxis history …`.
pub fn run(options: &HistoryOptions, surroundings: &Surroundings) -> Result<(), Failure> {
    let engine = surroundings.engine()?.0;
    let style = Style::of(&surroundings.environment, std::io::stdout().is_terminal());
    match &options.command {
        None => list(&engine.history()?, options.format.json, style),
        Some(HistoryCommand::Ls(format)) => list(&engine.history()?, format.json, style),
        Some(HistoryCommand::Show { id, format }) => {
            let record = engine.build_record(id)?;
            result(format.json, &record, || story(&record, output_width(), style))
        }
        Some(HistoryCommand::Logs { id, step }) => print_logs(&engine.build_record(id)?, *step),
        Some(HistoryCommand::Timeline { id, output }) => draw(&engine.build_record(id)?, output.as_deref()),
        Some(HistoryCommand::Rm { ids, all }) => {
            let ids = match all {
                true => engine.history()?.into_iter().map(|record| record.id).collect(),
                false => ids.clone(),
            };
            let forgotten = engine.forget_builds(&ids)?;
            write_stdout(
                forgotten
                    .iter()
                    .map(|id| format!("{id}\n"))
                    .collect::<String>()
                    .as_bytes(),
            )
        }
    }
}

fn list(records: &[BuildRecord], json: bool, style: Style) -> Result<(), Failure> {
    // What steps printed is left to `history logs`, or the list would be very long.
    let mut brief = records.to_vec();
    brief
        .iter_mut()
        .flat_map(|record| &mut record.steps)
        .for_each(|step| step.log.clear());
    result(json, &brief, || {
        listing(records, SystemTime::now(), output_width(), style)
    })
}

fn print_logs(record: &BuildRecord, step: Option<usize>) -> Result<(), Failure> {
    let wanted = |it: &&RecordedStep| step.is_none_or(|number| it.number == number);
    let steps: Vec<&RecordedStep> = record.steps.iter().filter(wanted).collect();
    if let (Some(number), true) = (step, steps.is_empty()) {
        return Err(
            Failure::failed(format!("build {} has no step {number}", record.id))
                .with_hint(format!("praxis history show {}", record.id)),
        );
    }
    let mut text = String::new();
    for it in steps.iter().filter(|it| !it.log.is_empty()) {
        if step.is_none() {
            text.push_str(&format!("#{} {}\n", it.number, crate::history::label(it)));
        }
        let log = it.log.strip_suffix('\n').unwrap_or(&it.log);
        lines(log).for_each(|line| text.push_str(&format!("{}\n", printable_line(line))));
    }
    write_stdout(text.as_bytes())
}

fn draw(record: &BuildRecord, output: Option<&Path>) -> Result<(), Failure> {
    let svg = picture(record);
    match output {
        Some(path) => write_file(path, "--output", &svg),
        None => write_stdout(svg.as_bytes()),
    }
}

/// `3 minutes ago`.
pub fn ago(time: SystemTime, now: SystemTime) -> String {
    let seconds = now.duration_since(time).unwrap_or(Duration::ZERO).as_secs();
    let (number, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_past() {
        let now = SystemTime::now();
        let shown = |seconds| ago(now - Duration::from_secs(seconds), now);
        assert_eq!(shown(1), "1 second ago");
        assert_eq!(shown(185), "3 minutes ago");
        assert_eq!(shown(3600), "1 hour ago");
        assert_eq!(shown(200_000), "2 days ago");
        assert_eq!(ago(now + Duration::from_secs(5), now), "0 seconds ago");
    }
}
