//! YAML with the place of every node. Edits go by place, so that a file keeps its comments, order and spacing.

use praxis_source::{SourceFile, Span};
use saphyr_parser::{Event, Parser, ScalarStyle};

/// How deep nodes may nest.
const DEEPEST: usize = 64;
/// How many nodes a file may have.
const MOST: usize = 200_000;
/// How long a file may be.
const LONGEST: usize = 4 << 20;

/// A node and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where; of a quoted scalar, with its quotes.
    pub span: Span,
    /// Whether other parts of the file can refer to it.
    pub anchored: bool,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text, number, truth value or nothing.
    Scalar {
        /// Without quotes.
        text: String,
        /// Whether it stands in the file as it is, at most between quotes.
        verbatim: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Keys and values, in order; keys may repeat.
    Mapping(Vec<(Node, Node)>),
    /// A reference to an anchor, which is not followed.
    Alias,
}

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The value of a key that is there once.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let mut found = self.entries().iter().filter(|(name, _)| name.text() == Some(key));
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }

    /// The value below a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Keys and values of a mapping; empty for others.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Mapping(entries) => entries,
            _ => &[],
        }
    }

    /// The elements of a sequence; empty for others.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Sequence(items) => items,
            _ => &[],
        }
    }

    /// Calls `visit` for every mapping entry at any depth, with the path of keys that leads to it.
    pub fn walk<'n>(&'n self, visit: &mut dyn FnMut(&[&'n str], &'n Node)) {
        self.walk_below(&mut Vec::new(), visit);
    }

    /// Calls `visit` for every scalar at any depth.
    pub fn scalars<'n>(&'n self, visit: &mut dyn FnMut(&'n Node)) {
        match &self.value {
            Value::Scalar { .. } => visit(self),
            _ => {
                let values = self.entries().iter().map(|(_, value)| value);
                values.chain(self.items()).for_each(|node| node.scalars(visit));
            }
        }
    }

    fn walk_below<'n>(&'n self, path: &mut Vec<&'n str>, visit: &mut dyn FnMut(&[&'n str], &'n Node)) {
        for (key, value) in self.entries() {
            path.push(key.text().unwrap_or_default());
            visit(path, value);
            value.walk_below(path, visit);
            path.pop();
        }
        for item in self.items() {
            item.walk_below(path, visit);
        }
    }
}

/// The documents of a file. The error says what is wrong and where.
pub fn parse(file: &SourceFile) -> Result<Vec<Node>, (String, Span)> {
    if file.text().len() > LONGEST {
        return Err((
            format!("the file is longer than {LONGEST} bytes"),
            Span::default(),
        ));
    }
    let mut reader = Reader {
        places: places(file.text()),
        parser: Parser::new_from_str(file.text()),
        text: file.text(),
        nodes: 0,
    };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
            event => documents.push(reader.node(event, span, 0)?),
        }
    }
    Ok(documents)
}

/// The byte of each character, where they differ.
fn places(text: &str) -> Option<Vec<usize>> {
    let all = || text.char_indices().map(|(at, _)| at).chain([text.len()]);
    (!text.is_ascii()).then(|| all().collect())
}

struct Reader<'t> {
    places: Option<Vec<usize>>,
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    text: &'t str,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn byte(&self, index: usize) -> usize {
        let found = self.places.as_ref().map(|places| places.get(index).copied());
        found
            .unwrap_or(Some(index))
            .unwrap_or(self.text.len())
            .min(self.text.len())
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, (String, Span)> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                let span = Span::new(self.byte(span.start.index()), self.byte(span.end.index()));
                Ok(Some((event, span)))
            }
            Some(Err(error)) => {
                let at = self.byte(error.marker().index());
                Err((error.info().to_string(), Span::new(at, at)))
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, (String, Span)> {
        self.nodes += 1;
        if depth > DEEPEST || self.nodes > MOST {
            let message = format!("more than {DEEPEST} levels or {MOST} nodes");
            return Err((message, span));
        }
        // The parser looks behind a closing quote, whether a comment follows, and counts that in.
        let span = match event {
            Event::Scalar(_, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted, ..) => {
                let written = self.text.get(span.start..span.end).unwrap_or_default();
                Span::new(span.start, span.start + quoted(written))
            }
            _ => span,
        };
        let (value, anchor, end) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let verbatim = self.verbatim(&text, style, span);
                let text = text.into_owned();
                (Value::Scalar { text, verbatim }, anchor, span)
            }
            Event::SequenceStart(anchor, _) => {
                let (items, end) = self.items(depth)?;
                (Value::Sequence(items), anchor, end)
            }
            Event::MappingStart(anchor, _) => {
                let (items, end) = self.items(depth)?;
                let mut items = items.into_iter();
                let mut entries = Vec::new();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    entries.push((key, value));
                }
                (Value::Mapping(entries), anchor, end)
            }
            _ => (Value::Alias, 0, span),
        };
        Ok(Node {
            value,
            span: span.to(end),
            anchored: anchor > 0,
        })
    }

    /// The nodes up to the end of the collection, and where that is.
    fn items(&mut self, depth: usize) -> Result<(Vec<Node>, Span), (String, Span)> {
        let mut items = Vec::new();
        while let Some((event, span)) = self.next()? {
            match event {
                Event::SequenceEnd | Event::MappingEnd => return Ok((items, span)),
                event => items.push(self.node(event, span, depth + 1)?),
            }
        }
        Err(("the file ends inside a collection".into(), Span::default()))
    }

    fn verbatim(&self, text: &str, style: ScalarStyle, span: Span) -> bool {
        let written = self.text.get(span.start..span.end).unwrap_or_default();
        match style {
            ScalarStyle::Plain => written == text,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                written.len() >= 2 && &written[1..written.len() - 1] == text
            }
            _ => false,
        }
    }
}

/// How long the quoted text is that `written` begins with, with its quotes.
fn quoted(written: &str) -> usize {
    let mut characters = written.char_indices().peekable();
    let quote = characters.next().map(|(_, quote)| quote);
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        match character {
            '\\' if quote == Some('"') => _ = characters.next(),
            '\'' if quote == Some('\'') && next == Some('\'') => _ = characters.next(),
            end if Some(end) == quote => return at + 1,
            _ => {}
        }
    }
    written.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Node>, (String, Span)> {
        parse(&SourceFile::new("f.yaml", text))
    }

    #[test]
    fn nodes_know_where_they_are() {
        let text = "# é\r\nimage:\r\n  repository: ghcr.io/x/y # c\r\n  digest: \"sha256:ab\"  # d\r\nlist: [a, 'b' ]\r\n";
        let documents = read(text).unwrap();
        let slice = |node: &Node| text[node.span.start..node.span.end].to_string();
        let image = documents[0].get("image").unwrap();
        assert_eq!(slice(image.get("repository").unwrap()), "ghcr.io/x/y");
        let digest = image.get("digest").unwrap();
        assert_eq!(
            (digest.text(), slice(digest).as_str()),
            (Some("sha256:ab"), "\"sha256:ab\"")
        );
        assert_eq!(slice(&documents[0].get("list").unwrap().items()[1]), "'b'");
        assert!(matches!(digest.value, Value::Scalar { verbatim: true, .. }));
    }

    #[test]
    fn row_71_deep_and_repeated_yaml_is_refused_or_kept() {
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        assert!(read(&deep).is_err());
        let bomb = "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b]\n";
        let documents = read(bomb).unwrap();
        assert!(
            documents[0]
                .get("c")
                .unwrap()
                .items()
                .iter()
                .all(|item| item.value == Value::Alias)
        );
        let twice = read("a: 1\na: 2\n").unwrap();
        assert_eq!(twice[0].get("a"), None, "which of them counts is not guessed");
        assert_eq!(twice[0].entries().len(), 2);
    }

    #[test]
    fn quoted_scalars_end_with_their_quote() {
        for written in ["'x'", "'it''s'", "\"x\"", "\"a \\\" # b\"", "\"\\\\\"", "''"] {
            for behind in ["", "  ", " # y", "  # it's \"y\"", " # y\r\nc: 1"] {
                let text = format!("a: {written}{behind}\n");
                let documents = read(&text).unwrap();
                let span = documents[0].get("a").unwrap().span;
                assert_eq!(&text[span.start..span.end], written, "{text}");
            }
        }
    }

    #[test]
    fn errors_have_a_place() {
        let (_, span) = read("a: [1\nb: }\n").unwrap_err();
        assert!(span.start > 0);
    }
}
