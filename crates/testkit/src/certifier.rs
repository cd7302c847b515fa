//! A certificate authority that gives certificates for identity tokens, as Fulcio does: openssl's, behind a small server.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::stamper::shell;
use crate::{WebAnswer, WebRequest, WebServer};

/// What the certificates are like.
#[derive(Clone, Debug)]
pub struct CertifierOptions {
    /// How many days they are valid; -1 for one that ended yesterday.
    pub days: i32,
    /// What they are for, in openssl's words.
    pub usage: String,
    /// They are of another key than the one that asked.
    pub other_key: bool,
}

impl Default for CertifierOptions {
    fn default() -> CertifierOptions {
        CertifierOptions {
            days: 1,
            usage: "codeSigning".into(),
            other_key: false,
        }
    }
}

/// The authority. It ends when dropped.
pub struct Certifier {
    server: WebServer,
    directory: PathBuf,
    options: Arc<Mutex<CertifierOptions>>,
}

impl Certifier {
    /// An authority with a root and one certificate between, whose files are in `directory`.
    ///
    /// # Panics
    /// If openssl cannot make it.
    pub fn start(directory: &Path) -> Certifier {
        std::fs::create_dir_all(directory).expect("a directory");
        std::fs::write(directory.join("configuration"), CONFIGURATION).expect("a file");
        shell(
            directory,
            "new() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $1.key; }
             new root; new between; new dummy
             openssl req -new -x509 -days 3650 -key root.key -subj /O=test/CN=root -config configuration \
                 -extensions root -out root.pem
             openssl req -new -key between.key -subj /O=test/CN=between -config configuration -out between.csr
             openssl x509 -req -days 3650 -in between.csr -CA root.pem -CAkey root.key -CAcreateserial \
                 -extfile configuration -extensions between -out between.pem
             openssl req -new -key dummy.key -subj /CN=dummy -config configuration -out dummy.csr
             cat between.pem root.pem >chain.pem",
        );
        let options = Arc::new(Mutex::new(CertifierOptions::default()));
        let (place, wanted, count) = (directory.to_path_buf(), options.clone(), AtomicU64::new(0));
        let server = WebServer::start(move |request| {
            let options = wanted.lock().expect("no panic while held").clone();
            let number = count.fetch_add(1, Ordering::SeqCst);
            match certificate(&place, number, request, &options) {
                Ok(body) => WebAnswer::body(body.to_string()).with("content-type", "application/json"),
                Err(status) => WebAnswer::status(status),
            }
        });
        Certifier {
            server,
            directory: directory.into(),
            options,
        }
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("http://{}", self.server.authority())
    }

    /// Its certificates (PEM), the root last.
    pub fn chain(&self) -> PathBuf {
        self.directory.join("chain.pem")
    }

    /// What the certificates are like from now on.
    pub fn set(&self, options: CertifierOptions) {
        *self.options.lock().expect("no panic while held") = options;
    }

    /// A token that the authority takes; nobody signed it.
    pub fn token(claims: &Value) -> String {
        use base64::Engine as _;
        let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        format!(
            "{}.{}.{}",
            part(r#"{"alg":"none"}"#),
            part(&claims.to_string()),
            part("none")
        )
    }
}

/// The answer, or the status with which the authority refuses.
fn certificate(
    place: &Path,
    number: u64,
    request: &WebRequest,
    options: &CertifierOptions,
) -> Result<Value, u16> {
    use base64::Engine as _;
    let json = request.header("content-type") == Some("application/json");
    if request.method != "POST" || request.path != "/api/v2/signingCert" || !json {
        return Err(404);
    }
    let asked: Value = serde_json::from_slice(&request.body).map_err(|_| 400u16)?;
    let token = asked["credentials"]["oidcIdentityToken"].as_str().ok_or(401u16)?;
    let claims = token.split('.').nth(1).ok_or(401u16)?;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims);
    let claims: Value = serde_json::from_slice(&claims.map_err(|_| 401u16)?).map_err(|_| 401u16)?;
    let issuer = claims["iss"].as_str().ok_or(401u16)?;
    let (subject, name) = match claims["email"].as_str() {
        Some(mail) => (mail, format!("email:{mail}")),
        None => {
            let subject = claims["sub"].as_str().ok_or(401u16)?;
            (subject, format!("URI:{subject}"))
        }
    };
    let asked = &asked["publicKeyRequest"];
    let proof = asked["proofOfPossession"].as_str().unwrap_or_default();
    let proof = base64::engine::general_purpose::STANDARD
        .decode(proof)
        .map_err(|_| 400u16)?;
    let file = |end: &str, content: &[u8]| {
        std::fs::write(place.join(format!("{number}.{end}")), content).expect("a file");
    };
    file(
        "pub",
        asked["publicKey"]["content"]
            .as_str()
            .unwrap_or_default()
            .as_bytes(),
    );
    file("subject", subject.as_bytes());
    file("proof", &proof);
    let usage = &options.usage;
    file(
        "extensions",
        format!(
            "keyUsage = critical,digitalSignature\nextendedKeyUsage = {usage}\nsubjectAltName = critical,{name}\n\
             1.3.6.1.4.1.57264.1.8 = ASN1:UTF8String:{issuer}\n"
        )
        .as_bytes(),
    );
    let days = options.days;
    let key = if options.other_key { "dummy.pub" } else { "$1.pub" };
    shell(
        place,
        &format!(
            "set -- {number}
             openssl dgst -sha256 -verify $1.pub -signature $1.proof $1.subject >&2
             openssl pkey -in dummy.key -pubout -out dummy.pub
             openssl x509 -req -in dummy.csr -force_pubkey {key} -CA between.pem -CAkey between.key -set_serial 0x7$1 \
                 -days {days} -extfile $1.extensions -out $1.pem"
        ),
    );
    let pem = |name: &str| std::fs::read_to_string(place.join(name)).expect("a certificate");
    Ok(
        json!({ "signedCertificateEmbeddedSct": { "chain": { "certificates": [
            pem(&format!("{number}.pem")), pem("between.pem"), pem("root.pem"),
        ]}}}),
    )
}

const CONFIGURATION: &str = "[req]
distinguished_name = name
prompt = no
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[between]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign
extendedKeyUsage = codeSigning
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
";
