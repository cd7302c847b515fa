//! `--on-error=shell`: a shell where a step failed, on a real terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::bench::{Bench, run};

const DOCKERFILE: &str = "FROM base\nRUN mkdir /made\nENV COLOUR=green\nWORKDIR /made\n\
    RUN --mount=type=secret,id=key --mount=type=tmpfs,target=/scratch echo partial > half; exit 7\n";

/// A program on a terminal of its own.
struct Session {
    master: File,
    slave: OwnedFd,
    child: Child,
    seen: String,
}

impl Session {
    fn start(command: &mut Command) -> Session {
        let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        resize(&master, 100);
        let end = || Stdio::from(slave.try_clone().unwrap());
        command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .env("TERM", "xterm")
            .process_group(0);
        let child = command.spawn().unwrap();
        Session {
            master: File::from(master),
            slave,
            child,
            seen: String::new(),
        }
    }

    /// Reads until `text` was printed after what was waited for before.
    #[track_caller]
    fn wait(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.seen.contains(text) {
            assert!(Instant::now() < deadline, "no {text:?} in {:?}", self.seen);
            self.read();
        }
        let at = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..at);
    }

    fn read(&mut self) {
        use rustix::event::{PollFd, PollFlags, Timespec};
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: 100_000_000,
        };
        let mut watched = [PollFd::from_borrowed_fd(self.master.as_fd(), PollFlags::IN)];
        if rustix::event::poll(&mut watched, Some(&timeout)).unwrap() > 0 {
            let mut buffer = [0; 4096];
            let length = self.master.read(&mut buffer).unwrap();
            self.seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    }

    fn say(&mut self, line: &str) {
        self.master.write_all(line.as_bytes()).unwrap();
    }

    /// Whether what is typed is shown and lines can be edited, as when the program began.
    fn is_cooked(&self) -> bool {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end: {:?}", self.seen);
            self.read();
        }
    }
}

fn resize(terminal: impl AsFd, columns: u16) {
    let size = Winsize {
        ws_row: 30,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).unwrap();
}

fn arguments() -> [&'static str; 4] {
    [
        "--on-error=shell",
        "--progress=plain",
        "--secret",
        "id=key,src=context/key",
    ]
}

/// What a session in the failed step must show, for root and for an ordinary user.
fn look_around(session: &mut Session) {
    session.wait("A shell in the sandbox of this step.");
    assert!(!session.is_cooked());
    session.say("echo in $(pwd) as $(id -u): $(cat half) $COLOUR $(cat /run/secrets/key) $TERM; tty > /dev/null || echo no\r");
    session.wait("in /made as 0: partial green hidden xterm");
    // It is its own terminal: of the size of the user's, with the interrupt key for what runs in front.
    session.say("stty size\r");
    session.wait("30 100");
    resize(&session.master, 77);
    _ = rustix::process::kill_process(
        rustix::process::Pid::from_child(&session.child),
        rustix::process::Signal::WINCH,
    );
    session.say("sleep 0.5; stty size\r");
    session.wait("30 77");
    session.say("sleep 600\r");
    session.wait("sleep 600\r\n");
    // The key may come before the command runs; it does no harm at the prompt.
    for _ in 0..100 {
        session.say("\x03");
        std::thread::sleep(Duration::from_millis(100));
        session.say("echo $((40 + 2))\r");
        session.read();
        session.read();
        if session.seen.contains("\n42\r") {
            break;
        }
    }
    session.wait("\n42\r");
    session.say("echo more > /made/more\r");
    session.say("exit\r");
    assert_eq!(session.end(), Some(1));
    session.read();
    session.wait("did not complete successfully: exit code: 7");
    assert!(session.is_cooked());
}

#[test]
fn a_shell_looks_at_a_failed_step_and_changes_nothing() {
    let bench = Bench::with(DOCKERFILE);
    bench.write("key", "hidden");
    bench.write(".dockerignore", "key");
    let mut session = Session::start(&mut bench.build_command("store", &arguments(), "context"));
    look_around(&mut session);
    bench.assert_clean("store");
    // What the shell wrote is in no layer: the mended step begins where the failed one began.
    bench.write(
        "Dockerfile",
        &DOCKERFILE.replace("; exit 7", "; test ! -e /made/more"),
    );
    bench.digest(&["--secret", "id=key,src=context/key"]);
}

#[test]
fn an_ordinary_user_gets_the_shell_too() {
    let bench = Bench::with(DOCKERFILE);
    bench.write("key", "hidden");
    let command = bench.build_command("home/store", &arguments(), "context");
    let Some(mut command) = bench.command_as_user(command) else {
        return;
    };
    look_around(&mut Session::start(&mut command));
}

#[test]
fn a_terminated_build_gives_the_terminal_back() {
    let bench = Bench::with(DOCKERFILE);
    bench.write("key", "hidden");
    let mut session = Session::start(&mut bench.build_command("store", &arguments(), "context"));
    session.wait("A shell in the sandbox of this step.");
    let pid = rustix::process::Pid::from_child(&session.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(session.end(), Some(130));
    assert!(session.is_cooked());
    bench.assert_clean("store");
}

#[test]
fn images_without_a_shell_and_builds_without_a_terminal_say_so() {
    let bench =
        Bench::with("FROM scratch\nCOPY --from=base /bin/busybox /tool\nRUN [\"/tool\", \"false\"]\n");
    let ended = run(bench.build_command("store", &["--on-error=shell"], "context"));
    assert!(ended.error(2).contains("--on-error=shell needs a terminal"));
    let mut session = Session::start(&mut bench.build_command("store", &["--invoke=on-error"], "context"));
    session.wait("no shell: there is no shell in this image");
    assert_eq!(session.end(), Some(1));
    assert!(session.is_cooked());
}
