use std::fs;

use crate::place::Place;

/// Two targets of one Dockerfile, and one that has another as its context. The stage they share writes what no two
/// runs of it would write.
const SHARED: &str = r#"
variable "BASE" { default = "oci-layout://base" }
target "_common" {
  contexts = { base = BASE }
}
group "default" { targets = ["one", "two", "three"] }
target "one" {
  inherits = ["_common"]
  target = "one"
  output = ["out/one"]
}
target "two" {
  inherits = ["_common"]
  target = "two"
  output = [{ type = "local", dest = "out/two" }]
}
target "three" {
  context = "third"
  contexts = { lower = "target:one" }
  output = ["type=local,dest=out/three"]
}
"#;

fn shared() -> Place {
    let place = Place::new();
    place
        .write("docker-bake.hcl", SHARED)
        .write(
            "Dockerfile",
            "FROM base AS common\nRUN head -c 32 /dev/urandom | sha256sum > /marker\n\
             FROM common AS one\nRUN echo 1 > /one\nFROM common AS two\nRUN echo 2 > /two\n",
        )
        .write("third/Dockerfile", "FROM lower\nCOPY file /three\n")
        .write("third/file", "3\n");
    place
}

#[test]
fn targets_share_what_they_have_in_common() {
    let place = shared();
    place.bake(&["--metadata-file", "meta.json"]).ok();
    let marker = place.read("out/one/marker");
    assert_eq!(marker.len(), 68, "{marker}");
    assert_eq!(place.read("out/two/marker"), marker);
    assert_eq!(place.read("out/three/marker"), marker);
    assert_eq!(place.read("out/two/two"), "2\n");
    assert_eq!(
        (place.read("out/three/one"), place.read("out/three/three")),
        ("1\n".into(), "3\n".into())
    );
    assert!(!place.path("out/two/one").exists());
    let metadata: serde_json::Value = serde_json::from_str(&place.read("meta.json")).unwrap();
    let names: Vec<&String> = metadata.as_object().unwrap().keys().collect();
    assert_eq!(names, ["one", "three", "two"]);
}

#[test]
fn no_cache_runs_shared_steps_again_and_once() {
    let place = shared();
    place.bake(&["one"]).ok();
    let before = place.read("out/one/marker");
    assert!(!place.path("out/two").exists());
    let again = place.bake(&["--no-cache"]).ok();
    let after = place.read("out/one/marker");
    assert_ne!(before, after, "{}", again.stderr);
    assert_eq!(place.read("out/two/marker"), after);
    assert_eq!(place.read("out/three/marker"), after);
}

#[test]
fn a_linked_target_writes_nothing_of_its_own() {
    let place = shared();
    place.bake(&["three"]).ok();
    let written: Vec<_> = fs::read_dir(place.path("out")).unwrap().flatten().collect();
    assert_eq!(written.len(), 1, "{written:?}");
    assert_eq!(place.read("out/three/one"), "1\n");
}

#[test]
fn a_matrix_builds_every_field() {
    let place = Place::new();
    place.write(
        "docker-bake.hcl",
        r#"
        target "app" {
          name = "app-${name}-${number}"
          matrix = {
            name = ["a", "b"]
            number = [1, 2]
          }
          contexts = { base = "oci-layout://base" }
          dockerfile-inline = <<EOT
FROM base AS made
ARG WHAT
RUN echo "$${WHAT}" > /what
FROM scratch
COPY --from=made /what /what
EOT
          args = { WHAT = "${name}${number}" }
          output = ["out/${name}${number}"]
        }
        "#,
    );
    place.bake(&["app"]).ok();
    for what in ["a1", "a2", "b1", "b2"] {
        assert_eq!(place.read(&format!("out/{what}/what")), format!("{what}\n"));
    }
}

#[test]
fn a_compose_file_builds_its_services() {
    let place = Place::new();
    place
        .write(
            "compose.yaml",
            "services:\n  web:\n    image: localhost/web:${TAG:-none}\n    build:\n      context: web\n      args: [WHO]\n      \
             additional_contexts: {lower: 'service:base'}\n      secrets: [token]\n      x-bake:\n        \
             output: type=local,dest=out\n  base:\n    build:\n      context: .\n      \
             additional_contexts: {base: 'oci-layout://base'}\n      dockerfile_inline: |\n        FROM base\n        \
             RUN echo lower > /lower\n  database:\n    image: postgres\nsecrets:\n  token: {environment: TOKEN}\n",
        )
        .write(".env", "WHO=env-file\n")
        .write(
            "web/Dockerfile",
            "FROM lower\nARG WHO\nRUN --mount=type=secret,id=token echo \"$WHO\" > /who && wc -c < /run/secrets/token > /size\n",
        );
    let ended = place
        .bake_with(
            &[("TAG", "7"), ("TOKEN", "12345")],
            &["--metadata-file", "meta.json"],
        )
        .ok();
    assert_eq!(place.read("out/who"), "env-file\n");
    assert_eq!(place.read("out/size").trim(), "5");
    assert_eq!(place.read("out/lower"), "lower\n");
    assert!(
        place.read("meta.json").contains("localhost/web:7"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_check_reports_and_builds_nothing() {
    let place = Place::new();
    place
        .write(
            "docker-bake.hcl",
            "target \"default\" {\n  contexts = { base = \"oci-layout://base\" }\n  output = [\"out\"]\n}\n",
        )
        .write("Dockerfile", "FROM base\nMAINTAINER me\nRUN echo > /made\n");
    let ended = place.bake(&["--check"]);
    assert!(ended.error(1).contains("finding"), "{}", ended.stderr);
    assert!(ended.stderr.contains("MaintainerDeprecated"), "{}", ended.stderr);
    assert!(!place.path("out").exists());
    place.write("Dockerfile", "FROM base\nRUN echo > /made\n");
    place.bake(&["--call", "check"]).ok();
    assert!(!place.path("out").exists());
}

#[test]
fn caches_of_other_services_are_left_out() {
    let place = Place::new();
    place
        .write(
            "docker-bake.hcl",
            "target \"default\" {\n  contexts = { base = \"oci-layout://base\" }\n  cache-from = [\"type=gha\"]\n  \
             cache-to = [\"type=gha,mode=max\", \"type=local,dest=cache\"]\n  output = [\"out\"]\n}\n",
        )
        .write("Dockerfile", "FROM base\nRUN echo > /made\n");
    let ended = place.bake(&[]).ok();
    for name in ["cache-from", "cache-to"] {
        let note = format!("default: {name} is left out");
        assert!(ended.stderr.contains(&note), "{}", ended.stderr);
    }
    assert!(place.path("out/made").exists() && place.path("cache/index.json").exists());
}

#[test]
fn images_of_several_targets_stay_in_the_store_under_their_names() {
    let place = Place::new();
    place
        .write(
            "docker-bake.hcl",
            "target \"app\" {\n  name = \"app-${v}\"\n  matrix = { v = [\"a\", \"b\"] }\n  \
             contexts = { base = \"oci-layout://base\" }\n  args = { V = v }\n  tags = [\"localhost/app:${v}\"]\n}\n",
        )
        .write("Dockerfile", "FROM base\nARG V\nLABEL v=$V\n");
    let ended = place.bake(&["app", "--metadata-file", "meta.json"]).ok();
    assert!(ended.stderr.contains("\nbuilt 2 images in "), "{}", ended.stderr);
    let metadata: serde_json::Value = serde_json::from_str(&place.read("meta.json")).unwrap();
    let digests: Vec<&str> = ["app-a", "app-b"]
        .iter()
        .map(|name| metadata[name]["containerimage.digest"].as_str().unwrap())
        .collect();
    assert_ne!(digests[0], digests[1]);
    for (name, digest) in ["app-a", "app-b"].iter().zip(&digests) {
        assert!(
            ended.stderr.contains(&format!("\n{name}: {digest}\n")),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(metadata["app-b"]["image.name"], "localhost/app:b");
}

#[test]
fn targets_that_write_to_one_cache_write_one_with_all() {
    let place = Place::new();
    place
        .write(
            "docker-bake.hcl",
            "target \"app\" {\n  name = \"app-${v}\"\n  matrix = { v = [\"a\", \"b\", \"c\"] }\n  \
             contexts = { base = \"oci-layout://base\" }\n  args = { V = v }\n  \
             cache-to = [v == \"b\" ? \"type=local,dest=./cache,mode=max\" : \"type=local,dest=cache\"]\n  \
             cache-from = [\"type=local,src=cache\"]\n}\n",
        )
        .write(
            "Dockerfile",
            "FROM base\nARG V\nRUN echo $V > /v && head -c 16 /dev/urandom > /chance\n",
        );
    let first = place.bake(&["app", "--metadata-file", "first.json"]).ok();
    let other = place.path("other").display().to_string();
    let second = place
        .bake_with(
            &[("PRAXIS_ROOT", &other)],
            &["app", "--metadata-file", "second.json"],
        )
        .ok();
    assert!(
        !second.stderr.contains(" DONE "),
        "{}\n{}",
        first.stderr,
        second.stderr
    );
    let digests = |name: &str| -> Vec<String> {
        let metadata: serde_json::Value = serde_json::from_str(&place.read(name)).unwrap();
        ["app-a", "app-b", "app-c"]
            .iter()
            .map(|app| {
                metadata[app]["containerimage.digest"]
                    .as_str()
                    .unwrap()
                    .to_string()
            })
            .collect()
    };
    assert_eq!(digests("first.json"), digests("second.json"));
}
