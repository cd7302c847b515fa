//! A RUN step: its key, its mounts, its sandbox, and the layer it leaves.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use praxis_layer::{Timestamp, TreePath};
use praxis_oci::{Digest, Hasher};
use praxis_plan::{MountKind, NetworkMode, Run};
use praxis_sandbox::{Input, Limits, Mount, Network, RootFileSystem, SandboxError, Source, Step, User};

use crate::SolveError;
use crate::agent::{Access, StepAgent, Upstream};
use crate::cache::{CacheLease, CacheUser, lease_cache};
use crate::inspector::OnError;
use crate::layers::{LayerHandle, Workshop};
use crate::mounts::{BindMaker, BoundTree};
use crate::site::{APT_PATH, CA_PATH, CA_VARIABLES, SETTINGS_VARIABLES, SiteLoan, WGET_PATH};
use crate::state::State;

/// The default search path where neither image nor Dockerfile sets one.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The host name a step sees unless the build gives another.
const HOSTNAME: &str = "praxis";

/// `--shm-size` and `--ulimit`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepLimits {
    /// Bytes that `/dev/shm` holds, if not the usual 64 MiB.
    pub shared_memory: Option<u64>,
    /// Resource limits by name: soft and hard, `u64::MAX` for none.
    pub resources: Vec<(String, u64, u64)>,
}

/// What RUN steps of one build share.
pub(crate) struct RunSettings {
    pub site: SiteLoan,
    pub secrets: BTreeMap<String, Vec<u8>>,
    pub ssh: BTreeMap<String, PathBuf>,
    pub ssh_keys: BTreeMap<String, Vec<Vec<u8>>>,
    pub limits: StepLimits,
    pub add_hosts: Vec<(String, String)>,
    pub epoch: Timestamp,
    pub allow_insecure: bool,
    /// Id of the build.
    pub build: String,
    /// Who looks at steps that fail.
    pub on_error: Option<OnError>,
}

/// What a step holds while it runs.
#[derive(Default)]
struct Held {
    caches: Vec<CacheLease>,
    agents: Vec<StepAgent>,
}

fn access_of(kind: &MountKind) -> Access {
    match kind {
        MountKind::Ssh { mode, uid, gid, .. } => Access {
            mode: *mode,
            uid: *uid,
            gid: *gid,
        },
        _ => Access {
            mode: 0o600,
            uid: 0,
            gid: 0,
        },
    }
}

/// A RUN step with its bind mounts resolved.
pub(crate) struct Prepared<'a> {
    run: &'a Run,
    binds: Vec<Option<BoundTree>>,
    /// The step as people know it.
    name: String,
}

impl<'a> Prepared<'a> {
    pub fn new(run: &'a Run, binds: &BindMaker<'_>) -> Result<Prepared<'a>, SolveError> {
        let bound = run.mounts.iter().map(|mount| match &mount.kind {
            MountKind::Bind { origin, source, .. } => binds.bind(origin, source).map(Some),
            MountKind::Cache {
                origin: Some(origin),
                source,
                ..
            } => binds.bind(origin, source).map(Some),
            _ => Ok(None),
        });
        Ok(Prepared {
            run,
            binds: bound.collect::<Result<_, _>>()?,
            name: String::new(),
        })
    }

    /// A command that binds nothing.
    pub fn without_mounts(run: &'a Run) -> Prepared<'a> {
        Prepared {
            run,
            binds: run.mounts.iter().map(|_| None).collect(),
            name: String::new(),
        }
    }

    /// The same, known by a name.
    pub fn named(self, name: String) -> Prepared<'a> {
        Prepared { name, ..self }
    }

    /// The key of the step on `state`: everything that may change its result, and no secret.
    pub fn key(&self, state: &State, settings: &RunSettings) -> Digest {
        let run = self.run;
        let mut hasher = Hasher::new();
        hasher.field(b"run 1");
        hasher.update(state.identity().as_bytes());
        let mut field = |text: &str| hasher.field(text.as_bytes());
        run.arguments.iter().for_each(|text| field(text));
        field("environment");
        run.environment.iter().for_each(|(name, value)| {
            field(name);
            field(value);
        });
        field(&run.directory);
        field(&run.user);
        field(&format!("{:?} {}", run.network, run.insecure));
        run.hostname.iter().for_each(|name| field(name));
        run.files.iter().for_each(|file| {
            field(&file.path);
            field(&file.content);
        });
        settings.add_hosts.iter().for_each(|(name, address)| {
            field(name);
            field(address);
        });
        if settings.limits != StepLimits::default() {
            field(&format!("{:?}", settings.limits));
        }
        for (mount, bind) in run.mounts.iter().zip(&self.binds) {
            hasher.field(mount.target.as_bytes());
            if let Some(bind) = bind {
                hasher.update(bind.key.as_bytes());
            }
            hasher.field(mount_key(&mount.kind).as_bytes());
        }
        hasher.update(&settings.epoch.seconds.to_le_bytes());
        hasher.finish()
    }

    /// Runs the command on `state` and makes its layer.
    pub fn execute(
        &self,
        workshop: &Arc<Workshop>,
        state: &mut State,
        settings: &RunSettings,
        fresh_caches: bool,
        output: &mut dyn FnMut(u8, &[u8]),
        cancel: &AtomicBool,
    ) -> Result<LayerHandle, SolveError> {
        let scratch = workshop.store.scratch()?;
        let (upper, work) = (scratch.directory("upper")?, scratch.directory("work")?);
        let mut lowers = lowers(state)?;
        if lowers.is_empty() {
            lowers.push(scratch.directory("empty")?);
        }
        self.set_root(&upper, state)?;
        let identity = state.accounts()?.identity(&self.run.user)?;
        let mut held = Held::default();
        let (mounts, secret_variables) =
            self.mounts(workshop, state, settings, &scratch, fresh_caches, &mut held)?;
        let mut step = Step {
            root: RootFileSystem {
                lowers,
                upper: upper.clone(),
                work,
            },
            arguments: self.run.arguments.iter().map(OsString::from).collect(),
            environment: self.environment(settings, &identity.home, secret_variables),
            directory: PathBuf::from(&self.run.directory),
            user: User {
                uid: identity.uid,
                gid: identity.gid,
                groups: identity.groups,
            },
            hostname: self.run.hostname.clone().unwrap_or_else(|| HOSTNAME.into()),
            network: match self.run.network {
                NetworkMode::None => Network::None,
                NetworkMode::Default | NetworkMode::Host => Network::Host,
            },
            mounts,
            hosts: hosts(self.run.hostname.as_deref(), &settings.add_hosts),
            resolv_conf: settings.site.resolv_conf.clone(),
            read_only_root: false,
            no_new_privileges: identity.uid == 0,
            insecure: self.run.insecure && settings.allow_insecure,
            powerless: false,
            input: Input::Nothing,
            limits: Limits {
                pids: settings.site.bounds.processes,
                memory: settings.site.bounds.memory,
                output_bytes: settings.site.bounds.output,
                shared_memory: settings.limits.shared_memory,
                resources: settings.limits.resources.clone(),
                ..Limits::default()
            },
        };
        let exit = praxis_sandbox::run(&step, output, cancel);
        if cancel.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(SolveError::cancelled());
        }
        let exit = exit.map_err(|error| sandbox_error(&error))?;
        if let Err(error) = self.check(&exit) {
            if let Some(on_error) = &settings.on_error {
                self.inspect(&mut step, on_error, &error, &scratch, cancel);
            }
            return Err(error);
        }
        drop(held);
        let tree = state.tree()?;
        let directory = Workshop::open_directory(&upper)?;
        let listing = praxis_layer::scan_upper(&directory, &tree, settings.epoch)?;
        drop(directory);
        LayerHandle::adopted(workshop, listing, &upper)
    }

    /// Gives the upper directory the mode and owner that `/` has in the image.
    fn set_root(&self, upper: &PathBuf, state: &mut State) -> Result<(), SolveError> {
        let tree = state.tree()?;
        let (mode, uid, gid) = tree
            .get(&TreePath::root())
            .map_or((0o755, 0, 0), |root| (root.mode, root.uid, root.gid));
        if (uid, gid) != (0, 0) {
            std::os::unix::fs::chown(upper, Some(uid), Some(gid)).map_err(SolveError::io("own", upper))?;
        }
        fs::set_permissions(upper, fs::Permissions::from_mode(mode))
            .map_err(SolveError::io("set the mode of", upper))
    }

    fn environment(
        &self,
        settings: &RunSettings,
        home: &str,
        secrets: Vec<(String, String)>,
    ) -> Vec<(OsString, OsString)> {
        let mut environment: Vec<(String, String)> = self.run.environment.clone();
        let mut add = |name: &str, value: &str| {
            if !environment.iter().any(|(known, _)| known == name) {
                environment.push((name.into(), value.into()));
            }
        };
        add("PATH", PATH);
        add("HOME", home);
        let hidden = self
            .run
            .hidden_environment
            .iter()
            .map(|(name, value)| (name, value));
        hidden.for_each(|(name, value)| add(name, value));
        let network = self.run.network != NetworkMode::None;
        let site = settings.site.proxies.iter().chain(&settings.site.variables);
        site.filter(|_| network)
            .for_each(|(name, value)| add(name, value));
        if settings.site.ca_bundle.is_some() && network {
            CA_VARIABLES.iter().for_each(|name| add(name, CA_PATH));
            SETTINGS_VARIABLES.iter().for_each(|(name, path)| add(name, path));
        }
        secrets.iter().for_each(|(name, value)| add(name, value));
        environment
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[allow(clippy::type_complexity)]
    fn mounts(
        &self,
        workshop: &Arc<Workshop>,
        state: &mut State,
        settings: &RunSettings,
        scratch: &praxis_store::Scratch,
        fresh_caches: bool,
        held: &mut Held,
    ) -> Result<(Vec<Mount>, Vec<(String, String)>), SolveError> {
        let mut mounts = site_mounts(settings, state, self.run.network != NetworkMode::None)?;
        let mut variables = Vec::new();
        for (number, (mount, bind)) in self.run.mounts.iter().zip(&self.binds).enumerate() {
            let target = PathBuf::from(&mount.target);
            match &mount.kind {
                MountKind::Bind { writable, .. } => {
                    let bind = bind
                        .as_ref()
                        .ok_or_else(|| SolveError::internal("a bind mount without a source"))?;
                    mounts.push(bind.mount(target, *writable, scratch, number)?);
                }
                MountKind::Cache { read_only, .. } => {
                    let user = CacheUser {
                        build: &settings.build,
                        step: &self.name,
                    };
                    let lease = lease_cache(workshop, &mount.kind, bind.as_ref(), fresh_caches, &user)?;
                    mounts.push(Mount::Bind {
                        source: Source::Path(lease.path().to_path_buf()),
                        target,
                        writable: !read_only,
                    });
                    held.caches.push(lease);
                }
                MountKind::Tmpfs { size } => mounts.push(Mount::Tmpfs {
                    target,
                    size: *size,
                    mode: 0o755,
                }),
                MountKind::Secret {
                    id,
                    required,
                    mode,
                    uid,
                    gid,
                    environment,
                } => {
                    let Some(secret) = settings.secrets.get(id) else {
                        if *required {
                            return Err(SolveError::user(format!("secret {id}: not found")).with_hint(
                                format!(
                                    "give it with --secret id={id},src=FILE or --secret id={id},env=NAME"
                                ),
                            ));
                        }
                        continue;
                    };
                    if let Some(name) = environment {
                        variables.push((name.clone(), String::from_utf8_lossy(secret).into_owned()));
                    }
                    if !mount.target.is_empty() {
                        let content = secret.clone();
                        mounts.push(Mount::File {
                            content,
                            target,
                            mode: *mode,
                            uid: *uid,
                            gid: *gid,
                        });
                    }
                }
                MountKind::Ssh { id, required, .. } => {
                    let upstream = match (settings.ssh.get(id), settings.ssh_keys.get(id)) {
                        (Some(socket), _) => Upstream::Socket(socket),
                        (None, Some(keys)) => Upstream::Keys(keys),
                        (None, None) if *required => {
                            return Err(SolveError::user(format!("ssh agent {id}: not found"))
                                .with_hint(format!("give it with --ssh {id} or --ssh {id}=KEY")));
                        }
                        (None, None) => continue,
                    };
                    let agent = StepAgent::start(scratch, number, id, upstream, access_of(&mount.kind))?;
                    variables.push(("SSH_AUTH_SOCK".into(), mount.target.clone()));
                    mounts.push(Mount::Socket {
                        source: agent.socket(),
                        target,
                    });
                    held.agents.push(agent);
                }
            }
        }
        for file in &self.run.files {
            let content = file.content.clone().into_bytes();
            mounts.push(Mount::File {
                content,
                target: PathBuf::from(&file.path),
                mode: 0o755,
                uid: 0,
                gid: 0,
            });
        }
        Ok((mounts, variables))
    }

    /// Runs a shell where the command failed: what it saw is there, what it wrote is there, what the shell writes goes
    /// with the step. The error is what counts, whatever becomes of the shell.
    fn inspect(
        &self,
        step: &mut Step,
        on_error: &OnError,
        error: &SolveError,
        scratch: &praxis_store::Scratch,
        cancel: &AtomicBool,
    ) {
        let inspector = &on_error.0;
        let Some(terminal) = inspector.begin(&self.name, &error.message) else {
            return;
        };
        step.limits.wall_clock = None;
        if let Some(kind) = inspector.terminal_type() {
            step.environment.push(("TERM".into(), kind.into()));
        }
        step.input = Input::Terminal(terminal);
        let mut reason = Some("there is no shell in this image: no bash, no sh, no busybox".to_string());
        for (number, shell) in self.shells().into_iter().enumerate() {
            step.arguments = shell.into_iter().map(OsString::from).collect();
            // An overlay wants a work directory that none had before.
            match scratch.directory(&format!("work-of-shell-{number}")) {
                Ok(work) => step.root.work = work,
                Err(error) => {
                    reason = Some(error.to_string());
                    break;
                }
            }
            match praxis_sandbox::run(step, &mut |_, _| {}, cancel) {
                Err(SandboxError::CommandNotFound { .. }) => continue,
                Err(error) => reason = Some(error.to_string()),
                Ok(_) => reason = None,
            }
            break;
        }
        // Closed before the end is told: whoever reads the other side then reads its end.
        step.input = Input::Nothing;
        inspector.end(reason.as_deref());
    }

    /// Shells to try: the step's own first.
    fn shells(&self) -> Vec<Vec<String>> {
        let own = match self.run.arguments.as_slice() {
            [shell, flag, ..] if flag.starts_with('-') && flag.ends_with('c') => Some(vec![shell.clone()]),
            _ => None,
        };
        let usual =
            ["/bin/bash", "/bin/sh", "/usr/bin/sh", "/busybox/sh"].map(|shell| vec![shell.to_string()]);
        let busybox =
            ["/bin/busybox", "/busybox/busybox"].map(|program| vec![program.to_string(), "sh".into()]);
        own.into_iter().chain(usual).chain(busybox).collect()
    }

    fn check(&self, exit: &praxis_sandbox::Exit) -> Result<(), SolveError> {
        let shown = self.run.arguments.join(" ");
        let failed = |why: String| {
            SolveError::user(format!(
                "process \"{shown}\" did not complete successfully: {why}"
            ))
        };
        match (exit.code, exit.signal) {
            (Some(0), _) => Ok(()),
            (Some(code), _) => {
                let mut error = failed(format!("exit code: {code}")).with_hint(advice(code));
                error.exit_code = Some(code);
                Err(error)
            }
            (None, Some(signal)) if exit.out_of_memory => {
                Err(failed(format!("killed by signal {signal}: out of memory")))
            }
            (None, Some(signal)) => Err(failed(format!("killed by signal {signal}"))),
            (None, None) => Err(failed("no exit status".into())),
        }
    }
}

/// What may help against an exit code.
fn advice(code: i32) -> &'static str {
    match code {
        126 => "a file that was to run is not executable: see its mode and its first line",
        127 => "a command was not found: install it in an earlier step of this stage, or see PATH",
        137 => "the command was killed, often for want of memory: see --jobs",
        _ => {
            "the steps above stay cached; to look at their result, end the stage before this line and build with --output type=local,dest=DIR"
        }
    }
}

/// The snapshots of a state, topmost first. Empty layers add nothing. The kernel refuses a directory that comes
/// twice; of equal layers the topmost is enough, since all it has covers the lower one.
pub(crate) fn lowers(state: &State) -> Result<Vec<PathBuf>, SolveError> {
    let mut lowers: Vec<PathBuf> = Vec::new();
    for layer in state.layers().iter().rev() {
        if layer.listing()?.entries().is_empty() {
            continue;
        }
        for snapshot in layer.snapshot()? {
            if !lowers.contains(&snapshot) {
                lowers.push(snapshot);
            }
        }
    }
    Ok(lowers)
}

/// Mounts that carry what the site lends.
fn site_mounts(settings: &RunSettings, state: &mut State, network: bool) -> Result<Vec<Mount>, SolveError> {
    let mut mounts = Vec::new();
    if !network {
        return Ok(mounts);
    }
    if let Some(bundle) = &settings.site.ca_bundle {
        mounts.push(lent_bundle(bundle)?);
        let apt = format!("Acquire::https::CAInfo \"{CA_PATH}\";\n");
        let wget = format!("ca_certificate = {CA_PATH}\n");
        mounts.extend([(APT_PATH, apt), (WGET_PATH, wget)].map(|(path, text)| lent_file(path, text.into())));
    }
    let tree = state.tree()?;
    for (path, content) in &settings.site.files {
        if tree
            .get(&TreePath::from(path.as_str()))
            .is_some_and(|node| !node.is_directory())
        {
            mounts.push(lent_file(path, content.clone()));
        }
    }
    Ok(mounts)
}

/// The bundle itself, or a copy where not every user of the step could read it.
fn lent_bundle(bundle: &PathBuf) -> Result<Mount, SolveError> {
    let readable = fs::metadata(bundle).is_ok_and(|it| it.permissions().mode() & 0o004 != 0);
    if !readable {
        let content = fs::read(bundle).map_err(SolveError::io("read", bundle))?;
        return Ok(lent_file(CA_PATH, content));
    }
    Ok(Mount::Bind {
        source: Source::Path(bundle.clone()),
        target: CA_PATH.into(),
        writable: false,
    })
}

fn lent_file(path: &str, content: Vec<u8>) -> Mount {
    Mount::File {
        content,
        target: path.into(),
        mode: 0o644,
        uid: 0,
        gid: 0,
    }
}

/// What of a mount is part of the step's key, besides target and content.
fn mount_key(kind: &MountKind) -> String {
    match kind {
        MountKind::Bind { writable, .. } => format!("bind {writable}"),
        MountKind::Cache {
            id,
            sharing,
            read_only,
            mode,
            uid,
            gid,
            ..
        } => {
            format!("cache {id:?} {sharing:?} {read_only} {mode:?} {uid:?} {gid:?}")
        }
        MountKind::Tmpfs { size } => format!("tmpfs {size:?}"),
        MountKind::Secret {
            id,
            mode,
            uid,
            gid,
            environment,
            ..
        } => {
            format!("secret {id:?} {mode} {uid} {gid} {environment:?}")
        }
        MountKind::Ssh {
            id, mode, uid, gid, ..
        } => format!("ssh {id:?} {mode} {uid} {gid}"),
    }
}

fn hosts(hostname: Option<&str>, added: &[(String, String)]) -> String {
    let name = hostname.unwrap_or(HOSTNAME);
    let mut text = format!("127.0.0.1\tlocalhost {name}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (name, address) in added {
        text.push_str(&format!("{address}\t{name}\n"));
    }
    text
}

pub(crate) fn sandbox_error(error: &SandboxError) -> SolveError {
    match error {
        SandboxError::CommandNotFound { .. }
        | SandboxError::CommandNotExecutable { .. }
        | SandboxError::Refused { .. }
        | SandboxError::Invalid { .. } => SolveError::user(error.to_string()),
        _ => SolveError::environment(error.to_string())
            .with_hint("`praxis doctor` says what this machine allows RUN steps"),
    }
}
