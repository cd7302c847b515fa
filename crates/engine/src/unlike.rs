//! Where two images that should be one differ first.

use std::collections::BTreeSet;

use praxis_image::{
    FieldChange, FileFacts, OpenedImage, ReadLayer, configuration_changes, entry_causes, member_order,
};
use praxis_layer::{Entry, Kind, Listing, Tree, TreePath};
use serde::Serialize;
use serde_json::Value;

use crate::EngineError;
use crate::origin::LayerSource;

/// The lowest layer that differs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FirstDifference {
    /// Its number, from 1.
    pub layer: usize,
    /// Its first file that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// In what: `content`, `time`, `owner`, `mode`, `order` and so on.
    pub causes: Vec<String>,
    /// The file in the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<FileFacts>,
    /// The file in the rebuild.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<FileFacts>,
    /// How many files of the layer differ.
    pub files: usize,
    /// What made the layer.
    pub source: LayerSource,
}

/// Finds it; nothing if no layer differs.
pub(crate) fn first_difference(
    image: &OpenedImage,
    rebuilt: &OpenedImage,
    sources: &[LayerSource],
) -> Result<Option<FirstDifference>, EngineError> {
    let mut below = Tree::new();
    for index in 0..image.layers.len().max(rebuilt.layers.len()) {
        let mut found = FirstDifference {
            layer: index + 1,
            path: None,
            causes: Vec::new(),
            before: None,
            after: None,
            files: 0,
            source: sources.get(index).cloned().unwrap_or_default(),
        };
        let told = image.layers.get(index).and_then(|layer| layer.created_by.clone());
        found.source.instruction = found.source.instruction.or(told);
        let (Some(before), Some(after)) = (image.layers.get(index), rebuilt.layers.get(index)) else {
            let side = if index < image.layers.len() {
                "image"
            } else {
                "rebuild"
            };
            found.causes.push(format!("the layer is in the {side} alone"));
            return Ok(Some(found));
        };
        let blobs = [&before.descriptor, &after.descriptor].map(|one| one.as_ref().map(|one| one.digest));
        if before.diff_id != after.diff_id {
            let layers = [
                image.read_layer(index, &below)?,
                rebuilt.read_layer(index, &below)?,
            ];
            compare(&layers, &mut found);
            if found.causes.is_empty() {
                arrangement([image, rebuilt], index, &mut found)?;
            }
            return Ok(Some(found));
        }
        if blobs[0] != blobs[1] && !blobs.contains(&None) {
            found.causes.push("compression".into());
            return Ok(Some(found));
        }
        below.apply(index, &image.read_layer(index, &below)?.listing);
    }
    Ok(None)
}

/// Compares two layers entry by entry.
fn compare(layers: &[ReadLayer; 2], found: &mut FirstDifference) {
    let [before, after] = layers.each_ref().map(|layer| &layer.listing);
    let paths: BTreeSet<&TreePath> = before
        .entries()
        .iter()
        .chain(after.entries())
        .map(|entry| &entry.path)
        .collect();
    for path in paths {
        let sides = (before.get(path), after.get(path));
        let causes: Vec<String> = match sides {
            (Some(a), Some(b)) if opaque(a) != opaque(b) => vec!["hidden directory".into()],
            (Some(a), Some(b)) => entry_causes(a, b).iter().map(ToString::to_string).collect(),
            (Some(_), None) => vec!["only in the image".into()],
            _ => vec!["only in the rebuild".into()],
        };
        if causes.is_empty() {
            continue;
        }
        found.files += 1;
        if found.path.is_none() {
            found.path = Some(path.to_string());
            found.causes = causes;
            found.before = sides.0.map(|entry| facts(entry, before));
            found.after = sides.1.map(|entry| facts(entry, after));
        }
    }
}

fn opaque(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Directory { opaque: true })
}

fn facts(entry: &Entry, listing: &Listing) -> FileFacts {
    FileFacts::in_layer(entry, listing)
}

/// Layers with the same entries differ in the order of the members or in how they are written.
fn arrangement(
    images: [&OpenedImage; 2],
    index: usize,
    found: &mut FirstDifference,
) -> Result<(), EngineError> {
    let [before, after] = [member_order(images[0], index)?, member_order(images[1], index)?];
    let moved = before.iter().zip(&after).find(|(a, b)| a.path != b.path);
    found.path = moved.map(|(member, _)| member.path.to_string());
    found.causes = vec![match (moved, before.len() == after.len()) {
        (Some(_), _) => "order".into(),
        (None, false) => "members that say the same again".into(),
        (None, true) => "encoding of the tar".into(),
    }];
    Ok(())
}

/// Fields of configuration, history and manifest that differ.
pub(crate) fn image_fields(image: &OpenedImage, rebuilt: &OpenedImage) -> Vec<FieldChange> {
    let value =
        |image: &OpenedImage| serde_json::from_slice::<Value>(&image.config_bytes).unwrap_or(Value::Null);
    let mut fields = configuration_changes(&value(image), &value(rebuilt));
    let histories = [&image.config.history, &rebuilt.config.history];
    let longest = histories[0].len().max(histories[1].len());
    let entry = |side: usize, at: usize| {
        histories[side]
            .get(at)
            .and_then(|entry| serde_json::to_value(entry).ok())
    };
    let first = (0..longest).find(|&at| entry(0, at) != entry(1, at));
    fields.extend(first.map(|at| FieldChange {
        field: format!("history.{at}"),
        before: entry(0, at),
        after: entry(1, at),
    }));
    let manifest = |image: &OpenedImage| {
        let mut value = serde_json::to_value(&image.manifest).unwrap_or(Value::Null);
        if let Some(fields) = value.as_object_mut() {
            // Compared as such.
            fields.remove("layers");
            fields.remove("config");
        }
        value
    };
    if image.manifest.is_some() && rebuilt.manifest.is_some() {
        let of_manifest = configuration_changes(&manifest(image), &manifest(rebuilt));
        fields.extend(of_manifest.into_iter().map(|mut one| {
            one.field = format!("manifest.{}", one.field);
            one
        }));
    }
    fields
}
