//! `tree`, `diff` and `explain`, on images built here and by others.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::bench::{Bench, Ended, run, text};

const DOCKERFILE: &str = "FROM base AS made\n\
    RUN mkdir /d && echo one > /d/one && echo two > /d/two\n\
    FROM made\n\
    RUN rm /d/one && \\\n    chmod 600 /d/two\n\
    COPY file /d/file\n\
    COPY file /d/copy\n\
    ENV A=b\n";

fn bench() -> Bench {
    let bench = Bench::with(DOCKERFILE);
    bench.write("file", "content\n");
    bench
}

fn praxis(bench: &Bench, arguments: &[&str]) -> Ended {
    let mut command = bench.praxis("store");
    command.args(arguments);
    run(command)
}

#[track_caller]
fn json(bench: &Bench, arguments: &[&str], code: i32) -> Value {
    let mut all = arguments.to_vec();
    all.push("--json");
    let ended = praxis(bench, &all);
    assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
    serde_json::from_slice(&ended.stdout).unwrap()
}

/// Runs another tool in the bench's place.
#[track_caller]
fn tool(bench: &Bench, program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(bench.path(""));
    let ended = run(command);
    assert_eq!(ended.code, Some(0), "{program} {arguments:?}: {}", ended.stderr);
}

#[test]
fn a_tree_tells_what_each_layer_does_and_wastes() {
    let bench = bench();
    bench.digest(&["-t", "me:1"]);
    let report = json(&bench, &["tree", "me:1"], 0);
    let layers = report["layers"].as_array().unwrap();
    let counts: Vec<[u64; 3]> = layers[1..]
        .iter()
        .map(|layer| ["added", "changed", "removed"].map(|name| layer[name].as_u64().unwrap()))
        .collect();
    assert_eq!(counts, [[3, 0, 0], [0, 1, 1], [1, 0, 0], [1, 0, 0]]);
    assert_eq!(report["waste"]["bytes"], 8, "one and two are carried along");
    assert_eq!(layers[1]["wasted"], 8);
    let duplicates = report["waste"]["duplicates"].as_array().unwrap();
    let copies = duplicates.iter().find(|one| one["size"] == 8).unwrap();
    assert_eq!(copies["paths"], serde_json::json!(["/d/copy", "/d/file"]));
    assert_eq!(report["sources"][2]["line"], 4);
    assert!(report["sources"][0]["base"].as_str().unwrap().contains("base"));

    let ended = praxis(&bench, &["tree", "me:1", "/d", "--layer", "3"]);
    let shown = text(&ended.stdout);
    assert!(shown.contains("Dockerfile:4"), "{shown}");
    assert!(shown.contains("├── - one  4 B\n"), "{shown}");
    assert!(shown.contains("└── ~ two  4 B  (mode)\n"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "colours are for terminals");
    let waste = text(&praxis(&bench, &["tree", "me:1", "--waste"]).stdout);
    assert!(waste.contains("/d/one  layer 2\n"), "{waste}");
    for (arguments, part) in [
        (["tree", "me:1", "--layer", "9"].as_slice(), "no layer 9"),
        (&["tree", "me:1", "/nowhere"], "no layer has /nowhere"),
        (&["tree", "me:2"], "no such image"),
    ] {
        assert!(praxis(&bench, arguments).error(1).contains(part));
    }
}

#[test]
fn every_form_of_an_image_is_the_same_image() {
    let bench = bench();
    bench.digest(&[
        "-t",
        "me:1",
        "-o",
        "type=oci,dest=out/a.tar",
        "-o",
        "type=oci,tar=false,dest=out/b",
        "-o",
        "type=docker,dest=out/c.tar",
    ]);
    tool(&bench, "gzip", &["-kf", "out/a.tar"]);
    tool(
        &bench,
        "skopeo",
        &["copy", "oci:out/b", "docker-archive:out/d.tar:other:1"],
    );
    for image in [
        "oci-archive:out/a.tar",
        "out/a.tar",
        "out/a.tar.gz",
        "oci-layout:out/b",
        "oci:out/b",
        "./out/b",
        "docker-archive:out/c.tar",
        "out/c.tar",
        "docker-archive:out/d.tar",
        "docker-archive:out/d.tar:other:1",
    ] {
        let difference = json(&bench, &["diff", "me:1", image], 0);
        assert_eq!(difference["same"], true, "{image}");
        let explained = json(&bench, &["explain", image, "/d/two"], 0);
        assert_eq!(explained["events"].as_array().unwrap().len(), 2, "{image}");
    }
    let wrong = praxis(&bench, &["inspect", "docker-archive:out/d.tar:third:1"]);
    assert!(wrong.error(1).contains("other:1"));
    let wrong = praxis(&bench, &["inspect", "me:1", "--platform", "linux/s390x"]);
    assert!(wrong.error(1).contains("no image for linux/s390x"));
}

#[test]
fn a_difference_names_the_cause() {
    let bench = bench();
    bench.digest(&["-t", "me:1"]);
    bench.write(
        "Dockerfile",
        "FROM base\nRUN mkdir /d && echo one > /d/one && echo 2 > /d/two && ln -s x /d/copy && chown 7:8 /d\nENV A=c\n",
    );
    bench.digest(&["-t", "me:2", "--label", "x=\u{1b}[2J\u{202e}"]);
    let difference = json(&bench, &["diff", "me:1", "me:2"], 1);
    let causes = |path: &str| {
        let mut files = difference["files"].as_array().unwrap().iter();
        let found = files.find(|one| one["path"] == path);
        found
            .map(|one| format!("{} {}", one["change"], one["causes"]))
            .unwrap_or_default()
    };
    assert_eq!(causes("/d/one"), "\"added\" null");
    assert_eq!(causes("/d/file"), "\"removed\" null");
    assert_eq!(causes("/d/two"), r#""changed" ["content","mode"]"#);
    assert_eq!(causes("/d/copy"), r#""changed" ["type","mode"]"#);
    assert_eq!(causes("/d"), r#""changed" ["owner"]"#);
    assert_eq!(causes("/bin/busybox"), "");
    let ended = praxis(&bench, &["diff", "me:1", "me:2", "--layers"]);
    assert_eq!(ended.code, Some(1));
    let shown = text(&ended.stdout);
    for part in [
        "~ /d  owner 0:0 → 7:8\n",
        "~ configuration config.Env.A: \"b\" → \"c\"\n",
        "~ configuration config.Labels.x: nothing → \"\\x1b[2J\\u{202e}\"\n",
        "= layer 1  ",
        "1 files added, 1 removed, 3 changed; 2 fields of the configuration differ",
    ] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    let numbers = text(&praxis(&bench, &["diff", "me:1", "me:2", "--stat"]).stdout);
    assert_eq!(numbers.lines().count(), 2, "{numbers}");
}

#[test]
fn an_explanation_shows_the_line() {
    let bench = bench();
    bench.digest(&["-t", "me:1"]);
    let shown = text(&praxis(&bench, &["explain", "me:1", "/d/two"]).stdout);
    for part in [
        "/d/two  4 B, 0600 0:0\n",
        "changed (mode) by layer 3, Dockerfile:4\n",
        "  4 | RUN rm /d/one && \\\n",
        "added by layer 2, Dockerfile:2\n",
    ] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    let gone = text(&praxis(&bench, &["explain", "me:1", "d/one"]).stdout);
    assert!(
        gone.starts_with("/d/one  is not in the image any more\n\nremoved by layer 3"),
        "{gone}"
    );
    let base = json(&bench, &["explain", "me:1", "/bin/sh"], 0);
    assert!(base["sources"][0]["base"].as_str().unwrap().contains("base"));
    assert!(
        praxis(&bench, &["explain", "me:1", "/nowhere"])
            .error(1)
            .contains("/nowhere")
    );

    // An image that adds nothing to its base is the base, and stays explained.
    bench.write("same/Dockerfile", "FROM me:1\n");
    let mut same = bench.praxis("store");
    same.args(["build", "-q", "-t", "same:1", "context/same"]);
    assert_eq!(run(same).code, Some(0));
    assert_eq!(
        json(&bench, &["explain", "same:1", "/d/file"], 0)["sources"][0]["line"],
        6
    );

    // A base that was built here is explained from its own Dockerfile.
    bench.write("Dockerfile", "FROM me:1\nCOPY file /again\n");
    bench.digest(&["-t", "second:1"]);
    let through = json(&bench, &["explain", "second:1", "/d/file"], 0);
    assert_eq!(through["sources"][0]["line"], 6);
    assert!(through["sources"][0]["base"].as_str().unwrap().contains("me"));
}

#[test]
fn images_of_other_builders_are_explained_by_a_dockerfile() {
    let bench = bench();
    bench.write("Dockerfile", "FROM scratch\nCOPY file /one\nCOPY file /two\n");
    let storage = bench.path("storage");
    let (root, run_root) = (storage.join("root"), storage.join("run"));
    let options = [
        "--root",
        root.to_str().unwrap(),
        "--runroot",
        run_root.to_str().unwrap(),
    ];
    let mut build = vec!["--storage-driver", "vfs"];
    build.extend(options);
    build.extend([
        "build",
        "--layers",
        "--isolation",
        "chroot",
        "-t",
        "oci-archive:out/foreign.tar",
        "context",
    ]);
    tool(&bench, "buildah", &build);
    let file = "context/Dockerfile";
    let explained = json(
        &bench,
        &["explain", "out/foreign.tar", "/two", "--dockerfile", file],
        0,
    );
    assert_eq!(explained["sources"][0]["line"], 3, "{explained}");
    assert_eq!(explained["events"][0]["layer"], 2);
    let without = json(&bench, &["explain", "out/foreign.tar", "/two"], 0);
    assert!(without["sources"][0]["line"].is_null());
    assert!(
        without["sources"][0]["instruction"]
            .as_str()
            .unwrap()
            .contains("COPY")
    );
}

#[test]
fn removals_of_other_tools_are_understood() {
    let bench = bench();
    bench.digest(&["-o", "type=oci,tar=false,dest=out/b"]);
    tool(&bench, "skopeo", &["copy", "oci:out/b", "oci:out/u:latest"]);
    tool(&bench, "umoci", &["tag", "--image", "out/u:latest", "changed"]);
    tool(
        &bench,
        "umoci",
        &["unpack", "--image", "out/u:changed", "out/bundle"],
    );
    fs::remove_dir_all(bench.path("out/bundle/rootfs/d")).unwrap();
    fs::write(bench.path("out/bundle/rootfs/new"), "new").unwrap();
    tool(
        &bench,
        "umoci",
        &["repack", "--image", "out/u:changed", "out/bundle"],
    );
    let difference = json(&bench, &["diff", "oci:out/u:latest", "oci:out/u:changed"], 1);
    let files = difference["files"].as_array().unwrap();
    let told: Vec<String> = files
        .iter()
        .filter(|one| one["change"] != "changed")
        .map(|one| {
            format!(
                "{} {}",
                one["change"].as_str().unwrap(),
                one["path"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "removed /d",
            "removed /d/copy",
            "removed /d/file",
            "removed /d/two",
            "added /new"
        ]
    );
    let gone = json(&bench, &["explain", "oci:out/u:changed", "/d/file"], 0);
    assert_eq!(gone["events"][1]["by"], "/d");
}

#[test]
fn a_graph_says_what_takes_what_and_what_is_cached() {
    let bench = bench();
    let base = "base=oci-layout://base";
    let graph = |more: &[&str]| {
        let mut arguments = vec!["graph", "context", "--build-context", base];
        arguments.extend(more);
        let ended = praxis(&bench, &arguments);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        text(&ended.stdout)
    };
    let outlooks = |text: &str| {
        let graph: Value = serde_json::from_str(text).unwrap();
        let stages = graph["stages"].as_array().unwrap().clone();
        let steps = stages
            .iter()
            .flat_map(|stage| stage["steps"].as_array().unwrap().clone());
        steps
            .map(|step| step["outlook"].as_str().unwrap().to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        outlooks(&graph(&["--format", "json"])),
        "nothing run nothing run run run nothing"
    );
    bench.digest(&["--target", "made"]);
    let text = graph(&["--format", "json"]);
    assert_eq!(outlooks(&text), "nothing cached nothing run run run nothing");
    let parsed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parsed["edges"].as_array().unwrap().len(), 4, "{text}");
    let picture = bench.path("out/graph.svg");
    graph(&["-o", picture.to_str().unwrap()]);
    let svg = fs::read_to_string(picture).unwrap();
    assert!(
        svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.contains(">made</text>"),
        "{svg}"
    );
    assert_eq!(svg.matches("<g>").count(), svg.matches("</g>").count());
    for (format, part) in [
        ("dot", "digraph build {"),
        ("mermaid", "flowchart LR"),
        ("text", "  cached    2  RUN"),
    ] {
        assert!(graph(&["--format", format]).contains(part), "{format}");
    }
    let wrong = praxis(
        &bench,
        &["graph", "context", "--target", "nowhere", "--build-context", base],
    );
    assert!(wrong.error(1).contains("nowhere"));

    let layers = bench.path("out/layers.svg");
    bench.digest(&["-t", "me:1"]);
    praxis(&bench, &["tree", "me:1", "--svg", layers.to_str().unwrap()]);
    let svg = fs::read_to_string(layers).unwrap();
    assert_eq!(svg.matches("<g>").count(), 5);
    assert!(svg.contains("8 B, 8 B wasted"), "{svg}");
}
