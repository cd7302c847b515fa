//! What a solved target becomes: an image or an index of images, its names, and what `--output` asks for.

use std::collections::BTreeMap;
use std::sync::Arc;

use praxis_layer::Timestamp;
use praxis_oci::{Descriptor, Index, Platform, media_type};
use praxis_solve::{
    BuiltImage, Destination, Events, ExportKind, ImageSet, ImageSettings, RootFileSystem, Solution,
    SolveError, export_files, export_images,
};
use praxis_store::{Store, StoredImage};

use crate::attestations::attestation_manifest;
use crate::caches::{self, Caching};
use crate::target::{Target, layer_compression};
use crate::{Annotation, AnnotationKind, BuildGraph, BuildResponse, EngineError, Output, OutputKind};

/// A target with the solutions of its platforms.
pub(crate) struct Outputs<'a> {
    pub target: &'a Target<'a>,
    pub solutions: &'a [Solution],
    /// Position of the target among all that are built as one.
    pub index: usize,
    /// All of them, for what they write together.
    pub builds: &'a [Caching<'a>],
    pub store: &'a Arc<Store>,
}

impl Outputs<'_> {
    /// Makes images, writes outputs, and gives names last.
    pub fn write(&self) -> Result<BuildResponse, EngineError> {
        let steps = self.solutions.iter().map(|solution| solution.steps).sum();
        let cached = self.solutions.iter().map(|solution| solution.cached).sum();
        let mut response = BuildResponse {
            steps,
            cached,
            ..BuildResponse::default()
        };
        if self.target.request.dry_run {
            let outlook = self.solutions.iter().flat_map(|solution| &solution.outlook);
            let lines: Vec<String> = outlook.cloned().collect();
            response.plan = Some(lines.join("\n") + "\n");
            let first = self.target.variants.iter().zip(self.solutions).next();
            response.graph =
                first.map(|(variant, solution)| BuildGraph::of(&variant.plan, &solution.outlook));
            return Ok(response);
        }
        let mut made: Vec<(&Output, ImageSet)> = Vec::new();
        let kept = Output::default();
        let image_outputs: Vec<&Output> = self.target.image_outputs().collect();
        if image_outputs.is_empty() && self.target.wants_image() {
            made.push((&kept, self.images(&kept)?));
        }
        for output in image_outputs {
            made.push((output, self.images(output)?));
        }
        for output in &self.target.request.outputs {
            let set = made.iter().find(|(of, _)| std::ptr::eq(*of, output));
            self.export(output, set.map(|(_, set)| set))?;
        }
        caches::export(
            self.index,
            self.builds,
            self.target.compression(),
            self.store,
            self.target.events,
        )?;
        let Some((_, set)) = made.first() else {
            return Ok(response);
        };
        self.name(&set.top)?;
        if let [only] = set.images.as_slice()
            && !self.several()
        {
            response.config_digest = Some(only.config.digest);
        }
        response.digest = Some(set.top.digest);
        response.size = set.top.size;
        response.media_type.clone_from(&set.top.media_type);
        Ok(response)
    }

    /// Whether the result is an index: for several platforms, or on request for one.
    fn several(&self) -> bool {
        let asked = self.target.request.build_args.get("BUILDKIT_MULTI_PLATFORM");
        let asked = asked.is_some_and(|text| ["1", "t", "true"].contains(&text.to_lowercase().as_str()));
        asked || self.solutions.len() > 1 || !self.target.request.attestations.is_empty()
    }

    /// The images of all platforms as `output` wants them, and the index over several.
    fn images(&self, output: &Output) -> Result<ImageSet, EngineError> {
        let request = self.target.request;
        let annotations: Vec<&Annotation> = request.annotations.iter().chain(&output.annotations).collect();
        let several = self.several();
        refuse_misplaced(&annotations, several)?;
        let mut images = Vec::new();
        for (solution, variant) in self.solutions.iter().zip(&self.target.variants) {
            let of = |kind| annotations_of(&annotations, kind, Some(&variant.platform));
            let mut of_manifest = self.target.origin.annotations(&variant.plan);
            of_manifest.extend(of(AnnotationKind::Manifest));
            let settings = ImageSettings {
                annotations: of_manifest.clone(),
                descriptor_annotations: of(AnnotationKind::ManifestDescriptor),
                compression: layer_compression(output.compression),
                compression_level: output.compression_level,
                force_compression: output.force_compression,
                inline_cache: caches::is_inline(request),
                docker_media_types: output.docker_media_types,
                created: Timestamp::seconds(self.target.epoch.seconds),
            };
            let config = &variant.plan.stages[variant.plan.target].config;
            let image = solution.image(config, &settings, self.target.events)?;
            self.target
                .note_origin(self.store, variant, &image.manifest.digest, output, of_manifest)?;
            images.push(image);
        }
        let attested = &request.attestations;
        if !attested.is_empty() && output.kind == OutputKind::Docker {
            return Err(
                EngineError::user("a docker archive has no index that attestations could stand in")
                    .with_hint("use type=oci, or praxis attest after the build"),
            );
        }
        for at in 0..if attested.is_empty() { 0 } else { images.len() } {
            let attestation = attestation_manifest(self.store, &images[at], attested)?;
            images.push(attestation);
        }
        let top = match images.as_slice() {
            [only] if !several => only.manifest.clone(),
            images => self.index(images, &annotations, output)?,
        };
        Ok(ImageSet {
            top,
            images,
            tags: self.target.tags.clone(),
        })
    }

    /// The index of several images, in the order of the platforms.
    fn index(
        &self,
        images: &[BuiltImage],
        annotations: &[&Annotation],
        output: &Output,
    ) -> Result<Descriptor, EngineError> {
        let media = match output.docker_media_types {
            true => media_type::DOCKER_INDEX,
            false => media_type::INDEX,
        };
        let of_index = annotations_of(annotations, AnnotationKind::Index, None);
        let mut top = put_index(self.store, media, images, of_index)?;
        top.annotations = annotations_of(annotations, AnnotationKind::IndexDescriptor, None);
        Ok(top)
    }

    fn export(&self, output: &Output, set: Option<&ImageSet>) -> Result<(), EngineError> {
        let (store, events) = (self.store, self.target.events);
        if let Some(set) = set {
            return export_set(store, output, set, events);
        }
        let (kind, destination) = place(output)?;
        export_files(store, &self.roots(output)?, kind, &destination, events)?;
        Ok(())
    }

    /// Root file systems; those of several platforms are in directories such as `linux_arm64`.
    fn roots(&self, output: &Output) -> Result<Vec<RootFileSystem<'_>>, EngineError> {
        let several = self.several();
        if several && output.platform_split == Some(false) {
            return Err(EngineError::user(
                "platform-split=false: files of several platforms would overwrite each other",
            )
            .with_hint("leave it out: each platform then has a directory, such as linux_arm64"));
        }
        let split = output.platform_split.unwrap_or(several);
        let with_platforms = self.solutions.iter().zip(&self.target.variants);
        let roots = with_platforms.map(|(solution, variant)| RootFileSystem {
            solution,
            directory: split.then(|| variant.platform.to_string().replace('/', "_")),
        });
        Ok(roots.collect())
    }

    fn name(&self, top: &Descriptor) -> Result<(), EngineError> {
        for name in &self.target.tags {
            self.store.put_image(&StoredImage {
                name: name.clone(),
                descriptor: top.clone(),
            })?;
        }
        Ok(())
    }
}

/// Writes images as `output` asks for them.
pub(crate) fn export_set(
    store: &Store,
    output: &Output,
    set: &ImageSet,
    events: &dyn Events,
) -> Result<(), EngineError> {
    let (kind, destination) = place(output)?;
    Ok(export_images(store, set, kind, &destination, events)?)
}

/// What an output is, and where it goes.
fn place(output: &Output) -> Result<(ExportKind, Destination), EngineError> {
    let kind = match output.kind {
        OutputKind::Oci => ExportKind::Oci,
        OutputKind::Docker => ExportKind::Docker,
        OutputKind::Local => ExportKind::Local,
        OutputKind::Tar => ExportKind::Tar,
    };
    let destination = match (&output.destination, kind) {
        (Some(path), ExportKind::Local) => Destination::Directory(path.clone()),
        (Some(path), ExportKind::Oci | ExportKind::Docker) if !output.tar => {
            Destination::Directory(path.clone())
        }
        (Some(path), _) => Destination::File(path.clone()),
        (None, ExportKind::Local) => return Err(EngineError::user("--output type=local needs dest=DIR")),
        (None, _) => Destination::StandardOutput,
    };
    Ok((kind, destination))
}

/// Annotations of one kind; those for all platforms come first, so that a platform's own are stronger.
fn annotations_of(
    annotations: &[&Annotation],
    kind: AnnotationKind,
    platform: Option<&Platform>,
) -> BTreeMap<String, String> {
    let of_kind = || annotations.iter().filter(move |one| one.kind == kind);
    let general = of_kind().filter(|one| one.platform.is_none());
    let own = of_kind().filter(|one| one.platform.is_some() && one.platform.as_ref() == platform);
    general
        .chain(own)
        .map(|one| (one.key.clone(), one.value.clone()))
        .collect()
}

/// An image for one platform has no index.
fn refuse_misplaced(annotations: &[&Annotation], several: bool) -> Result<(), EngineError> {
    let of_index =
        |one: &&&Annotation| matches!(one.kind, AnnotationKind::Index | AnnotationKind::IndexDescriptor);
    match annotations.iter().find(of_index).filter(|_| !several) {
        Some(annotation) => Err(EngineError::user(format!(
            "annotation {:?} is for an index, and an image for one platform has none",
            annotation.key
        ))
        .with_hint("annotate the manifest, or build for several platforms")),
        None => Ok(()),
    }
}
/// Puts the index of several images into the store.
pub(crate) fn put_index(
    store: &Store,
    media_type: &str,
    images: &[BuiltImage],
    annotations: BTreeMap<String, String>,
) -> Result<Descriptor, EngineError> {
    let index = Index {
        schema_version: 2,
        media_type: Some(media_type.into()),
        artifact_type: None,
        manifests: images.iter().map(|image| image.manifest.clone()).collect(),
        subject: None,
        annotations,
        other: BTreeMap::new(),
    };
    let bytes = serde_json::to_vec(&index).map_err(|error| SolveError::internal(error.to_string()))?;
    Ok(store.put_blob(media_type, &bytes)?)
}
