//! Mount points that the image lacks. They are shown by a layer of their own, in memory, on top of the image's layers:
//! the step's upper directory is not touched to make them, so nothing needs to be taken back. Only when the command
//! itself changed one (`chown -R /`) a copy is left in the upper directory; that copy is removed afterwards.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use crate::error::{During, Failure};
use crate::kernel::{make_child, open_child, status};
use crate::walk::resolve;
use crate::wire::{Octets, Stub};

/// Plans mount points on a read-only view of the image and builds the layer that shows the missing ones.
pub(crate) struct MountPoints<'a> {
    view: BorrowedFd<'a>,
    layer: BorrowedFd<'a>,
    covered: Vec<Vec<Vec<u8>>>,
    stubs: Vec<Stub>,
}

impl<'a> MountPoints<'a> {
    pub(crate) fn new(view: BorrowedFd<'a>, layer: BorrowedFd<'a>) -> Self {
        Self {
            view,
            layer,
            covered: Vec::new(),
            stubs: Vec::new(),
        }
    }

    /// A directory of the system (`/proc`, `/sys`, `/dev`): the image must not have anything but a directory there.
    pub(crate) fn system(&mut self, name: &str) -> Result<(), Failure> {
        match open_child(self.view, name.as_bytes()) {
            Ok(found) => {
                let kind = status(found.as_fd()).during("look at a system directory of the image")?;
                if FileType::from_raw_mode(kind.st_mode) != FileType::Directory {
                    return Err(Failure::refused(
                        format!("/{name}").as_bytes(),
                        "the image has a link or a file where the system's directory belongs; remove it from the image",
                    ));
                }
            }
            Err(Errno::NOENT) => {}
            Err(error) => return Err(error).during_with(|| format!("open /{name} of the image")),
        }
        self.plan(format!("/{name}").as_bytes(), true)
    }

    /// A mount point at `path`; a place below an earlier mount point is left to the time of mounting.
    pub(crate) fn plan(&mut self, path: &[u8], directory: bool) -> Result<(), Failure> {
        let place = resolve(self.view, path, &self.covered)?;
        if place.covered {
            return Ok(());
        }
        let existing = place.components.len() - place.missing;
        if place.missing > 0 {
            self.show(&place.components, existing, directory)
                .during_with(|| format!("prepare the mount point {}", String::from_utf8_lossy(path)))?;
        }
        self.covered.push(place.components);
        Ok(())
    }

    /// What was made, outermost first.
    pub(crate) fn finish(self) -> Vec<Stub> {
        self.stubs
    }

    fn show(&mut self, components: &[Vec<u8>], existing: usize, directory: bool) -> Result<(), Errno> {
        let mut shown = self.layer.try_clone_to_owned().map_err(|_| Errno::MFILE)?;
        let mut seen = self.view.try_clone_to_owned().map_err(|_| Errno::MFILE)?;
        for (index, name) in components.iter().enumerate() {
            let is_directory = directory || index + 1 < components.len();
            let known = open_child(shown.as_fd(), name).is_ok();
            shown = make_child(shown.as_fd(), name, is_directory)?;
            if index < existing {
                seen = open_child(seen.as_fd(), name)?;
            } else if !known {
                let path = components[..=index].iter().cloned().map(Octets).collect();
                self.stubs.push(Stub {
                    components: path,
                    directory: is_directory,
                });
            }
        }
        self.imitate(components, existing)?;
        let _ = (shown, seen);
        Ok(())
    }

    /// Gives the layer's copies of the image's directories the image's metadata, deepest first so that times stay.
    fn imitate(&self, components: &[Vec<u8>], existing: usize) -> Result<(), Errno> {
        for depth in (1..=existing).rev() {
            let original = descend(self.view, &components[..depth])?;
            let copy = descend(self.layer, &components[..depth])?;
            imitate_directory(original.as_fd(), copy.as_fd())?;
        }
        Ok(())
    }
}

fn descend(from: BorrowedFd<'_>, components: &[Vec<u8>]) -> Result<OwnedFd, Errno> {
    let mut current = from.try_clone_to_owned().map_err(|_| Errno::MFILE)?;
    for name in components {
        current = open_child(current.as_fd(), name)?;
    }
    Ok(current)
}

fn imitate_directory(original: BorrowedFd<'_>, copy: BorrowedFd<'_>) -> Result<(), Errno> {
    let readable = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let original = rustix::fs::openat(original, ".", readable, Mode::empty())?;
    let copy = rustix::fs::openat(copy, ".", readable, Mode::empty())?;
    let known = rustix::fs::fstat(&original)?;
    rustix::fs::fchown(
        &copy,
        Some(Uid::from_raw(known.st_uid)),
        Some(Gid::from_raw(known.st_gid)),
    )?;
    rustix::fs::fchmod(&copy, Mode::from_raw_mode(known.st_mode))?;
    copy_attributes(&original, &copy)?;
    let time = Timespec {
        tv_sec: known.st_mtime,
        tv_nsec: known.st_mtime_nsec as _,
    };
    rustix::fs::futimens(
        &copy,
        &Timestamps {
            last_access: time,
            last_modification: time,
        },
    )
}

fn copy_attributes(original: &OwnedFd, copy: &OwnedFd) -> Result<(), Errno> {
    let mut names = vec![0_u8; 64 * 1024];
    let length = match rustix::fs::flistxattr(original, names.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => 0,
        Err(error) => return Err(error),
    };
    for name in names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = vec![0_u8; 64 * 1024];
        let size = rustix::fs::fgetxattr(original, name, value.as_mut_slice())?;
        match rustix::fs::fsetxattr(copy, name, &value[..size], rustix::fs::XattrFlags::empty()) {
            // Kernels before 6.6 keep no user attributes in memory file systems.
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes copies of mount points from `upper`, innermost first. Only real directories that are empty, empty files
/// and whiteouts go; links are never followed, and times of the directories around are kept.
pub(crate) fn remove_traces(upper: BorrowedFd<'_>, stubs: &[Stub]) -> Result<(), Errno> {
    for stub in stubs.iter().rev() {
        match remove_trace(upper, stub) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::NOTEMPTY | Errno::EXIST | Errno::LOOP) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn remove_trace(upper: BorrowedFd<'_>, stub: &Stub) -> Result<(), Errno> {
    let Some((name, parents)) = stub.components.split_last() else {
        return Ok(());
    };
    let mut parent = upper.try_clone_to_owned().map_err(|_| Errno::MFILE)?;
    for component in parents {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        parent = rustix::fs::openat(&parent, component.0.as_slice(), flags, Mode::empty())?;
    }
    let found = rustix::fs::statat(&parent, name.0.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
    let flags = match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory if stub.directory => AtFlags::REMOVEDIR,
        FileType::RegularFile if !stub.directory && found.st_size == 0 => AtFlags::empty(),
        FileType::CharacterDevice if found.st_rdev == 0 => AtFlags::empty(),
        _ => return Ok(()),
    };
    let around = status(parent.as_fd())?;
    rustix::fs::unlinkat(&parent, name.0.as_slice(), flags)?;
    let time = |seconds, nanoseconds: u64| Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds as _,
    };
    let times = Timestamps {
        last_access: time(around.st_atime, around.st_atime_nsec),
        last_modification: time(around.st_mtime, around.st_mtime_nsec),
    };
    let parent = rustix::fs::openat(&parent, ".", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::fs::futimens(&parent, &times)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::open_directory;
    use std::fs;

    fn stub(path: &str, directory: bool) -> Stub {
        Stub {
            components: path.split('/').map(Octets::from).collect(),
            directory,
        }
    }

    fn clean(upper: &std::path::Path, stubs: &[Stub]) {
        let upper = open_directory(upper).expect("open the upper directory");
        remove_traces(upper.as_fd(), stubs).expect("remove traces");
    }

    #[test]
    fn row_40_a_link_in_place_of_a_parent_is_not_followed() {
        let place = tempfile::tempdir().expect("temporary directory");
        let (upper, host) = (place.path().join("upper"), place.path().join("host"));
        fs::create_dir_all(host.join("secrets/deep")).expect("directory");
        fs::write(host.join("secrets/key"), "").expect("file");
        fs::create_dir(&upper).expect("directory");
        std::os::unix::fs::symlink(&host, upper.join("run")).expect("link");
        clean(
            &upper,
            &[
                stub("run", true),
                stub("run/secrets", true),
                stub("run/secrets/key", false),
            ],
        );
        clean(
            &upper,
            &[
                stub("run/secrets/deep", true),
                stub("run/secrets/../secrets/key", false),
            ],
        );
        assert!(host.join("secrets/key").exists() && host.join("secrets/deep").exists());
        assert!(upper.join("run").is_symlink(), "what the command made stays");
    }

    #[test]
    fn only_what_is_still_empty_goes_and_times_stay() {
        let place = tempfile::tempdir().expect("temporary directory");
        let upper = place.path();
        for name in ["etc", "run/secrets", "kept/deep"] {
            fs::create_dir_all(upper.join(name)).expect("directory");
        }
        fs::write(upper.join("etc/hosts"), "").expect("file");
        fs::write(upper.join("etc/resolv.conf"), "mine").expect("file");
        fs::write(upper.join("kept/deep/file"), "").expect("file");
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        fs::File::open(upper.join("etc"))
            .expect("open")
            .set_modified(old)
            .expect("set the time");
        let files = [stub("etc/hosts", false), stub("etc/resolv.conf", false)];
        let directories = [
            stub("run", true),
            stub("run/secrets", true),
            stub("kept", true),
            stub("kept/deep", true),
        ];
        clean(upper, &[&files[..], &directories[..]].concat());
        assert!(!upper.join("etc/hosts").exists() && !upper.join("run").exists());
        assert!(upper.join("etc/resolv.conf").exists() && upper.join("kept/deep/file").exists());
        assert_eq!(
            fs::metadata(upper.join("etc"))
                .expect("etc")
                .modified()
                .expect("time"),
            old
        );
    }
}
