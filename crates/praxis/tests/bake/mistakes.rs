use crate::place::Place;

#[test]
fn mistakes_have_a_place_and_leave_nothing() {
    let place = Place::empty();
    assert_eq!(
        place.write("x", "").bake(&[]).error(1),
        "error: there is no bake or compose file here"
    );
    place.write(
        "docker-bake.hcl",
        "target \"default\" {\n  output = [\"out\"]\n  tags = [\"${VERSION}\"]\n}\nvariable \"VERSOIN\" {}\n",
    );
    let ended = place.bake(&[]);
    assert_eq!(
        ended.error(1),
        "error: docker-bake.hcl:3:14: there is no variable \"VERSION\""
    );
    assert!(
        ended.stderr.contains("try: did you mean VERSOIN?"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("3 |   tags = [\"${VERSION}\"]"),
        "{}",
        ended.stderr
    );
    assert_eq!(
        place.bake(&["-f", "gone.hcl"]).error(1),
        "error: gone.hcl: there is no such file"
    );
    assert!(place.bake(&["--var", "x"]).error(2).contains("NAME=VALUE"));
    assert!(
        place
            .bake(&["https://example.org/x.git"])
            .stderr
            .contains("no variable"),
        "the file comes first"
    );
    assert!(!place.path("out").exists());
}

#[test]
fn what_build_refuses_bake_refuses() {
    let place = Place::empty();
    place.write(
        "docker-bake.hcl",
        r#"
        target "load" { output = ["type=docker"] }
        target "push" { output = ["type=image,push=true"] }
        target "attest" { attest = ["type=sbom,generator=x"] }
        target "platform" { platforms = ["linux/amd64/v1/more"] }
        target "stdin" { context = "-" }
        "#,
    );
    for (target, why) in [
        ("load", "there is no daemon to load into"),
        ("push", "publishing is a release operation"),
        ("attest", "there are no generators"),
        ("platform", "invalid platform"),
        ("stdin", "standard input"),
    ] {
        let ended = place.bake(&[target]);
        let error = ended.error(2);
        assert!(error.contains(why), "{error}");
        assert!(error.starts_with(&format!("error: {target}: ")), "{error}");
    }
    assert!(
        place
            .bake(&["--push", "load"])
            .error(2)
            .contains("--push is refused")
    );
    assert!(
        place
            .bake(&["--load", "load"])
            .error(2)
            .contains("--load is refused")
    );
}

#[test]
fn a_failing_target_is_named() {
    let place = Place::new();
    place.write(
        "docker-bake.hcl",
        "target \"broken\" {\n  contexts = { base = \"oci-layout://base\" }\n  dockerfile-inline = \"FROM base\\nRUN false\"\n  \
         output = [\"out\"]\n}\n",
    );
    let ended = place.bake(&["broken"]);
    let error = ended.error(1);
    assert!(error.contains("broken"), "{error}");
    assert!(!place.path("out").exists());
}

/// Files of bake come with the sources; what they touch outside needs a word on the command line.
#[test]
fn what_lies_outside_needs_a_grant() {
    let place = Place::new();
    place.write("../outside/secret", "s\n").write(
        "docker-bake.hcl",
        r#"
        target "default" {
          contexts = { base = "oci-layout://base" }
          dockerfile-inline = "FROM base AS b\nRUN --mount=type=secret,id=s cp /run/secrets/s /s\nFROM scratch\nCOPY --from=b /s /s"
          secret = ["id=s,src=../outside/secret"]
          output = ["../outside/out"]
        }
        target "linked" { context = "link" }
        target "agent" { ssh = ["default"] }
        target "named" { secret = ["id=../outside/secret"] }
        target "repository" { context = "file:///repository.git#main" }
        target "insecure" { entitlements = ["security.insecure"] }
        target "network" { network = "host" }
        target "tree" { contexts = { x = "oci-layout:///layout@sha256:0" } }
        "#,
    );
    let ended = place.bake(&[]);
    let error = ended.error(1);
    let flags = "--allow=fs.read=../outside/secret --allow=fs.write=../outside/out";
    assert!(error.contains(flags), "{error}");
    assert!(!place.path("../outside/out").exists());
    std::os::unix::fs::symlink("../outside", place.path("link")).unwrap();
    assert!(place.bake(&["linked"]).error(1).contains("--allow=fs.read=link"));
    for (target, path) in [
        ("named", "../outside/secret"),
        ("repository", "/repository.git"),
        ("tree", "/layout"),
    ] {
        let ended = place.bake(&[target]);
        let flag = format!("--allow=fs.read={path} ");
        assert!(ended.error(1).contains(&flag), "{}", ended.stderr);
    }
    assert!(place.bake(&["agent"]).error(1).contains("--allow=ssh"));
    for (target, entitlement) in [("insecure", "security.insecure"), ("network", "network.host")] {
        let ended = place.bake(&[target]);
        let flag = format!("--allow={entitlement} ");
        assert!(ended.error(1).contains(&flag), "{}", ended.stderr);
        let ended = place.bake(&[target, "--allow", entitlement]);
        assert!(ended.error(1).contains("Dockerfile"), "granted: {}", ended.stderr);
    }
    assert!(place.bake(&["--allow", "device"]).error(2).contains("refused"));
    let mut arguments: Vec<&str> = flags.split(' ').collect();
    place.bake(&arguments).ok();
    assert_eq!(place.read("../outside/out/s"), "s\n");
    arguments[1] = "--set=*.output=../outside/other";
    place.bake(&arguments).ok();
    assert_eq!(place.read("../outside/other/s"), "s\n");
}
