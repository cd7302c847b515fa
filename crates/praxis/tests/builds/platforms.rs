//! Several platforms in one build: an index that other tools read, native stages made once, and a plain word where a
//! step needs a machine that is not there.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::bench::{Bench, run, text};

/// Cross builds: everything runs on this machine, the result differs by platform.
const CROSS: &str = r#"
FROM --platform=$BUILDPLATFORM base AS tools
RUN seq 1 1000 > /numbers
FROM --platform=$BUILDPLATFORM tools AS build
ARG TARGETARCH
ARG TARGETPLATFORM
RUN echo "$TARGETPLATFORM" > /made && wc -l < /numbers >> /made
FROM scratch
COPY --from=build /made /made
"#;

const PLATFORMS: [&str; 2] = ["--platform", "linux/amd64,linux/arm64/v8,linux/arm/v7"];

fn skopeo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("skopeo").args(arguments).output();
    let output = output.expect("this test needs skopeo: install the package skopeo");
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    output.stdout
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn an_index_is_read_by_another_tool_and_keeps_the_order() {
    let bench = Bench::with(CROSS);
    let output = [
        "-t",
        "example.org/cross:1",
        "-o",
        "type=oci,tar=false,dest=out/layout",
    ];
    let metadata = ["--metadata-file", "out/metadata.json", "--iidfile", "out/id"];
    let digest = bench.digest(&[&PLATFORMS[..], &output, &metadata].concat());
    let layout = format!("oci:{}", bench.path("out/layout").display());
    let index = json(&skopeo(&["inspect", "--raw", &layout]));
    let shown = |entry: &Value| {
        let platform = &entry["platform"];
        let variant = platform["variant"].as_str().unwrap_or_default();
        format!("{}/{variant}", platform["architecture"].as_str().unwrap())
    };
    let order: Vec<String> = index["manifests"].as_array().unwrap().iter().map(shown).collect();
    assert_eq!(order, ["amd64/", "arm64/", "arm/v7"]);
    for (architecture, platform) in [("amd64", "linux/amd64"), ("arm64", "linux/arm64")] {
        let copy = format!("oci:{}", bench.path(&format!("out/{architecture}")).display());
        skopeo(&["copy", "-q", "--override-arch", architecture, &layout, &copy]);
        let image = json(&skopeo(&["inspect", "--config", &copy]));
        assert_eq!(image["architecture"], architecture, "{platform}");
    }
    let metadata = json(&fs::read(bench.path("out/metadata.json")).unwrap());
    assert_eq!(metadata["containerimage.digest"], digest.as_str());
    assert_eq!(
        metadata["containerimage.descriptor"]["mediaType"],
        "application/vnd.oci.image.index.v1+json"
    );
    assert_eq!(fs::read_to_string(bench.path("out/id")).unwrap(), digest);
}

#[test]
fn one_source_gives_one_index_for_everybody() {
    let bench = Bench::with(CROSS);
    let one = bench.digest_afresh("one", &[&PLATFORMS[..], &["--jobs", "1"]].concat(), "context");
    let eight = bench.digest_afresh("eight", &[&PLATFORMS[..], &["--jobs", "8"]].concat(), "context");
    assert_eq!(one, eight);
    if let Some(users) = bench.digest_as_user(&PLATFORMS) {
        assert_eq!(one, users);
    }
}

#[test]
fn native_stages_are_made_once() {
    let bench = Bench::with(CROSS);
    let built = bench.build(&[&PLATFORMS[..], &["--no-cache"]].concat());
    built.digest();
    let numbers = |part: &str| -> Vec<String> {
        let lines = built.stderr.lines().filter(|line| line.contains(part));
        lines
            .filter_map(|line| line.split(' ').next().map(String::from))
            .collect()
    };
    let steps = numbers("RUN seq");
    assert_eq!(steps.len(), 3, "{}", built.stderr);
    let made = steps
        .iter()
        .filter(|step| built.says(&format!("{step} DONE")))
        .count();
    assert_eq!(made, 1, "{}", built.stderr);
    assert!(
        built.says("[linux/amd64->arm64 tools 2/2] RUN seq"),
        "{}",
        built.stderr
    );
}

#[test]
fn files_of_several_platforms_are_in_directories_of_their_own() {
    let bench = Bench::with(CROSS);
    let outputs = ["-o", "out/files", "-o", "type=tar,dest=out/files.tar"];
    let built = bench.build(&[&PLATFORMS[..], &outputs].concat());
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let made =
        |platform: &str| fs::read_to_string(bench.path(&format!("out/files/{platform}/made"))).unwrap();
    assert_eq!(made("linux_arm64"), "linux/arm64\n1000\n");
    assert_eq!(made("linux_arm_v7"), "linux/arm/v7\n1000\n");
    let tar = Command::new("tar")
        .arg("-tf")
        .arg(bench.path("out/files.tar"))
        .output()
        .unwrap();
    let members = text(&tar.stdout);
    assert!(
        members.lines().any(|name| name == "linux_amd64/made"),
        "{members}"
    );
    let flat = bench.build(
        &[
            &PLATFORMS[..],
            &["-o", "type=local,dest=out/flat,platform-split=false"],
        ]
        .concat(),
    );
    assert!(flat.error(1).contains("overwrite each other"));
    let alone = [
        "--platform",
        "linux/arm64",
        "-o",
        "type=local,dest=out/alone,platform-split=true",
    ];
    assert_eq!(bench.build(&alone).code, Some(0));
    assert!(bench.path("out/alone/linux_arm64/made").is_file());
}

#[test]
fn annotations_go_where_they_are_said_to() {
    let bench = Bench::with(CROSS);
    let annotations = [
        "--annotation",
        "all=1",
        "--annotation",
        "manifest[linux/arm64]:own=2",
        "--annotation",
        "index,manifest-descriptor:both=3",
        "-o",
        "type=oci,tar=false,dest=out/layout,annotation-index-descriptor.top=4",
    ];
    bench.digest(&[&PLATFORMS[..], &annotations].concat());
    let layout = bench.path("out/layout");
    let top = json(&fs::read(layout.join("index.json")).unwrap());
    assert_eq!(top["manifests"][0]["annotations"]["top"], "4");
    let blob = |digest: &Value| {
        let hex = digest
            .as_str()
            .unwrap()
            .strip_prefix("sha256:")
            .unwrap()
            .to_string();
        json(&fs::read(layout.join("blobs/sha256").join(hex)).unwrap())
    };
    let index = blob(&top["manifests"][0]["digest"]);
    assert_eq!(index["annotations"]["both"], "3");
    assert_eq!(index["manifests"][0]["annotations"]["both"], "3");
    let (amd, arm) = (
        blob(&index["manifests"][0]["digest"]),
        blob(&index["manifests"][1]["digest"]),
    );
    assert_eq!(amd["annotations"]["all"], "1");
    assert_eq!(amd["annotations"]["own"], Value::Null);
    assert_eq!(arm["annotations"]["own"], "2");
    let single = bench.build(&["--annotation", "index:a=b", "-o", "type=oci,dest=out/x.tar"]);
    assert!(single.error(1).contains("for an index"));
    assert!(!bench.path("out/x.tar").exists());
}

#[test]
fn one_build_has_outputs_of_several_compressions() {
    let bench = Bench::with("FROM base\nCOPY Dockerfile /x\n");
    let outputs = [
        "-o",
        "type=oci,tar=false,dest=out/gzip",
        "-o",
        "type=oci,tar=false,dest=out/zstd,compression=zstd",
        "-o",
        "type=oci,tar=false,dest=out/forced,compression=zstd,force-compression=true",
        "-o",
        "type=oci,tar=false,dest=out/docker,oci-mediatypes=false",
    ];
    bench.digest(&outputs);
    let manifest = |name: &str| {
        let layout = format!("oci:{}", bench.path("out").join(name).display());
        json(&skopeo(&["inspect", "--raw", &layout]))
    };
    let types = |name: &str| -> Vec<String> {
        let manifest = manifest(name);
        let layers = manifest["layers"].as_array().unwrap().iter();
        layers
            .map(|layer| {
                layer["mediaType"]
                    .as_str()
                    .unwrap()
                    .rsplit('.')
                    .next()
                    .unwrap()
                    .to_string()
            })
            .collect()
    };
    assert_eq!(types("gzip"), ["tar", "tar+gzip"], "the base keeps its bytes");
    assert_eq!(types("zstd"), ["tar", "tar+zstd"]);
    assert_eq!(types("forced"), ["tar+zstd", "tar+zstd"]);
    assert_eq!(
        manifest("docker")["mediaType"],
        "application/vnd.docker.distribution.manifest.v2+json"
    );
    let copy = format!("dir:{}", bench.path("out/copy").display());
    let forced = format!("oci:{}", bench.path("out/forced").display());
    skopeo(&["copy", "-q", &forced, &copy]);
    assert_eq!(
        manifest("forced")["config"]["digest"],
        manifest("gzip")["config"]["digest"],
        "the same content"
    );
}

#[test]
fn docker_archives_hold_one_platform() {
    let bench = Bench::with(CROSS);
    let built = bench.build(&[&PLATFORMS[..], &["-o", "type=docker,dest=out/x.tar"]].concat());
    assert!(built.error(1).contains("several platforms"), "{}", built.stderr);
    assert!(bench.outputs().is_empty());
    let verify = {
        let mut command = bench.praxis("store");
        command.args(["store", "verify"]);
        run(command)
    };
    assert_eq!(verify.code, Some(0));
}

#[test]
fn a_step_for_a_machine_that_is_not_there_is_refused_before_anything_runs() {
    // No emulator is ever registered for this one.
    let foreign = ["--platform", "linux/sparc64"];
    let bench = Bench::with("FROM scratch\nCOPY Dockerfile /\n");
    bench.digest(&[&foreign[..], &["-t", "localhost/foreign:1"]].concat());
    let marked = "FROM base AS native\nRUN echo ran > /marker\n\
                  FROM localhost/foreign:1\nCOPY --from=native /marker /\nRUN [\"/program\"]\n";
    bench.write("Dockerfile", marked);
    let output = bench.build(&foreign);
    let said = output.stderr;
    assert_eq!(output.code, Some(1), "{said}");
    assert!(
        said.contains("Dockerfile:5:1: RUN needs a machine of linux/sparc64"),
        "{said}"
    );
    assert!(said.contains("qemu-user-static"), "{said}");
    assert!(!said.contains("echo ran"), "a step was begun: {said}");
}

#[test]
fn one_platform_is_an_index_on_request() {
    let bench = Bench::with("FROM base\nCOPY Dockerfile /\n");
    let alone = bench.digest(&["-t", "app:1"]);
    let argument = ["--build-arg", "BUILDKIT_MULTI_PLATFORM=1"];
    let index = bench.digest(&[&argument[..], &["-t", "app:2", "-o", "type=oci,dest=out/a.tar"]].concat());
    assert_ne!(alone, index);
    let mut inspect = bench.praxis("store");
    inspect.args(["inspect", "app:2", "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&run(inspect).stdout).unwrap();
    assert_eq!(
        found["digest"].as_str(),
        Some(alone.as_str()),
        "the index names the image that it is alone"
    );
    bench.build(&[&argument[..], &["-o", "type=local,dest=out/files"]].concat());
    let host = praxis_oci::Platform::host().architecture;
    assert!(
        bench
            .path(&format!("out/files/linux_{host}/Dockerfile"))
            .is_file()
    );
    let no = bench.digest(&["--build-arg", "BUILDKIT_MULTI_PLATFORM=0"]);
    assert_eq!(no, alone);
}

#[test]
fn levels_change_the_size_of_an_output_and_of_nothing_else() {
    let bench = Bench::with("FROM base\nCOPY words /words\n");
    let words: String = (0..60_000_u32)
        .map(|n| format!("{} ", n.wrapping_mul(2_654_435_761) % 9973))
        .collect();
    bench.write("words", &words);
    let usual = bench.digest(&["-t", "usual:1"]);
    let level = |compression: &str, level: u8| {
        format!(
            "type=oci,tar=false,dest=out/{compression}{level},compression={compression},compression-level={level}"
        )
    };
    let wanted = [
        ("gzip", 0),
        ("gzip", 1),
        ("gzip", 4),
        ("gzip", 9),
        ("zstd", 1),
        ("zstd", 3),
        ("zstd", 22),
    ];
    let mut sizes = Vec::new();
    for (compression, number) in wanted {
        let output = level(compression, number);
        let digest = bench.digest(&["-o", &output]);
        let afresh = bench.digest_afresh("other", &["--jobs", "1", "-o", &output], "context");
        assert_eq!(digest, afresh, "{compression} {number}");
        assert_eq!(digest == usual, (compression, number) == ("gzip", 4));
        let layout = format!(
            "oci:{}",
            bench.path(&format!("out/{compression}{number}")).display()
        );
        let manifest = json(&skopeo(&["inspect", "--raw", &layout]));
        sizes.push(manifest["layers"][1]["size"].as_u64().unwrap());
        let copy = format!("oci:{}", bench.path("out/copy").display());
        skopeo(&["copy", "-q", "--dest-decompress", &layout, &copy]);
    }
    assert!(sizes[0] > sizes[1] && sizes[1] > sizes[3], "{sizes:?}");
    assert!(
        sizes[4..].is_sorted_by(|a, b| a >= b) && sizes[4] > sizes[6],
        "{sizes:?}"
    );
    assert_eq!(bench.digest(&[]), usual);
    bench.digest(&["-t", "small:1", "-o", &level("zstd", 22)]);
    let mut command = bench.praxis("store");
    command.args(["reproduce", "small:1", "--progress", "quiet"]);
    let again = run(command);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    bench.assert_clean("store");
}

#[test]
fn an_image_that_is_a_cache_has_the_usual_level() {
    let bench = Bench::with("FROM base\nCOPY Dockerfile /x\n");
    let output = "type=oci,dest=out/image.tar,compression-level=9";
    let ended = bench.build(&["--cache-to", "type=inline", "-o", output]);
    assert!(ended.error(1).contains("does not go with --cache-to type=inline"));
    bench.digest(&["--cache-to", "type=inline", "-o", &output.replace('9', "4")]);
}
