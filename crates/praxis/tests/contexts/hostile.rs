//! Repositories, settings and addresses that want more than to be copied.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::place::{Place, Repository};

fn published(place: &Place, repository: &Repository) {
    repository
        .write("Dockerfile", "FROM scratch\nCOPY . /\n")
        .commit();
    repository.publish(&place.path("srv/app.git"));
}

#[test]
fn row_52_a_directory_never_leads_out_of_the_repository() {
    let place = Place::new();
    let repository = place.repository("app");
    repository.write("real/Dockerfile", "FROM scratch\nCOPY . /\n");
    symlink("/etc", repository.path("absolute")).unwrap();
    symlink("../../../../../../../../etc", repository.path("climbing")).unwrap();
    symlink("..", repository.path("up")).unwrap();
    symlink("real", repository.path("inside")).unwrap();
    published(&place, &repository);
    for (path, says) in [
        ("a/../..", "climbs out"),
        ("..", "climbs out"),
        ("%2e%2e", "climbs out"),
        ("absolute", "leads out"),
        ("climbing", "leads out"),
        ("up", "leads out"),
        ("up/home", "directory up/home"),
    ] {
        place.refused(&[&format!("srv/app.git#main:{path}")], says);
        place.refused(&[&format!("srv/app.git?subdir={path}")], says);
    }
    assert_eq!(place.build(&["srv/app.git#main:inside"]).names(), ["Dockerfile"]);
}

#[test]
fn row_53_the_dockerfile_of_a_repository_is_no_link_out() {
    let place = Place::new();
    place.write("elsewhere", "FROM scratch\n");
    let repository = place.repository("app");
    published(&place, &repository);
    fs::remove_file(repository.path("Dockerfile")).unwrap();
    symlink(place.path("elsewhere"), repository.path("Dockerfile")).unwrap();
    repository.commit();
    repository.publish(&place.path("srv/link.git"));
    place.refused(&["srv/link.git"], "link out of the build context");
}

#[test]
fn row_54_references_are_never_options() {
    let place = Place::new();
    let repository = place.repository("app");
    published(&place, &repository);
    let marker = place.path("pwned");
    for reference in [
        format!("--upload-pack=touch${{IFS}}{}", marker.display()),
        "--upload-pack=x".into(),
        "-x".into(),
        "main..other".into(),
        "+main:refs/heads/x".into(),
        "refs/heads/*".into(),
    ] {
        for form in ["#", "?ref="] {
            place.refused(
                &[&format!("srv/app.git{form}{reference}")],
                "is no name of a branch",
            );
        }
    }
    // A HEAD that names an option.
    let head = "ref: refs/heads/--upload-pack=touch pwned\n";
    fs::write(place.path("srv/app.git/HEAD"), head).unwrap();
    assert_ne!(place.build(&["srv/app.git"]).code, Some(0));
    fs::write(place.path("srv/app.git/HEAD"), "ref: --upload-pack=touch\n").unwrap();
    assert_ne!(place.build(&["file://srv/app.git"]).code, Some(0));
    for address in [
        "ssh://-oProxyCommand=touch%20pwned/x.git",
        "git@-oProxyCommand=touch:x.git",
        "ext::sh -c touch% pwned",
        "fd::0",
    ] {
        assert_ne!(place.build(&[address]).code, Some(0), "{address}");
    }
    assert!(!marker.exists());
}

fn program(path: &Path, marker: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\ntouch {}\ncat\n", marker.display())).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn row_55_nothing_of_the_repository_or_the_user_is_run() {
    let place = Place::new();
    let marker = place.path("pwned");
    let evil = place.path("evil");
    program(&evil, &marker);
    for hook in [
        "post-checkout",
        "reference-transaction",
        "post-index-change",
        "post-merge",
    ] {
        program(&place.path(&format!("home/hooks/{hook}")), &marker);
        program(&place.path(&format!("home/template/hooks/{hook}")), &marker);
    }
    let evil = evil.display();
    let home = place.path("home").display().to_string();
    place.write(
        "home/.gitconfig",
        &format!(
            "[core]\nhooksPath={home}/hooks\nfsmonitor={evil}\n[init]\ntemplateDir={home}/template\n\
             [filter \"evil\"]\nsmudge={evil}\nrequired=true\n[uploadpack]\npackObjectsHook={evil}\n\
             [credential]\nhelper=!{evil}\n[url \"ext::{evil}\"]\ninsteadOf=file://\n"
        ),
    );
    let repository = place.repository("app");
    repository
        .write("file", "content")
        .write(".gitattributes", "* filter=evil\n");
    published(&place, &repository);
    let bare = place.path("srv/app.git");
    for hook in [
        "post-checkout",
        "pre-receive",
        "reference-transaction",
        "post-upload-pack",
    ] {
        program(&bare.join("hooks").join(hook), &marker);
    }
    let config = bare.join("config");
    let mut text = fs::read_to_string(&config).unwrap();
    text.push_str(&format!(
        "[core]\nfsmonitor={evil}\nsshCommand={evil}\n[uploadpack]\npackObjectsHook={evil}\n"
    ));
    fs::write(&config, text).unwrap();
    for address in ["srv/app.git", "srv/app.git?keep-git-dir=1"] {
        let mut command = place.command(&[address]);
        command
            .env("GIT_SSH_COMMAND", evil.to_string())
            .env("GIT_EXTERNAL_DIFF", evil.to_string())
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "core.hooksPath")
            .env("GIT_CONFIG_VALUE_0", place.path("home/hooks"));
        let built = place.run(command, b"");
        assert_eq!(built.content("file"), "content");
        assert!(!marker.exists(), "{address} ran a program");
    }
}

#[test]
fn row_55_a_tree_that_wants_to_write_git_settings_is_refused() {
    let place = Place::new();
    let repository = place.repository("app");
    repository.write("hook", "#!/bin/sh\ntouch pwned\n").commit();
    let blob = repository.git(&["rev-parse", "HEAD:hook"]);
    // Trees that git's own commands would not make.
    let hooks = tree(&repository, &format!("100755 blob {blob}\tpost-checkout\n"));
    for (number, name) in [".git", ".GIT", ".."].into_iter().enumerate() {
        let top = tree(&repository, &format!("040000 tree {hooks}\t{name}\n"));
        let commit = repository.git(&["commit-tree", "-m", "x", &top]);
        let branch = format!("refs/heads/evil{number}");
        repository.git(&["update-ref", &branch, &commit]);
    }
    repository.publish(&place.path("srv/app.git"));
    for number in [0, 2] {
        place.refused(&[&format!("srv/app.git#evil{number}")], "git checkout failed");
    }
    // On this file system .GIT is another name than .git: it may be there, but git must not take it for its own.
    assert_ne!(place.build(&["srv/app.git#evil1"]).code, Some(0));
    assert!(!place.path("pwned").exists());
}

fn tree(repository: &Repository, entries: &str) -> String {
    let mut bytes = Vec::new();
    for line in entries.lines() {
        let (meta, name) = line.split_once('\t').unwrap();
        let mut words = meta.split(' ');
        let (mode, hash) = (words.next().unwrap(), words.nth(1).unwrap());
        bytes.extend(format!("{} {name}\0", mode.trim_start_matches('0')).bytes());
        let digits: Vec<u8> = hash.bytes().collect();
        bytes.extend(
            digits
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()),
        );
    }
    let file = repository.path(".git/tree-in-the-making");
    fs::write(&file, bytes).unwrap();
    let path = file.to_str().unwrap();
    repository.git(&["hash-object", "--literally", "-t", "tree", "-w", path])
}

#[test]
fn row_55_named_contexts_and_sources_are_no_files_of_this_machine() {
    let place = Place::new();
    let repository = place.repository("app");
    published(&place, &repository);
    place.write("context/Dockerfile", "FROM scratch\nCOPY --from=source . /\n");
    let url = format!("source=file://{}", place.path("srv/app.git").display());
    place.refused(
        &["--build-context", &url, "context"],
        "only be the main build context",
    );
    let url = format!("ADD file://{} /x\n", place.path("srv/app.git").display());
    place.write("context/Dockerfile", &format!("FROM scratch\n{url}"));
    place.refused(&["context"], "not found");
}
