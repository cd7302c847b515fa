//! Comma-separated options, as the flags of buildx take them.

/// Splits one comma-separated record as buildx does: a field may stand in double quotes, where `""` is a quote.
pub fn fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                quoted_field(quoted).ok_or_else(|| format!("{text:?} has an unbalanced quote"))?
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_string(), &rest[end..])
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(format!("{text:?} has text after a closing quote")),
        }
    }
}

fn quoted_field(quoted: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"')?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Some((field, rest)),
        }
    }
}

/// `KEY=VALUE` fields; keys are lower-cased.
pub fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let pair = |field: String| match field.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_ascii_lowercase(), value.to_string())),
        None => Err(format!("{field:?} in {text:?} must be KEY=VALUE")),
    };
    fields(text)?.into_iter().map(pair).collect()
}

/// A boolean as Go reads it.
pub fn boolean(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("{key}={value:?} must be true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_commas() {
        assert_eq!(fields("a,\"b,\"\"c\"\"\",d").unwrap(), ["a", "b,\"c\"", "d"]);
        assert_eq!(fields("").unwrap(), [""]);
        assert!(fields("\"a").is_err());
        assert!(fields("\"a\"b").is_err());
    }

    #[test]
    fn pairs_need_an_equals_sign() {
        assert_eq!(
            pairs("Type=oci,dest=a=b").unwrap()[1],
            ("dest".into(), "a=b".into())
        );
        assert!(pairs("type=oci,dest").unwrap_err().contains("KEY=VALUE"));
    }
}
