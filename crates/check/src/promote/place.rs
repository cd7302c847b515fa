//! Places that deploy an image by digest, and why one of them cannot be edited.

use praxis_oci::{Digest, Reference};
use praxis_source::Span;

use crate::rules::deployed;
use crate::yaml::{Node, Value};

/// A digest in a file that can be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The tag beside it.
    pub tag: Option<String>,
    /// The digest.
    pub digest: String,
    /// Where the digest stands.
    pub span: Span,
}

/// What the walk through a file found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub places: Vec<Place>,
    /// Places that name the image and cannot be edited: where, and why.
    pub doubts: Vec<(Span, String)>,
    /// Paths of keys to the mappings that name the image.
    pub paths: Vec<Vec<String>>,
}

const REACHES: &str = "an anchor is on it or around it: other parts of the file would change with it";
const TWICE: &str = "a key above it or beside it is there twice: which one counts is not guessed";
const NO_DIGEST: &str = "it has no digest, so there are no 64 digits to replace";

/// Looks for the image `own`. `inherited` are paths of mappings whose repository another file names.
pub(super) fn find(documents: &[Node], own: &str, inherited: &[Vec<String>]) -> Found {
    let mut walk = Walk {
        own,
        inherited,
        path: Vec::new(),
        found: Found::default(),
    };
    for document in documents {
        walk.visit(document, None);
    }
    walk.found.places.sort_by_key(|place| place.span);
    walk.found.places.dedup();
    walk.found
}

struct Walk<'a> {
    own: &'a str,
    inherited: &'a [Vec<String>],
    path: Vec<String>,
    found: Found,
}

impl Walk<'_> {
    /// `doubt`: why nothing below may be edited.
    fn visit(&mut self, node: &Node, doubt: Option<&'static str>) {
        let doubt = if node.anchored { Some(REACHES) } else { doubt };
        if node.anchored && self.is_own(node.text()) {
            self.found.doubts.push((node.span, REACHES.into()));
        }
        self.mapping(node, doubt);
        for (key, value) in node.entries() {
            let name = key.text().unwrap_or_default();
            let doubt = doubt.or((count(node, name) > 1).then_some(TWICE));
            match name {
                "image" => self.whole(value, doubt),
                "images" => value.items().iter().for_each(|item| self.item(item, doubt)),
                _ => {}
            }
            self.path.push(name.into());
            self.visit(value, doubt);
            self.path.pop();
        }
        node.items().iter().for_each(|item| self.visit(item, doubt));
    }

    /// `repository`, `tag` and `digest` in one mapping.
    fn mapping(&mut self, node: &Node, doubt: Option<&'static str>) {
        let registry = values(node, "registry").next().and_then(Node::text);
        let mut repositories = values(node, "repository").peekable();
        let named = match repositories.peek() {
            None => self.inherited.contains(&self.path),
            Some(_) => repositories.any(|repository| {
                let text = repository.text().unwrap_or_default();
                let registry = registry.filter(|registry| !registry.is_empty());
                let full = registry.map_or(text.to_string(), |registry| format!("{registry}/{text}"));
                is_named(&full, self.own)
            }),
        };
        if named {
            if count(node, "repository") > 0 {
                self.found.paths.push(self.path.clone());
            }
            let inherits = count(node, "repository") == 0;
            self.judge(
                node,
                doubt,
                &["registry", "repository", "tag", "digest"],
                inherits,
            );
        }
    }

    /// An element of `images`: a name, or what Kustomize replaces.
    fn item(&mut self, node: &Node, doubt: Option<&'static str>) {
        self.whole(node, doubt);
        let mut names = values(node, "newName").chain(values(node, "name"));
        if names.next().is_some_and(|name| self.is_own(name.text())) {
            self.judge(node, doubt, &["name", "newName", "newTag", "digest"], false);
        }
    }

    fn judge(&mut self, node: &Node, doubt: Option<&'static str>, keys: &[&str], inherits: bool) {
        match editable(node, keys) {
            Ok(None) if inherits => {}
            Ok(None) => self.found.doubts.push((node.span, NO_DIGEST.into())),
            Err((span, why)) => self.found.doubts.push((span, why)),
            Ok(Some(place)) => match doubt.or(node.anchored.then_some(REACHES)) {
                Some(why) => self.found.doubts.push((place.span, why.into())),
                None => self.found.places.push(place),
            },
        }
    }

    /// `image: name:tag@digest`.
    fn whole(&mut self, node: &Node, doubt: Option<&'static str>) {
        if !self.is_own(node.text()) {
            return;
        }
        let doubt = doubt.or(node.anchored.then_some(REACHES)).map(String::from);
        let image = deployed::whole(node);
        let digest = image.as_ref().and_then(|image| image.digest.clone());
        let doubt = doubt.or_else(|| digest.is_none().then(|| unreadable(node)));
        match (doubt, digest) {
            (None, Some((digest, span))) => self.found.places.push(Place {
                tag: image.and_then(|image| image.tag),
                digest,
                span,
            }),
            (why, _) => self.found.doubts.push((node.span, why.unwrap_or_default())),
        }
    }

    fn is_own(&self, text: Option<&str>) -> bool {
        text.is_some_and(|text| is_named(text, self.own))
    }
}

fn is_named(text: &str, own: &str) -> bool {
    let name = text.split('@').next().unwrap_or_default();
    name.parse::<Reference>()
        .is_ok_and(|reference| reference.name() == own)
}

fn unreadable(node: &Node) -> String {
    match deployed::verbatim(node) {
        true => NO_DIGEST.into(),
        false => "it is not written out on one line without escapes".into(),
    }
}

fn values<'n>(node: &'n Node, key: &'n str) -> impl Iterator<Item = &'n Node> {
    let entries = node.entries().iter();
    entries
        .filter(move |(name, _)| name.text() == Some(key))
        .map(|(_, value)| value)
}

fn count(node: &Node, key: &str) -> usize {
    values(node, key).count()
}

/// The one digest of a mapping: that of `digest`, or the one behind the tag.
fn editable(node: &Node, keys: &[&str]) -> Result<Option<Place>, (Span, String)> {
    let wrong = |why: &str| Err((node.span, why.to_string()));
    if keys.iter().any(|key| count(node, key) > 1) {
        return wrong(TWICE);
    }
    if count(node, "<<") > 0 {
        return wrong("it is merged with another part of the file (`<<`)");
    }
    for key in keys {
        if let Some(value) = node.get(key)
            && (value.value == Value::Alias || value.anchored)
        {
            return Err((value.span, REACHES.into()));
        }
    }
    let tag = node.get("tag").or_else(|| node.get("newTag"));
    let behind = tag.filter(|tag| tag.text().is_some_and(|text| text.contains('@')));
    let alone = node.get("digest").filter(|digest| digest.text() != Some(""));
    let (scalar, text) = match (alone, behind) {
        (Some(_), Some(_)) => return wrong("it has two digests, in `digest` and behind the tag"),
        (None, None) => return Ok(None),
        (Some(scalar), None) => (scalar, scalar.text().unwrap_or_default()),
        (None, Some(scalar)) => (
            scalar,
            scalar
                .text()
                .and_then(|text| text.split_once('@'))
                .map_or("", |it| it.1),
        ),
    };
    if !deployed::verbatim(scalar) {
        return Err((
            scalar.span,
            "it is not written out on one line without escapes".into(),
        ));
    }
    if text.parse::<Digest>().is_err() {
        return Err((
            scalar.span,
            format!("{text:?} is no digest: sha256: and 64 digits"),
        ));
    }
    let end = deployed::inner(scalar).end;
    let tag = tag
        .and_then(Node::text)
        .map(|tag| tag.split('@').next().unwrap_or_default());
    Ok(Some(Place {
        tag: tag.filter(|tag| !tag.is_empty()).map(String::from),
        digest: text.into(),
        span: Span::new(end - text.len(), end),
    }))
}
