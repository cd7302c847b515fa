//! Mounts of a step: sources, targets, what is written where.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use praxis_sandbox::{Mount, SandboxError, Source};

use crate::fixture::{Fixture, open_directory, succeed, try_run};
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("bind_mounts_are_read_only_unless_asked", bind_mounts),
    (
        "a_source_given_as_a_descriptor_is_not_looked_up_again",
        a_descriptor_source,
    ),
    (
        "secrets_have_their_mode_and_leave_no_trace",
        secrets_leave_no_trace,
    ),
    ("a_tmpfs_has_its_mode_and_size", a_tmpfs),
    ("nested_targets_are_made_in_order", nested_targets),
    (
        "a_target_through_a_link_of_the_image_stays_inside",
        a_target_through_a_link,
    ),
    ("a_socket_of_the_host_can_be_reached", a_socket),
    (
        "a_target_of_the_wrong_kind_is_refused",
        a_target_of_the_wrong_kind,
    ),
    (
        "row_21_a_race_for_the_mount_point_touches_nothing_outside",
        row_21,
    ),
    ("row_22_a_step_cannot_take_mounts_down", row_22),
    ("row_39_a_race_for_the_source_is_lost", row_39),
    ("row_41_a_link_as_source_is_refused", row_41),
    ("row_44_writes_to_an_overlay_mount_are_discarded", row_44),
    ("row_56_links_of_proc_are_refused_as_target", row_56),
];

fn directory(fixture: &Fixture, name: &str) -> PathBuf {
    let path = fixture.place.path().join(name);
    fs::create_dir(&path).expect("directory");
    open_directory(&path, 0o755);
    path
}

fn bind(source: &Path, target: &str, writable: bool) -> Mount {
    Mount::Bind {
        source: Source::Path(source.to_path_buf()),
        target: target.into(),
        writable,
    }
}

fn bind_mounts() {
    let fixture = Fixture::new();
    let source = directory(&fixture, "source");
    fs::write(source.join("file"), "content\n").expect("file");
    let mut step = fixture.shell(
        "cat /a/b/file /single; (touch /a/b/new) 2> /dev/null || echo refused; touch /cache/new; mknod /cache/z c 1 5 2> /dev/null; ! head -c 1 /cache/z 2> /dev/null",
    );
    step.mounts = vec![
        bind(&source, "/a/b", false),
        bind(&source.join("file"), "/single", false),
        bind(&source, "/cache", true),
    ];
    assert_eq!(succeed(&step), "content\ncontent\nrefused\n");
    assert!(source.join("new").exists());
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn a_descriptor_source() {
    let fixture = Fixture::new();
    let source = directory(&fixture, "source");
    fs::write(source.join("file"), "right\n").expect("file");
    let descriptor = OwnedFd::from(fs::File::open(&source).expect("open"));
    fs::rename(&source, fixture.place.path().join("moved")).expect("rename");
    symlink("/etc", &source).expect("link");
    let mut step = fixture.shell("cat /mnt/file");
    step.mounts = vec![Mount::Bind {
        source: Source::Descriptor(descriptor),
        target: "/mnt".into(),
        writable: false,
    }];
    assert_eq!(succeed(&step), "right\n");
}

fn secret(target: &str, mode: u32, uid: u32, gid: u32) -> Mount {
    Mount::File {
        content: b"key\n".to_vec(),
        target: target.into(),
        mode,
        uid,
        gid,
    }
}

fn secrets_leave_no_trace() {
    let fixture = Fixture::new();
    let mut step = fixture
        .shell("stat -c '%a %u %g %s' /run/secrets/one /etc/two.key; cat /etc/two.key; rm /etc/two.key 2> /dev/null || echo kept");
    step.mounts = vec![
        secret("/run/secrets/one", 0o400, 0, 0),
        secret("/etc/two.key", 0o440, 1001, 10),
    ];
    assert_eq!(succeed(&step), "400 0 0 4\n440 1001 10 4\nkey\nkept\n");
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn a_tmpfs() {
    let fixture = Fixture::new();
    let mut step = fixture.shell("stat -c %a /scratch; dd if=/dev/zero of=/scratch/f bs=64k count=100 2> /dev/null || echo full; dd if=/dev/zero of=/dev/shm/f bs=1M count=100 2> /dev/null || echo full");
    step.mounts = vec![Mount::Tmpfs {
        target: "/scratch".into(),
        size: Some(1 << 20),
        mode: 0o1750,
    }];
    assert_eq!(succeed(&step), "1750\nfull\nfull\n");
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn nested_targets() {
    let fixture = Fixture::new();
    let source = directory(&fixture, "source");
    let mut step = fixture.shell("ls /outer /outer/inner; cat /outer/inner/key /dev/key");
    step.mounts = vec![
        Mount::Tmpfs {
            target: "/outer".into(),
            size: None,
            mode: 0o755,
        },
        bind(&source, "/outer/inner", true),
        secret("/outer/inner/key", 0o400, 0, 0),
        secret("/dev/key", 0o400, 0, 0),
    ];
    assert_eq!(succeed(&step), "/outer:\ninner\n\n/outer/inner:\nkey\nkey\nkey\n");
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn a_target_through_a_link() {
    let fixture = Fixture::new();
    symlink("/../../../real", fixture.layer().join("link")).expect("link");
    let mut step = fixture.shell("cat /real/deep/key");
    step.mounts = vec![secret("/link/deep/../deep/key", 0o400, 0, 0)];
    assert_eq!(succeed(&step), "key\n");
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn a_socket() {
    let fixture = Fixture::new();
    let path = fixture.place.path().join("agent");
    let _listener = std::os::unix::net::UnixListener::bind(&path).expect("listen");
    let mut step = fixture.shell("test -S /run/agent && stat -c %i /run/agent");
    step.mounts = vec![Mount::Socket {
        source: path.clone(),
        target: "/run/agent".into(),
    }];
    let inode = fs::metadata(&path).expect("socket").ino();
    assert_eq!(succeed(&step), format!("{inode}\n"));
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn a_target_of_the_wrong_kind() {
    let fixture = Fixture::new();
    let mut step = fixture.shell("true");
    step.mounts = vec![secret("/tmp", 0o400, 0, 0)];
    let error = try_run(&step).expect_err("a file over a directory");
    assert!(
        matches!(&error, SandboxError::Refused { path, .. } if path == "/tmp"),
        "{error}"
    );
    let fixture = Fixture::new();
    let mut step = fixture.shell("true");
    step.mounts = vec![Mount::Tmpfs {
        target: "/bin/busybox/below".into(),
        size: None,
        mode: 0o755,
    }];
    assert!(matches!(try_run(&step), Err(SandboxError::Refused { .. })));
}

/// A thread exchanges a directory of a shared writable mount for a link to the host while mounts are made below it.
fn row_21() {
    let fixture = Fixture::new();
    let (shared, host) = (directory(&fixture, "shared"), directory(&fixture, "host"));
    fs::create_dir(shared.join("a")).expect("directory");
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (stop, shared, host) = (stop.clone(), shared.clone(), host.clone());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = fs::rename(shared.join("a"), shared.join("b"));
                let _ = symlink(&host, shared.join("a"));
                let _ = fs::remove_file(shared.join("a"));
                let _ = fs::rename(shared.join("b"), shared.join("a"));
            }
        })
    };
    for round in 0..30 {
        let mut step = fixture.shell("true");
        step.root.work = directory(&fixture, &format!("work-{round}"));
        step.mounts = vec![
            bind(&shared, "/shared", true),
            secret("/shared/a/deep/key", 0o400, 0, 0),
        ];
        // Losing the race may be an error; what counts is the host's directory.
        let _ = try_run(&step);
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().expect("the swapping thread");
    assert_eq!(
        fs::read_dir(&host).expect("host").count(),
        0,
        "something was made outside"
    );
}

fn row_22() {
    let fixture = Fixture::new();
    let mut step = fixture.shell("umount /secret 2> /dev/null && echo gone; umount /etc/hosts 2> /dev/null && echo gone; mount -t tmpfs x /tmp 2> /dev/null && echo mounted; cat /secret");
    step.mounts = vec![secret("/secret", 0o400, 0, 0)];
    assert_eq!(succeed(&step), "key\n");
}

fn row_39() {
    let fixture = Fixture::new();
    let (source, host) = (directory(&fixture, "source"), directory(&fixture, "host"));
    fs::write(source.join("file"), "right\n").expect("file");
    fs::write(host.join("file"), "wrong\n").expect("file");
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let (stop, place) = (stop.clone(), fixture.place.path().to_path_buf());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = fs::rename(place.join("source"), place.join("aside"));
                let _ = symlink(place.join("host"), place.join("source"));
                let _ = fs::remove_file(place.join("source"));
                let _ = fs::rename(place.join("aside"), place.join("source"));
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
        })
    };
    let mut seen = 0;
    for round in 0..30 {
        let mut step = fixture.shell("cat /mnt/file");
        step.root.work = directory(&fixture, &format!("work-{round}"));
        step.mounts = vec![bind(&source, "/mnt", false)];
        if let Ok(outcome) = try_run(&step) {
            assert_eq!(outcome.stdout, "right\n", "the link was followed");
            seen += 1;
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().expect("the swapping thread");
    assert!(seen > 0, "no round saw the source");
}

fn row_41() {
    let fixture = Fixture::new();
    symlink("/", fixture.place.path().join("x")).expect("link");
    let mut step = fixture.shell("ls /mnt");
    step.mounts = vec![bind(&fixture.place.path().join("x"), "/mnt", true)];
    let error = try_run(&step).expect_err("a link as source");
    assert!(matches!(error, SandboxError::Refused { .. }), "{error}");
}

fn row_44() {
    let fixture = Fixture::new();
    let context = directory(&fixture, "context");
    fs::write(context.join("file"), "old\n").expect("file");
    let before = fs::metadata(&context).expect("context").mtime_nsec();
    let mut step = fixture.shell("echo new > /src/file; touch /src/more; rm -f /src/gone; cat /src/file");
    step.mounts = vec![Mount::Overlay {
        lower: vec![context.clone()],
        upper: directory(&fixture, "discard-upper"),
        work: directory(&fixture, "discard-work"),
        target: "/src".into(),
    }];
    assert_eq!(succeed(&step), "new\n");
    assert_eq!(fs::read_to_string(context.join("file")).expect("file"), "old\n");
    assert_eq!(fs::read_dir(&context).expect("context").count(), 1);
    assert_eq!(fs::metadata(&context).expect("context").mtime_nsec(), before);
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn row_56() {
    for target in [
        "/proc/self/cwd/x",
        "/proc/self/fd/3",
        "/proc/1/root/tmp",
        "/dev/fd/4",
    ] {
        let fixture = Fixture::new();
        let mut step = fixture.shell("true");
        step.mounts = vec![secret(target, 0o400, 0, 0)];
        let error = try_run(&step).expect_err(target);
        assert!(
            matches!(error, SandboxError::Refused { .. } | SandboxError::System { .. }),
            "{target}: {error}"
        );
    }
}
