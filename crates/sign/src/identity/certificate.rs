//! What a certificate of Fulcio's says.

use der::asn1::{ObjectIdentifier, Utf8StringRef};
use der::{Decode as _, Encode as _};
use x509_cert::Certificate;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::{PublicKey, SignError};

/// The issuer of the identity, a DER string.
const ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");
/// The name of an account that is neither an address of mail nor a URI.
const USER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");
/// No certificate is longer.
const LARGEST: usize = 32 << 10;

/// What a certificate says about its holder.
pub struct Holder {
    pub key: PublicKey,
    /// Names: addresses of mail, URIs, names of accounts.
    pub names: Vec<String>,
    /// Who knows the holder by these names.
    pub issuer: String,
}

impl Holder {
    /// Reads a DER certificate, believing nothing yet.
    pub fn read(bytes: &[u8]) -> Result<Holder, SignError> {
        if bytes.len() > LARGEST {
            return Err(wrong(format!("{} bytes are too many", bytes.len())));
        }
        let certificate = Certificate::from_der(bytes).map_err(wrong)?;
        let known = &certificate.tbs_certificate;
        let spki = known.subject_public_key_info.to_der().map_err(wrong)?;
        let mut issuers = known
            .extensions
            .iter()
            .flatten()
            .filter(|one| one.extn_id == ISSUER);
        let issuer = match (issuers.next(), issuers.next()) {
            (Some(one), None) => Utf8StringRef::from_der(one.extn_value.as_bytes()).map_err(wrong)?,
            _ => return Err(wrong("it does not say once who knows its holder")),
        };
        let issuer = issuer.as_str().to_string();
        let names = known.get::<SubjectAltName>().map_err(wrong)?;
        let names: Vec<String> = names
            .iter()
            .flat_map(|(_, names)| &names.0)
            .filter_map(name)
            .collect();
        match names.is_empty() {
            true => Err(wrong("it names nobody")),
            false => Ok(Holder {
                key: PublicKey::from_der(&spki)?,
                names,
                issuer,
            }),
        }
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::Rfc822Name(mail) => Some(mail.to_string()),
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.to_string()),
        GeneralName::OtherName(other) if other.type_id == USER_NAME => {
            let text = other.value.decode_as::<Utf8StringRef>();
            text.ok().map(|text| text.as_str().to_string())
        }
        _ => None,
    }
}

pub fn wrong(why: impl std::fmt::Display) -> SignError {
    SignError::new(format!("the certificate: {why}"))
}
