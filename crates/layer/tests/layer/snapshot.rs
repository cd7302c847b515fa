use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use praxis_layer::{
    Compression, Entry, Kind, LayerError, Limits, Listing, Ownership, Timestamp, Tree, extract_layer,
    materialize, materialize_over, write_layer,
};

use crate::forge::{Contents, directory, is_root, open, ownership};

fn listing() -> (Listing, Contents) {
    let mut contents = Contents::default();
    let mut owned = contents.file("etc/shadow", "secret\n");
    (owned.uid, owned.gid, owned.mode) = (1234, 42, 0o640);
    owned.xattrs.insert(b"user.note".to_vec(), b"kept".to_vec());
    owned.mtime = Timestamp {
        seconds: 1_500_000_000,
        nanoseconds: 123_456_789,
    };
    let mut closed = directory("closed");
    closed.mode = 0o555;
    let mut sticky = directory("tmp");
    sticky.mode = 0o1777;
    sticky.mtime = Timestamp::seconds(1_400_000_000);
    let time = Timestamp::seconds(77);
    let mut entries = vec![
        directory("etc"),
        owned,
        closed,
        sticky,
        contents.file("closed/inside", "x"),
        contents.file("tmp/empty", ""),
        contents.file("implied/deep/file", "y"),
        Entry::new(
            "link".into(),
            Kind::Symlink {
                target: "/etc/shadow".into(),
            },
            0o777,
            time,
        ),
        Entry::new("pipe".into(), Kind::Fifo, 0o622, time),
        Entry {
            kind: Kind::Directory { opaque: true },
            ..directory("opaque")
        },
        Entry::whiteout("tmp/gone".into()),
    ];
    let twin = Entry {
        path: "etc/twin".into(),
        kind: Kind::Hardlink {
            target: "etc/shadow".into(),
        },
        ..entries[1].clone()
    };
    entries.push(twin);
    for number in 0..600 {
        entries.push(contents.file(&format!("many/{}/{number}", number / 60), format!("{number}")));
    }
    (Listing::new(entries), contents)
}

fn check(root: &Path) {
    let at = |path: &str| std::fs::symlink_metadata(root.join(path)).unwrap();
    let shadow = at("etc/shadow");
    if is_root() {
        assert_eq!((shadow.uid(), shadow.gid()), (1234, 42));
        assert_eq!(shadow.mode() & 0o7777, 0o640);
    }
    assert_eq!(
        (shadow.mtime(), shadow.mtime_nsec()),
        (1_500_000_000, 123_456_789)
    );
    assert_eq!(shadow.ino(), at("etc/twin").ino());
    let mut value = [0; 16];
    let length = rustix::fs::getxattr(root.join("etc/shadow"), "user.note", &mut value).unwrap();
    assert_eq!(&value[..length], b"kept");
    assert_eq!(at("tmp").mode() & 0o7777, 0o1777);
    assert_eq!(at("tmp").mtime(), 1_400_000_000);
    assert_eq!(at("etc").mtime(), 100);
    assert_eq!(std::fs::read(root.join("closed/inside")).unwrap(), b"x");
    assert_eq!(
        std::fs::read_link(root.join("link"))
            .unwrap()
            .as_os_str()
            .as_bytes(),
        b"/etc/shadow"
    );
    assert_eq!((at("link").mtime(), at("pipe").mtime()), (77, 77));
    assert_eq!(at("pipe").mode() & 0o170000, 0o010000);
    assert_eq!((at("tmp/gone").mode(), at("tmp/gone").rdev()), (0o020000, 0));
    let length = rustix::fs::getxattr(root.join("opaque"), "user.overlay.opaque", &mut value).unwrap();
    assert_eq!(&value[..length], b"y");
    assert_eq!((at("implied").mode() & 0o7777, at("implied").mtime()), (0o755, 0));
    assert_eq!(std::fs::read(root.join("many/9/599")).unwrap(), b"599");
}

#[test]
fn a_listing_becomes_a_snapshot() {
    let (listing, contents) = listing();
    let root = tempfile::tempdir().unwrap();
    materialize(&listing, &contents, &open(root.path()), ownership()).unwrap();
    check(root.path());
}

#[test]
fn a_blob_becomes_the_same_snapshot_and_its_listing() {
    let (listing, contents) = listing();
    let mut tar = Vec::new();
    write_layer(&listing, &contents, Compression::None, 1, None, &mut tar).unwrap();
    let root = tempfile::tempdir().unwrap();
    let read = extract_layer(
        tar.as_slice(),
        &open(root.path()),
        &Limits::default(),
        ownership(),
    )
    .unwrap();
    assert_eq!(read, listing);
    assert_eq!(read.id(), listing.id());
    check(root.path());
}

#[test]
fn without_owners_everything_stays_readable() {
    let (listing, contents) = listing();
    let root = tempfile::tempdir().unwrap();
    materialize(&listing, &contents, &open(root.path()), Ownership::Ignored).unwrap();
    let shadow = std::fs::metadata(root.path().join("etc/shadow")).unwrap();
    assert_eq!(shadow.uid(), rustix::process::geteuid().as_raw());
    let closed = std::fs::metadata(root.path().join("closed")).unwrap();
    assert_eq!(closed.mode() & 0o7777, 0o755);
}

#[test]
fn implied_directories_look_as_they_do_below() {
    let mut contents = Contents::default();
    let mut tree = Tree::new();
    let mut below = directory("tmp");
    below.mode = 0o1777;
    tree.apply(0, &Listing::new(vec![below]));
    let listing = Listing::new(vec![contents.file("tmp/f", "x")]);
    let root = tempfile::tempdir().unwrap();
    materialize_over(&listing, &contents, &open(root.path()), ownership(), Some(&tree)).unwrap();
    let made = std::fs::metadata(root.path().join("tmp")).unwrap();
    assert_eq!((made.mode() & 0o7777, made.mtime()), (0o1777, 100));
}

#[test]
fn wrong_content_is_an_error() {
    for wrong in ["too long for it", "x"] {
        let mut contents = Contents::default();
        let entry = contents.file("f", "right");
        let Kind::File { content, .. } = entry.kind else {
            unreachable!()
        };
        contents.0.insert(content, wrong.into());
        let root = tempfile::tempdir().unwrap();
        let made = materialize(
            &Listing::new(vec![entry]),
            &contents,
            &open(root.path()),
            ownership(),
        );
        assert!(matches!(made, Err(LayerError::Changed { .. })));
    }
}
