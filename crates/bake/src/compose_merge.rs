//! One compose file over another, and variables in them.

use crate::dotenv::{Lookup, interpolate};
use crate::error::{Outcome, Problem};
use crate::yaml::{Content, Node};

/// Replaces variables in all texts but names.
pub(crate) fn interpolated(node: &mut Node, lookup: Lookup<'_>) -> Outcome<()> {
    let place = node.place;
    match &mut node.content {
        Content::Scalar(text) if text.contains('$') => {
            *text = interpolate(text, lookup).map_err(|error| Problem::at(place, error))?;
        }
        Content::List(items) => {
            for item in items {
                interpolated(item, lookup)?;
            }
        }
        Content::Map(entries) => {
            for (_, entry) in entries {
                interpolated(entry, lookup)?;
            }
        }
        Content::Null | Content::Scalar(_) => {}
    }
    Ok(())
}

/// Lists that are replaced and not added to.
const REPLACED: [&str; 2] = ["command", "entrypoint"];

/// `above` laid over `below`: maps are merged, lists added, all else replaced. `name` is that of the entry.
pub(crate) fn laid_over(below: Node, above: Node, name: &str) -> Node {
    match above.tag.as_deref() {
        Some("reset") => {
            return Node::new(Content::Null, above.place, None);
        }
        Some("override") => return above,
        _ => {}
    }
    let (below, above) = alike(below, above, name);
    match (below.content, above.content) {
        (Content::Map(mut entries), Content::Map(more)) => {
            for (key, node) in more {
                match entries.iter().position(|(known, _)| known.name == key.name) {
                    Some(at) => {
                        let (known, old) = entries.remove(at);
                        let merged = laid_over(old, node, &key.name);
                        entries.insert(at, (known, merged));
                    }
                    None => entries.push((key, node)),
                }
            }
            Node::new(Content::Map(entries), above.place, above.tag)
        }
        (Content::List(mut items), Content::List(more)) if !REPLACED.contains(&name) => {
            for item in more {
                let same = |known: &Node| match (&known.content, &item.content) {
                    (Content::Scalar(first), Content::Scalar(second)) => first == second,
                    _ => false,
                };
                if !items.iter().any(same) {
                    items.push(item);
                }
            }
            Node::new(Content::List(items), above.place, above.tag)
        }
        (old, Content::Null) => Node::new(old, below.place, below.tag),
        (_, new) => Node::new(new, above.place, above.tag),
    }
}

/// `build: DIR` is `build: { context: DIR }`, and maps written as lists of `NAME=VALUE` are maps.
fn alike(below: Node, above: Node, name: &str) -> (Node, Node) {
    match (&below.content, &above.content) {
        (Content::Map(_), Content::Scalar(_)) if name == "build" => (below, under("context", above)),
        (Content::Scalar(_), Content::Map(_)) if name == "build" => (under("context", below), above),
        (Content::Map(_), Content::List(_))
        | (Content::List(_), Content::Map(_))
        | (Content::List(_), Content::List(_))
            if matches!(name, "args" | "labels" | "environment" | "additional_contexts") =>
        {
            (mapped(below), mapped(above))
        }
        _ => (below, above),
    }
}

fn under(name: &str, node: Node) -> Node {
    let (place, tag) = (node.place, node.tag.clone());
    let key = crate::yaml::Key {
        name: name.into(),
        place,
    };
    Node::new(Content::Map(vec![(key, node)]), place, tag)
}

fn mapped(node: Node) -> Node {
    let (place, tag) = (node.place, node.tag.clone());
    let Content::List(items) = node.content else {
        return node;
    };
    let mut entries: Vec<(crate::yaml::Key, Node)> = Vec::new();
    for item in items {
        let Content::Scalar(text) = &item.content else {
            continue;
        };
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_string(), Content::Scalar(value.to_string())),
            None => (text.clone(), Content::Null),
        };
        let key = crate::yaml::Key {
            name,
            place: item.place,
        };
        entries.retain(|(known, _)| known.name != key.name);
        entries.push((key, Node::new(value, item.place, None)));
    }
    Node::new(Content::Map(entries), place, tag)
}
