use std::fmt;
use std::str::FromStr;

use super::armor::dearmor;
use super::packet::{PUBLIC_KEY, PUBLIC_SUBKEY, Packet, SIGNATURE, USER_ID, parse_packets};
use super::signature::{PublicKey, Signature};
use super::{OpenPgpError, malformed};

/// What a key flag calls "may sign data".
const MAY_SIGN: u8 = 0x02;

/// The fingerprint of a version 4 key. Reads and prints 40 hex digits; spaces are passed over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 20]);

impl Fingerprint {
    /// The last eight bytes.
    pub(super) fn key_id(&self) -> &[u8] {
        &self.0[12..]
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Fingerprint, String> {
        let wrong = || format!("invalid fingerprint {text:?}: expected 40 hex digits");
        let digits: Vec<u32> = text
            .chars()
            .filter(|c| *c != ' ')
            .map(|c| c.to_digit(16).ok_or_else(wrong))
            .collect::<Result<_, _>>()?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |n, d| n << 4 | *d as u8))
            .collect();
        let bytes = bytes
            .try_into()
            .ok()
            .filter(|_| digits.len() == 40)
            .ok_or_else(wrong)?;
        Ok(Fingerprint(bytes))
    }
}

/// A key that may sign, bound to a primary key that is trusted.
pub(super) struct Signer {
    pub(super) fingerprint: Fingerprint,
    pub(super) key: PublicKey,
    /// Seconds since 1970 from when it no longer counts.
    pub(super) expires: Option<u64>,
}

/// The signing keys below the trusted primary keys of a key file. Bindings, revocations and expiry dates were
/// checked with the primary keys themselves.
pub struct Keyring {
    pub(super) signers: Vec<Signer>,
}

impl Keyring {
    /// Reads a key file (binary or ASCII-armored) and keeps what `trusted` names by fingerprints of primary keys.
    /// Every one of them must be there and not be revoked.
    pub fn parse(bytes: &[u8], trusted: &[Fingerprint]) -> Result<Keyring, OpenPgpError> {
        let binary = match bytes.first() {
            Some(first) if first & 0x80 != 0 => bytes.to_vec(),
            _ => {
                let text = std::str::from_utf8(bytes).map_err(|_| malformed("key file", "it is not text"))?;
                dearmor(text, "PUBLIC KEY BLOCK")?
            }
        };
        let packets = parse_packets(&binary)?;
        let starts: Vec<usize> = (0..packets.len())
            .filter(|&at| packets[at].tag == PUBLIC_KEY)
            .collect();
        let mut signers = Vec::new();
        let mut found = Vec::new();
        for (index, &start) in starts.iter().enumerate() {
            let end = starts.get(index + 1).copied().unwrap_or(packets.len());
            let Some(primary) = PublicKey::parse(packets[start].body)? else {
                continue;
            };
            let fingerprint = Fingerprint(primary.fingerprint());
            if trusted.contains(&fingerprint) {
                found.push(fingerprint);
                signers.extend(Certificate::parse(primary, &packets[start + 1..end])?.signers()?);
            }
        }
        match trusted.iter().find(|fingerprint| !found.contains(fingerprint)) {
            Some(missing) => Err(unusable(*missing, "is not in the key file")),
            None => Ok(Keyring { signers }),
        }
    }
}

fn unusable(fingerprint: Fingerprint, reason: &'static str) -> OpenPgpError {
    OpenPgpError::Key {
        fingerprint: fingerprint.to_string(),
        reason,
    }
}

/// A primary key with the signatures on it, on its user ids and on its subkeys.
struct Certificate {
    primary: PublicKey,
    /// Data and signature of what was signed about the primary key.
    about_primary: Vec<(Vec<u8>, Signature)>,
    subkeys: Vec<(PublicKey, Vec<Signature>)>,
}

impl Certificate {
    fn parse(primary: PublicKey, packets: &[Packet<'_>]) -> Result<Certificate, OpenPgpError> {
        let mut about_primary = Vec::new();
        let mut subkeys: Vec<(PublicKey, Vec<Signature>)> = Vec::new();
        let mut subject = Some(primary.hashed());
        let mut in_subkey = false;
        for packet in packets {
            match packet.tag {
                USER_ID => {
                    let length = (packet.body.len() as u32).to_be_bytes();
                    subject = Some([&primary.hashed()[..], &[0xb4], &length, packet.body].concat());
                }
                PUBLIC_SUBKEY => {
                    let key = PublicKey::parse(packet.body)?;
                    (in_subkey, subject) = (key.is_some(), None);
                    subkeys.extend(key.map(|key| (key, Vec::new())));
                }
                SIGNATURE => {
                    let Some(signature) = Signature::parse(packet.body)? else {
                        continue;
                    };
                    match (&subject, subkeys.last_mut()) {
                        (Some(data), _) => about_primary.push((data.clone(), signature)),
                        (None, Some((_, signatures))) if in_subkey => signatures.push(signature),
                        _ => {}
                    }
                }
                // User attributes and whatever else: signatures on them say nothing about the key.
                _ => (in_subkey, subject) = (false, None),
            }
        }
        Ok(Certificate {
            primary,
            about_primary,
            subkeys,
        })
    }

    /// The keys that may sign.
    fn signers(&self) -> Result<Vec<Signer>, OpenPgpError> {
        let fingerprint = Fingerprint(self.primary.fingerprint());
        let own: Vec<&Signature> = self
            .about_primary
            .iter()
            .filter(|(data, signature)| signature.is_made_by(&self.primary, data))
            .map(|(_, signature)| signature)
            .collect();
        if own.iter().any(|signature| signature.kind == 0x20) {
            return Err(unusable(fingerprint, "is revoked"));
        }
        let newest = own
            .iter()
            .filter(|signature| matches!(signature.kind, 0x10..=0x13 | 0x1f))
            .max_by_key(|signature| signature.created)
            .ok_or_else(|| unusable(fingerprint, "has no valid signature of its own"))?;
        let primary_expires = newest
            .key_lifetime
            .map(|lifetime| self.primary.created + lifetime);
        let mut signers: Vec<Signer> = self
            .subkeys
            .iter()
            .filter_map(|(key, on)| self.bound_signer(key, on, primary_expires))
            .collect();
        if newest.key_flags.is_none_or(|flags| flags & MAY_SIGN != 0) {
            signers.push(Signer {
                fingerprint,
                key: self.primary.clone(),
                expires: primary_expires,
            });
        }
        Ok(signers)
    }

    /// The subkey `key`, if the newest binding lets it sign, it agreed to that, and it is not revoked.
    fn bound_signer(
        &self,
        key: &PublicKey,
        on: &[Signature],
        primary_expires: Option<u64>,
    ) -> Option<Signer> {
        let data = [self.primary.hashed(), key.hashed()].concat();
        let own: Vec<&Signature> = on
            .iter()
            .filter(|signature| signature.is_made_by(&self.primary, &data))
            .collect();
        if own.iter().any(|signature| signature.kind == 0x28) {
            return None;
        }
        let binding = own
            .iter()
            .filter(|signature| signature.kind == 0x18)
            .max_by_key(|signature| signature.created)?;
        binding.key_flags.filter(|flags| flags & MAY_SIGN != 0)?;
        let back = Signature::parse(binding.embedded.as_ref()?).ok()??;
        if back.kind != 0x19 || !back.is_made_by(key, &data) {
            return None;
        }
        let own_expires = binding.key_lifetime.map(|lifetime| key.created + lifetime);
        let expires = [own_expires, primary_expires].into_iter().flatten().min();
        Some(Signer {
            fingerprint: Fingerprint(key.fingerprint()),
            key: key.clone(),
            expires,
        })
    }
}
