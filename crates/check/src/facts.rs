/// What the caller knows besides the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Today, as `2027-01-31`: waivers and premises expire by it.
    pub today: String,
    /// What git knows.
    pub git: Option<GitFacts>,
}

/// What git knows about the work tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GitFacts {
    /// The commit.
    pub revision: String,
    /// Where the repository comes from, without credentials.
    pub source: Option<String>,
}

/// Whether a text is a date as these files write it: `2027-01-31`. Such texts are ordered like the days.
pub(crate) fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let digits = |part: &&str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    let number = |text: &str| text.parse::<u32>().unwrap_or(0);
    digits(year, 4)
        && digits(month, 2)
        && digits(day, 2)
        && (1..=12).contains(&number(month))
        && (1..=31).contains(&number(day))
}

/// The number of the day with which a text begins, such as `2027-01-31T00:00:00Z`, counted from 1970-01-01.
pub(crate) fn days(text: &str) -> Option<i64> {
    let date = text.get(..10).filter(|date| is_date(date))?;
    let mut numbers = date.split('-').filter_map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (numbers.next()?, numbers.next()?, numbers.next()?);
    // Years begin in March here, so that the leap day is a year's last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted() {
        assert_eq!(days("1970-01-01"), Some(0));
        assert_eq!(days("2024-02-29T12:00:00Z"), Some(19_782));
        assert_eq!(days("2026-11-25"), Some(20_782));
        assert_eq!(days("soon, perhaps"), None);
    }
}
