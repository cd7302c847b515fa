//! A session of an agent from the plan to the test, and what it is refused. `docs/agent-session.md` is what this writes.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::agent::{Agent, Place};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/agent-session.md");

/// What is wrong is where the step copies from: `/bin/cp` says so in the log.
const BROKEN: &str = "FROM base AS build\nWORKDIR /work\nCOPY greeting.txt .\n\
    RUN echo building && cp greetings.txt /greeting && chmod 0644 /greeting\n\n\
    FROM base\nCOPY --from=build /greeting /greeting\nUSER 10001:10001\nCMD [\"cat\", \"/greeting\"]\n";

const INTRODUCTION: &str = "# A session of an agent

What an agent does with `praxis serve --context-root ctx` on standard input and output: it plans, builds, reads why a build
failed, mends the file, checks, builds and tests; then it tries what it must not. Written by the test
`crates/praxis/tests/serve/transcript.rs`, which compares every line; results are shown in part, digests and ids as `…`.
";

struct Session {
    agent: Agent,
    /// Where the contexts are, which differs from run to run.
    place: String,
    text: String,
}

impl Session {
    fn title(&mut self, title: &str, says: &str) {
        self.text += &format!("\n## {title}\n{says}\n");
    }

    /// Calls a tool and writes down these parts of the result.
    #[track_caller]
    fn call(&mut self, tool: &str, arguments: Value, parts: &[&str]) -> Value {
        let result = self.agent.call(tool, arguments.clone());
        let structure = result["structuredContent"].clone();
        let mut shown = json!({"isError": result["isError"]});
        for part in parts {
            let pointer = format!("/{}", part.replace('.', "/"));
            let found = structure
                .pointer(&pointer)
                .unwrap_or_else(|| panic!("{part}: {result}"));
            shown[*part] = found.clone();
        }
        self.write(tool, &arguments, &shown);
        structure
    }

    /// Calls a tool, which must be refused.
    #[track_caller]
    fn refused(&mut self, tool: &str, arguments: Value, says: &str) {
        let result = self.agent.call(tool, arguments.clone());
        assert_eq!(result["isError"], true, "{result}");
        let said: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert!(said.to_string().contains(says), "{says:?}: {said}");
        self.write(tool, &arguments, &said);
    }

    fn write(&mut self, tool: &str, arguments: &Value, result: &Value) {
        let result = serde_json::to_string_pretty(result)
            .unwrap()
            .replace(&self.place, "/srv");
        self.text += &format!("\n```text\n→ {tool} {arguments}\n← {}\n```\n", masked(&result));
    }
}

/// The same without what differs from run to run.
fn masked(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("sha256:") {
        let (before, after) = rest.split_at(at + "sha256:".len());
        shown += before;
        rest = after.trim_start_matches(|letter: char| letter.is_ascii_hexdigit());
        shown += "…";
    }
    shown + rest
}

#[test]
fn an_agent_builds_mends_and_tests_and_is_refused_all_else() {
    let place = Place::with(BROKEN);
    place.write("ctx/app/greeting.txt", "good day\n");
    place.write(
        "ctx/app/praxis.toml",
        "[[smoke]]\nname = \"greets\"\nstdout-contains = [\"good day\"]\n",
    );
    let mut session = Session {
        agent: place.serve(&[]),
        place: fs::canonicalize(place.path("")).unwrap().to_str().unwrap().into(),
        text: INTRODUCTION.into(),
    };
    session.agent.greet();
    let build =
        json!({"context": "app", "build_contexts": {"base": "oci-layout://base"}, "tags": ["greeter:1"]});
    let plan = json!({"context": "app", "build_contexts": {"base": "oci-layout://base"}});

    session.title("Plan", "Nothing runs. The agent sees the steps.");
    session.call("plan", plan, &["untrusted.plan"]);

    session.title(
        "Build",
        "It fails; the result has the line and the end of what the step printed.",
    );
    let parts = ["status", "line", "untrusted.error", "untrusted.output"];
    let failed = session.call("build", build.clone(), &parts);
    assert_eq!(
        (&failed["status"], &failed["line"]),
        (&json!("failed"), &json!(4))
    );

    session.title("Read the log", "By the id that the build gave.");
    let log = session.agent.done("log", json!({"build": failed["build"]}));
    let log = log["untrusted"]["log"].as_str().unwrap();
    assert!(
        log.contains("building\n") && log.contains("can't stat 'greetings.txt'"),
        "{log}"
    );
    session.write("log", &json!({"build": "…"}), &json!({"untrusted.log": log}));

    session.title(
        "Mend",
        "The agent edits the file with its own tools: `greetings.txt` is `greeting.txt`.",
    );
    place.write(
        "ctx/app/Dockerfile",
        &BROKEN.replace("cp greetings.txt", "cp greeting.txt"),
    );

    session.title(
        "Check",
        "The rules have nothing that stops a build; each finding names its page and its edits.",
    );
    let checked = session.call("check", json!({"path": "app", "severity": "error"}), &["errors"]);
    assert_eq!(checked["errors"], 0, "{checked}");

    session.title("Build again", "What had been done is not done again.");
    let built = session.call("build", build, &["status", "digest", "steps", "cached"]);
    assert_eq!(built["status"], "done", "{built}");
    assert!(built["cached"].as_u64() > Some(0), "{built}");

    session.title(
        "Test",
        "The image runs without network and privileges, and says what `praxis.toml` expects.",
    );
    let test = json!({"image": "greeter:1", "config": "app/praxis.toml"});
    let tested = session.call("test", test, &["passed", "tests", "failed"]);
    assert_eq!(tested["passed"], true, "{tested}");

    refusals(&mut session, &place);
    let written = session.text;
    let known = fs::read_to_string(DOCUMENT).unwrap_or_default();
    if written != known {
        let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).join("agent-session.md");
        fs::write(&beside, &written).unwrap();
        panic!(
            "docs/agent-session.md is not what the session was: {} is",
            beside.display()
        );
    }
}

fn refusals(session: &mut Session, place: &Place) {
    session.title("Push", "There is no such tool, and no argument for it.");
    let answer = session.agent.request(
        "tools/call",
        json!({"name": "push", "arguments": {"image": "greeter:1"}}),
    );
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    session.write("push", &json!({"image": "greeter:1"}), &answer["error"]);
    session.refused("build", json!({"context": "app", "push": true}), "refused");

    session.title(
        "Read a secret",
        "Neither by an argument, nor by a file, nor by a mount in the Dockerfile.",
    );
    session.refused(
        "build",
        json!({"context": "app", "secrets": ["id=token,src=/root/.netrc"]}),
        "takes or reads secrets",
    );
    session.refused(
        "inspect",
        json!({"image": "docker-archive:/root/.docker/config.json"}),
        "outside of the roots",
    );
    place.write(
        "ctx/secret/Dockerfile",
        "FROM base\nRUN --mount=type=secret,id=token,required=true cat /run/secrets/token\n",
    );
    let arguments = json!({"context": "secret", "build_contexts": {"base": "oci-layout://base"}});
    let failed = session.call("build", arguments, &["status", "untrusted.error"]);
    assert_eq!(failed["status"], "failed", "{failed}");

    session.title("Leave the roots", "Not by a path, and not by a link.");
    session.refused("build", json!({"context": "/etc"}), "outside of the roots");
    session.refused("check", json!({"path": "../ctx-evil"}), "outside of the roots");
    std::os::unix::fs::symlink("/", place.path("ctx/out")).unwrap();
    session.refused("plan", json!({"context": "out/etc"}), "outside of the roots");

    session.title(
        "Reach a metadata address",
        "Not by ADD, not by a name of an image, and a step has no network.",
    );
    for dockerfile in [
        "FROM scratch\nADD http://169.254.169.254/latest/meta-data/ /x\n",
        "FROM 169.254.169.254/a:1\n",
    ] {
        place.write("ctx/metadata/Dockerfile", dockerfile);
        let failed = session.call(
            "build",
            json!({"context": "metadata"}),
            &["status", "untrusted.error"],
        );
        assert!(
            failed.to_string().contains("may not be reached from here"),
            "{failed}"
        );
    }
    place.write(
        "ctx/metadata/Dockerfile",
        "FROM base\nRUN ip route get 169.254.169.254\n",
    );
    let arguments = json!({"context": "metadata", "build_contexts": {"base": "oci-layout://base"}});
    let failed = session.call("build", arguments, &["status", "untrusted.output"]);
    assert!(
        failed["untrusted"]["output"]
            .as_str()
            .unwrap()
            .contains("unreachable"),
        "{failed}"
    );
}
