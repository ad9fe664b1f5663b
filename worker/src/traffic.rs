//! Records of what the edge answered, on their way from an isolate to their site's first shard, and
//! read from there. An isolate adds up; only one request at a time carries. What was sent and not
//! acknowledged is sent again as it was, under its number, and the object takes each number once: so
//! every answer counts once, as long as its isolate lives.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use ledger::traffic::{Answer, MOST_ROUTES, Record, Served, Traffic, Windows};
use ledger::{Horizon, OTHER, Span, Window};
use serde::{Deserialize, Serialize};
use wire::UnixMillis;
use worker::js_sys::{Math, Uint8Array};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Date, Env, Error, Request, Response, Result, SqlStorageValue};

use crate::answer::Failure;
use crate::shard::{self, Shard, ask, number, whole};
use crate::traces;

/// Counts an answer of a site.
pub(crate) fn note(site: &str, record: &Record<'_>) {
    UNCARRIED.with_borrow_mut(|uncarried| uncarried.of(site).sums.add(record));
}

/// Adds the bytes of a body that was counted before it was whole.
pub(crate) fn grow(site: &str, route: &str, answer: &Answer, bytes: u64) {
    UNCARRIED.with_borrow_mut(|uncarried| uncarried.of(site).sums.grow(route, answer, bytes));
}

/// Carries what was added up. Whether there is more that another round would carry.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn carry_traffic(env: Env) -> bool {
    for site in UNCARRIED.with_borrow(Uncarried::sites) {
        if let Err(failure) = flush(&env, &site).await {
            worker::console_error!(
                "what was answered for {site} was not counted, and is carried again: {failure:?}"
            );
        }
    }
    traces::send().await;
    UNCARRIED.with_borrow(Uncarried::has_any)
}

/// What was answered for a site between two moments, this isolate's answers among it.
pub(crate) async fn read(
    env: &Env,
    site: &str,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<Traffic, Failure> {
    let windows = windows(env, site, Span::Day, from, to).await?;
    let mut all = Traffic::default();
    windows.iter().for_each(|(_, traffic)| all.merge(traffic));
    Ok(all)
}

/// The same by windows of that span; where only longer ones are kept, by those. A longer window belongs
/// to the answer when any part of it does.
pub(crate) async fn windows(
    env: &Env,
    site: &str,
    span: Span,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<Vec<(Window, Traffic)>, Failure> {
    // What is here and cannot be carried now is no reason to show nothing.
    if let Err(failure) = flush(env, site).await {
        worker::console_error!("the numbers of {site} lack what this isolate has not carried: {failure:?}");
    }
    let query = serde_json::to_string(&Query { span, from, to }).map_err(Error::from)?;
    let bytes = ask(env, site, 0, "traffic/windows", Some(query.as_str().into())).await?;
    let windows = Windows::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?;
    Ok(windows.0.into_iter().collect())
}

/// Carries what there is of a site: first what was sent already, then the rest.
async fn flush(env: &Env, site: &str) -> Result<(), Failure> {
    while let Some(parcel) = UNCARRIED.with_borrow_mut(|uncarried| uncarried.next(site)) {
        let bytes = serde_json::to_vec(&parcel.label).map_err(Error::from)?;
        let mut body = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
        body.extend(bytes);
        body.extend(&parcel.traffic);
        ask(env, site, 0, "traffic/carried", Some(Uint8Array::from(body.as_slice()).into())).await?;
        UNCARRIED.with_borrow_mut(|uncarried| uncarried.of(site).arrived(parcel.label.number));
    }
    Ok(())
}

/// What an isolate has not carried yet. Bounded by the configured sites and the room of each's sums.
#[derive(Default)]
struct Uncarried {
    name: Option<String>,
    sites: BTreeMap<String, OfSite>,
}

#[derive(Default)]
struct OfSite {
    sums: Traffic,
    /// Sent, and not known to have arrived.
    sent: Option<Parcel>,
    parcels: u64,
}

#[derive(Clone)]
struct Parcel {
    label: Label,
    traffic: Vec<u8>,
}

/// What the object knows a parcel by.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Label {
    isolate: String,
    number: u64,
    /// When the last of it was answered.
    at: UnixMillis,
}

#[derive(Debug, Serialize, Deserialize)]
struct Query {
    span: Span,
    from: UnixMillis,
    to: UnixMillis,
}

impl Uncarried {
    fn of(&mut self, site: &str) -> &mut OfSite {
        self.sites.entry(site.to_owned()).or_default()
    }

    fn has_any(&self) -> bool {
        self.sites.values().any(|of_site| of_site.sent.is_some() || !of_site.sums.is_empty())
    }

    fn sites(&self) -> Vec<String> {
        self.sites.keys().cloned().collect()
    }

    /// The parcel to send: the one that may not have arrived, else what there is.
    fn next(&mut self, site: &str) -> Option<Parcel> {
        let isolate = self.name.get_or_insert_with(random).clone();
        let of_site = self.of(site);
        if of_site.sent.is_none() && !of_site.sums.is_empty() {
            of_site.parcels = of_site.parcels.saturating_add(1);
            let at = UnixMillis(Date::now().as_millis());
            let label = Label { isolate, number: of_site.parcels, at };
            let traffic = std::mem::take(&mut of_site.sums).encode();
            of_site.sent = Some(Parcel { label, traffic });
        }
        of_site.sent.clone()
    }
}

impl OfSite {
    fn arrived(&mut self, number: u64) {
        self.sent.take_if(|parcel| parcel.label.number == number);
    }
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static UNCARRIED: RefCell<Uncarried> = RefCell::default();
}

impl Shard {
    /// The calls about traffic.
    pub(crate) async fn traffic(&self, mut request: Request) -> Result<Response> {
        match request.path().as_str() {
            "/traffic/carried" => {
                let bytes = request.bytes().await?;
                let (label, traffic) = unpacked(&bytes)?;
                self.carried(&label, &traffic)?;
                self.arm(shard::ROLL_AFTER).await?;
                Response::empty()
            }
            "/traffic/windows" => Response::from_bytes(self.answers(&request.json().await?)?.encode()),
            _ => Response::error("there is nothing here", 404),
        }
    }

    /// What this shard, the first of its site, has been told was answered between two moments.
    pub(crate) fn answered(&self, span: Span, from: UnixMillis, to: UnixMillis) -> Result<Windows> {
        self.answers(&Query { span, from, to })
    }

    /// Takes a parcel, each number of an isolate's once. Without an await, so wholly or not at all.
    fn carried(&self, label: &Label, traffic: &Traffic) -> Result<()> {
        let Label { isolate, number: nth, at } = label;
        let rows =
            self.sql().exec("SELECT last FROM carriers WHERE isolate = ?", vec![isolate.as_str().into()])?;
        let last = rows.raw().next().transpose()?.and_then(|row| whole(row.first()?)).unwrap_or(0);
        if *nth <= last {
            return Ok(());
        }
        let now = shard::now();
        let window = self.rolled_to()?.window((*at).min(now)).unwrap_or(Window::of(Span::Minute, now));
        let mut routes: Vec<_> = traffic.routes.iter().collect();
        routes.sort_by_key(|(_, served)| std::cmp::Reverse(served.n()));
        for (route, served) in routes {
            self.put(window, self.with_room(window, route)?, served)?;
        }
        self.sql().exec(
            "INSERT OR REPLACE INTO carriers (isolate, last, at) VALUES (?, ?, ?)",
            vec![isolate.as_str().into(), number(*nth), number(now.0)],
        )?;
        self.sql().exec(
            "DELETE FROM carriers WHERE isolate IN
             (SELECT isolate FROM carriers ORDER BY at DESC, isolate LIMIT -1 OFFSET ?)",
            vec![number(MOST_CARRIERS)],
        )?;
        Ok(())
    }

    /// The name under which a window counts a route: its own, while there is room.
    fn with_room<'a>(&self, window: Window, route: &'a str) -> Result<&'a str> {
        let mut place = place(window);
        place.push(route.into());
        let rows = self
            .sql()
            .exec("SELECT count(*), max(route = ?3) FROM traffic WHERE span = ?1 AND start = ?2", place)?;
        let row = rows.raw().next().transpose()?.unwrap_or_default();
        let [routes, is_known] = [0, 1].map(|index| row.get(index).and_then(whole).unwrap_or(0));
        Ok(if is_known == 1 || routes < MOST_ROUTES as u64 { route } else { OTHER })
    }

    /// Adds to what a window has of a route.
    fn put(&self, window: Window, route: &str, more: &Served) -> Result<()> {
        let mut served = self.served(window, route)?;
        served.merge(more);
        let mut values = place(window);
        values.extend([route.into(), number(served.n()), SqlStorageValue::Blob(served.encode())]);
        let statement =
            "INSERT OR REPLACE INTO traffic (span, start, route, n, served) VALUES (?, ?, ?, ?, ?)";
        self.sql().exec(statement, values).map(drop)
    }

    fn served(&self, window: Window, route: &str) -> Result<Served> {
        let mut values = place(window);
        values.push(route.into());
        let rows = self
            .sql()
            .exec("SELECT served FROM traffic WHERE span = ? AND start = ? AND route = ?", values)?;
        match rows.raw().next().transpose()? {
            Some(row) => row.first().ok_or_else(stranger).and_then(stored),
            None => Ok(Served::default()),
        }
    }

    fn answers(&self, query: &Query) -> Result<Windows> {
        let mut windows = Windows::default();
        for span in Span::ALL {
            let from = Window::of(span, query.from).start;
            let rows = self.sql().exec(
                "SELECT start, route, served FROM traffic WHERE span = ? AND start >= ? AND start < ?
                 ORDER BY n DESC",
                vec![number(span.code().into()), number(from.0), number(query.to.0)],
            )?;
            for row in rows.raw() {
                let row = row?;
                let [start, SqlStorageValue::String(route), served] = row.as_slice() else {
                    return Err(stranger());
                };
                let start = UnixMillis(whole(start).ok_or_else(stranger)?);
                windows.add(query.span, Window { span, start }, route, &stored(served)?);
            }
        }
        Ok(windows)
    }

    /// Moves what is old into longer windows, and lets go of what is too old; all of it without an await,
    /// because the horizon must move together with what it describes.
    pub(crate) fn roll_traffic(&self) -> Result<()> {
        let day = number(shard::now().before(Span::Day.millis()).0);
        self.sql().exec("DELETE FROM carriers WHERE at < ?", vec![day])?;
        let before = self.rolled_to()?;
        let after = before.advanced(&self.retention()?, shard::now());
        if after == before {
            return Ok(());
        }
        self.sql().exec("DELETE FROM traffic WHERE start < ?", vec![number(after.days.0)])?;
        for window in self.due(&after)? {
            self.roll_into(window)?;
        }
        self.keep(ROLLED_TO, &after)
    }

    /// The windows into which something has to be rolled.
    fn due(&self, after: &Horizon) -> Result<BTreeSet<Window>> {
        let rows = self.sql().exec(
            "SELECT DISTINCT start FROM traffic WHERE (span = 0 AND start < ?) OR (span = 1 AND start < ?)",
            vec![number(after.minutes.0), number(after.hours.0)],
        )?;
        let mut due = BTreeSet::new();
        for row in rows.raw() {
            let start = row?.first().and_then(whole).ok_or_else(stranger)?;
            due.extend(after.window(UnixMillis(start)));
        }
        Ok(due)
    }

    /// Brings all that lies in a window into it, a route at a time. The routes that were asked for most
    /// find room.
    fn roll_into(&self, window: Window) -> Result<()> {
        let Window { span, start } = window;
        let within =
            || vec![number(span.code().into()), number(start.0), number(start.after(span.millis()).0)];
        let rows = self.sql().exec(
            "SELECT route FROM traffic WHERE span <= ? AND start >= ? AND start < ?
             GROUP BY route ORDER BY route = '(other)' DESC, sum(n) DESC, route",
            within(),
        )?;
        let mut routes = Vec::new();
        for row in rows.raw() {
            match row?.into_iter().next() {
                Some(SqlStorageValue::String(route)) => routes.push(route),
                _ => return Err(stranger()),
            }
        }
        for (index, route) in routes.iter().enumerate() {
            let mut of_route = within();
            of_route.push(route.as_str().into());
            let rows = self.sql().exec(
                "SELECT served FROM traffic WHERE span <= ? AND start >= ? AND start < ? AND route = ?",
                of_route.clone(),
            )?;
            let mut all = Served::default();
            for row in rows.raw() {
                all.merge(&row?.first().ok_or_else(stranger).and_then(stored)?);
            }
            self.sql().exec(
                "DELETE FROM traffic WHERE span <= ? AND start >= ? AND start < ? AND route = ?",
                of_route,
            )?;
            self.put(window, if index < MOST_ROUTES { route } else { OTHER }, &all)?;
        }
        Ok(())
    }

    fn rolled_to(&self) -> Result<Horizon> {
        Ok(self.kept(ROLLED_TO)?.unwrap_or_default())
    }
}

/// A name that no other isolate has.
fn random() -> String {
    let half = || (Math::random() * 2f64.powi(52)) as u64;
    format!("{:013x}{:013x}", half(), half())
}

fn unpacked(bytes: &[u8]) -> Result<(Label, Traffic)> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(stranger)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| stranger())?;
    let (label, traffic) = rest.split_at_checked(length).ok_or_else(stranger)?;
    Ok((serde_json::from_slice(label)?, Traffic::decode(traffic).map_err(|_| stranger())?))
}

fn stored(value: &SqlStorageValue) -> Result<Served> {
    match value {
        SqlStorageValue::Blob(bytes) => Served::decode(bytes).map_err(|_| stranger()),
        _ => Err(stranger()),
    }
}

fn place(window: Window) -> Vec<SqlStorageValue> {
    vec![number(window.span.code().into()), number(window.start.0)]
}

fn stranger() -> Error {
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
const ROLLED_TO: &str = "traffic-horizon";
/// An isolate that is forgotten among so many could count a parcel twice, if it sent it again.
const MOST_CARRIERS: u64 = 10_000;
