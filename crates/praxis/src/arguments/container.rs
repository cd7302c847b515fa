use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::image::PlatformOption;
use super::{JsonOption, parse_size};

/// Options of `praxis run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: that of the command; 124 out of time; 137 killed; 1 if it could not be run."
)]
pub struct RunOptions {
    /// The image, as for `praxis inspect`, but not from a registry.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// Arguments for the image's entry point, instead of its default ones.
    #[arg(value_name = "ARGUMENT", last = true)]
    pub arguments: Vec<String>,
    /// Program instead of the entry point; the arguments are its.
    #[arg(long, value_name = "PROGRAM")]
    pub entrypoint: Option<String>,
    /// Variable over those of the image.
    #[arg(short, long = "env", value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub environment: Vec<(String, String)>,
    /// User, and group after a colon, instead of the image's.
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,
    /// Working directory instead of the image's.
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// Empty file system in memory that can be written to, as in /tmp or /tmp:64m.
    #[arg(long, value_name = "PATH[:SIZE]", value_parser = parse_tmpfs)]
    pub tmpfs: Vec<(String, Option<u64>)>,
    /// Let the root be written to; what is written is thrown away.
    #[arg(long)]
    pub writable: bool,
    /// Give it the host's network; without, it has a loopback interface only.
    #[arg(long)]
    pub network: bool,
    /// Most memory.
    #[arg(short, long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,
    /// Most processes and threads.
    #[arg(long, value_name = "N")]
    pub pids_limit: Option<u64>,
    /// Most seconds.
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Let it read standard input.
    #[arg(short, long)]
    pub interactive: bool,
    /// Platform.
    #[command(flatten)]
    pub platform: PlatformOption,
}

/// Options of `praxis test`.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 all tests pass; 1 one fails, or cannot be run.")]
pub struct TestOptions {
    /// The image, as for `praxis inspect`, but not from a registry.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// File with the tests ([smoke]) and the declared user.
    #[arg(short, long, value_name = "FILE", default_value = "praxis.toml", value_hint = ValueHint::FilePath)]
    pub config: PathBuf,
    /// Variant of the image that this is: only tests for it run.
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Platform.
    #[command(flatten)]
    pub platform: PlatformOption,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

fn parse_variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err(format!("{text:?} is not NAME=VALUE")),
    }
}

fn parse_tmpfs(text: &str) -> Result<(String, Option<u64>), String> {
    let (path, size) = match text.split_once(':') {
        Some((path, size)) => (path, Some(parse_size(size)?)),
        None => (text, None),
    };
    if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err(format!("{path:?} is no absolute path"));
    }
    Ok((path.into(), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_memory() {
        assert_eq!(parse_tmpfs("/tmp").unwrap(), ("/tmp".into(), None));
        assert_eq!(parse_tmpfs("/tmp:1k").unwrap(), ("/tmp".into(), Some(1024)));
        for wrong in ["tmp", "/tmp:x", "/a/../b", ""] {
            assert!(parse_tmpfs(wrong).is_err(), "{wrong}");
        }
        assert!(parse_variable("=x").is_err());
    }
}
