//! Finding a place inside the root: links are followed as if the root were `/`, `..` never leaves it, links of
//! `/proc` are refused. Every step is taken from an open directory, so nothing can be swapped under it.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::FileType;
use rustix::io::Errno;

use crate::error::{During, Failure};
use crate::kernel::{make_child, open_child, status};

const MOST_LINKS: usize = 40;
const PROC_MAGIC: i64 = 0x9fa0;

/// Where a path leads.
pub(crate) struct Place {
    /// The path from the root without links; its last `missing` components do not exist.
    pub components: Vec<Vec<u8>>,
    /// How many trailing components do not exist.
    pub missing: usize,
    /// What the last existing component is.
    pub deepest: OwnedFd,
    /// The walk stopped because it reached one of the covered places.
    pub covered: bool,
}

struct Walk<'a> {
    root: BorrowedFd<'a>,
    path: &'a [u8],
    stack: Vec<(Vec<u8>, OwnedFd)>,
    missing: Vec<Vec<u8>>,
    remaining: VecDeque<Vec<u8>>,
    links: usize,
}

/// Resolves `path` below `root`. Stops early at a place in `covered`, where something else will be mounted.
pub(crate) fn resolve(root: BorrowedFd<'_>, path: &[u8], covered: &[Vec<Vec<u8>>]) -> Result<Place, Failure> {
    let remaining = split(path).collect();
    let mut walk = Walk {
        root,
        path,
        stack: Vec::new(),
        missing: Vec::new(),
        remaining,
        links: 0,
    };
    while let Some(component) = walk.remaining.pop_front() {
        walk.step(component)?;
        if !walk.remaining.is_empty() && walk.is_covered(covered) {
            return walk.finish(true);
        }
    }
    walk.finish(false)
}

fn split(path: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    path.split(|&byte| byte == b'/')
        .filter(|part| !part.is_empty() && *part != b".")
        .map(<[u8]>::to_vec)
}

impl Walk<'_> {
    fn step(&mut self, component: Vec<u8>) -> Result<(), Failure> {
        if component == b".." {
            if self.missing.pop().is_none() {
                self.stack.pop();
            }
            return Ok(());
        }
        if !self.missing.is_empty() {
            self.missing.push(component);
            return Ok(());
        }
        let opened = open_child(self.current(), &component);
        match opened {
            Ok(descriptor) => self.enter(component, descriptor),
            Err(Errno::NOENT) => {
                self.missing.push(component);
                Ok(())
            }
            Err(Errno::NOTDIR) => Err(Failure::refused(
                self.path,
                "a part of the path is not a directory",
            )),
            Err(error) => Err(error).during_with(|| format!("open {} in the root", self.shown())),
        }
    }

    fn enter(&mut self, component: Vec<u8>, descriptor: OwnedFd) -> Result<(), Failure> {
        let kind = status(descriptor.as_fd()).during("look at a part of a path in the root")?;
        if FileType::from_raw_mode(kind.st_mode) != FileType::Symlink {
            self.stack.push((component, descriptor));
            return Ok(());
        }
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Failure::refused(self.path, "too many symbolic links"));
        }
        let file_system = rustix::fs::fstatfs(&descriptor).during("look at the file system of a link")?;
        if file_system.f_type as i64 == PROC_MAGIC {
            return Err(Failure::refused(self.path, "it goes through a link of /proc"));
        }
        let target = rustix::fs::readlinkat(&descriptor, "", Vec::new()).during("read a link in the root")?;
        if target.as_bytes().starts_with(b"/") {
            self.stack.clear();
        }
        for part in split(target.as_bytes()).collect::<Vec<_>>().into_iter().rev() {
            self.remaining.push_front(part);
        }
        Ok(())
    }

    fn current(&self) -> BorrowedFd<'_> {
        self.stack
            .last()
            .map_or(self.root, |(_, descriptor)| descriptor.as_fd())
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(self.path).into_owned()
    }

    fn is_covered(&self, covered: &[Vec<Vec<u8>>]) -> bool {
        let here = || self.stack.iter().map(|(name, _)| name).chain(&self.missing);
        covered.iter().any(|place| place.iter().eq(here()))
    }

    fn finish(self, covered: bool) -> Result<Place, Failure> {
        let deepest = match self.stack.last() {
            Some((_, descriptor)) => descriptor.try_clone().during("duplicate a descriptor")?,
            None => self.root.try_clone_to_owned().during("duplicate a descriptor")?,
        };
        let missing = self.missing.len();
        let components = self
            .stack
            .into_iter()
            .map(|(name, _)| name)
            .chain(self.missing)
            .collect();
        Ok(Place {
            components,
            missing,
            deepest,
            covered,
        })
    }
}

/// Opens `path` below `root`, making what is missing: directories, and a file at the end unless `directory`.
pub(crate) fn open_or_make(root: BorrowedFd<'_>, path: &[u8], directory: bool) -> Result<OwnedFd, Failure> {
    let place = resolve(root, path, &[])?;
    let mut current = place.deepest;
    let first = place.components.len() - place.missing;
    for (index, name) in place.components.iter().enumerate().skip(first) {
        let last = index + 1 == place.components.len();
        current = make_child(current.as_fd(), name, directory || !last).during_with(|| {
            format!(
                "make the mount point {} in the root",
                String::from_utf8_lossy(path)
            )
        })?;
    }
    let kind = status(current.as_fd()).during("look at a mount point")?;
    if (FileType::from_raw_mode(kind.st_mode) == FileType::Directory) == directory {
        return Ok(current);
    }
    let reason = if directory {
        "the image has a file where a directory is needed"
    } else {
        "the image has a directory where a file is needed"
    };
    Err(Failure::refused(path, reason))
}
