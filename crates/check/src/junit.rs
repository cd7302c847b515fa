//! JUnit XML, as CI services read it: suites of cases that passed, failed or say something.

use std::fmt::Write as _;

/// A report.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Who reports.
    pub name: String,
    /// How long it took, where that is known.
    pub seconds: Option<f64>,
    /// What was looked at.
    pub suites: Vec<Suite>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Default)]
pub struct Suite {
    /// Its name, and the class of its cases.
    pub name: String,
    /// How long it took, where that is known.
    pub seconds: Option<f64>,
    /// What was asked of it.
    pub cases: Vec<Case>,
}

/// One thing that was asked.
#[derive(Clone, Debug)]
pub struct Case {
    /// What.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a case.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failed {
        /// How bad that is.
        kind: String,
        /// What is wrong.
        message: String,
        /// What to do.
        help: String,
    },
    /// Something to read.
    Noted(String),
}

impl Report {
    /// The document. It is well-formed XML whatever the texts hold: control characters, which XML has no way to write, are
    /// left out.
    pub fn to_xml(&self) -> String {
        let failures: usize = self.suites.iter().map(Suite::failures).sum();
        let tests: usize = self.suites.iter().map(|suite| suite.cases.len()).sum();
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" tests=\"{tests}\" failures=\"{failures}\"{}>\n",
            escape(&self.name),
            time(self.seconds)
        );
        for suite in &self.suites {
            suite.write(&mut text);
        }
        text + "</testsuites>\n"
    }
}

impl Suite {
    fn failures(&self) -> usize {
        let failed = |case: &&Case| matches!(case.outcome, Outcome::Failed { .. });
        self.cases.iter().filter(failed).count()
    }

    fn write(&self, text: &mut String) {
        let (name, tests) = (escape(&self.name), self.cases.len());
        let (failures, time) = (self.failures(), time(self.seconds));
        let _ = writeln!(
            text,
            "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\"{time}>"
        );
        for case in &self.cases {
            let head = format!(
                "    <testcase classname=\"{name}\" name=\"{}\"",
                escape(&case.name)
            );
            let _ = match &case.outcome {
                Outcome::Passed => writeln!(text, "{head}/>"),
                Outcome::Failed { kind, message, help } => writeln!(
                    text,
                    "{head}>\n      <failure type=\"{kind}\" message=\"{}\">{}</failure>\n    </testcase>",
                    escape(message),
                    escape(help)
                ),
                Outcome::Noted(message) => writeln!(
                    text,
                    "{head}>\n      <system-out>{}</system-out>\n    </testcase>",
                    escape(message)
                ),
            };
        }
        text.push_str("  </testsuite>\n");
    }
}

fn time(seconds: Option<f64>) -> String {
    seconds.map_or_else(String::new, |seconds| format!(" time=\"{seconds:.3}\""))
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => _ = write!(escaped, "&#{};", letter as u32),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}
