//! A build by a server is the build here: bytes, messages, exit status.

use super::*;

#[test]
fn a_build_by_a_server_is_the_build_here() {
    let place = rich();
    ["store", "local"]
        .iter()
        .for_each(|store| give_base(&place, store));
    let server = start(&place);
    let address = server.address.to_string();
    let options = [
        "-t",
        "app:1",
        "--build-context",
        "more=more",
        "--label",
        "a=b",
        "--annotation",
        "k=v",
    ];
    let here = local(
        &place,
        &[&options[..], &["-o", "type=oci,dest=here.tar"]].concat(),
    );
    assert!(here.status.success(), "{}", String::from_utf8_lossy(&here.stderr));
    let outputs = [
        "-o",
        "type=oci,dest=there.tar",
        "-o",
        "type=local,dest=files",
        "--iidfile",
        "id",
    ];
    let told = said(
        remote(&place, BUILDER, &address, &[&options[..], &outputs].concat()),
        0,
    );
    assert!(
        told.contains("deep") && told.contains("RUN ls /all"),
        "what the step prints: {told}"
    );
    same_archives(&place);
    assert_eq!(fs::read_to_string(place.path("files/all/left/in")).unwrap(), "in");
    assert!(
        fs::read_to_string(place.path("id"))
            .unwrap()
            .starts_with("sha256:")
    );
    assert_eq!(kept(&place), 7, "what is left out is not sent, one content once");
    let mut inspect = client(&place, "own");
    inspect.args(["inspect", "app:1"]);
    assert!(inspect.output().unwrap().status.success());
    let mut inspect = client(&place, "store");
    inspect.args(["inspect", "app:1"]);
    assert!(
        !inspect.output().unwrap().status.success(),
        "names are the client's"
    );
    let mut history = client(&place, "own");
    let history = history.args(["history"]).output().unwrap();
    assert!(String::from_utf8_lossy(&history.stdout).contains("app:1"));

    place.write("app/deep/er/file", "changed\n");
    let told = said(remote(&place, BUILDER, &address, &options), 0);
    assert!(
        told.contains("1 of 7 files of the context were sent, 8 bytes"),
        "{told}"
    );
    let told = said(remote(&place, BUILDER, &address, &options), 0);
    assert!(
        told.contains("0 of 7 files of the context were sent, 0 bytes"),
        "{told}"
    );
    // Another client has to send everything: that the server has it tells nothing to who does not.
    let told = said(remote(&place, OTHER, &address, &options), 0);
    assert!(told.contains("7 of 7 files of the context were sent"), "{told}");
}

#[test]
fn times_of_files_are_those_of_this_machine_when_a_time_is_given() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM scratch\nCOPY . /\n");
    let old = fs::File::options()
        .write(true)
        .open(place.path("app/Dockerfile"))
        .unwrap();
    old.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
        .unwrap();
    let server = start(&place);
    let mut here = client(&place, "local");
    here.args(["build", "-q", "app", "-o", "type=oci,dest=here.tar"]);
    here.env("SOURCE_DATE_EPOCH", "1700000000");
    assert!(here.status().unwrap().success());
    let mut there = remote(
        &place,
        BUILDER,
        &server.address.to_string(),
        &["-o", "type=oci,dest=there.tar"],
    );
    there.env("SOURCE_DATE_EPOCH", "1700000000");
    said(there, 0);
    same_archives(&place);
}

/// The last lines, from the error on.
fn failure(said: &str) -> String {
    let at = said.find("error: ").unwrap_or_else(|| panic!("no error: {said}"));
    said[at..].into()
}

#[test]
fn a_step_that_fails_says_the_same_and_ends_the_same() {
    let place = Place::new();
    place.write(
        "app/Dockerfile",
        &format!("FROM {BASE}\nRUN echo before; exit 3\n"),
    );
    ["store", "local"]
        .iter()
        .for_each(|store| give_base(&place, store));
    let server = start(&place);
    let here = local(&place, &[]);
    let there = remote(&place, BUILDER, &server.address.to_string(), &[])
        .output()
        .unwrap();
    assert_eq!(here.status.code(), there.status.code());
    let texts = [&here, &there].map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(failure(&texts[0]), failure(&texts[1]));
    assert!(
        texts[1].contains("Dockerfile:2") && texts[1].contains("before"),
        "{}",
        texts[1]
    );
    place.write("app/Dockerfile", "FROM scratch\nCOPY missing /\n");
    let here = local(&place, &[]);
    let there = remote(&place, BUILDER, &server.address.to_string(), &[])
        .output()
        .unwrap();
    let texts = [&here, &there].map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    assert_eq!(failure(&texts[0]), failure(&texts[1]));
}

/// What was built here and what was built there are the same bytes.
#[track_caller]
fn same_archives(place: &Place) {
    assert_eq!(
        fs::read(place.path("here.tar")).unwrap(),
        fs::read(place.path("there.tar")).unwrap()
    );
}

#[test]
fn several_platforms_policy_and_commit_are_as_here() {
    let place = Place::new();
    place.write(
        "app/Dockerfile",
        "FROM scratch\nARG TARGETARCH\nCOPY . /\nLABEL arch=$TARGETARCH\n",
    );
    place.write("app/praxis.toml", "[image]\nset-labels = true\n");
    place.write("app/.dockerignore", ".git\npraxis.toml\n");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.org", "-C"]);
        let done = command.arg(place.path("app")).args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    git(&["init", "-q"]);
    git(&["remote", "add", "origin", "https://user:secret@example.org/a.git"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "x", "--date", "2001-02-03T04:05:06Z"]);
    let server = start(&place);
    let address = server.address.to_string();
    let platforms = ["--platform", "linux/amd64,linux/arm64"];
    let here = local(
        &place,
        &[&platforms[..], &["-o", "type=oci,dest=here.tar"]].concat(),
    );
    assert!(here.status.success(), "{}", String::from_utf8_lossy(&here.stderr));
    let there = [
        &platforms[..],
        &["-o", "type=oci,dest=there.tar", "-o", "type=local,dest=files"],
    ]
    .concat();
    said(remote(&place, BUILDER, &address, &there), 0);
    same_archives(&place);
    assert!(place.path("files/linux_arm64/Dockerfile").is_file());
    let here = local(&place, &["-t", "app:1", "-o", "type=docker,dest=here.tar"]);
    assert!(here.status.success());
    said(
        remote(
            &place,
            BUILDER,
            &address,
            &["-t", "app:1", "-o", "type=docker,dest=there.tar"],
        ),
        0,
    );
    same_archives(&place);
    let archive = fs::read(place.path("there.tar")).unwrap();
    let holds = |text: &str| {
        archive
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(holds("https://example.org/a.git") && !holds("secret"));
}

#[test]
fn a_dockerfile_on_standard_input_and_one_beside_the_context_go_along() {
    let place = Place::new();
    place.write("app/a", "a");
    place.write("other/Containerfile", "FROM scratch\nCOPY a /b\n");
    place.write("other/Containerfile.dockerignore", "b\n");
    let server = start(&place);
    let address = server.address.to_string();
    let mut piped = remote(
        &place,
        BUILDER,
        &address,
        &["-f", "-", "-o", "type=local,dest=one"],
    );
    piped.stdin(fs::File::open(place.path("other/Containerfile")).unwrap());
    said(piped, 0);
    let beside = ["-f", "other/Containerfile", "-o", "type=local,dest=two"];
    said(remote(&place, BUILDER, &address, &beside), 0);
    assert!(place.path("one/b").is_file() && place.path("two/b").is_file());
}
