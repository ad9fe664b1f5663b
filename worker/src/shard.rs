//! The Durable Object that holds a shard of a site, and how to reach it. It is always: load, ask the
//! ledger, store, perform. The journal, the cells and their tables have files of their own.

pub(crate) mod cause_store;
mod cell_store;
mod coordinator;
mod journal;
pub(crate) mod live;
mod schema;

use std::cell::{Cell as Slot, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use budget::{Budgets, SequentialTest, leading_release};
use ledger::{
    BudgetHistory, CardinalityGuard, HourlyLimitCounts, MinuteRollup, QueryResult, Retention, SeriesQuery,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sketch::stable_hash::fnv1a_32;
use wire::{ApiError, UnixMillis, Window, WindowSpan};
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::JsValue;
use worker::{
    Date, DurableObject, Env, Error, Method, Request, RequestInit, Response, Result, SqlStorage,
    SqlStorageValue, State, Stub, durable_object, wasm_bindgen,
};

use crate::alarm::AlarmScheduler;
use crate::alerts::AlertDispatcher;
use crate::budget_watch::{self, WatchKey, WatchOutcome};
use crate::budgets;
use crate::config::Config;
use crate::health::OriginHealthProbe;
use crate::push::PushDispatcher;
use crate::response::HandlerError;

/// Adds to the refusals that a site has counted, by reason. They are of no view, so one shard has all.
pub(crate) async fn report_rejections(
    env: &Env,
    site: &str,
    reasons: &BTreeMap<&'static str, u64>,
) -> Result<()> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(serde_json::to_string(reasons)?.into()));
    let request = Request::new_with_init("https://shard.invalid/refused", &init)?;
    match stub(env, site, 0)?.fetch_with_request(request).await?.status_code() {
        204 => Ok(()),
        status => Err(Error::RustError(format!("refusals of {site} were not counted: {status}"))),
    }
}

/// Asks every shard of a site, and merges what they answer.
pub(crate) async fn query(
    env: &Env,
    config: &Config,
    site: &str,
    query: &SeriesQuery,
) -> Result<QueryResult, HandlerError> {
    query_shards(env, config, site, query, "read").await
}

/// The same, of shards that have looked for a newer budgets.json right before.
pub(crate) async fn query_with_latest_budgets(
    env: &Env,
    config: &Config,
    site: &str,
    query: &SeriesQuery,
) -> Result<QueryResult, HandlerError> {
    query_shards(env, config, site, query, "read-by-latest").await
}

async fn query_shards(
    env: &Env,
    config: &Config,
    site: &str,
    query: &SeriesQuery,
    path: &str,
) -> Result<QueryResult, HandlerError> {
    let question = serde_json::to_string(query).map_err(Error::from)?;
    let mut groups = QueryResult::default();
    for shard in config.shards.indices() {
        let bytes = call_shard(env, site, shard, path, Some(question.as_str().into())).await?;
        groups.merge(QueryResult::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?);
    }
    Ok(groups)
}

/// Asks every shard of a site for its counts of the last days.
pub(crate) async fn limit_counts(
    env: &Env,
    config: &Config,
    site: &str,
) -> Result<HourlyLimitCounts, HandlerError> {
    let mut counts = HourlyLimitCounts::default();
    for shard in config.shards.indices() {
        let bytes = call_shard(env, site, shard, "counts", None).await?;
        counts.merge(HourlyLimitCounts::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?);
    }
    Ok(counts)
}

/// Asks every shard of a site why visits were slow.
pub(crate) async fn query_causes(
    env: &Env,
    config: &Config,
    site: &str,
    query: &cause_store::CauseQuery,
) -> Result<Vec<cause_store::PageCauses>, HandlerError> {
    let question = serde_json::to_string(query).map_err(Error::from)?;
    let mut all = Vec::new();
    for shard in config.shards.indices() {
        let bytes = call_shard(env, site, shard, "causes", Some(question.as_str().into())).await?;
        all.extend(serde_json::from_slice::<Vec<cause_store::PageCauses>>(&bytes).map_err(Error::from)?);
    }
    Ok(all)
}

/// Has a site's first shard look at what all of them have counted, and remember what it saw.
pub(crate) async fn evaluate_watches(
    env: &Env,
    site: &str,
    counts: Vec<u8>,
) -> Result<Vec<u8>, HandlerError> {
    call_shard(env, site, 0, "look", Some(Uint8Array::from(counts.as_slice()).into())).await
}

pub(crate) async fn call_shard(
    env: &Env,
    site: &str,
    shard: u32,
    path: &str,
    body: Option<JsValue>,
) -> Result<Vec<u8>, HandlerError> {
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(body);
    let request = Request::new_with_init(&format!("https://shard.invalid/{path}"), &init)?;
    let mut response = stub(env, site, shard)?.fetch_with_request(request).await?;
    match response.status_code() {
        200 => Ok(response.bytes().await?),
        _ => Err(ApiError::Unavailable { component: "ledger" }.into()),
    }
}

/// Asks a site's first shard for something that is the whole site's, with a body of JSON; which site, it is told.
pub(crate) async fn call_coordinator<T: DeserializeOwned>(
    env: &Env,
    site: &str,
    path: &str,
    body: &impl Serialize,
) -> Result<T, HandlerError> {
    let body = serde_json::to_string(&(site, body)).map_err(Error::from)?;
    let bytes = call_shard(env, site, 0, &format!("first/{path}"), Some(body.into())).await?;
    Ok(serde_json::from_slice(&bytes).map_err(Error::from)?)
}

/// The same, answered in bytes.
pub(crate) async fn call_coordinator_bytes(
    env: &Env,
    site: &str,
    path: &str,
) -> Result<Vec<u8>, HandlerError> {
    let body = serde_json::to_string(&(site, ())).map_err(Error::from)?;
    call_shard(env, site, 0, &format!("first/{path}"), Some(body.into())).await
}

/// Wakes a shard, so that it does what is due.
pub(crate) async fn wake(env: &Env, site: &str, shard: u32) -> Result<()> {
    let mut init = RequestInit::new();
    // The first one learns whose first one it is: it has more to do.
    init.with_method(Method::Post).with_body((shard == 0).then(|| site.into()));
    let request = Request::new_with_init("https://shard.invalid/poke", &init)?;
    stub(env, site, shard)?.fetch_with_request(request).await.map(drop)
}

fn stub(env: &Env, site: &str, shard: u32) -> Result<Stub> {
    env.durable_object("SHARDS_OF_SITES")?.get_by_name(&object_name(site, shard))
}

/// The name of the object that holds a shard of a site.
pub(crate) fn object_name(site: &str, shard: u32) -> String {
    format!("{site}/{shard}")
}

/// Returns the shard that holds the views of a page load.
pub(crate) fn shard_index(id: &str, shards: u32) -> u32 {
    fnv1a_32(id.bytes()).checked_rem(shards).unwrap_or_default()
}

/// A shard of a site: its journal of views, and the cells they are counted in.
#[durable_object]
#[derive(Debug)]
pub struct Shard {
    state: Rc<State>,
    env: Env,
    live: Rc<live::LiveState>,
    is_open: Slot<bool>,
    alarm: Rc<AlarmScheduler>,
    /// When the cells are looked after next: at once, where nobody knows.
    maintenance_at: Slot<UnixMillis>,
    /// Whether what is sent is counted, once somebody has looked.
    pub(crate) monitored: Slot<Option<bool>>,
    /// What the first shard of a site knows of the origin.
    pub(crate) origin_probe: OriginHealthProbe,
    /// What it owes to backends.
    pub(crate) push_dispatcher: Rc<PushDispatcher>,
    /// Whom it is to call.
    pub(crate) alert_dispatcher: Rc<AlertDispatcher>,
    /// The number of the last row of the journal, while all that was written succeeded; else read again.
    last_row_id: Slot<Option<u64>>,
    /// Known while all that was written under it succeeded; else read again.
    cardinality: RefCell<Option<CardinalityGuard>>,
    /// The same; and only where somebody has asked for pages.
    minute_rollup: RefCell<Option<MinuteRollup>>,
    active_budgets: RefCell<Option<ActiveBudgets>>,
}

/// The budgets by which views are judged, and those before.
#[derive(Clone, Debug)]
pub(crate) struct ActiveBudgets {
    history: BudgetHistory,
    pub(crate) budgets: Rc<Budgets>,
}

impl DurableObject for Shard {
    fn new(state: State, env: Env) -> Self {
        let (live, is_open, maintenance_at, monitored, origin_probe, last_row_id) = Default::default();
        let (cardinality, minute_rollup, active_budgets) = Default::default();
        let alarm = Rc::new(AlarmScheduler::new(state.storage()));
        let push_dispatcher = Rc::new(PushDispatcher::new(state.storage(), env.clone(), Rc::clone(&alarm)));
        let alert_dispatcher = Rc::new(AlertDispatcher::new(state.storage(), env.clone(), Rc::clone(&alarm)));
        let state = Rc::new(state);
        Self {
            state,
            env,
            live,
            is_open,
            alarm,
            maintenance_at,
            monitored,
            origin_probe,
            push_dispatcher,
            alert_dispatcher,
            last_row_id,
            cardinality,
            minute_rollup,
            active_budgets,
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        self.ensure_open()?;
        let path = request.path();
        match path.as_str() {
            path @ ("/read" | "/read-by-latest") => {
                let query: SeriesQuery = request.json().await?;
                self.fold(if path == "/read" { budgets::MAX_AGE_MS } else { 0 }).await?;
                Response::from_bytes(self.query_local(&query)?.encode())
            }
            "/counts" => {
                self.fold(budgets::MAX_AGE_MS).await?;
                Response::from_bytes(self.limit_counts()?.encode())
            }
            "/look" => {
                let counts = request.bytes().await?;
                let counts = HourlyLimitCounts::decode(&counts)
                    .map_err(|error| Error::RustError(error.to_string()))?;
                let ActiveBudgets { budgets, .. } = self.active_budgets(budgets::MAX_AGE_MS).await?;
                Response::from_bytes(serde_json::to_vec(&self.evaluate_watches(&counts, &budgets)?)?)
            }
            "/causes" => {
                let asked: cause_store::CauseQuery = request.json().await?;
                self.fold(budgets::MAX_AGE_MS).await?;
                Response::from_bytes(serde_json::to_vec(&self.read_causes(&asked)?)?)
            }
            "/live" => self.accept_listener(&request),
            "/listen" => {
                self.start_forwarding(request.text().await?)?;
                Response::empty()
            }
            "/told" => {
                let listeners = self.relay(&request.json().await?);
                Response::from_bytes(serde_json::to_vec(&listeners)?)
            }
            "/refused" => {
                self.add_rejections(request.json().await?)?;
                Ok(Response::empty()?.with_status(204))
            }
            path if path.starts_with("/traffic/") => self.handle_traffic_call(request).await,
            "/monitoring" => {
                self.set_monitoring(request.text().await? != "stop")?;
                Response::empty()
            }
            "/poke" => {
                let site = request.text().await?;
                self.maintain().await?;
                if !site.is_empty() {
                    self.run_cron(&site).await?;
                }
                Response::empty()
            }
            path => match path.strip_prefix("/first/") {
                Some(what) => self.handle_coordinator_call(what, request).await,
                None => Response::error("there is nothing here", 404),
            },
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.ensure_open()?;
        self.alarm.mark_fired();
        match self.maintenance_at.get() {
            // The platform wakes it again after a failure.
            due if due <= now() => {
                self.maintain().await.inspect_err(|_| self.maintenance_at.set(UnixMillis(0)))?;
            }
            NEVER => {}
            later => self.alarm.schedule_by(later).await?,
        }
        if let Some(site) = self.load_fact::<String>("site")? {
            self.run_outbound(&site).await;
        }
        Response::empty()
    }
}

impl Shard {
    fn add_rejections(&self, reasons: BTreeMap<String, u64>) -> Result<()> {
        let hour = Window::containing(WindowSpan::Hour, now()).start;
        for (reason, count) in reasons {
            self.sql().exec(
                "INSERT INTO refused (start, reason, count) VALUES (?1, ?2, ?3)
                 ON CONFLICT (start, reason) DO UPDATE SET count = count + excluded.count",
                vec![to_sql_integer(hour.0), reason.into(), to_sql_integer(count)],
            )?;
        }
        Ok(())
    }

    /// The budgets that rule, once what is offered has been looked at. The last good ones are kept here:
    /// they go on when what is offered is wrong, or is not to be had.
    pub(crate) async fn active_budgets(&self, max_age_ms: u64) -> Result<ActiveBudgets> {
        let offered = budgets::load(&self.env, max_age_ms).await;
        let known = match self.active_budgets.take() {
            Some(ActiveBudgets { history: rulings, .. }) => rulings,
            None => self.load_fact("budgets")?.unwrap_or_default(),
        };
        let mut rulings = known.clone();
        let (budgets, is_news) = match &offered.contents {
            Ok((text, budgets)) => (Rc::clone(budgets), rulings.accept(text, offered.source, now())),
            Err(why) => {
                let is_news = rulings.reject(why, offered.source, now());
                let why = |_| Error::RustError(format!("no budgets.json was ever good: {why}"));
                (Rc::new(budgets::in_force(&rulings).map_err(why)?), is_news)
            }
        };
        if is_news {
            self.store_fact("budgets", &rulings)?;
        }
        let ruled = ActiveBudgets { history: rulings, budgets };
        self.active_budgets.replace(Some(ruled.clone()));
        Ok(ruled)
    }

    /// Looks at what all shards have counted. Without an await, so that two looks never mix.
    fn evaluate_watches(&self, counts: &HourlyLimitCounts, budgets: &Budgets) -> Result<Vec<WatchOutcome>> {
        let now = now();
        let before: Option<String> = self.load_fact("release")?;
        let leads = leading_release(before.as_deref(), &counts.releases).map(str::to_owned);
        let is_new_release = before.is_some() && before != leads;
        if before != leads {
            self.store_fact("release", &leads)?;
        }
        let mut known = BTreeMap::new();
        for row in self.sql().exec("SELECT cell, state FROM watched", None)?.raw() {
            if let [SqlStorageValue::String(name), SqlStorageValue::String(state)] = row?.as_slice() {
                known.insert(
                    serde_json::from_str::<WatchKey>(name)?,
                    serde_json::from_str::<SequentialTest>(state)?,
                );
            }
        }
        let seen =
            budget_watch::evaluate(&known, budget_watch::watch_inputs(budgets, counts), now, is_new_release);
        for WatchOutcome { key: name, test: watched, .. } in &seen {
            if known.remove(name).as_ref() != Some(watched) {
                let row = vec![name.to_json()?.into(), serde_json::to_string(watched)?.into()];
                self.sql().exec("INSERT OR REPLACE INTO watched (cell, state) VALUES (?, ?)", row)?;
            }
        }
        for (name, watched) in known {
            let (name, renewed) = (name.to_json()?, watched.restart(now));
            if watched.is_expired(now) {
                self.sql().exec("DELETE FROM watched WHERE cell = ?", vec![name.into()])?;
            } else if is_new_release {
                let row = vec![name.into(), serde_json::to_string(&renewed)?.into()];
                self.sql().exec("INSERT OR REPLACE INTO watched (cell, state) VALUES (?, ?)", row)?;
            }
        }
        Ok(seen)
    }

    /// What is due: fold, roll up, sweep, and arm the next alarm, last.
    async fn maintain(&self) -> Result<()> {
        self.maintenance_at.set(NEVER);
        self.fold(budgets::MAX_AGE_MS).await?;
        self.roll_up()?;
        let has_more = self.backfill_page_rollups()?;
        self.expire_causes()?;
        self.roll_up_traffic()?;
        self.expire_settled_views()?;
        let kept = to_sql_integer(now().saturating_sub(self.retention()?.day_windows_ms).0);
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
            Some([views, cells]) => (from_sql_integer(views) != Some(0), from_sql_integer(cells) != Some(0)),
            _ => (true, true),
        };
        match (views, cells) {
            _ if has_more => self.schedule_maintenance(FOLD_DELAY_MS).await,
            (true, _) => self.schedule_maintenance(SWEEP_DELAY_MS).await,
            (false, true) => self.schedule_maintenance(ROLLUP_DELAY_MS).await,
            // All is rolled up into days: the object sleeps until somebody visits.
            (false, false) => Ok(()),
        }
    }

    pub(crate) fn retention(&self) -> Result<Retention> {
        Ok(self.config()?.retention)
    }

    pub(crate) fn load_fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        load_fact(&self.sql(), name)
    }

    pub(crate) fn store_fact(&self, name: &str, value: &impl Serialize) -> Result<()> {
        store_fact(&self.sql(), name, value)
    }

    pub(crate) fn config(&self) -> Result<Rc<Config>> {
        Config::load(&self.env).map_err(|mistake| Error::RustError(mistake.to_string()))
    }

    /// Sees to it that the cells are looked after, at the latest after so many milliseconds.
    pub(crate) async fn schedule_maintenance(&self, delay: u64) -> Result<()> {
        let at = now().saturating_add(delay).min(self.maintenance_at.get());
        self.maintenance_at.set(at);
        self.alarm.schedule_by(at).await
    }

    pub(crate) fn sql(&self) -> SqlStorage {
        self.state.storage().sql()
    }
}

/// What is kept under that name.
pub(crate) fn load_fact<T: DeserializeOwned>(sql: &SqlStorage, name: &str) -> Result<Option<T>> {
    Ok(load_fact_text(sql, name)?.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// The same as the text that it is.
pub(crate) fn load_fact_text(sql: &SqlStorage, name: &str) -> Result<Option<String>> {
    let row = sql.exec("SELECT value FROM facts WHERE name = ?", vec![name.into()])?.raw().next();
    Ok(match row.transpose()?.as_deref() {
        Some([SqlStorageValue::String(text)]) => Some(text.clone()),
        _ => None,
    })
}

pub(crate) fn store_fact(sql: &SqlStorage, name: &str, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(Error::from)?;
    // To read is cheaper than to write.
    if load_fact_text(sql, name)?.as_ref() == Some(&text) {
        return Ok(());
    }
    let statement = "INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)";
    sql.exec(statement, vec![name.into(), text.into()]).map(drop)
}

pub(crate) fn to_sql_integer(value: u64) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

pub(crate) fn from_sql_integer(value: &SqlStorageValue) -> Option<u64> {
    match value {
        SqlStorageValue::Integer(value) => u64::try_from(*value).ok(),
        _ => None,
    }
}

pub(crate) fn now() -> UnixMillis {
    UnixMillis(Date::now().as_millis())
}

/// Milliseconds that told views wait until they are folded; a read folds at once.
const FOLD_DELAY_MS: u64 = 10_000;
const SWEEP_DELAY_MS: u64 = 15 * 60_000;
pub(crate) const ROLLUP_DELAY_MS: u64 = 60 * 60_000;
const NEVER: UnixMillis = UnixMillis(u64::MAX);
