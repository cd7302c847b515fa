//! What a registry says went wrong, in one sentence.

use serde::Deserialize;

use crate::error::shown;
use crate::{ErrorKind, RegistryError};

#[derive(Deserialize)]
struct Problems {
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The registry's own words: at most three problems, escaped and bounded.
pub(crate) fn words(body: &[u8]) -> Option<String> {
    let problems: Problems = serde_json::from_slice(body).ok()?;
    let said: Vec<String> = problems
        .errors
        .iter()
        .take(3)
        .map(|one| match (one.code.is_empty(), one.message.is_empty()) {
            (_, true) => shown(&one.code, 60),
            (true, false) => shown(&one.message, 200),
            (false, false) => format!("{} ({})", shown(&one.message, 200), shown(&one.code, 60)),
        })
        .filter(|text| !text.is_empty())
        .collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// The error that an answer with `status` is. `what` says what was tried, and where.
pub(crate) fn refusal(what: &str, status: u16, body: &[u8]) -> RegistryError {
    let said = words(body).map_or_else(String::new, |said| format!(": {said}"));
    let message = format!("{what}: {}{said}", meaning(status));
    let kind = match status {
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::Missing,
        408 | 429 | 500..=599 => ErrorKind::Unreachable,
        _ => ErrorKind::Untrustworthy,
    };
    let error = RegistryError::new(kind, message);
    match status {
        401 | 403 => error.with_hint("praxis login REGISTRY, or another account"),
        _ => error,
    }
}

fn meaning(status: u16) -> String {
    match status {
        401 => "the registry wants credentials that it did not get (401)".into(),
        403 => "the registry does not allow it (403)".into(),
        404 => "the registry has no such thing (404)".into(),
        413 => "the registry takes nothing this large (413)".into(),
        429 => "the registry wants fewer requests (429)".into(),
        500..=599 => format!("the registry failed ({status})"),
        _ => format!("the registry answered {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_72_words_of_a_registry_are_escaped_and_bounded() {
        let body = serde_json::json!({"errors": vec![serde_json::json!({
            "code": "DENIED\u{1b}[2J", "message": "no\u{202e}\n".to_string() + &"x".repeat(5000),
        }); 9]});
        let said = words(body.to_string().as_bytes()).unwrap();
        assert!(!said.contains(['\u{1b}', '\n', '\u{202e}']), "{said}");
        assert!(said.len() < 1000, "{}", said.len());
        assert!(words(b"<html>").is_none());
        assert!(words(b"{\"errors\":[]}").is_none());
    }

    #[test]
    fn one_sentence() {
        let body = br#"{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known"}]}"#;
        let error = refusal("tags of r.test/a", 404, body);
        assert_eq!(
            error.message,
            "tags of r.test/a: the registry has no such thing (404): repository name not known (NAME_UNKNOWN)"
        );
        assert_eq!(error.kind, ErrorKind::Missing);
    }
}
