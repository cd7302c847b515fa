//! Rows 24 to 29 and 36: names, digests, manifests and indexes that lie.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::site::{CANARY, Layout, Site, architecture};

const BUILD: &str = "FROM image\nCOPY a /a\n";

/// A site with an image in a layout, whose manifest can be changed before it is written.
fn site() -> (Site, Layout) {
    let site = Site::new();
    fs::write(site.context("a"), "a").unwrap();
    let layout = Layout::new(&site.path("layout"));
    (site, layout)
}

fn refused(change: impl Fn(&mut Value, &Layout), why: &str) {
    let (site, layout) = site();
    let mut manifest = layout.manifest(&json!({}));
    change(&mut manifest, &layout);
    layout.point_to(&layout.put_json("manifest.v1+json", &manifest));
    site.build(BUILD, &[&layout.option()]).refused(why);
    assert!(!site.path("out").exists());
}

#[test]
fn the_image_is_good_when_nothing_is_changed() {
    let (site, layout) = site();
    layout.point_to(&layout.put_json("manifest.v1+json", &layout.manifest(&json!({}))));
    site.build(BUILD, &[&layout.option()]).accepted();
    assert_eq!(site.result("f"), "text");
}

#[test]
fn row_24_names_that_climb_are_no_names() {
    let site = Site::new();
    let before = praxis_testkit::tree_of(&site.host());
    site.praxis(&["inspect", "../host"]).refused("../host");
    site.build("FROM scratch\n", &["-t", "../host"])
        .refused("../host");
    site.build("FROM ../host\n", &[]).refused("../host");
    site.praxis(&["store", "gc", "--all"]).accepted();
    assert_eq!(praxis_testkit::tree_of(&site.host()), before);
}

#[test]
fn row_25_digests_that_are_no_digests_are_refused() {
    let hex = "a".repeat(64);
    for bad in [
        "sha256:../../../host/secret".to_string(),
        format!("sha256:{}", hex.to_uppercase()),
        "sha256:abc".into(),
        format!("md5:{hex}"),
        format!("sha256:{hex}/.."),
    ] {
        refused(
            |manifest, _| manifest["config"]["digest"] = json!(bad),
            "not a valid image",
        );
        refused(
            |manifest, _| manifest["layers"][0]["digest"] = json!(bad),
            "not a valid image",
        );
    }
}

#[test]
fn row_26_a_manifest_is_not_an_index() {
    refused(
        |manifest, _| manifest["manifests"] = json!([]),
        "both a manifest and an index",
    );
    refused(
        |manifest, _| manifest["mediaType"] = json!("application/vnd.oci.image.index.v1+json"),
        "said to be",
    );
    let (site, layout) = site();
    layout.point_to(&layout.put_json("index.v1+json", &layout.manifest(&json!({}))));
    site.build(BUILD, &[&layout.option()]).refused("said to be");
}

#[test]
fn row_27_a_blob_that_is_a_link_or_a_pipe_is_not_read() {
    for part in ["config", "layer", "manifest", "index"] {
        let (site, layout) = site();
        let manifest = layout.manifest(&json!({}));
        let descriptor = layout.put_json("manifest.v1+json", &manifest);
        layout.point_to(&descriptor);
        let path = match part {
            "config" => layout.blob(manifest["config"]["digest"].as_str().unwrap()),
            "layer" => layout.blob(manifest["layers"][0]["digest"].as_str().unwrap()),
            "manifest" => layout.blob(descriptor["digest"].as_str().unwrap()),
            _ => layout.path.join("index.json"),
        };
        // The link leads to the very bytes, so that only the link can be the reason.
        let elsewhere = site.host().join("blob");
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        site.build(BUILD, &[&layout.option()]).refused("symbolic links");
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            0o644.into(),
            0,
        )
        .unwrap();
        site.build(BUILD, &[&layout.option()])
            .refused("not a regular file");
        fs::remove_file(&path).unwrap();
        fs::rename(&elsewhere, &path).unwrap();
        site.build(BUILD, &[&layout.option()]).accepted();
    }
}

#[test]
fn row_28_indexes_are_bounded_in_depth_and_size() {
    let (site, layout) = site();
    let platform = json!({"os": "linux", "architecture": architecture()});
    let mut descriptor = layout.put_json("manifest.v1+json", &layout.manifest(&json!({})));
    for depth in 0..6 {
        descriptor["platform"] = platform.clone();
        descriptor = layout.put_json(
            "index.v1+json",
            &json!({"schemaVersion": 2, "manifests": [descriptor]}),
        );
        layout.point_to(&descriptor);
        let outcome = site.build(BUILD, &[&layout.option()]);
        assert_eq!(outcome.success, depth < 3, "{depth}: {}", outcome.text);
    }
    let child = layout.put_json("manifest.v1+json", &layout.manifest(&json!({})));
    let wide: Vec<Value> = (0..40_000).map(|_| child.clone()).collect();
    layout.point_to(&layout.put_json("index.v1+json", &json!({"schemaVersion": 2, "manifests": wide})));
    site.build(BUILD, &[&layout.option()])
        .refused("too many for a manifest");
}

#[test]
fn row_29_sizes_are_bounded_and_have_to_be_right() {
    for size in [1_u64 << 62, u64::MAX, 5 << 20] {
        refused(
            |manifest, _| manifest["config"]["size"] = json!(size),
            "too many for a manifest",
        );
        refused(
            |manifest, _| manifest["layers"][0]["size"] = json!(size),
            "bytes long",
        );
    }
    refused(|manifest, _| manifest["config"]["size"] = json!(3), "bytes long");
    refused(
        |manifest, _| manifest["annotations"] = json!({"x": "y".repeat(5 << 20)}),
        "too many for a manifest",
    );
    let many = |manifest: &mut Value, _: &Layout| {
        let layer = manifest["layers"][0].clone();
        manifest["layers"] = Value::Array(vec![layer; 600]);
    };
    refused(many, "600 layers are more than");
}

#[test]
fn row_36_an_image_that_looks_like_scratch_is_not_taken_for_it() {
    let site = Site::new();
    fs::write(site.context("a"), "a").unwrap();
    let layout = Layout::new(&site.path("layout"));
    // Its configuration claims the step that follows as its own history, and brings what a step would set.
    let config = json!({"Env": [format!("LD_PRELOAD={CANARY}")], "Healthcheck": {"Test": ["CMD", CANARY]},
        "OnBuild": [format!("LABEL from={CANARY}")]});
    layout.point_to(&layout.put_json("manifest.v1+json", &layout.manifest(&config)));
    site.build("FROM image\nCOPY a /a\n", &[&layout.option(), "-t", "poison"])
        .accepted();
    let archive = format!("type=oci,dest={},tar=false", site.path("image").display());
    site.build("FROM scratch\nCOPY a /a\n", &["--output", &archive])
        .accepted();
    let leaks = praxis_testkit::tree_of(&site.path("image"));
    let holds = |bytes: &Vec<u8>| {
        bytes
            .windows(CANARY.len())
            .any(|window| window == CANARY.as_bytes())
    };
    assert!(leaks.len() >= 4 && !leaks.values().any(holds));
}

#[test]
fn row_36_what_a_step_sees_is_in_its_key_and_the_rest_in_the_image() {
    let site = Site::new();
    let cached = |text: &str| text.lines().filter(|line| line.contains("CACHED")).count();
    let with = |line: &str| site.build(&format!("FROM busybox\n{line}\nRUN echo \"$X\" > /x\n"), &[]);
    with("ENV X=1").accepted();
    assert_eq!(site.result("x"), "1\n");
    let again = with("ENV X=2");
    again.accepted();
    assert_eq!(site.result("x"), "2\n");
    assert!(cached(&with("ENV X=2").text) > cached(&again.text));
    let archive = format!("type=oci,dest={},tar=false", site.path("image").display());
    let healthy =
        "FROM busybox\nENV X=2\nHEALTHCHECK CMD /healthy\nRUN echo \"$X\" > /x\nONBUILD RUN /later\n";
    site.build(healthy, &["--output", &archive]).accepted();
    let texts = praxis_testkit::tree_of(&site.path("image"));
    let says = |what: &str| {
        texts
            .values()
            .any(|bytes| String::from_utf8_lossy(bytes).contains(what))
    };
    assert!(says("/healthy") && says("RUN /later"));
}
