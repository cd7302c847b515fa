use crate::SignError;

/// Who says when a signature was made.
pub trait Stamp: Sync {
    /// A whole DER `TimeStampResp` (RFC 3161) over the bytes of `signature`, verified.
    ///
    /// # Errors
    /// If none is given, or it is of something else.
    fn stamp(&self, signature: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Who is believed to say when a signature was made.
pub trait StampVerifier: Send + Sync {
    /// The time that a DER `TimeStampResp` gives for `signature`, RFC 3339.
    ///
    /// # Errors
    /// If it is of another signature, or of nobody who is believed.
    fn time(&self, response: &[u8], signature: &[u8]) -> Result<String, SignError>;
}
