use praxis_sign::{Bundle, Log, PublicKey, Signer, Stamp, Transparency, Trust};

use crate::EngineError;

/// What signs, and who else hears of it.
#[derive(Clone, Copy)]
pub struct Seal<'a> {
    /// The key.
    pub signer: &'a dyn Signer,
    /// Who says when it was signed, if somebody is to say so.
    pub stamp: Option<&'a dyn Stamp>,
    /// The log that is to have it, if one is.
    pub log: Option<&'a dyn Log>,
}

impl Seal<'_> {
    /// A statement, signed: with its time and its entry in the log, both verified.
    pub(super) fn bundle(&self, statement: &[u8]) -> Result<Bundle, EngineError> {
        let mut bundle = Bundle::sign(statement, self.signer)?;
        if let Some(stamp) = self.stamp {
            bundle.add_timestamp(&stamp.stamp(&bundle.dsse_envelope.signature()?)?);
        }
        if let Some(log) = self.log {
            bundle.enter(log, self.signer)?;
        }
        Ok(bundle)
    }

    /// Who has to be believed for a bundle to be as good as one of this seal: the key, and the log if one is to have it.
    pub(super) fn trust<'t>(&'t self, keys: &'t [PublicKey]) -> Trust<'t> {
        Trust {
            keys,
            transparency: self.transparency(),
            ..Trust::default()
        }
    }

    /// What the log has to have: everything.
    fn transparency(&self) -> Option<Transparency<'_>> {
        self.log.map(|log| Transparency {
            logs: log,
            required: true,
            keys: &[],
        })
    }
}
