//! Git repositories as contexts.

use std::io::Read;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::place::{COMMIT_DATE, Place, Repository};
use crate::server::Server;

/// A repository with a Dockerfile that copies everything, published as `srv/app.git`.
fn app(place: &Place) -> Repository {
    let repository = place.repository("app");
    repository
        .write("Dockerfile", "FROM scratch\nCOPY . /\n")
        .write("run.sh", "#!/bin/sh\n")
        .write("sub/Dockerfile", "FROM scratch\nCOPY file /from-sub\n")
        .write("sub/file", "in sub\n");
    symlink("run.sh", repository.path("link")).unwrap();
    repository.git(&["add", "--all"]);
    repository.git(&["update-index", "--chmod=+x", "run.sh"]);
    repository.git(&["commit", "--quiet", "--message=first"]);
    repository
}

fn served(place: &Place) -> Server {
    Server::start(Default::default(), place.path("srv"))
}

#[test]
fn a_bare_repository_on_this_machine() {
    let place = Place::new();
    app(&place).publish(&place.path("srv/app.git"));
    let by_path = place.build(&["srv/app.git"]);
    let date = COMMIT_DATE;
    assert_eq!(
        by_path.listing(),
        [
            format!("-rw-r--r-- 0/0 22 {date} Dockerfile"),
            format!("lrwxrwxrwx 0/0 0 {date} link -> run.sh"),
            format!("-rwxr-xr-x 0/0 10 {date} run.sh"),
            format!("drwxr-xr-x 0/0 0 {date} sub/"),
            format!("-rw-r--r-- 0/0 33 {date} sub/Dockerfile"),
            format!("-rw-r--r-- 0/0 7 {date} sub/file"),
        ]
    );
    let bytes = by_path.bytes();
    let url = format!("file://{}", place.path("srv/app.git").display());
    assert_eq!(place.build(&[&url]).bytes(), bytes);
}

#[test]
fn the_same_bytes_whatever_the_transport_and_umask() {
    let place = Place::new();
    app(&place).publish(&place.path("srv/app.git"));
    let server = served(&place);
    let bytes = place.build(&["srv/app.git"]).bytes();
    assert_eq!(place.build(&[&server.url("git/app.git")]).bytes(), bytes);
    let build = place.command(&["srv/app.git"]);
    let mut narrow = std::process::Command::new("sh");
    narrow
        .args(["-c", "umask 077; exec \"$@\"", "sh"])
        .arg(build.get_program())
        .args(build.get_args())
        .envs(build.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .current_dir(place.path(""));
    assert_eq!(place.run(narrow, b"").bytes(), bytes);
}

#[test]
fn references_and_directories() {
    let place = Place::new();
    let repository = app(&place);
    let first = repository.git(&["rev-parse", "HEAD"]);
    repository.git(&["tag", "light"]);
    repository.git(&["tag", "--annotate", "--message=x", "heavy"]);
    let tag = repository.git(&["rev-parse", "heavy"]);
    repository.write("sub/file", "changed\n").commit();
    repository.git(&["branch", "feature/x"]);
    // A branch comes before a tag of the same name.
    repository.git(&["tag", "both", &first]);
    repository.git(&["branch", "both"]);
    let second = repository.commit();
    repository.publish(&place.path("srv/app.git"));
    let server = served(&place);
    for (address, content) in [
        ("#main:sub".to_string(), "changed\n"),
        ("#:sub".into(), "changed\n"),
        ("#light:/sub/".into(), "in sub\n"),
        ("#heavy:sub".into(), "in sub\n"),
        ("#feature/x:sub".into(), "changed\n"),
        ("#refs/tags/light:sub".into(), "in sub\n"),
        ("#both:sub".into(), "changed\n"),
        ("?tag=both&subdir=sub".into(), "in sub\n"),
        ("?branch=both&subdir=sub".into(), "changed\n"),
        (format!("#{first}:sub"), "in sub\n"),
        (format!("?commit={first}&subdir=sub"), "in sub\n"),
        (
            format!("?ref=light&commit={}&subdir=sub", &first[..10]),
            "in sub\n",
        ),
        (format!("?ref=heavy&commit={tag}&subdir=sub"), "in sub\n"),
        (format!("?ref=main&commit={second}&subdir=sub"), "changed\n"),
    ] {
        for remote in ["srv/app.git".to_string(), server.url("git/app.git")] {
            let built = place.build(&[&format!("{remote}{address}")]);
            assert_eq!(built.content("from-sub"), content, "{remote}{address}");
        }
    }
    for (address, says) in [
        (format!("?ref=main&commit={first}"), "instead of"),
        ("#nowhere".into(), "no branch or tag nowhere"),
        (format!("#{}", "0".repeat(40)), "no commit"),
        ("#:nowhere".into(), "nowhere"),
        ("#:sub/file".into(), "is not a directory"),
        ("?depth=1".into(), "unknown query"),
    ] {
        place.refused(&[&server.url(&format!("git/app.git{address}"))], says);
    }
    let short = place.refused(&[&format!("srv/app.git#{}", &first[..8])], "no branch or tag");
    assert!(short.stderr.contains("whole hash"), "{}", short.stderr);
}

#[test]
fn the_dockerfile_is_in_the_repository_or_on_standard_input() {
    let place = Place::new();
    let repository = app(&place);
    repository.write("other/My.Dockerfile", "FROM scratch\nCOPY run.sh /other\n");
    repository.write(".dockerignore", "*\n").commit();
    repository.publish(&place.path("srv/app.git"));
    let named = place.build(&["-f", "other/My.Dockerfile", "srv/app.git"]);
    assert_eq!(named.names(), ["other"]);
    // As in BuildKit, the ignore file is for directories; praxis says so.
    assert!(named.stderr.contains(".dockerignore"), "{}", named.stderr);
    let input = b"FROM scratch\nCOPY sub/file /from-stdin\n";
    let piped = place.build_from(input, &["-f", "-", "srv/app.git"]);
    assert_eq!(piped.names(), ["from-stdin"]);
    place.refused(
        &["-f", "../Dockerfile", "srv/app.git"],
        "leads out of the build context",
    );
    place.refused(
        &["-f", "nowhere", "srv/app.git"],
        "failed to read Dockerfile nowhere",
    );
}

#[test]
fn steps_see_the_time_of_the_commit() {
    let place = Place::new();
    let repository = place.repository("app");
    let dockerfile = "FROM base\nRUN echo $SOURCE_DATE_EPOCH > /epoch\n";
    repository.write("Dockerfile", dockerfile).commit();
    repository.publish(&place.path("srv/app.git"));
    let built = place.build(&["srv/app.git"]);
    assert_eq!(built.content("epoch"), "1600000000\n");
}

#[test]
fn the_git_directory_is_kept_on_demand_and_is_the_same_each_time() {
    let place = Place::new();
    let repository = app(&place);
    repository.commit();
    repository.publish(&place.path("srv/app.git"));
    let server = served(&place);
    let url = server.url("git/app.git?keep-git-dir=true");
    let kept = place.build(&[&url]);
    let names = kept.names();
    for name in [".git/HEAD", ".git/config", ".git/index", ".git/shallow"] {
        assert!(names.iter().any(|it| it == name), "{name}: {names:?}");
    }
    assert!(
        !names
            .iter()
            .any(|it| it.contains("hooks") || it.contains("FETCH_HEAD")),
        "{names:?}"
    );
    assert!(kept.content(".git/config").contains(&server.url("git/app.git")));
    let bytes = kept.bytes();
    std::fs::remove_dir_all(place.path("store")).unwrap();
    assert_eq!(place.build(&[&url]).bytes(), bytes);
    let argument = ["--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1", "srv/app.git"];
    let local = place.build(&argument);
    assert!(local.names().iter().any(|it| it == ".git/HEAD"));
    let own = place.path("").display().to_string();
    assert!(
        !local.content(".git/config").contains(own.trim_end_matches('/')),
        "a path of this machine"
    );
}

#[test]
fn a_token_goes_to_the_host_and_nowhere_else() {
    let place = Place::new();
    app(&place).publish(&place.path("srv/app.git"));
    let server = served(&place);
    place.write("token", "canary-4711\n");
    let built = place.build(&[
        "--secret",
        "id=GIT_AUTH_TOKEN,src=token",
        &server.url("git/app.git"),
    ]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    // x-access-token:canary-4711
    let header = "basic eC1hY2Nlc3MtdG9rZW46Y2FuYXJ5LTQ3MTE=";
    let asked = server.asked();
    assert!(!asked.is_empty() && asked.iter().all(|it| it.as_deref() == Some(header)));
    let other = place.build(&[
        "--secret",
        "id=GIT_AUTH_TOKEN.example.org,src=token",
        &server.url("git/app.git"),
    ]);
    assert_eq!(other.code, Some(0), "{}", other.stderr);
    assert!(server.asked()[asked.len()..].iter().all(|it| it.is_none()));
}

#[test]
fn over_ssh_with_settings_of_no_one() {
    let place = Place::new();
    app(&place).publish(&place.path("srv/app.git"));
    // A stand-in for ssh: notes its arguments and runs the command here.
    place.write(
        "bin/ssh",
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > \"$(dirname \"$0\")/asked\"\nfor last; do :; done\nexec sh -c \"$last\"\n",
    );
    place.write("home/.ssh/known_hosts", "");
    let script = place.path("bin/ssh");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let server = place.path("srv/app.git");
    for address in [
        format!("git@host.example:{}", server.display()),
        format!("ssh://git@host.example{}", server.display()),
    ] {
        let mut command = place.command(&[&format!("{address}#main:sub")]);
        command.env("PATH", format!("{}:/usr/bin:/bin", place.path("bin").display()));
        assert_eq!(place.run(command, b"").content("from-sub"), "in sub\n");
        let asked = std::fs::read_to_string(place.path("bin/asked")).unwrap();
        for part in [
            "/dev/null",
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "git@host.example",
        ] {
            assert!(asked.contains(part), "{part}: {asked}");
        }
        let hosts = format!(
            "UserKnownHostsFile={}",
            place.path("home/.ssh/known_hosts").display()
        );
        assert!(asked.contains(&hosts), "{asked}");
    }
}

#[test]
fn an_interrupt_ends_a_fetch_that_gets_no_answer() {
    let place = Place::new();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/app.git", silent.local_addr().unwrap());
    let mut build = place.command(&[&url]).stderr(Stdio::piped()).spawn().unwrap();
    let (connection, _) = silent.accept().unwrap();
    let started = std::time::Instant::now();
    kill_process(Pid::from_child(&build), Signal::INT).unwrap();
    let status = build.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    // The end of the connection shows that no program of git is left.
    connection
        .set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .unwrap();
    let mut rest = Vec::new();
    (&connection).read_to_end(&mut rest).unwrap();
    let left = std::fs::read_dir(place.path("store/tmp")).unwrap().count();
    assert_eq!(left, 0, "work in progress was left");
}

#[test]
fn a_repository_or_archive_as_a_base() {
    let place = Place::new();
    app(&place).publish(&place.path("srv/app.git"));
    let server = served(&place);
    place.write(
        "context/Dockerfile",
        "FROM source\nCOPY --from=source sub /copied\n",
    );
    let context = format!("source={}", server.url("git/app.git"));
    let built = place.build(&["--build-context", &context, "context"]);
    assert_eq!(built.content("sub/file"), "in sub\n");
    assert_eq!(built.content("copied/file"), "in sub\n");
}

#[test]
fn named_contexts() {
    let place = Place::new();
    app(&place).publish(&place.path("srv/app.git"));
    let server = served(&place);
    place.write(
        "context/Dockerfile",
        "FROM scratch\nCOPY --from=source file /named\n",
    );
    let context = format!("source={}", server.url("git/app.git#main:sub"));
    let built = place.build(&["--build-context", &context, "context"]);
    assert_eq!(
        built.listing(),
        [format!("-rw-r--r-- 0/0 7 {COMMIT_DATE} named")].map(earlier)
    );
}

/// Without SOURCE_DATE_EPOCH and a repository around the context, nothing is later than 1980.
fn earlier(line: String) -> String {
    line.replace(COMMIT_DATE, "1980-01-01 00:00")
}
