//! A site's series by the hour, kept by its first shard for as long as hours are kept: what is usual at this
//! hour is told by those of earlier days (`alerting::inputs`). They are written a few at a time, so that a
//! large site that gets this far behind catches up without a pause.

use std::collections::BTreeMap;

use alerting::inputs::{self, HourlySeries};
use ledger::{BotFilter, SeriesQuery};
use wire::{UnixMillis, Window, WindowSpan};
use worker::{Result, SqlStorageValue};

use crate::config::Config;
use crate::shard::{Shard, from_sql_integer, now, to_sql_integer};

impl Shard {
    /// Writes down the hours that are complete. The last ones are written again, since late beacons count.
    pub(crate) async fn write_hours(&self, site: &str, config: &Config) -> Result<()> {
        let this = Window::containing(WindowSpan::Hour, now()).start;
        let known: Option<UnixMillis> = self.load_fact("hours_to")?;
        let from = known
            .map_or(this.saturating_sub(RETENTION_MS), |known| known.saturating_sub(REWRITE_SPAN_MS))
            .max(this.saturating_sub(RETENTION_MS));
        let to = UnixMillis(from.saturating_add(CATCH_UP_SPAN_MS).0.min(this.0));
        let query = SeriesQuery {
            from,
            to,
            bots: BotFilter::default(),
            only: Vec::new(),
            by: Vec::new(),
            step: Some(WindowSpan::Hour),
        };
        let groups = self.query_site(site, config, &query).await?;
        self.update_last_beacon_at(groups.last_beacon_at)?;
        for (group, cell) in &groups.cells {
            let Some(at) = group.at.filter(|at| (from..to).contains(at)) else { continue };
            self.write_hour(at, inputs::visit_series(cell))?;
        }
        for (window, traffic) in &self.traffic_windows(WindowSpan::Hour, from, to)?.0 {
            self.write_hour(window.start, inputs::traffic_series(traffic))?;
        }
        self.sql().exec(
            "DELETE FROM hours WHERE hour < ?",
            vec![to_sql_integer(this.saturating_sub(RETENTION_MS).0 / HOUR_MS)],
        )?;
        self.store_fact("hours_to", &to)
    }

    fn write_hour(&self, at: UnixMillis, series: Vec<(&str, u64, f64)>) -> Result<()> {
        for (series, n, value) in series {
            let row = vec![
                series.into(),
                to_sql_integer(at.0 / HOUR_MS),
                to_sql_integer(n),
                SqlStorageValue::Float(value),
            ];
            let write = "INSERT OR REPLACE INTO hours (series, hour, n, value) VALUES (?, ?, ?, ?)";
            self.sql().exec(write, row)?;
        }
        Ok(())
    }

    /// Every series, each with how many events its last complete hour is of.
    pub(crate) fn hourly_series(&self) -> Result<BTreeMap<String, (HourlySeries, u64)>> {
        let last = (now().0 / HOUR_MS).saturating_sub(1);
        let mut all: BTreeMap<String, (HourlySeries, u64)> = BTreeMap::new();
        for row in self.sql().exec("SELECT series, hour, n, value FROM hours", None)?.raw() {
            let row = row?;
            let [SqlStorageValue::String(series), hour, n, value] = row.as_slice() else { continue };
            let (Some(hour), Some(n)) = (from_sql_integer(hour), from_sql_integer(n)) else { continue };
            let value = match value {
                SqlStorageValue::Float(value) => *value,
                other => from_sql_integer(other).unwrap_or_default() as f64,
            };
            let (hours, last_n) = all.entry(series.clone()).or_default();
            hours.0.insert(hour, value);
            if hour == last {
                *last_n = n;
            }
        }
        Ok(all)
    }

    /// When a beacon was last heard. The journal forgets, so it is written down.
    pub(crate) fn update_last_beacon_at(&self, beacon_at: Option<UnixMillis>) -> Result<Option<UnixMillis>> {
        let known: Option<UnixMillis> = self.load_fact("heard_at")?;
        let last = known.max(beacon_at);
        if let Some(last) = last.filter(|_| last != known) {
            self.store_fact("heard_at", &last)?;
        }
        Ok(last)
    }
}

const HOUR_MS: u64 = 3_600_000;
/// As long as hours are kept.
const RETENTION_MS: u64 = 35 * 24 * HOUR_MS;
/// What is read at once.
const CATCH_UP_SPAN_MS: u64 = 48 * HOUR_MS;
const REWRITE_SPAN_MS: u64 = 3 * HOUR_MS;
