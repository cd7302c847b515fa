//! Watching a step from outside: its output, its reports, and the reasons to end it.

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStderr, ChildStdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::error::{During, Failure, SandboxError};
use crate::inner_network::Inside;
use crate::run::Exit;
use crate::step::Step;
use crate::wire::{Report, Stub};

const LOOK_AT_CANCEL: Duration = Duration::from_millis(20);
/// A step could have handed its output to a process outside; what comes later than this after its end is not waited for.
const PATIENCE_AFTER_END: Duration = Duration::from_secs(2);
const PATIENCE_AFTER_KILL: Duration = Duration::from_secs(10);

/// What the sandbox process said until its end.
#[derive(Default)]
pub(crate) struct Reports {
    pub(crate) stubs: Vec<Stub>,
    pub(crate) unenforced: Vec<String>,
    pub(crate) failure: Option<Failure>,
    pub(crate) ended: Option<Exit>,
}

/// The streams of a running step, and when to end it.
pub(crate) struct Watch {
    stream: UnixStream,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    process: rustix::process::Pid,
    reported: Vec<u8>,
    reporting: bool,
    announced: bool,
    ended: Option<Instant>,
    deadline: Option<Instant>,
    give_up: Option<Instant>,
    allowance: u64,
    exit: Exit,
}

impl Watch {
    pub(crate) fn new(step: &Step, child: &mut Child, stream: UnixStream) -> std::io::Result<Self> {
        Ok(Self {
            stream,
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            process: rustix::process::Pid::from_child(child),
            reported: Vec::new(),
            reporting: true,
            announced: false,
            ended: None,
            deadline: step
                .limits
                .wall_clock
                .and_then(|limit| Instant::now().checked_add(limit)),
            give_up: None,
            allowance: step.limits.output_bytes.unwrap_or(u64::MAX),
            exit: Exit::default(),
        })
    }

    pub(crate) fn until_end(
        &mut self,
        output: &mut dyn FnMut(u8, &[u8]),
        ready: &mut dyn FnMut(Inside),
        cancel: &AtomicBool,
    ) -> Result<(), SandboxError> {
        while self.reporting || self.stdout.is_some() || self.stderr.is_some() {
            self.stop_when_due(cancel)?;
            let waiting = self.wait()?;
            if waiting == [false; 3] && self.ended.is_some_and(|at| at.elapsed() > PATIENCE_AFTER_END) {
                break;
            }
            if waiting[1] && !self.forward(1, output)? {
                self.stdout = None;
            }
            if waiting[2] && !self.forward(2, output)? {
                self.stderr = None;
            }
            if waiting[0] {
                self.read_reports()?;
                self.announce(ready);
                self.ended = (!self.reporting).then(Instant::now);
            }
        }
        Ok(())
    }

    /// Tells once that the step is about to begin.
    fn announce(&mut self, ready: &mut dyn FnMut(Inside)) {
        let Some(end) = self
            .reported
            .iter()
            .position(|&byte| byte == b'\n')
            .filter(|_| !self.announced)
        else {
            return;
        };
        self.announced = true;
        let first = serde_json::from_slice(&self.reported[..end]);
        if matches!(first, Ok(Report::Ready { .. }))
            && let Ok(inside) = Inside::of(self.process)
        {
            ready(inside);
        }
    }

    fn stop_when_due(&mut self, cancel: &AtomicBool) -> Result<(), SandboxError> {
        let now = Instant::now();
        if let Some(limit) = self.give_up {
            if now >= limit {
                self.give_up = None;
                rustix::process::kill_process(self.process, rustix::process::Signal::KILL)
                    .during("kill the sandbox process")?;
            }
            return Ok(());
        }
        let cancelled = cancel.load(Ordering::Relaxed);
        let timed_out = self.deadline.is_some_and(|deadline| now >= deadline);
        if (cancelled || timed_out) && !self.exit.cancelled && !self.exit.timed_out {
            self.exit.cancelled = cancelled;
            self.exit.timed_out = timed_out && !cancelled;
            self.give_up = now.checked_add(PATIENCE_AFTER_KILL);
            // A socket that is already closed means that the step is already over.
            let _ = self.stream.shutdown(std::net::Shutdown::Write);
        }
        Ok(())
    }

    /// Which of the socket and the two pipes can be read.
    fn wait(&self) -> Result<[bool; 3], SandboxError> {
        let sources = [
            self.reporting.then(|| self.stream.as_fd()),
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
        ];
        let mut watched: Vec<PollFd<'_>> = sources
            .iter()
            .flatten()
            .map(|source| PollFd::from_borrowed_fd(*source, PollFlags::IN))
            .collect();
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(LOOK_AT_CANCEL.subsec_nanos()),
        };
        match rustix::event::poll(&mut watched, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => Err(error).during("wait for the step")?,
        }
        let mut ready = [false; 3];
        let mut events = watched.iter().map(|entry| !entry.revents().is_empty());
        for (source, flag) in sources.iter().zip(&mut ready) {
            *flag = source.is_some() && events.next().unwrap_or(false);
        }
        Ok(ready)
    }

    fn forward(&mut self, stream: u8, output: &mut dyn FnMut(u8, &[u8])) -> Result<bool, SandboxError> {
        let mut buffer = [0_u8; 32 * 1024];
        let read = match (stream, &mut self.stdout, &mut self.stderr) {
            (1, Some(pipe), _) => pipe.read(&mut buffer),
            (2, _, Some(pipe)) => pipe.read(&mut buffer),
            _ => return Ok(false),
        };
        let length = match read {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(true),
            other => other.during("read the output of the step")?,
        };
        let passed = usize::try_from(self.allowance).unwrap_or(usize::MAX).min(length);
        if passed > 0 {
            output(stream, &buffer[..passed]);
        }
        self.allowance -= passed as u64;
        self.exit.dropped_output += (length - passed) as u64;
        Ok(length > 0)
    }

    fn read_reports(&mut self) -> Result<(), SandboxError> {
        let mut buffer = [0_u8; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.reporting = false,
            Ok(length) => self.reported.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => self.reporting = false,
            Err(error) => Err(error).during("read the reports of the sandbox process")?,
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<Reports, SandboxError> {
        let mut reports = Reports::default();
        let lines = self
            .reported
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty());
        for line in lines {
            let report = serde_json::from_slice(line).map_err(|error| SandboxError::Vanished {
                detail: format!("its report cannot be read: {error}"),
            })?;
            match report {
                Report::Ready { stubs, unenforced } => {
                    reports.stubs = stubs;
                    reports.unenforced = unenforced;
                }
                Report::Failed(failure) => reports.failure = Some(failure),
                Report::Exited { code, signal } => {
                    reports.ended = Some(Exit {
                        code,
                        signal,
                        ..self.exit.clone()
                    });
                }
            }
        }
        Ok(reports)
    }
}
