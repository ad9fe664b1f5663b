//! The signature of a pushed document: HMAC-SHA-256 over its time, its key's name, its idempotency key
//! and its bytes. What the receiving side must check is told in `docs/push.md`. Where secrets are
//! kept is the shell's business.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wire::UnixMillis;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "Edge-Vitals-Signature";

/// The header that carries the key of the document.
pub const IDEMPOTENCY_HEADER: &str = "Idempotency-Key";

/// A secret that both sides know, and the name by which they speak of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    id: String,
    secret: Vec<u8>,
}

/// Why something is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKeyError {
    /// The name would not fit the header.
    InvalidName,
    /// The secret could be guessed.
    SecretTooShort {
        /// Its bytes.
        found_bytes: usize,
    },
}

impl SigningKey {
    /// A key of that name.
    ///
    /// # Errors
    /// Refuses names that do not fit a header, and secrets shorter than the hash (RFC 2104 §3).
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

/// The value of the signature's header for a body that is sent now. `None` cannot come of a valid key.
#[must_use]
pub fn sign(key: &SigningKey, idempotency_key: &str, body: &[u8], now: UnixMillis) -> Option<String> {
    let seconds = now.0 / 1000;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret).ok()?;
    // No field before the body can hold a line's end, so no two requests share a text.
    mac.update(format!("{SCHEME}\n{seconds}\n{}\n{idempotency_key}\n", key.id).as_bytes());
    mac.update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("t={seconds},k={},v1={digits}", key.id))
}

/// A secret does not belong into a log.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

impl fmt::Display for SigningKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidName => {
                write!(f, "a signing key's name is 1 to 64 letters, digits, dots, dashes or underscores")
            }
            Self::SecretTooShort { found_bytes: found } => {
                write!(f, "a signing secret has at least {MIN_SECRET_BYTES} bytes, and this one has {found}")
            }
        }
    }
}

impl std::error::Error for SigningKeyError {}

const SCHEME: &str = "edge-vitals.v1";
const MIN_SECRET_BYTES: usize = 32;
