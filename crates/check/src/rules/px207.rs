//! # The context holds no version control, state or secrets
//!
//! Where a Dockerfile copies the whole context, `.dockerignore` leaves out `.git`, environment files, keys and the
//! state of tools.
//!
//! # Why
//! `COPY . .` takes everything. A key or the history of the repository in a layer stays there, also when a later
//! step deletes it.
//!
//! # Bad
//! ```dockerfile both
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! COPY . /src
//! ```
//! ```text both .env
//! TOKEN=x
//! ```
//! ```text bad .dockerignore
//! *.log
//! ```
//! # Good
//! ```text good .dockerignore
//! .env
//! ```
//! # Fix
//! Add the path to `.dockerignore`, or copy only what the image needs.

use praxis_dockerfile::{Kind, clean};

use crate::rule::Report;
use crate::{DockerfileView, EntryKind, Repository};

const NAMES: [&str; 16] = [
    ".git", ".hg", ".svn", ".env", ".netrc", ".npmrc", ".pypirc", ".aws", ".ssh", ".kube", ".docker", ".terraform",
    "id_rsa", "id_ed25519", "terraform.tfstate", "credentials.json",
];
const ENDINGS: [&str; 7] = [".pem", ".key", ".p12", ".pfx", ".tfstate", ".kdbx", ".jks"];

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        let leaks = leaks(repository, view);
        let Some(first) = leaks.first() else { continue };
        for instruction in view.tree.instructions() {
            let (Kind::Copy(transfer) | Kind::Add(transfer)) = &instruction.kind else {
                continue;
            };
            let whole = |source: &String| matches!(clean(source).as_str(), "." | "/" | "*");
            if transfer.from.is_none()
                && let Some(source) = transfer.sources.iter().find(|source| whole(source))
            {
                let more = match leaks.len() {
                    1 => String::new(),
                    count => format!(" and {} more", count - 1),
                };
                let span = view.place(instruction.span, &format!(" {source}"));
                report.add(&view.path, span, format!("the context holds {first}{more}"));
                break;
            }
        }
    }
}

/// What is in the context and should not be.
fn leaks(repository: &Repository, view: &DockerfileView) -> Vec<String> {
    let ignore = repository.ignore_of(&view.path, &view.context);
    let mut found = Vec::new();
    for entry in repository.entries.iter().filter(|entry| entry.kind != EntryKind::Link) {
        let inside = match view.context.trim_matches('/') {
            "" | "." => Some(entry.path.as_str()),
            context => entry.path.strip_prefix(context).and_then(|rest| rest.strip_prefix('/')),
        };
        let Some(path) = inside else { continue };
        let Some(end) = secret_end(path) else { continue };
        let ignored = |ignore: &praxis_dockerfile::IgnoreFile| {
            let parts = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
            parts.into_iter().any(|end| ignore.is_ignored(&path[..end]))
        };
        let name = path[..end].to_string();
        if !ignore.is_some_and(ignored) && !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

/// Where the part of a path ends that should not be in a context.
fn secret_end(path: &str) -> Option<usize> {
    let mut end = 0;
    for name in path.split('/') {
        end += name.len();
        let example = name.contains("example") || name.contains("sample") || name.ends_with(".pub.pem");
        if !example && (NAMES.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending))) {
            return Some(end);
        }
        end += 1;
    }
    None
}
