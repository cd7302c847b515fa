# praxis in an image of its own. The digests name the bases that bases/*.lock describe; scripts/own-image builds them.

# localhost/praxis/rust:forky
FROM localhost/praxis/rust:forky@sha256:9db3a8c168a0e52f2a689c08ff45e376aedb245ddd0e63863aa65234ddb85e16 AS builder
ENV CARGO_HOME=/var/cache/cargo \
    CARGO_TERM_COLOR=never \
    CARGO_INCREMENTAL=0
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY crates crates
# Cargo.lock holds the digest of every crate, so the cache can only save their download. What was compiled is kept in this
# stage alone, for the variants: a cache of it would make the binary depend on builds before.
RUN --mount=type=cache,id=praxis-cargo,target=/var/cache/cargo <<EOF
set -eu
cargo auditable build --release --locked --package praxis
install -D --mode=0755 target/release/praxis /out/praxis
EOF

FROM builder AS builder-tsa
RUN --mount=type=cache,id=praxis-cargo,target=/var/cache/cargo <<EOF
set -eu
cargo auditable build --release --locked --package praxis --features tsa
install -D --mode=0755 target/release/praxis /out/praxis
EOF

FROM builder AS builder-postgres
RUN --mount=type=cache,id=praxis-cargo,target=/var/cache/cargo <<EOF
set -eu
cargo auditable build --release --locked --package praxis --features postgres
install -D --mode=0755 target/release/praxis /out/praxis
EOF

# localhost/praxis/praxis-runtime:trixie
FROM localhost/praxis/praxis-runtime:trixie@sha256:4f67cf79a8bf8eae9ff238347e37d58eb2fa32d4ca8462d106780180f83d2e5d AS runtime
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1980-01-01T00:00:00Z
# No login shell and no password; the files are declared because the base has no tools to edit them.
COPY --chmod=0644 <<EOF /etc/passwd
root:*:0:0:root:/root:/usr/sbin/nologin
praxis:*:10001:10001:praxis service:/nonexistent:/usr/sbin/nologin
nobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
EOF
COPY --chmod=0644 <<EOF /etc/group
root:*:0:
praxis:*:10001:
nogroup:*:65534:
EOF
LABEL org.opencontainers.image.title="praxis" \
      org.opencontainers.image.description="Builds, checks, signs and releases container images without daemon and root" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="localhost/praxis/praxis-runtime:trixie" \
      org.opencontainers.image.base.digest="sha256:4f67cf79a8bf8eae9ff238347e37d58eb2fa32d4ca8462d106780180f83d2e5d" \
      io.praxis.governance="docs/adr/0006-bases-from-debian.md docs/adr/0031-own-image.md"
# The store lies where the operator mounts a volume, in a directory of its own: volumes belong to root and a group. Without one
# nothing but the store is missing.
ENV PATH=/usr/local/bin:/usr/bin:/bin \
    PRAXIS_ROOT=/var/lib/praxis/store
WORKDIR /srv
USER 10001:10001
STOPSIGNAL SIGTERM
# Tools for agents over standard input and output; any other command of praxis takes their place.
ENTRYPOINT ["/usr/local/bin/praxis"]
CMD ["serve"]

# With RFC 3161 timestamps: the tags end in -tsa.
FROM runtime AS runtime-tsa
COPY --from=builder-tsa /out/praxis /usr/local/bin/praxis
LABEL io.praxis.variant="tsa"

# With what servers share in PostgreSQL: the tags end in -postgres.
FROM runtime AS runtime-postgres
COPY --from=builder-postgres /out/praxis /usr/local/bin/praxis
LABEL io.praxis.variant="postgres"

# The usual image, without extras.
FROM runtime
COPY --from=builder /out/praxis /usr/local/bin/praxis
