//! The outer form of a package: an `ar` archive.

use std::io::{self, Read};

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;

/// Reads an `ar` archive from front to back and shows each member, by name, to `visit`. What `visit` leaves unread
/// is skipped. Long names, which packages do not have, are refused.
pub(crate) fn read_ar<E: From<io::Error>>(
    mut reader: impl Read + Send,
    visit: &mut dyn FnMut(&str, &mut (dyn Read + Send)) -> Result<(), E>,
) -> Result<(), E> {
    let mut magic = [0; 8];
    reader
        .read_exact(&mut magic)
        .map_err(|_| invalid("it is no ar archive"))?;
    if magic != *MAGIC {
        return Err(invalid("it is no ar archive").into());
    }
    while let Some((name, size)) = read_header(&mut reader)? {
        let mut member = (&mut reader as &mut (dyn Read + Send)).take(size);
        visit(&name, &mut member)?;
        io::copy(&mut member, &mut io::sink())?;
        if member.limit() > 0 {
            return Err(invalid("it ends inside a member").into());
        }
        if size % 2 == 1 {
            reader
                .read_exact(&mut [0])
                .map_err(|_| invalid("it ends inside a member"))?;
        }
    }
    Ok(())
}

/// Name and size of the next member; `None` at the end.
fn read_header(reader: &mut impl Read) -> io::Result<Option<(String, u64)>> {
    let mut header = Vec::with_capacity(HEADER);
    reader.by_ref().take(HEADER as u64).read_to_end(&mut header)?;
    if header.is_empty() {
        return Ok(None);
    }
    if header.len() < HEADER || header[58..] != *b"`\n" {
        return Err(invalid("a member's header is damaged"));
    }
    let text =
        |range: std::ops::Range<usize>| std::str::from_utf8(&header[range]).unwrap_or_default().trim_end();
    let name = text(0..16).trim_end_matches('/');
    let size = text(48..58)
        .parse()
        .map_err(|_| invalid("a member's size is no number"))?;
    if name.is_empty() || name.starts_with(['/', '#']) {
        return Err(invalid("a member has no plain name"));
    }
    Ok(Some((name.into(), size)))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An `ar` archive of these members.
    pub(crate) fn write_ar(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for (name, content) in members {
            bytes.extend(
                format!(
                    "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                    0,
                    0,
                    0,
                    100644,
                    content.len()
                )
                .bytes(),
            );
            bytes.extend_from_slice(content);
            bytes.resize(bytes.len().next_multiple_of(2), b'\n');
        }
        bytes
    }

    fn read(bytes: &[u8], take: u64) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut members = Vec::new();
        read_ar::<io::Error>(bytes, &mut |name, content| {
            let mut bytes = Vec::new();
            content.take(take).read_to_end(&mut bytes)?;
            members.push((name.to_string(), bytes));
            Ok(())
        })?;
        Ok(members)
    }

    #[test]
    fn reads_members_whether_or_not_they_are_consumed() {
        let bytes = write_ar(&[("debian-binary", b"2.0\n"), ("odd/", b"abc"), ("last", b"")]);
        let members = read(&bytes, 100).unwrap();
        assert_eq!(members[1], ("odd".to_string(), b"abc".to_vec()));
        assert_eq!(read(&bytes, 1).unwrap().len(), 3);
    }

    #[test]
    fn refuses_every_truncation_and_damaged_headers() {
        let bytes = write_ar(&[("one", b"abc"), ("two", b"defg")]);
        let whole_first = 8 + 60 + 4;
        for length in (0..bytes.len()).filter(|length| *length != 8 && *length != whole_first) {
            assert!(read(&bytes[..length], 100).is_err(), "cut at {length}");
        }
        for name in ["/", "//", "#1/20"] {
            assert!(read(&write_ar(&[(name, b"")]), 100).is_err(), "{name}");
        }
        let mut damaged = bytes.clone();
        damaged[8 + 48] = b'-';
        assert!(read(&damaged, 100).is_err());
    }
}
