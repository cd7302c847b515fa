//! YAML as a tree with places, within limits.

use std::collections::BTreeMap;

use praxis_source::{SourceFile, Span};
use saphyr_parser::{Event, Parser, ScalarStyle};

use crate::error::{Outcome, Place, Problem};

/// Nodes of one file, those of aliases counted each time.
const NODES: usize = 100_000;
/// Nodes inside each other.
const DEPTH: usize = 64;

/// A part of a YAML file.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub content: Content,
    pub place: Place,
    /// `!name`.
    pub tag: Option<String>,
    /// How many nodes it is.
    size: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Null,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A name in a map.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub name: String,
    pub place: Place,
}

impl Node {
    /// A node that was put together from others.
    pub fn new(content: Content, place: Place, tag: Option<String>) -> Node {
        Node {
            content,
            place,
            tag,
            size: 1,
        }
    }

    /// The entry of a map.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, node)| node)
            .filter(|node| !matches!(node.content, Content::Null))
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The kind, for messages.
    pub fn kind(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Scalar(_) => "a text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }
}

/// A list or map that is not closed yet.
struct Open {
    node: Node,
    anchor: usize,
    key: Option<Key>,
}

struct Reader<'s> {
    /// Byte offsets of the file's characters are needed for places.
    offsets: Vec<usize>,
    source: &'s SourceFile,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    top: Option<Node>,
}

/// Reads a file with one document.
pub(crate) fn parse(file: usize, source: &SourceFile) -> Outcome<Option<Node>> {
    let mut reader = Reader {
        offsets: source.text().char_indices().map(|(at, _)| at).collect(),
        source,
        stack: Vec::new(),
        anchors: BTreeMap::new(),
        nodes: 0,
        top: None,
    };
    let mut documents = 0;
    let mut parser = Parser::new_from_str(source.text());
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| {
            let at = reader.offset(error.marker().index());
            let place = Place {
                file,
                span: Span::new(at, at + 1),
            };
            Problem::at(place, format!("this is no YAML: {}", error.info()))
        })?;
        let place = Place {
            file,
            span: Span::new(reader.offset(span.start.index()), reader.offset(span.end.index())),
        };
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                return Err(Problem::at(
                    place,
                    "one YAML document is read, and here begins another",
                ));
            }
        }
        reader.event(event, place)?;
    }
    Ok(reader.top)
}

impl Reader<'_> {
    fn offset(&self, character: usize) -> usize {
        self.offsets
            .get(character)
            .copied()
            .unwrap_or(self.source.text().len())
    }

    fn event(&mut self, event: Event<'_>, place: Place) -> Outcome<()> {
        let node = |content, tag: Option<std::borrow::Cow<'_, saphyr_parser::Tag>>| Node {
            content,
            place,
            tag: tag.map(|tag| tag.suffix.clone()),
            size: 1,
        };
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let null =
                    style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let content = if null {
                    Content::Null
                } else {
                    Content::Scalar(text.into_owned())
                };
                self.add(node(content, tag), anchor)
            }
            Event::SequenceStart(anchor, tag) => self.open(node(Content::List(Vec::new()), tag), anchor),
            Event::MappingStart(anchor, tag) => self.open(node(Content::Map(Vec::new()), tag), anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.stack.pop() {
                Some(open) => self.add(open.node, open.anchor),
                None => Ok(()),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.add(node, 0),
                None => Err(Problem::at(place, "an alias cannot stand inside what it names")),
            },
            _ => Ok(()),
        }
    }

    fn open(&mut self, node: Node, anchor: usize) -> Outcome<()> {
        if self.stack.len() == DEPTH {
            return Err(Problem::at(
                node.place,
                format!("more than {DEPTH} lists and maps are inside each other here"),
            ));
        }
        self.stack.push(Open {
            node,
            anchor,
            key: None,
        });
        Ok(())
    }

    /// Puts a whole node where it belongs.
    fn add(&mut self, node: Node, anchor: usize) -> Outcome<()> {
        let place = node.place;
        self.nodes += node.size;
        if self.nodes > NODES {
            return Err(Problem::at(
                place,
                format!("the file has more than {NODES} nodes, those that aliases repeat included"),
            ));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.stack.last_mut() else {
            self.top = Some(node);
            return Ok(());
        };
        match &mut open.node.content {
            Content::List(items) => {
                open.node.size += node.size;
                items.push(node);
            }
            Content::Map(entries) => match open.key.take() {
                None => {
                    let name = match node.content {
                        Content::Scalar(name) => name,
                        Content::Null => "null".into(),
                        _ => return Err(Problem::at(place, "the name of an entry must be a text")),
                    };
                    open.key = Some(Key { name, place });
                }
                Some(key) if key.name == "<<" => {
                    open.node.size += node.size;
                    inherit(entries, node)?;
                }
                Some(key) => {
                    open.node.size += node.size;
                    let known = entries.iter().position(|(known, _)| known.name == key.name);
                    match known {
                        // What came from << is replaced.
                        Some(at)
                            if entries[at].0.place.span.start >= open.node.place.span.start
                                && entries[at].0.place.span.end <= key.place.span.start
                                && !is_inherited(&entries[at].1) =>
                        {
                            return Err(Problem::at(
                                key.place,
                                format!("the entry {:?} is there twice", key.name),
                            ));
                        }
                        Some(at) => entries[at] = (key, node),
                        None => entries.push((key, node)),
                    }
                }
            },
            _ => {}
        }
        Ok(())
    }
}

/// The mark of nodes that came from `<<`.
const INHERITED: &str = "<<";

fn is_inherited(node: &Node) -> bool {
    node.tag.as_deref() == Some(INHERITED)
}

/// `<<: *other`, or a list of such.
fn inherit(entries: &mut Vec<(Key, Node)>, from: Node) -> Outcome<()> {
    match from.content {
        Content::Map(given) => {
            for (key, mut node) in given {
                if !entries.iter().any(|(known, _)| known.name == key.name) {
                    node.tag = Some(INHERITED.into());
                    entries.push((key, node));
                }
            }
            Ok(())
        }
        Content::List(items) => items.into_iter().try_for_each(|item| inherit(entries, item)),
        _ => Err(Problem::at(from.place, "<< needs a map")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Outcome<Option<Node>> {
        parse(0, &SourceFile::new("compose.yaml", text))
    }

    fn text(node: &Node) -> &str {
        match &node.content {
            Content::Scalar(text) => text,
            _ => "",
        }
    }

    #[test]
    fn maps_lists_and_aliases() {
        let top = read("a: &x {b: 1, c: 'é'}\nd:\n  <<: *x\n  c: 2\nl: [*x, ~]\n")
            .unwrap()
            .unwrap();
        let d = top.get("d").unwrap();
        assert_eq!((text(d.get("b").unwrap()), text(d.get("c").unwrap())), ("1", "2"));
        let Content::List(items) = &top.get("l").unwrap().content else {
            panic!()
        };
        assert_eq!(text(items[0].get("c").unwrap()), "é");
        assert_eq!(items[1].kind(), "nothing");
        assert!(read("").unwrap().is_none());
    }

    /// security row 71: bombs of aliases, deep nesting, entries that are there twice.
    #[test]
    fn row_71_bombs_and_doubled_keys_are_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let below = format!("*a{}", level - 1);
            bomb += &format!("a{level}: &a{level} [{}]\n", vec![below; 9].join(", "));
        }
        assert!(read(&bomb).unwrap_err().message.contains("nodes"), "bomb");
        let deep = "[".repeat(5000);
        assert!(read(&deep).is_err());
        let deep = format!("{}x{}", "[".repeat(100), "]".repeat(100));
        assert!(read(&deep).unwrap_err().message.contains("inside each other"));
        let problem = read("a: 1\nb: 2\na: 3\n").unwrap_err();
        assert!(problem.message.contains("\"a\" is there twice"), "{problem:?}");
        assert_eq!(problem.place.unwrap().span.start, 10);
        assert!(read("a: &a [*a]\n").is_err());
    }
}
