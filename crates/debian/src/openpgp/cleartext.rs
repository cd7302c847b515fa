use super::armor::dearmor;
use super::keyring::{Fingerprint, Keyring, Signer};
use super::packet::{SIGNATURE, parse_packets};
use super::signature::Signature;
use super::{OpenPgpError, malformed};

/// A signature over text, as clear-signed messages carry it.
const TEXT_SIGNATURE: u8 = 0x01;
/// How far a signer's clock may be ahead of ours.
const CLOCK_SKEW: u64 = 3600;

/// The text that was signed, and by whom. Nothing outside the signature is part of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Verified {
    /// The text, lines ending in `\n`.
    pub text: String,
    /// The (sub)keys whose signatures count.
    pub signers: Vec<Fingerprint>,
}

/// Verifies a clear-signed message: at least one signature of a key of `keyring` that is valid at `now` (seconds
/// since 1970), and none of a known key that does not fit. Text before or after the message is refused.
pub fn verify_clear_signed(message: &[u8], keyring: &Keyring, now: u64) -> Result<Verified, OpenPgpError> {
    let message = std::str::from_utf8(message).map_err(|_| malformed("signed message", "it is not UTF-8"))?;
    let (lines, armor) = split_message(message)?;
    let signed = lines
        .iter()
        .map(|line| line.trim_end_matches([' ', '\t', '\r']))
        .collect::<Vec<_>>()
        .join("\r\n");
    let binary = dearmor(&armor, "SIGNATURE")?;
    let mut signers = Vec::new();
    let mut found = Vec::new();
    for packet in parse_packets(&binary)?
        .into_iter()
        .filter(|packet| packet.tag == SIGNATURE)
    {
        let Some(signature) = Signature::parse(packet.body)? else {
            found.push("one of an unknown form".to_string());
            continue;
        };
        match judge(&signature, keyring, signed.as_bytes(), now)? {
            Ok(fingerprint) => signers.push(fingerprint),
            Err(reason) => found.push(reason),
        }
    }
    if signers.is_empty() {
        let found = if found.is_empty() {
            "none".into()
        } else {
            found.join(", ")
        };
        return Err(OpenPgpError::Untrusted { found });
    }
    Ok(Verified {
        text: lines.iter().map(|line| format!("{line}\n")).collect(),
        signers,
    })
}

/// The signer if the signature counts, else why not; an error if a known key's signature does not fit.
fn judge(
    signature: &Signature,
    keyring: &Keyring,
    data: &[u8],
    now: u64,
) -> Result<Result<Fingerprint, String>, OpenPgpError> {
    let Some(signer) = keyring.signers.iter().find(|signer| is_issuer(signature, signer)) else {
        return Ok(Err(format!("one of {}, which is not trusted", issuer(signature))));
    };
    let fingerprint = signer.fingerprint;
    if !signature.has_strong_hash() {
        return Ok(Err(format!("one of {fingerprint} with a hash that is too weak")));
    }
    if signature.kind != TEXT_SIGNATURE || !signature.is_made_by(&signer.key, data) {
        return Err(OpenPgpError::Altered {
            fingerprint: fingerprint.to_string(),
        });
    }
    let over = |end: Option<u64>| end.is_some_and(|end| end <= now);
    Ok(if over(signer.expires) {
        Err(format!("one of {fingerprint}, a key that has expired"))
    } else if over(signature.lifetime.map(|lifetime| signature.created + lifetime)) {
        Err(format!("one of {fingerprint} that has expired"))
    } else if signature.created > now + CLOCK_SKEW || signature.created < signer.key.created {
        Err(format!(
            "one of {fingerprint} with an impossible date (is this machine's clock right?)"
        ))
    } else {
        Ok(fingerprint)
    })
}

fn is_issuer(signature: &Signature, signer: &Signer) -> bool {
    match (&signature.issuer_fingerprint, &signature.issuer_id) {
        (Some(fingerprint), _) => *fingerprint == signer.key.fingerprint(),
        (None, Some(id)) => id == signer.fingerprint.key_id(),
        (None, None) => false,
    }
}

fn issuer(signature: &Signature) -> String {
    let bytes: &[u8] = match (&signature.issuer_fingerprint, &signature.issuer_id) {
        (Some(fingerprint), _) => fingerprint,
        (None, Some(id)) => id,
        (None, None) => return "an unnamed key".into(),
    };
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The lines of the text with dashes unescaped, and the armored signature.
fn split_message(message: &str) -> Result<(Vec<&str>, String), OpenPgpError> {
    let wrong = |reason: &str| malformed("signed message", reason);
    let mut lines = message
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    if lines.next().map(str::trim_end) != Some("-----BEGIN PGP SIGNED MESSAGE-----") {
        return Err(wrong("it does not begin with -----BEGIN PGP SIGNED MESSAGE-----"));
    }
    for header in lines.by_ref().take_while(|line| !line.trim().is_empty()) {
        if !header.starts_with("Hash: ") {
            return Err(wrong("it has a header other than Hash"));
        }
    }
    let mut text = Vec::new();
    loop {
        let line = lines.next().ok_or_else(|| wrong("it has no signature"))?;
        match line.strip_prefix("- ") {
            Some(escaped) => text.push(escaped),
            None if line.trim_end() == "-----BEGIN PGP SIGNATURE-----" => break,
            None if line.starts_with('-') => {
                return Err(wrong("a line begins with a dash that is not escaped"));
            }
            None => text.push(line),
        }
    }
    let mut armor = vec!["-----BEGIN PGP SIGNATURE-----"];
    armor.extend(
        lines
            .by_ref()
            .take_while(|line| line.trim_end() != "-----END PGP SIGNATURE-----"),
    );
    armor.push("-----END PGP SIGNATURE-----");
    if lines.any(|line| !line.trim().is_empty()) {
        return Err(wrong("text follows the signature"));
    }
    Ok((text, armor.join("\n")))
}
