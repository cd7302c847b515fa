//! What a step prints, kept within bounds.

use std::collections::VecDeque;

/// Bytes kept of the beginning and of the end, each.
const HALF: usize = 512 << 10;

/// The beginning and the end of a text that comes in pieces.
#[derive(Clone, Default)]
pub(crate) struct Log {
    head: String,
    tail: VecDeque<String>,
    tail_length: usize,
    left_out: usize,
}

impl Log {
    /// Takes the next piece.
    pub fn take(&mut self, piece: String) {
        if self.tail.is_empty() && self.head.len() + piece.len() <= HALF {
            self.head.push_str(&piece);
            return;
        }
        self.tail_length += piece.len();
        self.tail.push_back(piece);
        while self.tail_length > HALF {
            let Some(oldest) = self.tail.pop_front() else {
                return;
            };
            self.tail_length -= oldest.len();
            self.left_out += oldest.len();
        }
    }

    /// The text, with a line where something was left out.
    pub fn finish(self) -> String {
        let mut text = self.head;
        if self.left_out > 0 {
            text.push_str(&format!("[… {} bytes left out …]\n", self.left_out));
        }
        text.extend(self.tail);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_are_kept() {
        let mut log = Log::default();
        for number in 0..400_000 {
            log.take(format!("line {number}\n"));
        }
        let text = log.finish();
        assert!(text.starts_with("line 0\nline 1\n") && text.ends_with("line 399999\n"));
        assert!(text.contains("bytes left out"));
        assert!(text.len() <= 2 * HALF + 64, "{}", text.len());
    }

    #[test]
    fn a_short_text_is_kept_whole() {
        let mut log = Log::default();
        log.take("a\n".into());
        log.take("b".into());
        assert_eq!(log.finish(), "a\nb");
    }
}
