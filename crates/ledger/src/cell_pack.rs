//! Packs: rows that hold many cells. The platform bills a written row whatever its size, so the cells of a span are
//! stored in order, up to 64 KB to a row. A pack has the cells from its own place up to that of the next pack.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use wire::{CodecError, UnixMillis, Window, WindowSpan};

use crate::cell_key::CellKey;
use crate::labels::SeriesLabels;

/// The place of a cell in the order in which cells are stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellPlace {
    /// The span of its window.
    pub span: WindowSpan,
    /// The start of its window.
    pub start: UnixMillis,
    /// The stored name of its series.
    pub series: String,
}

/// A cell in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct PackedCell<'a> {
    /// The start of its window, in Unix milliseconds.
    pub start: u64,
    /// The stored name of its series.
    pub series: &'a str,
    /// The encoded cell.
    pub cell: &'a [u8],
}

/// Packs that are changed together. A cell that is not in them is not stored.
#[derive(Debug, Default)]
pub struct OpenPacks(BTreeMap<CellPlace, OpenPack>);

#[derive(Debug)]
struct OpenPack {
    /// The place of the next pack of the span.
    end: Option<CellPlace>,
    cells: BTreeMap<CellPlace, Vec<u8>>,
    is_stored: bool,
    is_changed: bool,
}

/// A row to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackWrite {
    /// Store the pack, in the place of an earlier one there.
    Store(CellPlace, Vec<u8>),
    /// Remove the pack, which has no cells any more.
    Remove(CellPlace),
}

impl CellPlace {
    /// Returns the place of a cell.
    ///
    /// # Errors
    /// Returns an error if the labels cannot be written as JSON.
    pub fn for_cell(key: &CellKey) -> Result<Self, serde_json::Error> {
        let CellKey { window: Window { span, start }, labels } = key;
        Ok(Self { span: *span, start: *start, series: labels.to_json()? })
    }

    /// Returns the place before every cell of a window and the windows after it.
    #[must_use]
    pub const fn first_of(window: Window) -> Self {
        Self { span: window.span, start: window.start, series: String::new() }
    }

    /// Returns the key of the cell; `None` if the series is of no version of ours.
    #[must_use]
    pub fn key(&self) -> Option<CellKey> {
        let Self { span, start, series } = self;
        Some(CellKey {
            window: Window { span: *span, start: *start },
            labels: SeriesLabels::from_json(series)?,
        })
    }
}

impl<'a> PackedCell<'a> {
    /// Decodes the cells of a pack, in order.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn decode_all(bytes: &'a [u8]) -> Result<Vec<Self>, CodecError> {
        match bytes.split_first() {
            Some((&VERSION, cells)) => match postcard::take_from_bytes(cells) {
                Ok((cells, [])) => Ok(cells),
                _ => Err(CodecError),
            },
            _ => Err(CodecError),
        }
    }

    /// Returns the key of the cell, if it is of that span; `None` if the series is of no version of ours.
    #[must_use]
    pub fn key(&self, span: WindowSpan) -> Option<CellKey> {
        let window = Window { span, start: UnixMillis(self.start) };
        Some(CellKey { window, labels: SeriesLabels::from_json(self.series)? })
    }

    fn place(&self, span: WindowSpan) -> CellPlace {
        CellPlace { span, start: UnixMillis(self.start), series: self.series.to_owned() }
    }
}

impl OpenPacks {
    /// Returns true if the pack with that place is open.
    #[must_use]
    pub fn has(&self, place: &CellPlace) -> bool {
        self.pack_of(place).is_some()
    }

    /// Opens a stored pack. `end` is the place of the next one of its span.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn open(&mut self, place: CellPlace, end: Option<CellPlace>, bytes: &[u8]) -> Result<(), CodecError> {
        let cells = PackedCell::decode_all(bytes)?;
        let cells = cells.iter().map(|cell| (cell.place(place.span), cell.cell.to_owned())).collect();
        self.0.insert(place, OpenPack { end, cells, is_stored: true, is_changed: false });
        Ok(())
    }

    /// Opens a new pack, for a place before all stored ones of its span. `end` is the first of them.
    pub fn open_new(&mut self, place: CellPlace, end: Option<CellPlace>) {
        let pack = OpenPack { end, cells: BTreeMap::new(), is_stored: false, is_changed: false };
        self.0.insert(place, pack);
    }

    /// Returns the bytes of a cell.
    #[must_use]
    pub fn get(&self, place: &CellPlace) -> Option<&[u8]> {
        self.pack_of(place)?.cells.get(place).map(Vec::as_slice)
    }

    /// Puts a cell in its place. Returns false if its pack is not open.
    #[must_use]
    pub fn put(&mut self, place: CellPlace, cell: Vec<u8>) -> bool {
        let Some(pack) = self.pack_of_mut(&place) else { return false };
        pack.is_changed = true;
        pack.cells.insert(place, cell);
        true
    }

    /// Removes a cell. Returns false if its pack is not open.
    #[must_use]
    pub fn remove(&mut self, place: &CellPlace) -> bool {
        let Some(pack) = self.pack_of_mut(place) else { return false };
        pack.is_changed |= pack.cells.remove(place).is_some();
        true
    }

    /// Removes the cells of windows that start between two moments, and returns true if there were any.
    pub fn remove_between(&mut self, from: UnixMillis, to: UnixMillis) -> bool {
        let mut is_any = false;
        for pack in self.0.values_mut() {
            let before = pack.cells.len();
            pack.cells.retain(|place, _| place.start < from || place.start >= to);
            pack.is_changed |= pack.cells.len() < before;
            is_any |= pack.is_changed;
        }
        is_any
    }

    /// Returns the rows to write.
    ///
    /// # Errors
    /// Returns an error if a pack cannot be encoded.
    pub fn into_writes(self) -> Result<Vec<PackWrite>, CodecError> {
        let mut writes = Vec::new();
        for (place, pack) in self.0.into_iter().filter(|(_, pack)| pack.is_changed) {
            match pack.cells.is_empty() {
                true if pack.is_stored => writes.push(PackWrite::Remove(place)),
                true => {}
                false => pack.split_into(place, &mut writes)?,
            }
        }
        Ok(writes)
    }

    fn pack_of(&self, place: &CellPlace) -> Option<&OpenPack> {
        let (_, pack) = self.0.range(..=place).next_back().filter(|(at, _)| at.span == place.span)?;
        pack.end.as_ref().is_none_or(|end| place < end).then_some(pack)
    }

    fn pack_of_mut(&mut self, place: &CellPlace) -> Option<&mut OpenPack> {
        let (_, pack) = self.0.range_mut(..=place).next_back().filter(|(at, _)| at.span == place.span)?;
        pack.end.as_ref().is_none_or(|end| place < end).then_some(pack)
    }
}

impl OpenPack {
    /// Splits the cells evenly over as many packs as they need. The first keeps the place of this one.
    fn split_into(self, place: CellPlace, writes: &mut Vec<PackWrite>) -> Result<(), CodecError> {
        let size =
            |(place, cell): (&CellPlace, &Vec<u8>)| place.series.len() + cell.len() + CELL_OVERHEAD_BYTES;
        let all: usize = self.cells.iter().map(size).sum();
        let share = all.div_ceil(all.div_ceil(MAX_PACK_BYTES).max(1));
        let (mut part, mut bytes, mut next) = (Vec::new(), 0, Some(place));
        for (at, cell) in &self.cells {
            if bytes >= share {
                let place = next.take().ok_or(CodecError)?;
                writes.push(PackWrite::Store(place, encode(&part)?));
                (part, bytes, next) = (Vec::new(), 0, Some(at.clone()));
            }
            bytes += size((at, cell));
            part.push(EncodedCell { start: at.start.0, series: &at.series, cell: Bytes(cell) });
        }
        let place = next.ok_or(CodecError)?;
        writes.push(PackWrite::Store(place, encode(&part)?));
        Ok(())
    }
}

/// A cell as it is written; the same bytes as those of [`PackedCell`].
#[derive(Serialize)]
struct EncodedCell<'a> {
    start: u64,
    series: &'a str,
    cell: Bytes<'a>,
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

fn encode(cells: &[EncodedCell<'_>]) -> Result<Vec<u8>, CodecError> {
    postcard::to_extend(cells, vec![VERSION]).map_err(|_| CodecError)
}

const VERSION: u8 = 1;
/// Larger rows are fewer, but a change of one cell writes all bytes of its row.
const MAX_PACK_BYTES: usize = 64 * 1024;
/// The start and two lengths.
const CELL_OVERHEAD_BYTES: usize = 9;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(start: u64, series: &str) -> CellPlace {
        CellPlace { span: WindowSpan::Hour, start: UnixMillis(start), series: series.to_owned() }
    }

    #[test]
    fn a_pack_matches_its_version_1_bytes() {
        let mut packs = OpenPacks::default();
        packs.open_new(place(1, ""), None);
        assert!(packs.put(place(300, "b"), vec![7, 8]) && packs.put(place(1, "a"), vec![9]));
        let expected = b"\x01\x02\x01\x01a\x01\x09\xac\x02\x01b\x02\x07\x08";
        assert_eq!(packs.into_writes(), Ok(vec![PackWrite::Store(place(1, ""), expected.to_vec())]));
        let cells = PackedCell::decode_all(expected).expect("decodable");
        assert_eq!(cells[1], PackedCell { start: 300, series: "b", cell: &[7, 8] });
        for length in 0..expected.len() {
            assert!(PackedCell::decode_all(&expected[..length]).is_err(), "{length}");
        }
        assert!(PackedCell::decode_all(&[expected.as_slice(), &[0]].concat()).is_err(), "a byte more");
        assert!(PackedCell::decode_all(b"\x02\x00").is_err(), "a later version");
    }

    #[test]
    fn a_place_of_a_closed_pack_is_refused() {
        let mut packs = OpenPacks::default();
        packs.open_new(place(5, ""), Some(place(9, "")));
        assert!(packs.has(&place(5, "a")) && packs.has(&place(8, "z")));
        for other in [place(4, "z"), place(9, "a"), CellPlace { span: WindowSpan::Day, ..place(6, "") }] {
            assert!(!packs.has(&other) && !packs.put(other.clone(), Vec::new()) && !packs.remove(&other));
        }
        assert_eq!(packs.into_writes(), Ok(Vec::new()), "nothing changed");
    }

    /// Rows of packs, written as the shell does.
    #[derive(Default)]
    struct Store(BTreeMap<CellPlace, Vec<u8>>);

    impl Store {
        fn open(&self, packs: &mut OpenPacks, wanted: &CellPlace) {
            if packs.has(wanted) {
                return;
            }
            let stored = self.0.range(..=wanted.clone()).next_back().filter(|(at, _)| at.span == wanted.span);
            let after = |place: &CellPlace| {
                let next = self.0.keys().find(|next| *next > place && next.span == place.span);
                next.cloned()
            };
            match stored {
                Some((at, bytes)) => packs.open(at.clone(), after(at), bytes).expect("decodable"),
                None => packs.open_new(wanted.clone(), after(wanted)),
            }
        }

        fn write(&mut self, packs: OpenPacks) {
            for write in packs.into_writes().expect("encodable") {
                match write {
                    PackWrite::Store(place, bytes) => drop(self.0.insert(place, bytes)),
                    PackWrite::Remove(place) => assert!(self.0.remove(&place).is_some(), "only stored ones"),
                }
            }
        }

        fn cells(&self) -> BTreeMap<CellPlace, Vec<u8>> {
            let mut cells = BTreeMap::new();
            for (place, bytes) in &self.0 {
                for cell in PackedCell::decode_all(bytes).expect("decodable") {
                    assert!(cell.place(place.span) >= *place, "a pack begins at its place");
                    assert!(
                        cells.insert(cell.place(place.span), cell.cell.to_vec()).is_none(),
                        "a cell is stored once"
                    );
                }
            }
            cells
        }
    }

    proptest! {
        #[test]
        fn packs_hold_what_a_table_of_cells_would(
            batches in prop::collection::vec(
                prop::collection::vec((0..4_u64, 0..40_usize, 0..5_usize), 1..30), 1..12),
        ) {
            let (mut store, mut table) = (Store::default(), BTreeMap::new());
            for (number, batch) in batches.into_iter().enumerate() {
                let mut packs = OpenPacks::default();
                for (start, series, size) in batch {
                    let at = place(start, &format!("series {series}"));
                    store.open(&mut packs, &at);
                    prop_assert_eq!(packs.get(&at), table.get(&at).map(Vec::as_slice));
                    match size {
                        0 => {
                            prop_assert!(packs.remove(&at));
                            table.remove(&at);
                        }
                        // Some cells take a row of their own.
                        _ => {
                            let cell = vec![number as u8; size * size * 1500];
                            prop_assert!(packs.put(at.clone(), cell.clone()));
                            table.insert(at, cell);
                        }
                    }
                }
                store.write(packs);
                prop_assert_eq!(&store.cells(), &table);
                prop_assert!(store.0.values().all(|bytes| bytes.len() <= MAX_PACK_BYTES + 30_000));
            }
        }

        #[test]
        fn arbitrary_bytes_are_a_pack_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = PackedCell::decode_all(&bytes);
        }
    }
}
