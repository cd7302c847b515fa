//! A place with a base, a store and git repositories.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use praxis_testkit::Base;

/// The time of every commit.
pub const COMMIT_TIME: &str = "1600000000";
/// The same as tar shows it.
pub const COMMIT_DATE: &str = "2020-09-13 12:26";

pub struct Place {
    place: tempfile::TempDir,
    _base: Base,
}

/// How a build ended, and what it wrote.
pub struct Built {
    pub code: Option<i32>,
    pub stderr: String,
    tar: PathBuf,
}

impl Place {
    pub fn new() -> Place {
        let place = tempfile::tempdir().unwrap();
        let base = Base::write(&place.path().join("base"));
        Place { place, _base: base }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// `praxis build` with nothing in the environment but a home directory; `arguments` end with the context.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_praxis"));
        command
            .args(["build", "--progress", "plain", "-o", "type=tar,dest=out.tar"])
            .args(["--build-context", "base=oci-layout://base"])
            .args(arguments)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("PRAXIS_ROOT", self.path("store"))
            .env("HOME", self.path("home"))
            .stdin(Stdio::null())
            .current_dir(self.place.path());
        command
    }

    pub fn build(&self, arguments: &[&str]) -> Built {
        self.run(self.command(arguments), b"")
    }

    /// Builds with `input` on standard input.
    pub fn build_from(&self, input: &[u8], arguments: &[&str]) -> Built {
        self.run(self.command(arguments), input)
    }

    pub fn run(&self, mut command: Command, input: &[u8]) -> Built {
        let tar = self.path("out.tar");
        let _ = fs::remove_file(&tar);
        let output = feed(command.stdout(Stdio::piped()).stderr(Stdio::piped()), input);
        Built {
            code: output.status.code(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            tar,
        }
    }

    /// A build that must fail with a message that has `part`, and leaves nothing behind.
    #[track_caller]
    pub fn refused(&self, arguments: &[&str], part: &str) -> Built {
        let built = self.build(arguments);
        self.assert_refused(&built, part);
        built
    }

    #[track_caller]
    pub fn assert_refused(&self, built: &Built, part: &str) {
        assert_eq!(built.code, Some(1), "{}", built.stderr);
        assert!(
            built.stderr.contains(part),
            "{part:?} is not said: {}",
            built.stderr
        );
        assert!(!built.tar.exists(), "an output was left");
        let left: Vec<_> = fs::read_dir(self.path("store/tmp"))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        assert!(left.is_empty(), "work in progress was left: {left:?}");
    }

    /// An empty repository with a working tree.
    pub fn repository(&self, name: &str) -> Repository {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        let repository = Repository { path };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }
}

impl Built {
    /// What the image holds, as tar lists it: mode, owner, size, time, name.
    #[track_caller]
    pub fn listing(&self) -> Vec<String> {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        let mut tar = Command::new("tar");
        tar.args(["--numeric-owner", "-tvf"])
            .arg(&self.tar)
            .env("TZ", "UTC0");
        let text = String::from_utf8(tar.output().unwrap().stdout).unwrap();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).collect()
    }

    /// The names of what the image holds.
    #[track_caller]
    pub fn names(&self) -> Vec<String> {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        let output = Command::new("tar").arg("-tf").arg(&self.tar).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(String::from).collect()
    }

    #[track_caller]
    pub fn content(&self, path: &str) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        let output = Command::new("tar")
            .arg("-xOf")
            .arg(&self.tar)
            .arg(path)
            .output()
            .unwrap();
        assert!(output.status.success(), "no {path}: {:?}", self.names());
        String::from_utf8(output.stdout).unwrap()
    }

    /// The whole output.
    #[track_caller]
    pub fn bytes(&self) -> Vec<u8> {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        fs::read(&self.tar).unwrap()
    }
}

/// A repository with a working tree.
pub struct Repository {
    path: PathBuf,
}

impl Repository {
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = git(&self.path, arguments);
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub fn write(&self, path: &str, content: &str) -> &Repository {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Commits everything and gives the hash.
    pub fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=x"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// A bare clone at `path`.
    pub fn publish(&self, path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        self.git(&["clone", "--quiet", "--bare", ".", path.to_str().unwrap()]);
    }
}

/// git, as the author of a repository runs it.
pub fn git(directory: &Path, arguments: &[&str]) -> Output {
    let date = format!("{COMMIT_TIME} +0000");
    Command::new("git")
        .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
        .args([
            "-c",
            "protocol.file.allow=always",
            "-c",
            "protocol.ext.allow=always",
        ])
        .args(arguments)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_AUTHOR_DATE", &date)
        .env("GIT_COMMITTER_DATE", &date)
        .current_dir(directory)
        .output()
        .unwrap()
}

/// Runs `command` with `input`.
fn feed(command: &mut Command, input: &[u8]) -> Output {
    if input.is_empty() {
        return command.output().unwrap();
    }
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}
