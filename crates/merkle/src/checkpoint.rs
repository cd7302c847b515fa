use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use praxis_oci::Digest;

/// Why a text is no checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no checkpoint: {0}; a checkpoint has three lines: origin, size and root")]
pub struct CheckpointError(String);

/// The state of a log at one moment: how many leaves, and the root over them. Its text is the body of a C2SP
/// tlog-checkpoint: three lines, origin, size and root in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of the Merkle tree over them.
    pub root: Digest,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = STANDARD.encode(self.root.as_bytes());
        write!(f, "{}\n{}\n{root}\n", self.origin, self.size)
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads the three lines; lines after them (extensions, signatures) are not looked at.
    fn from_str(text: &str) -> Result<Checkpoint, CheckpointError> {
        let wrong = |what: &str| CheckpointError(what.into());
        let mut lines = text.lines();
        let origin = lines.next().filter(|origin| !origin.is_empty());
        let size = lines.next().ok_or_else(|| wrong("it has no second line"))?;
        let root = lines.next().ok_or_else(|| wrong("it has no third line"))?;
        let plain = !size.is_empty()
            && size.bytes().all(|b| b.is_ascii_digit())
            && (size == "0" || !size.starts_with('0'));
        let size = size.parse().ok().filter(|_| plain);
        let root = STANDARD
            .decode(root)
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        Ok(Checkpoint {
            origin: origin.ok_or_else(|| wrong("its first line is empty"))?.into(),
            size: size.ok_or_else(|| wrong("its second line is no number"))?,
            root: Digest::from_bytes(root.ok_or_else(|| wrong("its third line is no SHA-256 in base64"))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_read_as_they_are_written() {
        let checkpoint = Checkpoint {
            origin: "praxis/ledger/1".into(),
            size: 20_852_163,
            root: Digest::of(b"x"),
        };
        let text = checkpoint.to_string();
        assert_eq!(text.lines().count(), 3);
        assert_eq!(text.parse::<Checkpoint>().unwrap(), checkpoint);
        let signed = format!("{text}\n— key AAAA\n");
        assert_eq!(signed.parse::<Checkpoint>().unwrap(), checkpoint);
        for wrong in [
            "",
            "a",
            "a\n1",
            "a\n01\nAAAA",
            "a\n-1\nAAAA",
            "a\n1\nAAAA",
            "\n1\n",
        ] {
            let error = wrong.parse::<Checkpoint>().unwrap_err().to_string();
            assert!(error.contains("no checkpoint"), "{wrong:?}: {error}");
        }
    }
}
