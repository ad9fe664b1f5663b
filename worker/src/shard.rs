//! The Durable Object that holds a shard of a site, and how to reach it. It is always: load, ask the
//! ledger, store, perform. Beacons are committed in groups, which the shim brings together.

use std::cell::{Cell as Slot, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use budget::{Budgets, Watched, leading};
use ledger::{
    Cell, CellKey, Counted, Counts, Effect, Groups, Horizon, Labels, Places, Query, Retention, Room, Rooms,
    Rulings, Span, Told, View, Window, fold, needed, roll,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::{Refusal, UnixMillis};
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{
    Date, DurableObject, Env, Error, Method, Request, RequestInit, Response, Result, SqlStorage,
    SqlStorageValue, State, Stub, durable_object, wasm_bindgen,
};

use crate::alarm::Alarm;
use crate::answer::Failure;
use crate::budgets;
use crate::config::Config;
use crate::push::Pushes;
use crate::watching::{self, Name, Seen};

/// Adds to the refusals that a site has counted, by reason. They are of no view, so one shard has all.
pub(crate) async fn refused(env: &Env, site: &str, reasons: &BTreeMap<&'static str, u64>) -> Result<()> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(serde_json::to_string(reasons)?.into()));
    let request = Request::new_with_init("https://shard.invalid/refused", &init)?;
    match stub(env, site, 0)?.fetch_with_request(request).await?.status_code() {
        204 => Ok(()),
        status => Err(Error::RustError(format!("refusals of {site} were not counted: {status}"))),
    }
}

/// Asks every shard of a site, and merges what they answer.
pub(crate) async fn read(env: &Env, config: &Config, site: &str, query: &Query) -> Result<Groups, Failure> {
    merged(env, config, site, query, "read").await
}

/// The same, of shards that have looked for a newer budgets.json right before.
pub(crate) async fn read_by_latest(
    env: &Env,
    config: &Config,
    site: &str,
    query: &Query,
) -> Result<Groups, Failure> {
    merged(env, config, site, query, "read-by-latest").await
}

async fn merged(env: &Env, config: &Config, site: &str, query: &Query, how: &str) -> Result<Groups, Failure> {
    let question = serde_json::to_string(query).map_err(Error::from)?;
    let mut groups = Groups::default();
    for shard in config.shards.all() {
        let bytes = ask(env, site, shard, how, Some(question.as_str().into())).await?;
        groups.merge(Groups::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?);
    }
    Ok(groups)
}

/// Asks every shard of a site for its counts of the last days.
pub(crate) async fn counts(env: &Env, config: &Config, site: &str) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    for shard in config.shards.all() {
        let bytes = ask(env, site, shard, "counts", None).await?;
        counts.merge(Counts::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?);
    }
    Ok(counts)
}

/// Has a site's first shard look at what all of them have counted, and remember what it saw.
pub(crate) async fn look(env: &Env, site: &str, counts: Vec<u8>) -> Result<Vec<u8>, Failure> {
    ask(env, site, 0, "look", Some(Uint8Array::from(counts.as_slice()).into())).await
}

/// Asks another object of the same site, from within one.
async fn others(env: &Env, site: &str, shard: u32, what: &str, body: Option<JsValue>) -> Result<Vec<u8>> {
    ask(env, site, shard, what, body).await.map_err(|failure| match failure {
        Failure::Broken(error) => error,
        Failure::Refused(refusal) => Error::RustError(format!("shard {shard}: {refusal}")),
    })
}

async fn ask(
    env: &Env,
    site: &str,
    shard: u32,
    what: &str,
    body: Option<JsValue>,
) -> Result<Vec<u8>, Failure> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(body);
    let request = Request::new_with_init(&format!("https://shard.invalid/{what}"), &init)?;
    let mut response = stub(env, site, shard)?.fetch_with_request(request).await?;
    match response.status_code() {
        200 => Ok(response.bytes().await?),
        _ => Err(Refusal::Unavailable { part: "ledger" }.into()),
    }
}

/// Wakes a shard, so that it does what is due.
pub(crate) async fn poke(env: &Env, site: &str, shard: u32) -> Result<()> {
    let mut init = RequestInit::new();
    // The first one learns whose first one it is: it has more to do.
    init.with_method(Method::Post).with_body((shard == 0).then(|| site.into()));
    let request = Request::new_with_init("https://shard.invalid/poke", &init)?;
    stub(env, site, shard)?.fetch_with_request(request).await.map(drop)
}

fn stub(env: &Env, site: &str, shard: u32) -> Result<Stub> {
    env.durable_object("SHARDS_OF_SITES")?.get_by_name(&name(site, shard))
}

/// The name of the object that holds a shard of a site.
pub(crate) fn name(site: &str, shard: u32) -> String {
    format!("{site}/{shard}")
}

/// Which shard holds the views of a page load: FNV-1a of its id.
pub(crate) fn of(id: &str, shards: u32) -> u32 {
    let hash =
        id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.checked_rem(shards).unwrap_or_default()
}

/// A shard of a site: its journal of views, and the cells they are counted in.
#[durable_object]
#[derive(Debug)]
pub struct Shard {
    state: State,
    env: Env,
    is_open: Slot<bool>,
    alarm: Rc<Alarm>,
    /// When the cells are looked after next: at once, where nobody knows.
    tends_at: Slot<UnixMillis>,
    /// What the first shard of a site owes.
    pub(crate) pushes: Rc<Pushes>,
    /// Known while all that was written under it succeeded; else read again.
    rooms: RefCell<Option<Rooms>>,
    ruled: RefCell<Option<Ruled>>,
}

/// The budgets by which views are judged, and those before.
#[derive(Clone, Debug)]
pub(crate) struct Ruled {
    rulings: Rulings,
    pub(crate) budgets: Rc<Budgets>,
}

impl DurableObject for Shard {
    fn new(state: State, env: Env) -> Self {
        let (is_open, tends_at, rooms, ruled) = Default::default();
        let alarm = Rc::new(Alarm::new(state.storage()));
        let pushes = Rc::new(Pushes::new(state.storage(), env.clone(), Rc::clone(&alarm)));
        Self { state, env, is_open, alarm, tends_at, pushes, rooms, ruled }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        self.opened()?;
        match request.path().as_str() {
            path @ ("/read" | "/read-by-latest") => {
                let query: Query = request.json().await?;
                self.fold(if path == "/read" { budgets::FRESH } else { 0 }).await?;
                Response::from_bytes(self.read(&query)?.encode())
            }
            "/counts" => {
                self.fold(budgets::FRESH).await?;
                Response::from_bytes(self.counts()?.encode())
            }
            "/look" => {
                let counts = request.bytes().await?;
                let counts = Counts::decode(&counts).map_err(|error| Error::RustError(error.to_string()))?;
                let Ruled { budgets, .. } = self.ruled(budgets::FRESH).await?;
                Response::from_bytes(serde_json::to_vec(&self.look(&counts, &budgets)?)?)
            }
            "/refused" => {
                self.refused(request.json().await?)?;
                Ok(Response::empty()?.with_status(204))
            }
            "/poke" => {
                let site = request.text().await?;
                self.tend().await?;
                if !site.is_empty() {
                    self.keep("site", &site)?;
                    self.mind(&site).await?;
                }
                Response::empty()
            }
            _ => Response::error("there is nothing here", 404),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.opened()?;
        self.alarm.went_off();
        match self.tends_at.get() {
            due if due <= now() => self.tend().await?,
            later => self.alarm.by(later).await?,
        }
        if let Some(site) = self.kept::<String>("site")? {
            self.owed(&site).await;
        }
        Response::empty()
    }
}

#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
impl Shard {
    /// Writes rows that were told, in one statement and without an await. The output gate holds every
    /// answer until that is on disk.
    pub fn commit(&self, rows: &str) -> bool {
        let batch = || self.sql().exec(JOURNAL, vec![format!("[{rows}]").into(), number(now().0)]);
        if let Err(error) = self.opened().and_then(|()| batch()) {
            worker::console_error!("{} bytes of beacons could not be stored: {error}", rows.len());
            return false;
        }
        let folds_at = now().after(FOLD_AFTER);
        if self.tends_at.get() > folds_at || self.tends_at.get() == UnixMillis(0) {
            self.tends_at.set(folds_at);
            let alarm = Rc::clone(&self.alarm);
            spawn_local(async move {
                if let Err(error) = alarm.by(folds_at).await {
                    // The rows are stored; the cron goes on with them.
                    worker::console_error!("the alarm could not be armed: {error}");
                }
            });
        }
        true
    }
}

impl Shard {
    /// Makes the tables, or brings those of an earlier version up to this one. Those of a later version
    /// are left alone.
    fn open(&self) -> Result<()> {
        let version: Option<u64> = if self.has("facts")? { self.kept("schema")? } else { None };
        match version {
            None => self.run(SCHEMA)?,
            Some(1) => self.bring_up_1()?,
            Some(2) => return self.run(SCHEMA),
            Some(later) => {
                return Err(Error::RustError(format!(
                    "the tables have version {later}; deploy a Worker that knows it"
                )));
            }
        }
        self.keep("schema", &VERSION)
    }

    /// From version 1 to 2, a bounded number of rows at a time. Whatever fails in between, each row
    /// stands in one of the two tables at least, and the next attempt goes on from there.
    fn bring_up_1(&self) -> Result<()> {
        if !self.has("views_1")? {
            self.run(FROM_1)?;
        }
        self.run(SCHEMA)?;
        self.run(BESIDE_2)?;
        for _ in 0..MOST_STEPS {
            self.run(STEP_INTO_2)?;
            let mut rest = self.sql().exec("SELECT EXISTS (SELECT 1 FROM views_1)", None)?.raw();
            if rest.next().transpose()?.as_deref().and_then(|row| whole(row.first()?)) == Some(0) {
                return self.run(&["DROP TABLE views_1"]);
            }
        }
        Err(Error::RustError("the journal of version 1 is being brought up; the next event goes on".into()))
    }

    fn has(&self, table: &str) -> Result<bool> {
        let found = self.sql().exec("SELECT 1 FROM sqlite_master WHERE name = ?", vec![table.into()])?;
        Ok(found.raw().next().transpose()?.is_some())
    }

    fn run(&self, statements: &[&str]) -> Result<()> {
        statements.iter().try_for_each(|statement| self.sql().exec(statement, None).map(drop))
    }

    /// Storage, where it is of a version that this Worker knows. Until then everything is answered as
    /// unavailable.
    fn opened(&self) -> Result<()> {
        if !self.is_open.get() {
            let closed = |error| Error::RustError(format!("the tables could not be opened: {error}"));
            self.open().map_err(closed)?;
            self.is_open.set(true);
        }
        Ok(())
    }

    fn refused(&self, reasons: BTreeMap<String, u64>) -> Result<()> {
        let hour = Window::of(Span::Hour, now()).start;
        for (reason, count) in reasons {
            self.sql().exec(
                "INSERT INTO refused (start, reason, count) VALUES (?1, ?2, ?3)
                 ON CONFLICT (start, reason) DO UPDATE SET count = count + excluded.count",
                vec![number(hour.0), reason.into(), number(count)],
            )?;
        }
        Ok(())
    }

    /// Brings the cells up to what was told, a block of views at a time. Each block is written without
    /// an await, so wholly or not at all.
    async fn fold(&self, age: u64) -> Result<()> {
        let Ruled { budgets, .. } = self.ruled(age).await?;
        loop {
            let views = self.behind()?;
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
            self.perform(fold(views, cells, &mut rooms, &horizon, limits))?;
            self.keep("heavy", rooms.heavy())?;
            self.rooms.replace(Some(rooms));
        }
    }

    /// The budgets that rule, once what is offered has been looked at. The last good ones are kept here:
    /// they go on when what is offered is wrong, or is not to be had.
    pub(crate) async fn ruled(&self, age: u64) -> Result<Ruled> {
        let offered = budgets::offered(&self.env, age).await;
        let known = match self.ruled.take() {
            Some(Ruled { rulings, .. }) => rulings,
            None => self.kept("budgets")?.unwrap_or_default(),
        };
        let mut rulings = known.clone();
        let (budgets, is_news) = match &offered.file {
            Ok((text, budgets)) => (Rc::clone(budgets), rulings.accept(text, offered.source, now())),
            Err(why) => {
                let is_news = rulings.refuse(why, offered.source, now());
                let why = |_| Error::RustError(format!("no budgets.json was ever good: {why}"));
                (Rc::new(budgets::ruling(&rulings).map_err(why)?), is_news)
            }
        };
        if is_news {
            self.keep("budgets", &rulings)?;
        }
        let ruled = Ruled { rulings, budgets };
        self.ruled.replace(Some(ruled.clone()));
        Ok(ruled)
    }

    /// The counts of the last days.
    fn counts(&self) -> Result<Counts> {
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
            is_counted.ok_or_else(|| Error::RustError("a stored cell is of no version of ours".into()))?;
        }
        Ok(counts)
    }

    /// Looks at what all shards have counted. Without an await, so that two looks never mix.
    fn look(&self, counts: &Counts, budgets: &Budgets) -> Result<Vec<Seen>> {
        let now = now();
        let before: Option<String> = self.kept("release")?;
        let leads = leading(before.as_deref(), &counts.releases).map(str::to_owned);
        let is_new_release = before.is_some() && before != leads;
        if before != leads {
            self.keep("release", &leads)?;
        }
        let mut known = BTreeMap::new();
        for row in self.sql().exec("SELECT cell, state FROM watched", None)?.raw() {
            if let [SqlStorageValue::String(name), SqlStorageValue::String(state)] = row?.as_slice() {
                known.insert(serde_json::from_str::<Name>(name)?, serde_json::from_str::<Watched>(state)?);
            }
        }
        let seen = watching::looked(&known, watching::met(budgets, counts), now, is_new_release);
        for Seen { name, watched, .. } in &seen {
            if known.remove(name).as_ref() != Some(watched) {
                let row = vec![name.text()?.into(), serde_json::to_string(watched)?.into()];
                self.sql().exec("INSERT OR REPLACE INTO watched (cell, state) VALUES (?, ?)", row)?;
            }
        }
        for (name, watched) in known {
            let (name, renewed) = (name.text()?, watched.anew(now));
            if watched.is_over(now) {
                self.sql().exec("DELETE FROM watched WHERE cell = ?", vec![name.into()])?;
            } else if is_new_release {
                let row = vec![name.into(), serde_json::to_string(&renewed)?.into()];
                self.sql().exec("INSERT OR REPLACE INTO watched (cell, state) VALUES (?, ?)", row)?;
            }
        }
        Ok(seen)
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

    /// What is due: fold, roll up, sweep, and arm the next alarm, last.
    async fn tend(&self) -> Result<()> {
        self.tends_at.set(UnixMillis(u64::MAX));
        self.fold(budgets::FRESH).await?;
        self.roll()?;
        self.sql().exec(
            "DELETE FROM views WHERE heard_at < ? AND NOT behind",
            vec![number(now().before(SETTLED).0)],
        )?;
        let kept = number(now().before(self.retention()?.days).0);
        self.sql().exec("DELETE FROM refused WHERE start < ?", vec![kept])?;
        let mut rest = self
            .sql()
            .exec("SELECT EXISTS (SELECT 1 FROM views), EXISTS (SELECT 1 FROM cells WHERE span < 2)", None)?
            .raw();
        let (views, cells) = match rest.next().transpose()?.as_deref() {
            Some([views, cells]) => (whole(views) != Some(0), whole(cells) != Some(0)),
            _ => (true, true),
        };
        match (views, cells) {
            (true, _) => self.arm(SWEEP_AFTER).await,
            (false, true) => self.arm(ROLL_AFTER).await,
            // All is rolled up into days: the object sleeps until somebody visits.
            (false, false) => Ok(()),
        }
    }

    fn roll(&self) -> Result<()> {
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
        loop {
            let old = self.old(&after, None)?;
            if old.is_empty() {
                break;
            }
            let into: BTreeSet<CellKey> =
                old.iter().filter_map(|(key, _)| key.rolled(&places, &after)).collect();
            let cells = self.load(into)?;
            self.perform(roll(old, cells, &places, &after))?;
        }
        let mut rooms = self.rooms()?;
        rooms.age();
        self.keep("heavy", rooms.heavy())?;
        self.keep("horizon", &after)?;
        self.rooms.replace(Some(rooms));
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

    fn read(&self, query: &Query) -> Result<Groups> {
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
        for span in Span::ALL {
            // A longer window belongs to the answer when any part of it does.
            let from = Window::of(span, query.from).start;
            let rows = self.rows(
                "SELECT span, start, series, cell FROM cells WHERE span = ? AND start >= ? AND start < ?",
                vec![number(span.code().into()), number(from.0), number(query.to.0)],
            )?;
            for (key, cell) in rows {
                if query.accepts(&key.labels) {
                    groups.add(query.group(key.window, &key.labels), &cell);
                }
            }
        }
        Ok(groups)
    }

    fn perform(&self, effects: Vec<Effect>) -> Result<()> {
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
        if !counted.is_empty() {
            let rows = serde_json::to_string(&counted).map_err(Error::from)?;
            sql.exec(COUNTED, vec![rows.into()])?;
        }
        Ok(())
    }

    /// The next views whose cells are behind what they told.
    fn behind(&self) -> Result<Vec<View>> {
        let cursor = self
            .sql()
            .exec("SELECT view, start, seq, heard, told, counted FROM views WHERE behind LIMIT 500", None)?;
        let mut views = Vec::new();
        for row in cursor.raw() {
            let row = row?;
            let view = match row.as_slice() {
                [
                    SqlStorageValue::String(view),
                    start,
                    seq,
                    heard,
                    SqlStorageValue::String(told),
                    counted,
                ] => view_of(view, [start, seq, heard], told, counted),
                _ => None,
            };
            views
                .push(view.ok_or_else(|| Error::RustError("a journal row is of no version of ours".into()))?);
        }
        Ok(views)
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
        for row in self.sql().exec(query, values)?.raw() {
            let row = row?;
            let cell = match row.as_slice() {
                [span, start, SqlStorageValue::String(series), SqlStorageValue::Blob(cell)] => {
                    cell_of(span, start, series, cell)
                }
                _ => None,
            };
            cells
                .push(cell.ok_or_else(|| Error::RustError("a stored cell is of no version of ours".into()))?);
        }
        Ok(cells)
    }

    fn retention(&self) -> Result<Retention> {
        Ok(self.config()?.retention)
    }

    pub(crate) fn horizon(&self) -> Result<Horizon> {
        Ok(self.kept("horizon")?.unwrap_or_default())
    }

    fn kept<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        kept(&self.sql(), name)
    }

    fn keep(&self, name: &str, value: &impl Serialize) -> Result<()> {
        keep(&self.sql(), name, value)
    }

    fn heard_at(&self) -> Result<Option<UnixMillis>> {
        let row = self.sql().exec("SELECT max(heard_at) FROM views", None)?.raw().next();
        Ok(row.transpose()?.as_deref().and_then(|row| whole(row.first()?)).map(UnixMillis))
    }

    /// Sees to it that the cells are looked after, at the latest after the delay.
    async fn arm(&self, delay: u64) -> Result<()> {
        let at = now().after(delay).min(self.tends_at.get());
        self.tends_at.set(at);
        self.alarm.by(at).await
    }

    /// What the first shard does for its site, each quarter of an hour.
    async fn mind(&self, site: &str) -> Result<()> {
        self.owed(site).await;
        if let Err(error) = self.correct(site).await {
            worker::console_error!("what came late for {site} is not told yet: {error}");
        }
        Ok(())
    }

    /// What the first shard owes others.
    async fn owed(&self, site: &str) {
        if let Err(error) = self.push(site).await {
            worker::console_error!("the push of {site} rests until the next alarm: {error}");
        }
    }

    /// The answer of all shards together.
    pub(crate) async fn read_all(&self, site: &str, config: &Config, query: &Query) -> Result<Groups> {
        self.fold(budgets::FRESH).await?;
        let mut groups = self.read(query)?;
        let question = serde_json::to_string(query)?;
        for shard in config.shards.all().skip(1) {
            let bytes = others(&self.env, site, shard, "read", Some(question.as_str().into())).await?;
            groups.merge(Groups::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?);
        }
        Ok(groups)
    }

    /// The counts of all shards together.
    pub(crate) async fn count_all(&self, site: &str, config: &Config) -> Result<Counts> {
        self.fold(budgets::FRESH).await?;
        let mut counts = self.counts()?;
        for shard in config.shards.all().skip(1) {
            let bytes = others(&self.env, site, shard, "counts", None).await?;
            counts.merge(Counts::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?);
        }
        Ok(counts)
    }

    pub(crate) fn config(&self) -> Result<Rc<Config>> {
        Config::of(&self.env).map_err(|mistake| Error::RustError(mistake.to_string()))
    }

    pub(crate) fn sql(&self) -> SqlStorage {
        self.state.storage().sql()
    }
}

/// What is kept under that name.
pub(crate) fn kept<T: DeserializeOwned>(sql: &SqlStorage, name: &str) -> Result<Option<T>> {
    Ok(fact(sql, name)?.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// The same as the text that it is.
pub(crate) fn fact(sql: &SqlStorage, name: &str) -> Result<Option<String>> {
    let row = sql.exec("SELECT value FROM facts WHERE name = ?", vec![name.into()])?.raw().next();
    Ok(match row.transpose()?.as_deref() {
        Some([SqlStorageValue::String(text)]) => Some(text.clone()),
        _ => None,
    })
}

pub(crate) fn keep(sql: &SqlStorage, name: &str, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(Error::from)?;
    let statement = "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)";
    sql.exec(statement, vec![name.into(), text.into()]).map(drop)
}

fn view_of(
    view: &str,
    [start, seq, heard]: [&SqlStorageValue; 3],
    told: &str,
    counted: &SqlStorageValue,
) -> Option<View> {
    let counted: Option<Counted> = match counted {
        SqlStorageValue::String(text) => Some(serde_json::from_str(text).ok()?),
        _ => None,
    };
    Some(View {
        key: view.to_owned(),
        start: UnixMillis(whole(start)?),
        seq: u16::try_from(whole(seq)?).ok()?,
        heard: u32::try_from(whole(heard)?).ok()?,
        told: Told::stored(told)?,
        counted,
    })
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

pub(crate) fn number(value: u64) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

pub(crate) fn whole(value: &SqlStorageValue) -> Option<u64> {
    match value {
        SqlStorageValue::Integer(value) => u64::try_from(*value).ok(),
        _ => None,
    }
}

pub(crate) fn now() -> UnixMillis {
    UnixMillis(Date::now().as_millis())
}

/// Milliseconds that told views wait until they are folded; a read folds at once.
const FOLD_AFTER: u64 = 10_000;
const SWEEP_AFTER: u64 = 15 * 60_000;
const ROLL_AFTER: u64 = 60 * 60_000;
/// How long a view may be corrected after it was last heard of, in milliseconds.
const SETTLED: u64 = 2 * 60 * 60 * 1000;

/// The version of the tables.
const VERSION: u8 = 2;
/// Of a thousand rows each, in one event.
const MOST_STEPS: usize = 20;

/// Views in the order in which they came: random names in a narrow index, wide rows one after another.
/// Version 1 kept the rows themselves by name, and each beacon wrote a page of its own.
const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS views (
        view TEXT NOT NULL UNIQUE, start INTEGER NOT NULL, heard_at INTEGER NOT NULL, seq INTEGER NOT NULL,
        heard INTEGER NOT NULL, behind INTEGER NOT NULL, told TEXT NOT NULL, counted TEXT
     )",
    "CREATE INDEX IF NOT EXISTS views_behind ON views (behind) WHERE behind",
    "CREATE INDEX IF NOT EXISTS views_heard_at ON views (heard_at)",
    "CREATE TABLE IF NOT EXISTS cells (
        span INTEGER NOT NULL, start INTEGER NOT NULL, series TEXT NOT NULL, cell BLOB NOT NULL,
        PRIMARY KEY (span, start, series)
     ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS watched (cell TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS refused (
        start INTEGER NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (start, reason)
     ) WITHOUT ROWID",
    // What the first shard of a site owes: documents, and what they were made of when they were told.
    "CREATE TABLE IF NOT EXISTS outbox (
        queue TEXT NOT NULL, seq INTEGER NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (queue, seq)
     ) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS bodies (
        queue TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (queue, seq)
     )",
    "CREATE TABLE IF NOT EXISTS told (
        queue TEXT NOT NULL, start INTEGER NOT NULL, revision INTEGER NOT NULL, print TEXT NOT NULL,
        PRIMARY KEY (queue, start)
     ) WITHOUT ROWID",
];

/// From version 1 to 2: what is there is set aside, and moved in the order in which it was heard.
const FROM_1: &[&str] = &[
    "DROP INDEX IF EXISTS views_behind",
    "DROP INDEX IF EXISTS views_heard_at",
    "ALTER TABLE views RENAME TO views_1",
];
const BESIDE_2: &[&str] = &["CREATE INDEX IF NOT EXISTS views_1_heard_at ON views_1 (heard_at, view)"];
const STEP_INTO_2: &[&str] = &[
    "INSERT OR IGNORE INTO views (view, start, heard_at, seq, heard, behind, told, counted)
     SELECT view, start, heard_at, seq, heard, behind, told, counted FROM views_1
     ORDER BY heard_at, view LIMIT 1000",
    "DELETE FROM views_1 WHERE view IN (SELECT view FROM views_1 ORDER BY heard_at, view LIMIT 1000)",
];

/// A batch of rows, in one statement and one parameter. A later send of a view replaces an earlier
/// one, a repeated one changes nothing. A correction of a view that was swept long ago is passed over:
/// its count stands, and to add it again would count it twice. A report of web-vitals (`~`) has no
/// number. What is reported again has grown, so of two the larger stands, in whatever order they come.
const JOURNAL: &str = "
    INSERT INTO views (view, start, heard_at, seq, heard, behind, told)
    SELECT value ->> 'k', value ->> 's', ?2, value ->> 'q', 1 << (value ->> 'q'), 1, value -> 't'
    FROM json_each(?1)
    WHERE value ->> 'q' = 0 OR value ->> 'a' < 7200000
       OR EXISTS (SELECT 1 FROM views AS known WHERE known.view = value ->> 'k')
    ON CONFLICT (view) DO UPDATE SET
        heard_at = excluded.heard_at,
        told = iif(excluded.seq > seq OR (view LIKE '~%'
            AND (SELECT max(value) FROM json_each(excluded.told, '$.m'))
              > (SELECT max(value) FROM json_each(views.told, '$.m'))), excluded.told, told),
        behind = behind OR excluded.heard & ~heard OR (view LIKE '~%'
            AND (SELECT max(value) FROM json_each(excluded.told, '$.m'))
              > (SELECT max(value) FROM json_each(views.told, '$.m'))),
        heard = heard | excluded.heard,
        seq = max(seq, excluded.seq)";

/// What is now counted of these views.
const COUNTED: &str = "
    UPDATE views SET behind = 0, counted = row.value -> '$[1]'
    FROM json_each(?1) AS row WHERE view = row.value ->> '$[0]'";
