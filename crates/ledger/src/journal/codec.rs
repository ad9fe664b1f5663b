//! Stored bytes of the journal: a version, then the rows in postcard. Records stay JSON texts inside, and are parsed
//! only when they are needed.

use serde::{Deserialize, Serialize};

use super::error::JournalError;

/// A row of a block: one beacon of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BlockRow<'a> {
    pub(super) key: &'a str,
    /// The start of the view, in Unix milliseconds.
    pub(super) start: u64,
    pub(super) seq: u16,
    /// The beacons that it stands for, one bit each.
    pub(super) received_bits: u32,
    /// True if the view may have been swept before the beacon arrived.
    pub(super) is_late: bool,
    pub(super) record: &'a str,
}

/// A view as a fold left it. Its key is stored apart, because the index reads keys alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FoldEntry<'a> {
    /// The start of the view, in Unix milliseconds.
    pub(super) start: u64,
    /// The arrival of the latest beacon, in Unix milliseconds.
    pub(super) heard_at: u64,
    pub(super) seq: u16,
    pub(super) received_bits: u32,
    /// The view as it is counted; `None` for one of an earlier table that is not counted yet.
    pub(super) folded: Option<&'a str>,
}

pub(super) fn encode(rows: &impl Serialize) -> Result<Vec<u8>, JournalError> {
    postcard::to_extend(rows, vec![VERSION]).map_err(|_| JournalError::NotEncodable)
}

pub(super) fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, JournalError> {
    match bytes.split_first() {
        Some((&VERSION, rows)) => match postcard::take_from_bytes(rows) {
            Ok((rows, [])) => Ok(rows),
            _ => Err(JournalError::MalformedBlock),
        },
        Some((&version, _)) => Err(JournalError::UnsupportedVersion(version)),
        None => Err(JournalError::MalformedBlock),
    }
}

/// Decodes the views of a fold with their keys.
pub(super) fn decode_fold<'a>(
    keys: &'a [u8],
    body: &'a [u8],
) -> Result<Vec<(&'a str, FoldEntry<'a>)>, JournalError> {
    let (keys, entries): (Vec<&str>, Vec<FoldEntry<'_>>) = (decode(keys)?, decode(body)?);
    match keys.len() == entries.len() {
        true => Ok(keys.into_iter().zip(entries).collect()),
        false => Err(JournalError::MalformedBlock),
    }
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_match_their_version_1_bytes() {
        let rows = [BlockRow {
            key: "9f86.2",
            start: 1_800_000_000_000,
            seq: 3,
            received_bits: 0b1000,
            is_late: true,
            record: "{}",
        }];
        let bytes = encode(&rows.as_slice()).expect("encodable");
        assert_eq!(bytes, b"\x01\x01\x069f86.2\x80\xa0\xf1\xc2\xb14\x03\x08\x01\x02{}");
        assert_eq!(decode::<Vec<BlockRow<'_>>>(&bytes), Ok(rows.to_vec()));
        let entries = [FoldEntry {
            start: 1_800_000_000_000,
            heard_at: 1_800_000_000_001,
            seq: 3,
            received_bits: 0b1000,
            folded: Some("{}"),
        }];
        let bytes = encode(&entries.as_slice()).expect("encodable");
        assert_eq!(bytes, b"\x01\x01\x80\xa0\xf1\xc2\xb14\x81\xa0\xf1\xc2\xb14\x03\x08\x01\x02{}");
        let keys = encode(&["9f86.2"].as_slice()).expect("encodable");
        assert_eq!(keys, b"\x01\x01\x069f86.2");
        assert_eq!(decode_fold(&keys, &bytes), Ok(vec![("9f86.2", entries[0])]));
    }

    #[test]
    fn a_damaged_block_is_an_error() {
        let bytes = encode(&["9f86.2", "9f86.3"].as_slice()).expect("encodable");
        for length in 0..bytes.len() {
            assert_eq!(decode::<Vec<&str>>(&bytes[..length]), Err(JournalError::MalformedBlock), "{length}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(decode::<Vec<&str>>(&longer), Err(JournalError::MalformedBlock));
        let later = [&[9], &bytes[1..]].concat();
        assert_eq!(decode::<Vec<&str>>(&later), Err(JournalError::UnsupportedVersion(9)));
        let none = encode(&Vec::<FoldEntry<'_>>::new()).expect("encodable");
        assert_eq!(decode_fold(&bytes, &none), Err(JournalError::MalformedBlock), "keys without entries");
    }
}
