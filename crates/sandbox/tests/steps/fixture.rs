//! A root file system of busybox, and steps on it.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use praxis_sandbox::{Exit, Limits, Mount, Network, RootFileSystem, SandboxError, Step, User, run};

pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A layer with busybox, an upper and a work directory, all temporary.
pub struct Fixture {
    pub place: tempfile::TempDir,
}

/// How a step ended and what it wrote.
#[derive(Debug)]
pub struct Outcome {
    pub exit: Exit,
    pub stdout: String,
    pub stderr: String,
}

impl Fixture {
    /// Busybox with its usual names, and a directory for everything.
    pub fn new() -> Self {
        let fixture = Self::empty();
        let layer = fixture.layer();
        for directory in ["bin", "tmp", "root", "etc"] {
            fs::create_dir(layer.join(directory)).expect("directory of the layer");
        }
        open_directory(&layer.join("tmp"), 0o1777);
        fixture.add_busybox("bin/busybox");
        let names = [
            "sh", "true", "false", "cat", "ls", "id", "echo", "stat", "mkdir", "rm", "mv", "ln", "touch",
            "chown", "chmod", "mknod", "mkfifo", "sleep", "env", "hostname", "grep", "dd", "pwd", "umount",
            "mount", "readlink", "wc", "find", "test", "head", "nc", "ps", "su", "df", "awk", "unshare",
            "seq", "cut", "sort", "sync", "date", "ip",
        ];
        for name in names {
            std::os::unix::fs::symlink("busybox", layer.join("bin").join(name)).expect("name of busybox");
        }
        fixture
    }

    /// A root with nothing in it.
    pub fn empty() -> Self {
        let place = tempfile::tempdir().expect("temporary directory");
        for directory in ["layer", "upper", "work"] {
            fs::create_dir(place.path().join(directory)).expect("directory");
            open_directory(&place.path().join(directory), 0o755);
        }
        open_directory(place.path(), 0o755);
        Self { place }
    }

    pub fn add_busybox(&self, path: &str) {
        let source = ["/bin/busybox", "/usr/bin/busybox"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let source = source.expect("install a static busybox (package busybox-static)");
        fs::copy(source, self.layer().join(path)).expect("copy busybox");
    }

    pub fn layer(&self) -> PathBuf {
        self.place.path().join("layer")
    }

    pub fn upper(&self) -> PathBuf {
        self.place.path().join("upper")
    }

    /// A step that runs a shell script.
    pub fn shell(&self, script: &str) -> Step {
        self.step(&["/bin/sh", "-c", script])
    }

    pub fn step(&self, arguments: &[&str]) -> Step {
        Step {
            root: RootFileSystem {
                lowers: vec![self.layer()],
                upper: self.upper(),
                work: self.place.path().join("work"),
            },
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: vec![("PATH".into(), PATH.into())],
            directory: PathBuf::from("/"),
            user: User::default(),
            hostname: "praxis".into(),
            network: Network::Host,
            mounts: Vec::<Mount>::new(),
            hosts: "127.0.0.1 localhost\n".into(),
            resolv_conf: "nameserver 192.0.2.1\n".into(),
            read_only_root: false,
            no_new_privileges: true,
            insecure: false,
            powerless: false,
            input: praxis_sandbox::Input::Nothing,
            limits: Limits::default(),
        }
    }

    /// Paths in the upper directory, sorted, relative.
    pub fn changes(&self) -> Vec<String> {
        let mut found = Vec::new();
        collect(&self.upper(), &self.upper(), &mut found);
        found.sort();
        found
    }
}

fn collect(root: &Path, directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("read the upper directory") {
        let entry = entry.expect("entry of the upper directory");
        found.push(
            entry
                .path()
                .strip_prefix(root)
                .expect("below the root")
                .display()
                .to_string(),
        );
        if entry.file_type().expect("type").is_dir() {
            collect(root, &entry.path(), found);
        }
    }
}

pub fn open_directory(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set permissions");
}

/// Runs a step and collects what it writes.
pub fn try_run(step: &Step) -> Result<Outcome, SandboxError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let exit = run(
        step,
        &mut |stream, bytes| {
            if stream == 1 {
                stdout.extend_from_slice(bytes)
            } else {
                stderr.extend_from_slice(bytes)
            }
        },
        &AtomicBool::new(false),
    )?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Outcome {
        exit,
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

/// Runs a step that must succeed and gives its standard output.
#[track_caller]
pub fn succeed(step: &Step) -> String {
    let outcome = try_run(step).expect("the step runs");
    assert!(outcome.exit.success(), "the step fails: {outcome:?}");
    outcome.stdout
}

/// Whether this run of the tests is in a user namespace.
pub fn in_user_namespace() -> bool {
    !fs::read_to_string("/proc/self/uid_map")
        .expect("uid map")
        .contains("4294967295")
}
