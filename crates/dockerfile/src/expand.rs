//! Variables, quotes and escapes in words.

use std::collections::BTreeSet;

use crate::shell_pattern::ShellPattern;

/// How deep `${a:-${b:-…}}` may nest.
const DEEPEST: usize = 64;
/// How many bytes the values of variables may add to one word.
const LONGEST: usize = 1 << 20;
/// How many bytes a value may have for `${name/pattern/text}`, which is not linear.
const LONGEST_REPLACED: usize = 1 << 12;

/// Why a word cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpansionError {
    /// A modifier that does not exist.
    #[error("unsupported modifier ({0}) in substitution")]
    Modifier(String),
    /// `${}`, `${:x}` and the like.
    #[error("syntax error: bad substitution")]
    Substitution,
    /// The end came before something that closes.
    #[error("syntax error: missing {0}")]
    Missing(&'static str),
    /// A quote that is never closed.
    #[error("unexpected end of statement while looking for matching {0}")]
    Quote(&'static str),
    /// `${name:?message}` without a value.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the author of the file has to say.
        message: String,
    },
    /// An escape that patterns do not have.
    #[error("invalid escape '\\{0}' in a pattern")]
    Escape(char),
    /// Variables that grow without bound.
    #[error("the values of its variables are too long")]
    Length,
    /// Substitutions inside substitutions without end.
    #[error("substitutions are nested more than {DEEPEST} deep")]
    Depth,
}

/// A word after expansion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expansion {
    /// The whole text.
    pub text: String,
    /// The text split at white space that was neither quoted nor escaped.
    pub words: Vec<String>,
    /// Variables used plainly (`$x`, `${x}`) that have no value.
    pub undefined: BTreeSet<String>,
}

/// Expands words the way Dockerfiles do.
#[derive(Clone, Copy, Debug)]
pub struct Expander {
    escape: char,
    raw_quotes: bool,
    raw_escapes: bool,
    keep_unset: bool,
    quotes: bool,
}

impl Expander {
    /// Ordinary words, with the file's escape character.
    pub fn new(escape: char) -> Expander {
        Expander {
            escape,
            raw_quotes: false,
            raw_escapes: false,
            keep_unset: false,
            quotes: true,
        }
    }

    /// The content of here-documents: quotes mean nothing, the escape is always a backslash.
    pub fn heredoc() -> Expander {
        Expander {
            quotes: false,
            ..Expander::new('\\')
        }
    }

    /// Keeps what is not a variable as it is written; for finding here-documents.
    pub(crate) fn raw() -> Expander {
        Expander {
            raw_quotes: true,
            raw_escapes: true,
            keep_unset: true,
            ..Expander::new('\\')
        }
    }

    /// Takes quotes away, keeps variables; for the names of here-documents.
    pub(crate) fn unquoted() -> Expander {
        Expander {
            keep_unset: true,
            ..Expander::new('\\')
        }
    }

    /// Expands `word` with the variables that `lookup` knows.
    pub fn expand(
        &self,
        word: &str,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Expansion, ExpansionError> {
        let mut run = Run {
            rest: word.chars().collect::<Vec<_>>(),
            at: 0,
            depth: 0,
            length: 0,
            options: *self,
            lookup,
            undefined: BTreeSet::new(),
        };
        let (text, words) = run.until(None, self.raw_escapes)?;
        Ok(Expansion {
            text,
            words: words.finish(),
            undefined: run.undefined,
        })
    }
}

/// Collects words while text is read.
#[derive(Default)]
struct Words {
    word: String,
    words: Vec<String>,
}

impl Words {
    fn splitting(&mut self, text: &str) {
        for character in text.chars() {
            if !character.is_whitespace() {
                self.word.push(character);
            } else if !self.word.is_empty() {
                self.words.push(std::mem::take(&mut self.word));
            }
        }
    }

    fn whole(&mut self, text: &str) {
        self.word.push_str(text);
    }

    fn finish(mut self) -> Vec<String> {
        if !self.word.is_empty() {
            self.words.push(self.word);
        }
        self.words
    }
}

struct Run<'a> {
    rest: Vec<char>,
    at: usize,
    depth: usize,
    length: usize,
    options: Expander,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    undefined: BTreeSet<String>,
}

impl Run<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += 1;
        Some(character)
    }

    /// Reads up to `stop`, which is taken, or to the end if there is none.
    fn until(&mut self, stop: Option<char>, raw_escapes: bool) -> Result<(String, Words), ExpansionError> {
        let mut text = String::new();
        let mut words = Words::default();
        while let Some(character) = self.peek() {
            if stop == Some(character) {
                self.at += 1;
                return Ok((text, words));
            }
            match character {
                '$' => {
                    let value = self.dollar()?;
                    words.splitting(&value);
                    text.push_str(&value);
                }
                '\'' | '"' if self.options.quotes => {
                    let quoted = if character == '"' {
                        self.double_quoted()?
                    } else {
                        self.single_quoted()?
                    };
                    words.whole(&quoted);
                    text.push_str(&quoted);
                }
                _ => self.plain(raw_escapes, &mut text, &mut words),
            }
        }
        match stop {
            None => Ok((text, words)),
            Some('/') => Err(ExpansionError::Missing("'/' in ${}")),
            Some(_) => Err(ExpansionError::Missing("'}'")),
        }
    }

    fn plain(&mut self, raw_escapes: bool, text: &mut String, words: &mut Words) {
        let Some(character) = self.next() else { return };
        let mut buffer = [0; 4];
        if character != self.options.escape {
            words.splitting(character.encode_utf8(&mut buffer));
            text.push(character);
            return;
        }
        if raw_escapes {
            words.whole(character.encode_utf8(&mut buffer));
            text.push(character);
        }
        if let Some(escaped) = self.next() {
            words.whole(escaped.encode_utf8(&mut buffer));
            text.push(escaped);
        }
    }

    fn single_quoted(&mut self) -> Result<String, ExpansionError> {
        let mut text = String::new();
        self.at += 1;
        loop {
            match self.next() {
                None => return Err(ExpansionError::Quote("single-quote")),
                Some('\'') => break,
                Some(other) => text.push(other),
            }
        }
        Ok(if self.options.raw_quotes {
            format!("'{text}'")
        } else {
            text
        })
    }

    fn double_quoted(&mut self) -> Result<String, ExpansionError> {
        let mut text = String::new();
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(ExpansionError::Quote("double-quote")),
                Some('"') => break,
                Some('$') => text.push_str(&self.dollar()?),
                Some(character) if character == self.options.escape => {
                    self.at += 1;
                    let special = self
                        .peek()
                        .filter(|next| matches!(next, '"' | '$') || *next == character);
                    if self.options.raw_escapes {
                        text.push(character);
                    }
                    self.at += usize::from(special.is_some());
                    text.push(special.unwrap_or(character));
                }
                Some(character) => {
                    self.at += 1;
                    text.push(character);
                }
            }
        }
        self.at += 1;
        Ok(if self.options.raw_quotes {
            format!("\"{text}\"")
        } else {
            text
        })
    }

    /// What stands for a substitution; its length counts.
    fn dollar(&mut self) -> Result<String, ExpansionError> {
        let value = self.substitution()?;
        self.length += value.len();
        if self.length > LONGEST {
            Err(ExpansionError::Length)
        } else {
            Ok(value)
        }
    }

    fn substitution(&mut self) -> Result<String, ExpansionError> {
        self.at += 1;
        if self.peek() == Some('{') {
            self.at += 1;
            self.depth += 1;
            if self.depth > DEEPEST {
                return Err(ExpansionError::Depth);
            }
            let value = self.braced();
            self.depth -= 1;
            return value;
        }
        let name = self.name();
        if name.is_empty() {
            return Ok("$".into());
        }
        Ok(self.plain_value(&name, format!("${name}")))
    }

    fn plain_value(&mut self, name: &str, written: String) -> String {
        match (self.lookup)(name) {
            Some(value) => value,
            None if self.options.keep_unset => written,
            None => {
                self.undefined.insert(name.into());
                String::new()
            }
        }
    }

    /// What follows `${`.
    fn braced(&mut self) -> Result<String, ExpansionError> {
        match self.peek() {
            None => return Err(ExpansionError::Missing("'}'")),
            Some('{' | '}' | ':') => return Err(ExpansionError::Substitution),
            Some(_) => {}
        }
        let start = self.at;
        let name = self.name();
        match self.next() {
            None => Err(ExpansionError::Missing("'}'")),
            Some('}') => {
                let written = format!("${{{name}}}");
                Ok(self.plain_value(&name, written))
            }
            Some(':') => {
                let modifier = self.next();
                match modifier {
                    Some(sign @ ('-' | '+' | '?')) => self.default_form(&name, sign, true, start),
                    Some(sign) => Err(ExpansionError::Modifier(format!(":{sign}"))),
                    None => Err(ExpansionError::Missing("'}'")),
                }
            }
            Some(sign @ ('-' | '+' | '?')) => self.default_form(&name, sign, false, start),
            Some(sign @ ('#' | '%')) => self.trim_form(&name, sign, start),
            Some('/') => self.replace_form(&name, start),
            Some(sign) => Err(ExpansionError::Modifier(sign.into())),
        }
    }

    /// The variable's value, or what was written if unset variables are kept.
    fn value_or_written(&self, name: &str, start: usize) -> Result<Option<String>, String> {
        match (self.lookup)(name) {
            None if self.options.keep_unset => Err(format!(
                "${{{}",
                self.rest[start..self.at].iter().collect::<String>()
            )),
            value => Ok(value),
        }
    }

    fn default_form(
        &mut self,
        name: &str,
        sign: char,
        empty_counts: bool,
        start: usize,
    ) -> Result<String, ExpansionError> {
        let word = self.until(Some('}'), false)?.0;
        let value = match self.value_or_written(name, start) {
            Ok(value) => value,
            Err(written) => return Ok(written),
        };
        let was_set = value.is_some();
        let value = value.filter(|value| !(empty_counts && value.is_empty()));
        Ok(match (sign, value) {
            ('-', None) => word,
            ('+', None) => String::new(),
            ('+', Some(_)) => word,
            ('?', None) => {
                let default = if was_set {
                    "is not allowed to be empty"
                } else {
                    "is not allowed to be unset"
                };
                let message = if word.is_empty() { default.into() } else { word };
                return Err(ExpansionError::Required {
                    name: name.into(),
                    message,
                });
            }
            (_, Some(value)) => value,
            (_, None) => String::new(),
        })
    }

    fn trim_form(&mut self, name: &str, sign: char, start: usize) -> Result<String, ExpansionError> {
        let word = self.until(Some('}'), true)?.0;
        let value = match self.value_or_written(name, start) {
            Ok(value) => value.unwrap_or_default(),
            Err(written) => return Ok(written),
        };
        let (longest, word) = match word.strip_prefix(sign) {
            Some(rest) => (true, rest),
            None => (false, word.as_str()),
        };
        let pattern = ShellPattern::parse(word).map_err(ExpansionError::Escape)?;
        Ok(if sign == '#' {
            pattern.trim_start(&value, longest).into()
        } else {
            pattern.trim_end(&value, longest).into()
        })
    }

    fn replace_form(&mut self, name: &str, start: usize) -> Result<String, ExpansionError> {
        let all = self.peek() == Some('/');
        if all {
            self.at += 1;
        }
        let pattern = self.until(Some('/'), true)?.0;
        let replacement = self.until(Some('}'), true)?.0;
        let value = match self.value_or_written(name, start) {
            Ok(value) => value.unwrap_or_default(),
            Err(written) => return Ok(written),
        };
        if value.len() > LONGEST_REPLACED || value.len() * replacement.len() > LONGEST {
            return Err(ExpansionError::Length);
        }
        let pattern = ShellPattern::parse(&pattern).map_err(ExpansionError::Escape)?;
        Ok(pattern.replace(&value, &replacement, all))
    }

    /// A name, a run of digits or one of the shell's special parameters; empty if there is none.
    fn name(&mut self) -> String {
        let mut name = String::new();
        match self.peek() {
            Some(digit) if digit.is_numeric() => {
                while let Some(digit) = self.peek().filter(|digit| digit.is_numeric()) {
                    name.push(digit);
                    self.at += 1;
                }
                return name;
            }
            Some(special @ ('@' | '*' | '#' | '?' | '-' | '$' | '!')) => {
                self.at += 1;
                return special.into();
            }
            _ => {}
        }
        while let Some(character) = self.peek().filter(|c| c.is_alphanumeric() || *c == '_') {
            name.push(character);
            self.at += 1;
        }
        name
    }
}

#[cfg(test)]
#[path = "expand_tests.rs"]
mod tests;
