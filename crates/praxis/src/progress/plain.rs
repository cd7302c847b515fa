//! One line an event, for logs.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use praxis_engine::{Event, Events};

use super::record::{Record, printable_line};
use super::sanitize::{lines, sanitize};
use super::units;
use super::{Ending, Printer, explain, failing_step};

/// Output of one step that is shown in all, in bytes.
const STEP_LIMIT: usize = 2 << 20;

/// Prints lines like BuildKit's plain progress.
pub struct Plain<W: Write + Send> {
    state: Mutex<State<W>>,
}

struct State<W> {
    record: Record,
    writer: W,
    announced: Vec<bool>,
    shown: Vec<usize>,
    unfinished: Vec<String>,
}

impl<W: Write + Send> Plain<W> {
    /// Prints to `writer`.
    pub fn new(writer: W) -> Plain<W> {
        let state = State {
            record: Record::new(),
            writer,
            announced: Vec::new(),
            shown: Vec::new(),
            unfinished: Vec::new(),
        };
        Plain {
            state: Mutex::new(state),
        }
    }
}

impl<W: Write + Send> Events for Plain<W> {
    fn event(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.record.take(&event);
        state.show(&event);
        _ = state.writer.flush();
    }
}

impl<W: Write + Send> Printer for Plain<W> {
    fn close(&self, ending: &Ending<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for number in 0..state.unfinished.len() {
            state.finish_line(number);
        }
        let text = match ending {
            Ending::Built(response) => state.result(response),
            Ending::Failed(failure) => explain(failure, failing_step(&state.record)),
        };
        _ = state.writer.write_all(text.as_bytes());
        _ = state.writer.flush();
    }
}

impl<W: Write> State<W> {
    fn line(&mut self, text: &str) {
        _ = writeln!(self.writer, "{text}");
    }

    fn grow(&mut self, number: usize) {
        if self.announced.len() <= number {
            self.announced.resize(number + 1, false);
            self.shown.resize(number + 1, 0);
            self.unfinished.resize(number + 1, String::new());
        }
    }

    fn announce(&mut self, number: usize) {
        self.grow(number);
        if !std::mem::replace(&mut self.announced[number], true) {
            let label = self.record.step(number).label.clone();
            self.line(&format!("#{} {label}", number + 1));
        }
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::Planned { .. } | Event::Progress { .. } | Event::Image { .. } | Event::Layer { .. } => {}
            Event::Note { message } => self.line(&sanitize(message)),
            Event::Started { step } => self.announce(*step),
            Event::Output { step, text, .. } => self.output(*step, text),
            Event::Finished { step, cached, took } => {
                self.announce(*step);
                self.finish_line(*step);
                let word = if *cached {
                    "CACHED".into()
                } else {
                    format!("DONE {}", units::duration(*took))
                };
                self.line(&format!("#{} {word}", step + 1));
            }
            Event::Failed { step, error } => {
                self.announce(*step);
                self.finish_line(*step);
                self.line(&format!("#{} ERROR: {}", step + 1, sanitize(error)));
            }
            Event::Warning { .. } => {
                let warning = self.record.warnings.last().cloned().unwrap_or_default();
                self.line(&warning);
            }
            Event::Exported {
                kind,
                destination,
                bytes,
            } => {
                let size = if *bytes == 0 {
                    "unchanged".into()
                } else {
                    units::bytes(*bytes)
                };
                self.line(&format!("{kind} {} ({size})", sanitize(destination)));
            }
        }
    }

    /// Shows whole lines; the beginning of a line waits for its end.
    fn output(&mut self, step: usize, text: &str) {
        self.announce(step);
        let pending = std::mem::take(&mut self.unfinished[step]) + text;
        let (whole, rest) = match pending.rfind('\n') {
            Some(end) => (&pending[..end], &pending[end + 1..]),
            None if pending.len() > STEP_LIMIT / 16 => (pending.as_str(), ""),
            None => ("", pending.as_str()),
        };
        self.unfinished[step] = rest.into();
        if pending.len() > rest.len() {
            for line in lines(whole) {
                self.output_line(step, line);
            }
        }
    }

    fn finish_line(&mut self, step: usize) {
        let rest = std::mem::take(&mut self.unfinished[step]);
        if !rest.is_empty() {
            for line in lines(&rest) {
                self.output_line(step, line);
            }
        }
    }

    fn output_line(&mut self, step: usize, line: &str) {
        let before = self.shown[step];
        self.shown[step] = before + line.len() + 1;
        let since = self.since_start(step);
        if self.shown[step] <= STEP_LIMIT {
            self.line(&format!(
                "#{} {:.3} {}",
                step + 1,
                since.as_secs_f64(),
                printable_line(line)
            ));
        } else if before <= STEP_LIMIT {
            self.line(&format!(
                "#{} {:.3} [output clipped after 2 MiB]",
                step + 1,
                since.as_secs_f64()
            ));
        }
    }

    fn since_start(&mut self, step: usize) -> Duration {
        let now = self.record.elapsed();
        now.saturating_sub(self.record.step(step).started.unwrap_or(now))
    }

    fn result(&self, response: &praxis_engine::BuildResponse) -> String {
        let digest = match (&response.digest, self.record.images.len()) {
            (Some(digest), _) => digest.to_string(),
            (None, 0 | 1) => return String::new(),
            (None, images) => format!("{images} images"),
        };
        let took = units::duration(self.record.elapsed());
        match (response.cached, response.steps) {
            (_, 0) => format!("built {digest} in {took}\n"),
            (cached, steps) => format!("built {digest} in {took}, {cached} of {steps} steps cached\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{info, output};
    use super::*;

    fn printed(events: Vec<Event>) -> String {
        let plain = Plain::new(Vec::new());
        for event in events {
            plain.event(event);
        }
        String::from_utf8(plain.state.into_inner().unwrap().writer).unwrap()
    }

    #[test]
    fn lines_are_like_those_of_buildkit() {
        let text = printed(vec![
            Event::Planned {
                first: 0,
                steps: vec![info("a", 1, 2, "FROM x"), info("a", 2, 2, "RUN make")],
            },
            Event::Finished {
                step: 0,
                cached: true,
                took: Duration::ZERO,
            },
            Event::Started { step: 1 },
            output(1, "one\ntw"),
            output(1, "o\r\nlast"),
            Event::Finished {
                step: 1,
                cached: false,
                took: Duration::from_millis(1200),
            },
        ]);
        let times = text.replace("0.000", "T").replace("0.001", "T");
        let expected = "#1 [a 1/2] FROM x\n#1 CACHED\n#2 [a 2/2] RUN make\n#2 T one\n#2 T two\n#2 T last\n#2 DONE 1.2s\n";
        assert_eq!(times, expected);
    }

    #[test]
    fn row_72_output_cannot_forge_lines() {
        let text = printed(vec![
            Event::Started { step: 0 },
            output(0, "x\r#9 DONE 1s\u{85}error: y\n"),
        ]);
        assert!(text.lines().all(|line| line.starts_with("#1 ")), "{text}");
    }

    #[test]
    fn a_flood_is_clipped() {
        let text = printed(vec![output(0, &"0123456789abcde\n".repeat(200_000))]);
        assert!(text.ends_with("[output clipped after 2 MiB]\n"));
        assert!(text.len() < 4 * STEP_LIMIT);
    }
}
