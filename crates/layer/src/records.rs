//! What a tar says beside its headers: PAX records and numbers.

use std::collections::BTreeMap;

use crate::{LayerError, Timestamp};

const XATTR: &[u8] = b"SCHILY.xattr.";
const SPARSE: &[u8] = b"GNU.sparse.";
/// The kernel's bounds for the name and the value of an extended attribute.
const LONGEST_XATTR_NAME: usize = 255;
const LONGEST_XATTR_VALUE: usize = 64 << 10;

/// The records of one extended header that praxis knows.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mtime: Option<Timestamp>,
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub sparse: Option<SparseRecords>,
}

/// The records of a sparse file.
#[derive(Clone, Debug, Default)]
pub struct SparseRecords {
    pub major: Option<u64>,
    pub name: Option<Vec<u8>>,
    pub size: Option<u64>,
    /// Offsets and lengths in turn, of formats 0.0 and 0.1.
    pub map: Vec<u64>,
}

impl Records {
    /// Takes in all records of `bytes`; anything malformed is an error, since readers disagree about what to
    /// skip.
    pub fn read(&mut self, mut bytes: &[u8], global: bool) -> Result<(), LayerError> {
        let malformed = || LayerError::damaged("an extended header has a malformed record");
        while !bytes.is_empty() {
            let space = bytes
                .iter()
                .take(20)
                .position(|&b| b == b' ')
                .ok_or_else(malformed)?;
            let length = decimal(&bytes[..space]).ok_or_else(malformed)?;
            let length = usize::try_from(length)
                .ok()
                .filter(|&n| n > space + 1 && n <= bytes.len());
            let (record, rest) = bytes.split_at(length.ok_or_else(malformed)?);
            let body = record[space + 1..].strip_suffix(b"\n").ok_or_else(malformed)?;
            let equals = body.iter().position(|&b| b == b'=').ok_or_else(malformed)?;
            self.set(&body[..equals], &body[equals + 1..], global)?;
            bytes = rest;
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], value: &[u8], global: bool) -> Result<(), LayerError> {
        let wrong = |reason: &str| {
            let key = String::from_utf8_lossy(&key[..key.len().min(100)]).into_owned();
            LayerError::damaged(format!("extended header record {key:?}: {reason}"))
        };
        if global && (matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(SPARSE)) {
            return Err(wrong("has no meaning for all members; readers disagree about it"));
        }
        let number = || match value {
            b"" => Ok(None),
            _ => decimal(value).map(Some).ok_or_else(|| wrong("is no number")),
        };
        let id = || match number()?.map(u32::try_from) {
            Some(Err(_)) => Err(wrong("is out of range")),
            other => Ok(other.and_then(Result::ok)),
        };
        let name = || match value {
            b"" => Ok(None),
            _ if value.contains(&0) => Err(wrong("has a NUL in it")),
            _ => Ok(Some(value.to_vec())),
        };
        match key {
            b"path" => self.path = name()?,
            b"linkpath" => self.link = name()?,
            b"size" => self.size = number()?,
            b"uid" => self.uid = id()?,
            b"gid" => self.gid = id()?,
            b"mtime" if value.is_empty() => self.mtime = None,
            b"mtime" => self.mtime = Some(timestamp(value).ok_or_else(|| wrong("is no time"))?),
            _ => {
                if let Some(name) = key.strip_prefix(XATTR) {
                    let bad = name.is_empty() || name.contains(&0) || name.len() > LONGEST_XATTR_NAME;
                    if bad || value.len() > LONGEST_XATTR_VALUE {
                        return Err(wrong("is no valid extended attribute"));
                    }
                    self.xattrs.insert(name.to_vec(), value.to_vec());
                } else if let Some(name) = key.strip_prefix(SPARSE) {
                    self.set_sparse(name, value)
                        .ok_or_else(|| wrong("is malformed"))?;
                }
            }
        }
        Ok(())
    }

    fn set_sparse(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let sparse = self.sparse.get_or_insert_default();
        match key {
            b"major" => sparse.major = Some(decimal(value)?),
            b"size" | b"realsize" => sparse.size = Some(decimal(value)?),
            b"name" if value.contains(&0) => return None,
            b"name" => sparse.name = Some(value.to_vec()),
            b"offset" | b"numbytes" => sparse.map.push(decimal(value)?),
            b"map" => {
                for part in value.split(|&b| b == b',').filter(|part| !part.is_empty()) {
                    sparse.map.push(decimal(part)?);
                }
            }
            _ => {}
        }
        Some(())
    }
}

/// An unsigned decimal number.
pub fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// `[-]SECONDS[.FRACTION]`; digits beyond nanoseconds are dropped.
fn timestamp(text: &[u8]) -> Option<Timestamp> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let point = text.iter().position(|&b| b == b'.');
    let (whole, fraction) = point.map_or((text, &b""[..]), |at| (&text[..at], &text[at + 1..]));
    let seconds = i64::try_from(decimal(whole)?).ok()?;
    let mut nanoseconds = 0;
    for position in 0..9 {
        let digit = fraction.get(position).copied().unwrap_or(b'0');
        nanoseconds = nanoseconds * 10 + u32::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    Some(match (negative, nanoseconds) {
        (false, _) => Timestamp { seconds, nanoseconds },
        (true, 0) => Timestamp::seconds(-seconds),
        (true, _) => Timestamp {
            seconds: -seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    })
}

/// A number of a header field: octal, or GNU's base 256.
pub fn field(bytes: &[u8]) -> Option<i64> {
    match bytes.first()? {
        0x80.. => base_256(bytes),
        _ => octal(bytes),
    }
}

fn base_256(bytes: &[u8]) -> Option<i64> {
    let negative = bytes[0] & 0x40 != 0;
    let first = if negative {
        i128::from(bytes[0] as i8)
    } else {
        i128::from(bytes[0] & 0x3f)
    };
    let value = bytes[1..].iter().try_fold(first, |value, &byte| {
        value
            .checked_mul(256)
            .and_then(|value| value.checked_add(i128::from(byte)))
    })?;
    i64::try_from(value).ok()
}

fn octal(bytes: &[u8]) -> Option<i64> {
    let start = bytes
        .iter()
        .position(|&b| b != b' ' && b != 0)
        .unwrap_or(bytes.len());
    let digits = &bytes[start..];
    let end = digits
        .iter()
        .position(|&b| b == b' ' || b == 0)
        .unwrap_or(digits.len());
    digits[..end].iter().try_fold(0i64, |value, &digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_fraction_also_before_1970() {
        assert_eq!(
            timestamp(b"12.5"),
            Some(Timestamp {
                seconds: 12,
                nanoseconds: 500_000_000
            })
        );
        assert_eq!(
            timestamp(b"-1.25"),
            Some(Timestamp {
                seconds: -2,
                nanoseconds: 750_000_000
            })
        );
        assert_eq!(timestamp(b"-7"), Some(Timestamp::seconds(-7)));
        assert_eq!(timestamp(b"1.x"), None);
        assert_eq!(timestamp(b""), None);
    }

    #[test]
    fn fields_are_octal_or_base_256() {
        assert_eq!(field(b"0000644\0"), Some(0o644));
        assert_eq!(field(b"   644 \0"), Some(0o644));
        assert_eq!(field(b"\0\0\0\0"), Some(0));
        assert_eq!(field(b"\x80\0\0\x01\0"), Some(256));
        assert_eq!(field(b"\xff\xff\xff\xfe"), Some(-2));
        assert_eq!(field(b"12x"), None);
        assert_eq!(field(&[0xbf; 12]), None);
    }

    /// security row 11: malformed records are refused, not skipped.
    #[test]
    fn row_11_malformed_records_are_refused() {
        let bad: [&[u8]; 9] = [
            b"5 a=b\n",
            b"7 a=b\n",
            b"99 a=b\n",
            b"6 a=b ",
            b"x a=b\n",
            b"12 path=a\0b\n",
            b"10 size=-\n",
            b"99999999999999999999 a=b\n",
            b"6 abc\n",
        ];
        for bytes in bad {
            assert!(
                Records::default().read(bytes, false).is_err(),
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
        assert!(Records::default().read(b"6 a=b\n", false).is_ok());
    }

    /// security row 14: impossible extended attributes are an error.
    #[test]
    fn row_14_impossible_attributes_are_refused() {
        let long = format!("SCHILY.xattr.user.{}=1\n", "x".repeat(300));
        let record = format!("{} {long}", long.len() + 4);
        assert!(Records::default().read(record.as_bytes(), false).is_err());
        assert!(Records::default().read(b"19 SCHILY.xattr.=1\n\n", false).is_err());
    }
}
