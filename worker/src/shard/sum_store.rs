//! Daily sums of pages and slices, kept in blocks so that a long span is the difference of two of them. `ledger` has the
//! rules. Both kinds have a table of the same form.

use std::collections::BTreeMap;

use ledger::{
    BlockRange, Cell, QueryResult, SeriesQuery, SumDeltas, SumEffect, SumKey, SumKind, SumRange, SumSeries,
};
use wire::UnixMillis;
use worker::{Result, SqlStorageValue};

use super::object::Shard;
use super::pack_store::malformed_error;
use super::turn::Turn;
use crate::sql::{from_sql_integer, to_sql_integer, unsupported_row};

impl Shard {
    /// Adds the sums of a range of days, in ranges of names and blocks.
    pub(super) async fn read_sums(
        &self,
        turn: &Turn<'_>,
        query: &SeriesQuery,
        SumRange { source, days }: &SumRange,
        groups: &mut QueryResult,
    ) -> Result<()> {
        for stretch in days.block_ranges() {
            for names in query.sum_names(source) {
                let part = SumPart { kind: source.kind(), stretch, names };
                match query.step {
                    None => self.read_days(turn, query, part, groups).await?,
                    Some(_) => self.read_each_day(turn, query, part, groups).await?,
                }
            }
        }
        Ok(())
    }

    /// Adds the days of each series at once: the last sum, less the last one before.
    async fn read_days(
        &self,
        turn: &Turn<'_>,
        query: &SeriesQuery,
        SumPart { kind, stretch: BlockRange { block, from, to }, names }: SumPart,
        groups: &mut QueryResult,
    ) -> Result<()> {
        let (mut last, end) = names;
        loop {
            let mut values = [block, from, to].map(|at| to_sql_integer(at.0)).to_vec();
            values.extend([last.clone().into(), end.clone().into()]);
            let mut is_any = false;
            for row in self.sql().exec(&sum_sql(kind, SUMS_IN_RANGE_SQL), values)?.raw() {
                let row = row?;
                let [SqlStorageValue::String(name), sum, less] = row.as_slice() else {
                    return Err(malformed_row());
                };
                (is_any, last) = (true, name.clone());
                // Without visits in between there is none.
                let SqlStorageValue::Blob(sum) = sum else { continue };
                let series = SumSeries::from_stored_key(kind, name).ok_or_else(malformed_row)?;
                let less = match less {
                    SqlStorageValue::Blob(less) => Some(less.as_slice()),
                    _ => None,
                };
                groups.add_days(query, &SumKey { series, day: from }, sum, less).map_err(malformed_error)?;
            }
            if !is_any {
                return Ok(());
            }
            turn.pause().await?;
        }
    }

    /// The same, each day by itself.
    async fn read_each_day(
        &self,
        turn: &Turn<'_>,
        query: &SeriesQuery,
        SumPart { kind, stretch, names: (first, end) }: SumPart,
        groups: &mut QueryResult,
    ) -> Result<()> {
        let mut before: Option<(SumKey, Vec<u8>)> = None;
        loop {
            let (name, day) = match &before {
                Some((key, _)) => (key.series.to_stored_key(), key.day),
                None => (first.clone(), UnixMillis(0)),
            };
            let [block, day, to] = [stretch.block, day, stretch.to].map(|at| to_sql_integer(at.0));
            let values = vec![block, name.into(), day, to, end.clone().into()];
            let mut is_any = false;
            for row in self.sql().exec(&sum_sql(kind, SUMS_OF_DAYS_SQL), values)?.raw() {
                let mut row = row?.into_iter();
                let (Some(SqlStorageValue::String(name)), Some(day), Some(SqlStorageValue::Blob(sum))) =
                    (row.next(), row.next(), row.next())
                else {
                    return Err(malformed_row());
                };
                let key = decode_sum_key(kind, &name, &day).ok_or_else(malformed_row)?;
                if key.day >= stretch.from {
                    let less = before.as_ref().filter(|(before, _)| before.series == key.series);
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

    /// Brings sums up to what has changed.
    pub(super) fn apply_sum_deltas(&self, deltas: SumDeltas) -> Result<()> {
        let mut sums = BTreeMap::new();
        for first in deltas.first_changed_days() {
            let (kind, name) = (first.series.kind(), first.series.to_stored_key());
            let values =
                vec![to_sql_integer(first.block_start().0), name.clone().into(), to_sql_integer(first.day.0)];
            for row in self.sql().exec(&sum_sql(kind, SUMS_FROM_DAY_SQL), values)?.raw() {
                let (key, sum) = match row?.as_slice() {
                    [day, SqlStorageValue::Blob(sum)] => (
                        decode_sum_key(kind, &name, day).ok_or_else(malformed_row)?,
                        Cell::decode(sum).map_err(malformed_error)?,
                    ),
                    _ => return Err(malformed_row()),
                };
                sums.insert(key, sum);
            }
        }
        for effect in deltas.apply_to(sums) {
            match effect {
                SumEffect::Store(key, sum) => {
                    let mut values = sum_row_key(&key).to_vec();
                    values.push(SqlStorageValue::Blob(sum.encode().map_err(malformed_error)?));
                    self.sql().exec(&sum_sql(key.series.kind(), STORE_SUM_SQL), values)?;
                }
                SumEffect::Remove(key) => {
                    self.sql()
                        .exec(&sum_sql(key.series.kind(), REMOVE_SUM_SQL), sum_row_key(&key).to_vec())?;
                }
            }
        }
        Ok(())
    }

    /// Removes the sums of a kind that fulfil a condition on their day or block.
    pub(super) async fn remove_sums(
        &self,
        turn: &Turn<'_>,
        kind: SumKind,
        condition: &str,
        time: UnixMillis,
    ) -> Result<()> {
        let statement = sum_sql(kind, REMOVE_SUMS_SQL).replace("{condition}", condition);
        while self.sql().exec(&statement, vec![to_sql_integer(time.0)])?.rows_written() > 0 {
            turn.pause().await?;
        }
        Ok(())
    }
}

/// The stored sums of a stretch of days with names from one to before another.
struct SumPart {
    kind: SumKind,
    stretch: BlockRange,
    names: (String, String),
}

/// Returns a statement with the names of the table of a kind, and of its column of stored names.
fn sum_sql(kind: SumKind, statement: &str) -> String {
    let (table, name) = match kind {
        SumKind::Pages => ("pages", "page"),
        SumKind::Slices => ("slices", "slice"),
    };
    statement.replace("{sums}", table).replace("{name}", name)
}

fn decode_sum_key(kind: SumKind, name: &str, day: &SqlStorageValue) -> Option<SumKey> {
    Some(SumKey { series: SumSeries::from_stored_key(kind, name)?, day: UnixMillis(from_sql_integer(day)?) })
}

fn malformed_row() -> worker::Error {
    unsupported_row("sums")
}

fn sum_row_key(key: &SumKey) -> [SqlStorageValue; 3] {
    [to_sql_integer(key.block_start().0), key.series.to_stored_key().into(), to_sql_integer(key.day.0)]
}

const STORE_SUM_SQL: &str = "INSERT OR REPLACE INTO {sums} (block, {name}, day, cell) VALUES (?, ?, ?, ?)";
const REMOVE_SUMS_SQL: &str = "
    DELETE FROM {sums} WHERE (block, {name}, day) IN
        (SELECT block, {name}, day FROM {sums} WHERE {condition} LIMIT 500)";
const REMOVE_SUM_SQL: &str = "DELETE FROM {sums} WHERE block = ? AND {name} = ? AND day = ?";

/// Of the next series of a block: the last sum before the end, and the last one before the beginning, if they differ. It
/// goes from series to series, and passes over the days in between.
const SUMS_IN_RANGE_SQL: &str = "
    WITH RECURSIVE series ({name}) AS (
        SELECT min({name}) FROM {sums} WHERE block = ?1 AND {name} > ?4 AND {name} < ?5
        UNION ALL
        SELECT (SELECT min(next.{name}) FROM {sums} AS next
                WHERE next.block = ?1 AND next.{name} > series.{name} AND next.{name} < ?5)
        FROM series WHERE series.{name} IS NOT NULL LIMIT 200
    ), ends AS (
        SELECT {name},
            (SELECT max(day) FROM {sums} AS own WHERE own.block = ?1 AND own.{name} = series.{name} AND own.day < ?3) AS last,
            (SELECT max(day) FROM {sums} AS own WHERE own.block = ?1 AND own.{name} = series.{name} AND own.day < ?2) AS less
        FROM series WHERE {name} IS NOT NULL
    )
    SELECT {name},
        (SELECT cell FROM {sums} AS own
         WHERE own.block = ?1 AND own.{name} = ends.{name} AND own.day = last AND last IS NOT less),
        (SELECT cell FROM {sums} AS own WHERE own.block = ?1 AND own.{name} = ends.{name} AND own.day = less)
    FROM ends";

/// The next sums of a block, in the order of their series and days.
const SUMS_OF_DAYS_SQL: &str = "
    SELECT {name}, day, cell FROM {sums} WHERE block = ?1 AND ({name}, day) > (?2, ?3) AND {name} < ?5 AND day < ?4
    ORDER BY {name}, day LIMIT 200";

/// The sums of a series from a day on to the end of its block, and the last one before.
const SUMS_FROM_DAY_SQL: &str = "
    SELECT day, cell FROM {sums} WHERE block = ?1 AND {name} = ?2 AND day >= coalesce(
        (SELECT max(day) FROM {sums} AS own WHERE own.block = ?1 AND own.{name} = ?2 AND own.day < ?3), ?3)";
