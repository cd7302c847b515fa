//! The patterns of `${name#pattern}` and `${name/pattern/text}`: only `*`, `?` and the backslash are special, and
//! neither of the first two matches a line end.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Exactly(char),
    Any,
    Many,
}

/// A pattern over characters. Matching takes time in proportion to pattern times text.
#[derive(Clone, Debug)]
pub(crate) struct ShellPattern(Vec<Token>);

impl ShellPattern {
    /// Reads a pattern; the error is the character that cannot be escaped.
    pub(crate) fn parse(text: &str) -> Result<ShellPattern, char> {
        let mut tokens = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            tokens.push(match character {
                '*' => Token::Many,
                '?' => Token::Any,
                '\\' => match rest.next() {
                    Some(escaped @ ('*' | '?' | '\\' | '}' | '/')) => Token::Exactly(escaped),
                    Some(other) => return Err(other),
                    None => return Err('\\'),
                },
                other => Token::Exactly(other),
            });
        }
        Ok(ShellPattern(tokens))
    }

    /// `text` without the shortest or longest start that matches.
    pub(crate) fn trim_start<'t>(&self, text: &'t str, longest: bool) -> &'t str {
        let characters: Vec<char> = text.chars().collect();
        match match_length(&self.0, characters.iter().copied(), longest) {
            Some(length) => &text[bytes_of(&characters[..length])..],
            None => text,
        }
    }

    /// `text` without the shortest or longest end that matches.
    pub(crate) fn trim_end<'t>(&self, text: &'t str, longest: bool) -> &'t str {
        let characters: Vec<char> = text.chars().collect();
        let reversed: Vec<Token> = self.0.iter().rev().copied().collect();
        match match_length(&reversed, characters.iter().rev().copied(), longest) {
            Some(length) => &text[..bytes_of(&characters[..characters.len() - length])],
            None => text,
        }
    }

    /// `text` with the first match, or all of them, replaced; the longest match at each place.
    pub(crate) fn replace(&self, text: &str, replacement: &str, all: bool) -> String {
        let characters: Vec<char> = text.chars().collect();
        let mut result = String::new();
        let mut at = 0;
        while at <= characters.len() {
            match match_length(&self.0, characters[at..].iter().copied(), true) {
                Some(length) => {
                    result.push_str(replacement);
                    if !all {
                        result.extend(&characters[at + length..]);
                        return result;
                    }
                    if length == 0 {
                        result.extend(characters.get(at));
                    }
                    at += length.max(1);
                    if at == characters.len() && length > 0 {
                        break;
                    }
                }
                None => {
                    result.extend(characters.get(at));
                    at += 1;
                }
            }
        }
        result
    }
}

fn bytes_of(characters: &[char]) -> usize {
    characters.iter().map(|c| c.len_utf8()).sum()
}

/// How many characters at the start of `text` the tokens match.
fn match_length(tokens: &[Token], text: impl Iterator<Item = char>, longest: bool) -> Option<usize> {
    let mut states = vec![false; tokens.len() + 1];
    let mut after = states.clone();
    states[0] = true;
    skip_stars(tokens, &mut states);
    let mut found = states[tokens.len()].then_some(0);
    for (index, character) in text.enumerate() {
        if found.is_some() && !longest {
            break;
        }
        after.fill(false);
        for (state, token) in tokens.iter().enumerate().filter(|(state, _)| states[*state]) {
            match token {
                Token::Many => after[state] |= character != '\n',
                Token::Any => after[state + 1] |= character != '\n',
                Token::Exactly(expected) => after[state + 1] |= *expected == character,
            }
        }
        skip_stars(tokens, &mut after);
        if !after.contains(&true) {
            break;
        }
        std::mem::swap(&mut states, &mut after);
        if states[tokens.len()] {
            found = Some(index + 1);
        }
    }
    found
}

fn skip_stars(tokens: &[Token], states: &mut [bool]) {
    for (state, token) in tokens.iter().enumerate() {
        if states[state] && *token == Token::Many {
            states[state + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> ShellPattern {
        ShellPattern::parse(text).unwrap()
    }

    #[test]
    fn trims_shortest_and_longest() {
        let path = "/usr/share/f.tar.gz";
        assert_eq!(pattern("*/").trim_start(path, false), "usr/share/f.tar.gz");
        assert_eq!(pattern("*/").trim_start(path, true), "f.tar.gz");
        assert_eq!(pattern(".*").trim_end(path, false), "/usr/share/f.tar");
        assert_eq!(pattern(".*").trim_end(path, true), "/usr/share/f");
        assert_eq!(pattern("x").trim_end(path, true), path);
        assert_eq!(pattern("é?").trim_start("éßx", false), "x");
        assert_eq!(pattern("").trim_end("abc", true), "abc");
    }

    #[test]
    fn replaces() {
        assert_eq!(pattern("foo").replace("foobarfoo", "X", false), "Xbarfoo");
        assert_eq!(pattern("foo").replace("foobarfoo", "X", true), "XbarX");
        assert_eq!(pattern("\\*").replace("a*b", "+", true), "a+b");
        assert_eq!(pattern("?").replace("äbc", ".", true), "...");
        assert_eq!(pattern("z").replace("abc", ".", true), "abc");
        assert_eq!(ShellPattern::parse("\\n").unwrap_err(), 'n');
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let stars = pattern(&"*a".repeat(60));
        assert_eq!(stars.trim_start(&"a".repeat(59), true), "a".repeat(59));
    }
}
