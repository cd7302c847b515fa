//! # The comment above FROM names FROM's tag
//!
//! Where a comment directly above `FROM` names the image with its tag, the tag is that of `FROM`; an image pinned
//! without a tag has such a comment.
//!
//! # Why
//! The digest is what is used, the comment is what people and Renovate read. When they differ, one of them lies.
//!
//! # Bad
//! ```dockerfile bad
//! # python:3.11-slim-bookworm
//! FROM python:3.12-slim-bookworm@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! # Good
//! ```dockerfile good
//! # python:3.12-slim-bookworm
//! FROM python:3.12-slim-bookworm@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ```
//! # Fix
//! `praxis check --fix` writes the tag of FROM into the comment.

use praxis_dockerfile::From;
use praxis_oci::Reference;
use praxis_source::Span;

use crate::rule::Report;
use crate::{DockerfileView, Edit, ImagePlace, ImageUse, Repository};

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for image in &view.images {
            if let ImagePlace::From(index) = image.place {
                stage(view, image, &view.tree.stages[index].from, report);
            }
        }
    }
}

fn stage(view: &DockerfileView, image: &ImageUse, from: &From, report: &mut Report) {
    let Some(reference) = &image.reference else { return };
    let named = named(view, reference, from);
    match (reference.tag(), named) {
        (Some(tag), Some((comment, span))) if comment.tag() != Some(tag) => {
            let message = format!("the comment says {}, FROM says {tag}", comment.tag().unwrap_or_default());
            let edit = Edit {
                path: view.path.clone(),
                span,
                text: tag.into(),
            };
            report.add(&view.path, span, message).safely(vec![edit]);
        }
        (None, None) if reference.digest().is_some() => {
            let message = format!("nothing says which tag {} is", image.written);
            report.add(&view.path, image.span, message);
        }
        _ => {}
    }
}

/// The image that the comments above name with a tag, and where the tag stands.
fn named(view: &DockerfileView, reference: &Reference, from: &From) -> Option<(Reference, Span)> {
    let text = view.file.text();
    let mut end = text[..from.span.start].rfind('\n').map_or(0, |at| at + 1);
    for _ in &from.comments {
        let start = text[..end.saturating_sub(1)].rfind('\n').map_or(0, |at| at + 1);
        let mut at = start;
        for word in text[start..end].split([' ', '\t', '\r', '\n', ',', ';', '(', ')', '`', '"']) {
            if let Some((comment, tag)) = tagged(word, reference) {
                return Some((comment, Span::new(at + tag, at + tag + word[tag..].split('@').next()?.len())));
            }
            at += word.len() + 1;
        }
        end = start;
    }
    None
}

/// The word as a name of the same repository with a tag, and where the tag begins in it.
fn tagged(word: &str, reference: &Reference) -> Option<(Reference, usize)> {
    let comment: Reference = word.parse().ok()?;
    let tag = comment.tag()?;
    let last = |reference: &Reference| reference.path().rsplit('/').next().map(str::to_string);
    let same = comment.name() == reference.name() || !word.contains('/') && last(&comment) == last(reference);
    let at = word.split('@').next()?.len() - tag.len();
    same.then_some((comment, at))
}
