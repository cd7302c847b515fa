/// A range of bytes in a [`SourceFile`], end exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to `end`.
    pub fn new(start: usize, end: usize) -> Span {
        Span {
            start,
            end: end.max(start),
        }
    }

    /// The smallest span that holds both.
    pub fn to(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// A place as people count it: both numbers start at 1, columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// A text with a name, such as a Dockerfile. Offsets out of range or inside a character never panic: they are
/// moved to the nearest earlier character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    name: String,
    text: String,
    line_starts: Vec<usize>,
}

impl SourceFile {
    /// A file called `name` in messages.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> SourceFile {
        let text = text.into();
        let line_starts = std::iter::once(0)
            .chain(
                text.bytes()
                    .enumerate()
                    .filter(|(_, byte)| *byte == b'\n')
                    .map(|(at, _)| at + 1),
            )
            .collect();
        SourceFile {
            name: name.into(),
            text,
            line_starts,
        }
    }

    /// The name in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of `span`.
    pub fn slice(&self, span: Span) -> &str {
        &self.text[self.floor(span.start)..self.floor(span.end.max(span.start))]
    }

    /// The place of byte `offset`.
    pub fn position(&self, offset: usize) -> Position {
        let offset = self.floor(offset);
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        Position {
            line,
            column: self.text[start..offset].chars().count() + 1,
        }
    }

    /// Line `number`, counted from 1, without its line end; empty past the end of the file.
    pub fn line(&self, number: usize) -> &str {
        self.line_span(number).map_or("", |span| {
            self.text[span.start..span.end].trim_end_matches(['\n', '\r'])
        })
    }

    /// How many lines the file has; a final line end does not open another.
    pub fn line_count(&self) -> usize {
        self.line_starts.len() - usize::from(self.line_starts.last() == Some(&self.text.len()))
    }

    /// The bytes of line `number` including its line end.
    pub fn line_span(&self, number: usize) -> Option<Span> {
        let start = *self.line_starts.get(number.checked_sub(1)?)?;
        let end = self.line_starts.get(number).copied().unwrap_or(self.text.len());
        Some(Span { start, end })
    }

    fn floor(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset.min(self.text.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let file = SourceFile::new("f", "añb\r\n\nlast");
        assert_eq!(file.position(0), Position { line: 1, column: 1 });
        assert_eq!(file.position(3), Position { line: 1, column: 3 });
        assert_eq!(
            file.position(2),
            Position { line: 1, column: 2 },
            "inside a character"
        );
        assert_eq!(file.position(7), Position { line: 3, column: 1 });
        assert_eq!(file.position(999), Position { line: 3, column: 5 });
        assert_eq!(
            (file.line(1), file.line(2), file.line(3), file.line(4)),
            ("añb", "", "last", "")
        );
        assert_eq!(file.line_count(), 3);
        assert_eq!(SourceFile::new("f", "a\n").line_count(), 1);
        assert_eq!(SourceFile::new("f", "").line_count(), 0);
    }

    #[test]
    fn slices_stay_inside_the_text() {
        let file = SourceFile::new("f", "é!");
        assert_eq!(file.slice(Span::new(1, 3)), "é!");
        assert_eq!(file.slice(Span::new(2, 90)), "!");
    }
}
