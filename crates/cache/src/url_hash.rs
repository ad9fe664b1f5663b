//! The name of a URL among purge versions. Anybody can request any URL, so the hash is a cryptographic one:
//! nobody finds a URL that shares the name of another. It bounds the memory that a URL takes.

use std::fmt;

use sha2::{Digest, Sha256};

/// The first 128 bits of the SHA-256 of host, path and query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UrlHash(u128);

impl UrlHash {
    /// Hashes a URL, given as host, path and query.
    #[must_use]
    pub fn from_url(url: &str) -> Self {
        let digest = Sha256::digest(url.as_bytes());
        Self(digest.iter().take(16).fold(0, |hash, byte| hash << 8 | u128::from(*byte)))
    }

    /// Parses what `Display` wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_hash = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        is_hash.then(|| u128::from_str_radix(text, 16).ok().map(Self))?
    }
}

impl fmt::Display for UrlHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_start_of_sha_256_and_survives_its_text() {
        // FIPS 180-2, appendix B.1.
        let hash = UrlHash::from_url("abc");
        assert_eq!(hash.to_string(), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(UrlHash::parse(&hash.to_string()), Some(hash));
        for text in ["", "BA7816BF8F01CFEA414140DE5DAE2223", "ba7816bf", "+a7816bf8f01cfea414140de5dae2223"] {
            assert_eq!(UrlHash::parse(text), None, "{text}");
        }
    }
}
