//! What RUN steps see of the machine, and what of it stays.

use std::fs;
use std::path::Path;
use std::process::Command;

use praxis_testkit::files_below;

use crate::bench::{Bench, run};

/// Files below `directory` whose bytes, also after decompression, hold `canary`.
fn traces(directory: &Path, canary: &str) -> Vec<String> {
    let holds = |bytes: &[u8]| {
        bytes
            .windows(canary.len())
            .any(|window| window == canary.as_bytes())
    };
    let mut found = Vec::new();
    for path in files_below(directory) {
        let bytes = fs::read(&path).unwrap();
        let unpacked = match bytes.starts_with(&[0x1f, 0x8b]) {
            true => {
                Command::new("gzip")
                    .args(["-dc"])
                    .arg(&path)
                    .output()
                    .unwrap()
                    .stdout
            }
            false => Vec::new(),
        };
        if holds(&bytes) || holds(&unpacked) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn row_67_a_secret_leaves_no_trace() {
    const CANARY: &str = "canary-f3e1-secret";
    let bench = Bench::with(
        "FROM base\nRUN --mount=type=secret,id=token,required=true cat /run/secrets/token | wc -c > /length && \
         test \"$(cat /run/secrets/token | cut -c1-6)\" = canary\n\
         RUN --mount=type=secret,id=token,env=TOKEN test -n \"$TOKEN\" && echo seen > /seen\n\
         RUN ! grep -r canary /run /length /seen && ! env | grep canary\n",
    );
    fs::write(bench.path("token"), CANARY).unwrap();
    let arguments = [
        "--secret",
        "id=token,src=token",
        "-o",
        "type=oci,dest=out/image.tar",
        "--metadata-file",
        "out/metadata.json",
    ];
    let ended = bench.build(&arguments);
    let first = ended.digest();
    assert!(!ended.says(CANARY), "{}", ended.stderr);
    assert_eq!(traces(&bench.store(), CANARY), [""; 0]);
    assert_eq!(traces(&bench.path("out"), CANARY), [""; 0]);
    fs::write(bench.path("token"), "canary-of-other-length").unwrap();
    assert_eq!(bench.digest(&arguments), first, "a secret is part of a key");
}

#[test]
fn row_67_a_missing_secret_is_said_by_its_name() {
    let bench = Bench::with("FROM base\nRUN --mount=type=secret,id=token,required=true true\n");
    assert!(bench.build(&[]).error(1).contains("token"));
}

#[test]
fn row_66_the_environment_of_the_host_stays_outside() {
    const CANARY: &str = "canary-77aa-environment";
    let bench = Bench::with(
        "FROM base AS sibling\nARG OTHER\nRUN test \"$OTHER\" = canary-argument\n\
         FROM base\nCOPY --from=sibling /etc/passwd /users\n\
         RUN env > /environment; ! cat /environment /proc/*/environ 2>/dev/null | grep canary\n",
    );
    let mut command = bench.build_command(
        "store",
        &[
            "--build-arg",
            "OTHER=canary-argument",
            "-o",
            "type=oci,dest=out/i.tar",
        ],
        "context",
    );
    command
        .env("CANARY", CANARY)
        .env("PRAXIS_CANARY", CANARY)
        .env("LD_PRELOAD_CANARY", CANARY);
    let ended = run(command);
    ended.digest();
    assert!(!ended.says(CANARY));
    assert_eq!(traces(&bench.store(), CANARY), [""; 0]);
    assert_eq!(
        traces(&bench.path("out"), "canary-argument"),
        [""; 0],
        "an argument of another stage is in the image"
    );
}

#[test]
fn certificates_are_lent_and_not_kept() {
    let bench = Bench::with(
        "FROM base\nRUN grep -c '^canary-9b1c' \"$SSL_CERT_FILE\" && cat \"$SSL_CERT_FILE\" | wc -l > /lines\n",
    );
    let bundle = bench.path("bundle.pem");
    fs::write(
        &bundle,
        "-----BEGIN CERTIFICATE-----\ncanary-9b1c-authority\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let mut command = bench.build_command("store", &["-o", "type=oci,dest=out/image.tar"], "context");
    command.env("SSL_CERT_FILE", &bundle);
    let first = run(command).digest();
    assert_eq!(traces(&bench.store(), "canary-9b1c-authority"), [""; 0]);
    assert_eq!(traces(&bench.path("out"), "canary-9b1c-authority"), [""; 0]);
    assert_eq!(
        traces(&bench.path("out"), "SSL_CERT_FILE=/dev"),
        [""; 0],
        "the variable is in the image"
    );
    // Another machine's certificates are no reason to run again.
    fs::write(
        &bundle,
        "-----BEGIN CERTIFICATE-----\nanother\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let mut command = bench.build_command("store", &[], "context");
    command.env("SSL_CERT_FILE", &bundle);
    assert_eq!(run(command).digest(), first);
}

#[test]
fn proxies_are_lent_and_not_kept() {
    const PROXY: &str = "http://canary-proxy.example:3128";
    let bench = Bench::with("FROM base\nRUN echo \"$HTTPS_PROXY\" | grep '^http.*:3128$' && echo 1 > /one\n");
    let mut command = bench.build_command("store", &["-o", "type=oci,dest=out/image.tar"], "context");
    command.env("HTTPS_PROXY", PROXY);
    let first = run(command).digest();
    assert_eq!(bench.digest(&["-o", "type=oci,dest=out/image.tar"]), first);
    for trace in ["canary-proxy", "HTTPS_PROXY="] {
        assert_eq!(
            traces(&bench.path("out"), trace),
            [""; 0],
            "{trace} is in the image"
        );
    }
}

#[test]
fn without_network_there_is_only_a_loopback() {
    let bench = Bench::with("FROM base\nRUN test \"$(ls /sys/class/net)\" = lo && echo alone > /network\n");
    bench.digest(&["--network=none", "--no-cache"]);
    bench.write(
        "Dockerfile",
        "FROM base\nRUN --network=none test \"$(ls /sys/class/net)\" = lo\n",
    );
    bench.digest(&[]);
}

#[test]
fn a_cache_mount_outlives_builds_and_is_in_no_layer() {
    let bench = Bench::with(
        "FROM base\nARG ROUND\nRUN --mount=type=cache,target=/kept ls /kept > /before; echo canary-5c5c > /kept/$ROUND\n\
         RUN test ! -e /kept/1\n",
    );
    bench.digest(&["--build-arg", "ROUND=1"]);
    let archive = ["--build-arg", "ROUND=2", "-o", "type=local,dest=out/files"];
    assert_eq!(bench.build(&archive).code, Some(0));
    assert_eq!(fs::read_to_string(bench.path("out/files/before")).unwrap(), "1\n");
    assert_eq!(traces(&bench.path("out"), "canary-5c5c"), [""; 0]);
}
