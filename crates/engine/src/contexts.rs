//! The contexts of a build, opened: directories, and what is fetched or read from standard input.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use praxis_solve::{
    Access, ArchiveContext, Checkout, Context, FetchedAddress, GitAddress, Local, NamedContext, Workplace,
    fetch_address, fetch_git,
};
use praxis_source::SourceFile;

use crate::sources::{
    EPOCH_ARGUMENT, Epoch, OpenContext, TEXT_LIMIT, declared_epoch, dockerfile, dockerfile_at,
    dockerfile_from_stdin, dockerfile_text, head_time, layout, located_in,
};
use crate::{BuildRequest, ContextSource, EngineError, Received};

/// What opening needs.
pub(crate) struct Opener<'a> {
    pub request: &'a BuildRequest,
    pub workplace: &'a Workplace,
    pub access: &'a Access<'a>,
}

/// The Dockerfile and the main context.
pub(crate) struct Main {
    pub source: SourceFile,
    /// Where the Dockerfile is, if it is a file of this machine or of the context.
    pub path: Option<PathBuf>,
    /// The commit, of a git repository.
    pub commit: Option<String>,
    pub epoch: Epoch,
    pub context: Option<Context>,
    /// The directory to remember digests of.
    pub open: Option<OpenContext>,
    pub warnings: Vec<String>,
}

/// The named contexts.
#[derive(Default)]
pub(crate) struct Named {
    /// What each name is.
    pub names: BTreeMap<String, NamedContext>,
    /// Those with files.
    pub contexts: BTreeMap<String, Context>,
    /// The directories to remember digests of.
    pub open: Vec<OpenContext>,
    pub warnings: Vec<String>,
}

impl Opener<'_> {
    /// Opens the main context and reads the Dockerfile.
    pub fn main(&self) -> Result<Main, EngineError> {
        match &self.request.context {
            ContextSource::Directory(directory) => self.directory(directory),
            ContextSource::Stdin => self.stdin(),
            ContextSource::Received(received) => self.received(received),
            ContextSource::Remote(address) if GitAddress::names(address, Local::Allowed) => {
                self.repository(address)
            }
            ContextSource::Remote(address) => self.address(address),
        }
    }

    /// The time of the build; `source` is there where the Dockerfile is known before the context.
    fn epoch(&self, commit: Option<i64>, source: Option<&SourceFile>) -> Result<Epoch, EngineError> {
        let default = source.and_then(declared_epoch);
        Epoch::of(self.request, commit, default, &|name| self.time_of(name, source))
    }

    /// The time of the commit that a named context is, or that a stage begins with (ADD of a repository).
    fn time_of(&self, name: &str, source: Option<&SourceFile>) -> Result<Option<i64>, EngineError> {
        let added = source.and_then(|source| added_repository(source, name));
        let value = self.request.build_contexts.get(name).or(added.as_ref());
        match value {
            Some(value) if Path::new(value).is_dir() => Ok(head_time(Path::new(value))),
            Some(value) if GitAddress::names(value, Local::Refused) || value.starts_with("file://") => {
                Ok(Some(self.checkout(value, Local::Refused)?.time()))
            }
            _ => Err(EngineError::user(format!(
                "invalid {EPOCH_ARGUMENT}: {name}: it is a number of seconds since 1970, context, or the name of a \
                 --build-context that is a git repository, or of a stage from scratch that begins with ADD of one"
            ))),
        }
    }

    fn directory(&self, directory: &Path) -> Result<Main, EngineError> {
        let (source, path) = dockerfile(self.request, directory)?;
        let epoch = self.epoch(None, Some(&source))?;
        let store = &self.workplace.store;
        let open = OpenContext::open(store, directory, path.as_deref(), epoch.context_times())?;
        Ok(Main {
            source,
            path,
            commit: None,
            epoch,
            context: Some(Context::Directory(open.directory.clone())),
            open: Some(open),
            warnings: Vec::new(),
        })
    }

    fn received(&self, received: &Received) -> Result<Main, EngineError> {
        let source = received.dockerfile();
        let epoch = self.epoch(None, Some(&source))?;
        let tree = received.tree(None, self.workplace, epoch.context_times())?;
        Ok(Main {
            source,
            path: None,
            commit: None,
            epoch,
            context: Some(Context::Archive(Arc::new(tree))),
            open: None,
            warnings: Vec::new(),
        })
    }

    /// Standard input: an archive, or else a Dockerfile without a context.
    fn stdin(&self) -> Result<Main, EngineError> {
        let epoch = self.epoch(None, None)?;
        let head = self.request.stdin.as_deref().unwrap_or_default();
        let mut none: &[u8] = &[];
        let mut rest = self.request.stdin_rest.clone();
        let rest: &mut (dyn Read + Send) = match &mut rest {
            Some(rest) => rest,
            None => &mut none,
        };
        let times = epoch.context_times();
        let archive = ArchiveContext::unpack(self.workplace, head, rest, "standard input", times)?;
        if let Some(archive) = archive {
            return self.archive(archive, epoch, "standard input");
        }
        if let Some(path) = &self.request.dockerfile {
            return Err(EngineError::user(format!(
                "standard input is no archive of a context, in which {} could be",
                path.display()
            ))
            .with_hint("leave out -f to build the Dockerfile on standard input"));
        }
        Ok(Main {
            source: dockerfile_from_stdin(self.request)?,
            path: None,
            commit: None,
            epoch,
            context: None,
            open: None,
            warnings: Vec::new(),
        })
    }

    fn archive(&self, archive: ArchiveContext, epoch: Epoch, shown: &str) -> Result<Main, EngineError> {
        let source = match self.path_inside()? {
            Some(path) if path.as_os_str() == "-" => dockerfile_from_stdin(self.request)?,
            Some(path) => archived_dockerfile(&archive, &path, shown)?,
            None => {
                let lower = Path::new("dockerfile");
                let upper = archive.read("Dockerfile", TEXT_LIMIT)?.is_some();
                let is_lower = !upper && archive.read("dockerfile", TEXT_LIMIT)?.is_some();
                archived_dockerfile(
                    &archive,
                    if is_lower { lower } else { Path::new("Dockerfile") },
                    shown,
                )?
            }
        };
        let has_ignore_file = archive.read(".dockerignore", TEXT_LIMIT)?.is_some();
        Ok(Main {
            source,
            path: self.path_inside()?,
            commit: None,
            epoch,
            context: Some(Context::Archive(Arc::new(archive))),
            open: None,
            warnings: ignored_ignore_file(has_ignore_file),
        })
    }

    fn repository(&self, text: &str) -> Result<Main, EngineError> {
        let checkout = self.checkout(text, Local::Allowed)?;
        let directory = checkout.directory();
        let source = match self.path_inside()? {
            Some(path) if path.as_os_str() == "-" => dockerfile_from_stdin(self.request)?,
            Some(path) => dockerfile_at(directory, &directory.join(&path), &path)?,
            None => {
                let path = located_in(directory)?;
                let shown = path.strip_prefix(directory).unwrap_or(&path).to_path_buf();
                dockerfile_at(directory, &path, &shown)?
            }
        };
        let epoch = self.epoch(Some(checkout.time()), Some(&source))?;
        let mut warnings = checkout.warnings.clone();
        warnings.extend(ignored_ignore_file(directory.join(".dockerignore").is_file()));
        Ok(Main {
            source,
            path: self.path_inside()?,
            commit: Some(checkout.commit().to_string()),
            epoch,
            context: Some(Context::Directory(Arc::new(checkout.context()?))),
            open: None,
            warnings,
        })
    }

    /// An archive or a Dockerfile at an address.
    fn address(&self, address: &str) -> Result<Main, EngineError> {
        let epoch = self.epoch(None, None)?;
        let FetchedAddress { context, is_archive } =
            fetch_address(self.workplace, address, self.access, epoch.context_times())?;
        if is_archive {
            return self.archive(context, epoch, address);
        }
        let source = match &self.request.dockerfile {
            Some(path) if path.as_os_str() == "-" => dockerfile_from_stdin(self.request)?,
            Some(path) => {
                return Err(EngineError::user(format!(
                    "{address} is no archive of a context, in which {} could be",
                    path.display()
                )));
            }
            None => {
                let bytes = context.read("context", TEXT_LIMIT)?.unwrap_or_default();
                dockerfile_text(bytes, Path::new("Dockerfile"), address)?
            }
        };
        Ok(Main {
            source,
            path: None,
            commit: None,
            epoch,
            context: Some(Context::Archive(Arc::new(context))),
            open: None,
            warnings: Vec::new(),
        })
    }

    fn checkout(&self, text: &str, local: Local) -> Result<Checkout, EngineError> {
        let keep = self.request.build_args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR");
        let keep = keep.is_some_and(|value| matches!(value.as_str(), "1" | "true"));
        let address = GitAddress::parse(text, local)?.keeping_git_directory(keep);
        Ok(fetch_git(&self.workplace.store, &address, self.access)?)
    }

    /// `-f` as a path inside a context that is no directory of this machine.
    fn path_inside(&self) -> Result<Option<PathBuf>, EngineError> {
        let Some(path) = &self.request.dockerfile else {
            return Ok(None);
        };
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(
                EngineError::user(format!("{} leads out of the build context", path.display())).with_hint(
                    "with such a context, -f is a path inside it; `-f - <FILE` takes another file",
                ),
            );
        }
        let plain: PathBuf = path
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect();
        Ok(Some(plain))
    }

    /// Opens what `--build-context` gives names to.
    pub fn named(&self, epoch: &Epoch) -> Result<Named, EngineError> {
        let mut named = Named::default();
        for (name, value) in &self.request.build_contexts {
            let context = self
                .named_context(name, value, epoch, &mut named)
                .map_err(|mut error| {
                    error.message = format!("--build-context {name}: {}", error.message);
                    error
                })?;
            named.names.insert(name.clone(), context);
        }
        if let ContextSource::Received(received) = &self.request.context {
            for name in received.context().contexts.keys() {
                let tree = received.tree(Some(name), self.workplace, epoch.context_times())?;
                let context = Context::Archive(Arc::new(tree));
                named.contexts.insert(name.clone(), context);
                named
                    .names
                    .insert(name.clone(), NamedContext::Directory(name.into()));
            }
        }
        Ok(named)
    }

    fn named_context(
        &self,
        name: &str,
        value: &str,
        epoch: &Epoch,
        named: &mut Named,
    ) -> Result<NamedContext, EngineError> {
        let path = PathBuf::from(value);
        let context = if let Some(rest) = value.strip_prefix("oci-layout://") {
            return Ok(layout(rest));
        } else if let Some(image) = value.strip_prefix("docker-image://") {
            return Ok(NamedContext::Image(image.to_string()));
        } else if let Some(target) = value.strip_prefix("target:") {
            return Ok(NamedContext::Promised(target.to_string()));
        } else if path.is_dir() {
            let open = OpenContext::open(&self.workplace.store, &path, None, epoch.context_times())?;
            let context = Context::Directory(open.directory.clone());
            named.open.push(open);
            context
        } else if GitAddress::names(value, Local::Refused) || value.starts_with("file://") {
            let checkout = self.checkout(value, Local::Refused)?;
            named.warnings.extend(checkout.warnings.iter().cloned());
            Context::Directory(Arc::new(checkout.context()?))
        } else if value.starts_with("http://") || value.starts_with("https://") {
            let fetched = fetch_address(self.workplace, value, self.access, epoch.context_times())?;
            Context::Archive(Arc::new(fetched.context))
        } else if value.contains("://") {
            return Err(
                EngineError::user(format!("{value}: no kind of context that is known")).with_hint(
                    "use a directory, oci-layout://DIR, docker-image://NAME, or an address of git or http",
                ),
            );
        } else {
            return Err(EngineError::user(format!("{value}: no such directory")));
        };
        named.contexts.insert(name.to_string(), context);
        Ok(NamedContext::Directory(path))
    }
}

/// The repository that the stage `name` adds first to an empty root, written out.
fn added_repository(source: &SourceFile, name: &str) -> Option<String> {
    let (tree, _) = praxis_dockerfile::parse(source);
    let name = name.to_lowercase();
    let stage = tree
        .stages
        .iter()
        .find(|stage| stage.from.base == "scratch" && stage.from.name.as_ref() == Some(&name))?;
    let praxis_dockerfile::Kind::Add(add) = &stage.instructions.first()?.kind else {
        return None;
    };
    let address = add.sources.first().filter(|_| add.sources.len() == 1)?;
    (GitAddress::names(address, Local::Refused) && !address.contains('$')).then(|| address.clone())
}

fn archived_dockerfile(
    archive: &ArchiveContext,
    path: &Path,
    shown: &str,
) -> Result<SourceFile, EngineError> {
    let name = path.to_string_lossy();
    let bytes = archive.read(&name, TEXT_LIMIT)?.ok_or_else(|| {
        EngineError::user(format!(
            "failed to read Dockerfile {name}: {shown} has no such file"
        ))
        .with_hint("give its path inside the context with -f")
    })?;
    dockerfile_text(bytes, path, &name)
}

/// `.dockerignore` is for what would be sent from a directory: other contexts are taken as they are.
fn ignored_ignore_file(there: bool) -> Vec<String> {
    let says = ".dockerignore has no effect on this build context: it is for contexts that are directories";
    there.then(|| says.to_string()).into_iter().collect()
}
