use std::io::{self, Read};

use praxis_layer::{
    ArchiveEntry, FileObserver, LayerError, Limits, Listing, Tree, decompress, index_layer_observed,
    index_layer_over, read_archive,
};
use praxis_oci::HashingReader;

use crate::{ImageError, OpenedImage};

/// A layer that was read and verified.
#[derive(Clone, Debug)]
pub struct ReadLayer {
    /// Its entries.
    pub listing: Listing,
    /// Bytes as stored.
    pub stored: u64,
    /// Bytes of its tar.
    pub tar: u64,
}

impl OpenedImage {
    /// Reads layer `index`, which lies over `below`, and compares it with its digests.
    pub fn read_layer(&self, index: usize, below: &Tree) -> Result<ReadLayer, ImageError> {
        self.with_layer(index, |reader| {
            index_layer_over(reader, &Limits::default(), Some(below))
        })
        .map(|(listing, stored, tar)| ReadLayer { listing, stored, tar })
    }

    /// As [`OpenedImage::read_layer`], showing `observe` every regular file with its content. What was shown is verified
    /// only when this has succeeded.
    pub fn observe_layer(
        &self,
        index: usize,
        below: &Tree,
        observe: &mut FileObserver<'_>,
    ) -> Result<ReadLayer, ImageError> {
        self.with_layer(index, |reader| {
            index_layer_observed(reader, &Limits::default(), Some(below), observe)
        })
        .map(|(listing, stored, tar)| ReadLayer { listing, stored, tar })
    }

    /// Reads all layers into the tree that a container would see.
    pub fn tree(&self) -> Result<Tree, ImageError> {
        let mut tree = Tree::new();
        for index in 0..self.layers.len() {
            let layer = self.read_layer(index, &tree)?;
            tree.apply(index, &layer.listing);
        }
        Ok(tree)
    }

    /// Gives `read` the uncompressed tar of a layer, then verifies all its bytes; also gives their numbers.
    fn with_layer<T>(
        &self,
        index: usize,
        read: impl FnOnce(&mut (dyn Read + Send)) -> Result<T, LayerError>,
    ) -> Result<(T, u64, u64), ImageError> {
        let layer = &self.layers[index];
        let wrong = |why: String| {
            ImageError::new(format!(
                "{}: layer {} of {}: {why}",
                self.name,
                index + 1,
                self.layers.len()
            ))
        };
        let size = self.stored_size(index)?;
        let blob = self.open_layer(index).map_err(|error| wrong(error.message))?;
        let mut stored = HashingReader::new(blob.take(size.saturating_add(1)));
        let tar = decompress(&mut stored, &Limits::default()).map_err(|error| wrong(error.to_string()))?;
        let mut tar = HashingReader::new(tar);
        let value = read(&mut tar).map_err(|error| wrong(error.to_string()))?;
        io::copy(&mut tar, &mut io::sink()).map_err(|error| wrong(error.to_string()))?;
        let (diff_id, length) = tar.finish();
        io::copy(&mut stored, &mut io::sink()).map_err(|error| wrong(error.to_string()))?;
        let (digest, count) = stored.finish();
        if count != size {
            return Err(wrong(format!(
                "it is not {size} bytes long, as its descriptor says"
            )));
        }
        if let Some(descriptor) = &layer.descriptor
            && descriptor.digest != digest
        {
            return Err(wrong(format!(
                "its content has the digest {digest}, not {}",
                descriptor.digest
            )));
        }
        if diff_id != layer.diff_id {
            let says = &layer.diff_id;
            return Err(wrong(format!(
                "its content has diffID {diff_id}, the configuration says {says}"
            )));
        }
        Ok((value, size, length))
    }
}

/// The members of layer `index` in the order of its tar.
pub fn member_order(image: &OpenedImage, index: usize) -> Result<Vec<ArchiveEntry>, ImageError> {
    let (members, ..) = image.with_layer(index, |reader| {
        let mut members = Vec::new();
        read_archive::<LayerError>(reader, &Limits::default(), &mut |entry, _| {
            members.push(entry);
            Ok(())
        })?;
        Ok(members)
    })?;
    Ok(members)
}
