//! System calls without a safe wrapper elsewhere, and small mount helpers on top of the new mount interface.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags};

/// A mount read-only, without devices and without set-uid.
pub(crate) const SEALED: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY.union(INERT);
/// A mount whose device nodes and set-uid bits are without effect.
pub(crate) const INERT: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NODEV.union(MountAttrFlags::MOUNT_ATTR_NOSUID);

fn answer(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result < 0 {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    } else {
        Ok(result)
    }
}

#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Adds attributes to the mount `tree` stands for, and to those below it when `recursive`.
pub(crate) fn restrict(tree: BorrowedFd<'_>, set: MountAttrFlags, recursive: bool) -> Result<(), Errno> {
    change_mount(tree, u64::from(set.bits()), 0, recursive)
}

/// Cuts the mount tree off from mount events of others.
pub(crate) fn make_private(tree: BorrowedFd<'_>) -> Result<(), Errno> {
    change_mount(tree, 0, libc::MS_PRIVATE, true)
}

fn change_mount(tree: BorrowedFd<'_>, set: u64, propagation: u64, recursive: bool) -> Result<(), Errno> {
    let attributes = MountAttributes {
        set,
        clear: 0,
        propagation,
        user_namespace: 0,
    };
    let mut flags = libc::AT_EMPTY_PATH;
    if recursive {
        flags |= 0x8000; // AT_RECURSIVE
    }
    // SAFETY: the path is an empty C string, the structure is the kernel's first version with its size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<MountAttributes>(),
        )
    };
    answer(result).map(drop)
}

/// Makes a file system of the given type with string options, not attached anywhere.
pub(crate) fn new_mount(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(&context, *key, *value)?;
    }
    finish_mount(&context, attributes)
}

/// Turns a configured context into a mount.
pub(crate) fn finish_mount(context: &OwnedFd, attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    rustix::mount::fsconfig_create(context)?;
    rustix::mount::fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Attaches a mount on exactly the file or directory `target` stands for; no path is looked up.
pub(crate) fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    rustix::mount::move_mount(mount, "", target, "", flags)
}

/// Copies a mount without what is mounted below it; with it only where the kernel insists.
pub(crate) fn clone_tree(source: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW
        | OpenTreeFlags::AT_EMPTY_PATH;
    match rustix::mount::open_tree(source, name, flags) {
        Err(Errno::INVAL) => clone_tree_recursively(source, name),
        other => other,
    }
}

/// Copies a mount with everything mounted below it.
pub(crate) fn clone_tree_recursively(source: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_RECURSIVE;
    rustix::mount::open_tree(source, name, flags)
}

/// Opens a directory of the host by path, as a place only.
pub(crate) fn open_directory(path: &std::path::Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(
        path,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Opens a child of a directory as a place only; a symbolic link is opened itself.
pub(crate) fn open_child(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(
        parent,
        name,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// Makes a directory or an empty file, or takes the one somebody else made meanwhile; never follows a link.
pub(crate) fn make_child(parent: BorrowedFd<'_>, name: &[u8], directory: bool) -> Result<OwnedFd, Errno> {
    let made = if directory {
        rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))
    } else {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
        rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644)).map(drop)
    };
    match made {
        Ok(()) | Err(Errno::EXIST) => open_child(parent, name),
        Err(error) => Err(error),
    }
}

/// Opens a path inside `root` with the kernel's own containment; magic links are refused.
pub(crate) fn open_inside(root: impl AsFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(&root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

/// The status of what a descriptor stands for, `O_PATH` included.
pub(crate) fn status(descriptor: BorrowedFd<'_>) -> Result<rustix::fs::Stat, Errno> {
    rustix::fs::statat(descriptor, "", AtFlags::EMPTY_PATH)
}

/// Closes every descriptor from `first` to `last`.
pub(crate) fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    // SAFETY: the caller owns none of the descriptors in the range any more, or is about to execute another program.
    answer(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

/// Marks every descriptor from `first` on to be closed when a program is executed.
pub(crate) fn close_on_execute(first: u32) -> Result<(), Errno> {
    // SAFETY: marking changes no descriptor's validity in this program.
    answer(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 4) }).map(drop)
}

/// Forks; the process must have one thread only.
pub(crate) fn fork() -> Result<Option<rustix::process::Pid>, Errno> {
    // SAFETY: only the freshly executed sandbox process or a program before its first thread calls this, so no lock
    // can be held by another thread.
    let result = unsafe { libc::fork() };
    answer(libc::c_long::from(result))?;
    Ok(rustix::process::Pid::from_raw(result))
}

/// Replaces the program; returns only when that failed.
pub(crate) fn execute(path: &CString, arguments: &[CString], environment: &[CString]) -> Errno {
    let pointers = |list: &[CString]| -> Vec<*const libc::c_char> {
        list.iter()
            .map(|text| text.as_ptr())
            .chain(std::iter::once(std::ptr::null()))
            .collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: path and both lists are C strings that outlive the call; both lists end with a null pointer.
    let result = unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    answer(libc::c_long::from(result)).err().unwrap_or(Errno::IO)
}

/// Gives every signal its default action and blocks none.
pub(crate) fn reset_signals() {
    // SAFETY: a zeroed set is a valid empty set, and default actions run no code of ours.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Installs a seccomp program for this process and its children.
pub(crate) fn install_filter(program: &[libc::sock_filter]) -> Result<(), Errno> {
    let header = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::INVAL)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the header names the program's true length; the kernel copies it and writes nothing.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, 1, 0, &raw const header) };
    answer(result).map(drop)
}

/// Turns on the loopback interface of the current network namespace.
pub(crate) fn raise_loopback() -> Result<(), Errno> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    // SAFETY: a zeroed request is valid; name and flags are set before the kernel reads them.
    let result = unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        request.ifr_name[0] = b'l'.cast_signed() as libc::c_char;
        request.ifr_name[1] = b'o'.cast_signed() as libc::c_char;
        request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
        libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)
    };
    answer(libc::c_long::from(result)).map(drop)
}

/// Whether the kernel can answer a filtered call with an error.
pub(crate) fn filter_available() -> bool {
    let action: u32 = libc::SECCOMP_RET_ERRNO;
    // SAFETY: operation 2 asks whether an action is known and reads one number.
    unsafe { libc::syscall(libc::SYS_seccomp, 2, 0, &raw const action) == 0 }
}

/// Leaves the caller's keys behind; kernels without keys have none to leave.
pub(crate) fn join_empty_keyring() {
    // SAFETY: operation 1 with a null name makes an empty session keyring.
    let _ = unsafe { libc::syscall(libc::SYS_keyctl, 1, std::ptr::null::<libc::c_char>()) };
}
