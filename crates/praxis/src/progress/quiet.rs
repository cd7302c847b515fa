use std::io::Write;
use std::sync::{Mutex, PoisonError};

use praxis_engine::{Event, Events};

use super::record::Record;
use super::{Ending, Printer, explain, failing_step};

/// Prints nothing but why a build failed.
pub struct Quiet<W: Write + Send> {
    state: Mutex<(Record, W)>,
}

impl<W: Write + Send> Quiet<W> {
    /// Prints to `writer`.
    pub fn new(writer: W) -> Quiet<W> {
        Quiet {
            state: Mutex::new((Record::new(), writer)),
        }
    }
}

impl<W: Write + Send> Events for Quiet<W> {
    fn event(&self, event: Event) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .0
            .take(&event);
    }
}

impl<W: Write + Send> Printer for Quiet<W> {
    fn close(&self, ending: &Ending<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (record, writer) = &mut *state;
        if let Ending::Failed(failure) = ending {
            _ = writer.write_all(explain(failure, failing_step(record)).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::output;
    use super::*;
    use crate::failure::Failure;

    #[test]
    fn only_failures_speak() {
        let quiet = Quiet::new(Vec::new());
        quiet.event(Event::Started { step: 0 });
        quiet.event(output(0, "no such file\n"));
        assert!(quiet.state.lock().unwrap().1.is_empty());
        quiet.event(Event::Failed {
            step: 0,
            error: "exit code 1".into(),
        });
        quiet.close(&Ending::Failed(&Failure::failed("RUN make: exit code 1")));
        let text = String::from_utf8(quiet.state.into_inner().unwrap().1).unwrap();
        assert_eq!(text, "\n> step 1\n  no such file\nerror: RUN make: exit code 1\n");
    }
}
