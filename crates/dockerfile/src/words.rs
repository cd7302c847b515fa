//! How the rest of an instruction's line is cut into words.

/// White space between words; a no-break space is not.
pub(crate) fn is_blank(character: char) -> bool {
    matches!(character, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// Cut at white space, with no regard for quotes.
pub(crate) fn plain(text: &str) -> Vec<String> {
    text.split(is_blank)
        .filter(|word| !word.is_empty())
        .map(str::to_string)
        .collect()
}

/// First word and the rest.
pub(crate) fn first(text: &str) -> (&str, &str) {
    match text.find(is_blank) {
        Some(end) => (&text[..end], text[end..].trim_start_matches(is_blank)),
        None => (text, ""),
    }
}

/// Cut at white space that is neither quoted nor escaped; quotes and escapes stay.
pub(crate) fn quoted(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        match quote {
            None if character.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            None if character == '\'' || character == '"' => quote = Some(character),
            Some(open) if character == open => quote = None,
            _ => {}
        }
        if character == escape && quote != Some('\'') {
            let Some(escaped) = rest.next() else { break };
            word.push(character);
            word.push(escaped);
        } else {
            word.push(character);
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The `--flags` at the start of a line, quotes and escapes removed, and the rest.
pub(crate) fn flags(line: &str) -> (Vec<String>, &str) {
    let mut flags = Vec::new();
    let mut rest = line.trim_start();
    while rest.starts_with("--") {
        let (word, after) = flag(rest);
        rest = after.trim_start();
        if word == "--" {
            break;
        }
        flags.push(word);
    }
    (flags, rest)
}

fn flag(text: &str) -> (String, &str) {
    let mut word = String::new();
    let mut quote = None;
    let mut rest = text.char_indices();
    while let Some((at, character)) = rest.next() {
        match (quote, character) {
            (None, blank) if blank.is_whitespace() => return (word, &text[at..]),
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), close) if open == close => quote = None,
            (_, '\\') => word.extend(rest.next().map(|(_, escaped)| escaped)),
            (_, other) => word.push(other),
        }
    }
    (word, "")
}

/// What an array in JSON form turned out to be.
pub(crate) enum Json {
    /// An array of strings.
    Strings(Vec<String>),
    /// An array that holds something else: an error.
    Other,
    /// No array at all: read it as words.
    Not,
}

/// Reads `text` as a JSON array.
pub(crate) fn json(text: &str) -> Json {
    let text = text.trim();
    if !text.starts_with('[') {
        return Json::Not;
    }
    match serde_json::from_str::<Vec<serde_json::Value>>(text) {
        Err(_) => Json::Not,
        Ok(values) => {
            let strings: Option<Vec<String>> = values
                .into_iter()
                .map(|value| match value {
                    serde_json::Value::String(text) => Some(text),
                    _ => None,
                })
                .collect();
            strings.map_or(Json::Other, Json::Strings)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_quotes_and_escapes() {
        assert_eq!(
            quoted("a=\"x y\" b='\\' c=d\\ e ''", '\\'),
            ["a=\"x y\"", "b='\\'", "c=d\\ e", "''"]
        );
        assert_eq!(quoted("a=\"q\\\"q\" b\\", '\\'), ["a=\"q\\\"q\"", "b"]);
        assert_eq!(quoted("a=x` y", '`'), ["a=x` y"]);
    }

    #[test]
    fn flags_lose_their_quotes() {
        assert_eq!(
            flags("--a=\"x y\" --b cmd --c"),
            (vec!["--a=x y".into(), "--b".into()], "cmd --c")
        );
        assert_eq!(flags("-- --x"), (vec![], "--x"));
        assert_eq!(flags("-x y"), (vec![], "-x y"));
    }

    #[test]
    fn json_falls_back() {
        assert!(matches!(json("[\"a\", \"b\"]"), Json::Strings(words) if words == ["a", "b"]));
        assert!(matches!(json("[\"a\", 1]"), Json::Other));
        assert!(matches!(json("['a']"), Json::Not));
        assert!(matches!(json("[\"a\"] x"), Json::Not));
        let deep = "[".repeat(100_000);
        assert!(matches!(json(&deep), Json::Not));
    }
}
