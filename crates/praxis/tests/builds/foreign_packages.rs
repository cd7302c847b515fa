//! Bases from Debian's packages of other processors: real packages of the machine's mirror, one index, cross
//! builds, and RUN steps under an emulator.

use std::fs;
use std::process::Command;

use crate::bench::{Bench, run};

const RECIPE: &str = r#"
name = "tiny"
architectures = ["amd64", "arm64"]
minimal = true
packages = ["busybox-static"]
exclude = ["/usr/share/*"]

[[sources]]
archive = "debian"
suites = ["trixie"]
components = ["main"]
keyring = "keys/debian-archive.asc"
fingerprints = ["04B54C3CDCA79751B16BC6B5225629DF75B188BD", "41587F7DB8C774BCCF131416762F67A0B2C39DE4"]

[[files]]
path = "/bin/sh"
link = "/usr/bin/busybox"

[image]
cmd = ["sh"]
"#;

/// The name the base gets.
const NAME: &str = "localhost/praxis/tiny:1";

/// What says how the mirror is reached.
const NETWORK: [&str; 10] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PRAXIS_MIRROR",
    "SSL_CERT_FILE",
    "LANG",
    "HOME",
];

/// `praxis` on a store, with the way to the mirror in its environment.
fn praxis(bench: &Bench, store: &str, arguments: &[&str]) -> Command {
    let mut command = bench.praxis(store);
    let known = NETWORK
        .iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.envs(known).args(arguments);
    command
}

/// A bench with the recipe and its lock; nothing where the machine's mirror is out of reach.
fn locked(dockerfile: &str) -> Option<Bench> {
    let bench = Bench::with(dockerfile);
    fs::create_dir(bench.path("context/keys")).unwrap();
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bases/keys/debian-archive.asc");
    fs::copy(keys, bench.path("context/keys/debian-archive.asc")).unwrap();
    bench.write("tiny.toml", RECIPE);
    let made = run(praxis(&bench, "store", &["base", "lock", "context/tiny.toml"]));
    if made.code == Some(1) && (made.says("cannot fetch ") || made.says("no mirror")) {
        println!(
            "SKIPPED: the machine's Debian mirror is out of reach: {}",
            made.stderr
        );
        return None;
    }
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    Some(bench)
}

/// `praxis base build` for platforms.
fn base_build(bench: &Bench, store: &str, platforms: &str) -> Command {
    let arguments = [
        "base",
        "build",
        "--progress",
        "plain",
        "context/tiny.toml",
        "--platform",
    ];
    praxis(bench, store, &[&arguments[..], &[platforms, "-t", NAME]].concat())
}

/// The processor that a program is for, as its ELF header says.
fn machine(bench: &Bench, program: &str) -> u16 {
    let bytes = fs::read(bench.path(program)).unwrap();
    assert!(bytes.starts_with(b"\x7fELF"), "{program}");
    u16::from_le_bytes([bytes[18], bytes[19]])
}

const CROSS: &str = "FROM --platform=$BUILDPLATFORM localhost/praxis/tiny:1 AS build\nARG TARGETARCH\n\
                     RUN echo \"for $TARGETARCH on $(busybox uname -m)\" > /made\n\
                     FROM localhost/praxis/tiny:1\nCOPY --from=build /made /made\n";

/// The end of a foreign step that leaves what it is told, and who it is.
const EMULATED: &str = "FROM localhost/praxis/tiny:1\n\
                        RUN uname -m > /made && id -u >> /made && chown 5:6 /made && ls -ln /made | cut -c1-40\n\
                        RUN [\"sh\", \"-c\", \"echo called $0; ls /proc/sys/fs/binfmt_misc\"]\n";

#[test]
fn packages_of_another_processor_become_a_base_that_runs() {
    let Some(bench) = locked(CROSS) else { return };
    let both = "linux/arm64,linux/amd64";
    let digest = run(base_build(&bench, "store", both)).digest();
    if let Some(ended) = bench.as_user(base_build(&bench, "home/store", both)) {
        assert_eq!(digest, ended.digest());
    }
    let built = bench.build(&["--platform", both, "-o", "out/files"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    for (architecture, number) in [("amd64", 62), ("arm64", 183)] {
        let top = format!("out/files/linux_{architecture}");
        let made = fs::read_to_string(bench.path(&format!("{top}/made"))).unwrap();
        assert_eq!(
            made,
            format!("for {architecture} on {}\n", std::env::consts::ARCH)
        );
        assert_eq!(machine(&bench, &format!("{top}/usr/bin/busybox")), number);
    }
    bench.write("Dockerfile", EMULATED);
    let built = bench.build(&["--platform", both, "-o", "out/emulated"]);
    if !can_emulate() {
        println!("SKIPPED: RUN of arm64 needs Linux 6.7 and qemu-user-static; this machine must refuse it");
        assert!(
            built.error(1).contains("without an emulator for arm64"),
            "{}",
            built.stderr
        );
        return;
    }
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let made = fs::read_to_string(bench.path("out/emulated/linux_arm64/made")).unwrap();
    assert_eq!(made, "aarch64\n0\n");
    assert!(built.says("called sh"), "{}", built.stderr);
    let top = bench.path("out/emulated/linux_arm64");
    let stray = |path: &&std::path::PathBuf| path.to_string_lossy().contains("qemu");
    assert_eq!(praxis_testkit::files_below(&top).iter().find(stray), None);
    let roots = bench.digest(&["--platform", both]);
    if let Some(users) = bench.digest_as_user(&["--platform", both]) {
        assert_eq!(roots, users);
    }
    bench.assert_clean("store");
}

/// Whether this machine must be able to run programs of arm64: it has an emulator, and handlers of namespaces.
pub fn can_emulate() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release
        .split(['.', '-'])
        .map(|part| part.trim().parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let handlers = fs::read_to_string("/proc/filesystems")
        .unwrap()
        .contains("binfmt_misc");
    version >= (6, 7) && handlers && std::path::Path::new("/usr/bin/qemu-aarch64-static").exists()
}
