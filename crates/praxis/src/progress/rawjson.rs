use std::io::Write;
use std::sync::{Mutex, PoisonError};

use praxis_engine::{Event, Events};
use serde::Serialize;

use super::sanitize::json;
use super::{Ending, Printer};
use crate::failure::FailureKind;
use crate::metadata;

/// Prints one JSON object an event; the last has `event` = `result` or `error`.
pub struct RawJson<W: Write + Send> {
    writer: Mutex<W>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Last<'a> {
    Result {
        #[serde(flatten)]
        metadata: serde_json::Value,
        steps: usize,
        cached: usize,
    },
    Error {
        kind: &'a str,
        message: &'a str,
        excerpt: Option<&'a str>,
        hint: Option<&'a str>,
    },
}

impl<W: Write + Send> RawJson<W> {
    /// Prints to `writer`.
    pub fn new(writer: W) -> RawJson<W> {
        RawJson {
            writer: Mutex::new(writer),
        }
    }

    fn print(&self, value: &impl Serialize) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(text) = serde_json::to_string(value) {
            _ = writeln!(writer, "{}", json(&text));
        }
    }
}

impl<W: Write + Send> Events for RawJson<W> {
    fn event(&self, event: Event) {
        self.print(&event);
    }
}

impl<W: Write + Send> Printer for RawJson<W> {
    fn close(&self, ending: &Ending<'_>) {
        match ending {
            Ending::Built(response) => self.print(&Last::Result {
                metadata: metadata::of(response, &[]),
                steps: response.steps,
                cached: response.cached,
            }),
            Ending::Failed(failure) => self.print(&Last::Error {
                kind: match failure.kind {
                    FailureKind::Usage => "usage",
                    FailureKind::Failed => "failed",
                    FailureKind::Internal => "internal",
                    FailureKind::Cancelled => "cancelled",
                },
                message: &failure.message,
                excerpt: failure.excerpt.as_deref(),
                hint: failure.hint.as_deref(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::output;
    use super::*;
    use crate::failure::Failure;

    #[test]
    fn every_line_is_an_object() {
        let raw = RawJson::new(Vec::new());
        raw.event(output(0, "a\nb\u{9b}\u{202e}"));
        raw.close(&Ending::Failed(&Failure::failed("x")));
        let text = String::from_utf8(raw.writer.into_inner().unwrap()).unwrap();
        assert!(text.is_ascii());
        let events: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(events[0]["event"], "output");
        assert_eq!(events[0]["text"], "a\nb\u{9b}\u{202e}");
        assert_eq!(events[1]["event"], "error");
        assert_eq!(events[1]["message"], "x");
    }
}
