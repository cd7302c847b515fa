//! Bytes that an image carries and no container sees.

use std::collections::{BTreeMap, BTreeSet};

use praxis_layer::{Kind, Listing, Tree, TreePath};
use praxis_oci::Digest;
use serde::Serialize;

use crate::changes::bytes_below;
use crate::file::size_of;

/// Bytes that an image carries and no container sees, and files it holds more than once.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Waste {
    /// Bytes of files that higher layers replace or remove.
    pub bytes: u64,
    /// The same by layer.
    pub by_layer: Vec<u64>,
    /// The paths they have, the most wasteful first.
    pub paths: Vec<WastedPath>,
    /// Bytes of the further copies of contents that containers see at several paths.
    pub duplicate_bytes: u64,
    /// These contents, the most wasteful first.
    pub duplicates: Vec<Duplicate>,
    /// 1 if every path is in one layer only; the measure that dive shows.
    pub efficiency: f64,
}

/// A path whose earlier versions are carried along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WastedPath {
    /// The path, absolute.
    pub path: String,
    /// Bytes of the versions that no container sees.
    pub bytes: u64,
    /// The layers they are in, from 1.
    pub layers: Vec<usize>,
}

/// A content that is there at several paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// Its digest.
    pub content: Digest,
    /// Its length.
    pub size: u64,
    /// Where.
    pub paths: Vec<String>,
}

/// Collects what layers hold, the lowest first.
#[derive(Default)]
pub struct Ledger {
    files: Vec<(usize, TreePath, u64)>,
    occurrences: BTreeMap<TreePath, Occurrence>,
    layers: usize,
}

/// Sizes that one path had.
struct Occurrence {
    least: u64,
    sum: u64,
}

impl Ledger {
    /// Notes a layer over `below`.
    pub fn add(&mut self, listing: &Listing, below: &Tree) {
        for entry in listing.entries() {
            let size = match entry.kind {
                Kind::Whiteout if below.get(&entry.path).is_some_and(|node| node.is_directory()) => {
                    bytes_below(below, &entry.path, listing)
                }
                _ => size_of(entry),
            };
            if matches!(entry.kind, Kind::File { .. }) {
                self.files.push((self.layers, entry.path.clone(), size));
            }
            let seen = self.occurrences.entry(entry.path.clone());
            let seen = seen.or_insert(Occurrence { least: size, sum: 0 });
            seen.least = seen.least.min(size);
            seen.sum += size;
        }
        self.layers += 1;
    }

    /// The waste of the image whose layers make `tree`.
    pub fn waste(self, tree: &Tree) -> Waste {
        let seen = Seen::of(tree);
        let mut waste = Waste {
            by_layer: vec![0; self.layers],
            efficiency: efficiency(&self.occurrences),
            ..Waste::default()
        };
        let mut paths: BTreeMap<TreePath, WastedPath> = BTreeMap::new();
        for (layer, path, size) in self.files {
            if size == 0 || seen.inodes.contains(&(layer, path.clone())) {
                continue;
            }
            waste.bytes += size;
            waste.by_layer[layer] += size;
            let wasted = paths.entry(path).or_insert_with_key(|path| WastedPath {
                path: path.to_string(),
                bytes: 0,
                layers: Vec::new(),
            });
            wasted.bytes += size;
            wasted.layers.push(layer + 1);
        }
        waste.paths = paths.into_values().collect();
        waste
            .paths
            .sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.path.cmp(&b.path)));
        waste.duplicates = seen.duplicates();
        let further = |one: &Duplicate| one.size * (one.paths.len() as u64 - 1);
        waste.duplicate_bytes = waste.duplicates.iter().map(further).sum();
        waste
    }
}

fn efficiency(occurrences: &BTreeMap<TreePath, Occurrence>) -> f64 {
    let least: u64 = occurrences.values().map(|one| one.least).sum();
    let sum: u64 = occurrences.values().map(|one| one.sum).sum();
    match sum {
        0 => 1.0,
        sum => least as f64 / sum as f64,
    }
}

/// What a container sees.
struct Seen {
    inodes: BTreeSet<(usize, TreePath)>,
    contents: BTreeMap<Digest, (u64, Vec<TreePath>)>,
}

impl Seen {
    fn of(tree: &Tree) -> Seen {
        let mut seen = Seen {
            inodes: BTreeSet::new(),
            contents: BTreeMap::new(),
        };
        let mut waiting = vec![TreePath::root()];
        while let Some(path) = waiting.pop() {
            let Some(node) = tree.get(&path) else { continue };
            if let Kind::File { size, content } = &node.kind {
                let first = node.first_name.clone().unwrap_or_else(|| path.clone());
                if seen.inodes.insert((node.layer, first)) && *size > 0 {
                    let known = seen.contents.entry(*content).or_insert((*size, Vec::new()));
                    known.1.push(path.clone());
                }
            }
            waiting.extend(tree.children(&path).map(|(name, _)| path.join(name)));
        }
        seen
    }

    fn duplicates(self) -> Vec<Duplicate> {
        let several = self
            .contents
            .into_iter()
            .filter(|(_, (_, paths))| paths.len() > 1);
        let mut found: Vec<Duplicate> = several
            .map(|(content, (size, mut paths))| {
                paths.sort();
                Duplicate {
                    content,
                    size,
                    paths: paths.iter().map(ToString::to_string).collect(),
                }
            })
            .collect();
        found.sort_by_key(|one| std::cmp::Reverse((one.size * (one.paths.len() as u64 - 1), one.content)));
        found
    }
}
