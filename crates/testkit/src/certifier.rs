//! A certificate authority that gives certificates for identity tokens, as Fulcio does: openssl's, behind a small server.
//! A log of certificates has seen each, and says so in it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use der::asn1::{BitString, ObjectIdentifier, OctetString};
use der::{DecodePem as _, Encode as _, EncodePem as _};
use praxis_oci::Digest;
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::ext::Extension;

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
    /// What a log of certificates says in them.
    pub log: CertificateLog,
}

/// What the certificates hold of a log of certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateLog {
    /// The timestamp that the log gave for it.
    #[default]
    Own,
    /// One by a key that is not the log's, in the log's name.
    OtherKey,
    /// The one that the log gave for the first certificate.
    OtherCertificate,
    /// Nothing.
    Nothing,
}

impl Default for CertifierOptions {
    fn default() -> CertifierOptions {
        CertifierOptions {
            days: 1,
            usage: "codeSigning".into(),
            other_key: false,
            log: CertificateLog::default(),
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
             new root; new between; new dummy; new ct; new stranger
             openssl pkey -in ct.key -pubout -out ct.pub
             openssl req -new -x509 -days 3650 -key root.key -subj /O=test/CN=root -config configuration \
                 -extensions root -out root.pem
             openssl req -new -key between.key -subj /O=test/CN=between -config configuration -out between.csr
             openssl x509 -req -days 3650 -in between.csr -CA root.pem -CAkey root.key -CAcreateserial \
                 -extfile configuration -extensions between -out between.pem
             openssl req -new -key dummy.key -subj / -config configuration -out dummy.csr
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

    /// The public key (PEM) of the log that sees its certificates.
    pub fn log_key(&self) -> PathBuf {
        self.directory.join("ct.pub")
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
    // The same in the form of before, the bytes alone, which clients still read.
    let plain: String = issuer.bytes().map(|byte| format!("{byte:02x}")).collect();
    file(
        "extensions",
        format!(
            "keyUsage = critical,digitalSignature\nextendedKeyUsage = {usage}\nsubjectAltName = critical,{name}\n\
             subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\n\
             1.3.6.1.4.1.57264.1.8 = ASN1:UTF8String:{issuer}\n1.3.6.1.4.1.57264.1.1 = DER:{plain}\n"
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
    if options.log != CertificateLog::Nothing {
        seen(place, number, options.log);
    }
    let pem = |name: &str| std::fs::read_to_string(place.join(name)).expect("a certificate");
    Ok(
        json!({ "signedCertificateEmbeddedSct": { "chain": { "certificates": [
            pem(&format!("{number}.pem")), pem("between.pem"), pem("root.pem"),
        ]}}}),
    )
}

/// Puts the timestamp of the log into a certificate (RFC 6962, 3.2 and 3.3), and signs it again.
fn seen(place: &Path, number: u64, log: CertificateLog) {
    let read = |name: &str| std::fs::read(place.join(name)).expect("a file");
    let issued = |name: &str| Certificate::from_pem(read(name)).expect("a certificate");
    let digest = |bytes: &[u8]| *Digest::of(bytes).as_bytes();
    let mut certificate = issued(&format!("{number}.pem"));
    let shown = certificate.tbs_certificate.to_der().expect("a certificate");
    let issuer = issued("between.pem").tbs_certificate.subject_public_key_info;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
    let now = u64::try_from(now.as_millis()).expect("a time");
    let size = u32::try_from(shown.len()).expect("a size").to_be_bytes();
    let issuer = digest(&issuer.to_der().expect("a key"));
    let signed = [
        &[0, 0][..],
        &now.to_be_bytes(),
        &[0, 1],
        &issuer,
        &size[1..],
        &shown,
        &[0, 0],
    ]
    .concat();
    let key = if log == CertificateLog::OtherKey {
        "stranger"
    } else {
        "ct"
    };
    let signature = signature(place, key, &signed);
    let (_, name) =
        der::Document::from_pem(&String::from_utf8(read("ct.pub")).expect("a text")).expect("a key");
    let counted = |bytes: &[u8]| {
        [
            &u16::try_from(bytes.len()).expect("short").to_be_bytes()[..],
            bytes,
        ]
        .concat()
    };
    let timestamp = [
        &[0][..],
        &digest(name.as_bytes()),
        &now.to_be_bytes(),
        &[0, 0, 4, 3],
        &counted(&signature),
    ]
    .concat();
    let first = place.join("first-timestamp");
    if !first.exists() {
        std::fs::write(&first, &timestamp).expect("a file");
    }
    let timestamp = match log {
        CertificateLog::OtherCertificate => read("first-timestamp"),
        _ => timestamp,
    };
    let list = OctetString::new(counted(&counted(&timestamp))).expect("bytes");
    certificate
        .tbs_certificate
        .extensions
        .get_or_insert_default()
        .push(Extension {
            extn_id: ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2"),
            critical: false,
            extn_value: OctetString::new(list.to_der().expect("bytes")).expect("bytes"),
        });
    let content = certificate.tbs_certificate.to_der().expect("a certificate");
    let again = self::signature(place, "between", &content);
    certificate.signature = BitString::from_bytes(&again).expect("bytes");
    let text = certificate
        .to_pem(der::pem::LineEnding::LF)
        .expect("a certificate");
    std::fs::write(place.join(format!("{number}.pem")), text).expect("a file");
}

/// openssl's signature by a key of the directory.
fn signature(place: &Path, key: &str, message: &[u8]) -> Vec<u8> {
    std::fs::write(place.join("message"), message).expect("a file");
    shell(
        place,
        &format!("openssl dgst -sha256 -sign {key}.key -out message.signature message"),
    );
    std::fs::read(place.join("message.signature")).expect("a signature")
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
