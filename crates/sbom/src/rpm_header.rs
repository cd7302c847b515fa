//! A header of rpm's: what its database keeps of a package.

/// No header has more entries or bytes.
const ENTRIES: usize = 1 << 16;
const BYTES: usize = 256 << 20;
/// No package has more files.
const FILES: usize = 2_000_000;

const INT32: u32 = 4;
const STRING: u32 = 6;
const STRINGS: u32 = 8;
const LOCALISED: u32 = 9;

/// Tags of headers.
pub(crate) mod tag {
    pub const NAME: u32 = 1000;
    pub const VERSION: u32 = 1001;
    pub const RELEASE: u32 = 1002;
    pub const EPOCH: u32 = 1003;
    pub const VENDOR: u32 = 1011;
    pub const LICENSE: u32 = 1014;
    pub const URL: u32 = 1020;
    pub const ARCH: u32 = 1022;
    pub const SOURCE: u32 = 1044;
    pub const DIRECTORY_INDEXES: u32 = 1116;
    pub const BASENAMES: u32 = 1117;
    pub const DIRECTORIES: u32 = 1118;
}

/// A header, whose entries are read when asked for.
pub(crate) struct Header<'d> {
    entries: &'d [u8],
    data: &'d [u8],
}

impl<'d> Header<'d> {
    /// The header that `bytes` are; none if they are no header.
    pub fn parse(bytes: &'d [u8]) -> Option<Header<'d>> {
        let count = word(bytes, 0)? as usize;
        let length = word(bytes, 4)? as usize;
        if count > ENTRIES || length > BYTES {
            return None;
        }
        let entries = bytes.get(8..8 + 16 * count)?;
        let data = bytes.get(8 + 16 * count..)?.get(..length)?;
        Some(Header { entries, data })
    }

    /// Kind, data from its beginning, and number of the values under `tag`.
    fn entry(&self, tag: u32) -> Option<(u32, &'d [u8], usize)> {
        let found = self
            .entries
            .chunks_exact(16)
            .find(|entry| word(entry, 0) == Some(tag))?;
        let data = self.data.get(word(found, 8)? as usize..)?;
        Some((word(found, 4)?, data, word(found, 12)? as usize))
    }

    /// The text under `tag`.
    pub fn text(&self, tag: u32) -> Option<String> {
        let (kind, data, _) = self.entry(tag)?;
        let text = data.split(|&byte| byte == 0).next()?;
        let is_text = [STRING, STRINGS, LOCALISED].contains(&kind);
        is_text.then(|| String::from_utf8_lossy(text).into_owned())
    }

    /// The texts under `tag`.
    pub fn texts(&self, tag: u32) -> Vec<&'d [u8]> {
        match self.entry(tag) {
            Some((STRINGS, data, count)) => data.split(|&byte| byte == 0).take(count.min(FILES)).collect(),
            _ => Vec::new(),
        }
    }

    /// The number under `tag`.
    pub fn number(&self, tag: u32) -> Option<u32> {
        self.numbers(tag).first().copied()
    }

    /// The numbers under `tag`.
    pub fn numbers(&self, tag: u32) -> Vec<u32> {
        match self.entry(tag) {
            Some((INT32, data, count)) => {
                let words = data.chunks_exact(4).take(count.min(FILES));
                words.filter_map(|bytes| word(bytes, 0)).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_lie_are_no_headers() {
        assert!(Header::parse(b"").is_none());
        assert!(Header::parse(&[0xff; 64]).is_none());
        let mut bytes = vec![0, 0, 0, 1, 0, 0, 0, 4];
        bytes.extend([0, 0, 3, 232, 0, 0, 0, 6, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1]);
        bytes.extend(b"abc\0");
        let header = Header::parse(&bytes).unwrap();
        assert_eq!(header.text(tag::NAME), None);
        bytes[16..20].copy_from_slice(&[0, 0, 0, 0]);
        assert_eq!(
            Header::parse(&bytes).unwrap().text(tag::NAME).as_deref(),
            Some("abc")
        );
    }
}
