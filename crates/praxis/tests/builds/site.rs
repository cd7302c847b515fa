//! What the machine lends to RUN steps, and that none of it stays.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::bench::{Bench, Ended, run};

const BUNDLE: &str = "-----BEGIN CERTIFICATE-----\ncanary of the site\n-----END CERTIFICATE-----\n";
const CA_PATH: &str = "/dev/praxis-ca.pem";

/// A bench with a bundle of certificates; what RUN steps print is in `Ended::stderr`.
fn bench(dockerfile: &str) -> Bench {
    let bench = Bench::with(dockerfile);
    fs::write(bench.path("bundle.pem"), BUNDLE).unwrap();
    bench
}

fn command(bench: &Bench, arguments: &[&str]) -> Command {
    let mut command = bench.build_command("store", arguments, "context");
    command.env("SSL_CERT_FILE", bench.path("bundle.pem"));
    command
}

fn build(bench: &Bench, arguments: &[&str]) -> Ended {
    let ended = run(command(bench, arguments));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended
}

/// Whether any line a step printed ends with `text`.
fn printed(ended: &Ended, text: &str) -> bool {
    let mut lines = ended.stderr.lines();
    lines.any(|line| line.starts_with('#') && line.ends_with(&format!(" {text}")))
}

/// The archive of the result's files, as text in which a search finds what any file holds.
fn result(bench: &Bench) -> String {
    String::from_utf8_lossy(&fs::read(bench.path("out/result.tar")).unwrap()).into_owned()
}

#[test]
fn every_client_finds_the_certificates_and_none_stays() {
    let bench = bench("FROM base\nRUN env | sort\nRUN cat $SSL_CERT_FILE $APT_CONFIG $WGETRC; touch /done\n");
    let ended = build(&bench, &["-o", "type=tar,dest=out/result.tar"]);
    for name in [
        "SSL_CERT_FILE",
        "CURL_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "PIP_CERT",
        "NODE_EXTRA_CA_CERTS",
        "CARGO_HTTP_CAINFO",
        "GIT_SSL_CAINFO",
    ] {
        assert!(
            printed(&ended, &format!("{name}={CA_PATH}")),
            "{name}: {}",
            ended.stderr
        );
    }
    assert!(printed(&ended, "canary of the site"), "{}", ended.stderr);
    assert!(
        printed(&ended, &format!("Acquire::https::CAInfo \"{CA_PATH}\";")),
        "{}",
        ended.stderr
    );
    assert!(
        printed(&ended, &format!("ca_certificate = {CA_PATH}")),
        "{}",
        ended.stderr
    );
    let result = result(&bench);
    assert!(result.contains("done"), "the archive has what the step made");
    assert!(!result.contains("canary of the site") && !result.contains("praxis-"));
}

#[test]
fn a_private_bundle_is_readable_for_every_user_of_a_step() {
    let bench = bench("FROM base\nUSER app\nRUN cat $SSL_CERT_FILE\n");
    fs::set_permissions(bench.path("bundle.pem"), Permissions::from_mode(0o600)).unwrap();
    assert!(printed(&build(&bench, &[]), "canary of the site"));
}

#[test]
fn a_step_without_network_is_lent_nothing() {
    let bench = bench("FROM base\nRUN --network=none env; ls /dev; echo end\n");
    let mut command = command(&bench, &[]);
    command
        .env("https_proxy", "http://proxy.invalid:1")
        .env("PIP_INDEX_URL", "https://pip.invalid/simple");
    let ended = run(command);
    assert!(printed(&ended, "end"), "{}", ended.stderr);
    for trace in [
        "praxis-ca",
        "SSL_CERT_FILE",
        "APT_CONFIG=",
        "proxy.invalid",
        "pip.invalid",
    ] {
        assert!(!ended.says(trace), "{trace}: {}", ended.stderr);
    }
}

#[test]
fn the_image_and_the_dockerfile_come_first() {
    let bench = bench(concat!(
        "FROM base AS below\nENV SSL_CERT_FILE=/of/the/base https_proxy=http://image.invalid\n",
        "FROM below\nENV PIP_CERT=/of/the/stage\nRUN env\n",
    ));
    let mut command = command(&bench, &[]);
    command.env("https_proxy", "http://proxy.invalid:1");
    let ended = run(command);
    for line in [
        "SSL_CERT_FILE=/of/the/base",
        "PIP_CERT=/of/the/stage",
        "https_proxy=http://image.invalid",
        "CURL_CA_BUNDLE=/dev/praxis-ca.pem",
    ] {
        assert!(printed(&ended, line), "{line}: {}", ended.stderr);
    }
}

#[test]
fn the_site_is_part_of_no_key_and_no_image() {
    let bench = bench("FROM base\nRUN echo $SSL_CERT_FILE $https_proxy >/dev/null; touch /done\n");
    let here = build(&bench, &[]).digest();
    let mut elsewhere = bench.build_command("store", &[], "context");
    elsewhere
        .env("SSL_CERT_FILE", bench.path("other.pem"))
        .env("https_proxy", "http://proxy.invalid:1");
    fs::write(bench.path("other.pem"), "other\n").unwrap();
    let ended = run(elsewhere);
    assert!(ended.says("2 of 2 steps cached"), "{}", ended.stderr);
    assert_eq!(ended.digest(), here);
}

/// Mirrors come from the machine's apt configuration; where it has none of Debian's, the image's list stays as it is.
#[test]
fn mirror_lists_are_seen_over_those_of_the_image_and_do_not_stay() {
    let bench = bench(concat!(
        "FROM base\nCOPY debian.list /etc/apt/mirrors/\n",
        "RUN cat /etc/apt/mirrors/debian.list; ls /etc/apt/mirrors | wc -l; echo end\n",
    ));
    bench.write("debian.list", "http://of-the-image.invalid/debian\n");
    let mut doctor = bench.praxis("store");
    doctor.args(["doctor", "--json"]);
    let doctor = String::from_utf8(run(doctor).stdout).unwrap();
    let has_mirrors = doctor.contains("from the host's apt configuration");
    let ended = build(&bench, &["-o", "type=tar,dest=out/result.tar"]);
    assert!(
        printed(&ended, "end") && printed(&ended, "1"),
        "a list that the image has not was made: {}",
        ended.stderr
    );
    assert_eq!(
        printed(&ended, "http://of-the-image.invalid/debian"),
        !has_mirrors,
        "{}",
        ended.stderr
    );
    assert!(result(&bench).contains("http://of-the-image.invalid/debian"));
}
