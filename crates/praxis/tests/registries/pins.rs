//! `praxis pin` with a registry.

use serde_json::Value;

use crate::Place;

fn pins(place: &Place, store: &str, arguments: &[&str], code: i32) -> Vec<Value> {
    let output = place
        .praxis(store, &[&["pin", "--json", "repository"], arguments].concat())
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    value["pins"].as_array().unwrap().clone()
}

#[test]
fn tags_get_the_digests_that_the_registry_has() {
    let place = Place::new();
    place.publish_base("team/base:1");
    let digest = place.base.manifest().to_string();
    let name = place.name("team/base:1");
    let dockerfile = format!("# {name}\nFROM {name} AS build\nFROM scratch\nCOPY --from={name} /bin /bin\n");
    place.write("repository/Dockerfile", &dockerfile);
    place.write(
        "repository/compose.yaml",
        &format!("services:\n  a:\n    image: {name}\n"),
    );
    let open = pins(&place, "a", &["--check"], 1);
    assert_eq!(open.len(), 3);
    assert!(
        open.iter()
            .all(|pin| pin["digest"] == digest.as_str() && pin["state"] == "unpinned"),
        "{open:?}"
    );
    let offline = pins(&place, "a", &["--check", "--offline"], 1);
    assert!(
        offline[0]["reason"]
            .as_str()
            .unwrap()
            .contains("no such image in the store")
    );
    assert_eq!(
        std::fs::read_to_string(place.path("repository/Dockerfile")).unwrap(),
        dockerfile
    );
    pins(&place, "a", &[], 0);
    let written = std::fs::read_to_string(place.path("repository/Dockerfile")).unwrap();
    assert_eq!(
        written,
        dockerfile
            .replace(&format!("FROM {name}"), &format!("FROM {name}@{digest}"))
            .replace(&format!("--from={name}"), &format!("--from={name}@{digest}"),)
    );
    assert!(
        pins(&place, "a", &["--check", "--update"], 0)
            .iter()
            .all(|pin| pin["state"] == "pinned")
    );
    // The tag moves; the store still has what it was.
    place.good("a", &["pull", &name]);
    place.write("app/Dockerfile", &format!("FROM {name}\nLABEL a=b\n"));
    let now = place.good("b", &["build", "-q", "-t", "app:1", "app"]);
    place.good("b", &["push", "app:1", &name]);
    let moved = pins(&place, "a", &["--check", "--update"], 1);
    assert!(
        moved
            .iter()
            .all(|pin| pin["digest"] == now.trim() && pin["state"] == "moved"),
        "{moved:?}"
    );
    assert!(
        moved[0]["created"]["now"].as_str().unwrap().ends_with('Z'),
        "{moved:?}"
    );
    assert!(
        pins(&place, "a", &["--check"], 0)
            .iter()
            .all(|pin| pin["state"] == "pinned")
    );
    pins(&place, "a", &["--update"], 0);
    let written = std::fs::read_to_string(place.path("repository/compose.yaml")).unwrap();
    assert!(written.contains(&format!("{name}@{}", now.trim())), "{written}");
}

/// Values, a package, a kustomization and compose, with the tag of an image for two platforms: its index is the pin.
#[test]
fn indexes_are_pinned_wherever_they_are_named() {
    let place = Place::new();
    let name = place.name("team/both:1");
    place.write("app/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n");
    let platforms = ["--platform", "linux/amd64,linux/arm64"];
    let build = [&["build", "-q", "-t", "both:1"], &platforms[..], &["app"]].concat();
    let index = place.good("b", &build).trim().to_string();
    place.good("b", &["push", "both:1", &name]);
    let repository = name.trim_end_matches(":1");
    let zeros = format!("sha256:{}", "0".repeat(64));
    let files = [
        (
            "chart/values.yaml",
            format!("image:\n    repository: {repository}   # ours\n    tag: '1'\n    digest: {zeros}\n"),
            format!("image:\n    repository: {repository}   # ours\n    tag: '1'\n    digest: {index}\n"),
        ),
        (
            "zarf.yaml",
            format!("components:\n- name: x\n  images: [ {name} ]\n"),
            format!("components:\n- name: x\n  images: [ {name}@{index} ]\n"),
        ),
        (
            "k/kustomization.yaml",
            format!("images:\n- name: {repository}\n  newTag: \"1\"\n"),
            format!("images:\n- name: {repository}\n  newTag: \"1\"\n  digest: {index}\n"),
        ),
        (
            "compose.yaml",
            format!("services:\n  a: {{ image: \"{name}\" }}\n"),
            format!("services:\n  a: {{ image: \"{name}@{index}\" }}\n"),
        ),
    ];
    place.write("repository/chart/Chart.yaml", "name: c\n");
    for (path, text, _) in &files {
        place.write(&format!("repository/{path}"), text);
    }
    let open = pins(&place, "a", &["--check"], 1);
    assert_eq!(open.len(), 4, "{open:?}");
    pins(&place, "a", &[], 0);
    for (path, _, expected) in &files {
        let written = std::fs::read_to_string(place.path(&format!("repository/{path}"))).unwrap();
        assert_eq!(written, *expected);
    }
    let done = pins(&place, "a", &["--check", "--update"], 0);
    assert!(done.iter().all(|pin| pin["state"] == "pinned"), "{done:?}");
}

/// git, asking a server of its own: a bare repository over plain HTTP.
#[test]
fn actions_get_the_commits_that_git_has() {
    let place = Place::new();
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.org"])
            .args(arguments)
            .current_dir(place.path("server/actions/checkout"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        crate::success(output).trim().to_string()
    };
    std::fs::create_dir_all(place.path("server/actions/checkout")).unwrap();
    git(&["init", "--quiet", "--bare", "--initial-branch=main"]);
    let tree = git(&["write-tree"]);
    let commit = git(&["commit-tree", "-m", "x", &tree]);
    git(&["update-ref", "refs/heads/main", &commit]);
    git(&["tag", "-a", "-m", "x", "v4.2.2", &commit]);
    git(&["tag", "v4", &commit]);
    git(&["update-server-info"]);
    let top = place.path("server");
    let server = praxis_testkit::WebServer::start(move |request| {
        let path = request.path.split('?').next().unwrap_or_default();
        match std::fs::read(top.join(path.trim_start_matches('/'))) {
            Ok(bytes) => praxis_testkit::WebAnswer::body(bytes),
            Err(_) => praxis_testkit::WebAnswer::status(404),
        }
    });
    let policy = format!("[actions]\nserver = \"http://{}\"\n", server.authority());
    place.write("repository/praxis.toml", &policy);
    let workflow = "jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n      - uses: actions/checkout@v4 # twice\n";
    place.write("repository/.github/workflows/ci.yml", workflow);
    let open = pins(&place, "a", &["--check"], 1);
    assert!(
        open.len() == 2 && open.iter().all(|pin| pin["commit"] == commit.as_str()),
        "{open:?}"
    );
    let asked = server
        .requests()
        .iter()
        .filter(|request| request.path.contains("info/refs"))
        .count();
    assert_eq!(asked, 1, "a repository is asked once");
    let offline = pins(&place, "a", &["--check", "--offline"], 1);
    assert!(
        offline[0]["reason"].as_str().unwrap().contains("is not asked"),
        "{offline:?}"
    );
    pins(&place, "a", &[], 0);
    let written = std::fs::read_to_string(place.path("repository/.github/workflows/ci.yml")).unwrap();
    assert_eq!(
        written,
        workflow
            .replace("@v4\n", &format!("@{commit} # v4.2.2\n"))
            .replace("@v4 #", &format!("@{commit} # v4.2.2 #"))
    );
    assert!(
        pins(&place, "a", &["--check", "--update"], 0)
            .iter()
            .all(|pin| pin["state"] == "pinned")
    );
    // The repository is gone: that is no health.
    place.write(
        "repository/.github/workflows/ci.yml",
        &workflow.replace("checkout", "gone"),
    );
    let gone = pins(&place, "a", &["--check"], 1);
    assert!(
        gone[0]["reason"].as_str().unwrap().contains("actions/gone"),
        "{gone:?}"
    );
}
