use super::tests::{copy, error, good, history, run, variable};
use crate::{Mode, MountKind, Origin, Sharing, Source};

#[test]
fn here_documents_become_scripts() {
    let plan = good("FROM plain\nRUN <<E\na\n b\nE\n");
    assert_eq!(run(&plan).arguments, ["/bin/sh", "-c", "a\n b\n"]);
    let plan = good("FROM plain\nRUN <<-E\n\t#!/bin/awk -f\n\tx\n\tE\n");
    assert_eq!(run(&plan).arguments, ["/bin/sh", "-c", "/dev/pipes/E"]);
    assert_eq!(run(&plan).files[0].path, "/dev/pipes/E");
    assert_eq!(run(&plan).files[0].content, "#!/bin/awk -f\nx\n");
    let plan = good("FROM plain\nRUN cat <<A 5<<-'B' | sh\na\nA\n\tb\n\tB\n");
    assert_eq!(run(&plan).arguments[2], "cat <<A 5<<-'B' | sh\na\nA\n\tb\nB");
}

#[test]
fn copies_know_where_from_and_where_to() {
    let plan = good("FROM full\nENV n= f=file\nCOPY --from=plain --chmod=u=rwX ${f}.txt *.$f $n\n");
    let copied = copy(&plan);
    assert!(matches!(&copied.origin, Origin::Image(image) if image.reference == "plain"));
    assert_eq!(
        copied.sources,
        [Source::Path("file.txt".into()), Source::Path("*.file".into())]
    );
    assert_eq!(
        (copied.destination.as_str(), copied.destination_is_directory),
        ("/srv", true)
    );
    assert_eq!(copied.mode, Some(Mode::Symbolic("u=rwX".into())));
    assert_eq!(
        history(&plan).last().unwrap(),
        "COPY --chmod=u=rwX file.txt *.file  # praxis"
    );
    let plan = good("FROM plain\nWORKDIR /w/one\nCOPY --from=dir a ../up/./x\n");
    let copied = copy(&plan);
    assert_eq!(copied.origin, Origin::Directory("dir-id".into()));
    assert_eq!(
        (copied.destination.as_str(), copied.destination_is_directory),
        ("/w/up/x", false)
    );
}

#[test]
fn inline_files_are_expanded_unless_quoted() {
    let plan = good("FROM plain\nENV v=V\nCOPY --chown=$v <<A <<\"B\" c /d/\n\\$v ${v} '$v'\nA\n$v\nB\n");
    let inline = |name: &str, content: &str| Source::Inline {
        name: name.into(),
        content: content.into(),
    };
    assert_eq!(
        copy(&plan).sources,
        [
            Source::Path("c".into()),
            inline("A", "$v V 'V'\n"),
            inline("B", "$v\n")
        ]
    );
    assert_eq!(history(&plan)[1], "COPY --chown=V c <<A <<B /d/ # praxis");
}

#[test]
fn remote_sources_are_for_add() {
    let sources = |line: &str| copy(&good(&format!("FROM plain\n{line}\n"))).sources.clone();
    assert_eq!(sources("ADD https://h/f /f"), [Source::Url("https://h/f".into())]);
    for git in [
        "https://h/r.git#v1:sub",
        "git@h:o/r.git",
        "ssh://git@h/r",
        "git://h/r",
    ] {
        assert_eq!(sources(&format!("ADD {git} /f")), [Source::Git(git.into())]);
    }
    assert_eq!(sources("ADD a@b.txt /f"), [Source::Path("a@b.txt".into())]);
    for (line, message) in [
        ("COPY https://h/f /f", "source can't be a URL for COPY: use ADD"),
        (
            "COPY git@h:o/r.git /f",
            "source can't be a git ref for COPY: use ADD",
        ),
        (
            "ADD --checksum=sha256:00 f /f",
            "checksum requires HTTP(S) or Git sources",
        ),
        (
            "COPY --chmod=64a f /f",
            "invalid chmod parameter: '64a'. it should be octal string and between 0 and 07777",
        ),
    ] {
        assert_eq!(error(&format!("FROM plain\n{line}\n")), message);
    }
}

#[test]
fn mounts_of_every_kind() {
    let text = "FROM full\nARG what=dir\nRUN --mount=source=$what,target=in --mount=type=cache,target=/c,sharing=locked \
                --mount=type=tmpfs,target=/t,size=1k --mount=type=secret,id=a/b,required --mount=type=secret,id=e,env=E \
                --mount=type=ssh --mount=from=dir,source=../x,target=/y,rw true\n";
    let plan = good(text);
    let mounts = &run(&plan).mounts;
    let targets: Vec<&str> = mounts.iter().map(|mount| mount.target.as_str()).collect();
    assert_eq!(
        targets,
        [
            "/srv/in",
            "/c",
            "/t",
            "/run/secrets/b",
            "",
            "/run/buildkit/ssh_agent.5",
            "/y"
        ]
    );
    assert_eq!(
        mounts[0].kind,
        MountKind::Bind {
            origin: Origin::Context,
            source: "/dir".into(),
            writable: false
        }
    );
    assert!(
        matches!(&mounts[1].kind, MountKind::Cache { id, sharing: Sharing::Locked, origin: None, .. } if id == "/c")
    );
    assert_eq!(mounts[2].kind, MountKind::Tmpfs { size: Some(1024) });
    assert!(
        matches!(&mounts[3].kind, MountKind::Secret { id, required: true, mode: 0o400, .. } if id == "a/b")
    );
    assert!(matches!(&mounts[4].kind, MountKind::Secret { environment: Some(name), .. } if name == "E"));
    assert!(matches!(&mounts[6].kind, MountKind::Bind { source, writable: true, .. } if source == "/x"));
    assert_eq!(
        variable(&plan, "SSH_AUTH_SOCK"),
        Some("/run/buildkit/ssh_agent.5")
    );
    assert!(error("FROM plain\nRUN --mount=target=/ true\n").starts_with("invalid mount target \"/\""));
    assert!(
        error("FROM plain\nRUN --mount=type=$t,target=/x true\n").starts_with("unsupported mount type \"\"")
    );
    assert_eq!(
        error("FROM plain\nRUN --device=gpu,required true\n"),
        "device \"gpu\" is required, and praxis passes no devices to RUN"
    );
}

#[test]
fn a_working_directory_has_an_end() {
    let deep = format!("WORKDIR {}\n", "a/".repeat(1500));
    let plan = good(&format!("FROM plain\n{deep}"));
    assert_eq!(plan.stages[0].config.config.working_dir.len(), 3000);
    assert!(error(&format!("FROM plain\n{deep}{deep}")).contains("longer than 4095 bytes"));
}
