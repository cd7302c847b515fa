//! Attributes with fields of their own: caches, outputs, attestations, secrets and keys.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::csv;
use crate::value::Value;

/// `type=…,key=value,…`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Entry(pub BTreeMap<String, String>);

/// A secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Secret {
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The file.
    #[serde(rename = "src", skip_serializing_if = "String::is_empty")]
    pub file: String,
    /// The variable of the environment.
    #[serde(rename = "env", skip_serializing_if = "String::is_empty")]
    pub variable: String,
}

/// An agent, or keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Ssh {
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Socket or keys; none: the agent of the environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

impl Entry {
    /// The field `type`.
    pub fn kind(&self) -> &str {
        self.field("type").unwrap_or_default()
    }

    /// A field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// As an option of the command line.
    pub fn option(&self) -> String {
        let mut fields = vec![format!("type={}", self.kind())];
        for (name, value) in self.0.iter().filter(|(name, _)| *name != "type") {
            let field = format!("{name}={value}");
            fields.push(if field.contains([',', '"']) {
                format!("\"{}\"", field.replace('"', "\"\""))
            } else {
                field
            });
        }
        fields.join(",")
    }

    fn of(pairs: impl IntoIterator<Item = (&'static str, String)>) -> Entry {
        Entry(
            pairs
                .into_iter()
                .map(|(name, value)| (name.to_string(), value))
                .collect(),
        )
    }

    fn typed(self) -> Result<Entry, String> {
        match self.kind() {
            "" => Err("type= is needed".into()),
            _ => Ok(self),
        }
    }
}

/// What can be written as a text or as an object.
pub(crate) trait Written: Sized {
    /// From a text. One text may stand for several.
    fn of_text(text: &str) -> Result<Vec<Self>, String>;
    /// From an object.
    fn of_fields(fields: BTreeMap<String, String>) -> Result<Self, String>;
}

/// A list of texts or objects.
pub(crate) fn list<T: Written>(value: &Value) -> Result<Vec<T>, String> {
    let Value::List(items) = value else {
        return Err(format!("a list is needed here, not {}", value.with_article()));
    };
    let mut list = Vec::new();
    for item in items {
        match item {
            Value::Null => {}
            Value::Text(text) if text.is_empty() => {}
            Value::Text(text) => list.extend(T::of_text(text)?),
            Value::Map(fields) => {
                let fields = fields.iter().filter(|(_, value)| **value != Value::Null);
                let fields = fields.map(|(name, value)| {
                    let text = match value {
                        // Paths of keys.
                        Value::List(items) => {
                            let texts: Result<Vec<String>, String> =
                                items.iter().map(Value::to_text).collect();
                            texts?.join(",")
                        }
                        other => other.to_text()?,
                    };
                    Ok((name.clone(), text))
                });
                list.push(T::of_fields(fields.collect::<Result<_, String>>()?)?);
            }
            other => {
                return Err(format!(
                    "a string or a map is needed here, not {}",
                    other.with_article()
                ));
            }
        }
    }
    Ok(list)
}

/// A cache.
pub(crate) struct Cache(pub Entry);
/// An output.
pub(crate) struct Export(pub Entry);
/// An attestation.
pub(crate) struct Attestation(pub Entry);

impl Written for Cache {
    fn of_text(text: &str) -> Result<Vec<Cache>, String> {
        let fields = csv::fields(text)?;
        if !text.contains('=') {
            let registry = |reference| Cache(Entry::of([("type", "registry".into()), ("ref", reference)]));
            return Ok(fields.into_iter().map(registry).collect());
        }
        let pairs = csv::pairs(text)?;
        Ok(vec![Cache(Entry(pairs.into_iter().collect()).typed()?)])
    }

    fn of_fields(fields: BTreeMap<String, String>) -> Result<Cache, String> {
        Entry(fields).typed().map(Cache)
    }
}

impl Written for Export {
    fn of_text(text: &str) -> Result<Vec<Export>, String> {
        let fields = csv::fields(text)?;
        let entry = match fields.as_slice() {
            [only] if only == text && !text.starts_with("type=") => {
                let kind = if text == "-" { "tar" } else { "local" };
                Entry::of([("type", kind.into()), ("dest", text.into())])
            }
            _ => Entry(csv::pairs(text)?.into_iter().collect()),
        };
        Ok(vec![Export(entry.typed()?)])
    }

    fn of_fields(fields: BTreeMap<String, String>) -> Result<Export, String> {
        Entry(fields).typed().map(Export)
    }
}

impl Written for Attestation {
    fn of_text(text: &str) -> Result<Vec<Attestation>, String> {
        Ok(vec![Attestation(
            Entry(csv::pairs(text)?.into_iter().collect()).typed()?,
        )])
    }

    fn of_fields(fields: BTreeMap<String, String>) -> Result<Attestation, String> {
        Entry(fields).typed().map(Attestation)
    }
}

impl Written for Secret {
    fn of_text(text: &str) -> Result<Vec<Secret>, String> {
        Secret::of_fields(csv::pairs(text)?.into_iter().collect()).map(|secret| vec![secret])
    }

    fn of_fields(fields: BTreeMap<String, String>) -> Result<Secret, String> {
        let mut secret = Secret::default();
        let mut kind = String::new();
        for (name, value) in fields {
            match name.as_str() {
                "id" => secret.id = value,
                "src" | "source" => secret.file = value,
                "env" => secret.variable = value,
                "type" if matches!(value.as_str(), "" | "file" | "env") => kind = value,
                _ => {
                    return Err(format!(
                        "{name}={value} is no field of a secret: use id, src, env and type"
                    ));
                }
            }
        }
        if kind == "env" && secret.variable.is_empty() {
            secret.variable = std::mem::take(&mut secret.file);
        }
        Ok(secret)
    }
}

impl Written for Ssh {
    fn of_text(text: &str) -> Result<Vec<Ssh>, String> {
        let (id, paths) = match text.split_once('=') {
            Some((id, paths)) => (id, paths.split(',').map(String::from).collect()),
            None => (text, Vec::new()),
        };
        Ok(vec![Ssh { id: id.into(), paths }])
    }

    fn of_fields(fields: BTreeMap<String, String>) -> Result<Ssh, String> {
        let mut ssh = Ssh::default();
        for (name, value) in fields {
            match name.as_str() {
                "id" => ssh.id = value,
                "paths" => ssh.paths = value.split(',').map(String::from).collect(),
                _ => return Err(format!("{name} is no field of ssh: use id and paths")),
            }
        }
        Ok(ssh)
    }
}

/// Each once; where one is there twice, the last takes the place of the second.
pub(crate) fn unique<T: PartialEq>(mut list: Vec<T>) -> Vec<T> {
    for at in (0..list.len().saturating_sub(1)).rev() {
        let second = (at + 1..list.len()).find(|other| list[at] == list[*other]);
        if let Some(second) = second {
            list.swap_remove(second);
        }
    }
    list
}

/// One attestation of each type, later ones first in rank.
pub(crate) fn merged(below: &[Entry], above: &[Entry]) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for entry in below.iter().chain(above) {
        match all.iter_mut().find(|known| known.kind() == entry.kind()) {
            Some(known) => known.clone_from(entry),
            None => all.push(entry.clone()),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_objects_mean_the_same() {
        let value = Value::of_json(
            serde_json::json!(["type=gha,scope=x", {"type": "gha", "scope": "x"}, "user/app:cache", ""]),
        );
        let caches: Vec<Entry> = list::<Cache>(&value)
            .unwrap()
            .into_iter()
            .map(|cache| cache.0)
            .collect();
        assert_eq!(caches[0], caches[1]);
        assert_eq!(caches[2].option(), "type=registry,ref=user/app:cache");
        assert_eq!(unique(caches).len(), 2);
        let exports = Value::of_json(serde_json::json!(["./out", "-", "type=image,\"name=a,b\""]));
        let exports = list::<Export>(&exports).unwrap();
        assert_eq!(exports[0].0.option(), "type=local,dest=./out");
        assert_eq!(exports[1].0.option(), "type=tar,dest=-");
        assert_eq!(exports[2].0.option(), "type=image,\"name=a,b\"");
        let ssh = Value::of_json(serde_json::json!(["default", "key=a,b", {"id": "c", "paths": ["d"]}]));
        let ssh = list::<Ssh>(&ssh).unwrap();
        assert_eq!(ssh[1].paths, ["a", "b"]);
        assert_eq!(ssh[2].paths, ["d"]);
        let secrets = Value::of_json(serde_json::json!([
            "type=env,id=T",
            "id=a,src=f",
            "type=env,id=b,src=V"
        ]));
        let secrets = list::<Secret>(&secrets).unwrap();
        assert_eq!((secrets[0].id.as_str(), secrets[1].file.as_str()), ("T", "f"));
        assert_eq!(
            (secrets[2].file.as_str(), secrets[2].variable.as_str()),
            ("", "V")
        );
        assert!(list::<Export>(&Value::text("x")).is_err());
        assert!(list::<Cache>(&Value::texts(["mode=max".to_string()])).is_err());
    }
}
