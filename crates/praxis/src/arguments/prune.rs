use std::time::Duration;

use clap::Args;
use praxis_store::PruneKind;

use super::{JsonOption, parse_age};

/// Options of `praxis store prune`, as of docker buildx prune.
#[derive(Debug, Args)]
pub struct PruneCommand {
    /// Also results of steps that named images are made of; the images stay.
    #[arg(short, long)]
    pub all: bool,
    /// Only what fits: until=AGE (not used for that long), type=regular|exec.cachemount|source.local. May be repeated.
    #[arg(long = "filter", value_name = "FILTER", value_parser = parse_filter)]
    pub filters: Vec<PruneFilter>,
    /// Prune what was not used for longest until no more than SIZE is used.
    #[arg(long, visible_alias = "keep-storage", value_name = "SIZE", value_parser = parse_size)]
    pub max_used_space: Option<u64>,
    /// Leave SIZE in use, whatever the other sizes say.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub reserved_space: Option<u64>,
    /// Prune what was not used for longest until SIZE is free on the disk.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub min_free_space: Option<u64>,
    /// Accepted for scripts: nothing is asked.
    #[arg(short, long, hide_short_help = true)]
    pub force: bool,
    /// List what was pruned.
    #[arg(long)]
    pub verbose: bool,
    /// Output format.
    #[command(flatten)]
    pub format: JsonOption,
}

/// One `--filter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PruneFilter {
    /// `until=24h`.
    UnusedFor(Duration),
    /// `type=exec.cachemount`.
    Kind(PruneKind),
}

fn parse_filter(text: &str) -> Result<PruneFilter, String> {
    match text.split_once('=') {
        Some(("until" | "unused-for", age)) => parse_age(age).map(PruneFilter::UnusedFor),
        Some(("type", kind)) => match kind.trim_start_matches('=') {
            "regular" => Ok(PruneFilter::Kind(PruneKind::Regular)),
            "exec.cachemount" => Ok(PruneFilter::Kind(PruneKind::CacheMount)),
            "source.local" => Ok(PruneFilter::Kind(PruneKind::Local)),
            other => Err(format!(
                "type={other} is not known: use regular, exec.cachemount or source.local"
            )),
        },
        _ => Err(format!("{text:?} is no filter: use until=AGE or type=KIND")),
    }
}

/// `10GB`, `512MiB`, `1.5g` or a number of bytes.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!("{text:?} is no size: write a number with kB, MB, GB, TB or KiB, MiB, GiB, TiB, such as 10GB")
    };
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    let bytes = number * factor as f64;
    if bytes > 1e18 {
        return Err(wrong());
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("10GB", 10_000_000_000),
            ("1.5k", 1500),
            ("2MiB", 2 << 20),
            ("7b", 7),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "GB", "10PB", "-1", "1.2.3", "99999999999TB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn filters() {
        let day = Duration::from_secs(86_400);
        assert_eq!(parse_filter("until=24h"), Ok(PruneFilter::UnusedFor(day)));
        let mounts = Ok(PruneFilter::Kind(PruneKind::CacheMount));
        assert_eq!(parse_filter("type=exec.cachemount"), mounts);
        assert_eq!(parse_filter("type==exec.cachemount"), mounts);
        for wrong in ["until", "until=x", "type=frontend", "colour=red"] {
            assert!(parse_filter(wrong).is_err(), "{wrong}");
        }
    }
}
