//! FROM a registry.

use praxis_testkit::{WebAnswer, WebServer};

use crate::{Place, success};

fn dockerfile(place: &Place, from: &str) {
    place.write(
        "app/Dockerfile",
        &format!("FROM {from}\nCOPY file /file\nRUN cat /file > /made\n"),
    );
    place.write("app/file", "content\n");
}

fn build<'a>(extra: &[&'a str]) -> Vec<&'a str> {
    [&["build", "--progress", "plain", "-q"], extra, &["app"]].concat()
}

/// What a build says while it succeeds.
fn told(place: &Place, store: &str, extra: &[&str]) -> String {
    let arguments = [&["build", "--progress", "plain"], extra, &["app"]].concat();
    let output = place.praxis(store, &arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn an_image_of_a_registry_gives_the_same_result_as_a_layout() {
    let place = Place::new();
    place.publish_base("team/base:one");
    // An image says what it is made from, so that names make other manifests; the files are the same.
    let files = |store: &str, extra: &[&str]| {
        let output = format!("type=tar,dest={store}.tar");
        place.good(store, &build(&[&["-o", &output], extra].concat()));
        praxis_oci::Digest::of(&std::fs::read(place.path(&format!("{store}.tar"))).unwrap())
    };
    dockerfile(&place, "base");
    let layout = files("a", &["--build-context", "base=oci-layout://base"]);
    let image = format!("base=docker-image://{}", place.name("team/base:one"));
    assert_eq!(files("b", &["--build-context", &image]), layout);
    dockerfile(&place, &place.name("team/base:one"));
    assert_eq!(files("c", &[]), layout);
    let pinned = format!("{}@{}", place.name("team/base:any"), place.manifests_asked());
    dockerfile(&place, &pinned);
    assert_eq!(files("d", &[]), layout);
    place.write(
        "app/Dockerfile",
        &format!("FROM scratch\nCOPY --from={pinned} /bin/busybox /b\n"),
    );
    place.good("e", &build(&[]));
    place.good("e", &["store", "verify"]);
}

#[test]
fn without_a_registry_what_was_fetched_is_enough_and_the_rest_is_named() {
    let place = Place::new();
    place.publish_base("base:one");
    dockerfile(&place, &place.name("base:one"));
    let first = place.good("a", &build(&[]));
    assert_eq!(place.good("a", &build(&["--offline"])), first);
    assert_eq!(place.good("a", &build(&["--offline", "--no-cache"])), first);
    let absent = place.name("absent:one");
    dockerfile(&place, &absent);
    let said = place.bad("a", &build(&["--offline"]));
    assert!(said.contains(&absent) && said.contains("--offline"), "{said}");
    let said = place.bad("a", &build(&[]));
    assert!(
        said.contains("no such thing (404)") && said.to_lowercase().contains("unknown"),
        "{said}"
    );
}

#[test]
fn without_a_registry_all_that_is_missing_is_named_at_once() {
    let place = Place::new();
    place.publish_base("base:one");
    let there = place.name("base:one");
    place.good("a", &["pull", &there]);
    let (first, second) = (place.name("absent/one:1"), place.name("absent/two:2"));
    place.write(
        "app/Dockerfile",
        &format!(
            "FROM {first} AS one\nRUN true\nFROM {there}\nCOPY --from={second} /x /x\nCOPY --from=one /y /y\n"
        ),
    );
    let all = [first.as_str(), second.as_str()];
    let named = |said: &str, present: &str| {
        assert!(all.iter().all(|name| said.contains(name)), "{said}");
        assert!(!said.contains(present), "{said}");
    };
    named(&place.bad("a", &build(&["--offline"])), &format!("{there},"));
    // Targets of bake are told of together too.
    place.write("one/Dockerfile", &format!("FROM {first}\n"));
    place.write("two/Dockerfile", &format!("FROM {second}\nRUN true\n"));
    place.write(
        "docker-bake.hcl",
        "group \"default\" { targets = [\"one\", \"two\"] }\n\
         target \"one\" { context = \"one\" }\ntarget \"two\" { context = \"two\" }\n",
    );
    named(
        &place.bad("a", &["bake", "--offline", "--progress", "plain"]),
        &there,
    );
    named(
        &place.bad("a", &["pull", "--offline", &first, &there, &second]),
        &there,
    );
    let said = place.good("a", &["pull", "--offline", &there]);
    assert!(said.contains("0 blobs moved"), "{said}");
    // An image without one of its layers is not whole.
    let layer = place.base.layer_file();
    let blob = place.path("a/blobs/sha256").join(layer.file_name().unwrap());
    std::fs::remove_file(blob).unwrap();
    let said = place.bad("a", &["pull", "--offline", &first, &there]);
    assert!(said.contains(&there) && said.contains(&first), "{said}");
    dockerfile(&place, &there);
    let said = place.bad("b", &build(&["--offline"]));
    assert!(said.contains(&there), "{said}");
}

#[test]
fn a_mirror_that_gives_wrong_bytes_is_passed_over() {
    let place = Place::new();
    place.publish_base("base:one");
    let lies = WebServer::start(|request| match request.path.contains("/blobs/") {
        true => WebAnswer::body(&b"something else than was asked for"[..]),
        false => WebAnswer::status(404),
    });
    let blob = std::fs::read(place.base.layer_file()).unwrap();
    let mut wrong = blob.clone();
    *wrong.last_mut().unwrap() ^= 1;
    // The right length, the wrong bytes: found out when all has come.
    let poisoned = WebServer::start(move |request| match request.path.contains("/blobs/") {
        true => WebAnswer::body(wrong.clone()),
        false => WebAnswer::status(404),
    });
    place.write(
        "registries.toml",
        &format!(
            "[registry.\"{}\"]\nmirrors = [\"{}\", \"{}\"]\n",
            place.registry.authority(),
            poisoned.authority(),
            lies.authority()
        ),
    );
    let name = place.name("base:one");
    let config = ["--registry-config", "registries.toml"];
    let output = place
        .praxis("a", &[&["pull"], &config[..], &[&name]].concat())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains(&format!("mirror {}", poisoned.authority())) && said.contains("another digest"),
        "{said}"
    );
    assert!(!poisoned.requests().is_empty() && !lies.requests().is_empty());
    dockerfile(&place, &name);
    place.good("b", &build(&config));
    for store in ["a", "b"] {
        place.good(store, &["store", "verify"]);
        for entry in std::fs::read_dir(place.path(store).join("blobs/sha256")).unwrap() {
            let path = entry.unwrap().path();
            let digest = praxis_oci::Digest::of(&std::fs::read(&path).unwrap());
            assert!(path.ends_with(digest.hex()), "{}", path.display());
        }
    }
}

#[test]
fn reproduce_asks_the_registry_that_the_settings_name() {
    let place = Place::new();
    place.publish_base("base:one");
    place.write(
        "registries.toml",
        &format!(
            "[registry.\"r.test\"]\nlocation = \"{}\"\ninsecure = true\n",
            place.registry.authority()
        ),
    );
    let config = ["--registry-config", "registries.toml"];
    dockerfile(&place, "r.test/base:one");
    let built = [&["build", "-q", "-t", "app:1"], &config[..], &["app"]].concat();
    place.good("a", &built);
    place.good("a", &[&["push", "app:1", "r.test/app:1"], &config[..]].concat());
    // A store that has the image and not its base.
    place.good("b", &[&["pull", "r.test/app:1"], &config[..]].concat());
    let again = [
        "reproduce",
        "r.test/app:1",
        "--context",
        "app",
        "--file",
        "app/Dockerfile",
    ];
    let said = place.good("b", &[&again[..], &config[..]].concat());
    assert!(said.contains("bit-identical"), "{said}");
}

#[test]
fn the_store_comes_before_the_registry_unless_pull_is_said() {
    let place = Place::new();
    place.publish_base("base:one");
    let name = place.name("base:one");
    place.write("other/Dockerfile", "FROM base\nRUN echo mine > /file\n");
    let own = [
        "build",
        "-q",
        "--build-context",
        "base=oci-layout://base",
        "-t",
        &name,
        "other",
    ];
    place.good("a", &own);
    dockerfile(&place, &name);
    let local = place.good("a", &build(&[]));
    let pulled = place.good("a", &build(&["--pull"]));
    assert_ne!(local, pulled);
    assert_eq!(pulled, place.good("b", &build(&[])));
}

#[test]
fn row_35_what_one_repository_gave_is_no_proof_for_another() {
    let place = Place::new();
    place.publish_base("open/base:one");
    place.good("a", &["pull", &place.name("open/base:one")]);
    let pinned = format!("{}@{}", place.name("closed/base"), place.manifests_asked());
    dockerfile(&place, &pinned);
    let said = place.bad("a", &build(&[]));
    assert!(said.contains("(404)"), "{said}");
    let said = place.bad("a", &build(&["--offline"]));
    assert!(said.contains("closed/base"), "{said}");
    dockerfile(
        &place,
        &format!("{}@{}", place.name("open/base"), place.manifests_asked()),
    );
    place.good("a", &build(&["--offline"]));
}

#[test]
fn a_cache_in_a_registry_serves_another_store() {
    let place = Place::new();
    place.write(
        "app/Dockerfile",
        "FROM base\nRUN cat /proc/sys/kernel/random/uuid > /x\nRUN cat /x /x > /y\n",
    );
    let name = place.name("team/cache:main");
    let (to, from) = (
        format!("type=registry,ref={name},mode=max"),
        format!("type=registry,ref={name}"),
    );
    let base = ["--build-context", "base=oci-layout://base"];
    let first = place.good(
        "a",
        &build(&[&base[..], &["--cache-to", &to, "--cache-from", &from]].concat()),
    );
    let second = place.good("b", &build(&[&base[..], &["--cache-from", &from]].concat()));
    assert_eq!(second, first, "a step was run again");
    let alone = place.good("c", &build(&base));
    assert_ne!(alone, first);
    let offline = [&base[..], &["--offline", "--cache-from", &from]].concat();
    assert_ne!(place.good("d", &build(&offline)), first);
    let said = place.bad(
        "e",
        &build(&[&base[..], &["--offline", "--cache-to", &to]].concat()),
    );
    assert!(said.contains("--offline forbids"), "{said}");
}

#[test]
fn a_poisoned_cache_in_a_registry_changes_no_result() {
    let place = Place::new();
    place.write("app/Dockerfile", "FROM base\nRUN echo right > /x\n");
    let name = place.name("cache:main");
    let (to, from) = (
        format!("type=registry,ref={name},mode=max"),
        format!("type=registry,ref={name}"),
    );
    let base = ["--build-context", "base=oci-layout://base"];
    let first = place.good("a", &build(&[&base[..], &["--cache-to", &to]].concat()));
    // Every blob of the registry but those of JSON is changed behind its back.
    let mut changed = 0;
    let mut folders = vec![place.registry.files().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = std::fs::read(&path).unwrap();
            // Manifests of docker-registry are files too, under other names than `data`.
            if !path.ends_with("link") && !bytes.starts_with(b"{") {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(&path, bytes).unwrap();
                changed += 1;
            }
        }
    }
    assert!(changed > 0);
    assert_eq!(
        place.good("b", &build(&[&base[..], &["--cache-from", &from]].concat())),
        first
    );
}

#[test]
fn an_image_is_a_cache_of_its_own_steps() {
    let place = Place::new();
    place.publish_base("base:one");
    place.write(
        "app/Dockerfile",
        &format!(
            "FROM {}\nRUN cat /proc/sys/kernel/random/uuid > /x\nENV a=b\nRUN cat /x /x > /y\n",
            place.name("base:one")
        ),
    );
    let name = place.name("app:1");
    let inline = ["--cache-to", "type=inline", "-t", &name];
    let first = place.good("a", &build(&inline));
    assert_eq!(
        place.good("a", &build(&inline)),
        first,
        "the same steps, the same bytes"
    );
    place.good("a", &["push", &name]);
    let from = format!("type=registry,ref={name}");
    let again = |store: &str| place.good(store, &build(&[&inline[..], &["--cache-from", &from]].concat()));
    assert_eq!(again("b"), first, "a step was run again");
    assert_eq!(
        place.good("c", &build(&[&inline[..], &["--cache-from", &name]].concat())),
        first
    );
    assert_ne!(place.good("d", &build(&inline)), first);
    for store in ["a", "b"] {
        place.good(store, &["store", "verify"]);
    }
    // Others read the image as ever, and an image on top of it does not claim its cache.
    let config = |name: &str| {
        let mut skopeo = std::process::Command::new("skopeo");
        skopeo.args([
            "inspect",
            "--config",
            "--raw",
            "--tls-verify=false",
            &format!("docker://{name}"),
        ]);
        success(skopeo.output().unwrap())
    };
    assert!(config(&name).contains("praxis.cache"));
    place.write("next/Dockerfile", &format!("FROM {name}\nRUN true > /z\n"));
    let next = place.name("next:1");
    place.good("a", &["build", "-q", "-t", &next, "next"]);
    place.good("a", &["push", &next]);
    assert!(!config(&next).contains("praxis.cache"));
    let said = told(&place, "e", &["--cache-from", &next]);
    assert!(said.contains("an image without a cache in it"), "{said}");
}

#[test]
fn a_damaged_or_forged_inline_cache_changes_no_result() {
    let place = Place::new();
    place.write(
        "app/Dockerfile",
        "FROM base\nRUN echo right > /x\nRUN echo more > /y\n",
    );
    let base = ["--build-context", "base=oci-layout://base"];
    let name = place.name("app:1");
    let plain = place.good("a", &build(&base));
    let inline = [&base[..], &["--cache-to", "type=inline", "-t", &name]].concat();
    let made = place.good("a", &build(&inline));
    assert_ne!(made, plain, "the configuration says more");
    let argument = [
        &base[..],
        &["--build-arg", "BUILDKIT_INLINE_CACHE=1", "-t", &name],
    ]
    .concat();
    assert_eq!(
        place.good("a", &build(&argument)),
        made,
        "the older way to ask for it"
    );
    place.good("a", &["copy", &name, "oci-layout:image:x"]);
    // Each layer of the image in place of the other: keys then name layers that are not what they say.
    let blobs = place.path("image/blobs/sha256");
    let read = |digest: &str| -> serde_json::Value {
        let path = blobs.join(digest.trim_start_matches("sha256:"));
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let keep = |value: &serde_json::Value| {
        let bytes = serde_json::to_vec(value).unwrap();
        let digest = praxis_oci::Digest::of(&bytes);
        std::fs::write(blobs.join(digest.hex()), &bytes).unwrap();
        (digest.to_string(), bytes.len())
    };
    let mut manifest = read(made.trim());
    let mut config = read(manifest["config"]["digest"].as_str().unwrap());
    let field = config
        .as_object()
        .unwrap()
        .keys()
        .find(|key| key.contains("praxis.cache"))
        .unwrap()
        .clone();
    let steps = config[&field].as_array_mut().unwrap();
    assert_eq!(steps.len(), 2);
    let (one, two) = (steps[0]["layer"].clone(), steps[1]["layer"].clone());
    (steps[0]["layer"], steps[1]["layer"]) = (two, one);
    let (digest, size) = keep(&config);
    (manifest["config"]["digest"], manifest["config"]["size"]) = (digest.into(), size.into());
    let (digest, size) = keep(&manifest);
    let mut index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("image/index.json")).unwrap()).unwrap();
    (index["manifests"][0]["digest"], index["manifests"][0]["size"]) = (digest.into(), size.into());
    std::fs::write(place.path("image/index.json"), index.to_string()).unwrap();
    let forged = place.name("forged:1");
    place.good(
        "b",
        &["copy", "oci-layout:image:x", &format!("docker://{forged}")],
    );
    let from = [&base[..], &["--cache-from", &forged]].concat();
    assert_eq!(place.good("c", &build(&from)), plain);
    let said = told(&place, "d", &from);
    assert!(said.contains("not those that the cache says"), "{said}");
    place.good("c", &["store", "verify"]);
}

#[test]
fn a_list_of_allowed_registries_holds_for_builds() {
    let place = Place::new();
    place.publish_base("base:one");
    place.write(
        "registries.toml",
        &format!("allow = [\"{}\"]\n", place.name("other")),
    );
    dockerfile(&place, &place.name("base:one"));
    let said = place.bad("a", &build(&["--registry-config", "registries.toml"]));
    assert!(said.contains("not on the list of allowed registries"), "{said}");
}
