//! The `Server-Timing` parser: valid fields round-trip, and the cost of any others is bounded.

use cache::Headers;
use cache::server_timing::{MAX_ENTRIES, ServerTimingEntry, parse_entries, query_durations};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn valid_entries_round_trip(
        entries in prop::collection::vec(
            ("[a-z][a-z.-]{0,20}", prop::option::of(0_u32..3_000_000), prop::option::of("[ -~]{1,60}")),
            0..30,
        ),
        parts in 1_usize..4,
    ) {
        let entries: Vec<ServerTimingEntry> = entries
            .iter()
            .map(|(name, dur, desc)| ServerTimingEntry {
                name: name.clone(),
                dur: dur.map(|tenths| f64::from(tenths) / 10.0),
                desc: desc.as_ref().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
            })
            .collect();
        let format_entry = |entry: &ServerTimingEntry| {
            let mut text = entry.name.clone();
            if let Some(dur) = entry.dur {
                text.push_str(&format!(";dur={dur}"));
            }
            if let Some(desc) = &entry.desc {
                text.push_str(&format!(" ; desc=\"{}\"", desc.replace('\\', "\\\\").replace('"', "\\\"")));
            }
            text
        };
        let mut headers = Headers::new();
        for chunk in entries.chunks(entries.len().div_ceil(parts).max(1)) {
            headers.append("server-timing", &chunk.iter().map(format_entry).collect::<Vec<_>>().join(", "));
        }
        prop_assert_eq!(parse_entries(&headers), entries);
    }

    #[test]
    fn arbitrary_fields_are_parsed_within_bounds(
        fields in prop::collection::vec("([db;,=\"\\\\. 0-9e-]|dur|desc|sql|\\PC){0,400}", 0..8),
    ) {
        let mut headers = Headers::new();
        fields.iter().for_each(|field| headers.append("Server-Timing", field));
        let entries = parse_entries(&headers);
        prop_assert!(entries.len() <= MAX_ENTRIES);
        for ServerTimingEntry { name, dur, desc } in entries {
            prop_assert!((1..=64).contains(&name.len()));
            prop_assert!(dur.is_none_or(|dur| (0.0..=3_600_000.0).contains(&dur)));
            prop_assert!(desc.is_none_or(|desc| (1..=100).contains(&desc.chars().count())));
        }
        prop_assert!(query_durations(&headers).len() <= MAX_ENTRIES);
    }
}

#[test]
fn entries_beyond_the_maximum_are_ignored() {
    let mut headers = Headers::new();
    (0..1000).for_each(|index| headers.append("server-timing", &format!("db;dur={index}")));
    let durations = query_durations(&headers);
    assert_eq!((durations.len(), durations.last().map(|(_, millis)| *millis)), (MAX_ENTRIES, Some(199.0)));
}

#[test]
fn queries_of_databases_and_of_redis_are_counted_by_their_description() {
    let field = "db;dur=1;desc=\"getUser\", sql.active_record;dur=2, redis;dur=3;desc=\"GET\", redis-read;dur=4, \
                 redistribute;dur=5, app;dur=6, dbs;dur=7";
    let mut headers = Headers::new();
    headers.append("server-timing", field);
    let expected = [("getUser", 1.0), ("sql.active_record", 2.0), ("GET", 3.0), ("redis-read", 4.0)];
    assert_eq!(query_durations(&headers), expected.map(|(name, millis)| (name.to_owned(), millis)));
}
