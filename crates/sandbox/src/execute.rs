//! Finding and executing the command, inside the root and with the step's own `PATH`.

use std::ffi::CString;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::Failure;
use crate::kernel::{execute, open_directory, open_inside};
use crate::wire::{Octets, Specification};

const DEFAULT_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Executes the command; comes back only with the reason why not.
pub(crate) fn search_and_execute(specification: &Specification) -> Failure {
    match attempt(specification) {
        Ok(never) => match never {},
        Err(failure) => failure,
    }
}

fn attempt(specification: &Specification) -> Result<std::convert::Infallible, Failure> {
    let Some(command) = specification.arguments.first() else {
        return Err(Failure::refused(b"", "the step has no command"));
    };
    let shown = String::from_utf8_lossy(&command.0).into_owned();
    let arguments = specification
        .arguments
        .iter()
        .map(c_string)
        .collect::<Result<Vec<_>, _>>()?;
    let environment = specification
        .environment
        .iter()
        .map(assignment)
        .collect::<Result<Vec<_>, _>>()?;
    let (candidates, searched) = candidates(specification, &command.0);
    let mut denied = None;
    for candidate in candidates {
        match try_one(&candidate, &arguments, &environment) {
            Errno::NOENT if exists(&candidate) => {
                let reason = "its interpreter or dynamic loader is not in the root file system";
                return Err(Failure::NotExecutable {
                    command: shown,
                    reason: reason.into(),
                });
            }
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => denied = Some("permission denied: it is not executable for the step's user"),
            Errno::LOOP => denied = Some("it goes through a link of /proc, or through too many links"),
            error => {
                return Err(Failure::NotExecutable {
                    command: shown,
                    reason: explain(error),
                });
            }
        }
    }
    match denied {
        Some(reason) => Err(Failure::NotExecutable {
            command: shown,
            reason: reason.into(),
        }),
        None => Err(Failure::NotFound {
            command: shown,
            searched,
        }),
    }
}

fn candidates(specification: &Specification, command: &[u8]) -> (Vec<Vec<u8>>, String) {
    if command.contains(&b'/') {
        let searched = String::from_utf8_lossy(command).into_owned();
        return (vec![command.to_vec()], searched);
    }
    let path = specification
        .environment
        .iter()
        .rev()
        .find(|(key, _)| key.0 == b"PATH")
        .map_or(DEFAULT_PATH, |(_, value)| value.0.as_slice());
    let join = |directory: &[u8]| {
        let mut candidate = if directory.is_empty() {
            b".".to_vec()
        } else {
            directory.to_vec()
        };
        candidate.push(b'/');
        candidate.extend_from_slice(command);
        candidate
    };
    (
        path.split(|&byte| byte == b':').map(join).collect(),
        String::from_utf8_lossy(path).into_owned(),
    )
}

/// A link of `/proc` could lead to the program that runs this code; such a command is refused, not executed.
fn try_one(path: &[u8], arguments: &[CString], environment: &[CString]) -> Errno {
    if let Err(error) = open(path) {
        return error;
    }
    match CString::new(path) {
        Ok(path) => execute(&path, arguments, environment),
        Err(_) => Errno::NOENT,
    }
}

fn open(path: &[u8]) -> Result<(), Errno> {
    if path.starts_with(b"/") {
        let root = open_directory("/".as_ref())?;
        return open_inside(root, path, OFlags::PATH).map(drop);
    }
    let resolve = rustix::fs::ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat2(rustix::fs::CWD, path, flags, rustix::fs::Mode::empty(), resolve).map(drop)
}

fn exists(path: &[u8]) -> bool {
    open(path).is_ok()
}

fn explain(error: Errno) -> String {
    match error {
        Errno::NOEXEC => "it is neither a program for this machine nor a script that starts with #!".into(),
        Errno::TOOBIG => "the arguments and the environment are longer than the kernel allows".into(),
        other => std::io::Error::from(other).to_string(),
    }
}

fn c_string(text: &Octets) -> Result<CString, Failure> {
    CString::new(text.0.clone()).map_err(|_| Failure::refused(&text.0, "an argument contains a NUL byte"))
}

fn assignment((key, value): &(Octets, Octets)) -> Result<CString, Failure> {
    let mut text = key.0.clone();
    text.push(b'=');
    text.extend_from_slice(&value.0);
    // The value may be a secret: it is never part of the message.
    CString::new(text).map_err(|_| Failure::refused(&key.0, "the value of this variable contains a NUL byte"))
}
