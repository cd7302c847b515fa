//! Parser directives: comments at the start of a file that set something.

use praxis_source::{Diagnostic, SourceFile, Span};

use crate::Directives;

/// Reads the directives of a file: up to the first line that is none.
pub(crate) fn directives(file: &SourceFile) -> (Directives, Vec<Diagnostic>) {
    let mut found = Directives::default();
    let mut seen: Vec<String> = Vec::new();
    let mut errors = Vec::new();
    for number in 1..=file.line_count() {
        let line = file.line(number).trim_start_matches('\u{feff}');
        if number == 1 && line.starts_with("#!") {
            continue;
        }
        let Some((name, value)) = directive(line) else {
            break;
        };
        let span = file.line_span(number).unwrap_or_default();
        if seen.contains(&name) {
            let message = format!("only one {name} parser directive can be used");
            errors.push(Diagnostic::error(message, span).with_help("remove all but one of them"));
            continue;
        }
        set(&mut found, &name, value, span, &mut errors);
        seen.push(name);
    }
    if found.syntax.is_none() {
        found.syntax = other_syntax(file);
    }
    (found, errors)
}

fn set(found: &mut Directives, name: &str, value: &str, span: Span, errors: &mut Vec<Diagnostic>) {
    match name {
        "syntax" => found.syntax = Some(value.into()),
        "check" => found.check = Some(value.into()),
        _ => match value {
            "\\" => found.escape = '\\',
            "`" => found.escape = '`',
            other => {
                let message = format!("invalid ESCAPE token {other:?}: it does not match ` or \\");
                errors.push(Diagnostic::error(message, span));
            }
        },
    }
}

/// `# name=value` with a name that is a directive's.
fn directive(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.trim_start().strip_prefix('#')?.split_once('=')?;
    let name = name.trim().to_lowercase();
    let value = value.trim();
    (matches!(name.as_str(), "syntax" | "escape" | "check") && !value.is_empty()).then_some((name, value))
}

/// `// syntax=…` or `{"syntax": "…"}`, for files of other frontends.
fn other_syntax(file: &SourceFile) -> Option<String> {
    let text = file.text().trim_start_matches('\u{feff}');
    if let Some(rest) = text.trim_start().strip_prefix("//") {
        let (name, value) = rest.lines().next()?.split_once('=')?;
        return name
            .trim()
            .eq_ignore_ascii_case("syntax")
            .then(|| value.trim().to_string());
    }
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    json.get("syntax")?.as_str().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Directives, Vec<Diagnostic>) {
        directives(&SourceFile::new("f", text))
    }

    #[test]
    fn only_at_the_start() {
        let (found, errors) = read(
            "\u{feff}#!/usr/bin/x\n# syntax = docker/dockerfile:1\r\n#ESCAPE=`\n# check=skip=all\nFROM a",
        );
        assert_eq!(errors, []);
        assert_eq!(found.syntax.as_deref(), Some("docker/dockerfile:1"));
        assert_eq!((found.escape, found.check.as_deref()), ('`', Some("skip=all")));
        for late in [
            "# comment\n# escape=`\nFROM a",
            "\n# escape=`\n",
            "FROM a\n# escape=`\n",
        ] {
            assert_eq!(read(late).0.escape, '\\', "{late}");
        }
    }

    #[test]
    fn errors() {
        assert_eq!(
            read("# escape=\\\n# escape=`\n").1[0].message,
            "only one escape parser directive can be used"
        );
        assert!(read("# escape=x\n").1[0].message.contains("invalid ESCAPE token"));
    }

    #[test]
    fn syntax_of_other_files() {
        assert_eq!(read("// syntax=a/b\n").0.syntax.as_deref(), Some("a/b"));
        assert_eq!(read("{\"syntax\": \"a/b\"}").0.syntax.as_deref(), Some("a/b"));
    }
}
