use std::fmt::Write;

use crate::{Diagnostic, SourceFile, Span};

/// The diagnostic as text: the message, the place, the line with the span underlined, and the advice. Ends with
/// a line feed. Control characters of the source are shown as escapes, so the text is safe for a terminal.
pub fn render(diagnostic: &Diagnostic, file: &SourceFile) -> String {
    let mut text = format!("{}\n", visible(&diagnostic.to_string()));
    let width = diagnostic
        .span
        .map_or(1, |span| file.position(span.start).line.to_string().len());
    if let Some(span) = diagnostic.span {
        excerpt(&mut text, file, span, width);
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(text, "{:width$} = help: {}", "", visible(help));
    }
    text
}

fn excerpt(text: &mut String, file: &SourceFile, span: Span, width: usize) {
    let place = file.position(span.start);
    let _ = writeln!(
        text,
        "{:width$}--> {}:{}:{}",
        "",
        file.name(),
        place.line,
        place.column
    );
    let line = crate::masked(file.line(place.line));
    let line = line.as_str();
    if line.is_empty() {
        return;
    }
    let before: String = visible(&line.chars().take(place.column - 1).collect::<String>());
    let marked: String = visible(&underlined(file, span, line, place.column));
    let _ = writeln!(text, "{:width$} |", "");
    let _ = writeln!(text, "{:width$} | {}", place.line, visible(line));
    let _ = writeln!(
        text,
        "{:width$} | {}{}",
        "",
        spaces(&before),
        "^".repeat(marked.chars().count().max(1))
    );
}

/// The part of `line` that the span covers, without white space at its end.
fn underlined(file: &SourceFile, span: Span, line: &str, column: usize) -> String {
    let rest: String = line.chars().skip(column - 1).collect();
    let covered = file.slice(span).lines().next().unwrap_or_default();
    let length = covered.trim_end().chars().count();
    rest.chars().take(length).collect()
}

fn spaces(text: &str) -> String {
    text.chars().map(|_| ' ').collect()
}

/// Control and direction-changing characters as escapes, tabs as spaces.
fn visible(text: &str) -> String {
    let text = crate::masked(text);
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\t' => shown.push_str("    "),
            '\n' => shown.push_str("\\n"),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(shown, "{}", character.escape_unicode());
            }
            other if other.is_control() => {
                let _ = write!(shown, "{}", other.escape_unicode());
            }
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn underlines_the_span() {
        let file = SourceFile::new("Dockerfile", "FROM a\n\tCOPPY x y\n");
        let diagnostic =
            Diagnostic::error("unknown instruction: COPPY", Span::new(8, 13)).with_help("did you mean COPY?");
        let expected = "error: unknown instruction: COPPY\n --> Dockerfile:2:2\n  |\n2 |     COPPY x y\n  |     \
                        ^^^^^\n  = help: did you mean COPY?\n";
        assert_eq!(render(&diagnostic, &file), expected);
    }

    #[test]
    fn a_span_over_several_lines_is_cut_at_the_first() {
        let file = SourceFile::new("f", "RUN a \\\n  b\n");
        let text = render(&Diagnostic::warning("Rule", "w", Span::new(0, 12)), &file);
        assert!(text.starts_with("warning[Rule]: w\n"), "{text}");
        assert!(text.ends_with("  | ^^^^^^^\n"), "{text}");
    }

    /// security row 72: escape sequences in messages.
    #[test]
    fn row_72_control_characters_are_escaped() {
        let file = SourceFile::new("f", "RUN \u{1b}]52;c;x\u{7}\u{202e}\n");
        let text = render(&Diagnostic::error("\u{1b}[31m", Span::new(0, 3)), &file);
        assert!(
            !text
                .chars()
                .any(|c| c == '\u{1b}' || c == '\u{7}' || c == '\u{202e}'),
            "{text}"
        );
    }

    #[test]
    fn any_span_renders() {
        let file = SourceFile::new("f", "é\n");
        for start in 0..6 {
            for end in 0..6 {
                assert!(
                    render(&Diagnostic::error("x", Span { start, end }), &file).starts_with("error: x\n")
                );
            }
        }
    }
}
