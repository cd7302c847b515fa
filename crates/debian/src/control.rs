//! Debian's control files: paragraphs of `Field: value` with continuation lines.

use std::io::{self, BufRead};

/// One paragraph: fields in order, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Paragraph {
    fields: Vec<(String, String)>,
}

impl Paragraph {
    /// The value of field `name` (in any case). Continuation lines keep their leading space and are separated by
    /// newlines.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The fields in order.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn push_line(&mut self, line: &str) -> Result<(), String> {
        if line.starts_with([' ', '\t']) {
            let (_, value) = self
                .fields
                .last_mut()
                .ok_or("a continuation line before any field")?;
            value.push('\n');
            value.push_str(line.trim_end());
            return Ok(());
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| format!("no field in line {line:?}"))?;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(format!("invalid field name {name:?}"));
        }
        self.fields.push((name.into(), value.trim().into()));
        Ok(())
    }
}

/// Longest line that is read; the longest real ones (relations of large packages) have a tenth of it.
const LONGEST_LINE: u64 = 1 << 20;

/// Reads paragraphs one at a time, so that a large index is never whole in memory.
pub(crate) struct Paragraphs<R> {
    reader: R,
    line: Vec<u8>,
}

impl<R: BufRead> Paragraphs<R> {
    /// Reads from `reader`.
    pub(crate) fn new(reader: R) -> Paragraphs<R> {
        Paragraphs {
            reader,
            line: Vec::new(),
        }
    }

    /// The next paragraph; `None` at the end. Malformed text is an error of kind `InvalidData`.
    pub(crate) fn read(&mut self) -> io::Result<Option<Paragraph>> {
        let mut paragraph = Paragraph::default();
        loop {
            self.line.clear();
            let length = io::Read::take(&mut self.reader, LONGEST_LINE).read_until(b'\n', &mut self.line)?;
            let text =
                std::str::from_utf8(&self.line).map_err(|_| invalid("text that is not UTF-8".into()))?;
            let line = text.trim_end_matches(['\n', '\r']);
            if length as u64 == LONGEST_LINE {
                return Err(invalid("a line of more than 1 MiB".into()));
            }
            match line.trim().is_empty() {
                true if length == 0 && paragraph.fields.is_empty() => return Ok(None),
                true if length == 0 || !paragraph.fields.is_empty() => return Ok(Some(paragraph)),
                true => {}
                false if line.starts_with('#') => {}
                false => paragraph.push_line(line).map_err(invalid)?,
            }
        }
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// All paragraphs of `text`.
pub(crate) fn parse_paragraphs(text: &str) -> io::Result<Vec<Paragraph>> {
    let mut paragraphs = Paragraphs::new(text.as_bytes());
    std::iter::from_fn(|| paragraphs.read().transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_paragraphs_with_continuations() {
        let text = "\n\nA: 1\nB:\n x\n .\n\n# remark\nA: 2\n";
        let paragraphs = parse_paragraphs(text).unwrap();
        assert_eq!(paragraphs.len(), 2);
        assert_eq!(paragraphs[0].get("b"), Some("\n x\n ."));
        assert_eq!(paragraphs[1].get("A"), Some("2"));
        assert_eq!(paragraphs[1].fields().count(), 1);
    }

    #[test]
    fn refuses_what_is_no_control_file() {
        for text in [" x\n", "A\n", ": x\n", "A B: x\n"] {
            assert!(parse_paragraphs(text).is_err(), "{text:?}");
        }
        assert!(parse_paragraphs(&format!("A: {}", "x".repeat(1 << 20))).is_err());
    }
}
