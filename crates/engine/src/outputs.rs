//! What a solved target becomes: an image or an index of images, its names, and what `--output` asks for.

use std::collections::BTreeMap;

use praxis_layer::Timestamp;
use praxis_oci::{Descriptor, Index, media_type};
use praxis_solve::{
    BuiltImage, Destination, Events, ExportKind, ImageSettings, Solution, SolveError, export,
};
use praxis_store::{Store, StoredImage};

use crate::caches;
use crate::target::Target;
use crate::{BuildGraph, BuildResponse, EngineError, Output, OutputKind};

/// A target with the solutions of its platforms.
pub(crate) struct Outputs<'a> {
    pub target: &'a Target<'a>,
    pub solutions: &'a [Solution],
    pub store: &'a Store,
    pub events: &'a dyn Events,
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
        let images = match self.target.wants_image() {
            true => self.images()?,
            false => Vec::new(),
        };
        for output in &self.target.request.outputs {
            self.export(output, &images)?;
        }
        let (request, solved) = (self.target.request, self.solutions.iter().collect::<Vec<_>>());
        caches::export(request, &solved, self.target.compression()?, self.events)?;
        let top = match images.as_slice() {
            [] => return Ok(response),
            [only] => {
                response.config_digest = Some(only.config.digest);
                only.manifest.clone()
            }
            several => self.index(several)?,
        };
        self.name(&top)?;
        response.digest = Some(top.digest);
        response.size = top.size;
        response.media_type = top.media_type;
        Ok(response)
    }

    fn images(&self) -> Result<Vec<BuiltImage>, EngineError> {
        let mut images = Vec::new();
        for (solution, variant) in self.solutions.iter().zip(&self.target.variants) {
            let settings = ImageSettings {
                annotations: self.target.origin.annotations(&variant.plan, self.target.request),
                compression: self.target.compression()?,
                created: Timestamp::seconds(self.target.epoch.seconds),
            };
            let config = &variant.plan.stages[variant.plan.target].config;
            let image = solution.image(config, &settings, self.events)?;
            self.target
                .note_origin(self.store, variant, &image.manifest.digest)?;
            images.push(image);
        }
        Ok(images)
    }

    /// The index of several images, in the order of the platforms.
    fn index(&self, images: &[BuiltImage]) -> Result<Descriptor, EngineError> {
        let index = Index {
            schema_version: 2,
            media_type: Some(media_type::INDEX.into()),
            artifact_type: None,
            manifests: images.iter().map(|image| image.manifest.clone()).collect(),
            subject: None,
            annotations: BTreeMap::new(),
            other: BTreeMap::new(),
        };
        let bytes = serde_json::to_vec(&index).map_err(|error| SolveError::internal(error.to_string()))?;
        Ok(self.store.put_blob(media_type::INDEX, &bytes)?)
    }

    fn export(&self, output: &Output, images: &[BuiltImage]) -> Result<(), EngineError> {
        let [solution] = self.solutions else {
            return Err(EngineError::user(
                "outputs of several platforms are not supported yet",
            ));
        };
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
        let image = images.first();
        Ok(export(
            solution,
            image,
            &self.target.tags,
            kind,
            &destination,
            self.events,
        )?)
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
