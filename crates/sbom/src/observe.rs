//! Seeing what an inventory reads.

use std::io::{self, Cursor, Read};

use praxis_image::ReadLayer;
use praxis_layer::{Entry, LayerError, Tree};

/// Sees the layers of an image while they are read, the lowest first.
pub trait LayerObserver {
    /// A regular file of a layer, where it will lie, with its content, of which as much may be read as is wanted: what is
    /// read is kept in memory. A later member of the layer may replace it.
    ///
    /// # Errors
    /// Ends the reading.
    fn file(&mut self, layer: usize, entry: &Entry, content: &mut dyn Read) -> Result<(), LayerError>;

    /// A layer as a whole, verified, over `below`.
    fn layer(&mut self, layer: usize, read: &ReadLayer, below: &Tree);
}

/// Sees nothing.
pub(crate) struct Nobody;

impl LayerObserver for Nobody {
    fn file(&mut self, _: usize, _: &Entry, _: &mut dyn Read) -> Result<(), LayerError> {
        Ok(())
    }

    fn layer(&mut self, _: usize, _: &ReadLayer, _: &Tree) {}
}

/// A content whose beginning can be read twice.
pub(crate) struct Again<'a> {
    content: &'a mut dyn Read,
    read: Vec<u8>,
}

impl<'a> Again<'a> {
    pub fn of(content: &'a mut dyn Read) -> Again<'a> {
        Again {
            content,
            read: Vec::new(),
        }
    }

    /// All of the content, whatever was read of it.
    pub fn into_whole(self) -> impl Read + 'a {
        Cursor::new(self.read).chain(self.content)
    }
}

impl Read for Again<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.read.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_read_again() {
        let mut content: &[u8] = b"abcdef";
        let mut again = Again::of(&mut content);
        let mut first = [0; 2];
        again.read_exact(&mut first).unwrap();
        let mut all = String::new();
        again.into_whole().read_to_string(&mut all).unwrap();
        assert_eq!((&first, all.as_str()), (b"ab", "abcdef"));
    }
}
