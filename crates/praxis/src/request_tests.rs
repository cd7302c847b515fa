use clap::Parser;

use super::*;
use crate::arguments::{Arguments, Command};

fn request_with(arguments: &[&str], environment: &[(&str, &str)]) -> Result<BuildRequest, Failure> {
    let line = ["praxis", "build"].iter().chain(arguments);
    let Command::Build(options) = Arguments::try_parse_from(line).unwrap().command else {
        unreachable!()
    };
    build_request(
        &options.build,
        &Environment::of(environment),
        Site::default(),
        &mut &b"FROM scratch\n"[..],
    )
}

fn request(arguments: &[&str]) -> BuildRequest {
    request_with(arguments, &[]).unwrap()
}

fn refusal(arguments: &[&str]) -> String {
    let failure = request_with(arguments, &[]).unwrap_err();
    assert_eq!(failure.kind, crate::failure::FailureKind::Usage, "{failure}");
    failure.message
}

#[test]
fn build_arguments_come_from_the_line_or_the_environment() {
    let line = [
        "--build-arg",
        "a=1=2",
        "--build-arg",
        "B",
        "--build-arg",
        "UNSET",
        "--build-arg",
        "e=",
        ".",
    ];
    let arguments = request_with(&line, &[("B", "two")]).unwrap().build_args;
    let expected = [("B", "two"), ("a", "1=2"), ("e", "")];
    assert_eq!(
        arguments,
        expected.map(|(n, v)| (n.to_string(), v.to_string())).into()
    );
    assert!(refusal(&["--build-arg", "=x", "."]).contains("has no name"));
}

#[test]
fn contexts() {
    assert_eq!(request(&["src"]).context, ContextSource::Directory("src".into()));
    assert_eq!(
        request(&["https://example.invalid/a.git#b"]).context,
        ContextSource::Remote("https://example.invalid/a.git#b".into())
    );
    let piped = request(&["-"]);
    assert_eq!(
        (piped.context, piped.stdin.unwrap()),
        (ContextSource::Stdin, b"FROM scratch\n".to_vec())
    );
    assert!(request(&["-f", "-", "."]).stdin.is_some());
    assert!(request(&["."]).stdin.is_none());
    assert!(refusal(&["-f", "-", "-"]).contains("both the context and the Dockerfile"));
}

#[test]
fn labels_without_value_are_empty() {
    let request = request(&[
        "--label",
        "a=b=c",
        "--label",
        "empty",
        "--annotation",
        "manifest:k=v",
        ".",
    ]);
    assert_eq!(request.labels["a"], "b=c");
    assert_eq!(request.labels["empty"], "");
    assert_eq!(request.annotations[0].key, "k");
    assert!(refusal(&["--annotation", "index[linux/amd64]:k=v", "."]).contains("no single platform"));
    assert!(refusal(&["--annotation", "manifest[moon]:k=v", "."]).contains("no platform"));
    assert!(refusal(&["--annotation", "k", "."]).contains("KEY=VALUE"));
}

#[test]
fn refused_options_say_what_to_do() {
    for (flag, why) in [
        (&["--load"][..], "type=docker,dest="),
        (&["--push"], "release operation"),
        (&["--provenance=mode=more"], "min or max"),
        (&["--sbom=generator=x"], "there are no generators"),
        (&["--attest", "type=vex"], "provenance or sbom"),
        (&["--allow", "device"], "no entitlement"),
        (&["--add-host", "a"], "NAME:ADDRESS"),
        (&["--add-host", "a:b c"], "NAME:ADDRESS"),
        (&["--build-context", "x"], "NAME=VALUE"),
        (&["-t", "UPPER case"], "image name"),
        (&["-o", "-", "-o", "type=oci"], "standard output"),
    ] {
        let line: Vec<&str> = flag.iter().copied().chain(["--jobs", "1", "."]).collect();
        let message = refusal(&line);
        assert!(message.contains(why), "{flag:?}: {message}");
    }
    request(&[
        "--provenance=false",
        "--sbom=false",
        "--allow",
        "network.host",
        "--pull",
        ".",
    ]);
}

#[test]
fn secrets_are_read_here() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "from file").unwrap();
    let file = format!("id=f,src={}", path.display());
    let line = [
        "--secret",
        &file,
        "--secret",
        "id=v,env=V",
        "--secret",
        "id=V",
        ".",
    ];
    let secrets = request_with(&line, &[("V", "from variable")]).unwrap().secrets;
    assert_eq!(secrets["f"].bytes, b"from file");
    assert_eq!(secrets["v"].bytes, b"from variable");
    assert_eq!(secrets["V"].bytes, b"from variable");
    let missing = request_with(&["--secret", "id=x,env=NOT_SET", "."], &[]).unwrap_err();
    assert!(missing.message.contains("NOT_SET is not set"), "{missing}");
    std::fs::write(&path, vec![b'x'; SECRET_LIMIT as usize + 1]).unwrap();
    let long = request_with(&["--secret", &file, "."], &[]).unwrap_err();
    assert!(long.message.contains("500 KiB"), "{long}");
}

#[test]
fn row_67_a_secret_is_not_shown_by_debug() {
    let request = request_with(&["--secret", "id=V", "."], &[("V", "canary-9731")]).unwrap();
    assert!(!format!("{request:?}").contains("canary-9731"));
}

#[test]
fn ssh_takes_the_agent_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let (socket, key) = (folder.path().join("s"), folder.path().join("key"));
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::write(&key, "canary-9732").unwrap();
    let (socket_option, key_option) = (
        format!("s={}", socket.display()),
        format!("k={0},{0}", key.display()),
    );
    let options = [
        "--ssh",
        "default",
        "--ssh",
        &socket_option,
        "--ssh",
        &key_option,
        ".",
    ];
    let agent = request_with(&options, &[("SSH_AUTH_SOCK", "/agent")]).unwrap();
    assert_eq!(agent.ssh["default"], PathBuf::from("/agent"));
    assert_eq!(agent.ssh["s"], socket);
    assert_eq!(agent.ssh_keys["k"].len(), 2);
    assert!(!format!("{agent:?}").contains("canary-9732"));
    let missing = request_with(&["--ssh", "k=/no/such/key", "."], &[]).unwrap_err();
    assert!(missing.message.contains("/no/such/key"), "{missing}");
    let both = format!("{socket_option},{}", key.display());
    let both = request_with(&["--ssh", &both, "."], &[]).unwrap_err();
    assert!(both.message.contains("stands alone"), "{both}");
    assert!(
        request_with(&["--ssh", "default", "."], &[])
            .unwrap_err()
            .message
            .contains("SSH_AUTH_SOCK")
    );
}

#[test]
fn epoch_comes_from_the_environment() {
    let epoch = |value| request_with(&["."], &[("SOURCE_DATE_EPOCH", value)]);
    assert_eq!(
        epoch("1600000000").unwrap().source_date_epoch,
        Some(1_600_000_000)
    );
    assert_eq!(epoch("").unwrap().source_date_epoch, None);
    assert!(
        epoch("yesterday")
            .unwrap_err()
            .message
            .contains("number of seconds")
    );
    assert!(epoch("-1").is_err());
}

#[test]
fn names_of_outputs_are_tags() {
    let request = request(&[
        "-t",
        "a:1",
        "-o",
        "type=oci,dest=x,name=b:2",
        "-o",
        "type=image",
        ".",
    ]);
    assert_eq!(request.tags, ["a:1", "b:2"]);
    assert_eq!(request.outputs.len(), 1);
}

#[test]
fn a_check_builds_nothing() {
    assert!(request(&["--check", "."]).dry_run);
    assert!(request(&["--call", "check", "."]).dry_run);
    assert!(!request(&["."]).dry_run);
}
