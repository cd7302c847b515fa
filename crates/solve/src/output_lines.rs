//! What a RUN step prints, as events of whole lines.

use crate::event::{Event, Events};

/// Longer lines are handed on in pieces.
const LONGEST: usize = 8 << 10;

pub(crate) struct Lines<'a> {
    events: &'a dyn Events,
    step: usize,
    held: [Vec<u8>; 2],
}

impl<'a> Lines<'a> {
    pub fn new(events: &'a dyn Events, step: usize) -> Lines<'a> {
        Lines {
            events,
            step,
            held: Default::default(),
        }
    }

    pub fn take(&mut self, stream: u8, bytes: &[u8]) {
        let held = &mut self.held[usize::from(stream == 2)];
        held.extend_from_slice(bytes);
        let cut = match held.iter().rposition(|&b| b == b'\n' || b == b'\r') {
            Some(end) => end + 1,
            None if held.len() > LONGEST => held.len(),
            None => return,
        };
        let whole: Vec<u8> = held.drain(..cut).collect();
        self.send(stream, &whole);
    }

    fn send(&self, stream: u8, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.events.event(Event::Output {
            step: self.step,
            stream,
            text,
        });
    }

    pub fn finish(self) {
        for stream in [1, 2] {
            let held = &self.held[usize::from(stream == 2)];
            if !held.is_empty() {
                self.send(stream, held);
            }
        }
    }
}
