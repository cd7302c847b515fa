//! Findings as text for people and for programs.

mod github;
mod human;
mod json;
mod junit;
mod sarif;

use crate::{Finding, Repository};

/// How findings are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Excerpts with carets.
    Human,
    /// One JSON document.
    Json,
    /// SARIF 2.1.0.
    Sarif,
    /// Annotations of GitHub Actions.
    Github,
    /// JUnit XML.
    Junit,
}

/// The findings in a format. Nothing in it can be taken for a command of a terminal.
pub fn write(format: Format, repository: &Repository, findings: &[Finding]) -> String {
    match format {
        Format::Human => human::write(repository, findings),
        Format::Json => json::write(repository, findings),
        Format::Sarif => sarif::write(repository, findings),
        Format::Github => github::write(repository, findings),
        Format::Junit => junit::write(repository, findings),
    }
}

/// Lines and columns of a finding, both from 1; the end is exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

fn place(repository: &Repository, finding: &Finding) -> Option<Place> {
    let (file, span) = (repository.file(&finding.path)?, finding.span?);
    let (start, end) = (file.position(span.start), file.position(span.end));
    Some(Place {
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
