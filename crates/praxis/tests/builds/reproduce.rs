//! `praxis reproduce`: a proof that is one, and differences that are named.

use std::fs;
use std::process::Command;

use praxis_oci::Digest;
use praxis_testkit::files_below;
use serde_json::{Value, json};

use crate::bench::{Bench, Ended, run, text};

fn praxis(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = bench.praxis("store");
    command.args(arguments);
    run(command)
}

#[track_caller]
fn reproduce(bench: &Bench, arguments: &[&str], code: i32) -> Value {
    let mut all = vec!["reproduce", "--json", "--progress", "quiet"];
    all.extend(arguments);
    let ended = praxis(bench, &all);
    assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
    serde_json::from_slice(&ended.stdout).unwrap()
}

const DOCKERFILE: &str =
    "FROM base\nARG WHO=nobody\nRUN echo $WHO > /who && ln /who /also\nCOPY d /d\nLABEL a=b\n";

fn bench() -> Bench {
    let bench = Bench::with(DOCKERFILE);
    bench.write("d/a", "a\n");
    bench.write("d/b", "b\n");
    bench
}

#[test]
fn an_image_is_the_same_again_from_what_was_noted() {
    let bench = bench();
    let options = [
        "--build-arg",
        "WHO=me",
        "--label",
        "x=y",
        "--annotation",
        "n=v",
        "-t",
        "me:1",
    ];
    let digest = bench.digest(&options);
    let again = reproduce(&bench, &["me:1"], 0);
    assert_eq!(
        (&again["identical"], &again["rebuilt"]),
        (&json!(true), &json!(digest))
    );
    assert_eq!(again["changed_inputs"], json!([]));
    // Also of an archive of the image, and in another compression.
    bench.digest(&["-t", "me:2", "-o", "type=oci,compression=zstd,dest=out/a.tar"]);
    reproduce(&bench, &["out/a.tar"], 0);
    bench.assert_clean("store");
}

#[test]
fn no_earlier_result_stands_in_for_work() {
    let bench = Bench::with("FROM base\nRUN cat /proc/sys/kernel/random/uuid > /random\n");
    bench.digest(&["-t", "me:1"]);
    let again = reproduce(&bench, &["me:1"], 1);
    let first = &again["first"];
    assert_eq!(first["path"], "/random");
    assert_eq!(
        (&first["causes"], &first["layer"]),
        (&json!(["content"]), &json!(2))
    );
    assert_eq!(first["source"]["line"], 2);
    // The store was not touched: the cached build still gives the image.
    assert_eq!(bench.digest(&[]), again["image"].as_str().unwrap());

    let mounted = "FROM base\nRUN --mount=type=cache,target=/c date >> /c/x; wc -l < /c/x > /lines\n";
    bench.write("Dockerfile", mounted);
    bench.digest(&["-t", "me:2"]);
    assert_eq!(
        reproduce(&bench, &["me:2"], 0)["identical"],
        true,
        "its cache mount is empty too"
    );
}

#[test]
fn changed_inputs_are_told_first() {
    let bench = bench();
    bench.digest(&["-t", "me:1"]);
    bench.write("d/b", "c\n");
    bench.write("Dockerfile", "FROM base\n");
    let again = reproduce(&bench, &["me:1"], 1);
    let changed = again["changed_inputs"].as_array().unwrap();
    assert!(
        changed[0].as_str().unwrap().contains("Dockerfile has changed"),
        "{changed:?}"
    );
    assert_eq!(changed[1], "the content of /d/b has changed");
    assert_eq!(
        (&again["first"]["path"], &again["first"]["layer"]),
        (&json!("/d/b"), &json!(3))
    );
    let shown = text(&praxis(&bench, &["reproduce", "me:1", "--progress", "quiet"]).stdout);
    assert!(shown.starts_with("changed since: "), "{shown}");
    assert!(shown.contains("\n  /d/b: content\n"), "{shown}");
    fs::remove_dir_all(bench.path("context")).unwrap();
    let gone = praxis(&bench, &["reproduce", "me:1", "--progress", "quiet"]);
    assert!(gone.error(1).contains("is not there any more"));
    assert!(gone.stderr.contains("--context"), "{}", gone.stderr);
}

/// A build of what is in a file of the bench, on standard input.
#[track_caller]
fn build_from(bench: &Bench, input: &str, arguments: &[&str]) {
    let mut command = bench.build_command("store", &[&["-t", "me:1"], arguments].concat(), "-");
    command.stdin(fs::File::open(bench.path(input)).unwrap());
    run(command).digest();
}

#[test]
fn a_dockerfile_from_standard_input_is_noted_whole() {
    let bench = bench();
    fs::write(bench.path("text"), "FROM base\nRUN echo a > /a\n").unwrap();
    build_from(&bench, "text", &[]);
    assert_eq!(reproduce(&bench, &["me:1"], 0)["identical"], true);
}

#[test]
fn an_archive_from_standard_input_is_given_again_as_a_file() {
    let bench = bench();
    fs::rename(bench.path("context/Dockerfile"), bench.path("context/d/other")).unwrap();
    let pack = |name: &str| {
        let mut tar = Command::new("tar");
        tar.args(["--owner=7", "--group=8", "-cf", name, "-C", "context", "."]);
        assert!(tar.current_dir(bench.path("")).status().unwrap().success());
    };
    pack("context.tar");
    build_from(&bench, "context.tar", &["-f", "d/other"]);
    let kept = praxis(&bench, &["reproduce", "me:1", "--progress", "quiet"]);
    assert!(
        kept.error(1).contains("an archive on standard input"),
        "{}",
        kept.stderr
    );
    assert!(kept.says("--context FILE"), "{}", kept.stderr);
    let again = reproduce(&bench, &["me:1", "--context", "context.tar"], 0);
    assert_eq!(again["changed_inputs"], json!([]));

    bench.write("d/b", "c\n");
    bench.write("d/other", &format!("{DOCKERFILE}# more\n"));
    pack("later.tar");
    let other = reproduce(&bench, &["me:1", "--context", "later.tar"], 1);
    assert_eq!(
        other["changed_inputs"],
        json!(["the Dockerfile in the archive has changed"])
    );
    assert_eq!(other["first"]["path"], "/d/b");
}

#[test]
fn another_target_of_a_bake_file_has_to_be_given() {
    let bench = bench();
    fs::write(
        bench.path("docker-bake.hcl"),
        "target \"one\" {\n  context = \"context\"\n  dockerfile-inline = \"FROM scratch\\nCOPY d /d\\n\"\n\
           output = [\"type=oci,tar=false,dest=out/one\"]\n}\n\
         target \"two\" {\n  context = \"context\"\n  dockerfile-inline = \"FROM lower\\nCOPY d/a /more\\n\"\n\
           contexts = { lower = \"target:one\" }\n  tags = [\"two:1\"]\n}\n",
    )
    .unwrap();
    let built = praxis(&bench, &["bake", "--allow", "fs=*", "one", "two"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let missing = praxis(&bench, &["reproduce", "two:1", "--progress", "quiet"]);
    assert!(
        missing.error(1).contains("the bake target one"),
        "{}",
        missing.stderr
    );
    let given = ["two:1", "--build-context", "lower=oci-layout://out/one"];
    assert_eq!(reproduce(&bench, &given, 0)["identical"], true);
}

#[test]
fn row_67_of_secrets_only_the_names_are_noted() {
    let bench = Bench::with("FROM base\nRUN --mount=type=secret,id=s wc -c < /run/secrets/s > /length\n");
    let canary = "canary-5c1e0b";
    fs::write(bench.path("secret"), canary).unwrap();
    bench.digest(&[
        "-t",
        "me:1",
        "--secret",
        "id=s,src=secret",
        "--build-arg",
        "http_proxy=http://me:canary-5c1e0b@proxy:1",
    ]);
    for path in files_below(&bench.store()) {
        assert!(
            !text(&fs::read(&path).unwrap_or_default()).contains(canary),
            "{}",
            path.display()
        );
    }
    let without = praxis(&bench, &["reproduce", "me:1", "--progress", "quiet"]);
    assert!(without.error(1).contains("the secret s"));
    reproduce(&bench, &["me:1", "--secret", "id=s,src=secret"], 0);

    // The value of an argument that sounds like a secret is not noted either, though `RUN` may have put it anywhere.
    bench.write("Dockerfile", "FROM base\nARG API_TOKEN\nCOPY x /x\n");
    bench.write("x", "x");
    bench.digest(&["-t", "me:2", "--build-arg", "API_TOKEN=canary-5c1e0b"]);
    let without = praxis(&bench, &["reproduce", "me:2", "--progress", "quiet"]);
    assert!(without.error(1).contains("the build argument API_TOKEN"));
    reproduce(&bench, &["me:2", "--build-arg", "API_TOKEN=canary-5c1e0b"], 0);
    for path in files_below(&bench.store().join("origins")) {
        let noted = text(&fs::read(&path).unwrap());
        assert!(
            noted.contains("API_TOKEN") || noted.contains("secrets\":[\"s\"]"),
            "{noted}"
        );
        assert!(!noted.contains(canary), "{noted}");
    }
}

/// An image like the built one whose last layer went through `change`, as nobody's store knows it.
fn altered(bench: &Bench, change: impl Fn(&mut Vec<u8>)) {
    let layout = bench.path("out/x");
    let _ = fs::remove_dir_all(&layout);
    bench.digest(&["-o", "type=oci,tar=false,compression=uncompressed,dest=out/x"]);
    let blob = |digest: &Value| {
        layout
            .join("blobs/sha256")
            .join(digest.as_str().unwrap().trim_start_matches("sha256:"))
    };
    let read =
        |digest: &Value| -> Value { serde_json::from_slice(&fs::read(blob(digest)).unwrap()).unwrap() };
    let put = |bytes: &[u8]| {
        let digest = json!(Digest::of(bytes).to_string());
        fs::write(blob(&digest), bytes).unwrap();
        (digest, bytes.len())
    };
    let mut index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let mut manifest = read(&index["manifests"][0]["digest"]);
    let mut config = read(&manifest["config"]["digest"]);
    let last = manifest["layers"].as_array().unwrap().len() - 1;
    let mut layer = fs::read(blob(&manifest["layers"][last]["digest"])).unwrap();
    change(&mut layer);
    let (digest, _) = put(&layer);
    manifest["layers"][last]["digest"] = digest.clone();
    config["rootfs"]["diff_ids"][last] = digest;
    let (digest, size) = put(config.to_string().as_bytes());
    (manifest["config"]["digest"], manifest["config"]["size"]) = (digest, json!(size));
    let (digest, size) = put(manifest.to_string().as_bytes());
    (index["manifests"][0]["digest"], index["manifests"][0]["size"]) = (digest, json!(size));
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
}

/// Where the member called `name` begins.
fn member(layer: &[u8], name: &str) -> usize {
    let starts = (0..layer.len()).step_by(512);
    let named = |at: &usize| layer[*at..].starts_with(name.as_bytes()) && layer[at + name.len()] == 0;
    starts.into_iter().find(named).unwrap()
}

/// Writes into a header, and its check sum.
fn patch(layer: &mut [u8], at: usize, field: usize, value: &[u8]) {
    layer[at + field..][..value.len()].copy_from_slice(value);
    layer[at + 148..at + 156].fill(b' ');
    let sum: u32 = layer[at..at + 512].iter().map(|&byte| u32::from(byte)).sum();
    layer[at + 148..at + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

#[test]
fn differences_are_named_by_their_cause() {
    let bench = bench();
    type Change = fn(&mut Vec<u8>);
    let changes: [(&str, Change); 4] = [
        ("order", |layer| {
            let (a, b) = (member(layer, "d/a"), member(layer, "d/b"));
            let first = layer[a..a + 1024].to_vec();
            layer.copy_within(b..b + 1024, a);
            layer[b..b + 1024].copy_from_slice(&first);
        }),
        ("time", |layer| {
            let at = member(layer, "d/a");
            patch(layer, at, 136, b"00000000007\0");
        }),
        ("owner", |layer| {
            let at = member(layer, "d/a");
            patch(layer, at, 108, b"0000007\0");
        }),
        ("content", |layer| {
            let at = member(layer, "d/a");
            layer[at + 512] = b'x';
        }),
    ];
    for (cause, change) in changes {
        altered(&bench, change);
        let options = [
            "oci:out/x",
            "--context",
            "context",
            "--build-context",
            "base=oci-layout://base",
        ];
        let again = reproduce(&bench, &options, 1);
        let first = &again["first"];
        assert_eq!(first["causes"], json!([cause]), "{again}");
        // In the changed order, b comes where a belongs.
        let path = if cause == "order" { "/d/b" } else { "/d/a" };
        assert_eq!(
            (&first["layer"], &first["path"]),
            (&json!(3), &json!(path)),
            "{cause}"
        );
    }
}

#[test]
fn images_of_other_builders_are_compared_too() {
    let bench = Bench::with("FROM scratch\nCOPY d/a /a\n");
    bench.write("d/a", "a\n");
    let storage = bench.path("storage");
    let mut buildah = Command::new("buildah");
    buildah
        .args(["--storage-driver", "vfs", "--root"])
        .arg(storage.join("root"))
        .arg("--runroot")
        .arg(storage.join("run"))
        .args([
            "build",
            "--isolation",
            "chroot",
            "--timestamp",
            "7",
            "-t",
            "oci-archive:out/foreign.tar",
            "context",
        ])
        .current_dir(bench.path(""));
    let ended = run(buildah);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let unknown = praxis(&bench, &["reproduce", "out/foreign.tar", "--progress", "quiet"]);
    assert!(
        unknown
            .error(1)
            .contains("not known what this image was built from")
    );
    let again = reproduce(&bench, &["out/foreign.tar", "--context", "context"], 1);
    assert_eq!(
        (&again["first"]["path"], &again["first"]["causes"]),
        (&json!("/a"), &json!(["time"]))
    );
    assert!(
        again["fields"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["field"] == "created")
    );
}

#[test]
fn a_repository_is_built_at_the_commit_of_then() {
    let bench = Bench::with("FROM scratch\nCOPY file /file\n");
    bench.write("file", "then");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .args([
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b",
                "-c",
                "init.defaultBranch=main",
            ])
            .args(arguments)
            .current_dir(bench.path("context"));
        let ended = run(command);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "then"]);
    git(&["clone", "-q", "--bare", ".", "../bare.git"]);
    let mut build = bench.praxis("store");
    build.args(["build", "-q", "-t", "me:1", "bare.git"]);
    let built = run(build);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    bench.write("file", "now");
    git(&["commit", "-qam", "now"]);
    git(&["push", "-q", "../bare.git", "main"]);
    assert_eq!(reproduce(&bench, &["me:1"], 0)["changed_inputs"], json!([]));
    let now = reproduce(&bench, &["me:1", "--context", "bare.git"], 1);
    assert!(
        now["changed_inputs"][0]
            .as_str()
            .unwrap()
            .starts_with("the context was commit "),
        "{now}"
    );
    assert_eq!(now["first"]["path"], "/file");
}
