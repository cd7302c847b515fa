//! Layers of an image: fetched, verified, and listed once.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, Mutex};

use praxis_layer::{Entry, Kind, Limits, Listing, Timestamp, Tree, TreePath};
use praxis_oci::{Descriptor, Digest, Hasher, HashingReader, Manifest, Reference, media_type};
use praxis_plan::ImageBase;
use praxis_store::LayerBlob;
use serde::{Deserialize, Serialize};

use super::layout::open_blob;
use super::{Images, LoadedImage, Origin, RemoteImages};
use crate::SolveError;
use crate::layers::LayerHandle;

#[derive(Serialize, Deserialize)]
struct IndexedLayer {
    layer: Digest,
    diff_id: Digest,
}

impl Images {
    /// Takes note of an image whose blobs are in the store.
    pub fn hold(&self, image: &ImageBase, manifest: Manifest) {
        let loaded = LoadedImage {
            manifest,
            config: image.config.clone(),
            origin: Origin::Nowhere,
        };
        self.loaded
            .lock()
            .expect("no panic while held")
            .insert(image.manifest, Arc::new(loaded));
    }

    /// The layers of an image that was resolved before, brought into the store.
    pub fn layers(&self, image: &ImageBase) -> Result<Vec<Arc<LayerHandle>>, SolveError> {
        if let Some(promise) = self.promise_of(image) {
            return Ok(promise.wait()?.layers().to_vec());
        }
        let loaded = self
            .loaded
            .lock()
            .expect("no panic while held")
            .get(&image.manifest)
            .cloned();
        let loaded =
            loaded.ok_or_else(|| SolveError::internal(format!("{} was not resolved", image.reference)))?;
        self.fetch_missing(&loaded)?;
        let mut layers = Vec::new();
        for (descriptor, diff_id) in loaded.manifest.layers.iter().zip(&loaded.config.rootfs.diff_ids) {
            // Several plans, or stages, may start from the same image: its layers are read once.
            let mut hasher = Hasher::new();
            hasher.field(b"layer of an image");
            hasher.update(descriptor.digest.as_bytes());
            let layer = self.workshop.turns.with(hasher.finish(), || {
                self.layer(image, &loaded, descriptor, diff_id, &layers)
            })?;
            layers.push(layer);
        }
        Ok(layers)
    }

    fn layer(
        &self,
        image: &ImageBase,
        loaded: &LoadedImage,
        descriptor: &Descriptor,
        diff_id: &Digest,
        below: &[Arc<LayerHandle>],
    ) -> Result<Arc<LayerHandle>, SolveError> {
        let store = &self.workshop.store;
        let name = &image.reference;
        if !store.has_blob(&descriptor.digest, descriptor.size) {
            let Origin::Layout(layout) = &loaded.origin else {
                return Err(SolveError::user(format!(
                    "{name}: layer {} is not in the store",
                    descriptor.digest
                )));
            };
            self.import(name, layout, descriptor)?;
        }
        let mut hasher = Hasher::new();
        hasher.field(b"indexed layer 2");
        below
            .iter()
            .for_each(|layer| hasher.update(layer.id().as_bytes()));
        hasher.update(descriptor.digest.as_bytes());
        let key = hasher.finish();
        let known: Option<IndexedLayer> = store.record(&key);
        let layer = match known.filter(|known| known.diff_id == *diff_id && store.has_layer(&known.layer)) {
            Some(known) => known.layer,
            None => {
                let layer = self.index(name, descriptor, diff_id, below)?;
                store.put_record(
                    &key,
                    &IndexedLayer {
                        layer,
                        diff_id: *diff_id,
                    },
                )?;
                layer
            }
        };
        let mut kept = Descriptor::new(
            oci_media_type(&descriptor.media_type),
            descriptor.digest,
            descriptor.size,
        );
        kept.annotations = descriptor.annotations.clone();
        let blob = LayerBlob {
            descriptor: kept,
            diff_id: *diff_id,
        };
        Ok(Arc::new(LayerHandle::foreign(
            &self.workshop,
            layer,
            blob,
            below.to_vec(),
        )))
    }

    /// Fetches the layers that the store does not have from their registry, several at once.
    fn fetch_missing(&self, loaded: &LoadedImage) -> Result<(), SolveError> {
        let (Origin::Registry(reference), Some(remote)) = (&loaded.origin, &self.remote) else {
            return Ok(());
        };
        let store = &self.workshop.store;
        let missing = loaded.manifest.layers.iter();
        let missing: BTreeMap<Digest, &Descriptor> = missing
            .filter(|layer| !store.has_blob(&layer.digest, layer.size))
            .map(|layer| (layer.digest, layer))
            .collect();
        let waiting = Mutex::new(missing.into_values());
        let failure: Mutex<Option<SolveError>> = Mutex::default();
        std::thread::scope(|scope| {
            for _ in 0..remote.parallel().max(1) {
                scope.spawn(|| {
                    loop {
                        let next = waiting.lock().expect("no panic while held").next();
                        let failed = failure.lock().expect("no panic while held").is_some();
                        let Some(layer) = next.filter(|_| !failed) else {
                            return;
                        };
                        if let Err(error) = self.fetch(remote.as_ref(), reference, layer) {
                            failure.lock().expect("no panic while held").get_or_insert(error);
                        }
                    }
                });
            }
        });
        failure
            .into_inner()
            .expect("no panic while held")
            .map_or(Ok(()), Err)
    }

    fn fetch(
        &self,
        remote: &dyn RemoteImages,
        reference: &Reference,
        layer: &Descriptor,
    ) -> Result<(), SolveError> {
        // The bytes are hashed once more here: the store believes its own eyes.
        loop {
            let mut writer = self.workshop.store.blob_writer()?;
            if remote.blob(reference, layer, &mut writer)? {
                writer.commit_as(&layer.digest)?;
                return Ok(());
            }
        }
    }

    fn import(&self, name: &str, layout: &Path, descriptor: &Descriptor) -> Result<(), SolveError> {
        let path = layout.join("blobs/sha256").join(descriptor.digest.hex());
        let wrong = |error: io::Error| SolveError::user(format!("{name}: {}: {error}", path.display()));
        let mut file = open_blob(layout, &descriptor.digest).map_err(wrong)?;
        let mut writer = self.workshop.store.blob_writer()?;
        let copied = io::copy(
            &mut (&mut file).take(descriptor.size.saturating_add(1)),
            &mut writer,
        )
        .map_err(|error| {
            // What reads the layout does not run out of space.
            if error.kind() == io::ErrorKind::StorageFull {
                return SolveError::io("write", self.workshop.store.root())(error);
            }
            wrong(error)
        })?;
        if copied != descriptor.size {
            return Err(wrong(io::Error::other(format!(
                "it is not {} bytes long, as its descriptor says",
                descriptor.size
            ))));
        }
        writer.commit_as(&descriptor.digest).map_err(|error| {
            SolveError::user(format!(
                "{name}: layer {} of the layout is damaged: {error}",
                descriptor.digest
            ))
        })?;
        Ok(())
    }

    /// Reads a layer once: its listing goes to the store, its diffID is checked.
    fn index(
        &self,
        name: &str,
        descriptor: &Descriptor,
        diff_id: &Digest,
        below: &[Arc<LayerHandle>],
    ) -> Result<Digest, SolveError> {
        let mut lower = Tree::new();
        for (index, layer) in below.iter().enumerate() {
            let listing = layer.listing()?;
            lower.apply(index, &listing);
        }
        let wrong = |why: String| SolveError::user(format!("{name}: layer {}: {why}", descriptor.digest));
        let store = &self.workshop.store;
        let file = store.open_blob(&descriptor.digest, descriptor.size)?;
        let limits = Limits::default();
        let reader = praxis_layer::decompress(BufReader::with_capacity(256 << 10, file), &limits)
            .map_err(|error| wrong(error.to_string()))?;
        let mut tar = HashingReader::new(reader);
        let listing = praxis_layer::index_layer_over(&mut tar, &limits, Some(&lower))
            .map_err(|error| wrong(error.to_string()))?;
        io::copy(&mut tar, &mut io::sink()).map_err(|error| wrong(error.to_string()))?;
        let (actual, _) = tar.finish();
        if actual != *diff_id {
            return Err(wrong(format!(
                "its content has diffID {actual}, the configuration says {diff_id}"
            )));
        }
        Ok(store.put_listing(&with_parents(&listing, &lower))?)
    }
}

/// The listing with all directories its entries are in: as they are in `lower`, else root's and 0755.
fn with_parents(listing: &Listing, lower: &Tree) -> Listing {
    let mut missing: BTreeMap<TreePath, Entry> = BTreeMap::new();
    for entry in listing.entries() {
        let mut parent = entry.path.parent();
        while let Some(path) = parent.filter(|path| !path.is_root()) {
            if listing.get(&path).is_some() || missing.contains_key(&path) {
                break;
            }
            let kind = Kind::Directory { opaque: false };
            let mut made = Entry::new(path.clone(), kind.clone(), 0o755, Timestamp::default());
            if let Some(node) = lower.get(&path).filter(|node| node.is_directory()) {
                made = Entry {
                    kind,
                    ..node.entry(path.clone())
                };
            }
            parent = path.parent();
            missing.insert(path, made);
        }
    }
    Listing::new(
        listing
            .entries()
            .iter()
            .cloned()
            .chain(missing.into_values())
            .collect(),
    )
}

fn oci_media_type(text: &str) -> &str {
    match text {
        media_type::DOCKER_LAYER_GZIP => media_type::LAYER_GZIP,
        "application/vnd.docker.image.rootfs.diff.tar" => media_type::LAYER,
        other => other,
    }
}
