//! One source gives one digest, whoever builds it, where, when and with how many threads.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use praxis_testkit::{files_below, is_root};

use crate::bench::{Bench, run};

/// Owners, modes, links, removals, two stages side by side and files of the context.
const DOCKERFILE: &str = r#"
FROM base AS left
RUN mkdir -p /out/deep && echo left > /out/deep/file && chown 1001:1001 /out/deep/file && chmod 4750 /out/deep/file
RUN ln -s file /out/deep/link && ln /out/deep/file /out/hard && seq 1 200000 > /out/numbers
FROM base AS right
WORKDIR /work
COPY --chown=app:app src ./
USER app
RUN echo mine > /tmp/mine && stat -c '%u:%g %a %n' * > /tmp/list && id > /tmp/id && echo $SOURCE_DATE_EPOCH > /tmp/epoch
FROM base
ARG VERSION=1
COPY --from=left /out /out
COPY --from=right /tmp /work
COPY --chmod=0600 src/one /etc/one
RUN rm /etc/group && rm -r /home && mkdir /home && touch -d '2030-01-01 00:00:00' /future
LABEL version=$VERSION
USER 1001
ENTRYPOINT ["/bin/sh"]
"#;

fn bench() -> Bench {
    let bench = Bench::with(DOCKERFILE);
    bench.write("src/one", "one\n");
    bench.write("src/two", &"two\n".repeat(100_000));
    bench.write("src/deep/three", "three\n");
    bench
}

#[test]
fn two_empty_stores_give_the_same_archive() {
    let bench = bench();
    let first = bench.digest_afresh("first", &["-o", "type=oci,dest=out/first.tar"], "context");
    let second = bench.digest_afresh("second", &["-o", "type=oci,dest=out/second.tar"], "context");
    assert_eq!(first, second);
    let archive = |name| fs::read(bench.path(name)).unwrap();
    assert!(
        archive("out/first.tar") == archive("out/second.tar"),
        "the archives differ"
    );
    let other = bench.digest_afresh("first", &["--build-arg", "VERSION=2"], "context");
    assert_ne!(first, other, "another label is another image");
}

#[test]
fn the_number_of_jobs_does_not_matter() {
    let bench = bench();
    let one = bench.digest_afresh("one", &["--jobs", "1"], "context");
    assert_eq!(one, bench.digest_afresh("eight", &["--jobs", "8"], "context"));
}

#[test]
fn no_cache_gives_what_the_cache_gives() {
    let bench = bench();
    let first = bench.digest(&[]);
    assert_eq!(first, bench.digest(&["--no-cache"]));
    assert_eq!(first, bench.digest(&[]));
}

#[test]
fn root_and_an_ordinary_user_give_the_same() {
    let bench = bench();
    let own = bench.digest(&[]);
    match bench.digest_as_user(&[]) {
        Some(users) => assert_eq!(own, users),
        None => eprintln!(
            "not compared: needs root (here: {}) and a user with subordinate ids",
            is_root()
        ),
    }
}

#[test]
fn file_times_of_the_context_do_not_matter() {
    let bench = bench();
    let first = bench.digest_afresh("first", &[], "context");
    for (number, path) in files_below(&bench.path("context")).into_iter().enumerate() {
        let time = SystemTime::now() - Duration::from_secs(86_400 * (number as u64 + 1));
        File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    assert_eq!(first, bench.digest_afresh("second", &[], "context"));
    let again = bench.build_command("first", &[], "context");
    let again = crate::bench::run(again);
    assert_eq!(first, again.digest());
    assert!(!again.says(" DONE "), "a step ran again: {}", again.stderr);
}

#[test]
fn a_copy_in_another_folder_gives_the_same() {
    let bench = bench();
    let first = bench.digest_afresh("first", &[], "context");
    command("cp", &["-r", "context", "elsewhere"], &bench.path(""));
    assert_eq!(first, bench.digest_afresh("second", &[], "elsewhere"));
    assert_eq!(first, bench.digest_afresh("first", &[], "elsewhere"));
}

#[test]
fn two_clones_of_one_commit_give_the_same() {
    let bench = bench();
    let plain = bench.digest_afresh("plain", &[], "context");
    let context = bench.path("context");
    for arguments in [&["init", "-q"][..], &["add", "."], &["commit", "-q", "-m", "all"]] {
        command("git", arguments, &context);
    }
    for name in ["one", "two"] {
        command("git", &["clone", "-q", "context", name], &bench.path(""));
    }
    let one = bench.digest_afresh("one-store", &[], "one");
    assert_eq!(one, bench.digest_afresh("two-store", &[], "two"));
    assert_ne!(one, plain, "the time of the commit is the time of new files");
}

#[test]
fn the_given_epoch_is_part_of_the_image() {
    let bench = bench();
    let build = |store: &str, epoch: &str| {
        let mut command = bench.build_command(store, &[], "context");
        command.env("SOURCE_DATE_EPOCH", epoch);
        crate::bench::run(command).digest()
    };
    let first = build("first", "1700000000");
    assert_eq!(first, build("second", "1700000000"));
    assert_ne!(first, build("first", "1700000001"));
}

#[track_caller]
fn command(program: &str, arguments: &[&str], directory: &Path) {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(directory)
        .env("HOME", directory);
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Somebody")
            .env(format!("GIT_{who}_EMAIL"), "somebody@example.org");
        command.env(format!("GIT_{who}_DATE"), "2024-05-06T07:08:09Z");
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_epoch_may_be_a_build_argument() {
    let bench = Bench::with(
        "FROM base\nARG SOURCE_DATE_EPOCH\nRUN touch /now && test \"$SOURCE_DATE_EPOCH\" = 1234567890\n\
         RUN test \"$(stat -c %Y /now)\" = 1234567890\n",
    );
    let given = |value: &str| {
        let argument = format!("SOURCE_DATE_EPOCH={value}");
        let mut command = bench.build_command("store", &["--build-arg", &argument], "context");
        command.env("SOURCE_DATE_EPOCH", "1");
        run(command)
    };
    let declared = Bench::with(
        "ARG SOURCE_DATE_EPOCH=1234567890\nFROM base\nRUN touch /now\nRUN test \"$(stat -c %Y /now)\" = 1234567890\n",
    );
    declared.digest(&[]);
    assert!(given("yesterday").error(1).contains("invalid SOURCE_DATE_EPOCH"));
    let git = |arguments: &[&str]| {
        let done = Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@b"])
            .args(arguments)
            .current_dir(bench.path("context"))
            .env("GIT_COMMITTER_DATE", "1234567890 +0000")
            .status();
        assert!(done.unwrap().success());
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    let digest = given("1234567890").digest();
    assert_eq!(given("context").digest(), digest);
    let mut named = bench.build_command(
        "store",
        &[
            "--build-context",
            "src=context",
            "--build-arg",
            "SOURCE_DATE_EPOCH=src",
        ],
        "context",
    );
    named.env("SOURCE_DATE_EPOCH", "1");
    assert_eq!(run(named).digest(), digest);
}
