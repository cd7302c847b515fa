//! Signed certificate timestamps (RFC 6962): a log of certificates has seen the certificate that holds them.

use std::time::Duration;

use der::asn1::{ObjectIdentifier, OctetStringRef};
use der::{DateTime, Decode as _, Encode as _};
use sha2::{Digest as _, Sha256};
use x509_cert::Certificate;

use super::instance::TransparencyLog;
use crate::SignError;

/// The extension that holds them (RFC 6962, 3.3).
const TIMESTAMPS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");
/// More of them are not looked at.
const MOST: usize = 32;

fn wrong(why: impl std::fmt::Display) -> SignError {
    SignError::new(format!("the certificate's log timestamp: {why}"))
}

/// Whether one of `logs` has signed that it saw this certificate (DER), given by one of `chain`.
///
/// # Errors
/// If none has.
pub fn verify_timestamps(bytes: &[u8], chain: &[Vec<u8>], logs: &[TransparencyLog]) -> Result<(), SignError> {
    let (certificate, timestamps) = opened(bytes)?;
    let issuers = chain.iter().filter_map(|one| Certificate::from_der(one).ok());
    let issuers: Vec<[u8; 32]> = issuers
        .filter(|one| one.tbs_certificate.subject == certificate.tbs_certificate.issuer)
        .filter_map(|one| one.tbs_certificate.subject_public_key_info.to_der().ok())
        .map(|key| Sha256::digest(key).into())
        .collect();
    let shown = certificate.tbs_certificate.to_der().map_err(wrong)?;
    let mut why = wrong("it is by no log of certificates that is believed");
    for timestamp in &timestamps {
        let Some(log) = logs.iter().find(|log| log.key.digest() == timestamp.log) else {
            continue;
        };
        let time = timestamp.time()?;
        if !log.covers(&time) {
            why = wrong(format!("its log is not believed for {time}"));
            continue;
        }
        let signed = |issuer: &[u8; 32]| timestamp.signed(issuer, &shown);
        let holds = |message: &Vec<u8>| log.key.verifies(message, &timestamp.signature);
        if issuers.iter().map(signed).any(|message| holds(&message)) {
            return Ok(());
        }
        why = wrong("its log did not sign it for this certificate");
    }
    Err(why)
}

struct Timestamp {
    log: [u8; 32],
    milliseconds: u64,
    extensions: Vec<u8>,
    signature: Vec<u8>,
}

impl Timestamp {
    /// When, RFC 3339.
    fn time(&self) -> Result<String, SignError> {
        let time = DateTime::from_unix_duration(Duration::from_secs(self.milliseconds / 1000));
        time.map(|time| time.to_string()).map_err(wrong)
    }

    /// What the log signs: RFC 6962, 3.2, for an entry of a precertificate.
    fn signed(&self, issuer: &[u8; 32], shown: &[u8]) -> Vec<u8> {
        let mut message = vec![0, 0];
        message.extend(self.milliseconds.to_be_bytes());
        message.extend([0, 1]);
        message.extend(issuer);
        message.extend(&u32::try_from(shown.len()).unwrap_or_default().to_be_bytes()[1..]);
        message.extend(shown);
        message.extend(
            u16::try_from(self.extensions.len())
                .unwrap_or_default()
                .to_be_bytes(),
        );
        message.extend(&self.extensions);
        message
    }
}

/// The certificate as the log saw it, without the timestamps, and these.
fn opened(bytes: &[u8]) -> Result<(Certificate, Vec<Timestamp>), SignError> {
    let mut certificate = Certificate::from_der(bytes).map_err(wrong)?;
    // What is encoded again has to be what the log signed.
    if certificate.to_der().map_err(wrong)? != bytes {
        return Err(wrong("the certificate is not in DER form"));
    }
    let extensions = certificate.tbs_certificate.extensions.get_or_insert_default();
    let held: Vec<usize> = (0..extensions.len())
        .filter(|at| extensions[*at].extn_id == TIMESTAMPS)
        .collect();
    let [at] = held.as_slice() else {
        return Err(wrong("there is none"));
    };
    let value = extensions.remove(*at).extn_value;
    let list = OctetStringRef::from_der(value.as_bytes()).map_err(wrong)?;
    let timestamps = read(list.as_bytes()).ok_or_else(|| wrong("it is not understood"))?;
    Ok((certificate, timestamps))
}

/// Takes `count` bytes off the beginning.
fn take<'a>(from: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(count)?;
    *from = rest;
    Some(taken)
}

/// Takes bytes that stand behind their number, of two bytes.
fn take_counted<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let count = u16::from_be_bytes(take(from, 2)?.try_into().ok()?);
    take(from, usize::from(count))
}

/// Those of the first version; what is of a later one is passed over.
fn read(mut bytes: &[u8]) -> Option<Vec<Timestamp>> {
    let mut list = take_counted(&mut bytes)?;
    let mut found = Vec::new();
    while !list.is_empty() && found.len() < MOST {
        let mut one = take_counted(&mut list)?;
        if take(&mut one, 1)? != [0] {
            continue;
        }
        let log = take(&mut one, 32)?.try_into().ok()?;
        let milliseconds = u64::from_be_bytes(take(&mut one, 8)?.try_into().ok()?);
        let extensions = take_counted(&mut one)?.to_vec();
        // The algorithms: that of the log's key is what counts.
        take(&mut one, 2)?;
        let signature = take_counted(&mut one)?.to_vec();
        if !one.is_empty() {
            return None;
        }
        found.push(Timestamp {
            log,
            milliseconds,
            extensions,
            signature,
        });
    }
    bytes.is_empty().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(bytes: &[u8]) -> Vec<u8> {
        [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
    }

    #[test]
    fn lists_are_read_whole_or_not_at_all() {
        let one = [
            &[0][..],
            &[7; 32],
            &[0, 0, 1, 2, 3, 4, 5, 6],
            &counted(b"x"),
            &[4, 3],
            &counted(b"signature"),
        ];
        let later = counted(&[1, 2, 3]);
        let list = counted(&[later, counted(&one.concat())].concat());
        let found = read(&list).unwrap();
        assert_eq!(found.len(), 1, "one of a later version is passed over");
        assert_eq!((found[0].log, found[0].milliseconds), ([7; 32], 0x0102_0304_0506));
        assert_eq!(
            (&found[0].extensions[..], &found[0].signature[..]),
            (&b"x"[..], &b"signature"[..])
        );
        for end in 0..list.len() {
            assert!(read(&list[..end]).is_none(), "{end} bytes");
        }
        assert!(read(&[&list[..], &[0]].concat()).is_none());
        // A signature that is followed by something else.
        let long = counted(&counted(&[&one.concat()[..], &[0]].concat()));
        assert!(read(&long).is_none());
    }
}
