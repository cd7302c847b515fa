//! Rows 20, 53 and 55: contexts that change or lead elsewhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::site::{CANARY, Site};

#[test]
fn row_20_a_file_swapped_for_a_link_is_never_followed() {
    let site = Site::new();
    fs::create_dir(site.context("d")).unwrap();
    fs::write(site.context("d/secret"), vec![b'.'; CANARY.len()]).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (file, kept) = (site.context("d/secret"), site.context("kept-file"));
            let (directory, moved) = (site.context("d"), site.context("kept"));
            while !stop.load(Ordering::Relaxed) {
                fs::rename(&file, &kept).unwrap();
                symlink(site.host().join("secret"), &file).unwrap();
                std::thread::yield_now();
                fs::remove_file(&file).unwrap();
                fs::rename(&kept, &file).unwrap();
                fs::rename(&directory, &moved).unwrap();
                symlink(site.host(), &directory).unwrap();
                std::thread::yield_now();
                fs::remove_file(&directory).unwrap();
                fs::rename(&moved, &directory).unwrap();
            }
        });
        for _ in 0..40 {
            // Whether it fails is a matter of luck; what it may never do is read the host's file.
            let outcome = site.build("FROM scratch\nCOPY . /all\nCOPY d /d\n", &["--no-cache"]);
            if !outcome.text.contains("error") && !outcome.success || !site.leaks().is_empty() {
                stop.store(true, Ordering::Relaxed);
                panic!("{:?}: {}", site.leaks(), outcome.text);
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(fs::read_to_string(site.host().join("secret")).unwrap(), CANARY);
}

#[test]
fn row_20_links_of_the_context_are_resolved_inside_it() {
    let site = Site::new();
    symlink(site.host(), site.context("out")).unwrap();
    symlink("../../../../../../../../etc/passwd", site.context("up")).unwrap();
    site.build("FROM scratch\nCOPY out/secret /x\n", &[])
        .refused("not found in the build context");
    site.build("FROM scratch\nCOPY up /x\n", &[])
        .refused("not found in the build context");
    site.build("FROM scratch\nCOPY . /all\n", &[]).accepted();
    assert!(site.path("out/all/up").is_symlink() && site.leaks().is_empty());
}

#[test]
fn row_53_a_dockerfile_that_leads_out_of_the_context_is_refused() {
    let site = Site::new();
    fs::write(site.host().join("Dockerfile"), format!("FROM {CANARY}\n")).unwrap();
    let context = site.path("context").display().to_string();
    let out = format!("type=local,dest={}", site.path("out").display());
    let link = site.context("Dockerfile");
    let named = link.display().to_string();
    symlink("../host/Dockerfile", &link).unwrap();
    for arguments in [
        vec!["build", "--output", &out, &context],
        vec!["build", "-f", &named, "--output", &out, &context],
    ] {
        let outcome = site.praxis(&arguments);
        outcome.refused("is a link out of the build context");
        assert!(!outcome.text.contains(CANARY));
    }
    fs::remove_file(&link).unwrap();
    fs::create_dir(site.context("sub")).unwrap();
    fs::write(site.context("sub/real"), "FROM scratch\nCOPY sub /\n").unwrap();
    symlink("sub/real", &link).unwrap();
    site.praxis(&["build", "--output", &out, &context]).accepted();
}

#[test]
fn row_53_an_ignore_file_is_a_file_of_the_context() {
    let site = Site::new();
    symlink("/dev/zero", site.context(".dockerignore")).unwrap();
    site.build("FROM scratch\nCOPY . /\n", &[])
        .refused("link out of the build context");
    fs::remove_file(site.context(".dockerignore")).unwrap();
    let path = site.context(".dockerignore");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    site.build("FROM scratch\nCOPY . /\n", &[])
        .refused("no ignore file");
}

#[test]
fn row_55_a_repository_cannot_start_programs() {
    let site = Site::new();
    let context = site.path("context");
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(&context)
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    };
    fs::write(site.context("a"), "a").unwrap();
    git(&["init", "-q"]);
    git(&["add", "a"]);
    git(&[
        "-c",
        "user.name=x",
        "-c",
        "user.email=x@example.org",
        "commit",
        "-qm",
        "x",
    ]);
    let head = git(&["rev-parse", "HEAD"]);
    let mark = site.host().join("started");
    let program = format!("touch {}; false", mark.display());
    // The commit is missing, and the repository says which program fetches it.
    for (key, value) in [
        ("core.repositoryformatversion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", "."),
        ("remote.origin.uploadpack", program.as_str()),
        ("protocol.file.allow", "always"),
        ("core.fsmonitor", program.as_str()),
        ("core.pager", program.as_str()),
    ] {
        git(&["config", key, value]);
    }
    fs::remove_file(context.join(".git/objects").join(&head[..2]).join(&head[2..])).unwrap();
    site.build("FROM scratch\nCOPY a /\n", &[]).accepted();
    assert!(!mark.exists());
}
