//! `praxis check --image`: what came out, not what was written.

use serde_json::Value;

use crate::bench::{Bench, run, text};

fn findings(bench: &Bench, code: i32, image: &str, more: &[&str]) -> Vec<(String, String)> {
    let mut command = bench.praxis("store");
    command
        .args(["check", "--format", "json", "--image", image])
        .args(more)
        .arg("context");
    let ended = run(command);
    assert_eq!(ended.code, Some(code), "{} {}", text(&ended.stdout), ended.stderr);
    let value: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let own = value["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["path"] == image);
    own.map(|one| {
        (
            one["rule"].as_str().unwrap().into(),
            one["message"].as_str().unwrap().into(),
        )
    })
    .collect()
}

/// A rule, and a part of what it says, on an image of the store.
fn has(found: &[(String, String)], rule: &str, part: &str) -> bool {
    found.iter().any(|(id, said)| id == rule && said.contains(part))
}

/// Writing where nothing is declared, and HTTP that nobody opened.
#[test]
fn what_shows_only_when_the_image_runs() {
    let line = |command: &str| {
        SOUND.to_string() + &format!("WORKDIR /tmp\nENTRYPOINT [\"sh\", \"-c\", \"{command}\"]\n")
    };
    let bench = Bench::with(&line("exec httpd -f -p 8080 -h /etc"));
    bench.digest(&["-t", "app:1"]);
    let quiet = findings(&bench, 0, "app:1", &["--fail-on", "never"]);
    assert!(
        quiet.iter().all(|(id, _)| id != "PX703" && id != "PX306"),
        "{quiet:?}"
    );
    let found = findings(&bench, 0, "app:1", &["--run", "--fail-on", "never"]);
    assert!(
        has(&found, "PX703", "port 8080 answers HTTP without a token (404)"),
        "{found:?}"
    );
    assert!(!has(&found, "PX306", ""), "{found:?}");
    bench.write("Dockerfile", &line("echo x > /tmp/x"));
    bench.digest(&["-t", "app:1"]);
    bench.write("praxis.toml", "[smoke]\n");
    let found = findings(&bench, 0, "app:1", &["--run", "--fail-on", "never"]);
    assert!(has(&found, "PX306", "exit code 0: exit code 1"), "{found:?}");
    assert!(!has(&found, "PX703", ""), "{found:?}");
    // Declared, it is no finding; nor is what fails with any root.
    bench.write("praxis.toml", "[smoke]\ntmpfs = [\"/tmp\"]\n");
    let found = findings(&bench, 0, "app:1", &["--run", "--fail-on", "never"]);
    assert!(!has(&found, "PX306", ""), "{found:?}");
    bench.write("praxis.toml", "[smoke]\nexit = 7\n");
    let found = findings(&bench, 0, "app:1", &["--run", "--fail-on", "never"]);
    assert!(!has(&found, "PX306", ""), "{found:?}");
}

#[test]
fn a_rebuild_that_differs_is_found() {
    let bench = Bench::with("FROM base\nRUN echo the same > /x\n");
    bench.digest(&["-t", "app:1"]);
    let found = findings(&bench, 0, "app:1", &["--rebuild", "--fail-on", "never"]);
    assert!(!has(&found, "PX208", ""), "{found:?}");
    bench.write("Dockerfile", "FROM base\nRUN head -c 16 /dev/urandom > /random\n");
    bench.digest(&["-t", "app:1"]);
    let found = findings(&bench, 0, "app:1", &["--rebuild", "--fail-on", "never"]);
    assert!(has(&found, "PX208", "random: content"), "{found:?}");
}

const SOUND: &str =
    "FROM base\nRUN echo app:x:10001:10001::/:/sbin/nologin > /etc/passwd\nUSER 10001:10001\n";

#[test]
fn a_sound_image_has_no_findings_and_each_fault_is_found_in_its_layer() {
    let bench = Bench::with(SOUND);
    bench.digest(&["-t", "app:1"]);
    assert_eq!(findings(&bench, 0, "app:1", &[]), []);
    let key = "printf -- '-----BEGIN PRIVATE KEY-----\\nx\\n' > /key";
    for (line, rule, message) in [
        (
            "RUN echo x > /tool && chmod u+s /tool",
            "PX304",
            "/tool is set-uid (layer 3)",
        ),
        (
            "RUN mkdir /srv && chmod 777 /srv",
            "PX305",
            "uid 10001 may write /srv",
        ),
        (
            "RUN echo app2:x:10001:1::/:/sbin/nologin >> /etc/passwd",
            "PX302",
            "2 entries for uid 10001",
        ),
        (
            "RUN echo app::1:::::: > /etc/shadow",
            "PX303",
            "app has an empty password",
        ),
        (
            "RUN mkdir -p /var/lib/dpkg && printf 'Package: gcc\\nStatus: install ok installed\\nVersion: 1\\nArchitecture: amd64\\n' > /var/lib/dpkg/status",
            "PX202",
            "the package gcc",
        ),
        (
            "RUN mkdir -p /var/lib/apt/lists && echo x > /var/lib/apt/lists/x",
            "PX905",
            "/var/lib/apt/lists/ holds 1 files",
        ),
        ("ENV API_TOKEN=abc", "PX702", "API_TOKEN holds a credential"),
        ("ENTRYPOINT app", "PX701", "starts a shell"),
    ] {
        bench.write(
            "Dockerfile",
            &SOUND.replace("USER 10001:10001", &format!("{line}\nUSER 10001:10001")),
        );
        bench.digest(&["-t", "app:1"]);
        let found = findings(&bench, 0, "app:1", &["--fail-on", "never"]);
        assert!(found.iter().all(|(id, _)| id == rule), "{line}: {found:?}");
        assert!(
            found.iter().any(|(_, said)| said.contains(message)),
            "{line}: {found:?}"
        );
    }
    // A key that a later step removed, and 2 MB that one replaced.
    bench.write(
        "Dockerfile",
        &SOUND.replace(
            "USER",
            &format!("RUN {key} && head -c 2000000 /dev/zero > /big\nRUN rm /key /big\nUSER"),
        ),
    );
    bench.digest(&["-t", "app:2", "-o", "type=docker,dest=out/a.tar"]);
    for image in ["app:2", "docker-archive:out/a.tar"] {
        let found = findings(&bench, 1, image, &["--fail-on", "note"]);
        let said = |rule: &str, part: &str| found.iter().any(|(id, said)| id == rule && said.contains(part));
        assert!(
            said(
                "PX903",
                "/key holds a private key (layer 3, which a higher layer hides"
            ),
            "{found:?}"
        );
        assert!(said("PX905", "2.0 MB in lower layers"), "{found:?}");
    }
    let mut sarif = bench.praxis("store");
    sarif.args(["check", "--format", "sarif", "--image", "app:2", "context"]);
    assert!(text(&run(sarif).stdout).contains("which a higher layer hides"));
}
