//! The cells of a shard: brought up to what was told, rolled up into longer windows, and read. The rules
//! are the ledger's; each step is written without an await, so wholly or not at all.

use std::collections::{BTreeMap, BTreeSet};

use ledger::{
    Cell, CellKey, Changes, Counted, Counts, Days, Effect, Groups, Horizon, Labels, Malformed, Page, PageKey,
    Places, Query, Recent, Room, Rooms, Span, Stretch, Sum, Window, fold, needed, roll,
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
            let (views, last) = self.behind()?;
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
            let mut recent = self.recent.take();
            let mut pages = Changes::for_recent(recent.as_ref());
            let effects = fold(views, cells, &mut rooms, &horizon, limits, &mut pages);
            self.blame(before, &effects, &horizon)?;
            let counted = self.perform(effects)?;
            recent.iter_mut().for_each(|recent| recent.follow(&pages));
            self.settle(pages)?;
            self.noted(&counted, last)?;
            self.keep("heavy", rooms.heavy())?;
            // Where anything has failed, both are learned anew.
            self.rooms.replace(Some(rooms));
            self.recent.replace(recent);
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
            is_counted.ok_or_else(foreign)?;
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
        let mut recent = self.recent.take();
        loop {
            let old = self.old(&after, None)?;
            if old.is_empty() {
                break;
            }
            let into: BTreeSet<CellKey> =
                old.iter().filter_map(|(key, _)| key.rolled(&places, &after)).collect();
            let cells = self.load(into)?;
            let mut pages = Changes::for_recent(recent.as_ref());
            self.perform(roll(old, cells, &places, &after, &mut pages))?;
            recent.iter_mut().for_each(|recent| recent.follow(&pages));
            self.settle(pages)?;
        }
        self.sql().exec("DELETE FROM pages WHERE block < ?", vec![number(after.oldest_block().0)])?;
        let mut rooms = self.rooms()?;
        rooms.age();
        self.keep("heavy", rooms.heavy())?;
        self.keep("horizon", &after)?;
        self.rooms.replace(Some(rooms));
        self.recent.replace(recent);
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
        let plan = query.plan(&self.horizon()?);
        for stretch in plan.days.into_iter().flat_map(Days::stretches) {
            match query.step {
                None => self.read_days(query, stretch, &mut groups)?,
                Some(_) => self.read_each_day(query, stretch, &mut groups)?,
            }
        }
        let minutes = match plan.minutes {
            Some((from, to)) if !self.answer_recent(query, from, &mut groups)? => Some((from, to)),
            _ => None,
        };
        for (from, to) in plan.cells.into_iter().chain(minutes) {
            for span in Span::ALL {
                // A longer window belongs to the answer when any part of it does.
                let from = Window::of(span, from).start;
                self.read_cells(query, [span.code().into(), from.0, to.0], &mut groups)?;
            }
        }
        Ok(groups)
    }

    /// Adds what pages count in minutes, from a moment on, if that is known; summed up when it is asked for
    /// first.
    fn answer_recent(&self, query: &Query, from: UnixMillis, groups: &mut Groups) -> Result<bool> {
        let mut recent = self.recent.borrow_mut();
        let recent = match &mut *recent {
            Some(recent) => recent,
            none => {
                let mut known = Recent::default();
                let minutes = "SELECT span, start, series, cell FROM cells WHERE span = 0 AND start >= ?";
                self.each(minutes, vec![number(from.0)], |key, cell| known.add(&key, &cell))?;
                none.insert(known)
            }
        };
        Ok(recent.answer(query, groups))
    }

    /// Adds the cells of a span that began between two moments. What has not the values that are asked for
    /// is passed over by SQLite, as well as its names can tell.
    fn read_cells(&self, query: &Query, within: [u64; 3], groups: &mut Groups) -> Result<()> {
        let mut values: Vec<SqlStorageValue> = within.into_iter().map(number).collect();
        let mut all =
            "SELECT span, start, series, cell FROM cells WHERE span = ? AND start >= ? AND start < ?"
                .to_owned();
        for mark in query.marks() {
            all.push_str(" AND instr(series, ?) > 0");
            values.push(mark.into());
        }
        for row in self.sql().exec(&all, values)?.raw() {
            match row?.as_slice() {
                [span, start, SqlStorageValue::String(series), SqlStorageValue::Blob(cell)] => {
                    let key = key_of(span, start, series).ok_or_else(foreign)?;
                    if query.accepts(&key.labels) {
                        groups.add_stored(query, &key, cell).map_err(misread)?;
                    }
                }
                _ => return Err(foreign()),
            }
        }
        Ok(())
    }

    /// Adds what pages count in a stretch of days: for each the last sum, less the last one before.
    fn read_days(&self, query: &Query, stretch: Stretch, groups: &mut Groups) -> Result<()> {
        let Stretch { block, from, to } = stretch;
        for row in self.sql().exec(STRETCH, [block, from, to].map(|at| number(at.0)).to_vec())?.raw() {
            let row = row?;
            let [SqlStorageValue::String(page), SqlStorageValue::Blob(sum), less] = row.as_slice() else {
                return Err(foreign());
            };
            let page = Page::stored(page).ok_or_else(foreign)?;
            let less = match less {
                SqlStorageValue::Blob(less) => Some(less.as_slice()),
                _ => None,
            };
            if query.accepts_page(&page) {
                groups.add_days(query, &PageKey { page, day: from }, sum, less).map_err(misread)?;
            }
        }
        Ok(())
    }

    /// The same, each day by itself.
    fn read_each_day(&self, query: &Query, stretch: Stretch, groups: &mut Groups) -> Result<()> {
        let values = vec![number(stretch.block.0), number(stretch.to.0)];
        let all = "SELECT page, day, cell FROM pages WHERE block = ? AND day < ? ORDER BY page, day";
        let mut before: Option<(PageKey, Vec<u8>)> = None;
        for row in self.sql().exec(all, values)?.raw() {
            let mut row = row?.into_iter();
            let (Some(SqlStorageValue::String(page)), Some(day), Some(SqlStorageValue::Blob(sum))) =
                (row.next(), row.next(), row.next())
            else {
                return Err(foreign());
            };
            let key = page_of(&page, &day).ok_or_else(foreign)?;
            if key.day >= stretch.from && query.accepts_page(&key.page) {
                let less = before.as_ref().filter(|(before, _)| before.page == key.page);
                let less = less.map(|(_, sum)| sum.as_slice());
                groups.add_days(query, &key, &sum, less).map_err(misread)?;
            }
            before = Some((key, sum));
        }
        Ok(())
    }

    /// Brings sums of pages up to what has changed.
    fn settle(&self, pages: Changes) -> Result<()> {
        let mut sums = BTreeMap::new();
        for first in pages.needed() {
            let values = vec![number(first.block().0), first.page.text().into(), number(first.day.0)];
            for row in self.sql().exec(FROM_BEFORE, values)?.raw() {
                let (key, sum) = match row?.as_slice() {
                    [day, SqlStorageValue::Blob(sum)] => (
                        page_of(&first.page.text(), day).ok_or_else(foreign)?,
                        Cell::decode(sum).map_err(misread)?,
                    ),
                    _ => return Err(foreign()),
                };
                sums.insert(key, sum);
            }
        }
        for sum in pages.settle(sums) {
            match sum {
                Sum::Store(key, sum) => {
                    let [block, page, day] = place_of_sum(&key);
                    let values = vec![block, page, day, SqlStorageValue::Blob(sum.encode())];
                    let store = "INSERT OR REPLACE INTO pages (block, page, day, cell) VALUES (?, ?, ?, ?)";
                    self.sql().exec(store, values)?;
                }
                Sum::Forget(key) => {
                    let forget = "DELETE FROM pages WHERE block = ? AND page = ? AND day = ?";
                    self.sql().exec(forget, place_of_sum(&key).to_vec())?;
                }
            }
        }
        Ok(())
    }

    /// Brings cells of before there were pages into them, a day at a time and some days at once; each
    /// without an await, because the horizon must move together with what it describes. Whether any are
    /// left.
    pub(super) fn bring_in_pages(&self) -> Result<bool> {
        let mut cells = 0;
        loop {
            let horizon = self.horizon()?;
            if horizon.has_all_pages() {
                return Ok(false);
            }
            if cells > MOST_BROUGHT_IN {
                return Ok(true);
            }
            let first =
                "SELECT min(start) FROM (SELECT min(start) AS start FROM cells WHERE span = 1 AND start >= ?1
                         UNION ALL SELECT min(start) FROM cells WHERE span = 2 AND start >= ?1)";
            let first = self.sql().exec(first, vec![number(horizon.pages.0)])?.raw().next().transpose()?;
            let after = horizon.paged(first.as_deref().and_then(|row| whole(row.first()?)).map(UnixMillis));
            for span in [Span::Hour, Span::Day] {
                let mut last = (horizon.pages.0, String::new());
                loop {
                    let values = vec![
                        number(span.code().into()),
                        number(last.0),
                        last.1.into(),
                        number(after.pages.0),
                    ];
                    let block = self.rows(
                        "SELECT span, start, series, cell FROM cells
                         WHERE span = ?1 AND (start, series) > (?2, ?3) AND start < ?4
                         ORDER BY start, series LIMIT 500",
                        values,
                    )?;
                    let Some((key, _)) = block.last() else { break };
                    last = (key.window.start.0, key.labels.text());
                    cells += block.len();
                    let mut pages = Changes::default();
                    block.iter().for_each(|(key, cell)| pages.bring_in(key, cell));
                    self.settle(pages)?;
                }
            }
            self.keep("horizon", &after)?;
        }
    }

    /// Stores cells; what is to be noted of views comes back.
    fn perform(&self, effects: Vec<Effect>) -> Result<Vec<(String, Counted)>> {
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
        Ok(counted)
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
        self.each(query, values, |key, cell| cells.push((key, cell)))?;
        Ok(cells)
    }

    /// Takes the cells that are asked for one by one: all of them need not fit into memory.
    fn each(
        &self,
        query: &str,
        values: Vec<SqlStorageValue>,
        mut take: impl FnMut(CellKey, Cell),
    ) -> Result<()> {
        for row in self.sql().exec(query, values)?.raw() {
            let row = row?;
            let cell = match row.as_slice() {
                [span, start, SqlStorageValue::String(series), SqlStorageValue::Blob(cell)] => {
                    cell_of(span, start, series, cell)
                }
                _ => None,
            };
            let (key, cell) = cell.ok_or_else(foreign)?;
            take(key, cell);
        }
        Ok(())
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

fn page_of(page: &str, day: &SqlStorageValue) -> Option<PageKey> {
    Some(PageKey { page: Page::stored(page)?, day: UnixMillis(whole(day)?) })
}

fn place_of_sum(key: &PageKey) -> [SqlStorageValue; 3] {
    [number(key.block().0), key.page.text().into(), number(key.day.0)]
}

fn misread(error: Malformed) -> Error {
    Error::RustError(error.to_string())
}

fn foreign() -> Error {
    misread(Malformed)
}

/// Of each page of a block: its last sum before the end, and the last one before the beginning, where they
/// differ. It goes from page to page, and passes the days between over.
const STRETCH: &str = "
    WITH RECURSIVE names (page) AS (
        SELECT min(page) FROM pages WHERE block = ?1
        UNION ALL
        SELECT (SELECT min(next.page) FROM pages AS next WHERE next.block = ?1 AND next.page > names.page)
        FROM names WHERE names.page IS NOT NULL
    ), ends AS (
        SELECT page,
            (SELECT max(day) FROM pages AS own WHERE own.block = ?1 AND own.page = names.page AND own.day < ?3) AS last,
            (SELECT max(day) FROM pages AS own WHERE own.block = ?1 AND own.page = names.page AND own.day < ?2) AS less
        FROM names WHERE page IS NOT NULL
    )
    SELECT page,
        (SELECT cell FROM pages AS own WHERE own.block = ?1 AND own.page = ends.page AND own.day = last),
        (SELECT cell FROM pages AS own WHERE own.block = ?1 AND own.page = ends.page AND own.day = less)
    FROM ends WHERE last IS NOT less";

/// The sums of a page from a day on to the end of its block, and the last one before.
const FROM_BEFORE: &str = "
    SELECT day, cell FROM pages WHERE block = ?1 AND page = ?2 AND day >= coalesce(
        (SELECT max(day) FROM pages AS own WHERE own.block = ?1 AND own.page = ?2 AND own.day < ?3), ?3)";

/// Cells in one event; a day more, because it is brought in whole.
const MOST_BROUGHT_IN: usize = 20_000;
