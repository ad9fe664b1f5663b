//! Hourly series of a site. Anomalies are found by comparison with the same hour of earlier days
//! (`alerting::inputs`).

use std::collections::BTreeMap;

use alerting::inputs::{self, HourlySeries};
use ledger::SeriesQuery;
use report::hourly_range::{hours_to_write, oldest_hour};
use report::status_history::StatusHistory;
use report::uptime::{HourOfResponses, UPTIME_DAYS, UptimeReport};
use wire::{UnixMillis, WindowSpan};
use worker::{Result, SqlStorageValue};

use super::object::Shard;
use crate::clock::now;
use crate::config::Config;
use crate::shard_protocol::TrafficQuery;
use crate::sql::{from_sql_integer, to_sql_integer};

impl Shard {
    /// Stores the hours that are complete.
    pub(super) async fn write_hours(&self, site: &str, config: &Config) -> Result<()> {
        let query = hours_to_write(self.load_fact("hours_to")?, now());
        let SeriesQuery { from, to, .. } = query;
        let groups = self.query_site(site, config, &query).await?;
        self.update_last_beacon_at(groups.last_beacon_at)?;
        for (group, cell) in &groups.cells {
            let Some(at) = group.at.filter(|at| (from..to).contains(at)) else { continue };
            self.write_hour(at, inputs::visit_series(cell))?;
        }
        let traffic = TrafficQuery { span: WindowSpan::Hour, from, to };
        for (window, traffic) in &self.site_traffic(site, config, traffic).await?.0 {
            self.write_hour(window.start, inputs::traffic_series(&traffic.total()))?;
        }
        self.sql()
            .exec("DELETE FROM hours WHERE hour < ?", vec![to_sql_integer(oldest_hour(now()).0 / HOUR_MS)])?;
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

    /// Returns every series.
    pub(super) fn hourly_series(&self) -> Result<BTreeMap<String, HourlySeries>> {
        let mut all: BTreeMap<String, HourlySeries> = BTreeMap::new();
        for row in self.sql().exec("SELECT series, hour, value FROM hours", None)?.raw() {
            let row = row?;
            let [SqlStorageValue::String(series), hour, value] = row.as_slice() else { continue };
            let Some(hour) = from_sql_integer(hour) else { continue };
            all.entry(series.clone()).or_default().0.insert(hour, float(value));
        }
        Ok(all)
    }

    /// Evaluates the uptime of the last thirty days.
    pub(super) fn uptime(&self) -> Result<UptimeReport> {
        let (now, mut hours) = (now(), Vec::new());
        let rows = "SELECT hour, n, value FROM hours WHERE series = ?";
        for row in self.sql().exec(rows, vec![inputs::ERRORS_SERIES.into()])?.raw() {
            let row = row?;
            let [hour, n, value] = row.as_slice() else { continue };
            let (Some(hour), Some(responses)) = (from_sql_integer(hour), from_sql_integer(n)) else {
                continue;
            };
            let share = float(value);
            let at = UnixMillis(hour.saturating_mul(HOUR_MS));
            hours.push(HourOfResponses { at, responses, errors: (share * responses as f64).round() as u64 });
        }
        let from = now.saturating_sub(UPTIME_DAYS * WindowSpan::Day.millis());
        let history = StatusHistory::between(&self.status_runs(from, now)?, from, now);
        Ok(UptimeReport::new(&hours, &history, now))
    }

    /// Stores and returns the arrival of the last beacon, which the journal forgets.
    pub(super) fn update_last_beacon_at(&self, beacon_at: Option<UnixMillis>) -> Result<Option<UnixMillis>> {
        let known: Option<UnixMillis> = self.load_fact("heard_at")?;
        let last = known.max(beacon_at);
        if let Some(last) = last.filter(|_| last != known) {
            self.store_fact("heard_at", &last)?;
        }
        Ok(last)
    }
}

/// Reads a number that SQLite may store as a whole one.
fn float(value: &SqlStorageValue) -> f64 {
    match value {
        SqlStorageValue::Float(value) => *value,
        other => from_sql_integer(other).unwrap_or_default() as f64,
    }
}

const HOUR_MS: u64 = WindowSpan::Hour.millis();
