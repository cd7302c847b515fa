use serde_json::json;

use crate::place::Place;

fn files() -> Place {
    let place = Place::empty();
    place
        .write(
            "docker-bake.hcl",
            "variable \"TAG\" {\n  default = \"latest\"\n  description = \"what to call it\"\n}\n\
             target \"_base\" {\n  args = { V = TAG }\n}\n\
             target \"app\" {\n  inherits = [\"_base\"]\n  description = \"the app\"\n  tags = [\"me/app:${TAG}\"]\n  \
             context = BAKE_CMD_CONTEXT\n}\ngroup \"default\" {\n  targets = [\"app\"]\n}\n",
        )
        .write("compose.yaml", "services:\n  db:\n    build: ./db\n")
        .write(
            "docker-bake.override.hcl",
            "target \"app\" {\n  platforms = [BAKE_LOCAL_PLATFORM]\n}\n",
        );
    place
}

#[test]
fn default_files_are_merged_and_printed() {
    let place = files();
    let printed = place
        .bake_with(&[("TAG", "2")], &["--print", "--set", "app.labels.l=x"])
        .ok();
    let platform = printed.json()["target"]["app"]["platforms"][0].clone();
    assert!(platform.as_str().unwrap().starts_with("linux/"));
    assert_eq!(
        printed.json(),
        json!({
            "group": {"default": {"targets": ["app"]}},
            "target": {"app": {
                "description": "the app", "context": ".", "dockerfile": "Dockerfile", "args": {"V": "2"},
                "labels": {"l": "x"}, "tags": ["me/app:2"], "platforms": [platform]
            }}
        })
    );
    let order: Vec<usize> = [
        "\"context\"",
        "\"dockerfile\"",
        "\"args\"",
        "\"labels\"",
        "\"tags\"",
        "\"platforms\"",
    ]
    .iter()
    .map(|field| printed.stdout.find(field).unwrap())
    .collect();
    assert!(order.is_sorted(), "{}", printed.stdout);
    let given = place
        .bake(&["--print", "-f", "docker-bake.hcl", "--var", "TAG=3", "app"])
        .ok();
    assert_eq!(given.json()["target"]["app"]["tags"], json!(["me/app:3"]));
    let epoch = place
        .bake_with(&[("SOURCE_DATE_EPOCH", "1")], &["--print", "db"])
        .ok();
    assert_eq!(
        epoch.json()["target"]["db"],
        json!({"context": "db", "dockerfile": "Dockerfile", "args": {"SOURCE_DATE_EPOCH": "1"}})
    );
}

#[test]
fn targets_and_variables_are_listed() {
    let place = files();
    let targets = place.bake(&["--list", "targets"]).ok();
    let lines: Vec<&str> = targets.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "TARGET    DESCRIPTION",
            "app       the app",
            "db",
            "default   app"
        ]
    );
    let variables = place.bake(&["--list=type=variables,format=json"]).ok();
    assert_eq!(
        variables.json(),
        json!([{"name": "TAG", "description": "what to call it", "type": "string", "value": "latest"}])
    );
}
