use serde_json::Value;

use super::*;

const DOCUMENTATION: &str = include_str!("../../../../docs/policy.md");
const SETTINGS: &str = "[policy]\nrego = [\"policy/\"]\n";
const DOCKERFILE: &str =
    "FROM debian:12 AS build\nFROM registry.example.com/base:1\nCOPY --from=build /x /x\nEXPOSE 80\n";

/// The blocks of the page that are named after a file.
fn documented() -> Vec<(&'static str, String)> {
    let mut files: Vec<(&str, String)> = Vec::new();
    let mut inside = false;
    for line in DOCUMENTATION.lines() {
        match line.strip_prefix("```").map(|rest| rest.split_once(' ')) {
            Some(Some((_, path))) => {
                files.push((path, String::new()));
                inside = true;
            }
            Some(None) => inside = false,
            None if inside => *files.last_mut().map(|(_, text)| text).unwrap() += &format!("{line}\n"),
            None => {}
        }
    }
    files
}

fn example() -> Place {
    let files = documented();
    let named: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    assert_eq!(named.len(), 3);
    let place = Place::new(&named);
    place.write("Dockerfile", DOCKERFILE);
    place
}

/// A repository with one file of rules and a Dockerfile of three lines.
fn with_rules(rules: &str) -> Place {
    Place::new(&[
        ("praxis.toml", SETTINGS),
        ("policy/own.rego", &format!("package own\n{rules}\n")),
        ("Dockerfile", "FROM scratch\n  COPY a é\nLABEL a=b\n"),
    ])
}

fn findings(place: &Place) -> Vec<Value> {
    let output = place.praxis(&["check", "--format=json", "--today=2026-11-25"]);
    let document: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    let all = document["findings"].as_array().unwrap();
    all.iter()
        .filter(|one| !one["rule"].as_str().unwrap().starts_with("PX1"))
        .cloned()
        .collect()
}

/// What a check that cannot be made says.
fn refusal(place: &Place) -> String {
    let output = place.praxis(&["check"]);
    assert_eq!(
        (output.status.code(), stdout(&output)),
        (Some(1), String::new()),
        "{}",
        stderr(&output)
    );
    stderr(&output)
}

#[test]
fn the_example_of_the_page_finds_what_it_says() {
    let found = findings(&example());
    let short: Vec<_> = found
        .iter()
        .map(|one| {
            (
                one["rule"].as_str().unwrap(),
                one["severity"].as_str().unwrap(),
                one["line"].as_u64().unwrap(),
                one["column"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(short, [("ORG001", "error", 1, 6), ("ORG002", "note", 2, 1)]);
    assert_eq!(
        found[0]["message"],
        "debian:12 comes from docker.io, not from the registry of the house"
    );
    assert_eq!(found[0]["help"], "mirror it, and name registry.example.com/…");
    assert_eq!(found[0]["page"], "docs/policy.md");
}

#[test]
fn the_tests_of_the_page_pass_and_are_told_as_it_says() {
    let output = example().praxis(&["policy", "test"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(
        DOCUMENTATION.contains(&format!("$ praxis policy test\n{said}")),
        "{said}"
    );
}

#[test]
fn a_test_that_fails_is_told_with_its_reason() {
    let place = with_rules("deny contains 1 if { false }");
    place.write(
        "policy/own_test.rego",
        "package own_test\n\ntest_right if { true }\n\ntest_undefined if { 1 == 2 }\n\ntest_false := false\n\n\
         test_endless if { f(1) == 2 }\n\nf(x) := f(x + 1)\n",
    );
    let output = place.praxis(&["policy", "test"]);
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "pass policy/own_test.rego:3 data.own_test.test_right");
    assert_eq!(
        lines[1],
        "FAIL policy/own_test.rego:5 data.own_test.test_undefined: it is undefined"
    );
    assert_eq!(
        lines[2],
        "FAIL policy/own_test.rego:7 data.own_test.test_false: it is false"
    );
    assert!(
        lines[3].starts_with("FAIL policy/own_test.rego:9 data.own_test.test_endless: "),
        "{said}"
    );
    assert_eq!(lines.last(), Some(&"1 passed, 3 failed"));
    let none = with_rules("deny contains 1 if { false }").praxis(&["policy", "test"]);
    assert_eq!(none.status.code(), Some(1));
    assert!(
        stderr(&none).contains("the rules have no tests"),
        "{}",
        stderr(&none)
    );
}

#[test]
fn findings_of_own_rules_are_in_every_format() {
    let place = example();
    let sarif: Value = serde_json::from_slice(&place.praxis(&["check", "--format=sarif"]).stdout).unwrap();
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    let own = results.iter().find(|one| one["ruleId"] == "ORG001").unwrap();
    assert_eq!(
        own["locations"][0]["physicalLocation"]["region"]["startColumn"],
        6
    );
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.iter().filter(|rule| rule["id"] == "ORG001").count(), 1);
    let human = stdout(&place.praxis(&["check"]));
    assert!(
        human.contains("error[ORG001]: debian:12 comes from docker.io"),
        "{human}"
    );
    assert!(human.contains("--> Dockerfile:1:6\n"), "{human}");
    assert!(
        human.contains("why: A rule of this repository's own, in data.org.image."),
        "{human}"
    );
    let github = stdout(&place.praxis(&["check", "--format=github"]));
    assert!(github.contains("::error file=Dockerfile,line=1,"), "{github}");
    let junit = stdout(&place.praxis(&["check", "--format=junit"]));
    assert!(junit.contains("ORG001 1:6"), "{junit}");
}

#[test]
fn levels_and_waivers_are_those_of_all_rules() {
    let rules = |findings: &[Value]| -> Vec<(String, String)> {
        let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_string();
        findings
            .iter()
            .map(|one| (text(one, "rule"), text(one, "severity")))
            .collect()
    };
    let own = |name: &str, level: &str| (name.to_string(), level.to_string());
    let place = example();
    let settings = documented().remove(0).1;
    place.write("praxis.toml", &format!("{settings}ORG001 = \"off\"\n"));
    assert_eq!(rules(&findings(&place)), [own("ORG002", "note")]);
    place.write(
        "praxis.toml",
        &format!(
            "preset = \"strict\"\n{}",
            settings.replace("ORG002 = \"note\"", "")
        ),
    );
    let strict = rules(&findings(&place));
    assert!(strict.contains(&own("ORG002", "error")), "{strict:?}");
    place.write("praxis.toml", &settings);
    let waived = |until: &str, rule: &str| {
        format!("# praxis: allow {rule} until={until} because it moves\n{DOCKERFILE}")
    };
    place.write("Dockerfile", &waived("2027-01-31", "ORG001"));
    assert_eq!(rules(&findings(&place)), [own("ORG002", "note")]);
    place.write("Dockerfile", &waived("2026-01-31", "ORG001"));
    let expired = rules(&findings(&place));
    assert!(
        expired.contains(&own("PX003", "error")) && expired.contains(&own("ORG001", "error")),
        "{expired:?}"
    );
    place.write("Dockerfile", &waived("2027-01-31", "ORG009"));
    let unused = rules(&findings(&place));
    assert!(unused.contains(&own("PX004", "warning")), "{unused:?}");
    place.write("Dockerfile", &format!("# check=skip=ORG001\n{DOCKERFILE}"));
    assert_eq!(rules(&findings(&place)), [own("ORG002", "note")]);
}

#[test]
fn places_are_lines_and_columns_of_characters() {
    let place = with_rules(
        "deny contains {\"rule\": \"ORG1\", \"message\": \"a\", \"file\": \"Dockerfile\", \"line\": 2}\n\
         deny contains {\"rule\": \"ORG2\", \"message\": \"b\", \"file\": \"Dockerfile\", \"line\": 2, \"column\": 10}\n\
         warn contains {\"rule\": \"ORG3\", \"message\": \"c\", \"file\": \"other\", \"line\": 7}\n\
         warn contains {\"rule\": \"ORG4\", \"message\": \"d\"}",
    );
    place.write("other", "x");
    let found = findings(&place);
    let find = |rule: &str| found.iter().find(|one| one["rule"] == rule).unwrap();
    assert_eq!(
        (
            &find("ORG1")["line"],
            &find("ORG1")["column"],
            &find("ORG1")["endColumn"]
        ),
        (&2.into(), &3.into(), &11.into())
    );
    assert_eq!(
        (&find("ORG2")["line"], &find("ORG2")["column"]),
        (&2.into(), &10.into())
    );
    assert_eq!(
        (&find("ORG3")["path"], &find("ORG3")["message"]),
        (&"other".into(), &"c (line 7)".into())
    );
    assert_eq!(
        (&find("ORG4")["path"], &find("ORG4")["severity"]),
        (&"".into(), &"warning".into())
    );
}

#[test]
fn what_is_no_finding_stops_the_check() {
    let cases = [
        (
            "deny contains {\"rule\": \"PX101\", \"message\": \"a\"}",
            "\"PX101\", but a rule's name is capitals and a number",
        ),
        (
            "deny contains {\"rule\": \"ORG1\", \"message\": \" \"}",
            "with an empty message",
        ),
        ("deny contains {\"rule\": \"ORG1\"}", "missing field `message`"),
        (
            "deny contains {\"rule\": \"ORG1\", \"message\": \"a\", \"lnie\": 1}",
            "unknown field `lnie`",
        ),
        (
            "deny contains \"a text\"",
            "which is no {rule, message, file, line, column, help}",
        ),
        (
            "deny := true",
            "data.own.deny is no set; write: deny contains finding if { … }",
        ),
        (
            "deny contains {\"rule\": \"ORG1\", \"message\": \"a\", \"file\": \"gone\"}",
            "the repository has no \"gone\"",
        ),
        (
            "deny contains {\"rule\": \"ORG1\", \"message\": \"a\", \"file\": \"../x\"}",
            "the repository has no \"../x\"",
        ),
        (
            "deny contains {\"rule\": \"ORG1\", \"message\": \"a\", \"file\": \"Dockerfile\", \"line\": 9}",
            "Dockerfile has no line 9",
        ),
        (
            "deny contains {\"rule\": \"ORG1\", \"message\": \"a\", \"line\": 9}",
            "a line is of a file",
        ),
        ("deny contains finding if { oops", "policy/own.rego"),
        (
            "deny contains finding if { finding := to_number(\"x\") }",
            "policy/own.rego",
        ),
    ];
    for (rules, expected) in cases {
        let said = refusal(&with_rules(rules));
        assert!(said.contains(expected), "{rules}\n{said}");
        assert!(said.contains("the repository's own rules: "), "{said}");
    }
}

#[test]
fn rules_have_no_network_environment_clock_or_chance() {
    for call in [
        "http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1:1/\"})",
        "opa.runtime()",
        "time.now_ns()",
        "rand.intn(\"a\", 9)",
        "uuid.rfc4122(\"a\")",
        "net.lookup_ip_addr(\"localhost\")",
    ] {
        let said = refusal(&with_rules(&format!(
            "deny contains finding if {{ finding := {call} }}"
        )));
        assert!(said.contains("could not find function"), "{call}: {said}");
    }
}

#[test]
fn rules_without_end_or_measure_are_stopped() {
    let cases = [
        (
            "f(x) := f(x + 1)\ndeny contains f(1)",
            "calls that go too deep, or without end",
        ),
        (
            "n := numbers.range(1, 3000)\ndeny contains x if { some a in n; some b in n; x := a + b; x < 0 }",
            "it takes more than 3000000 steps",
        ),
        (
            "deny contains x if { some x in numbers.range(1, 9000000000000) }",
            "a range may have 100000 elements",
        ),
        (
            "deny contains x if { some x in numbers.range_step(1, 9000000000000, 2) }",
            "a range may have 100000 elements",
        ),
    ];
    for (rules, expected) in cases {
        let said = refusal(&with_rules(rules));
        assert!(said.contains(expected), "{rules}\n{said}");
    }
    let place = with_rules(
        "deny contains {\"rule\": \"ORG1\", \"message\": sprintf(\"%v %v\", [numbers.range(3, 1), numbers.range_step(1, 6, 2)])}",
    );
    assert_eq!(findings(&place)[0]["message"], "[3, 2, 1] [1, 3, 5]");
}

/// security row 70: files of rules are below the repository, and not behind links.
#[test]
fn row_70_rules_are_read_below_the_repository_and_never_through_links() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("a.rego"), "package a\ndeny contains 1\n").unwrap();
    let place = with_rules("");
    std::os::unix::fs::symlink(outside.path(), place.path().join("linked")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("a.rego"), place.path().join("policy/b.rego")).unwrap();
    assert!(
        findings(&place).iter().all(|one| one["rule"] != "1"),
        "a link in a directory is left out"
    );
    let absolute = outside.path().join("a.rego");
    let cases = [
        ("linked", "symbolic link"),
        ("linked/a.rego", "symbolic link"),
        ("policy/b.rego", "symbolic link"),
        (absolute.to_str().unwrap(), "is no path below the repository"),
        ("../a.rego", "is no path below the repository"),
        (".", "is no path below the repository"),
        ("gone/", "No such file"),
        ("gone.rego", "No such file"),
        ("empty", "no file that ends in .rego is below empty"),
    ];
    place.write("empty/x", "");
    for (path, expected) in cases {
        place.write("praxis.toml", &format!("[policy]\nrego = [{path:?}]\n"));
        let said = refusal(&place);
        assert!(said.contains("praxis.toml:2:9: policy.rego: "), "{path}: {said}");
        assert!(said.contains(expected), "{path}: {said}");
    }
    place.write("praxis.toml", SETTINGS);
    place.write(
        "policy/long.rego",
        &format!("package long\n{}", "# x\n".repeat(70_000)),
    );
    assert!(refusal(&place).contains("policy/long.rego: it is longer than 262144 bytes"));
}

#[test]
fn a_single_dockerfile_is_checked_by_the_same_rules() {
    let place = example();
    let output = place.praxis(&["check", "--format=json", "Dockerfile"]);
    assert!(stdout(&output).contains("ORG001"), "{}", stderr(&output));
}

#[test]
fn the_same_repository_has_the_same_findings() {
    let place = example();
    let check = || stdout(&place.praxis(&["check", "--format=json", "--today=2026-11-25"]));
    assert_eq!(check(), check());
}
