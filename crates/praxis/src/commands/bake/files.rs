//! The files of a call, and the variables that they see.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use praxis_bake::{DEFAULT_FILES, FILE_LIMIT, Inputs};
use praxis_oci::Platform;

use crate::arguments::BakeOptions;
use crate::environment::Environment;
use crate::failure::Failure;

/// A file as it is read.
type File = praxis_bake::SourceFile;

/// Reads what the options name.
pub fn inputs(options: &BakeOptions, environment: &Environment) -> Result<Inputs, Failure> {
    let files = files(options, environment)?;
    let is_off = |name| {
        environment
            .text(name)
            .is_some_and(|value| matches!(value, "1" | "true"))
    };
    let variables = if is_off("BUILDX_BAKE_DISABLE_VARS_ENV_LOOKUP") {
        BTreeMap::new()
    } else {
        environment.texts()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs() as i64);
    let epoch = environment
        .text("SOURCE_DATE_EPOCH")
        .and_then(|text| text.parse().ok());
    Ok(Inputs {
        dotenv: dotenv(&files)?,
        files,
        variables: given(&options.variables)?,
        environment: variables,
        command_context: "cwd://".into(),
        local_platform: Platform::host().to_string(),
        time: epoch.unwrap_or(now),
    })
}

fn files(options: &BakeOptions, environment: &Environment) -> Result<Vec<File>, Failure> {
    let mut names: Vec<String> = options
        .files
        .iter()
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    if names.is_empty()
        && let Some(listed) = environment.text("BUILDX_BAKE_FILE")
    {
        let separator = environment.text("BUILDX_BAKE_PATH_SEPARATOR").unwrap_or(":");
        let listed = listed.split(separator).map(str::trim);
        names.extend(listed.filter(|name| !name.is_empty()).map(String::from));
    }
    if !names.is_empty() {
        return names.iter().map(|name| named(name)).collect();
    }
    let mut found = Vec::new();
    for name in DEFAULT_FILES {
        found.extend(optional(name)?);
    }
    if found.is_empty() {
        return Err(Failure::failed("there is no bake or compose file here")
            .with_hint("write docker-bake.hcl or compose.yaml, or name a file with -f"));
    }
    Ok(found)
}

fn named(name: &str) -> Result<File, Failure> {
    if name == "-" {
        let text = text_of(name, std::io::stdin().lock())?;
        return Ok(File::new("-", text));
    }
    let path = name.strip_prefix("cwd://").unwrap_or(name);
    optional(path)?.ok_or_else(|| Failure::failed(format!("{path}: there is no such file")))
}

/// A file, if there is one.
fn optional(name: &str) -> Result<Option<File>, Failure> {
    match std::fs::File::open(Path::new(name)) {
        Ok(file) => Ok(Some(File::new(name, text_of(name, file)?))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::failed(format!("{name} cannot be read: {error}"))),
    }
}

fn text_of(name: &str, source: impl Read) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = source.take(FILE_LIMIT as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::failed(format!("{name} cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|_| Failure::failed(format!("{name} is no text in UTF-8")))
}

/// `.env`, where there is a compose file that it could be for.
fn dotenv(files: &[File]) -> Result<Option<File>, Failure> {
    let is_bake = |file: &File| file.name().ends_with(".hcl") || file.name().ends_with(".json");
    if files.iter().all(is_bake) {
        return Ok(None);
    }
    optional(".env")
}

/// `--var` options.
fn given(options: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err(Failure::usage(format!("--var {text:?} must be NAME=VALUE"))),
    };
    options.iter().map(pair).collect()
}
