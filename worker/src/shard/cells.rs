//! The cells of a shard: brought up to what was told, rolled up into longer windows, and read. The rules
//! are the ledger's; each step is written without an await, so wholly or not at all.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{
    Cell, CellKey, Counts, Effect, Groups, Horizon, Labels, Places, Query, Room, Rooms, Span, Window, fold,
    needed, roll,
};
use wire::UnixMillis;
use worker::{Error, Result, SqlStorageValue};

use super::causes::Before;
use super::{Ruled, Shard, now, number, whole};
use crate::budgets;

impl Shard {
    /// Brings the cells up to what was told, a block of views at a time. Each block is written without
    /// an await, so wholly or not at all.
    pub(super) async fn fold(&self, age: u64) -> Result<()> {
        let Ruled { budgets, .. } = self.ruled(age).await?;
        loop {
            let views = self.behind()?;
            if views.is_empty() {
                return Ok(());
            }
            let horizon = self.horizon()?;
            let mut rooms = self.rooms()?;
            for window in rooms.unknown(&views, &horizon) {
                rooms.learn(window, self.series(window)?);
            }
            let cells = self.load(needed(&views, &rooms, &horizon))?;
            let limits = |labels: &Labels| budgets::limits(&budgets, labels);
            let before = Before::of(&views);
            let effects = fold(views, cells, &mut rooms, &horizon, limits);
            self.blame(before, &effects, &horizon)?;
            self.perform(effects)?;
            self.keep("heavy", rooms.heavy())?;
            self.rooms.replace(Some(rooms));
        }
    }

    /// The counts of the last days.
    pub(super) fn counts(&self) -> Result<Counts> {
        let now = now();
        let mut counts = Counts::default();
        let from = number(Window::of(Span::Hour, now.before(Counts::SPAN)).start.0);
        let rows = self
            .sql()
            .exec("SELECT span, start, series, cell FROM cells WHERE span < 2 AND start >= ?", vec![from])?;
        for row in rows.raw() {
            let is_counted = match row?.as_slice() {
                [span, start, SqlStorageValue::String(series), SqlStorageValue::Blob(cell)] => {
                    key_of(span, start, series).and_then(|key| counts.add(&key, cell, now).ok())
                }
                _ => None,
            };
            is_counted.ok_or_else(|| Error::RustError("a stored cell is of no version of ours".into()))?;
        }
        Ok(counts)
    }

    fn rooms(&self) -> Result<Rooms> {
        if let Some(rooms) = self.rooms.take() {
            return Ok(rooms);
        }
        Ok(Rooms::new(Room::default(), self.kept("heavy")?.unwrap_or_default()))
    }

    /// The series of a window.
    fn series(&self, window: Window) -> Result<Vec<Labels>> {
        let rows = self.sql().exec(
            "SELECT series FROM cells WHERE span = ? AND start = ?",
            vec![number(window.span.code().into()), number(window.start.0)],
        )?;
        let mut series = Vec::new();
        for row in rows.raw() {
            let labels = match row?.as_slice() {
                [SqlStorageValue::String(text)] => Labels::stored(text),
                _ => None,
            };
            series.push(
                labels.ok_or_else(|| Error::RustError("a stored series is of no version of ours".into()))?,
            );
        }
        Ok(series)
    }

    pub(super) fn roll(&self) -> Result<()> {
        let (before, retention) = (self.horizon()?, self.retention()?);
        let after = before.advanced(&retention, now());
        if after == before {
            return Ok(());
        }
        // In blocks, because an hour of many series need not fit into memory at once; all of them
        // without an await, because the horizon must move together with what it describes.
        let mut places = Places::default();
        let mut last: Option<CellKey> = None;
        loop {
            let old = self.old(&after, last.as_ref())?;
            let Some((key, _)) = old.last() else { break };
            last = Some(key.clone());
            old.iter().for_each(|(key, cell)| places.count(key, cell, &after));
        }
        let places = places.given(Room::default());
        loop {
            let old = self.old(&after, None)?;
            if old.is_empty() {
                break;
            }
            let into: BTreeSet<CellKey> =
                old.iter().filter_map(|(key, _)| key.rolled(&places, &after)).collect();
            let cells = self.load(into)?;
            self.perform(roll(old, cells, &places, &after))?;
        }
        let mut rooms = self.rooms()?;
        rooms.age();
        self.keep("heavy", rooms.heavy())?;
        self.keep("horizon", &after)?;
        self.rooms.replace(Some(rooms));
        Ok(())
    }

    /// The next cells that the horizon no longer keeps as they are, in the order of their places.
    fn old(&self, horizon: &Horizon, after: Option<&CellKey>) -> Result<Vec<(CellKey, Cell)>> {
        let mut values = vec![number(horizon.minutes.0), number(horizon.hours.0), number(horizon.days.0)];
        match after {
            Some(key) => values.extend(place(key)),
            None => values.extend([number(0), number(0), String::new().into()]),
        }
        self.rows(
            "SELECT span, start, series, cell FROM cells
             WHERE ((span = 0 AND start < ?1) OR (span = 1 AND start < ?2) OR start < ?3)
               AND (span, start, series) > (?4, ?5, ?6)
             ORDER BY span, start, series LIMIT 500",
            values,
        )
    }

    pub(super) fn read(&self, query: &Query) -> Result<Groups> {
        let rulings = self.ruled.borrow().as_ref().map(|ruled| ruled.rulings.clone()).unwrap_or_default();
        let mut groups = Groups { heard_at: self.heard_at()?, rulings, ..Groups::default() };
        let refused = self.sql().exec(
            "SELECT reason, sum(count) FROM refused WHERE start >= ? AND start < ? GROUP BY reason",
            vec![number(Window::of(Span::Hour, query.from).start.0), number(query.to.0)],
        )?;
        for row in refused.raw() {
            if let [SqlStorageValue::String(reason), count] = row?.as_slice() {
                groups.refused.insert(reason.clone(), whole(count).unwrap_or_default());
            }
        }
        for span in Span::ALL {
            // A longer window belongs to the answer when any part of it does.
            let from = Window::of(span, query.from).start;
            let rows = self.rows(
                "SELECT span, start, series, cell FROM cells WHERE span = ? AND start >= ? AND start < ?",
                vec![number(span.code().into()), number(from.0), number(query.to.0)],
            )?;
            for (key, cell) in rows {
                if query.accepts(&key.labels) {
                    groups.add(query.group(key.window, &key.labels), &cell);
                }
            }
        }
        Ok(groups)
    }

    fn perform(&self, effects: Vec<Effect>) -> Result<()> {
        let sql = self.sql();
        let mut counted = Vec::new();
        for effect in effects {
            match effect {
                Effect::Store(key, cell) => {
                    let mut values = place(&key);
                    values.push(SqlStorageValue::Blob(cell.encode()));
                    sql.exec(
                        "INSERT OR REPLACE INTO cells (span, start, series, cell) VALUES (?, ?, ?, ?)",
                        values,
                    )?;
                }
                Effect::Forget(key) => {
                    sql.exec("DELETE FROM cells WHERE span = ? AND start = ? AND series = ?", place(&key))?;
                }
                Effect::Count(view, record) => counted.push((view, record)),
            }
        }
        self.noted(&counted)
    }

    fn load(&self, keys: BTreeSet<CellKey>) -> Result<BTreeMap<CellKey, Cell>> {
        let mut cells = BTreeMap::new();
        for key in keys {
            let rows = self.rows(
                "SELECT span, start, series, cell FROM cells WHERE span = ? AND start = ? AND series = ?",
                place(&key),
            )?;
            cells.extend(rows);
        }
        Ok(cells)
    }

    fn rows(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<Vec<(CellKey, Cell)>> {
        let mut cells = Vec::new();
        for row in self.sql().exec(query, values)?.raw() {
            let row = row?;
            let cell = match row.as_slice() {
                [span, start, SqlStorageValue::String(series), SqlStorageValue::Blob(cell)] => {
                    cell_of(span, start, series, cell)
                }
                _ => None,
            };
            cells
                .push(cell.ok_or_else(|| Error::RustError("a stored cell is of no version of ours".into()))?);
        }
        Ok(cells)
    }

    pub(crate) fn horizon(&self) -> Result<Horizon> {
        Ok(self.kept("horizon")?.unwrap_or_default())
    }
}

fn cell_of(
    span: &SqlStorageValue,
    start: &SqlStorageValue,
    series: &str,
    cell: &[u8],
) -> Option<(CellKey, Cell)> {
    Some((key_of(span, start, series)?, Cell::decode(cell).ok()?))
}

fn key_of(span: &SqlStorageValue, start: &SqlStorageValue, series: &str) -> Option<CellKey> {
    let span = Span::of_code(i64::try_from(whole(span)?).ok()?)?;
    let window = Window { span, start: UnixMillis(whole(start)?) };
    Some(CellKey { window, labels: Labels::stored(series)? })
}

fn place(key: &CellKey) -> Vec<SqlStorageValue> {
    let CellKey { window, labels } = key;
    vec![number(window.span.code().into()), number(window.start.0), labels.text().into()]
}
