//! Decision records and the backlog.

use std::collections::BTreeMap;

/// A decision record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// The file.
    pub path: String,
    /// Its number: `0032` is 32.
    pub number: Option<u32>,
    /// Whether another one took its place.
    pub superseded: bool,
}

/// Reads a record.
pub(crate) fn decision(path: &str, text: &str) -> Decision {
    let name = path.rsplit('/').next().unwrap_or_default();
    let digits: String = name
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    Decision {
        path: path.into(),
        number: digits.parse().ok(),
        superseded: status(text).contains("superseded"),
    }
}

/// The status of a record in lower case: the line that says so, or the first after a heading that does.
fn status(text: &str) -> String {
    let mut lines = text.lines().take(40).map(|line| line.trim().to_lowercase());
    while let Some(line) = lines.next() {
        let plain = line.trim_matches(['#', '*', ' ', ':', '¶', '-']);
        if plain == "status" {
            return lines.find(|line| !line.is_empty()).unwrap_or_default();
        }
        let begins = [
            "status",
            "accepted",
            "superseded",
            "proposed",
            "rejected",
            "deprecated",
        ];
        if begins.iter().any(|word| plain.starts_with(word)) {
            return line;
        }
    }
    String::new()
}

/// Whether a backlog item is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemStatus {
    Open,
    Done,
}

/// The items of a backlog by id, such as `BL-033`. The last line that names an item first says how it stands.
pub(crate) fn backlog(text: &str) -> BTreeMap<String, ItemStatus> {
    let mut items = BTreeMap::new();
    for line in text.lines() {
        let Some((id, at)) = ids(line).into_iter().next() else {
            continue;
        };
        // Only a line about the item: a row, a list item or a heading that begins with it.
        if line[..at].chars().any(char::is_alphanumeric) && !line.contains("[x]") && !line.contains("[X]") {
            continue;
        }
        let lower = line.to_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
        let done = lower.contains("[x]")
            || lower.contains("~~")
            || words
                .iter()
                .any(|word| matches!(*word, "done" | "closed" | "delivered" | "implemented"))
                && !words
                    .iter()
                    .any(|word| matches!(*word, "not" | "open" | "staged"));
        items.insert(id, if done { ItemStatus::Done } else { ItemStatus::Open });
    }
    items
}

/// Ids such as `BL-033` in a text, and where they begin.
pub(crate) fn ids(text: &str) -> Vec<(String, usize)> {
    numbered(text, "BL-")
        .into_iter()
        .map(|(number, at)| (format!("BL-{number}"), at))
        .collect()
}

/// Numbers of records such as `ADR-0032` in a text, and where they begin.
pub(crate) fn decision_numbers(text: &str) -> Vec<(u32, usize)> {
    let found = numbered(text, "ADR-");
    found
        .into_iter()
        .filter_map(|(digits, at)| Some((digits.parse().ok()?, at)))
        .collect()
}

fn numbered(text: &str, prefix: &str) -> Vec<(String, usize)> {
    let found = text.match_indices(prefix).filter_map(|(at, _)| {
        let whole = !text[..at].ends_with(|c: char| c.is_alphanumeric());
        let rest = &text[at + prefix.len()..];
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (whole && !digits.is_empty()).then_some((digits, at))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backlogs_say_how_items_stand() {
        let items =
            backlog("| BL-012 | HTTP | open |\n- [x] BL-033: digest\n- BL-092 done\nsee BL-100 done\n");
        assert_eq!(items.get("BL-012"), Some(&ItemStatus::Open));
        assert_eq!(items.get("BL-033"), Some(&ItemStatus::Done));
        assert_eq!(items.get("BL-092"), Some(&ItemStatus::Done));
        assert_eq!(items.get("BL-100"), None);
    }

    #[test]
    fn records_say_whether_they_hold() {
        assert!(!decision("docs/adr/0001-x.md", "# 1\n\nAccepted, 2026.\n").superseded);
        assert!(decision("docs/adr/0002-x.md", "# 2\n## Status\n\nSuperseded by 3\n").superseded);
        assert_eq!(decision("docs/adr/adr-0032-x.md", "").number, Some(32));
    }
}
