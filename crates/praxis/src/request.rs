//! Build options to a request for the engine.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use praxis_engine::{Annotation, BuildRequest, ContextSource, SecretSource, Site};

use crate::arguments::{BuildOptions, PUSH, SecretOption, SecretOrigin};
use crate::environment::Environment;
use crate::failure::Failure;

/// Longest secret, as in BuildKit.
const SECRET_LIMIT: u64 = 500 * 1024;

/// Longest Dockerfile accepted on standard input. Of an archive, the rest is left to the engine.
const STDIN_LIMIT: u64 = 16 << 20;
/// No private key is longer.
const KEY_LIMIT: u64 = 64 << 10;

/// Turns the command line into a request. Reads secrets, and standard input where the options ask for it (of an
/// archive only the beginning: the caller adds the rest as a stream); all other paths are left to the engine.
pub fn build_request(
    options: &BuildOptions,
    environment: &Environment,
    site: Site,
    stdin: &mut dyn Read,
) -> Result<BuildRequest, Failure> {
    refuse_unsupported(options)?;
    let context = ContextSource::named(&options.context);
    let dockerfile_on_stdin = options
        .file
        .as_deref()
        .is_some_and(|file| file.as_os_str() == "-");
    let stdin = match (dockerfile_on_stdin, &context) {
        (true, ContextSource::Stdin) => {
            return Err(Failure::usage(
                "standard input cannot be both the context and the Dockerfile",
            ));
        }
        (false, ContextSource::Directory(_) | ContextSource::Remote(_) | ContextSource::Received(_)) => None,
        (true, _) => Some(read_limited(stdin, STDIN_LIMIT).map_err(|error| stdin_failure(&error))?),
        (false, ContextSource::Stdin) => {
            let mut head = Vec::new();
            let read = stdin.take(STDIN_LIMIT + 1).read_to_end(&mut head);
            read.map_err(|error| stdin_failure(&error))?;
            Some(head)
        }
    };
    let mut tags = options.tags.clone();
    tags.extend(
        options
            .outputs
            .iter()
            .flat_map(|output| output.names.iter().cloned()),
    );
    check_tags(&tags)?;
    let (ssh, ssh_keys) = ssh(&options.ssh, &context, environment)?;
    let allowed = |name: &str| options.entitlements.iter().any(|given| given == name);
    Ok(BuildRequest {
        asked_by: None,
        publishing_credentials: Some(crate::publishing::kinds_in_reach(environment)),
        id: None,
        confinement: Default::default(),
        on_error: None,
        allow_insecure: allowed("security.insecure"),
        allow_host_network: allowed("network.host"),
        context,
        dockerfile: options.file.clone(),
        stdin,
        stdin_rest: None,
        tags,
        target: options.target.clone().filter(|target| !target.is_empty()),
        build_args: build_arguments(&options.build_args, environment)?,
        build_contexts: build_contexts(&options.build_contexts)?,
        labels: settings(&options.labels, "--label")?,
        annotations: annotations(&options.annotations)?,
        attestations: options.attestations().map_err(Failure::usage)?,
        no_cache: options.no_cache,
        no_cache_filter: options.no_cache_filter.clone(),
        cache_from: options.cache_from.clone(),
        cache_to: options.cache_to.clone(),
        network: options.network.map(|mode| mode.name().into()),
        add_hosts: hosts(&options.add_hosts)?,
        secrets: secrets(&options.secrets, environment)?,
        ssh,
        ssh_keys,
        shared_memory: options.shm_size,
        resource_limits: options
            .ulimits
            .iter()
            .map(|limit| (limit.name.clone(), limit.soft, limit.hard))
            .collect(),
        platforms: options.platforms.clone(),
        outputs: options
            .outputs
            .iter()
            .filter_map(|option| option.output.clone())
            .collect(),
        source_date_epoch: source_date_epoch(environment)?,
        context_epoch: None,
        jobs: options.jobs.into(),
        dry_run: options.dry_run || options.is_check(),
        site,
        registries: Default::default(),
    })
}

impl BuildOptions {
    /// Whether only the Dockerfile is to be judged.
    pub fn is_check(&self) -> bool {
        self.check || self.call == crate::arguments::Call::Check
    }
}

fn stdin_failure(error: &std::io::Error) -> Failure {
    Failure::failed(format!("standard input cannot be read: {error}"))
}

/// Why `--load` is refused.
pub const LOAD: &str = "there is no daemon to load into; write --output type=docker,dest=FILE and hand that file to the \
                        tool that runs the image";

/// Refuses to hand images on.
pub fn refuse_publishing(load: bool, push: bool) -> Result<(), Failure> {
    if load {
        return Err(Failure::usage(format!("--load is refused: {LOAD}")));
    }
    if push {
        return Err(Failure::usage(format!("--push is refused: {PUSH}")));
    }
    Ok(())
}

const ENTITLEMENTS: [&str; 2] = ["network.host", "security.insecure"];

fn refuse_unsupported(options: &BuildOptions) -> Result<(), Failure> {
    let refuse = |message: &str| Err(Failure::usage(message));
    refuse_publishing(options.load, options.push)?;
    let known = |name: &String| ENTITLEMENTS.contains(&name.as_str());
    if let Some(other) = options.entitlements.iter().find(|name| !known(name)) {
        return Err(Failure::usage(format!(
            "--allow {other} is no entitlement: there are {}",
            ENTITLEMENTS.join(" and ")
        )));
    }
    if options.outputs.iter().filter(|output| output.is_stdout()).count() > 1 {
        return refuse("two outputs cannot both go to standard output: give one of them dest=FILE");
    }
    Ok(())
}

fn read_limited(source: &mut dyn Read, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            format!("more than the {} KiB allowed", limit / 1024),
        ));
    }
    Ok(bytes)
}

fn check_tags(tags: &[String]) -> Result<(), Failure> {
    for tag in tags {
        tag.parse::<praxis_oci::Reference>()
            .map_err(|error| Failure::usage(format!("invalid image name for --tag: {error}")))?;
    }
    Ok(())
}

pub(crate) fn build_arguments(
    given: &[String],
    environment: &Environment,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut arguments = BTreeMap::new();
    for text in given {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_string())),
            None => (
                text.as_str(),
                environment
                    .raw(text)
                    .and_then(|value| value.to_str())
                    .map(String::from),
            ),
        };
        if name.is_empty() {
            return Err(Failure::usage(format!(
                "--build-arg {text:?} has no name: write NAME=VALUE or NAME"
            )));
        }
        if let Some(value) = value {
            arguments.insert(name.to_string(), value);
        }
    }
    Ok(arguments)
}

pub(crate) fn build_contexts(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_string(), value.to_string()))
        }
        _ => Err(Failure::usage(format!(
            "--build-context {text:?} must be NAME=VALUE"
        ))),
    };
    given.iter().map(pair).collect()
}

fn settings(given: &[String], flag: &str) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        match name.trim() {
            "" => Err(Failure::usage(format!(
                "{flag} {text:?} has no name: write NAME=VALUE"
            ))),
            name => Ok((name.to_string(), value.to_string())),
        }
    };
    given.iter().map(pair).collect()
}

fn annotations(given: &[String]) -> Result<Vec<Annotation>, Failure> {
    let mut annotations = Vec::new();
    for text in given {
        let wrong = |why: String| Failure::usage(format!("--annotation: {why}"));
        let pair = text.split_once('=').filter(|(name, _)| !name.trim().is_empty());
        let (name, value) =
            pair.ok_or_else(|| wrong(format!("{text:?} must be [TYPE[PLATFORM]:]KEY=VALUE")))?;
        annotations.extend(Annotation::parse(name.trim(), value, ':').map_err(wrong)?);
    }
    Ok(annotations)
}

fn hosts(given: &[String]) -> Result<Vec<String>, Failure> {
    for text in given {
        let (name, address) = text.split_once([':', '=']).unwrap_or((text, ""));
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let well = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        if !well || !(address == "host-gateway" || address.parse::<std::net::IpAddr>().is_ok()) {
            return Err(Failure::usage(format!(
                "--add-host {text:?} must be NAME:ADDRESS"
            )));
        }
    }
    Ok(given.to_vec())
}

pub(crate) fn secrets(
    given: &[SecretOption],
    environment: &Environment,
) -> Result<BTreeMap<String, SecretSource>, Failure> {
    given
        .iter()
        .map(|option| Ok((option.id.clone(), read_secret(option, environment)?)))
        .collect()
}

fn read_secret(option: &SecretOption, environment: &Environment) -> Result<SecretSource, Failure> {
    use std::os::unix::ffi::OsStrExt;
    let from_file = |path: PathBuf| {
        let bytes = std::fs::File::open(&path).and_then(|mut file| read_limited(&mut file, SECRET_LIMIT));
        bytes.map(|bytes| SecretSource { bytes }).map_err(|error| {
            Failure::failed(format!(
                "secret {:?}: {} cannot be read: {error}",
                option.id,
                path.display()
            ))
        })
    };
    let from_variable = |name: &str| {
        environment.raw(name).map(|value| SecretSource {
            bytes: value.as_bytes().to_vec(),
        })
    };
    match &option.origin {
        SecretOrigin::File(path) => from_file(path.clone()),
        SecretOrigin::Variable(name) => from_variable(name).ok_or_else(|| {
            Failure::failed(format!(
                "secret {:?}: the variable {name} is not set in the environment",
                option.id
            ))
        }),
        SecretOrigin::Named => match from_variable(&option.id) {
            Some(secret) => Ok(secret),
            None => from_file(option.id.clone().into()),
        },
    }
}

pub(crate) type Keys = BTreeMap<String, Vec<SecretSource>>;

/// Agents and keys. A context that git fetches over ssh has the caller's agent without being asked.
pub(crate) fn ssh(
    given: &[crate::arguments::SshOption],
    context: &ContextSource,
    environment: &Environment,
) -> Result<(BTreeMap<String, PathBuf>, Keys), Failure> {
    let agent = || {
        environment.path("SSH_AUTH_SOCK").ok_or_else(|| {
            Failure::failed("--ssh without a socket needs a running agent: SSH_AUTH_SOCK is not set")
        })
    };
    let (mut sockets, mut keys) = (BTreeMap::new(), Keys::new());
    for option in given {
        match option.paths.as_slice() {
            [] => drop(sockets.insert(option.id.clone(), agent()?)),
            [path] if is_socket(path) => drop(sockets.insert(option.id.clone(), path.clone())),
            paths => {
                let read = paths.iter().map(|path| key(&option.id, path));
                keys.insert(option.id.clone(), read.collect::<Result<_, _>>()?);
            }
        }
    }
    if context.is_ssh()
        && given.is_empty()
        && let Ok(path) = agent()
    {
        sockets.insert("default".into(), path);
    }
    Ok((sockets, keys))
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// A private key; what is in it is ssh's to judge.
fn key(id: &str, path: &Path) -> Result<SecretSource, Failure> {
    let failed = |why: String| Failure::failed(format!("--ssh {id}: {}: {why}", path.display()));
    if is_socket(path) {
        return Err(failed(
            "a socket stands alone: it cannot be given together with keys".into(),
        ));
    }
    let mut file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let bytes = read_limited(&mut file, KEY_LIMIT).map_err(|error| failed(error.to_string()))?;
    Ok(SecretSource { bytes })
}

pub(crate) fn source_date_epoch(environment: &Environment) -> Result<Option<i64>, Failure> {
    let Some(text) = environment.text("SOURCE_DATE_EPOCH") else {
        return Ok(None);
    };
    match text.parse::<i64>() {
        Ok(epoch) if (0..=253_402_300_799).contains(&epoch) => Ok(Some(epoch)),
        _ => Err(Failure::usage(format!(
            "SOURCE_DATE_EPOCH={text:?} in the environment must be a number of seconds since 1970"
        ))),
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
