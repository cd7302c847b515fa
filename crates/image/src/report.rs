//! An image layer by layer.

use praxis_layer::Tree;
use praxis_oci::Digest;
use serde::Serialize;

use crate::changes::changes;
use crate::file::size_of;
use crate::waste::Ledger;
use crate::{Change, FileChange, ImageError, OpenedImage, Waste};

/// An image layer by layer.
#[derive(Clone, Debug, Serialize)]
pub struct ImageReport {
    /// As it was named.
    pub image: String,
    /// Digest of the manifest.
    pub digest: Option<Digest>,
    /// Digest of the configuration.
    pub config_digest: Digest,
    /// Platform.
    pub platform: String,
    /// The layers, the lowest first.
    pub layers: Vec<LayerReport>,
    /// Bytes of all layers as stored.
    pub stored: u64,
    /// Bytes of the files of all layers.
    pub bytes: u64,
    /// What of it no container sees.
    pub waste: Waste,
}

impl ImageReport {
    /// Leaves of each layer what is at or below `path`; whether any layer has something there.
    pub fn keep_below(&mut self, path: &str) -> bool {
        let wanted = format!("/{}", path.trim_matches('/'));
        let below = format!("{}/", wanted.trim_end_matches('/'));
        for layer in &mut self.layers {
            let kept = |path: &str| path == wanted || path.starts_with(&below);
            layer.changes.retain(|one| kept(&one.path));
        }
        self.layers.iter().any(|layer| !layer.changes.is_empty())
    }
}

/// One layer.
#[derive(Clone, Debug, Serialize)]
pub struct LayerReport {
    /// Its number, from 1.
    pub number: usize,
    /// Digest of the blob.
    pub digest: Option<Digest>,
    /// Digest of the uncompressed layer.
    pub diff_id: Digest,
    /// The instruction that made it, from the history.
    pub created_by: Option<String>,
    /// Bytes as stored.
    pub stored: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// Bytes of its files that higher layers replace or remove.
    pub wasted: u64,
    /// How many paths it adds.
    pub added: usize,
    /// How many it changes.
    pub changed: usize,
    /// How many it removes.
    pub removed: usize,
    /// How many it has again as they were.
    pub repeated: usize,
    /// What it does to each path.
    pub changes: Vec<FileChange>,
}

/// Reads `image` and takes it apart.
pub fn report(image: &OpenedImage) -> Result<ImageReport, ImageError> {
    let mut tree = Tree::new();
    let mut ledger = Ledger::default();
    let mut layers = Vec::new();
    for (index, layer) in image.layers.iter().enumerate() {
        let read = image.read_layer(index, &tree)?;
        let changes = changes(&tree, &read.listing);
        ledger.add(&read.listing, &tree);
        tree.apply(index, &read.listing);
        let count = |wanted: Change| changes.iter().filter(|one| one.change == wanted).count();
        layers.push(LayerReport {
            number: index + 1,
            digest: layer.descriptor.as_ref().map(|descriptor| descriptor.digest),
            diff_id: layer.diff_id,
            created_by: layer.created_by.clone(),
            stored: read.stored,
            bytes: read.listing.entries().iter().map(size_of).sum(),
            wasted: 0,
            added: count(Change::Added),
            changed: count(Change::Changed),
            removed: count(Change::Removed),
            repeated: count(Change::Repeated),
            changes,
        });
    }
    let waste = ledger.waste(&tree);
    for (layer, wasted) in layers.iter_mut().zip(&waste.by_layer) {
        layer.wasted = *wasted;
    }
    Ok(ImageReport {
        image: image.name.clone(),
        digest: image.digest,
        config_digest: image.config_digest,
        platform: image.config.platform().to_string(),
        stored: layers.iter().map(|layer| layer.stored).sum(),
        bytes: layers.iter().map(|layer| layer.bytes).sum(),
        layers,
        waste,
    })
}
