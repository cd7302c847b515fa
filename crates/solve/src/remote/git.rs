//! Running git so that neither the repository, nor this machine's settings, nor the remote can make it do anything
//! but move objects: no hooks, no settings of the system or the user, no helper programs, no questions.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::SolveError;
use crate::remote::Access;
use crate::remote::address::{GitAddress, Transport};
use crate::remote::surroundings::SETTINGS;

/// No answer of git that is read whole is longer.
const ANSWER_LIMIT: u64 = 16 << 20;
/// What is kept of messages.
const MESSAGE_LIMIT: usize = 64 << 10;

/// git for one address.
pub(crate) struct Git<'a> {
    pub(super) home: PathBuf,
    pub(super) address: &'a GitAddress,
    pub(super) access: &'a Access<'a>,
    /// What the address's host was when it was looked at, as git's `http.curloptResolve` takes it.
    pub(super) pinned: Option<String>,
}

/// Looks at where the address leads, if that is bounded. git is then given what the name resolved to, and resolves
/// nothing itself.
///
/// # Errors
/// If it leads to where it may not, or by a transport whose connections cannot be bounded.
fn pin(address: &GitAddress, access: &Access<'_>) -> Result<Option<String>, SolveError> {
    let reach = &access.site.reach;
    if !reach.is_bounded() || address.transport == Transport::File {
        return Ok(None);
    }
    let wrong = |why: String| SolveError::user(format!("{address}: {why}"));
    let (host, port) = address.http_place().ok_or_else(|| {
        wrong(
            "only plain http and https addresses of repositories are taken where connections are bounded"
                .into(),
        )
    })?;
    reach
        .check_written(&host, port)
        .map_err(|why| wrong(why.to_string()))?;
    let variable = format!("{}_proxy", address.transport.name());
    if access
        .site
        .proxies
        .keys()
        .any(|name| name.eq_ignore_ascii_case(&variable))
    {
        return Ok(None);
    }
    let found = reach
        .resolve(&host, port)
        .map_err(|error| wrong(error.to_string()))?;
    let found: Vec<String> = found.iter().map(|address| address.ip().to_string()).collect();
    Ok(Some(format!("{host}:{port}:{}", found.join(","))))
}

/// Which remotes a command may talk to.
#[derive(Clone, Copy)]
pub(crate) enum Reach {
    /// None.
    Nowhere,
    /// The address alone.
    Address,
    /// What submodules may name: encrypted transports, and the one that the address itself uses; never this
    /// machine's files.
    Submodules,
}

impl<'a> Git<'a> {
    /// Writes the settings into `home`, an empty directory outside of what is checked out.
    pub fn new(
        home: PathBuf,
        address: &'a GitAddress,
        access: &'a Access<'a>,
    ) -> Result<Git<'a>, SolveError> {
        let pinned = pin(address, access)?;
        let path = home.join("settings");
        std::fs::write(&path, SETTINGS).map_err(SolveError::io("write", &path))?;
        Ok(Git {
            home,
            address,
            access,
            pinned,
        })
    }

    /// Runs git in `directory` and gives what it says.
    ///
    /// # Errors
    /// If it cannot be started, fails, says too much, or the build is to stop.
    pub fn run(&self, directory: &Path, reach: Reach, arguments: &[&str]) -> Result<String, SolveError> {
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(directory)
            .process_group(0)
            .env_clear()
            .envs(self.environment(directory, reach))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let made = SolveError::environment(format!("cannot run git: {error}"));
            match error.kind() {
                io::ErrorKind::NotFound => {
                    made.with_hint("git repositories need the program git: install it")
                }
                _ => made,
            }
        })?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (answer, messages, status) = std::thread::scope(|scope| {
            let answer = scope.spawn(|| out.map_or_else(Vec::new, read_answer));
            let messages = scope.spawn(|| err.map_or_else(Vec::new, read_messages));
            let status = self.wait(&mut child);
            let finished = |thread: std::thread::ScopedJoinHandle<'_, Vec<u8>>| {
                thread.join().expect("no panic in reading")
            };
            (finished(answer), finished(messages), status)
        });
        if !status?.success() {
            return Err(self.failed(arguments[0], &messages));
        }
        if answer.len() as u64 > ANSWER_LIMIT {
            return Err(SolveError::user(format!(
                "{}: git {} says more than {ANSWER_LIMIT} bytes",
                self.address, arguments[0]
            )));
        }
        Ok(String::from_utf8_lossy(&answer).trim_end().to_string())
    }

    fn wait(&self, child: &mut Child) -> Result<std::process::ExitStatus, SolveError> {
        let mut pause = Duration::from_millis(1);
        loop {
            let ended = child
                .try_wait()
                .map_err(|error| SolveError::environment(format!("cannot wait for git: {error}")))?;
            if let Some(status) = ended {
                return Ok(status);
            }
            if self.access.stop.load(Ordering::Relaxed) {
                // The whole group: what git has started for a transport holds on to the pipes.
                if let Some(group) = Pid::from_raw(child.id() as i32) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                let _ = child.wait();
                return Err(SolveError::cancelled());
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    fn failed(&self, action: &str, messages: &[u8]) -> SolveError {
        let text = String::from_utf8_lossy(messages);
        let shown = text.replace(&self.address.remote, &self.address.to_string());
        let plain: String = shown
            .chars()
            .map(|letter| {
                if letter.is_control() && letter != '\n' {
                    ' '
                } else {
                    letter
                }
            })
            .collect();
        let lines: Vec<&str> = plain
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("hint:"))
            .collect();
        let telling = |line: &&&str| {
            ["fatal:", "error:", "remote:"]
                .iter()
                .any(|mark| line.starts_with(mark))
        };
        let mut said: Vec<&str> = lines.iter().filter(telling).copied().take(3).collect();
        if said.is_empty() {
            said = lines.iter().rev().take(3).rev().copied().collect();
        }
        let said = match said.as_slice() {
            [] => "it says nothing".to_string(),
            said => said.join("; "),
        };
        let made = SolveError::user(format!("{}: git {action} failed: {said}", self.address));
        match hint(&plain) {
            Some(hint) => made.with_hint(hint),
            None => made,
        }
    }
}

fn hint(said: &str) -> Option<&'static str> {
    let has = |part| said.contains(part);
    if has("dubious ownership") {
        return Some(
            "the repository belongs to another user: build as that user, or from a copy of your own",
        );
    }
    if has("transport 'file' not allowed") {
        return Some(
            "a submodule names a repository on this machine, which is refused: leave submodules out with \
             ?submodules=false",
        );
    }
    if has("not allowed") {
        return Some("a submodule's transport is refused: leave submodules out with ?submodules=false");
    }
    if has("could not read Username") || has("Authentication failed") || has("403") {
        return Some("for a private repository give a token with --secret id=GIT_AUTH_TOKEN,env=…");
    }
    if has("Host key verification failed") {
        return Some("the host must be in ~/.ssh/known_hosts: connect once with ssh and check its key");
    }
    if has("Permission denied (publickey") {
        return Some("give an ssh agent or key with --ssh default[=PATH]");
    }
    None
}

/// Reads to the end; stops keeping what is beyond the limit.
fn read_answer(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = from.by_ref().take(ANSWER_LIMIT + 1).read_to_end(&mut bytes);
    let _ = io::copy(&mut from, &mut io::sink());
    bytes
}

/// Reads to the end and keeps the last part.
fn read_messages(mut from: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            break;
        }
        kept.extend_from_slice(&buffer[..count]);
        let extra = kept.len().saturating_sub(MESSAGE_LIMIT);
        kept.drain(..extra);
    }
    kept
}
