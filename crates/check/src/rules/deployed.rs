//! Images that YAML files deploy.

use praxis_oci::Reference;
use praxis_source::Span;

use crate::action::uses;
use crate::repository::YamlKind;
use crate::workflow::jobs;
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
    /// Where a key `digest` can be put beside the tag, and what comes before it.
    pub beside: Option<(usize, String)>,
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
                if file.kind == YamlKind::Kustomization {
                    found.extend(node.items().iter().filter_map(|item| kustomized(file, item)));
                }
            }
        });
    }
    found.sort_by_key(|image| image.span);
    found.dedup_by_key(|image| image.span);
    found
}

/// Of a compose file: where images are named that it builds itself, and names that variables are part of.
pub(crate) fn built_or_by_variable(file: &YamlFile) -> (Vec<Span>, Vec<&Node>) {
    let (mut built, mut by_variable) = (Vec::new(), Vec::new());
    let services = file
        .documents
        .first()
        .and_then(|document| document.get("services"));
    let services = services.filter(|_| file.kind == YamlKind::Compose);
    for (_, service) in services.map(Node::entries).unwrap_or_default() {
        match service.get("image") {
            Some(image) if service.get("build").is_some() => built.push(image.span),
            Some(image) if image.text().is_some_and(|text| text.contains('$')) => by_variable.push(image),
            _ => {}
        }
    }
    (built, by_variable)
}

/// The images that a workflow runs jobs, services and steps in.
pub(crate) fn of_workflow(file: &YamlFile) -> Vec<Deployed> {
    let mut found = Vec::new();
    for job in jobs(file) {
        let containers = job.node.get("services").map(Node::entries).unwrap_or_default();
        let containers = containers.iter().map(|(_, service)| service);
        for container in containers.chain(job.node.get("container")) {
            let node = container.get("image").unwrap_or(container);
            found.extend(node.text().and_then(|text| named(node, text)));
        }
    }
    for node in uses(file) {
        let image = node.text().and_then(|text| text.strip_prefix("docker://"));
        found.extend(image.and_then(|image| named(node, image)));
    }
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
        beside: None,
    });
}

/// `image: name:tag@digest`.
pub(crate) fn whole(node: &Node) -> Option<Deployed> {
    node.text()
        .filter(|text| text.contains([':', '/']))
        .and_then(|text| named(node, text))
}

/// The image that the end of a scalar names.
fn named(node: &Node, text: &str) -> Option<Deployed> {
    let reference: Reference = text.parse().ok().filter(|_| verbatim(node))?;
    let end = inner(node).end;
    let span = Span::new(end - text.len(), end);
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
        beside: None,
    })
}

/// `name: …`, `newName: …`, `newTag: …`, `digest: …` of a Kustomization.
fn kustomized(file: &YamlFile, node: &Node) -> Option<Deployed> {
    let name = node
        .get("newName")
        .or(node.get("name"))
        .filter(|node| verbatim(node))?;
    let reference: Reference = name.text()?.parse().ok()?;
    let tag = node.get("newTag").filter(|node| verbatim(node));
    let digest = node.get("digest").filter(|node| verbatim(node));
    let digest = digest.and_then(|node| Some((node.text()?.to_string(), inner(node))));
    Some(Deployed {
        name: reference.name(),
        tag: tag.and_then(Node::text).map(str::to_string),
        digest: digest.filter(|(text, _)| !text.is_empty()),
        span: name.span,
        tagged: None,
        beside: tag
            .filter(|_| node.get("digest").is_none())
            .and_then(|tag| beside(file, node, tag)),
    })
}

/// Where a key can be added behind the value of another one in the same mapping.
fn beside(file: &YamlFile, mapping: &Node, value: &Node) -> Option<(usize, String)> {
    let text = file.file.text();
    let (key, _) = mapping
        .entries()
        .iter()
        .find(|(_, other)| other.span == value.span)?;
    let line = text[..key.span.start].rfind('\n').map_or(0, |at| at + 1);
    let before = &text[line..key.span.start];
    if !before.trim_matches([' ', '-']).is_empty() {
        return Some((value.span.end, ", ".into()));
    }
    let rest = &text[value.span.end..];
    let end = rest.find('\n').map_or(text.len(), |at| value.span.end + at);
    let (end, newline) = match text[..end].ends_with('\r') {
        true => (end - 1, "\r\n"),
        false => (end, "\n"),
    };
    Some((end, format!("{newline}{}", " ".repeat(before.len()))))
}

/// Whether an edit may replace a scalar: it stands in the file as it is, and nothing refers to it.
pub(crate) fn verbatim(node: &Node) -> bool {
    matches!(node.value, Value::Scalar { verbatim: true, .. }) && !node.anchored
}

/// The place of a scalar without its quotes.
pub(crate) fn inner(node: &Node) -> Span {
    let length = node.text().map_or(0, str::len);
    match node.span.end - node.span.start == length + 2 {
        true => Span::new(node.span.start + 1, node.span.end - 1),
        false => node.span,
    }
}
