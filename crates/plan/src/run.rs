//! `RUN`.

use praxis_dockerfile::{
    CacheSharing, Command, Heredoc, Instruction, MountOptions, MountType, Network, Run as Syntax, clean,
    resolve,
};
use praxis_source::Diagnostic;

use crate::graph::mount_key;
use crate::stage::{Outcome, StageBuilder};
use crate::variables;
use crate::{Mount, MountKind, NetworkMode, Operation, Origin, Run, ScriptFile, Sharing};

const SCRIPTS: &str = "/dev/pipes";

pub(crate) fn run(
    stage: &mut StageBuilder,
    syntax: &Syntax,
    instruction: &Instruction,
) -> Result<Outcome, Diagnostic> {
    if let Some(device) = syntax.devices.iter().find(|device| device.required) {
        let message = format!(
            "device {:?} is required, and praxis passes no devices to RUN",
            device.name
        );
        return Err(Diagnostic::error(message, instruction.span));
    }
    entitled(stage, syntax, instruction)?;
    let (arguments, files) = command(stage, syntax);
    let mounts = mounts(stage, syntax, instruction)?;
    let mut environment = stage.variables.entries().to_vec();
    set_missing(&mut environment, ssh_socket(&mounts));
    let epoch = stage.request.source_date_epoch_for_run;
    set_missing(
        &mut environment,
        epoch.map(|epoch| ("SOURCE_DATE_EPOCH", epoch.to_string())),
    );
    let history = format!("RUN {}{}", declared(stage), arguments.join(" "));
    let hidden_environment = variables::proxies(&stage.request.build_args, &environment);
    let run = Run {
        arguments,
        hidden_environment,
        environment,
        directory: stage.directory().into(),
        user: stage.config.config.user.clone(),
        network: network(stage, syntax.network),
        insecure: syntax.insecure,
        hostname: argument(stage, "BUILDKIT_SANDBOX_HOSTNAME"),
        mounts,
        files,
    };
    Ok(Outcome::layer(Operation::Run(Box::new(run)), history))
}

/// Refuses what the caller has not granted.
fn entitled(stage: &StageBuilder, syntax: &Syntax, instruction: &Instruction) -> Result<(), Diagnostic> {
    let host = syntax.network == Some(Network::Host);
    let wanted = [
        (
            syntax.insecure && !stage.request.allow_insecure,
            "security.insecure",
            "--security",
        ),
        (
            host && !stage.request.allow_host_network,
            "network.host",
            "--network",
        ),
    ];
    match wanted.into_iter().find(|(refused, ..)| *refused) {
        None => Ok(()),
        Some((_, name, flag)) => {
            let place = stage.context.place(flag, instruction.span);
            let message = format!("{name} is not allowed: {flag} of this step asks for it");
            Err(Diagnostic::error(message, place).with_help(format!(
                "if the Dockerfile is trusted with that, grant it: --allow {name}"
            )))
        }
    }
}

/// A build argument that steers the builder and needs no `ARG`.
fn argument(stage: &StageBuilder, name: &str) -> Option<String> {
    let given = stage.request.build_args.get(name)?;
    (!given.is_empty()).then(|| given.clone())
}

fn set_missing(environment: &mut Vec<(String, String)>, entry: Option<(&str, String)>) {
    if let Some((name, value)) = entry
        && !environment.iter().any(|(other, _)| other == name)
    {
        environment.push((name.into(), value));
    }
}

fn ssh_socket(mounts: &[Mount]) -> Option<(&'static str, String)> {
    let socket = mounts
        .iter()
        .find(|mount| matches!(mount.kind, MountKind::Ssh { .. }))?;
    Some(("SSH_AUTH_SOCK", socket.target.clone()))
}

fn network(stage: &StageBuilder, written: Option<Network>) -> NetworkMode {
    match written {
        None => stage.request.network.unwrap_or_default(),
        Some(Network::Default) => NetworkMode::Default,
        Some(Network::None) => NetworkMode::None,
        Some(Network::Host) => NetworkMode::Host,
    }
}

/// `|2 a=1 b=2 `: the declared arguments, each once, with the values the command sees.
fn declared(stage: &StageBuilder) -> String {
    let mut entries: Vec<(&str, String)> = Vec::new();
    for (name, value) in &stage.declared {
        let value = match stage.variables.get(name) {
            Some(value) => value.to_string(),
            None => value.clone().unwrap_or_default(),
        };
        match entries.iter_mut().find(|(other, _)| other == name) {
            Some((_, old)) => *old = value,
            None => entries.push((name, value)),
        }
    }
    if entries.is_empty() {
        return String::new();
    }
    let texts: Vec<String> = entries
        .iter()
        .map(|(name, value)| format!("{name}={value} "))
        .collect();
    format!("|{} {}", entries.len(), texts.concat())
}

/// The arguments, and the scripts they name.
fn command(stage: &StageBuilder, syntax: &Syntax) -> (Vec<String>, Vec<ScriptFile>) {
    let line = match &syntax.command {
        Command::Exec(arguments) => return (arguments.clone(), Vec::new()),
        Command::Shell(line) => line,
    };
    let Some(first) = syntax.heredocs.first() else {
        return (stage.with_shell(line), Vec::new());
    };
    if !Heredoc::is_alone(line) {
        let mut whole = line.clone();
        for heredoc in &syntax.heredocs {
            whole.push('\n');
            whole.push_str(&heredoc.raw);
            whole.push_str(&heredoc.name);
        }
        return (stage.with_shell(&whole), Vec::new());
    }
    let content = first.content();
    if !first.raw.starts_with("#!") && !content.starts_with("#!") {
        return (stage.with_shell(&content), Vec::new());
    }
    let path = format!("{SCRIPTS}/{}", first.name.rsplit('/').next().unwrap_or_default());
    (stage.with_shell(&path), vec![ScriptFile { path, content }])
}

fn mounts(
    stage: &mut StageBuilder,
    syntax: &Syntax,
    instruction: &Instruction,
) -> Result<Vec<Mount>, Diagnostic> {
    let escape = stage.context.tree.directives.escape;
    let expander = praxis_dockerfile::Expander::new(escape);
    let mut mounts = Vec::new();
    for (number, text) in syntax.mounts.iter().enumerate() {
        let place = stage.context.place(&text.0, instruction.span);
        let lookup = stage.variables.lookup();
        let options = text
            .options(&mut |value| expander.expand(value, &lookup).map(|expansion| expansion.text))
            .map_err(|error| Diagnostic::error(error.to_string(), place))?;
        let mount = mount(stage, options, number).map_err(|message| Diagnostic::error(message, place))?;
        mounts.push(mount);
    }
    Ok(mounts)
}

fn mount(stage: &StageBuilder, options: MountOptions, number: usize) -> Result<Mount, String> {
    let source = clean(&format!("/{}", options.source));
    let (kind, target) = match options.kind {
        MountType::Bind => {
            let origin = origin(stage, options.from.as_deref())?.unwrap_or(Origin::Context);
            (
                MountKind::Bind {
                    origin,
                    source,
                    writable: !options.read_only,
                },
                options.target,
            )
        }
        MountType::Cache => {
            let from = origin(stage, options.from.as_deref())?;
            let kind = MountKind::Cache {
                id: match argument(stage, "BUILDKIT_CACHE_MOUNT_NS") {
                    Some(space) => {
                        format!("{space}/{}", options.id.unwrap_or_else(|| clean(&options.target)))
                    }
                    None => options.id.unwrap_or_else(|| clean(&options.target)),
                },
                origin: from.filter(|origin| *origin != Origin::Scratch),
                source,
                sharing: match options.sharing {
                    Some(CacheSharing::Private) => Sharing::Private,
                    Some(CacheSharing::Locked) => Sharing::Locked,
                    Some(CacheSharing::Shared) | None => Sharing::Shared,
                },
                read_only: options.read_only,
                mode: options.mode,
                uid: options.uid,
                gid: options.gid,
            };
            (kind, options.target)
        }
        MountType::Tmpfs => (MountKind::Tmpfs { size: options.size }, options.target),
        MountType::Secret => return Ok(secret(stage, options)),
        MountType::Ssh => {
            let target = match options.target.as_str() {
                "" => format!("/run/buildkit/ssh_agent.{number}"),
                target => target.to_string(),
            };
            let kind = MountKind::Ssh {
                id: options.id.unwrap_or_else(|| "default".into()),
                required: options.required,
                mode: options.mode.unwrap_or(0o600),
                uid: options.uid.unwrap_or(0),
                gid: options.gid.unwrap_or(0),
            };
            (kind, target)
        }
    };
    let absolute = resolve(stage.directory(), &target);
    match absolute.as_str() {
        "/" => Err(format!(
            "invalid mount target {target:?}: a mount needs a target other than /"
        )),
        _ => Ok(Mount {
            kind,
            target: absolute,
        }),
    }
}

fn secret(stage: &StageBuilder, options: MountOptions) -> Mount {
    let base = |path: &str| {
        path.trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_string()
    };
    let written = if options.source.is_empty() {
        options.id
    } else {
        Some(options.source)
    };
    let id = written
        .filter(|id| !id.is_empty())
        .unwrap_or_else(|| base(&options.target));
    let target = match (options.target.as_str(), &options.environment) {
        ("", Some(_)) => String::new(),
        ("", None) => resolve("/run/secrets", &base(&id)),
        (target, _) => resolve(stage.directory(), target),
    };
    let kind = MountKind::Secret {
        id,
        required: options.required,
        mode: options.mode.unwrap_or(0o400),
        uid: options.uid.unwrap_or(0),
        gid: options.gid.unwrap_or(0),
        environment: options.environment,
    };
    Mount { kind, target }
}

fn origin(stage: &StageBuilder, name: Option<&str>) -> Result<Option<Origin>, String> {
    match name.filter(|name| !name.is_empty()) {
        None => Ok(None),
        Some(name) => match stage.names.origin(&mount_key(name)) {
            Some(origin) => Ok(Some(origin)),
            None => Err(format!("from={name} is neither a stage nor an image")),
        },
    }
}
