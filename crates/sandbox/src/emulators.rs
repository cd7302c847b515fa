//! Emulators for programs of other processors, known in this process's own user namespace only.
//!
//! Since Linux 6.7 every user namespace can have handlers of its own. The host and its handlers stay as they are; the
//! handlers go with the mount that is returned.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::mount::MountAttrFlags;

use crate::error::{During, SandboxError};

/// Whether this process made the user namespace it is in.
pub(crate) static OWN_NAMESPACE: AtomicBool = AtomicBool::new(false);

/// An emulator and the programs it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emulator {
    /// A name for the handler: letters, digits and `-`.
    pub name: String,
    /// The first bytes of the programs.
    pub magic: Vec<u8>,
    /// Which bits of them count.
    pub mask: Vec<u8>,
    /// A program without libraries, on the host.
    pub interpreter: PathBuf,
}

/// Makes the kernel start programs of other processors through emulators, for this process and those it starts, as long
/// as the returned mount is open. Emulators are opened now: no root needs to hold them.
///
/// The handlers of the host do not count any more in this namespace.
///
/// # Errors
/// If this process did not make its user namespace ([`crate::enter_user_namespace`]): another's is left alone. If the
/// kernel is older than 6.7, or an emulator is not there.
pub fn register_emulators(emulators: &[Emulator]) -> Result<OwnedFd, SandboxError> {
    if !OWN_NAMESPACE.load(Ordering::Acquire) {
        return Err(SandboxError::Invalid {
            reason: "handlers of programs are only registered in a user namespace of the process's own"
                .into(),
        });
    }
    let mount = crate::kernel::new_mount("binfmt_misc", &[], MountAttrFlags::empty())
        .during("mount binfmt_misc in the user namespace, which needs Linux 6.7")?;
    for emulator in emulators {
        let line = registration(emulator);
        // One write is one handler.
        rustix::fs::openat(
            mount.as_fd(),
            "register",
            OFlags::WRONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .and_then(|register| rustix::io::write(register, &line))
        .during_with(|| format!("register the emulator {}", emulator.interpreter.display()))?;
    }
    Ok(mount)
}

/// `:NAME:M:OFFSET:MAGIC:MASK:INTERPRETER:FLAGS`. `F`: the emulator is opened now. `P`: it is told the name the program was
/// called by, which programs of many names go by. `O` and `C`: it is handed the program, with the rights its file gives.
fn registration(emulator: &Emulator) -> Vec<u8> {
    let escaped = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("\\x{byte:02x}"))
            .collect::<String>()
    };
    let mut line = format!(
        ":{}:M::{}:{}:",
        emulator.name,
        escaped(&emulator.magic),
        escaped(&emulator.mask)
    )
    .into_bytes();
    line.extend(emulator.interpreter.as_os_str().as_bytes());
    line.extend(b":POCF");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emulator() -> Emulator {
        Emulator {
            name: "praxis-arm64".into(),
            magic: b"\x7fELF".to_vec(),
            mask: vec![0xff; 4],
            interpreter: "/usr/bin/qemu".into(),
        }
    }

    #[test]
    fn registrations_are_as_the_kernel_reads_them() {
        let expected = r":praxis-arm64:M::\x7f\x45\x4c\x46:\xff\xff\xff\xff:/usr/bin/qemu:POCF";
        assert_eq!(String::from_utf8(registration(&emulator())).unwrap(), expected);
    }

    #[test]
    fn the_namespace_of_others_is_left_alone() {
        let error = register_emulators(&[emulator()]).unwrap_err().to_string();
        assert!(error.contains("of the process's own"), "{error}");
    }
}
