//! Makes text of unknown origin harmless on a terminal and in a log.

use std::borrow::Cow;

/// Escapes control characters (C0, C1, DEL), characters that change the direction of writing and those that are not
/// seen. Tabs stay. Well-formed colour and erase-line sequences are dropped rather than escaped, because nearly every
/// tool prints them. A line feed is escaped too: callers split lines first.
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(after) = harmless_sequence(rest) {
            rest = after;
            continue;
        }
        if is_dangerous(character) {
            escape(character, &mut clean);
        } else {
            clean.push(character);
        }
        rest = &rest[character.len_utf8()..];
    }
    Cow::Owned(clean)
}

/// Splits output into lines, at line feeds and at carriage returns, so that nothing printed is overwritten unseen.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.split('\r')
            .filter(move |part| !part.is_empty() || line.is_empty())
    })
}

/// JSON text in which every dangerous character is written as an escape. Such characters only occur inside strings.
pub fn json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| is_dangerous(c) && c != '\n') {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_dangerous(character) && character != '\n' {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                clean.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            clean.push(character);
        }
    }
    Cow::Owned(clean)
}

fn is_dangerous(character: char) -> bool {
    match character {
        '\t' => false,
        '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => character.is_control(),
    }
}

fn escape(character: char, into: &mut String) {
    match character {
        '\n' => into.push_str("\\n"),
        '\r' => into.push_str("\\r"),
        '\u{0}'..='\u{ff}' => into.push_str(&format!("\\x{:02x}", character as u32)),
        _ => into.push_str(&format!("\\u{{{:x}}}", character as u32)),
    }
}

/// What follows an `ESC [ … m` (colour) or `ESC [ … K` (erase line) at the start of `text`.
fn harmless_sequence(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !(c.is_ascii_digit() || c == ';' || c == ':'))?;
    let after = &parameters[end..];
    (end <= 32).then(|| after.strip_prefix(['m', 'K'])).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_72_terminal_sequences_are_escaped() {
        for (raw, shown) in [
            ("\u{1b}]8;;http://x\u{7}", "\\x1b]8;;http://x\\x07"),
            ("\u{1b}]52;c;AAAA\u{1b}\\", "\\x1b]52;c;AAAA\\x1b\\"),
            ("\u{9b}2J", "\\x9b2J"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("\u{1b}[2J", "\\x1b[2J"),
            ("x\u{7f}\u{8}", "x\\x7f\\x08"),
            ("\u{e0041}", "\\u{e0041}"),
            ("forged\n#9 DONE", "forged\\n#9 DONE"),
        ] {
            assert_eq!(sanitize(raw), shown);
        }
    }

    #[test]
    fn colours_are_dropped_and_text_stays() {
        assert_eq!(sanitize("\u{1b}[1;31merror\u{1b}[0m\u{1b}[K"), "error");
        assert_eq!(sanitize("tab\tü 漢"), "tab\tü 漢");
        assert_eq!(sanitize("\u{1b}["), "\\x1b[");
    }

    #[test]
    fn carriage_returns_end_lines() {
        assert_eq!(
            lines("10%\r20%\r\ndone").collect::<Vec<_>>(),
            ["10%", "20%", "done"]
        );
        assert_eq!(lines("a\n\nb").collect::<Vec<_>>(), ["a", "", "b"]);
    }

    #[test]
    fn row_72_json_stays_json() {
        let text = serde_json::to_string("a\u{202e}\u{9b}\u{7f}\u{e0001}\u{1b}é").unwrap();
        let clean = json(&text);
        assert!(clean.is_ascii() || !clean.chars().any(is_dangerous), "{clean}");
        assert_eq!(
            serde_json::from_str::<String>(&clean).unwrap(),
            "a\u{202e}\u{9b}\u{7f}\u{e0001}\u{1b}é"
        );
    }
}
