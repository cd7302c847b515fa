//! The image loader on texts that are damaged in every way.

use std::fs;

use praxis_layer::Ownership;
use praxis_store::Store;
use serde_json::json;

use praxis_oci::media_type;

use super::*;

/// A small generator of numbers that look random, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    /// Replaces, removes or repeats parts of `text`.
    fn damage(&mut self, text: &str) -> Vec<u8> {
        const PIECES: [&str; 16] = [
            "null",
            "-1",
            "18446744073709551615",
            "1e999",
            "\"\"",
            "[]",
            "{}",
            "[[[[[[[[",
            "sha256:",
            "\\u0000",
            "..",
            "/",
            "\u{7f}",
            "true",
            "\"a\":",
            ",",
        ];
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let end = (at + self.below(12)).min(bytes.len());
            match self.below(4) {
                0 => bytes[at] = self.below(256) as u8,
                1 => drop(bytes.drain(at..end)),
                2 => drop(bytes.splice(at..end, PIECES[self.below(PIECES.len())].bytes())),
                _ => {
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
            }
            if bytes.is_empty() {
                bytes.push(b'{');
            }
        }
        bytes
    }
}

fn put(layout: &Path, media_type: &str, bytes: &[u8]) -> Descriptor {
    let descriptor = Descriptor::of(media_type, bytes);
    fs::write(layout.join("blobs/sha256").join(descriptor.digest.hex()), bytes).unwrap();
    descriptor
}

#[test]
fn row_38_no_manifest_configuration_or_index_makes_the_loader_panic() {
    let place = tempfile::tempdir().unwrap();
    let layout = place.path().join("layout");
    fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
    let store = Arc::new(Store::open(&place.path().join("store")).unwrap());
    let workshop = Arc::new(Workshop {
        store,
        ownership: Ownership::Ignored,
        threads: 1,
        turns: Arc::default(),
    });
    let platform: Platform = "linux/amd64".parse().unwrap();
    let layer = put(&layout, media_type::LAYER, &[0; 1024]);
    let config = json!({"architecture": "amd64", "os": "linux", "created": "2018-01-01T00:00:00Z",
        "config": {"Env": ["A=b"], "User": "1:2", "WorkingDir": "/w", "ExposedPorts": {"80/tcp": {}},
            "Healthcheck": {"Test": ["CMD", "x"], "Interval": 5}, "OnBuild": ["RUN x"], "Labels": {"a": "b"}},
        "rootfs": {"type": "layers", "diff_ids": [layer.digest.to_string()]},
        "history": [{"created_by": "x", "empty_layer": false}]})
    .to_string();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut taken, mut refused) = (0, 0);
    for round in 0..900 {
        let damaged = |numbers: &mut Numbers, here: bool, text: &str| {
            if here {
                numbers.damage(text)
            } else {
                text.as_bytes().to_vec()
            }
        };
        let bytes = damaged(&mut numbers, round % 3 == 0, &config);
        let config = put(&layout, media_type::CONFIG, &bytes);
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": [layer]});
        let bytes = damaged(&mut numbers, round % 3 == 1, &manifest.to_string());
        let mut manifest = put(&layout, media_type::MANIFEST, &bytes);
        manifest.platform = Some(platform.clone());
        let inner = put(
            &layout,
            media_type::INDEX,
            json!({"schemaVersion": 2, "manifests": [manifest]})
                .to_string()
                .as_bytes(),
        );
        let index = json!({"schemaVersion": 2, "manifests": [inner]}).to_string();
        fs::write(
            layout.join("index.json"),
            damaged(&mut numbers, round % 3 == 2, &index),
        )
        .unwrap();
        let context = NamedContext::Layout {
            directory: layout.clone(),
            reference: None,
        };
        let images = Images::new(
            workshop.clone(),
            BTreeMap::from([("image".into(), context)]),
            BTreeMap::new(),
        );
        match images.resolve("image", &platform) {
            Ok(Base::Image(image)) => {
                let _ = images.layers(&image);
                taken += 1;
            }
            Ok(other) => panic!("{other:?}"),
            Err(message) => {
                assert!(!message.is_empty());
                refused += 1;
            }
        }
    }
    assert!(taken > 20 && refused > 300, "{taken} taken, {refused} refused");
}
