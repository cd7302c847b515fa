//! What registries say about the images that a repository pins. The caller asks them.

use std::collections::BTreeSet;

use praxis_oci::Reference;
use praxis_source::Span;
use serde::Deserialize;

use crate::rules::deployed;
use crate::{DockerfileView, ImagePlace, Repository, YamlFile};

const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
const BASE_NAME: &str = "org.opencontainers.image.base.name";

/// What a registry says about an image that is named with a digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RegistryAnswer {
    /// The platforms that the digest covers, such as `linux/amd64`; `None` if the registry has no such digest.
    pub platforms: Option<Vec<String>>,
    /// The digest that the tag stands for now.
    pub tag: Option<String>,
    /// When the image of the tag was made, RFC 3339.
    pub tag_created: Option<String>,
}

/// An image that a file names with a digest.
pub(crate) struct Pinned<'r> {
    /// The file.
    pub path: &'r str,
    /// Where.
    pub span: Span,
    /// The image.
    pub reference: Reference,
    /// How it is called in findings.
    pub written: String,
    /// Whether it has to be there for every platform the repository builds for: what is built from it has to.
    pub for_all_platforms: bool,
}

impl Repository {
    /// The images to ask registries for, each once: those that Dockerfiles, their labels, compose files, values, packages
    /// and workflows name with a digest.
    pub fn pinned(&self) -> Vec<Reference> {
        let mut seen = BTreeSet::new();
        let references = self.named_with_digest().into_iter().map(|one| one.reference);
        references
            .filter(|reference| seen.insert(reference.to_string()))
            .collect()
    }

    /// The images that a registry was asked for, with its answers.
    pub(crate) fn answered(&self) -> impl Iterator<Item = (Pinned<'_>, &RegistryAnswer)> {
        let named = self.named_with_digest().into_iter();
        named.filter_map(|one| {
            let answer = self.registries.get(&one.reference.to_string())?;
            Some((one, answer))
        })
    }

    fn named_with_digest(&self) -> Vec<Pinned<'_>> {
        let mut found = Vec::new();
        for view in &self.dockerfiles {
            found.extend(in_dockerfile(view));
            found.extend(in_labels(view));
        }
        for file in &self.yaml {
            found.extend(self.in_yaml(file));
        }
        found
    }

    /// What a YAML file deploys or runs. The own image is not looked for: it may be about to be released.
    fn in_yaml<'r>(&self, file: &'r YamlFile) -> Vec<Pinned<'r>> {
        let images = deployed::images(file)
            .into_iter()
            .chain(deployed::of_workflow(file));
        let pinned = images.filter(|image| !image.is_own(self)).filter_map(|image| {
            let (digest, span) = image
                .digest
                .as_ref()
                .filter(|(digest, _)| !deployed::is_placeholder(digest))?;
            let tag = image.tag.as_ref().map_or(String::new(), |tag| format!(":{tag}"));
            let written = format!("{}{tag}@{digest}", image.name);
            Some(Pinned {
                path: &file.path,
                span: *span,
                reference: written.parse().ok()?,
                written,
                for_all_platforms: false,
            })
        });
        pinned.collect()
    }
}

fn in_dockerfile(view: &DockerfileView) -> impl Iterator<Item = Pinned<'_>> {
    view.images.iter().filter_map(|image| {
        Some(Pinned {
            path: &view.path,
            span: image.span,
            reference: image
                .reference
                .clone()
                .filter(|reference| reference.digest().is_some())?,
            written: image.written.clone(),
            for_all_platforms: image.place != ImagePlace::Syntax,
        })
    })
}

/// The base that labels name, where it is another one than the last FROM.
fn in_labels(view: &DockerfileView) -> Option<Pinned<'_>> {
    let labels = view.label_places();
    let (name, digest) = (labels.get(BASE_NAME)?, labels.get(BASE_DIGEST)?);
    let written = format!("{}@{}", name.value, digest.value);
    let reference: Reference = written.parse().ok()?;
    let base = view.final_base().and_then(|image| image.reference.as_ref());
    (base != Some(&reference)).then(|| Pinned {
        path: &view.path,
        span: digest.literal.unwrap_or(digest.key),
        reference,
        written,
        for_all_platforms: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Facts, MemoryTree, check};

    /// Where an image stands that its registry does not have any more, each is found.
    #[test]
    fn whatever_names_a_digest_is_asked_for() {
        let [a, b, c, d, e, f, own] =
            ["a", "b", "c", "d", "e", "f", "9"].map(|letter| format!("sha256:{}", letter.repeat(64)));
        let tree = MemoryTree::default()
            .with("praxis.toml", "[image]\nname = \"r.example/own\"\nplatforms = [\"linux/arm64\"]\n")
            .with(
                "Dockerfile",
                &format!(
                    "# syntax=r.example/frontend:1@{a}\nFROM scratch\nLABEL {BASE_NAME}=r.example/base:1 {BASE_DIGEST}={b}\n"
                ),
            )
            .with("compose.yaml", &format!("services:\n  a:\n    image: r.example/c:1@{c}\n"))
            .with("deploy/values.yaml", &format!("image:\n  repository: r.example/d\n  tag: '1'\n  digest: {d}\nown:\n  image: r.example/own:1@{own}\n"))
            .with("zarf.yaml", &format!("components:\n- images: [r.example/e:1@{e}]\n"))
            .with(".github/workflows/ci.yml", &format!("jobs:\n  a:\n    steps:\n    - uses: docker://r.example/f:1@{f}\n"));
        let facts = Facts {
            today: "2026-11-25".into(),
            git: None,
        };
        let mut repository = Repository::read(&tree, facts).unwrap();
        let asked: Vec<String> = repository.pinned().iter().map(ToString::to_string).collect();
        assert_eq!(asked.len(), 6, "{asked:?}");
        repository.registries = asked
            .iter()
            .map(|name| (name.clone(), RegistryAnswer::default()))
            .collect();
        let found = check(&repository).unwrap();
        let gone: Vec<_> = found
            .iter()
            .filter(|one| one.rule == "PX106")
            .map(|one| one.path.as_str())
            .collect();
        let paths = [
            ".github/workflows/ci.yml",
            "Dockerfile",
            "Dockerfile",
            "compose.yaml",
            "deploy/values.yaml",
            "zarf.yaml",
        ];
        assert_eq!(gone, paths, "{found:?}");
        // One platform is enough for what is only run.
        let one = RegistryAnswer {
            platforms: Some(vec!["linux/amd64".into()]),
            ..RegistryAnswer::default()
        };
        repository
            .registries
            .values_mut()
            .for_each(|answer| *answer = one.clone());
        let found = check(&repository).unwrap();
        let gone: Vec<_> = found
            .iter()
            .filter(|one| one.rule == "PX106")
            .map(|one| one.message.as_str())
            .collect();
        assert!(
            matches!(gone[..], [message] if message.contains("r.example/base:1")),
            "{gone:?}"
        );
    }
}
