//! Caches that travel: `--cache-to` and `--cache-from`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use praxis_testkit::files_below;

use crate::bench::{Bench, Ended, names, run, text};

/// What a step of it makes is different each time: only a step that did not run gives the same digest.
const DOCKERFILE: &str = "FROM base AS tools\nRUN head -c 16 /dev/urandom > /tool && mkdir /bin2 && ln /tool /bin2/t\n\
    WORKDIR /work\nRUN echo big > big\nFROM base\nCOPY file /file\nCOPY --from=tools /tool /tool\n\
    RUN head -c 16 /dev/urandom > /two && rm /file\n";

fn bench() -> Bench {
    let bench = Bench::with(DOCKERFILE);
    bench.write("file", "content\n");
    bench
}

fn build(bench: &Bench, store: &str, arguments: &[&str]) -> Ended {
    run(bench.build_command(store, arguments, "context"))
}

#[track_caller]
fn assert_nothing_ran(ended: &Ended) {
    assert!(
        !ended.says(" DONE ") && ended.says("8 of 8 steps cached"),
        "{}",
        ended.stderr
    );
}

fn blobs(cache: &Path) -> Vec<PathBuf> {
    files_below(&cache.join("blobs"))
}

#[test]
fn a_second_store_runs_no_step() {
    for mode in ["min", "max"] {
        let bench = bench();
        let to = format!("type=local,dest=cache,mode={mode}");
        let first = bench.digest(&["--cache-to", &to]);
        let second = build(&bench, "other", &["--cache-from", "type=local,src=cache"]);
        assert_nothing_ran(&second);
        assert_eq!(second.digest(), first, "{mode}");
        bench.assert_clean("other");
    }
}

#[test]
fn an_ordinary_user_runs_no_step_either() {
    let bench = bench();
    let arguments = ["--cache-to", "type=local,dest=home/cache,mode=max"];
    let Some(first) = bench.digest_as_user(&arguments) else {
        return;
    };
    let from = ["--cache-from", "type=local,src=home/cache"];
    let second = bench
        .as_user(bench.build_command("home/other", &from, "context"))
        .unwrap();
    assert_nothing_ran(&second);
    assert_eq!(second.digest(), first);
    // Root takes the user's cache, and the image is the same.
    let third = build(&bench, "roots", &from);
    assert_nothing_ran(&third);
    assert_eq!(third.digest(), first);
}

#[test]
fn a_small_cache_describes_other_stages_and_runs_them_when_their_files_are_needed() {
    let bench = bench();
    bench.digest(&["--cache-to", "type=local,dest=small"]);
    bench.digest(&["--cache-to", "type=local,dest=large,mode=max"]);
    assert!(blobs(&bench.path("small")).len() < blobs(&bench.path("large")).len());
    bench.write("file", "other\n");
    let from = |name: &str| format!("type=local,src={name}");
    let tools_ran = |ended: &Ended| {
        let line = ended
            .stderr
            .lines()
            .find(|line| line.contains("] RUN head") && line.contains("tools"));
        let number = line.and_then(|line| line.split_whitespace().next()).unwrap();
        ended.says(&format!("{number} DONE"))
    };
    let large = build(&bench, "one", &["--cache-from", &from("large")]);
    assert!(large.code == Some(0) && !tools_ran(&large), "{}", large.stderr);
    let small = build(&bench, "two", &["--cache-from", &from("small")]);
    assert!(small.code == Some(0) && tools_ran(&small), "{}", small.stderr);
    bench.assert_clean("two");
}

#[test]
fn only_what_is_used_is_fetched() {
    let bench = bench();
    bench.digest(&["--cache-to", "type=local,dest=cache,mode=max"]);
    build(&bench, "other", &["--cache-from", "type=local,src=cache"]).digest();
    let in_store = |path: &PathBuf| {
        bench
            .path("other/blobs/sha256")
            .join(path.file_name().unwrap())
            .exists()
    };
    let fetched = blobs(&bench.path("cache"))
        .iter()
        .filter(|path| in_store(path))
        .count();
    // COPY file, COPY --from and RUN of the last stage; neither layer of the other stage.
    assert_eq!(fetched, 3);
}

#[test]
fn the_same_cache_is_written_again_to_the_byte_and_what_it_does_not_name_is_dropped() {
    let bench = bench();
    let to = ["--cache-to", "type=local,dest=cache,mode=max"];
    bench.digest(&to);
    let index = fs::read(bench.path("cache/index.json")).unwrap();
    let first = blobs(&bench.path("cache"));
    bench.digest(&to);
    assert_eq!(fs::read(bench.path("cache/index.json")).unwrap(), index);
    assert_eq!(blobs(&bench.path("cache")), first);
    // From the cache to the cache, with a store that has nothing.
    let both = ["--cache-from", "type=local,src=cache", to[0], to[1]];
    build(&bench, "other", &both).digest();
    assert_eq!(fs::read(bench.path("cache/index.json")).unwrap(), index);
    bench.write("file", "other\n");
    bench.digest(&to);
    let second = blobs(&bench.path("cache"));
    assert!(
        first.iter().any(|path| !second.contains(path)),
        "nothing was dropped"
    );
    let afresh = build(&bench, "third", &["--cache-from", "type=local,src=cache"]);
    assert_nothing_ran(&afresh);
}

#[test]
fn a_cache_damaged_anywhere_never_changes_a_result() {
    let bench = Bench::with(
        "FROM base AS one\nRUN echo 1 > /one\nFROM base\nCOPY file /file\nCOPY --from=one /one /\n",
    );
    bench.write("file", "content\n");
    let digest = bench.digest(&["--cache-to", "type=local,dest=cache,mode=max"]);
    let damages: [fn(&Path); 3] = [
        |path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x20;
            fs::write(path, bytes).unwrap();
        },
        |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        },
        |path| fs::remove_file(path).unwrap(),
    ];
    let mut round = 0;
    for path in files_below(&bench.path("cache")) {
        let whole = fs::read(&path).unwrap();
        for damage in damages {
            round += 1;
            damage(&path);
            let store = format!("store-{round}");
            let ended = build(&bench, &store, &["--cache-from", "type=local,src=cache"]);
            assert_eq!(ended.digest(), digest, "{}: {}", path.display(), ended.stderr);
            // Only the content of the first stage, which nobody asks for, may be damaged unseen.
            let noticed = ended.says("warning: ") || ended.says("5 of 5 steps cached");
            assert!(noticed, "{}: {}", path.display(), ended.stderr);
            bench.assert_clean(&store);
            fs::write(&path, &whole).unwrap();
            fs::remove_dir_all(bench.path(&store)).unwrap();
        }
    }
    assert!(round > 20, "{round}");
}

/// Replaces the blob `old` of the cache by `new` everywhere it is named, with the right digests.
fn forge(cache: &Path, edit: impl Fn(&mut serde_json::Value)) {
    let read =
        |path: &Path| -> serde_json::Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let blob = |value: &serde_json::Value| {
        let hex = value["digest"].as_str().unwrap().replace("sha256:", "");
        cache.join("blobs/sha256").join(hex)
    };
    let put = |descriptor: &mut serde_json::Value, value: &serde_json::Value| {
        let bytes = serde_json::to_vec(value).unwrap();
        let digest = praxis_oci::Digest::of(&bytes);
        fs::write(cache.join("blobs/sha256").join(digest.hex()), &bytes).unwrap();
        descriptor["digest"] = digest.to_string().into();
        descriptor["size"] = bytes.len().into();
    };
    let mut index = read(&cache.join("index.json"));
    let mut manifest = read(&blob(&index["manifests"][0]));
    let mut config = read(&blob(&manifest["config"]));
    edit(&mut config);
    put(&mut manifest["config"], &config);
    put(&mut index["manifests"][0], &manifest);
    fs::write(cache.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
}

#[test]
fn row_36_a_blob_that_is_not_what_its_step_made_is_a_miss() {
    let bench = Bench::with("FROM base\nCOPY file /file\nRUN echo right > /file\n");
    bench.write("file", "content\n");
    let digest = bench.digest(&["--cache-to", "type=local,dest=cache,mode=max"]);
    // Each step gets the other one's content, under the right digests.
    forge(&bench.path("cache"), |config| {
        let steps = config["steps"].as_array_mut().unwrap();
        let (first, second) = (steps[0]["content"].clone(), steps[1]["content"].clone());
        steps[0]["content"] = second;
        steps[1]["content"] = first;
    });
    let ended = build(&bench, "other", &["--cache-from", "type=local,src=cache"]);
    assert_eq!(ended.digest(), digest);
    assert!(
        ended.says("its files are not those that the cache says"),
        "{}",
        ended.stderr
    );
    bench.assert_clean("other");
}

#[test]
fn rows_25_28_and_29_what_is_no_cache_is_not_read() {
    let bench = bench();
    let digest = bench.digest(&["--cache-to", "type=local,dest=cache"]);
    let pristine = fs::read(bench.path("cache/index.json")).unwrap();
    let long = "x".repeat(5 << 20);
    let entry = |digest: &str, size: u64| {
        format!(
            "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\
             \"artifactType\":\"application/vnd.praxis.cache.v1\",\"digest\":\"{digest}\",\"size\":{size}}}]}}"
        )
    };
    let real: serde_json::Value = serde_json::from_slice(&pristine).unwrap();
    let real = real["manifests"][0]["digest"].as_str().unwrap().to_string();
    for (name, index) in [
        ("25: a path", entry("sha256:../../x", 2)),
        ("25: short", entry("sha256:ab", 2)),
        ("29: huge", entry(&real, 1 << 62)),
        ("29: long", long),
        ("28: an index in it", entry(&real, 1)),
        ("no JSON", "{".into()),
    ] {
        fs::write(bench.path("cache/index.json"), index).unwrap();
        let store = format!("store-{}", name.len());
        let ended = build(
            &bench,
            &store,
            &["--cache-from", "type=local,src=cache", "--target", "tools"],
        );
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        assert!(ended.says("nothing is taken from it"), "{name}: {}", ended.stderr);
    }
    fs::write(bench.path("cache/index.json"), pristine).unwrap();
    let again = build(&bench, "last", &["--cache-from", "type=local,src=cache"]);
    assert_eq!(again.digest(), digest);
}

#[test]
fn row_27_links_in_a_cache_are_not_followed() {
    let bench = bench();
    let digest = bench.digest(&["--cache-to", "type=local,dest=cache,mode=max"]);
    let place = bench.path("elsewhere");
    fs::rename(bench.path("cache/blobs/sha256"), &place).unwrap();
    symlink(&place, bench.path("cache/blobs/sha256")).unwrap();
    let ended = build(
        &bench,
        "other",
        &["--cache-from", "type=local,src=cache", "--target", "tools"],
    );
    assert!(ended.says("nothing is taken from it"), "{}", ended.stderr);
    // Nor written through.
    let before = names(&place).len();
    bench.write("file", "other\n");
    let refused = bench.build(&["--cache-to", "type=local,dest=cache,mode=max"]);
    assert!(
        refused.error(1).contains("cannot create the blobs of cache"),
        "{}",
        refused.stderr
    );
    assert_eq!(names(&place).len(), before);
    fs::remove_file(bench.path("cache/blobs/sha256")).unwrap();
    fs::rename(&place, bench.path("cache/blobs/sha256")).unwrap();
    bench.write("file", "content\n");
    let again = build(&bench, "third", &["--cache-from", "type=local,src=cache"]);
    assert_eq!(again.digest(), digest);
    // A single blob that is a link.
    let blob = blobs(&bench.path("cache")).remove(0);
    fs::rename(&blob, bench.path("blob")).unwrap();
    symlink(bench.path("blob"), &blob).unwrap();
    let linked = build(&bench, "fourth", &["--cache-from", "type=local,src=cache"]);
    assert_eq!(linked.code, Some(0), "{}", linked.stderr);
}

#[test]
fn a_directory_of_something_else_is_left_alone() {
    let bench = bench();
    bench.digest(&["-t", "a:1", "-o", "type=oci,dest=out/layout,tar=false"]);
    let before = praxis_testkit::tree_of(&bench.path("out/layout"));
    let ended = bench.build(&["--cache-to", "type=local,dest=out/layout"]);
    assert!(
        ended.error(1).contains("something else than a cache"),
        "{}",
        ended.stderr
    );
    assert_eq!(praxis_testkit::tree_of(&bench.path("out/layout")), before);
    let warned = bench.build(&["--cache-to", "type=local,dest=out/layout,ignore-error=true"]);
    assert_eq!(warned.code, Some(0), "{}", warned.stderr);
    assert!(warned.says("the cache was not written"), "{}", warned.stderr);
}

#[test]
fn a_cache_that_is_not_there_yet_is_a_warning() {
    let bench = bench();
    let both = [
        "--cache-from",
        "type=local,src=cache",
        "--cache-to",
        "type=local,dest=cache",
    ];
    let ended = bench.build(&both);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.says("nothing is taken from it"), "{}", ended.stderr);
    let again = bench.build(&both);
    assert!(!again.says("nothing is taken from it"), "{}", again.stderr);
    let dry = build(&bench, "other", &["--dry-run", both[0], both[1]]);
    let plan = text(&dry.stdout);
    assert!(plan.lines().all(|line| line.starts_with("cached")), "{plan}");
    let no_cache = build(&bench, "other", &["--no-cache", both[0], both[1]]);
    assert!(
        no_cache.says(" DONE ") && no_cache.digest() != again.digest(),
        "{}",
        no_cache.stderr
    );
}
