//! Overlay mounts. Directories are named to the kernel by descriptor number only, so no character of a path can be
//! taken for syntax and neither the length of paths nor the number of layers meets a limit early.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{FsOpenFlags, MountAttrFlags, MountFlags};

use crate::kernel::{attach, finish_mount, make_child, open_child};

/// The directories of one overlay.
pub(crate) struct Stack<'a> {
    /// Topmost first.
    pub lowers: Vec<BorrowedFd<'a>>,
    /// Upper and work directory; without them the overlay is read-only and needs two lowers.
    pub upper: Option<(BorrowedFd<'a>, BorrowedFd<'a>)>,
}

const OPTIONS: [(&str, &str); 3] = [
    ("index", "off"),
    ("metacopy", "off"),
    ("redirect_dir", "nofollow"),
];

/// Mounts the stack on the directory `name` of the private `base` and returns the overlay's root directory.
pub(crate) fn mount(
    stack: &Stack<'_>,
    base: BorrowedFd<'_>,
    name: &str,
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Errno> {
    let target = make_child(base, name.as_bytes(), true)?;
    match mount_by_layer(stack, attributes) {
        Ok(root) => {
            attach(root.as_fd(), target.as_fd())?;
            Ok(root)
        }
        Err(Errno::INVAL) => {
            mount_by_list(stack, target.as_fd(), attributes)?;
            open_child(base, name.as_bytes())
        }
        Err(error) => Err(error),
    }
}

fn place(descriptor: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", descriptor.as_raw_fd())
}

/// The way of kernels since 6.8: one option for each layer.
fn mount_by_layer(stack: &Stack<'_>, attributes: MountAttrFlags) -> Result<OwnedFd, Errno> {
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for lower in &stack.lowers {
        rustix::mount::fsconfig_set_string(&context, "lowerdir+", place(*lower))?;
    }
    if let Some((upper, work)) = &stack.upper {
        rustix::mount::fsconfig_set_string(&context, "upperdir", place(*upper))?;
        rustix::mount::fsconfig_set_string(&context, "workdir", place(*work))?;
        rustix::mount::fsconfig_set_flag(&context, "volatile")?;
    }
    for (key, value) in OPTIONS {
        rustix::mount::fsconfig_set_string(&context, key, value)?;
    }
    rustix::mount::fsconfig_set_flag(&context, "userxattr")?;
    finish_mount(&context, attributes)
}

/// The way of older kernels: one page of options. Numbers relative to the descriptor directory keep it short.
pub(crate) fn mount_by_list(
    stack: &Stack<'_>,
    target: BorrowedFd<'_>,
    attributes: MountAttrFlags,
) -> Result<(), Errno> {
    let numbers: Vec<String> = stack
        .lowers
        .iter()
        .map(|lower| lower.as_raw_fd().to_string())
        .collect();
    let mut options = format!("lowerdir={}", numbers.join(":"));
    if let Some((upper, work)) = &stack.upper {
        options.push_str(&format!(
            ",upperdir={},workdir={},volatile",
            upper.as_raw_fd(),
            work.as_raw_fd()
        ));
    }
    options.push_str(",userxattr");
    for (key, value) in OPTIONS {
        options.push_str(&format!(",{key}={value}"));
    }
    let options = std::ffi::CString::new(options).map_err(|_| Errno::INVAL)?;
    rustix::process::chdir("/proc/self/fd")?;
    let mounted = rustix::mount::mount(
        "overlay",
        target.as_raw_fd().to_string(),
        "overlay",
        legacy_flags(attributes),
        options.as_c_str(),
    );
    rustix::process::chdir("/")?;
    mounted
}

fn legacy_flags(attributes: MountAttrFlags) -> MountFlags {
    let mut flags = MountFlags::empty();
    if attributes.contains(MountAttrFlags::MOUNT_ATTR_RDONLY) {
        flags |= MountFlags::RDONLY;
    }
    if attributes.contains(MountAttrFlags::MOUNT_ATTR_NODEV) {
        flags |= MountFlags::NODEV;
    }
    if attributes.contains(MountAttrFlags::MOUNT_ATTR_NOSUID) {
        flags |= MountFlags::NOSUID;
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{INERT, make_private, open_directory};

    /// The way of older kernels, with more layers than fit in an option by path. A thread of its own gets the mounts.
    #[test]
    fn the_older_way_stacks_many_layers_in_order() {
        let place = tempfile::tempdir().expect("temporary directory");
        let root = place.path().to_path_buf();
        for name in ["upper", "work", "target"] {
            std::fs::create_dir(root.join(name)).expect("directory");
        }
        let lowers: Vec<OwnedFd> = (0..200)
            .map(|number| {
                let layer = root.join(format!("layer, with:odd\\name {number}"));
                std::fs::create_dir(&layer).expect("layer");
                std::fs::write(layer.join("name"), number.to_string()).expect("file");
                open_directory(&layer).expect("open")
            })
            .collect();
        drop(lowers);
        let seen = std::thread::spawn(move || stack_by_list(&root))
            .join()
            .expect("the mounting thread");
        assert_eq!(seen, "0");
    }

    fn stack_by_list(root: &std::path::Path) -> String {
        // SAFETY: only this thread gets a mount namespace; the descriptor table stays shared.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.expect("run as root");
        make_private(open_directory("/".as_ref()).expect("root").as_fd()).expect("private");
        let open = |name: String| open_directory(&root.join(name)).expect("open");
        let lowers: Vec<OwnedFd> = (0..200)
            .map(|number| open(format!("layer, with:odd\\name {number}")))
            .collect();
        let (upper, work, target) = (open("upper".into()), open("work".into()), open("target".into()));
        let stack = Stack {
            lowers: lowers.iter().map(AsFd::as_fd).collect(),
            upper: Some((upper.as_fd(), work.as_fd())),
        };
        mount_by_list(&stack, target.as_fd(), INERT).expect("mount");
        std::fs::read_to_string(root.join("target/name")).expect("merged file")
    }
}
