//! The directories that a server works in.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use crate::{ServeError, ToolError};

/// The directories that a server works in. What is named in a request is resolved by the kernel below one of them, and
/// refused where the way leads out.
#[derive(Clone, Debug, Default)]
pub struct Roots(Arc<Vec<Root>>);

#[derive(Debug)]
struct Root {
    path: PathBuf,
    top: OwnedFd,
}

impl Roots {
    /// Opens the directories.
    ///
    /// # Errors
    /// If one is not there, no directory, or `/`.
    pub fn open(paths: &[PathBuf]) -> Result<Roots, ServeError> {
        let opened: Result<Vec<Root>, ServeError> = paths.iter().map(|path| Root::open(path)).collect();
        Ok(Roots(Arc::new(opened?)))
    }

    /// The directories.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|root| root.path.as_path())
    }

    /// The real path of something in a root. A relative path is taken from the only root, or from the first that has it.
    ///
    /// # Errors
    /// If no root has it, or the way to it leads out of the root.
    pub fn contain(&self, path: &Path) -> Result<PathBuf, ToolError> {
        if self.0.is_empty() {
            return Err(ToolError::refused("this server has no roots: it reads no files")
                .with_hint("the operator starts it with --context-root DIR"));
        }
        let candidates = self.0.iter().filter_map(|root| Some((root, root.below(path)?)));
        let mut missing = None;
        for (root, below) in candidates {
            match root.resolve(&below) {
                Ok(found) => return Ok(found),
                Err(rustix::io::Errno::NOENT) => missing = Some(()),
                Err(_) => return Err(self.outside(path)),
            }
        }
        match missing {
            Some(()) => Err(ToolError::new(
                crate::ToolErrorKind::Missing,
                format!("{}: there is no such file or directory", path.display()),
            )),
            None => Err(self.outside(path)),
        }
    }

    fn outside(&self, path: &Path) -> ToolError {
        let roots: Vec<String> = self.paths().map(|path| path.display().to_string()).collect();
        ToolError::refused(format!("{}: outside of the roots of this server", path.display()))
            .with_hint(format!("the roots are {}", roots.join(", ")))
    }
}

impl Root {
    fn open(path: &Path) -> Result<Root, ServeError> {
        let wrong = |why: String| ServeError::Refused(format!("--context-root {}: {why}", path.display()));
        let real = std::fs::canonicalize(path).map_err(|error| wrong(error.to_string()))?;
        if real == Path::new("/") {
            return Err(wrong(
                "the whole machine is no root: name the directories to work in".into(),
            ));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open(&real, flags, Mode::empty()).map_err(|error| wrong(error.to_string()))?;
        Ok(Root { path: real, top })
    }

    /// `path` as seen from this root; `None` if it is an absolute path elsewhere. Compared by components, so that
    /// `/ctx-evil` is not in `/ctx`.
    fn below(&self, path: &Path) -> Option<PathBuf> {
        let below = match path.is_absolute() {
            true => path.strip_prefix(&self.path).ok()?,
            false => path,
        };
        Some(match below.as_os_str().is_empty() {
            true => ".".into(),
            false => below.to_path_buf(),
        })
    }

    /// The kernel walks the path below the root and refuses every step out of it, also by links.
    fn resolve(&self, below: &Path) -> rustix::io::Result<PathBuf> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let found = openat2(&self.top, below, flags, Mode::empty(), resolve)?;
        let path = std::fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd()))
            .map_err(|_| rustix::io::Errno::XDEV)?;
        match path.starts_with(&self.path) {
            true => Ok(path),
            false => Err(rustix::io::Errno::XDEV),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ToolErrorKind;
    use std::os::unix::fs::symlink;

    fn place() -> (tempfile::TempDir, Roots) {
        let place = tempfile::tempdir().unwrap();
        for name in ["ctx/app", "ctx-evil", "other"] {
            std::fs::create_dir_all(place.path().join(name)).unwrap();
        }
        let roots = Roots::open(&[place.path().join("ctx")]).unwrap();
        (place, roots)
    }

    #[test]
    fn what_lies_in_a_root_is_found() {
        let (place, roots) = place();
        let app = std::fs::canonicalize(place.path().join("ctx/app")).unwrap();
        symlink("app", place.path().join("ctx/link")).unwrap();
        for path in ["app", "./app", "link", "app/../app", app.to_str().unwrap()] {
            assert_eq!(roots.contain(Path::new(path)).unwrap(), app, "{path}");
        }
        assert_eq!(roots.contain(Path::new(".")).unwrap(), app.parent().unwrap());
        let missing = roots.contain(Path::new("nothing")).unwrap_err();
        assert_eq!(missing.kind, ToolErrorKind::Missing);
    }

    #[test]
    fn service_row_every_way_out_of_the_roots_is_refused() {
        let (place, roots) = place();
        let ctx = place.path().join("ctx");
        symlink("../other", ctx.join("out")).unwrap();
        symlink("/etc", ctx.join("etc")).unwrap();
        symlink("/proc/self/root", ctx.join("magic")).unwrap();
        let evil = place.path().join("ctx-evil");
        let evil = evil.to_str().unwrap();
        let absolute = ctx.join("app/../../other");
        for path in [
            "..",
            "../other",
            "app/../../other",
            "out",
            "etc",
            "etc/passwd",
            "magic/etc",
            "/etc",
            "/",
            evil,
            absolute.to_str().unwrap(),
        ] {
            let refused = roots.contain(Path::new(path)).unwrap_err();
            assert_eq!(refused.kind, ToolErrorKind::Refused, "{path}: {refused}");
        }
    }

    #[test]
    fn a_server_without_roots_reads_nothing_and_slash_is_no_root() {
        let refused = Roots::default().contain(Path::new("/etc")).unwrap_err();
        assert!(refused.message.contains("no roots"), "{refused}");
        let slash = Roots::open(&["/".into()]).unwrap_err();
        assert!(
            slash.to_string().contains("the whole machine is no root"),
            "{slash}"
        );
        assert!(Roots::open(&["/nonexistent".into()]).is_err());
    }
}
