//! The SHA-256 of a token. Tokens that `edge-vitals tokens` makes have 256 random bits, so that no salt and no slow
//! hash adds anything; a stolen hash tells nothing about them.

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The hash of a token.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Hashes a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// Parses 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        wire::hex::decode(text).map(Self)
    }

    /// Returns 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        wire::hex::encode(&self.0)
    }

    /// Returns the first 64 bits, which tell wrong tokens apart.
    pub(crate) fn prefix(&self) -> u64 {
        self.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

/// Compares a value with a secret in constant time; false without a secret.
#[must_use]
pub fn is_secret(given: &str, secret: &str) -> bool {
    bool::from(TokenDigest::of(given).ct_eq(&TokenDigest::of(secret))) && !secret.is_empty()
}

impl ConstantTimeEq for TokenDigest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.as_slice().ct_eq(other.0.as_slice())
    }
}

// A log must not hold hashes.
impl std::fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha_256() {
        // FIPS 180-4, example B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenDigest::from_hex(abc), Some(TokenDigest::of("abc")));
        assert_eq!(TokenDigest::from_hex(&abc.to_uppercase()), Some(TokenDigest::of("abc")));
        for wrong in ["", "ba", &abc[1..], &abc.replace('b', "g"), &abc.replacen("ba", "é", 1)] {
            assert_eq!(TokenDigest::from_hex(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_absent_secret_matches_nothing() {
        assert!(is_secret("abc", "abc"));
        assert!(!is_secret("abc", "abd") && !is_secret("", "") && !is_secret("abc", ""));
    }

    #[test]
    fn a_log_does_not_show_a_hash() {
        assert_eq!(format!("{:?}", TokenDigest::of("abc")), "TokenDigest(…)");
    }
}
