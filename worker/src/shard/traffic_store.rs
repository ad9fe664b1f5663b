//! Statistics of the responses of the edge, by window and route. Each shard has those of some isolates.

use std::collections::BTreeSet;

use ledger::{Horizon, TurnKind};
use traffic::BatchHeader;
use traffic::{MAX_ROUTES, RouteRanking, RouteStats, TrafficStats, TrafficWindows};
use wire::{OTHER_LABEL, UnixMillis, Window, WindowSpan};
use worker::{Error, Result, SqlStorageValue};

use super::object::Shard;
use super::turn::Turn;
use crate::clock::now;
use crate::shard_protocol::TrafficQuery;
use crate::sql::{from_sql_integer, to_sql_integer, unsupported_row};
use wire::sorting::SortSlice;

impl Shard {
    /// Adds a batch, each number of an isolate once. Without an await, so wholly or not at all.
    pub(super) fn accept_batch(&self, header: &BatchHeader, traffic: &TrafficStats) -> Result<()> {
        let BatchHeader { isolate, number: nth, at } = header;
        let rows =
            self.sql().exec("SELECT last FROM carriers WHERE isolate = ?", vec![isolate.as_str().into()])?;
        let last = rows.raw().next().transpose()?.and_then(|row| from_sql_integer(row.first()?)).unwrap_or(0);
        if *nth <= last {
            return Ok(());
        }
        let now = now();
        let window = self
            .traffic_horizon()?
            .window_at((*at).min(now))
            .unwrap_or(Window::containing(WindowSpan::Minute, now));
        let mut routes: Vec<_> = traffic.routes.iter().collect();
        routes.order_by_key(|(_, served)| std::cmp::Reverse(served.n()));
        let mut known = self.routes_of(window)?;
        for (route, served) in routes {
            let route = match known.contains(route) || known.len() < MAX_ROUTES {
                true => route,
                false => OTHER_LABEL,
            };
            known.insert(route.to_owned());
            self.add_route_stats(window, route, served)?;
        }
        self.sql().exec(
            "INSERT OR REPLACE INTO carriers (isolate, last, at) VALUES (?, ?, ?)",
            vec![isolate.as_str().into(), to_sql_integer(*nth), to_sql_integer(now.0)],
        )?;
        self.sql().exec(
            "DELETE FROM carriers WHERE isolate IN
             (SELECT isolate FROM carriers ORDER BY at DESC, isolate LIMIT -1 OFFSET ?)",
            vec![to_sql_integer(MAX_ISOLATES)],
        )?;
        Ok(())
    }

    /// Returns the routes of a window.
    fn routes_of(&self, window: Window) -> Result<BTreeSet<String>> {
        let routes = "SELECT route FROM traffic WHERE span = ? AND start = ?";
        self.sql()
            .exec(routes, window_row_key(window))?
            .raw()
            .map(|row| match row?.into_iter().next() {
                Some(SqlStorageValue::String(route)) => Ok(route),
                _ => Err(unsupported_version()),
            })
            .collect()
    }

    /// Adds to what a window has of a route.
    fn add_route_stats(&self, window: Window, route: &str, added: &RouteStats) -> Result<()> {
        let mut served = self.load_route_stats(window, route)?;
        served.merge(added);
        let mut values = window_row_key(window);
        values.extend([
            route.into(),
            to_sql_integer(served.n()),
            SqlStorageValue::Blob(served.encode().map_err(|_| unsupported_row("traffic"))?),
        ]);
        let statement =
            "INSERT OR REPLACE INTO traffic (span, start, route, n, served) VALUES (?, ?, ?, ?, ?)";
        self.sql().exec(statement, values).map(drop)
    }

    fn load_route_stats(&self, window: Window, route: &str) -> Result<RouteStats> {
        let mut values = window_row_key(window);
        values.push(route.into());
        let rows = self
            .sql()
            .exec("SELECT served FROM traffic WHERE span = ? AND start = ? AND route = ?", values)?;
        match rows.raw().next().transpose()? {
            Some(row) => row.first().ok_or_else(unsupported_version).and_then(decode_route_stats),
            None => Ok(RouteStats::default()),
        }
    }

    /// Returns the statistics between two times, by windows of a span. The routes with the most responses keep their
    /// names.
    pub(super) async fn read_traffic(&self, kind: TurnKind, query: &TrafficQuery) -> Result<TrafficWindows> {
        let turn = self.take_turn(kind).await?;
        let mut ranking = RouteRanking::default();
        let mut rank = |_, route: &str, n: &SqlStorageValue| {
            ranking.add(route, from_sql_integer(n).ok_or_else(unsupported_version)?);
            Ok(())
        };
        self.scan_traffic(&turn, query, "n", 500, &mut rank).await?;
        let (top, mut windows) = (ranking.top(), TrafficWindows::default());
        let mut add = |window, route: &str, served: &SqlStorageValue| {
            let route = if top.contains(route) { route } else { OTHER_LABEL };
            windows.add(query.span, window, route, &decode_route_stats(served)?);
            Ok(())
        };
        self.scan_traffic(&turn, query, "served", 200, &mut add).await?;
        Ok(windows)
    }

    /// Reads a column of the rows between two times, so many at a time.
    async fn scan_traffic(
        &self,
        turn: &Turn<'_>,
        query: &TrafficQuery,
        column: &str,
        rows_at_once: usize,
        take: &mut dyn FnMut(Window, &str, &SqlStorageValue) -> Result<()>,
    ) -> Result<()> {
        let statement = format!(
            "SELECT start, route, {column} FROM traffic WHERE span = ? AND (start, route) > (?, ?) AND start < ?
             ORDER BY start, route LIMIT {rows_at_once}"
        );
        for span in WindowSpan::ALL {
            let mut last = (Window::containing(span, query.from).start, String::new());
            loop {
                let (mut is_any, (start, route)) = (false, &last);
                let values = vec![
                    to_sql_integer(span.code().into()),
                    to_sql_integer(start.0),
                    route.as_str().into(),
                    to_sql_integer(query.to.0),
                ];
                for row in self.sql().exec(&statement, values)?.raw() {
                    let row = row?;
                    let [start, SqlStorageValue::String(route), value] = row.as_slice() else {
                        return Err(unsupported_version());
                    };
                    let start = UnixMillis(from_sql_integer(start).ok_or_else(unsupported_version)?);
                    take(Window { span, start }, route, value)?;
                    (last, is_any) = ((start, route.clone()), true);
                }
                if !is_any {
                    break;
                }
                turn.pause().await?;
            }
        }
        Ok(())
    }

    /// Moves what is old into longer windows, and lets go of what is too old, in slices. A response is in one window at
    /// any time: from the moment at which the horizon moves, batches go to the longer one.
    pub(super) async fn roll_up_traffic(&self, turn: &Turn<'_>) -> Result<()> {
        let day = to_sql_integer(now().saturating_sub(WindowSpan::Day.millis()).0);
        self.sql().exec("DELETE FROM carriers WHERE at < ?", vec![day])?;
        let before = self.traffic_horizon()?;
        let after = before.advanced(&self.retention()?, now());
        if after != before {
            self.store_fact(HORIZON_FACT, &after)?;
        }
        let expired = "DELETE FROM traffic WHERE (span, start, route) IN
            (SELECT span, start, route FROM traffic WHERE span = ? AND start < ? LIMIT 500)";
        for span in WindowSpan::ALL {
            let values = || vec![to_sql_integer(span.code().into()), to_sql_integer(after.days.0)];
            while self.sql().exec(expired, values())?.rows_written() > 0 {
                turn.pause().await?;
            }
        }
        // Also those that an attempt that was interrupted has left.
        for window in self.windows_to_roll_up(&after)? {
            self.roll_up_into(turn, window).await?;
        }
        Ok(())
    }

    /// The windows into which something has to be rolled.
    fn windows_to_roll_up(&self, after: &Horizon) -> Result<BTreeSet<Window>> {
        let mut due = BTreeSet::new();
        for (span, end) in [(WindowSpan::Minute, after.minutes), (WindowSpan::Hour, after.hours)] {
            let mut next = UnixMillis(0);
            while let Some(start) = self.first_traffic_window(span, next, end)? {
                let Some(window) = after.window_at(start) else { break };
                next = window.start.saturating_add(window.span.millis());
                due.insert(window);
            }
        }
        Ok(due)
    }

    /// Returns the first window of a span that starts between two times.
    fn first_traffic_window(
        &self,
        span: WindowSpan,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Option<UnixMillis>> {
        let values = vec![to_sql_integer(span.code().into()), to_sql_integer(from.0), to_sql_integer(to.0)];
        let first = "SELECT min(start) FROM traffic WHERE span = ? AND start >= ? AND start < ?";
        let row = self.sql().exec(first, values)?.raw().next().transpose()?;
        Ok(row.and_then(|row| from_sql_integer(row.first()?)).map(UnixMillis))
    }

    /// Brings all that lies in a window into it, a route at a time. The routes that were asked for most
    /// find room.
    async fn roll_up_into(&self, turn: &Turn<'_>, window: Window) -> Result<()> {
        let Window { span, start } = window;
        let within = || vec![to_sql_integer(start.0), to_sql_integer(start.saturating_add(span.millis()).0)];
        let mut of_spans = within();
        of_spans.push(to_sql_integer(span.code().into()));
        let rows = self.sql().exec(
            "SELECT route FROM (
                SELECT route, n FROM traffic WHERE span = 0 AND start >= ?1 AND start < ?2
                UNION ALL SELECT route, n FROM traffic WHERE span = 1 AND start >= ?1 AND start < ?2 AND ?3 >= 1
                UNION ALL SELECT route, n FROM traffic WHERE span = 2 AND start >= ?1 AND start < ?2 AND ?3 >= 2
             ) GROUP BY route ORDER BY route = '(other)' DESC, sum(n) DESC, route",
            of_spans,
        )?;
        let mut routes = Vec::new();
        for row in rows.raw() {
            match row?.into_iter().next() {
                Some(SqlStorageValue::String(route)) => routes.push(route),
                _ => return Err(unsupported_version()),
            }
        }
        let mut read = 0_usize;
        for (index, route) in routes.iter().enumerate() {
            let mut all = RouteStats::default();
            for part in WindowSpan::ALL.into_iter().filter(|part| *part <= span) {
                let mut of_route = within();
                of_route.extend([
                    route.as_str().into(),
                    to_sql_integer(part.code().into()),
                    to_sql_integer(part.millis()),
                ]);
                let rows =
                    self.sql().exec(&format!("{STARTS_SQL} SELECT served {PARTS_SQL}"), of_route.clone())?;
                for row in rows.raw() {
                    all.merge(&row?.first().ok_or_else(unsupported_version).and_then(decode_route_stats)?);
                    read = read.saturating_add(1);
                }
                self.sql().exec(&format!("{STARTS_SQL} DELETE {PARTS_SQL}"), of_route)?;
            }
            self.add_route_stats(window, if index < MAX_ROUTES { route } else { OTHER_LABEL }, &all)?;
            if read >= MAX_MOVED_ROWS {
                read = 0;
                turn.pause().await?;
            }
        }
        Ok(())
    }

    fn traffic_horizon(&self) -> Result<Horizon> {
        Ok(self.load_fact(HORIZON_FACT)?.unwrap_or_default())
    }
}

fn decode_route_stats(value: &SqlStorageValue) -> Result<RouteStats> {
    match value {
        SqlStorageValue::Blob(bytes) => RouteStats::decode(bytes).map_err(|_| unsupported_version()),
        _ => Err(unsupported_version()),
    }
}

fn window_row_key(window: Window) -> Vec<SqlStorageValue> {
    vec![to_sql_integer(window.span.code().into()), to_sql_integer(window.start.0)]
}

fn unsupported_version() -> Error {
    unsupported_row("traffic")
}

/// The tables of this file.
pub(super) const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS traffic (
        span INTEGER NOT NULL, start INTEGER NOT NULL, route TEXT NOT NULL, n INTEGER NOT NULL,
        served BLOB NOT NULL, PRIMARY KEY (span, start, route)
     ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS carriers (
        isolate TEXT PRIMARY KEY, last INTEGER NOT NULL, at INTEGER NOT NULL
     ) WITHOUT ROWID",
];

/// The starts of the windows of a span within another.
const STARTS_SQL: &str = "WITH RECURSIVE starts (start) AS (
    SELECT ?1 UNION ALL SELECT start + ?5 FROM starts WHERE start + ?5 < ?2
)";
/// The rows of a route in these windows: each is looked up, because the table is in the order of time.
const PARTS_SQL: &str = "FROM traffic WHERE span = ?4 AND start IN (SELECT start FROM starts) AND route = ?3";
const HORIZON_FACT: &str = "traffic-horizon";
/// Rows that are moved in one slice.
const MAX_MOVED_ROWS: usize = 200;
/// A batch of an isolate beyond this number could be counted twice, if it was sent again.
const MAX_ISOLATES: u64 = 10_000;
