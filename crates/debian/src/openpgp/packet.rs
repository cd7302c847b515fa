use super::{OpenPgpError, malformed};

/// Kinds of packets that are understood.
pub(super) const SIGNATURE: u8 = 2;
pub(super) const PUBLIC_KEY: u8 = 6;
pub(super) const USER_ID: u8 = 13;
pub(super) const PUBLIC_SUBKEY: u8 = 14;

/// One packet: its kind and its body.
pub(super) struct Packet<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
}

/// Reads big-endian fields off the front of a slice; every read past the end is an error.
pub(super) struct Fields<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(what: &'static str, rest: &'a [u8]) -> Fields<'a> {
        Fields { what, rest }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], OpenPgpError> {
        let (head, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or_else(|| malformed(self.what, "it ends too early"))?;
        self.rest = rest;
        Ok(head)
    }

    /// An unsigned number of `length` (1 to 4) bytes.
    pub(super) fn number(&mut self, length: usize) -> Result<u32, OpenPgpError> {
        Ok(self
            .take(length)?
            .iter()
            .fold(0, |number, &byte| number << 8 | u32::from(byte)))
    }

    pub(super) fn byte(&mut self) -> Result<u8, OpenPgpError> {
        Ok(self.take(1)?[0])
    }

    /// A multiprecision integer without leading zero bytes.
    pub(super) fn integer(&mut self) -> Result<&'a [u8], OpenPgpError> {
        let bits = self.number(2)? as usize;
        let bytes = self.take(bits.div_ceil(8))?;
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        Ok(&bytes[zeros..])
    }

    /// A length of one, two or five bytes. Partial lengths are refused.
    fn length(&mut self) -> Result<usize, OpenPgpError> {
        Ok(match self.byte()? {
            short @ 0..=191 => usize::from(short),
            first @ 192..=223 => (usize::from(first) - 192) * 256 + usize::from(self.byte()?) + 192,
            255 => self.number(4)? as usize,
            _ => return Err(malformed(self.what, "partial lengths are not accepted")),
        })
    }
}

/// The packets in `bytes`, all of which must be well-formed.
pub(super) fn parse_packets(bytes: &[u8]) -> Result<Vec<Packet<'_>>, OpenPgpError> {
    let mut fields = Fields::new("packet", bytes);
    let mut packets = Vec::new();
    while !fields.is_empty() {
        let first = fields.byte()?;
        let (tag, length) = match first {
            0xc0..=0xff => (first & 0x3f, fields.length()?),
            0x80..=0xbf if first & 3 == 3 => return Err(malformed("packet", "it has no length")),
            0x80..=0xbf => (first >> 2 & 0xf, fields.number(1 << (first & 3))? as usize),
            _ => return Err(malformed("packet", "it does not begin with a tag")),
        };
        packets.push(Packet {
            tag,
            body: fields.take(length)?,
        });
    }
    Ok(packets)
}

/// A subpacket of a signature.
pub(super) struct Subpacket<'a> {
    pub(super) kind: u8,
    pub(super) critical: bool,
    pub(super) body: &'a [u8],
}

/// The subpackets in one area of a signature.
pub(super) fn parse_subpackets(bytes: &[u8]) -> Result<Vec<Subpacket<'_>>, OpenPgpError> {
    let mut fields = Fields::new("subpacket", bytes);
    let mut subpackets = Vec::new();
    while !fields.is_empty() {
        let first = fields.byte()?;
        let length = match first {
            0..=191 => usize::from(first),
            192..=254 => (usize::from(first) - 192) * 256 + usize::from(fields.byte()?) + 192,
            255 => fields.number(4)? as usize,
        };
        let (kind, body) = fields
            .take(length)?
            .split_first()
            .ok_or_else(|| malformed("subpacket", "it is empty"))?;
        subpackets.push(Subpacket {
            kind: kind & 0x7f,
            critical: kind & 0x80 != 0,
            body,
        });
    }
    Ok(subpackets)
}
