//! The rows of packs as the Worker keeps them, with each row that is read or written counted.

use std::collections::BTreeMap;

use ledger::{CellEffect, CellPlace, OpenPacks, PackWrite};
use wire::{UnixMillis, Window, WindowSpan};

/// Rows read and written by an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// Rows read.
    pub read: u64,
    /// Rows written or removed.
    pub written: u64,
}

/// The stored packs.
#[derive(Clone, Debug, Default)]
pub struct PackRows(BTreeMap<CellPlace, Vec<u8>>);

impl PackRows {
    /// Writes the cells of a slice. Cells that were rolled up stay, until the horizon moves.
    pub fn apply(&mut self, effects: &[CellEffect], keeps_removed: bool, rows: &mut RowCounts) {
        let mut packs = OpenPacks::default();
        for effect in effects {
            match effect {
                CellEffect::Store(key, cell) => {
                    let place = CellPlace::for_cell(key).expect("a place");
                    self.open(&mut packs, &place, rows);
                    assert!(packs.put(place, cell.encode().expect("encodable")));
                }
                CellEffect::Remove(key) if !keeps_removed => {
                    let place = CellPlace::for_cell(key).expect("a place");
                    self.open(&mut packs, &place, rows);
                    assert!(packs.remove(&place));
                }
                CellEffect::Remove(_) | CellEffect::MarkFolded(..) => {}
            }
        }
        self.write(packs, rows);
    }

    /// Removes the cells of windows before the horizon.
    pub fn remove_before(&mut self, span: WindowSpan, end: UnixMillis, rows: &mut RowCounts) {
        let [from, to] = [UnixMillis(0), end].map(|start| CellPlace::first_of(Window { span, start }));
        let mut packs = OpenPacks::default();
        for (place, bytes) in self.0.range(from..to) {
            packs.open(place.clone(), None, bytes).expect("decodable");
            rows.read += 1;
        }
        packs.remove_between(UnixMillis(0), end);
        self.write(packs, rows);
    }

    /// Returns the number of rows and their bytes.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.0.len(), self.0.iter().map(|(place, bytes)| place.series.len() + bytes.len()).sum())
    }

    fn open(&self, packs: &mut OpenPacks, wanted: &CellPlace, rows: &mut RowCounts) {
        if packs.has(wanted) {
            return;
        }
        let is_same_span = |place: &&CellPlace| place.span == wanted.span;
        let after = |place: &CellPlace| {
            let bounds = (std::ops::Bound::Excluded(place.clone()), std::ops::Bound::Unbounded);
            self.0.range(bounds).next().map(|(next, _)| next).filter(is_same_span).cloned()
        };
        // The pack, and the place of the next one.
        rows.read += 2;
        match self.0.range(..=wanted.clone()).next_back().filter(|(place, _)| is_same_span(place)) {
            Some((place, bytes)) => packs.open(place.clone(), after(place), bytes).expect("decodable"),
            None => packs.open_new(wanted.clone(), after(wanted)),
        }
    }

    fn write(&mut self, packs: OpenPacks, rows: &mut RowCounts) {
        for write in packs.into_writes().expect("encodable") {
            rows.written += 1;
            match write {
                PackWrite::Store(place, bytes) => drop(self.0.insert(place, bytes)),
                PackWrite::Remove(place) => drop(self.0.remove(&place)),
            }
        }
    }
}
