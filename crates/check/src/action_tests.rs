use super::*;
use crate::{Facts, MemoryTree, Repository};
use praxis_oci::{Digest, Reference};

const OLD: &str = "1111111111111111111111111111111111111111";
const NEW: &str = "2222222222222222222222222222222222222222";

/// One server with one repository.
struct Server;

impl Resolver for Server {
    fn resolve(&self, reference: &Reference) -> Result<Digest, String> {
        Ok(Digest::of(reference.to_string().as_bytes()))
    }

    fn references(&self, address: &str) -> Result<BTreeMap<String, String>, String> {
        let known = ["https://github.com/a/b", "https://git.example.com/a/b"];
        if !known.contains(&address) {
            return Err(format!("{address}: no such repository"));
        }
        let pairs = [
            ("refs/tags/v4", NEW),
            ("refs/tags/v4.2", NEW),
            ("refs/tags/v4.2.1", NEW),
            ("refs/tags/v4.2.1-rc.1", NEW),
            ("refs/tags/nightly-5", NEW),
            ("refs/tags/v4.2.0", OLD),
            ("refs/heads/main", OLD),
            ("refs/heads/both", OLD),
            ("refs/tags/both", NEW),
        ];
        Ok(pairs.map(|(name, commit)| (name.into(), commit.into())).into())
    }
}

fn pinned(path: &str, policy: &str, text: &str, update: bool) -> (String, Vec<Pin>) {
    let tree = MemoryTree::default().with(path, text).with("praxis.toml", policy);
    let facts = Facts {
        today: "2026-11-25".into(),
        git: None,
    };
    let repository = Repository::read(&tree, facts).unwrap();
    let found = crate::pins(&repository, &Server, update);
    let edits = found.iter().flat_map(|pin| pin.edits.clone()).collect();
    (crate::edit::apply(path, text, edits).unwrap(), found)
}

const WORKFLOW: &str = ".github/workflows/ci.yml";

#[test]
fn actions_get_their_commit_and_nothing_else_changes() {
    let text = "jobs:\r\n  a:\r\n    container: node:20\r\n    services:\r\n      db: {image: 'postgres:16'}\r\n    steps:\r\n      \
                - uses:   a/b@v4\r\n      - uses: \"a/b/sub@v4.2\"   # why\r\n      - {uses: a/b@v4}\r\n      - uses: ./own\r\n      \
                - uses: docker://alpine:3\r\n      - uses: a/b@main\r\n  b:\r\n    uses: a/b/.github/workflows/x.yml@v4 # v4.2.1 is good\r\n";
    let (new, found) = pinned(WORKFLOW, "", text, false);
    let digest = |name: &str| Digest::of(name.as_bytes()).to_string();
    let expected = text
        .replace("  a/b@v4\r", &format!("  a/b@{NEW} # v4.2.1\r"))
        .replace("a/b/sub@v4.2\"  ", &format!("a/b/sub@{NEW}\" # v4.2.1  "))
        .replace("{uses: a/b@v4}", &format!("{{uses: a/b@{NEW}}}"))
        .replace("a/b@main", &format!("a/b@{OLD} # v4.2.0"))
        .replace("x.yml@v4", &format!("x.yml@{NEW}"))
        .replace(
            "node:20",
            &format!("node:20@{}", digest("docker.io/library/node:20")),
        )
        .replace(
            "postgres:16",
            &format!("postgres:16@{}", digest("docker.io/library/postgres:16")),
        )
        .replace(
            "alpine:3",
            &format!("alpine:3@{}", digest("docker.io/library/alpine:3")),
        );
    assert_eq!(new, expected, "{found:?}");
    assert_eq!(found.len(), 8, "{found:?}");
    let (again, found) = pinned(WORKFLOW, "", &new, true);
    assert_eq!(again, new, "a second run changes nothing");
    assert!(found.iter().all(|pin| pin.state == PinState::Pinned), "{found:?}");
}

#[test]
fn versions_that_moved_are_said_and_written_on_request_only() {
    let text = format!("jobs:\n  a:\n    steps:\n      - uses: a/b@{OLD} # v4\n");
    assert_eq!(pinned(WORKFLOW, "", &text, false).0, text);
    let (new, found) = pinned(WORKFLOW, "", &text, true);
    assert_eq!(new, text.replace(OLD, NEW));
    assert!(
        matches!(&found[0].state, PinState::Moved { from, .. } if from == OLD),
        "{found:?}"
    );
}

#[test]
fn what_cannot_be_told_is_open() {
    let steps = |uses: &str| format!("jobs:\n  a:\n    steps:\n      - uses: {uses}\n");
    for (uses, part) in [
        ("a/b@v9", "no tag or branch"),
        ("a/b@both", "a tag and a branch"),
        ("a/b", "has no version"),
        ("c/d@v1", "https://github.com/c/d: no such repository"),
        ("&x a/b@v4", "share it"),
    ] {
        let text = steps(uses);
        let (new, found) = pinned(WORKFLOW, "", &text, false);
        assert_eq!(new, text);
        let said = matches!(&found[0].state, PinState::Unresolved(reason) if reason.contains(part));
        assert!(said && found[0].state.is_open(), "{uses}: {found:?}");
    }
}

#[test]
fn the_server_is_the_policys() {
    let path = ".forgejo/workflows/ci.yml";
    let text = "jobs:\n  a:\n    steps:\n      - uses: a/b@v4\n";
    let (_, found) = pinned(path, "", text, false);
    assert!(
        matches!(&found[0].state, PinState::Unresolved(reason) if reason.contains("actions.server")),
        "{found:?}"
    );
    let (new, _) = pinned(
        path,
        "[actions]\nserver = \"https://git.example.com/\"\n",
        text,
        false,
    );
    assert_eq!(new, text.replace("@v4", &format!("@{NEW} # v4.2.1")));
    let written_out = text.replace("a/b", "https://github.com/a/b");
    let (new, _) = pinned(path, "", &written_out, false);
    assert_eq!(new, written_out.replace("@v4", &format!("@{NEW} # v4.2.1")));
    let composite = "runs:\n  using: composite\n  steps:\n    - uses: a/b@v4\n";
    let (new, _) = pinned("build/action.yml", "", composite, false);
    assert_eq!(new, composite.replace("@v4", &format!("@{NEW} # v4.2.1")));
}
