//! # Transport and signatures are not switched off
//!
//! No command in RUN and no variable tells a tool to trust any certificate, any signature or an unsigned source.
//!
//! # Why
//! The switch is added to get past a proxy once, and stays. From then on anybody on the path decides what is
//! installed.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN curl --insecure -o /x https://example.org/x && echo "0 x" | sha256sum --check
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! RUN curl -o /x https://example.org/x && echo "0 x" | sha256sum --check
//! ```
//! # Fix
//! Remove the switch, and add the authority that is missing: `COPY ca.crt /usr/local/share/ca-certificates/`.

use praxis_dockerfile::Kind;

use crate::Repository;
use crate::command::{SimpleCommand, commands};
use crate::rule::Report;

/// Programs and the words that switch checks off.
const SWITCHES: [(&[&str], &[&str]); 9] = [
    (&["curl"], &["-k", "--insecure", "--proxy-insecure"]),
    (&["wget"], &["--no-check-certificate"]),
    (&["apt-get", "apt"], &["--allow-unauthenticated", "--allow-insecure-repositories", "--force-yes"]),
    (&["apk"], &["--allow-untrusted"]),
    (&["yum", "dnf", "microdnf"], &["--nogpgcheck"]),
    (&["rpm"], &["--nosignature", "--nodigest", "--noverify"]),
    (&["pip", "pip3"], &["--trusted-host"]),
    (&["git"], &["http.sslVerify=false"]),
    (&["npm"], &["strict-ssl=false", "--strict-ssl=false"]),
];

/// Variables that switch checks off, with the value that does.
const VARIABLES: [(&str, &str); 4] = [
    ("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
    ("PYTHONHTTPSVERIFY", "0"),
    ("GIT_SSL_NO_VERIFY", "true"),
    ("GIT_SSL_NO_VERIFY", "1"),
];

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for instruction in view.tree.instructions() {
            for command in commands(instruction) {
                if let Some(word) = switch(&command) {
                    let message = format!("{} is told not to check: {word}", command.program());
                    report.add(&view.path, view.place(instruction.span, word), message);
                }
            }
            let Kind::Env(pairs) = &instruction.kind else {
                continue;
            };
            for pair in pairs {
                let value = pair.value.trim_matches(['"', '\'']);
                if VARIABLES.contains(&(pair.key.as_str(), value)) {
                    let span = view.place(instruction.span, &pair.key);
                    report.add(&view.path, span, format!("{}={value} switches a check off", pair.key));
                }
            }
        }
    }
}

fn switch(command: &SimpleCommand) -> Option<&str> {
    let known = SWITCHES.iter().find(|(programs, _)| programs.contains(&command.program()))?;
    let mut words = command.words.iter().map(String::as_str);
    words.find(|word| known.1.contains(&word.split_once("=").map_or(*word, |(name, _)| name)) || known.1.contains(word))
}
