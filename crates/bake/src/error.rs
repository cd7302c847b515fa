use praxis_source::{Diagnostic, SourceFile, Span};

/// Why bake files cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BakeError {
    /// One line; begins with `file:line:column: ` where there is a place.
    pub message: String,
    /// The place with a caret, several lines.
    pub excerpt: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// A range of one of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The number of the file in the order given.
    pub file: usize,
    /// Where in it.
    pub span: Span,
}

/// What is wrong, before the place is turned into text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    pub message: String,
    pub place: Option<Place>,
    pub help: Option<String>,
}

impl Problem {
    /// Something wrong at a place.
    pub fn at(place: Place, message: impl Into<String>) -> Problem {
        Problem {
            place: Some(place),
            ..Problem::general(message)
        }
    }

    /// Something wrong that has no place in a file.
    pub fn general(message: impl Into<String>) -> Problem {
        Problem {
            message: message.into(),
            place: None,
            help: None,
        }
    }

    /// The same with advice.
    pub fn with_help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }

    /// The same with the name that was likely meant.
    pub fn suggesting(self, word: &str, names: &[&str]) -> Problem {
        match praxis_dockerfile::nearest(word, names) {
            Some(name) => self.with_help(format!("did you mean {name}?")),
            None => self,
        }
    }

    /// The place, unless one is known already.
    pub fn or_at(mut self, place: Place) -> Problem {
        self.place = self.place.or(Some(place));
        self
    }

    /// With the place as text.
    pub fn told(self, files: &[SourceFile]) -> BakeError {
        let located = self
            .place
            .and_then(|place| Some((files.get(place.file)?, place.span)));
        let Some((file, span)) = located else {
            return BakeError {
                message: self.message,
                excerpt: None,
                hint: self.help,
            };
        };
        let at = file.position(span.start);
        BakeError {
            message: format!("{}:{}:{}: {}", file.name(), at.line, at.column, self.message),
            excerpt: Some(praxis_source::render(
                &Diagnostic::error(self.message, span),
                file,
            )),
            hint: self.help,
        }
    }
}

pub(crate) type Outcome<T> = Result<T, Problem>;
