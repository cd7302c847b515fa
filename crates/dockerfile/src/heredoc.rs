//! Here-documents.

use crate::Expander;

/// A here-document of an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// Its delimiter, without quotes: the name of the file it makes.
    pub name: String,
    /// Whether variables in it are expanded: its delimiter is not quoted.
    pub expand: bool,
    /// Written with `<<-`: tabs at the start of lines do not count.
    pub strip_tabs: bool,
    /// The number before `<<`; 0 if there is none.
    pub descriptor: u32,
    /// Its lines as written, with their line ends.
    pub raw: String,
}

impl Heredoc {
    /// The here-document that `word` opens, still without content.
    pub(crate) fn opened_by(word: &str) -> Option<Heredoc> {
        let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let rest = word[digits..].strip_prefix("<<")?;
        let (strip_tabs, rest) = match rest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if rest.is_empty() || rest.contains('<') {
            return None;
        }
        let none = |_: &str| None;
        let plain = Expander::unquoted().expand(rest, &none).ok()?.words;
        let raw = Expander::raw().expand(rest, &none).ok()?.words;
        let ([name], [written]) = (plain.as_slice(), raw.as_slice()) else {
            return None;
        };
        Some(Heredoc {
            name: name.clone(),
            expand: name == written,
            strip_tabs,
            descriptor: word[..digits].parse().unwrap_or(0),
            raw: String::new(),
        })
    }

    /// Whether `line` opens a here-document and says nothing else.
    pub fn is_alone(line: &str) -> bool {
        Heredoc::opened_by(line).is_some()
    }

    /// The here-documents that an instruction's line opens, in order.
    pub(crate) fn opened_by_line(line: &str) -> Vec<Heredoc> {
        let Ok(expansion) = Expander::raw().expand(line, &|_| None) else {
            return Vec::new();
        };
        expansion
            .words
            .iter()
            .filter_map(|word| Heredoc::opened_by(word))
            .collect()
    }

    /// Whether `line` (with its line end) closes it.
    pub(crate) fn closed_by(&self, line: &str) -> bool {
        let line = line.trim_end_matches(['\r', '\n']);
        let line = if self.strip_tabs {
            line.trim_start_matches('\t')
        } else {
            line
        };
        line == self.name
    }

    /// The content, without the tabs that `<<-` takes away. Variables are not expanded.
    pub fn content(&self) -> String {
        if !self.strip_tabs {
            return self.raw.clone();
        }
        self.raw
            .split_inclusive('\n')
            .map(|line| line.trim_start_matches('\t'))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        Heredoc::opened_by_line(line)
            .into_iter()
            .map(|doc| doc.name)
            .collect()
    }

    #[test]
    fn finds_here_documents() {
        assert_eq!(names("RUN <<EOF"), ["EOF"]);
        assert_eq!(names("RUN cat 5<<F /dev/fd/5 && cat <<-G"), ["F", "G"]);
        assert_eq!(
            names("RUN echo \"<<EOF\" $((1<<4)) '<<X' <<<here a<<b << "),
            [""; 0]
        );
        assert_eq!(
            names("RUN echo it's <<EOF"),
            [""; 0],
            "a quote that is not closed"
        );
    }

    #[test]
    fn quotes_switch_expansion_off() {
        let doc = Heredoc::opened_by("3<<-'Q'").unwrap();
        assert_eq!(
            (doc.name.as_str(), doc.expand, doc.strip_tabs, doc.descriptor),
            ("Q", false, true, 3)
        );
        assert!(Heredoc::opened_by("<<Q").unwrap().expand);
        assert!(!Heredoc::opened_by("<<\"Q\"").unwrap().expand);
        assert_eq!(
            Heredoc::opened_by("<<\\Q").map(|doc| (doc.name, doc.expand)),
            Some(("Q".into(), false))
        );
    }

    #[test]
    fn strips_tabs_alone() {
        let mut doc = Heredoc::opened_by("<<-E").unwrap();
        doc.raw = "\t\ta\n\t  b\n  \tc\n".into();
        assert_eq!(doc.content(), "a\n  b\n  \tc\n");
        assert!(doc.closed_by("\t\tE\r\n"));
        assert!(!doc.closed_by(" E\n"));
    }
}
