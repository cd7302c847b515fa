use std::collections::BTreeMap;

use praxis_oci::Digest;

use crate::wire::{Wire, put_bytes, put_number, put_signed};
use crate::{Entry, Kind, LayerError, Listing, Timestamp, TreePath};

const MAGIC: &[u8] = b"praxis listing 1\n";
/// The shortest encoding of an entry: what bounds the memory that a count can ask for.
const SHORTEST_ENTRY: usize = 8;

impl Listing {
    /// The canonical binary form: equal listings give equal bytes, and different ones different bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.entries().len() * 96);
        out.extend_from_slice(MAGIC);
        put_number(&mut out, self.entries().len() as u64);
        let mut previous: &[u8] = &[];
        for entry in self.entries() {
            let path = entry.path.as_bytes();
            let shared = previous.iter().zip(path).take_while(|(a, b)| a == b).count();
            put_number(&mut out, shared as u64);
            put_bytes(&mut out, &path[shared..]);
            put_entry(&mut out, entry);
            previous = path;
        }
        out
    }

    /// Reads what [`Listing::encode`] wrote. Anything else is an error: unsorted or repeated paths, components
    /// that are not plain, hard links to nothing, and bytes that are not the canonical form.
    pub fn decode(bytes: &[u8]) -> Result<Listing, LayerError> {
        let mut wire = Wire::new(bytes, MAGIC, "listing")?;
        let count = wire.number()?;
        if count > (wire.remaining() / SHORTEST_ENTRY) as u64 {
            return Err(wire.invalid("it counts more entries than it can hold"));
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let previous = entries.last().map(|entry| &entry.path);
            let path = take_path(&mut wire, previous)?;
            let entry = take_entry(&mut wire, path)?;
            entries.push(entry);
        }
        if wire.remaining() > 0 {
            return Err(wire.invalid("it goes on after its end"));
        }
        let listing = Listing::new(entries);
        check_links(&wire, &listing)?;
        Ok(listing)
    }

    /// The digest of [`Listing::encode`]: the name of the layer inside praxis.
    pub fn id(&self) -> Digest {
        Digest::of(&self.encode())
    }

    /// The entry at `path`.
    pub fn get(&self, path: &TreePath) -> Option<&Entry> {
        let at = self
            .entries()
            .binary_search_by(|entry| entry.path.cmp(path))
            .ok()?;
        self.entries().get(at)
    }
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.push(tag(&entry.kind));
    put_number(out, u64::from(entry.mode));
    put_number(out, u64::from(entry.uid));
    put_number(out, u64::from(entry.gid));
    put_signed(out, entry.mtime.seconds);
    put_number(out, u64::from(entry.mtime.nanoseconds));
    put_number(out, entry.xattrs.len() as u64);
    for (name, value) in &entry.xattrs {
        put_bytes(out, name);
        put_bytes(out, value);
    }
    match &entry.kind {
        Kind::File { size, content } => {
            put_number(out, *size);
            out.extend_from_slice(content.as_bytes());
        }
        Kind::Symlink { target } => put_bytes(out, target),
        Kind::Hardlink { target } => put_bytes(out, target.as_bytes()),
        Kind::Character { major, minor } | Kind::Block { major, minor } => {
            put_number(out, u64::from(*major));
            put_number(out, u64::from(*minor));
        }
        Kind::Directory { .. } | Kind::Fifo | Kind::Whiteout => {}
    }
}

fn tag(kind: &Kind) -> u8 {
    match kind {
        Kind::Directory { opaque: false } => 1,
        Kind::Directory { opaque: true } => 2,
        Kind::File { .. } => 3,
        Kind::Symlink { .. } => 4,
        Kind::Hardlink { .. } => 5,
        Kind::Character { .. } => 6,
        Kind::Block { .. } => 7,
        Kind::Fifo => 8,
        Kind::Whiteout => 9,
    }
}

fn plain(bytes: &[u8]) -> bool {
    let component = |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0);
    bytes.is_empty() || bytes.split(|&b| b == b'/').all(component)
}

fn take_path(wire: &mut Wire<'_>, previous: Option<&TreePath>) -> Result<TreePath, LayerError> {
    let shared = wire.number()?;
    let rest = wire.bytes()?;
    let before = previous.map(TreePath::as_bytes).unwrap_or_default();
    let head = usize::try_from(shared).ok().and_then(|n| before.get(..n));
    let head = head.ok_or_else(|| wire.invalid("a path repeats more than there is"))?;
    if before
        .get(head.len())
        .is_some_and(|next| rest.first() == Some(next))
    {
        return Err(wire.invalid("a path is not in its shortest form"));
    }
    let bytes = [head, rest].concat();
    if !plain(&bytes) {
        return Err(wire.invalid("a path has an empty, `.` or `..` component"));
    }
    let path = TreePath::clean(&bytes);
    if previous.is_some_and(|previous| *previous >= path) {
        return Err(wire.invalid("its paths are not in order"));
    }
    Ok(path)
}

fn take_entry(wire: &mut Wire<'_>, path: TreePath) -> Result<Entry, LayerError> {
    let tag = wire.byte()?;
    let (mode, uid, gid) = (wire.number32()?, wire.number32()?, wire.number32()?);
    let mtime = Timestamp {
        seconds: wire.signed()?,
        nanoseconds: wire.number32()?,
    };
    if mode > 0o7777 || mtime.nanoseconds > 999_999_999 {
        return Err(wire.invalid("a mode or a time is out of range"));
    }
    let xattrs = take_xattrs(wire)?;
    let kind = take_kind(wire, tag)?;
    if path.is_root() && !matches!(kind, Kind::Directory { .. }) {
        return Err(wire.invalid("the root is no directory"));
    }
    Ok(Entry {
        path,
        kind,
        mode,
        uid,
        gid,
        mtime,
        xattrs,
    })
}

fn take_xattrs(wire: &mut Wire<'_>) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, LayerError> {
    let mut xattrs = BTreeMap::new();
    for _ in 0..wire.number()? {
        let (name, value) = (wire.bytes()?, wire.bytes()?);
        let ordered = xattrs
            .last_key_value()
            .is_none_or(|(last, _): (&Vec<u8>, _)| last.as_slice() < name);
        if !ordered {
            return Err(wire.invalid("extended attributes are not in order"));
        }
        xattrs.insert(name.to_vec(), value.to_vec());
    }
    Ok(xattrs)
}

fn take_kind(wire: &mut Wire<'_>, tag: u8) -> Result<Kind, LayerError> {
    Ok(match tag {
        1 => Kind::Directory { opaque: false },
        2 => Kind::Directory { opaque: true },
        3 => Kind::File {
            size: wire.number()?,
            content: wire.digest()?,
        },
        4 => Kind::Symlink {
            target: wire.bytes()?.to_vec(),
        },
        5 => {
            let target = wire.bytes()?;
            if target.is_empty() || !plain(target) {
                return Err(wire.invalid("a hard link's target is no plain path"));
            }
            Kind::Hardlink {
                target: TreePath::clean(target),
            }
        }
        6 => Kind::Character {
            major: wire.number32()?,
            minor: wire.number32()?,
        },
        7 => Kind::Block {
            major: wire.number32()?,
            minor: wire.number32()?,
        },
        8 => Kind::Fifo,
        9 => Kind::Whiteout,
        _ => return Err(wire.invalid("an entry is of a kind this version does not know")),
    })
}

/// Hard links lead to an earlier name that is no link; nothing is below what is no directory.
fn check_links(wire: &Wire<'_>, listing: &Listing) -> Result<(), LayerError> {
    let mut closed: Option<&TreePath> = None;
    for entry in listing.entries() {
        if closed.is_some_and(|path| entry.path.starts_with(path)) {
            return Err(wire.invalid("an entry is below one that is no directory"));
        }
        closed = (!entry.is_directory()).then_some(&entry.path);
        let Kind::Hardlink { target } = &entry.kind else {
            continue;
        };
        let first = listing.get(target).filter(|first| {
            first.path < entry.path
                && !matches!(
                    first.kind,
                    Kind::Directory { .. } | Kind::Hardlink { .. } | Kind::Whiteout
                )
        });
        if first.is_none() {
            return Err(wire.invalid("a hard link's target is not an earlier entry"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn sample() -> Listing {
        let time = Timestamp {
            seconds: -5,
            nanoseconds: 7,
        };
        let file = Kind::File {
            size: 3,
            content: Digest::of(b"abc"),
        };
        let mut capable = Entry::new("a/file".into(), file, 0o4755, time);
        capable.uid = 10001;
        capable
            .xattrs
            .insert(b"security.capability".to_vec(), vec![1, 0, 255]);
        let link = Kind::Hardlink {
            target: "a/file".into(),
        };
        Listing::new(vec![
            Entry::new(TreePath::root(), Kind::Directory { opaque: false }, 0o755, time),
            Entry::new(
                "a".into(),
                Kind::Directory { opaque: true },
                0o1777,
                Timestamp::seconds(1 << 40),
            ),
            capable,
            Entry::new("a/link".into(), link, 0o4755, time),
            Entry::new(
                "a-b".into(),
                Kind::Symlink {
                    target: b"../\xff".to_vec(),
                },
                0o777,
                time,
            ),
            Entry::new("dev".into(), Kind::Character { major: 1, minor: 3 }, 0o666, time),
            Entry::new(
                "disk".into(),
                Kind::Block {
                    major: 8,
                    minor: 1 << 20,
                },
                0o660,
                time,
            ),
            Entry::new("pipe".into(), Kind::Fifo, 0o600, time),
            Entry::whiteout("gone".into()),
        ])
    }

    #[test]
    fn reads_what_it_wrote() {
        let listing = sample();
        let bytes = listing.encode();
        assert_eq!(Listing::decode(&bytes).unwrap(), listing);
        assert_eq!(listing.id(), Digest::of(&bytes));
        assert_ne!(listing.id(), Listing::default().id());
    }

    #[test]
    fn any_damage_is_an_error_or_another_canonical_listing_and_never_a_panic() {
        let bytes = sample().encode();
        for length in 0..bytes.len() {
            assert!(Listing::decode(&bytes[..length]).is_err(), "cut at {length}");
        }
        for position in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[position] ^= flip;
                if let Ok(listing) = Listing::decode(&damaged) {
                    assert_eq!(listing.encode(), damaged, "position {position}");
                }
            }
        }
    }

    /// security row 24: an unchecked name that climbs.
    #[test]
    fn row_24_paths_that_climb_are_refused() {
        for path in ["../x", "a/..", "/x", "a//b", ".", "a\0b"] {
            let mut bytes = MAGIC.to_vec();
            put_number(&mut bytes, 1);
            put_number(&mut bytes, 0);
            put_bytes(&mut bytes, path.as_bytes());
            bytes.extend_from_slice(&[8, 0, 0, 0, 0, 0, 0]);
            assert!(Listing::decode(&bytes).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_count_beyond_the_bytes_is_refused_before_memory_is_taken() {
        let mut bytes = MAGIC.to_vec();
        put_number(&mut bytes, u64::MAX);
        assert!(Listing::decode(&bytes).is_err());
    }
}
