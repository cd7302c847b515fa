//! Numbers and text as people read them.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `1.2s`, `3m05s`, `12ms` is `0.0s`.
pub fn duration(took: Duration) -> String {
    let seconds = took.as_secs();
    match seconds {
        0..60 => format!("{:.1}s", took.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// `640 B`, `1.4 kB`, `31.2 MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `text` cut to `columns` cells, with `…` where something is missing.
pub fn fit(text: &str, columns: usize) -> String {
    let text = text.replace('\t', "    ");
    if text.width() <= columns {
        return text;
    }
    let mut used = 1;
    let mut cut = String::new();
    for character in text.chars() {
        used += character.width().unwrap_or(0);
        if used > columns {
            break;
        }
        cut.push(character);
    }
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// `text` cut or filled with spaces to exactly `columns` cells.
pub fn pad(text: &str, columns: usize) -> String {
    let text = fit(text, columns);
    let missing = columns.saturating_sub(text.width());
    text + &" ".repeat(missing)
}

/// The first twelve digits of a digest, as people quote it.
pub fn short_digest(digest: &str) -> &str {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(duration(Duration::from_millis(1249)), "1.2s");
        assert_eq!(duration(Duration::from_secs(185)), "3m05s");
        assert_eq!(duration(Duration::from_secs(7260)), "2h01m");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(31_240_000), "31.2 MB");
        assert_eq!(bytes(999_960), "1.0 MB");
    }

    #[test]
    fn widths_are_cells_not_characters() {
        assert_eq!(fit("漢字漢字", 5), "漢字…");
        assert_eq!(pad("ab", 4), "ab  ");
        assert_eq!(fit("abc", 0), "");
        assert_eq!(pad("漢字x", 4), "漢… ");
    }
}
