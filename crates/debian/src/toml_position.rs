//! Where in a text a TOML error is.

use std::path::Path;

use crate::DebianError;

/// The error with line and column of where it begins.
pub(crate) fn syntax_error(path: &Path, text: &str, error: &toml::de::Error) -> DebianError {
    let offset = error.span().map_or(0, |span| span.start);
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    DebianError::Syntax {
        path: path.into(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        reason: error.message().trim_end().replace('\n', "; "),
    }
}
