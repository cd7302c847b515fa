use std::collections::BTreeMap;
use std::io::{self, Read};

use crate::decompress::read_failed;
use crate::header::BLOCK;
use crate::records::{Records, decimal, field};
use crate::sparse::{check_map, pairs, too_many_segments};
use crate::write::read_full;
use crate::{LayerError, Limits, Timestamp, TreePath, decompress};

/// A member of a plain archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveEntry {
    /// Where: relative, without `.` and `..`.
    pub path: TreePath,
    /// What.
    pub kind: ArchiveKind,
    /// Permission bits.
    pub mode: u32,
    /// Owner, by number.
    pub uid: u32,
    /// Group, by number.
    pub gid: u32,
    /// Time of modification.
    pub mtime: Timestamp,
    /// Extended attributes.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveKind {
    /// A directory.
    Directory,
    /// A regular file; its content is in the archive.
    File {
        /// Length in bytes, holes included.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Its text.
        target: Vec<u8>,
    },
    /// A further name of an earlier member.
    Hardlink {
        /// Name of the earlier member.
        target: TreePath,
    },
    /// A character device.
    Character {
        /// Device number.
        major: u32,
        /// Device number.
        minor: u32,
    },
    /// A block device.
    Block {
        /// Device number.
        major: u32,
        /// Device number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// Reads an uncompressed tar of any dialect (V7, ustar, PAX, GNU with its sparse forms) and shows each member to
/// `visit` with its content. What `visit` leaves unread is skipped. Names that are absolute or climb, damaged
/// headers and members that readers understand differently are errors. Reads to the end of `reader`.
pub fn read_archive<E: From<LayerError>>(
    reader: impl Read,
    limits: &Limits,
    visit: &mut dyn FnMut(ArchiveEntry, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let mut archive = Archive::new(reader, limits);
    while let Some(entry) = archive.next()? {
        visit(entry, &mut archive)?;
    }
    Ok(archive.drain()?)
}

/// Whether `reader` begins like a tar, compressed or not: what decides whether ADD unpacks. Like BuildKit it looks
/// for one readable member, so an empty tar is none.
pub fn is_archive(reader: impl Read + Send) -> bool {
    let limits = Limits::default();
    let Ok(reader) = decompress(reader, &limits) else {
        return false;
    };
    let mut archive = Archive::new(reader, &limits);
    archive.lenient = true;
    matches!(archive.next(), Ok(Some(_)))
}

pub(crate) struct Archive<'a, R> {
    reader: R,
    limits: &'a Limits,
    globals: Records,
    entries: u64,
    bytes: u64,
    /// Bytes of the current member's data and padding that have not been read.
    data: u64,
    padding: u64,
    /// The current file: its length, how far it was read, and where it has data.
    size: u64,
    position: u64,
    segments: std::vec::IntoIter<(u64, u64)>,
    segment: (u64, u64),
    /// Only asks whether a member can be read; its name may be unacceptable.
    lenient: bool,
}

#[derive(Default)]
struct Pending {
    records: Option<Records>,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl<'a, R: Read> Archive<'a, R> {
    pub(crate) fn new(reader: R, limits: &'a Limits) -> Archive<'a, R> {
        Archive {
            reader,
            limits,
            globals: Records::default(),
            entries: 0,
            bytes: 0,
            data: 0,
            padding: 0,
            size: 0,
            position: 0,
            segments: Vec::new().into_iter(),
            segment: (0, 0),
            lenient: false,
        }
    }

    /// The next member; its content is then read from `self`.
    pub(crate) fn next(&mut self) -> Result<Option<ArchiveEntry>, LayerError> {
        self.skip()?;
        let mut pending = Pending::default();
        loop {
            let Some(header) = self.header()? else {
                let alone = pending.records.is_some() || pending.name.is_some() || pending.link.is_some();
                return if alone {
                    Err(LayerError::damaged("it ends after an extended header"))
                } else {
                    Ok(None)
                };
            };
            self.entries += 1;
            if self.entries > self.limits.max_entries {
                return Err(LayerError::Limit {
                    what: "members",
                    cap: self.limits.max_entries,
                });
            }
            match header[156] {
                b'x' | b'X' => {
                    if pending.records.is_some() {
                        return Err(LayerError::damaged("two extended headers for one member"));
                    }
                    let mut records = self.globals.clone();
                    records.read(&self.meta(&header, self.limits.max_records)?, false)?;
                    pending.records = Some(records);
                }
                b'g' => {
                    let bytes = self.meta(&header, self.limits.max_records)?;
                    self.globals.read(&bytes, true)?;
                }
                b'L' => pending.name = Some(self.long(&header)?),
                b'K' => pending.link = Some(self.long(&header)?),
                b'V' => self.data = self.size_of(&header)?.next_multiple_of(BLOCK as u64),
                _ => return self.member(&header, pending).map(Some),
            }
            self.skip()?;
        }
    }

    /// Reads what comes after the end of the archive, so that digests of the whole stream are complete.
    pub(crate) fn drain(&mut self) -> Result<(), LayerError> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match self.reader.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.count(count as u64)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_failed(error)),
            }
        }
    }

    fn count(&mut self, bytes: u64) -> Result<(), LayerError> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.max_bytes {
            return Err(LayerError::Limit {
                what: "bytes",
                cap: self.limits.max_bytes,
            });
        }
        Ok(())
    }

    fn exact(&mut self, buffer: &mut [u8]) -> Result<(), LayerError> {
        match read_full(&mut self.reader, buffer).map_err(read_failed)? {
            count if count == buffer.len() => self.count(count as u64),
            _ => Err(LayerError::damaged("it ends in the middle of a member")),
        }
    }

    /// Goes to the end of the current member.
    fn skip(&mut self) -> Result<(), LayerError> {
        let wanted = self.data + self.padding;
        let skipped =
            io::copy(&mut self.reader.by_ref().take(wanted), &mut io::sink()).map_err(read_failed)?;
        if skipped < wanted {
            return Err(LayerError::damaged("it ends in the middle of a member"));
        }
        (self.data, self.padding, self.size, self.position) = (0, 0, 0, 0);
        Ok(())
    }

    /// The next header block; `None` at the end: two zero blocks, or no more bytes.
    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, LayerError> {
        let mut block = [0; BLOCK];
        match read_full(&mut self.reader, &mut block).map_err(read_failed)? {
            0 => return Ok(None),
            BLOCK => self.count(BLOCK as u64)?,
            _ => return Err(LayerError::damaged("it ends in the middle of a header")),
        }
        if block == [0; BLOCK] {
            let mut second = [0; BLOCK];
            let length = read_full(&mut self.reader, &mut second).map_err(read_failed)?;
            return match second[..length].iter().all(|&byte| byte == 0) {
                true => Ok(None),
                false => Err(LayerError::damaged("a single zero block stands between members")),
            };
        }
        let sum = field(&block[148..156]);
        let others = || block[..148].iter().chain(&block[156..]);
        let unsigned = others().map(|&b| i64::from(b)).sum::<i64>() + 8 * 32;
        let signed = others().map(|&b| i64::from(b as i8)).sum::<i64>() + 8 * 32;
        if sum != Some(unsigned) && sum != Some(signed) {
            return Err(LayerError::damaged("the check sum of a header is wrong"));
        }
        Ok(Some(block))
    }

    fn size_of(&self, header: &[u8; BLOCK]) -> Result<u64, LayerError> {
        let size = field(&header[124..136]).and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| LayerError::damaged("a member's size is no number or negative"))?;
        match size > self.limits.max_bytes {
            true => Err(LayerError::Limit {
                what: "bytes",
                cap: self.limits.max_bytes,
            }),
            false => Ok(size),
        }
    }

    /// The data of a member that describes the next one.
    fn meta(&mut self, header: &[u8; BLOCK], cap: u64) -> Result<Vec<u8>, LayerError> {
        let size = self.size_of(header)?;
        if size > cap {
            return Err(LayerError::Limit {
                what: "bytes in one extended header",
                cap,
            });
        }
        let mut bytes = vec![0; size as usize];
        self.exact(&mut bytes)?;
        self.padding = padding(size);
        Ok(bytes)
    }

    fn long(&mut self, header: &[u8; BLOCK]) -> Result<Vec<u8>, LayerError> {
        let bytes = self.meta(header, self.limits.max_name as u64 + 1)?;
        Ok(text(&bytes).to_vec())
    }

    fn member(&mut self, header: &[u8; BLOCK], pending: Pending) -> Result<ArchiveEntry, LayerError> {
        let mut records = pending.records.unwrap_or_else(|| self.globals.clone());
        let sparse_name = records.sparse.as_mut().and_then(|sparse| sparse.name.take());
        let name =
            agreed(sparse_name.or(records.path.take()), pending.name)?.unwrap_or_else(|| short_name(header));
        let link =
            agreed(records.link.take(), pending.link)?.unwrap_or_else(|| text(&header[157..257]).to_vec());
        let wrong = |reason: &str| LayerError::member(&name, reason);
        let size = match records.size {
            Some(size) if size <= self.limits.max_bytes => size,
            Some(_) => {
                return Err(LayerError::Limit {
                    what: "bytes",
                    cap: self.limits.max_bytes,
                });
            }
            None => self.size_of(header)?,
        };
        let number = |range: std::ops::Range<usize>| field(&header[range]);
        let id = |known: Option<u32>, range| known.or_else(|| u32::try_from(number(range)?).ok());
        let kind = self.kind(header, &name, &link, size)?;
        let path = match self.lenient {
            true => TreePath::clean(&name),
            false => plain_path(&name, self.limits)?,
        };
        if path.is_root() && !matches!(kind, ArchiveKind::Directory) && !self.lenient {
            return Err(wrong("the root must be a directory"));
        }
        let seconds = || number(136..148).map(Timestamp::seconds);
        let entry = ArchiveEntry {
            path,
            kind,
            mode: number(100..108).ok_or_else(|| wrong("its mode is no number"))? as u32 & 0o7777,
            uid: id(records.uid, 108..116).ok_or_else(|| wrong("its owner is no number in range"))?,
            gid: id(records.gid, 116..124).ok_or_else(|| wrong("its group is no number in range"))?,
            mtime: records
                .mtime
                .or_else(seconds)
                .ok_or_else(|| wrong("its time is no number"))?,
            xattrs: std::mem::take(&mut records.xattrs),
        };
        self.begin(header, entry, size, &records, &name)
    }

    fn kind(
        &self,
        header: &[u8; BLOCK],
        name: &[u8],
        link: &[u8],
        size: u64,
    ) -> Result<ArchiveKind, LayerError> {
        let wrong = |reason: &str| LayerError::member(name, reason);
        let device = |range: std::ops::Range<usize>| {
            let number = field(&header[range]).and_then(|number| u32::try_from(number).ok());
            number.ok_or_else(|| wrong("its device number is no number in range"))
        };
        let flag = header[156];
        if size > 0 && !matches!(flag, 0 | b'0' | b'7' | b'S') {
            return Err(wrong(
                "it has a size but is no file; readers disagree about where the next member begins",
            ));
        }
        Ok(match flag {
            0 | b'0' | b'7' if name.ends_with(b"/") && size == 0 => ArchiveKind::Directory,
            0 | b'0' | b'7' if name.ends_with(b"/") => return Err(wrong("a directory with content")),
            0 | b'0' | b'7' | b'S' => ArchiveKind::File { size },
            b'1' => ArchiveKind::Hardlink {
                target: self.link_target(name, link)?,
            },
            b'2' if link.is_empty() || link.len() > self.limits.max_name => {
                return Err(wrong("its link target is empty or too long"));
            }
            b'2' => ArchiveKind::Symlink {
                target: link.to_vec(),
            },
            b'3' => ArchiveKind::Character {
                major: device(329..337)?,
                minor: device(337..345)?,
            },
            b'4' => ArchiveKind::Block {
                major: device(329..337)?,
                minor: device(337..345)?,
            },
            b'5' => ArchiveKind::Directory,
            b'6' => ArchiveKind::Fifo,
            other => return Err(wrong(&format!("unknown type {:?}", char::from(other)))),
        })
    }

    /// Absolute names are accepted for what a hard link names, since some writers emit them.
    fn link_target(&self, name: &[u8], link: &[u8]) -> Result<TreePath, LayerError> {
        let start = link.iter().position(|&b| b != b'/').unwrap_or(link.len());
        match plain_path(&link[start..], self.limits) {
            Ok(path) if !path.is_root() => Ok(path),
            Err(_) if self.lenient => Ok(TreePath::clean(link)),
            _ => Err(LayerError::member(
                name,
                "its hard link does not name a file inside the archive",
            )),
        }
    }

    /// Gets ready to read the content of `entry`.
    fn begin(
        &mut self,
        header: &[u8; BLOCK],
        mut entry: ArchiveEntry,
        size: u64,
        records: &Records,
        name: &[u8],
    ) -> Result<ArchiveEntry, LayerError> {
        let ArchiveKind::File { size: real } = &mut entry.kind else {
            return Ok(entry);
        };
        self.data = size;
        let segments = match &records.sparse {
            None if header[156] != b'S' => vec![(0, size)],
            None => {
                let length = field(&header[483..495]).and_then(|size| u64::try_from(size).ok());
                *real = length.ok_or_else(|| LayerError::member(name, "its real size is no number"))?;
                self.old_map(header)?
            }
            Some(sparse) => {
                *real = sparse
                    .size
                    .ok_or_else(|| LayerError::member(name, "its real size is missing"))?;
                match sparse.major {
                    Some(1) => self.inline_map()?,
                    _ => pairs(&sparse.map, self.limits)?,
                }
            }
        };
        check_map(&segments, self.data, *real).map_err(|reason| LayerError::member(name, reason))?;
        self.padding = padding(size);
        self.size = *real;
        self.count(*real)?;
        self.segments = segments.into_iter();
        self.segment = self.segments.next().unwrap_or((*real, 0));
        Ok(entry)
    }

    /// The map of an old GNU sparse file: four segments in the header, more in blocks after it.
    fn old_map(&mut self, header: &[u8; BLOCK]) -> Result<Vec<(u64, u64)>, LayerError> {
        let mut numbers = Vec::new();
        let mut take = |bytes: &[u8]| {
            for part in bytes.chunks_exact(12) {
                let number = field(part).and_then(|number| u64::try_from(number).ok());
                numbers
                    .push(number.ok_or_else(|| LayerError::damaged("a sparse map is no list of numbers"))?);
            }
            Ok(numbers.len() / 2)
        };
        take(&header[386..482])?;
        let mut more = header[482] != 0;
        while more {
            let mut block = [0; BLOCK];
            self.exact(&mut block)?;
            if take(&block[..504])? > self.limits.max_segments {
                return Err(too_many_segments(self.limits));
            }
            more = block[504] != 0;
        }
        let mut map = pairs(&numbers, self.limits)?;
        map.retain(|&(offset, length)| (offset, length) != (0, 0));
        Ok(map)
    }

    /// The map of a PAX 1.0 sparse file: decimal lines in front of the data.
    fn inline_map(&mut self) -> Result<Vec<(u64, u64)>, LayerError> {
        let malformed = || LayerError::damaged("a sparse map is no list of numbers");
        let mut lines = Lines {
            block: [0; BLOCK],
            at: BLOCK,
        };
        let count = usize::try_from(self.line(&mut lines)?).map_err(|_| malformed())?;
        if count > self.limits.max_segments {
            return Err(too_many_segments(self.limits));
        }
        (0..count)
            .map(|_| Ok((self.line(&mut lines)?, self.line(&mut lines)?)))
            .collect()
    }

    fn line(&mut self, lines: &mut Lines) -> Result<u64, LayerError> {
        let malformed = || LayerError::damaged("a sparse map is no list of numbers");
        let mut digits = Vec::new();
        loop {
            if lines.at == BLOCK {
                self.data = self.data.checked_sub(BLOCK as u64).ok_or_else(malformed)?;
                self.exact(&mut lines.block)?;
                lines.at = 0;
            }
            let byte = lines.block[lines.at];
            lines.at += 1;
            match byte {
                b'\n' => return decimal(&digits).ok_or_else(malformed),
                _ if digits.len() > 20 => return Err(malformed()),
                _ => digits.push(byte),
            }
        }
    }
}

struct Lines {
    block: [u8; BLOCK],
    at: usize,
}

/// The content of the current member, holes as zeros.
impl<R: Read> Read for Archive<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.segment.1 == 0 && self.segment.0 <= self.position && self.position < self.size {
            self.segment = self.segments.next().unwrap_or((self.size, 0));
            if self.segment.0 == self.size {
                break;
            }
        }
        let (start, length) = self.segment;
        if self.position < start.min(self.size) {
            let count = buffer.len().min((start.min(self.size) - self.position) as usize);
            buffer[..count].fill(0);
            self.position += count as u64;
            return Ok(count);
        }
        let wanted = buffer
            .len()
            .min(usize::try_from(length.min(self.data)).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::Error::other(LayerError::damaged(
                "it ends in the middle of a member",
            )));
        }
        self.position += count as u64;
        self.data -= count as u64;
        self.segment = (start + count as u64, length - count as u64);
        Ok(count)
    }
}

fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}

/// Bytes up to the first NUL.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn short_name(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = text(&header[..100]);
    let prefix = text(&header[345..500]);
    match &header[257..263] == b"ustar\0" && !prefix.is_empty() {
        true => [prefix, b"/", name].concat(),
        false => name.to_vec(),
    }
}

/// One of two names, or the same by both.
fn agreed(pax: Option<Vec<u8>>, gnu: Option<Vec<u8>>) -> Result<Option<Vec<u8>>, LayerError> {
    match (pax, gnu) {
        (Some(pax), Some(gnu)) if pax != gnu => Err(LayerError::member(
            &pax,
            "a PAX record and a GNU header give it two different names",
        )),
        (pax, gnu) => Ok(pax.or(gnu)),
    }
}

const LONGEST_COMPONENT: usize = 255;

fn plain_path(name: &[u8], limits: &Limits) -> Result<TreePath, LayerError> {
    let wrong = |reason: &str| Err(LayerError::member(name, reason));
    if name.is_empty() {
        return wrong("it has no name");
    }
    if name.starts_with(b"/") && name.iter().any(|&b| b != b'/') {
        return wrong("its name is absolute; write it relative to the root");
    }
    if name.contains(&0) {
        return wrong("its name has a NUL in it");
    }
    if name.split(|&b| b == b'/').any(|part| part == b"..") {
        return wrong("its name has `..` in it, which could leave the root");
    }
    if name.len() > limits.max_name
        || name
            .split(|&b| b == b'/')
            .any(|part| part.len() > LONGEST_COMPONENT)
    {
        return wrong("its name is longer than a file system allows");
    }
    Ok(TreePath::clean(name))
}
