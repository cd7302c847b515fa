use praxis_source::Severity;

use super::place;
use crate::{Finding, Repository};

pub(super) fn write(repository: &Repository, findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let place = place(repository, finding).unwrap_or_default();
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let message = format!("{} ({})", finding.message, finding.help);
        text.push_str(&format!(
            "::{command} file={},line={},endLine={},col={},endColumn={},title={}::{}\n",
            property(&finding.path),
            place.line,
            place.end_line,
            place.column,
            place.end_column,
            property(&finding.rule),
            data(&message)
        ));
    }
    text
}

/// Text that cannot begin another command.
fn data(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    text.chars().filter(|c| !c.is_control()).collect()
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
