//! A live display: ended steps scroll away, running steps stay at the bottom with their last lines of output.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use praxis_engine::{Event, Events};

use super::record::{Record, StepRecord};
use super::style::Style;
use super::{Ending, Printer, explain, failing_step, summary, units};

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const TICK: Duration = Duration::from_millis(100);

/// Most output lines shown under one running step.
const WINDOW: usize = 6;

/// Shows a build live on standard error.
pub struct Tty {
    display: Arc<Display>,
    ticker: Mutex<Option<JoinHandle<()>>>,
}

struct Display {
    state: Mutex<State>,
    closed: AtomicBool,
    paused: AtomicBool,
    style: Style,
}

struct State {
    record: Record,
    /// Lines of the live part on the screen now.
    drawn: usize,
    /// Lines that are to stand above the live part.
    waiting: Vec<String>,
}

impl Tty {
    /// Begins to show; stops at [`Printer::close`].
    pub fn start(style: Style) -> Tty {
        let state = State {
            record: Record::new(),
            drawn: 0,
            waiting: Vec::new(),
        };
        let display = Arc::new(Display {
            state: Mutex::new(state),
            closed: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            style,
        });
        let ticking = Arc::clone(&display);
        let ticker = std::thread::Builder::new()
            .name("progress".into())
            .spawn(move || ticking.tick())
            .ok();
        Tty {
            display,
            ticker: Mutex::new(ticker),
        }
    }
}

impl Events for Tty {
    fn event(&self, event: Event) {
        let mut state = self.display.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.record.take(&event);
        state.note(&event, self.display.style);
    }
}

impl Printer for Tty {
    fn close(&self, ending: &Ending<'_>) {
        self.display.closed.store(true, Ordering::Release);
        if let Some(ticker) = self.ticker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            ticker.thread().unpark();
            _ = ticker.join();
        }
        let mut state = self.display.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (width, _) = terminal_size();
        let last = match ending {
            Ending::Built(response) if response.digest.is_some() || !state.record.images.is_empty() => {
                summary::summary(&state.record, response, width, self.display.style)
            }
            Ending::Built(_) => String::new(),
            Ending::Failed(failure) => explain(failure, failing_step(&state.record)),
        };
        let mut text = state.redraw(width, Vec::new());
        text.push_str(&last);
        print(&text);
    }

    fn pause(&self, paused: bool) {
        let mut state = self.display.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.display.paused.store(paused, Ordering::Release);
        if paused {
            let (width, _) = terminal_size();
            print(&state.redraw(width, Vec::new()));
        }
    }
}

impl Display {
    fn tick(&self) {
        let mut turn = 0;
        while !self.closed.load(Ordering::Acquire) {
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if !self.paused.load(Ordering::Acquire) {
                    let (width, height) = terminal_size();
                    let live = live_lines(&state.record, turn, width, height, self.style);
                    print(&state.redraw(width, live));
                }
            }
            turn += 1;
            std::thread::park_timeout(TICK);
        }
    }
}

impl State {
    /// Keeps what is to stay on the screen about an event.
    fn note(&mut self, event: &Event, style: Style) {
        let line = match event {
            Event::Finished { step, cached, took } => {
                let word = if *cached {
                    "CACHED".into()
                } else {
                    units::duration(*took)
                };
                Some((style.good("✔"), *step, word))
            }
            Event::Failed { step, .. } => Some((style.bad("✘"), *step, "FAILED".into())),
            Event::Note { message } => {
                self.waiting.push(super::sanitize::sanitize(message).into_owned());
                None
            }
            Event::Warning { .. } => {
                let warning = self.record.warnings.last().cloned().unwrap_or_default();
                self.waiting.push(style.notable(&warning));
                None
            }
            _ => None,
        };
        if let Some((mark, step, word)) = line {
            let (width, _) = terminal_size();
            let label = units::pad(&self.record.step(step).label, width.saturating_sub(14));
            self.waiting.push(format!("{mark} {label} {word:>9}"));
        }
    }

    /// The text that replaces the live part on the screen by the waiting lines and `live`.
    fn redraw(&mut self, width: usize, live: Vec<String>) -> String {
        let mut text = String::new();
        if self.drawn > 0 {
            _ = write!(text, "\u{1b}[{}A\r\u{1b}[J", self.drawn);
        }
        for line in self.waiting.drain(..) {
            text.push_str(&line);
            text.push('\n');
        }
        for line in &live {
            text.push_str(line);
            text.push('\n');
        }
        // A terminal without room cannot be drawn over.
        self.drawn = if width < 20 { 0 } else { live.len() };
        text
    }
}

/// The live part: one line for the build, one for each running step, and their last lines of output, in at most
/// `height` - 1 lines of at most `width` - 1 cells.
fn live_lines(record: &Record, turn: usize, width: usize, height: usize, style: Style) -> Vec<String> {
    if width < 20 || height < 4 {
        return Vec::new();
    }
    let (ended, cached) = record.counts();
    let head = format!(
        "Building {} · {ended}/{} steps · {cached} cached",
        units::duration(record.elapsed()),
        record.steps.len()
    );
    let mut lines = vec![style.strong(&units::fit(&head, width - 1))];
    let running: Vec<&StepRecord> = record.steps.iter().filter(|step| step.is_running()).collect();
    let room = height - 2;
    let shown = running.len().min(room);
    let window = ((room - shown) / shown.max(1)).min(WINDOW);
    for step in &running[..shown] {
        let since = record.elapsed().saturating_sub(step.started.unwrap_or_default());
        let spinner = style.active(SPINNER[turn % SPINNER.len()]);
        let label = units::pad(&step.label, width - 14);
        lines.push(format!("{spinner} {label} {:>9}", units::duration(since)));
        for line in window_lines(step, window) {
            lines.push(style.dim(&units::fit(&format!("  │ {line}"), width - 1)));
        }
    }
    lines
}

fn window_lines(step: &StepRecord, window: usize) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some((what, current, total)) = &step.progress
        && step.tail.is_empty()
    {
        let of = total.map_or(String::new(), |total| format!(" of {}", units::bytes(total)));
        lines.push(format!("{}{of} {what}", units::bytes(*current)));
    }
    lines.extend(
        step.tail
            .iter()
            .skip(step.tail.len().saturating_sub(window))
            .cloned(),
    );
    lines.truncate(window);
    lines
}

/// Columns and rows of the terminal on standard error; 80 × 24 if it does not say.
fn terminal_size() -> (usize, usize) {
    match rustix::termios::tcgetwinsize(std::io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => (80, 24),
    }
}

fn print(text: &str) {
    if !text.is_empty() {
        let mut stderr = std::io::stderr().lock();
        _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::super::record::tests::{info, output};
    use super::*;

    fn running(count: usize) -> Record {
        let mut record = Record::new();
        let steps = (0..count)
            .map(|n| info("stage", n + 1, count, &"RUN long ".repeat(40)))
            .collect();
        record.take(&Event::Planned { first: 0, steps });
        for step in 0..count {
            record.take(&Event::Started { step });
            for line in 0..30 {
                record.take(&output(step, &format!("{line} {}\n", "漢\t".repeat(200))));
            }
        }
        record
    }

    #[test]
    fn the_live_part_fits_the_terminal() {
        for (count, width, height) in [(1, 80, 24), (3, 40, 10), (50, 30, 8), (2, 20, 4)] {
            let lines = live_lines(&running(count), 3, width, height, Style::none());
            assert!(lines.len() < height, "{} lines of {height}", lines.len());
            assert!(lines.iter().all(|line| line.width() < width), "{lines:?}");
        }
        assert!(live_lines(&running(1), 0, 10, 24, Style::none()).is_empty());
    }

    #[test]
    fn redrawing_goes_back_over_what_was_drawn() {
        let mut state = State {
            record: running(1),
            drawn: 0,
            waiting: Vec::new(),
        };
        let first = state.redraw(80, vec!["a".into(), "b".into()]);
        assert_eq!(first, "a\nb\n");
        state.record.step(0).label = "[x 1/1] RUN y".into();
        state.note(
            &Event::Finished {
                step: 0,
                cached: true,
                took: Duration::ZERO,
            },
            Style::none(),
        );
        let second = state.redraw(80, Vec::new());
        assert!(
            second.starts_with("\u{1b}[2A\r\u{1b}[J✔ [x 1/1] RUN y"),
            "{second:?}"
        );
        assert!(second.ends_with("CACHED\n"));
    }

    #[test]
    fn the_last_lines_are_shown() {
        let lines = live_lines(&running(1), 0, 80, 24, Style::none());
        assert_eq!(lines.len(), 2 + WINDOW);
        assert!(lines.last().unwrap().starts_with("  │ 29 "));
    }
}
