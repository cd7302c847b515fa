//! New digests for old ones in Dockerfiles.

use praxis_oci::Digest;

/// A Dockerfile with new pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repinned {
    /// The text.
    pub text: String,
    /// How many digests were replaced.
    pub replaced: usize,
}

/// What a label that repeats the pin is called.
const LABEL: &str = "org.opencontainers.image.base.digest";

/// Replaces the digest `old` of the image `name` by `new` where a Dockerfile pins it: `name[:tag]@digest` in FROM,
/// in the default of an ARG, in `COPY --from=` and in `RUN --mount=…,from=`; and in labels
/// `org.opencontainers.image.base.digest`. All other bytes stay as they are, comments and heredocs among them.
pub fn repin(text: &str, name: &str, old: &Digest, new: &Digest) -> Repinned {
    let (old, new) = (old.to_string(), new.to_string());
    let mut result = Repinned {
        text: String::with_capacity(text.len()),
        replaced: 0,
    };
    let mut scanner = Scanner::new(text);
    for line in text.split_inclusive('\n') {
        let instruction = scanner.instruction_of(line);
        let mut rest = line;
        let mut before = String::new();
        while let Some(at) = rest.find(&old) {
            before.push_str(&rest[..at]);
            let word_start = before.rfind([' ', '\t']).map_or(0, |space| space + 1);
            let word = &before[word_start..];
            let pinned = match instruction.as_deref() {
                Some("FROM" | "ARG") => is_pin(word, name),
                Some("COPY" | "ADD") => word.starts_with("--from=") && is_pin(word, name),
                Some("RUN") => word.starts_with("--mount=") && is_pin(word, name),
                Some("LABEL") => is_label(word),
                _ => false,
            };
            result.replaced += usize::from(pinned);
            before.push_str(if pinned { &new } else { &old });
            rest = &rest[at + old.len()..];
        }
        result.text.push_str(&before);
        result.text.push_str(rest);
    }
    result
}

/// Whether `word`, which ends where the digest begins, is `…name[:tag]@`.
fn is_pin(word: &str, name: &str) -> bool {
    let Some(reference) = word.strip_suffix('@') else {
        return false;
    };
    // What precedes the name: `ARG X=`, `from=`, a quote, or `${X:-`.
    let reference = &reference[reference.rfind(['=', ',', '"', '\'']).map_or(0, |at| at + 1)..];
    let reference = reference
        .rsplit_once(":-")
        .map_or(reference, |(_, default)| default);
    let after_slash = reference.rfind('/').map_or(0, |slash| slash + 1);
    let repository = match reference[after_slash..].find(':') {
        Some(colon) => &reference[..after_slash + colon],
        None => reference,
    };
    let short = |text: &str| {
        let text = text.strip_prefix("docker.io/").unwrap_or(text);
        text.strip_prefix("library/").unwrap_or(text).to_string()
    };
    short(repository) == short(name)
}

/// Whether `word` is the label's key up to its value.
fn is_label(word: &str) -> bool {
    let quotes = ['"', '\''];
    let Some(key) = word.trim_end_matches(quotes).strip_suffix('=') else {
        return false;
    };
    key.trim_matches(quotes) == LABEL
}

/// Knows which instruction each line belongs to.
struct Scanner {
    escape: char,
    /// The instruction that goes on in the next line.
    open: Option<String>,
    /// Ends of heredocs that are open, and whether tabs may precede them.
    heredocs: std::collections::VecDeque<(String, bool)>,
}

impl Scanner {
    fn new(text: &str) -> Scanner {
        let directive = text
            .lines()
            .map_while(|line| line.trim().strip_prefix('#'))
            .find_map(|line| {
                let (key, value) = line.split_once('=')?;
                key.trim()
                    .eq_ignore_ascii_case("escape")
                    .then(|| value.trim().to_string())
            });
        let escape = if directive.as_deref() == Some("`") {
            '`'
        } else {
            '\\'
        };
        Scanner {
            escape,
            open: None,
            heredocs: Default::default(),
        }
    }

    /// The instruction that `line` is part of; `None` for comments, blank lines and heredocs.
    fn instruction_of(&mut self, line: &str) -> Option<String> {
        let line = line.trim_end_matches(['\n', '\r']);
        if let Some((end, tabs)) = self.heredocs.front() {
            if *end
                == if *tabs {
                    line.trim_start_matches('\t')
                } else {
                    line
                }
            {
                self.heredocs.pop_front();
            }
            return None;
        }
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let first = || {
            text.split([' ', '\t'])
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase()
        };
        let instruction = self.open.take().unwrap_or_else(first);
        if matches!(instruction.as_str(), "RUN" | "COPY" | "ADD") {
            self.heredocs.extend(heredocs(text));
        }
        if text.ends_with(self.escape) {
            self.open = Some(instruction.clone());
        }
        Some(instruction)
    }
}

/// The ends of heredocs that begin in `line`.
fn heredocs(line: &str) -> Vec<(String, bool)> {
    let mut ends = Vec::new();
    for word in line.split([' ', '\t', ';', '|', '&', '(', ')']) {
        let Some((_, end)) = word.split_once("<<").filter(|(_, end)| !end.starts_with('<')) else {
            continue;
        };
        let (tabs, end) = end.strip_prefix('-').map_or((false, end), |end| (true, end));
        let end: String = end.chars().filter(|c| !['"', '\''].contains(c)).collect();
        if end.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            ends.push((end, tabs));
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digests() -> (Digest, Digest) {
        (Digest::of(b"old"), Digest::of(b"new"))
    }

    fn replaced(template: &str, name: &str) -> usize {
        let (old, new) = digests();
        let text = template.replace("OLD!", "OLD").replace("OLD", &old.to_string());
        let expected = template
            .replace("OLD!", &new.to_string())
            .replace("OLD", &old.to_string());
        let result = repin(&text, name, &old, &new);
        assert_eq!(result.text, expected);
        result.replaced
    }

    /// `OLD!` is where the new digest is expected, `OLD` where the old one stays.
    #[test]
    fn replaces_pins_and_labels_only() {
        let text = "# python@OLD\r\n\
            ARG BASE=python:3.13@OLD!\r\n\
            FROM --platform=linux/amd64 python@OLD! AS builder\n\
            from other@OLD\n\
            FROM docker.io/library/python:3@OLD!\n\
            FROM ${X:-python@OLD!}\n\
            FROM python-runtime@OLD\n\
            FROM example.invalid:5000/python@OLD\n\
            COPY --from=python@OLD! /a /python@OLD\n\
            RUN --mount=type=bind,from=python@OLD!,target=/x \\\n  # python@OLD\n  echo python@OLD\n\
            LABEL org.opencontainers.image.base.name=python \\\n\
            \x20     org.opencontainers.image.base.digest=\"OLD!\" \\\n\
            \x20     other=OLD\n\
            COPY <<EOF /pins\nFROM python@OLD\nEOF\n\
            ENV X=python@OLD";
        assert_eq!(replaced(text, "python"), 7);
    }

    #[test]
    fn names_with_dashes_and_registries_match_whole() {
        assert_eq!(
            replaced("FROM python-runtime:1@OLD!\nFROM runtime@OLD\n", "python-runtime"),
            1
        );
        assert_eq!(
            replaced("FROM h.invalid:5000/a/b:1@OLD!\n", "h.invalid:5000/a/b"),
            1
        );
        assert_eq!(
            replaced(
                "# escape=`\nLABEL a=b `\n org.opencontainers.image.base.digest=OLD!\n",
                "x"
            ),
            1
        );
        assert_eq!(
            replaced(
                "RUN <<-E cat\n\tFROM python@OLD\n\tE\nFROM python@OLD!\n",
                "python"
            ),
            1
        );
    }
}
