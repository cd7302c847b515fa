use std::io;

/// What kind of failure it is, for those who act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Names, settings or credentials that the user gave are wrong.
    Input,
    /// The registry wants other credentials, or none would do.
    Denied,
    /// The registry has no such thing.
    Missing,
    /// The registry cannot be reached, or fails.
    Unreachable,
    /// The registry says what is not true, or asks for what is not safe.
    Untrustworthy,
    /// Settings do not allow it.
    Forbidden,
    /// This machine: a file cannot be read or written.
    Machine,
    /// Somebody asked to stop.
    Cancelled,
}

/// Why a registry did not give or take something.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct RegistryError {
    /// The kind.
    pub kind: ErrorKind,
    /// One line: what, where, why. No credentials, no control characters.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the same request may work a little later.
    pub(crate) transient: bool,
    /// See [`RegistryError::is_worth_another_source`].
    pub(crate) another_source: bool,
}

impl RegistryError {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> RegistryError {
        RegistryError {
            kind,
            message: message.into(),
            hint: None,
            transient: false,
            another_source: false,
        }
    }

    /// Whether a mirror gave the wrong bytes of a blob: the same request asks another source then. What was written is
    /// to be thrown away.
    pub fn is_worth_another_source(&self) -> bool {
        self.another_source
    }

    /// An error of this machine.
    pub fn of_machine(message: impl Into<String>) -> RegistryError {
        RegistryError::new(ErrorKind::Machine, message)
    }

    /// An error in what the user gave.
    pub fn of_input(message: impl Into<String>) -> RegistryError {
        RegistryError::input(message)
    }

    pub(crate) fn lie(message: impl Into<String>) -> RegistryError {
        RegistryError::new(ErrorKind::Untrustworthy, message)
    }

    pub(crate) fn input(message: impl Into<String>) -> RegistryError {
        RegistryError::new(ErrorKind::Input, message)
    }

    pub(crate) fn cancelled() -> RegistryError {
        RegistryError::new(ErrorKind::Cancelled, "the transfer was cancelled")
    }

    pub(crate) fn machine(action: &str, error: &io::Error) -> RegistryError {
        RegistryError::new(ErrorKind::Machine, format!("cannot {action}: {error}"))
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> RegistryError {
        RegistryError {
            transient: true,
            ..RegistryError::new(ErrorKind::Unreachable, message)
        }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> RegistryError {
        self.hint.get_or_insert(hint.into());
        self
    }
}

/// Text of a registry for a message: no control characters, at most `length` characters, nothing that is secret.
pub(crate) fn shown(text: &str, length: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == length {
            out.push('…');
            break;
        }
        let invisible = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if c.is_control() || invisible {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
