use std::fmt;

use crate::{PatternError, Patterns, Verdict, clean};

/// A `.dockerignore` file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreFile {
    patterns: Patterns,
    lines: Vec<IgnoreLine>,
}

/// What a line of an ignore file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IgnoreLineKind {
    /// `#` in the first column.
    Comment,
    /// Nothing but white space.
    Empty,
    /// A pattern, perhaps with `!`.
    Pattern,
}

/// A line of an ignore file, as written, with its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoreLine {
    /// What it is.
    pub kind: IgnoreLineKind,
    /// As written; the first line holds the mark that some editors put there.
    pub text: String,
}

/// Why an ignore file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct IgnoreError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: PatternError,
}

/// The text that was parsed, byte for byte.
impl fmt::Display for IgnoreFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| f.write_str(&line.text))
    }
}

impl IgnoreFile {
    /// Reads the text of an ignore file: one pattern a line, `#` in the first column starts a comment.
    pub fn parse(text: &str) -> Result<IgnoreFile, IgnoreError> {
        let mut file = IgnoreFile::default();
        for (number, line) in text.split_inclusive('\n').enumerate() {
            let marked = if number == 0 {
                line.strip_prefix('\u{feff}')
            } else {
                None
            };
            let written = marked.unwrap_or(line);
            let kind = match written.trim() {
                _ if written.starts_with('#') => IgnoreLineKind::Comment,
                "" => IgnoreLineKind::Empty,
                _ => IgnoreLineKind::Pattern,
            };
            if kind == IgnoreLineKind::Pattern {
                let added = file.patterns.push(&pattern(written.trim()));
                added.map_err(|reason| IgnoreError {
                    line: number + 1,
                    reason,
                })?;
            }
            file.lines.push(IgnoreLine {
                kind,
                text: line.into(),
            });
        }
        Ok(file)
    }

    /// The lines, in order.
    pub fn lines(&self) -> &[IgnoreLine] {
        &self.lines
    }

    /// Whether `path`, relative to the context and clean, is left out of the context.
    pub fn is_ignored(&self, path: &str) -> bool {
        self.patterns.matches(path)
    }

    /// Whether `path` is left out, knowing what was said about its directory (the default verdict at the top).
    pub fn verdict(&self, path: &str, parent: &Verdict) -> Verdict {
        self.patterns.verdict(path, parent)
    }

    /// Whether something below the ignored directory `path` might be in the context all the same. If not, a
    /// walker need not look inside.
    pub fn may_include_below(&self, path: &str) -> bool {
        self.patterns.may_take_back_below(path)
    }

    /// Whether nothing is ignored.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }
}

/// A line as a pattern relative to the context.
fn pattern(line: &str) -> String {
    let (sign, rest) = match line.strip_prefix('!') {
        Some(rest) => ("!", rest.trim()),
        None => ("", line),
    };
    if rest.is_empty() {
        return sign.into();
    }
    let cleaned = clean(rest);
    let relative = if cleaned.len() > 1 {
        cleaned.strip_prefix('/').unwrap_or(&cleaned)
    } else {
        &cleaned
    };
    format!("{sign}{relative}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lines() {
        let file = IgnoreFile::parse("\u{feff}# note\r\n*.log\r\n\n  tmp?  \n/one\ntwo/\n! /one/keep\n #x\n")
            .unwrap();
        for (path, expected) in [
            ("a.log", true),
            ("d/a.log", false),
            ("tmp1", true),
            ("one", true),
            ("one/f", true),
            ("one/keep", false),
            ("two/f", true),
            ("# note", false),
            ("#x", true),
        ] {
            assert_eq!(file.is_ignored(path), expected, "{path}");
        }
        assert!(file.may_include_below("one"));
        assert!(!file.may_include_below("two"));
    }

    #[test]
    fn a_lone_exclamation_mark_is_an_error() {
        let error = IgnoreFile::parse("b\n!\n").unwrap_err();
        assert_eq!(error.to_string(), "line 2: illegal exclusion pattern: \"!\"");
    }

    #[test]
    fn escapes_and_spaces() {
        let file = IgnoreFile::parse("a.TXT\nsp ace.txt\n\\[b]\n\\!bang\n").unwrap();
        assert!(file.is_ignored("sp ace.txt") && file.is_ignored("[b]") && file.is_ignored("!bang"));
        assert!(!file.is_ignored("a.txt"));
    }
}
