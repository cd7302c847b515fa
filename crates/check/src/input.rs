//! A repository as one JSON document: what rules of a repository's own see of it.

use praxis_dockerfile::{Command, Heredoc, Instruction, Kind, Run, Transfer};
use praxis_source::{SourceFile, Span};
use serde_json::{Map, Value, json};

use crate::images::BaseView;
use crate::yaml::{self, Node};
use crate::{DockerfileView, EntryKind, ImagePlace, ImageUse, Repository, YamlFile, command, policy, waiver};

/// What rules of a repository's own see of it. `version` counts up when a key changes its meaning or goes away; keys may
/// be added. The same repository gives the same document.
pub fn policy_input(repository: &Repository) -> Value {
    let files = repository
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::File);
    let links = repository
        .entries
        .iter()
        .filter(|entry| entry.kind == EntryKind::Link);
    let decisions = repository
        .decisions
        .iter()
        .map(|one| json!({ "file": one.path, "number": one.number, "superseded": one.superseded }));
    let facts = &repository.facts;
    json!({
        "version": 1,
        "today": facts.today,
        "git": facts.git.as_ref().map(|git| json!({ "revision": git.revision, "source": git.source })),
        "files": files.map(|entry| entry.path.as_str()).collect::<Vec<_>>(),
        "links": links.map(|entry| entry.path.as_str()).collect::<Vec<_>>(),
        "dockerfiles": repository.dockerfiles.iter().map(dockerfile).collect::<Vec<_>>(),
        "yaml": repository.yaml.iter().map(yaml_file).collect::<Vec<_>>(),
        "praxis": repository.text(policy::FILE).and_then(|text| toml::from_str::<Value>(text).ok()),
        "waivers": waiver::listed(repository),
        "decisions": decisions.collect::<Vec<_>>(),
        "project": repository.version.as_ref().map(|(version, file)| json!({ "version": version, "file": file })),
    })
}

fn dockerfile(view: &DockerfileView) -> Value {
    let file = &view.file;
    let stages = view.tree.stages.iter().enumerate().map(|(index, stage)| {
        let mut fields = placed(file, stage.from.span);
        let instructions = stage.instructions.iter().map(|one| instruction(file, one));
        fields.extend(object(json!({
            "index": index,
            "name": stage.from.name,
            "base": stage.from.base,
            "platform": stage.from.platform,
            "comments": stage.from.comments,
            "parent": match view.bases.get(index) {
                Some(BaseView::Stage(parent)) => Some(*parent),
                _ => None,
            },
            "image": match view.bases.get(index) {
                Some(BaseView::Image(image)) => view.images.get(*image).map(|image| self::image(file, image)),
                _ => None,
            },
            "instructions": instructions.collect::<Vec<_>>(),
        })));
        Value::Object(fields)
    });
    let labels = view.label_places().iter().map(|(key, label)| {
        let mut fields = placed(file, label.key);
        fields.insert("value".into(), label.value.clone().into());
        (key.clone(), Value::Object(fields))
    });
    let diagnostics = view.diagnostics.iter().map(|one| {
        let line = one.span.map(|span| file.position(span.start).line);
        json!({ "check": one.code, "message": one.message, "line": line })
    });
    let config = view.config.as_ref().map(|image| &image.config);
    json!({
        "file": view.path,
        "context": view.context,
        "syntax": view.tree.directives.syntax,
        "arguments": view.tree.arguments.iter().map(|one| instruction(file, one)).collect::<Vec<_>>(),
        "stages": stages.collect::<Vec<_>>(),
        "final": view.chain(),
        "images": view.images.iter().map(|one| image(file, one)).collect::<Vec<_>>(),
        "labels": labels.collect::<Map<_, _>>(),
        "config": config.map(|config| serde_json::to_value(config).unwrap_or_default()),
        "diagnostics": diagnostics.collect::<Vec<_>>(),
    })
}

fn image(file: &SourceFile, image: &ImageUse) -> Value {
    let mut fields = placed(file, image.span);
    let reference = image.reference.as_ref();
    let (place, stage) = match image.place {
        ImagePlace::From(stage) => ("from", Some(stage)),
        ImagePlace::Copy => ("copy", None),
        ImagePlace::Mount => ("mount", None),
        ImagePlace::Syntax => ("syntax", None),
    };
    fields.extend(object(json!({
        "place": place,
        "stage": stage,
        "written": image.written,
        "dynamic": image.dynamic,
        "name": reference.map(|reference| reference.name()),
        "registry": reference.map(|reference| reference.domain()),
        "repository": reference.map(|reference| reference.path()),
        "tag": reference.and_then(|reference| reference.tag()),
        "digest": reference.and_then(|reference| reference.digest()).map(ToString::to_string),
    })));
    Value::Object(fields)
}

fn instruction(file: &SourceFile, one: &Instruction) -> Value {
    let mut fields = placed(file, one.span);
    fields.insert("keyword".into(), one.kind.keyword().into());
    fields.insert("text".into(), one.text.clone().into());
    fields.insert("comments".into(), json!(one.comments));
    fields.extend(object(said(one)));
    Value::Object(fields)
}

/// What an instruction says, by its kind.
fn said(one: &Instruction) -> Value {
    match &one.kind {
        Kind::Add(transfer) | Kind::Copy(transfer) => self::transfer(transfer),
        Kind::Arg(arguments) => {
            let pairs = arguments.iter();
            json!({ "pairs": pairs.map(|it| json!({ "key": it.name, "value": it.default })).collect::<Vec<_>>() })
        }
        Kind::Env(pairs) | Kind::Label(pairs) => {
            let pairs = pairs.iter();
            json!({ "pairs": pairs.map(|it| json!({ "key": it.key, "value": it.value })).collect::<Vec<_>>() })
        }
        Kind::Cmd(command) | Kind::Entrypoint(command) => self::command(command),
        Kind::Expose(values) | Kind::Shell(values) | Kind::Volume(values) => json!({ "values": values }),
        Kind::Healthcheck(check) => json!({
            "test": check.test,
            "interval": check.interval,
            "timeout": check.timeout,
            "start_period": check.start_period,
            "start_interval": check.start_interval,
            "retries": check.retries,
        }),
        Kind::Maintainer(value)
        | Kind::Onbuild(value)
        | Kind::Stopsignal(value)
        | Kind::User(value)
        | Kind::Workdir(value) => json!({ "value": value }),
        Kind::Run(run) => self::run(one, run),
    }
}

fn transfer(transfer: &Transfer) -> Value {
    json!({
        "sources": transfer.sources,
        "destination": transfer.destination,
        "from": transfer.from,
        "chown": transfer.chown,
        "chmod": transfer.chmod,
        "link": transfer.link,
        "parents": transfer.parents,
        "excludes": transfer.excludes,
        "checksum": transfer.checksum,
        "heredocs": heredocs(&transfer.heredocs),
    })
}

fn run(one: &Instruction, run: &Run) -> Value {
    let mut fields = object(command(&run.command));
    let commands = command::commands(one).into_iter().map(
        |command| json!({ "program": command.program(), "words": command.words, "piped": command.piped }),
    );
    fields.extend(object(json!({
        "commands": commands.collect::<Vec<_>>(),
        "heredocs": heredocs(&run.heredocs),
        "mounts": run.mounts.iter().map(|mount| mount.0.as_str()).collect::<Vec<_>>(),
        "network": run.network.map(|network| format!("{network:?}").to_lowercase()),
        "insecure": run.insecure,
    })));
    Value::Object(fields)
}

fn command(command: &Command) -> Value {
    match command {
        Command::Shell(line) => json!({ "form": "shell", "shell": line, "exec": null }),
        Command::Exec(words) => json!({ "form": "exec", "shell": null, "exec": words }),
    }
}

fn heredocs(heredocs: &[Heredoc]) -> Vec<Value> {
    let one = |heredoc: &Heredoc| json!({ "name": heredoc.name, "text": heredoc.raw });
    heredocs.iter().map(one).collect()
}

/// Scalars are the texts that are written: YAML's ideas of what is a number or true are left to the rule. The lines of
/// all nodes are beside the documents, by JSON pointer.
fn yaml_file(file: &YamlFile) -> Value {
    let mut lines = Map::new();
    let documents = file.documents.iter().enumerate().map(|(index, document)| {
        let content = node(&file.file, document, &mut format!("/{index}"), &mut lines);
        (index, content)
    });
    let documents: Vec<Value> = documents.map(|(_, content)| content).collect();
    let error = file.error.as_ref().map(|(message, span)| {
        let line = file.file.position(span.start).line;
        json!({ "message": message, "line": line })
    });
    json!({
        "file": file.path,
        "kind": format!("{:?}", file.kind).to_lowercase(),
        "documents": documents,
        "lines": lines,
        "error": error,
    })
}

fn node(file: &SourceFile, node: &Node, pointer: &mut String, lines: &mut Map<String, Value>) -> Value {
    lines.insert(pointer.clone(), file.position(node.span.start).line.into());
    let mut below = |name: &str, value: &Node| {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        let value = self::node(file, value, pointer, lines);
        pointer.truncate(length);
        value
    };
    match &node.value {
        yaml::Value::Scalar { text, .. } => text.clone().into(),
        yaml::Value::Alias => Value::Null,
        yaml::Value::Sequence(items) => {
            let items = items.iter().enumerate();
            items
                .map(|(index, item)| below(&index.to_string(), item))
                .collect()
        }
        yaml::Value::Mapping(entries) => {
            let named = entries
                .iter()
                .filter_map(|(key, value)| Some((key.text()?, value)));
            let fields = named.map(|(name, value)| (name.to_string(), below(name, value)));
            Value::Object(fields.collect())
        }
    }
}

/// Line, column and last line of a place, all from 1.
fn placed(file: &SourceFile, span: Span) -> Map<String, Value> {
    let start = file.position(span.start);
    let end = file.position(span.end.max(span.start + 1) - 1);
    object(json!({ "line": start.line, "column": start.column, "end_line": end.line }))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Facts, MemoryTree};

    fn input() -> Value {
        let dockerfile = "ARG V=12\nFROM debian:$V AS build\nRUN --mount=type=cache,target=/c <<E\nmake é\nE\n\
                          FROM build\n# why\nCOPY --from=ghcr.io/a/b:1 /x \\\n  /y\nENTRYPOINT [\"/y\"]\nLABEL a.b=c\n\
                          USER 10001 # praxis: allow PX101 because it is a test\n";
        let tree = MemoryTree::default()
            .with("Dockerfile", dockerfile)
            .with("praxis.toml", "preset = \"minimal\"\n[[waivers]]\nrule = \"PX101\"\npath = \"Dockerfile\"\nbecause = \"so\"\n")
            .with("other/file", "")
            .with(".github/workflows/ci.yml", "on: push\njobs:\n  a/b:\n    steps:\n      - run: x\n");
        let facts = Facts {
            today: "2026-11-25".into(),
            git: None,
        };
        policy_input(&Repository::read(&tree, facts).unwrap())
    }

    #[test]
    fn rules_see_what_a_dockerfile_says_and_where() {
        let input = input();
        let file = &input["dockerfiles"][0];
        assert_eq!(file["file"], "Dockerfile");
        let build = &file["stages"][0];
        assert_eq!((&build["name"], &build["line"]), (&json!("build"), &json!(2)));
        assert_eq!(build["image"]["name"], "docker.io/library/debian");
        assert_eq!(
            (&build["image"]["tag"], &build["image"]["digest"]),
            (&json!("12"), &Value::Null)
        );
        let run = &build["instructions"][0];
        assert_eq!(
            (&run["keyword"], &run["line"], &run["end_line"]),
            (&json!("RUN"), &json!(3), &json!(5))
        );
        assert_eq!(run["mounts"], json!(["type=cache,target=/c"]));
        assert_eq!(run["heredocs"][0]["text"], "make é\n");
        let last = &file["stages"][1];
        assert_eq!((&last["parent"], &last["image"]), (&json!(0), &Value::Null));
        let copy = &last["instructions"][0];
        assert_eq!(
            (&copy["line"], &copy["end_line"], &copy["destination"]),
            (&json!(8), &json!(9), &json!("/y"))
        );
        assert_eq!(file["images"][1]["place"], "copy");
        assert_eq!(file["images"][1]["registry"], "ghcr.io");
        assert_eq!(
            file["labels"]["a.b"],
            json!({ "line": 11, "column": 7, "end_line": 11, "value": "c" })
        );
        assert_eq!(last["instructions"][1]["exec"], json!(["/y"]));
        assert_eq!(file["config"]["Entrypoint"], json!(["/y"]));
        assert_eq!(file["final"], json!([1, 0]));
    }

    #[test]
    fn rules_see_workflows_settings_waivers_and_names() {
        let input = input();
        let workflow = &input["yaml"][0];
        assert_eq!(workflow["kind"], "workflow");
        assert_eq!(workflow["documents"][0]["jobs"]["a/b"]["steps"][0]["run"], "x");
        assert_eq!(workflow["lines"]["/0/jobs/a~1b/steps/0/run"], 5);
        assert_eq!(input["praxis"]["preset"], "minimal");
        let waiver = |at: usize, key: &str| input["waivers"][at][key].clone();
        assert_eq!(
            (waiver(0, "file"), waiver(0, "line")),
            (json!("Dockerfile"), json!(12))
        );
        assert_eq!(
            (waiver(1, "file"), waiver(1, "files")),
            (json!("praxis.toml"), json!("Dockerfile"))
        );
        assert_eq!(waiver(1, "rules"), json!(["PX101"]));
        let files = [
            ".github/workflows/ci.yml",
            "Dockerfile",
            "other/file",
            "praxis.toml",
        ];
        assert_eq!(input["files"], json!(files));
        assert_eq!(
            (&input["version"], &input["today"]),
            (&json!(1), &json!("2026-11-25"))
        );
    }
}
