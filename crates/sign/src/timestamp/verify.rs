//! Whether a timestamp is of a signature, and by an authority that is believed.

use cms::cert::IssuerAndSerialNumber;
use cms::content_info::ContentInfo;
use cms::signed_data::{SignedData, SignerIdentifier, SignerInfo};
use der::asn1::{Int, ObjectIdentifier, OctetString};
use der::{Decode as _, Encode as _};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use webpki::EndEntityCert;
use x509_cert::Certificate;
use x509_cert::ext::pkix::{ExtendedKeyUsage, SubjectKeyIdentifier};

use super::message::{SHA256, SHA384, SHA512, SIGNED_DATA, TST_INFO, TimeStampResp, TstInfo};
use crate::authority::leads_to_root;
use crate::{Authority, SignError, StampVerifier, TrustedRoot};

const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
/// The same as bytes, as webpki compares it.
const TIME_STAMPING_BYTES: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];
/// No response is longer.
const LARGEST: usize = 64 << 10;

impl StampVerifier for TrustedRoot {
    fn time(&self, response: &[u8], signature: &[u8]) -> Result<String, SignError> {
        let mut why = SignError::new("no authority is believed about times");
        for authority in &self.authorities {
            match verified(response, signature, authority, None) {
                Ok(time) => return Ok(time),
                Err(error) => why = error,
            }
        }
        Err(why)
    }
}

fn wrong(why: impl std::fmt::Display) -> SignError {
    SignError::new(format!("the timestamp: {why}"))
}

/// The time of a response over `signature` by `authority`, RFC 3339; it has to have this nonce, if there is one.
pub(super) fn verified(
    response: &[u8],
    signature: &[u8],
    authority: &Authority,
    nonce: Option<&Int>,
) -> Result<String, SignError> {
    let (signed, content, info) = opened(response)?;
    if info.version != 1 {
        return Err(wrong(format!("version {} is not known", info.version)));
    }
    let imprint = &info.message_imprint;
    let hashed = hash(&imprint.hash_algorithm.oid, signature)?;
    if imprint.hashed_message.as_bytes() != hashed {
        return Err(wrong("it is of another signature"));
    }
    if nonce.is_some() && info.nonce.as_ref() != nonce {
        return Err(wrong("it answers another question (the nonce differs)"));
    }
    let signing = authority
        .chain
        .first()
        .ok_or_else(|| wrong("its authority has no certificate"))?;
    let certificate = Certificate::from_der(signing).map_err(wrong)?;
    let [signer] = signed.signer_infos.0.as_slice() else {
        return Err(wrong("it is not signed by one"));
    };
    if !is_by(&signer.sid, &certificate) {
        return Err(wrong("it is by an authority that is not believed"));
    }
    only_for_times(&certificate)?;
    let seconds = info.gen_time.to_unix_duration();
    let end_entity = CertificateDer::from(signing.as_slice());
    let end_entity = EndEntityCert::try_from(&end_entity).map_err(wrong)?;
    signed_by(signer, &content, &end_entity)?;
    leads_to_root(&end_entity, &authority.chain[1..], seconds, TIME_STAMPING_BYTES)
        .map_err(|why| wrong(format!("its authority is not believed at that time: {why}")))?;
    let time = info.gen_time.to_date_time().to_string();
    match authority.covers(&time) {
        true => Ok(time),
        false => Err(wrong(format!("its authority is not trusted for {time}"))),
    }
}

fn opened(response: &[u8]) -> Result<(SignedData, Vec<u8>, TstInfo), SignError> {
    if response.len() > LARGEST {
        return Err(wrong(format!("{} bytes are too many", response.len())));
    }
    let response = TimeStampResp::from_der(response).map_err(wrong)?;
    if response.status.status != 0 {
        return Err(wrong(format!(
            "the authority refused it (status {})",
            response.status.status
        )));
    }
    let token = response.token.ok_or_else(|| wrong("the response holds none"))?;
    let outer: ContentInfo = token.decode_as().map_err(wrong)?;
    if outer.content_type != SIGNED_DATA {
        return Err(wrong("it is not signed"));
    }
    let signed: SignedData = outer.content.decode_as().map_err(wrong)?;
    if signed.encap_content_info.econtent_type != TST_INFO {
        return Err(wrong("what is signed is no time"));
    }
    let content = signed
        .encap_content_info
        .econtent
        .as_ref()
        .ok_or_else(|| wrong("it is empty"))?;
    let content: OctetString = content.decode_as().map_err(wrong)?;
    let info = TstInfo::from_der(content.as_bytes()).map_err(wrong)?;
    Ok((signed, content.as_bytes().to_vec(), info))
}

fn hash(algorithm: &ObjectIdentifier, bytes: &[u8]) -> Result<Vec<u8>, SignError> {
    match *algorithm {
        SHA256 => Ok(Sha256::digest(bytes).to_vec()),
        SHA384 => Ok(Sha384::digest(bytes).to_vec()),
        SHA512 => Ok(Sha512::digest(bytes).to_vec()),
        other => Err(wrong(format!("the digest algorithm {other} is not accepted"))),
    }
}

fn is_by(signer: &SignerIdentifier, certificate: &Certificate) -> bool {
    let known = &certificate.tbs_certificate;
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer,
            serial_number,
        }) => *issuer == known.issuer && *serial_number == known.serial_number,
        SignerIdentifier::SubjectKeyIdentifier(wanted) => {
            matches!(known.get::<SubjectKeyIdentifier>(), Ok(Some((_, identifier))) if identifier == *wanted)
        }
    }
}

/// RFC 3161, 2.3: the certificate is for timestamps alone, and says so critically.
fn only_for_times(certificate: &Certificate) -> Result<(), SignError> {
    match certificate
        .tbs_certificate
        .get::<ExtendedKeyUsage>()
        .map_err(wrong)?
    {
        Some((true, ExtendedKeyUsage(usages))) if usages == [TIME_STAMPING] => Ok(()),
        _ => Err(wrong("the authority's certificate is not for timestamps alone")),
    }
}

/// The signature over the attributes, of which one is the digest of the content.
fn signed_by(signer: &SignerInfo, content: &[u8], certificate: &EndEntityCert) -> Result<(), SignError> {
    let attributes = signer
        .signed_attrs
        .as_ref()
        .ok_or_else(|| wrong("it has no signed attributes"))?;
    let value = |wanted: ObjectIdentifier| {
        let mut found = attributes.iter().filter(|one| one.oid == wanted);
        match (found.next(), found.next()) {
            (Some(one), None) if one.values.len() == 1 => one.values.get(0),
            _ => None,
        }
    };
    let kind: Option<ObjectIdentifier> = value(CONTENT_TYPE).and_then(|value| value.decode_as().ok());
    if kind != Some(TST_INFO) {
        return Err(wrong("its attributes are of something else"));
    }
    let digest: Option<OctetString> = value(MESSAGE_DIGEST).and_then(|value| value.decode_as().ok());
    let algorithm = signer.digest_alg.oid;
    if digest.is_none_or(|digest| hash(&algorithm, content).is_ok_and(|is| digest.as_bytes() != is)) {
        return Err(wrong("its content is not what was signed"));
    }
    // Signed as a SET OF, not under the tag they have in the message (RFC 5652, 5.4).
    let signed = attributes.to_der().map_err(wrong)?;
    let candidates = algorithms(&algorithm)?;
    let holds = candidates.iter().any(|one| {
        certificate
            .verify_signature(*one, &signed, signer.signature.as_bytes())
            .is_ok()
    });
    match holds {
        true => Ok(()),
        false => Err(wrong("its signature is wrong")),
    }
}

fn algorithms(
    digest: &ObjectIdentifier,
) -> Result<Vec<&'static dyn SignatureVerificationAlgorithm>, SignError> {
    use webpki::ring::{
        ECDSA_P256_SHA256, ECDSA_P256_SHA384, ECDSA_P384_SHA256, ECDSA_P384_SHA384,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    };
    Ok(match *digest {
        SHA256 => vec![ECDSA_P256_SHA256, ECDSA_P384_SHA256, RSA_PKCS1_2048_8192_SHA256],
        SHA384 => vec![ECDSA_P384_SHA384, ECDSA_P256_SHA384, RSA_PKCS1_2048_8192_SHA384],
        SHA512 => vec![RSA_PKCS1_2048_8192_SHA512],
        other => return Err(wrong(format!("the digest algorithm {other} is not accepted"))),
    })
}
