//! A canary in every place that takes a secret, a build argument or an address: where it is found afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use praxis_testkit::files_below;

use crate::bench::{Bench, Ended, run};

/// The last three bytes are left out of what is looked for, so that the forms in base64 can be, at each of the three
/// offsets that a text may have.
fn forms(canary: &str) -> Vec<Vec<u8>> {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut forms = vec![canary.as_bytes().to_vec()];
    for skipped in 0..3 {
        let whole = &canary.as_bytes()[skipped..];
        let whole = &whole[..whole.len() / 3 * 3];
        let encoded = whole.chunks(3).flat_map(|three| {
            let bits = three
                .iter()
                .fold(0usize, |bits, byte| bits << 8 | usize::from(*byte));
            [18, 12, 6, 0].map(|shift| DIGITS[bits >> shift & 63])
        });
        forms.push(encoded.collect());
    }
    forms
}

fn holds(bytes: &[u8], form: &[u8]) -> bool {
    memchr::memmem::find(bytes, form).is_some()
}

fn unpacked(path: &Path, bytes: &[u8]) -> Vec<u8> {
    let program = match bytes {
        [0x1f, 0x8b, ..] => "gzip",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "zstd",
        _ => return Vec::new(),
    };
    Command::new(program)
        .arg("-dc")
        .arg(path)
        .output()
        .unwrap()
        .stdout
}

/// Those of `canaries` that are in files or names below `directory`, also compressed or in base64.
fn found<'a>(directory: &Path, canaries: &[&'a str]) -> BTreeSet<(&'a str, String)> {
    let mut found = BTreeSet::new();
    for path in files_below(directory) {
        let bytes = fs::read(&path).unwrap();
        let inside = unpacked(&path, &bytes);
        let name = path.display().to_string();
        for canary in canaries {
            let there =
                |form: &Vec<u8>| holds(&bytes, form) || holds(&inside, form) || holds(name.as_bytes(), form);
            if forms(canary).iter().any(there) {
                found.insert((*canary, name.clone()));
            }
        }
    }
    found
}

const FILE: &str = "canary-file-8f31aa02";
const VARIABLE: &str = "canary-variable-77b0";
/// Of a kind that many know: other values are on record, as what the build was asked for.
const UNDECLARED: &str = "npm_canary-undeclared-4c";
const PROXY: &str = "canary-proxy-password";
const ADDRESS: &str = "canary-address-passwd";
const REPOSITORY: &str = "canary-git-password-1";
const LABEL: &str = "canary-of-a-label-001";
const ARGUMENT: &str = "canary-of-an-argument";
const TOKEN: &str = "ghp_canary0123456789abcdef";
const SECRET: [&str; 6] = [FILE, VARIABLE, UNDECLARED, PROXY, ADDRESS, REPOSITORY];

/// Answers everything with a file.
fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        }
    });
    address
}

fn bench(address: &str) -> Bench {
    let bench = Bench::with(&format!(
        "FROM base\nARG DECLARED\nARG API_TOKEN\nARG PLAIN\n\
         ADD http://user:{ADDRESS}@{address}/file /added\n\
         RUN --mount=type=secret,id=file,required --mount=type=secret,id=variable,env=INSIDE,required \
         test \"$INSIDE\" = {VARIABLE_START}\"$(printf %s 77b0)\" && test -s /run/secrets/file && sleep 0.3\n\
         RUN test -n \"$http_proxy\" && test -n \"$DECLARED\"\nUSER 1\nRUN ! env | grep canary-var\n",
        VARIABLE_START = &VARIABLE[..VARIABLE.len() - 4],
    ));
    fs::write(bench.path("file"), FILE).unwrap();
    fs::set_permissions(
        bench.path("file"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    bench
}

fn command(bench: &Bench, store: &str, out: &str, progress: &str) -> Command {
    let output = format!("type=oci,dest={out}/image.tar");
    let metadata = format!("{out}/metadata.json");
    let mut arguments: Vec<String> = [
        "--progress",
        progress,
        "-o",
        &output,
        "--metadata-file",
        &metadata,
        "--secret",
        "id=file,src=file",
        "--secret",
        "id=variable,env=OUTSIDE",
        "--label",
    ]
    .map(String::from)
    .to_vec();
    arguments.push(format!("from.the.caller={LABEL}"));
    for (name, value) in [
        ("UNDECLARED", UNDECLARED.to_string()),
        ("http_proxy", format!("http://user:{PROXY}@127.0.0.1:9/")),
        ("DECLARED", ARGUMENT.into()),
        ("PLAIN", TOKEN.into()),
    ] {
        arguments.extend(["--build-arg".into(), format!("{name}={value}")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut command = bench.praxis(store);
    command
        .args(["build", "--build-context", "base=oci-layout://base"])
        .args(arguments)
        .arg("context")
        .env("OUTSIDE", VARIABLE);
    command
}

/// Looks at the arguments of every process but praxis's own, which hold what the caller wrote there.
fn watched<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    let done = Arc::new(AtomicBool::new(false));
    let stop = done.clone();
    let watcher = std::thread::spawn(move || {
        let mut seen = BTreeSet::new();
        while !stop.load(Ordering::Relaxed) {
            for entry in fs::read_dir("/proc").unwrap().flatten() {
                let Ok(line) = fs::read(entry.path().join("cmdline")) else {
                    continue;
                };
                for canary in [FILE, VARIABLE, ADDRESS, REPOSITORY] {
                    if holds(&line, canary.as_bytes()) && !holds(&line, b"--build-context") {
                        seen.insert(String::from_utf8_lossy(&line).into_owned());
                    }
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        seen.into_iter().collect()
    });
    let result = work();
    done.store(true, Ordering::Relaxed);
    (result, watcher.join().unwrap())
}

fn said(ended: &Ended, canaries: &[&str]) -> Vec<String> {
    canaries
        .iter()
        .filter(|canary| ended.says(canary))
        .map(|canary| canary.to_string())
        .collect()
}

#[track_caller]
fn check(bench: &Bench, ended: &Ended, store: &str, out: &str) {
    assert!(bench.path(out).join("image.tar").exists(), "{}", ended.stderr);
    assert_eq!(said(ended, &SECRET), [""; 0], "{}", ended.stderr);
    assert_eq!(found(&bench.path(store), &SECRET), BTreeSet::new());
    assert_eq!(found(&bench.path(out), &SECRET), BTreeSet::new());
    let by_nature = found(&bench.path(out), &[LABEL, ARGUMENT, TOKEN]);
    let image = |path: &str| path.ends_with("image.tar");
    let outside = |path: &str| !image(path) && !path.contains("/store");
    assert_eq!(
        by_nature.iter().filter(|it| image(&it.1)).count(),
        3,
        "{by_nature:?}"
    );
    assert!(!by_nature.iter().any(|it| outside(&it.1)), "{by_nature:?}");
    fs::remove_file(bench.path(out).join("image.tar")).unwrap();
}

#[test]
fn row_67_canaries_are_found_where_they_belong_and_nowhere_else() {
    let bench = bench(&server());
    fs::create_dir_all(bench.path("out")).unwrap();
    let (first, seen) = watched(|| run(command(&bench, "store", "out", "plain")));
    check(&bench, &first, "store", "out");
    assert!(!first.says(TOKEN), "{}", first.stderr);
    assert_eq!(seen, [""; 0]);
    for name in ["API_TOKEN", "PLAIN"] {
        let warned = first
            .stderr
            .lines()
            .any(|line| line.contains("SecretsUsedInArgOrEnv") && line.contains(name));
        assert!(warned, "no warning about {name}: {}", first.stderr);
    }
    for progress in ["rawjson", "quiet", "tty"] {
        let store = format!("store-{progress}");
        let ended = run(command(&bench, &store, "out", progress));
        check(&bench, &ended, &store, "out");
    }
}

#[test]
fn row_67_canaries_of_an_ordinary_user_too() {
    let bench = bench(&server());
    let Some(ended) = bench.as_user(command(&bench, "home/store", "home", "plain")) else {
        return;
    };
    check(&bench, &ended, "home/store", "home");
}

#[test]
fn row_67_errors_name_no_password() {
    let bench = Bench::new();
    for (dockerfile, arguments) in [
        (
            format!("FROM base\nADD http://user:{ADDRESS}@127.0.0.1:9/x /x\n"),
            vec![],
        ),
        (
            format!("FROM base\nADD https://user:{ADDRESS}@127.0.0.1:9/x.git /x\n"),
            vec![],
        ),
        (
            format!("FROM base\nADD --checksum=sha256:1 http://user:{ADDRESS}@127.0.0.1:9/x /x\n"),
            vec![],
        ),
        (
            format!("FROM base\nCOPY http://user:{ADDRESS}@127.0.0.1:9/x /x\n"),
            vec![],
        ),
        (
            format!("FROM base\nADD --chmod=99 http://{ADDRESS}@127.0.0.1:9/x /x\n"),
            vec![],
        ),
        (
            "FROM base\nCOPY --from=c / /x\n".into(),
            vec!["--build-context", "https://user:PASSWORD@127.0.0.1:9/x.git"],
        ),
        (
            "FROM base\nCOPY --from=c / /x\n".into(),
            vec!["--build-context", "http://user:PASSWORD@127.0.0.1:9/x.tar"],
        ),
        (format!("FROM base\nARG a=http://user:{ADDRESS}@h/${{x\n"), vec![]),
    ] {
        bench.write("context/Dockerfile", &dockerfile);
        let context = arguments
            .get(1)
            .map(|value| format!("c={}", value.replace("PASSWORD", REPOSITORY)));
        let given: Vec<&str> = arguments
            .first()
            .copied()
            .into_iter()
            .chain(context.as_deref())
            .collect();
        let ended = bench.build(&given);
        ended.error(1);
        assert_eq!(said(&ended, &[ADDRESS, REPOSITORY]), [""; 0], "{}", ended.stderr);
        assert_eq!(found(&bench.store(), &[ADDRESS, REPOSITORY]), BTreeSet::new());
    }
}
