//! Values of applications: the bytes of their envelope, and the purges that void them.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use cache::UnixMillis;
use cache::purge::{PurgeChanges, PurgeClock, PurgeVersion, PurgeView};
use cache::stored_value::{MAX_HEAD_BYTES, MAX_VALUE_BYTES, StoredValue, StoredValueError, is_value_key};
use proptest::prelude::*;

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const LEASE_MS: u64 = 2_000;

fn envelope(head: &str, body: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u32::try_from(bytes).expect("short").to_be_bytes();
    [b"evv1".as_slice(), &length(head.len()), &length(body.len()), head.as_bytes(), body].concat()
}

fn parse(envelope: &[u8]) -> Result<StoredValue, StoredValueError> {
    StoredValue::parse(envelope, envelope.len())
}

fn value(seq: u64, tags: &[&str]) -> StoredValue {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    StoredValue { seq, tags, expires: NOW.saturating_add(60_000) }
}

/// A view that was synced just now, after these purges.
fn view(purges: &[(&str, u64, u64)], floor: PurgeVersion) -> PurgeView {
    let seq = 100;
    let versions = purges
        .iter()
        .map(|(tag, hard, soft)| (format!("t:{tag}"), PurgeVersion { hard: *hard, soft: *soft }));
    let mut view = PurgeView::default();
    let changes = PurgeChanges {
        clock: PurgeClock { seq, floor },
        versions: versions.collect(),
        upto: seq,
        written_at: Vec::new(),
    };
    view.apply(changes, NOW);
    view
}

/// The bytes that pkg/backend/next writes; tests/package/next-cache.test.mjs compares them, too.
#[test]
fn the_envelope_of_version_1_stays_readable() {
    let stored = include_str!("stored-value-1.hex").trim();
    let bytes: Vec<u8> = (0..stored.len() / 2)
        .map(|at| u8::from_str_radix(&stored[2 * at..2 * at + 2], 16).expect("digits"))
        .collect();
    let expected = StoredValue {
        seq: 17,
        tags: vec!["a".into(), "_N_T_/b".into()],
        expires: UnixMillis(1_700_000_060_000),
    };
    assert_eq!(parse(&bytes), Ok(expected));
}

#[test]
fn an_envelope_that_is_not_whole_and_sound_is_no_value() {
    let head = r#"{"seq":1,"tags":["a"],"expires":2}"#;
    let whole = envelope(head, b"body");
    assert!(parse(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(parse(&whole[..length]).is_err(), "cut off after {length} bytes");
    }
    assert_eq!(parse(&[whole.as_slice(), b"x"].concat()), Err(StoredValueError::Malformed));
    assert_eq!(parse(&envelope(&" ".repeat(MAX_HEAD_BYTES + 1), b"")), Err(StoredValueError::TooLarge));
    assert_eq!(StoredValue::parse(&whole, MAX_VALUE_BYTES + 1), Err(StoredValueError::TooLarge));
    assert!(matches!(parse(&envelope("{}", b"")), Err(StoredValueError::Head(_))));
    let many = format!(r#"{{"seq":1,"tags":[{}"a"],"expires":2}}"#, r#""a","#.repeat(128));
    assert_eq!(parse(&envelope(&many, b"")), Err(StoredValueError::Tags));
    let long = format!(r#"{{"seq":1,"tags":["{}"],"expires":2}}"#, "a".repeat(257));
    assert_eq!(parse(&envelope(&long, b"")), Err(StoredValueError::Tags));
}

#[test]
fn a_value_is_void_once_one_of_its_tags_or_of_its_readers_was_purged_later() {
    let none = PurgeVersion::default();
    let table = [
        ("no purge", value(1, &["a"]), view(&[], none), NOW, true),
        ("an earlier purge", value(5, &["a"]), view(&[("a", 5, 0)], none), NOW, true),
        ("a later purge", value(4, &["a"]), view(&[("a", 5, 0)], none), NOW, false),
        ("a later soft purge", value(4, &["a"]), view(&[("a", 0, 5)], none), NOW, true),
        ("a later purge of the reader's tag", value(4, &[]), view(&[("path", 5, 0)], none), NOW, false),
        ("a later purge of another tag", value(4, &["a"]), view(&[("b", 5, 0)], none), NOW, true),
        ("a purge of everything", value(4, &[]), view(&[], PurgeVersion { hard: 5, soft: 0 }), NOW, false),
        ("a view beyond its lease", value(4, &[]), view(&[], none), NOW.saturating_add(LEASE_MS + 1), false),
        ("the end of the value", value(4, &["a"]), view(&[], none), NOW.saturating_add(60_000), false),
    ];
    for (case, value, view, now, expected) in table {
        assert_eq!(value.is_usable(&["path".to_owned()], &view, now, LEASE_MS), expected, "{case}");
    }
}

#[test]
fn a_value_is_stored_for_no_longer_than_purges_are_remembered() {
    for (seconds, expected) in [(0, None), (1, Some(60)), (600, Some(600)), (31_536_000, Some(86_400))] {
        let value = StoredValue { expires: NOW.saturating_add(seconds * 1000), ..value(0, &[]) };
        assert_eq!(value.retention_seconds(NOW), expected, "{seconds} s");
    }
}

#[test]
fn a_key_is_a_sha_256() {
    assert!(is_value_key(&"0a".repeat(32)));
    for key in ["", &"0A".repeat(32), &"0a".repeat(31), &"0g".repeat(32)] {
        assert!(!is_value_key(key), "{key}");
    }
}

proptest! {
    #[test]
    fn any_bytes_parse_or_fail_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), head in ".{0,40}") {
        let _ = parse(&bytes);
        let _ = parse(&envelope(&head, &bytes));
    }
}
