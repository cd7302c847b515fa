//! What the layers of an image did to one path.

use praxis_layer::{Kind, Listing, Tree, TreePath};
use serde::Serialize;

use crate::difference::entry_causes;
use crate::file::{FileFacts, inode};
use crate::{Cause, Change, ImageError, OpenedImage};

/// What the layers of an image did to one path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PathStory {
    /// The path as asked for, absolute.
    pub asked: String,
    /// Where links in its parents lead.
    pub path: String,
    /// What a container sees there; nothing if it was removed.
    pub file: Option<FileFacts>,
    /// What happened, the lowest layer first.
    pub events: Vec<PathEvent>,
}

/// What one layer did to the path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PathEvent {
    /// Number of the layer, from 1.
    pub layer: usize,
    /// What became of the path.
    pub change: Change,
    /// In what it changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// What it was before, if it was removed, else what it is after.
    pub file: FileFacts,
    /// For a removal: the path that the layer names, which may be one it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Tells the story of `path`. Nothing if it never was there.
pub fn story(image: &OpenedImage, path: &[u8]) -> Result<Option<PathStory>, ImageError> {
    let final_tree = image.tree()?;
    let asked = TreePath::clean(path);
    let place = match final_tree.resolve(path, false) {
        Ok(resolved) => resolved.full(),
        // A component that is a file now may have been a directory in a lower layer.
        Err(_) => asked.clone(),
    };
    let mut events = events_of(image, &place)?;
    let mut place = place;
    if events.is_empty() && asked != place {
        events = events_of(image, &asked)?;
        place = asked.clone();
    }
    if events.is_empty() {
        return Ok(None);
    }
    let file = final_tree
        .get(&place)
        .map(|node| FileFacts::of(&node.entry(place.clone())));
    Ok(Some(PathStory {
        asked: asked.to_string(),
        path: place.to_string(),
        file,
        events,
    }))
}

fn events_of(image: &OpenedImage, path: &TreePath) -> Result<Vec<PathEvent>, ImageError> {
    let mut tree = Tree::new();
    let mut events = Vec::new();
    for index in 0..image.layers.len() {
        let listing = image.read_layer(index, &tree)?.listing;
        let before = tree.get(path).map(|node| node.entry(path.clone()));
        tree.apply(index, &listing);
        let after = tree.get(path).map(|node| node.entry(path.clone()));
        let has = listing
            .get(path)
            .filter(|entry| !matches!(entry.kind, Kind::Whiteout));
        let (change, causes) = match (&before, &after, has) {
            (None, None, _) => continue,
            (None, Some(_), _) => (Change::Added, Vec::new()),
            (Some(_), None, _) => (Change::Removed, Vec::new()),
            (Some(_), Some(_), None) => continue,
            (Some(before), Some(_), Some(entry)) => {
                let causes = entry_causes(before, &inode(entry, &listing));
                match (causes.is_empty(), entry.is_directory()) {
                    (true, true) => continue,
                    (true, false) => (Change::Repeated, causes),
                    (false, _) => (Change::Changed, causes),
                }
            }
        };
        let removed = change == Change::Removed;
        let shown = if removed { before } else { after };
        events.extend(shown.map(|entry| PathEvent {
            layer: index + 1,
            change,
            causes,
            file: FileFacts::of(&entry),
            by: removed.then(|| remover(&listing, path).to_string()),
        }));
    }
    Ok(events)
}

/// The entry of `listing` that takes `path` away: the path or one that it is in.
fn remover(listing: &Listing, path: &TreePath) -> TreePath {
    let mut next = Some(path.clone());
    while let Some(place) = next {
        if listing.get(&place).is_some_and(|entry| {
            matches!(entry.kind, Kind::Whiteout | Kind::Directory { opaque: true }) || !entry.is_directory()
        }) {
            return place;
        }
        next = place.parent();
    }
    path.clone()
}
