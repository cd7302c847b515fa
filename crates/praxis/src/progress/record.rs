//! What a build has done so far, gathered from its events.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use praxis_engine::{Event, LayerInfo, StepInfo};

use super::sanitize::{lines, sanitize};

/// Lines kept of a step's output.
const TAIL: usize = 20;

/// Longest part of a line that is kept or shown, in characters.
pub const LINE_LIMIT: usize = 4096;

/// What a build has done so far. Everything in it is safe to print.
#[derive(Debug)]
pub struct Record {
    began: Instant,
    /// Steps by number.
    pub steps: Vec<StepRecord>,
    /// Layers of the images that are complete, with the images' digests.
    pub images: Vec<(String, Vec<LayerInfo>)>,
    /// Outputs written: kind, destination, bytes.
    pub exports: Vec<(String, String, u64)>,
    /// Number of the step that failed.
    pub failed: Option<usize>,
    /// Warnings in order.
    pub warnings: Vec<String>,
}

/// What one step has done so far.
#[derive(Debug, Default)]
pub struct StepRecord {
    /// `[stage 2/5] RUN make`.
    pub label: String,
    /// When it began, counted from the beginning of the build.
    pub started: Option<Duration>,
    /// How long it took, once it ended.
    pub took: Option<Duration>,
    /// Whether its result was in the store.
    pub cached: bool,
    /// Its last lines of output.
    pub tail: VecDeque<String>,
    /// What it counts, so far, in all.
    pub progress: Option<(String, u64, Option<u64>)>,
}

impl StepRecord {
    /// Whether the step is being worked on.
    pub fn is_running(&self) -> bool {
        self.started.is_some() && self.took.is_none()
    }
}

impl Record {
    /// A build that begins now.
    pub fn new() -> Record {
        Record {
            began: Instant::now(),
            steps: Vec::new(),
            images: Vec::new(),
            exports: Vec::new(),
            failed: None,
            warnings: Vec::new(),
        }
    }

    /// Time since the build began.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The step of a number; events about unknown numbers make one.
    pub fn step(&mut self, number: usize) -> &mut StepRecord {
        while self.steps.len() <= number {
            let label = format!("step {}", self.steps.len() + 1);
            self.steps.push(StepRecord {
                label,
                ..StepRecord::default()
            });
        }
        &mut self.steps[number]
    }

    /// Steps that ended well, and how many of them were in the store.
    pub fn counts(&self) -> (usize, usize) {
        let ended = self.steps.iter().filter(|step| step.took.is_some());
        let cached = self.steps.iter().filter(|step| step.cached);
        (ended.count(), cached.count())
    }

    /// Takes one event.
    pub fn take(&mut self, event: &Event) {
        let now = self.elapsed();
        match event {
            Event::Planned { first, steps } => {
                for (position, info) in steps.iter().enumerate() {
                    self.step(first + position).label = label(info);
                }
            }
            Event::Note { .. } | Event::Layer { .. } => {}
            Event::Started { step } => _ = self.step(*step).started.get_or_insert(now),
            Event::Output { step, text, .. } => self.step(*step).keep_output(text),
            Event::Progress {
                step,
                what,
                current,
                total,
            } => {
                self.step(*step).progress = Some((sanitize(what).into_owned(), *current, *total));
            }
            Event::Finished { step, cached, took } => {
                let step = self.step(*step);
                step.started.get_or_insert(now.saturating_sub(*took));
                step.took = Some(*took);
                step.cached = *cached;
            }
            Event::Failed { step, .. } => {
                let failing = self.step(*step);
                let started = *failing.started.get_or_insert(now);
                failing.took = Some(now.saturating_sub(started));
                self.failed.get_or_insert(*step);
            }
            Event::Warning { code, message, line } => self.warnings.push(warning(code, message, *line)),
            Event::Image { digest, layers } => self.images.push((digest.to_string(), layers.clone())),
            Event::Exported {
                kind,
                destination,
                bytes,
            } => {
                self.exports
                    .push((kind.clone(), sanitize(destination).into_owned(), *bytes));
            }
        }
    }
}

impl StepRecord {
    fn keep_output(&mut self, text: &str) {
        for line in lines(text.strip_suffix('\n').unwrap_or(text)) {
            if self.tail.len() == TAIL {
                self.tail.pop_front();
            }
            self.tail.push_back(printable_line(line));
        }
    }
}

/// One line of output, safe and of bounded length.
pub fn printable_line(line: &str) -> String {
    match line.char_indices().nth(LINE_LIMIT) {
        None => sanitize(line).into_owned(),
        Some((end, _)) => format!("{} … ({} more bytes)", sanitize(&line[..end]), line.len() - end),
    }
}

fn label(info: &StepInfo) -> String {
    let name = info.name.split_whitespace().collect::<Vec<_>>().join(" ");
    let name = sanitize(&name);
    let stage = sanitize(&info.stage);
    match (info.count, stage.is_empty()) {
        (0, true) => name.into_owned(),
        (0, false) => format!("[{stage}] {name}"),
        (count, true) => format!("[{}/{count}] {name}", info.position),
        (count, false) => format!("[{stage} {}/{count}] {name}", info.position),
    }
}

fn warning(code: &str, message: &str, line: Option<usize>) -> String {
    let place = line.map_or(String::new(), |line| format!(" (line {line})"));
    let code = if code.is_empty() {
        String::new()
    } else {
        format!("{}: ", sanitize(code))
    };
    format!("warning: {code}{}{place}", printable_line(message))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn info(stage: &str, position: usize, count: usize, name: &str) -> StepInfo {
        StepInfo {
            stage: stage.into(),
            position,
            count,
            name: name.into(),
            line: Some(position),
            needs: Vec::new(),
        }
    }

    pub fn output(step: usize, text: &str) -> Event {
        Event::Output {
            step,
            stream: 1,
            text: text.into(),
        }
    }

    #[test]
    fn labels_are_like_those_of_buildkit() {
        assert_eq!(
            label(&info("builder", 2, 5, "RUN make")),
            "[builder 2/5] RUN make"
        );
        assert_eq!(label(&info("", 1, 1, "RUN <<X\n a\n\tb")), "[1/1] RUN <<X a b");
        assert_eq!(label(&info("", 0, 0, "exporting\u{1b}[2J")), "exporting\\x1b[2J");
    }

    #[test]
    fn the_tail_is_bounded_and_safe() {
        let mut record = Record::new();
        for number in 0..50 {
            record.take(&output(0, &format!("line {number}\u{7}\n")));
        }
        assert_eq!(record.steps[0].tail.len(), TAIL);
        assert_eq!(record.steps[0].tail[19], "line 49\\x07");
        record.take(&output(0, &"x".repeat(5000)));
        assert!(record.steps[0].tail[19].ends_with("(904 more bytes)"));
    }

    #[test]
    fn a_cached_step_needs_no_start() {
        let mut record = Record::new();
        record.take(&Event::Finished {
            step: 1,
            cached: true,
            took: Duration::ZERO,
        });
        assert_eq!(record.counts(), (1, 1));
        assert!(!record.steps[1].is_running());
    }
}
