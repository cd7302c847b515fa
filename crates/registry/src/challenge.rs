//! `WWW-Authenticate`.

use std::collections::BTreeMap;

/// What a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case: `bearer`, `basic`.
    pub scheme: String,
    /// Its parameters by name in lower case.
    pub parameters: BTreeMap<String, String>,
}

/// The challenges of one header. What is not understood ends the list; nothing makes it panic.
pub fn parse_challenges(text: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut rest = text.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() && challenges.len() < 16 {
        let (word, after) = token(rest);
        if word.is_empty() {
            break;
        }
        let spaced = after.trim_start_matches([' ', '\t']);
        let value = spaced.strip_prefix('=').filter(|_| !challenges.is_empty());
        if let Some(value) = value {
            let (value, after) = parameter(value.trim_start_matches([' ', '\t']));
            if let Some(last) = challenges.last_mut().filter(|last| last.parameters.len() < 32) {
                // The first of two wins, for us as for those who look at what we do.
                last.parameters.entry(word.to_ascii_lowercase()).or_insert(value);
            }
            rest = after;
        } else {
            challenges.push(Challenge {
                scheme: word.to_ascii_lowercase(),
                parameters: BTreeMap::new(),
            });
            rest = spaced;
        }
        rest = rest.trim_start_matches([' ', '\t', ',']);
    }
    challenges
}

fn token(text: &str) -> (&str, &str) {
    let inner = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(c);
    text.split_at(text.find(|c| !inner(c)).unwrap_or(text.len()))
}

fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_string(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_registries_write() {
        let header = r#"Bearer realm="https://auth.test/token",service="r,\"x\"",scope="repository:a/b:pull,push", Basic realm=plain"#;
        let challenges = parse_challenges(header);
        assert_eq!(challenges.len(), 2);
        assert_eq!(challenges[0].parameters["realm"], "https://auth.test/token");
        assert_eq!(challenges[0].parameters["service"], "r,\"x\"");
        assert_eq!(challenges[0].parameters["scope"], "repository:a/b:pull,push");
        assert_eq!(challenges[1].scheme, "basic");
        assert_eq!(challenges[1].parameters["realm"], "plain");
    }

    #[test]
    fn row_38_no_header_makes_the_parser_panic() {
        let pieces = [
            "Bearer", " ", ",", "=", "\"", "\\", "realm", "é", "\u{0}", "a=\"b\"", "\t", "x=y",
        ];
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut found = 0;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..(state >> 60) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                text.push_str(pieces[(state % pieces.len() as u64) as usize]);
            }
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            found += parse_challenges(&text).len();
        }
        assert!(found > 1000, "{found}");
    }
}
