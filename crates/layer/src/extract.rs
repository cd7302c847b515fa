use std::io::{self, Read};
use std::os::fd::OwnedFd;

use praxis_oci::{Digest, Hasher, HashingReader};

use crate::ahead::read_ahead;
use crate::archive::Archive;
use crate::assembly::Assembly;
use crate::snapshot::{Ownership, Snapshot, is_overlay_xattr};
use crate::write::{OPAQUE_NAME, WHITEOUT_PREFIX};
use crate::{ArchiveEntry, ArchiveKind, Entry, Kind, LayerError, Limits, Listing, Tree, TreePath};

/// What a name in a layer's tar says about the layers below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// `.wh..wh..opq`: the directory hides what lower layers have in it.
    Opaque,
    /// `.wh.NAME`: this path of lower layers is removed.
    Whiteout(TreePath),
    /// A name reserved by an old storage driver, without meaning.
    Reserved,
}

/// The marker that `path` is; `None` for an ordinary path. A whiteout of nothing, `.` or `..` is an error.
pub fn marker(path: &TreePath) -> Result<Option<Marker>, LayerError> {
    let Some(name) = path.name().strip_prefix(WHITEOUT_PREFIX) else {
        return Ok(None);
    };
    if path.name() == OPAQUE_NAME {
        return Ok(Some(Marker::Opaque));
    }
    if name.starts_with(WHITEOUT_PREFIX) {
        return Ok(Some(Marker::Reserved));
    }
    match name {
        b"" | b"." | b".." => Err(LayerError::member(path.as_bytes(), "a whiteout of no file")),
        _ => Ok(Some(Marker::Whiteout(
            path.parent().unwrap_or_default().join(name),
        ))),
    }
}

/// Reads the uncompressed tar of a layer into its listing. Whiteouts are interpreted, directories that no member
/// names are left out, links in parents are resolved inside the layer. Reads to the end of `reader`.
pub fn index_layer(reader: impl Read + Send, limits: &Limits) -> Result<Listing, LayerError> {
    index_layer_over(reader, limits, None)
}

/// As [`index_layer`]; parents that are links in `lower`, the tree below the layer, are followed too.
pub fn index_layer_over(
    reader: impl Read + Send,
    limits: &Limits,
    lower: Option<&Tree>,
) -> Result<Listing, LayerError> {
    assemble(reader, limits, lower, None, None)
}

/// Sees each regular file of a layer, with its content, while the layer is read.
pub type FileObserver<'a> = dyn FnMut(&Entry, &mut dyn Read) -> Result<(), LayerError> + 'a;

/// As [`index_layer_over`]; `observe` is shown every regular file where it will lie, with the digest of nothing for its
/// content, and may read as much of it as it likes. A later member may replace what was shown.
pub fn index_layer_observed(
    reader: impl Read + Send,
    limits: &Limits,
    lower: Option<&Tree>,
    observe: &mut FileObserver<'_>,
) -> Result<Listing, LayerError> {
    assemble(reader, limits, lower, None, Some(observe))
}

/// Unpacks the uncompressed tar of a layer into `directory`, which is empty, in overlayfs format, and returns its
/// listing, in one pass. Nothing outside `directory` is touched, whatever the tar says and whoever swaps links in
/// it meanwhile. After an error the directory is of no use. Reads to the end of `reader`.
pub fn extract_layer(
    reader: impl Read + Send,
    directory: &OwnedFd,
    limits: &Limits,
    ownership: Ownership,
) -> Result<Listing, LayerError> {
    extract_layer_over(reader, directory, limits, ownership, None)
}

/// As [`extract_layer`]; `lower`, the tree below the layer, gives directories that the layer only implies their
/// metadata, and links in it are followed.
pub fn extract_layer_over(
    reader: impl Read + Send,
    directory: &OwnedFd,
    limits: &Limits,
    ownership: Ownership,
    lower: Option<&Tree>,
) -> Result<Listing, LayerError> {
    let mut snapshot = Snapshot::new(directory, ownership);
    let listing = assemble(reader, limits, lower, Some(&mut snapshot), None)?;
    snapshot.finish(&listing, lower)?;
    Ok(listing)
}

fn assemble(
    reader: impl Read + Send,
    limits: &Limits,
    lower: Option<&Tree>,
    mut disk: Option<&mut Snapshot<'_>>,
    mut observe: Option<&mut FileObserver<'_>>,
) -> Result<Listing, LayerError> {
    read_ahead(reader, |reader| {
        let mut archive = Archive::new(reader, limits);
        let mut assembly = Assembly::new(lower);
        while let Some(mut member) = archive.next()? {
            member.path = assembly.locate(&member.path)?;
            match marker(&member.path)? {
                Some(Marker::Opaque) => assembly.mark_opaque(member.path.parent().unwrap_or_default()),
                Some(Marker::Whiteout(path)) => assembly.whiteout(path),
                Some(Marker::Reserved) => {}
                None => {
                    let (disk, observe) = (disk.as_deref_mut(), observe.as_deref_mut());
                    place(&mut assembly, member, &mut archive, disk, observe)?;
                }
            }
        }
        archive.drain()?;
        Ok(assembly.finish())
    })
}

/// Puts one member into the assembly and onto the disk.
fn place(
    assembly: &mut Assembly<'_>,
    member: ArchiveEntry,
    content: &mut dyn Read,
    mut disk: Option<&mut Snapshot<'_>>,
    observe: Option<&mut FileObserver<'_>>,
) -> Result<(), LayerError> {
    if let ArchiveKind::Hardlink { target } = &member.kind {
        let target = direct(assembly, target, &member.path)?;
        if target == member.path {
            return Err(LayerError::member(
                member.path.as_bytes(),
                "it is a hard link to itself",
            ));
        }
        let replaces = assembly.link(&member.path, &target)?;
        if let Some(disk) = disk {
            if replaces {
                disk.remove(&member.path)?;
            }
            disk.link(&member.path, &target)?;
        }
        return Ok(());
    }
    let mut entry = layer_entry(member)?;
    // The place is cleared before the content is known, which does not change whether it has to be.
    let replaces = assembly.put(entry.clone());
    if let Some(disk) = disk.as_deref_mut().filter(|_| replaces) {
        disk.remove(&entry.path)?;
    }
    match (&mut entry.kind, disk) {
        (Kind::Directory { .. }, Some(disk)) => disk.make_directory(&entry.path),
        (Kind::File { .. }, disk) => {
            let (length, digest) = match (disk, observe) {
                (Some(disk), _) => disk.file(&entry, content)?,
                (None, Some(observe)) => observed(&entry, content, observe)?,
                (None, None) => hash(content)?,
            };
            assembly.set_content(&entry.path, length, digest);
            Ok(())
        }
        (_, Some(disk)) => disk.special(&entry),
        (_, None) => Ok(()),
    }
}

/// A hard link's target must be named without going through a link.
fn direct(assembly: &mut Assembly<'_>, target: &TreePath, path: &TreePath) -> Result<TreePath, LayerError> {
    let located = assembly.locate(target)?;
    if located != *target {
        return Err(LayerError::member(
            path.as_bytes(),
            "it is a hard link through a symbolic link",
        ));
    }
    Ok(located)
}

fn hash(content: &mut dyn Read) -> Result<(u64, Digest), LayerError> {
    let mut hasher = Hasher::new();
    io::copy(content, &mut hasher).map_err(crate::decompress::read_failed)?;
    Ok((hasher.length(), hasher.finish()))
}

/// Shows `entry` to `observe` and hashes all of its content, also what that leaves unread.
fn observed(
    entry: &Entry,
    content: &mut dyn Read,
    observe: &mut FileObserver<'_>,
) -> Result<(u64, Digest), LayerError> {
    let mut hashing = HashingReader::new(content);
    observe(entry, &mut hashing)?;
    io::copy(&mut hashing, &mut io::sink()).map_err(crate::decompress::read_failed)?;
    let (digest, length) = hashing.finish();
    Ok((length, digest))
}

fn layer_entry(member: ArchiveEntry) -> Result<Entry, LayerError> {
    let kind = match member.kind {
        ArchiveKind::Directory => Kind::Directory { opaque: false },
        ArchiveKind::File { size } => Kind::File {
            size,
            content: Digest::of(b""),
        },
        ArchiveKind::Symlink { target } => Kind::Symlink { target },
        ArchiveKind::Character { major: 0, minor: 0 } => {
            let reason = "a 0:0 character device, which overlayfs takes for a removed file";
            return Err(LayerError::member(member.path.as_bytes(), reason));
        }
        ArchiveKind::Character { major, minor } => Kind::Character { major, minor },
        ArchiveKind::Block { major, minor } => Kind::Block { major, minor },
        ArchiveKind::Fifo => Kind::Fifo,
        ArchiveKind::Hardlink { target } => Kind::Hardlink { target },
    };
    let mode = if matches!(kind, Kind::Symlink { .. }) {
        0o777
    } else {
        member.mode
    };
    let mut xattrs = member.xattrs;
    xattrs.retain(|name, _| !is_overlay_xattr(name));
    let (uid, gid, mtime) = (member.uid, member.gid, member.mtime);
    Ok(Entry {
        path: member.path,
        kind,
        mode,
        uid,
        gid,
        mtime,
        xattrs,
    })
}
