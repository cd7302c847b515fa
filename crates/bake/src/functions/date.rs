use super::{Answer, Entry, entry};
use crate::value::Value;

pub(super) const TABLE: &[Entry] = &[
    entry("formatdate", 2, 2, |a| {
        let moment = Moment::parse(&a[1].to_text()?)?;
        format(&a[0].to_text()?, &moment).map(Value::Text)
    }),
    entry("formattimestamp", 2, 2, |a| {
        let moment = match &a[1] {
            Value::Number(_) => Moment {
                seconds: a[1].to_whole()?.clamp(-62_135_596_800, 253_402_300_799),
                offset: 0,
            },
            other => Moment::parse(&other.to_text()?)?,
        };
        format(&a[0].to_text()?, &moment).map(Value::Text)
    }),
    entry("timeadd", 2, 2, |a| {
        let moment = Moment::parse(&a[0].to_text()?)?;
        let seconds = moment.seconds.saturating_add(duration(&a[1].to_text()?)?);
        Ok(Value::Text(rfc3339(seconds)))
    }),
    entry("unixtimestampparse", 1, 1, unix),
];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A moment, and how far its clock is from that of Greenwich.
struct Moment {
    /// Since 1970.
    seconds: i64,
    /// East of Greenwich, in minutes.
    offset: i64,
}

/// A date of the calendar.
struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    /// Of days since 1970, by the calendar's cycle of 400 years.
    fn of(days: i64) -> Date {
        let days = days + 719_468;
        let (cycle, rest) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (rest - rest / 1460 + rest / 36_524 - rest / 146_096) / 365;
        let of_year = rest - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Date {
            year: year + cycle * 400 + i64::from(month <= 2),
            month,
            day: of_year - (153 * shifted + 2) / 5 + 1,
        }
    }

    /// Days since 1970.
    fn days(&self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let (cycle, of_cycle) = (year.div_euclid(400), year.rem_euclid(400));
        let month = if self.month > 2 {
            self.month - 3
        } else {
            self.month + 9
        };
        let of_year = (153 * month + 2) / 5 + self.day - 1;
        cycle * 146_097 + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - 719_468
    }
}

impl Moment {
    /// Reads `2006-01-02T15:04:05Z`, with a fraction or an offset.
    fn parse(text: &str) -> Result<Moment, String> {
        let wrong = || format!("{text:?} is no time like 2006-01-02T15:04:05Z");
        let field = |from: usize, to: usize| -> Result<i64, String> {
            let digits = text.get(from..to).ok_or_else(wrong)?;
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(wrong());
            }
            digits.parse().map_err(|_| wrong())
        };
        let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
        if separators
            .iter()
            .any(|(at, separator)| text.as_bytes().get(*at) != Some(separator))
        {
            return Err(wrong());
        }
        let date = Date {
            year: field(0, 4)?,
            month: field(5, 7)?,
            day: field(8, 10)?,
        };
        let clock = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
        let round = Date::of(date.days());
        if round.month != date.month || round.day != date.day || clock.0 > 23 || clock.1 > 59 || clock.2 > 59
        {
            return Err(wrong());
        }
        let zone = text.get(19..).ok_or_else(wrong)?;
        let zone = match zone.strip_prefix('.') {
            Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
            None => zone,
        };
        let offset = match zone {
            "Z" => 0,
            zone if zone.len() == 6 && zone.is_ascii() => {
                let start = text.len() - 6;
                let minutes = field(start + 1, start + 3)? * 60 + field(start + 4, start + 6)?;
                match &zone[..1] {
                    "+" => minutes,
                    "-" => -minutes,
                    _ => return Err(wrong()),
                }
            }
            _ => return Err(wrong()),
        };
        let local = date.days() * 86_400 + clock.0 * 3600 + clock.1 * 60 + clock.2;
        Ok(Moment {
            seconds: local - offset * 60,
            offset,
        })
    }
}

/// A time in Greenwich.
pub(super) fn rfc3339(seconds: i64) -> String {
    let seconds = seconds.clamp(-62_135_596_800, 253_402_300_799);
    let date = Date::of(seconds.div_euclid(86_400));
    let clock = seconds.rem_euclid(86_400);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        date.year,
        date.month,
        date.day,
        clock / 3600,
        clock / 60 % 60,
        clock % 60
    )
}

/// A duration of Go, such as `1h30m`, in seconds.
fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no duration like 1h30m");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    let mut seconds = 0.0;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or_else(wrong)?;
        let number: f64 = rest[..end].parse().map_err(|_| wrong())?;
        rest = &rest[end..];
        let unit_end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit_end] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return Err(wrong()),
            };
        rest = &rest[unit_end..];
    }
    Ok(if negative { -seconds as i64 } else { seconds as i64 })
}

/// A time in the words of `formatdate`: runs of letters are fields, and what stands in single quotes is kept.
fn format(pattern: &str, moment: &Moment) -> Result<String, String> {
    let local = moment.seconds + moment.offset * 60;
    let days = local.div_euclid(86_400);
    let date = Date::of(days);
    let clock = local.rem_euclid(86_400);
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let (quoted, after) = rest[1..]
                .split_once('\'')
                .ok_or_else(|| format!("{pattern:?} has an unbalanced quote"))?;
            text.push_str(if quoted.is_empty() { "'" } else { quoted });
            rest = after;
            continue;
        }
        let end = rest.find(|c| c != first).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        if first.is_ascii_alphabetic() {
            text.push_str(&date_field(run, &date, days, clock, moment.offset)?);
        } else {
            text.push_str(run);
        }
    }
    Ok(text)
}

fn date_field(run: &str, date: &Date, days: i64, clock: i64, offset: i64) -> Result<String, String> {
    let hour = clock / 3600;
    let twelve = (hour + 11) % 12 + 1;
    let month = MONTHS[(date.month.clamp(1, 12) - 1) as usize];
    let day = DAYS[(days + 4).rem_euclid(7) as usize];
    let half = if hour < 12 { "am" } else { "pm" };
    let sign = if offset < 0 { '-' } else { '+' };
    let (east_hours, east_minutes) = (offset.abs() / 60, offset.abs() % 60);
    Ok(match run {
        "YYYY" => format!("{:04}", date.year),
        "YY" => format!("{:02}", date.year.rem_euclid(100)),
        "MMMM" => month.into(),
        "MMM" => month[..3].into(),
        "MM" => format!("{:02}", date.month),
        "M" => date.month.to_string(),
        "DD" => format!("{:02}", date.day),
        "D" => date.day.to_string(),
        "EEEE" => day.into(),
        "EEE" => day[..3].into(),
        "hh" => format!("{hour:02}"),
        "h" => hour.to_string(),
        "HH" => format!("{twelve:02}"),
        "H" => twelve.to_string(),
        "AA" => half.to_uppercase(),
        "aa" => half.into(),
        "mm" => format!("{:02}", clock / 60 % 60),
        "m" => (clock / 60 % 60).to_string(),
        "ss" => format!("{:02}", clock % 60),
        "s" => (clock % 60).to_string(),
        "Z" if offset == 0 => "Z".into(),
        "ZZZ" if offset == 0 => "UTC".into(),
        "Z" | "ZZZZZ" => format!("{sign}{east_hours:02}:{east_minutes:02}"),
        "ZZZ" | "ZZZZ" => format!("{sign}{east_hours:02}{east_minutes:02}"),
        other => return Err(format!("{other:?} is no field of a date")),
    })
}

/// The fields of a time that is given in seconds since 1970.
fn unix(arguments: &[Value]) -> Answer {
    let seconds = arguments[0].to_whole()?.clamp(-62_135_596_800, 253_402_300_799);
    let days = seconds.div_euclid(86_400);
    let (date, clock) = (Date::of(days), seconds.rem_euclid(86_400));
    let first = Date {
        year: date.year,
        month: 1,
        day: 1,
    };
    let month = MONTHS[(date.month.clamp(1, 12) - 1) as usize];
    let fields = [
        ("year", Value::Number(date.year as f64)),
        ("year_day", Value::Number((days - first.days() + 1) as f64)),
        ("day", Value::Number(date.day as f64)),
        ("month", Value::Number(date.month as f64)),
        ("month_name", Value::text(month)),
        ("weekday", Value::Number((days + 4).rem_euclid(7) as f64)),
        (
            "weekday_name",
            Value::text(DAYS[(days + 4).rem_euclid(7) as usize]),
        ),
        ("hour", Value::Number((clock / 3600) as f64)),
        ("minute", Value::Number((clock / 60 % 60) as f64)),
        ("second", Value::Number((clock % 60) as f64)),
        ("rfc3339", Value::Text(rfc3339(seconds))),
    ];
    Ok(Value::Map(
        fields
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_210_096), "2024-02-29T12:34:56Z");
        let moment = Moment::parse("2024-02-29T12:34:56+02:00").unwrap();
        assert_eq!(rfc3339(moment.seconds), "2024-02-29T10:34:56Z");
        assert_eq!(
            format("EEE, DD MMM YYYY hh:mm ZZZ 'at' H AA", &moment).unwrap(),
            "Thu, 29 Feb 2024 12:34 +0200 at 12 PM"
        );
        assert_eq!(duration("1h30m").unwrap(), 5400);
        assert_eq!(duration("-24h").unwrap(), -86_400);
        for wrong in [
            "2024-02-30T00:00:00Z",
            "2024-02-29",
            "2024-02-29T12:34:56",
            "é024-02-29T12:34:56Z",
        ] {
            assert!(Moment::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "h", "1", "1x", "1é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn dates_survive_both_ways() {
        for days in (-800_000..800_000).step_by(97) {
            assert_eq!(Date::of(days).days(), days);
        }
    }
}
