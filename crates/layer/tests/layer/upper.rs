use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use praxis_layer::{Entry, Kind, LayerError, Listing, Timestamp, Tree, scan_upper};
use rustix::fs::{AtFlags, CWD, FileType, Mode, XattrFlags};

use crate::forge::{Contents, directory, is_root, open};

const EPOCH: Timestamp = Timestamp {
    seconds: 1_000_000,
    nanoseconds: 0,
};

fn set_time(path: &Path, seconds: i64) {
    let time = rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let times = rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn whiteout(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), 0).unwrap();
}

/// An entry with the owner that the test's files have.
fn mine(mut entry: Entry) -> Entry {
    entry.uid = rustix::process::geteuid().as_raw();
    entry.gid = rustix::process::getegid().as_raw();
    entry
}

fn lower() -> Tree {
    let mut contents = Contents::default();
    let mut tree = Tree::new();
    let root = Entry {
        mode: 0o755,
        ..mine(directory(""))
    };
    let entries = vec![
        root,
        mine(directory("etc")),
        mine(contents.file("etc/same", "same")),
        mine(contents.file("etc/changed", "before")),
        mine(contents.file("etc/gone", "gone")),
        mine(directory("var")),
        mine(contents.file("var/same", "same")),
        mine(Entry::new(
            "link".into(),
            Kind::Symlink { target: "etc".into() },
            0o777,
            Timestamp::seconds(100),
        )),
    ];
    tree.apply(0, &Listing::new(entries));
    tree
}

fn upper() -> tempfile::TempDir {
    let top = tempfile::tempdir().unwrap();
    std::fs::set_permissions(top.path(), PermissionsExt::from_mode(0o755)).unwrap();
    top
}

fn file(top: &Path, path: &str, body: &str, seconds: i64) {
    let path = top.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, body).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::set_permissions(path.parent().unwrap(), PermissionsExt::from_mode(0o755)).unwrap();
    set_time(&path, seconds);
}

fn paths(listing: &Listing) -> Vec<String> {
    listing
        .entries()
        .iter()
        .map(|entry| entry.path.to_string())
        .collect()
}

#[test]
fn what_has_changed_is_listed_and_the_rest_is_not() {
    let top = upper();
    file(top.path(), "etc/same", "same", 100);
    file(top.path(), "etc/changed", "after", 100);
    file(top.path(), "etc/new", "new", 5);
    symlink("etc", top.path().join("link")).unwrap();
    set_time(&top.path().join("link"), 100);
    symlink("/nowhere", top.path().join("dangling")).unwrap();
    whiteout(&top.path().join("etc/gone"));
    whiteout(&top.path().join("etc/never-was"));
    let socket = std::os::unix::net::UnixListener::bind(top.path().join("socket")).unwrap();
    let listing = scan_upper(&open(top.path()), &lower(), EPOCH).unwrap();
    assert_eq!(
        paths(&listing),
        ["/dangling", "/etc", "/etc/changed", "/etc/gone", "/etc/new"]
    );
    assert_eq!(
        listing.get(&"etc/gone".into()).unwrap(),
        &Entry::whiteout("etc/gone".into())
    );
    let new = listing.get(&"etc/new".into()).unwrap();
    assert_eq!(
        (new.kind.clone(), new.mtime),
        (Contents::default().file("x", "new").kind, Timestamp::seconds(5))
    );
    drop(socket);
}

#[test]
fn late_times_are_clamped_here_and_on_disk() {
    let top = upper();
    file(top.path(), "etc/new", "new", EPOCH.seconds + 10);
    file(top.path(), "fresh/f", "f", EPOCH.seconds - 10);
    let listing = scan_upper(&open(top.path()), &lower(), EPOCH).unwrap();
    let time = |path: &str| {
        let entry = listing.get(&path.into()).unwrap();
        let disk = std::fs::symlink_metadata(top.path().join(path)).unwrap();
        assert_eq!(
            (disk.mtime(), disk.mtime_nsec()),
            (entry.mtime.seconds, entry.mtime.nanoseconds.into()),
            "{path}"
        );
        entry.mtime.seconds
    };
    assert_eq!(time("etc/new"), EPOCH.seconds);
    assert_eq!(time("fresh/f"), EPOCH.seconds - 10);
    assert_eq!(time("fresh"), EPOCH.seconds);
    assert_eq!(
        time("etc"),
        100,
        "a directory that only got a new file has the time it had"
    );
    let again = scan_upper(&open(top.path()), &lower(), EPOCH).unwrap();
    assert_eq!(again, listing);
}

#[test]
fn new_hard_links_are_kept_and_named_after_the_first() {
    let top = upper();
    file(top.path(), "etc/same", "same", 100);
    std::fs::hard_link(top.path().join("etc/same"), top.path().join("a")).unwrap();
    std::fs::hard_link(top.path().join("etc/same"), top.path().join("z")).unwrap();
    let listing = scan_upper(&open(top.path()), &lower(), EPOCH).unwrap();
    // The name that was there before is left out, as BuildKit does: the new ones are a file of their own.
    assert_eq!(paths(&listing), ["/a", "/etc", "/z"]);
    let link = Kind::Hardlink { target: "a".into() };
    assert_eq!(listing.get(&"z".into()).unwrap().kind, link);
    assert_eq!(Listing::decode(&listing.encode()).unwrap(), listing);
}

#[test]
fn opaque_directories_hide_what_is_below_even_when_it_is_the_same() {
    let top = upper();
    file(top.path(), "var/same", "same", 100);
    rustix::fs::setxattr(
        top.path().join("var"),
        "user.overlay.opaque",
        b"y",
        XattrFlags::empty(),
    )
    .unwrap();
    rustix::fs::setxattr(
        top.path().join("var/same"),
        "user.overlay.origin",
        b"x",
        XattrFlags::empty(),
    )
    .unwrap();
    let listing = scan_upper(&open(top.path()), &lower(), EPOCH).unwrap();
    assert_eq!(paths(&listing), ["/var", "/var/same"]);
    let var = listing.get(&"var".into()).unwrap();
    assert_eq!(
        (var.kind.clone(), var.xattrs.len()),
        (Kind::Directory { opaque: true }, 0)
    );
    assert!(listing.get(&"var/same".into()).unwrap().xattrs.is_empty());
}

#[test]
fn attributes_and_modes_make_a_difference() {
    let top = upper();
    file(top.path(), "etc/same", "same", 100);
    rustix::fs::setxattr(top.path().join("etc/same"), "user.x", b"1", XattrFlags::empty()).unwrap();
    std::fs::set_permissions(top.path(), PermissionsExt::from_mode(0o711)).unwrap();
    let listing = scan_upper(&open(top.path()), &lower(), EPOCH).unwrap();
    assert_eq!(paths(&listing), ["/", "/etc", "/etc/same"]);
    assert_eq!(listing.entries()[0].mode, 0o711);
    assert_eq!(
        listing.get(&"etc/same".into()).unwrap().xattrs[b"user.x".as_slice()],
        b"1"
    );
}

#[test]
fn files_whose_data_is_elsewhere_are_refused() {
    let top = upper();
    file(top.path(), "etc/same", "", 100);
    rustix::fs::setxattr(
        top.path().join("etc/same"),
        "user.overlay.metacopy",
        b"",
        XattrFlags::empty(),
    )
    .unwrap();
    let result = scan_upper(&open(top.path()), &lower(), EPOCH);
    assert!(matches!(result, Err(LayerError::Upper { .. })), "{result:?}");
}

/// security row 20: links that a step left are never followed by the scan.
#[test]
fn row_20_links_in_an_upper_are_listed_not_followed() {
    let top = upper();
    symlink("/etc", top.path().join("outside")).unwrap();
    symlink("/dev/zero", top.path().join("endless")).unwrap();
    let listing = scan_upper(&open(top.path()), &lower(), EPOCH).unwrap();
    assert_eq!(paths(&listing), ["/endless", "/outside"]);
    assert_eq!(
        listing.entries()[0].kind,
        Kind::Symlink {
            target: "/dev/zero".into()
        }
    );
}

#[test]
fn many_files_come_out_in_order_and_complete() {
    let top = upper();
    for number in 0..1500 {
        file(
            top.path(),
            &format!("d{}/{number}", number % 7),
            &number.to_string(),
            9,
        );
    }
    let listing = scan_upper(&open(top.path()), &lower(), EPOCH).unwrap();
    assert_eq!(listing.entries().len(), 1507);
    let expected = Contents::default().file("x", "1234").kind;
    assert_eq!(listing.get(&"d2/1234".into()).unwrap().kind, expected);
}

#[test]
fn pipes_and_devices_are_listed() {
    let top = upper();
    rustix::fs::mknodat(
        CWD,
        top.path().join("pipe"),
        FileType::Fifo,
        Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let mut expected = vec!["/pipe"];
    if is_root() {
        let device = rustix::fs::makedev(1, 3);
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(
            CWD,
            top.path().join("null"),
            FileType::CharacterDevice,
            mode,
            device,
        )
        .unwrap();
        expected.insert(0, "/null");
    }
    let listing = scan_upper(&open(top.path()), &lower(), EPOCH).unwrap();
    assert_eq!(paths(&listing), expected);
    assert_eq!(listing.get(&"pipe".into()).unwrap().kind, Kind::Fifo);
}

/// What a step makes again as it was keeps its time, in whichever layer it was taken away.
#[test]
fn a_directory_has_the_time_that_a_command_gave_it_when_something_in_it_has_changed() {
    let top = upper();
    file(top.path(), "etc/new", "new", 5);
    set_time(&top.path().join("etc"), 7);
    std::fs::create_dir(top.path().join("var")).unwrap();
    std::fs::set_permissions(top.path().join("var"), PermissionsExt::from_mode(0o755)).unwrap();
    set_time(&top.path().join("var"), 7);
    let listing = scan_upper(&open(top.path()), &lower(), EPOCH).unwrap();
    assert_eq!(listing.get(&"etc".into()).unwrap().mtime, Timestamp::seconds(7));
    let (var, before) = (listing.get(&"var".into()).unwrap(), lower());
    assert_eq!(
        var.mtime,
        before.get(&"var".into()).unwrap().mtime,
        "nothing in it has changed: BuildKit does not write it"
    );
}

#[test]
fn what_is_made_again_keeps_its_time() {
    let mut tree = lower();
    tree.apply(
        1,
        &Listing::new(vec![
            mine(directory("")),
            Entry::whiteout("var".into()),
            Entry::whiteout("link".into()),
        ]),
    );
    let top = upper();
    file(top.path(), "etc/same", "same", 2_000_000);
    file(top.path(), "etc/changed", "after", 2_000_000);
    file(top.path(), "var/same", "same", 2_000_000);
    file(top.path(), "var/new", "new", 2_000_000);
    symlink("etc", top.path().join("link")).unwrap();
    let listing = scan_upper(&open(top.path()), &tree, EPOCH).unwrap();
    let times: Vec<(String, i64)> = listing
        .entries()
        .iter()
        .map(|entry| (entry.path.to_string(), entry.mtime.seconds))
        .collect();
    let below = |path: &str| lower().get(&path.into()).unwrap().mtime.seconds;
    assert_eq!(
        times,
        [
            ("/etc".to_string(), below("etc")),
            ("/etc/changed".into(), EPOCH.seconds),
            ("/link".into(), 100),
            ("/var".into(), below("var")),
            ("/var/new".into(), EPOCH.seconds),
            ("/var/same".into(), below("var/same")),
        ]
    );
    let again = scan_upper(&open(top.path()), &tree, EPOCH).unwrap();
    assert_eq!(again, listing, "the times on disk are those of the listing");
}
