//! What registries say about the images that a repository pins. The caller asks them.

use std::collections::BTreeSet;

use praxis_oci::Reference;
use serde::Deserialize;

use crate::{DockerfileView, ImagePlace, ImageUse, Repository};

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

impl Repository {
    /// The images to ask registries for: those that Dockerfiles name with a digest.
    pub fn pinned(&self) -> Vec<&Reference> {
        let images = self.dockerfiles.iter().flat_map(|view| &view.images);
        let named = images.filter(|image| image.place != ImagePlace::Syntax);
        let references = named.filter_map(|image| image.reference.as_ref());
        let mut seen = BTreeSet::new();
        references
            .filter(|reference| reference.digest().is_some() && seen.insert(reference.to_string()))
            .collect()
    }

    /// The images that a registry was asked for, with its answers.
    pub(crate) fn answered(&self) -> impl Iterator<Item = (&DockerfileView, &ImageUse, &RegistryAnswer)> {
        let images = self
            .dockerfiles
            .iter()
            .flat_map(|view| view.images.iter().map(move |image| (view, image)));
        images.filter_map(|(view, image)| {
            let name = image.reference.as_ref()?.to_string();
            Some((view, image, self.registries.get(&name)?))
        })
    }
}
