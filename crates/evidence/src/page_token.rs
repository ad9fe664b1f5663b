//! Page tokens: a signed text that a document carries and its beacons repeat. It proves that somebody fetched a document
//! of the site a short while ago, and buys [`MAX_VIEWS`] views of one page load. The object that counts the views sees
//! to the page load (`ledger::TokenClaims`); all else is decided here, without state.
//!
//! A token is the time of issue, a nonce and 96 bits of HMAC-SHA-256 over both and the site, in hexadecimal digits.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use wire::{UnixMillis, hex};

/// The views of a page load that a token proves: the hard load, and restores and soft navigations after it.
pub const MAX_VIEWS: u16 = 10;

/// The secrets of a deployment: the first signs, and all verify, so that one can be replaced.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EvidenceSecrets(Vec<Vec<u8>>);

/// A view and what it shows of its page.
#[derive(Clone, Copy, Debug)]
pub struct PageClaim<'a> {
    /// The site.
    pub site: &'a str,
    /// The token of its document, if the beacon has one.
    pub token: Option<&'a str>,
    /// The index of the view in its page load.
    pub view: u16,
    /// The start of the view.
    pub start: UnixMillis,
    /// The arrival of the beacon.
    pub now: UnixMillis,
}

/// The judgement of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenCheck {
    /// The nonce of a genuine token, also of one that proves nothing any more: all beacons of a page load have it.
    pub nonce: Option<u64>,
    /// The reason why the view is unverified.
    pub defect: Option<EvidenceDefect>,
}

/// A reason why a view is unverified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvidenceDefect {
    /// The beacon has no token.
    Missing,
    /// The token was not issued for this site by this deployment.
    Forged,
    /// The view began too long after the token was issued, or before, or arrived too late.
    Late,
    /// The page load has had as many views as a token proves.
    WornOut,
}

impl EvidenceSecrets {
    /// Parses a comma-separated list of one or two secrets of 32 bytes or more.
    ///
    /// # Errors
    /// Returns a sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let secrets: Vec<Vec<u8>> = text
            .split(',')
            .map(str::trim)
            .filter(|secret| !secret.is_empty())
            .map(|secret| secret.as_bytes().to_vec())
            .collect();
        if let Some(short) = secrets.iter().find(|secret| secret.len() < MIN_SECRET_BYTES) {
            return Err(format!(
                "EVIDENCE_SECRET has a secret of {} bytes; it needs at least {MIN_SECRET_BYTES}, for example from `openssl rand -hex 32`",
                short.len()
            ));
        }
        match secrets.len() {
            0..=2 => Ok(Self(secrets)),
            n => Err(format!(
                "EVIDENCE_SECRET has {n} secrets; it takes the one that signs, and the one before it"
            )),
        }
    }

    /// Returns true without a secret.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the secret that signs; empty without one.
    #[must_use]
    pub fn signing(&self) -> &[u8] {
        self.0.first().map(Vec::as_slice).unwrap_or_default()
    }

    /// Issues the token of a document; `None` without a secret.
    #[must_use]
    pub fn issue(&self, site: &str, now: UnixMillis, nonce: u64) -> Option<String> {
        let signed = format!("{:08x}{nonce:016x}", u32::try_from(now.0 / 1000).ok()?);
        let mac = signature(self.0.first()?, site, &signed)?.finalize().into_bytes();
        Some(signed + &hex::encode(mac.get(..MAC_BYTES)?))
    }

    /// Judges a claim.
    #[must_use]
    pub fn judge(&self, claim: &PageClaim<'_>) -> TokenCheck {
        let Some(token) = claim.token else {
            return TokenCheck { nonce: None, defect: Some(EvidenceDefect::Missing) };
        };
        let Some((issued, nonce)) = self.verify(claim.site, token) else {
            return TokenCheck { nonce: None, defect: Some(EvidenceDefect::Forged) };
        };
        let is_timely = claim.start.0.saturating_add(MAX_RESPONSE_MS) >= issued.0
            && claim.start.0 <= issued.0.saturating_add(LIFETIME_MS)
            && claim.now.0 <= issued.0.saturating_add(LIFETIME_MS + MAX_DELAY_MS);
        let defect = if !is_timely {
            Some(EvidenceDefect::Late)
        } else if claim.view >= MAX_VIEWS {
            Some(EvidenceDefect::WornOut)
        } else {
            None
        };
        TokenCheck { nonce: Some(nonce), defect }
    }

    /// Returns the time of issue and the nonce of a genuine token.
    fn verify(&self, site: &str, token: &str) -> Option<(UnixMillis, u64)> {
        let is_hex = token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hex || token.len() != TOKEN_LENGTH {
            return None;
        }
        let (signed, digits) = token.split_at_checked(SIGNED_LENGTH)?;
        let mac: [u8; MAC_BYTES] = hex::decode(digits)?;
        let (issued, nonce) = signed.split_at_checked(8)?;
        let issued = UnixMillis(u64::from_str_radix(issued, 16).ok()?.saturating_mul(1000));
        let nonce = u64::from_str_radix(nonce, 16).ok()?;
        // Each comparison takes constant time, and every secret is tried.
        let is_signed = |secret: &Vec<u8>| {
            signature(secret, site, signed)
                .is_some_and(|expected| expected.verify_truncated_left(&mac).is_ok())
        };
        self.0.iter().filter(|secret| is_signed(secret)).count().gt(&0).then_some((issued, nonce))
    }
}

impl EvidenceDefect {
    /// All defects.
    pub const ALL: [Self; 4] = [Self::Missing, Self::Forged, Self::Late, Self::WornOut];

    /// The name under which unverified beacons are counted, beside rejected ones.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "evidence-missing",
            Self::Forged => "evidence-forged",
            Self::Late => "evidence-late",
            Self::WornOut => "evidence-worn-out",
        }
    }
}

impl fmt::Debug for EvidenceSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EvidenceSecrets({})", self.0.len())
    }
}

fn signature(secret: &[u8], site: &str, signed: &str) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(format!("edge-vitals page 1\n{site}\n{signed}").as_bytes());
    Some(mac)
}

const MIN_SECRET_BYTES: usize = 32;
const SIGNED_LENGTH: usize = 24;
const MAC_BYTES: usize = 12;
/// The length of a token.
const TOKEN_LENGTH: usize = SIGNED_LENGTH + 2 * MAC_BYTES;
/// Views may begin for this long after the document was sent.
const LIFETIME_MS: u64 = 4 * 60 * 60 * 1000;
/// Beacons of a view may arrive later.
const MAX_DELAY_MS: u64 = 2 * 60 * 60 * 1000;
/// A view begins with the request; the token is issued with the response.
const MAX_RESPONSE_MS: u64 = 2 * 60 * 1000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const SECRET: &str = "an example secret of 32 bytes...";
    const NEXT: &str = "another example secret longer than 32 bytes";

    fn secrets(text: &str) -> EvidenceSecrets {
        EvidenceSecrets::parse(text).expect("valid secrets")
    }

    fn claim<'a>(token: &'a str, start: UnixMillis) -> PageClaim<'a> {
        PageClaim { site: "s", token: Some(token), view: 0, start, now: start }
    }

    fn defect(claim: &PageClaim<'_>) -> Option<EvidenceDefect> {
        secrets(SECRET).judge(claim).defect
    }

    /// `pkg/backend` issues the same token.
    #[test]
    fn a_token_matches_its_first_version() {
        let token = secrets(SECRET).issue("shop", NOW, 0x0123_4567_89ab_cdef).expect("a token");
        assert_eq!(token, GOLDEN);
        let claim = PageClaim { site: "shop", ..claim(&token, NOW) };
        assert_eq!(
            secrets(SECRET).judge(&claim),
            TokenCheck { nonce: Some(0x0123_4567_89ab_cdef), defect: None }
        );
    }

    #[test]
    fn a_view_without_a_token_is_unverified() {
        let claim = PageClaim { token: None, ..claim("", NOW) };
        assert_eq!(
            secrets(SECRET).judge(&claim),
            TokenCheck { nonce: None, defect: Some(EvidenceDefect::Missing) }
        );
    }

    #[test]
    fn either_of_two_secrets_verifies_and_the_first_signs() {
        let (old, new) = (secrets(SECRET), secrets(NEXT));
        let both = secrets(&format!("{NEXT}, {SECRET}"));
        for token in [old.issue("s", NOW, 1), new.issue("s", NOW, 1)] {
            assert_eq!(both.judge(&claim(&token.expect("a token"), NOW)).defect, None);
        }
        assert_eq!(both.issue("s", NOW, 1), new.issue("s", NOW, 1));
        let token = new.issue("s", NOW, 1).expect("a token");
        assert_eq!(old.judge(&claim(&token, NOW)).defect, Some(EvidenceDefect::Forged));
    }

    #[test]
    fn secrets_are_long_and_at_most_two() {
        assert!(secrets("").is_empty() && secrets("").issue("s", NOW, 1).is_none());
        assert!(EvidenceSecrets::parse("short").is_err_and(|why| why.contains("5 bytes")));
        assert!(EvidenceSecrets::parse(&[SECRET; 3].join(",")).is_err_and(|why| why.contains("3 secrets")));
        assert_eq!(format!("{:?}", secrets(SECRET)), "EvidenceSecrets(1)");
    }

    proptest! {
        #[test]
        fn a_token_wears_out(nonce in any::<u64>(), after_ms in 0..30 * 60 * 60 * 1000_u64, delay_ms in 0..10 * 60 * 60 * 1000_u64, view in 0..40_u16) {
            let token = secrets(SECRET).issue("s", NOW, nonce).expect("a token");
            let start = NOW.saturating_add(after_ms);
            let claim = PageClaim { view, now: start.saturating_add(delay_ms), ..claim(&token, start) };
            let is_late = after_ms > LIFETIME_MS || after_ms + delay_ms > LIFETIME_MS + MAX_DELAY_MS;
            let expect = match (is_late, view >= MAX_VIEWS) {
                (true, _) => Some(EvidenceDefect::Late),
                (false, true) => Some(EvidenceDefect::WornOut),
                (false, false) => None,
            };
            prop_assert_eq!(secrets(SECRET).judge(&claim), TokenCheck { nonce: Some(nonce), defect: expect });
        }

        #[test]
        fn a_view_from_before_its_token_is_late(before_ms in MAX_RESPONSE_MS + 1000..100 * MAX_RESPONSE_MS) {
            let token = secrets(SECRET).issue("s", NOW, 1).expect("a token");
            let start = NOW.saturating_sub(before_ms);
            prop_assert_eq!(defect(&PageClaim { now: NOW, ..claim(&token, start) }), Some(EvidenceDefect::Late));
        }

        #[test]
        fn a_changed_token_is_forged(nonce in any::<u64>(), at in 0..TOKEN_LENGTH, digit in 0..16_u8) {
            let token = secrets(SECRET).issue("s", NOW, nonce).expect("a token");
            let mut changed = token.clone();
            changed.replace_range(at..=at, &format!("{digit:x}"));
            let expect = (changed != token).then_some(EvidenceDefect::Forged);
            prop_assert_eq!(defect(&claim(&changed, NOW)), expect);
        }

        #[test]
        fn no_text_is_a_token(text in ".{0,80}") {
            prop_assert_eq!(defect(&claim(&text, NOW)), Some(EvidenceDefect::Forged));
        }

        #[test]
        fn another_sites_token_is_forged(site in "[a-z]{1,8}", nonce in any::<u64>()) {
            prop_assume!(site != "s");
            let token = secrets(SECRET).issue(&site, NOW, nonce).expect("a token");
            prop_assert_eq!(defect(&claim(&token, NOW)), Some(EvidenceDefect::Forged));
        }
    }

    const GOLDEN: &str = "6b49d2000123456789abcdef3235b467e48bcdf51a8eb5fa";
}
