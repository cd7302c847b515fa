//! Just enough of OpenPGP to sign.

use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::{Digest as _, Sha256};

/// 2026-01-01, when keys were made; signatures are a day younger.
const MADE: u32 = 1_767_225_600;

/// An Ed25519 key.
pub struct Key {
    pair: Ed25519KeyPair,
    body: Vec<u8>,
}

impl Key {
    /// The key that belongs to `seed`.
    pub fn from_seed(seed: u8) -> Key {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let point = pair.public_key().as_ref();
        let curve = [9, 0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
        let body = [
            &[4][..],
            &MADE.to_be_bytes(),
            &[22],
            &curve,
            &263u16.to_be_bytes(),
            &[0x40],
            point,
        ]
        .concat();
        Key { pair, body }
    }

    fn hashed(&self) -> Vec<u8> {
        [&[0x99][..], &(self.body.len() as u16).to_be_bytes(), &self.body].concat()
    }

    fn fingerprint_bytes(&self) -> Vec<u8> {
        ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &self.hashed())
            .as_ref()
            .to_vec()
    }

    /// 40 hex digits.
    pub fn fingerprint(&self) -> String {
        self.fingerprint_bytes()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect()
    }

    /// The public key with one user id.
    pub fn certificate(&self) -> Vec<u8> {
        let user = b"Test <test@example.invalid>";
        let length = (user.len() as u32).to_be_bytes();
        let data = [&self.hashed()[..], &[0xb4], &length, user].concat();
        let signature = self.sign(0x13, MADE, &[2, 27, 0x03], &data);
        [packet(6, &self.body), packet(13, user), packet(2, &signature)].concat()
    }

    /// A clear-signed message. `text` has no line that begins with a dash.
    pub fn clear_sign(&self, text: &str) -> String {
        let data = text.trim_end_matches('\n').replace('\n', "\r\n");
        let signature = packet(2, &self.sign(0x01, MADE + 86_400, &[], data.as_bytes()));
        let sum = &crc24(&signature).to_be_bytes()[1..];
        let armor = format!("{}\n={}", base64(&signature), base64(sum));
        format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{text}\
             -----BEGIN PGP SIGNATURE-----\n\n{armor}\n-----END PGP SIGNATURE-----\n"
        )
    }

    fn sign(&self, kind: u8, made: u32, more: &[u8], data: &[u8]) -> Vec<u8> {
        let issuer = [&[22, 33, 4][..], &self.fingerprint_bytes()].concat();
        let subpackets = [&[5, 2][..], &made.to_be_bytes(), &issuer, more].concat();
        let head = [
            &[4, kind, 22, 8][..],
            &(subpackets.len() as u16).to_be_bytes(),
            &subpackets,
        ]
        .concat();
        let trailer = [&head[..], &[4, 0xff], &(head.len() as u32).to_be_bytes()].concat();
        let digest = Sha256::digest([data, &trailer].concat());
        let numbers = self.pair.sign(&digest);
        // GnuPG wants the short id too.
        let id = &self.fingerprint_bytes()[12..];
        let mut body = [&head[..], &[0, 10, 9, 16], id, &digest[..2]].concat();
        for half in numbers.as_ref().chunks(32) {
            let half = &half[half.iter().take_while(|byte| **byte == 0).count()..];
            let bits = half.len() * 8 - half.first().map_or(0, |first| first.leading_zeros() as usize);
            body.extend((bits as u16).to_be_bytes());
            body.extend_from_slice(half);
        }
        body
    }
}

fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[0xc0 | tag, 255][..], &(body.len() as u32).to_be_bytes(), body].concat()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let value = number >> (18 - 6 * digit) & 63;
            text.push(if digit <= chunk.len() {
                DIGITS[value as usize] as char
            } else {
                '='
            });
        }
    }
    text.as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

fn crc24(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0xb7_04ce, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 16, |sum, _| {
            let shifted = sum << 1;
            if shifted & 0x100_0000 == 0 {
                shifted
            } else {
                shifted ^ 0x186_4cfb
            }
        }) & 0xff_ffff
    })
}
