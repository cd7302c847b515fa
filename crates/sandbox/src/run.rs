//! The caller's side: start the sandbox process, hand output on, kill when asked to, clean up.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;

use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use rustix::mount::MountAttrFlags;

use crate::channel::{self, MOST_DESCRIPTORS};
use crate::control_group::ControlGroup;
use crate::error::{During, Failure, SandboxError};
use crate::inner_network::Inside;
use crate::kernel::{clone_tree, open_directory, restrict};
use crate::launch::CHILD_NAME;
use crate::mount_points::remove_traces;
use crate::step::Step;
use crate::watch::Watch;
use crate::wire::specify;

/// Layers one root may have: what the kernel allows, less those the sandbox adds.
pub const MAXIMUM_LOWERS: usize = 480;

/// How a step ended. Every process of it is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exit {
    /// The command's exit code, when it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The kernel killed a process of the step because of the memory limit.
    pub out_of_memory: bool,
    /// The wall clock limit was reached.
    pub timed_out: bool,
    /// The caller asked for the end.
    pub cancelled: bool,
    /// Bytes of output dropped because of the output limit.
    pub dropped_output: u64,
    /// Limits that were asked for and that this machine cannot enforce, in words.
    pub unenforced: Vec<String>,
}

impl Exit {
    /// Whether the command ended by itself with code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }
}

/// A program that does not call [`crate::init_main`] would start itself again and again without end.
fn refuse_in_child() -> Result<(), SandboxError> {
    if !crate::launch::is_child() {
        return Ok(());
    }
    let reason = "this process is itself a sandbox process: the program must call praxis_sandbox::is_child and \
                  init_main first in its main (a test needs `harness = false`)";
    Err(SandboxError::Invalid {
        reason: reason.into(),
    })
}

/// Runs one step to its end.
///
/// `output` gets what the command writes, with 1 for standard output and 2 for standard error. When `cancel` becomes true
/// every process of the step is killed. A command that fails is an [`Exit`]; an error means it was not run, or could not be
/// watched. In every case no process and no mount of the step is left, and no file outside `upper` and `work` of the root,
/// writable mounts aside, was changed.
pub fn run(
    step: &Step,
    output: &mut dyn FnMut(u8, &[u8]),
    cancel: &AtomicBool,
) -> Result<Exit, SandboxError> {
    run_watched(step, output, &mut |_| {}, cancel)
}

/// The same; `ready` is called once when everything is set up and the command is about to be executed.
pub fn run_watched(
    step: &Step,
    output: &mut dyn FnMut(u8, &[u8]),
    ready: &mut dyn FnMut(Inside),
    cancel: &AtomicBool,
) -> Result<Exit, SandboxError> {
    refuse_in_child()?;
    validate(step)?;
    let group = ControlGroup::new(&step.limits);
    let upper = open_directory(&step.root.upper)
        .during_with(|| format!("open the upper directory {}", step.root.upper.display()))?;
    let (mut child, stream) = start().map_err(SandboxError::from)?;
    let (specification, descriptors) = specify(step, group.as_ref().map(ControlGroup::directory));
    let sent = channel::send(&stream, &specification, &descriptors);
    let mut watch = Watch::new(step, &mut child, stream).during("watch the sandbox process")?;
    let watched = watch.until_end(output, ready, cancel);
    let reports = watch.finish();
    let ended = reap(&mut child)?;
    watched?;
    let mut reports = reports?;
    if reports.ended.is_none() && reports.failure.is_none() {
        sent.during("send the step to the sandbox process")?;
    }
    remove_traces(upper.as_fd(), &reports.stubs).during_with(|| {
        format!(
            "remove mount points from the upper directory {}",
            step.root.upper.display()
        )
    })?;
    if let Some(failure) = reports.failure.take() {
        return Err(failure.into());
    }
    let Some(mut exit) = reports.ended else {
        return Err(SandboxError::Vanished { detail: ended });
    };
    exit.out_of_memory = group.as_ref().is_some_and(ControlGroup::ran_out_of_memory);
    exit.unenforced = reports.unenforced;
    if step.limits.memory.is_some() && group.is_none() {
        exit.unenforced
            .push("the memory limit (no writable control group of version 2)".into());
    }
    Ok(exit)
}

fn validate(step: &Step) -> Result<(), SandboxError> {
    let invalid = |reason: String| Err(SandboxError::Invalid { reason });
    let lowers = step.root.lowers.len();
    if lowers == 0 || lowers > MAXIMUM_LOWERS {
        return invalid(format!(
            "the root has {lowers} layers; 1 to {MAXIMUM_LOWERS} are possible"
        ));
    }
    if step.arguments.is_empty() {
        return invalid("it has no command".into());
    }
    if !step.directory.is_absolute() {
        return invalid(format!(
            "its working directory {} is not absolute",
            step.directory.display()
        ));
    }
    if step.hostname.len() > 64 || step.hostname.contains('\0') {
        return invalid(format!(
            "its host name is {} bytes long; 64 are possible",
            step.hostname.len()
        ));
    }
    let descriptors = step.mounts.iter().filter(|mount| {
        matches!(
            mount,
            crate::Mount::Bind {
                source: crate::Source::Descriptor(_),
                ..
            }
        )
    });
    if descriptors.count() >= MOST_DESCRIPTORS {
        return invalid(format!(
            "more than {} of its mounts are given as descriptors",
            MOST_DESCRIPTORS - 1
        ));
    }
    Ok(())
}

/// Starts the program again from a read-only view of its own file: nothing a step gets hold of can write to it.
fn start() -> Result<(Child, UnixStream), Failure> {
    let (ours, theirs) = UnixStream::pair().during("make a socket")?;
    let program = own_program()?;
    let child = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()))
        .arg0(CHILD_NAME)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .during("start the sandbox process")?;
    Ok((child, ours))
}

/// The program's file through a mount of its own that is read-only; a sealed copy where its path does not lead to it.
fn own_program() -> Result<OwnedFd, Failure> {
    let running = rustix::fs::stat("/proc/self/exe").during("look at the program's own file")?;
    let path = rustix::fs::readlink("/proc/self/exe", Vec::new()).during("find the program's own file")?;
    let file = rustix::fs::open(path.as_c_str(), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let same = |file: &OwnedFd| {
        rustix::fs::fstat(file)
            .is_ok_and(|found| (found.st_dev, found.st_ino) == (running.st_dev, running.st_ino))
    };
    let Some(file) = file.ok().filter(same) else {
        return sealed_copy();
    };
    let remedy = "praxis must be root, or enter a user namespace first; `praxis doctor` says what is missing";
    let program = clone_tree(file.as_fd(), b"")
        .during("make a read-only view of the program")
        .map_err(|failure| failure.remedy(remedy))?;
    restrict(program.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY, false)
        .during("make the view of the program read-only")?;
    Ok(program)
}

/// For a program whose file was replaced or removed while it runs.
fn sealed_copy() -> Result<OwnedFd, Failure> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let copy = rustix::fs::memfd_create("praxis", flags).during("make a copy of the program in memory")?;
    let mut from = std::fs::File::open("/proc/self/exe").during("open the program's own file")?;
    let mut to = std::fs::File::from(copy);
    std::io::copy(&mut from, &mut to).during("copy the program to memory")?;
    let seals = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&to, seals).during("seal the copy of the program")?;
    // A file that is open for writing cannot be executed.
    let path = format!("/proc/self/fd/{}", to.as_raw_fd());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .during("open the copy of the program")
}

fn reap(child: &mut Child) -> Result<String, SandboxError> {
    Ok(child.wait().during("wait for the sandbox process")?.to_string())
}
