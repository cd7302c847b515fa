//! Whether something in reach of this process could publish an image.

use std::path::Path;

use serde_json::Value;

use crate::environment::Environment;
use crate::registries;

/// Variables that hold a way to publish or to sign: passwords, tokens of an identity, keys.
const VARIABLES: [&str; 13] = [
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "CI_JOB_JWT",
    "CI_JOB_JWT_V2",
    "CI_REGISTRY_PASSWORD",
    "COSIGN_PASSWORD",
    "COSIGN_PRIVATE_KEY",
    "DOCKER_AUTH_CONFIG",
    "DOCKER_PASSWORD",
    "PRAXIS_KEY_PASSWORD",
    "REGISTRY_PASSWORD",
    "REGISTRY_TOKEN",
    "SIGSTORE_ID_TOKEN",
    "TSA_PASSWORD",
];
/// No file of credentials is larger.
const LARGEST: u64 = 4 << 20;

/// What could publish, named but never shown.
pub fn credentials_in_reach(environment: &Environment) -> Vec<String> {
    let set = |name: &&&str| environment.text(name).is_some_and(|value| !value.is_empty());
    let variables = VARIABLES
        .iter()
        .filter(set)
        .map(|name| format!("the variable {name}"));
    let files = registries::credentials(environment).files;
    let files = files.iter().filter_map(|path| held_by(path));
    variables.chain(files).collect()
}

/// The same for others to read: of files only that there is one, not where and for which registries.
pub fn kinds_in_reach(environment: &Environment) -> Vec<String> {
    let kind = |name: String| match name.starts_with("the variable ") {
        true => name,
        false => "a file with credentials of registries".into(),
    };
    let mut kinds: Vec<String> = credentials_in_reach(environment).into_iter().map(kind).collect();
    kinds.dedup();
    kinds
}

/// What a file of docker or podman holds, if it holds something.
fn held_by(path: &Path) -> Option<String> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).ok()?;
    let text = match metadata.len() {
        ..LARGEST => std::fs::read_to_string(path),
        _ => return Some(format!("{shown}, which is too large to look at")),
    };
    let Ok(text) = text else {
        return Some(format!("{shown}, which cannot be read"));
    };
    let Ok(file) = serde_json::from_str::<Value>(&text) else {
        return Some(format!("{shown}, which cannot be read"));
    };
    let names = |key: &str, counts: &dyn Fn(&Value) -> bool| -> Vec<String> {
        let entries = file.get(key).and_then(Value::as_object);
        let entries = entries.into_iter().flatten();
        entries
            .filter(|(_, value)| counts(value))
            .map(|(name, _)| name.clone())
            .collect()
    };
    let holds = |value: &Value| {
        let text = |key: &str| {
            value
                .get(key)
                .and_then(Value::as_str)
                .is_some_and(|text| !text.is_empty())
        };
        ["auth", "password", "identitytoken", "registrytoken"]
            .into_iter()
            .any(text)
    };
    let mut held = names("auths", &holds);
    held.extend(names("credHelpers", &|_| true));
    let store = file
        .get("credsStore")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty());
    held.extend(store.map(|name| format!("the helper {name}")));
    (!held.is_empty()).then(|| format!("{shown} (for {})", held.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_publish_is_named_and_not_shown() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().display().to_string();
        let reach = |text: Option<&str>, more: &[(&str, &str)]| {
            let path = place.path().join("config.json");
            match text {
                Some(text) => std::fs::write(&path, text).unwrap(),
                None => _ = std::fs::remove_file(&path),
            }
            let variables = [&[("DOCKER_CONFIG", folder.as_str())], more].concat();
            credentials_in_reach(&Environment::of(&variables)).join("; ")
        };
        for harmless in [
            None,
            Some("{}"),
            Some(r#"{"auths":{"r.test":{}}}"#),
            Some(r#"{"credsStore":""}"#),
        ] {
            assert_eq!(
                reach(harmless, &[("GITHUB_TOKEN", "canary"), ("REGISTRY_TOKEN", "")]),
                "",
                "{harmless:?}"
            );
        }
        for (file, expected) in [
            (r#"{"auths":{"r.test":{"auth":"canary"}}}"#, "(for r.test)"),
            (
                r#"{"auths":{"r.test":{"identitytoken":"canary"}}}"#,
                "(for r.test)",
            ),
            (r#"{"credHelpers":{"r.test":"canary-helper"}}"#, "(for r.test)"),
            (
                r#"{"credsStore":"secretservice"}"#,
                "(for the helper secretservice)",
            ),
            ("{", "cannot be read"),
        ] {
            let found = reach(Some(file), &[]);
            assert!(found.contains(expected), "{file}: {found}");
            assert!(!found.contains("canary"), "{found}");
        }
        let found = reach(None, &[("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "canary")]);
        assert_eq!(found, "the variable ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    }
}
