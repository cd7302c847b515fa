//! `--on-error=shell`: the user's terminal goes to a shell in the sandbox of a step that failed, and comes back.

use std::io::{IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use praxis_engine::{Event, Events, Inspector};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pty::OpenptFlags;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

use crate::failure::Failure;
use crate::progress::Printer;
use crate::progress::sanitize::sanitize;

/// How long input waits for a look at the size of the terminal.
const LOOK: Duration = Duration::from_millis(100);
/// What the shell wrote last may still be on its way when it has ended.
const PATIENCE: Duration = Duration::from_millis(300);

/// Lets events through, or holds them back while the terminal is somebody else's.
#[derive(Default)]
pub struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    /// Closes; whether it was open.
    fn close(&self) -> bool {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut *closed, true)
    }

    fn open(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        while *closed {
            closed = self.opened.wait(closed).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Events that wait at a gate.
pub struct Gated<'a> {
    /// The gate.
    pub gate: &'a Gate,
    /// Where they go then.
    pub events: &'a dyn Events,
}

impl Events for Gated<'_> {
    fn event(&self, event: Event) {
        self.gate.pass();
        self.events.event(event);
    }
}

/// The user's terminal.
pub struct Look {
    printer: Arc<dyn Printer>,
    gate: Arc<Gate>,
    kind: Option<String>,
    relay: Mutex<Option<Relay>>,
}

/// A shell and the terminal side by side.
struct Relay {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Look {
    /// The terminal that standard input and standard error are. `kind` is TERM.
    ///
    /// # Errors
    /// If they are no terminal.
    pub fn new(printer: Arc<dyn Printer>, gate: Arc<Gate>, kind: Option<&str>) -> Result<Look, Failure> {
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err(Failure::usage(
                "--on-error=shell needs a terminal: standard input and standard error have to be one",
            ));
        }
        Ok(Look {
            printer,
            gate,
            kind: kind.map(String::from),
            relay: Mutex::default(),
        })
    }
}

impl Inspector for Look {
    fn begin(&self, step: &str, error: &str) -> Option<OwnedFd> {
        if !self.gate.close() {
            return None;
        }
        self.printer.pause(true);
        let begun = Relay::begin();
        match begun {
            Ok((relay, slave)) => {
                say(&format!(
                    "\n{}\n{}\nA shell in the sandbox of this step. What it changes is thrown away; exit ends the build.",
                    sanitize(step),
                    sanitize(error)
                ));
                *self.relay.lock().unwrap_or_else(PoisonError::into_inner) = Some(relay);
                Some(slave)
            }
            Err(error) => {
                say(&format!("no shell: a terminal for it cannot be made: {error}"));
                self.printer.pause(false);
                self.gate.open();
                None
            }
        }
    }

    fn terminal_type(&self) -> Option<String> {
        self.kind.clone()
    }

    fn end(&self, reason: Option<&str>) {
        let relay = self.relay.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(relay) = relay {
            relay.ended.store(true, Ordering::Release);
            _ = relay.thread.join();
        }
        if let Some(reason) = reason {
            say(&format!("no shell: {}", sanitize(reason)));
        }
        self.printer.pause(false);
        self.gate.open();
    }
}

fn say(text: &str) {
    // In raw mode a line feed does not go back to the first column.
    eprint!("{}\r\n", text.replace('\n', "\r\n"));
}

impl Relay {
    /// A new pseudo-terminal of the size of the user's, the user's in raw mode, and a thread between the two.
    fn begin() -> std::io::Result<(Relay, OwnedFd)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
        if let Ok(size) = tcgetwinsize(std::io::stdin()) {
            tcsetwinsize(&master, size)?;
        }
        let resized = Arc::new(AtomicBool::new(false));
        let signal = signal_hook::flag::register(signal_hook::consts::SIGWINCH, resized.clone())?;
        let raw = Raw::enter()?;
        let ended = Arc::new(AtomicBool::new(false));
        let over = ended.clone();
        let thread = std::thread::Builder::new()
            .name("terminal".into())
            .spawn(move || {
                relay(&master, &over, &resized);
                signal_hook::low_level::unregister(signal);
                drop(raw);
            })?;
        Ok((Relay { ended, thread }, slave))
    }
}

/// The user's terminal in raw mode, as it was when this goes.
struct Raw(Termios);

impl Raw {
    fn enter() -> std::io::Result<Raw> {
        let before = tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Drain, &raw)?;
        Ok(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.0);
    }
}

/// Carries bytes both ways until the shell has ended.
fn relay(master: &OwnedFd, ended: &AtomicBool, resized: &AtomicBool) {
    let mut listening = true;
    loop {
        if resized.swap(false, Ordering::Relaxed)
            && let Ok(size) = tcgetwinsize(std::io::stdin())
        {
            _ = tcsetwinsize(master, size);
        }
        let over = ended.load(Ordering::Acquire);
        let Ok([output, input]) = ready(master, listening, if over { PATIENCE } else { LOOK }) else {
            return;
        };
        if output && !carry(master, &mut std::io::stderr()) {
            // Before the shell has the terminal nobody has it, and after its end nobody.
            if over {
                return;
            }
            std::thread::sleep(LOOK / 5);
        }
        if input {
            listening = forward(master);
        }
        if over && !output {
            return;
        }
    }
}

/// Whether the shell has written something, and whether the user has.
fn ready(master: &OwnedFd, listening: bool, patience: Duration) -> rustix::io::Result<[bool; 2]> {
    let stdin = std::io::stdin();
    let mut watched = vec![PollFd::new(master, PollFlags::IN)];
    if listening {
        watched.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
    }
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(patience.subsec_nanos()),
    };
    match rustix::event::poll(&mut watched, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error),
    }
    let at = |index: usize| watched.get(index).is_some_and(|it| !it.revents().is_empty());
    Ok([at(0), at(1)])
}

fn carry(from: &OwnedFd, to: &mut dyn Write) -> bool {
    let mut buffer = [0; 16 << 10];
    match rustix::io::read(from, &mut buffer) {
        Ok(0) | Err(_) => false,
        Ok(length) => to.write_all(&buffer[..length]).and_then(|()| to.flush()).is_ok(),
    }
}

/// Whether there may be more.
fn forward(master: &OwnedFd) -> bool {
    let mut buffer = [0; 4 << 10];
    match std::io::stdin().lock().read(&mut buffer) {
        Ok(0) | Err(_) => false,
        Ok(length) => {
            let mut rest = &buffer[..length];
            while let Ok(written @ 1..) = rustix::io::write(master, rest) {
                rest = &rest[written..];
                if rest.is_empty() {
                    return true;
                }
            }
            false
        }
    }
}
