//! The client against registries that lie, and against a real one.

mod certificates;
mod hostile;
mod network;
mod real;
mod tokens;
mod uploads;

use std::time::Duration;

use praxis_oci::{Descriptor, Digest, media_type};
use praxis_registry::{Client, Credential, RegistryError, Secret, Settings};
use serde_json::json;

/// Settings that wait for nothing.
fn settings() -> Settings {
    Settings {
        retries: 3,
        backoff: Duration::from_millis(5),
        longest_wait: Duration::from_secs(2),
        silence_timeout: Duration::from_secs(20),
        ..Settings::default()
    }
}

fn client() -> Client {
    Client::new(settings())
}

const PASSWORD: &str = "hunter2-canary";

/// Settings with an account at `registry`.
fn account(registry: &str) -> Settings {
    let mut settings = settings();
    let credential = Credential::Password {
        user: "ann".into(),
        password: Secret::new(PASSWORD),
    };
    settings.credentials.given.insert(registry.into(), credential);
    settings
}

/// A manifest of one layer.
fn manifest(layer: &Descriptor) -> (Vec<u8>, Descriptor) {
    let config = Descriptor::of(media_type::CONFIG, b"{}");
    let text = json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": [layer],
    });
    let bytes = text.to_string().into_bytes();
    let descriptor = Descriptor::of(media_type::MANIFEST, &bytes);
    (bytes, descriptor)
}

fn layer(bytes: &[u8]) -> Descriptor {
    Descriptor::of(media_type::LAYER, bytes)
}

/// Bytes that look like nothing.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::of(bytes)
}

fn refused<T>(outcome: Result<T, RegistryError>, why: &str) {
    let error = outcome.err().unwrap_or_else(|| panic!("not refused: {why}"));
    assert!(
        error.message.contains(why),
        "{:?} does not say {why:?}",
        error.message
    );
    assert!(!error.message.contains(PASSWORD), "{}", error.message);
    assert!(
        !error.message.chars().any(char::is_control),
        "{:?}",
        error.message
    );
}
