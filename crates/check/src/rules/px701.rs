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

/// Words that serve HTTP wherever they stand.
const SERVERS: [&str; 11] = [
    "uvicorn", "gunicorn", "hypercorn", "flask", "runserver", "http.server", "--http", "--port", "--listen", "--bind",
    "--host",
];

/// Programs whose command `serve` is a web server. Of others it says nothing: many serve over standard input and output.
const SITES: [&str; 12] = [
    "artisan", "gatsby", "hugo", "jekyll", "mkdocs", "ng", "npm", "npx", "pnpm", "vite", "vue-cli-service", "yarn",
];

pub(super) fn run(repository: &Repository, report: &mut Report) {
    let stdio = repository.policy.image.transport == Transport::Stdio;
    for view in &repository.dockerfiles {
        if let Some((instruction, Command::Shell(_))) = view.entrypoint() {
            report.add(&view.path, instruction.span, "ENTRYPOINT is in shell form");
        }
        let commands = view.runtime().into_iter().rev();
        let default = commands.into_iter().find(|one| matches!(one.kind, Kind::Cmd(_)));
        if let Some(Kind::Cmd(Command::Shell(_))) = default.map(|one| &one.kind) {
            let span = default.map_or_else(Default::default, |one| one.span);
            report.add(&view.path, span, "CMD is in shell form");
        }
        for instruction in view.runtime().into_iter().filter(|_| stdio) {
            match &instruction.kind {
                Kind::Entrypoint(command) | Kind::Cmd(command) => {
                    let words = match command {
                        Command::Exec(words) => words.clone(),
                        Command::Shell(line) => line.split_whitespace().map(str::to_string).collect(),
                    };
                    let program = match (&instruction.kind, view.entrypoint()) {
                        (Kind::Cmd(_), Some((_, Command::Exec(program)))) => program.last(),
                        _ => None,
                    };
                    if let Some(word) = server(program, &words) {
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

/// The word by which a command is a web server. `program` is what stands before the words, in an entry point.
fn server<'a>(program: Option<&'a String>, words: &'a [String]) -> Option<&'a String> {
    let name = |word: &String| {
        let option = word.split('=').next().unwrap_or_default();
        option.rsplit('/').next().unwrap_or_default().to_string()
    };
    (0..words.len()).map(|index| (index, name(&words[index]))).find_map(|(index, word)| {
        let before = index.checked_sub(1).map_or(program, |index| words.get(index)).map(name);
        let site = word == "serve" && before.is_none_or(|before| SITES.contains(&before.as_str()));
        (site || SERVERS.contains(&word.as_str())).then(|| &words[index])
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn serve_is_a_web_server_of_some_programs_only() {
        let serves = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| word.to_string()).collect();
            super::server(None, &words).cloned()
        };
        for words in [&["serve", "-s", "build"][..], &["/usr/bin/ng", "serve"], &["python", "-m", "http.server"]] {
            assert!(serves(words).is_some(), "{words:?}");
        }
        assert_eq!(serves(&["/app", "--port=80"]).as_deref(), Some("--port=80"));
        assert_eq!(serves(&["/usr/local/bin/praxis", "serve"]), None);
        let (program, words) = ("/usr/local/bin/praxis".to_string(), ["serve".to_string()]);
        assert_eq!(super::server(Some(&program), &words), None);
    }
}
