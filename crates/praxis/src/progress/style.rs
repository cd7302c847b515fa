use crate::environment::Environment;

/// Whether and how to colour.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// Colours on terminals, unless NO_COLOR is set.
    pub fn of(environment: &Environment, terminal: bool) -> Style {
        Style {
            colour: terminal && environment.text("NO_COLOR").is_none(),
        }
    }

    /// No colours.
    #[cfg(test)]
    pub fn none() -> Style {
        Style { colour: false }
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_string()
        }
    }

    /// Something went well.
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Something went wrong.
    pub fn bad(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// Something to look at.
    pub fn notable(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// Something being worked on.
    pub fn active(self, text: &str) -> String {
        self.paint("36", text)
    }

    /// Something less important.
    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// A heading.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }
}
