use super::*;
use crate::{Facts, MemoryTree};

fn digests() -> (Digest, Digest) {
    (Digest::of(b"old"), Digest::of(b"new"))
}

/// Every image has the digest of its own name.
struct Shelf;

impl Resolver for Shelf {
    fn resolve(&self, reference: &Reference) -> Result<Digest, String> {
        match reference.tag() {
            Some("gone") => Err("no such image".into()),
            _ => Ok(Digest::of(reference.to_string().as_bytes())),
        }
    }

    fn references(&self, address: &str) -> Result<BTreeMap<String, String>, String> {
        Err(format!("{address} is not reachable"))
    }
}

fn pinned(path: &str, text: &str, update: bool) -> (String, Vec<Pin>) {
    pinned_under("", path, text, update)
}

fn pinned_under(policy: &str, path: &str, text: &str, update: bool) -> (String, Vec<Pin>) {
    let tree = MemoryTree::default().with(path, text).with("praxis.toml", policy);
    let facts = Facts {
        today: "2026-11-25".into(),
        git: None,
    };
    let repository = Repository::read(&tree, facts).unwrap();
    let found = pins(&repository, &Shelf, update);
    let mut edits: Vec<Edit> = found.iter().flat_map(|pin| pin.edits.clone()).collect();
    edits.sort();
    edits.dedup();
    (crate::edit::apply(path, text, edits).unwrap(), found)
}

fn digest_of(name: &str) -> String {
    Digest::of(name.as_bytes()).to_string()
}

#[test]
fn everything_that_names_an_image_is_pinned_and_nothing_else_changes() {
    let text = "# syntax=docker/dockerfile:1\r\nARG BASE=python:3.12  # no\r\nFROM ${BASE} AS b\r\n\r\n\
                FROM  debian:12\r\nCOPY --from=busybox:1 /a /a\r\nRUN --mount=from=tools:2,target=/t true\r\n\
                COPY --from=b /x /x\r\nLABEL org.opencontainers.image.base.name=\"old\" \\\r\n  \
                org.opencontainers.image.base.digest=\"sha256:1\"\r\n";
    let (new, found) = pinned("Dockerfile", text, false);
    assert_eq!(found.len(), 5);
    let debian = digest_of("docker.io/library/debian:12");
    let expected = text
        .replace(
            "dockerfile:1",
            &format!("dockerfile:1@{}", digest_of("docker.io/docker/dockerfile:1")),
        )
        .replace(
            "python:3.12 ",
            &format!("python:3.12@{} ", digest_of("docker.io/library/python:3.12")),
        )
        .replace(
            "FROM  debian:12",
            &format!("# debian:12\r\nFROM  debian:12@{debian}"),
        )
        .replace(
            "busybox:1",
            &format!("busybox:1@{}", digest_of("docker.io/library/busybox:1")),
        )
        .replace(
            "tools:2",
            &format!("tools:2@{}", digest_of("docker.io/library/tools:2")),
        )
        .replace("\"old\"", "\"docker.io/library/debian:12\"")
        .replace("\"sha256:1\"", &format!("\"{debian}\""));
    assert_eq!(new, expected);
    let (again, found) = pinned("Dockerfile", &new, true);
    assert_eq!(again, new, "a second run changes nothing");
    assert!(found.iter().all(|pin| pin.state == PinState::Pinned), "{found:?}");
}

#[test]
fn updates_replace_digests_and_labels_together() {
    let (old, _) = digests();
    let text = format!(
        "# debian:12\nFROM debian:12@{old}\nLABEL org.opencontainers.image.base.digest={old}\n# {old}\n"
    );
    let (kept, _) = pinned("Dockerfile", &text, false);
    assert_eq!(kept, text);
    let (new, found) = pinned("Dockerfile", &text, true);
    let digest = digest_of("docker.io/library/debian:12");
    let expected = format!(
        "# debian:12\nFROM debian:12@{digest}\nLABEL org.opencontainers.image.base.digest={digest}\n# {old}\n"
    );
    assert_eq!(new, expected);
    assert!(matches!(found[0].state, PinState::Moved { .. }));
}

#[test]
fn what_cannot_be_pinned_is_said() {
    let (new, found) = pinned("Dockerfile", "ARG V=1\nFROM python:$V\nFROM debian:gone\n", false);
    assert_eq!(new, "ARG V=1\nFROM python:$V\nFROM debian:gone\n");
    assert!(
        found
            .iter()
            .all(|pin| matches!(pin.state, PinState::Unresolved(_))),
        "{found:?}"
    );
}

#[test]
fn yaml_keeps_every_other_byte() {
    let zeros = "0".repeat(64);
    let text = format!(
        "# values\n\nimage:   # the image\n    repository: 'ghcr.io/x/y'\n    digest: \"sha256:{zeros}\"\n    \
         tag: v1\nsidecar:\n    image: a.example/b:2   # c\nz: 1\na: 2\n"
    );
    let (new, found) = pinned("deploy/values.yaml", &text, false);
    assert_eq!(found.len(), 2, "{found:?}");
    let expected = text
        .replace(&format!("sha256:{zeros}"), &digest_of("ghcr.io/x/y:v1"))
        .replace(
            "a.example/b:2",
            &format!("a.example/b:2@{}", digest_of("a.example/b:2")),
        );
    assert_eq!(new, expected);
}

/// A digest of the own image is that of a verified release, or the placeholder until there is one: no tag says what it becomes.
#[test]
fn digests_of_the_own_image_are_left_to_promote() {
    let policy = "[image]\nname = \"ghcr.io/x/y\"\n";
    for digest in [format!("sha256:{}", "0".repeat(64)), digest_of("released")] {
        let values = format!(
            "image:\n  repository: ghcr.io/x/y\n  tag: v1\n  digest: {digest}\nsidecar:\n  image: a.example/b:2\n"
        );
        let package = format!(
            "components:\n  - name: x\n    images:\n      - ghcr.io/x/y:v1@{digest}\n      - a.example/b:2\n"
        );
        for (path, text) in [("deploy/values.yaml", values), ("zarf.yaml", package)] {
            let expected = text.replace("b:2", &format!("b:2@{}", digest_of("a.example/b:2")));
            let (new, found) = pinned_under(policy, path, &text, true);
            assert_eq!(new, expected, "{path}");
            assert_eq!(found.len(), 1, "{path}: {found:?}");
            let (others, found) = pinned_under("", path, &text, true);
            assert_ne!(
                others, expected,
                "{path}: of another repository it is an image like any other"
            );
            assert_eq!(found.len(), 2, "{path}: {found:?}");
        }
    }
    // Without a digest it is not what was released, and pinned like others.
    let (_, found) = pinned_under(policy, "deploy/values.yaml", "image: ghcr.io/x/y:v1\n", false);
    assert!(
        matches!(&found[..], [one] if matches!(one.state, PinState::Unpinned(_))),
        "{found:?}"
    );
}

/// security row 71: anchors and repeated keys are left alone.
#[test]
fn row_71_aliases_and_repeated_keys_are_not_edited() {
    let text = "services:\n  a:\n    image: &x a.example/b:2\n  b:\n    image: *x\n  c:\n    image: a.example/c:1\n    \
                image: a.example/d:1\n";
    let (new, _) = pinned("compose.yaml", text, false);
    assert!(new.contains("&x a.example/b:2\n"), "{new}");
    assert!(new.contains("image: *x\n"));
}

fn replaced(template: &str, name: &str) -> usize {
    let (old, new) = digests();
    let text = template.replace("OLD!", "OLD").replace("OLD", &old.to_string());
    let expected = template
        .replace("OLD!", &new.to_string())
        .replace("OLD", &old.to_string());
    let result = repin(&text, name, &old, &new);
    assert_eq!(result.text, expected);
    result.replaced
}

/// `OLD!` is where the new digest is expected, `OLD` where the old one stays.
#[test]
fn replaces_pins_and_labels_only() {
    let text = "# python@OLD\r\n\
        ARG BASE=python:3.13@OLD!\r\n\
        FROM --platform=linux/amd64 python@OLD! AS builder\n\
        from other@OLD\n\
        FROM docker.io/library/python:3@OLD!\n\
        FROM ${X:-python@OLD!}\n\
        FROM python-runtime@OLD\n\
        FROM example.invalid:5000/python@OLD\n\
        COPY --from=python@OLD! /a /python@OLD\n\
        RUN --mount=type=bind,from=python@OLD!,target=/x \\\n  # python@OLD\n  echo python@OLD\n\
        LABEL org.opencontainers.image.base.name=python \\\n\
        \x20     org.opencontainers.image.base.digest=\"OLD!\" \\\n\
        \x20     other=OLD\n\
        COPY <<EOF /pins\nFROM python@OLD\nEOF\n\
        ENV X=python@OLD";
    assert_eq!(replaced(text, "python"), 7);
}

#[test]
fn names_with_dashes_and_registries_match_whole() {
    assert_eq!(
        replaced("FROM python-runtime:1@OLD!\nFROM runtime@OLD\n", "python-runtime"),
        1
    );
    assert_eq!(
        replaced("FROM h.invalid:5000/a/b:1@OLD!\n", "h.invalid:5000/a/b"),
        1
    );
    let escaped = "# escape=`\nFROM a\nLABEL a=b `\n org.opencontainers.image.base.digest=OLD!\n";
    assert_eq!(replaced(escaped, "x"), 1);
    assert_eq!(
        replaced(
            "FROM a\nRUN <<-E cat\n\tFROM python@OLD\n\tE\nFROM python@OLD!\n",
            "python"
        ),
        1
    );
}

#[test]
fn packages_and_kustomizations_are_pinned_where_a_digest_can_stand() {
    let (a, b) = (digest_of("a.example/a:1"), digest_of("a.example/b:2"));
    for (path, text, expected) in [
        (
            "zarf.yaml",
            "kind: ZarfPackageConfig\r\ncomponents:\r\n  - name: x\r\n    images:\r\n      - a.example/a:1   # keep\r\n      - 'a.example/b:2'\r\n",
            format!(
                "kind: ZarfPackageConfig\r\ncomponents:\r\n  - name: x\r\n    images:\r\n      - a.example/a:1@{a}   # keep\r\n      - 'a.example/b:2@{b}'\r\n"
            ),
        ),
        (
            "k/kustomization.yaml",
            "images:\n  - name: app\n    newName: a.example/a # new\n    newTag: \"1\" # tag\n  - {name: a.example/b, newTag: '2'}\n# end",
            format!(
                "images:\n  - name: app\n    newName: a.example/a # new\n    newTag: \"1\" # tag\n    digest: {a}\n  - {{name: a.example/b, newTag: '2', digest: {b}}}\n# end"
            ),
        ),
        (
            "compose.yaml",
            "services:\n  own:\n    build: .\n    image: own:dev\n  a: {image: 'a.example/a:1'}\n  b:\n\n    image:   \"a.example/b:2\"\n",
            format!(
                "services:\n  own:\n    build: .\n    image: own:dev\n  a: {{image: 'a.example/a:1@{a}'}}\n  b:\n\n    image:   \"a.example/b:2@{b}\"\n"
            ),
        ),
    ] {
        let (new, found) = pinned(path, text, false);
        assert_eq!(new, expected, "{found:?}");
        let (again, found) = pinned(path, &new, true);
        assert_eq!(again, new, "{path}: a second run changes nothing");
        assert!(found.iter().all(|pin| pin.state == PinState::Pinned), "{found:?}");
    }
}

/// What a variable names may be anything: a check must not pass over it.
#[test]
fn variables_of_compose_are_not_passed_over() {
    let (_, found) = pinned(
        "compose.yaml",
        "services:\n  a:\n    image: ${IMAGE:-a.example/a:1}\n",
        false,
    );
    assert!(
        matches!(&found[..], [one] if matches!(one.state, PinState::Unresolved(_))),
        "{found:?}"
    );
}
