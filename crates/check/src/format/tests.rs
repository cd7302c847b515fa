use super::*;
use crate::{Facts, MemoryTree, check};

fn hostile(format: Format) -> String {
    let text = "FROM a\u{1b}[2J\nFROM debian:12\n# é\nCOPPY \u{202e}<&\" /x\n";
    let tree = MemoryTree::default().with("a,b:c%\n/Dockerfile", text);
    let facts = Facts {
        today: "2026-11-25".into(),
        git: None,
    };
    let repository = Repository::read(&tree, facts).unwrap();
    let findings = check(&repository).unwrap();
    assert!(!findings.is_empty());
    write(format, &repository, &findings)
}

/// security row 72: texts of a repository reach terminals and logs.
#[test]
fn row_72_no_format_passes_commands_of_a_terminal_on() {
    for format in [
        Format::Human,
        Format::Json,
        Format::Sarif,
        Format::Github,
        Format::Junit,
    ] {
        let text = hostile(format);
        assert!(!text.contains('\u{1b}'), "{format:?}: {text}");
    }
    let github = hostile(Format::Github);
    assert!(github.lines().all(|line| line.starts_with("::")), "{github}");
}
