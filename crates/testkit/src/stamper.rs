//! A timestamp authority (RFC 3161): openssl's, behind a small server.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{WebAnswer, WebServer};

/// The authority. It ends when dropped.
pub struct Stamper {
    server: WebServer,
    directory: PathBuf,
    replay: Arc<AtomicBool>,
}

impl Stamper {
    /// An authority whose files are in `directory`: a root, and a certificate for timestamps with a key of this kind (`EC` or
    /// `RSA`) that is valid between these times (`YYYYMMDDHHMMSSZ`).
    ///
    /// # Panics
    /// If openssl cannot make it.
    pub fn start(directory: &Path, key: &str, valid: (&str, &str)) -> Stamper {
        std::fs::create_dir_all(directory).expect("a directory");
        std::fs::write(directory.join("configuration"), CONFIGURATION).expect("a file");
        let kind = match key {
            "RSA" => "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            _ => "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        };
        let (from, until) = valid;
        let script = format!(
            "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out root.key
             openssl req -new -x509 -days 3650 -key root.key -subj /O=test/CN=root -config configuration -extensions root \
                 -out root.pem
             openssl genpkey {kind} -out signing.key
             openssl req -new -key signing.key -subj /O=test/CN=stamper -config configuration -out signing.csr
             touch index; echo 01 >serial; echo 01 >stamps; mkdir -p certificates
             openssl ca -batch -notext -config configuration -extensions stamping -startdate {from} -enddate {until} \
                 -in signing.csr -out signing.pem
             cat signing.pem root.pem >chain.pem"
        );
        shell(directory, &script);
        let replay = Arc::new(AtomicBool::new(false));
        let (place, again, count) = (directory.to_path_buf(), replay.clone(), AtomicU64::new(0));
        let server = WebServer::start(move |request| {
            if request.header("content-type") != Some("application/timestamp-query") {
                return WebAnswer::status(415);
            }
            let last = place.join("last");
            if !again.load(Ordering::SeqCst) || !last.exists() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let query = place.join(format!("query-{number}"));
                std::fs::write(&query, &request.body).expect("a file");
                shell(
                    &place,
                    &format!(
                        "openssl ts -reply -config configuration -queryfile query-{number} -out last.new && mv last.new last"
                    ),
                );
            }
            let reply = std::fs::read(last).expect("a reply");
            WebAnswer::body(reply).with("content-type", "application/timestamp-reply")
        });
        Stamper {
            server,
            directory: directory.into(),
            replay,
        }
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("http://{}/", self.server.authority())
    }

    /// Its certificates (PEM), the one that signs first.
    pub fn chain(&self) -> PathBuf {
        self.directory.join("chain.pem")
    }

    /// From now on every question has the answer that the last one had.
    pub fn replay(&self) {
        self.replay.store(true, Ordering::SeqCst);
    }
}

pub(crate) fn shell(directory: &Path, script: &str) {
    let done = Command::new("/bin/sh")
        .args(["-ec", script])
        .current_dir(directory)
        .output()
        .expect("a shell");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

const CONFIGURATION: &str = "[req]
distinguished_name = name
prompt = no
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[ca]
default_ca = own
[own]
database = index
serial = serial
new_certs_dir = certificates
certificate = root.pem
private_key = root.key
default_md = sha256
policy = any
unique_subject = no
[any]
organizationName = optional
commonName = supplied
[stamping]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[tsa]
default_tsa = stamper
[stamper]
serial = stamps
signer_cert = signing.pem
signer_key = signing.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = yes
tsa_name = yes
ess_cert_id_alg = sha256
";
