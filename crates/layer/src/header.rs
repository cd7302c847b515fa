//! Tar headers as praxis writes them: ustar, with PAX records only where ustar cannot say it.

use crate::{Entry, Kind, LayerError, Timestamp};

pub const BLOCK: usize = 512;
const LARGEST_OCTAL_11: u64 = 0o77_777_777_777;
const LARGEST_OCTAL_7: u32 = 0o7_777_777;

/// Appends the header blocks of `entry` under `name` (as it stands in the tar, directories with `/`).
pub fn put_header(out: &mut Vec<u8>, entry: &Entry, name: &[u8]) -> Result<(), LayerError> {
    let (flag, link, size) = describe(entry);
    let mut records = Vec::new();
    let split = split_name(name);
    if split.is_none() {
        put_record(&mut records, b"path", name);
    }
    if link.len() > 100 {
        put_record(&mut records, b"linkpath", link);
    }
    put_numbers(&mut records, entry, size);
    for (key, value) in &entry.xattrs {
        if key.is_empty() || key.contains(&b'=') || key.contains(&0) {
            let reason = "the name of an extended attribute is empty or has `=` in it";
            return Err(LayerError::Unrepresentable {
                path: entry.path.clone(),
                reason,
            });
        }
        put_record(&mut records, &[b"SCHILY.xattr.", key.as_slice()].concat(), value);
    }
    if !records.is_empty() {
        put_records(out, &records);
    }
    let (prefix, name) = split.unwrap_or_else(|| (b"".as_slice(), &name[..100]));
    let mut header = blank(flag, prefix, name);
    octal(&mut header[100..108], u64::from(entry.mode));
    octal(&mut header[108..116], u64::from(fitting(entry.uid)));
    octal(&mut header[116..124], u64::from(fitting(entry.gid)));
    octal(
        &mut header[124..136],
        if size > LARGEST_OCTAL_11 { 0 } else { size },
    );
    octal(&mut header[136..148], plain_seconds(entry.mtime).unwrap_or(0));
    header[157..157 + link.len().min(100)].copy_from_slice(&link[..link.len().min(100)]);
    put_device(&mut header, entry)?;
    seal(&mut header);
    out.extend_from_slice(&header);
    Ok(())
}

fn describe(entry: &Entry) -> (u8, &[u8], u64) {
    match &entry.kind {
        Kind::Directory { .. } => (b'5', b"", 0),
        Kind::File { size, .. } => (b'0', b"", *size),
        Kind::Symlink { target } => (b'2', target, 0),
        Kind::Hardlink { target } => (b'1', target.as_bytes(), 0),
        Kind::Character { .. } => (b'3', b"", 0),
        Kind::Block { .. } => (b'4', b"", 0),
        Kind::Fifo => (b'6', b"", 0),
        Kind::Whiteout => (b'0', b"", 0),
    }
}

/// Prefix and name fields, or nothing if the name is too long for them.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= 100 {
        return Some((b"", name));
    }
    let earliest = name.len().saturating_sub(101);
    let cut = (earliest..name.len().min(156)).find(|&i| name[i] == b'/' && i > 0 && i + 1 < name.len())?;
    Some((&name[..cut], &name[cut + 1..]))
}

fn fitting(id: u32) -> u32 {
    if id > LARGEST_OCTAL_7 { 0 } else { id }
}

fn plain_seconds(time: Timestamp) -> Option<u64> {
    u64::try_from(time.seconds)
        .ok()
        .filter(|&seconds| seconds <= LARGEST_OCTAL_11)
}

fn put_numbers(records: &mut Vec<u8>, entry: &Entry, size: u64) {
    if size > LARGEST_OCTAL_11 {
        put_record(records, b"size", size.to_string().as_bytes());
    }
    if entry.uid > LARGEST_OCTAL_7 {
        put_record(records, b"uid", entry.uid.to_string().as_bytes());
    }
    if entry.gid > LARGEST_OCTAL_7 {
        put_record(records, b"gid", entry.gid.to_string().as_bytes());
    }
    if entry.mtime.nanoseconds != 0 || plain_seconds(entry.mtime).is_none() {
        put_record(records, b"mtime", decimal(entry.mtime).as_bytes());
    }
}

/// `seconds.fraction` with the sign of the whole.
fn decimal(time: Timestamp) -> String {
    if time.nanoseconds == 0 {
        return time.seconds.to_string();
    }
    let (sign, seconds, nanoseconds) = match time.seconds < 0 {
        true => (
            "-",
            (time.seconds + 1).unsigned_abs(),
            1_000_000_000 - time.nanoseconds,
        ),
        false => ("", time.seconds.unsigned_abs(), time.nanoseconds),
    };
    let text = format!("{sign}{seconds}.{nanoseconds:09}");
    text.trim_end_matches('0').to_owned()
}

/// `LENGTH key=value\n`, where LENGTH counts itself.
fn put_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let body = key.len() + value.len() + 3;
    let mut length = body + 1;
    while length != body + length.to_string().len() {
        length = body + length.to_string().len();
    }
    records.extend_from_slice(length.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn put_records(out: &mut Vec<u8>, records: &[u8]) {
    let mut header = blank(b'x', b"", b"PaxHeader");
    octal(&mut header[100..108], 0o644);
    octal(&mut header[108..116], 0);
    octal(&mut header[116..124], 0);
    octal(&mut header[124..136], records.len() as u64);
    octal(&mut header[136..148], 0);
    seal(&mut header);
    out.extend_from_slice(&header);
    out.extend_from_slice(records);
    pad(out, records.len() as u64);
}

/// Appends the zeros that fill the last block of `size` bytes of content.
pub fn pad(out: &mut Vec<u8>, size: u64) {
    let over = (size % BLOCK as u64) as usize;
    if over > 0 {
        out.resize(out.len() + BLOCK - over, 0);
    }
}

fn blank(flag: u8, prefix: &[u8], name: &[u8]) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    header[..name.len()].copy_from_slice(name);
    header[156] = flag;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[345..345 + prefix.len()].copy_from_slice(prefix);
    header
}

fn put_device(header: &mut [u8; BLOCK], entry: &Entry) -> Result<(), LayerError> {
    let (major, minor) = match entry.kind {
        Kind::Character { major, minor } | Kind::Block { major, minor } => (major, minor),
        _ => (0, 0),
    };
    if major.max(minor) > LARGEST_OCTAL_7 {
        let reason = "its device number is too large for a tar header";
        return Err(LayerError::Unrepresentable {
            path: entry.path.clone(),
            reason,
        });
    }
    octal(&mut header[329..337], u64::from(major));
    octal(&mut header[337..345], u64::from(minor));
    Ok(())
}

/// Zero-padded octal with a NUL at the end.
fn octal(field: &mut [u8], mut value: u64) {
    let digits = field.len() - 1;
    for digit in field[..digits].iter_mut().rev() {
        *digit = b'0' + (value & 7) as u8;
        value >>= 3;
    }
    field[digits] = 0;
}

/// Writes the check sum.
fn seal(header: &mut [u8; BLOCK]) {
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|&byte| u64::from(byte)).sum();
    octal(&mut header[148..155], sum);
    header[155] = b' ';
}
