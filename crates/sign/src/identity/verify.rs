//! Whether a certificate names somebody who is believed.

use der::DateTime;
use rustls_pki_types::CertificateDer;
use webpki::EndEntityCert;

use super::certificate::{Holder, wrong};
use crate::authority::leads_to_root;
use crate::transparency::verify_timestamps;
use crate::{Authority, CertificateHolder, IdentityVerifier, SignError, TrustedRoot};

/// The usage that a certificate for signing has, as webpki compares it: 1.3.6.1.5.5.7.3.3.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];

/// Somebody: a name, and who knows them by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The address of mail, URI or name of account, to the letter.
    pub name: String,
    /// The issuer of their tokens, to the letter.
    pub issuer: String,
    /// Whether their signatures count only if a log has them.
    pub logged: bool,
}

/// Those who are believed to have signed with a certificate of one of the root's issuers.
pub struct Identities {
    /// Whose certificates are believed.
    pub root: TrustedRoot,
    /// Who is believed.
    pub believed: Vec<Identity>,
}

impl IdentityVerifier for Identities {
    fn holder(&self, certificate: &[u8], times: &[String]) -> Result<CertificateHolder, SignError> {
        let holder = Holder::read(certificate)?;
        if times.is_empty() {
            return Err(wrong("nobody who is believed says when it was used"));
        }
        let mut why = wrong("no authority is believed about identities");
        let vouched = self.root.issuers.iter().find(|issuer| {
            times.iter().any(|time| match chained(certificate, issuer, time) {
                Ok(()) => true,
                Err(error) => {
                    why = error;
                    false
                }
            })
        });
        let issuer = vouched.ok_or(why)?;
        if !self.root.certificate_logs.is_empty() {
            verify_timestamps(certificate, &issuer.chain, &self.root.certificate_logs)?;
        }
        let known = self
            .believed
            .iter()
            .find(|one| one.issuer == holder.issuer && holder.names.contains(&one.name));
        match known {
            Some(one) => Ok(CertificateHolder {
                key: holder.key,
                name: one.name.clone(),
                logged: one.logged,
            }),
            None => Err(wrong(format!(
                "it names {:?}, known to {:?}",
                holder.names.join(", "),
                holder.issuer
            ))),
        }
    }
}

/// The chain to the issuer's root, for signing, at that time.
fn chained(certificate: &[u8], issuer: &Authority, time: &str) -> Result<(), SignError> {
    let at = time.parse::<DateTime>().map_err(wrong)?.unix_duration();
    if !issuer.covers(time) {
        return Err(wrong(format!("its authority is not trusted for {time}")));
    }
    let certificate = CertificateDer::from(certificate);
    let certificate = EndEntityCert::try_from(&certificate).map_err(wrong)?;
    leads_to_root(&certificate, &issuer.chain, at, CODE_SIGNING)
        .map_err(|why| wrong(format!("it is not believed for {time}: {why}")))
}
