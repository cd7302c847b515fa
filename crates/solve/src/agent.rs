//! What `RUN --mount=type=ssh` connects to: a socket of the step's own, which passes on requests for keys and
//! signatures and no others. Behind it is the caller's agent, or one that praxis starts for key files.
//!
//! The keys are held by the machine's own `ssh-agent`, for the time of the step: private keys of every kind that OpenSSH
//! reads work, and no key is parsed here.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use praxis_store::Scratch;
use rustix::process::{Pid, Signal};

use crate::SolveError;

/// The longest message of the protocol that OpenSSH sends.
const LONGEST: u32 = 256 << 10;
const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;
/// The answer "failure": its length and its number.
const FAILURE: [u8; 5] = [0, 0, 0, 1, 5];
/// A socket's name. Paths of sockets are short, so it is always used from inside its directory.
const NAME: &str = "agent";

/// Where a step's requests go.
pub(crate) enum Upstream<'a> {
    /// A running agent.
    Socket(&'a Path),
    /// Private keys, as files hold them.
    Keys(&'a [Vec<u8>]),
}

/// Mode and owner of the socket that the step sees.
#[derive(Clone, Copy)]
pub(crate) struct Access {
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// An agent of one step. It ends when it is dropped, and soon after this process does.
pub(crate) struct StepAgent {
    directory: OwnedFd,
    socket: PathBuf,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
    _keys: Option<KeyAgent>,
}

impl StepAgent {
    /// Starts it with its socket below `scratch`; `number` tells it from others of the step.
    pub fn start(
        scratch: &Scratch,
        number: usize,
        id: &str,
        upstream: Upstream<'_>,
        access: Access,
    ) -> Result<StepAgent, SolveError> {
        let place = scratch.directory(&format!("ssh-{number}"))?;
        let failed = |error: io::Error| {
            SolveError::environment(format!("cannot make the agent socket of --ssh {id}: {error}"))
        };
        let directory = OwnedFd::from(fs::File::open(&place).map_err(failed)?);
        let keys = match upstream {
            Upstream::Socket(_) => None,
            Upstream::Keys(keys) => Some(KeyAgent::start(scratch, number, id, keys)?),
        };
        let target = match (&keys, upstream) {
            (Some(agent), _) => Target::Inside(agent.directory.try_clone().map_err(failed)?),
            (None, Upstream::Socket(path)) => Target::Path(path.to_path_buf()),
            (None, Upstream::Keys(_)) => return Err(SolveError::internal("keys without an agent")),
        };
        let listener = UnixListener::bind(inside(&directory)).map_err(failed)?;
        let socket = place.join(NAME);
        fs::set_permissions(&socket, fs::Permissions::from_mode(access.mode)).map_err(failed)?;
        if (access.uid, access.gid) != (0, 0) {
            std::os::unix::fs::chown(&socket, Some(access.uid), Some(access.gid)).map_err(failed)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let accepting = thread::spawn(move || accept(&listener, &Arc::new(target), &stopped));
        Ok(StepAgent {
            directory,
            socket,
            stop,
            accepting: Some(accepting),
            _keys: keys,
        })
    }

    /// The socket.
    pub fn socket(&self) -> PathBuf {
        self.socket.clone()
    }
}

impl Drop for StepAgent {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for connections.
        drop(UnixStream::connect(inside(&self.directory)));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

/// The socket in a directory by a path that is short enough for every one.
fn inside(directory: &OwnedFd) -> String {
    format!("/proc/self/fd/{}/{NAME}", directory.as_raw_fd())
}

enum Target {
    Path(PathBuf),
    Inside(OwnedFd),
}

impl Target {
    fn connect(&self) -> io::Result<UnixStream> {
        match self {
            Target::Path(path) => UnixStream::connect(path),
            Target::Inside(directory) => UnixStream::connect(inside(directory)),
        }
    }
}

fn accept(listener: &UnixListener, target: &Arc<Target>, stop: &AtomicBool) {
    for client in listener.incoming() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(client) = client {
            let target = target.clone();
            // It ends when either side closes: the step's side does when the step ends.
            thread::spawn(move || {
                if let Ok(agent) = target.connect() {
                    let _ = pass_on(client, agent);
                }
            });
        }
    }
}

/// Passes on what a step may ask for; anything else fails without reaching the agent.
fn pass_on(mut client: UnixStream, mut agent: UnixStream) -> io::Result<()> {
    loop {
        let Some(request) = message(&mut client)? else {
            return Ok(());
        };
        match request.get(4) {
            Some(&(REQUEST_IDENTITIES | SIGN_REQUEST)) => {
                agent.write_all(&request)?;
                let Some(answer) = message(&mut agent)? else {
                    return Ok(());
                };
                client.write_all(&answer)?;
            }
            _ => client.write_all(&FAILURE)?,
        }
    }
}

/// A message with its length before it; `None` at the end.
fn message(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let size = u32::from_be_bytes(length);
    if size > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = length.to_vec();
    message.resize(4 + size as usize, 0);
    stream.read_exact(&mut message[4..])?;
    Ok(Some(message))
}

/// An `ssh-agent` that holds keys. It runs beside a `cat` that waits for the end of this process, and ends after it.
struct KeyAgent {
    directory: OwnedFd,
    beside: Child,
    agent: Option<Pid>,
}

impl KeyAgent {
    fn start(scratch: &Scratch, number: usize, id: &str, keys: &[Vec<u8>]) -> Result<KeyAgent, SolveError> {
        let place = scratch.directory(&format!("ssh-keys-{number}"))?;
        let missing = |error: io::Error| {
            SolveError::environment(format!(
                "cannot start ssh-agent for the keys of --ssh {id}: {error}"
            ))
            .with_hint("install openssh-client, or give the socket of a running agent: --ssh ID=SOCKET")
        };
        let directory = OwnedFd::from(fs::File::open(&place).map_err(missing)?);
        let mut beside = Command::new("ssh-agent")
            .args(["-a", NAME, "sh", "-c", "echo $SSH_AGENT_PID; exec cat >/dev/null"])
            .current_dir(&place)
            .env_clear()
            .env("PATH", PROGRAMS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(missing)?;
        let mut line = String::new();
        if let Some(output) = beside.stdout.take() {
            BufReader::new(output.take(64))
                .read_line(&mut line)
                .map_err(missing)?;
        }
        let agent = line.trim().parse().ok().and_then(Pid::from_raw);
        let started = KeyAgent {
            directory,
            beside,
            agent,
        };
        if agent.is_none() {
            return Err(missing(io::Error::other("it did not start")));
        }
        keys.iter().try_for_each(|key| add(&place, id, key))?;
        Ok(started)
    }
}

/// Where the programs of OpenSSH are.
const PROGRAMS: &str = "/usr/local/bin:/usr/bin:/bin";

/// Hands a key to the agent in `place`: through a pipe, so that no argument and no other file holds it.
fn add(place: &Path, id: &str, key: &[u8]) -> Result<(), SolveError> {
    let failed = |error: io::Error| {
        SolveError::environment(format!("cannot hand a key of --ssh {id} to ssh-agent: {error}"))
    };
    let mut child = Command::new("ssh-add")
        .args(["-q", "-"])
        .current_dir(place)
        .env_clear()
        .env("PATH", PROGRAMS)
        .env("SSH_AUTH_SOCK", NAME)
        .env("SSH_ASKPASS_REQUIRE", "never")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // One that has read enough to refuse the key closes its end.
        let _ = input.write_all(key);
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr);
    let why = why.lines().next().unwrap_or("it is no private key");
    Err(
        SolveError::user(format!("a key of --ssh {id} cannot be used: {why}"))
            .with_hint("a key with a passphrase needs an agent: ssh-add KEY, then --ssh ID"),
    )
}

impl Drop for KeyAgent {
    fn drop(&mut self) {
        if let Some(agent) = self.agent {
            let _ = rustix::process::kill_process(agent, Signal::TERM);
        }
        drop(self.beside.stdin.take());
        let _ = self.beside.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::process::Output;

    use praxis_store::Store;

    use super::*;

    fn ask(socket: &Path, program: &str, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(socket.parent().unwrap())
            .env("SSH_AUTH_SOCK", NAME)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    fn key(place: &Path, name: &str, kind: &str, passphrase: &str) -> Vec<u8> {
        let path = place.join(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", passphrase, "-C", name, "-f"])
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        fs::read(path).unwrap()
    }

    const ROOT: Access = Access {
        mode: 0o660,
        uid: 0,
        gid: 0,
    };

    #[test]
    fn keys_are_listed_and_sign_and_nothing_else_is_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let scratch = store.scratch().unwrap();
        let keys = [
            key(folder.path(), "one", "ed25519", ""),
            key(folder.path(), "two", "ecdsa", ""),
        ];
        let agent = StepAgent::start(&scratch, 0, "k", Upstream::Keys(&keys), ROOT).unwrap();
        let socket = agent.socket();
        assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o7777, 0o660);
        let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
        let listed = ask(&socket, "ssh-add", &["-l"], b"");
        assert!(
            text(&listed).contains("one") && text(&listed).contains("two"),
            "{listed:?}"
        );
        let public = folder.path().join("one.pub").display().to_string();
        let signed = ask(
            &socket,
            "ssh-keygen",
            &["-Y", "sign", "-n", "file", "-f", &public],
            b"x",
        );
        assert!(text(&signed).contains("BEGIN SSH SIGNATURE"), "{signed:?}");
        assert!(!ask(&socket, "ssh-add", &["-D"], b"").status.success());
        assert!(!ask(&socket, "ssh-add", &["-q", "-"], &keys[0]).status.success());
        assert_eq!(text(&ask(&socket, "ssh-add", &["-l"], b"")).lines().count(), 2);
        // One agent behind another: what --ssh ID=SOCKET is.
        let second = StepAgent::start(&scratch, 1, "s", Upstream::Socket(&socket), ROOT).unwrap();
        let through = ask(&second.socket(), "ssh-add", &["-l"], b"");
        assert_eq!(text(&through), text(&listed));
        drop((second, agent));
        assert!(UnixStream::connect(&socket).is_err());
    }

    #[test]
    fn keys_that_cannot_be_used_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let scratch = store.scratch().unwrap();
        let locked = key(folder.path(), "locked", "ed25519", "canary-phrase");
        for (number, wrong) in [locked, b"no key".to_vec(), vec![b'x'; 60_000]]
            .into_iter()
            .enumerate()
        {
            let started = StepAgent::start(&scratch, number, "k", Upstream::Keys(&[wrong]), ROOT);
            let error = started.err().unwrap().to_string();
            assert!(error.contains("--ssh k"), "{error}");
        }
    }
}
