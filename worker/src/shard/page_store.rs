//! Sums of pages by day, kept in blocks so that a long span is the difference of two of them. `ledger` has the rules.

use std::collections::BTreeMap;

use ledger::{BlockRange, Cell, PageDeltas, PageEffect, PageKey, PageLabels, QueryResult, SeriesQuery};
use wire::UnixMillis;
use worker::{Result, SqlStorageValue};

use super::object::Shard;
use super::pack_store::malformed_error;
use super::turn::Turn;
use crate::sql::{from_sql_integer, to_sql_integer, unsupported_row};

impl Shard {
    /// Adds what pages count in a stretch of days: for each the last sum, less the last one before.
    pub(super) async fn read_days(
        &self,
        turn: &Turn<'_>,
        query: &SeriesQuery,
        stretch: BlockRange,
        groups: &mut QueryResult,
    ) -> Result<()> {
        let BlockRange { block, from, to } = stretch;
        let mut last = String::new();
        loop {
            let mut values = [block, from, to].map(|at| to_sql_integer(at.0)).to_vec();
            values.push(last.clone().into());
            let mut is_any = false;
            for row in self.sql().exec(PAGE_SUMS_IN_RANGE_SQL, values)?.raw() {
                let row = row?;
                let [SqlStorageValue::String(name), sum, less] = row.as_slice() else {
                    return Err(malformed_row());
                };
                (is_any, last) = (true, name.clone());
                // Without visits in between there is none.
                let SqlStorageValue::Blob(sum) = sum else { continue };
                let page = PageLabels::from_stored_key(name).ok_or_else(malformed_row)?;
                let less = match less {
                    SqlStorageValue::Blob(less) => Some(less.as_slice()),
                    _ => None,
                };
                if query.accepts_page(&page) {
                    groups
                        .add_days(query, &PageKey { page, day: from }, sum, less)
                        .map_err(malformed_error)?;
                }
            }
            if !is_any {
                return Ok(());
            }
            turn.pause().await?;
        }
    }

    /// The same, each day by itself.
    pub(super) async fn read_each_day(
        &self,
        turn: &Turn<'_>,
        query: &SeriesQuery,
        stretch: BlockRange,
        groups: &mut QueryResult,
    ) -> Result<()> {
        let all = "SELECT page, day, cell FROM pages WHERE block = ?1 AND (page, day) > (?2, ?3) AND day < ?4
                   ORDER BY page, day LIMIT 200";
        let mut before: Option<(PageKey, Vec<u8>)> = None;
        loop {
            let (name, day) = match &before {
                Some((key, _)) => (key.page.to_stored_key(), key.day),
                None => (String::new(), UnixMillis(0)),
            };
            let [block, day, to] = [stretch.block, day, stretch.to].map(|at| to_sql_integer(at.0));
            let mut is_any = false;
            for row in self.sql().exec(all, vec![block, name.into(), day, to])?.raw() {
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
                (before, is_any) = (Some((key, sum)), true);
            }
            if !is_any {
                return Ok(());
            }
            turn.pause().await?;
        }
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
}

fn decode_page_key(page: &str, day: &SqlStorageValue) -> Option<PageKey> {
    Some(PageKey { page: PageLabels::from_stored_key(page)?, day: UnixMillis(from_sql_integer(day)?) })
}

fn malformed_row() -> worker::Error {
    unsupported_row("pages")
}

fn page_row_key(key: &PageKey) -> [SqlStorageValue; 3] {
    [to_sql_integer(key.block_start().0), key.page.to_stored_key().into(), to_sql_integer(key.day.0)]
}

/// Of the next pages of a block: the last sum before the end, and the last one before the beginning, if they differ. It
/// goes from page to page, and passes over the days in between.
const PAGE_SUMS_IN_RANGE_SQL: &str = "
    WITH RECURSIVE names (page) AS (
        SELECT min(page) FROM pages WHERE block = ?1 AND page > ?4
        UNION ALL
        SELECT (SELECT min(next.page) FROM pages AS next WHERE next.block = ?1 AND next.page > names.page)
        FROM names WHERE names.page IS NOT NULL LIMIT 200
    ), ends AS (
        SELECT page,
            (SELECT max(day) FROM pages AS own WHERE own.block = ?1 AND own.page = names.page AND own.day < ?3) AS last,
            (SELECT max(day) FROM pages AS own WHERE own.block = ?1 AND own.page = names.page AND own.day < ?2) AS less
        FROM names WHERE page IS NOT NULL
    )
    SELECT page,
        (SELECT cell FROM pages AS own
         WHERE own.block = ?1 AND own.page = ends.page AND own.day = last AND last IS NOT less),
        (SELECT cell FROM pages AS own WHERE own.block = ?1 AND own.page = ends.page AND own.day = less)
    FROM ends";

/// The sums of a page from a day on to the end of its block, and the last one before.
const PAGE_SUMS_FROM_DAY_SQL: &str = "
    SELECT day, cell FROM pages WHERE block = ?1 AND page = ?2 AND day >= coalesce(
        (SELECT max(day) FROM pages AS own WHERE own.block = ?1 AND own.page = ?2 AND own.day < ?3), ?3)";
