//! What the command can see and reach of the machine.

use std::os::unix::net::UnixListener;

use praxis_sandbox::Network;

use crate::fixture::{Fixture, succeed, try_run};
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    (
        "row_57_the_running_program_cannot_be_written",
        the_running_program_cannot_be_written,
    ),
    ("the_host_name_is_the_steps_own", the_host_name),
    ("devices_are_the_documented_ones", devices),
    ("secret_parts_of_proc_and_sys_are_masked", masked),
    ("new_user_namespaces_are_refused", new_user_namespaces_are_refused),
    ("without_network_there_is_loopback_only", without_network),
    ("mounts_of_the_step_do_not_reach_the_caller", mounts_do_not_leak),
    ("row_56_only_three_descriptors_are_open", row_56),
    ("row_57_the_program_itself_is_out_of_reach", row_57),
    ("row_59_standard_streams_lead_to_pipes", row_59),
    ("row_62_control_groups_are_read_only", row_62),
    ("row_63_dangerous_socket_families_are_refused", row_63),
    ("row_64_abstract_sockets_of_the_host_are_out_of_reach", row_64),
];

fn the_host_name() {
    let mut step = Fixture::new().shell("hostname; hostname other 2> /dev/null || echo refused");
    let fixture = Fixture::new();
    step.root = fixture.shell("true").root;
    step.hostname = "builder".into();
    assert_eq!(succeed(&step), "builder\nrefused\n");
}

fn devices() {
    let output = succeed(&Fixture::new().shell("ls /dev; cd /dev; stat -c '%n %F %t:%T' null zero full random urandom tty pts/ptmx; echo x > null; head -c 2 zero | wc -c"));
    let listed =
        "core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n";
    let kinds = [
        "null 1:3",
        "zero 1:5",
        "full 1:7",
        "random 1:8",
        "urandom 1:9",
        "tty 5:0",
        "pts/ptmx 5:2",
    ]
    .map(|text| text.replace(' ', " character special file "))
    .join("\n");
    assert_eq!(output, format!("{listed}{kinds}\n2\n"));
}

fn masked() {
    let script = "head -c 1 /proc/kcore /proc/keys /proc/timer_list /proc/interrupts 2> /dev/null | grep -v '^==>' | wc -c; \
         ls /sys/firmware /proc/acpi /proc/scsi 2> /dev/null | grep -v : | grep -c .; \
         for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/x /sys/kernel/x; do (echo 1 > $f) 2> /dev/null && echo wrote $f; done; true";
    let output = succeed(&Fixture::new().shell(script));
    let mut lines = output.lines();
    let bytes: u32 = lines.next().and_then(|text| text.parse().ok()).expect("a number");
    assert!(bytes <= 4, "masked files have content: {output}");
    assert_eq!(lines.collect::<Vec<_>>(), ["0"]);
}

fn new_user_namespaces_are_refused() {
    assert_eq!(
        succeed(&Fixture::new().shell("unshare -U true 2> /dev/null || echo refused")),
        "refused\n"
    );
}

fn without_network() {
    let mut step =
        Fixture::new().shell("ls /sys/class/net; cat /sys/class/net/lo/operstate; grep -c : /proc/net/dev");
    let fixture = Fixture::new();
    step.root = fixture.shell("true").root;
    step.network = Network::None;
    let output = succeed(&step);
    assert!(
        output.starts_with("lo\n") && output.ends_with("\n1\n"),
        "{output}"
    );
    assert!(!output.contains("down"), "loopback is down: {output}");
}

fn mounts_do_not_leak() {
    let count = || {
        std::fs::read_to_string("/proc/self/mountinfo")
            .expect("mounts")
            .lines()
            .count()
    };
    let before = count();
    for _ in 0..3 {
        succeed(&Fixture::new().shell("true"));
    }
    assert_eq!(count(), before);
}

fn row_56() {
    let keep = std::fs::File::open("/etc/hostname")
        .or_else(|_| std::fs::File::open("/dev/null"))
        .expect("file");
    // The fourth is the directory `ls` reads.
    assert_eq!(
        succeed(&Fixture::new().shell("ls /proc/1/fd; ls /proc/self/fd")),
        "0\n1\n2\n0\n1\n2\n3\n"
    );
    drop(keep);
}

fn row_57() {
    let script = "(echo x > /proc/1/exe) 2> /dev/null && echo wrote; readlink /proc/1/exe";
    assert_eq!(
        try_run(&Fixture::new().shell(script)).expect("runs").stdout,
        "/bin/busybox\n"
    );
    // The command, or a script's interpreter, as a link to the program that starts it.
    let error = try_run(&Fixture::new().step(&["/proc/self/exe"])).expect_err("the program itself");
    assert!(error.to_string().contains("link of /proc"), "{error}");
    let fixture = Fixture::new();
    let script = fixture.layer().join("script");
    std::fs::write(&script, "#!/proc/self/exe\n").expect("script");
    crate::fixture::open_directory(&script, 0o755);
    let before = std::fs::metadata("/proc/self/exe").expect("program").len();
    // It starts the test program inside, which cannot find its loader or its place; nothing may be written.
    let _ = try_run(&fixture.step(&["/script"]));
    assert_eq!(
        std::fs::metadata("/proc/self/exe").expect("program").len(),
        before
    );
}

fn row_59() {
    let script = "for n in 0 1 2; do readlink /proc/self/fd/$n; done | cut -d: -f1";
    assert_eq!(succeed(&Fixture::new().shell(script)), "/dev/null\npipe\npipe\n");
}

fn row_62() {
    let script = "mkdir /sys/fs/cgroup/x 2> /dev/null && echo made; (echo 1 > /sys/fs/cgroup/cgroup.procs) 2> /dev/null && echo wrote; grep -v -e ':/$' -e ':/\\.\\.' /proc/self/cgroup; true";
    assert_eq!(succeed(&Fixture::new().shell(script)), "");
}

/// Uses the filter's decision through a real process: the test program is not in the root, so a tool of the host is bound.
fn row_63() {
    let python = std::path::Path::new("/usr/bin/python3");
    if !python.exists() {
        return; // The decisions themselves are tested beside the filter.
    }
    let fixture = Fixture::new();
    let script = "import socket\nfor family in (38, 40):\n    try:\n        socket.socket(family, socket.SOCK_SEQPACKET)\n        print('open')\n    except OSError as error:\n        print(error.errno)\n";
    let mut step = fixture.step(&["/usr/bin/python3", "-c", script]);
    for name in ["usr", "lib", "lib64"] {
        let source = std::path::Path::new("/")
            .join(name)
            .canonicalize()
            .expect("a directory of the host");
        step.mounts.push(praxis_sandbox::Mount::Bind {
            source: praxis_sandbox::Source::Path(source),
            target: format!("/{name}").into(),
            writable: false,
        });
    }
    assert_eq!(succeed(&step), "97\n97\n");
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn row_64() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("praxis-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("address");
    let _listener = UnixListener::bind_addr(&address).expect("listen");
    let mut step = Fixture::new().shell(&format!("grep -c {name} /proc/net/unix; true"));
    let fixture = Fixture::new();
    step.root = fixture.shell("true").root;
    assert_eq!(succeed(&step), "1\n", "the host's network shows it");
    step.root.work = fixture.place.path().join("work-2");
    std::fs::create_dir(&step.root.work).expect("directory");
    step.network = Network::None;
    assert_eq!(succeed(&step), "0\n");
}

/// The sandbox process runs from a read-only mount: even with its file in hand, root cannot open it for writing.
fn the_running_program_cannot_be_written() {
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let mut found = None;
    let fixture = Fixture::new();
    let mut look = |_: u8, _: &[u8]| {
        found = sandbox_process().map(|path| {
            // Truncating asks the mount before it asks whether the file is being executed.
            let mut options = std::fs::OpenOptions::new();
            let error = options
                .write(true)
                .truncate(true)
                .open(path.join("exe"))
                .expect_err("it was opened");
            cancel.store(true, std::sync::atomic::Ordering::Relaxed);
            error.raw_os_error()
        });
    };
    praxis_sandbox::run(&fixture.shell("echo started; sleep 1000"), &mut look, &cancel).expect("runs");
    const READ_ONLY_FILE_SYSTEM: i32 = 30;
    assert_eq!(found, Some(Some(READ_ONLY_FILE_SYSTEM)));
}

fn sandbox_process() -> Option<std::path::PathBuf> {
    let own = format!("PPid:\t{}\n", std::process::id());
    std::fs::read_dir("/proc")
        .expect("proc")
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| {
            std::fs::read(path.join("cmdline")).is_ok_and(|line| line.starts_with(b"praxis-sandbox-init"))
                && std::fs::read_to_string(path.join("status")).is_ok_and(|status| status.contains(&own))
        })
}
