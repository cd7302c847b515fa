//! Running git so that neither the repository, nor this machine's settings, nor the remote can make it do anything
//! but move objects: no hooks, no settings of the system or the user, no helper programs, no questions.

use std::ffi::OsString;
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

/// No answer of git that is read whole is longer.
const ANSWER_LIMIT: u64 = 16 << 20;
/// What is kept of messages.
const MESSAGE_LIMIT: usize = 64 << 10;

/// What every command has as its only settings besides those of the repository that was made for it.
const SETTINGS: &str = "\
[core]
\thooksPath = /dev/null
\tfsmonitor = false
\taskPass = /bin/false
\tattributesFile = /dev/null
\texcludesFile = /dev/null
\tlogAllRefUpdates = false
\tsymlinks = true
[credential]
\thelper =
[fetch]
\trecurseSubmodules = false
\twriteCommitGraph = false
[submodule]
\trecurse = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[http]
\tlowSpeedLimit = 100
\tlowSpeedTime = 120
[advice]
\tdetachedHead = false
[commit]
\tgpgSign = false
[log]
\tshowSignature = false
";

/// git for one address.
pub(crate) struct Git<'a> {
    home: PathBuf,
    address: &'a GitAddress,
    access: &'a Access<'a>,
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
        let path = home.join("settings");
        std::fs::write(&path, SETTINGS).map_err(SolveError::io("write", &path))?;
        Ok(Git {
            home,
            address,
            access,
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

    fn environment(&self, directory: &Path, reach: Reach) -> Vec<(OsString, OsString)> {
        let mut pairs: Vec<(OsString, OsString)> = Vec::new();
        let mut set = |name: &str, value: OsString| pairs.push((name.into(), value));
        // Where programs are is no setting: git itself is found the same way.
        set(
            "PATH",
            std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()),
        );
        set("HOME", self.home.clone().into());
        set("LC_ALL", "C.UTF-8".into());
        set("GIT_CONFIG_NOSYSTEM", "1".into());
        set("GIT_CONFIG_GLOBAL", self.home.join("settings").into());
        set("GIT_ATTR_NOSYSTEM", "1".into());
        set(
            "GIT_CEILING_DIRECTORIES",
            directory.parent().unwrap_or(directory).into(),
        );
        set("GIT_TERMINAL_PROMPT", "0".into());
        set("GIT_NO_LAZY_FETCH", "1".into());
        set("GIT_OPTIONAL_LOCKS", "0".into());
        set("GIT_PROTOCOL_FROM_USER", "0".into());
        set("GIT_ALLOW_PROTOCOL", self.protocols(reach).into());
        if !matches!(reach, Reach::Nowhere) {
            self.lend(&mut set);
            let settings = self.settings(reach);
            set("GIT_CONFIG_COUNT", settings.len().to_string().into());
            for (index, (name, value)) in settings.into_iter().enumerate() {
                set(&format!("GIT_CONFIG_KEY_{index}"), name.into());
                set(&format!("GIT_CONFIG_VALUE_{index}"), value.into());
            }
        }
        pairs
    }

    fn protocols(&self, reach: Reach) -> String {
        match (reach, self.address.transport) {
            // Never empty: that would mean git's own choice.
            (Reach::Nowhere, _) => "none".into(),
            (Reach::Address, own) => own.name().into(),
            (Reach::Submodules, own @ (Transport::Http | Transport::Git)) => {
                format!("{}:https:ssh", own.name())
            }
            (Reach::Submodules, _) => "https:ssh".into(),
        }
    }

    /// Certificates, proxies and ssh.
    fn lend(&self, set: &mut impl FnMut(&str, OsString)) {
        let site = self.access.site;
        if let Some(bundle) = &site.ca_bundle {
            set("GIT_SSL_CAINFO", bundle.into());
        }
        let mut own = "localhost,127.0.0.1".to_string();
        for (name, value) in &site.proxies {
            match name.to_ascii_lowercase().as_str() {
                "no_proxy" => own = format!("{own},{value}"),
                lower @ ("http_proxy" | "https_proxy" | "all_proxy") => set(lower, value.into()),
                _ => {}
            }
        }
        set("no_proxy", own.into());
        let mut ssh = String::from(
            "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=30 \
             -o ServerAliveInterval=30",
        );
        if let Some(path) = &site.known_hosts {
            ssh.push_str(&format!(
                " -o {}",
                quoted(&format!("UserKnownHostsFile={}", path.display()))
            ));
        }
        match self.access.ssh.get("default") {
            Some(path) if path.is_file() => {
                let key = quoted(&path.display().to_string());
                ssh.push_str(&format!(" -o IdentitiesOnly=yes -o IdentityAgent=none -i {key}"));
            }
            Some(socket) => set("SSH_AUTH_SOCK", socket.into()),
            None => {}
        }
        set("GIT_SSH_COMMAND", ssh.into());
        set("GIT_SSH_VARIANT", "ssh".into());
    }

    /// Settings that hold secrets or depend on the command: in its environment, which other users cannot read, and
    /// on no disk.
    fn settings(&self, reach: Reach) -> Vec<(String, String)> {
        let mut settings = Vec::new();
        if matches!(reach, Reach::Address) {
            settings.push(("remote.origin.url".into(), self.address.remote.clone()));
        }
        if let (Some(site), Some(header)) = (self.address.site(), self.authorization()) {
            settings.push((
                format!("http.{site}.extraHeader"),
                format!("Authorization: {header}"),
            ));
        }
        settings
    }

    /// The header that a secret asks for: `GIT_AUTH_HEADER` as it is, `GIT_AUTH_TOKEN` as GitHub takes it; those
    /// for this host first.
    fn authorization(&self) -> Option<String> {
        let secret = |name: &str| {
            let host = self.address.host();
            let secrets = self.access.secrets;
            let found = secrets
                .get(&format!("{name}.{host}"))
                .or_else(|| secrets.get(name))?;
            let text = std::str::from_utf8(found).ok()?.trim();
            (!text.is_empty() && !text.contains(['\n', '\r'])).then(|| text.to_string())
        };
        secret("GIT_AUTH_HEADER").or_else(|| {
            let token = secret("GIT_AUTH_TOKEN")?;
            Some(format!(
                "basic {}",
                base64(format!("x-access-token:{token}").as_bytes())
            ))
        })
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

/// `text` as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() {
                char::from(letter)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
    }

    #[test]
    fn words_of_a_shell() {
        assert_eq!(quoted("a b'c"), r"'a b'\''c'");
    }
}
