//! The kernel's own file systems inside the root: `/proc`, `/sys`, `/dev`, and what is hidden or read-only of them.
//! Everything is mounted on descriptors of file systems the sandbox made itself, never on what a path may lead to.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use crate::error::{During, Failure};
use crate::kernel::{
    INERT, SEALED, attach, clone_tree, clone_tree_recursively, make_child, new_mount, open_child, restrict,
    status,
};

const NOEXEC: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOEXEC;

/// Devices of every step: name, major, minor.
const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

const MASKED_IN_PROC: [&str; 10] = [
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
];
const MASKED_IN_SYS: [&str; 3] = ["firmware", "devices/virtual/powercap", "fs/selinux"];
const READ_ONLY_IN_PROC: [&str; 5] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];

/// What the host gives to each step, opened and verified before the host's tree is left.
pub(crate) struct HostDevices {
    nodes: Vec<(&'static str, OwnedFd)>,
}

impl HostDevices {
    /// Opens the host's devices; each must be the character device its name promises.
    pub(crate) fn open() -> Result<Self, Failure> {
        let directory = crate::kernel::open_directory("/dev".as_ref()).during("open /dev of the host")?;
        let mut nodes = Vec::new();
        for (name, major, minor) in DEVICES {
            let node = open_child(directory.as_fd(), name.as_bytes())
                .during_with(|| format!("open /dev/{name} of the host"))?;
            verify_device(node.as_fd(), name, major, minor)?;
            nodes.push((name, node));
        }
        Ok(Self { nodes })
    }

    fn null(&self) -> BorrowedFd<'_> {
        self.nodes[0].1.as_fd()
    }
}

fn verify_device(node: BorrowedFd<'_>, name: &str, major: u32, minor: u32) -> Result<(), Failure> {
    let found = status(node).during_with(|| format!("look at /dev/{name}"))?;
    let device = found.st_rdev;
    let right = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
        && rustix::fs::major(device) == major
        && rustix::fs::minor(device) == minor;
    if right {
        return Ok(());
    }
    Err(Failure::refused(
        format!("/dev/{name}").as_bytes(),
        format!("it is not the character device {major}:{minor}"),
    ))
}

/// How the system directories are made.
pub(crate) struct System<'a> {
    pub root: BorrowedFd<'a>,
    pub devices: &'a HostDevices,
    pub insecure: bool,
    /// Bytes of /dev/shm.
    pub shared_memory: u64,
}

impl System<'_> {
    /// Mounts everything below the attached root.
    pub(crate) fn mount(&self) -> Result<(), Failure> {
        self.mount_proc()?;
        self.mount_sys()?;
        self.mount_dev()
    }

    fn target(&self, name: &str) -> Result<OwnedFd, Failure> {
        let target =
            open_child(self.root, name.as_bytes()).during_with(|| format!("open /{name} in the root"))?;
        let found = status(target.as_fd()).during("look at a system directory")?;
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            return Ok(target);
        }
        Err(Failure::refused(
            format!("/{name}").as_bytes(),
            "it is not a directory",
        ))
    }

    fn mount_proc(&self) -> Result<(), Failure> {
        let proc = new_mount("proc", &[], INERT | NOEXEC)
            .during("mount /proc for the step")
            .map_err(|failure| {
                failure.remedy(
                "inside a container its own /proc must not be masked: start it with unmasked system paths \
                 (docker: --security-opt systempaths=unconfined), or build as root",
            )
            })?;
        attach(proc.as_fd(), self.target("proc")?.as_fd()).during("attach /proc")?;
        if self.insecure {
            return Ok(());
        }
        for name in READ_ONLY_IN_PROC {
            seal_child(proc.as_fd(), name).during_with(|| format!("make /proc/{name} read-only"))?;
        }
        for name in MASKED_IN_PROC {
            self.mask(proc.as_fd(), name)
                .during_with(|| format!("mask /proc/{name}"))?;
        }
        Ok(())
    }

    fn mount_sys(&self) -> Result<(), Failure> {
        let attributes = if self.insecure {
            INERT | NOEXEC
        } else {
            SEALED | NOEXEC
        };
        let sys = match new_mount("sysfs", &[], attributes) {
            Ok(sys) => sys,
            Err(Errno::PERM) => {
                // The network is the host's, and so is its view in sysfs: an ordinary user may only show it again.
                let host = crate::kernel::open_directory("/sys".as_ref()).during("open /sys of the host")?;
                let copy = clone_tree_recursively(host.as_fd(), b"").during("copy the mount of /sys")?;
                restrict(copy.as_fd(), attributes, true).during("make /sys read-only")?;
                copy
            }
            Err(error) => return Err(error).during("mount /sys for the step"),
        };
        attach(sys.as_fd(), self.target("sys")?.as_fd()).during("attach /sys")?;
        self.mount_cgroup(sys.as_fd()).during("mount /sys/fs/cgroup")?;
        if self.insecure {
            return Ok(());
        }
        for name in MASKED_IN_SYS {
            self.mask(sys.as_fd(), name)
                .during_with(|| format!("mask /sys/{name}"))?;
        }
        self.mask_thermal(sys.as_fd())
            .during("mask thermal information in /sys")
    }

    /// The step's own part of the control groups, read-only; nothing where there is none.
    fn mount_cgroup(&self, sys: BorrowedFd<'_>) -> Result<(), Errno> {
        let target = match descend(sys, "fs/cgroup") {
            Ok(target) => target,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error),
        };
        let cgroup = new_mount("cgroup2", &[], SEALED | NOEXEC)
            .or_else(|_| new_mount("tmpfs", &[("size", "0"), ("mode", "0555")], SEALED | NOEXEC))?;
        attach(cgroup.as_fd(), target.as_fd())
    }

    fn mask_thermal(&self, sys: BorrowedFd<'_>) -> Result<(), Errno> {
        let processors = match descend(sys, "devices/system/cpu") {
            Ok(processors) => processors,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error),
        };
        for number in 0.. {
            match open_child(processors.as_fd(), format!("cpu{number}").as_bytes()) {
                Ok(processor) => self.mask(processor.as_fd(), "thermal_throttle")?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Covers a directory with an empty one and a file with the null device; what does not exist needs nothing.
    fn mask(&self, base: BorrowedFd<'_>, path: &str) -> Result<(), Errno> {
        let target = match descend(base, path) {
            Ok(target) => target,
            Err(Errno::NOENT | Errno::ACCESS) => return Ok(()),
            Err(error) => return Err(error),
        };
        let cover = if FileType::from_raw_mode(status(target.as_fd())?.st_mode) == FileType::Directory {
            new_mount("tmpfs", &[("size", "4096"), ("mode", "0555")], SEALED | NOEXEC)?
        } else {
            clone_tree(self.devices.null(), b"")?
        };
        attach(cover.as_fd(), target.as_fd())
    }

    fn mount_dev(&self) -> Result<(), Failure> {
        let dev = new_mount("tmpfs", &[("size", "65536k"), ("mode", "0755")], INERT | NOEXEC)
            .during("make a file system for /dev")?;
        attach(dev.as_fd(), self.target("dev")?.as_fd()).during("attach /dev")?;
        for ((name, node), (_, major, minor)) in self.devices.nodes.iter().zip(DEVICES) {
            let copy =
                clone_tree(node.as_fd(), b"").during_with(|| format!("copy the mount of /dev/{name}"))?;
            let nosuid = MountAttrFlags::MOUNT_ATTR_NOSUID | NOEXEC;
            restrict(copy.as_fd(), nosuid, false).during_with(|| format!("restrict /dev/{name}"))?;
            let target = make_child(dev.as_fd(), name.as_bytes(), false).during("make a device's place")?;
            attach(copy.as_fd(), target.as_fd()).during_with(|| format!("attach /dev/{name}"))?;
            let seen = open_child(dev.as_fd(), name.as_bytes()).during("open a device in the root")?;
            verify_device(seen.as_fd(), name, major, minor)?;
        }
        for (name, target) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
            ("core", "/proc/kcore"),
            ("ptmx", "pts/ptmx"),
        ] {
            rustix::fs::symlinkat(target, &dev, name).during("make a link in /dev")?;
        }
        mount_terminals(dev.as_fd()).during("mount /dev/pts")?;
        mount_shared_memory(dev.as_fd(), self.shared_memory).during("mount /dev/shm")?;
        mount_queues(dev.as_fd()).during("prepare /dev/mqueue")
    }
}

fn mount_terminals(dev: BorrowedFd<'_>) -> Result<(), Errno> {
    let common = [("ptmxmode", "0666"), ("mode", "0620")];
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | NOEXEC;
    let with_group = [common[0], common[1], ("gid", "5")];
    let terminals =
        new_mount("devpts", &with_group, attributes).or_else(|_| new_mount("devpts", &common, attributes))?;
    attach(terminals.as_fd(), make_child(dev, b"pts", true)?.as_fd())
}

fn mount_shared_memory(dev: BorrowedFd<'_>, size: u64) -> Result<(), Errno> {
    let size = size.to_string();
    let memory = new_mount("tmpfs", &[("size", &size), ("mode", "01777")], INERT | NOEXEC)?;
    attach(memory.as_fd(), make_child(dev, b"shm", true)?.as_fd())
}

/// Message queues are a convenience: kernels without them run everything else.
fn mount_queues(dev: BorrowedFd<'_>) -> Result<(), Errno> {
    let target = make_child(dev, b"mqueue", true)?;
    match new_mount("mqueue", &[], INERT | NOEXEC) {
        Ok(queues) => attach(queues.as_fd(), target.as_fd()),
        Err(_) => Ok(()),
    }
}

/// Opens a path of directories we mounted ourselves; a link anywhere is an error.
fn descend(base: BorrowedFd<'_>, path: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = rustix::fs::ResolveFlags::BENEATH | rustix::fs::ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(base, path, flags, Mode::empty(), resolve)
}

fn seal_child(base: BorrowedFd<'_>, name: &str) -> Result<(), Errno> {
    let target = match descend(base, name) {
        Ok(target) => target,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(error),
    };
    let copy = clone_tree(target.as_fd(), b"")?;
    restrict(copy.as_fd(), SEALED | NOEXEC, true)?;
    attach(copy.as_fd(), target.as_fd())
}
