//! The order of the crates in ARCHITECTURE.md holds.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn top() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The crates in the order of the table in ARCHITECTURE.md: a crate may use those above it only.
fn order() -> Vec<String> {
    let text = std::fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let table = rows.take_while(|line| line.starts_with('|'));
    table
        .filter_map(|line| Some(line.split('`').nth(1)?.to_string()))
        .collect()
}

/// Every crate of the workspace with the crates of the workspace that it uses, leaving out those for tests alone.
fn edges() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(top())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let short = |name: &serde_json::Value| {
        let name = name.as_str().unwrap();
        name.strip_prefix("praxis-").unwrap_or(name).to_string()
    };
    let uses = |package: &serde_json::Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        let own = dependencies.filter(|it| !it["path"].is_null() && it["kind"] != "dev");
        own.map(|it| short(&it["name"])).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| (short(&package["name"]), uses(package)))
        .collect()
}

/// Edges that go against the order.
fn violations(order: &[String], edges: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let place = |name: &String| order.iter().position(|it| it == name);
    let mut wrong = Vec::new();
    for (user, used) in edges {
        for name in used {
            match (place(user), place(name)) {
                (Some(from), Some(to)) if to < from && name != "testkit" => {}
                _ => wrong.push(format!("{user} → {name}")),
            }
        }
    }
    wrong
}

#[test]
fn every_crate_is_in_the_table() {
    let order = order();
    let missing: Vec<String> = edges().into_keys().filter(|name| !order.contains(name)).collect();
    assert!(
        missing.is_empty(),
        "not in the table of ARCHITECTURE.md: {missing:?}"
    );
}

#[test]
fn no_edge_goes_against_the_order() {
    let wrong = violations(&order(), &edges());
    assert!(
        wrong.is_empty(),
        "against the order of ARCHITECTURE.md: {wrong:?}"
    );
}

#[test]
fn a_wrong_edge_is_found() {
    let edge = |from: &str, to: &str| BTreeMap::from([(from.to_string(), vec![to.to_string()])]);
    let order = order();
    assert_eq!(violations(&order, &edge("oci", "layer")), ["oci → layer"]);
    assert_eq!(violations(&order, &edge("engine", "praxis")), ["engine → praxis"]);
    assert_eq!(
        violations(&order, &edge("praxis", "testkit")),
        ["praxis → testkit"]
    );
    assert!(violations(&order, &edge("layer", "oci")).is_empty());
}

#[test]
fn unsafe_code_stays_in_the_sandbox() {
    for package in edges().keys() {
        let manifest = std::fs::read_to_string(top().join(format!("crates/{package}/Cargo.toml"))).unwrap();
        let inherits = manifest.contains("[lints]\nworkspace = true");
        assert!(
            inherits || package == "sandbox",
            "{package} does not forbid unsafe code"
        );
    }
}
