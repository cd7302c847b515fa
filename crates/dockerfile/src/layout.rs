//! A Dockerfile as it is written, down to the last byte.

use std::fmt;

use praxis_source::Span;

use crate::words::is_blank;

/// What a piece of a Dockerfile is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PieceKind {
    /// The mark that some editors put before the first line.
    ByteOrderMark,
    /// A comment or directive, from its `#` on, without the line end.
    Comment,
    /// White space before, between and after words.
    Blank,
    /// The end of a line that nothing continues.
    LineEnd,
    /// The instruction's name; after `ONBUILD`, the trigger's name too.
    Keyword,
    /// A `--flag` with its value.
    Flag,
    /// Any other word. Quotes hold a word together in `ARG`, `ENV` and `LABEL`, and belong to it.
    Word,
    /// The escape character at the end of a line that goes on, with what follows it up to the next line.
    Continuation,
    /// A line of a here-document, with its line end.
    Heredoc,
    /// The line that closes a here-document, with its line end.
    HeredocEnd,
}

/// A part of a Dockerfile's text that does not cross lines. A word that a line's end cuts is two pieces with a
/// continuation between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// As written.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// Why a text cannot be changed as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Two changes of the same bytes.
    #[error("two edits change the bytes {0} to {1}: make one of them after the other")]
    Overlap(usize, usize),
    /// A place that is not in the text, or inside a character.
    #[error("no text stands at the bytes {0} to {1}")]
    Place(usize, usize),
}

/// The pieces of a text, which cover it without gaps. Displaying them gives the same bytes back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pieces: Vec<Piece>,
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| f.write_str(&piece.text))
    }
}

impl Layout {
    /// All pieces, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The pieces of what stands in `span`, such as an instruction.
    pub fn pieces_in(&self, span: Span) -> &[Piece] {
        let start = self.pieces.partition_point(|piece| piece.span.start < span.start);
        let end = self.pieces.partition_point(|piece| piece.span.end <= span.end);
        &self.pieces[start..end.max(start)]
    }

    /// The text with other words at some places; all other bytes stay.
    pub fn edited(&self, edits: &[(Span, &str)]) -> Result<String, EditError> {
        let text = self.to_string();
        let mut sorted = edits.to_vec();
        sorted.sort_by_key(|(span, _)| *span);
        let mut result = String::with_capacity(text.len());
        let mut done = 0;
        for (span, replacement) in sorted {
            if span.start < done {
                return Err(EditError::Overlap(span.start, span.end));
            }
            let kept = text
                .get(done..span.start)
                .filter(|_| text.is_char_boundary(span.end));
            result.push_str(kept.ok_or(EditError::Place(span.start, span.end))?);
            result.push_str(replacement);
            done = span.end;
        }
        result.push_str(&text[done..]);
        Ok(result)
    }
}

/// Writes pieces down as the lines are read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder {
    layout: Layout,
    instruction: State,
    quote: Option<char>,
    keyword: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Keyword,
    Flags,
    Words,
}

impl Recorder {
    pub(crate) fn finish(self) -> Layout {
        self.layout
    }

    /// Text that follows what was recorded before.
    pub(crate) fn push(&mut self, kind: PieceKind, text: &str) {
        if text.is_empty() {
            return;
        }
        let start = self.layout.pieces.last().map_or(0, |piece| piece.span.end);
        self.layout.pieces.push(Piece {
            kind,
            text: text.into(),
            span: Span::new(start, start + text.len()),
        });
    }

    /// A line outside of instructions, or one that does not count inside: a comment or an empty line.
    pub(crate) fn aside(&mut self, line: &str) {
        let (body, end) = line.split_at(line.trim_end_matches(['\n', '\r']).len());
        let (blank, comment) = body.split_at(body.len() - body.trim_start().len());
        self.push(PieceKind::Blank, blank);
        self.push(PieceKind::Comment, comment);
        self.push(PieceKind::LineEnd, end);
    }

    /// The next line starts an instruction.
    pub(crate) fn begin(&mut self) {
        self.instruction = State::Keyword;
        self.quote = None;
        self.keyword.clear();
    }

    /// A line of an instruction; `words` bytes of it are its own, the rest continues it or ends it.
    pub(crate) fn line(&mut self, line: &str, words: usize, continued: bool, escape: char) {
        let (mut rest, end) = line.split_at(words);
        while let Some(first) = rest.chars().next() {
            let indent = self.instruction == State::Keyword && self.keyword.is_empty();
            let blank = |c: char| is_blank(c) || (indent && c.is_whitespace());
            let length = if self.quote.is_none() && blank(first) {
                let length = rest.len() - rest.trim_start_matches(blank).len();
                self.push(PieceKind::Blank, &rest[..length]);
                self.end_of_word();
                length
            } else {
                let length = self.word(rest, escape);
                let kind = self.kind(&rest[..length]);
                self.push(kind, &rest[..length]);
                length
            };
            rest = &rest[length..];
        }
        let kind = match continued {
            true => PieceKind::Continuation,
            false => PieceKind::LineEnd,
        };
        self.push(kind, end);
    }

    /// How long the word at the start of `text` is.
    fn word(&mut self, text: &str, escape: char) -> usize {
        let keeps_quotes = self.instruction == State::Flags && text.starts_with("--")
            || self.quote.is_some()
            || self.instruction != State::Keyword && matches!(self.keyword.as_str(), "ARG" | "ENV" | "LABEL");
        let mut rest = text.char_indices();
        while let Some((at, character)) = rest.next() {
            match self.quote {
                None if is_blank(character) => return at,
                None if keeps_quotes && matches!(character, '\'' | '"') => self.quote = Some(character),
                Some(open) if open == character => self.quote = None,
                _ if keeps_quotes && character == escape && self.quote != Some('\'') => drop(rest.next()),
                _ => {}
            }
        }
        text.len()
    }

    fn kind(&mut self, word: &str) -> PieceKind {
        match self.instruction {
            State::Keyword => {
                self.keyword.push_str(&word.to_ascii_uppercase());
                return PieceKind::Keyword;
            }
            State::Flags if word.starts_with("--") && word != "--" => return PieceKind::Flag,
            _ => self.instruction = State::Words,
        }
        PieceKind::Word
    }

    fn end_of_word(&mut self) {
        if self.instruction == State::Keyword && !self.keyword.is_empty() {
            if self.keyword == "ONBUILD" {
                self.keyword.clear();
            } else {
                self.instruction = State::Flags;
            }
        }
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
