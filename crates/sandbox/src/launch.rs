//! The sandbox process: the program started again, with one thread, to make namespaces and wait for the step.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, set_dumpable_behavior,
    set_parent_process_death_signal,
};
use rustix::thread::UnshareFlags;

use crate::channel;
use crate::error::{During, Failure};
use crate::inside::become_step;
use crate::kernel::{close_range, fork, raise_loopback};
use crate::mounts::{Tree, copy_sources};
use crate::wire::{Report, Specification};

/// The name under which the sandbox process is started.
pub(crate) const CHILD_NAME: &str = "praxis-sandbox-init";

/// Whether this process was started by [`crate::run`] and must call [`init_main`] before anything else.
#[must_use]
pub fn is_child() -> bool {
    std::env::args_os()
        .next()
        .is_some_and(|name| name == CHILD_NAME || name == PROBE_NAME)
}

/// The name under which a process that tries what the machine can do is started.
pub(crate) const PROBE_NAME: &str = "praxis-sandbox-probe";

/// The whole life of the sandbox process. Reports go to the process that called [`crate::run`].
pub fn init_main() -> ! {
    if std::env::args_os().next().is_some_and(|name| name == PROBE_NAME) {
        crate::trial::main();
    }
    let code = match take_channel() {
        Ok(channel) => match serve(&channel) {
            Ok(()) => 0,
            Err(failure) => {
                // A caller that is gone cannot be told; the exit code remains.
                let _ = channel::report(&channel, &Report::Failed(failure));
                1
            }
        },
        Err(_) => 2,
    };
    std::process::exit(code)
}

/// Moves the socket away from descriptor 0, puts the null device there and closes everything else.
fn take_channel() -> Result<UnixStream, rustix::io::Errno> {
    // SAFETY: the caller started this process with the socket as descriptor 0; nothing else owns it.
    let input = unsafe { OwnedFd::from_raw_fd(0) };
    let channel = rustix::io::fcntl_dupfd_cloexec(&input, 3)?;
    std::mem::forget(input);
    let number = std::os::fd::AsRawFd::as_raw_fd(&channel).unsigned_abs();
    close_range(number + 1, u32::MAX)?;
    if number > 3 {
        close_range(3, number - 1)?;
    }
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(UnixStream::from(channel))
}

fn serve(channel: &UnixStream) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL)).during("tie the sandbox to its caller")?;
    rustix::thread::set_name(c"praxis-step").during("name the sandbox process")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).during("hide the sandbox from debuggers")?;
    let (specification, descriptors) = channel::receive(channel).during("read the step")?;
    let trees = copy_sources(&specification.mounts, &descriptors)?;
    let input = take_input(&specification, &descriptors)?;
    drop(descriptors);
    make_namespaces(&specification)?;
    let first = fork().during("start the first process of the step")?;
    match first {
        None => run_first(&specification, trees, input, channel),
        Some(pid) => {
            drop((trees, input));
            await_step(pid, channel)
        }
    }
}

fn take_input(specification: &Specification, descriptors: &[OwnedFd]) -> Result<Option<OwnedFd>, Failure> {
    let given = specification.input.and_then(|position| descriptors.get(position));
    given
        .map(|descriptor| rustix::io::fcntl_dupfd_cloexec(descriptor, 3))
        .transpose()
        .during("take the input of the step")
}

fn make_namespaces(specification: &Specification) -> Result<(), Failure> {
    let mut flags = UnshareFlags::NEWNS | UnshareFlags::NEWPID | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    if specification.private_network {
        flags |= UnshareFlags::NEWNET;
    }
    // SAFETY: no descriptor table or file system state is unshared, so no owner of a descriptor is surprised.
    unsafe { rustix::thread::unshare_unsafe(flags) }
        .during("make the namespaces of the step")
        .map_err(|failure| {
            failure.remedy(
                "praxis must be root, or enter a user namespace first; `praxis doctor` says what is missing",
            )
        })?;
    if specification.private_network {
        raise_loopback().during("turn on the loopback interface")?;
    }
    Ok(())
}

fn run_first(
    specification: &Specification,
    trees: Vec<Option<Tree>>,
    input: Option<OwnedFd>,
    channel: &UnixStream,
) -> ! {
    let failure = become_step(specification, trees, input, channel);
    // A caller that is gone cannot be told; the exit code remains.
    let _ = channel::report(channel, &Report::Failed(failure));
    std::process::exit(126)
}

/// Waits for the step, and kills it when the caller closes its side of the socket.
fn await_step(pid: Pid, channel: &UnixStream) -> Result<(), Failure> {
    let handle = rustix::process::pidfd_open(pid, PidfdFlags::empty()).during("watch the step")?;
    loop {
        let mut watched = [
            PollFd::new(&handle, PollFlags::IN),
            PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::IN),
        ];
        match rustix::event::poll(&mut watched, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error).during("wait for the step"),
        }
        if !watched[0].revents().is_empty() {
            break;
        }
        if !watched[1].revents().is_empty() {
            rustix::process::pidfd_send_signal(&handle, Signal::KILL).during("kill the step")?;
            break;
        }
    }
    let (_, status) = wait(pid).during("wait for the step")?;
    channel::report(
        channel,
        &Report::Exited {
            code: status.exit_status(),
            signal: status.terminating_signal(),
        },
    )
    .during("report the end of the step")
}

fn wait(pid: Pid) -> Result<(Pid, WaitStatus), rustix::io::Errno> {
    loop {
        match rustix::process::waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some(ended)) => return Ok(ended),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
