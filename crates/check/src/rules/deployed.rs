//! Images that YAML files deploy.

use praxis_oci::Reference;
use praxis_source::Span;

use crate::yaml::{Node, Value};
use crate::{Repository, YamlFile};

/// An image in values, a package or a compose file.
pub(crate) struct Deployed {
    /// Registry and repository.
    pub name: String,
    /// Its tag.
    pub tag: Option<String>,
    /// Its digest and where it stands.
    pub digest: Option<(String, Span)>,
    /// Where the image is named.
    pub span: Span,
    /// Where a text that ends with the tag stands, so that a digest can be added to it.
    pub tagged: Option<Span>,
}

impl Deployed {
    /// Whether it is the image that the repository publishes.
    pub fn is_own(&self, repository: &Repository) -> bool {
        let own = repository.policy.image.name.as_deref();
        own.and_then(|own| own.parse::<Reference>().ok())
            .is_some_and(|own| own.name() == self.name)
    }
}

/// Whether a digest is all zeros.
pub(crate) fn is_placeholder(digest: &str) -> bool {
    digest
        .strip_prefix("sha256:")
        .is_some_and(|hex| !hex.is_empty() && hex.bytes().all(|b| b == b'0'))
}

/// The images that a file names: `repository` with `tag` and `digest` beside it, or one text.
pub(crate) fn images(file: &YamlFile) -> Vec<Deployed> {
    let mut found = Vec::new();
    for document in &file.documents {
        split(document, &mut found);
        document.walk(&mut |path, node| {
            split(node, &mut found);
            let key = path.last().copied().unwrap_or_default();
            let single = matches!(key, "image");
            if single {
                found.extend(whole(node));
            }
            if key == "images" {
                found.extend(node.items().iter().filter_map(whole));
            }
        });
    }
    found.sort_by_key(|image| image.span);
    found.dedup_by_key(|image| image.span);
    found
}

/// `repository: …`, `tag: …`, `digest: …` in one mapping.
fn split(node: &Node, found: &mut Vec<Deployed>) {
    let Some(repository) = node.get("repository").filter(|node| verbatim(node)) else {
        return;
    };
    let registry = node
        .get("registry")
        .and_then(Node::text)
        .filter(|text| !text.is_empty());
    let text = repository.text().unwrap_or_default();
    let text = registry.map_or(text.to_string(), |registry| format!("{registry}/{text}"));
    let Ok(reference) = text.parse::<Reference>() else {
        return;
    };
    let tag = node.get("tag").and_then(Node::text).filter(|tag| !tag.is_empty());
    let (tag, in_tag) = match tag.and_then(|tag| tag.split_once('@')) {
        Some((tag, digest)) => (Some(tag), Some(digest)),
        None => (tag, None),
    };
    let given = node.get("digest").filter(|node| verbatim(node));
    let given = given.and_then(|node| Some((node.text()?.to_string(), inner(node))));
    let in_tag = in_tag.and_then(|digest| {
        let span = inner(node.get("tag")?);
        Some((digest.to_string(), Span::new(span.end - digest.len(), span.end)))
    });
    found.push(Deployed {
        name: reference.name(),
        tag: tag.map(str::to_string),
        digest: given.filter(|(text, _)| !text.is_empty()).or(in_tag),
        span: repository.span,
        tagged: node.get("tag").filter(|node| verbatim(node)).map(inner),
    });
}

/// `image: name:tag@digest`.
fn whole(node: &Node) -> Option<Deployed> {
    let text = node.text()?;
    let reference: Reference = text
        .parse()
        .ok()
        .filter(|_| verbatim(node) && text.contains([':', '/']))?;
    let span = inner(node);
    let digest = reference.digest().map(|digest| {
        let digest = digest.to_string();
        let place = Span::new(span.end - digest.len(), span.end);
        (digest, place)
    });
    Some(Deployed {
        name: reference.name(),
        tag: reference.tag().map(str::to_string),
        digest,
        span: node.span,
        tagged: Some(span),
    })
}

fn verbatim(node: &Node) -> bool {
    matches!(node.value, Value::Scalar { verbatim: true, .. }) && !node.anchored
}

/// The place of a scalar without its quotes.
fn inner(node: &Node) -> Span {
    let length = node.text().map_or(0, str::len);
    match node.span.end - node.span.start == length + 2 {
        true => Span::new(node.span.start + 1, node.span.end - 1),
        false => node.span,
    }
}
