//! Authorities that are believed about times and about names, logs that are believed, and the file that tells others of them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::{Decode as _, DecodePem as _, Encode as _};
use rustls_pki_types::{CertificateDer, UnixTime};
use serde::{Deserialize, Serialize};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_cert::Certificate;

use crate::{LogKey, SignError, TransparencyLog};

/// The media type of the file.
const TRUSTED_ROOT: &str = "application/vnd.dev.sigstore.trustedroot+json;version=0.1";
/// The hashes of logs, in sigstore's words.
const SHA256: &str = "SHA2_256";

/// An authority that is believed: one that says times, or one that says who holds a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Where it is asked; only said to others.
    pub uri: String,
    /// DER certificates: the one that signs times (or those between a holder's certificate and the root), the root last.
    pub chain: Vec<Vec<u8>>,
    /// Times for which it is believed, RFC 3339: from, and until if there is an end.
    pub valid_for: (Option<String>, Option<String>),
}

impl Authority {
    /// Reads the chain of one that says times, in PEM form: the certificate that signs, those between, the root.
    ///
    /// # Errors
    /// If it is no such chain.
    pub fn from_pem(text: &str, uri: &str) -> Result<Authority, SignError> {
        let authority = Authority::issuer_from_pem(text, uri)?;
        if authority.chain.len() < 2 {
            return Err(
                SignError::new("the chain of a timestamp authority has at least two certificates")
                    .with_hint("the one that signs first, the root last"),
            );
        }
        Ok(authority)
    }

    /// Reads the chain of one that says who holds a key, in PEM form: those between, the root.
    ///
    /// # Errors
    /// If it is no such chain.
    pub fn issuer_from_pem(text: &str, uri: &str) -> Result<Authority, SignError> {
        let blocks = text.split_inclusive("-----END CERTIFICATE-----");
        let mut chain = Vec::new();
        for block in blocks {
            let Some(start) = block.find("-----BEGIN CERTIFICATE-----") else {
                continue;
            };
            let certificate = Certificate::from_pem(&block.as_bytes()[start..]).map_err(wrong)?;
            chain.push(certificate.to_der().map_err(wrong)?);
        }
        if chain.is_empty() {
            return Err(SignError::new("there is no certificate in PEM form"));
        }
        Ok(Authority {
            uri: uri.into(),
            chain,
            valid_for: (None, None),
        })
    }

    /// Whether it is believed for a time, RFC 3339 in UTC without fractions: such are ordered as texts.
    pub(crate) fn covers(&self, time: &str) -> bool {
        covers(&self.valid_for, time)
    }
}

/// Whether a time is between these.
pub(crate) fn covers((from, until): &(Option<String>, Option<String>), time: &str) -> bool {
    let early = from.as_deref().is_some_and(|from| time < from);
    !early && until.as_deref().is_none_or(|until| time <= until)
}

/// Whether a certificate was, at a time after 1970, for this usage, and `chain` leads from it to its root, which is the last of
/// it. The text is why not.
pub(crate) fn leads_to_root(
    certificate: &EndEntityCert,
    chain: &[Vec<u8>],
    at: Duration,
    usage: &'static [u8],
) -> Result<(), String> {
    let chain: Vec<CertificateDer> = chain
        .iter()
        .map(|one| CertificateDer::from(one.as_slice()))
        .collect();
    let [between @ .., root] = chain.as_slice() else {
        return Err("its authority has no root".into());
    };
    let anchor = anchor_from_trusted_cert(root).map_err(|error| error.to_string())?;
    certificate
        .verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &[anchor],
            between,
            UnixTime::since_unix_epoch(at),
            KeyUsage::required(usage),
            None,
            None,
        )
        .map(drop)
        .map_err(|error| error.to_string())
}

fn wrong(error: der::Error) -> SignError {
    SignError::new(format!("not a certificate: {error}"))
}

/// All that is trusted, as sigstore's clients read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedRoot {
    /// Those that say times.
    pub authorities: Vec<Authority>,
    /// Those that say who holds a key.
    pub issuers: Vec<Authority>,
    /// Logs of signatures.
    pub logs: Vec<TransparencyLog>,
    /// Logs of certificates; if there is one, the certificate of a holder has to have been seen by one of them.
    pub certificate_logs: Vec<TransparencyLog>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    media_type: String,
    #[serde(default)]
    tlogs: Vec<ListedLog>,
    #[serde(default)]
    certificate_authorities: Vec<Listed>,
    #[serde(default)]
    ctlogs: Vec<ListedLog>,
    #[serde(default)]
    timestamp_authorities: Vec<Listed>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(default)]
    subject: Subject,
    #[serde(default)]
    uri: String,
    cert_chain: Chain,
    #[serde(default)]
    valid_for: Window,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subject {
    #[serde(default)]
    organization: String,
    #[serde(default)]
    common_name: String,
}

#[derive(Serialize, Deserialize)]
struct Chain {
    certificates: Vec<Raw>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    raw_bytes: String,
}

#[derive(Default, Serialize, Deserialize)]
struct Window {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<String>,
}

impl Listed {
    /// As it is written: named after the first certificate.
    fn of(authority: &Authority) -> Result<Listed, SignError> {
        let first =
            Certificate::from_der(authority.chain.first().map_or(&[][..], Vec::as_slice)).map_err(wrong)?;
        let from = first.tbs_certificate.validity.not_before.to_date_time();
        let certificates = authority.chain.iter().map(|one| Raw {
            raw_bytes: STANDARD.encode(one),
        });
        Ok(Listed {
            subject: Subject {
                organization: String::new(),
                common_name: first.tbs_certificate.subject.to_string(),
            },
            uri: authority.uri.clone(),
            cert_chain: Chain {
                certificates: certificates.collect(),
            },
            valid_for: Window {
                // Readers want a beginning: that of the certificate says nothing new.
                start: Some(authority.valid_for.0.clone().unwrap_or_else(|| from.to_string())),
                end: authority.valid_for.1.clone(),
            },
        })
    }

    /// What is written, with at least so many certificates.
    fn authority(self, least: usize) -> Result<Authority, SignError> {
        let chain = self.cert_chain.certificates.iter().map(|one| {
            let bytes = STANDARD
                .decode(&one.raw_bytes)
                .map_err(|_| SignError::new("a certificate is no base64"))?;
            Certificate::from_der(&bytes).map_err(wrong)?;
            Ok(bytes)
        });
        let chain = chain.collect::<Result<Vec<_>, SignError>>()?;
        match chain.len() < least {
            true => Err(SignError::new(format!(
                "the authority {:?} has no root",
                self.uri
            ))),
            false => Ok(Authority {
                uri: self.uri,
                chain,
                valid_for: (self.valid_for.start, self.valid_for.end),
            }),
        }
    }
}

/// `TransparencyLogInstance` of sigstore, as far as it counts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedLog {
    #[serde(default)]
    base_url: String,
    hash_algorithm: String,
    public_key: ListedKey,
    log_id: Option<LogId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoint_key_id: Option<LogId>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedKey {
    raw_bytes: String,
    key_details: String,
    #[serde(default)]
    valid_for: Window,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogId {
    key_id: String,
}

impl ListedLog {
    fn of(log: &TransparencyLog) -> ListedLog {
        ListedLog {
            base_url: log.address.clone(),
            hash_algorithm: SHA256.into(),
            public_key: ListedKey {
                raw_bytes: STANDARD.encode(&log.key.info),
                key_details: log.key.details.clone(),
                valid_for: Window {
                    // Readers want a beginning, and a key alone has none.
                    start: Some(
                        log.valid_for
                            .0
                            .clone()
                            .unwrap_or_else(|| "1970-01-01T00:00:00Z".into()),
                    ),
                    end: log.valid_for.1.clone(),
                },
            },
            log_id: Some(LogId {
                key_id: STANDARD.encode(&log.id),
            }),
            checkpoint_key_id: None,
        }
    }

    fn log(self) -> Result<TransparencyLog, SignError> {
        if self.hash_algorithm != SHA256 {
            let (log, kind) = (self.base_url, self.hash_algorithm);
            return Err(SignError::new(format!(
                "the log {log:?} has hashes by {kind:?}, not by {SHA256}"
            )));
        }
        let decoded = |text: &str| {
            let bytes = STANDARD.decode(text);
            bytes.map_err(|_| SignError::new(format!("the log {:?}: no base64", self.base_url)))
        };
        let key = LogKey {
            info: decoded(&self.public_key.raw_bytes)?,
            details: self.public_key.key_details,
        };
        let id = match self.log_id.or(self.checkpoint_key_id) {
            Some(id) => decoded(&id.key_id)?,
            None => key.digest().to_vec(),
        };
        let Window { start, end } = self.public_key.valid_for;
        Ok(TransparencyLog {
            address: self.base_url,
            key,
            id,
            valid_for: (start, end),
        })
    }
}

impl TrustedRoot {
    /// Reads the file.
    ///
    /// # Errors
    /// If it is no such file, or a chain in it is none.
    pub fn parse(bytes: &[u8]) -> Result<TrustedRoot, SignError> {
        let file: File = serde_json::from_slice(bytes)
            .map_err(|error| SignError::new(format!("not a trusted root: {error}")))?;
        if file.media_type != TRUSTED_ROOT {
            return Err(SignError::new(format!(
                "a trusted root of the type {:?} is not known",
                file.media_type
            )));
        }
        let all = |listed: Vec<Listed>, least: usize| {
            let authorities = listed.into_iter().map(|one| one.authority(least));
            authorities.collect::<Result<Vec<_>, SignError>>()
        };
        let logs = |listed: Vec<ListedLog>| {
            let logs = listed.into_iter().map(ListedLog::log);
            logs.collect::<Result<Vec<_>, SignError>>()
        };
        Ok(TrustedRoot {
            authorities: all(file.timestamp_authorities, 2)?,
            issuers: all(file.certificate_authorities, 1)?,
            logs: logs(file.tlogs)?,
            certificate_logs: logs(file.ctlogs)?,
        })
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// If a certificate cannot be read.
    pub fn to_bytes(&self) -> Result<Vec<u8>, SignError> {
        let all = |authorities: &[Authority]| {
            let listed = authorities.iter().map(Listed::of);
            listed.collect::<Result<Vec<_>, SignError>>()
        };
        let file = File {
            media_type: TRUSTED_ROOT.into(),
            tlogs: self.logs.iter().map(ListedLog::of).collect(),
            certificate_authorities: all(&self.issuers)?,
            ctlogs: self.certificate_logs.iter().map(ListedLog::of).collect(),
            timestamp_authorities: all(&self.authorities)?,
        };
        let mut bytes = serde_json::to_vec_pretty(&file).unwrap_or_default();
        bytes.push(b'\n');
        Ok(bytes)
    }
}
