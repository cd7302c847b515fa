//! Lists of path patterns with `**` and `!`, as in `.dockerignore`, `--exclude` and `--parents`.

use crate::clean;

/// Why a list of patterns cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A `!` that takes nothing back.
    #[error("illegal exclusion pattern: \"!\"")]
    LoneExclamation,
    /// A bracket that is not closed, or an escape of nothing.
    #[error("syntax error in pattern {0:?}: a [ is not closed, a range is empty or a \\ stands at the end")]
    Syntax(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Exactly(char),
    /// One of a class, or none of it.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// `?`: any one character but a slash.
    One,
    /// `*`: any characters but slashes.
    Many,
    /// `**` at the end: anything.
    Anything,
    /// The start of `**/`: nothing, or what follows here.
    Enter,
    /// Anything that ends with a slash.
    Directories,
}

/// One pattern over paths with `/` between names. Matching takes time in proportion to pattern times path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    tokens: Vec<Token>,
    /// Whether `text` is all there is to match.
    literal: bool,
    negative: bool,
}

impl Pattern {
    /// Reads one pattern of a list; it is made clean first.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let (negative, rest) = match text.trim().strip_prefix('!') {
            Some("") => return Err(PatternError::LoneExclamation),
            Some(rest) => (true, rest),
            None => (false, text.trim()),
        };
        let rest = clean(rest);
        Pattern::new(rest, negative)
    }

    fn new(text: String, negative: bool) -> Result<Pattern, PatternError> {
        let tokens = tokens(&text)?;
        let literal = !text.contains(is_special);
        Ok(Pattern {
            text,
            tokens,
            literal,
            negative,
        })
    }

    /// One name as it is: not cleaned, and a `!` is no sign.
    pub(crate) fn name(text: &str) -> Result<Pattern, PatternError> {
        Pattern::new(text.into(), false)
    }

    /// Whether it starts with `!`: takes back what patterns before it matched.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether the whole of `path` matches, no matter the `!`.
    pub fn matches(&self, path: &str) -> bool {
        if self.literal {
            return path == self.text;
        }
        let mut states = vec![false; self.tokens.len() + 1];
        let mut after = states.clone();
        states[0] = true;
        self.skip(&mut states);
        for character in path.chars() {
            after.fill(false);
            self.step(character, &states, &mut after);
            self.skip(&mut after);
            std::mem::swap(&mut states, &mut after);
            if !states.contains(&true) {
                return false;
            }
        }
        states[self.tokens.len()]
    }

    /// Marks in `after` the states that `character` leads to.
    fn step(&self, character: char, states: &[bool], after: &mut [bool]) {
        for (state, token) in self.tokens.iter().enumerate().filter(|(state, _)| states[*state]) {
            match token {
                Token::Exactly(expected) => after[state + 1] |= *expected == character,
                Token::Class { negated, ranges } => {
                    let inside = ranges.iter().any(|(from, to)| (*from..=*to).contains(&character));
                    after[state + 1] |= inside != *negated;
                }
                Token::One => after[state + 1] |= character != '/',
                Token::Many => after[state] |= character != '/',
                Token::Anything => after[state] = true,
                Token::Enter => {}
                Token::Directories => {
                    after[state] = true;
                    after[state + 1] |= character == '/';
                }
            }
        }
    }

    /// Marks the states that are reached without a character.
    fn skip(&self, states: &mut [bool]) {
        for (state, token) in self.tokens.iter().enumerate() {
            if !states[state] {
                continue;
            }
            match token {
                Token::Many | Token::Anything => states[state + 1] = true,
                Token::Enter => {
                    states[state + 1] = true;
                    states[state + 2] = true;
                }
                _ => {}
            }
        }
    }

    /// The names before the first special character: what matches lies below, or is, this path.
    fn literal_prefix(&self) -> String {
        let literal = |token: &Token| match token {
            Token::Exactly(character) => Some(*character),
            _ => None,
        };
        self.tokens.iter().map_while(literal).collect()
    }
}

fn is_special(character: char) -> bool {
    matches!(character, '*' | '?' | '[' | ']' | '\\')
}

/// Cuts a clean pattern into tokens.
fn tokens(text: &str) -> Result<Vec<Token>, PatternError> {
    let syntax = || PatternError::Syntax(text.into());
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    if let Some(plain) = text.strip_prefix("**")
        && !plain.is_empty()
        && !plain.starts_with('/')
        && !plain.contains(is_special)
    {
        tokens.push(Token::Anything);
        tokens.extend(plain.chars().map(Token::Exactly));
        return Ok(tokens);
    }
    while let Some(character) = rest.next() {
        match character {
            '*' if rest.next_if_eq(&'*').is_some() => {
                rest.next_if_eq(&'/');
                match rest.peek() {
                    None => tokens.push(Token::Anything),
                    Some(_) => tokens.extend([Token::Enter, Token::Directories]),
                }
            }
            '*' => tokens.push(Token::Many),
            '?' => tokens.push(Token::One),
            '[' => tokens.push(class(&mut rest).ok_or_else(syntax)?),
            '\\' => tokens.push(Token::Exactly(rest.next().ok_or_else(syntax)?)),
            other => tokens.push(Token::Exactly(other)),
        }
    }
    Ok(tokens)
}

/// What follows `[`.
fn class(rest: &mut std::iter::Peekable<std::str::Chars>) -> Option<Token> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        if rest.peek() == Some(&']') && !ranges.is_empty() {
            rest.next();
            return Some(Token::Class { negated, ranges });
        }
        let from = class_member(rest)?;
        let to = match rest.next_if_eq(&'-') {
            Some(_) => class_member(rest)?,
            None => from,
        };
        if from > to {
            return None;
        }
        ranges.push((from, to));
    }
}

fn class_member(rest: &mut std::iter::Peekable<std::str::Chars>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        other => Some(other),
    }
}

/// A list of patterns: the last one that matches a path decides, and what matches a directory matches all below
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns {
    patterns: Vec<Pattern>,
}

/// What a list says about a directory; needed for what is below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the path is matched.
    pub matched: bool,
    by: Vec<bool>,
}

impl Patterns {
    /// Reads a list; empty patterns are left out.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Patterns, PatternError> {
        let mut patterns = Vec::new();
        for text in texts {
            if !text.as_ref().trim().is_empty() {
                patterns.push(Pattern::parse(text.as_ref())?);
            }
        }
        Ok(Patterns { patterns })
    }

    /// Adds a pattern at the end.
    pub(crate) fn push(&mut self, text: &str) -> Result<(), PatternError> {
        self.patterns.push(Pattern::parse(text)?);
        Ok(())
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// What the list says about `path`, knowing what it said about the directory that holds it (the default
    /// verdict at the top). Walkers go down with this; it is cheaper than [`Patterns::matches`] and means the
    /// same.
    pub fn verdict(&self, path: &str, parent: &Verdict) -> Verdict {
        let mut verdict = Verdict {
            matched: false,
            by: vec![false; self.patterns.len()],
        };
        for (index, pattern) in self.patterns.iter().enumerate() {
            let mut by = parent.by.get(index).copied().unwrap_or(false);
            if !by {
                if pattern.negative != verdict.matched {
                    continue;
                }
                by = pattern.matches(path);
            }
            verdict.by[index] = by;
            if by {
                verdict.matched = !pattern.negative;
            }
        }
        verdict
    }

    /// Whether the list matches `path`, directly or through a directory above it. The path is relative and clean.
    pub fn matches(&self, path: &str) -> bool {
        let mut verdict = Verdict::default();
        for (end, _) in path.match_indices('/').chain([(path.len(), "")]) {
            verdict = self.verdict(&path[..end], &verdict);
        }
        verdict.matched
    }

    /// Whether something below the matched directory `path` might be taken back. If not, a walker need not look
    /// inside.
    pub fn may_take_back_below(&self, path: &str) -> bool {
        let directory = format!("{path}/");
        self.patterns
            .iter()
            .filter(|pattern| pattern.negative)
            .any(|pattern| {
                let prefix = pattern.literal_prefix();
                let whole = prefix.len() == pattern.text.len();
                prefix.starts_with(&directory) || (!whole && directory.starts_with(&prefix))
            })
    }
}

#[cfg(test)]
#[path = "patterns_tests.rs"]
mod tests;
