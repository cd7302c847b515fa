use ring::signature::{
    ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::packet::{Fields, Subpacket, parse_subpackets};
use super::{OpenPgpError, malformed};

const RSA: u8 = 1;
const RSA_SIGN_ONLY: u8 = 3;
const EDDSA: u8 = 22;
/// Object identifier of Ed25519 in EdDSA keys.
const ED25519_CURVE: [u8; 9] = [0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

/// The numbers of a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    Ed25519([u8; 32]),
    /// Never verifies anything.
    Unsupported,
}

/// A version 4 public key or subkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublicKey {
    pub(super) body: Vec<u8>,
    pub(super) created: u64,
    pub(super) algorithm: Algorithm,
}

impl PublicKey {
    /// `None` for versions other than 4.
    pub(super) fn parse(body: &[u8]) -> Result<Option<PublicKey>, OpenPgpError> {
        let mut fields = Fields::new("public key", body);
        if fields.byte()? != 4 {
            return Ok(None);
        }
        let created = u64::from(fields.number(4)?);
        let algorithm = match fields.byte()? {
            RSA | RSA_SIGN_ONLY => Algorithm::Rsa {
                modulus: fields.integer()?.into(),
                exponent: fields.integer()?.into(),
            },
            EDDSA => parse_eddsa(&mut fields)?,
            _ => Algorithm::Unsupported,
        };
        Ok(Some(PublicKey {
            body: body.into(),
            created,
            algorithm,
        }))
    }

    /// The SHA-1 fingerprint that version 4 prescribes.
    pub(super) fn fingerprint(&self) -> [u8; 20] {
        let mut context = ring::digest::Context::new(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY);
        context.update(&self.hashed());
        let mut fingerprint = [0; 20];
        fingerprint.copy_from_slice(context.finish().as_ref());
        fingerprint
    }

    /// The form in which a key enters a hash.
    pub(super) fn hashed(&self) -> Vec<u8> {
        let length = u16::try_from(self.body.len()).unwrap_or(u16::MAX);
        [&[0x99][..], &length.to_be_bytes(), &self.body].concat()
    }
}

fn parse_eddsa(fields: &mut Fields<'_>) -> Result<Algorithm, OpenPgpError> {
    let length = usize::from(fields.byte()?);
    if fields.take(length)? != ED25519_CURVE {
        return Ok(Algorithm::Unsupported);
    }
    let point = fields.integer()?;
    match point.split_first() {
        Some((0x40, bytes)) => Ok(bytes
            .try_into()
            .map_or(Algorithm::Unsupported, Algorithm::Ed25519)),
        _ => Err(malformed(
            "public key",
            "the point is not in the native form of Ed25519",
        )),
    }
}

/// A version 4 signature.
pub(super) struct Signature {
    pub(super) kind: u8,
    pub(super) created: u64,
    /// Seconds after `created` when the signature expires.
    pub(super) lifetime: Option<u64>,
    /// Seconds after its creation when the key that is certified expires.
    pub(super) key_lifetime: Option<u64>,
    /// What the key that is certified may do.
    pub(super) key_flags: Option<u8>,
    pub(super) issuer_fingerprint: Option<[u8; 20]>,
    pub(super) issuer_id: Option<[u8; 8]>,
    /// The signature of a subkey on its primary key.
    pub(super) embedded: Option<Vec<u8>>,
    hash: u8,
    trailer: Vec<u8>,
    numbers: Numbers,
}

enum Numbers {
    Rsa(Vec<u8>),
    EdDsa([u8; 64]),
    Unsupported,
}

impl Signature {
    /// `None` for versions other than 4, and for signatures with a critical part that is not understood.
    pub(super) fn parse(body: &[u8]) -> Result<Option<Signature>, OpenPgpError> {
        let mut fields = Fields::new("signature", body);
        if fields.byte()? != 4 {
            return Ok(None);
        }
        let (kind, public, hash) = (fields.byte()?, fields.byte()?, fields.byte()?);
        let hashed_length = fields.number(2)? as usize;
        let hashed = fields.take(hashed_length)?;
        let unhashed_length = fields.number(2)? as usize;
        let unhashed = fields.take(unhashed_length)?;
        fields.take(2)?;
        let numbers = parse_numbers(public, &mut fields)?;
        let head = &body[..6 + hashed_length];
        let trailer = [head, &[4, 0xff], &(head.len() as u32).to_be_bytes()].concat();
        let mut signature = Signature {
            kind,
            created: 0,
            lifetime: None,
            key_lifetime: None,
            key_flags: None,
            issuer_fingerprint: None,
            issuer_id: None,
            embedded: None,
            hash,
            trailer,
            numbers,
        };
        for subpacket in parse_subpackets(hashed)? {
            if !signature.read_hashed(&subpacket)? && subpacket.critical {
                return Ok(None);
            }
        }
        for subpacket in parse_subpackets(unhashed)? {
            signature.read_unhashed(&subpacket);
        }
        Ok(Some(signature))
    }

    /// Whether the kind of subpacket is known.
    fn read_hashed(&mut self, subpacket: &Subpacket<'_>) -> Result<bool, OpenPgpError> {
        let seconds = || Fields::new("subpacket", subpacket.body).number(4).map(u64::from);
        match subpacket.kind {
            2 => self.created = seconds()?,
            3 => self.lifetime = Some(seconds()?).filter(|&lifetime| lifetime != 0),
            9 => self.key_lifetime = Some(seconds()?).filter(|&lifetime| lifetime != 0),
            27 => self.key_flags = Some(subpacket.body.first().copied().unwrap_or(0)),
            // Preferences, features, key server, primary user id, reason of revocation: nothing to decide by.
            11 | 20..=25 | 29 | 30 => {}
            _ => return Ok(self.read_unhashed(subpacket)),
        }
        Ok(true)
    }

    /// Only what is a hint (who signed) or carries its own proof (an embedded signature).
    fn read_unhashed(&mut self, subpacket: &Subpacket<'_>) -> bool {
        match (subpacket.kind, subpacket.body) {
            (16, id) => self.issuer_id = self.issuer_id.or(id.try_into().ok()),
            (33, [4, fingerprint @ ..]) => {
                self.issuer_fingerprint = self.issuer_fingerprint.or(fingerprint.try_into().ok());
            }
            (32, signature) => self.embedded = self.embedded.take().or(Some(signature.into())),
            _ => return false,
        }
        true
    }

    /// Whether the hash is of the SHA-2 family with at least 256 bits.
    pub(super) fn has_strong_hash(&self) -> bool {
        matches!(self.hash, 8..=10)
    }

    /// Whether `key` made this signature over `data`.
    pub(super) fn is_made_by(&self, key: &PublicKey, data: &[u8]) -> bool {
        let message = [data, &self.trailer].concat();
        match (&key.algorithm, &self.numbers) {
            (Algorithm::Rsa { modulus, exponent }, Numbers::Rsa(number)) => {
                let parameters = match self.hash {
                    8 => &RSA_PKCS1_2048_8192_SHA256,
                    9 => &RSA_PKCS1_2048_8192_SHA384,
                    10 => &RSA_PKCS1_2048_8192_SHA512,
                    _ => return false,
                };
                let mut padded = vec![0; modulus.len().saturating_sub(number.len())];
                padded.extend_from_slice(number);
                RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                }
                .verify(parameters, &message, &padded)
                .is_ok()
            }
            (Algorithm::Ed25519(point), Numbers::EdDsa(number)) => {
                let digest = match self.hash {
                    8 => Sha256::digest(&message).to_vec(),
                    9 => Sha384::digest(&message).to_vec(),
                    10 => Sha512::digest(&message).to_vec(),
                    _ => return false,
                };
                UnparsedPublicKey::new(&ED25519, point)
                    .verify(&digest, number)
                    .is_ok()
            }
            _ => false,
        }
    }
}

fn parse_numbers(public: u8, fields: &mut Fields<'_>) -> Result<Numbers, OpenPgpError> {
    match public {
        RSA | RSA_SIGN_ONLY => Ok(Numbers::Rsa(fields.integer()?.into())),
        EDDSA => {
            let mut both = [0; 64];
            for half in both.chunks_exact_mut(32) {
                let number = fields.integer()?;
                let start = 32usize
                    .checked_sub(number.len())
                    .ok_or_else(|| malformed("signature", "a number is too long for Ed25519"))?;
                half[start..].copy_from_slice(number);
            }
            Ok(Numbers::EdDsa(both))
        }
        _ => Ok(Numbers::Unsupported),
    }
}
