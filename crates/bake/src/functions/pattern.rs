use std::collections::BTreeMap;

use regex::{Captures, Regex, RegexBuilder};

use super::{Entry, entry};
use crate::value::Value;

pub(super) const TABLE: &[Entry] = &[
    entry("regex", 2, 2, |a| {
        let pattern = compile(&a[0])?;
        match pattern.captures(&a[1].to_text()?) {
            Some(captures) => Ok(found(&pattern, &captures)),
            None => Err("the pattern does not match".into()),
        }
    }),
    entry("regexall", 2, 2, |a| {
        let pattern = compile(&a[0])?;
        let text = a[1].to_text()?;
        let all = pattern
            .captures_iter(&text)
            .map(|captures| found(&pattern, &captures));
        Ok(Value::List(all.collect()))
    }),
    entry("regex_replace", 3, 3, |a| {
        let pattern = compile(&a[1])?;
        let (text, with) = (a[0].to_text()?, a[2].to_text()?);
        if text.len().saturating_mul(with.len().max(1)) > 64 << 20 {
            return Err("the result would be too large".into());
        }
        Ok(Value::text(pattern.replace_all(&text, with.as_str())))
    }),
];

fn compile(pattern: &Value) -> Result<Regex, String> {
    let text = pattern.to_text()?;
    RegexBuilder::new(&text)
        .size_limit(1 << 20)
        .build()
        .map_err(|error| {
            let lines: Vec<String> = error
                .to_string()
                .lines()
                .map(|line| line.trim().to_string())
                .collect();
            format!(
                "{text:?} is no pattern: {}",
                lines.last().cloned().unwrap_or_default()
            )
        })
}

/// The text found; its groups as a list, or as a map if they have names.
fn found(pattern: &Regex, captures: &Captures<'_>) -> Value {
    let group = |at: usize| {
        captures
            .get(at)
            .map_or(Value::Null, |group| Value::text(group.as_str()))
    };
    let names: Vec<Option<&str>> = pattern.capture_names().skip(1).collect();
    if names.is_empty() {
        return group(0);
    }
    if names.iter().any(Option::is_some) {
        let named = names.iter().enumerate();
        let pairs = named.filter_map(|(at, name)| Some(((*name)?.to_string(), group(at + 1))));
        return Value::Map(pairs.collect::<BTreeMap<_, _>>());
    }
    Value::List((1..=names.len()).map(group).collect())
}

#[cfg(test)]
mod tests {
    use super::super::call;
    use super::*;

    fn run(name: &str, arguments: &[&str]) -> String {
        let arguments = arguments.iter().map(|text| Value::text(*text)).collect();
        match call(name, arguments, 0).unwrap() {
            Ok(value) => value.to_json().to_string(),
            Err(error) => error,
        }
    }

    #[test]
    fn patterns() {
        assert_eq!(run("regex", &["[a-z]+", "53453453.abcdef"]), "\"abcdef\"");
        assert_eq!(run("regex", &["(\\d+)\\.(\\d+)", "1.22"]), "[\"1\",\"22\"]");
        assert_eq!(run("regex", &["(?P<major>\\d+)", "1.22"]), "{\"major\":\"1\"}");
        assert_eq!(run("regex", &["x", "1.22"]), "the pattern does not match");
        assert_eq!(run("regexall", &["\\d", "1.2"]), "[\"1\",\"2\"]");
        assert_eq!(run("regex_replace", &["v1.2", "v(\\d)", "<$1>"]), "\"<1>.2\"");
        assert!(run("regex", &["(", ""]).contains("is no pattern"));
    }
}
