//! Maps of sparse files: where a file has data.

use crate::{LayerError, Limits};

/// The error about a map of too many segments.
pub fn too_many_segments(limits: &Limits) -> LayerError {
    LayerError::Limit {
        what: "segments in one sparse file",
        cap: limits.max_segments as u64,
    }
}

/// Offsets and lengths in turn, as segments.
pub fn pairs(numbers: &[u64], limits: &Limits) -> Result<Vec<(u64, u64)>, LayerError> {
    if numbers.len() / 2 > limits.max_segments {
        return Err(too_many_segments(limits));
    }
    let (pairs, []) = numbers.as_chunks::<2>() else {
        return Err(LayerError::damaged("a sparse map has an offset without a length"));
    };
    Ok(pairs.iter().map(|&[offset, length]| (offset, length)).collect())
}

/// Segments are in order, inside the file, and make up all data.
pub fn check_map(segments: &[(u64, u64)], data: u64, size: u64) -> Result<(), &'static str> {
    let (mut end, mut sum) = (0u64, 0u64);
    for &(offset, length) in segments {
        if offset < end {
            return Err("its sparse map is not in order");
        }
        end = offset
            .checked_add(length)
            .filter(|&end| end <= size)
            .ok_or("its sparse map is beyond its size")?;
        sum += length;
    }
    if sum == data {
        Ok(())
    } else {
        Err("its sparse map and its data differ in length")
    }
}
