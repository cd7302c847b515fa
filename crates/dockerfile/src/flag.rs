//! The `--flags` of an instruction.

use crate::suggest::nearest;

/// Flags by name, each checked against what the instruction knows.
pub(crate) struct Flags {
    given: Vec<(String, Option<String>)>,
}

impl Flags {
    /// Checks the names; `repeatable` ones may be given more than once.
    pub(crate) fn read(words: &[String], known: &[&str], repeatable: &[&str]) -> Result<Flags, String> {
        let mut given: Vec<(String, Option<String>)> = Vec::new();
        for word in words {
            let word = word.trim_start_matches("--");
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_string())),
                None => (word, None),
            };
            if !known.contains(&name) && !repeatable.contains(&name) {
                return Err(unknown(name, &[known, repeatable].concat()));
            }
            if !repeatable.contains(&name) && given.iter().any(|(other, _)| other == name) {
                return Err(format!("duplicate flag specified: --{name}"));
            }
            given.push((name.to_string(), value));
        }
        Ok(Flags { given })
    }

    /// The value of a flag that needs one.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, String> {
        match self.given.iter().find(|(given, _)| given == name) {
            None => Ok(None),
            Some((_, Some(value))) => Ok(Some(value.clone())),
            Some((_, None)) => Err(format!("missing a value on flag: --{name}")),
        }
    }

    /// All values of a flag that may be repeated.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let mine = self.given.iter().filter(|(given, _)| given == name);
        mine.map(|(_, value)| value.clone().ok_or(format!("missing a value on flag: --{name}")))
            .collect()
    }

    /// A flag that is on, off or not given.
    pub(crate) fn switch(&self, name: &str) -> Result<Option<bool>, String> {
        match self.given.iter().find(|(given, _)| given == name) {
            None => Ok(None),
            Some((_, None)) => Ok(Some(true)),
            Some((_, Some(value))) => match value.to_lowercase().as_str() {
                "true" | "" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(format!("expecting boolean value for flag --{name}, not: {value}")),
            },
        }
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(other) => format!("unknown flag: --{name} (did you mean {other}?)"),
        None if known.is_empty() => format!("unknown flag: --{name}; this instruction has no flags"),
        None => format!("unknown flag: --{name}; there are --{}", known.join(", --")),
    }
}
