//! `--shm-size` and `--ulimit`.

use std::str::FromStr;

use praxis_sandbox::limited_resources;

/// `--shm-size`: bytes, perhaps with a unit of 1024.
pub fn parse_size(text: &str) -> Result<u64, String> {
    praxis_engine::parse_size(text)
        .filter(|size| *size > 0)
        .ok_or_else(|| "write a number of bytes, or one with a unit: 64m, 1g".into())
}

/// `--ulimit NAME=SOFT[:HARD]`; -1 is no limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitOption {
    /// The resource.
    pub name: String,
    /// What processes start with.
    pub soft: u64,
    /// How far they may raise it.
    pub hard: u64,
}

impl FromStr for LimitOption {
    type Err = String;

    fn from_str(text: &str) -> Result<LimitOption, String> {
        let (name, values) = text.split_once('=').ok_or("write NAME=SOFT or NAME=SOFT:HARD")?;
        if !limited_resources().any(|known| known == name) {
            let names: Vec<&str> = limited_resources().collect();
            return Err(format!("{name} is no resource: there are {}", names.join(", ")));
        }
        let number = |text: &str| match text {
            "-1" => Ok(u64::MAX),
            text => text.parse().map_err(|_| format!("{text:?} is no number")),
        };
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let (soft, hard) = (number(soft)?, number(hard)?);
        if soft > hard {
            return Err("the soft limit is above the hard one".into());
        }
        Ok(LimitOption {
            name: name.into(),
            soft,
            hard,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("1m"), Ok(1 << 20));
        assert_eq!(parse_size("128MiB"), Ok(128 << 20));
        assert!(parse_size("0").is_err() && parse_size("big").is_err());
    }

    #[test]
    fn limits() {
        let limit = |text: &str| text.parse::<LimitOption>();
        let read = limit("nofile=1024:2048").unwrap();
        assert_eq!((read.soft, read.hard), (1024, 2048));
        assert_eq!(limit("core=-1").unwrap().hard, u64::MAX);
        assert_eq!(limit("cpu=5").unwrap().hard, 5);
        for text in ["nofile", "files=1", "nofile=2:1", "nofile=x", "nofile=1:"] {
            assert!(limit(text).is_err(), "{text}");
        }
    }
}
