/// Nanoseconds of a duration such as `1m30s`, `500ms`, `1.5h` or `0`; `None` if it is none or too long.
pub fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        total = total.checked_add(part(number, unit_length(unit)?)?)?;
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

fn unit_length(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn part(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || number.len() > 40 {
        return None;
    }
    let mut length = if whole.is_empty() {
        0
    } else {
        whole.parse::<i64>().ok()? as i128 * unit
    };
    let mut place = unit;
    for digit in fraction.bytes() {
        place /= 10;
        length += i128::from(digit - b'0') * place;
    }
    Some(length)
}

/// The duration as text: `5m0s`, `500ms`, `0s`.
pub fn format_duration(nanoseconds: i64) -> String {
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let all = nanoseconds.unsigned_abs();
    let (unit, length) = match all {
        0 => return "0s".into(),
        1..1_000 => ("ns", 1),
        1_000..1_000_000 => ("µs", 1_000),
        1_000_000..1_000_000_000 => ("ms", 1_000_000),
        _ => return format!("{sign}{}", long(all)),
    };
    format!("{sign}{}{unit}", decimal(all, length))
}

fn long(all: u64) -> String {
    let seconds = decimal(all % 60_000_000_000, 1_000_000_000);
    let minutes = all / 60_000_000_000;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn decimal(value: u64, unit: u64) -> String {
    let digits = unit.ilog10() as usize;
    let fraction = format!("{:0digits$}", value % unit);
    let text = format!("{}.{fraction}", value / unit);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        for (text, nanoseconds, written) in [
            ("5m", 300_000_000_000, "5m0s"),
            ("1m30s", 90_000_000_000, "1m30s"),
            ("500ms", 500_000_000, "500ms"),
            ("1.5h", 5_400_000_000_000, "1h30m0s"),
            ("0", 0, "0s"),
            ("0.5ms", 500_000, "500µs"),
            (".5s", 500_000_000, "500ms"),
            ("-1s", -1_000_000_000, "-1s"),
            ("1.25s", 1_250_000_000, "1.25s"),
            ("10s", 10_000_000_000, "10s"),
        ] {
            assert_eq!(parse_duration(text), Some(nanoseconds), "{text}");
            assert_eq!(format_duration(nanoseconds), written);
        }
    }

    #[test]
    fn refuses() {
        for text in [
            "",
            "5",
            "s",
            "5x",
            "1.2.3s",
            ".s",
            "99999999999h",
            "+",
            "1s2",
            "9e9s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
