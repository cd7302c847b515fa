use super::{OpenPgpError, malformed};

/// The bytes inside ASCII armor whose first line is `-----BEGIN PGP {label}-----`. The checksum is not needed: what
/// is inside is either signed or named by a fingerprint.
pub(super) fn dearmor(text: &str, label: &'static str) -> Result<Vec<u8>, OpenPgpError> {
    let begin = format!("-----BEGIN PGP {label}-----");
    let end = format!("-----END PGP {label}-----");
    let mut lines = text.lines().map(str::trim_end).skip_while(|line| *line != begin);
    lines
        .next()
        .ok_or_else(|| malformed("armor", format!("there is no line {begin:?}")))?;
    let body: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
    let start = body
        .iter()
        .position(|line| line.is_empty())
        .map_or(0, |blank| blank + 1);
    let base64: Vec<&str> = body[start..]
        .iter()
        .take_while(|line| !line.starts_with('='))
        .copied()
        .collect();
    decode_base64(&base64.concat()).ok_or_else(|| malformed("armor", "invalid base64"))
}

/// Decodes standard base64 with padding. `None` for anything else.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    if !text.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3);
    let (mut held, mut bits) = (0u32, 0);
    for digit in digits.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        held = held << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_base64() {
        assert_eq!(decode_base64("aGVsbG8="), Some(b"hello".to_vec()));
        assert_eq!(decode_base64(""), Some(Vec::new()));
        for text in ["aGVsbG8", "aG!s", "a===", "===="] {
            assert_eq!(decode_base64(text), None, "{text}");
        }
    }

    #[test]
    fn finds_the_labelled_block() {
        let text = "x\n-----BEGIN PGP SIGNATURE-----\nVersion: 1\n\naGVs\nbG8=\n=abcd\n-----END PGP SIGNATURE-----\n";
        assert_eq!(dearmor(text, "SIGNATURE"), Ok(b"hello".to_vec()));
        assert!(dearmor(text, "MESSAGE").is_err());
    }
}
