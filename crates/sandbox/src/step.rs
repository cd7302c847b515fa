//! What a step is: the root it sees, the command, who runs it and with what limits.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

/// The overlay a step runs on. Every path is on the host and under the caller's control.
///
/// `upper` must exist; its own mode, owner and times are those of `/` inside the step. `work` must be an empty
/// directory on the same file system and is the caller's to remove. After the step `upper` holds the changes
/// and nothing of the sandbox: no mount point, no `/dev`, no `/etc/hosts`.
#[derive(Debug, Clone)]
pub struct RootFileSystem {
    /// Layers below, topmost first; at least one, at most [`crate::MAXIMUM_LOWERS`].
    pub lowers: Vec<PathBuf>,
    /// Where the step's changes go.
    pub upper: PathBuf,
    /// The overlay's own scratch directory.
    pub work: PathBuf,
}

/// One command and everything it may see.
#[derive(Debug)]
pub struct Step {
    /// The root file system.
    pub root: RootFileSystem,
    /// The command and its arguments; a command without `/` is searched in the step's `PATH`, inside the root.
    pub arguments: Vec<OsString>,
    /// The whole environment: nothing of the caller's own is added.
    pub environment: Vec<(OsString, OsString)>,
    /// The working directory inside the root; made when missing, refused when it goes through a magic link.
    pub directory: PathBuf,
    /// User, group and supplementary groups.
    pub user: User,
    /// The host name inside.
    pub hostname: String,
    /// Which network the command sees.
    pub network: Network,
    /// Mounts in the order they are made.
    pub mounts: Vec<Mount>,
    /// Content of `/etc/hosts`.
    pub hosts: String,
    /// Content of `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// Whether the root refuses writes.
    pub read_only_root: bool,
    /// Whether set-uid and file capabilities are without effect.
    pub no_new_privileges: bool,
    /// All capabilities, no filter, no masks: `--security=insecure`.
    pub insecure: bool,
    /// Not even what root of a step usually may: no capability at all, and none to be gained.
    pub powerless: bool,
    /// What the command may use up.
    pub limits: Limits,
    /// What the command reads.
    pub input: Input,
}

/// Standard input of a step.
#[derive(Debug, Default)]
pub enum Input {
    /// Nothing: it ends at once.
    #[default]
    Nothing,
    /// An open file or the reading end of a pipe. Its owner and mode stay as they are.
    Stream(OwnedFd),
    /// The slave side of a pseudo-terminal that nobody else uses: it becomes the controlling terminal of the command and
    /// is its standard output and standard error too. The caller's own terminal is never in reach.
    Terminal(OwnedFd),
}

/// Numeric identity of the command; names are the caller's business.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary groups, exactly these.
    pub groups: Vec<u32>,
}

/// The network of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The caller's network.
    Host,
    /// A network namespace of its own with nothing but loopback.
    None,
}

/// Limits of a step; those the machine cannot enforce are named in [`crate::Exit::unenforced`].
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Processes and threads at one time.
    pub pids: Option<u64>,
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Time from start to end; then everything is killed.
    pub wall_clock: Option<Duration>,
    /// Bytes of output handed on; the rest is read and dropped.
    pub output_bytes: Option<u64>,
    /// Bytes that `/dev/shm` holds; 64 MiB unless given.
    pub shared_memory: Option<u64>,
    /// Limits of each process by the names of [`crate::limited_resources`]: soft and hard, `u64::MAX` for none.
    pub resources: Vec<(String, u64, u64)>,
}

/// The origin of a bind mount, already resolved by the caller.
#[derive(Debug)]
pub enum Source {
    /// A host path out of the reach of any step.
    Path(PathBuf),
    /// An open file or directory (`O_PATH` is enough); nothing is looked up again.
    Descriptor(OwnedFd),
}

/// Something mounted inside the root. A missing target is made for the step and gone after it.
#[derive(Debug)]
pub enum Mount {
    /// A host file or directory.
    Bind {
        /// Where it comes from.
        source: Source,
        /// Where it is seen.
        target: PathBuf,
        /// Whether writes go through to the source.
        writable: bool,
    },
    /// Directories whose changes go to `upper`, never to the directories themselves.
    Overlay {
        /// Directories below, topmost first.
        lower: Vec<PathBuf>,
        /// Where changes go.
        upper: PathBuf,
        /// The overlay's own scratch directory.
        work: PathBuf,
        /// Where it is seen.
        target: PathBuf,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Where it is seen.
        target: PathBuf,
        /// Most bytes it holds.
        size: Option<u64>,
        /// Mode of its root directory.
        mode: u32,
    },
    /// A file that exists in memory only: a secret or a script.
    File {
        /// The bytes.
        content: Vec<u8>,
        /// Where it is seen.
        target: PathBuf,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// A listening socket of the host, such as an ssh agent.
    Socket {
        /// Where it listens.
        source: PathBuf,
        /// Where it is seen.
        target: PathBuf,
    },
}
