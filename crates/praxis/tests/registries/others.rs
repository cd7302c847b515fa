//! skopeo, buildah and podman read what praxis pushed, and the other way round.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;

use praxis_testkit::OrdinaryUser;

use crate::{Place, success};

fn run(place: &Place, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("HOME", place.path("home"))
        .current_dir(place.path(""));
    success(command.output().unwrap())
}

/// Containers' tools keep their images in the test's directory.
fn storage(place: &Place) -> [String; 4] {
    let root = place.path("containers");
    [
        "--root".into(),
        root.display().to_string(),
        "--runroot".into(),
        place.path("run").display().to_string(),
    ]
}

#[test]
fn digest_for_digest() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM base\nRUN echo x > /x\n");
    let ours = place.name("app:ours");
    let built = [
        "build",
        "-q",
        "--build-context",
        "base=oci-layout://base",
        "-t",
        &ours,
        "app",
    ];
    let digest = place.good("a", &built).trim().to_string();
    place.good("a", &["push", &ours]);
    let inspected = run(
        &place,
        "skopeo",
        &[
            "inspect",
            "--tls-verify=false",
            "--format",
            "{{.Digest}}",
            &format!("docker://{ours}"),
        ],
    );
    assert_eq!(inspected.trim(), digest);
    let [root, root_path, run_root, run_path] = storage(&place);
    let shared = [
        root.as_str(),
        &root_path,
        &run_root,
        &run_path,
        "--storage-driver",
        "vfs",
    ];
    for program in ["buildah", "podman"] {
        let pull = [&shared[..], &["pull", "--tls-verify=false", &ours]].concat();
        run(&place, program, &pull);
        let images = run(
            &place,
            program,
            &[&shared[..], &["images", "--digests", "--no-trunc"]].concat(),
        );
        assert!(images.contains(&digest), "{program}: {images}");
    }
    // What buildah pushes (in Docker's types here), praxis pulls and builds on.
    let theirs = place.name("app:theirs");
    let push = [
        "push",
        "--tls-verify=false",
        "--format",
        "v2s2",
        "--digestfile",
        "digest",
        &ours,
        &theirs,
    ];
    run(&place, "buildah", &[&shared[..], &push].concat());
    let pushed = std::fs::read_to_string(place.path("digest")).unwrap();
    let pulled = place.good("b", &["pull", "--json", &theirs]);
    assert!(pulled.contains(pushed.trim()), "{pushed}: {pulled}");
    place.write("next/Dockerfile", &format!("FROM {theirs}\nRUN grep x /x > /y\n"));
    place.good("c", &["build", "-q", "next"]);
    // And what podman pushes.
    let podman = place.name("app:podman");
    let push = [
        "push",
        "--tls-verify=false",
        "--digestfile",
        "digest",
        &ours,
        &podman,
    ];
    run(&place, "podman", &[&shared[..], &push].concat());
    let pushed = std::fs::read_to_string(place.path("digest")).unwrap();
    let pulled = place.good("b", &["pull", "--json", &podman]);
    assert!(pulled.contains(pushed.trim()), "{pushed}: {pulled}");
    // skopeo moves either way without a change.
    let (there, back) = (place.name("app:there"), place.name("app:back"));
    let (from, to) = (format!("docker://{ours}"), format!("docker://{there}"));
    run(
        &place,
        "skopeo",
        &[
            "copy",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
            &from,
            &to,
        ],
    );
    let copied = place.good("d", &["copy", "--json", &to, &format!("docker://{back}")]);
    assert!(copied.contains(&digest), "{copied}");
    let address = format!("docker://{back}");
    let asked = [
        "inspect",
        "--tls-verify=false",
        "--format",
        "{{.Digest}}",
        &address,
    ];
    assert_eq!(run(&place, "skopeo", &asked).trim(), digest);
}

#[test]
fn an_ordinary_user_pulls_builds_and_pushes() {
    let Some(user) = OrdinaryUser::find().filter(|_| praxis_testkit::is_root()) else {
        return;
    };
    let place = Place::new();
    place.publish_base("base:1");
    let (base, name) = (place.name("base:1"), place.name("app:1"));
    place.write("app/Dockerfile", &format!("FROM {base}\nRUN echo x > /x\n"));
    std::fs::set_permissions(place.path(""), Permissions::from_mode(0o755)).unwrap();
    let home = place.path("home");
    std::fs::create_dir_all(&home).unwrap();
    chown(&home, Some(user.uid), Some(user.gid)).unwrap();
    let program = place.path("praxis");
    std::fs::copy(env!("CARGO_BIN_EXE_praxis"), &program).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let as_user = |arguments: &[&str]| {
        let same = place.praxis("home/store", arguments);
        let mut command = Command::new(&program);
        let variables = same.get_envs().filter_map(|(name, value)| Some((name, value?)));
        command.env_clear().envs(variables).args(same.get_args());
        command.current_dir(place.path("")).uid(user.uid).gid(user.gid);
        success(command.output().unwrap())
    };
    as_user(&["pull", &base]);
    let digest = as_user(&["build", "-q", "-t", &name, "app"]).trim().to_string();
    let said = as_user(&["push", &name]);
    assert!(said.contains(&digest), "{said}");
    assert!(place.good("a", &["pull", "--json", &name]).contains(&digest));
    // Root builds the same from the same registry.
    assert_eq!(
        place.good("b", &["build", "-q", "-t", &name, "app"]).trim(),
        digest
    );
    as_user(&["store", "verify"]);
}
