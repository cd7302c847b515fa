use crate::ImageBase;

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// `RUN`.
    Run(Box<Run>),
    /// `COPY` and `ADD`.
    Copy(Box<Copy>),
    /// `WORKDIR`, unless it is `/`.
    MakeDirectory(Workdir),
    /// Changes the configuration alone: nothing to do.
    Metadata,
}

/// A command to run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The arguments, the shell's included.
    pub arguments: Vec<String>,
    /// Its environment; part of the key. Names are unique.
    pub environment: Vec<(String, String)>,
    /// More environment that is not part of any key: proxies that the stage does not declare. None of these
    /// names is in `environment`.
    pub hidden_environment: Vec<(String, String)>,
    /// The working directory, absolute.
    pub directory: String,
    /// `USER` as written; empty for root.
    pub user: String,
    /// The network it sees.
    pub network: NetworkMode,
    /// `--security=insecure`.
    pub insecure: bool,
    /// The host name it sees, if the build argument `BUILDKIT_SANDBOX_HOSTNAME` gives one.
    pub hostname: Option<String>,
    /// Mounts, in order.
    pub mounts: Vec<Mount>,
    /// Scripts to be found below `/dev/pipes`, read-only, mode 0755.
    pub files: Vec<ScriptFile>,
}

/// A script of a here-document with a `#!` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptFile {
    /// Absolute path in the container.
    pub path: String,
    /// Its text.
    pub content: String,
}

/// The network a command sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NetworkMode {
    /// The builder's usual one.
    #[default]
    Default,
    /// Loopback alone.
    None,
    /// The host's.
    Host,
}

/// Something mounted while a command runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    /// What is mounted.
    pub kind: MountKind,
    /// Where: absolute and clean, never `/`. Empty for a secret that is an environment variable alone.
    pub target: String,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq)]
pub enum MountKind {
    /// Part of a context, stage or image. Writes are thrown away.
    Bind {
        /// Where from.
        origin: Origin,
        /// Absolute and clean path there.
        source: String,
        /// Whether writing is allowed.
        writable: bool,
    },
    /// A directory that is kept between builds.
    Cache {
        /// Its name; any text, never a path to be trusted.
        id: String,
        /// What fills it when it is new.
        origin: Option<Origin>,
        /// Absolute and clean path there.
        source: String,
        /// Who may use it at the same time.
        sharing: Sharing,
        /// Whether writing is refused.
        read_only: bool,
        /// Mode of a new directory.
        mode: Option<u32>,
        /// Owner of a new directory.
        uid: Option<u32>,
        /// Group of a new directory.
        gid: Option<u32>,
    },
    /// Memory.
    Tmpfs {
        /// Most bytes.
        size: Option<u64>,
    },
    /// A secret.
    Secret {
        /// Its name in the request.
        id: String,
        /// Whether the build stops without it.
        required: bool,
        /// Mode of the file; 0400.
        mode: u32,
        /// Owner of the file.
        uid: u32,
        /// Group of the file.
        gid: u32,
        /// The environment variable that holds it. A file is mounted unless the target is empty.
        environment: Option<String>,
    },
    /// An ssh agent's socket.
    Ssh {
        /// Its name in the request.
        id: String,
        /// Whether the build stops without it.
        required: bool,
        /// Mode of the socket; 0600.
        mode: u32,
        /// Owner of the socket.
        uid: u32,
        /// Group of the socket.
        gid: u32,
    },
}

impl MountKind {
    /// Where its files are from, if they are the build's.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            MountKind::Bind { origin, .. } => Some(origin),
            MountKind::Cache { origin, .. } => origin.as_ref(),
            _ => None,
        }
    }
}

/// Who may use a cache at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// Everyone.
    #[default]
    Shared,
    /// A second user gets a new one.
    Private,
    /// A second user waits.
    Locked,
}

/// Where files come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// The main build context.
    Context,
    /// A stage: an index into [`crate::Plan::stages`].
    Stage(usize),
    /// An image.
    Image(ImageBase),
    /// A named context: a directory, by the solver's id.
    Directory(String),
    /// Nothing: `from=scratch`.
    Scratch,
}

/// Files to copy.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// Where [`Source::Path`] sources are.
    pub origin: Origin,
    /// What to copy, in order.
    pub sources: Vec<Source>,
    /// Where to: absolute and clean, without a slash at the end.
    pub destination: String,
    /// Whether the destination was written as a directory: empty, `.` or with a slash at the end.
    pub destination_is_directory: bool,
    /// `--chown`, expanded: `user`, `user:group` or `:group`.
    pub owner: Option<String>,
    /// `--chmod`.
    pub mode: Option<Mode>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude` patterns.
    pub excludes: Vec<String>,
    /// What `ADD` does besides.
    pub add: Option<Add>,
}

/// `--chmod`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// All twelve bits.
    Octal(u32),
    /// As chmod(1) reads it; valid.
    Symbolic(String),
}

/// What `ADD` does besides copying.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Add {
    /// `--unpack`; without it local archives are unpacked and remote ones not.
    pub unpack: Option<bool>,
    /// `--checksum`, expanded.
    pub checksum: Option<String>,
    /// `--keep-git-dir`.
    pub keep_git_directory: bool,
}

/// One thing to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A path or pattern as written, after expansion; relative to the root of the origin.
    Path(String),
    /// A here-document: a file of mode 0644.
    Inline {
        /// Its name.
        name: String,
        /// Its text, expanded.
        content: String,
    },
    /// An http or https address.
    Url(String),
    /// A git repository.
    Git(String),
}

/// A directory to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workdir {
    /// Absolute and clean.
    pub path: String,
    /// `USER` as written, who owns the directories that are made; empty for root.
    pub user: String,
}
