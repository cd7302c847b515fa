use std::io::{self, Read};
use std::process::Command;

use praxis_layer::{ArchiveEntry, ArchiveKind, LayerError, Limits, Timestamp, is_archive, read_archive};

use crate::forge::{Forge, run};

pub fn members(tar: &[u8]) -> Result<Vec<(ArchiveEntry, Vec<u8>)>, LayerError> {
    let mut all = Vec::new();
    read_archive(tar, &Limits::default(), &mut |entry, content: &mut dyn Read| {
        let mut body = Vec::new();
        let failed = |error: io::Error| match error.downcast::<LayerError>() {
            Ok(error) => error,
            Err(source) => LayerError::Io {
                action: "read",
                path: String::new(),
                source,
            },
        };
        content.read_to_end(&mut body).map_err(failed)?;
        all.push((entry, body));
        Ok::<(), LayerError>(())
    })?;
    Ok(all)
}

fn tree() -> tempfile::TempDir {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("t");
    std::fs::create_dir_all(path.join("n".repeat(120))).unwrap();
    std::fs::write(path.join("n".repeat(120)).join("m".repeat(120)), "long").unwrap();
    std::fs::write(path.join("file"), "content\n").unwrap();
    std::fs::hard_link(path.join("file"), path.join("twin")).unwrap();
    std::os::unix::fs::symlink("l".repeat(150), path.join("link")).unwrap();
    std::fs::write(path.join("plain"), vec![b'x'; 513]).unwrap();
    top
}

#[test]
fn every_dialect_of_gnu_tar_is_read_as_gnu_tar_reads_it() {
    for dialect in ["gnu", "oldgnu", "posix", "pax"] {
        let top = tree();
        let out = Command::new("tar")
            .args(["-c", "--sort=name", "--format", dialect, "-C"])
            .arg(top.path())
            .arg("t")
            .output()
            .unwrap();
        let (ok, listed) = run("tar", &["-tf", "-"], &out.stdout);
        assert!(ok);
        let all = members(&out.stdout).unwrap();
        let names: Vec<String> = all
            .iter()
            .map(|(entry, _)| String::from_utf8(entry.path.as_bytes().to_vec()).unwrap())
            .collect();
        let expected: Vec<&str> = listed.lines().map(|line| line.trim_end_matches('/')).collect();
        assert_eq!(names, expected, "{dialect}");
        let find = |name: &str| all.iter().find(|(entry, _)| entry.path == name.into()).unwrap();
        assert_eq!(find("t/plain").1, vec![b'x'; 513]);
        assert_eq!(
            find("t/link").0.kind,
            ArchiveKind::Symlink {
                target: "l".repeat(150).into()
            }
        );
        assert_eq!(
            find("t/twin").0.kind,
            ArchiveKind::Hardlink {
                target: "t/file".into()
            }
        );
    }
}

#[test]
fn old_v7_archives_are_read() {
    let top = tempfile::tempdir().unwrap();
    std::fs::create_dir(top.path().join("d")).unwrap();
    std::fs::write(top.path().join("d/f"), "v7").unwrap();
    let out = Command::new("tar")
        .args(["-c", "--format=v7", "-C"])
        .arg(top.path())
        .arg("d")
        .output()
        .unwrap();
    let all = members(&out.stdout).unwrap();
    assert_eq!(all[0].0.kind, ArchiveKind::Directory);
    assert_eq!(
        (all[1].0.path.clone(), all[1].1.as_slice()),
        ("d/f".into(), b"v7".as_slice())
    );
}

#[test]
fn sparse_files_come_out_whole() {
    for arguments in [
        vec!["--format=gnu"],
        vec!["--format=posix", "--sparse-version=1.0"],
        vec!["--format=posix", "--sparse-version=0.1"],
        vec!["--format=posix", "--sparse-version=0.0"],
    ] {
        let top = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(top.path().join("sparse")).unwrap();
        let mut expected = vec![0; 3 << 20];
        for at in 0..12usize {
            let offset = at * (256 << 10) + 4096;
            std::os::unix::fs::FileExt::write_all_at(&file, b"data here", offset as u64).unwrap();
            expected[offset..offset + 9].copy_from_slice(b"data here");
        }
        file.set_len(3 << 20).unwrap();
        std::fs::write(top.path().join("z"), "after").unwrap();
        let out = Command::new("tar")
            .args(["-cS"])
            .args(&arguments)
            .arg("-C")
            .arg(top.path())
            .args(["sparse", "z"])
            .output()
            .unwrap();
        assert!(
            out.stdout.len() < 1 << 20,
            "{arguments:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        let all = members(&out.stdout).unwrap();
        assert_eq!(all[0].0.path, "sparse".into());
        assert!(all[0].1 == expected, "{arguments:?}");
        assert_eq!(all[0].0.kind, ArchiveKind::File { size: 3 << 20 });
        assert_eq!(all[1].1, b"after");
    }
}

#[test]
fn names_need_not_be_utf_8_and_numbers_may_be_base_256() {
    let tar = Forge::new()
        .header(b"\xff\xfe", b'6', b"", |header| {
            header[108..116].copy_from_slice(&[0x80, 0, 0, 0, 0xff, 0xff, 0xff, 0xfe]);
            header[136..148].copy_from_slice(&[0xff; 12]);
        })
        .end();
    let (entry, _) = members(&tar).unwrap().remove(0);
    assert_eq!(entry.path.as_bytes(), b"\xff\xfe");
    assert_eq!((entry.uid, entry.mtime), (0xffff_fffe, Timestamp::seconds(-1)));
}

#[test]
fn extended_headers_override_and_global_ones_stay() {
    let global = "14 uid=123456\n";
    let tar = Forge::new()
        .member(b"g", b'g', b"", global.as_bytes())
        .pax(&[
            ("path", "renamed"),
            ("mtime", "7.25"),
            ("SCHILY.xattr.user.x", "1=2"),
        ])
        .file("short", "a")
        .file("other", "b")
        .end();
    let all = members(&tar).unwrap();
    assert_eq!(all[0].0.path, "renamed".into());
    assert_eq!(
        all[0].0.mtime,
        Timestamp {
            seconds: 7,
            nanoseconds: 250_000_000
        }
    );
    assert_eq!(all[0].0.xattrs[b"user.x".as_slice()], b"1=2");
    assert_eq!((all[1].0.uid, all[1].0.xattrs.len()), (123456, 0));
}

#[test]
fn what_follows_the_end_is_ignored_and_its_absence_forgiven() {
    let whole = Forge::new().file("a", "x");
    assert_eq!(members(&whole.0).unwrap().len(), 1);
    let mut trailing = whole.end();
    trailing.extend_from_slice(b"garbage that is no header");
    assert_eq!(members(&trailing).unwrap().len(), 1);
    assert!(members(&trailing[..700]).is_err());
    assert!(members(&trailing[..1000]).is_err());
}

#[test]
fn only_what_begins_like_a_tar_is_an_archive() {
    let tar = Forge::new().file("../even/this", "x").end();
    assert!(is_archive(tar.as_slice()));
    assert!(is_archive(zstd::bulk::compress(&tar, 1).unwrap().as_slice()));
    for no in [
        b"".as_slice(),
        b"not an archive\n",
        &[0; 100],
        &[0; 1024],
        &zstd::bulk::compress(b"text", 1).unwrap(),
    ] {
        assert!(!is_archive(no), "{no:?}");
    }
}

/// security row 10: a size that extended headers change is the size by which all readers skip.
#[test]
fn row_10_the_same_members_as_gnu_tar_and_python() {
    let inner = Forge::new().file("smuggled", "evil").0;
    let tar = Forge::new()
        .pax(&[("size", &inner.len().to_string())])
        .header(b"outer", b'0', b"", |_| {})
        .body(&inner)
        .file("last", "z")
        .end();
    let names: Vec<_> = members(&tar)
        .unwrap()
        .iter()
        .map(|(entry, _)| entry.path.to_string())
        .collect();
    assert_eq!(names, ["/outer", "/last"]);
    assert_eq!(run("tar", &["-tf", "-"], &tar), (true, "outer\nlast\n".into()));
    let script = "import sys,tarfile; print(*tarfile.open(fileobj=sys.stdin.buffer,mode='r|').getnames())";
    assert_eq!(
        run("python3", &["-c", script], &tar),
        (true, "outer last\n".into())
    );
}

/// security row 10: where readers disagree, the archive is refused.
#[test]
fn row_10_members_that_readers_understand_differently_are_refused() {
    let sized = |flag| {
        Forge::new()
            .header(b"d", flag, b"t", |header| {
                header[124..136].copy_from_slice(b"00000001000\0")
            })
            .body(&[0; 512])
    };
    for flag in [b'1', b'2', b'3', b'4', b'5', b'6', b'?'] {
        assert!(members(&sized(flag).end()).is_err(), "{}", char::from(flag));
    }
    let twice = Forge::new()
        .pax(&[("path", "a")])
        .pax(&[("path", "b")])
        .file("c", "");
    assert!(members(&twice.end()).is_err());
    let both = Forge::new()
        .member(b"@", b'L', b"", b"gnu\0")
        .pax(&[("path", "pax")])
        .file("c", "");
    assert!(members(&both.end()).is_err());
    let global = Forge::new()
        .member(b"g", b'g', b"", b"11 size=99\n")
        .file("c", "");
    assert!(members(&global.end()).is_err());
    let lone = [
        Forge::new().file("a", "").0,
        vec![0; 512],
        Forge::new().file("b", "").0,
    ]
    .concat();
    assert!(members(&lone).is_err());
}

/// security row 11: malformed records, negative sizes and NULs are refused at once.
#[test]
fn row_11_bad_records_sizes_and_names_are_refused() {
    let size = |bytes: [u8; 12]| {
        Forge::new().header(b"f", b'0', b"", |header| header[124..136].copy_from_slice(&bytes))
    };
    assert!(members(&size([0xff; 12]).end()).is_err());
    assert!(members(&size(*b"-0000000001\0").end()).is_err());
    assert!(
        members(
            &size([
                0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
            ])
            .end()
        )
        .is_err()
    );
    for records in [
        [("size", "-1")],
        [("size", "99999999999999999999")],
        [("path", "a\0b")],
        [("mtime", "x")],
    ] {
        assert!(
            members(&Forge::new().pax(&records).file("f", "").end()).is_err(),
            "{records:?}"
        );
    }
    let body = Forge::new().member(b"x", b'x', b"", b"30 path=a\n").file("f", "");
    assert!(members(&body.end()).is_err());
    let mut sum = Forge::new().file("f", "").end();
    sum[0] = b'g';
    assert!(members(&sum).is_err());
}

/// security row 38, for archives: damage is an error or another archive, never a panic or a hang.
#[test]
fn row_38_damaged_archives_never_panic() {
    let whole = Forge::new()
        .pax(&[
            ("GNU.sparse.map", "0,1,4,2"),
            ("GNU.sparse.size", "9"),
            ("mtime", "-1.5"),
            ("SCHILY.xattr.user.a", "b"),
        ])
        .file("f", "abc")
        .member(b"@", b'L', b"", b"long\0")
        .symlink("s", "t")
        .hardlink("h", "f")
        .header(b"old", b'S', b"", |header| {
            header[483..495].copy_from_slice(b"00000000011\0")
        })
        .directory("d")
        .end();
    assert_eq!(members(&whole).unwrap().len(), 5);
    let mut state = 1u64;
    for _ in 0..3_000 {
        let mut damaged = whole.clone();
        for _ in 0..3 {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let at = (state >> 33) as usize % damaged.len();
            damaged[at] = (state >> 20) as u8;
            // The sum is put right, else it would hide all else.
            let start = at / 512 * 512;
            damaged[start + 148..start + 156].fill(b' ');
            let sum: u32 = damaged[start..start + 512]
                .iter()
                .map(|&byte| u32::from(byte))
                .sum();
            damaged[start + 148..start + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let limits = Limits {
            max_bytes: 1 << 16,
            ..Limits::default()
        };
        let index = praxis_layer::index_layer(damaged.as_slice(), &limits);
        if let Ok(listing) = index {
            assert_eq!(praxis_layer::Listing::decode(&listing.encode()).unwrap(), listing);
        }
    }
}

/// security row 12: sparse maps are bounded.
#[test]
fn row_12_huge_sparse_maps_are_refused() {
    let inline = Forge::new()
        .pax(&[
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.realsize", "9"),
        ])
        .member(
            b"f",
            b'0',
            b"",
            &[b"99999999999\n".as_slice(), &[0; 500]].concat(),
        );
    assert!(matches!(members(&inline.end()), Err(LayerError::Limit { .. })));
    let mut old = Forge::new().header(b"f", b'S', b"", |header| {
        header[482] = 1;
        header[483..495].copy_from_slice(b"00000000000\0");
    });
    let mut block = [0; 512];
    block[504] = 1;
    for _ in 0..20_000 {
        old.0.extend_from_slice(&block);
    }
    assert!(matches!(members(&old.end()), Err(LayerError::Limit { .. })));
    for map in ["0,5,3,5", "5", "0,1", "8,8", "18446744073709551615,2"] {
        let tar = Forge::new()
            .pax(&[("GNU.sparse.map", map), ("GNU.sparse.size", "9")])
            .file("f", "0123456789");
        assert!(members(&tar.end()).is_err(), "{map}");
    }
    let large = Forge::new()
        .pax(&[("GNU.sparse.map", "0,1"), ("GNU.sparse.size", "999999999999999")])
        .file("f", "0");
    assert!(matches!(members(&large.end()), Err(LayerError::Limit { .. })));
}

/// security row 17: members are counted.
#[test]
fn row_17_too_many_members_are_refused() {
    let tar = Forge::new().file("a", "").file("b", "").file("c", "").end();
    let limits = Limits {
        max_entries: 2,
        ..Limits::default()
    };
    let result = read_archive(tar.as_slice(), &limits, &mut |_, _: &mut dyn Read| {
        Ok::<(), LayerError>(())
    });
    assert!(matches!(result, Err(LayerError::Limit { cap: 2, .. })));
}

/// security row 19: decompressors run in this process; the crate has no way to start a program.
#[test]
fn row_19_no_program_is_ever_started() {
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for file in std::fs::read_dir(sources).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!text.contains("process::Command") && !text.contains("execve"));
        seen += 1;
    }
    assert!(seen > 10);
    let tar = Forge::new().file("a", "x").end();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    io::Write::write_all(&mut xz, &tar).unwrap();
    let mut out = Vec::new();
    let blob = xz.finish().unwrap();
    praxis_layer::decompress(blob.as_slice(), &Limits::default())
        .unwrap()
        .read_to_end(&mut out)
        .unwrap();
    assert_eq!(out, tar);
}
