//! A directory as a base: `FROM` a named context that is one.

use std::sync::Arc;

use praxis_layer::{Timestamp, Tree};

use crate::SolveError;
use crate::copy::{Placement, copy};
use crate::draft::Draft;
use crate::layers::{LayerHandle, Workshop};
use crate::remote::Context;
use crate::select::{SelectOptions, select};

/// The directory's files as one layer.
pub(crate) fn layer(
    workshop: &Arc<Workshop>,
    directory: &Context,
    epoch: Timestamp,
) -> Result<LayerHandle, SolveError> {
    let empty = Tree::new();
    let mut draft = Draft::new(&empty, epoch, false);
    let placement = Placement {
        destination: "/",
        owner: None,
        mode: None,
    };
    for mut selected in select(directory, "/", &SelectOptions::default())? {
        copy(&mut draft, directory, &mut selected, &placement)?;
    }
    let (listing, content) = draft.finish();
    LayerHandle::made(workshop, listing, content, None)
}
