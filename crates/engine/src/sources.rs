//! Where a build's texts and files come from: the context, the Dockerfile, the ignore file, the epoch.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use praxis_dockerfile::IgnoreFile;
use praxis_layer::Timestamp;
use praxis_oci::{Digest, Hasher};
use praxis_solve::{ContextDirectory, ContextFilter, NamedContext};
use praxis_source::SourceFile;
use praxis_store::Store;

use crate::{BuildRequest, ContextSource, EngineError};

/// 1980-01-01, the earliest time that every archive format can hold.
const FIXED_EPOCH: i64 = 315_532_800;
/// The build argument that gives a build's time.
pub(crate) const EPOCH_ARGUMENT: &str = "SOURCE_DATE_EPOCH";
/// The last second of the year 9999.
pub(crate) const LAST_EPOCH: i64 = 253_402_300_799;
/// No Dockerfile and no ignore file is larger.
pub(crate) const TEXT_LIMIT: u64 = 16 << 20;

/// The time of a build, and where it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub seconds: i64,
    /// Given by the caller: times of the context that are older are kept.
    pub given: bool,
}

impl Epoch {
    /// The time of a build whose context is a commit of time `commit`, if it is one. The build argument
    /// `SOURCE_DATE_EPOCH` comes before the environment's: a number, `context` for the time of the context's commit,
    /// or a name that `named` knows the time of. `default` is what the Dockerfile says where nobody else does.
    pub fn of(
        request: &BuildRequest,
        commit: Option<i64>,
        default: Option<String>,
        named: &dyn Fn(&str) -> Result<Option<i64>, EngineError>,
    ) -> Result<Epoch, EngineError> {
        let of_context = || match &request.context {
            _ if request.context_epoch.is_some() => request.context_epoch,
            ContextSource::Directory(path) => head_time(path),
            _ => commit,
        };
        let default = default.filter(|_| request.source_date_epoch.is_none());
        let argument = request.build_args.get(EPOCH_ARGUMENT).cloned().or(default);
        let argument = argument.as_deref();
        let given = match argument.filter(|text| !text.is_empty()) {
            None => request.source_date_epoch,
            Some("context") => of_context(),
            Some(text) => match text.parse() {
                Ok(seconds) if (0..=LAST_EPOCH).contains(&seconds) => Some(seconds),
                _ => named(text)?,
            },
        };
        Ok(Epoch {
            seconds: given.or_else(of_context).unwrap_or(FIXED_EPOCH),
            given: given.is_some(),
        })
    }

    /// The time that every file of a context gets: a checkout's own times are not part of the source.
    pub fn context_times(&self) -> Option<Timestamp> {
        (!self.given).then(|| Timestamp::seconds(self.seconds))
    }
}

/// The default of `ARG SOURCE_DATE_EPOCH` before the first FROM, where it is a plain word.
pub(crate) fn declared_epoch(source: &SourceFile) -> Option<String> {
    let (tree, _) = praxis_dockerfile::parse(source);
    let named = |one: &praxis_dockerfile::Argument| one.name == EPOCH_ARGUMENT;
    let mut defaults = tree
        .arguments
        .iter()
        .filter_map(|instruction| match &instruction.kind {
            praxis_dockerfile::Kind::Arg(arguments) => {
                arguments.iter().rfind(|one| named(one))?.default.clone()
            }
            _ => None,
        });
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    defaults.next_back().filter(|value| value.chars().all(plain))
}

/// The commit time of the repository `directory` is in, if it is in one.
pub(crate) fn head_time(directory: &Path) -> Option<i64> {
    let arguments = ["log", "-1", "--no-show-signature", "--format=%ct", "HEAD", "--"];
    git(directory, &arguments)?.parse().ok()
}

/// One line that `git` says about the repository `directory` is in.
pub(crate) fn git(directory: &Path, arguments: &[&str]) -> Option<String> {
    let text = git_lines(directory, arguments)?.trim().to_string();
    (!text.is_empty()).then_some(text)
}

/// What `git` says about the repository `directory` is in. It is asked without any of the user's or the repository's
/// configuration that could run programs.
pub(crate) fn git_lines(directory: &Path, arguments: &[&str]) -> Option<String> {
    let absolute = directory.canonicalize().ok()?;
    let repository = absolute
        .ancestors()
        .map(|place| place.join(".git"))
        .find(|place| place.exists())?;
    // A repository that somebody else put above the context (in /tmp, say) is not the context's.
    let owner = fs::metadata(&repository).ok()?.uid();
    if owner != fs::metadata(&absolute).ok()?.uid() && owner != rustix::process::geteuid().as_raw() {
        return None;
    }
    let output = Command::new("git")
        .args([
            "-c",
            "safe.directory=*",
            "-c",
            "core.fsmonitor=",
            "-c",
            "core.hooksPath=/dev/null",
        ])
        .args(arguments)
        .current_dir(&absolute)
        .env("GIT_OPTIONAL_LOCKS", "0")
        // A repository can name programs that fetch what it lacks: nothing is ever fetched.
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_ALLOW_PROTOCOL", "none")
        .env_remove("GIT_DIR")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(text)
}

/// The Dockerfile of a build of `directory`, with the path it came from (none from standard input).
pub(crate) fn dockerfile(
    request: &BuildRequest,
    directory: &Path,
) -> Result<(SourceFile, Option<PathBuf>), EngineError> {
    let path = match &request.dockerfile {
        Some(path) if path.as_os_str() == "-" => return Ok((dockerfile_from_stdin(request)?, None)),
        Some(path) => path.clone(),
        None => located_in(directory)?,
    };
    Ok((dockerfile_at(directory, &path, &path)?, Some(path)))
}

/// The Dockerfile that standard input held.
pub(crate) fn dockerfile_from_stdin(request: &BuildRequest) -> Result<SourceFile, EngineError> {
    let bytes = request.stdin.clone().unwrap_or_default();
    if bytes.len() as u64 > TEXT_LIMIT {
        return Err(EngineError::user(format!(
            "standard input is longer than {TEXT_LIMIT} bytes: that is no Dockerfile"
        )));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| EngineError::user("standard input is neither a Dockerfile in UTF-8 nor an archive"))?;
    Ok(SourceFile::new("Dockerfile", text))
}

/// The Dockerfile at `path`, which messages call `shown`; a link out of `directory` is refused.
pub(crate) fn dockerfile_at(directory: &Path, path: &Path, shown: &Path) -> Result<SourceFile, EngineError> {
    let name = shown.display();
    let missing = |error: std::io::Error| {
        EngineError::user(format!("failed to read Dockerfile {name}: {error}")).with_hint(
            "give its path with -f, relative to this directory; without -f it is Dockerfile in the context",
        )
    };
    refuse_link_out(directory, path)?;
    let bytes = match read_text(path).map_err(missing)? {
        Text::Read(bytes) => bytes,
        Text::NoFile => return Err(EngineError::user(format!("{name} is not a file"))),
        Text::TooLong => {
            return Err(EngineError::user(format!(
                "{name} is longer than {TEXT_LIMIT} bytes: that is no Dockerfile"
            )));
        }
    };
    dockerfile_text(bytes, path, &name.to_string())
}

/// `bytes` as a Dockerfile called as the last part of `path`.
pub(crate) fn dockerfile_text(bytes: Vec<u8>, path: &Path, shown: &str) -> Result<SourceFile, EngineError> {
    let text = String::from_utf8(bytes).map_err(|error| {
        EngineError::user(format!(
            "{shown} is not UTF-8 (at byte {})",
            error.utf8_error().valid_up_to()
        ))
    })?;
    let name = path
        .file_name()
        .map_or_else(|| "Dockerfile".into(), |name| name.to_string_lossy().into_owned());
    Ok(SourceFile::new(name, text))
}

/// Where the Dockerfile of a context is.
pub(crate) fn located_in(directory: &Path) -> Result<PathBuf, EngineError> {
    if !directory.is_dir() {
        let shown = directory.display();
        return Err(
            EngineError::user(format!("build context {shown}: no such directory"))
                .with_hint("the last argument of `praxis build` is a directory; `.` is this one"),
        );
    }
    let found = ["Dockerfile", "dockerfile"]
        .iter()
        .map(|name| directory.join(name))
        .find(|path| path.exists());
    Ok(found.unwrap_or_else(|| directory.join("Dockerfile")))
}

/// Refuses a path that is written as one of the context but leads out of it.
fn refuse_link_out(directory: &Path, path: &Path) -> Result<(), EngineError> {
    let (Ok(top), Ok(real)) = (directory.canonicalize(), path.canonicalize()) else {
        return Ok(());
    };
    let written = as_written(path);
    let inside = written.starts_with(&top) || written.starts_with(as_written(directory));
    if inside && !real.starts_with(&top) {
        let shown = path.display();
        return Err(
            EngineError::user(format!("{shown} is a link out of the build context"))
                .with_hint(format!("if that is meant, say so: -f {}", real.display())),
        );
    }
    Ok(())
}

/// The absolute path that the words say, links not followed.
fn as_written(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in std::path::absolute(path)
        .unwrap_or_else(|_| path.to_path_buf())
        .components()
    {
        if component == std::path::Component::ParentDir {
            plain.pop();
        } else {
            plain.push(component);
        }
    }
    plain
}

enum Text {
    Read(Vec<u8>),
    NoFile,
    TooLong,
}

/// Reads a text of bounded length from a regular file; a pipe or device is not waited for.
fn read_text(path: &Path) -> std::io::Result<Text> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let file = fs::File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(Text::NoFile);
    }
    let mut bytes = Vec::new();
    file.take(TEXT_LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > TEXT_LIMIT {
        Text::TooLong
    } else {
        Text::Read(bytes)
    })
}

struct Ignore(IgnoreFile);

impl ContextFilter for Ignore {
    fn is_excluded(&self, path: &[u8]) -> bool {
        self.0.is_ignored(&String::from_utf8_lossy(path))
    }

    fn may_include_below(&self, path: &[u8]) -> bool {
        self.0.may_include_below(&String::from_utf8_lossy(path))
    }
}

fn filter(directory: &Path, dockerfile: Option<&Path>) -> Result<Box<dyn ContextFilter>, EngineError> {
    let own = dockerfile.map(|path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    let path = own
        .filter(|path| path.is_file())
        .unwrap_or_else(|| directory.join(".dockerignore"));
    refuse_link_out(directory, &path)?;
    let bytes = match read_text(&path) {
        Ok(Text::Read(bytes)) => bytes,
        Ok(Text::NoFile | Text::TooLong) => {
            let shown = path.display();
            return Err(EngineError::user(format!(
                "{shown} is no ignore file: not a file, or longer than {TEXT_LIMIT} bytes"
            )));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Box::new(praxis_solve::Everything));
        }
        Err(error) => {
            return Err(EngineError::user(format!(
                "cannot read {}: {error}",
                path.display()
            )));
        }
    };
    let ignore = IgnoreFile::parse(&String::from_utf8_lossy(&bytes))
        .map_err(|error| EngineError::user(format!("{}:{}: {}", path.display(), error.line, error.reason)))?;
    Ok(Box::new(Ignore(ignore)))
}

/// A context directory with what is remembered of it.
pub(crate) struct OpenContext {
    pub directory: Arc<ContextDirectory>,
    key: Digest,
}

impl OpenContext {
    pub fn open(
        store: &Store,
        path: &Path,
        dockerfile: Option<&Path>,
        times: Option<Timestamp>,
    ) -> Result<OpenContext, EngineError> {
        let mut hasher = Hasher::new();
        hasher.field(b"context");
        hasher.field(
            path.canonicalize()
                .unwrap_or_else(|_| path.to_path_buf())
                .as_os_str()
                .as_encoded_bytes(),
        );
        let key = hasher.finish();
        let remembered = store.context_cache(&key);
        let filter = filter(path, dockerfile)?;
        let directory = ContextDirectory::open(path, filter, times, remembered.as_deref())?;
        Ok(OpenContext {
            directory: Arc::new(directory),
            key,
        })
    }

    /// Keeps digests for the next build. Failing to only costs time later.
    pub fn remember(&self, store: &Store) {
        if let Some(bytes) = self.directory.remember() {
            let _ = store.put_context_cache(&self.key, &bytes);
        }
    }
}

/// `DIR[:TAG][@DIGEST]` of `oci-layout://`.
pub(crate) fn layout(text: &str) -> NamedContext {
    let (path, digest) = match text.split_once('@') {
        Some((path, digest)) => (path, Some(digest.to_string())),
        None => (text, None),
    };
    if digest.is_none()
        && !Path::new(path).is_dir()
        && let Some((directory, tag)) = path.rsplit_once(':')
        && !tag.contains('/')
    {
        return NamedContext::Layout {
            directory: directory.into(),
            reference: Some(tag.to_string()),
        };
    }
    NamedContext::Layout {
        directory: path.into(),
        reference: digest,
    }
}
