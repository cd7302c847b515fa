use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A version of a Debian package: `[epoch:]upstream[-revision]`. Compares as dpkg does, so `1.0` and `0:1.0-0` are
/// equal although they print differently.
#[derive(Clone, Debug)]
pub struct Version {
    epoch: u32,
    text: Box<str>,
    /// Where the upstream part begins and ends in the text.
    upstream: (u32, u32),
}

/// Why a text is no version.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("invalid version {0:?}: expected [EPOCH:]UPSTREAM[-REVISION] of letters, digits and . + ~ -")]
pub struct VersionError(String);

impl Version {
    /// The version as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part without epoch and revision.
    fn upstream(&self) -> &[u8] {
        &self.text.as_bytes()[self.upstream.0 as usize..self.upstream.1 as usize]
    }

    /// What follows the last dash; empty without one.
    fn revision(&self) -> &[u8] {
        self.text
            .as_bytes()
            .get(self.upstream.1 as usize + 1..)
            .unwrap_or_default()
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Version, VersionError> {
        let wrong = || VersionError(text.chars().take(100).collect());
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) => {
                (epoch.parse().map_err(|_| wrong())?, rest)
            }
            Some(_) => return Err(wrong()),
            None => (0, text),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        let plain = |b: u8, more: &[u8]| b.is_ascii_alphanumeric() || more.contains(&b);
        let well = !upstream.is_empty()
            && !rest.ends_with('-')
            && upstream.bytes().all(|b| plain(b, b".+~-:"))
            && revision.bytes().all(|b| plain(b, b".+~"));
        if !well {
            return Err(wrong());
        }
        let start = u32::try_from(text.len() - rest.len()).map_err(|_| wrong())?;
        let end = u32::try_from(text.len() - rest.len() + upstream.len()).map_err(|_| wrong())?;
        Ok(Version {
            epoch,
            text: text.into(),
            upstream: (start, end),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_part(self.upstream(), other.upstream()))
            .then_with(|| compare_part(self.revision(), other.revision()))
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Version) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Version {}

/// Alternates between runs of non-digits (compared by rank) and runs of digits (compared as numbers).
fn compare_part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_word, left_rest) = split_run(left, |b| !b.is_ascii_digit());
        let (right_word, right_rest) = split_run(right, |b| !b.is_ascii_digit());
        let (left_number, left_rest) = split_run(left_rest, |b| b.is_ascii_digit());
        let (right_number, right_rest) = split_run(right_rest, |b| b.is_ascii_digit());
        let order =
            compare_words(left_word, right_word).then_with(|| compare_numbers(left_number, right_number));
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

fn split_run(text: &[u8], within: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|&b| !within(b)).unwrap_or(text.len()))
}

/// `~` sorts before the end, the end before letters, letters before all else.
fn rank(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(b'~') => -1,
        Some(b) if b.is_ascii_alphabetic() => i32::from(*b),
        Some(b) => i32::from(*b) + 256,
    }
}

fn compare_words(left: &[u8], right: &[u8]) -> Ordering {
    (0..left.len().max(right.len()))
        .map(|index| rank(left.get(index)).cmp(&rank(right.get(index))))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Numbers of any length: without leading zeros, the longer one is greater.
fn compare_numbers(left: &[u8], right: &[u8]) -> Ordering {
    let (_, left) = split_run(left, |b| b == b'0');
    let (_, right) = split_run(right, |b| b == b'0');
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn compare(left: &str, right: &str) -> Ordering {
        left.parse::<Version>().unwrap().cmp(&right.parse().unwrap())
    }

    #[test]
    fn orders_as_the_policy_manual_says() {
        let ascending = [
            "1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1", "1.0-1+b1", "1.0a", "1.0+", "1.2", "1.10", "1:0",
        ];
        for pair in ascending.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare("0:1.00-0", "1.0"), Ordering::Equal);
        assert_eq!(
            compare("1.99999999999999999999999", "1.100000000000000000000000"),
            Ordering::Less
        );
    }

    #[test]
    fn refuses_what_is_no_version() {
        for text in [
            "",
            ":1",
            "a:1",
            "1:",
            "1 2",
            "-1",
            "1-",
            "1_0",
            "99999999999:1",
            "1.0-ä",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_dpkg(left in "([0-2]:)?[0-9][0-9a~.+]{0,5}(-[0-9a~.+]{1,3})?",
                            right in "([0-2]:)?[0-9][0-9a~.+]{0,5}(-[0-9a~.+]{1,3})?") {
            let ours = compare(&left, &right);
            let operator = match ours {
                Ordering::Less => "lt",
                Ordering::Equal => "eq",
                Ordering::Greater => "gt",
            };
            prop_assert_eq!(ours.reverse(), compare(&right, &left));
            if let Ok(status) = Command::new("dpkg").args(["--compare-versions", &left, operator, &right]).status() {
                prop_assert!(status.success(), "dpkg does not say {} {} {}", left, operator, right);
            }
        }
    }
}
