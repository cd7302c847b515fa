use praxis_source::{Severity, Span};

/// How sure a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// A sign of it.
    Low,
    /// Very likely.
    Medium,
    /// A fact.
    High,
}

impl Confidence {
    /// As written in output.
    pub fn name(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }
}

/// New text for a range of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    /// The file.
    pub path: String,
    /// What is replaced; empty to insert.
    pub span: Span,
    /// What comes in its place.
    pub text: String,
}

/// How a finding is mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Whether it cannot change what the image does.
    pub safe: bool,
    /// The edits; all or none are made.
    pub edits: Vec<Edit>,
}

/// A place where a rule does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule: `PX101`, or the name of a check that BuildKit has too.
    pub rule: String,
    /// How much it matters, by the policy.
    pub severity: Severity,
    /// How sure the rule is.
    pub confidence: Confidence,
    /// The file; empty where the finding belongs to none.
    pub path: String,
    /// Where in the file.
    pub span: Option<Span>,
    /// What is wrong.
    pub message: String,
    /// Why it matters.
    pub why: String,
    /// What to do about it.
    pub help: String,
    /// The rule's page, relative to the top of praxis's repository.
    pub page: String,
    /// How `--fix` mends it.
    pub fix: Option<Fix>,
}

impl Finding {
    /// The finding with the edits that mend it and change nothing else.
    pub(crate) fn safely(&mut self, edits: Vec<Edit>) {
        self.fix = Some(Fix { safe: true, edits });
    }

    /// The finding with edits that may change what the image does.
    pub(crate) fn unsafely(&mut self, edits: Vec<Edit>) {
        self.fix = Some(Fix { safe: false, edits });
    }
}
