//! A log of signatures that speaks Rekor's API, version 2: a real tree, real proofs, and lies on demand.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use praxis_merkle::{Checkpoint, inclusion_proof, leaf, root};
use praxis_oci::Digest;
use praxis_sign::{PrivateKey, Signer as _};
use serde_json::{Value, json};

use crate::{WebAnswer, WebRequest, WebServer};

/// What is wrong with the answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    #[default]
    None,
    /// It answers 503.
    Silent,
    /// It answers 503 to what would be more than so many entries.
    Full(usize),
    /// The entry that it gives is the first of the log.
    OtherEntry,
    /// The body says another digest.
    Body,
    /// The checkpoint is signed by a key that the log had never before.
    Key,
    /// The proof is that of the first entry.
    Leaf,
    /// The checkpoint is of the tree before this entry, and so is what is said of it.
    Stale,
    /// The checkpoint has another root, which the log signed.
    Root,
    /// The checkpoint is of a log of another name.
    Origin,
}

struct State {
    key: PrivateKey,
    bodies: Vec<String>,
    lie: Lie,
}

/// The log. It ends when dropped.
pub struct Witness {
    server: WebServer,
    directory: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Witness {
    /// An empty log whose public key is in `directory`.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn start(directory: &Path) -> Witness {
        std::fs::create_dir_all(directory).expect("a directory");
        let key = PrivateKey::generate();
        std::fs::write(directory.join("log.pub"), key.public_key().to_pem()).expect("a file");
        let state = Arc::new(Mutex::new(State {
            key,
            bodies: Vec::new(),
            lie: Lie::None,
        }));
        let (shared, place) = (state.clone(), directory.to_path_buf());
        let server = WebServer::start(move |request| {
            let mut state = shared.lock().expect("no panic while held");
            match entered(&mut state, &place, request) {
                Ok(entry) => WebAnswer::status(201)
                    .and_body(entry.to_string())
                    .with("content-type", "application/json"),
                Err(status) => WebAnswer::status(status),
            }
        });
        Witness {
            server,
            directory: directory.into(),
            state,
        }
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("http://{}", self.server.authority())
    }

    /// Its public key (PEM).
    pub fn key(&self) -> PathBuf {
        self.directory.join("log.pub")
    }

    /// An entry that it has (from 0), as such a lie tells it.
    ///
    /// # Panics
    /// If there is none.
    pub fn entry(&self, index: usize, lie: Lie) -> Value {
        entry(&self.state.lock().expect("no panic while held"), lie, index)
    }

    /// How many entries it has.
    ///
    /// # Panics
    /// If a request panicked.
    pub fn size(&self) -> usize {
        self.state.lock().expect("no panic while held").bodies.len()
    }

    /// What is wrong with its answers from now on.
    ///
    /// # Panics
    /// If a request panicked.
    pub fn lie(&self, lie: Lie) {
        self.state.lock().expect("no panic while held").lie = lie;
    }
}

/// The entry of what is asked, or the status with which the log refuses. What it has already, it has once.
fn entered(state: &mut State, place: &Path, request: &WebRequest) -> Result<Value, u16> {
    let json = request.header("content-type") == Some("application/json");
    if request.method != "POST" || request.path != "/api/v2/log/entries" || !json {
        return Err(404);
    }
    if state.lie == Lie::Silent {
        return Err(503);
    }
    let asked: Value = serde_json::from_slice(&request.body).map_err(|_| 400u16)?;
    let body = body(&asked["hashedRekordRequestV002"], place)?;
    let index = state.bodies.iter().position(|one| *one == body);
    let index = match (index, state.lie) {
        (Some(index), _) => index,
        (None, Lie::Full(size)) if state.bodies.len() >= size => return Err(503),
        (None, _) => {
            state.bodies.push(body);
            state.bodies.len() - 1
        }
    };
    Ok(entry(state, state.lie, index))
}

/// The body of the entry, in canonical JSON, if the signature is of the digest.
fn body(asked: &Value, place: &Path) -> Result<String, u16> {
    let bytes = |value: &Value| STANDARD.decode(value.as_str().ok_or(400u16)?).map_err(|_| 400u16);
    let (digest, signature) = (&asked["digest"], &asked["signature"]);
    let verifier = &signature["verifier"];
    if verifier["keyDetails"] != "PKIX_ECDSA_P256_SHA_256" {
        return Err(400);
    }
    let certified = !verifier["x509Certificate"].is_null();
    let signer = match certified {
        true => &verifier["x509Certificate"]["rawBytes"],
        false => &verifier["publicKey"]["rawBytes"],
    };
    for (name, value) in [
        ("digest", digest),
        ("signature", &signature["content"]),
        ("signer", signer),
    ] {
        std::fs::write(place.join(name), bytes(value)?).expect("a file");
    }
    let read = match certified {
        true => "openssl x509 -inform DER -in signer -noout -pubkey",
        false => "openssl pkey -pubin -inform DER -in signer",
    };
    let check = "openssl pkeyutl -verify -pubin -inkey signer.pem -sigfile signature -in digest";
    let checked = Command::new("/bin/sh")
        .args(["-ec", &format!("{read} >signer.pem; {check}")])
        .current_dir(place)
        .output()
        .expect("a shell");
    if !checked.status.success() {
        return Err(400);
    }
    Ok(json!({
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": digest },
            "signature": signature,
        }},
    })
    .to_string())
}

fn entry(state: &State, lie: Lie, index: usize) -> Value {
    let key = &state.key;
    let shown = if lie == Lie::OtherEntry { 0 } else { index };
    let mut body = state.bodies[shown].clone();
    if lie == Lie::Body {
        body = body.replace("SHA2_256", "SHA2_512");
    }
    let leaves: Vec<Digest> = state.bodies.iter().map(|body| leaf(body.as_bytes())).collect();
    let count = match lie {
        Lie::Stale => leaves.len() - 1,
        _ => leaves.len(),
    };
    let leaves = &leaves[..count];
    let proof = match lie {
        Lie::Leaf => inclusion_proof(leaves, 0),
        _ => inclusion_proof(leaves, shown),
    };
    let origin = if lie == Lie::Origin {
        "log.example.test"
    } else {
        "127.0.0.1"
    };
    let checkpoint = Checkpoint {
        origin: origin.into(),
        size: count as u64,
        root: if lie == Lie::Root {
            leaf(b"another")
        } else {
            root(leaves)
        },
    };
    let hash = |hash: &Digest| STANDARD.encode(hash.as_bytes());
    json!({
        "logIndex": shown.to_string(),
        "logId": { "keyId": key.public_key().hint() },
        "kindVersion": { "kind": "hashedrekord", "version": "0.0.2" },
        "integratedTime": "0",
        "inclusionPromise": null,
        "inclusionProof": {
            "logIndex": shown.to_string(),
            "rootHash": hash(&checkpoint.root),
            "treeSize": count.to_string(),
            "hashes": proof.iter().map(hash).collect::<Vec<_>>(),
            "checkpoint": { "envelope": note(&checkpoint, key, lie) },
        },
        "canonicalizedBody": STANDARD.encode(body),
    })
}

/// The checkpoint, signed.
fn note(checkpoint: &Checkpoint, key: &PrivateKey, lie: Lie) -> String {
    let text = checkpoint.to_string();
    let other = PrivateKey::generate();
    let signing = if lie == Lie::Key { &other } else { key };
    let id = STANDARD.decode(key.public_key().hint()).expect("base64");
    let signature = signing.sign(text.as_bytes()).expect("a signature");
    let line = STANDARD.encode([&id[..4], &signature].concat());
    format!("{text}\n\u{2014} {} {line}\n", checkpoint.origin)
}
