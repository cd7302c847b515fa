//! Where a build's texts and files come from: the context, the Dockerfile, the ignore file, the epoch.

use std::collections::BTreeMap;
use std::fs;
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
/// No Dockerfile is larger.
const DOCKERFILE_LIMIT: u64 = 16 << 20;

/// The time of a build, and where it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub seconds: i64,
    /// Given by the caller: times of the context that are older are kept.
    pub given: bool,
}

impl Epoch {
    pub fn of(request: &BuildRequest) -> Epoch {
        if let Some(seconds) = request.source_date_epoch {
            return Epoch { seconds, given: true };
        }
        let seconds = match &request.context {
            ContextSource::Directory(path) => head_time(path),
            _ => None,
        };
        Epoch { seconds: seconds.unwrap_or(FIXED_EPOCH), given: false }
    }

    /// The time that every file of a context gets: a checkout's own times are not part of the source.
    pub fn context_times(&self) -> Option<Timestamp> {
        (!self.given).then(|| Timestamp::seconds(self.seconds))
    }
}

/// The commit time of the repository `directory` is in. `git` is asked without any of the user's or the
/// repository's configuration that could run programs.
fn head_time(directory: &Path) -> Option<i64> {
    let absolute = directory.canonicalize().ok()?;
    absolute.ancestors().find(|place| place.join(".git").exists())?;
    let output = Command::new("git")
        .args(["-c", "safe.directory=*", "-c", "core.fsmonitor=", "-c", "core.hooksPath=/dev/null"])
        .args(["log", "-1", "--no-show-signature", "--format=%ct", "HEAD", "--"])
        .current_dir(&absolute)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env_remove("GIT_DIR")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// The Dockerfile with the path it came from (none from standard input).
pub(crate) fn dockerfile(request: &BuildRequest) -> Result<(SourceFile, Option<PathBuf>), EngineError> {
    let from_stdin = || {
        let bytes = request.stdin.clone().unwrap_or_default();
        let text = String::from_utf8(bytes).map_err(|_| {
            EngineError::user("standard input is no Dockerfile: it is not UTF-8 (a tar as context is not supported yet)")
        })?;
        Ok((SourceFile::new("Dockerfile", text), None))
    };
    let path = match (&request.dockerfile, &request.context) {
        (Some(path), _) if path.as_os_str() == "-" => return from_stdin(),
        (Some(path), _) => path.clone(),
        (None, ContextSource::Stdin) => return from_stdin(),
        (None, ContextSource::Remote(address)) => {
            return Err(EngineError::user(format!("{address}: remote build contexts are not supported yet"))
                .with_hint("clone or download it and give the directory"));
        }
        (None, ContextSource::Directory(directory)) => in_context(directory)?,
    };
    let shown = path.display();
    let missing = |error: std::io::Error| {
        EngineError::user(format!("failed to read Dockerfile {shown}: {error}")).with_hint(
            "give its path with -f, relative to this directory; without -f it is Dockerfile in the context",
        )
    };
    let metadata = fs::metadata(&path).map_err(missing)?;
    if !metadata.is_file() {
        return Err(EngineError::user(format!("{shown} is not a file")));
    }
    if metadata.len() > DOCKERFILE_LIMIT {
        return Err(EngineError::user(format!("{shown} is {} bytes long: that is no Dockerfile", metadata.len())));
    }
    let bytes = fs::read(&path).map_err(missing)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        EngineError::user(format!("{shown} is not UTF-8 (at byte {})", error.utf8_error().valid_up_to()))
    })?;
    let name = path.file_name().map_or_else(|| "Dockerfile".into(), |name| name.to_string_lossy().into_owned());
    Ok((SourceFile::new(name, text), Some(path)))
}

/// The Dockerfile of a context; a link that leaves the context is refused.
fn in_context(directory: &Path) -> Result<PathBuf, EngineError> {
    if !directory.is_dir() {
        let shown = directory.display();
        return Err(EngineError::user(format!("build context {shown}: no such directory"))
            .with_hint("the last argument of `praxis build` is a directory; `.` is this one"));
    }
    let found = ["Dockerfile", "dockerfile"].iter().map(|name| directory.join(name)).find(|path| path.exists());
    let path = found.unwrap_or_else(|| directory.join("Dockerfile"));
    if let (Ok(top), Ok(real)) = (directory.canonicalize(), path.canonicalize())
        && !real.starts_with(&top)
    {
        let shown = path.display();
        return Err(EngineError::user(format!("{shown} is a link out of the build context"))
            .with_hint(format!("if that is meant, say so: -f {}", real.display())));
    }
    Ok(path)
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
    let path = own.filter(|path| path.is_file()).unwrap_or_else(|| directory.join(".dockerignore"));
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Box::new(praxis_solve::Everything)),
        Err(error) => return Err(EngineError::user(format!("cannot read {}: {error}", path.display()))),
    };
    let ignore = IgnoreFile::parse(&String::from_utf8_lossy(&bytes))
        .map_err(|error| EngineError::user(format!("{}: {error}", path.display())))?;
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
        hasher.field(path.canonicalize().unwrap_or_else(|_| path.to_path_buf()).as_os_str().as_encoded_bytes());
        let key = hasher.finish();
        let remembered = store.context_cache(&key);
        let filter = filter(path, dockerfile)?;
        let directory = ContextDirectory::open(path, filter, times, remembered.as_deref())?;
        Ok(OpenContext { directory: Arc::new(directory), key })
    }

    /// Keeps digests for the next build. Failing to only costs time later.
    pub fn remember(&self, store: &Store) {
        if let Some(bytes) = self.directory.remember() {
            let _ = store.put_context_cache(&self.key, &bytes);
        }
    }
}

/// `--build-context` values, read.
pub(crate) fn named_contexts(request: &BuildRequest) -> Result<BTreeMap<String, NamedContext>, EngineError> {
    let mut named = BTreeMap::new();
    for (name, value) in &request.build_contexts {
        let context = if let Some(rest) = value.strip_prefix("oci-layout://") {
            layout(rest)
        } else if let Some(image) = value.strip_prefix("docker-image://") {
            NamedContext::Image(image.to_string())
        } else if value.contains("://") || value.starts_with("git@") {
            return Err(EngineError::user(format!("--build-context {name}={value}: remote contexts are not supported yet"))
                .with_hint("use a directory, oci-layout://DIR or docker-image://NAME"));
        } else {
            let path = PathBuf::from(value);
            if !path.is_dir() {
                return Err(EngineError::user(format!("--build-context {name}={value}: no such directory")));
            }
            NamedContext::Directory(path)
        };
        named.insert(name.clone(), context);
    }
    Ok(named)
}

fn layout(text: &str) -> NamedContext {
    let (path, digest) = match text.split_once('@') {
        Some((path, digest)) => (path, Some(digest.to_string())),
        None => (text, None),
    };
    if digest.is_none()
        && !Path::new(path).is_dir()
        && let Some((directory, tag)) = path.rsplit_once(':')
        && !tag.contains('/')
    {
        return NamedContext::Layout { directory: directory.into(), reference: Some(tag.to_string()) };
    }
    NamedContext::Layout { directory: path.into(), reference: digest }
}
