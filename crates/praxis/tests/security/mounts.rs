//! Rows 21, 39 to 41, 43 and 44: mounts of whole builds.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::site::Site;

#[test]
fn row_21_mount_points_are_made_inside_only() {
    let site = Site::new();
    let host = site.host().display().to_string();
    let before = praxis_testkit::tree_of(&site.host());
    let dockerfile = format!(
        "FROM busybox\nRUN ln -s {host} /link\nRUN --mount=type=tmpfs,target=/link/made/deep \
         --mount=type=bind,target=/link/bound true\n"
    );
    site.build(&dockerfile, &[]).accepted();
    assert_eq!(praxis_testkit::tree_of(&site.host()), before);
    assert_eq!(fs::read_dir(site.host()).unwrap().count(), 1);
}

#[test]
fn row_39_a_source_that_is_swapped_stays_inside() {
    let site = Site::new();
    fs::create_dir(site.context("d")).unwrap();
    fs::write(site.context("d/secret"), "fine").unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (directory, kept) = (site.context("d"), site.context("kept"));
            while !stop.load(Ordering::Relaxed) {
                fs::rename(&directory, &kept).unwrap();
                symlink(site.host(), &directory).unwrap();
                std::thread::yield_now();
                fs::remove_file(&directory).unwrap();
                fs::rename(&kept, &directory).unwrap();
            }
        });
        for _ in 0..15 {
            site.build(
                "FROM busybox\nRUN --mount=type=bind,source=d,target=/m cp -r /m /copy\n",
                &["--no-cache"],
            );
            if !site.leaks().is_empty() {
                stop.store(true, Ordering::Relaxed);
                panic!("{:?}", site.leaks());
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn row_40_a_parent_swapped_for_a_link_costs_the_host_nothing() {
    let site = Site::new();
    fs::create_dir_all(site.host().join("b/c")).unwrap();
    let host = site.host().display().to_string();
    let dockerfile = format!(
        "FROM busybox\nRUN --mount=type=tmpfs,target=/a/b/c mkdir /z && ln -s {host} /z/a; \
         (mv /a /old && ln -s {host} /a) || ln -sfn {host} /other\n"
    );
    site.build(&dockerfile, &[]);
    assert!(site.host().join("b/c").is_dir() && site.host().join("secret").is_file());
    assert!(site.leaks().is_empty());
}

#[test]
fn row_41_links_in_bind_sources_lead_to_the_root_of_the_source() {
    let site = Site::new();
    symlink("/", site.context("root")).unwrap();
    symlink("../../../..", site.context("up")).unwrap();
    fs::write(site.context("mark"), "context").unwrap();
    let secret = site.host().join("secret").display().to_string();
    let dockerfile = format!(
        "FROM busybox AS stage\nRUN ln -s / /x && echo stage > /mark\n\
         FROM busybox\n\
         RUN --mount=type=bind,from=stage,source=/x,target=/m,rw \
         test \"$(cat /m/mark)\" = stage && test ! -e /m{secret} && echo written > /m/mark\n\
         RUN --mount=type=bind,source=root,target=/m,rw test \"$(cat /m/mark)\" = context && test ! -e /m{secret}\n\
         RUN --mount=type=bind,source=up,target=/m test \"$(cat /m/mark)\" = context && test ! -e /m{secret}\n\
         RUN --mount=type=bind,from=busybox,source=/,target=/m test ! -e /m{secret} && test -x /m/bin/busybox\n\
         COPY --from=stage /x/mark /mark\n"
    );
    site.build(&dockerfile, &[]).accepted();
    assert_eq!(site.result("mark"), "stage\n");
}

#[test]
fn row_43_cache_ids_are_names_not_paths() {
    let site = Site::new();
    let before = praxis_testkit::tree_of(&site.host());
    for id in ["../../../host", "/etc", "..", "a/../../b"] {
        let dockerfile = format!(
            "FROM busybox\nRUN --mount=type=cache,id={id},target=/c test ! -e /c/secret && test ! -e /c/passwd && echo > /c/new\n"
        );
        site.build(&dockerfile, &[]).accepted();
    }
    assert_eq!(praxis_testkit::tree_of(&site.host()), before);
    let names = fs::read_dir(site.store().join("caches"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    assert!(
        names.len() == 4 && names.iter().all(|name| name.len() == 64),
        "{names:?}"
    );
}

#[test]
fn row_44_what_a_step_writes_to_a_bind_is_thrown_away() {
    let site = Site::new();
    fs::create_dir(site.context("d")).unwrap();
    fs::write(site.context("d/f"), "as it was").unwrap();
    fs::write(site.context("g"), "as it was").unwrap();
    let before = praxis_testkit::tree_of(&site.path("context"));
    let dockerfile = "FROM busybox\n\
        RUN --mount=type=bind,target=/m,rw --mount=type=bind,source=g,target=/g,rw \
        echo changed > /m/d/f && echo changed > /g && echo new > /m/new && rm /m/g && chmod 777 /m/d\n\
        RUN --mount=type=bind,target=/m test \"$(cat /m/d/f)\" = 'as it was' && test ! -e /m/new && cp -r /m /seen\n";
    site.build(dockerfile, &[]).accepted();
    assert_eq!(praxis_testkit::tree_of(&site.path("context")), before);
    assert_eq!(site.result("seen/g"), "as it was");
    site.build(
        "FROM busybox\nRUN --mount=type=bind,target=/m echo changed > /m/g\n",
        &[],
    )
    .refused("exit code");
}

#[test]
fn row_44_a_bind_of_a_pipe_is_refused_and_not_waited_for() {
    let site = Site::new();
    let path = site.context("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        0o644.into(),
        0,
    )
    .unwrap();
    site.build(
        "FROM busybox\nRUN --mount=type=bind,source=pipe,target=/m,rw true\n",
        &[],
    )
    .refused("neither a file nor");
}
