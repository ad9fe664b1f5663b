//! Stored bytes and messages between the Worker and its objects, of each version that is read.

use export::Totals;
use ledger::journal::ReceivedRows;
use ledger::{Cell, HourlyLimitCounts, QueryResult};
use sketch::Sketch;
use traffic::{RouteStats, TrafficStats, TrafficWindows};

/// Decodes, encodes and decodes again: what was read once is written so that it is read alike.
macro_rules! check_codec {
    ($type:ty, $bytes:expr, $encode:expr) => {
        if let Ok(decoded) = <$type>::decode($bytes) {
            let encode: fn(&$type) -> Option<Vec<u8>> = $encode;
            if let Some(encoded) = encode(&decoded) {
                let again = <$type>::decode(&encoded).ok().and_then(|again| encode(&again));
                assert_eq!(again, Some(encoded), stringify!($type));
            }
        }
    };
}

/// The first byte chooses the codec.
pub(crate) fn codecs(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    match choice % 8 {
        0 => check_codec!(Sketch, bytes, |value| Some(value.encode())),
        1 => check_codec!(Cell, bytes, |value| value.encode().ok()),
        2 => check_codec!(QueryResult, bytes, |value| value.encode().ok()),
        3 => check_codec!(HourlyLimitCounts, bytes, |value| value.clone().encode().ok()),
        4 => check_codec!(TrafficStats, bytes, |value| value.encode().ok()),
        5 => check_codec!(TrafficWindows, bytes, |value| value.encode().ok()),
        6 => check_codec!(Totals, bytes, |value| value.encode().ok()),
        _ => check_codec!(RouteStats, bytes, |value| value.encode().ok()),
    }
}

pub(crate) fn journal_rows(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = ReceivedRows::parse(text);
        let _ = ledger::ViewRecord::from_json(text);
        let _ = ledger::SeriesLabels::from_json(text);
        let _ = outbox::OutboxState::from_json(text);
    }
}
