//! The root file system: layers, what stays in the upper directory, the command and its directory.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use praxis_sandbox::SandboxError;

use crate::fixture::{Fixture, PATH, in_user_namespace, open_directory, succeed, try_run};
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("removals_are_whiteouts_and_replaced_directories_opaque", removals),
    ("nothing_lies_above_the_root", nothing_lies_above_the_root),
    (
        "a_step_runs_and_leaves_its_changes_only",
        a_step_runs_and_leaves_its_changes_only,
    ),
    (
        "exit_codes_signals_and_both_streams_arrive",
        exit_codes_signals_and_both_streams_arrive,
    ),
    (
        "a_root_without_anything_gets_system_directories_for_the_step",
        a_bare_root,
    ),
    (
        "a_changed_mount_point_leaves_no_trace",
        a_changed_mount_point_leaves_no_trace,
    ),
    (
        "directories_around_mount_points_keep_their_metadata",
        directories_keep_their_metadata,
    ),
    (
        "etc_files_are_read_only_and_leave_no_trace",
        etc_files_are_read_only,
    ),
    (
        "a_resolv_conf_that_is_a_dangling_link_works",
        a_dangling_resolv_conf,
    ),
    (
        "a_resolv_conf_removed_by_a_layer_above_works",
        a_removed_resolv_conf,
    ),
    ("special_files_can_be_made", special_files_can_be_made),
    ("a_missing_command_is_named", a_missing_command_is_named),
    (
        "commands_are_searched_in_the_path_of_the_step",
        commands_are_searched,
    ),
    (
        "a_missing_working_directory_is_made",
        a_missing_working_directory_is_made,
    ),
    ("many_layers_are_stacked_in_order", many_layers),
    ("a_read_only_root_refuses_writes", a_read_only_root),
    ("an_invalid_step_is_refused", an_invalid_step_is_refused),
    ("row_20_no_program_of_the_image_runs_outside", row_20),
    ("row_23_paths_with_overlay_syntax_work", row_23),
    ("row_40_cleanup_never_follows_a_link", row_40),
    ("row_49_row_50_the_working_directory_stays_inside", row_49_50),
    (
        "row_56_links_to_descriptors_are_refused_as_working_directory",
        row_56,
    ),
    ("row_58_row_60_links_at_system_directories_are_refused", row_58_60),
];

fn a_step_runs_and_leaves_its_changes_only() {
    let fixture = Fixture::new();
    let output = succeed(
        &fixture
            .shell("echo hello > /file; cat /file; ls /dev/null /proc/self/status /sys/class > /dev/null"),
    );
    assert_eq!(output, "hello\n");
    assert_eq!(fixture.changes(), ["file"]);
    assert_eq!(
        fs::read_to_string(fixture.upper().join("file")).expect("file"),
        "hello\n"
    );
}

fn exit_codes_signals_and_both_streams_arrive() {
    let outcome = try_run(&Fixture::new().shell("echo out; echo err >&2; exit 7")).expect("runs");
    assert_eq!((outcome.exit.code, outcome.exit.signal), (Some(7), None));
    assert_eq!(
        (outcome.stdout.as_str(), outcome.stderr.as_str()),
        ("out\n", "err\n")
    );
    let outcome = try_run(&Fixture::new().shell("sh -c 'kill -9 $$'; echo $?")).expect("runs");
    assert_eq!(outcome.stdout, "137\n");
}

fn a_bare_root() {
    let fixture = Fixture::empty();
    fixture.add_busybox("busybox");
    let output = succeed(&fixture.step(&["/busybox", "ls", "/"]));
    assert_eq!(output, "busybox\ndev\netc\nproc\nsys\n");
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn a_changed_mount_point_leaves_no_trace() {
    let fixture = Fixture::empty();
    fixture.add_busybox("busybox");
    let script = "/busybox chmod 700 /etc; /busybox chown -R 0:0 /etc; /busybox touch /etc /proc /dev /sys";
    try_run(&fixture.step(&["/busybox", "sh", "-c", script])).expect("runs");
    assert_eq!(fixture.changes(), Vec::<String>::new());

    let fixture = Fixture::empty();
    fixture.add_busybox("busybox");
    succeed(&fixture.step(&["/busybox", "sh", "-c", "echo mine > /etc/own"]));
    assert_eq!(
        fixture.changes(),
        ["etc", "etc/own"],
        "what the command made stays"
    );
}

fn directories_keep_their_metadata() {
    let fixture = Fixture::new();
    let etc = fixture.layer().join("etc");
    open_directory(&etc, 0o2751);
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::open(&etc)
        .expect("open")
        .set_modified(old)
        .expect("set the time");
    let output = succeed(&fixture.shell("stat -c '%a %u %g %Y' /etc; ls -A /etc"));
    assert_eq!(output, "2751 0 0 1000000000\nhosts\nresolv.conf\n");
    assert_eq!(fixture.changes(), Vec::<String>::new());

    let fixture = Fixture::new();
    open_directory(&fixture.layer().join("etc"), 0o2751);
    succeed(&fixture.shell("touch /etc/new"));
    assert_eq!(
        fs::metadata(fixture.upper().join("etc"))
            .expect("etc")
            .permissions()
            .mode()
            & 0o7777,
        0o2751
    );
}

fn etc_files_are_read_only() {
    let fixture = Fixture::new();
    let output = succeed(
        &fixture
            .shell("cat /etc/hosts /etc/resolv.conf; (echo x >> /etc/hosts) 2> /dev/null || echo refused"),
    );
    assert_eq!(output, "127.0.0.1 localhost\nnameserver 192.0.2.1\nrefused\n");
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn a_dangling_resolv_conf() {
    let fixture = Fixture::new();
    symlink(
        "../run/systemd/resolve/stub.conf",
        fixture.layer().join("etc/resolv.conf"),
    )
    .expect("link");
    let output = succeed(&fixture.shell("cat /etc/resolv.conf; readlink /etc/resolv.conf"));
    assert_eq!(output, "nameserver 192.0.2.1\n../run/systemd/resolve/stub.conf\n");
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

/// The file exists in the lowest layer, the middle layer hides it.
fn a_removed_resolv_conf() {
    if in_user_namespace() {
        return; // A whiteout cannot be made here by a test; the mount below is the same code.
    }
    let fixture = Fixture::new();
    fs::write(fixture.layer().join("etc/resolv.conf"), "old\n").expect("file");
    let middle = fixture.place.path().join("middle");
    fs::create_dir_all(middle.join("etc")).expect("directory");
    let made = std::process::Command::new("mknod")
        .arg(middle.join("etc/resolv.conf"))
        .args(["c", "0", "0"])
        .status();
    assert!(made.expect("mknod").success());
    let mut step = fixture.shell("cat /etc/resolv.conf");
    step.root.lowers.insert(0, middle);
    assert_eq!(succeed(&step), "nameserver 192.0.2.1\n");
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn special_files_can_be_made() {
    let fixture = Fixture::new();
    let script = "mkfifo -m 620 /p && touch /su && chmod 6755 /su && mkdir -m 3777 /st && chown 1 /p";
    succeed(&fixture.shell(script));
    let pipe = fs::symlink_metadata(fixture.upper().join("p")).expect("pipe");
    assert!(pipe.file_type().is_fifo());
    assert_eq!((pipe.mode() & 0o7777, pipe.uid()), (0o620, 1));
    if in_user_namespace() {
        return;
    }
    let fixture = Fixture::new();
    let script = "mknod -m 666 /c c 1 5 && mknod /b b 7 200 && ! head -c 1 /c && mknod /tmp/z c 1 5 && ! cat /tmp/z; mknod /dev/shm/z c 1 5; ! head -c 1 /dev/shm/z";
    let outcome = try_run(&fixture.shell(script)).expect("runs");
    assert!(outcome.exit.success(), "a device node opened: {outcome:?}");
    assert!(
        fs::symlink_metadata(fixture.upper().join("b"))
            .expect("node")
            .file_type()
            .is_block_device()
    );
}

fn a_missing_command_is_named() {
    let error = try_run(&Fixture::new().step(&["frobnicate", "x"])).expect_err("no such command");
    assert!(
        matches!(&error, SandboxError::CommandNotFound { command, .. } if command == "frobnicate"),
        "{error}"
    );
    assert!(error.to_string().contains(PATH), "{error}");
    let error = try_run(&Fixture::new().step(&["/etc/nothing"])).expect_err("no such path");
    assert!(matches!(error, SandboxError::CommandNotFound { .. }), "{error}");
    let fixture = Fixture::new();
    fs::write(fixture.layer().join("script"), "#!/no/such/interpreter\n").expect("script");
    open_directory(&fixture.layer().join("script"), 0o755);
    let error = try_run(&fixture.step(&["/script"])).expect_err("no interpreter");
    assert!(error.to_string().contains("interpreter"), "{error}");
    assert_eq!(fixture.changes(), Vec::<String>::new());
    let fixture = Fixture::new();
    let error = try_run(&fixture.step(&["/etc"])).expect_err("a directory");
    assert!(
        matches!(error, SandboxError::CommandNotExecutable { .. }),
        "{error}"
    );
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn commands_are_searched() {
    let fixture = Fixture::new();
    let mut step = fixture.step(&["echo", "found"]);
    step.environment = vec![("PATH".into(), "/nowhere:/bin".into())];
    assert_eq!(succeed(&step), "found\n");
    step.environment = vec![("PATH".into(), "/nowhere".into())];
    step.root.work = fresh(&fixture, "work-2");
    assert!(matches!(
        try_run(&step),
        Err(SandboxError::CommandNotFound { .. })
    ));
}

fn fresh(fixture: &Fixture, name: &str) -> PathBuf {
    let path = fixture.place.path().join(name);
    fs::create_dir(&path).expect("directory");
    path
}

fn a_missing_working_directory_is_made() {
    let fixture = Fixture::new();
    let mut step = fixture.step(&["pwd"]);
    step.directory = "/a/b".into();
    assert_eq!(succeed(&step), "/a/b\n");
    assert_eq!(fixture.changes(), ["a", "a/b"]);
}

fn many_layers() {
    let fixture = Fixture::new();
    let mut step = fixture.shell("cat /name; ls /many | wc -l");
    for number in 0..399 {
        let layer = fresh(&fixture, &format!("a layer with a long name, number {number}"));
        fs::write(layer.join("name"), format!("{number}\n")).expect("file");
        fs::create_dir(layer.join("many")).expect("directory");
        fs::write(layer.join("many").join(number.to_string()), "").expect("file");
        step.root.lowers.insert(0, layer);
    }
    assert_eq!(succeed(&step), "398\n399\n");
}

fn a_read_only_root() {
    let fixture = Fixture::new();
    let mut step = fixture.shell("touch /file 2> /dev/null || echo refused");
    step.read_only_root = true;
    assert_eq!(succeed(&step), "refused\n");
}

fn an_invalid_step_is_refused() {
    let fixture = Fixture::new();
    let mut step = fixture.step(&[]);
    assert!(matches!(try_run(&step), Err(SandboxError::Invalid { .. })));
    step = fixture.step(&["true"]);
    step.root.lowers.clear();
    assert!(matches!(try_run(&step), Err(SandboxError::Invalid { .. })));
    step = fixture.step(&["true"]);
    step.directory = "relative".into();
    assert!(matches!(try_run(&step), Err(SandboxError::Invalid { .. })));
}

/// The names an unwary sandbox would load or run are traps; the step runs and no trap does.
fn row_20() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.layer().join("lib")).expect("directory");
    for trap in [
        "bin/newuidmap",
        "bin/mount",
        "bin/iptables",
        "lib/libnss_files.so.2",
        "etc/nsswitch.conf",
    ] {
        let path = fixture.layer().join(trap);
        let _ = fs::remove_file(&path);
        fs::write(&path, "#!/bin/sh\necho trapped > /trapped\n").expect("trap");
        open_directory(&path, 0o755);
    }
    succeed(&fixture.step(&["true"]));
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn row_23() {
    let fixture = Fixture::new();
    let odd = fresh(&fixture, r"odd:,\=name,upperdir=x");
    for name in ["lower", "upper", "work"] {
        fs::create_dir(odd.join(name)).expect("directory");
    }
    open_directory(&odd.join("upper"), 0o755);
    fs::write(odd.join("lower/mark"), "odd\n").expect("file");
    let mut step = fixture.shell("cat /mark; echo new > /new");
    step.root.lowers.insert(0, odd.join("lower"));
    step.root.upper = odd.join("upper");
    step.root.work = odd.join("work");
    assert_eq!(succeed(&step), "odd\n");
    assert_eq!(fs::read_to_string(odd.join("upper/new")).expect("file"), "new\n");
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

/// The command puts a link where a mount point's parent was; the host's file of the same name must stay.
fn row_40() {
    let fixture = Fixture::new();
    let host = fresh(&fixture, "host");
    fs::create_dir(host.join("deep")).expect("directory");
    fs::write(host.join("secret"), "").expect("file");
    let mut step = fixture.shell(&format!(
        "mv /made /aside 2> /dev/null; rm -rf /made 2> /dev/null; ln -sfn {0} /made; ln -sfn {0} /etc; true",
        host.display()
    ));
    step.mounts.push(praxis_sandbox::Mount::Tmpfs {
        target: "/made/deep".into(),
        size: None,
        mode: 0o755,
    });
    step.mounts.push(praxis_sandbox::Mount::File {
        content: b"x".to_vec(),
        target: "/made/secret".into(),
        mode: 0o400,
        uid: 0,
        gid: 0,
    });
    try_run(&step).expect("runs");
    assert!(
        host.join("deep").is_dir() && host.join("secret").is_file(),
        "the host's files are gone"
    );
    // The same with a prepared upper directory, as if the command had managed to swap the parent.
    let fixture = Fixture::new();
    let mut step = fixture.shell("true");
    step.mounts.push(praxis_sandbox::Mount::Tmpfs {
        target: "/run/secrets/x".into(),
        size: None,
        mode: 0o755,
    });
    succeed(&step);
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn row_49_50() {
    let fixture = Fixture::new();
    for (directory, expected) in [
        ("/../../etc", "/etc\n"),
        ("/..", "/\n"),
        ("/./.", "/\n"),
        ("/tmp/../..", "/\n"),
    ] {
        let mut step = fixture.step(&["pwd"]);
        step.directory = directory.into();
        step.root.work = fresh(&fixture, &format!("work{}", directory.replace('/', "-")));
        assert_eq!(succeed(&step), expected, "working directory {directory}");
    }
    symlink("/../../../../etc", fixture.layer().join("out")).expect("link");
    let mut step = fixture.shell("pwd -P; ls");
    step.directory = "/out".into();
    step.root.work = fresh(&fixture, "work-link");
    assert_eq!(succeed(&step), "/etc\nhosts\nresolv.conf\n");
}

fn row_56() {
    for directory in [
        "/proc/self/fd/3",
        "/proc/self/fd/7/..",
        "/proc/1/root",
        "/proc/self/cwd",
        "/link",
    ] {
        let fixture = Fixture::new();
        symlink("/proc/self/fd/5", fixture.layer().join("link")).expect("link");
        let mut step = fixture.shell("ls");
        step.directory = directory.into();
        let error = try_run(&step).expect_err(directory);
        assert!(
            matches!(error, SandboxError::Refused { .. }),
            "{directory}: {error}"
        );
    }
}

fn row_58_60() {
    for name in ["proc", "sys", "dev"] {
        let fixture = Fixture::new();
        symlink("/tmp", fixture.layer().join(name)).expect("link");
        let error = try_run(&fixture.shell("true")).expect_err(name);
        assert!(
            matches!(&error, SandboxError::Refused { path, .. } if path == &format!("/{name}")),
            "{error}"
        );
        assert_eq!(fixture.changes(), Vec::<String>::new());
    }
    // What the image has below its own /dev and /proc is covered: links there lead nowhere.
    let fixture = Fixture::new();
    for name in ["dev", "proc"] {
        fs::create_dir(fixture.layer().join(name)).expect("directory");
    }
    symlink("/etc/trap", fixture.layer().join("dev/null")).expect("link");
    symlink("/etc/trap", fixture.layer().join("dev/console")).expect("link");
    fs::create_dir(fixture.layer().join("proc/sys")).expect("directory");
    let output = succeed(
        &fixture.shell("echo x > /dev/null; stat -c '%F %t:%T' /dev/null; ls /etc; head -c 5 /proc/version"),
    );
    assert_eq!(output, "character special file 1:3\nhosts\nresolv.conf\nLinux");
}

fn nothing_lies_above_the_root() {
    let fixture = Fixture::new();
    fs::write(fixture.layer().join("mark"), "").expect("file");
    let output = succeed(&fixture.shell("ls /../mark /etc/../mark /tmp/../../mark; cd /; ls ../mark; awk '{print $5}' /proc/self/mountinfo | grep -c '^/$'"));
    assert_eq!(output, "/../mark\n/etc/../mark\n/tmp/../../mark\n../mark\n1\n");
}

fn removals() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.layer().join("replaced")).expect("directory");
    fs::write(fixture.layer().join("replaced/old"), "").expect("file");
    fs::write(fixture.layer().join("removed"), "").expect("file");
    succeed(&fixture.shell("rm /removed; rm -r /replaced; mkdir /replaced; touch /replaced/new"));
    assert_eq!(fixture.changes(), ["removed", "replaced", "replaced/new"]);
    let whiteout = fs::symlink_metadata(fixture.upper().join("removed")).expect("whiteout");
    assert!(whiteout.file_type().is_char_device() && whiteout.rdev() == 0);
    let mut value = [0_u8; 8];
    let length = rustix::fs::getxattr(
        fixture.upper().join("replaced"),
        "user.overlay.opaque",
        &mut value[..],
    );
    assert_eq!(&value[..length.expect("the mark of an opaque directory")], b"y");
}
