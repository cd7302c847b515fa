//! Patterns of COPY: Go's `filepath.Match` for sources, `.dockerignore` patterns for `--exclude`.

use crate::SolveError;

/// Whether one path component matches one pattern component.
pub(crate) fn matches_wildcard(pattern: &[u8], name: &[u8]) -> Result<bool, SolveError> {
    let pattern = String::from_utf8_lossy(pattern);
    let glob =
        praxis_dockerfile::Glob::parse(&pattern).map_err(|error| SolveError::user(error.to_string()))?;
    Ok(glob.matches(&String::from_utf8_lossy(name)))
}

/// A list of `.dockerignore` patterns.
pub(crate) struct Patterns(praxis_dockerfile::Patterns);

impl Patterns {
    pub fn new(patterns: &[String]) -> Result<Patterns, SolveError> {
        let parsed = praxis_dockerfile::Patterns::parse(patterns);
        let parsed = parsed.map_err(|error| SolveError::user(format!("--exclude: {error}")))?;
        Ok(Patterns(parsed))
    }

    pub fn matches(&self, path: &[u8]) -> bool {
        self.0.matches(&String::from_utf8_lossy(path))
    }

    pub fn may_include_below(&self, path: &[u8]) -> bool {
        self.0.may_take_back_below(&String::from_utf8_lossy(path))
    }
}
