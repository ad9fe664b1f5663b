//! Marks of writes: none is left out, and no number of writes makes the batches of an isolate or the stored
//! versions of the purge clock exceed their bounds.

use std::collections::BTreeSet;

use cache::write_purge::{
    BATCH_INTERVAL_MS, MARKS_BURST, MARKS_PER_SECOND, MAX_BATCH_MARKS, MAX_WRITE_VERSIONS, WriteLog,
    WriteMarkLimiter,
};
use cache::{UnixMillis, UrlHash};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum WriteEvent {
    TimePasses {
        millis: u64,
    },
    Write {
        url: u8,
    },
    /// The request that was to send the batch is cut off.
    SenderEnds,
    /// The purge clock does not respond to the next batch.
    ClockFails,
}

fn any_event() -> impl Strategy<Value = WriteEvent> {
    prop_oneof![
        4 => (0..3_000_u64).prop_map(|millis| WriteEvent::TimePasses { millis }),
        6 => (0..5_u8).prop_map(|url| WriteEvent::Write { url }),
        1 => Just(WriteEvent::SenderEnds),
        1 => Just(WriteEvent::ClockFails),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_write_is_marked_after_it_and_batches_keep_their_distance(
        events in prop::collection::vec(any_event(), 1..80),
    ) {
        let mut log = WriteLog::default();
        let mut now = UnixMillis(1_000_000);
        let mut due: Option<UnixMillis> = None;
        let mut unmarked: BTreeSet<UrlHash> = BTreeSet::new();
        let mut sent_at: Option<UnixMillis> = None;
        let mut fails = false;
        // Once the faults are over, two more writes show that nothing is stuck.
        let write = [WriteEvent::Write { url: 9 }, WriteEvent::TimePasses { millis: 5_000 }];
        let end = [WriteEvent::TimePasses { millis: 5_000 }].into_iter().chain(write.clone()).chain(write);
        for event in events.into_iter().chain(end) {
            match event {
                WriteEvent::TimePasses { millis } => {
                    now = now.saturating_add(millis);
                    if let Some(at) = due.filter(|at| *at <= now) {
                        due = None;
                        let batch = log.take_batch(at);
                        if let Some(last) = sent_at {
                            prop_assert!(at.0 - last.0 >= BATCH_INTERVAL_MS);
                        }
                        sent_at = Some(at);
                        if std::mem::take(&mut fails) {
                            log.restore(batch);
                        } else {
                            unmarked.retain(|url| !batch.contains(url));
                        }
                    }
                }
                WriteEvent::Write { url } => {
                    let url = format!("www.example/{url}");
                    unmarked.insert(UrlHash::from_url(&url));
                    let marks = log.enqueue([&*url], now);
                    prop_assert_eq!(marks.refused, 0);
                    if let Some(delay) = marks.send_in_ms {
                        prop_assert!(delay <= BATCH_INTERVAL_MS);
                        due = Some(now.saturating_add(delay));
                    }
                }
                WriteEvent::SenderEnds => due = None,
                WriteEvent::ClockFails => fails = true,
            }
        }
        prop_assert!(unmarked.is_empty(), "{unmarked:?}");
    }

    #[test]
    fn the_clock_stores_no_more_marks_than_its_rate_and_its_room_allow(
        batches in prop::collection::vec((0..5_000_u64, 0..=MAX_BATCH_MARKS), 1..300),
    ) {
        let start = UnixMillis(1_000_000);
        let mut limiter = WriteMarkLimiter::new(start);
        let (mut now, mut stored) = (start, MAX_WRITE_VERSIONS - 5_000);
        let before = stored;
        for (pause, marks) in batches {
            now = now.saturating_add(pause);
            stored += limiter.admit(marks, stored, now);
            let seconds = (now.0 - start.0) / 1000 + 1;
            prop_assert!((stored - before) as u64 <= MARKS_BURST + MARKS_PER_SECOND * seconds);
            prop_assert!(stored <= MAX_WRITE_VERSIONS);
        }
    }

    #[test]
    fn a_quiet_clock_stores_whole_batches(pause in 20_000..1_000_000_u64, marks in 0..=MAX_BATCH_MARKS) {
        let mut limiter = WriteMarkLimiter::new(UnixMillis(0));
        prop_assert_eq!(limiter.admit(1_000_000, 0, UnixMillis(0)) as u64, MARKS_BURST);
        prop_assert_eq!(limiter.admit(marks, 0, UnixMillis(pause)), marks);
    }
}

#[test]
fn a_flood_of_writes_fills_one_batch_and_the_rest_is_counted() {
    let mut log = WriteLog::default();
    let now = UnixMillis(1_000_000);
    let (mut sends, mut refused) = (0, 0);
    for index in 0..100_000 {
        let url = format!("www.example/?{index}");
        log.record(&url, now);
        let marks = log.enqueue([&*url], now);
        sends += usize::from(marks.send_in_ms.is_some());
        refused += marks.refused;
    }
    assert_eq!((sends, refused), (1, 100_000 - MAX_BATCH_MARKS as u64));
    assert_eq!(log.take_batch(now).len(), MAX_BATCH_MARKS);
    assert!(log.is_written_since("www.example/?99999", now), "the isolate itself remembers the latest");
    assert!(!log.is_written_since("www.example/?0", now), "its memory is bounded");
}
