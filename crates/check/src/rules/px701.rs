//! # The image starts as declared, without a shell
//!
//! ENTRYPOINT and CMD are in exec form. Where `image.transport` is `stdio`, the default command starts no server.
//!
//! # Why
//! In shell form the process is a child of a shell: it does not get the signals, and the image needs a shell. A
//! server that starts by default is reachable before anybody decided that.
//!
//! # Bad
//! ```dockerfile bad
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ENTRYPOINT python -m app
//! ```
//! # Good
//! ```dockerfile good
//! FROM debian:12@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
//! ENTRYPOINT ["python", "-m", "app"]
//! ```
//! # Fix
//! Write the words as a JSON array, and leave serving HTTP to an argument of the operator.

use praxis_dockerfile::{Command, Kind};

use crate::policy::Transport;
use crate::rule::Report;
use crate::Repository;

const SERVERS: [&str; 12] = [
    "uvicorn", "gunicorn", "hypercorn", "flask", "runserver", "http.server", "--http", "--port", "--listen", "--bind",
    "--host", "serve",
];

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let stdio = repository.policy.image.transport == Transport::Stdio;
    for view in &repository.dockerfiles {
        if let Some((instruction, Command::Shell(_))) = view.entrypoint() {
            report.add(&view.path, instruction.span, "ENTRYPOINT is in shell form");
        }
        for instruction in view.runtime().into_iter().filter(|_| stdio) {
            match &instruction.kind {
                Kind::Entrypoint(command) | Kind::Cmd(command) => {
                    let words = match command {
                        Command::Exec(words) => words.clone(),
                        Command::Shell(line) => line.split_whitespace().map(str::to_string).collect(),
                    };
                    let server = words.iter().find(|word| {
                        let name = word.split('=').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
                        SERVERS.contains(&name)
                    });
                    if let Some(word) = server {
                        let span = view.place(instruction.span, word);
                        report.add(&view.path, span, format!("the default command serves: {word}"));
                    }
                }
                Kind::Expose(_) => {
                    report.add(&view.path, instruction.span, "the image speaks over stdio, but exposes a port");
                }
                _ => {}
            }
        }
    }
}
