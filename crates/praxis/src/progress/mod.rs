//! Events to pictures and lines. Standard error only; standard output is for results.

mod plain;
mod quiet;
mod rawjson;
pub mod record;
pub mod style;
mod summary;
mod tty;
pub mod units;

use std::io::IsTerminal;
use std::sync::Arc;

use praxis_engine::{BuildResponse, Events};

pub use praxis_source::sanitize;

use crate::arguments::ProgressMode;
use crate::environment::Environment;
use crate::failure::Failure;
use record::{Record, StepRecord};
use sanitize::sanitize;
use style::Style;

/// How a build ended.
pub enum Ending<'a> {
    /// Well.
    Built(&'a BuildResponse),
    /// Not well.
    Failed(&'a Failure),
}

/// Shows a build's events, and its ending. The last line about a failure is `error: …`, except as JSON.
pub trait Printer: Events + Send {
    /// Shows how the build ended. Called once, after the last event.
    fn close(&self, ending: &Ending<'_>);

    /// Leaves the terminal to somebody else, or takes it back. No event comes in between.
    fn pause(&self, _paused: bool) {}
}

/// The printer for a mode.
pub fn printer(mode: ProgressMode, environment: &Environment) -> Arc<dyn Printer> {
    let terminal = std::io::stderr().is_terminal() && environment.text("TERM") != Some("dumb");
    match mode {
        ProgressMode::Tty => Arc::new(tty::Tty::start(Style::of(environment, terminal))),
        ProgressMode::Auto if terminal => Arc::new(tty::Tty::start(Style::of(environment, true))),
        ProgressMode::Auto | ProgressMode::Plain => Arc::new(plain::Plain::new(std::io::stderr())),
        ProgressMode::Rawjson => Arc::new(rawjson::RawJson::new(std::io::stderr())),
        ProgressMode::Quiet => Arc::new(quiet::Quiet::new(std::io::stderr())),
    }
}

/// Columns of the terminal that standard output is; a hundred for a file or a pipe.
pub fn output_width() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    size.map_or(100, |size| usize::from(size.ws_col).max(40))
}

/// A failure as text: the last lines of the failing step's output, the place in the Dockerfile, what to try, and as the
/// last line what went wrong.
pub fn explain(failure: &Failure, step: Option<&StepRecord>) -> String {
    let mut text = String::new();
    if let Some(step) = step {
        text.push_str(&format!("\n> {}\n", step.label));
        for line in &step.tail {
            text.push_str(&format!("  {line}\n"));
        }
    }
    if let Some(excerpt) = &failure.excerpt {
        text.push('\n');
        // A single error is said once, as the last line.
        let is_heading = |line: &&str| line.starts_with("error: ");
        let single = excerpt.lines().filter(is_heading).count() == 1;
        for line in excerpt.lines().filter(|line| !(single && is_heading(line))) {
            text.push_str(&format!("{}\n", sanitize(line)));
        }
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("\ntry: {}\n", one_line(hint)));
    }
    text.push_str(&format!("error: {}\n", one_line(&failure.message)));
    text
}

fn one_line(text: &str) -> String {
    let parts: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    sanitize(&parts.join("; ")).into_owned()
}

fn failing_step(record: &Record) -> Option<&StepRecord> {
    record.steps.get(record.failed?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_last_line() {
        let failure = Failure {
            excerpt: Some("   2 | RUN false\n     | ^^^".into()),
            ..Failure::failed("RUN failed:\n  exit code 1\u{1b}]0;x\u{7}").with_hint("run it by hand")
        };
        let text = explain(&failure, None);
        assert_eq!(
            text.lines().last().unwrap(),
            "error: RUN failed:; exit code 1\\x1b]0;x\\x07"
        );
        assert!(text.contains("   2 | RUN false\n     | ^^^\n"));
        assert!(text.contains("try: run it by hand"));
    }
}
