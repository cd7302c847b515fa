//! The command line as a user meets it: usage, help, completions, manual pages, exit statuses.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn praxis(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let root = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_praxis"))
        .args(arguments)
        .env_remove("SOURCE_DATE_EPOCH")
        .env_remove("PRAXIS_ROOT")
        .env("PRAXIS_ROOT", root.path())
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs praxis, which must refuse the usage with status 2 and one `error:` line, and gives that line.
fn usage_error(arguments: &[&str]) -> String {
    let output = praxis(arguments, &[]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{arguments:?}: {text}");
    text
}

#[test]
fn usage_errors_exit_2_with_one_message() {
    for (arguments, says) in [
        (&["bild", "."][..], "'build'"),
        (&["build"], "<CONTEXT>"),
        (&["build", "--taget", "x", "."], "'--target'"),
        (&["build", "--platform", "linux", "."], "linux/amd64"),
        (
            &["build", "--output", "type=squash,dest=x", "."],
            "oci, docker, local or tar",
        ),
        (
            &["build", "--progress", "fancy", "."],
            "possible values: auto, tty, plain, rawjson, quiet",
        ),
        (
            &["build", "--network", "bridge", "."],
            "possible values: default, host, none",
        ),
        (&["build", "--secret", "src=x", "."], "id=NAME"),
        (&["build", "--load", "."], "no daemon"),
        (&["build", "--push", "."], "release operation"),
        (
            &["build", "--ulimit", "nofile", "."],
            "write NAME=SOFT or NAME=SOFT:HARD",
        ),
        (&["build", "-f", "-", "-"], "standard input"),
        (&["store", "gc", "--keep", "soon"], "is no age"),
        (&["inspect"], "<IMAGE>"),
        (&["completion", "cobol"], "possible values"),
    ] {
        let message = usage_error(arguments);
        assert!(message.contains(says), "{arguments:?}: {message}");
    }
}

#[test]
fn of_an_option_given_twice_the_last_counts_and_lists_grow() {
    let context = tempfile::tempdir().unwrap();
    let text = "ARG A B\nFROM scratch AS one\nLABEL a=b\nFROM nowhere AS two\nFROM ${A}${B} AS last\n";
    std::fs::write(context.path().join("Dockerfile"), text).unwrap();
    let directory = context.path().to_str().unwrap();
    let metadata = context.path().join("metadata.json");
    let output = praxis(
        &[
            "build",
            "--no-cache",
            "--no-cache",
            "--target",
            "two",
            "--target",
            "last",
            "--build-arg",
            "A=on",
            "--build-arg",
            "B=e",
            "--call",
            "check",
            "--call",
            "build",
            "--metadata-file",
            metadata.to_str().unwrap(),
            directory,
        ],
        &[],
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(metadata.is_file());
}

#[test]
fn a_wrong_epoch_is_wrong_usage() {
    let output = praxis(&["build", "."], &[("SOURCE_DATE_EPOCH", "now")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output)
            .lines()
            .last()
            .unwrap()
            .starts_with("error: SOURCE_DATE_EPOCH=")
    );
}

#[test]
fn help_names_every_command_and_the_exit_statuses() {
    let output = praxis(&["--help"], &[]);
    assert!(output.status.success());
    let text = stdout(&output);
    for word in [
        "build",
        "store",
        "inspect",
        "doctor",
        "base",
        "completion",
        "man",
        "70",
    ] {
        assert!(text.contains(word), "{word} in {text}");
    }
    assert!(stdout(&praxis(&["--version"], &[])).starts_with("praxis 0."));
}

#[test]
fn build_help_names_the_options_of_buildx() {
    let text = stdout(&praxis(&["build", "--help"], &[]));
    for option in [
        "--file",
        "--tag",
        "--target",
        "--build-arg",
        "--build-context",
        "--label",
        "--annotation",
        "--no-cache",
        "--no-cache-filter",
        "--network",
        "--secret",
        "--ssh",
        "--platform",
        "--output",
        "--iidfile",
        "--metadata-file",
        "--progress",
        "--quiet",
        "--add-host",
        "--allow",
        "--pull",
        "--load",
        "--push",
        "--check",
        "--call",
        "--dry-run",
        "--root",
        "--jobs",
        "--shm-size",
        "--ulimit",
        "--provenance",
        "--sbom",
    ] {
        assert!(text.contains(option), "{option} in {text}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = praxis(&["completion", shell], &[]);
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}");
        assert!(stdout(&output).contains("build-context"), "{shell}");
    }
}

#[test]
fn manual_pages_render() {
    let folder = tempfile::tempdir().unwrap();
    let output = praxis(&["man", folder.path().to_str().unwrap()], &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    for page in [
        "praxis.1",
        "praxis-build.1",
        "praxis-base-update.1",
        "praxis-store-verify.1",
    ] {
        let text = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains(".TH "), "{page}");
    }
    assert!(stdout(&praxis(&["man"], &[])).contains(".SH SYNOPSIS"));
}

#[test]
fn an_unwritable_place_for_pages_is_a_failure() {
    let output = praxis(&["man", "/proc/none"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output)
            .lines()
            .last()
            .unwrap()
            .starts_with("error: manual pages cannot be written")
    );
}

#[test]
fn doctor_speaks_to_people_and_programs() {
    let text = stdout(&praxis(&["doctor"], &[]));
    assert!(text.contains("certificates") && text.contains("store"), "{text}");
    let output = praxis(&["doctor", "--json"], &[]);
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> = findings
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    assert!(
        names.contains(&"certificates") && names.contains(&"store"),
        "{names:?}"
    );
    assert!(findings[0]["state"].is_string());
}

#[test]
fn row_67_a_mirror_with_credentials_is_never_printed() {
    let output = praxis(
        &["doctor"],
        &[("PIP_INDEX_URL", "https://user:canary-5521@pip.invalid/simple")],
    );
    let text = stdout(&output) + &stderr(&output);
    assert!(text.contains("PIP_INDEX_URL holds credentials"), "{text}");
    assert!(!text.contains("canary-5521"));
}

#[cfg(not(feature = "postgres"))]
#[test]
fn what_needs_the_extra_postgres_says_so() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().to_str().unwrap();
    for arguments in [
        &["queue", "list"][..],
        &["database", "migrate"],
        &["work", "--context-root", "/"],
        &["--database", "file", "ledger", "log"],
    ] {
        let output = praxis(arguments, &[("PRAXIS_ROOT", root)]);
        assert_eq!(output.status.code(), Some(2));
        let text = stderr(&output);
        assert!(
            text.contains("built without PostgreSQL") && text.contains("--features postgres"),
            "{text}"
        );
    }
}

#[test]
fn the_reference_page_is_up_to_date() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md")).unwrap();
    let help = stdout(&praxis(&["build", "--help"], &[]));
    let options = help.split_whitespace().filter(|word| word.starts_with("--"));
    for option in options.map(|it| it.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())) {
        let option = option.split(['=', '[']).next().unwrap();
        assert!(text.contains(option), "docs/cli.md does not name {option}");
    }
}

#[test]
fn an_empty_store_is_private_and_sound() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let store = |arguments: &[&str]| {
        let output = praxis(arguments, &[("PRAXIS_ROOT", root.to_str().unwrap())]);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    assert!(store(&["store", "du"]).contains("0 layers, 0 named images"));
    assert_eq!(root.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    let report: serde_json::Value = serde_json::from_str(&store(&["store", "verify", "--json"])).unwrap();
    assert_eq!(report["damage"].as_array().unwrap().len(), 0);
    assert!(store(&["store", "gc", "--all", "--caches"]).starts_with("removed 0 step results"));
}

#[test]
fn an_unusable_store_is_one_message_and_nothing_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("file");
    std::fs::write(&root, "mine").unwrap();
    let output = praxis(&["store", "du"], &[("PRAXIS_ROOT", root.to_str().unwrap())]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output)
            .lines()
            .last()
            .unwrap()
            .starts_with("error: store: "),
        "{}",
        stderr(&output)
    );
    assert_eq!(std::fs::read_to_string(&root).unwrap(), "mine");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
