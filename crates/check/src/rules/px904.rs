//! # COPY where ADD does no more
//!
//! `ADD` is for addresses and archives; files of the context are copied with `COPY`.
//!
//! # Why
//! ADD unpacks what looks like an archive and fetches what looks like an address: a file that changes its name changes
//! what the image holds.
//!
//! # Bad
//! ```dockerfile bad
//! FROM scratch
//! ADD app.conf /etc/app.conf
//! ```
//! # Good
//! ```dockerfile good
//! FROM scratch
//! COPY app.conf /etc/app.conf
//! ```
//! # Fix
//! `praxis check --fix=unsafe` writes COPY.

use praxis_dockerfile::{Kind, Transfer};

use crate::rule::Report;
use crate::{Edit, Repository};

pub(super) fn run(repository: &Repository, report: &mut Report) {
    for view in &repository.dockerfiles {
        for instruction in view.tree.instructions() {
            let Kind::Add(transfer) = &instruction.kind else {
                continue;
            };
            if plain(transfer) {
                let lower = view.file.slice(instruction.keyword) == "add";
                let edit = Edit {
                    path: view.path.clone(),
                    span: instruction.keyword,
                    text: if lower { "copy" } else { "COPY" }.into(),
                };
                let finding = report.add(&view.path, instruction.keyword, "ADD does no more than COPY here");
                finding.unsafely(vec![edit]);
            }
        }
    }
}

/// Whether nothing in it can be an address or an archive.
fn plain(transfer: &Transfer) -> bool {
    let endings = [".conf", ".cfg", ".json", ".yaml", ".yml", ".toml", ".txt", ".py", ".js", ".sh", ".html", ".xml"];
    let file = |source: &String| {
        let known = endings.iter().any(|ending| source.ends_with(ending));
        known && !source.contains(['$', '*', '?', '[']) && !source.contains("://") && !source.contains('@')
    };
    let special = transfer.checksum.is_some() || transfer.keep_git_directory || transfer.unpack.is_some();
    !special && !transfer.sources.is_empty() && transfer.sources.iter().all(file)
}
