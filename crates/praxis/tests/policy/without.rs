use super::*;

#[test]
fn rules_in_rego_are_refused_by_a_praxis_that_cannot_run_them() {
    let place = Place::new(&[
        (
            "praxis.toml",
            "preset = \"minimal\"\n[policy]\nrego = [\"policy/\"]\n",
        ),
        ("policy/a.rego", "package a\n"),
        ("Dockerfile", "FROM scratch\n"),
    ]);
    for arguments in [
        &["check"][..],
        &["check", "Dockerfile"],
        &["policy", "test"],
        &["ci", "."],
    ] {
        let output = place.praxis(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = stderr(&output);
        assert!(said.contains("praxis.toml:3:9: the rules in Rego"), "{said}");
        assert!(said.contains("without the cargo feature \"rego\""), "{said}");
        assert_eq!(stdout(&output), "", "no findings are shown as if they were all");
    }
    // What runs no rules does not need them.
    assert!(place.praxis(&["policy", "input"]).status.success());
    assert!(place.praxis(&["pin", "--check", "--offline"]).status.success());
}

#[test]
fn the_input_of_rules_is_the_same_every_time() {
    let place = Place::new(&[
        ("Dockerfile", "FROM debian:12 AS a\nRUN make\nFROM a\nLABEL x=y\n"),
        (".github/workflows/ci.yml", "on: push\njobs: {}\n"),
    ]);
    let arguments = ["policy", "input", "--today=2026-11-25"];
    let first = stdout(&place.praxis(&arguments));
    assert_eq!(first, stdout(&place.praxis(&arguments)));
    let input: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(
        input["dockerfiles"][0]["stages"][0]["instructions"][0]["shell"],
        "make"
    );
    assert_eq!(input["today"], "2026-11-25");
    assert_eq!(input["yaml"][0]["file"], ".github/workflows/ci.yml");
}
