//! A verifier written from docs/push.md alone, against the signatures of the sender.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use hmac::{Hmac, KeyInit, Mac};
use outbox::{SigningKey, SigningKeyError, sign};
use proptest::prelude::*;
use sha2::Sha256;
use wire::UnixMillis;

const SECRET: &[u8] = b"an example secret of 32 bytes...";
const PREVIOUS_SECRET: &[u8] = b"the secret of the year before it";
const NOW_SECONDS: u64 = 1_800_000_090;

#[derive(Debug, PartialEq)]
enum VerifyError {
    Malformed,
    UnknownKey,
    WrongSignature,
    Expired,
}

/// Verifies a request step by step as documented.
fn verify(keys: &[(&str, &[u8])], header: &str, key: &str, body: &[u8], now: u64) -> Result<(), VerifyError> {
    let one = |name: &str| {
        let mut found = header.split(',').filter_map(|part| part.split_once('=')).filter(|(n, _)| *n == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Ok(value),
            _ => Err(VerifyError::Malformed),
        }
    };
    let (t, k, v1) = (one("t")?, one("k")?, one("v1")?);
    if t.is_empty() || !t.bytes().all(|byte| byte.is_ascii_digit()) || v1.len() != 64 {
        return Err(VerifyError::Malformed);
    }
    let at: u64 = t.parse().map_err(|_| VerifyError::Malformed)?;
    let digits = |at: usize| u8::from_str_radix(v1.get(at..at + 2)?, 16).ok();
    let sent: Vec<u8> =
        (0..64).step_by(2).map(digits).collect::<Option<_>>().ok_or(VerifyError::Malformed)?;
    let (_, secret) = keys.iter().find(|(name, _)| *name == k).ok_or(VerifyError::UnknownKey)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    for line in ["edge-vitals.v1", t, k, key] {
        mac.update(line.as_bytes());
        mac.update(b"\n");
    }
    mac.update(body);
    mac.verify_slice(&sent).map_err(|_| VerifyError::WrongSignature)?;
    if at.abs_diff(now) > 300 {
        return Err(VerifyError::Expired);
    }
    Ok(())
}

fn signed_header(secret: &[u8], name: &str, key: &str, body: &[u8]) -> String {
    sign(&SigningKey::new(name, secret).unwrap(), key, body, UnixMillis(NOW_SECONDS * 1000 + 999)).unwrap()
}

/// The documented request is a test vector for verifiers.
#[test]
fn the_documented_example_matches_the_sender() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/push.md")).unwrap();
    let request = page.split("```").nth(1).unwrap();
    let header = |name: &str| {
        let line = request.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(": ").to_owned()
    };
    let body = request.split("\n\n").nth(1).unwrap().trim_end();
    let (key, sent) = (header("Idempotency-Key"), header("Edge-Vitals-Signature"));
    assert!(page.contains(&format!("`{}`", str::from_utf8(SECRET).unwrap())));
    assert_eq!(signed_header(SECRET, "2027-01", &key, body.as_bytes()), sent);
    assert_eq!(verify(&[("2027-01", SECRET)], &sent, &key, body.as_bytes(), NOW_SECONDS), Ok(()));
}

/// RFC 4231, case 2.
#[test]
fn the_mac_is_hmac_sha_256() {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
    mac.update(b"what do ya want for nothing?");
    let found: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

#[test]
fn both_keys_are_valid_during_rotation() {
    let (both, newer) = ([("2026", PREVIOUS_SECRET), ("2027", SECRET)], [("2027", SECRET)]);
    for (name, secret) in both {
        assert_eq!(
            verify(&both, &signed_header(secret, name, "a.1", b"x"), "a.1", b"x", NOW_SECONDS),
            Ok(())
        );
    }
    let old = signed_header(PREVIOUS_SECRET, "2026", "a.1", b"x");
    assert_eq!(verify(&newer, &old, "a.1", b"x", NOW_SECONDS), Err(VerifyError::UnknownKey));
    // The name of a key is not enough.
    let forged = signed_header(PREVIOUS_SECRET, "2027", "a.1", b"x");
    assert_eq!(verify(&both, &forged, "a.1", b"x", NOW_SECONDS), Err(VerifyError::WrongSignature));
}

#[test]
fn a_signature_is_valid_for_five_minutes_either_way() {
    let header = signed_header(SECRET, "k", "a.1", b"x");
    let at = |now: u64| verify(&[("k", SECRET)], &header, "a.1", b"x", now);
    assert_eq!([NOW_SECONDS - 300, NOW_SECONDS, NOW_SECONDS + 300].map(at), [Ok(()), Ok(()), Ok(())]);
    assert_eq!(
        [NOW_SECONDS - 301, NOW_SECONDS + 301].map(at),
        [Err(VerifyError::Expired), Err(VerifyError::Expired)]
    );
}

#[test]
fn a_weak_key_is_refused_and_a_secret_is_never_shown() {
    assert_eq!(SigningKey::new("k", &SECRET[..31]), Err(SigningKeyError::SecretTooShort { found_bytes: 31 }));
    for name in ["", "a b", "a,b", "a\nb", &"k".repeat(65)] {
        assert_eq!(SigningKey::new(name, SECRET), Err(SigningKeyError::InvalidName), "{name:?}");
    }
    let shown = format!("{:?}", SigningKey::new("2027", SECRET).unwrap());
    assert!(shown.contains("2027") && !shown.contains("example") && !shown.contains("97"), "{shown}");
}

proptest! {
    #[test]
    fn any_change_invalidates_the_signature(
        body in proptest::collection::vec(any::<u8>(), 1..200),
        key in "[a-z.]{1,20}",
        at in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let keys = [("k", SECRET)];
        let header = signed_header(SECRET, "k", &key, &body);
        prop_assert_eq!(verify(&keys, &header, &key, &body, NOW_SECONDS), Ok(()));

        let mut tampered = body.clone();
        tampered[at.index(body.len())] ^= 1 << bit;
        prop_assert_eq!(verify(&keys, &header, &key, &tampered, NOW_SECONDS), Err(VerifyError::WrongSignature));
        let other = format!("{key}x");
        prop_assert_eq!(verify(&keys, &header, &other, &body, NOW_SECONDS), Err(VerifyError::WrongSignature));
        let later = header.replace(&format!("t={NOW_SECONDS}"), &format!("t={}", NOW_SECONDS + 1));
        prop_assert_eq!(verify(&keys, &later, &key, &body, NOW_SECONDS), Err(VerifyError::WrongSignature));
    }
}
