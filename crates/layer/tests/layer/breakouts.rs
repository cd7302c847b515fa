//! The archive rows of the security table. Each archive goes through both ways of reading a layer.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use praxis_layer::{Kind, LayerError, Limits, Listing, extract_layer, index_layer};

use crate::forge::{Contents, Forge, Yard, directory, open, ownership};

fn refused(tar: Forge) {
    let tar = tar.end();
    assert!(index_layer(tar.as_slice(), &Limits::default()).is_err());
    let yard = Yard::new();
    let result = yard.extract(&tar);
    assert!(matches!(result, Err(LayerError::Member { .. })), "{result:?}");
    yard.assert_untouched();
}

fn accepted(tar: Forge) -> (Yard, Listing) {
    let tar = tar.end();
    let yard = Yard::new();
    let listing = yard.extract(&tar).unwrap();
    assert_eq!(index_layer(tar.as_slice(), &Limits::default()).unwrap(), listing);
    yard.assert_untouched();
    (yard, listing)
}

fn paths(listing: &Listing) -> Vec<String> {
    listing
        .entries()
        .iter()
        .map(|entry| entry.path.to_string())
        .collect()
}

#[test]
fn row_01_names_that_climb_or_are_absolute_are_refused() {
    for name in [
        "../../x",
        "/x",
        "a/../../x",
        "..",
        "a/..",
        "//etc/passwd",
        "./../x",
    ] {
        refused(Forge::new().file(name, "x"));
        refused(Forge::new().directory("ok").symlink(name, "t"));
        refused(Forge::new().pax(&[("path", name)]).file("short", "x"));
    }
}

#[test]
fn row_02_links_out_of_the_root_are_contained() {
    let (yard, listing) = accepted(Forge::new().symlink("evil", "../..").file("evil/f", "x"));
    assert_eq!(paths(&listing), ["/evil", "/f"]);
    assert_eq!(std::fs::read(yard.root().join("f")).unwrap(), b"x");
    let (_, listing) = accepted(Forge::new().symlink("evil", "/outside").file("evil/secret", "x"));
    assert_eq!(paths(&listing), ["/evil", "/outside/secret"]);
}

#[test]
fn row_03_links_with_many_dots_are_accepted_and_resolved_in_the_root() {
    let target = "../".repeat(10) + "usr";
    let (yard, listing) = accepted(
        Forge::new()
            .directory("usr")
            .directory("a")
            .symlink("a/up", &target)
            .file("a/up/f", "x"),
    );
    assert_eq!(paths(&listing), ["/a", "/a/up", "/usr", "/usr/f"]);
    assert_eq!(
        std::fs::read_link(yard.root().join("a/up"))
            .unwrap()
            .to_str()
            .unwrap(),
        target
    );
}

#[test]
fn row_04_a_hard_link_is_never_resolved_against_the_working_directory() {
    // The working directory of a test is its crate, where this file is.
    assert!(std::fs::exists("Cargo.toml").unwrap());
    refused(Forge::new().hardlink("stolen", "Cargo.toml"));
    refused(Forge::new().hardlink("stolen", "../outside/secret"));
}

#[test]
fn row_05_hard_links_through_links_are_refused() {
    refused(Forge::new().symlink("d", "/etc").hardlink("stolen", "d/passwd"));
    refused(
        Forge::new()
            .file("etc/passwd", "x")
            .symlink("d", "/etc")
            .hardlink("stolen", "d/passwd"),
    );
    refused(
        Forge::new()
            .symlink("d", "../outside")
            .hardlink("stolen", "d/secret"),
    );
    refused(Forge::new().directory("d").hardlink("stolen", "d"));
}

#[test]
fn row_06_absolute_hard_links_are_accepted() {
    let (yard, listing) = accepted(Forge::new().file("b", "x").hardlink("a", "/b").hardlink("c", "b"));
    assert_eq!(
        listing.get(&"b".into()).unwrap().kind,
        Kind::Hardlink { target: "a".into() }
    );
    assert_eq!(
        listing.get(&"c".into()).unwrap().kind,
        Kind::Hardlink { target: "a".into() }
    );
    assert!(matches!(
        listing.get(&"a".into()).unwrap().kind,
        Kind::File { size: 1, .. }
    ));
    assert_eq!(std::fs::metadata(yard.root().join("a")).unwrap().nlink(), 3);
}

#[test]
fn row_07_modes_are_never_set_through_a_link() {
    let tar = Forge::new()
        .symlink("d", "../outside")
        .header(b"d/.", b'5', b"", |header| {
            header[100..108].copy_from_slice(b"0000777\0");
        });
    let (yard, listing) = accepted(tar);
    assert_eq!(paths(&listing), ["/d"]);
    assert!(yard.root().join("d").symlink_metadata().unwrap().is_dir());
}

#[test]
fn row_08_no_directory_is_made_outside() {
    refused(Forge::new().file("../outside/new/f", "x"));
    let (_, listing) = accepted(Forge::new().symlink("l", "../outside").file("l/new/f", "x"));
    assert_eq!(paths(&listing), ["/l", "/outside/new/f"]);
}

#[test]
fn row_09_the_root_stays_a_directory() {
    for name in [".", "./", "/", "./."] {
        refused(Forge::new().symlink(name, "/etc"));
        refused(Forge::new().hardlink(name, "a"));
    }
    refused(Forge::new().file(".", "x"));
    let (_, listing) = accepted(Forge::new().directory("./"));
    assert_eq!(paths(&listing), ["/"]);
}

#[test]
fn row_13_repeated_opaque_marks_take_linear_time() {
    let mut tar = Forge::new();
    for _ in 0..100_000 {
        tar = tar.file("d/.wh..wh..opq", "");
    }
    let started = Instant::now();
    let listing = index_layer(tar.file("d/f", "x").end().as_slice(), &Limits::default()).unwrap();
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(paths(&listing), ["/d", "/d/f"]);
    assert_eq!(
        listing.get(&"d".into()).unwrap().kind,
        Kind::Directory { opaque: true }
    );
}

#[test]
fn row_14_names_no_file_system_takes_are_an_error() {
    let long = "n".repeat(300);
    refused(Forge::new().pax(&[("path", &long)]).file("short", "x"));
    let deep = "d/".repeat(3000) + "f";
    refused(Forge::new().pax(&[("path", &deep)]).file("short", "x"));
    let bad = Forge::new().pax(&[("SCHILY.xattr.", "x")]).file("f", "x").end();
    assert!(index_layer(bad.as_slice(), &Limits::default()).is_err());
    let unknown = Forge::new().pax(&[("SCHILY.xattr.nonsense", "x")]).file("f", "x");
    let (_, listing) = accepted(unknown);
    assert_eq!(listing.entries()[0].xattrs.len(), 1);
}

#[test]
fn row_15_whiteouts_of_no_file_are_refused_and_others_stay_inside() {
    for name in [".wh..", ".wh...", ".wh.", "d/.wh..", "d/.wh...", "d/.wh."] {
        refused(Forge::new().file(name, ""));
    }
    let (_, listing) = accepted(Forge::new().symlink("d", "../outside").file("d/.wh.secret", ""));
    assert_eq!(paths(&listing), ["/d", "/outside/secret"]);
    assert_eq!(
        listing.get(&"outside/secret".into()).unwrap().kind,
        Kind::Whiteout
    );
    let (_, listing) = accepted(Forge::new().file(".wh..wh.plnk", "").file(".wh..wh.aufs", ""));
    assert!(listing.entries().is_empty());
}

#[test]
fn row_15_attributes_of_overlayfs_never_come_from_an_image() {
    let redirect = Forge::new()
        .pax(&[("SCHILY.xattr.user.overlay.redirect", "/etc")])
        .directory("d");
    let (_, listing) = accepted(redirect);
    assert!(listing.entries()[0].xattrs.is_empty());
    refused(Forge::new().member(b"zero", b'3', b"", b""));
}

/// A directory of the snapshot is swapped for a link to the outside again and again while it is written to.
fn swapping(yard: &Yard, mut write: impl FnMut(usize)) {
    let stop = AtomicBool::new(false);
    let (inside, away) = (yard.root().join("d"), yard.root().join("away"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                if std::fs::rename(&inside, &away).is_ok() {
                    let _ = std::os::unix::fs::symlink("../outside", &inside);
                    let _ = std::fs::remove_file(&inside);
                    let _ = std::fs::rename(&away, &inside);
                }
            }
        });
        (0..40).for_each(&mut write);
        stop.store(true, Ordering::Relaxed);
    });
    yard.assert_untouched();
}

#[test]
fn row_16_swapped_directories_lead_nowhere() {
    let mut tar = Forge::new().directory("d");
    for number in 0..250 {
        tar = tar
            .file(&format!("d/{number}"), "x")
            .directory(&format!("d/sub{number}"));
    }
    let tar = tar.end();
    let yard = Yard::new();
    let mut ended = 0;
    swapping(&yard, |_| {
        let _ = std::fs::remove_dir_all(yard.root().join("d"));
        let _ = yard.extract(&tar);
        ended += 1;
    });
    assert_eq!(ended, 40);
}

#[test]
fn row_20_snapshots_are_made_through_descriptors_only() {
    let mut contents = Contents::default();
    let mut entries = vec![directory("d")];
    entries.extend((0..250).map(|number| contents.file(&format!("d/{number}"), "x")));
    let listing = Listing::new(entries);
    let yard = Yard::new();
    let mut ended = 0;
    swapping(&yard, |_| {
        let _ = std::fs::remove_dir_all(yard.root().join("d"));
        let _ = praxis_layer::materialize(&listing, &contents, &open(&yard.root()), ownership());
        ended += 1;
    });
    assert_eq!(ended, 40);
}

#[test]
fn row_20_a_link_that_is_already_there_is_not_written_through() {
    let yard = Yard::new();
    std::os::unix::fs::symlink("../outside", yard.root().join("d")).unwrap();
    std::os::unix::fs::symlink("../outside/secret", yard.root().join("f")).unwrap();
    assert!(yard.extract(&Forge::new().file("d/f", "x").end()).is_err());
    assert!(yard.extract(&Forge::new().file("f", "x").end()).is_err());
    yard.assert_untouched();
}

#[test]
fn members_replace_each_other_as_they_come() {
    let tar = Forge::new()
        .file("a/b/c", "1")
        .file("a", "file now")
        .file("twin", "t")
        .hardlink("twin2", "twin")
        .file("twin", "new")
        .symlink("s", "twin")
        .directory("s")
        .file("s/inner", "i");
    let (yard, listing) = accepted(tar);
    assert_eq!(paths(&listing), ["/a", "/s", "/s/inner", "/twin", "/twin2"]);
    assert_eq!(std::fs::read(yard.root().join("twin")).unwrap(), b"new");
    assert_eq!(std::fs::read(yard.root().join("twin2")).unwrap(), b"t");
    assert_eq!(
        listing.get(&"twin2".into()).unwrap().kind,
        Contents::default().file("x", "t").kind
    );
    refused(Forge::new().file("a", "x").file("a/b", "y"));
    refused(Forge::new().symlink("l", "l").file("l/x", "y"));
}

#[test]
fn whiteouts_and_what_replaces_them_are_one_entry() {
    let tar = Forge::new()
        .file("dir/.wh.gone", "")
        .file(".wh.again", "")
        .directory("again")
        .file("again/new", "x")
        .directory("later")
        .file("later/new", "x")
        .file(".wh.later", "")
        .file("file", "x")
        .file(".wh.file", "")
        .file(".wh.under", "")
        .file("under/neath", "x");
    let (yard, listing) = accepted(tar);
    let kind = |path: &str| listing.get(&path.into()).unwrap().kind.clone();
    let opaque = Kind::Directory { opaque: true };
    assert_eq!(kind("dir/gone"), Kind::Whiteout);
    assert_eq!(
        (kind("again"), kind("later"), kind("under")),
        (opaque.clone(), opaque.clone(), opaque)
    );
    assert!(matches!(kind("file"), Kind::File { .. }));
    let gone = std::fs::symlink_metadata(yard.root().join("dir/gone")).unwrap();
    assert_eq!((gone.mode() & 0o170000, gone.rdev()), (0o020000, 0));
    assert_eq!(Listing::decode(&listing.encode()).unwrap(), listing);
}

#[test]
fn directories_that_only_exist_by_implication_are_left_out() {
    let (yard, listing) = accepted(Forge::new().file("a/b/c", "x"));
    assert_eq!(paths(&listing), ["/a/b/c"]);
    let mode = std::fs::metadata(yard.root().join("a/b"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);
}

#[test]
fn links_of_lower_layers_lead_to_where_they_point() {
    let mut tree = praxis_layer::Tree::new();
    let below = index_layer(
        Forge::new()
            .symlink("lib", "usr/lib")
            .file("usr/lib/a", "x")
            .end()
            .as_slice(),
        &Limits::default(),
    );
    tree.apply(0, &below.unwrap());
    let tar = Forge::new().file("lib/b", "y").end();
    let yard = Yard::new();
    let listing = praxis_layer::extract_layer_over(
        tar.as_slice(),
        &open(&yard.root()),
        &Limits::default(),
        ownership(),
        Some(&tree),
    );
    assert_eq!(paths(&listing.unwrap()), ["/usr/lib/b"]);
    assert!(yard.root().join("usr/lib/b").is_file());
    let _ = extract_layer(
        tar.as_slice(),
        &open(&yard.root()),
        &Limits::default(),
        ownership(),
    );
}
