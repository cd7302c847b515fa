//! Process 1 of the step: from a copy of the caller's world to the command.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, UnmountFlags};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::UnshareFlags;

use crate::channel;
use crate::error::{During, Failure};
use crate::kernel::{make_private, open_child, open_directory, open_inside, restrict};
use crate::mount_points::MountPoints;
use crate::mounts::{Tree, mount_all, needs_directory, private_base};
use crate::overlay::Stack;
use crate::system::{HostDevices, System};
use crate::wire::{Report, Specification, Stub};
use crate::{credentials, execute, overlay, walk};

/// Sets everything up and executes the command; comes back only with the reason why not.
pub(crate) fn become_step(
    specification: &Specification,
    trees: Vec<Option<Tree>>,
    input: Option<OwnedFd>,
    channel: &UnixStream,
) -> Failure {
    match prepare(specification, trees, input, channel) {
        Ok(()) => execute::search_and_execute(specification),
        Err(failure) => failure,
    }
}

fn prepare(
    specification: &Specification,
    trees: Vec<Option<Tree>>,
    input: Option<OwnedFd>,
    channel: &UnixStream,
) -> Result<(), Failure> {
    rustix::process::setsid().during("start a session")?;
    if let Some(input) = input {
        connect_input(&input, specification.terminal)?;
    }
    set_parent_process_death_signal(Some(Signal::KILL)).during("tie the step to its parent")?;
    crate::kernel::join_empty_keyring();
    let unenforced = join_cgroup(specification)?;
    rustix::system::sethostname(specification.hostname.as_bytes())
        .during_with(|| format!("set the host name {}", specification.hostname))?;
    rustix::process::umask(rustix::fs::Mode::empty());
    let stubs = mount_root(specification, trees)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    enter_directory(&specification.directory.0)?;
    credentials::own_output(specification)?;
    let ready = Report::Ready { stubs, unenforced };
    channel::report(channel, &ready).during("report to the caller")?;
    crate::kernel::close_on_execute(3).during("close descriptors")?;
    crate::kernel::reset_signals();
    credentials::drop_privileges(specification)
}

fn connect_input(input: &OwnedFd, terminal: bool) -> Result<(), Failure> {
    rustix::stdio::dup2_stdin(input).during("connect the input of the step")?;
    if terminal {
        rustix::process::ioctl_tiocsctty(input).during("give the step its terminal")?;
        rustix::stdio::dup2_stdout(input).during("connect the output of the step")?;
        rustix::stdio::dup2_stderr(input).during("connect the output of the step")?;
    }
    Ok(())
}

fn join_cgroup(specification: &Specification) -> Result<Vec<String>, Failure> {
    let mut unenforced = Vec::new();
    match &specification.cgroup {
        Some(directory) => {
            std::fs::write(directory.path().join("cgroup.procs"), "0")
                .during("enter the step's control group")?;
        }
        None if specification.process_limit.is_some() => {
            unenforced.extend(credentials::limit_processes(specification))
        }
        None => {}
    }
    // SAFETY: the flag does not unshare the descriptor table.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWCGROUP) }
        .during("make a control group namespace")?;
    Ok(unenforced)
}

/// Builds the root and moves into it. The host's tree is gone afterwards.
fn mount_root(specification: &Specification, trees: Vec<Option<Tree>>) -> Result<Vec<Stub>, Failure> {
    let host = open_directory("/".as_ref()).during("open the host's root")?;
    make_private(host.as_fd()).during("make the mounts of the step private")?;
    let devices = HostDevices::open()?;
    let open = |path: &crate::wire::Octets| {
        open_directory(&path.path())
            .during_with(|| format!("open the layer directory {}", path.path().display()))
    };
    let lowers: Vec<OwnedFd> = specification.lowers.iter().map(open).collect::<Result<_, _>>()?;
    let (upper, work) = (open(&specification.upper)?, open(&specification.work)?);
    let base = private_base()?;
    let layer = open_child(base.as_fd(), b"layer").during("open the layer of mount points")?;

    let mut shown: Vec<BorrowedFd<'_>> = std::iter::once(&upper).chain(&lowers).map(AsFd::as_fd).collect();
    let stubs = plan_mount_points(specification, &trees, &shown, base.as_fd(), layer.as_fd())?;
    if stubs.is_empty() {
        shown.remove(0);
    } else {
        shown[0] = layer.as_fd();
    }
    let root = mount_overlay(specification, shown, (upper.as_fd(), work.as_fd()), base.as_fd())?;
    let system = System {
        root: root.as_fd(),
        devices: &devices,
        insecure: specification.insecure,
        shared_memory: specification.shared_memory.unwrap_or(64 << 20),
    };
    system.mount()?;
    mount_all(root.as_fd(), base.as_fd(), &specification.mounts, trees)?;
    make_directory(root.as_fd(), &specification.directory.0)?;
    if specification.read_only_root {
        restrict(root.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY, false).during("make the root read-only")?;
    }
    leave_host(&host, &base, &root)?;
    Ok(stubs)
}

fn plan_mount_points(
    specification: &Specification,
    trees: &[Option<Tree>],
    shown: &[BorrowedFd<'_>],
    base: BorrowedFd<'_>,
    layer: BorrowedFd<'_>,
) -> Result<Vec<Stub>, Failure> {
    let stack = Stack {
        lowers: shown.to_vec(),
        upper: None,
    };
    let view = overlay::mount(&stack, base, "view", crate::kernel::SEALED).map_err(overlay_failure)?;
    let mut points = MountPoints::new(view.as_fd(), layer);
    for name in ["proc", "sys", "dev"] {
        points.system(name)?;
    }
    for (mount, tree) in specification.mounts.iter().zip(trees) {
        points.plan(mount.target(), needs_directory(mount, tree.as_ref()))?;
    }
    let stubs = points.finish();
    // The view goes with the private file system it is mounted on.
    Ok(stubs)
}

fn mount_overlay(
    specification: &Specification,
    lowers: Vec<BorrowedFd<'_>>,
    upper: (BorrowedFd<'_>, BorrowedFd<'_>),
    base: BorrowedFd<'_>,
) -> Result<OwnedFd, Failure> {
    let stack = Stack {
        lowers,
        upper: Some(upper),
    };
    let attributes = if specification.insecure {
        MountAttrFlags::empty()
    } else {
        MountAttrFlags::MOUNT_ATTR_NODEV
    };
    overlay::mount(&stack, base, "root", attributes).map_err(overlay_failure)
}

fn overlay_failure(error: Errno) -> Failure {
    let remedy = match error {
        Errno::NODEV => "the kernel has no overlay file system: load the module `overlay`",
        Errno::PERM | Errno::ACCESS => {
            "the kernel refuses overlays in a user namespace (Linux 5.13 or newer is needed) or the directory is not \
             owned by the user"
        }
        Errno::INVAL => {
            "the work directory must be empty and unused, and the store on a file system that can hold changes (ext4, \
             xfs, btrfs, tmpfs; not another overlay, NFS or eCryptfs)"
        }
        _ => "see the kernel log for the overlay's reason",
    };
    Err::<(), _>(error)
        .during("mount the overlay of the root")
        .unwrap_err()
        .remedy(remedy)
}

/// Makes the overlay the root and takes down everything else: first the private file system, which lies on the host's
/// root, then the host's root, which lies on the overlay.
fn leave_host(host: &OwnedFd, base: &OwnedFd, root: &OwnedFd) -> Result<(), Failure> {
    rustix::process::fchdir(root).during("enter the root")?;
    rustix::process::pivot_root(".", ".")
        .during("change the root")
        .map_err(|failure| failure.remedy("praxis cannot run from an initial ram file system"))?;
    for left in [base, host] {
        rustix::process::fchdir(left).during("return to the host's root")?;
        rustix::mount::unmount(".", UnmountFlags::DETACH).during("leave the host's root")?;
    }
    rustix::process::chdir("/").during("enter the root")?;
    verify_alone(root)
}

/// What lies over the root directory would be reached through `/..`: nothing may.
fn verify_alone(root: &OwnedFd) -> Result<(), Failure> {
    let expected = rustix::fs::fstat(root).during("look at the root")?;
    for path in ["/", "/..", "/dev/..", "."] {
        let found = rustix::fs::stat(path).during("look at the root")?;
        if (found.st_dev, found.st_ino) != (expected.st_dev, expected.st_ino) {
            return Err(Failure::refused(
                path.as_bytes(),
                "the host's root is still in reach",
            ));
        }
    }
    Ok(())
}

fn make_directory(root: BorrowedFd<'_>, path: &[u8]) -> Result<(), Failure> {
    match open_inside(root, path, OFlags::PATH) {
        Ok(_) => Ok(()),
        Err(Errno::NOENT) => walk::open_or_make(root, path, true).map(drop),
        Err(Errno::LOOP) => Err(Failure::refused(
            path,
            "the working directory goes through a link of /proc",
        )),
        Err(error) => {
            Err(error).during_with(|| format!("open the working directory {}", String::from_utf8_lossy(path)))
        }
    }
}

fn enter_directory(path: &[u8]) -> Result<(), Failure> {
    let shown = || format!("enter the working directory {}", String::from_utf8_lossy(path));
    let root = open_directory("/".as_ref()).during("open the root")?;
    let directory = match open_inside(&root, path, OFlags::PATH | OFlags::DIRECTORY) {
        Err(Errno::LOOP) => {
            return Err(Failure::refused(
                path,
                "the working directory goes through a link of /proc",
            ));
        }
        other => other.during_with(shown)?,
    };
    rustix::process::fchdir(directory).during_with(shown)
}
