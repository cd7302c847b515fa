use super::*;
use crate::Command;

fn tree(text: &str) -> Dockerfile {
    let (tree, errors) = parse(&SourceFile::new("Dockerfile", text));
    assert_eq!(errors, [], "{text}");
    tree
}

/// The one instruction after `FROM x`.
fn kind(line: &str) -> Kind {
    let mut tree = tree(&format!("FROM x\n{line}\n"));
    assert_eq!(tree.stages[0].instructions.len(), 1, "{line}");
    tree.stages[0].instructions.remove(0).kind
}

fn error(line: &str) -> String {
    let file = SourceFile::new("Dockerfile", format!("FROM x\n{line}\n"));
    let (_, mut errors) = parse(&file);
    assert_eq!(errors.len(), 1, "{line}: {errors:?}");
    let error = errors.remove(0);
    assert_eq!(file.position(error.span.unwrap().start).line, 2, "{line}");
    error.message
}

#[test]
fn stages_and_global_arguments() {
    let tree = tree("ARG v=1\nFROM --platform=$P a:$v AS One\nRUN x\nfrom One\n");
    assert_eq!(tree.arguments.len(), 1);
    let from = &tree.stages[0].from;
    assert_eq!(
        (from.name.as_deref(), from.written_name.as_deref()),
        (Some("one"), Some("One"))
    );
    assert_eq!(
        (from.base.as_str(), from.platform.as_deref()),
        ("a:$v", Some("$P"))
    );
    assert_eq!(
        (
            tree.stages[0].instructions.len(),
            tree.stages[1].instructions.len()
        ),
        (1, 0)
    );
}

#[test]
fn commands_in_both_forms() {
    assert_eq!(
        kind("CMD echo  \"$x\""),
        Kind::Cmd(Command::Shell("echo  \"$x\"".into()))
    );
    assert_eq!(
        kind("ENTRYPOINT [ \"a\",\"b c\" ]"),
        Kind::Entrypoint(Command::Exec(vec!["a".into(), "b c".into()]))
    );
    assert_eq!(kind("CMD [\"open"), Kind::Cmd(Command::Shell("[\"open".into())));
    assert_eq!(kind("CMD []"), Kind::Cmd(Command::Exec(vec![])));
    assert_eq!(
        error("CMD [1]"),
        "when using JSON array syntax, arrays must be comprised of strings only"
    );
}

#[test]
fn environment_in_both_forms() {
    let pairs = |line| match kind(line) {
        Kind::Env(pairs) | Kind::Label(pairs) => pairs
            .into_iter()
            .map(|pair| format!("{}~{}", pair.key, pair.value))
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        pairs("ENV a=1 b=\"x y\" c=d\\ e"),
        ["a~1", "b~\"x y\"", "c~d\\ e"]
    );
    assert_eq!(pairs("ENV one two = three   four"), ["one~two = three   four"]);
    assert_eq!(pairs("LABEL \"a b\"=c $d=e"), ["\"a b\"~c", "$d~e"]);
    assert_eq!(error("ENV lonely"), "ENV must have two arguments: ENV name=value");
    assert_eq!(
        error("ENV a=b c"),
        "Syntax error - can't find = in \"c\". Must be of the form: name=value"
    );
    assert_eq!(error("ENV =b"), "ENV names can not be blank");
    assert_eq!(error("ARG =b"), "ARG names can not be blank");
}

#[test]
fn copies() {
    let Kind::Copy(copy) =
        kind("COPY --from=s --chown=1:1 --exclude=*.a --exclude=b --link --parents a b /c/\n")
    else {
        panic!("no COPY");
    };
    assert_eq!(
        (copy.sources.join(" "), copy.destination.as_str()),
        ("a b".into(), "/c/")
    );
    assert_eq!(
        (copy.from.as_deref(), copy.chown.as_deref()),
        (Some("s"), Some("1:1"))
    );
    assert_eq!(
        (copy.excludes.join(" "), copy.link, copy.parents),
        ("*.a b".into(), true, true)
    );
    let Kind::Copy(copy) = kind("COPY [\"a b\", \"/c d/\"]") else {
        panic!("no COPY")
    };
    assert_eq!(
        (copy.sources, copy.destination),
        (vec!["a b".to_string()], "/c d/".to_string())
    );
    let Kind::Add(add) = kind("ADD --unpack=false --keep-git-dir --checksum=x <<'E' f /d/\n$x\nE") else {
        panic!("no ADD")
    };
    assert_eq!(
        (add.unpack, add.keep_git_directory, add.checksum.as_deref()),
        (Some(false), true, Some("x"))
    );
    assert_eq!(
        (add.sources.join(" "), add.heredocs[0].raw.as_str()),
        ("f".into(), "$x\n")
    );
    assert!(!add.heredocs[0].expand);
}

#[test]
fn flags_are_checked() {
    for (line, message) in [
        (
            "COPY --chwon=1 a b",
            "unknown flag: --chwon (did you mean chown?)",
        ),
        (
            "COPY --chown=1 --chown=2 a b",
            "duplicate flag specified: --chown",
        ),
        ("COPY --chown a b", "missing a value on flag: --chown"),
        (
            "COPY --link=maybe a b",
            "expecting boolean value for flag --link, not: maybe",
        ),
        (
            "ADD --parents a b",
            "unknown flag: --parents; there are --chown, --chmod, --link, --keep-git-dir, --checksum, --unpack, --exclude",
        ),
        (
            "ENV --x=1 a=b",
            "unknown flag: --x; this instruction has no flags",
        ),
        (
            "RUN --mount=type=nonsense,target=/x true",
            "unsupported mount type \"nonsense\"",
        ),
        (
            "RUN --network=bridge true",
            "invalid network mode \"bridge\": it is default, none or host",
        ),
    ] {
        assert_eq!(error(line), message, "{line}");
    }
}

#[test]
fn errors_point_at_the_word() {
    for (line, word) in [
        ("COPY --from=x --chwon=1 a b", "--chwon"),
        ("RUN --network=bridge true", "bridge"),
        ("HEALTHCHECK TRY x", "TRY"),
        ("COPPY a b", "COPPY"),
        ("ENV a=b c", "c"),
        ("WORKDIR", "WORKDIR"),
    ] {
        let file = SourceFile::new("f", format!("FROM x\n{line}\n"));
        let error = parse(&file).1.remove(0);
        let expected = if word.len() == 1 { line } else { word };
        assert_eq!(file.slice(error.span.unwrap()), expected, "{line}");
    }
}

/// security row 37: an unknown value must not fall back to a laxer one.
#[test]
fn row_37_unknown_security_mode_is_an_error() {
    assert!(error("RUN --security=none true").contains("security mode \"none\" is not valid"));
    let Kind::Run(run) = kind("RUN --security=insecure --network=none true") else {
        panic!("no RUN")
    };
    assert!(run.insecure);
    assert_eq!(run.network, Some(crate::Network::None));
}

#[test]
fn health_checks() {
    let Kind::Healthcheck(check) =
        kind("HEALTHCHECK --interval=5m --start-period=1m30s --retries=4 CMD curl x || exit 1")
    else {
        panic!("no HEALTHCHECK");
    };
    assert_eq!(check.test, ["CMD-SHELL", "curl x || exit 1"]);
    assert_eq!(
        (check.interval, check.start_period, check.retries),
        (300_000_000_000, 90_000_000_000, 4)
    );
    assert!(matches!(kind("HEALTHCHECK none"), Kind::Healthcheck(check) if check.test == ["NONE"]));
    assert_eq!(
        error("HEALTHCHECK --interval=0.5ms CMD x"),
        "Interval \"interval\" cannot be less than 1ms"
    );
    assert_eq!(error("HEALTHCHECK NONE x"), "HEALTHCHECK NONE takes no arguments");
    assert_eq!(
        error("HEALTHCHECK TRY x"),
        "unknown type \"TRY\" in HEALTHCHECK (try CMD)"
    );
    assert_eq!(
        error("HEALTHCHECK --retries=-1 CMD x"),
        "--retries cannot be negative (-1)"
    );
}

#[test]
fn triggers_are_kept_verbatim() {
    assert_eq!(
        kind("onbuild   RUN   echo  x"),
        Kind::Onbuild("RUN   echo  x".into())
    );
    assert_eq!(
        kind("ONBUILD RUN <<E\nhere\nE"),
        Kind::Onbuild("RUN <<E\nhere\nE".into())
    );
    assert_eq!(
        error("ONBUILD ONBUILD RUN x"),
        "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"
    );
    assert_eq!(
        error("ONBUILD from x"),
        "FROM isn't allowed as an ONBUILD trigger"
    );
    assert!(matches!(
        parse_trigger("RUN <<E\nhere\nE").unwrap().kind,
        Kind::Run(_)
    ));
    assert!(
        parse_trigger("FROM x").is_err()
            && parse_trigger("RUN a\nRUN b").is_err()
            && parse_trigger("").is_err()
    );
}

#[test]
fn errors_of_the_whole_file() {
    let errors = |text: &str| parse(&SourceFile::new("f", text)).1;
    assert_eq!(errors("# nothing\n")[0].message, "file with no instructions");
    assert_eq!(
        errors("RUN x\nFROM y\n")[0].message,
        "no build stage in current context"
    );
    assert_eq!(errors("ARG x\n")[0].message, "no build stage in current context");
    let both = errors("FROM x\nCOPPY a b\nWORKDIR\n");
    assert_eq!(both[0].message, "unknown instruction: COPPY (did you mean COPY?)");
    assert_eq!(both[1].message, "WORKDIR requires exactly one argument");
    assert_eq!(errors("FROM x AS 1a\n").len(), 1);
    assert_eq!(errors("FROM x y\n").len(), 1);
}

#[test]
fn the_escape_directive_holds_for_the_file() {
    let tree = tree("# escape=`\nFROM x\nENV a=b` c\nCOPY f `\n  \\g\n");
    let Kind::Env(pairs) = &tree.stages[0].instructions[0].kind else {
        panic!("no ENV")
    };
    assert_eq!(pairs[0].value, "b` c");
    assert_eq!(tree.stages[0].instructions[1].text, "COPY f   \\g");
}

const SEED: &str = "# syntax=x\n# check=skip=all\nARG a=${b:-\"c d\"}\nFROM --platform=$P x AS y\nRUN --mount=type=cache,\
target=/c,\"id=a,b\" --network=none <<A cat 3<<-'B' \\\n # no\n\n | sh\n${a##*/}\nA\n\té\n\tB\nCOPY --chown=${a%%x} \
--from=y [\"a\", \"b c\"] <<E ./\n${a/b/c}\nE\nENV \"a b\"='c' d=\\\"e ${x:?no} é=ü\nENV a  b\nLABEL a=\"b\\\n c\"\n\
HEALTHCHECK --interval=1m3.5s --retries=3 CMD [\"a\"]\nONBUILD RUN <<X\nb\nX\nEXPOSE 1-3/udp $p\nVOLUME [\"/a\"]\n\
SHELL [\"/bin/sh\", \"-c\"]\nADD --checksum=sha256:00 http://x/y /z\nSTOPSIGNAL 9\nUSER a:b\nWORKDIR /x/../y\n";

/// security row 38: malformed input never panics. The changes come from a fixed sequence, so a failure can be
/// repeated.
#[test]
fn row_38_no_text_makes_the_parser_panic() {
    let pieces = [
        "\\", "`", "\"", "'", "${", "}", "<<", "-", "\n", "\r\n", "[", "]", "=", "#", "/", "é", "\u{0}",
        "--", ",", "$", " ", "*", "\u{feff}", "ONBUILD ",
    ];
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    let mut understood = 0;
    for round in 0..4000 {
        let mut text: Vec<char> = SEED.chars().collect();
        for _ in 0..1 + random(8) {
            let at = random(text.len());
            match random(4) {
                0 => drop(text.drain(at..(at + random(12)).min(text.len()))),
                1 => drop(text.splice(at..at, pieces[random(pieces.len())].chars())),
                2 => text.truncate(text.len() - random(text.len() / 4)),
                _ => {
                    let piece: Vec<char> = text[at..(at + random(30)).min(text.len())].to_vec();
                    let to = random(text.len());
                    text.splice(to..to, piece);
                }
            }
        }
        let text: String = text.into_iter().collect();
        let file = SourceFile::new("f", text);
        let (tree, errors) = parse(&file);
        assert!(!errors.is_empty() || !tree.stages.is_empty(), "round {round}");
        for error in &errors {
            assert!(!praxis_source::render(error, &file).is_empty());
        }
        for instruction in tree.instructions() {
            let _ = crate::Expander::new('\\')
                .expand(&instruction.text, &|name| (name == "a").then(|| "v".into()));
            let _ = crate::IgnoreFile::parse(&instruction.text).map(|ignore| ignore.is_ignored("a/b"));
            if let Kind::Run(run) = &instruction.kind {
                for mount in &run.mounts {
                    let _ = mount.options(&mut |value| Ok(value.into()));
                }
            }
            understood += 1;
        }
    }
    assert!(
        understood > 20_000,
        "the changes leave too little to read: {understood}"
    );
}

#[test]
fn small_print_of_instructions() {
    let errors = |text: &str| -> Vec<String> {
        let (_, errors) = parse(&SourceFile::new("f", text));
        errors.into_iter().map(|error| error.message).collect()
    };
    assert_eq!(errors("FROM a\nHEALTHCHECK --interval=5s NONE\n"), [""; 0]);
    assert_eq!(
        errors("FROM a\nCOPY [\"x\", \"<<EOF\"]\n"),
        ["COPY cannot accept a heredoc as a destination"]
    );
    assert_eq!(
        errors("FROM a\nONBUILD ENV a\nONBUILD LABEL a=b c\nONBUILD RUN [1]\nONBUILD ENV a b\n"),
        [
            "ENV must have two arguments: ENV name=value",
            "Syntax error - can't find = in \"c\". Must be of the form: name=value",
            "when using JSON array syntax, arrays must be comprised of strings only"
        ]
    );
}
