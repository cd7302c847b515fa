use serde_json::json;

use super::Call;

#[test]
fn compose_services_are_targets() {
    let compose = r#"
name: shop
x-common: &common
  args: {A: one}
services:
  web.app:
    image: me/web:${TAG:-latest}
    environment: [FROM_SERVICE=svc]
    build:
      <<: *common
      context: ./web
      dockerfile: Dockerfile.web
      target: prod
      labels: [a=b]
      cache_from: ["type=local,src=c", me/web:cache]
      additional_contexts:
        base: service:base
        other: ./other
      secrets: [token, {source: file}]
      ssh: [default]
      network: none
      extra_hosts: ["db:10.0.0.1"]
      ulimits: {nofile: {soft: 10, hard: 20}}
      shm_size: 128m
      x-bake:
        tags: me/web:a me/web:b
        platforms: [linux/amd64]
        output: type=oci,dest=web.tar
        no-cache: true
  base:
    build:
      dockerfile_inline: "FROM scratch"
      args: [FROM_SERVICE, FROM_FILE, GONE, X=$$x]
    environment: {FROM_SERVICE: svc}
  plain:
    build: ./plain
    image: me/plain
  none: {image: postgres}
secrets:
  token: {environment: TOKEN}
  file: {file: ./secret.txt}
"#;
    let call = Call {
        files: &[
            ("compose.yaml", compose),
            (".env", "TAG=1.2\nFROM_FILE=file # x\n"),
        ],
        ..Call::default()
    };
    let printed = call.print();
    assert_eq!(
        printed["group"]["default"]["targets"],
        json!(["base", "plain", "web_app"])
    );
    assert_eq!(
        printed["target"]["web_app"],
        json!({
            "context": "web", "contexts": {"base": "target:base", "other": "./other"}, "dockerfile": "Dockerfile.web",
            "args": {"A": "one"}, "labels": {"a": "b"}, "tags": ["me/web:a", "me/web:b"],
            "cache-from": [{"src": "c", "type": "local"}, {"ref": "me/web:cache", "type": "registry"}],
            "target": "prod", "secret": [{"id": "token", "env": "TOKEN"}, {"id": "file", "src": "./secret.txt"}],
            "ssh": [{"id": "default"}], "platforms": ["linux/amd64"], "output": [{"dest": "web.tar", "type": "oci"}],
            "no-cache": true, "network": "none", "shm-size": "128m", "ulimits": ["nofile=10:20"],
            "extra-hosts": {"db": "10.0.0.1"}
        })
    );
    assert_eq!(
        printed["target"]["base"]["args"],
        json!({"FROM_SERVICE": "svc", "FROM_FILE": "file", "X": "$x"})
    );
    assert_eq!(
        printed["target"]["plain"],
        json!({"context": "plain", "dockerfile": "Dockerfile", "tags": ["me/plain"]})
    );
}

#[test]
fn compose_files_lie_over_each_other_and_under_bake_files() {
    let files = [
        (
            "compose.yaml",
            "services:\n  app:\n    image: me/app\n    build: .\n  gone:\n    build: x\n",
        ),
        (
            "compose.override.yaml",
            "services:\n  app:\n    build:\n      args: [A=1]\n      target: dev\n  gone: !reset null\n",
        ),
        (
            "docker-bake.hcl",
            "target \"app\" {\n  args = { B = 2 }\n  target = \"prod\"\n}\n",
        ),
    ];
    let printed = Call {
        files: &files,
        ..Call::default()
    }
    .print();
    assert_eq!(
        printed["target"],
        json!({"app": {
            "context": ".", "dockerfile": "Dockerfile", "args": {"A": "1", "B": "2"}, "tags": ["me/app"],
            "target": "prod"
        }})
    );
}

#[test]
fn mistakes_in_compose_files_have_a_place() {
    for (text, message) in [
        (
            "services:\n  a:\n    build:\n      contxt: .\n",
            "compose.yaml:4:7: there is no \"contxt\" in build of compose files",
        ),
        (
            "servces:\n  a: {}\n",
            "compose.yaml:1:1: there is no \"servces\" in compose files",
        ),
        (
            "services:\n  a:\n    build: ${X:?say where}\n",
            "compose.yaml:3:12: the variable X is needed: say where",
        ),
        (
            "services:\n  a:\n    build: {context: ., context: b}\n",
            "compose.yaml:3:25: the entry \"context\" is there twice",
        ),
        (
            "services:\n  a:\n    build: {secrets: [s]}\n",
            "compose.yaml:3:23: there is no secret \"s\"",
        ),
        (
            "services:\n  a:\n    extends: a\n    build: .\n",
            "compose.yaml:3:14: the service \"a\" extends itself",
        ),
        (
            "include: [x.yaml]\n",
            "compose.yaml:1:1: include is not supported",
        ),
        ("services:\n\ta: {}\n", "compose.yaml:2:"),
    ] {
        let files = [("compose.yaml", text)];
        let error = Call {
            files: &files,
            ..Call::default()
        }
        .error();
        assert!(error.message.starts_with(message), "{error}");
    }
}

#[test]
fn files_without_an_ending_are_recognised() {
    let target = |text: &str| {
        let files = [("-", text)];
        Call {
            files: &files,
            names: &["a"],
            ..Call::default()
        }
        .print()["target"]["a"]["tags"]
            .clone()
    };
    assert_eq!(target("target \"a\" { tags = [\"h\"] }"), json!(["h"]));
    assert_eq!(target("{\"target\": {\"a\": {\"tags\": [\"j\"]}}}"), json!(["j"]));
    assert_eq!(target("services:\n  a: {build: ., image: c}\n"), json!(["c"]));
}
