use serde_json::json;

use super::{Call, arguments, fails, hcl, named, value};

#[test]
fn a_group_and_targets_print_as_in_buildx() {
    let text = r#"
        group "default" { targets = ["db", "webapp-dev"] }
        target "webapp-dev" {
          dockerfile = "Dockerfile.webapp"
          tags = ["docker.io/username/webapp:latest"]
        }
        target "webapp-release" {
          inherits = ["webapp-dev"]
          platforms = ["linux/amd64", "linux/arm64"]
        }
        target "db" {
          dockerfile = "Dockerfile.db"
          tags = ["docker.io/username/db"]
        }
    "#;
    assert_eq!(
        hcl(text),
        json!({
            "group": {"default": {"targets": ["db", "webapp-dev"]}},
            "target": {
                "db": {"context": ".", "dockerfile": "Dockerfile.db", "tags": ["docker.io/username/db"]},
                "webapp-dev": {
                    "context": ".", "dockerfile": "Dockerfile.webapp", "tags": ["docker.io/username/webapp:latest"]
                },
            }
        })
    );
    let release = named(text, &["webapp-release"]);
    assert_eq!(
        release["group"],
        json!({"default": {"targets": ["webapp-release"]}})
    );
    assert_eq!(
        release["target"]["webapp-release"],
        json!({
            "context": ".", "dockerfile": "Dockerfile.webapp", "tags": ["docker.io/username/webapp:latest"],
            "platforms": ["linux/amd64", "linux/arm64"]
        })
    );
}

#[test]
fn inheritance_goes_in_order_and_merges() {
    let printed = hcl(r#"
        target "_a" {
          args = { ONE = "a", TWO = "a" }
          labels = { l = "a" }
          tags = ["a"]
          cache-from = ["type=registry,ref=a"]
          secret = ["id=s,src=a"]
        }
        target "_b" { args = { TWO = "b" }, }
        target "default" {
          inherits = ["_a", "_b"]
          args = { THREE = null }
          cache-from = [{ type = "gha" }]
          no-cache-filter = ["x", "x"]
        }
    "#
    .replace("}, }", "} }")
    .as_str());
    assert_eq!(
        printed["target"]["default"],
        json!({
            "context": ".", "dockerfile": "Dockerfile", "args": {"ONE": "a", "TWO": "b"}, "labels": {"l": "a"},
            "tags": ["a"], "cache-from": [{"ref": "a", "type": "registry"}, {"type": "gha"}],
            "secret": [{"id": "s", "src": "a"}], "no-cache-filter": ["x"]
        })
    );
}

#[test]
fn variables_come_from_the_environment_and_keep_their_type() {
    let text = r#"
        variable "TAG" { default = "latest" }
        variable "N" { default = 3 }
        variable "ON" { default = true }
        variable "NOTHING" { default = null }
        variable "EMPTY" {}
        variable "SUM" { default = N + 1 }
        target "default" {
          args = { tag = "v-${TAG}", n = N, on = ON ? "yes" : "no", none = NOTHING, empty = EMPTY, sum = SUM }
        }
    "#;
    assert_eq!(
        arguments(text),
        json!({"tag": "v-latest", "n": "3", "on": "yes", "empty": "", "sum": "4"})
    );
    let files = [("docker-bake.hcl", text)];
    let call = |environment| Call {
        files: &files,
        environment,
        ..Call::default()
    };
    let set = call(&[("TAG", "1.0"), ("N", "7"), ("ON", "false"), ("NOTHING", "x")]).print();
    assert_eq!(
        set["target"]["default"]["args"],
        json!({"tag": "v-1.0", "n": "7", "on": "no", "none": "x", "empty": "", "sum": "8"})
    );
    assert!(
        call(&[("N", "many")])
            .error()
            .message
            .contains("variable N: a number is needed")
    );
    assert!(call(&[("ON", "perhaps")]).error().message.contains("variable ON"));
}

#[test]
fn typed_variables_read_lists_and_json() {
    let text = r#"
        variable "LIST" {
          type = list(string)
          default = ["a"]
        }
        variable "OBJECT" {
          type = object({ name = string, size = optional(number) })
          default = { name = "x" }
        }
        variable "PORT" { type = number }
        target "default" {
          tags = [for t in LIST : "app:${t}"]
          args = { name = OBJECT.name, size = OBJECT.size, port = PORT }
        }
    "#;
    let files = [("docker-bake.hcl", text)];
    let call = |environment| Call {
        files: &files,
        environment,
        ..Call::default()
    };
    let plain = call(&[]).print();
    assert_eq!(plain["target"]["default"]["args"], json!({"name": "x"}));
    let set = call(&[
        ("LIST", "b,c"),
        ("OBJECT", "{\"name\":\"y\",\"size\":2}"),
        ("PORT", "80"),
    ])
    .print();
    assert_eq!(set["target"]["default"]["tags"], json!(["app:b", "app:c"]));
    assert_eq!(
        set["target"]["default"]["args"],
        json!({"name": "y", "size": "2", "port": "80"})
    );
    let as_json = call(&[("LIST_JSON", "[\"x,y\"]")]).print();
    assert_eq!(as_json["target"]["default"]["tags"], json!(["app:x,y"]));
    assert!(
        fails("variable \"A\" {\n  type = list\n}\ntarget \"default\" {}")
            .message
            .starts_with("docker-bake.hcl:2:10: the type list needs")
    );
}

#[test]
fn validation_says_where_and_why() {
    let text = r#"
        variable "FOO" {
          default = ""
          validation {
            condition = FOO != ""
            error_message = "FOO must not be empty, it is \"${FOO}\"."
          }
        }
        target "default" {}
    "#;
    let error = fails(text);
    assert_eq!(
        error.message,
        "docker-bake.hcl:5:25: variable FOO is not valid: FOO must not be empty, it is \"\"."
    );
    assert!(error.excerpt.unwrap().contains("condition = FOO"));
    let call = Call {
        files: &[("docker-bake.hcl", text)],
        environment: &[("FOO", "x")],
        ..Call::default()
    };
    assert!(call.resolve().is_ok());
}

#[test]
fn a_matrix_makes_targets_and_a_group() {
    let printed = hcl(r#"
        target "app" {
          name = "app-${tgt}-${replace(item.version, ".", "-")}"
          matrix = {
            tgt = ["lint", "build"]
            item = [{ version = "1.0", base = "x" }, { version = "2.0", base = "y" }]
          }
          target = tgt
          args = { VERSION = item.version, BASE = item.base }
        }
        group "default" { targets = ["app"] }
    "#);
    let names: Vec<&String> = printed["target"].as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["app-build-1-0", "app-build-2-0", "app-lint-1-0", "app-lint-2-0"]
    );
    assert_eq!(
        printed["target"]["app-lint-2-0"],
        json!({"context": ".", "dockerfile": "Dockerfile", "args": {"VERSION": "2.0", "BASE": "y"}, "target": "lint"})
    );
    assert_eq!(printed["group"]["app"]["targets"].as_array().unwrap().len(), 4);
    assert!(
        fails("target \"default\" {\n  matrix = { a = [1, 2] }\n}")
            .message
            .contains("two targets the name \"default\"")
    );
    assert!(
        fails("target \"default\" {\n  name = \"x\"\n}")
            .message
            .starts_with("docker-bake.hcl:2:3: name is only for")
    );
}

#[test]
fn functions_of_the_file_and_of_buildx() {
    let printed = hcl(r#"
        function "tag" {
          params = [tag]
          result = ["me/app:${tag}"]
        }
        function "all" {
          params = [first]
          variadic_params = rest
          result = join("-", concat([first], rest))
        }
        target "default" {
          tags = tag("v1")
          args = { a = all("x", "y", "z"), b = all("x") }
        }
    "#);
    assert_eq!(printed["target"]["default"]["tags"], json!(["me/app:v1"]));
    assert_eq!(
        printed["target"]["default"]["args"],
        json!({"a": "x-y-z", "b": "x"})
    );
    let error = fails("target \"default\" {\n  tags = [lowr(\"X\")]\n}");
    assert_eq!(
        error.message,
        "docker-bake.hcl:2:11: there is no function \"lowr\""
    );
    assert_eq!(error.hint.as_deref(), Some("did you mean lower?"));
    let error =
        fails("function \"f\" {\n  params = [a]\n  result = f(a)\n}\ntarget \"default\" { tags = [f(1)] }");
    assert!(error.message.contains("calls itself"), "{error}");
}

#[test]
fn expressions() {
    for (expression, result) in [
        ("1 + 2 * 3", "7"),
        ("10 / 4", "2.5"),
        ("-(3 % 2)", "-1"),
        ("\"3\" + 1", "4"),
        ("1 < 2 && !(2 <= 1) ? \"y\" : \"n\"", "y"),
        ("\"a\" == \"a\" || false", "true"),
        ("1 == \"1\"", "false"),
        ("true ? 1 : \"x\"", "1"),
        ("[\"a\", \"b\"][1]", "b"),
        ("{ a = \"x\", \"b\" : \"y\" }.b", "y"),
        ("{ \"${\"a\"}b\" = 1 }[\"ab\"]", "1"),
        (
            "join(\",\", [for k, v in { b = 2, a = 1 } : \"${k}${v}\" if v > 1])",
            "b2",
        ),
        ("join(\",\", [for i, v in [\"x\"] : i])", "0"),
        ("{ for v in [\"x\", \"y\"] : upper(v) => v }.X", "x"),
        (
            "join(\",\", { for v in [\"ab\", \"ac\"] : substr(v, 0, 1) => v... }.a)",
            "ab,ac",
        ),
        ("join(\",\", [{ n = \"p\" }, { n = \"q\" }][*].n)", "p,q"),
        ("join(\",\", [\"a\", \"b\"]...)", "<error>"),
        ("\"%{ if true }x%{ else }y%{ endif }\"", "x"),
        ("\"%{ for v in [1, 2] }<${v}>%{ endfor }\"", "<1><2>"),
        ("\"a$${b}%%{c}\"", "a$${b}%%{c}"),
        ("\"a ${~ \"b\" ~} c\"", "abc"),
        ("\"\\u00e9\\n\"", "é\n"),
        ("try(missing, \"fallback\")", "fallback"),
        ("can(missing.thing)", "false"),
        ("convert(\"3\", number) + 1", "4"),
        ("timestamp()", "2024-02-29T12:34:56Z"),
        ("formatdate(\"YYYYMMDD\", timestamp())", "20240229"),
        ("formattimestamp(\"YYYY-MM-DD\", timestamp())", "2024-02-29"),
        ("formattimestamp(\"hh:mm\", 90)", "00:01"),
        ("\"$HOME $1\"", "$HOME $1"),
        ("BAKE_LOCAL_PLATFORM", "linux/amd64"),
        ("null", "<null>"),
        ("max([1, 5, 3]...)", "5"),
    ] {
        if result != "<error>" {
            assert_eq!(value(expression), result, "{expression}");
        }
    }
}

#[test]
fn here_documents_keep_lines() {
    let printed =
        hcl("target \"default\" {\n  dockerfile-inline = <<EOT\nFROM a\nRUN echo $${HOME}\nEOT\n}\n");
    assert_eq!(
        printed["target"]["default"]["dockerfile-inline"],
        "FROM a\nRUN echo $${HOME}\n"
    );
    let printed =
        hcl("target \"default\" {\n  dockerfile-inline = <<-EOT\n    FROM a\n      RUN b\n    EOT\n}\n");
    assert_eq!(
        printed["target"]["default"]["dockerfile-inline"],
        "FROM a\n  RUN b\n"
    );
}

#[test]
fn attributes_of_other_targets_can_be_used() {
    let printed = hcl(r#"
        target "foo" {
          dockerfile = "${target.default.args.file}.Dockerfile"
          args = { v1 = "a" }
          tags = ["x", "y"]
        }
        target "default" {
          args = { v2 = target.foo.args.v1, file = "f", name = target.foo.name, tag = target.foo.tags[1] }
          context = target.foo.context == null ? "none" : "some"
        }
        group "default" { targets = ["default", "foo"] }
    "#);
    assert_eq!(
        printed["target"]["default"]["args"],
        json!({"v2": "a", "file": "f", "name": "foo", "tag": "y"})
    );
    assert_eq!(printed["target"]["default"]["context"], "none");
    assert_eq!(printed["target"]["foo"]["dockerfile"], "f.Dockerfile");
    let error = fails("target \"default\" {\n  args = { a = target.default.args.a }\n}");
    assert!(error.message.contains("depends on itself"), "{error}");
}

#[test]
fn top_level_attributes_are_variables_and_override_them() {
    let files = [
        (
            "docker-bake.hcl",
            "variable \"FOO\" { default = \"abc\" }\ntarget \"app\" { args = { v1 = \"pre-${FOO}\" } }",
        ),
        ("env.hcl", "WHOAMI = \"myuser\"\nFOO = \"def-${WHOAMI}\""),
    ];
    let call = |environment| Call {
        files: &files,
        names: &["app"],
        environment,
        ..Call::default()
    };
    let args = |environment| call(environment).print()["target"]["app"]["args"]["v1"].clone();
    assert_eq!(args(&[]), "pre-def-myuser");
    assert_eq!(args(&[("FOO", "env"), ("WHOAMI", "nobody")]), "pre-env");
}
