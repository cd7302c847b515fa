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
