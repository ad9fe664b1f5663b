//! Rows as they arrive at a shard, in JSON.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::codec::BlockRow;
use super::error::JournalError;
use crate::journal_row::VIEW_SETTLED_AFTER_MS;

/// The rows of one commit.
#[derive(Debug)]
pub struct ReceivedRows<'a>(Vec<ReceivedRow<'a>>);

/// The received form of [`JournalRow`](crate::JournalRow).
#[derive(Debug, Deserialize)]
pub(super) struct ReceivedRow<'a> {
    #[serde(rename = "k", borrow)]
    view_key: Cow<'a, str>,
    #[serde(rename = "q")]
    seq: u16,
    #[serde(rename = "s")]
    start: u64,
    #[serde(rename = "a")]
    age_ms: u64,
    #[serde(rename = "t", borrow)]
    record: &'a RawValue,
}

impl<'a> ReceivedRows<'a> {
    /// Parses an array of rows.
    ///
    /// # Errors
    /// Returns an error if the text is not an array of rows.
    pub fn parse(json: &'a str) -> Result<Self, JournalError> {
        let rows = serde_json::from_str(json);
        rows.map(Self).map_err(|error| JournalError::MalformedRows(error.to_string()))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = BlockRow<'_>> {
        self.0.iter().map(|row| BlockRow {
            key: &row.view_key,
            start: row.start,
            seq: row.seq,
            received_bits: 1_u32.checked_shl(row.seq.into()).unwrap_or_default(),
            is_late: row.seq != 0 && row.age_ms >= VIEW_SETTLED_AFTER_MS,
            record: row.record.get(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_late_from_two_hours_on_unless_they_are_the_first() {
        for (seq, age, is_late) in [(1, 7_199_999, false), (1, 7_200_000, true), (0, 7_200_000, false)] {
            let json = format!(r#"[{{"a":{age},"k":"x\"y.0","q":{seq},"s":5,"t":{{"v":1}}}}]"#);
            let rows = ReceivedRows::parse(&json).expect("rows");
            let rows: Vec<BlockRow<'_>> = rows.iter().collect();
            let record = r#"{"v":1}"#;
            let row = BlockRow { key: "x\"y.0", start: 5, seq, received_bits: 1 << seq, is_late, record };
            assert_eq!(rows, [row], "{json}");
        }
    }

    #[test]
    fn malformed_rows_are_refused() {
        for json in ["", "[", "{}", r#"[{"k":"x"}]"#, r#"[{"a":0,"k":"x","q":-1,"s":5,"t":{}}]"#] {
            assert!(matches!(ReceivedRows::parse(json), Err(JournalError::MalformedRows(_))), "{json}");
        }
    }
}
