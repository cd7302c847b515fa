use crate::{
    Bundle, LogPlace, LogVerifier, LoggedBy, LoggedSignature, PublicKey, SignError, StampVerifier, Statement,
};

/// More entries of logs are not looked at.
const MOST: usize = 16;

/// Who is believed about signatures.
#[derive(Clone, Copy, Default)]
pub struct Trust<'a> {
    /// Keys.
    pub keys: &'a [PublicKey],
    /// About times; then only signatures with a time count.
    pub stamps: Option<&'a dyn StampVerifier>,
    /// About certificates, which name who signed.
    pub identities: Option<&'a dyn IdentityVerifier>,
    /// Logs; then an entry that a bundle has must hold.
    pub transparency: Option<Transparency<'a>>,
}

/// What logs of signatures have to have.
#[derive(Clone, Copy)]
pub struct Transparency<'a> {
    /// The logs that are believed.
    pub logs: &'a dyn LogVerifier,
    /// Only signatures that one of them has count.
    pub required: bool,
    /// Only those signatures of these keys that one of them has count.
    pub keys: &'a [PublicKey],
}

/// Who holds a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateHolder {
    /// The key.
    pub key: PublicKey,
    /// Whom it names.
    pub name: String,
    /// Whether their signatures count only if a log has them.
    pub logged: bool,
}

/// Who is believed to have signed with a certificate.
pub trait IdentityVerifier: Send + Sync {
    /// The holder of a DER certificate, if that is somebody who is believed and the certificate was valid at
    /// one of `times` (RFC 3339).
    ///
    /// # Errors
    /// If it names somebody else, is by nobody who is believed, or was not valid then.
    fn holder(&self, certificate: &[u8], times: &[String]) -> Result<CertificateHolder, SignError>;
}

/// One certificate: that of whoever asks whether their own signatures arrived.
pub struct OwnCertificate<'a> {
    /// The certificate, DER.
    pub certificate: &'a [u8],
    /// Its key.
    pub key: PublicKey,
}

impl IdentityVerifier for OwnCertificate<'_> {
    fn holder(&self, certificate: &[u8], _: &[String]) -> Result<CertificateHolder, SignError> {
        match certificate == self.certificate {
            true => Ok(CertificateHolder {
                key: self.key,
                name: "this release".into(),
                logged: false,
            }),
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
    /// Where logs that are believed have it.
    pub places: Vec<LogPlace>,
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
                let times = self.times(trust.stamps)?;
                let required = trust.transparency.is_some_and(|logs| logs.keys.contains(key));
                Ok(Judged {
                    statement,
                    key: *key,
                    identity: None,
                    places: self.places(trust.transparency, LoggedBy::Key(key), required, &times)?,
                    times,
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
                let holder = identities.holder(&certificate, &times)?;
                let (statement, by) = (self.signed_by(&holder.key)?, LoggedBy::Certificate(&certificate));
                Ok(Judged {
                    statement,
                    key: holder.key,
                    places: self.places(trust.transparency, by, holder.logged, &times)?,
                    identity: Some(holder.name),
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

    /// Where logs have it. Every entry that is there has to hold; there has to be one if it is required.
    fn places(
        &self,
        transparency: Option<Transparency>,
        by: LoggedBy,
        required: bool,
        times: &[String],
    ) -> Result<Vec<LogPlace>, SignError> {
        let entries = &self.verification_material.tlog_entries;
        let required = required || transparency.is_some_and(|logs| logs.required);
        let logs = match transparency {
            Some(transparency) if !entries.is_empty() => transparency.logs,
            _ if required => return Err(SignError::new("no log has it")),
            _ => return Ok(Vec::new()),
        };
        if entries.len() > MOST {
            return Err(SignError::new(format!("it has more than {MOST} log entries")));
        }
        let (message, signature) = self.what_was_signed()?;
        let signature = LoggedSignature {
            message: &message,
            payload: &self.dsse_envelope.payload()?,
            signature: &signature,
            by,
        };
        let places = entries.iter().map(|entry| logs.place(entry, &signature, times));
        places.collect()
    }
}
