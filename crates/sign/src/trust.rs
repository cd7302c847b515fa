use crate::{Bundle, PublicKey, SignError, StampVerifier, Statement};

/// Who is believed about signatures.
#[derive(Clone, Copy, Default)]
pub struct Trust<'a> {
    /// Keys.
    pub keys: &'a [PublicKey],
    /// About times; then only signatures with a time count.
    pub stamps: Option<&'a dyn StampVerifier>,
    /// About certificates, which name who signed.
    pub identities: Option<&'a dyn IdentityVerifier>,
}

/// Who is believed to have signed with a certificate.
pub trait IdentityVerifier: Sync {
    /// The key of a DER certificate, and whom it names, if that is somebody who is believed and the certificate was valid at
    /// one of `times` (RFC 3339).
    ///
    /// # Errors
    /// If it names somebody else, is by nobody who is believed, or was not valid then.
    fn holder(&self, certificate: &[u8], times: &[String]) -> Result<(PublicKey, String), SignError>;
}

/// One certificate: that of whoever asks whether their own signatures arrived.
pub struct OwnCertificate<'a> {
    /// The certificate, DER.
    pub certificate: &'a [u8],
    /// Its key.
    pub key: PublicKey,
}

impl IdentityVerifier for OwnCertificate<'_> {
    fn holder(&self, certificate: &[u8], _: &[String]) -> Result<(PublicKey, String), SignError> {
        match certificate == self.certificate {
            true => Ok((self.key, "this release".into())),
            false => Err(SignError::new("signed with another certificate")),
        }
    }
}

/// A signature that is believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What was signed.
    pub statement: Statement,
    /// The key that signed.
    pub key: PublicKey,
    /// Whom its certificate names, if it has one.
    pub identity: Option<String>,
    /// When, by those who are believed about times.
    pub times: Vec<String>,
}

impl Bundle {
    /// What was signed, if somebody who is believed signed it.
    ///
    /// # Errors
    /// With why not: another signature, key, identity or time.
    pub fn judged(&self, trust: &Trust) -> Result<Judged, SignError> {
        match self.certificate()? {
            None => {
                let (statement, key) = self.verify(trust.keys)?;
                Ok(Judged {
                    statement,
                    key: *key,
                    identity: None,
                    times: self.times(trust.stamps)?,
                })
            }
            Some(certificate) => {
                let Some(identities) = trust.identities else {
                    return Err(
                        SignError::new("the bundle is signed with a certificate, not with a key").with_hint(
                            "--certificate-identity and --certificate-oidc-issuer say whose is believed",
                        ),
                    );
                };
                let times = self.times(trust.stamps)?;
                let (key, identity) = identities.holder(&certificate, &times)?;
                let statement = self.signed_by(&key)?;
                Ok(Judged {
                    statement,
                    key,
                    identity: Some(identity),
                    times,
                })
            }
        }
    }

    /// When it was signed. Where somebody is believed about times, one of them has to have said it.
    fn times(&self, stamps: Option<&dyn StampVerifier>) -> Result<Vec<String>, SignError> {
        let Some(stamps) = stamps else {
            return Ok(Vec::new());
        };
        let signature = self.dsse_envelope.signature()?;
        let responses = self.timestamps()?;
        let judged: Vec<_> = responses
            .iter()
            .map(|response| stamps.time(response, &signature))
            .collect();
        let believed: Vec<String> = judged.iter().flatten().cloned().collect();
        match (believed.is_empty(), judged.into_iter().next()) {
            (true, Some(Err(why))) => Err(why),
            (true, _) => Err(SignError::new("it has no timestamp")),
            (false, _) => Ok(believed),
        }
    }
}
