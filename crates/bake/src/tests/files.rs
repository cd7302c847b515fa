use std::collections::BTreeMap;

use serde_json::json;

use super::{Call, fails, hcl, named};
use crate::read;

#[test]
fn json_is_hcl_in_other_clothes() {
    let text = r#"{
        "variable": {"TAG": {"default": "1"}},
        "group": {"default": {"targets": ["app"]}},
        "target": {
            "app": {
                "tags": ["me/app:${TAG}", "${upper(\"x\")}"],
                "args": {"n": 3, "on": true, "${TAG}k": "v", "whole": "${length([1,2])}"},
                "output": [{"type": "oci", "dest": "out.tar"}],
                "matrix": {"v": ["a", "b"]}, "name": "app-${v}"
            }
        },
        "function": {"f": {"params": ["a"], "result": "${a}"}}
    }"#;
    let call = Call {
        files: &[("docker-bake.json", text)],
        ..Call::default()
    };
    assert_eq!(
        call.print()["target"]["app-b"],
        json!({
            "context": ".", "dockerfile": "Dockerfile", "tags": ["me/app:1", "X"],
            "args": {"n": "3", "on": "true", "1k": "v", "whole": "2"}, "output": [{"dest": "out.tar", "type": "oci"}]
        })
    );
    let error = |text| {
        let files = [("docker-bake.json", text)];
        Call {
            files: &files,
            ..Call::default()
        }
        .error()
        .message
    };
    assert!(error("{\n  \"target\": {,}\n}").starts_with("docker-bake.json:2:14: this is no JSON"));
    assert_eq!(
        error("{\n\"target\": {\"a\": {\n  \"tags\": [\"${MISSING}\"]\n}}}"),
        "docker-bake.json:3:11: there is no variable \"MISSING\""
    );
    assert!(error("[]").contains("is an object"));
}

#[test]
fn what_is_printed_can_be_read_again() {
    let printed = hcl("target \"default\" { args = { a = \"$${X}\" } }");
    assert_eq!(printed["target"]["default"]["args"]["a"], "$${X}");
    let text = printed.to_string();
    let call = Call {
        files: &[("again.json", &text)],
        ..Call::default()
    };
    assert_eq!(call.print(), printed);
}

#[test]
fn overrides_of_the_command_line() {
    let text = r#"
        target "web" {
          args = { A = "1" }
          tags = ["a"]
          platforms = ["linux/amd64"]
          cache-from = ["type=local,src=c"]
        }
        target "worker" {}
    "#;
    let files = [("docker-bake.hcl", text)];
    let call = |set| Call {
        files: &files,
        names: &["web", "worker"],
        set,
        environment: &[("FROM_ENV", "env")],
    };
    let printed = call(&[
        "web.args.A=2",
        "*.args.FROM_ENV",
        "w*.platform=linux/arm64",
        "web.tags+=b",
        "web.cache-from+=type=gha",
        "worker.tags=x",
        "worker.tags=y",
        "*.no-cache=true",
        "web.output=type=oci,dest=o.tar",
        "web.contexts.base=docker-image://alpine",
        "web.labels.a.b=c",
        "worker.args.GONE",
    ])
    .print();
    assert_eq!(
        printed["target"]["web"],
        json!({
            "context": ".", "contexts": {"base": "docker-image://alpine"}, "dockerfile": "Dockerfile",
            "args": {"A": "2", "FROM_ENV": "env"}, "labels": {"a.b": "c"}, "tags": ["a", "b"],
            "cache-from": [{"src": "c", "type": "local"}, {"type": "gha"}], "platforms": ["linux/arm64"],
            "output": [{"dest": "o.tar", "type": "oci"}], "no-cache": true
        })
    );
    assert_eq!(printed["target"]["worker"]["tags"], json!(["x", "y"]));
    for (option, why) in [
        ("web", "TARGET.KEY=VALUE"),
        ("web.tags", "TARGET.KEY=VALUE"),
        ("web.args=x", "needs a name"),
        ("web.tags.x=y", "no names below"),
        ("web.colour=red", "no key"),
        ("webb.tags=x", "did you mean web?"),
        ("web.pull=maybe", "true or false"),
    ] {
        let set = [option];
        let error = Call {
            set: &set,
            ..call(&[])
        }
        .error();
        assert!(error.message.contains(why), "{option}: {error}");
    }
    let error = call(&["web.platforms=x"]).error();
    assert_eq!(error.hint.as_deref(), Some("did you mean platform?"));
}

#[test]
fn linked_targets_come_along() {
    let text = r#"
        target "base" { dockerfile = "base.Dockerfile" }
        target "app" { contexts = { baseapp = "target:base" } }
        group "default" { targets = ["app"] }
    "#;
    let resolved = Call {
        files: &[("docker-bake.hcl", text)],
        ..Call::default()
    }
    .resolve()
    .unwrap();
    assert!(resolved.targets["base"].linked && !resolved.targets["app"].linked);
    assert_eq!(
        hcl(text)["target"]["base"],
        json!({"context": ".", "dockerfile": "base.Dockerfile", "output": [{"type": "cacheonly"}]})
    );
    let circle = fails(
        "target \"default\" { contexts = { x = \"target:b\" } }\ntarget \"b\" { contexts = { y = \"target:default\" } }",
    );
    assert_eq!(
        circle.message,
        "targets cannot be contexts of each other in a circle: default → b → default"
    );
    let missing = fails("target \"default\" { contexts = { x = \"target:bse\" } }\ntarget \"base\" {}");
    assert_eq!(
        missing.message,
        "there is no target \"bse\", which \"default\" has as a context"
    );
    assert_eq!(missing.hint.as_deref(), Some("did you mean base?"));
}

#[test]
fn mistakes_have_a_place_and_advice() {
    for (text, message, hint) in [
        (
            "target \"default\" {\n  tag = [\"a\"]\n}",
            "docker-bake.hcl:2:3: there is no attribute \"tag\" in a target",
            Some("did you mean tags?"),
        ),
        (
            "targt \"default\" {}",
            "docker-bake.hcl:1:7: there is no block \"targt\" in bake files",
            Some("did you mean target?"),
        ),
        (
            "variable \"VERSION\" {}\ntarget \"default\" {\n  tags = [\"a:${VERSOIN}\"]\n}",
            "docker-bake.hcl:3:16: there is no variable \"VERSOIN\"",
            Some("did you mean VERSION?"),
        ),
        (
            "target \"default\" {\n  tags = \"a\"\n}",
            "docker-bake.hcl:2:10: tags of target default: a list of strings is needed here, not the string \"a\": \
             write [ … ]",
            None,
        ),
        (
            "target \"default\" {\n  args {\n    A = 1\n  }\n}",
            "docker-bake.hcl:2:3: args is no block here: write args = { … }",
            None,
        ),
        (
            "group \"default\" {}",
            "docker-bake.hcl:1:7: a group needs targets = [ … ]",
            None,
        ),
        (
            "target \"a.b\" {}",
            "docker-bake.hcl:1:8: \"a.b\" is no name for a target: use letters, digits, _ and -",
            None,
        ),
        (
            "target \"other\" {}",
            "there is no target \"default\"",
            Some("there are: other"),
        ),
        (
            "A = B\nB = A\ntarget \"default\" {}",
            "docker-bake.hcl:2:5: A depends on itself",
            None,
        ),
        (
            "target \"default\" {\n  args = { a = uuidv4() }\n}",
            "docker-bake.hcl:2:16: uuidv4(…): it gives another value each time, so that nothing could be built again: \
             use uuidv5",
            None,
        ),
    ] {
        let error = fails(text);
        assert_eq!(error.message, message);
        assert_eq!(error.hint.as_deref(), hint, "{text}");
    }
    let syntax = fails("target \"default\" {\n  tags = [\n}\n");
    assert!(syntax.message.starts_with("docker-bake.hcl:3:1: "), "{syntax}");
    assert!(!syntax.message.contains('\n'));
}

#[test]
fn bombs_end_early() {
    let mut doubling = String::from("v0 = \"xxxxxxxxxxxxxxxx\"\n");
    for level in 1..64 {
        let below = level - 1;
        doubling += &format!("v{level} = \"${{v{below}}}${{v{below}}}\"\n");
    }
    doubling += "target \"default\" {}\n";
    let error = fails(&doubling);
    assert!(error.message.contains("too l"), "{error}");
    let loops = "target \"default\" {\n  tags = [for a in range(1000) : [for b in range(1000) : [for c in range(1000) : c]]]\n}";
    let error = fails(loops);
    assert!(error.message.contains("too l"), "{error}");
    let deep = format!(
        "a = {}1{}\ntarget \"default\" {{}}",
        "(".repeat(20_000),
        ")".repeat(20_000)
    );
    assert!(fails(&deep).message.starts_with("docker-bake.hcl:1:"));
    let fields = "target \"default\" {\n  name = \"x\"\n  matrix = { a = range(1000), b = range(1000) }\n}";
    assert!(fails(fields).message.contains("more than 1000"));
}

/// As docker/metadata-action uses it: an empty target that a generated file fills.
#[test]
fn a_metadata_file_fills_an_empty_target() {
    let files = [
        (
            "docker-bake.hcl",
            "target \"docker-metadata-action\" {}\ntarget \"default\" {\n  inherits = [\"docker-metadata-action\"]\n}",
        ),
        (
            "meta.json",
            r#"{"target":{"docker-metadata-action":{"tags":["me/app:1","me/app:latest"],
               "labels":{"org.opencontainers.image.title":"app"},"args":{"DOCKER_META_VERSION":"1"},
               "annotations":["index,manifest:org.opencontainers.image.title=app"]}}}"#,
        ),
    ];
    let printed = Call {
        files: &files,
        ..Call::default()
    }
    .print();
    let target = &printed["target"]["default"];
    assert_eq!(target["tags"], json!(["me/app:1", "me/app:latest"]));
    assert_eq!(target["args"]["DOCKER_META_VERSION"], "1");
    assert_eq!(target["labels"]["org.opencontainers.image.title"], "app");
}

/// The shape of the files of moby and buildx.
#[test]
fn files_of_large_projects() {
    let text = r#"
        variable "DOCKER_STATIC" { default = "1" }
        variable "DOCKER_GITCOMMIT" { default = null }
        variable "DESTDIR" { default = "" }
        function "bindir" {
          params = [defaultdir]
          result = DESTDIR != "" ? DESTDIR : "./bundles/${defaultdir}"
        }
        # comment
        // comment
        /* comment */
        target "_common" {
          args = {
            BUILDKIT_CONTEXT_KEEP_GIT_DIR = 1
            DOCKER_STATIC = DOCKER_STATIC
            DOCKER_GITCOMMIT = DOCKER_GITCOMMIT
          }
        }
        target "_platforms" { platforms = ["linux/amd64", "windows/amd64"] }
        target "binary" {
          inherits = ["_common"]
          target = "binary"
          output = [bindir(DOCKER_STATIC == "1" ? "binary" : "dynbinary")]
        }
        target "binary-cross" { inherits = ["binary", "_platforms"] }
        target "all" {
          context = BAKE_CMD_CONTEXT
          output = [{ type = "local", dest = DESTDIR }]
          ssh = [{ id = "default" }]
          attest = ["type=provenance,mode=max", { type = "sbom" }]
          entitlements = ["network.host"]
          network = "host"
          platforms = ["local"]
        }
        group "default" { targets = ["binary"] }
        group "everything" { targets = ["default", "all", "binary-cross"] }
    "#;
    assert_eq!(
        hcl(text)["target"]["binary"],
        json!({
            "context": ".", "dockerfile": "Dockerfile",
            "args": {"BUILDKIT_CONTEXT_KEEP_GIT_DIR": "1", "DOCKER_STATIC": "1"}, "target": "binary",
            "output": [{"dest": "./bundles/binary", "type": "local"}]
        })
    );
    let everything = named(text, &["everything"]);
    let names: Vec<&String> = everything["target"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["all", "binary", "binary-cross"]);
    assert_eq!(
        everything["group"]["default"]["targets"],
        json!(["binary", "everything"])
    );
    let all = &everything["target"]["all"];
    assert_eq!(all["context"], ".");
    assert_eq!(all["entitlements"], json!(["network.host"]));
    assert_eq!(
        all["attest"],
        json!([{"mode": "max", "type": "provenance"}, {"type": "sbom"}])
    );
}

#[test]
fn variables_are_described() {
    let call = Call {
        files: &[(
            "docker-bake.hcl",
            "variable \"B\" {\n  default = null\n}\nvariable \"A\" {\n  type = list(number)\n  default = [1]\n  description = \"d\"\n}\n",
        )],
        ..Call::default()
    };
    let variables = read(&call.inputs()).unwrap().variables;
    assert_eq!(
        serde_json::to_value(&variables).unwrap(),
        json!([
            {"name": "A", "description": "d", "type": "list of number", "value": "[1]"},
            {"name": "B"}
        ])
    );
}

#[test]
fn variables_of_the_call_come_first() {
    let call = Call {
        files: &[(
            "docker-bake.hcl",
            "variable \"A\" { default = \"d\" }\ntarget \"default\" { args = { a = A } }",
        )],
        environment: &[("A", "env")],
        ..Call::default()
    };
    let mut inputs = call.inputs();
    inputs.variables = BTreeMap::from([("A".to_string(), "call".to_string())]);
    let resolved = read(&inputs)
        .unwrap()
        .resolve(&[], &[], &inputs.environment)
        .unwrap();
    assert_eq!(resolved.targets["default"].args["a"], "call");
}

#[test]
fn a_group_comes_before_a_target_of_its_name() {
    let printed = hcl(
        "target \"default\" { tags = [\"never\"] }\ngroup \"default\" { targets = [\"a\", \"b\"] }\n\
         target \"a\" { no-cache = 1 }\ntarget \"b\" { pull = \"always\" }\n",
    );
    assert_eq!(
        printed["target"],
        json!({
            "a": {"context": ".", "dockerfile": "Dockerfile", "no-cache": true},
            "b": {"context": ".", "dockerfile": "Dockerfile", "pull": true}
        })
    );
}
