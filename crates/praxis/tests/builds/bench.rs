//! A place with a base, a context and a store, and builds in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use praxis_testkit::{Base, OrdinaryUser, files_below, make_readable};

/// Everything a build needs, in one temporary directory.
pub struct Bench {
    place: tempfile::TempDir,
    pub base: Base,
}

/// How a praxis command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Bench {
    /// A base of busybox and an empty context.
    pub fn new() -> Bench {
        let place = tempfile::tempdir().unwrap();
        let base = Base::write(&place.path().join("base"));
        fs::create_dir(place.path().join("context")).unwrap();
        fs::create_dir(place.path().join("out")).unwrap();
        Bench { place, base }
    }

    /// The same with a Dockerfile.
    pub fn with(dockerfile: &str) -> Bench {
        let bench = Bench::new();
        bench.write("Dockerfile", dockerfile);
        bench
    }

    /// A path in the place.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Writes a file of the context.
    pub fn write(&self, path: &str, content: &str) {
        let path = self.path("context").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// `praxis` on the store `store`, with nothing in the environment.
    pub fn praxis(&self, store: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_praxis"));
        command
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("PRAXIS_ROOT", self.path(store))
            .stdin(Stdio::null())
            .current_dir(self.place.path());
        command
    }

    /// `praxis build --progress plain` with the base known as `base`; the context comes last.
    pub fn build_command(&self, store: &str, arguments: &[&str], context: &str) -> Command {
        let mut command = self.praxis(store);
        command
            .args([
                "build",
                "--progress",
                "plain",
                "--build-context",
                "base=oci-layout://base",
            ])
            .args(arguments)
            .arg(context);
        command
    }

    /// Builds `context` in `store`.
    pub fn build(&self, arguments: &[&str]) -> Ended {
        run(self.build_command("store", arguments, "context"))
    }

    /// Builds, which must succeed, and gives the digest.
    #[track_caller]
    pub fn digest(&self, arguments: &[&str]) -> String {
        self.build(arguments).digest()
    }

    /// Builds with a store of its own.
    #[track_caller]
    pub fn digest_afresh(&self, store: &str, arguments: &[&str], context: &str) -> String {
        run(self.build_command(store, arguments, context)).digest()
    }

    /// Builds as an ordinary user, in a store of this user; `None` where the machine has none.
    #[track_caller]
    pub fn digest_as_user(&self, arguments: &[&str]) -> Option<String> {
        let ended = self.as_user(self.build_command("home/store", arguments, "context"))?;
        Some(ended.digest())
    }

    /// Runs a command as an ordinary user who owns the directory `home`; `None` where the machine has none.
    pub fn as_user(&self, same: Command) -> Option<Ended> {
        let mut command = self.command_as_user(same)?;
        command.stdin(Stdio::null());
        Some(run(command))
    }

    /// The same command, to be run as that user.
    pub fn command_as_user(&self, same: Command) -> Option<Command> {
        let user = OrdinaryUser::find().filter(|_| praxis_testkit::is_root())?;
        let program = self.path("praxis");
        let built = env!("CARGO_BIN_EXE_praxis");
        if !program.exists() {
            fs::hard_link(built, &program)
                .or_else(|_| fs::copy(built, &program).map(|_| ()))
                .unwrap();
        }
        fs::set_permissions(self.place.path(), Permissions::from_mode(0o755)).unwrap();
        make_readable(&self.path("base"));
        make_readable(&self.path("context"));
        let home = self.path("home");
        if !home.exists() {
            fs::create_dir(&home).unwrap();
            chown(&home, Some(user.uid), Some(user.gid)).unwrap();
        }
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(same.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(same.get_args()).current_dir(self.place.path());
        command.uid(user.uid).gid(user.gid).env("HOME", &home);
        Some(command)
    }

    /// A running build and the end of its standard error.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.build_command("store", arguments, "context");
        command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// The store is sound and holds no work in progress, and nothing runs or is mounted any more.
    #[track_caller]
    pub fn assert_clean(&self, store: &str) {
        let mut verify = self.praxis(store);
        verify.args(["store", "verify"]);
        let verified = run(verify);
        assert_eq!(
            verified.code,
            Some(0),
            "{}{}",
            text(&verified.stdout),
            verified.stderr
        );
        let left = names(&self.path(store).join("tmp"));
        assert!(left.is_empty(), "work in progress was left: {left:?}");
        let strays = self.strays();
        assert!(strays.is_empty(), "left running or mounted: {strays:?}");
    }

    /// Files in `out`, which builds write their outputs to.
    pub fn outputs(&self) -> Vec<PathBuf> {
        files_below(&self.path("out"))
    }

    /// Processes that have something of this place mounted or in their arguments.
    pub fn strays(&self) -> Vec<String> {
        let mark = self.place.path().to_str().unwrap();
        let mut found = Vec::new();
        for name in names(Path::new("/proc")) {
            let of = |file: &str| fs::read(format!("/proc/{name}/{file}")).unwrap_or_default();
            let mentions = |file| text(&of(file)).contains(mark);
            let is_process = name.parse::<u32>().is_ok_and(|pid| pid != std::process::id());
            if is_process && (mentions("cmdline") || mentions("mountinfo")) && !of("cmdline").is_empty() {
                found.push(format!("{name} {}", text(&of("cmdline"))));
            }
        }
        found
    }
}

/// Names in a directory; none if it is not there.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn run(mut command: Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: text(&output.stderr),
    }
}

impl Ended {
    /// The digest a successful build says at its end.
    #[track_caller]
    pub fn digest(&self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        let last = self.stderr.lines().last().unwrap_or_default();
        let digest = last
            .strip_prefix("built ")
            .and_then(|rest| rest.split_whitespace().next());
        digest
            .filter(|it| it.starts_with("sha256:"))
            .unwrap_or_else(|| panic!("no digest: {}", self.stderr))
            .to_string()
    }

    /// The message of a build that failed with `code`: its last line, and the only one that says `error: `.
    #[track_caller]
    pub fn error(&self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        let errors = self
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count();
        assert_eq!(errors, 1, "not one message: {}", self.stderr);
        let last = self.stderr.lines().last().unwrap();
        assert!(
            last.starts_with("error: "),
            "the message is not the last line: {}",
            self.stderr
        );
        last.to_string()
    }

    /// Whether a line of standard error has `part`.
    pub fn says(&self, part: &str) -> bool {
        self.stderr.contains(part)
    }
}
