//! # No secrets in instructions
//!
//! No value in ARG, ENV, LABEL or RUN looks like a credential: a private key, or a token in the form of a known
//! service.
//!
//! # Why
//! Everything that an instruction says is in the image's history. A credential there is public, also when a later step
//! deletes the file.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN git clone https://x:ghp_0123456789abcdefghijABCDEFGHIJ012345@example.org/x
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN --mount=type=secret,id=token git clone https://example.org/x
//! ```
//! # Fix
//! Revoke the credential, and mount it where it is used: `RUN --mount=type=secret,id=…`.

use crate::Repository;
use crate::rule::Report;

/// How tokens of known services begin, and how many characters follow at least.
const TOKENS: [(&str, usize); 10] = [
    ("ghp_", 36),
    ("gho_", 36),
    ("ghs_", 36),
    ("github_pat_", 40),
    ("glpat-", 20),
    ("AKIA", 16),
    ("xoxb-", 20),
    ("sk_live_", 20),
    ("npm_", 36),
    ("pypi-AgE", 40),
];

/// What looks like a credential in a text; never the thing itself.
pub fn credential_in(text: &str) -> Option<String> {
    if text.contains("PRIVATE KEY-----") && text.contains("-----BEGIN ") {
        return Some("a private key".into());
    }
    let found = TOKENS.iter().find(|(start, length)| token(text, start, *length).is_some());
    found.map(|(start, _)| format!("what looks like a credential ({start}…)"))
}

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for instruction in view.tree.instructions() {
            let text = view.file.slice(instruction.span);
            if let Some(at) = text.find("PRIVATE KEY-----") {
                let line = text[..at].rfind('\n').map_or(0, |start| start + 1);
                let span = view.place(instruction.span, text[line..].lines().next().unwrap_or_default());
                report.add(&view.path, span, "a private key is part of the image's history");
            }
            for (start, length) in TOKENS {
                if let Some(token) = token(text, start, length) {
                    // The finding itself must not publish what it found.
                    let span = view.place(instruction.span, token);
                    let shown = praxis_source::Span::new(span.start, span.start + start.len());
                    report.add(&view.path, shown, format!("{start}… looks like a credential"));
                }
            }
        }
    }
}

fn token<'t>(text: &'t str, start: &str, length: usize) -> Option<&'t str> {
    text.match_indices(start).find_map(|(at, _)| {
        let bounded = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
        let rest = &text[at + start.len()..];
        let taken = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-').count();
        (bounded && taken >= length).then(|| &text[at..at + start.len() + taken])
    })
}
