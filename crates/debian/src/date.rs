//! Dates of Release files (RFC 5322, always UTC there) and of locks (RFC 3339).

/// Seconds since 1970 of `Sat, 21 Nov 2026 09:15:44 UTC`. `None` for any other form.
pub(crate) fn parse_release_date(text: &str) -> Option<i64> {
    let mut words = text.split_whitespace();
    words.next().filter(|day| day.len() == 4 && day.ends_with(','))?;
    let day: u32 = words.next()?.parse().ok()?;
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let name = words.next()?;
    let month = MONTHS.iter().position(|month| *month == name)? as u32 + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let time = parse_time(words.next()?)?;
    let zone = words.next()?;
    if !["UTC", "GMT", "Z", "+0000"].contains(&zone) || words.next().is_some() {
        return None;
    }
    Some(days_since_1970(year, month, day)? * 86_400 + time)
}

/// Seconds since 1970 of `2026-11-21T09:15:44Z`. `None` for any other form.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let days = days_since_1970(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    Some(days * 86_400 + parse_time(time)?)
}

/// `2026-11-21T09:15:44Z`.
pub(crate) fn format_timestamp(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

fn parse_time(text: &str) -> Option<i64> {
    let mut parts = text
        .splitn(3, ':')
        .map(|part| part.parse::<i64>().ok().filter(|n| (0..60).contains(n)));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    (hour < 24).then_some(hour * 3600 + minute * 60 + second)
}

/// The proleptic Gregorian calendar, counted in eras of 400 years that begin in March.
fn days_since_1970(year: i64, month: u32, day: u32) -> Option<i64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = i64::from((153 * ((month + 9) % 12) + 2) / 5 + day - 1);
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let (_, back_month, back_day) = civil(days);
    (back_month == i64::from(month) && back_day == i64::from(day)).then_some(days)
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_release_dates_and_prints_timestamps() {
        let seconds = parse_release_date("Sat, 21 Nov 2026 09:15:44 UTC").unwrap();
        assert_eq!(seconds, 1_795_252_544);
        assert_eq!(format_timestamp(seconds), "2026-11-21T09:15:44Z");
        assert_eq!(parse_timestamp("2026-11-21T09:15:44Z"), Some(seconds));
        assert_eq!(
            format_timestamp(parse_timestamp("2024-02-29T23:59:59Z").unwrap()),
            "2024-02-29T23:59:59Z"
        );
        assert_eq!(parse_timestamp("1970-01-01T00:00:00Z"), Some(0));
    }

    #[test]
    fn refuses_dates_that_do_not_exist() {
        for text in [
            "Sat, 31 Feb 2026 09:15:44 UTC",
            "Sat, 21 Nov 2026 24:00:00 UTC",
            "Sat, 21 Nov 2026 09:15:44 CET",
        ] {
            assert_eq!(parse_release_date(text), None, "{text}");
        }
        for text in ["2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "2026-01-01", ""] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
