//! # No HTTP opt-in and no token in ENV
//!
//! The final image sets no variable that switches HTTP on or binds to all addresses, and none that holds a token.
//!
//! # Why
//! The opt-in is the operator's decision, for one deployment. In the image it is everybody's, and a token in it is
//! public.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ENV PRAXIS_HTTP_ALLOW_REMOTE=1
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ENV PYTHONUNBUFFERED=1
//! ```
//! # Fix
//! Remove the variable; give it to the container that needs it.

use praxis_dockerfile::Kind;

use crate::policy::Transport;
use crate::rule::Report;
use crate::Repository;

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let serves = repository.policy.image.transport == Transport::Http;
    for view in &repository.dockerfiles {
        for instruction in view.runtime() {
            let Kind::Env(pairs) = &instruction.kind else {
                continue;
            };
            for pair in pairs {
                if let Some(message) = wrong(&pair.key, pair.value.trim_matches(['"', '\'']), serves) {
                    report.add(&view.path, view.place(instruction.span, &pair.key), message);
                }
            }
        }
    }
}

/// What is wrong with a variable, if something is.
pub(crate) fn wrong(key: &str, value: &str, serves: bool) -> Option<String> {
    let words: Vec<String> = key.split('_').map(str::to_uppercase).collect();
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    if value.is_empty() || value.starts_with('$') {
        return None;
    }
    let names_a_file = has(&["FILE", "PATH", "DIR", "URL"]);
    if has(&["TOKEN", "PASSWORD", "SECRET", "PASSWD"]) && !names_a_file {
        return Some(format!("{key} holds a credential that everybody with the image has"));
    }
    let on = matches!(value.to_lowercase().as_str(), "1" | "true" | "yes" | "on" | "http");
    let opt_in = has(&["HTTP", "REMOTE", "TRANSPORT"]) && on && !has(&["PROXY"]);
    let all = matches!(value, "0.0.0.0" | "::" | "[::]") || value.starts_with("0.0.0.0:");
    (!serves && (opt_in || all)).then(|| format!("{key}={value} opens the service in every container"))
}
