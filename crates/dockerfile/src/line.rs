//! Logical lines: continuations joined, comments left out, here-documents apart.

use praxis_source::{Diagnostic, SourceFile, Span};

use crate::heredoc::Heredoc;
use crate::layout::{Layout, PieceKind, Recorder};
use crate::words;

/// An instruction as text.
#[derive(Clone, Debug)]
pub(crate) struct LogicalLine {
    /// From its first character to the end of its last line.
    pub span: Span,
    /// The joined text.
    pub text: String,
    /// The comment lines directly above.
    pub comments: Vec<String>,
    /// Whether an empty line stands inside.
    pub empty_continuation: bool,
    /// Its here-documents.
    pub heredocs: Vec<Heredoc>,
}

/// Cuts a file into logical lines, starting at byte `start`.
pub(crate) struct Lines<'f> {
    file: &'f SourceFile,
    at: usize,
    escape: char,
    comments: Vec<String>,
    recorder: Recorder,
}

impl<'f> Lines<'f> {
    pub(crate) fn new(file: &'f SourceFile, escape: char) -> Lines<'f> {
        let mut recorder = Recorder::default();
        let at = if file.text().starts_with('\u{feff}') {
            recorder.push(PieceKind::ByteOrderMark, "\u{feff}");
            '\u{feff}'.len_utf8()
        } else {
            0
        };
        Lines {
            file,
            at,
            escape,
            comments: Vec::new(),
            recorder,
        }
    }

    /// The text that was read, as written.
    pub(crate) fn layout(self) -> Layout {
        self.recorder.finish()
    }

    /// The next physical line with its line end and where it starts.
    fn physical(&mut self) -> Option<(usize, &'f str)> {
        let rest = &self.file.text()[self.at..];
        let line = rest.split_inclusive('\n').next()?;
        let start = self.at;
        self.at += line.len();
        Some((start, line))
    }

    /// The line without the escape character at its end, if it has one that continues it.
    fn continued<'l>(&self, line: &'l str) -> Option<&'l str> {
        let line = line.trim_end_matches([' ', '\t']).strip_suffix(self.escape)?;
        (!line.ends_with(self.escape)).then_some(line)
    }

    /// Writes down a line of an instruction.
    fn record(&mut self, line: &str) {
        let continued = self.continued(trim_line_end(line)).map(str::len);
        let words = continued.unwrap_or(trim_line_end(line).len());
        self.recorder.line(line, words, continued.is_some(), self.escape);
    }

    /// The next instruction; `None` at the end of the file.
    pub(crate) fn next(&mut self) -> Option<Result<LogicalLine, Diagnostic>> {
        loop {
            let (start, line) = self.physical()?;
            let trimmed = trim_line_end(line).trim_start();
            if let Some(comment) = trimmed.strip_prefix('#') {
                self.comments.push(comment.trim().to_string());
                self.recorder.aside(line);
                continue;
            }
            if trimmed.is_empty() {
                self.comments.clear();
                self.recorder.aside(line);
                continue;
            }
            self.recorder.begin();
            self.record(line);
            let start = start + (line.len() - line.trim_start().len());
            return Some(self.instruction(start, trimmed));
        }
    }

    fn instruction(&mut self, start: usize, first: &str) -> Result<LogicalLine, Diagnostic> {
        let comments = std::mem::take(&mut self.comments);
        let (text, empty_continuation) = self.join(first);
        let end = self.at;
        let mut heredocs = if can_hold_heredocs(&text) {
            Heredoc::opened_by_line(&text)
        } else {
            Vec::new()
        };
        for heredoc in &mut heredocs {
            self.read(heredoc, Span::new(start, end))?;
        }
        let written = self.file.slice(Span::new(start, self.at)).trim_end();
        let span = Span::new(start, start + written.len());
        Ok(LogicalLine {
            span,
            text: text.trim().to_string(),
            comments,
            empty_continuation,
            heredocs,
        })
    }

    fn join(&mut self, first: &str) -> (String, bool) {
        let Some(first) = self.continued(first) else {
            return (first.to_string(), false);
        };
        let mut text = first.to_string();
        let mut empty = false;
        while let Some((_, line)) = self.physical() {
            if line.trim_start().starts_with('#') {
                self.recorder.aside(line);
                continue;
            }
            if line.trim().is_empty() {
                self.recorder.aside(line);
                empty = true;
                continue;
            }
            self.record(line);
            let line = trim_line_end(line);
            match self.continued(line) {
                Some(line) => text.push_str(line),
                None => {
                    text.push_str(line);
                    break;
                }
            }
        }
        (text, empty)
    }

    fn read(&mut self, heredoc: &mut Heredoc, span: Span) -> Result<(), Diagnostic> {
        while let Some((_, line)) = self.physical() {
            if heredoc.closed_by(line) {
                self.recorder.push(PieceKind::HeredocEnd, line);
                return Ok(());
            }
            self.recorder.push(PieceKind::Heredoc, line);
            heredoc.raw.push_str(line);
        }
        let message = format!(
            "unterminated heredoc: the file ends before a line {:?}",
            heredoc.name
        );
        Err(Diagnostic::error(message, span).with_help(format!(
            "end the here-document with a line that holds {} and nothing else",
            heredoc.name
        )))
    }
}

fn trim_line_end(line: &str) -> &str {
    line.trim_end_matches(['\n', '\r'])
}

/// RUN, COPY and ADD, also below ONBUILD, unless in JSON form.
fn can_hold_heredocs(line: &str) -> bool {
    if !line.contains("<<") {
        return false;
    }
    let (mut keyword, mut rest) = words::first(line.trim());
    if keyword.eq_ignore_ascii_case("ONBUILD") {
        (keyword, rest) = words::first(words::flags(rest).1);
    }
    let takes = ["RUN", "COPY", "ADD"]
        .iter()
        .any(|name| keyword.eq_ignore_ascii_case(name));
    takes && !matches!(words::json(words::flags(rest).1), words::Json::Strings(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let file = SourceFile::new("f", text);
        let mut lines = Lines::new(&file, '\\');
        std::iter::from_fn(|| lines.next())
            .map(|line| line.unwrap().text)
            .collect()
    }

    #[test]
    fn joins_continuations_and_leaves_comments_out() {
        let text = "RUN a \\\n# comment\n  b \\\n\n  # more\n  c \\   \n  d > /f\nENV X=1\n";
        assert_eq!(lines(text), ["RUN a   b   c   d > /f", "ENV X=1"]);
        assert_eq!(lines("RUN a \\\\\nENV x=1"), ["RUN a \\\\", "ENV x=1"]);
        assert_eq!(lines("RUN a \\"), ["RUN a"]);
        assert_eq!(lines("\\\nRUN a"), ["RUN a"]);
        assert_eq!(lines("\u{feff}FROM a\r\nRUN \\\r\n b\r\n"), ["FROM a", "RUN  b"]);
    }

    #[test]
    fn here_documents_are_apart() {
        let file = SourceFile::new("f", "RUN cat <<A <<-B\n# kept\nA\n\tb\\\n\tB\nRUN x");
        let mut lines = Lines::new(&file, '\\');
        let first = lines.next().unwrap().unwrap();
        assert_eq!(first.text, "RUN cat <<A <<-B");
        assert_eq!(first.heredocs[0].raw, "# kept\n");
        assert_eq!(first.heredocs[1].raw, "\tb\\\n");
        assert_eq!(lines.next().unwrap().unwrap().text, "RUN x");
        assert_eq!(file.slice(first.span).lines().count(), 5);
    }

    #[test]
    fn an_open_here_document_is_an_error() {
        let file = SourceFile::new("f", "RUN <<EOF\nx\n");
        let error = Lines::new(&file, '\\').next().unwrap().unwrap_err();
        assert!(error.message.starts_with("unterminated heredoc"), "{error}");
    }
}
