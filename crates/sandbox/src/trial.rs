//! Trials of what this machine allows, in a process of their own: each stage needs the one before.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::mount::MountAttrFlags;
use rustix::thread::UnshareFlags;

use crate::kernel::{INERT, fork, make_child, make_private, new_mount, open_directory, raise_loopback};
use crate::launch::PROBE_NAME;
use crate::overlay::{self, Stack};
use crate::user_namespace::{Identities, UserNamespace, enter_user_namespace};

/// The stages by name: nothing for one that works, the reason for one that does not; absent when not reached.
pub(crate) type Findings = BTreeMap<String, Option<String>>;

/// Starts the program again for the trials and collects what it found.
pub(crate) fn findings() -> Findings {
    let output = Command::new("/proc/self/exe")
        .arg0(PROBE_NAME)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    output
        .ok()
        .and_then(|output| serde_json::from_slice(&output.stdout).ok())
        .unwrap_or_default()
}

/// The process of the trials.
pub(crate) fn main() -> ! {
    let mut findings = Findings::new();
    stages(&mut findings);
    let text = serde_json::to_string(&findings).unwrap_or_default();
    // Whoever does not read the answer does not need it.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
    std::process::exit(0)
}

fn stages(findings: &mut Findings) {
    let mut note = |name: &str, result: Result<(), String>| {
        let good = result.is_ok();
        findings.insert(name.to_owned(), result.err());
        good
    };
    if UserNamespace::needed() {
        let entered = enter_user_namespace(Identities::RangeOrSingle)
            .map(drop)
            .map_err(|error| error.to_string());
        if !note("user namespace", entered) {
            return;
        }
    }
    let flags = UnshareFlags::NEWNS | UnshareFlags::NEWPID | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    // SAFETY: none of the flags unshares the descriptor table.
    let unshared = unsafe { rustix::thread::unshare_unsafe(flags) };
    if !note("namespaces", unshared.map_err(words)) {
        return;
    }
    note("proc", try_proc().map_err(words));
    if note("mount interface", try_mount().map_err(words)) {
        note("overlay", try_overlay().map_err(words));
    }
    // SAFETY: the flag does not unshare the descriptor table.
    let unshared = unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) };
    note(
        "network namespace",
        unshared.and_then(|()| raise_loopback()).map_err(words),
    );
}

fn words(error: Errno) -> String {
    std::io::Error::from(error).to_string()
}

/// `/proc` can be mounted only by a process inside the new process namespace.
fn try_proc() -> Result<(), Errno> {
    match fork()? {
        None => {
            let code = new_mount("proc", &[], INERT).map_or_else(Errno::raw_os_error, |_| 0);
            std::process::exit(code.min(255))
        }
        Some(child) => {
            let ended = rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty())?;
            match ended.and_then(|(_, status)| status.exit_status()) {
                Some(0) => Ok(()),
                Some(code) => Err(Errno::from_raw_os_error(code)),
                None => Err(Errno::IO),
            }
        }
    }
}

fn try_mount() -> Result<(), Errno> {
    let root = open_directory("/".as_ref())?;
    make_private(root.as_fd())?;
    new_mount("tmpfs", &[("mode", "0700")], INERT).map(drop)
}

fn try_overlay() -> Result<(), Errno> {
    let base = new_mount("tmpfs", &[("mode", "0700")], INERT)?;
    crate::kernel::attach(base.as_fd(), open_directory("/".as_ref())?.as_fd())?;
    let make = |name: &[u8]| make_child(base.as_fd(), name, true);
    let (lower, upper, work): (OwnedFd, OwnedFd, OwnedFd) =
        (make(b"lower")?, make(b"upper")?, make(b"work")?);
    let stack = Stack {
        lowers: vec![lower.as_fd()],
        upper: Some((upper.as_fd(), work.as_fd())),
    };
    overlay::mount(&stack, base.as_fd(), "root", MountAttrFlags::MOUNT_ATTR_NODEV).map(drop)
}
