//! A site's series by the hour, kept by its first shard for as long as hours are kept: what is usual at this
//! hour is told by those of earlier days (`insight::look`). They are written a few at a time, so that a
//! large site that gets this far behind catches up without a pause.

use std::collections::BTreeMap;

use insight::look::{self, Hours};
use ledger::{Bots, Query, Span, Window};
use wire::UnixMillis;
use worker::{Result, SqlStorageValue};

use crate::config::Config;
use crate::shard::{Shard, now, number, whole};

impl Shard {
    /// Writes down the hours that are complete. The last ones are written again, since late beacons count.
    pub(crate) async fn write_hours(&self, site: &str, config: &Config) -> Result<()> {
        let this = Window::of(Span::Hour, now()).start;
        let known: Option<UnixMillis> = self.kept("hours_to")?;
        let from = known.map_or(this.before(KEPT), |known| known.before(AGAIN)).max(this.before(KEPT));
        let to = UnixMillis(from.after(AT_ONCE).0.min(this.0));
        let query = Query {
            from,
            to,
            bots: Bots::default(),
            only: Vec::new(),
            by: Vec::new(),
            step: Some(Span::Hour),
        };
        let groups = self.read_all(site, config, &query).await?;
        self.heard_last(groups.heard_at)?;
        for (group, cell) in &groups.cells {
            let Some(at) = group.at.filter(|at| (from..to).contains(at)) else { continue };
            self.write_hour(at, look::visits(cell))?;
        }
        for (window, traffic) in &self.answered(Span::Hour, from, to)?.0 {
            self.write_hour(window.start, look::answers(traffic))?;
        }
        self.sql().exec("DELETE FROM hours WHERE hour < ?", vec![number(this.before(KEPT).0 / HOUR)])?;
        self.keep("hours_to", &to)
    }

    fn write_hour(&self, at: UnixMillis, series: Vec<(&str, u64, f64)>) -> Result<()> {
        for (series, n, value) in series {
            let row = vec![series.into(), number(at.0 / HOUR), number(n), SqlStorageValue::Float(value)];
            let write = "INSERT OR REPLACE INTO hours (series, hour, n, value) VALUES (?, ?, ?, ?)";
            self.sql().exec(write, row)?;
        }
        Ok(())
    }

    /// Every series, each with how many events its last complete hour is of.
    pub(crate) fn hours(&self) -> Result<BTreeMap<String, (Hours, u64)>> {
        let last = (now().0 / HOUR).saturating_sub(1);
        let mut all: BTreeMap<String, (Hours, u64)> = BTreeMap::new();
        for row in self.sql().exec("SELECT series, hour, n, value FROM hours", None)?.raw() {
            let row = row?;
            let [SqlStorageValue::String(series), hour, n, value] = row.as_slice() else { continue };
            let (Some(hour), Some(n)) = (whole(hour), whole(n)) else { continue };
            let value = match value {
                SqlStorageValue::Float(value) => *value,
                other => whole(other).unwrap_or_default() as f64,
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
    pub(crate) fn heard_last(&self, heard: Option<UnixMillis>) -> Result<Option<UnixMillis>> {
        let known: Option<UnixMillis> = self.kept("heard_at")?;
        let last = known.max(heard);
        if let Some(last) = last.filter(|_| last != known) {
            self.keep("heard_at", &last)?;
        }
        Ok(last)
    }
}

const HOUR: u64 = 3_600_000;
/// As long as hours are kept.
const KEPT: u64 = 35 * 24 * HOUR;
/// What is read at once.
const AT_ONCE: u64 = 48 * HOUR;
const AGAIN: u64 = 3 * HOUR;
