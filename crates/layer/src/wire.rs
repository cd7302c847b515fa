//! Small pieces of the binary formats: variable-length integers and counted bytes.

use crate::LayerError;

/// Appends `value`, seven bits a byte, lowest first.
pub fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends `value` with the sign in the lowest bit.
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_number(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends the length of `bytes` and `bytes`.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what the functions above wrote; never panics on other bytes.
pub struct Wire<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Wire<'a> {
    /// Checks for `magic` at the beginning.
    pub fn new(bytes: &'a [u8], magic: &[u8], what: &'static str) -> Result<Wire<'a>, LayerError> {
        match bytes.strip_prefix(magic) {
            Some(rest) => Ok(Wire { rest, what }),
            None => Err(LayerError::Invalid {
                what,
                reason: "wrong magic or version",
            }),
        }
    }

    /// An error about this input.
    pub fn invalid(&self, reason: &'static str) -> LayerError {
        LayerError::Invalid {
            what: self.what,
            reason,
        }
    }

    /// How much is left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], LayerError> {
        if length > self.rest.len() {
            return Err(self.invalid("it ends too early"));
        }
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        Ok(taken)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, LayerError> {
        Ok(self.take(1)?[0])
    }

    /// A number in its shortest form.
    pub fn number(&mut self) -> Result<u64, LayerError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if (shift == 63 && byte > 1) || (shift > 0 && byte == 0) {
                return Err(self.invalid("a number is not in its shortest form"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.invalid("a number is too long"))
    }

    /// A number of at most 32 bits.
    pub fn number32(&mut self) -> Result<u32, LayerError> {
        u32::try_from(self.number()?).map_err(|_| self.invalid("a number is too large"))
    }

    /// A signed number.
    pub fn signed(&mut self) -> Result<i64, LayerError> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Counted bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], LayerError> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| self.invalid("a length is too large"))?)
    }

    /// 32 bytes.
    pub fn digest(&mut self) -> Result<praxis_oci::Digest, LayerError> {
        let bytes = self.take(32)?;
        let mut array = [0; 32];
        array.copy_from_slice(bytes);
        Ok(praxis_oci::Digest::from_bytes(array))
    }
}
