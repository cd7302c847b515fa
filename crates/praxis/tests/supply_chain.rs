//! Licences, sources and banned crates as deny.toml says, checked without cargo-deny being there.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn rules() -> toml::Table {
    std::fs::read_to_string(top().join("deny.toml"))
        .unwrap()
        .parse()
        .unwrap()
}

/// Every package that is built here, dependencies included.
fn packages() -> Vec<Value> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--filter-platform",
            &target,
        ])
        .current_dir(top())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Whether a licence expression can be satisfied with the allowed licences alone.
fn satisfied(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (value, rest) = any_of(&words, allowed);
    value && rest.is_empty()
}

fn any_of<'a>(words: &'a [&'a str], allowed: &[&str]) -> (bool, &'a [&'a str]) {
    let (mut value, mut rest) = all_of(words, allowed);
    while let ["OR", after @ ..] = rest {
        let (right, after) = all_of(after, allowed);
        value |= right;
        rest = after;
    }
    (value, rest)
}

fn all_of<'a>(words: &'a [&'a str], allowed: &[&str]) -> (bool, &'a [&'a str]) {
    let (mut value, mut rest) = one(words, allowed);
    while let ["AND", after @ ..] = rest {
        let (right, after) = one(after, allowed);
        value &= right;
        rest = after;
    }
    (value, rest)
}

fn one<'a>(words: &'a [&'a str], allowed: &[&str]) -> (bool, &'a [&'a str]) {
    match words {
        ["(", inner @ ..] => {
            let (value, rest) = any_of(inner, allowed);
            match rest {
                [")", after @ ..] => (value, after),
                _ => (false, rest),
            }
        }
        // An exception only adds permissions.
        [name, "WITH", _, after @ ..] => (allowed.contains(name), after),
        [name, after @ ..] => (allowed.contains(name), after),
        [] => (false, &[]),
    }
}

#[test]
fn licences_are_allowed() {
    let rules = rules();
    let allowed: Vec<&str> = rules["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|name| name.as_str())
        .collect();
    let packages = packages();
    assert!(packages.len() > 50);
    let wrong: Vec<String> = packages
        .iter()
        .filter(|package| !satisfied(package["license"].as_str().unwrap_or_default(), &allowed))
        .map(|package| {
            format!(
                "{} {}: {}",
                package["name"], package["version"], package["license"]
            )
        })
        .collect();
    assert!(wrong.is_empty(), "licences not in deny.toml: {wrong:#?}");
}

#[test]
fn everything_comes_from_the_registry_or_this_repository() {
    let outside = |package: &&Value| {
        package["source"]
            .as_str()
            .is_some_and(|source| !source.starts_with("registry+"))
    };
    let names: Vec<String> = packages()
        .iter()
        .filter(outside)
        .map(|it| it["name"].to_string())
        .collect();
    assert!(names.is_empty(), "from elsewhere: {names:?}");
}

/// Whether a package is built with this crate; what is optional may not be.
fn uses(package: &Value, name: &str) -> bool {
    let dependencies = package["dependencies"].as_array().unwrap();
    dependencies
        .iter()
        .any(|it| it["name"] == name && it["kind"].is_null() && it["optional"] == false)
}

#[test]
fn banned_crates_are_absent() {
    let rules = rules();
    let banned = rules["bans"]["deny"].as_array().unwrap();
    assert!(!banned.is_empty());
    let packages = packages();
    for rule in banned {
        let name = rule["crate"].as_str().unwrap();
        let users: Vec<&str> = packages
            .iter()
            .filter(|package| uses(package, name))
            .filter_map(|package| package["name"].as_str())
            .collect();
        let wrappers = rule.get("wrappers").and_then(|it| it.as_array());
        let allowed =
            |user: &&str| wrappers.is_some_and(|them| them.iter().any(|it| it.as_str() == Some(user)));
        let wrong: Vec<&str> = users.into_iter().filter(|user| !allowed(user)).collect();
        assert!(
            wrong.is_empty(),
            "{name} is banned by deny.toml, and used by {wrong:?}"
        );
        let present = packages.iter().any(|package| package["name"] == name);
        assert!(!present || wrappers.is_some(), "{name} is banned by deny.toml");
    }
}

#[test]
fn expressions() {
    let allowed = ["MIT", "Apache-2.0"];
    for good in [
        "MIT",
        "GPL-3.0 OR MIT",
        "MIT/GPL-2.0",
        "(MIT OR X) AND Apache-2.0",
        "Apache-2.0 WITH E OR X",
    ] {
        assert!(satisfied(good, &allowed), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR X) AND Y",
        "GPL-3.0 WITH E",
        "(MIT",
    ] {
        assert!(!satisfied(bad, &allowed), "{bad}");
    }
}
