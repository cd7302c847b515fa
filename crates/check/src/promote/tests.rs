use super::*;
use crate::{Entry, EntryKind, MemoryTree};

const OLD: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const NEW: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";
const ZEROS: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const OWN: &str = "ghcr.io/example/app";
const VALUES: &str = "deploy/helm/app/values.yaml";

fn promote(tree: &dyn FileTree, policy: &str) -> Result<Promotion, CheckError> {
    let digest = NEW.parse().unwrap();
    let policy = Policy::parse(policy).unwrap();
    let image = Promoted {
        variant: None,
        digest: &digest,
        tags: &["1.2.3".into()],
    };
    Deployments::find(tree, &policy, OWN)?.promote(&[image])
}

fn values(text: &str) -> MemoryTree {
    MemoryTree::default().with(VALUES, text)
}

/// The text after the promotion of one file.
fn promoted(path: &str, text: &str) -> String {
    let promotion = promote(&MemoryTree::default().with(path, text), "").unwrap();
    assert_eq!(promotion.patches.len(), 1, "{text}");
    promotion.patches[0].new.clone()
}

fn refused(text: &str) -> String {
    promote(&values(text), "").unwrap_err().to_string()
}

#[test]
fn digests_are_found_in_every_form() {
    let forms = [
        (VALUES, format!("image:\n  repository: {OWN}\n  digest: {OLD}\n")),
        (
            VALUES,
            format!("image:\n  registry: ghcr.io\n  repository: example/app\n  tag: \"1.2.3@{OLD}\"\n"),
        ),
        (
            "deploy/zarf.yaml",
            format!("components:\n  - name: app\n    images:\n      - {OWN}:1.2.3@{OLD}\n"),
        ),
        (
            "deploy/kustomization.yaml",
            format!("images:\n  - name: {OWN}\n    newTag: 1.2.3\n    digest: {OLD}\n"),
        ),
        (
            "deploy/kustomization.yaml",
            format!("images:\n  - name: app\n    newName: {OWN}\n    digest: '{OLD}'\n"),
        ),
        (
            "compose.yaml",
            format!("services:\n  app:\n    image: {OWN}@{OLD}\n"),
        ),
    ];
    for (path, text) in forms {
        assert_eq!(promoted(path, &text), text.replace(OLD, NEW), "{path}");
    }
}

#[test]
fn only_the_digits_change_of_files_with_unusual_bytes() {
    for text in [
        format!("# é {OLD}\r\n\r\nimage:   # the image\r\n\trepository: x\r\n")
            .replace("\trepository: x\r\n", "")
            + &format!("  repository: {OWN}\r\n  digest:  '{OLD}'  # {OLD}\r\n\r\n\r\nother: \"é\"\r\n"),
        format!("image: {{ repository: {OWN}, digest: \"{OLD}\" }} # no line feed at the end"),
        format!("---\nother: 1\n---\nimage:\n  digest: {OLD}\n  repository: {OWN}\n...\n\n"),
        format!(
            "a:\n  image: {{repository: {OWN}, digest: {OLD}}}\nb:\n  image: {{repository: {OWN}, digest: {OLD}}}\n"
        ),
    ] {
        let new = promoted(VALUES, &text);
        assert_eq!(new.len(), text.len());
        let changed = new.bytes().zip(text.bytes()).filter(|(a, b)| a != b).count();
        let places = text.matches("repository").count();
        assert_eq!(changed, 64 * places, "{text}");
        let comments = |text: &str| {
            text.lines()
                .filter_map(|line| line.split_once('#'))
                .map(|it| it.1.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(comments(&new), comments(&text));
    }
}

#[test]
fn row_71_anchors_aliases_merges_and_duplicates_are_refused() {
    let anchor = "an anchor is on it or around it";
    let twice = "is there twice";
    for (text, says) in [
        (
            format!("image:\n  repository: {OWN}\n  digest: &d {OLD}\nother: *d\n"),
            anchor,
        ),
        (
            format!("d: &d {OLD}\nimage:\n  repository: {OWN}\n  digest: *d\n"),
            anchor,
        ),
        (
            format!("image: &i\n  repository: {OWN}\n  digest: {OLD}\njob: *i\n"),
            anchor,
        ),
        (
            format!("x: &x\n  image:\n    repository: {OWN}\n    digest: {OLD}\ny: *x\n"),
            anchor,
        ),
        (format!("x: &x {OWN}@{OLD}\nimage: *x\n"), anchor),
        (format!("image: &x {OWN}@{OLD}\n"), anchor),
        (
            format!("base: &b {{a: 1}}\nimage:\n  <<: *b\n  repository: {OWN}\n  digest: {OLD}\n"),
            "merged",
        ),
        (
            format!("image:\n  repository: {OWN}\n  digest: {OLD}\n  digest: {OLD}\n"),
            twice,
        ),
        (
            format!("image:\n  repository: {OWN}\n  repository: other\n  digest: {OLD}\n"),
            twice,
        ),
        (
            format!("image:\n  repository: {OWN}\n  digest: {OLD}\nimage:\n  a: 1\n"),
            twice,
        ),
    ] {
        let message = refused(&text);
        assert!(
            message.starts_with("deploy/helm/app/values.yaml:") && message.contains(says),
            "{text}{message}"
        );
    }
}

#[test]
fn what_is_not_clear_is_refused() {
    let other = OLD.replace(&"1".repeat(64), &"3".repeat(64));
    for (text, says) in [
        (
            format!("image:\n  repository: {OWN}\n  tag: 1.2.3@{OLD}\n  digest: {OLD}\n"),
            "it has two digests",
        ),
        (
            format!("image:\n  repository: {OWN}\n  tag: 1.2.3\n"),
            "it has no digest",
        ),
        (format!("image: {OWN}:1.2.3\n"), "it has no digest"),
        (
            format!("image:\n  repository: {OWN}\n  digest: sha256:12\n"),
            "is no digest",
        ),
        (
            format!("image:\n  repository: {OWN}\n  digest: \"\\x73{}\"\n", &OLD[1..]),
            "without escapes",
        ),
        (
            format!("image:\n  repository: {OWN}\n  digest: >-\n    {OLD}\n"),
            "without escapes",
        ),
        (
            format!("a: {{repository: {OWN}, digest: {OLD}}}\nb: {{repository: {OWN}, digest: {other}}}\n"),
            "several digests",
        ),
        (
            format!("image:\n  repository: {OWN}\n  tag: 1.2.2\n  digest: {OLD}\n"),
            "write the tag first",
        ),
        ("image: [\n".into(), "values.yaml:"),
        (
            "image:\n  repository: other\n".into(),
            "no file of promote.files deploys it",
        ),
    ] {
        let message = refused(&text);
        assert!(message.contains(says), "{text}{message}");
    }
}

/// A tree with links.
struct Linked(MemoryTree, Vec<&'static str>);

impl FileTree for Linked {
    fn entries(&self) -> Result<Vec<Entry>, CheckError> {
        let link = |path: &&str| Entry {
            path: path.to_string(),
            kind: EntryKind::Link,
        };
        Ok(self
            .0
            .entries()?
            .into_iter()
            .chain(self.1.iter().map(link))
            .collect())
    }

    fn read(&self, path: &str) -> Result<String, CheckError> {
        self.0.read(path)
    }
}

#[test]
fn row_70_links_and_paths_outside_are_refused() {
    let text = format!("image:\n  repository: {OWN}\n  digest: {OLD}\n");
    for link in [
        "deploy/helm/app/values-prod.yaml",
        "deploy/helm/other",
        "deploy/zarf.yaml",
        "compose.yaml",
    ] {
        let error = promote(&Linked(values(&text), vec![link]), "")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with(link) && error.contains("symbolic link"),
            "{error}"
        );
    }
    let elsewhere = Linked(values(&text), vec!["docs/latest", "deploy/notes"]);
    assert_eq!(promote(&elsewhere, "").unwrap().patches.len(), 1);
    for (pattern, says) in [
        ("../values.yaml", "inside the repository"),
        ("/etc/values.yaml", "inside the repository"),
        ("deploy/../../x", "inside the repository"),
        ("deploy/missing.yaml", "no such file"),
    ] {
        let policy = format!("[promote]\nfiles = [\"{pattern}\"]\n");
        let error = promote(&values(&text), &policy).unwrap_err().to_string();
        assert!(error.contains(says), "{pattern}: {error}");
    }
}

#[test]
fn values_for_production_inherit_the_repository_and_must_not_hold_the_placeholder() {
    let tree = values(&format!("image:\n  repository: {OWN}\n  digest: {OLD}\n"))
        .with(
            "deploy/helm/app/values-prod.yaml",
            &format!("replicas: 3\nimage:\n  digest: {ZEROS}\n"),
        )
        .with(
            "deploy/helm/app/values-dev.yaml",
            "image:\n  pullPolicy: Always\n",
        );
    let found = Deployments::find(&tree, &Policy::default(), OWN).unwrap();
    let problems: Vec<_> = found
        .problems(None)
        .into_iter()
        .map(|(place, why)| (place.line, why))
        .collect();
    assert!(
        problems
            .iter()
            .any(|(line, why)| *line == 3 && why.contains("placeholder")),
        "{problems:?}"
    );
    let promotion = promote(&tree, "").unwrap();
    assert_eq!(promotion.patches.len(), 2);
    assert!(promotion.patches.iter().all(|patch| patch.new.contains(NEW)));
}

#[test]
fn variants_get_their_own_digest_or_are_left_alone() {
    let text = format!(
        "a: {{repository: {OWN}, tag: \"1.2.3@{OLD}\"}}\nb: {{repository: {OWN}, tag: \"1.2.2-tsa@{ZEROS}\"}}\n"
    );
    let policy = "[variants.tsa]\nstage = \"tsa\"\n";
    let promotion = promote(&values(&text), policy).unwrap();
    assert_eq!(promotion.left.len(), 1);
    assert_eq!(promotion.patches[0].new, text.replace(OLD, NEW));
    let digest = NEW.parse().unwrap();
    let found = Deployments::find(&values(&text), &Policy::parse(policy).unwrap(), OWN).unwrap();
    let tsa = Promoted {
        variant: Some("tsa"),
        digest: &digest,
        tags: &["1.2.2-tsa".into()],
    };
    assert_eq!(
        found.promote(&[tsa]).unwrap().patches[0].new,
        text.replace(ZEROS, NEW)
    );
}

#[test]
fn the_released_digest_of_the_policy_is_kept_too() {
    let policy = format!("# the last\r\n[deploy]\r\nreleased = \"{ZEROS}\" # zeros\r\n");
    let text = format!("image:\n  repository: {OWN}\n  digest: {ZEROS}\n");
    let promotion = promote(&values(&text).with("praxis.toml", &policy), &policy).unwrap();
    assert_eq!(promotion.patches[1].new, policy.replace(ZEROS, NEW));
}

#[test]
fn a_check_finds_what_is_neither_placeholder_nor_released() {
    let zarf = format!("components:\n  - images: [\"{OWN}@{OLD}\"]\n");
    let tree =
        values(&format!("image:\n  repository: {OWN}\n  digest: {ZEROS}\n")).with("deploy/zarf.yaml", &zarf);
    let policy = Policy::default();
    let problems = |tree: &MemoryTree, released| {
        let found = Deployments::find(tree, &policy, OWN).unwrap();
        found
            .problems(released)
            .into_iter()
            .map(|(_, why)| why)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        problems(&tree, Some(OLD)),
        [format!("{OLD} here, {ZEROS} in {VALUES}")]
    );
    let equal = tree.with(VALUES, &format!("image:\n  repository: {OWN}\n  digest: {OLD}\n"));
    assert!(problems(&equal, Some(OLD)).is_empty() && problems(&equal, None).is_empty());
    assert_eq!(problems(&equal, Some(NEW)).len(), 2);
}
