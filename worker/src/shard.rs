//! The Durable Object that holds a shard of a site, and how to reach it. It is always: load, ask the
//! ledger, store, perform. The journal, the cells and their tables have files of their own.

pub(crate) mod causes;
mod cells;
mod first;
mod journal;
pub(crate) mod live;
mod tables;

use std::cell::{Cell as Slot, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use budget::{Budgets, Watched, leading};
use ledger::{Counts, Groups, Query, Recent, Retention, Rooms, Rulings, Span, Window};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::{Refusal, UnixMillis};
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::JsValue;
use worker::{
    Date, DurableObject, Env, Error, Method, Request, RequestInit, Response, Result, SqlStorage,
    SqlStorageValue, State, Stub, durable_object, wasm_bindgen,
};

use crate::alarm::Alarm;
use crate::alerts::Calls;
use crate::answer::Failure;
use crate::budgets;
use crate::config::Config;
use crate::health::OriginAsked;
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

/// Asks every shard of a site why visits were slow.
pub(crate) async fn causes_of(
    env: &Env,
    config: &Config,
    site: &str,
    asked: &causes::Asked,
) -> Result<Vec<causes::Caused>, Failure> {
    let question = serde_json::to_string(asked).map_err(Error::from)?;
    let mut all = Vec::new();
    for shard in config.shards.all() {
        let bytes = ask(env, site, shard, "causes", Some(question.as_str().into())).await?;
        all.extend(serde_json::from_slice::<Vec<causes::Caused>>(&bytes).map_err(Error::from)?);
    }
    Ok(all)
}

/// Has a site's first shard look at what all of them have counted, and remember what it saw.
pub(crate) async fn look(env: &Env, site: &str, counts: Vec<u8>) -> Result<Vec<u8>, Failure> {
    ask(env, site, 0, "look", Some(Uint8Array::from(counts.as_slice()).into())).await
}

pub(crate) async fn ask(
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

/// Asks a site's first shard for something that is the whole site's, with a body of JSON; which site, it is told.
pub(crate) async fn first<T: DeserializeOwned>(
    env: &Env,
    site: &str,
    what: &str,
    body: &impl Serialize,
) -> Result<T, Failure> {
    let body = serde_json::to_string(&(site, body)).map_err(Error::from)?;
    let bytes = ask(env, site, 0, &format!("first/{what}"), Some(body.into())).await?;
    Ok(serde_json::from_slice(&bytes).map_err(Error::from)?)
}

/// The same, answered in bytes.
pub(crate) async fn first_bytes(env: &Env, site: &str, what: &str) -> Result<Vec<u8>, Failure> {
    let body = serde_json::to_string(&(site, ())).map_err(Error::from)?;
    ask(env, site, 0, &format!("first/{what}"), Some(body.into())).await
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
    state: Rc<State>,
    env: Env,
    live: Rc<live::Live>,
    is_open: Slot<bool>,
    alarm: Rc<Alarm>,
    /// When the cells are looked after next: at once, where nobody knows.
    tends_at: Slot<UnixMillis>,
    /// Whether what is sent is counted, once somebody has looked.
    pub(crate) monitored: Slot<Option<bool>>,
    /// What the first shard of a site knows of the origin.
    pub(crate) origin: OriginAsked,
    /// What it owes to backends.
    pub(crate) pushes: Rc<Pushes>,
    /// Whom it is to call.
    pub(crate) calls: Rc<Calls>,
    /// The number of the last row of the journal, while all that was written succeeded; else read again.
    last: Slot<Option<u64>>,
    /// Known while all that was written under it succeeded; else read again.
    rooms: RefCell<Option<Rooms>>,
    /// The same; and only where somebody has asked for pages.
    recent: RefCell<Option<Recent>>,
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
        let (live, is_open, tends_at, monitored, origin, last) = Default::default();
        let (rooms, recent, ruled) = Default::default();
        let alarm = Rc::new(Alarm::new(state.storage()));
        let pushes = Rc::new(Pushes::new(state.storage(), env.clone(), Rc::clone(&alarm)));
        let calls = Rc::new(Calls::new(state.storage(), env.clone(), Rc::clone(&alarm)));
        let state = Rc::new(state);
        Self {
            state,
            env,
            live,
            is_open,
            alarm,
            tends_at,
            monitored,
            origin,
            pushes,
            calls,
            last,
            rooms,
            recent,
            ruled,
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        self.opened()?;
        let path = request.path();
        match path.as_str() {
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
            "/causes" => {
                let asked: causes::Asked = request.json().await?;
                self.fold(budgets::FRESH).await?;
                Response::from_bytes(serde_json::to_vec(&self.causes(&asked)?)?)
            }
            "/live" => self.takes_listener(&request),
            "/listen" => {
                self.listen(request.text().await?)?;
                Response::empty()
            }
            "/told" => {
                let listeners = self.pass_on(&request.json().await?);
                Response::from_bytes(serde_json::to_vec(&listeners)?)
            }
            "/refused" => {
                self.refused(request.json().await?)?;
                Ok(Response::empty()?.with_status(204))
            }
            path if path.starts_with("/traffic/") => self.traffic(request).await,
            "/monitoring" => {
                self.monitor(request.text().await? != "stop")?;
                Response::empty()
            }
            "/poke" => {
                let site = request.text().await?;
                self.tend().await?;
                if !site.is_empty() {
                    self.mind(&site).await?;
                }
                Response::empty()
            }
            path => match path.strip_prefix("/first/") {
                Some(what) => self.first(what, request).await,
                None => Response::error("there is nothing here", 404),
            },
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.opened()?;
        self.alarm.went_off();
        match self.tends_at.get() {
            // The platform wakes it again after a failure.
            due if due <= now() => {
                self.tend().await.inspect_err(|_| self.tends_at.set(UnixMillis(0)))?;
            }
            NEVER => {}
            later => self.alarm.by(later).await?,
        }
        if let Some(site) = self.kept::<String>("site")? {
            self.owed(&site).await;
        }
        Response::empty()
    }
}

impl Shard {
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

    /// What is due: fold, roll up, sweep, and arm the next alarm, last.
    async fn tend(&self) -> Result<()> {
        self.tends_at.set(NEVER);
        self.fold(budgets::FRESH).await?;
        self.roll()?;
        let has_more = self.bring_in_pages()?;
        self.forgive()?;
        self.roll_traffic()?;
        self.sweep()?;
        let kept = number(now().before(self.retention()?.days).0);
        self.sql().exec("DELETE FROM refused WHERE start < ?", vec![kept])?;
        let mut rest = self
            .sql()
            .exec(
                "SELECT EXISTS (SELECT 1 FROM views), EXISTS (SELECT 1 FROM cells WHERE span < 2)
                 OR EXISTS (SELECT 1 FROM traffic WHERE span < 2)",
                None,
            )?
            .raw();
        let (views, cells) = match rest.next().transpose()?.as_deref() {
            Some([views, cells]) => (whole(views) != Some(0), whole(cells) != Some(0)),
            _ => (true, true),
        };
        match (views, cells) {
            _ if has_more => self.arm(FOLD_AFTER).await,
            (true, _) => self.arm(SWEEP_AFTER).await,
            (false, true) => self.arm(ROLL_AFTER).await,
            // All is rolled up into days: the object sleeps until somebody visits.
            (false, false) => Ok(()),
        }
    }

    pub(crate) fn retention(&self) -> Result<Retention> {
        Ok(self.config()?.retention)
    }

    pub(crate) fn kept<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        kept(&self.sql(), name)
    }

    pub(crate) fn keep(&self, name: &str, value: &impl Serialize) -> Result<()> {
        keep(&self.sql(), name, value)
    }

    pub(crate) fn config(&self) -> Result<Rc<Config>> {
        Config::of(&self.env).map_err(|mistake| Error::RustError(mistake.to_string()))
    }

    /// Sees to it that the cells are looked after, at the latest after so many milliseconds.
    pub(crate) async fn arm(&self, delay: u64) -> Result<()> {
        let at = now().after(delay).min(self.tends_at.get());
        self.tends_at.set(at);
        self.alarm.by(at).await
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
    // To read is cheaper than to write.
    if fact(sql, name)?.as_ref() == Some(&text) {
        return Ok(());
    }
    let statement = "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)";
    sql.exec(statement, vec![name.into(), text.into()]).map(drop)
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
pub(crate) const ROLL_AFTER: u64 = 60 * 60_000;
const NEVER: UnixMillis = UnixMillis(u64::MAX);
