use std::os::fd::OwnedFd;
use std::panic::resume_unwind;
use std::thread;

use crate::snapshot::{Ownership, Snapshot};
use crate::{ContentSource, Entry, Kind, LayerError, Listing, Tree};

const THREADS: usize = 2;
/// Below this many entries a second thread costs more than it gives.
const WORTH_A_THREAD: usize = 256;

/// Makes the snapshot of `listing` in `directory`, which is empty. Each file read from `source` is verified.
/// After an error the directory is of no use.
pub fn materialize(
    listing: &Listing,
    source: &dyn ContentSource,
    directory: &OwnedFd,
    ownership: Ownership,
) -> Result<(), LayerError> {
    materialize_over(listing, source, directory, ownership, None)
}

/// As [`materialize`]; `lower`, the tree below the layer, gives directories that the listing only implies their
/// metadata.
pub fn materialize_over(
    listing: &Listing,
    source: &dyn ContentSource,
    directory: &OwnedFd,
    ownership: Ownership,
    lower: Option<&Tree>,
) -> Result<(), LayerError> {
    let entries = listing.entries();
    let mut snapshot = Snapshot::new(directory, ownership);
    for entry in entries.iter().filter(|entry| entry.is_directory()) {
        snapshot.make_directory(&entry.path)?;
    }
    let threads = if entries.len() < WORTH_A_THREAD {
        1
    } else {
        THREADS
    };
    thread::scope(|scope| {
        let parts = entries.chunks(entries.len().div_ceil(threads).max(1));
        let workers: Vec<_> = parts
            .map(|part| scope.spawn(move || fill(part, source, Snapshot::new(directory, ownership))))
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    for entry in entries {
        if let Kind::Hardlink { target } = &entry.kind {
            snapshot.link(&entry.path, target)?;
        }
    }
    snapshot.finish(listing, lower)
}

/// Makes all that is no directory, hard link or whiteout.
fn fill(entries: &[Entry], source: &dyn ContentSource, mut snapshot: Snapshot<'_>) -> Result<(), LayerError> {
    for entry in entries {
        match &entry.kind {
            Kind::Directory { .. } | Kind::Hardlink { .. } | Kind::Whiteout => {}
            Kind::File { size, content } => {
                let written = match size {
                    0 => snapshot.file(entry, &mut std::io::empty())?,
                    _ => {
                        let opened = source.open(entry);
                        let reader = opened.map_err(|error| LayerError::io("read", &entry.path, error))?;
                        // One byte more than there should be is enough to see that the file has grown.
                        snapshot.file(entry, &mut std::io::Read::take(reader, size + 1))?
                    }
                };
                if written != (*size, *content) {
                    return Err(LayerError::Changed {
                        path: entry.path.clone(),
                    });
                }
            }
            _ => snapshot.special(entry)?,
        }
    }
    Ok(())
}
