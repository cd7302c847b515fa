use super::*;

fn parse(text: &str) -> Result<GitAddress, String> {
    GitAddress::parse(text, Local::Refused).map_err(|error| error.message)
}

#[track_caller]
fn parts(text: &str) -> (String, Option<String>, Option<String>) {
    let address = parse(text).unwrap();
    (address.remote, address.reference, address.subdirectory)
}

fn some(text: &str) -> Option<String> {
    Some(text.into())
}

#[test]
fn fragments() {
    let remote = "https://example.org/a/b.git".to_string();
    assert_eq!(parts("https://example.org/a/b.git"), (remote.clone(), None, None));
    assert_eq!(
        parts("https://example.org/a/b.git#main"),
        (remote.clone(), some("main"), None)
    );
    assert_eq!(
        parts("https://example.org/a/b.git#feature/x:sub/dir"),
        (remote.clone(), some("feature/x"), some("sub/dir"))
    );
    assert_eq!(
        parts("https://example.org/a/b.git#:sub"),
        (remote, None, some("sub"))
    );
    assert_eq!(
        parts("git@example.org:a/b.git#v1"),
        ("git@example.org:a/b.git".into(), some("v1"), None)
    );
    assert_eq!(
        parts("github.com/a/b#v1"),
        ("https://github.com/a/b".into(), some("v1"), None)
    );
}

#[test]
fn queries() {
    let at = |query: &str| parse(&format!("https://example.org/b.git?{query}"));
    assert_eq!(at("tag=v1").unwrap().reference, some("refs/tags/v1"));
    assert_eq!(at("branch=main").unwrap().reference, some("refs/heads/main"));
    assert_eq!(at("ref=main&subdir=a%2Fb").unwrap().subdirectory, some("a/b"));
    let by_commit = at("commit=0123456789ABCDEF0123456789abcdef01234567").unwrap();
    assert_eq!(by_commit.reference, by_commit.commit);
    let named = at("ref=main&commit=0123456").unwrap();
    assert_eq!((named.reference, named.commit), (some("main"), some("0123456")));
    let flags = at("submodules=0&keep-git-dir").unwrap();
    assert_eq!(
        (flags.submodules, flags.keep_git_directory),
        (Some(false), Some(true))
    );
    for bad in [
        "tag=a&branch=b",
        "ref=a&ref=b",
        "ref=",
        "depth=1",
        "commit=xyz1234",
        "commit=012345",
        "submodules=maybe",
        "subdir=%2",
        "mtime=now",
    ] {
        assert!(at(bad).is_err(), "{bad}");
    }
    assert!(parse("https://example.org/b.git?ref=a#b").is_err());
    assert!(parse("https://example.org/b.git?ref=a#a").is_ok());
}

#[test]
fn what_names_a_repository() {
    for text in [
        "git://h/x",
        "ssh://git@h/x",
        "git@h:x",
        "https://h/x.git#a",
        "http://h/x.git?ref=a",
        "github.com/a/b",
    ] {
        assert!(GitAddress::names(text, Local::Refused), "{text}");
    }
    for text in [
        "https://h/x.tar.gz",
        "https://h/x#y.git",
        ".",
        "a/b.git",
        "file:///x.git",
        "-x@h:y",
        "ext::sh -c x",
    ] {
        assert!(!GitAddress::names(text, Local::Refused), "{text}");
    }
    assert!(GitAddress::names("file:///x.git", Local::Allowed));
}

#[test]
fn row_52_a_subdirectory_never_climbs() {
    for path in ["a/../..", "..", "../x", "a/..", "%2e%2e/x"] {
        let error = parse(&format!("https://h/x.git#main:{path}")).unwrap_err();
        assert!(error.contains("climbs"), "{path}: {error}");
    }
    assert!(parse("https://h/x.git#main:a..b/c").is_ok());
}

#[test]
fn row_54_nothing_is_taken_for_an_option() {
    for text in [
        "https://h/x.git#--upload-pack=touch x",
        "https://h/x.git#--upload-pack=x",
        "https://h/x.git#-x",
        "https://h/x.git?ref=--upload-pack%3Dx",
        "https://h/x.git?branch=..%2Fx",
        "https://h/x.git#a b",
        "https://h/x.git#a%0Ab",
        "https://h/x.git#+a",
        "https://h/x.git#a*",
        "https://h/x.git#a@{1}",
        "ssh://-oProxyCommand=x/y",
        "ssh://git@-oProxyCommand=x/y",
        "--upload-pack=x",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
    assert!(!GitAddress::names("git@-oProxyCommand=x:y", Local::Refused));
}

#[test]
fn row_55_files_of_this_machine_are_for_the_command_line() {
    let error = parse("file:///tmp/x.git").unwrap_err();
    assert!(error.contains("only be the main build context"), "{error}");
    let place = tempfile::tempdir().unwrap();
    let text = format!("file://{}#main", place.path().display());
    let address = GitAddress::parse(&text, Local::Allowed).unwrap();
    assert_eq!(address.transport, Transport::File);
}

#[test]
fn passwords_are_not_shown() {
    let address = parse("https://me:canary@example.org/b.git#main").unwrap();
    assert_eq!(address.to_string(), "https://xxxxx@example.org/b.git");
    assert_eq!(address.host(), "example.org");
    assert_eq!(address.site().unwrap(), "https://example.org/");
    let error = parse("https://me:canary@example.org/b.git?keep-git-dir=1").unwrap_err();
    assert!(
        !error.contains("canary") && error.contains("GIT_AUTH_TOKEN"),
        "{error}"
    );
}

#[test]
fn a_checksum_must_agree() {
    let address = parse("https://h/b.git?ref=main&commit=0123456789").unwrap();
    assert!(address.clone().with_commit("01234567").is_ok());
    assert!(address.with_commit("7654321").is_err());
}
