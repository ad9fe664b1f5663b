//! Sums of pages by day, kept in blocks so that a long span is the difference of two of them. `ledger` has the rules.

use std::collections::BTreeMap;

use ledger::{BlockRange, Cell, PageDeltas, PageEffect, PageKey, PageLabels, QueryResult, SeriesQuery};
use wire::{UnixMillis, WindowSpan};
use worker::{Result, SqlStorageValue};

use super::cell_store::{malformed_error, malformed_row};
use super::object::Shard;
use crate::sql::{from_sql_integer, to_sql_integer};

impl Shard {
    /// Adds what pages count in a stretch of days: for each the last sum, less the last one before.
    pub(super) fn read_days(
        &self,
        query: &SeriesQuery,
        stretch: BlockRange,
        groups: &mut QueryResult,
    ) -> Result<()> {
        let BlockRange { block, from, to } = stretch;
        for row in self
            .sql()
            .exec(PAGE_SUMS_IN_RANGE_SQL, [block, from, to].map(|at| to_sql_integer(at.0)).to_vec())?
            .raw()
        {
            let row = row?;
            let [SqlStorageValue::String(page), SqlStorageValue::Blob(sum), less] = row.as_slice() else {
                return Err(malformed_row());
            };
            let page = PageLabels::from_stored_key(page).ok_or_else(malformed_row)?;
            let less = match less {
                SqlStorageValue::Blob(less) => Some(less.as_slice()),
                _ => None,
            };
            if query.accepts_page(&page) {
                groups.add_days(query, &PageKey { page, day: from }, sum, less).map_err(malformed_error)?;
            }
        }
        Ok(())
    }

    /// The same, each day by itself.
    pub(super) fn read_each_day(
        &self,
        query: &SeriesQuery,
        stretch: BlockRange,
        groups: &mut QueryResult,
    ) -> Result<()> {
        let values = vec![to_sql_integer(stretch.block.0), to_sql_integer(stretch.to.0)];
        let all = "SELECT page, day, cell FROM pages WHERE block = ? AND day < ? ORDER BY page, day";
        let mut before: Option<(PageKey, Vec<u8>)> = None;
        for row in self.sql().exec(all, values)?.raw() {
            let mut row = row?.into_iter();
            let (Some(SqlStorageValue::String(page)), Some(day), Some(SqlStorageValue::Blob(sum))) =
                (row.next(), row.next(), row.next())
            else {
                return Err(malformed_row());
            };
            let key = decode_page_key(&page, &day).ok_or_else(malformed_row)?;
            if key.day >= stretch.from && query.accepts_page(&key.page) {
                let less = before.as_ref().filter(|(before, _)| before.page == key.page);
                let less = less.map(|(_, sum)| sum.as_slice());
                groups.add_days(query, &key, &sum, less).map_err(malformed_error)?;
            }
            before = Some((key, sum));
        }
        Ok(())
    }

    /// Brings sums of pages up to what has changed.
    pub(super) fn apply_page_deltas(&self, deltas: PageDeltas) -> Result<()> {
        let mut sums = BTreeMap::new();
        for first in deltas.first_changed_days() {
            let values = vec![
                to_sql_integer(first.block_start().0),
                first.page.to_stored_key().into(),
                to_sql_integer(first.day.0),
            ];
            for row in self.sql().exec(PAGE_SUMS_FROM_DAY_SQL, values)?.raw() {
                let (key, sum) = match row?.as_slice() {
                    [day, SqlStorageValue::Blob(sum)] => (
                        decode_page_key(&first.page.to_stored_key(), day).ok_or_else(malformed_row)?,
                        Cell::decode(sum).map_err(malformed_error)?,
                    ),
                    _ => return Err(malformed_row()),
                };
                sums.insert(key, sum);
            }
        }
        for sum in deltas.apply_to(sums) {
            match sum {
                PageEffect::Store(key, sum) => {
                    let [block, page, day] = page_row_key(&key);
                    let values =
                        vec![block, page, day, SqlStorageValue::Blob(sum.encode().map_err(malformed_error)?)];
                    let store = "INSERT OR REPLACE INTO pages (block, page, day, cell) VALUES (?, ?, ?, ?)";
                    self.sql().exec(store, values)?;
                }
                PageEffect::Remove(key) => {
                    let forget = "DELETE FROM pages WHERE block = ? AND page = ? AND day = ?";
                    self.sql().exec(forget, page_row_key(&key).to_vec())?;
                }
            }
        }
        Ok(())
    }

    /// Brings cells of before there were pages into them, a day at a time and some days at once; each
    /// without an await, because the horizon must move together with what it describes. Whether any are
    /// left.
    pub(super) fn backfill_page_rollups(&self) -> Result<bool> {
        let mut cells = 0;
        loop {
            let horizon = self.horizon()?;
            if horizon.has_all_pages() {
                return Ok(false);
            }
            if cells > MAX_BACKFILL_CELLS {
                return Ok(true);
            }
            let first =
                "SELECT min(start) FROM (SELECT min(start) AS start FROM cells WHERE span = 1 AND start >= ?1
                         UNION ALL SELECT min(start) FROM cells WHERE span = 2 AND start >= ?1)";
            let first =
                self.sql().exec(first, vec![to_sql_integer(horizon.pages.0)])?.raw().next().transpose()?;
            let after = horizon.after_backfilling(
                first.as_deref().and_then(|row| from_sql_integer(row.first()?)).map(UnixMillis),
            );
            for span in [WindowSpan::Hour, WindowSpan::Day] {
                let mut last = (horizon.pages.0, String::new());
                loop {
                    let values = vec![
                        to_sql_integer(span.code().into()),
                        to_sql_integer(last.0),
                        last.1.into(),
                        to_sql_integer(after.pages.0),
                    ];
                    let block = self.select_cells(
                        "SELECT span, start, series, cell FROM cells
                         WHERE span = ?1 AND (start, series) > (?2, ?3) AND start < ?4
                         ORDER BY start, series LIMIT 500",
                        values,
                    )?;
                    let Some((key, _)) = block.last() else { break };
                    last = (key.window.start.0, key.labels.to_json()?);
                    cells += block.len();
                    let mut pages = PageDeltas::default();
                    block.iter().for_each(|(key, cell)| pages.backfill(key, cell));
                    self.apply_page_deltas(pages)?;
                }
            }
            self.store_fact("horizon", &after)?;
        }
    }
}

fn decode_page_key(page: &str, day: &SqlStorageValue) -> Option<PageKey> {
    Some(PageKey { page: PageLabels::from_stored_key(page)?, day: UnixMillis(from_sql_integer(day)?) })
}

fn page_row_key(key: &PageKey) -> [SqlStorageValue; 3] {
    [to_sql_integer(key.block_start().0), key.page.to_stored_key().into(), to_sql_integer(key.day.0)]
}

/// Of each page of a block: its last sum before the end, and the last one before the beginning, where they
/// differ. It goes from page to page, and passes the days between over.
const PAGE_SUMS_IN_RANGE_SQL: &str = "
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
const PAGE_SUMS_FROM_DAY_SQL: &str = "
    SELECT day, cell FROM pages WHERE block = ?1 AND page = ?2 AND day >= coalesce(
        (SELECT max(day) FROM pages AS own WHERE own.block = ?1 AND own.page = ?2 AND own.day < ?3), ?3)";

/// Cells in one event; a day more, because it is brought in whole.
const MAX_BACKFILL_CELLS: usize = 20_000;
