use std::collections::BTreeMap;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest;

use super::{Answer, Entry, entry};
use crate::value::Value;

pub(super) const TABLE: &[Entry] = &[
    entry("base64encode", 1, 1, |a| {
        Ok(Value::Text(STANDARD.encode(a[0].to_text()?)))
    }),
    entry("base64decode", 1, 1, |a| {
        let bytes = STANDARD
            .decode(a[0].to_text()?)
            .map_err(|error| format!("this is no base64: {error}"))?;
        String::from_utf8(bytes)
            .map(Value::Text)
            .map_err(|_| "what it decodes to is no text".into())
    }),
    entry("urlencode", 1, 1, |a| Ok(Value::Text(url(&a[0].to_text()?)))),
    entry("jsonencode", 1, 1, |a| {
        Ok(Value::Text(a[0].to_json().to_string()))
    }),
    entry("jsondecode", 1, 1, |a| {
        let json =
            serde_json::from_str(&a[0].to_text()?).map_err(|error| format!("this is no JSON: {error}"))?;
        Ok(Value::of_json(json))
    }),
    entry("csvdecode", 1, 1, rows),
    entry("md5", 1, 1, |a| {
        Ok(hex(&md5::Md5::digest(a[0].to_text()?.as_bytes())))
    }),
    entry("sha1", 1, 1, |a| {
        Ok(hex(&sha1::Sha1::digest(a[0].to_text()?.as_bytes())))
    }),
    entry("sha256", 1, 1, |a| {
        Ok(hex(&sha2::Sha256::digest(a[0].to_text()?.as_bytes())))
    }),
    entry("sha512", 1, 1, |a| {
        Ok(hex(&sha2::Sha512::digest(a[0].to_text()?.as_bytes())))
    }),
];

fn hex(bytes: &[u8]) -> Value {
    let mut text = String::new();
    for byte in bytes {
        _ = write!(text, "{byte:02x}");
    }
    Value::Text(text)
}

/// As in the query of an address.
fn url(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(byte as char),
            b' ' => encoded.push('+'),
            other => _ = write!(encoded, "%{other:02X}"),
        }
    }
    encoded
}

/// Lines of comma-separated values, named by the first line.
fn rows(arguments: &[Value]) -> Answer {
    let text = arguments[0].to_text()?;
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let names = crate::csv::fields(lines.next().ok_or("there is no line of names")?)?;
    let row = |line: &str| {
        let fields = crate::csv::fields(line)?;
        if fields.len() != names.len() {
            return Err(format!("{line:?} does not have {} fields", names.len()));
        }
        let pairs = names.iter().cloned().zip(fields.into_iter().map(Value::Text));
        Ok(Value::Map(pairs.collect::<BTreeMap<_, _>>()))
    };
    lines.map(row).collect::<Result<_, _>>().map(Value::List)
}

#[cfg(test)]
mod tests {
    use super::super::call;
    use super::*;

    fn run(name: &str, text: &str) -> String {
        let value = call(name, vec![Value::text(text)], 0).unwrap().unwrap();
        match value {
            Value::Text(text) => text,
            other => other.to_json().to_string(),
        }
    }

    #[test]
    fn encodings() {
        assert_eq!(run("base64encode", "hi"), "aGk=");
        assert_eq!(run("base64decode", "aGk="), "hi");
        assert_eq!(run("urlencode", "a b/ü"), "a+b%2F%C3%BC");
        assert_eq!(run("jsondecode", "{\"a\":[1]}"), "{\"a\":[1]}");
        assert_eq!(run("csvdecode", "a,b\n1,2\n"), "[{\"a\":\"1\",\"b\":\"2\"}]");
        assert_eq!(run("md5", ""), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(run("sha1", ""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert!(run("sha256", "").starts_with("e3b0c44298fc1c14"));
        assert!(run("sha512", "").starts_with("cf83e1357eefb8bd"));
    }
}
