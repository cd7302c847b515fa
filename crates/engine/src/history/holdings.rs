//! What the store holds for each build.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use praxis_oci::Digest;
use praxis_store::Store;
use serde::Serialize;

use super::BuildRecord;
use crate::{Engine, EngineError};

/// What the store holds for a build on record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BuildHolding {
    /// Id of the build.
    pub id: String,
    /// What was built.
    pub name: String,
    /// When it began.
    pub started: String,
    /// Bytes that only this build needs.
    pub unique: u64,
    /// Bytes that other builds on record need too.
    pub shared: u64,
    /// Both.
    pub total: u64,
    /// What each step's layers hold.
    pub steps: Vec<StepHolding>,
}

/// What the store holds for a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepHolding {
    /// Number, from 1.
    pub number: usize,
    /// Stage; empty for the only one.
    pub stage: String,
    /// The instruction.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
}

impl Engine {
    /// What the store holds for each build on record, latest first.
    ///
    /// # Errors
    /// If the store cannot be opened.
    pub fn holdings(&self) -> Result<Vec<BuildHolding>, EngineError> {
        let store = self.store()?;
        let records = self.history()?;
        let mut seen = BTreeMap::new();
        let held: Vec<BTreeMap<PathBuf, u64>> = records
            .iter()
            .map(|record| items(&store, record, &mut seen))
            .collect();
        let mut users: BTreeMap<&PathBuf, usize> = BTreeMap::new();
        held.iter()
            .flat_map(BTreeMap::keys)
            .for_each(|path| *users.entry(path).or_default() += 1);
        let holding = |(record, items): (&BuildRecord, &BTreeMap<PathBuf, u64>)| {
            let total: u64 = items.values().sum();
            let own = items.iter().filter(|(path, _)| users[path] == 1);
            let unique: u64 = own.map(|(_, bytes)| bytes).sum();
            BuildHolding {
                id: record.id.clone(),
                name: record.name.clone(),
                started: record.started.clone(),
                unique,
                shared: total - unique,
                total,
                steps: steps(record, &seen),
            }
        };
        Ok(records.iter().zip(&held).map(holding).collect())
    }
}

type Layers = BTreeMap<Digest, BTreeMap<PathBuf, u64>>;

/// Everything in the store that the build made or used.
fn items(store: &Store, record: &BuildRecord, seen: &mut Layers) -> BTreeMap<PathBuf, u64> {
    let layers: BTreeSet<Digest> = record
        .steps
        .iter()
        .flat_map(|step| step.layers.iter().copied())
        .collect();
    let mut items = BTreeMap::new();
    for layer in layers {
        let of_layer = seen.entry(layer).or_insert_with(|| store.layer_items(&layer));
        items.extend(of_layer.iter().map(|(path, bytes)| (path.clone(), *bytes)));
    }
    for image in &record.images {
        items.extend(store.image_items(&image.digest));
    }
    items
}

fn steps(record: &BuildRecord, seen: &Layers) -> Vec<StepHolding> {
    let bytes = |layers: &[Digest]| {
        let held: BTreeMap<&PathBuf, u64> = layers
            .iter()
            .filter_map(|layer| seen.get(layer))
            .flatten()
            .map(|(path, bytes)| (path, *bytes))
            .collect();
        held.values().sum()
    };
    let holding = |step: &super::RecordedStep| StepHolding {
        number: step.number,
        stage: step.stage.clone(),
        name: step.name.clone(),
        bytes: bytes(&step.layers),
    };
    record.steps.iter().map(holding).collect()
}
