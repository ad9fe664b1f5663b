//! Records of what the edge answered, on their way from an isolate to their site's first shard, and
//! read from there. An isolate adds up; only one request at a time carries. What was sent and not
//! acknowledged is sent again as it was, under its number, and the object takes each number once: so
//! every answer counts once, as long as its isolate lives.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use ledger::Horizon;
use serde::{Deserialize, Serialize};
use traffic::{MAX_ROUTES, ResponseClass, ResponseRecord, RouteStats, TrafficStats, TrafficWindows};
use wire::{OTHER_LABEL, UnixMillis, Window, WindowSpan};
use worker::js_sys::{Math, Uint8Array};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Date, Env, Error, Request, Response, Result, SqlStorageValue};

use crate::response::HandlerError;
use crate::shard::{self, Shard, call_shard, from_sql_integer, to_sql_integer};
use crate::trace_export;

/// Counts an answer of a site.
pub(crate) fn record(site: &str, record: &ResponseRecord<'_>) {
    UNCARRIED.with_borrow_mut(|uncarried| uncarried.site_mut(site).sums.add(record));
}

/// Adds the bytes of a body that was counted before it was whole.
pub(crate) fn add_bytes(site: &str, route: &str, answer: &ResponseClass, bytes: u64) {
    UNCARRIED.with_borrow_mut(|uncarried| uncarried.site_mut(site).sums.add_bytes(route, answer, bytes));
}

/// Carries what was added up. Whether there is more that another round would carry.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn flush_traffic(env: Env) -> bool {
    for site in UNCARRIED.with_borrow(TrafficBuffer::site_names) {
        if let Err(failure) = flush_site(&env, &site).await {
            worker::console_error!(
                "what was answered for {site} was not counted, and is carried again: {failure:?}"
            );
        }
    }
    trace_export::flush().await;
    UNCARRIED.with_borrow(TrafficBuffer::has_pending)
}

/// What was answered for a site between two moments, this isolate's answers among it.
pub(crate) async fn read_total(
    env: &Env,
    site: &str,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<TrafficStats, HandlerError> {
    let windows = read_windows(env, site, WindowSpan::Day, from, to).await?;
    let mut all = TrafficStats::default();
    windows.iter().for_each(|(_, traffic)| all.merge(traffic));
    Ok(all)
}

/// The same by windows of that span; where only longer ones are kept, by those. A longer window belongs
/// to the answer when any part of it does.
pub(crate) async fn read_windows(
    env: &Env,
    site: &str,
    span: WindowSpan,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<Vec<(Window, TrafficStats)>, HandlerError> {
    // What is here and cannot be carried now is no reason to show nothing.
    if let Err(failure) = flush_site(env, site).await {
        worker::console_error!("the numbers of {site} lack what this isolate has not carried: {failure:?}");
    }
    let query = serde_json::to_string(&TrafficQuery { span, from, to }).map_err(Error::from)?;
    let bytes = call_shard(env, site, 0, "traffic/windows", Some(query.as_str().into())).await?;
    let windows = TrafficWindows::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?;
    Ok(windows.0.into_iter().collect())
}

/// Carries what there is of a site: first what was sent already, then the rest.
async fn flush_site(env: &Env, site: &str) -> Result<(), HandlerError> {
    while let Some(parcel) = UNCARRIED.with_borrow_mut(|uncarried| uncarried.next_batch(site)) {
        let bytes = serde_json::to_vec(&parcel.header).map_err(Error::from)?;
        let mut body = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        body.extend(bytes);
        body.extend(&parcel.traffic);
        call_shard(env, site, 0, "traffic/carried", Some(Uint8Array::from(body.as_slice()).into())).await?;
        UNCARRIED.with_borrow_mut(|uncarried| uncarried.site_mut(site).acknowledge(parcel.header.number));
    }
    Ok(())
}

/// What an isolate has not carried yet. Bounded by the configured sites and the room of each's sums.
#[derive(Default)]
struct TrafficBuffer {
    isolate_id: Option<String>,
    sites: BTreeMap<String, SiteBuffer>,
}

#[derive(Default)]
struct SiteBuffer {
    sums: TrafficStats,
    /// Sent, and not known to have arrived.
    in_flight: Option<TrafficBatch>,
    batches: u64,
}

#[derive(Clone)]
struct TrafficBatch {
    header: BatchHeader,
    traffic: Vec<u8>,
}

/// What the object knows a parcel by.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct BatchHeader {
    isolate: String,
    number: u64,
    /// When the last of it was answered.
    at: UnixMillis,
}

#[derive(Debug, Serialize, Deserialize)]
struct TrafficQuery {
    span: WindowSpan,
    from: UnixMillis,
    to: UnixMillis,
}

impl TrafficBuffer {
    fn site_mut(&mut self, site: &str) -> &mut SiteBuffer {
        self.sites.entry(site.to_owned()).or_default()
    }

    fn has_pending(&self) -> bool {
        self.sites.values().any(|of_site| of_site.in_flight.is_some() || !of_site.sums.is_empty())
    }

    fn site_names(&self) -> Vec<String> {
        self.sites.keys().cloned().collect()
    }

    /// The parcel to send: the one that may not have arrived, else what there is.
    fn next_batch(&mut self, site: &str) -> Option<TrafficBatch> {
        let isolate = self.isolate_id.get_or_insert_with(random_isolate_id).clone();
        let of_site = self.site_mut(site);
        if of_site.in_flight.is_none() && !of_site.sums.is_empty() {
            of_site.batches = of_site.batches.saturating_add(1);
            let at = UnixMillis(Date::now().as_millis());
            let label = BatchHeader { isolate, number: of_site.batches, at };
            let traffic = std::mem::take(&mut of_site.sums).encode();
            of_site.in_flight = Some(TrafficBatch { header: label, traffic });
        }
        of_site.in_flight.clone()
    }
}

impl SiteBuffer {
    fn acknowledge(&mut self, number: u64) {
        self.in_flight.take_if(|parcel| parcel.header.number == number);
    }
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static UNCARRIED: RefCell<TrafficBuffer> = RefCell::default();
}

impl Shard {
    /// The calls about traffic.
    pub(crate) async fn handle_traffic_call(&self, mut request: Request) -> Result<Response> {
        match request.path().as_str() {
            "/traffic/carried" => {
                let bytes = request.bytes().await?;
                let (label, traffic) = decode_batch(&bytes)?;
                self.accept_batch(&label, &traffic)?;
                self.schedule_maintenance(shard::ROLLUP_DELAY_MS).await?;
                Response::empty()
            }
            "/traffic/windows" => Response::from_bytes(self.read_traffic(&request.json().await?)?.encode()),
            _ => Response::error("there is nothing here", 404),
        }
    }

    /// What this shard, the first of its site, has been told was answered between two moments.
    pub(crate) fn traffic_windows(
        &self,
        span: WindowSpan,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<TrafficWindows> {
        self.read_traffic(&TrafficQuery { span, from, to })
    }

    /// Takes a parcel, each number of an isolate's once. Without an await, so wholly or not at all.
    fn accept_batch(&self, header: &BatchHeader, traffic: &TrafficStats) -> Result<()> {
        let BatchHeader { isolate, number: nth, at } = header;
        let rows =
            self.sql().exec("SELECT last FROM carriers WHERE isolate = ?", vec![isolate.as_str().into()])?;
        let last = rows.raw().next().transpose()?.and_then(|row| from_sql_integer(row.first()?)).unwrap_or(0);
        if *nth <= last {
            return Ok(());
        }
        let now = shard::now();
        let window = self
            .traffic_horizon()?
            .window_at((*at).min(now))
            .unwrap_or(Window::containing(WindowSpan::Minute, now));
        let mut routes: Vec<_> = traffic.routes.iter().collect();
        routes.sort_by_key(|(_, served)| std::cmp::Reverse(served.n()));
        for (route, served) in routes {
            self.add_route_stats(window, self.bounded_route(window, route)?, served)?;
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

    /// The name under which a window counts a route: its own, while there is room.
    fn bounded_route<'a>(&self, window: Window, route: &'a str) -> Result<&'a str> {
        let mut place = window_row_key(window);
        place.push(route.into());
        let rows = self
            .sql()
            .exec("SELECT count(*), max(route = ?3) FROM traffic WHERE span = ?1 AND start = ?2", place)?;
        let row = rows.raw().next().transpose()?.unwrap_or_default();
        let [routes, is_known] = [0, 1].map(|index| row.get(index).and_then(from_sql_integer).unwrap_or(0));
        Ok(if is_known == 1 || routes < MAX_ROUTES as u64 { route } else { OTHER_LABEL })
    }

    /// Adds to what a window has of a route.
    fn add_route_stats(&self, window: Window, route: &str, added: &RouteStats) -> Result<()> {
        let mut served = self.load_route_stats(window, route)?;
        served.merge(added);
        let mut values = window_row_key(window);
        values.extend([route.into(), to_sql_integer(served.n()), SqlStorageValue::Blob(served.encode())]);
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

    fn read_traffic(&self, query: &TrafficQuery) -> Result<TrafficWindows> {
        let mut windows = TrafficWindows::default();
        for span in WindowSpan::ALL {
            let from = Window::containing(span, query.from).start;
            let rows = self.sql().exec(
                "SELECT start, route, served FROM traffic WHERE span = ? AND start >= ? AND start < ?
                 ORDER BY n DESC",
                vec![to_sql_integer(span.code().into()), to_sql_integer(from.0), to_sql_integer(query.to.0)],
            )?;
            for row in rows.raw() {
                let row = row?;
                let [start, SqlStorageValue::String(route), served] = row.as_slice() else {
                    return Err(unsupported_version());
                };
                let start = UnixMillis(from_sql_integer(start).ok_or_else(unsupported_version)?);
                windows.add(query.span, Window { span, start }, route, &decode_route_stats(served)?);
            }
        }
        Ok(windows)
    }

    /// Moves what is old into longer windows, and lets go of what is too old; all of it without an await,
    /// because the horizon must move together with what it describes.
    pub(crate) fn roll_up_traffic(&self) -> Result<()> {
        let day = to_sql_integer(shard::now().saturating_sub(WindowSpan::Day.millis()).0);
        self.sql().exec("DELETE FROM carriers WHERE at < ?", vec![day])?;
        let before = self.traffic_horizon()?;
        let after = before.advanced(&self.retention()?, shard::now());
        if after == before {
            return Ok(());
        }
        self.sql().exec("DELETE FROM traffic WHERE start < ?", vec![to_sql_integer(after.days.0)])?;
        for window in self.windows_to_roll_up(&after)? {
            self.roll_up_into(window)?;
        }
        self.store_fact(HORIZON_FACT, &after)
    }

    /// The windows into which something has to be rolled.
    fn windows_to_roll_up(&self, after: &Horizon) -> Result<BTreeSet<Window>> {
        let rows = self.sql().exec(
            "SELECT DISTINCT start FROM traffic WHERE (span = 0 AND start < ?) OR (span = 1 AND start < ?)",
            vec![to_sql_integer(after.minutes.0), to_sql_integer(after.hours.0)],
        )?;
        let mut due = BTreeSet::new();
        for row in rows.raw() {
            let start = row?.first().and_then(from_sql_integer).ok_or_else(unsupported_version)?;
            due.extend(after.window_at(UnixMillis(start)));
        }
        Ok(due)
    }

    /// Brings all that lies in a window into it, a route at a time. The routes that were asked for most
    /// find room.
    fn roll_up_into(&self, window: Window) -> Result<()> {
        let Window { span, start } = window;
        let within = || {
            vec![
                to_sql_integer(span.code().into()),
                to_sql_integer(start.0),
                to_sql_integer(start.saturating_add(span.millis()).0),
            ]
        };
        let rows = self.sql().exec(
            "SELECT route FROM traffic WHERE span <= ? AND start >= ? AND start < ?
             GROUP BY route ORDER BY route = '(other)' DESC, sum(n) DESC, route",
            within(),
        )?;
        let mut routes = Vec::new();
        for row in rows.raw() {
            match row?.into_iter().next() {
                Some(SqlStorageValue::String(route)) => routes.push(route),
                _ => return Err(unsupported_version()),
            }
        }
        for (index, route) in routes.iter().enumerate() {
            let mut of_route = within();
            of_route.push(route.as_str().into());
            let rows = self.sql().exec(
                "SELECT served FROM traffic WHERE span <= ? AND start >= ? AND start < ? AND route = ?",
                of_route.clone(),
            )?;
            let mut all = RouteStats::default();
            for row in rows.raw() {
                all.merge(&row?.first().ok_or_else(unsupported_version).and_then(decode_route_stats)?);
            }
            self.sql().exec(
                "DELETE FROM traffic WHERE span <= ? AND start >= ? AND start < ? AND route = ?",
                of_route,
            )?;
            self.add_route_stats(window, if index < MAX_ROUTES { route } else { OTHER_LABEL }, &all)?;
        }
        Ok(())
    }

    fn traffic_horizon(&self) -> Result<Horizon> {
        Ok(self.load_fact(HORIZON_FACT)?.unwrap_or_default())
    }
}

/// A name that no other isolate has.
fn random_isolate_id() -> String {
    let half = || (Math::random() * 2f64.powi(52)) as u64;
    format!("{:013x}{:013x}", half(), half())
}

fn decode_batch(bytes: &[u8]) -> Result<(BatchHeader, TrafficStats)> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(unsupported_version)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| unsupported_version())?;
    let (label, traffic) = rest.split_at_checked(length).ok_or_else(unsupported_version)?;
    Ok((serde_json::from_slice(label)?, TrafficStats::decode(traffic).map_err(|_| unsupported_version())?))
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
    Error::RustError("what is stored of traffic is of no version of ours".into())
}

/// Beside the shard's own tables.
pub(crate) const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS traffic (
        span INTEGER NOT NULL, start INTEGER NOT NULL, route TEXT NOT NULL, n INTEGER NOT NULL,
        served BLOB NOT NULL, PRIMARY KEY (span, start, route)
     ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS carriers (
        isolate TEXT PRIMARY KEY, last INTEGER NOT NULL, at INTEGER NOT NULL
     ) WITHOUT ROWID",
];

/// Up to where it is rolled up.
const HORIZON_FACT: &str = "traffic-horizon";
/// An isolate that is forgotten among so many could count a parcel twice, if it sent it again.
const MAX_ISOLATES: u64 = 10_000;
