//! The rows of packs, which hold the cells. `ledger` decides which cell belongs to which pack.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{Cell, CellEffect, CellKey, CellPlace, FoldedView, OpenPacks, PackWrite, PackedCell};
use wire::{CodecError, UnixMillis, Window, WindowSpan};
use worker::{Error, Result, SqlStorageValue};

use super::object::Shard;
use super::turn::Turn;
use crate::sql::{from_sql_integer, to_sql_integer, unsupported_row};

impl Shard {
    /// Opens the packs of these cells, and returns the cells that are stored.
    pub(super) fn load_cells(&self, keys: BTreeSet<CellKey>) -> Result<(OpenPacks, BTreeMap<CellKey, Cell>)> {
        // In their order, so that each pack is looked for once.
        let places = keys.into_iter().map(|key| Ok((CellPlace::for_cell(&key)?, key)));
        let places: BTreeMap<CellPlace, CellKey> = places.collect::<Result<_>>()?;
        let (mut packs, mut cells) = (OpenPacks::default(), BTreeMap::new());
        for (place, key) in places {
            self.open_pack(&mut packs, &place)?;
            if let Some(bytes) = packs.get(&place) {
                cells.insert(key, Cell::decode(bytes).map_err(malformed_error)?);
            }
        }
        Ok((packs, cells))
    }

    /// Stores cells, and returns the views as they are counted.
    pub(super) fn apply_effects(
        &self,
        mut packs: OpenPacks,
        effects: Vec<CellEffect>,
    ) -> Result<Vec<(String, FoldedView)>> {
        let mut counted = Vec::new();
        for effect in effects {
            let is_open = match effect {
                CellEffect::Store(key, cell) => {
                    let place = CellPlace::for_cell(&key)?;
                    self.open_pack(&mut packs, &place)?;
                    packs.put(place, cell.encode().map_err(malformed_error)?)
                }
                CellEffect::Remove(key) => {
                    let place = CellPlace::for_cell(&key)?;
                    self.open_pack(&mut packs, &place)?;
                    packs.remove(&place)
                }
                CellEffect::MarkFolded(view, record) => {
                    counted.push((view, record));
                    true
                }
            };
            if !is_open {
                return Err(malformed_row());
            }
        }
        self.write_packs(packs)?;
        Ok(counted)
    }

    pub(super) fn open_pack(&self, packs: &mut OpenPacks, wanted: &CellPlace) -> Result<()> {
        if packs.has(wanted) {
            return Ok(());
        }
        let stored = self.sql().exec(
            "SELECT start, series, cells FROM packs WHERE span = ?1 AND (start, series) <= (?2, ?3)
             ORDER BY start DESC, series DESC LIMIT 1",
            place_values(wanted),
        )?;
        match stored.raw().next().transpose()?.as_deref() {
            Some([start, SqlStorageValue::String(series), SqlStorageValue::Blob(cells)]) => {
                let place = decode_place(wanted.span, start, series)?;
                let end = self.next_pack(&place)?;
                packs.open(place, end, cells).map_err(malformed_error)
            }
            Some(_) => Err(malformed_row()),
            None => {
                packs.open_new(wanted.clone(), self.next_pack(wanted)?);
                Ok(())
            }
        }
    }

    fn next_pack(&self, after: &CellPlace) -> Result<Option<CellPlace>> {
        let next = self.sql().exec(
            "SELECT start, series FROM packs WHERE span = ?1 AND (start, series) > (?2, ?3)
             ORDER BY start, series LIMIT 1",
            place_values(after),
        )?;
        match next.raw().next().transpose()?.as_deref() {
            Some([start, SqlStorageValue::String(series)]) => {
                decode_place(after.span, start, series).map(Some)
            }
            Some(_) => Err(malformed_row()),
            None => Ok(None),
        }
    }

    pub(super) fn write_packs(&self, packs: OpenPacks) -> Result<()> {
        for write in packs.into_writes().map_err(malformed_error)? {
            match write {
                PackWrite::Store(place, cells) => {
                    let mut values = place_values(&place);
                    values.push(SqlStorageValue::Blob(cells));
                    self.sql().exec(
                        "INSERT OR REPLACE INTO packs (span, start, series, cells) VALUES (?, ?, ?, ?)",
                        values,
                    )?;
                }
                PackWrite::Remove(place) => {
                    let remove = "DELETE FROM packs WHERE span = ? AND start = ? AND series = ?";
                    self.sql().exec(remove, place_values(&place))?;
                }
            }
        }
        Ok(())
    }

    /// Reads the cells of a span whose windows start from one moment to before another, in order, and pauses in
    /// between. `take` returns the work that a cell was, with [`SLICE_WORK`] for a slice.
    pub(super) async fn scan_cells(
        &self,
        turn: &Turn<'_>,
        span: WindowSpan,
        (from, to): (UnixMillis, UnixMillis),
        mut take: impl FnMut(&PackedCell<'_>) -> Result<usize>,
    ) -> Result<()> {
        let horizon = self.horizon()?;
        let (mut cursor, mut work) = (self.first_pack(span, from)?, 0_usize);
        loop {
            let packs = self.packs_after(&cursor, to)?;
            let Some((last, _)) = packs.last() else { return Ok(()) };
            cursor = last.clone();
            for (_, cells) in &packs {
                for cell in PackedCell::decode_all(cells).map_err(malformed_error)? {
                    let start = UnixMillis(cell.start);
                    if start >= from && start < to && horizon.counts_in(span, start) {
                        work = work.saturating_add(take(&cell)?);
                    }
                }
                work = work.saturating_add(PACK_WORK);
                if work >= SLICE_WORK {
                    work = 0;
                    turn.pause().await?;
                }
            }
        }
    }

    /// Removes the cells of a span whose windows start from one moment to before another.
    pub(super) async fn remove_cells(
        &self,
        turn: &Turn<'_>,
        span: WindowSpan,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<()> {
        let mut cursor = self.first_pack(span, from)?;
        loop {
            let (stored, mut packs) = (self.packs_after(&cursor, to)?, OpenPacks::default());
            let Some((last, _)) = stored.last() else { return Ok(()) };
            cursor = last.clone();
            for (place, cells) in stored {
                packs.open(place, None, &cells).map_err(malformed_error)?;
            }
            if packs.remove_between(from, to) {
                self.write_packs(packs)?;
            }
            turn.pause().await?;
        }
    }

    /// Returns the place before the first pack that may have cells of windows from that moment on.
    fn first_pack(&self, span: WindowSpan, from: UnixMillis) -> Result<CellPlace> {
        // The last pack before that moment may reach beyond it, and the cursor is before that one.
        let before = self.sql().exec(
            "SELECT start, series FROM packs WHERE span = ?1 AND start < ?2
             ORDER BY start DESC, series DESC LIMIT 1 OFFSET 1",
            vec![to_sql_integer(span.code().into()), to_sql_integer(from.0)],
        )?;
        match before.raw().next().transpose()?.as_deref() {
            Some([start, SqlStorageValue::String(series)]) => decode_place(span, start, series),
            Some(_) => Err(malformed_row()),
            None => Ok(CellPlace::first_of(Window { span, start: UnixMillis(0) })),
        }
    }

    /// Reads the next packs that begin before a moment.
    fn packs_after(&self, cursor: &CellPlace, to: UnixMillis) -> Result<Vec<(CellPlace, Vec<u8>)>> {
        let mut values = place_values(cursor);
        values.push(to_sql_integer(to.0));
        let rows = self.sql().exec(
            "SELECT start, series, cells FROM packs WHERE span = ?1 AND (start, series) > (?2, ?3) AND start < ?4
             ORDER BY start, series LIMIT 8",
            values,
        )?;
        let pack = |row: Result<Vec<SqlStorageValue>>| match <[_; 3]>::try_from(row?) {
            Ok([start, SqlStorageValue::String(series), SqlStorageValue::Blob(cells)]) => {
                Ok((decode_place(cursor.span, &start, &series)?, cells))
            }
            _ => Err(malformed_row()),
        };
        rows.raw().map(pack).collect()
    }

    /// Returns the start of the first window of a span from a moment on that is counted.
    pub(super) fn first_window(&self, span: WindowSpan, from: UnixMillis) -> Result<Option<UnixMillis>> {
        let (horizon, mut cursor) = (self.horizon()?, self.first_pack(span, from)?);
        loop {
            let packs = self.packs_after(&cursor, END)?;
            let Some((last, _)) = packs.last() else { return Ok(None) };
            cursor = last.clone();
            for (_, cells) in &packs {
                let cells = PackedCell::decode_all(cells).map_err(malformed_error)?;
                let mut starts = cells.iter().map(|cell| UnixMillis(cell.start));
                if let Some(first) = starts.find(|start| *start >= from && horizon.counts_in(span, *start)) {
                    return Ok(Some(first));
                }
            }
        }
    }

    /// Returns the series of a window.
    pub(super) fn window_series(&self, window: Window) -> Result<Vec<ledger::SeriesLabels>> {
        let end = UnixMillis(window.start.0.saturating_add(1));
        let (mut cursor, mut series) = (self.first_pack(window.span, window.start)?, Vec::new());
        loop {
            let packs = self.packs_after(&cursor, end)?;
            let Some((last, _)) = packs.last() else { return Ok(series) };
            cursor = last.clone();
            for (_, cells) in &packs {
                for cell in PackedCell::decode_all(cells).map_err(malformed_error)? {
                    if cell.start == window.start.0 {
                        series.push(cell.key(window.span).ok_or_else(malformed_row)?.labels);
                    }
                }
            }
        }
    }

    /// Moves the next cells of the table of earlier versions into packs, and returns false if there are none.
    pub(super) fn adopt_earlier_cells(&self) -> Result<bool> {
        let rows = self.sql().exec(
            "SELECT span, start, series, cell FROM cells ORDER BY span, start, series LIMIT 500",
            None,
        )?;
        let (mut packs, mut last) = (OpenPacks::default(), None);
        for row in rows.raw() {
            let mut row = row?.into_iter();
            let (
                Some(code),
                Some(start),
                Some(SqlStorageValue::String(series)),
                Some(SqlStorageValue::Blob(cell)),
            ) = (row.next(), row.next(), row.next(), row.next())
            else {
                return Err(malformed_row());
            };
            let span =
                from_sql_integer(&code).and_then(|code| WindowSpan::from_code(i64::try_from(code).ok()?));
            let place = decode_place(span.ok_or_else(malformed_row)?, &start, &series)?;
            self.open_pack(&mut packs, &place)?;
            if !packs.put(place.clone(), cell) {
                return Err(malformed_row());
            }
            last = Some(place);
        }
        let Some(last) = last else { return Ok(false) };
        // First, so that a full database has room for the packs.
        self.sql().exec("DELETE FROM cells WHERE (span, start, series) <= (?, ?, ?)", place_values(&last))?;
        self.write_packs(packs)?;
        Ok(true)
    }
}

fn place_values(place: &CellPlace) -> Vec<SqlStorageValue> {
    let CellPlace { span, start, series } = place;
    vec![to_sql_integer(span.code().into()), to_sql_integer(start.0), series.as_str().into()]
}

fn decode_place(span: WindowSpan, start: &SqlStorageValue, series: &str) -> Result<CellPlace> {
    let start = UnixMillis(from_sql_integer(start).ok_or_else(malformed_row)?);
    Ok(CellPlace { span, start, series: series.to_owned() })
}

pub(super) fn malformed_error(error: CodecError) -> Error {
    Error::RustError(error.to_string())
}

pub(super) fn malformed_row() -> Error {
    unsupported_row("packs")
}

/// After every window: the last integer that JavaScript has exactly.
pub(super) const END: UnixMillis = UnixMillis((1 << 53) - 1);
/// The work of a slice, which takes some milliseconds: this many cells, if each is merged.
pub(super) const SLICE_WORK: usize = 1_000;
/// A pack is read and decoded, whatever is taken from it.
const PACK_WORK: usize = 100;
