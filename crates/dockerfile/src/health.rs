//! The options of `HEALTHCHECK`.

use crate::flag::Flags;
use crate::words::{self, Json};
use crate::{Healthcheck, parse_duration};

/// `CMD` with its options.
pub(crate) fn check(flags: &Flags, command: &str) -> Result<Healthcheck, String> {
    let test = match words::json(command) {
        Json::Strings(words) if words.is_empty() => {
            return Err("missing command after HEALTHCHECK CMD".into());
        }
        Json::Strings(words) => [vec!["CMD".into()], words].concat(),
        Json::Other => {
            return Err("when using JSON array syntax, arrays must be comprised of strings only".into());
        }
        Json::Not if command.is_empty() => return Err("missing command after HEALTHCHECK CMD".into()),
        Json::Not => vec!["CMD-SHELL".into(), command.trim().into()],
    };
    Ok(Healthcheck {
        test,
        interval: duration(flags, "interval")?,
        timeout: duration(flags, "timeout")?,
        start_period: duration(flags, "start-period")?,
        start_interval: duration(flags, "start-interval")?,
        retries: retries(flags)?,
    })
}

fn duration(flags: &Flags, name: &str) -> Result<i64, String> {
    let Some(text) = flags.text(name)?.filter(|text| !text.is_empty()) else {
        return Ok(0);
    };
    let Some(length) = parse_duration(&text) else {
        return Err(format!(
            "invalid duration {text:?} for --{name}: write it as 30s, 1m30s or 500ms"
        ));
    };
    if length != 0 && length < 1_000_000 {
        return Err(format!("Interval {name:?} cannot be less than 1ms"));
    }
    Ok(length)
}

fn retries(flags: &Flags) -> Result<i64, String> {
    let Some(text) = flags.text("retries")?.filter(|text| !text.is_empty()) else {
        return Ok(0);
    };
    match text.parse::<i32>() {
        Ok(retries) if retries < 0 => Err(format!("--retries cannot be negative ({retries})")),
        Ok(retries) => Ok(retries.into()),
        Err(_) => Err(format!("invalid number {text:?} for --retries")),
    }
}
