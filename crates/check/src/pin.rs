//! Pins: which images a repository names, what they are now, and the edits that write it down.

use std::collections::BTreeMap;

use praxis_dockerfile::Kind;
use praxis_oci::{Digest, Reference};
use praxis_source::Span;

use crate::repository::YamlKind;
use crate::rules::deployed;
use crate::yaml::Node;
use crate::{DockerfileView, Edit, ImagePlace, ImageUse, Repository, YamlFile, action};

const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
const BASE_NAME: &str = "org.opencontainers.image.base.name";

/// Says which digest a tag has.
pub trait Resolver {
    /// The digest of `reference`, which has a tag. The error says why nobody knows.
    fn resolve(&self, reference: &Reference) -> Result<Digest, String>;

    /// The branches and tags of the git repository at `address` by their full names, such as `refs/tags/v4`, with the
    /// commits they stand for. The error says why nobody knows.
    fn references(&self, address: &str) -> Result<BTreeMap<String, String>, String>;
}

/// An image or an action that a file names.
#[derive(Clone, Debug, PartialEq)]
pub struct Pin {
    /// The file.
    pub path: String,
    /// Where it is named.
    pub span: Span,
    /// As it is written.
    pub written: String,
    /// How it stands.
    pub state: PinState,
    /// What writes the digest, the tag's comment and the labels; empty where nothing is to do.
    pub edits: Vec<Edit>,
}

/// How an image or an action that a file names stands. Images have digests; actions have commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinState {
    /// It has the digest it has now, or nobody asked.
    Pinned,
    /// It has no digest; this is the one.
    Unpinned(String),
    /// Its tag has another digest now.
    Moved {
        /// What is written.
        from: String,
        /// What the tag is now.
        to: String,
    },
    /// Its digest cannot be told, or not be written by an edit.
    Unresolved(String),
}

impl PinState {
    /// Whether something is to do.
    pub fn is_open(&self) -> bool {
        *self != PinState::Pinned
    }
}

/// Every image and action that the repository names, in the order of files and lines. With `update`, tags that have a digest are
/// resolved again. Digests of the image that the repository publishes are not among them, the placeholder included: `promote`
/// writes them, once their release is verified.
pub fn pins(repository: &Repository, resolver: &dyn Resolver, update: bool) -> Vec<Pin> {
    let mut found = Vec::new();
    for view in &repository.dockerfiles {
        found.extend(
            view.images
                .iter()
                .filter_map(|image| in_dockerfile(view, image, resolver, update)),
        );
    }
    let kinds = [
        YamlKind::Values,
        YamlKind::Zarf,
        YamlKind::Compose,
        YamlKind::Kustomization,
    ];
    for file in repository.yaml.iter().filter(|file| kinds.contains(&file.kind)) {
        let (built, by_variable) = deployed::built_or_by_variable(file);
        found.extend(by_variable.into_iter().map(|node| by_variable_pin(file, node)));
        for image in deployed::images(file) {
            let released = image.digest.is_some() && image.is_own(repository);
            if !released && !built.contains(&image.span) {
                found.push(in_yaml(&file.path, &image, resolver, update));
            }
        }
    }
    for file in &repository.yaml {
        found.extend(action::pins(file, &repository.policy, resolver, update));
        let images = deployed::of_workflow(file);
        found.extend(
            images
                .iter()
                .map(|image| in_yaml(&file.path, image, resolver, update)),
        );
    }
    found.sort_by(|a, b| (&a.path, a.span).cmp(&(&b.path, b.span)));
    found
}

fn state(reference: &Reference, resolver: &dyn Resolver, update: bool) -> PinState {
    let asked = || {
        let named: Result<Reference, _> = match reference.tag() {
            Some(tag) => format!("{}:{tag}", reference.name()).parse(),
            None => reference.name().parse(),
        };
        named
            .map_err(|error| error.to_string())
            .and_then(|named| resolver.resolve(&named.with_default_tag()))
    };
    match reference.digest() {
        Some(digest) if update && reference.tag().is_some() => match asked() {
            Ok(now) if now != *digest => PinState::Moved {
                from: digest.to_string(),
                to: now.to_string(),
            },
            Ok(_) => PinState::Pinned,
            Err(reason) => PinState::Unresolved(reason),
        },
        Some(_) => PinState::Pinned,
        None => asked().map_or_else(PinState::Unresolved, |digest| {
            PinState::Unpinned(digest.to_string())
        }),
    }
}

fn in_dockerfile(
    view: &DockerfileView,
    image: &ImageUse,
    resolver: &dyn Resolver,
    update: bool,
) -> Option<Pin> {
    let pin = |state, edits| Pin {
        path: view.path.clone(),
        span: image.span,
        written: image.written.clone(),
        state,
        edits,
    };
    let Some(reference) = &image.reference else {
        let reason = "a build argument says what it is; give the ARG a default";
        return image
            .dynamic
            .then(|| pin(PinState::Unresolved(reason.into()), Vec::new()));
    };
    let state = state(reference, resolver, update);
    let (PinState::Unpinned(digest) | PinState::Moved { to: digest, .. }) = &state else {
        return Some(pin(state, Vec::new()));
    };
    let Some(literal) = image.literal else {
        let reason = "the name is put together from variables; write all of it into one ARG";
        return Some(pin(PinState::Unresolved(reason.into()), Vec::new()));
    };
    let edits = edits(view, image, reference, digest, literal);
    Some(pin(state, edits))
}

pub(crate) fn edit(path: &str, span: Span, text: String) -> Edit {
    Edit {
        path: path.into(),
        span,
        text,
    }
}

/// The new digest, the comment above FROM, and the labels that repeat the base.
fn edits(
    view: &DockerfileView,
    image: &ImageUse,
    reference: &Reference,
    digest: &str,
    literal: Span,
) -> Vec<Edit> {
    let path = &view.path;
    let mut edits = vec![match reference.digest() {
        Some(old) => {
            let start = literal.end - old.to_string().len();
            edit(path, Span::new(start, literal.end), digest.to_string())
        }
        None if reference.tag().is_none() => {
            let end = Span::new(literal.end, literal.end);
            edit(path, end, format!(":latest@{digest}"))
        }
        None => edit(path, Span::new(literal.end, literal.end), format!("@{digest}")),
    }];
    if let ImagePlace::From(index) = image.place {
        let from = &view.tree.stages[index].from;
        let named = view
            .file
            .slice(literal)
            .split('@')
            .next()
            .unwrap_or_default()
            .to_string();
        let tag = if reference.tag().is_none() { ":latest" } else { "" };
        let told = from.comments.iter().any(|comment| comment.contains(&named));
        if literal == image.span && !told {
            let at = Span::new(from.span.start, from.span.start);
            edits.push(edit(path, at, format!("# {named}{tag}{}", line_end(view))));
        }
    }
    if view.final_base() == Some(image) {
        edits.extend(labels(view, reference, digest));
    }
    edits
}

fn line_end(view: &DockerfileView) -> &'static str {
    if view.file.text().contains("\r\n") {
        "\r\n"
    } else {
        "\n"
    }
}

/// The labels of the final image that repeat its base, where they are written out and differ.
fn labels(view: &DockerfileView, reference: &Reference, digest: &str) -> Vec<Edit> {
    let tag = reference.tag().unwrap_or("latest");
    let values = [
        (BASE_DIGEST, digest.to_string()),
        (BASE_NAME, format!("{}:{tag}", reference.name())),
    ];
    let found = values.into_iter().filter_map(|(key, value)| {
        let label = view.label_places().get(key)?;
        let span = label.literal.filter(|_| label.value != value)?;
        Some(edit(&view.path, span, value))
    });
    found.collect()
}

fn by_variable_pin(file: &YamlFile, node: &Node) -> Pin {
    Pin {
        path: file.path.clone(),
        span: node.span,
        written: node.text().unwrap_or_default().into(),
        state: PinState::Unresolved("a variable says what it is".into()),
        edits: Vec::new(),
    }
}

fn in_yaml(path: &str, image: &deployed::Deployed, resolver: &dyn Resolver, update: bool) -> Pin {
    let tag = image
        .tag
        .as_deref()
        .map(|tag| format!(":{tag}"))
        .unwrap_or_default();
    let digest = image.digest.as_ref();
    let placeholder = digest.is_some_and(|(digest, _)| deployed::is_placeholder(digest));
    let pinned = digest
        .filter(|_| !placeholder)
        .map(|(digest, _)| format!("@{digest}"))
        .unwrap_or_default();
    let written = format!("{}{tag}{pinned}", image.name);
    let mut pin = Pin {
        path: path.into(),
        span: image.span,
        state: PinState::Pinned,
        edits: Vec::new(),
        written,
    };
    let reference: Reference = match pin.written.parse() {
        Ok(reference) => reference,
        Err(error) => {
            pin.state = PinState::Unresolved(format!("{error}"));
            return pin;
        }
    };
    pin.state = state(&reference, resolver, update);
    let (PinState::Unpinned(new) | PinState::Moved { to: new, .. }) = &pin.state else {
        return pin;
    };
    // Only the digest changes: 64 digits in their place, or the text that was missing behind the tag.
    match (digest, image.tagged) {
        (None, None) if let Some((at, before)) = &image.beside => {
            let text = format!("{before}digest: {new}");
            pin.edits.push(edit(path, Span::new(*at, *at), text));
        }
        (Some((_, span)), _) => pin.edits.push(edit(path, *span, new.to_string())),
        (None, Some(whole)) if image.tag.is_some() => {
            let end = Span::new(whole.end, whole.end);
            pin.edits.push(edit(path, end, format!("@{new}")));
        }
        _ => {
            let reason = "there is neither a digest nor a tag that one can be added to";
            pin.state = PinState::Unresolved(reason.into());
        }
    }
    pin
}

/// A Dockerfile with new pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repinned {
    /// The text.
    pub text: String,
    /// How many digests were replaced.
    pub replaced: usize,
}

/// Replaces the digest `old` of the image `name` by `new` where a Dockerfile pins it: `name[:tag]@digest` in FROM, in
/// the default of an ARG, in `COPY --from=` and in `RUN --mount=…,from=`; and in labels
/// `org.opencontainers.image.base.digest`. All other bytes stay as they are, comments and heredocs among them.
pub fn repin(text: &str, name: &str, old: &Digest, new: &Digest) -> Repinned {
    let view = DockerfileView::new("Dockerfile", text, "", None);
    let old = old.to_string();
    let Ok(name) = name.parse::<Reference>() else {
        return Repinned {
            text: text.into(),
            replaced: 0,
        };
    };
    let mut places: Vec<Span> = Vec::new();
    let mut take = |area: Span| {
        let slice = view.file.slice(area);
        let found = slice
            .match_indices(&old)
            .filter(|(at, _)| is_pin(&slice[..*at], &name));
        places.extend(found.map(|(at, _)| Span::new(area.start + at, area.start + at + old.len())));
    };
    for image in &view.images {
        take(image.span);
    }
    for instruction in view.tree.instructions() {
        if let Kind::Arg(_) = instruction.kind {
            take(instruction.span);
        }
    }
    for instruction in view.tree.instructions() {
        if let Kind::Label(pairs) = &instruction.kind
            && pairs
                .iter()
                .any(|pair| pair.key.trim_matches(['"', '\'']) == BASE_DIGEST)
        {
            places.extend(crate::labels::value_of(&view, instruction, BASE_DIGEST, &old));
        }
    }
    places.sort();
    places.dedup();
    let edits = places
        .iter()
        .map(|span| edit("Dockerfile", *span, new.to_string()))
        .collect();
    match crate::edit::apply("Dockerfile", text, edits) {
        Ok(changed) => Repinned {
            text: changed,
            replaced: places.len(),
        },
        Err(_) => Repinned {
            text: text.into(),
            replaced: 0,
        },
    }
}

/// Whether a text ends with `…name[:tag]@`.
fn is_pin(before: &str, name: &Reference) -> bool {
    let Some(before) = before.strip_suffix('@') else {
        return false;
    };
    // What precedes the name: `ARG X=`, `from=`, a quote, or `${X:-`.
    let start = before
        .rfind([' ', '\t', '\n', '=', ',', '"', '\''])
        .map_or(0, |at| at + 1);
    let written = before[start..]
        .rsplit_once(":-")
        .map_or(&before[start..], |(_, default)| default);
    written
        .parse::<Reference>()
        .is_ok_and(|written| written.name() == name.name())
}

#[cfg(test)]
#[path = "pin_tests.rs"]
mod tests;
