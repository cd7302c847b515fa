//! `RUN --mount=…`.

use crate::ExpansionError;
use crate::suggest::nearest;

const TYPES: [&str; 5] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const OPTIONS: [&str; 19] = [
    "type",
    "from",
    "source",
    "src",
    "target",
    "dst",
    "destination",
    "readonly",
    "ro",
    "readwrite",
    "rw",
    "required",
    "size",
    "id",
    "sharing",
    "mode",
    "uid",
    "gid",
    "env",
];

/// The value of one `--mount`, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountText(pub String);

/// What is mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MountType {
    /// Part of a context, stage or image.
    #[default]
    Bind,
    /// A directory kept between builds.
    Cache,
    /// Memory.
    Tmpfs,
    /// A secret.
    Secret,
    /// An ssh agent.
    Ssh,
}

impl MountType {
    /// As written in a Dockerfile.
    pub fn name(self) -> &'static str {
        TYPES[self as usize]
    }
}

/// `sharing=` of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheSharing {
    /// Everyone at once.
    Shared,
    /// A second user gets a new one.
    Private,
    /// A second user waits.
    Locked,
}

/// The options of one mount, checked against its type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountOptions {
    /// `type`.
    pub kind: MountType,
    /// `from`.
    pub from: Option<String>,
    /// `source`; empty if not given.
    pub source: String,
    /// `target`; empty if not given.
    pub target: String,
    /// Whether writing is refused.
    pub read_only: bool,
    /// `id`.
    pub id: Option<String>,
    /// `sharing`.
    pub sharing: Option<CacheSharing>,
    /// `size` in bytes.
    pub size: Option<u64>,
    /// `mode`.
    pub mode: Option<u32>,
    /// `uid`.
    pub uid: Option<u32>,
    /// `gid`.
    pub gid: Option<u32>,
    /// `required`.
    pub required: bool,
    /// `env`.
    pub environment: Option<String>,
}

/// Why a mount cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MountError(String);

impl From<ExpansionError> for MountError {
    fn from(error: ExpansionError) -> MountError {
        MountError(error.to_string())
    }
}

impl MountText {
    /// The stage, context or image after `from=`, which is never expanded.
    pub fn from(&self) -> Option<String> {
        let fields = fields(&self.0).ok()?;
        let pairs = fields.iter().filter_map(|field| field.split_once('='));
        pairs
            .filter(|(key, _)| key.eq_ignore_ascii_case("from"))
            .map(|(_, value)| value.to_string())
            .next_back()
    }

    /// Checks what can be checked before variables are known.
    pub(crate) fn check(&self) -> Result<(), MountError> {
        fields(&self.0).map_err(MountError)?;
        if self.from().is_some_and(|from| from.contains('$')) {
            let message = "'from' doesn't support variable expansion, define alias stage instead";
            return Err(MountError(message.into()));
        }
        if self.0.contains('$') {
            return Ok(());
        }
        self.options(&mut |value| Ok(value.to_string())).map(|_| ())
    }

    /// The options, each value passed through `expand`.
    pub fn options(
        &self,
        expand: &mut dyn FnMut(&str) -> Result<String, ExpansionError>,
    ) -> Result<MountOptions, MountError> {
        let mut reader = Reader::default();
        for field in fields(&self.0).map_err(MountError)? {
            let (key, value) = match field.split_once('=') {
                Some((key, value)) if key.eq_ignore_ascii_case("from") => (key, Some(value.to_string())),
                Some((key, value)) => (key, Some(expand(value)?)),
                None => (field.as_str(), None),
            };
            reader
                .option(&key.to_lowercase(), value.as_deref(), &field)
                .map_err(MountError)?;
        }
        reader.finish().map_err(MountError)
    }
}

#[derive(Default)]
struct Reader {
    options: MountOptions,
    read_only: Option<bool>,
    required: Option<bool>,
}

impl Reader {
    fn option(&mut self, key: &str, value: Option<&str>, field: &str) -> Result<(), String> {
        let options = &mut self.options;
        let Some(value) = value else {
            match key {
                "readonly" | "ro" => self.read_only = Some(true),
                "readwrite" | "rw" => self.read_only = Some(false),
                "required" => self.required = Some(true),
                _ if OPTIONS.contains(&key) => {
                    return Err(format!("invalid field '{field}': it must be a key=value pair"));
                }
                _ => return Err(unknown(key, field)),
            }
            return Ok(());
        };
        match key {
            "type" => options.kind = mount_type(value)?,
            "from" => options.from = Some(value.into()),
            "source" | "src" => options.source = value.into(),
            "target" | "dst" | "destination" => options.target = value.into(),
            "readonly" | "ro" => self.read_only = Some(boolean(key, value)?),
            "readwrite" | "rw" => self.read_only = Some(!boolean(key, value)?),
            "required" => self.required = Some(boolean(key, value)?),
            "size" => options.size = Some(parse_size(value).ok_or(invalid(key, value))?),
            "id" => options.id = Some(value.into()),
            "sharing" => options.sharing = Some(sharing(value)?),
            "mode" => options.mode = Some(u32::from_str_radix(value, 8).map_err(|_| invalid(key, value))?),
            "uid" => options.uid = Some(value.parse().map_err(|_| invalid(key, value))?),
            "gid" => options.gid = Some(value.parse().map_err(|_| invalid(key, value))?),
            "env" => options.environment = Some(value.into()),
            _ => return Err(unknown(key, field)),
        }
        Ok(())
    }

    /// Checks the options against each other.
    fn finish(self) -> Result<MountOptions, String> {
        use MountType::{Bind, Cache, Secret, Ssh, Tmpfs};
        let mut options = self.options;
        let kind = options.kind;
        let unexpected =
            |key: &str, given: bool, allowed: &[MountType]| match given && !allowed.contains(&kind) {
                true => Err(format!("unexpected key '{key}' for mount type '{}'", kind.name())),
                false => Ok(()),
            };
        unexpected("required", self.required.is_some(), &[Secret, Ssh])?;
        unexpected("size", options.size.is_some(), &[Tmpfs])?;
        unexpected("sharing", options.sharing.is_some(), &[Cache])?;
        unexpected("env", options.environment.is_some(), &[Secret])?;
        unexpected("from", options.from.is_some(), &[Bind, Cache])?;
        for (key, given) in [
            ("mode", options.mode.is_some()),
            ("uid", options.uid.is_some()),
            ("gid", options.gid.is_some()),
        ] {
            unexpected(key, given, &[Cache, Secret, Ssh])?;
        }
        if kind == Secret {
            if options.source.is_empty() && options.target.is_empty() && options.id.is_none() {
                return Err("invalid secret mount: one of source, target, id is required".into());
            }
            if !options.source.is_empty() && options.id.is_some() {
                return Err("invalid secret mount: both source and id can't be set".into());
            }
        }
        options.required = self.required.unwrap_or(false);
        options.read_only = self.read_only.unwrap_or(!matches!(kind, Cache | Tmpfs));
        Ok(options)
    }
}

fn mount_type(value: &str) -> Result<MountType, String> {
    Ok(match value.to_lowercase().as_str() {
        "bind" => MountType::Bind,
        "cache" => MountType::Cache,
        "tmpfs" => MountType::Tmpfs,
        "secret" => MountType::Secret,
        "ssh" => MountType::Ssh,
        _ => {
            let hint = nearest(value, &TYPES).map(|name| format!(" (did you mean {name}?)"));
            return Err(format!(
                "unsupported mount type {value:?}{}",
                hint.unwrap_or_default()
            ));
        }
    })
}

fn sharing(value: &str) -> Result<CacheSharing, String> {
    Ok(match value.to_lowercase().as_str() {
        "shared" => CacheSharing::Shared,
        "private" => CacheSharing::Private,
        "locked" => CacheSharing::Locked,
        _ => {
            return Err(format!(
                "unsupported sharing value {value:?}: it is shared, private or locked"
            ));
        }
    })
}

fn boolean(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(invalid(key, value)),
    }
}

fn invalid(key: &str, value: &str) -> String {
    format!("invalid value for {key}: {value}")
}

fn unknown(key: &str, field: &str) -> String {
    let hint = nearest(key, &OPTIONS).map(|name| format!(" (did you mean {name}?)"));
    format!("unexpected key '{key}' in '{field}'{}", hint.unwrap_or_default())
}

/// A size with a unit of 1024: `64`, `1m`, `1.5GiB`.
pub fn parse_size(text: &str) -> Option<u64> {
    let lower = text.trim().to_lowercase();
    let end = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let (number, unit) = lower.split_at(end);
    let power = match unit.trim_start().trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    let value: f64 = number.parse().ok()?;
    let size = value * 1024f64.powi(power);
    (size.is_finite() && size < 9e18).then_some(size as u64)
}

/// Cuts at commas; a field may be quoted, and a quote in it doubled.
fn fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => match rest.split_once(',') {
                Some((field, after)) => (field.to_string(), Some(after)),
                None => (rest.to_string(), None),
            },
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

fn quoted_field(text: &str) -> Result<(String, Option<&str>), String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let Some((inside, after)) = rest.split_once('"') else {
            return Err(format!(
                "failed to parse mount: a quote in {text:?} is not closed"
            ));
        };
        field.push_str(inside);
        match after.chars().next() {
            Some('"') => {
                field.push('"');
                rest = &after[1..];
            }
            Some(',') => return Ok((field, Some(&after[1..]))),
            None => return Ok((field, None)),
            Some(_) => {
                return Err(format!(
                    "failed to parse mount: text after the closing quote in {text:?}"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Result<MountOptions, String> {
        MountText(text.into())
            .options(&mut |value| Ok(value.replace("$v", "V")))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn reads_every_type() {
        let bind = options("source=dir,target=/x,from=s").unwrap();
        assert_eq!(
            (bind.kind, bind.read_only, bind.from.as_deref()),
            (MountType::Bind, true, Some("s"))
        );
        assert!(!options("type=bind,dst=/x,rw").unwrap().read_only);
        let cache = options("type=CACHE,target=/c,id=$v,sharing=locked,mode=0700,uid=1,gid=2").unwrap();
        assert_eq!(
            (cache.id.as_deref(), cache.mode, cache.uid),
            (Some("V"), Some(0o700), Some(1))
        );
        assert!(!cache.read_only);
        assert!(options("type=cache,target=/c,ro").unwrap().read_only);
        assert_eq!(
            options("type=tmpfs,target=/t,size=1m").unwrap().size,
            Some(1 << 20)
        );
        let secret = options("type=secret,id=a,env=TOKEN,required").unwrap();
        assert_eq!(
            (secret.environment.as_deref(), secret.required),
            (Some("TOKEN"), true)
        );
        assert!(!options("type=ssh,required=false").unwrap().required);
        assert_eq!(
            options("\"target=/a,b\",\"source=q\"\"q\"").unwrap().target,
            "/a,b"
        );
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for (text, message) in [
            ("type=nonsense,target=/x", "unsupported mount type \"nonsense\""),
            (
                "type=cach,target=/x",
                "unsupported mount type \"cach\" (did you mean cache?)",
            ),
            (
                "tarqet=/x",
                "unexpected key 'tarqet' in 'tarqet=/x' (did you mean target?)",
            ),
            ("target", "invalid field 'target': it must be a key=value pair"),
            (
                "type=bind,target=/x,size=1m",
                "unexpected key 'size' for mount type 'bind'",
            ),
            (
                "type=tmpfs,target=/x,mode=700",
                "unexpected key 'mode' for mount type 'tmpfs'",
            ),
            (
                "type=cache,target=/x,sharing=some",
                "unsupported sharing value \"some\": it is shared, private or locked",
            ),
            (
                "type=secret",
                "invalid secret mount: one of source, target, id is required",
            ),
            (
                "type=secret,from=x,id=a",
                "unexpected key 'from' for mount type 'secret'",
            ),
            ("type=cache,target=/x,uid=-1", "invalid value for uid: -1"),
            ("type=cache,target=/x,ro=maybe", "invalid value for ro: maybe"),
            (
                "target=/x,\"a",
                "failed to parse mount: a quote in \"a\" is not closed",
            ),
        ] {
            assert_eq!(options(text).unwrap_err(), message, "{text}");
        }
    }

    /// security row 42: an option of the host's mount that nobody checks.
    #[test]
    fn row_42_bind_propagation_is_no_option() {
        let error = MountText("type=bind,target=/x,bind-propagation=suid".into())
            .check()
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "unexpected key 'bind-propagation' in 'bind-propagation=suid'"
        );
    }

    #[test]
    fn variables_are_not_for_from() {
        assert!(
            MountText("from=$x,target=/y".into())
                .check()
                .unwrap_err()
                .to_string()
                .contains("alias stage")
        );
        assert!(MountText("source=$x,target=/y".into()).check().is_ok());
    }
}
