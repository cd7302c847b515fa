//! The digest of a release in deploy files: where it stands, what may be written, and nothing else in the files.

mod files;
mod place;

use std::collections::{BTreeMap, BTreeSet};

use praxis_oci::Digest;
use praxis_source::{SourceFile, Span};

use crate::rules::deployed::is_placeholder;
use crate::{CheckError, Edit, FileTree, Patch, Policy, edit, policy, yaml};

/// The length of `sha256:`.
const ALGORITHM: usize = 7;

/// An image that was released.
#[derive(Clone, Debug)]
pub struct Promoted<'a> {
    /// Which variant it is; the image itself is none.
    pub variant: Option<&'a str>,
    /// The digest that is to be deployed.
    pub digest: &'a Digest,
    /// Its tags. A place that has another tag beside its digest is not written.
    pub tags: &'a [String],
}

/// A place in a file that deploys the image by digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// The file.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The tag beside the digest.
    pub tag: Option<String>,
    /// The digest that is there.
    pub digest: String,
    /// Whether the file is for production.
    pub production: bool,
    /// The variant of the image, by the end of its tag; `None` is the default image.
    pub variant: Option<String>,
    span: Span,
}

/// Every place that deploys an image.
#[derive(Clone, Debug)]
pub struct Deployments {
    /// In the order of files and lines.
    pub places: Vec<Deployment>,
    variants: Vec<String>,
    texts: BTreeMap<String, SourceFile>,
}

/// What a promotion changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Promotion {
    /// The places that get another digest, as they were.
    pub changed: Vec<Deployment>,
    /// The places that have the digest already.
    pub kept: Vec<Deployment>,
    /// The places of variants that were not released, which are left alone.
    pub left: Vec<Deployment>,
    /// The files that change.
    pub patches: Vec<Patch>,
}

impl Deployments {
    /// Finds the places of the image `own` (registry and repository in full) in the files that `promote.files` names, and
    /// `deploy.released` of praxis.toml.
    ///
    /// # Errors
    /// If a file is a link, cannot be read or is outside of the repository; if a place cannot be edited without a doubt
    /// about what else would change; if there is no place at all.
    pub fn find(tree: &dyn FileTree, policy: &Policy, own: &str) -> Result<Deployments, CheckError> {
        let paths = files::chosen(&tree.entries()?, &policy.promote.files)?;
        let mut found = Deployments {
            places: Vec::new(),
            variants: policy
                .variants
                .keys()
                .map(|name| name.get_ref().clone())
                .collect(),
            texts: BTreeMap::new(),
        };
        let mut parsed = Vec::new();
        for path in paths {
            let file = SourceFile::new(&path, tree.read(&path)?);
            let documents = yaml::parse(&file).map_err(|(why, span)| doubt(&file, span, &why))?;
            parsed.push((path, file, documents));
        }
        for (path, file, documents) in &parsed {
            let inherited = inherited(path, &parsed, own);
            let places = place::find(documents, own, &inherited);
            if let Some((span, why)) = places.doubts.first() {
                return Err(doubt(file, *span, why));
            }
            for place in places.places {
                found.add(file, path, place, policy);
            }
            found.texts.insert(path.clone(), file.clone());
        }
        found.add_released(tree, policy)?;
        if found.places.is_empty() {
            return Err(CheckError::Read {
                path: own.into(),
                reason: "no file of promote.files deploys it by digest".into(),
            });
        }
        Ok(found)
    }

    fn add(&mut self, file: &SourceFile, path: &str, place: place::Place, policy: &Policy) {
        self.places.push(Deployment {
            path: path.into(),
            line: file.position(place.span.start).line,
            variant: self.variant(place.tag.as_deref()),
            tag: place.tag,
            digest: place.digest,
            production: policy.is_production(path),
            span: place.span,
        });
    }

    /// The digest that praxis.toml says was released last is one more place.
    fn add_released(&mut self, tree: &dyn FileTree, policy: &Policy) -> Result<(), CheckError> {
        let Some(released) = &policy.deploy.released else {
            return Ok(());
        };
        let file = SourceFile::new(policy::FILE, tree.read(policy::FILE)?);
        let span = Span::new(released.span().start + 1, released.span().end - 1);
        if file.slice(span) != released.get_ref() || released.get_ref().parse::<Digest>().is_err() {
            let why = "deploy.released is no digest between quotes: sha256: and 64 digits";
            return Err(doubt(&file, span, why));
        }
        let place = place::Place {
            tag: None,
            digest: released.get_ref().clone(),
            span,
        };
        self.add(&file, policy::FILE, place, policy);
        self.texts.insert(policy::FILE.into(), file);
        Ok(())
    }

    fn variant(&self, tag: Option<&str>) -> Option<String> {
        let ends = |name: &&String| tag.is_some_and(|tag| tag.ends_with(&format!("-{name}")));
        self.variants.iter().find(ends).cloned()
    }

    /// What writing the digests of a release changes: 64 digits at each place, and no other byte.
    ///
    /// # Errors
    /// If a place has another tag than the release, or a file names several digests.
    pub fn promote(&self, images: &[Promoted]) -> Result<Promotion, CheckError> {
        let mut promotion = Promotion::default();
        let mut edits: BTreeMap<&str, Vec<Edit>> = BTreeMap::new();
        for place in &self.places {
            let Some(image) = images.iter().find(|it| it.variant == place.variant.as_deref()) else {
                promotion.left.push(place.clone());
                continue;
            };
            self.refuse_other_tag(place, image)?;
            let wanted = image.digest.to_string();
            if place.digest == wanted {
                promotion.kept.push(place.clone());
                continue;
            }
            self.refuse_several(place, &promotion.changed)?;
            promotion.changed.push(place.clone());
            edits.entry(&place.path).or_default().push(Edit {
                path: place.path.clone(),
                span: Span::new(place.span.start + ALGORITHM, place.span.end),
                text: wanted[ALGORITHM..].into(),
            });
        }
        let patches = edits.into_iter().map(|(path, edits)| self.patch(path, edits));
        promotion.patches = patches.collect::<Result<_, _>>()?;
        Ok(promotion)
    }

    fn refuse_other_tag(&self, place: &Deployment, image: &Promoted) -> Result<(), CheckError> {
        match place.tag.as_ref().filter(|tag| !image.tags.contains(tag)) {
            None => Ok(()),
            Some(tag) => {
                let tags = image.tags.join(", ");
                let why = format!(
                    "the tag beside the digest is {tag}, the release has {tags}: write the tag first, only digests are \
                     written here"
                );
                Err(doubt(&self.texts[&place.path], place.span, &why))
            }
        }
    }

    fn refuse_several(&self, place: &Deployment, changed: &[Deployment]) -> Result<(), CheckError> {
        let same = |other: &&Deployment| other.path == place.path && other.variant == place.variant;
        match changed
            .iter()
            .find(same)
            .filter(|other| other.digest != place.digest)
        {
            None => Ok(()),
            Some(other) => {
                let why = format!(
                    "the file names several digests of the image ({} in line {}): which of them the release takes the \
                     place of is not guessed",
                    other.digest, other.line
                );
                Err(doubt(&self.texts[&place.path], place.span, &why))
            }
        }
    }

    fn patch(&self, path: &str, edits: Vec<Edit>) -> Result<Patch, CheckError> {
        let old = self.texts[path].text().to_string();
        let spans: Vec<Span> = edits.iter().map(|edit| edit.span).collect();
        let new = edit::apply(path, &old, edits)?;
        match differs_only_in(&old, &new, &spans) {
            true => Ok(Patch {
                path: path.into(),
                old,
                new,
            }),
            false => Err(CheckError::Edit {
                path: path.into(),
                reason: "the edit would change other bytes than the digest".into(),
            }),
        }
    }

    /// What is wrong with what is deployed: digests that differ, that are neither the placeholder nor `released`, and
    /// placeholders in production. Each with the place.
    pub fn problems(&self, released: Option<&str>) -> Vec<(&Deployment, String)> {
        let mut problems = Vec::new();
        let mut seen: BTreeMap<&Option<String>, &Deployment> = BTreeMap::new();
        for place in &self.places {
            let placeholder = is_placeholder(&place.digest);
            let first = seen.entry(&place.variant).or_insert(place);
            if first.digest != place.digest {
                let why = format!("{} here, {} in {}", place.digest, first.digest, first.path);
                problems.push((place, why));
            }
            let known = released.filter(|_| place.variant.is_none());
            if let Some(released) = known.filter(|released| !placeholder && place.digest != *released) {
                let why = format!(
                    "{} is neither the placeholder nor what was released: {released}",
                    place.digest
                );
                problems.push((place, why));
            }
            if placeholder && place.production {
                problems.push((place, "production is pinned to the placeholder".into()));
            }
        }
        problems
    }
}

/// Paths of the mappings whose repository the chart's own values name: other values of the chart leave it out.
fn inherited(path: &str, parsed: &[(String, SourceFile, Vec<yaml::Node>)], own: &str) -> Vec<Vec<String>> {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let values = ["values.yaml", "values.yml"].map(|name| crate::repository::join(directory, name));
    let base = parsed
        .iter()
        .find(|(other, ..)| values.contains(other) && other != path);
    let of_chart = path
        .rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with("values"));
    let base = base.filter(|_| of_chart);
    base.map_or(Vec::new(), |(_, _, documents)| {
        place::find(documents, own, &[]).paths
    })
}

/// Whether two texts are as long as each other and equal outside of the spans.
fn differs_only_in(old: &str, new: &str, spans: &[Span]) -> bool {
    let inside: BTreeSet<usize> = spans.iter().flat_map(|span| span.start..span.end).collect();
    let pairs = old.bytes().zip(new.bytes()).enumerate();
    old.len() == new.len()
        && pairs
            .into_iter()
            .all(|(at, (a, b))| a == b || inside.contains(&at))
}

fn doubt(file: &SourceFile, span: Span, why: &str) -> CheckError {
    let place = file.position(span.start);
    CheckError::Deploy {
        path: file.name().into(),
        line: place.line,
        column: place.column,
        reason: why.into(),
    }
}

#[cfg(test)]
mod tests;
