//! The step's own mounts.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Gid, Mode, OFlags, Uid};
use rustix::mount::MountAttrFlags;

use crate::error::{During, Failure};
use crate::kernel::{
    INERT, SEALED, attach, clone_tree, make_child, new_mount, open_directory, restrict, status,
};
use crate::overlay::Stack;
use crate::walk::open_or_make;
use crate::wire::{MountSpecification, Octets};

/// A copy of a bind mount's source, taken in the caller's mount namespace and not attached yet.
pub(crate) struct Tree {
    descriptor: OwnedFd,
    directory: bool,
}

/// Copies the source of each bind mount; other mounts have none. Afterwards no source is looked up again.
pub(crate) fn copy_sources(
    mounts: &[MountSpecification],
    descriptors: &[OwnedFd],
) -> Result<Vec<Option<Tree>>, Failure> {
    mounts
        .iter()
        .map(|mount| copy_source(mount, descriptors))
        .collect()
}

fn copy_source(mount: &MountSpecification, descriptors: &[OwnedFd]) -> Result<Option<Tree>, Failure> {
    let MountSpecification::Bind {
        descriptor,
        path,
        target,
        writable,
    } = mount
    else {
        return Ok(None);
    };
    let shown = String::from_utf8_lossy(&target.0).into_owned();
    let opened;
    let source = match descriptor {
        Some(index) => descriptors[*index].as_fd(),
        None => {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            opened = rustix::fs::open(path.path(), flags, Mode::empty())
                .during_with(|| format!("open the source of the mount at {shown}"))?;
            opened.as_fd()
        }
    };
    let found = status(source).during_with(|| format!("look at the source of the mount at {shown}"))?;
    let kind = FileType::from_raw_mode(found.st_mode);
    if kind == FileType::Symlink {
        return Err(Failure::refused(
            &target.0,
            "the source of the mount is a symbolic link",
        ));
    }
    let copy = clone_tree(source, b"").during_with(|| format!("copy the source of the mount at {shown}"))?;
    let attributes = if *writable { INERT } else { SEALED };
    restrict(copy.as_fd(), attributes, true).during_with(|| format!("restrict the mount at {shown}"))?;
    Ok(Some(Tree {
        descriptor: copy,
        directory: kind == FileType::Directory,
    }))
}

/// Whether a mount needs a directory to be mounted on.
pub(crate) fn needs_directory(mount: &MountSpecification, tree: Option<&Tree>) -> bool {
    match (mount, tree) {
        (MountSpecification::Bind { .. }, Some(tree)) => tree.directory,
        (MountSpecification::File { .. }, _) => false,
        _ => true,
    }
}

/// Mounts one after the other on places resolved inside `root`; `base` is a private file system for helpers.
pub(crate) fn mount_all(
    root: BorrowedFd<'_>,
    base: BorrowedFd<'_>,
    mounts: &[MountSpecification],
    trees: Vec<Option<Tree>>,
) -> Result<(), Failure> {
    for (index, (mount, tree)) in mounts.iter().zip(trees).enumerate() {
        let directory = needs_directory(mount, tree.as_ref());
        let ready = prepare(base, index, mount, tree)?;
        let target = open_or_make(root, mount.target(), directory)?;
        attach(ready.as_fd(), target.as_fd())
            .during_with(|| format!("attach the mount at {}", String::from_utf8_lossy(mount.target())))?;
    }
    Ok(())
}

fn prepare(
    base: BorrowedFd<'_>,
    index: usize,
    mount: &MountSpecification,
    tree: Option<Tree>,
) -> Result<OwnedFd, Failure> {
    let shown = || String::from_utf8_lossy(mount.target()).into_owned();
    match mount {
        MountSpecification::Bind { .. } => match tree {
            Some(tree) => Ok(tree.descriptor),
            None => Err(Failure::refused(mount.target(), "the mount has no source")),
        },
        MountSpecification::Overlay {
            lower, upper, work, ..
        } => discarding(base, index, lower, upper, work).map_err(|failure| name_mount(failure, &shown())),
        MountSpecification::Tmpfs { size, mode, .. } => {
            let mode = format!("{mode:o}");
            let bytes = size.map(|size| size.to_string());
            let mut options = vec![("mode", mode.as_str())];
            options.extend(bytes.as_deref().map(|bytes| ("size", bytes)));
            new_mount("tmpfs", &options, INERT).during_with(|| format!("make a tmpfs for {}", shown()))
        }
        MountSpecification::File {
            content,
            mode,
            uid,
            gid,
            ..
        } => file_in_memory(base, index, &content.0, *mode, (*uid, *gid)).during_with(|| {
            format!(
                "write the file for {} (mode {mode:o}, owner {uid}:{gid}) to memory",
                shown()
            )
        }),
    }
}

fn name_mount(failure: Failure, target: &str) -> Failure {
    match failure {
        Failure::System {
            action,
            errno,
            remedy,
        } => Failure::System {
            action: format!("{action} for the mount at {target}"),
            errno,
            remedy,
        },
        other => other,
    }
}

fn discarding(
    base: BorrowedFd<'_>,
    index: usize,
    lower: &[Octets],
    upper: &Octets,
    work: &Octets,
) -> Result<OwnedFd, Failure> {
    let open = |path: &Octets| {
        open_directory(&path.path()).during_with(|| format!("open {}", path.path().display()))
    };
    let lowers: Vec<OwnedFd> = lower.iter().map(open).collect::<Result<_, _>>()?;
    let (upper, work) = (open(upper)?, open(work)?);
    let stack = Stack {
        lowers: lowers.iter().map(AsFd::as_fd).collect(),
        upper: Some((upper.as_fd(), work.as_fd())),
    };
    crate::overlay::mount(&stack, base, &format!("overlay-{index}"), INERT).during("mount an overlay")
}

fn file_in_memory(
    base: BorrowedFd<'_>,
    index: usize,
    content: &[u8],
    mode: u32,
    (uid, gid): (u32, u32),
) -> Result<OwnedFd, rustix::io::Errno> {
    let name = format!("file-{index}");
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(base, name.as_str(), flags, Mode::from_raw_mode(0o600))?;
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = &rest[written..];
    }
    rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o7777))?;
    let copy = clone_tree(base, name.as_bytes())?;
    restrict(copy.as_fd(), SEALED, false)?;
    Ok(copy)
}

/// A private file system for helpers, attached out of sight.
pub(crate) fn private_base() -> Result<OwnedFd, Failure> {
    let base = memory_without_swap().during("make a private file system in memory")?;
    let over = open_directory("/".as_ref()).during("open the host's root")?;
    attach(base.as_fd(), over.as_fd()).during("attach a private file system in memory")?;
    make_child(base.as_fd(), b"layer", true).during("prepare the private file system")?;
    Ok(base)
}

/// Secrets lie here: out of swap where the kernel can promise that (Linux 6.4, real root).
fn memory_without_swap() -> Result<OwnedFd, rustix::io::Errno> {
    let attributes = INERT | MountAttrFlags::MOUNT_ATTR_NOATIME;
    let context = rustix::mount::fsopen("tmpfs", rustix::mount::FsOpenFlags::FSOPEN_CLOEXEC)?;
    rustix::mount::fsconfig_set_string(&context, "mode", "0700")?;
    // Refused by older kernels and in user namespaces; the context stays usable.
    let _ = rustix::mount::fsconfig_set_flag(&context, "noswap");
    crate::kernel::finish_mount(&context, attributes)
}
