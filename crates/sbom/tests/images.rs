//! Images with packages of every kind, and some made to do harm.

use std::fs;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use object::write::Object;
use object::{Architecture, BinaryFormat, Endianness, SectionKind};
use praxis_image::open;
use praxis_oci::{Digest, media_type};
use praxis_sbom::{
    Inventory, KnownPackage, SbomDifference, SbomError, cyclonedx, differences, inventory, listed, spdx,
};
use praxis_store::Store;
use praxis_testkit::Archive;
use rusqlite::{Connection, MAIN_DB};
use serde_json::{Value, json};
use std::io::Write;

/// The inventory of an image of these layers.
fn of(layers: &[Vec<u8>], known: &[KnownPackage]) -> Result<Inventory, SbomError> {
    let place = tempfile::tempdir().unwrap();
    let layout = place.path().join("layout");
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let put = |media_type: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()})
    };
    let entries: Vec<Value> = layers.iter().map(|layer| put(media_type::LAYER, layer)).collect();
    let ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {}, "created": "2026-01-02T03:04:05.5Z",
        "rootfs": {"type": "layers", "diff_ids": ids},
    });
    let config = put(media_type::CONFIG, config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": entries,
    });
    let manifest = put(media_type::MANIFEST, manifest.to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(layout.join("index.json"), index.to_string()).unwrap();
    let store = Arc::new(Store::open(&place.path().join("store")).unwrap());
    let opened = open(&format!("oci-layout:{}", layout.display()), None, &store).unwrap();
    inventory(&opened, known)
}

const STATUS: &[u8] = b"Package: tool\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.0-1+b2\n\
Source: toolbox (1:2.0-1)\nMaintainer: A B <a@b.c>\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\
Architecture: all\n\nPackage: python3-six\nStatus: install ok installed\nArchitecture: all\nVersion: 1.16.0-4\n";

fn debian() -> Archive {
    let mut layer = Archive::default();
    layer
        .file("etc/os-release", 0o644, b"ID=debian\nVERSION_ID=\"13\"\nPRETTY_NAME=\"Debian 13\"\n")
        .link("bin", "usr/bin")
        .file("usr/bin/tool", 0o755, b"#!/bin/sh\n")
        .file("var/lib/dpkg/status", 0o644, STATUS)
        .file("var/lib/dpkg/info/tool.list", 0o644, b"/.\n/bin\n/bin/tool\n/not/there\n")
        .file(
            "var/lib/dpkg/info/python3-six.list",
            0o644,
            b"/usr/lib/python3/dist-packages/six.py\n/usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO\n",
        )
        .file("usr/lib/python3/dist-packages/six.py", 0o644, b"x = 1\n")
        .file(
            "usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO",
            0o644,
            b"Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\nLicense: MIT\n",
        )
        .file(
            "usr/lib/python3/dist-packages/__pycache__/six.cpython-313.pyc",
            0o644,
            b"code",
        )
        .file(
            "usr/share/doc/tool/copyright",
            0o644,
            b"Format: https://example.org/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n",
        );
    layer
}

fn purls(inventory: &Inventory) -> Vec<&str> {
    inventory.components.iter().map(|one| one.purl.as_str()).collect()
}

/// A program with one section of data.
fn program(section: &str, data: &[u8]) -> Vec<u8> {
    let mut object = Object::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
    let segment = object.segment_name(object::write::StandardSegment::Data).to_vec();
    let id = object.add_section(segment, section.as_bytes().to_vec(), SectionKind::ReadOnlyData);
    object.append_section_data(id, data, 16);
    object.write().unwrap()
}

#[test]
fn debian_packages_and_their_files() {
    let found = of(&[debian().finish()], &[]).unwrap();
    assert_eq!(
        purls(&found),
        [
            "pkg:deb/debian/python3-six@1.16.0-4?arch=all&distro=debian-13&upstream=python3-six%401.16.0-4",
            "pkg:deb/debian/tool@1:2.0-1%2Bb2?arch=amd64&distro=debian-13&upstream=toolbox%401:2.0-1",
            "pkg:pypi/six@1.16.0",
        ]
    );
    let tool = &found.components[1];
    assert_eq!(tool.licence.expression.as_deref(), Some("GPL-2.0-or-later"));
    let files: Vec<String> = tool.files.iter().map(ToString::to_string).collect();
    assert_eq!(files, ["/bin", "/usr/bin/tool", "/var/lib/dpkg/info/tool.list"]);
    assert_eq!(found.components[0].files.len(), 4, "byte code is its source's");
    assert_eq!(found.components[2].part_of.as_deref(), Some(purls(&found)[0]));
    let nobodys: Vec<String> = found.unattributed.iter().map(ToString::to_string).collect();
    assert_eq!(
        nobodys,
        [
            "/etc/os-release",
            "/usr/share/doc/tool/copyright",
            "/var/lib/dpkg/status"
        ]
    );
}

#[test]
fn what_a_later_layer_removes_is_not_there() {
    let mut upper = Archive::default();
    upper.file("var/lib/dpkg/.wh.status", 0o644, b"").file(
        "usr/lib/python3/dist-packages/.wh.six-1.16.0.egg-info",
        0o644,
        b"",
    );
    let known = KnownPackage {
        name: "tool".into(),
        version: "1:2.0-1+b2".into(),
        architecture: "amd64".into(),
        filename: "pool/main/t/toolbox/tool_2.0-1+b2_amd64.deb".into(),
        sha256: "a".repeat(64),
    };
    let layers = [debian().finish(), upper.finish()];
    assert_eq!(purls(&of(&layers, &[]).unwrap()), Vec::<&str>::new());
    let found = of(&layers, std::slice::from_ref(&known)).unwrap();
    assert_eq!(
        purls(&found),
        ["pkg:deb/debian/tool@1:2.0-1%2Bb2?arch=amd64&distro=debian-13&upstream=toolbox%401:2.0-1"]
    );
    assert!(found.notes[0].contains("lock"), "{:?}", found.notes);
    let confirmed = of(&[debian().finish()], &[known]).unwrap();
    assert_eq!(confirmed.components[1].package_sha256, Some("a".repeat(64)));
}

#[test]
fn other_managers() {
    let mut layer = Archive::default();
    layer
        .file("etc/os-release", 0o644, b"ID=alpine\nVERSION_ID=3.20.1\n")
        .file(
            "lib/apk/db/installed",
            0o644,
            b"P:musl-utils\nV:1.2.5-r0\nA:x86_64\no:musl\nL:MIT AND BSD-2-Clause\nF:usr/bin\nR:ldd\n\n",
        )
        .file("usr/bin/ldd", 0o755, b"x")
        .file(
            "app/node_modules/@scope/n/package.json",
            0o644,
            b"{\"name\":\"@scope/n\",\"version\":\"1.0.0\",\"license\":\"ISC\"}",
        )
        .file("app/node_modules/@scope/n/index.js", 0o644, b"x")
        .file(
            "app/node_modules/@scope/n/test/package.json",
            0o644,
            b"{\"name\":\"no\",\"version\":\"1\"}",
        );
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    let audit = json!({"packages": [
        {"name": "me", "version": "0.1.0", "source": "local", "dependencies": [1, 2], "root": true},
        {"name": "serde", "version": "1.0.1", "source": "crates.io"},
        {"name": "cc", "version": "1.0.2", "source": "crates.io", "kind": "build"},
    ]});
    zlib.write_all(audit.to_string().as_bytes()).unwrap();
    layer.file(
        "usr/bin/rust",
        0o755,
        &program(".dep-v0", &zlib.finish().unwrap()),
    );
    let mut info = b"\xff Go buildinf:\x08\x02".to_vec();
    info.resize(32, 0);
    let text = format!(
        "{0}mod\tx.org/m\tv1.0.0\ndep\ty.org/d\tv2.0.0\n{0}",
        "_".repeat(16)
    );
    info.push(8);
    info.extend(b"go1.24.1");
    info.push(text.len() as u8);
    info.extend(text.as_bytes());
    layer.file("usr/bin/go", 0o755, &program(".go.buildinfo", &info));
    let found = of(&[layer.finish()], &[]).unwrap();
    assert_eq!(
        purls(&found),
        [
            "pkg:apk/alpine/musl-utils@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1&upstream=musl",
            "pkg:cargo/me@0.1.0",
            "pkg:cargo/serde@1.0.1",
            "pkg:golang/stdlib@1.24.1",
            "pkg:golang/x.org/m@v1.0.0",
            "pkg:golang/y.org/d@v2.0.0",
            "pkg:npm/%40scope/n@1.0.0",
        ]
    );
    assert_eq!(found.components[6].files.len(), 3);
    assert_eq!(found.components[1].uses.len(), 1);
}

/// A header of rpm's with texts only.
fn header(texts: &[(u32, &str)]) -> Vec<u8> {
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for (tag, text) in texts {
        for word in [*tag, 6, data.len() as u32, 1] {
            entries.extend(word.to_be_bytes());
        }
        data.extend(text.bytes().chain([0]));
    }
    let mut bytes = (texts.len() as u32).to_be_bytes().to_vec();
    bytes.extend((data.len() as u32).to_be_bytes());
    [bytes, entries, data].concat()
}

#[test]
fn rpm_packages() {
    let mut database = Connection::open_in_memory().unwrap();
    database
        .execute_batch("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        .unwrap();
    let bash = header(&[
        (1000, "bash"),
        (1001, "5.2"),
        (1002, "1.el9"),
        (1014, "GPL-3.0-or-later"),
        (1022, "x86_64"),
        (1044, "bash-5.2-1.el9.src.rpm"),
    ]);
    database
        .execute("INSERT INTO Packages (blob) VALUES (?1), (x'ffff')", [bash])
        .unwrap();
    let mut layer = Archive::default();
    layer
        .file("etc/os-release", 0o644, b"ID=\"rhel\"\nVERSION_ID=\"9.4\"\n")
        .file(
            "var/lib/rpm/rpmdb.sqlite",
            0o644,
            &database.serialize(MAIN_DB).unwrap(),
        );
    let found = of(&[layer.finish()], &[]).unwrap();
    assert_eq!(
        purls(&found),
        ["pkg:rpm/redhat/bash@5.2-1.el9?arch=x86_64&distro=rhel-9.4&upstream=bash-5.2-1.el9.src.rpm"]
    );
    let mut old = Archive::default();
    old.file("var/lib/rpm/Packages", 0o644, b"bdb");
    assert!(of(&[old.finish()], &[]).unwrap().notes[0].contains("Berkeley DB"));
}

#[test]
fn documents_are_complete_and_the_same_again() {
    let found = of(&[debian().finish()], &[]).unwrap();
    let again = of(&[debian().finish()], &[]).unwrap();
    for document in [spdx(&found), cyclonedx(&found)] {
        let listed = listed(document.to_string().as_bytes()).unwrap();
        assert_eq!(differences(&listed, &found), []);
        assert_eq!(listed.components.len(), 3);
    }
    assert_eq!(spdx(&found).to_string(), spdx(&again).to_string());
    assert_eq!(cyclonedx(&found).to_string(), cyclonedx(&again).to_string());
    let document = spdx(&found);
    assert_eq!(document["creationInfo"]["created"], "2026-01-02T03:04:05Z");
    let regular = found.files.values().filter(|file| file.sha256.is_some()).count();
    assert_eq!(document["files"].as_array().unwrap().len(), regular);
    let tool = &document["packages"][3];
    assert_eq!(tool["sourceInfo"], "built package from: toolbox 1:2.0-1");
    let bom = cyclonedx(&found);
    assert_eq!(bom["components"][0]["type"], "operating-system");
    let properties = bom["components"][2]["properties"].to_string();
    for (name, value) in [
        ("SrcName", "toolbox"),
        ("SrcVersion", "2.0"),
        ("SrcRelease", "1"),
        ("SrcEpoch", "1"),
    ] {
        let wanted = json!({"name": format!("aquasecurity:trivy:{name}"), "value": value}).to_string();
        assert!(properties.contains(&wanted), "{wanted} in {properties}");
    }
}

#[test]
fn row_69_a_changed_list_is_found() {
    let found = of(&[debian().finish()], &[]).unwrap();
    let mut document = cyclonedx(&found);
    let components = document["components"].as_array_mut().unwrap();
    let removed = components.remove(2)["purl"].as_str().unwrap().to_string();
    components.push(json!({"type": "library", "name": "x", "purl": "pkg:pypi/x@1"}));
    let file = components.iter_mut().find(|one| one["type"] == "file").unwrap();
    file["hashes"][0]["content"] = "0".repeat(64).into();
    let found = differences(&listed(document.to_string().as_bytes()).unwrap(), &found);
    assert_eq!(
        found,
        [
            SbomDifference::Missing(removed),
            SbomDifference::Invented("pkg:pypi/x@1".into()),
            SbomDifference::File("/etc/os-release".into()),
        ]
    );
    assert!(listed(b"{}").is_err());
    assert!(listed("[".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn row_38_hostile_records_are_left_out() {
    let deep = format!(
        "{{\"name\":\"a\",\"version\":\"1\",\"license\":{}",
        "[".repeat(100_000)
    );
    let mut layer = Archive::default();
    layer
        .file("etc/os-release", 0o644, b"ID=../../x\nVERSION_ID=1\n")
        .file(
            "var/lib/dpkg/status",
            0o644,
            b"Package: a?b#c\nVersion: 1&x=y\nArchitecture: all\n\n\xff\xfe\n\nPackage:\nVersion: 1\n",
        )
        .file("app/node_modules/a/package.json", 0o644, deep.as_bytes())
        .file(
            "x/site-packages/e.dist-info/METADATA",
            0o644,
            b"Name: e\nVersion: 1\n",
        )
        .file(
            "x/site-packages/e.dist-info/RECORD",
            0o644,
            b"../../../../etc/shadow,,\n/etc/os-release,,\n",
        )
        .file(
            "usr/bin/elf",
            0o755,
            &[b"\x7fELF\x02\x01\x01\0".as_slice(), &[0xff; 256]].concat(),
        );
    let found = of(&[layer.finish()], &[]).unwrap();
    assert_eq!(
        purls(&found),
        [
            "pkg:deb/debian/a%3Fb%23c@1&x%3Dy?arch=all&upstream=a%3Fb%23c%401%26x%3Dy",
            "pkg:pypi/e@1",
        ]
    );
    assert_eq!(found.system, None);
    assert_eq!(
        differences(&listed(spdx(&found).to_string().as_bytes()).unwrap(), &found),
        []
    );
}
