//! Images made to do harm, opened.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use praxis_image::{ImageReport, open, report};
use praxis_oci::{Digest, media_type};
use praxis_store::Store;
use praxis_testkit::Archive;
use serde_json::{Value, json};

/// A layout to be filled with what no tool would write.
struct Site {
    place: tempfile::TempDir,
    store: Arc<Store>,
}

impl Site {
    fn new() -> Site {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("layout/blobs/sha256")).unwrap();
        let store = Arc::new(Store::open(&place.path().join("store")).unwrap());
        Site { place, store }
    }

    fn layout(&self) -> PathBuf {
        self.place.path().join("layout")
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.layout().join("blobs/sha256").join(digest.hex())
    }

    fn put(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        fs::write(self.blob(&digest), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()})
    }

    fn index(&self, manifests: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        fs::write(self.layout().join("index.json"), index.to_string()).unwrap();
    }

    /// An image of one layer.
    fn manifest(&self, layer: &[u8]) -> Value {
        let entry = self.put(media_type::LAYER, layer);
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(layer).to_string()]},
        });
        let config = self.put(media_type::CONFIG, config.to_string().as_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": [entry],
        });
        self.put(media_type::MANIFEST, manifest.to_string().as_bytes())
    }

    fn report(&self) -> Result<ImageReport, String> {
        self.report_of(&format!("oci-layout:{}", self.layout().display()))
    }

    fn report_of(&self, image: &str) -> Result<ImageReport, String> {
        let opened = open(image, None, &self.store).map_err(|error| error.to_string())?;
        report(&opened).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(&self, part: &str) {
        let error = self.report().unwrap_err();
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

fn layer() -> Vec<u8> {
    let mut archive = Archive::default();
    archive.directory("etc/", 0o755).file("etc/a", 0o644, b"content");
    archive.finish()
}

/// One member of a tar, with a name that no tool would write.
fn tar_member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    header[108..115].copy_from_slice(b"0000000");
    header[116..123].copy_from_slice(b"0000000");
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[136..147].copy_from_slice(b"00000000000");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512) + 1024, 0);
    bytes
}

#[test]
fn a_sound_image_is_read() {
    let site = Site::new();
    let manifest = site.manifest(&layer());
    site.index(&[manifest]);
    let report = site.report().unwrap();
    assert_eq!((report.layers[0].added, report.bytes), (2, 7));
}

#[test]
fn row_1_a_layer_that_climbs_is_refused() {
    for name in ["../../x", "a/../../x", "/x"] {
        let site = Site::new();
        let manifest = site.manifest(&tar_member(name, b"x"));
        site.index(&[manifest]);
        site.refused(name);
    }
}

#[test]
fn row_25_digests_are_checked_before_they_are_paths() {
    let site = Site::new();
    for digest in ["sha256:../../../store", "sha256:AA", "md5:00"] {
        site.index(&[json!({"mediaType": media_type::MANIFEST, "digest": digest, "size": 2})]);
        site.refused("invalid digest");
    }
}

#[test]
fn row_26_types_are_not_confused() {
    let site = Site::new();
    let sound = site.manifest(&layer());
    let path = site.blob(&sound["digest"].as_str().unwrap().parse().unwrap());
    let mut both: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    both["manifests"] = json!([]);
    let both = site.put(media_type::MANIFEST, both.to_string().as_bytes());
    site.index(&[both]);
    site.refused("both a manifest and an index");
    let mut mislabelled = sound.clone();
    mislabelled["mediaType"] = json!(media_type::INDEX);
    site.index(&[mislabelled]);
    site.refused("is not the");
}

#[test]
fn row_27_links_in_a_layout_are_refused() {
    let site = Site::new();
    let manifest = site.manifest(&layer());
    let digest: Digest = manifest["digest"].as_str().unwrap().parse().unwrap();
    let elsewhere = site.place.path().join("elsewhere");
    fs::rename(site.blob(&digest), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, site.blob(&digest)).unwrap();
    site.index(&[manifest]);
    site.refused(&digest.hex());
    let blobs = site.layout().join("blobs");
    fs::rename(&blobs, site.place.path().join("moved")).unwrap();
    std::os::unix::fs::symlink(site.place.path().join("moved"), &blobs).unwrap();
    site.refused(&digest.hex());
}

#[test]
fn row_28_indexes_are_neither_deep_nor_wide() {
    let site = Site::new();
    let mut entry = site.manifest(&layer());
    for _ in 0..5 {
        let index = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [entry]});
        entry = site.put(media_type::INDEX, index.to_string().as_bytes());
    }
    site.index(&[entry.clone()]);
    site.refused("deeper than");
    site.index(&vec![entry; 1001]);
    site.refused("too wide");
}

#[test]
fn row_29_sizes_are_bounded() {
    let site = Site::new();
    let mut manifest = site.manifest(&layer());
    manifest["size"] = json!(1u64 << 62);
    site.index(&[manifest]);
    site.refused("too many");
    let large = site.put(media_type::MANIFEST, &vec![b' '; 5 << 20]);
    site.index(&[large]);
    site.refused("too many");
    fs::write(site.layout().join("index.json"), vec![b' '; 5 << 20]).unwrap();
    site.refused("more than");
}

#[test]
fn a_changed_byte_is_found_wherever_it_is() {
    let site = Site::new();
    let manifest = site.manifest(&layer());
    site.index(&[manifest]);
    for entry in fs::read_dir(site.layout().join("blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let sound = fs::read(&path).unwrap();
        let mut damaged = sound.clone();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        fs::write(&path, &damaged).unwrap();
        site.report().unwrap_err();
        fs::write(&path, &sound[..last]).unwrap();
        site.report().unwrap_err();
        fs::write(&path, &sound).unwrap();
    }
    site.report().unwrap();
}

#[test]
fn archives_that_are_none_or_lead_in_circles_are_refused() {
    let site = Site::new();
    let path = site.place.path().join("x.tar");
    let shown = path.to_str().unwrap();
    fs::write(&path, "no archive at all").unwrap();
    site.report_of(shown).unwrap_err();
    fs::write(&path, layer()).unwrap();
    assert!(
        site.report_of(shown)
            .unwrap_err()
            .contains("neither an OCI nor a docker archive")
    );
    let mut circle = Archive::default();
    circle
        .link("manifest.json", "other")
        .link("other", "manifest.json");
    fs::write(&path, circle.finish()).unwrap();
    assert!(site.report_of(shown).unwrap_err().contains("manifest.json"));
    let mut outside = Archive::default();
    outside.link("manifest.json", "../../../../../../etc/passwd");
    fs::write(&path, outside.finish()).unwrap();
    assert!(site.report_of(shown).unwrap_err().contains("no manifest.json"));
    assert!(Path::new(shown).exists());
}

#[test]
fn row_13_many_removals_of_one_tree_are_quick() {
    let mut lower = Archive::default();
    let mut upper = Archive::default();
    let mut path = String::new();
    for depth in 0..40 {
        path.push_str("d/");
        lower.directory(&path, 0o755);
        for file in 0..200 {
            lower.file(&format!("{path}f{file}"), 0o644, b"x");
        }
        if depth % 2 == 1 {
            upper.file(&format!("{path}.wh..wh..opq"), 0o644, b"");
        }
    }
    let site = Site::new();
    let layers = [lower.finish(), upper.finish()];
    let ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let entries: Vec<Value> = layers
        .iter()
        .map(|layer| site.put(media_type::LAYER, layer))
        .collect();
    let config =
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}});
    let config = site.put(media_type::CONFIG, config.to_string().as_bytes());
    let manifest =
        json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": entries});
    let manifest = site.put(media_type::MANIFEST, manifest.to_string().as_bytes());
    site.index(&[manifest]);
    let report = site.report().unwrap();
    let mut paths: Vec<&str> = report.layers[1]
        .changes
        .iter()
        .map(|one| one.path.as_str())
        .collect();
    let told = paths.len();
    paths.dedup();
    assert_eq!(paths.len(), told, "a path is told once");
    assert!(told >= 38 * 200, "{told}");
}
