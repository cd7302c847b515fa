//! A program that reaches a key which never leaves its token or service.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::{PublicKey, SignError, Signer};

/// No signature is longer.
const LONGEST: u64 = 4096;

/// A command line for the shell that gets the bytes to be signed on its standard input and writes the signature, DER or
/// the base64 of it, to its standard output: `openssl dgst -sha256 -sign KEY` is one, so are the clients of PKCS #11
/// tokens and of key services.
#[derive(Clone, Debug)]
pub struct KeyCommand {
    /// The command line.
    pub command: String,
    /// The key that verifies what it signs.
    pub public_key: PublicKey,
}

impl Signer for KeyCommand {
    /// # Errors
    /// If the command fails, or what it gives is no signature of the message by that key.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let failed = |why: String| SignError::new(format!("the key command `{}`: {why}", self.command));
        let mut child = Command::new("/bin/sh")
            .args(["-c", &self.command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let mut input = child.stdin.take();
        let message_of_thread = message.to_vec();
        // A program that writes before it has read all must not stand still.
        let writer = std::thread::spawn(move || {
            if let Some(input) = &mut input {
                let _ = input.write_all(&message_of_thread);
            }
        });
        let mut output = Vec::new();
        let read = child
            .stdout
            .take()
            .map(|out| out.take(LONGEST).read_to_end(&mut output));
        let status = child.wait().map_err(|error| failed(error.to_string()))?;
        let _ = writer.join();
        if let Some(Err(error)) = read {
            return Err(failed(error.to_string()));
        }
        if !status.success() {
            return Err(failed(format!("ended with {status}")));
        }
        // Tools break lines of base64.
        let text: Vec<u8> = output
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        let decoded = STANDARD.decode(text).ok();
        let candidates = std::iter::once(output.clone()).chain(decoded);
        candidates
            .into_iter()
            .find(|signature| self.public_key.verifies(message, signature))
            .ok_or_else(|| {
                failed("what it wrote is no signature of its input by the public key given with it".into())
                    .with_hint(
                        "it has to write a DER signature, ECDSA over P-256 with SHA-256, plain or in base64",
                    )
            })
    }

    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::PrivateKey;

    fn openssl(arguments: &[&str]) {
        let done = Command::new("openssl").args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    #[test]
    fn openssl_signs_through_the_hook() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).display().to_string();
        openssl(&[
            "genpkey",
            "-algorithm",
            "EC",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-out",
            &path("key"),
        ]);
        openssl(&["pkey", "-in", &path("key"), "-pubout", "-out", &path("pub")]);
        let public_key = PublicKey::from_pem(&fs::read_to_string(path("pub")).unwrap()).unwrap();
        let sign = format!("openssl dgst -sha256 -sign {}", path("key"));
        for command in [sign.clone(), format!("{sign} | base64")] {
            let hook = KeyCommand { command, public_key };
            let signature = hook.sign(b"message").unwrap();
            assert!(public_key.verifies(b"message", &signature));
        }
        // The same file is read as a key, plain and encrypted.
        openssl(&[
            "pkcs8",
            "-topk8",
            "-in",
            &path("key"),
            "-passout",
            "pass:open",
            "-out",
            &path("locked"),
        ]);
        for name in ["key", "locked"] {
            let text = fs::read_to_string(path(name)).unwrap();
            let key = PrivateKey::from_pem(&text, &mut || Ok("open".to_string().into())).unwrap();
            assert_eq!(*key.public_key(), public_key);
        }
    }

    #[test]
    fn what_a_command_gives_is_not_believed() {
        let public_key = *PrivateKey::generate().public_key();
        for (command, why) in [
            ("exit 3", "exit status: 3"),
            ("echo no", "no signature"),
            ("true", "no signature"),
        ] {
            let hook = KeyCommand {
                command: command.into(),
                public_key,
            };
            let error = hook.sign(b"message").unwrap_err();
            assert!(error.message.contains(why), "{error}");
        }
    }
}
