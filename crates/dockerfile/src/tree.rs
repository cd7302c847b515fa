//! The syntax tree.

use std::fmt;

use praxis_source::Span;

use crate::{Heredoc, Layout, MountText};

/// A Dockerfile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dockerfile {
    /// What the comments at its start set.
    pub directives: Directives,
    /// The `ARG` instructions before the first `FROM`.
    pub arguments: Vec<Instruction>,
    /// The stages.
    pub stages: Vec<Stage>,
    /// The text as written.
    pub layout: Layout,
}

/// The text that was parsed, byte for byte.
impl fmt::Display for Dockerfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.layout.fmt(f)
    }
}

impl Dockerfile {
    /// All instructions but `FROM`, in order.
    pub fn instructions(&self) -> impl Iterator<Item = &Instruction> {
        self.arguments
            .iter()
            .chain(self.stages.iter().flat_map(|stage| &stage.instructions))
    }
}

/// What the comments at the start of a file set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directives {
    /// `# syntax=`: the planner says whether that language is understood.
    pub syntax: Option<String>,
    /// `# escape=`; a backslash if there is none.
    pub escape: char,
    /// `# check=`.
    pub check: Option<String>,
}

impl Default for Directives {
    fn default() -> Directives {
        Directives {
            syntax: None,
            escape: '\\',
            check: None,
        }
    }
}

/// A stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Its first line.
    pub from: From,
    /// The instructions after it.
    pub instructions: Vec<Instruction>,
}

/// `FROM [--platform=…] base [AS name]`.
#[derive(Clone, Debug, PartialEq)]
pub struct From {
    /// The whole instruction.
    pub span: Span,
    /// The word `FROM` itself.
    pub keyword: Span,
    /// The logical line: continuations joined, comments left out.
    pub text: String,
    /// What it starts from, not expanded.
    pub base: String,
    /// Its name in lower case.
    pub name: Option<String>,
    /// Its name as written.
    pub written_name: Option<String>,
    /// `AS` as written.
    pub written_as: Option<String>,
    /// `--platform`, not expanded.
    pub platform: Option<String>,
    /// The comment lines directly above it.
    pub comments: Vec<String>,
    /// Whether an empty line stands inside it.
    pub empty_continuation: bool,
}

/// An instruction other than `FROM`.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// The whole instruction, here-documents included.
    pub span: Span,
    /// Its first word.
    pub keyword: Span,
    /// The logical line: continuations joined, comments left out, without here-documents.
    pub text: String,
    /// The comment lines directly above it.
    pub comments: Vec<String>,
    /// Whether an empty line stands inside it.
    pub empty_continuation: bool,
    /// What it says.
    pub kind: Kind,
}

/// What an instruction says. Words are as written: not expanded.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `ADD`.
    Add(Transfer),
    /// `ARG`.
    Arg(Vec<Argument>),
    /// `CMD`.
    Cmd(Command),
    /// `COPY`.
    Copy(Transfer),
    /// `ENTRYPOINT`.
    Entrypoint(Command),
    /// `ENV`.
    Env(Vec<Pair>),
    /// `EXPOSE`, sorted.
    Expose(Vec<String>),
    /// `HEALTHCHECK`.
    Healthcheck(Healthcheck),
    /// `LABEL`.
    Label(Vec<Pair>),
    /// `MAINTAINER`.
    Maintainer(String),
    /// `ONBUILD`: the trigger's text, here-documents included.
    Onbuild(String),
    /// `RUN`.
    Run(Run),
    /// `SHELL`.
    Shell(Vec<String>),
    /// `STOPSIGNAL`.
    Stopsignal(String),
    /// `USER`.
    User(String),
    /// `VOLUME`.
    Volume(Vec<String>),
    /// `WORKDIR`.
    Workdir(String),
}

impl Kind {
    /// The instruction's name in upper case.
    pub fn keyword(&self) -> &'static str {
        match self {
            Kind::Add(_) => "ADD",
            Kind::Arg(_) => "ARG",
            Kind::Cmd(_) => "CMD",
            Kind::Copy(_) => "COPY",
            Kind::Entrypoint(_) => "ENTRYPOINT",
            Kind::Env(_) => "ENV",
            Kind::Expose(_) => "EXPOSE",
            Kind::Healthcheck(_) => "HEALTHCHECK",
            Kind::Label(_) => "LABEL",
            Kind::Maintainer(_) => "MAINTAINER",
            Kind::Onbuild(_) => "ONBUILD",
            Kind::Run(_) => "RUN",
            Kind::Shell(_) => "SHELL",
            Kind::Stopsignal(_) => "STOPSIGNAL",
            Kind::User(_) => "USER",
            Kind::Volume(_) => "VOLUME",
            Kind::Workdir(_) => "WORKDIR",
        }
    }
}

/// One name of `ARG`, perhaps with a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The name.
    pub name: String,
    /// The default.
    pub default: Option<String>,
}

/// One `key=value` of `ENV` or `LABEL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// Whether it was written in the old form, with a space in place of the `=`.
    pub legacy: bool,
}

/// A command in shell or exec form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A line for the shell.
    Shell(String),
    /// The arguments themselves.
    Exec(Vec<String>),
}

/// `RUN`.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// What to run.
    pub command: Command,
    /// Here-documents of the shell form.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`, in order.
    pub mounts: Vec<MountText>,
    /// `--network`.
    pub network: Option<Network>,
    /// `--security=insecure`.
    pub insecure: bool,
    /// `--device`, in order.
    pub devices: Vec<Device>,
}

/// `RUN --network`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// The builder's usual one.
    Default,
    /// Loopback alone.
    None,
    /// The host's.
    Host,
}

/// `RUN --device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Whether the build stops without it.
    pub required: bool,
}

/// `COPY` and `ADD`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transfer {
    /// Paths, patterns, addresses, as written.
    pub sources: Vec<String>,
    /// Inline files.
    pub heredocs: Vec<Heredoc>,
    /// The last word.
    pub destination: String,
    /// `COPY --from`.
    pub from: Option<String>,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `COPY --parents`.
    pub parents: bool,
    /// `--exclude`, in order.
    pub excludes: Vec<String>,
    /// `ADD --checksum`.
    pub checksum: Option<String>,
    /// `ADD --keep-git-dir`.
    pub keep_git_directory: bool,
    /// `ADD --unpack`.
    pub unpack: Option<bool>,
}

/// `HEALTHCHECK`; durations in nanoseconds, 0 where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Healthcheck {
    /// `NONE`, `CMD` with arguments or `CMD-SHELL` with a line.
    pub test: Vec<String>,
    /// `--interval`.
    pub interval: i64,
    /// `--timeout`.
    pub timeout: i64,
    /// `--start-period`.
    pub start_period: i64,
    /// `--start-interval`.
    pub start_interval: i64,
    /// `--retries`.
    pub retries: i64,
}
