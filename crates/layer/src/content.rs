use std::io::{self, Read};

use crate::Entry;

/// Where the bytes of a listing's files come from.
pub trait ContentSource: Sync {
    /// Opens the content of `entry`, which is a [`crate::Kind::File`] with at least one byte. What is read is
    /// verified against the entry.
    fn open(&self, entry: &Entry) -> io::Result<Box<dyn Read + Send + '_>>;
}
