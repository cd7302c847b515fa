//! Files as careful maintainers have them: nothing may be found in them that is not there.

use std::path::Path;

use praxis_check::{Facts, Finding, MemoryTree, Repository, check};
use praxis_source::Severity;

/// The files of a directory, below it.
fn read(directory: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut left = vec![directory.to_path_buf()];
    while let Some(place) = left.pop() {
        for entry in std::fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() || path.is_dir() {
                left.extend((!path.is_symlink()).then_some(path));
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let name = path.strip_prefix(directory).unwrap().to_str().unwrap();
                files.push((name.to_string(), text));
            }
        }
    }
    files
}

fn errors(files: &[(String, String)]) -> Vec<Finding> {
    let add = |tree: MemoryTree, (path, text): &(String, String)| tree.with(path, text);
    let tree = files.iter().fold(MemoryTree::default(), add);
    let facts = Facts {
        today: "2026-11-26".into(),
        git: None,
    };
    let repository = Repository::read(&tree, facts).unwrap();
    assert!(!repository.dockerfiles.is_empty());
    let errors = check(&repository).unwrap().into_iter();
    errors.filter(|one| one.severity == Severity::Error).collect()
}

/// The repositories below a directory of this workspace, by name.
fn repositories(below: &str) -> Vec<(String, Vec<(String, String)>)> {
    let below = Path::new(env!("CARGO_MANIFEST_DIR")).join(below);
    let mut all: Vec<_> = std::fs::read_dir(below)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                read(&path),
            )
        })
        .collect();
    all.sort();
    all
}

#[test]
fn nothing_is_wrong_in_sixty_careful_repositories() {
    let all = repositories("tests/corpus");
    assert!(all.len() >= 60, "{}", all.len());
    let found = all.iter().flat_map(|(name, files)| {
        let said = |one: Finding| format!("{name}: {} {}", one.rule, one.message);
        errors(files).into_iter().map(said).collect::<Vec<_>>()
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// The silence of the test above is not that of somebody asleep: each of the files has one digest taken away, one user
/// changed and one label's digest changed, and that is found.
#[test]
fn what_is_then_planted_there_is_found() {
    let mut planted = 0;
    for (name, files) in repositories("tests/corpus") {
        let (place, (path, text)) = files
            .iter()
            .enumerate()
            .find(|(_, (path, _))| path == "Dockerfile")
            .unwrap();
        let changed = |text: String, rule: &str| {
            let mut files = files.clone();
            files[place] = (path.clone(), text);
            let found = errors(&files);
            assert!(
                found.iter().any(|one| one.rule == rule),
                "{name}: {rule}: {found:?}"
            );
        };
        let user = text.rfind("\nUSER ").unwrap() + 6;
        changed(
            format!(
                "{}0:0{}",
                &text[..user],
                &text[user + text[user..].find('\n').unwrap()..]
            ),
            "PX301",
        );
        if let Some(digest) = text.find("@sha256:").filter(|at| text[..*at].contains("FROM ")) {
            changed(format!("{}{}", &text[..digest], &text[digest + 72..]), "PX101");
            planted += 1;
        }
        if let Some(label) = text.find("base.digest=\"sha256:") {
            let at = label + "base.digest=\"sha256:".len();
            changed(
                format!("{}{}{}", &text[..at], "0".repeat(64), &text[at + 64..]),
                "PX104",
            );
        }
    }
    assert!(planted >= 50, "{planted}");
}

/// Without a praxis.toml nobody has declared anything: what the builder accepts is no error.
#[test]
fn files_that_declare_nothing_have_no_errors() {
    let all = repositories("../../differential/cases");
    assert!(all.len() >= 60, "{}", all.len());
    for (name, files) in all {
        let found = errors(&files);
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}
