//! What `praxis check --fix` mends is the file that was meant, and builds to the image that was meant.

use std::fs;

use crate::bench::{Bench, run, text};

/// Like the example's Dockerfile, of COPY alone.
const CLEAN: &str = r#"# localhost/example/base:1
FROM localhost/example/base:1@{D} AS builder
COPY app /opt/app

# localhost/example/base:1
FROM localhost/example/base:1@{D}
COPY --chmod=0644 <<EOF /etc/passwd
root:*:0:0:root:/root:/usr/sbin/nologin
app:*:10001:10001:app:/nonexistent:/usr/sbin/nologin
EOF
COPY --from=builder /opt/app /opt/app
LABEL org.opencontainers.image.base.name="localhost/example/base:1" \
      org.opencontainers.image.base.digest="{D}"
USER 10001:10001
ENTRYPOINT ["/opt/app"]
"#;

/// A drift: its rule, what is replaced by what, and whether it changes the image.
const DRIFTS: [(&str, &str, &str, bool); 6] = [
    (
        "PX102",
        "# localhost/example/base:1\nFROM localhost/example/base:1@{D} AS",
        "# localhost/example/base:0\nFROM localhost/example/base:1@{D} AS",
        false,
    ),
    (
        "PX104",
        "digest=\"{D}\"",
        "digest=\"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
        true,
    ),
    (
        "PX105",
        "base.name=\"localhost/example/base:1\"",
        "base.name=\"builder\"",
        true,
    ),
    (
        "PX105",
        "base.name=\"localhost/example/base:1\"",
        "base.name=\"localhost/example/base:0\"",
        true,
    ),
    (
        "PX302",
        "/nonexistent:/usr/sbin/nologin",
        "/nonexistent:/bin/bash",
        true,
    ),
    ("PX302", "/root:/usr/sbin/nologin", "/root:/bin/sh", true),
];

struct Mending {
    bench: Bench,
    digest: String,
}

impl Mending {
    fn new() -> Mending {
        let bench = Bench::new();
        bench.write("app", "the program");
        let mut copy = bench.praxis("store");
        copy.args(["copy", "oci-layout:base", "localhost/example/base:1"]);
        let copied = run(copy);
        assert_eq!(copied.code, Some(0), "{}", copied.stderr);
        let digest = bench.base.manifest().to_string();
        Mending { bench, digest }
    }

    fn write(&self, dockerfile: &str) -> String {
        let whole = dockerfile.replace("{D}", &self.digest);
        self.bench.write("Dockerfile", &whole);
        whole
    }

    /// What `--fix` makes of the Dockerfile.
    fn fix(&self) -> String {
        let mut fix = self.bench.praxis("store");
        fix.args(["check", "--fix", "--fail-on=never", "context"]);
        let fixed = run(fix);
        assert_eq!(fixed.code, Some(0), "{}{}", text(&fixed.stdout), fixed.stderr);
        fs::read_to_string(self.bench.path("context/Dockerfile")).unwrap()
    }

    fn shown(&self) -> String {
        let mut check = self.bench.praxis("store");
        check.args(["check", "--fail-on=never", "context"]);
        text(&run(check).stdout).to_string()
    }
}

#[test]
fn mended_files_build_to_the_image_that_was_meant() {
    let mending = Mending::new();
    let clean = mending.write(CLEAN);
    let meant = mending.bench.digest(&["-t", "app:1"]);
    for (rule, from, to, changes) in DRIFTS {
        let drifted = CLEAN.replacen(from, to, 1);
        assert_ne!(drifted, CLEAN, "{rule}");
        mending.write(&drifted);
        let shown = mending.shown();
        assert!(shown.contains(&format!("[{rule}]")), "{rule}: {shown}");
        let built = mending.bench.digest(&["-t", "app:2"]);
        assert_eq!(built != meant, changes, "{rule}: {to}");
        assert_eq!(mending.fix(), clean, "{rule}");
        assert_eq!(mending.bench.digest(&["-t", "app:3"]), meant, "{rule}");
    }
}

/// Fixes that do not touch each other are made together.
#[test]
fn several_drifts_are_mended_together() {
    let mending = Mending::new();
    let clean = mending.write(CLEAN);
    let meant = mending.bench.digest(&["-t", "app:1"]);
    let drifted = [0, 1, 2, 4, 5]
        .into_iter()
        .fold(CLEAN.to_string(), |text, drift| {
            let (_, from, to, _) = DRIFTS[drift];
            text.replacen(from, to, 1)
        });
    mending.write(&drifted);
    assert_eq!(mending.fix(), clean);
    assert_eq!(mending.bench.digest(&["-t", "app:2"]), meant);
}
