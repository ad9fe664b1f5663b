//! The signature of a pushed document: HMAC-SHA-256 over the time, the name of the signing key, the
//! idempotency key and the body. `docs/push.md` specifies the verification. Storing secrets is left to the
//! shell.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wire::UnixMillis;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "Edge-Vitals-Signature";

/// The header that carries the idempotency key.
pub const IDEMPOTENCY_HEADER: &str = "Idempotency-Key";

/// A shared secret and its name.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    id: String,
    secret: Vec<u8>,
}

/// A defect of a signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKeyError {
    /// The name is empty, too long or contains characters that the header does not allow.
    InvalidName,
    /// The secret is short enough to be guessed.
    SecretTooShort {
        /// The length of the secret in bytes.
        found_bytes: usize,
    },
}

impl SigningKey {
    /// Creates a key.
    ///
    /// # Errors
    /// Returns an error for names that do not fit the header, and for secrets shorter than the hash (RFC 2104
    /// §3).
    pub fn new(id: &str, secret: &[u8]) -> Result<Self, SigningKeyError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if !(1..=64).contains(&id.len()) || !id.bytes().all(plain) {
            return Err(SigningKeyError::InvalidName);
        }
        if secret.len() < MIN_SECRET_BYTES {
            return Err(SigningKeyError::SecretTooShort { found_bytes: secret.len() });
        }
        Ok(Self { id: id.to_owned(), secret: secret.to_vec() })
    }
}

/// Returns the value of the signature header for a body that is sent now. It is never `None` for a valid key.
#[must_use]
pub fn sign(key: &SigningKey, idempotency_key: &str, body: &[u8], now: UnixMillis) -> Option<String> {
    let seconds = now.0 / 1000;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret).ok()?;
    // No field before the body can contain a newline, so the signed text of each request is unique.
    mac.update(format!("{SCHEME}\n{seconds}\n{}\n{idempotency_key}\n", key.id).as_bytes());
    mac.update(body);
    let digits = wire::hex::encode(&mac.finalize().into_bytes());
    Some(format!("t={seconds},k={},v1={digits}", key.id))
}

/// Omits the secret, which must not reach a log.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Display for SigningKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName => {
                write!(
                    f,
                    "the name of a signing key must be 1 to 64 letters, digits, dots, dashes or underscores"
                )
            }
            Self::SecretTooShort { found_bytes: found } => {
                write!(
                    f,
                    "a signing secret must have at least {MIN_SECRET_BYTES} bytes; this one has {found}"
                )
            }
        }
    }
}

impl std::error::Error for SigningKeyError {}

const SCHEME: &str = "edge-vitals.v1";
const MIN_SECRET_BYTES: usize = 32;
