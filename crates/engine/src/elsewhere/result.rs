//! What a build elsewhere gave: its parts where it was built, and its image, names and outputs where it was asked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::atomic::AtomicBool;

use praxis_oci::{Descriptor, Digest, ImageConfig};
use praxis_registry::{ContentSource, Document, FetchedManifest, Part, Transfer, copy};
use praxis_solve::{BuiltImage, Destination, Event, Events, ExportKind, ImageSet, SolveError, export_images};
use praxis_store::{LayerBlob, Store, StoredImage};

use crate::history::Recorder;
use crate::outputs::export_set;
use crate::registry::Stored;
use crate::target::tags;
use crate::{BuildRequest, BuildResponse, ContextSource, Engine, EngineError, Output, OutputKind};

/// Indexes in indexes deeper than this are none of a build.
const DEEPEST: usize = 4;

impl Engine {
    /// Everything that an image of the store is made of, by digest: itself, manifests, configurations, layers.
    ///
    /// # Errors
    /// If a document is not in the store.
    pub fn parts_of(&self, root: &Descriptor) -> Result<BTreeMap<Digest, Descriptor>, EngineError> {
        let store = self.store()?;
        let mut parts = BTreeMap::from([(root.digest, root.clone())]);
        let mut waiting = vec![(root.clone(), 0)];
        while let Some((descriptor, depth)) = waiting.pop() {
            for part in Stored(&store).document(&descriptor)?.document.parts() {
                let (Part::Document(one) | Part::Blob(one)) = &part;
                let is_new = parts.insert(one.digest, one.clone()).is_none();
                if let Part::Document(one) = part
                    && is_new
                    && depth < DEEPEST
                {
                    waiting.push((one, depth + 1));
                }
            }
        }
        Ok(parts)
    }

    /// Opens a blob of the store, intact.
    ///
    /// # Errors
    /// If it is not there.
    pub fn open_part(&self, part: &Descriptor) -> Result<File, EngineError> {
        Ok(self.store()?.open_blob(&part.digest, part.size)?)
    }

    /// Keeps the record of a build that `work` has made elsewhere, as of one that was made here. The ledger is for those
    /// alone.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn record_elsewhere(
        &self,
        request: &BuildRequest,
        events: &dyn Events,
        work: impl FnOnce(&dyn Events) -> Result<BuildResponse, EngineError>,
    ) -> Result<BuildResponse, EngineError> {
        let recorder = Recorder::begin(request, events);
        let outcome = work(&recorder);
        self.keep_record(&recorder.finish(&outcome), events);
        outcome
    }

    /// Brings the image of a build that was made elsewhere into the store, but for what is there, gives it the names and
    /// writes the outputs that the request asks for.
    ///
    /// # Errors
    /// If a part is not what its digest says, or an output cannot be written. Nothing is named then.
    pub fn take_result(
        &self,
        root: &Descriptor,
        source: &dyn ContentSource,
        request: &BuildRequest,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<BuildResponse, EngineError> {
        let store = self.store()?;
        let document = source.document(root)?;
        let transfer = Transfer {
            source,
            target: &Stored(&store),
            parallel: request.registries.settings.parallel,
            referrers: false,
        };
        copy(&transfer, &document)?;
        let set = image_set(&store, &document, tags(&request.tags)?)?;
        let (images, files): (Vec<&Output>, Vec<&Output>) = request
            .outputs
            .iter()
            .partition(|output| matches!(output.kind, OutputKind::Oci | OutputKind::Docker));
        for output in &images {
            export_set(&store, output, &set, events)?;
        }
        self.write_files(&store, request, &set, files, events, cancel)?;
        let mut response = BuildResponse::default();
        if request.outputs.is_empty() || !images.is_empty() || !request.tags.is_empty() {
            for name in &set.tags {
                let descriptor = set.top.clone();
                store.put_image(&StoredImage {
                    name: name.clone(),
                    descriptor,
                })?;
            }
            response.digest = Some(root.digest);
            response.size = root.size;
            response.media_type.clone_from(&root.media_type);
            if let Document::Manifest(manifest) = &document.document {
                response.config_digest = Some(manifest.config.digest);
            }
        }
        Ok(response)
    }

    /// Outputs of the root file system: those of a build that adds nothing to the image.
    fn write_files(
        &self,
        store: &Store,
        request: &BuildRequest,
        set: &ImageSet,
        outputs: Vec<&Output>,
        events: &dyn Events,
        cancel: &AtomicBool,
    ) -> Result<(), EngineError> {
        if outputs.is_empty() {
            return Ok(());
        }
        let scratch = store.scratch()?;
        let layout = scratch.path().join("image");
        let nameless = ImageSet {
            tags: Vec::new(),
            ..set.clone()
        };
        let silent = OutputsOnly(None);
        export_images(
            store,
            &nameless,
            ExportKind::Oci,
            &Destination::Directory(layout.clone()),
            &silent,
        )?;
        let request = BuildRequest {
            context: ContextSource::Stdin,
            stdin: Some(b"FROM result\n".to_vec()),
            build_contexts: BTreeMap::from([("result".into(), format!("oci-layout://{}", layout.display()))]),
            platforms: request.platforms.clone(),
            outputs: outputs.into_iter().cloned().collect(),
            ..BuildRequest::default()
        };
        let shown = OutputsOnly(Some(events));
        let recorders = [Recorder::begin(&request, &shown)];
        let built = self.build_recorded(&[(None, &request)], &[0], &recorders, cancel);
        built.map(drop).map_err(|failure| failure.error)
    }
}

/// Passes on what is said of outputs.
struct OutputsOnly<'a>(Option<&'a dyn Events>);

impl Events for OutputsOnly<'_> {
    fn event(&self, event: Event) {
        if let (Some(events), Event::Exported { .. }) = (self.0, &event) {
            events.event(event);
        }
    }
}

/// The images below a manifest or index of the store.
fn image_set(store: &Store, root: &FetchedManifest, tags: Vec<String>) -> Result<ImageSet, EngineError> {
    let mut images = Vec::new();
    match &root.document {
        Document::Manifest(_) => images.push(image(store, root, &root.descriptor)?),
        Document::Index(index) => {
            for one in &index.manifests {
                let plain = Descriptor::new(&one.media_type, one.digest, one.size);
                images.push(image(store, &Stored(store).document(&plain)?, one)?);
            }
        }
    }
    let top = match images.as_slice() {
        [only] if matches!(root.document, Document::Manifest(_)) => only.manifest.clone(),
        _ => root.descriptor.clone(),
    };
    Ok(ImageSet { top, images, tags })
}

fn image(
    store: &Store,
    document: &FetchedManifest,
    descriptor: &Descriptor,
) -> Result<BuiltImage, EngineError> {
    let Document::Manifest(manifest) = &document.document else {
        return Err(EngineError::user("the index of a build holds another index"));
    };
    let config = store.read_blob(&manifest.config.digest, manifest.config.size)?;
    let parsed: ImageConfig = serde_json::from_slice(&config).map_err(|error| {
        EngineError::user(format!("{}: no configuration: {error}", manifest.config.digest))
    })?;
    let mut descriptor = descriptor.clone();
    descriptor.platform = Some(parsed.platform());
    let diff_ids = &parsed.rootfs.diff_ids;
    if diff_ids.len() != manifest.layers.len() {
        let digest = document.descriptor.digest;
        return Err(SolveError::user(format!("{digest}: layers and configuration do not fit")).into());
    }
    let layers = manifest.layers.iter().zip(diff_ids);
    Ok(BuiltImage {
        manifest: descriptor,
        config: manifest.config.clone(),
        layers: layers
            .map(|(layer, diff_id)| LayerBlob {
                descriptor: layer.clone(),
                diff_id: *diff_id,
            })
            .collect(),
    })
}
