//! From a lock to a root file system.

#[allow(dead_code)] // not every test file uses all of it
#[allow(unused_imports)]
mod archive;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use archive::{Archive, BASE, Member, OPTIONS, Package, recipe};
use praxis_debian::{BuildDirectories, BuiltRootFs, DebianError, Recipe, build, lock};
use praxis_layer::{Entry, Kind, Listing, Timestamp, TreePath};

/// 2026-01-02, the archive's date.
const EPOCH: i64 = 1_767_312_000;

fn base_files() -> Package {
    let data = vec![
        Member::Link("bin", "usr/bin"),
        Member::Directory("usr", 0o755),
        Member::Directory("usr/bin", 0o755),
        Member::Directory("tmp", 0o1777),
        Member::File("etc/issue", 0o644, "Debian\n"),
    ];
    let mut package = Package::new("base-files", "13", "Essential: yes", data);
    package.members = vec![
        ("conffiles", "/etc/issue\n"),
        ("postinst", "#!/bin/sh\n"),
        ("md5sums", ""),
    ];
    package
}

struct Bench {
    archive: Archive,
    directory: tempfile::TempDir,
}

impl Bench {
    fn new(packages: &[Package]) -> Bench {
        Bench {
            archive: Archive::new(packages),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn build(&self, recipe: &Recipe) -> Result<BuiltRootFs, DebianError> {
        let lock = lock_of(recipe, &self.archive)?;
        let (cache, work) = (
            self.directory.path().join("cache"),
            self.directory.path().join("work"),
        );
        let directories = BuildDirectories {
            cache: &cache,
            work: &work,
        };
        build(
            recipe,
            &lock,
            "amd64",
            &Archive::mirrors(),
            &self.archive,
            directories,
            &|_| {},
        )
    }
}

fn lock_of(recipe: &Recipe, archive: &Archive) -> Result<praxis_debian::Lock, DebianError> {
    lock(recipe, &Archive::mirrors(), archive, OPTIONS, &|_| {})
}

fn built(packages: &[Package], recipe: &Recipe) -> Result<BuiltRootFs, DebianError> {
    Bench::new(packages).build(recipe)
}

fn minimal(packages: &[&str], tables: &str) -> Recipe {
    recipe(packages, &format!("minimal = true\n---\n{tables}"))
}

fn text(built: &BuiltRootFs, path: &str) -> String {
    let entry = built
        .listing
        .get(&path.into())
        .unwrap_or_else(|| panic!("there is no {path}"));
    let mut text = String::new();
    if !matches!(entry.kind, Kind::File { size: 0, .. }) {
        built
            .content
            .open(entry)
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
    }
    text
}

fn kinds(listing: &Listing) -> BTreeMap<String, String> {
    let describe = |entry: &Entry| match &entry.kind {
        Kind::Directory { .. } => format!("directory {:o}", entry.mode),
        Kind::File { size, .. } => format!("file {:o} {size}", entry.mode),
        Kind::Symlink { target } => format!("link {}", String::from_utf8_lossy(target)),
        Kind::Hardlink { target } => format!("name of {target}"),
        other => format!("{other:?}"),
    };
    listing
        .entries()
        .iter()
        .map(|entry| (entry.path.to_string(), describe(entry)))
        .collect()
}

#[test]
fn paths_through_links_land_where_the_links_lead() {
    let data = vec![
        Member::Directory("bin", 0o755),
        Member::File("bin/hello", 0o4755, "hi"),
        Member::Hard("bin/a", "bin/hello"),
    ];
    let built = built(
        &[base_files(), Package::new("aa", "1", "", data)],
        &minimal(&["aa", "base-files"], ""),
    )
    .unwrap();
    let kinds = kinds(&built.listing);
    assert_eq!(kinds["/bin"], "link usr/bin");
    assert_eq!(kinds["/usr/bin/a"], "file 4755 2");
    assert_eq!(kinds["/usr/bin/hello"], "name of /usr/bin/a");
    assert_eq!(kinds["/tmp"], "directory 1777");
    assert_eq!(kinds["/var/lib/dpkg"], "directory 755");
    assert_eq!(text(&built, "usr/bin/a"), "hi");
}

#[test]
fn the_database_is_what_dpkg_would_have_left() {
    let same = Package::new(
        "libaa",
        "1:2-3",
        "Multi-Arch: same",
        vec![Member::File("usr/lib/a", 0o644, "a")],
    );
    let built = built(&[base_files(), same], &minimal(&["base-files", "libaa"], "")).unwrap();
    let status = text(&built, "var/lib/dpkg/status");
    let first = "Package: base-files\nStatus: install ok installed\nVersion: 13\nArchitecture: amd64\n\
                 Essential: yes\nConffiles:\n /etc/issue 32865e97b5342e762ab140e00f3da23b\nDescription: a test\n";
    assert!(status.starts_with(first), "{status}");
    assert!(
        status.contains("Description: a test\n of packages\n\nPackage: libaa\n"),
        "{status}"
    );
    assert_eq!(
        text(&built, "var/lib/dpkg/info/libaa:amd64.list"),
        "/.\n/usr/lib/a\n"
    );
    assert_eq!(text(&built, "var/lib/dpkg/info/format"), "1\n");
    assert!(
        built
            .listing
            .get(&"var/lib/dpkg/info/base-files.postinst".into())
            .is_none()
    );
    assert!(built.scripts.is_empty());
}

#[test]
fn scripts_are_kept_and_planned_unless_the_recipe_is_minimal() {
    let mut passwd = Package::new("base-passwd", "3", "Essential: yes", vec![]);
    passwd.members = vec![
        ("preinst", "#!/bin/sh\n"),
        ("triggers", "interest-noawait /usr/x\ninterest named\n"),
    ];
    let tables =
        "---\n[[users]]\nname = \"app\"\nuid = 10001\ngid = 10001\n[[groups]]\nname = \"app\"\ngid = 10001\n";
    let built = built(&[base_files(), passwd], &recipe(&["base-files"], tables)).unwrap();
    assert!(text(&built, "var/lib/dpkg/status").contains("Status: install ok unpacked\n"));
    assert_eq!(
        text(&built, "var/lib/dpkg/info/base-files.postinst"),
        "#!/bin/sh\n"
    );
    assert_eq!(
        text(&built, "var/lib/dpkg/triggers/File"),
        "/usr/x base-passwd/noawait\n"
    );
    assert_eq!(text(&built, "var/lib/dpkg/triggers/named"), "base-passwd\n");
    let commands: Vec<String> = built
        .scripts
        .iter()
        .map(|command| command.arguments.join(" "))
        .collect();
    assert_eq!(commands[0], "/var/lib/dpkg/info/base-passwd.preinst install");
    assert!(commands[1].ends_with("--configure base-passwd") && commands[2].ends_with("--configure -a"));
    assert_eq!(commands[3], "groupadd -g 10001 app");
    assert!(commands[4].starts_with("useradd ") && commands[5].starts_with("sh -c "));
    assert!(
        built.scripts[0]
            .environment
            .contains(&format!("SOURCE_DATE_EPOCH={EPOCH}"))
    );
}

#[test]
fn declared_files_users_and_excludes_are_part_of_it() {
    let data = vec![
        Member::Directory("usr/share/doc/aa", 0o700),
        Member::File("usr/share/doc/aa/README", 0o644, "long"),
        Member::File("usr/share/doc/aa/copyright", 0o644, "free"),
        Member::Directory("var/run", 0o755),
        Member::File("usr/share/certs/b.crt", 0o644, "B"),
        Member::File("usr/share/certs/a.crt", 0o644, "A\n"),
    ];
    let text_of_recipe = "minimal = true\nexclude = [\"/usr/share/doc/*\"]\ninclude = [\"/usr/share/doc/*/copyright\"]\n---\n\
        [[users]]\nname = \"root\"\nuid = 0\ngid = 0\nhome = \"/root\"\n\
        [[groups]]\nname = \"root\"\ngid = 0\n\
        [[files]]\npath = \"/bin/tool\"\nmode = \"0750\"\ngid = 5\ncontent = \"t\"\n\
        [[files]]\npath = \"/etc/all.crt\"\nconcatenate = \"/usr/share/certs/*.crt\"\n\
        [[files]]\npath = \"/etc/link\"\nlink = \"all.crt\"\n\
        [[files]]\npath = \"/var/run\"\nlink = \"/run\"\n\
        [[files]]\npath = \"/srv\"\ndirectory = true\n\
        [image]\nenv = [\"A=b\"]\ncmd = [\"tool\"]\n";
    let recipe = recipe(&["aa", "base-files"], text_of_recipe);
    let built = built(&[base_files(), Package::new("aa", "1", "", data)], &recipe).unwrap();
    let kinds = kinds(&built.listing);
    assert_eq!(kinds.get("/usr/share/doc/aa/README"), None);
    assert_eq!(kinds["/usr/share/doc/aa"], "directory 700");
    assert_eq!(kinds["/usr/share/doc/aa/copyright"], "file 644 4");
    assert_eq!(kinds["/usr/bin/tool"], "file 750 1");
    assert_eq!(kinds["/var/run"], "link /run");
    assert_eq!(text(&built, "etc/all.crt"), "A\nB\n");
    assert_eq!(
        text(&built, "etc/passwd"),
        "root:x:0:0:root:/root:/usr/sbin/nologin\n"
    );
    assert_eq!(
        text(&built, "etc/shadow"),
        format!("root:*:{}:0:99999:7:::\n", EPOCH / 86_400)
    );
    assert!(text(&built, "var/lib/dpkg/info/aa.list").contains("/usr/share/doc/aa/README\n"));
    assert_eq!(built.config.config.cmd, Some(vec!["tool".to_string()]));
    assert_eq!(built.config.created.as_deref(), Some("2026-01-02T00:00:00Z"));
}

#[test]
fn a_declared_file_does_not_hide_a_directory_with_content() {
    let tables = "[[files]]\npath = \"/etc\"\nlink = \"x\"\n";
    let error = built(&[base_files()], &minimal(&["base-files"], tables))
        .err()
        .unwrap();
    assert!(
        error
            .to_string()
            .contains("/etc is a directory and something else at once"),
        "{error}"
    );
}

#[test]
fn the_same_lock_gives_the_same_listing_and_nothing_is_younger_than_the_lock() {
    let packages = [
        base_files(),
        Package::new("aa", "1", "", vec![Member::File("a", 0o644, "a")]),
    ];
    let recipe = minimal(&["aa", "base-files"], "");
    let (one, two) = (
        built(&packages, &recipe).unwrap(),
        built(&packages, &recipe).unwrap(),
    );
    assert_eq!(one.listing.id(), two.listing.id());
    assert!(
        one.listing
            .entries()
            .iter()
            .all(|entry| entry.mtime == Timestamp::seconds(EPOCH))
    );
}

#[test]
fn files_of_two_packages_need_a_word_about_it() {
    let of = |name: &str, fields: &str, text| {
        Package::new(name, "1", fields, vec![Member::File("etc/x", 0o644, text)])
    };
    let recipe = minimal(&["aa", "bb"], "");
    let error = built(&[of("aa", "", "1"), of("bb", "", "2")], &recipe)
        .err()
        .unwrap();
    assert_eq!(error.to_string(), "package bb: /etc/x is also in package aa");
    for (aa, bb, winner) in [
        ("Replaces: bb", "", "1"),
        ("", "Replaces: aa (<< 2)", "2"),
        ("", "", "1"),
    ] {
        let second = if winner == "1" && aa.is_empty() { "1" } else { "2" };
        let built = built(&[of("aa", aa, "1"), of("bb", bb, second)], &recipe).unwrap();
        assert_eq!(text(&built, "etc/x"), winner);
    }
    let built = built(&[of("aa", "", "1"), of("bb", "Replaces: aa", "2")], &recipe).unwrap();
    assert_eq!(text(&built, "var/lib/dpkg/info/aa.list"), "/.\n");
}

#[test]
fn packages_that_left_the_mirror_are_all_named_and_the_cache_helps() {
    let packages = [
        base_files(),
        Package::new("aa", "1", "", vec![]),
        Package::new("bb", "2", "", vec![]),
    ];
    let recipe = minimal(&["aa", "base-files", "bb"], "");
    let mut bench = Bench::new(&packages);
    let all = bench.archive.files.clone();
    bench
        .archive
        .files
        .retain(|url, _| !url.contains("pool/main/aa") && !url.contains("pool/main/bb"));
    let message = bench.build(&recipe).err().unwrap().to_string();
    assert!(
        message.starts_with("2 of the locked packages left the mirror: aa 1, bb 2;"),
        "{message}"
    );
    assert!(message.contains("praxis base update"));
    bench.archive.files = all;
    bench.build(&recipe).unwrap();
    bench.archive.files.retain(|url, _| !url.contains("/pool/"));
    bench.build(&recipe).unwrap();
}

#[test]
fn a_damaged_package_is_refused_and_a_damaged_cache_repaired() {
    let recipe = minimal(&["base-files"], "");
    let mut bench = Bench::new(&[base_files()]);
    let url = format!("{BASE}/pool/main/base-files_13_amd64.deb");
    let good = bench.archive.files[&url].clone();
    bench.archive.files.get_mut(&url).unwrap()[100] ^= 1;
    assert!(matches!(bench.build(&recipe), Err(DebianError::Mismatch { .. })));
    let cache = bench.directory.path().join("cache");
    assert_eq!(std::fs::read_dir(&cache).unwrap().count(), 0);
    bench.archive.files.insert(url, good);
    bench.build(&recipe).unwrap();
    let cached: Vec<_> = std::fs::read_dir(&cache)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    std::fs::write(&cached[0], b"damaged").unwrap();
    assert!(bench.build(&recipe).is_ok());
}

/// security rows 1, 2 and 5: archives that climb out, and links that lead out.
#[test]
fn row_01_packages_cannot_leave_the_root() {
    let recipe = minimal(&["aa"], "");
    let of = |data| Package::new("aa", "1", "", data);
    assert!(built(&[of(vec![Member::File("../x", 0o644, "x")])], &recipe).is_err());
    let links = vec![
        Member::Link("evil", "../../../../.."),
        Member::File("evil/f", 0o644, "x"),
        Member::Link("d", "/etc"),
        Member::File("d/p", 0o644, "y"),
    ];
    let built_links = built(&[of(links)], &recipe).unwrap();
    let kinds = kinds(&built_links.listing);
    assert_eq!(
        (kinds["/f"].as_str(), kinds["/etc/p"].as_str()),
        ("file 644 1", "file 644 1")
    );
    assert!(built(&[of(vec![Member::Hard("x", "etc/passwd")])], &recipe).is_err());
    assert!(
        built(
            &[of(vec![Member::Link("l", "l"), Member::File("l/x", 0o644, "")])],
            &recipe
        )
        .is_err()
    );
}

#[test]
fn a_package_that_is_not_what_is_locked_is_refused() {
    let mut package = base_files();
    let mut archive = Archive::new(&[base_files()]);
    package.control = package.control.replace("Version: 13", "Version: 14");
    let url = format!("{BASE}/pool/main/base-files_13_amd64.deb");
    let lock = lock_of(&minimal(&["base-files"], ""), &archive).unwrap();
    let mut text = lock.render();
    let bytes = package.bytes();
    let old = lock.packages("amd64").unwrap()[0].clone();
    text = text.replace(
        &old.digest.to_string(),
        &praxis_oci::Digest::of(&bytes).to_string(),
    );
    text = text.replace(
        &format!("size = {}", old.size),
        &format!("size = {}", bytes.len()),
    );
    archive.files.insert(url, bytes);
    let lock = praxis_debian::Lock::parse(&text, Path::new("x")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let directories = BuildDirectories {
        cache: directory.path(),
        work: directory.path(),
    };
    let recipe = minimal(&["base-files"], "");
    let error = build(
        &recipe,
        &lock,
        "amd64",
        &Archive::mirrors(),
        &archive,
        directories,
        &|_| {},
    )
    .err()
    .unwrap();
    assert!(
        error
            .to_string()
            .contains("its Version is \"14\", but \"13\" is locked"),
        "{error}"
    );
}

#[test]
fn what_scripts_touched_gets_the_locks_time_whatever_the_clock_said() {
    let built = built(&[base_files()], &recipe(&["base-files"], "")).unwrap();
    let later = |path: &str, seconds| {
        let mut entry = built.listing.get(&TreePath::from(path)).unwrap().clone();
        entry.mtime = Timestamp::seconds(seconds);
        entry
    };
    let made = |path: &str, seconds| Entry::new(path.into(), Kind::Fifo, 0o600, Timestamp::seconds(seconds));
    let run = |clock: i64| {
        let mut entries = built.listing.entries().to_vec();
        entries.extend([
            later("etc", clock),
            later("tmp", clock),
            made("etc/new", clock),
            made("tmp/left", clock),
        ]);
        built.settle(&Listing::new(entries))
    };
    assert_eq!(run(EPOCH + 9), run(EPOCH - 9));
    let settled = run(EPOCH + 9);
    assert_eq!(
        settled.get(&"etc/new".into()).unwrap().mtime,
        Timestamp::seconds(EPOCH)
    );
    assert!(settled.get(&"tmp/left".into()).is_none() && settled.get(&"tmp".into()).is_some());
}
