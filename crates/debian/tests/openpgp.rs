//! The verifier against messages that GnuPG signed, and against gpgv's own verdict.

use std::path::{Path, PathBuf};
use std::process::Command;

use praxis_debian::openpgp::{Keyring, OpenPgpError, verify_clear_signed};

const RSA: &str = "8FC84AFEDC16E2898D02D61210D0B92FEB572317";
const RSA_SUBKEY: &str = "F12CBD2645F148A5F4EA7E4C44629B400CC764A8";
const ED25519: &str = "3F75D508D6D607250E4E4ACFB8B4AEF8EBD1DBE6";
const REVOKED: &str = "8AA9FC4D76F04943A4182C4ED38D4DBACD5CEB65";
/// 2026-01-03
const NOW: u64 = 1_767_398_400;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn read(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn keyring(fingerprints: &[&str]) -> Result<Keyring, OpenPgpError> {
    let fingerprints: Vec<_> = fingerprints.iter().map(|text| text.parse().unwrap()).collect();
    let armored = Keyring::parse(&read("keyring.asc"), &fingerprints)?;
    Keyring::parse(&read("keyring.gpg"), &fingerprints)?;
    Ok(armored)
}

fn signers(message: &[u8], trusted: &[&str], now: u64) -> Result<Vec<String>, OpenPgpError> {
    let verified = verify_clear_signed(message, &keyring(trusted).unwrap(), now)?;
    Ok(verified
        .signers
        .iter()
        .map(|fingerprint| fingerprint.to_string())
        .collect())
}

#[test]
fn accepts_rsa_subkeys_and_ed25519() {
    let both = read("both.InRelease");
    assert_eq!(
        signers(&both, &[RSA, ED25519], NOW).unwrap(),
        [RSA_SUBKEY, ED25519]
    );
    assert_eq!(signers(&both, &[RSA], NOW).unwrap(), [RSA_SUBKEY]);
    assert_eq!(
        signers(&read("rsa.InRelease"), &[RSA], NOW).unwrap(),
        [RSA_SUBKEY]
    );
    assert_eq!(
        signers(&read("ed25519.InRelease"), &[RSA, ED25519], NOW).unwrap(),
        [ED25519]
    );
    assert_eq!(
        signers(&read("stranger-and-ed25519.InRelease"), &[ED25519], NOW).unwrap(),
        [ED25519]
    );
}

#[test]
fn gives_back_the_text_with_dashes_unescaped() {
    let verified = verify_clear_signed(&read("both.InRelease"), &keyring(&[RSA]).unwrap(), NOW).unwrap();
    assert!(verified.text.starts_with("Origin: Example\nSuite: stable\n"));
    assert!(
        verified.text.ends_with("\n- a line that begins with a dash   \n"),
        "{:?}",
        verified.text
    );
}

#[test]
fn refuses_who_is_not_trusted_weak_hashes_and_dates_that_do_not_fit() {
    for (name, trusted, now) in [
        ("stranger.InRelease", vec![RSA, ED25519], NOW),
        ("ed25519.InRelease", vec![RSA], NOW),
        ("revoked.InRelease", vec![RSA], NOW),
        ("sha1.InRelease", vec![RSA], NOW),
        ("rsa.InRelease", vec![RSA], NOW + 6 * 366 * 86_400), // the subkey has expired
        ("ed25519.InRelease", vec![ED25519], NOW + 11 * 366 * 86_400), // the key has expired
        ("ed25519.InRelease", vec![ED25519], NOW - 3 * 86_400), // signed tomorrow
    ] {
        let error = signers(&read(name), &trusted, now).unwrap_err();
        assert!(matches!(error, OpenPgpError::Untrusted { .. }), "{name}: {error}");
    }
}

#[test]
fn refuses_keys_that_are_revoked_or_missing() {
    let reason = |fingerprints: &[&str]| keyring(fingerprints).err().unwrap().to_string();
    assert!(reason(&[REVOKED]).contains("is revoked"));
    assert!(reason(&[RSA, &"0".repeat(40)]).contains("is not in the key file"));
}

#[test]
fn refuses_text_outside_the_signature() {
    let message = String::from_utf8(read("ed25519.InRelease")).unwrap();
    for altered in [
        format!("Suite: evil\n{message}"),
        format!("{message}\nSuite: evil\n"),
        message.replacen("Hash: SHA256", "Hash: SHA256\nSuite: evil", 1),
        message.replacen("Hash: SHA256\n", "NotDashEscaped: yes\n", 1),
        message.replacen("-----BEGIN PGP SIGNATURE", "--\n-----BEGIN PGP SIGNATURE", 1),
        message.replacen("Suite", "Svite", 1),
        message.replacen("Origin", "-----BEGIN PGP SIGNED MESSAGE-----\n\nOrigin", 1),
    ] {
        assert_ne!(altered, message);
        assert!(signers(altered.as_bytes(), &[ED25519], NOW).is_err(), "{altered}");
    }
}

#[test]
fn every_flipped_bit_is_refused_or_changes_nothing_that_is_signed() {
    let message = read("ed25519.InRelease");
    let ring = keyring(&[ED25519]).unwrap();
    let text = verify_clear_signed(&message, &ring, NOW).unwrap().text;
    for position in 0..message.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut altered = message.clone();
            altered[position] ^= flip;
            if let Ok(verified) = verify_clear_signed(&altered, &ring, NOW) {
                let trim = |text: &str| {
                    text.lines()
                        .map(|line| line.trim_end().to_string())
                        .collect::<Vec<_>>()
                };
                assert_eq!(
                    trim(&verified.text),
                    trim(&text),
                    "bit {flip:#x} of byte {position}"
                );
            }
        }
    }
}

#[test]
fn damaged_key_files_are_errors_and_never_panics() {
    let bytes = read("keyring.gpg");
    let trusted = [RSA.parse().unwrap(), ED25519.parse().unwrap()];
    assert!(Keyring::parse(&bytes, &trusted).is_ok());
    for length in (0..2000).step_by(7) {
        assert!(
            Keyring::parse(&bytes[..length], &trusted).is_err(),
            "cut at {length}"
        );
    }
}

#[test]
fn agrees_with_gpgv() {
    for (name, ours) in [
        ("both.InRelease", true),
        ("ed25519.InRelease", true),
        ("stranger.InRelease", false),
        ("rsa.InRelease", true),
    ] {
        let result = signers(&read(name), &[RSA, ED25519], NOW);
        assert_eq!(result.is_ok(), ours, "{name}");
        let gpgv = Command::new("gpgv")
            .arg("--keyring")
            .arg(fixture("keyring.gpg"))
            .arg(fixture(name))
            .output();
        if let Ok(output) = gpgv {
            assert_eq!(
                output.status.success(),
                ours,
                "{name}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
    }
}
