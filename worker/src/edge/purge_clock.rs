//! The authority on purges, a Durable Object: it counts purges, stores purge versions, sends isolates the
//! changes since their last sync, and stores the metrics, the transitions and the record of admin calls.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use cache::metrics::CacheMetrics;
use cache::prefetch::MarkovTable;
use cache::purge::{
    MAX_PURGE_VERSIONS, MAX_VERSIONS_PER_PAGE, OBSOLETE_URL_KEY, PurgeChanges, PurgeClock, PurgeMode,
    PurgeTarget, PurgeVersion, PurgeWrite, VERSION_RETENTION_MS, WRITTEN_URL_KEY,
};
use cache::report_pace::ReportPace;
use cache::write_purge::{MAX_BATCH_MARKS, WriteMarkLimiter};
use cache::{MIN_SHARE, UrlHash};
use serde::de::DeserializeOwned;
use wire::UnixMillis;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, SqlStorage, SqlStorageValue, State, durable_object,
    wasm_bindgen,
};

use crate::clock::now;
use crate::edge::purge_request::{
    AdminCall, ClockAnalytics, PurgeItem, PurgeRequest, RecordedCall, WriteBatch, WriteReceipt,
};
use crate::sql::{from_sql_integer, query_integer, to_sql_integer, unsupported_row};

/// The Durable Object of the purge clock.
#[durable_object]
#[derive(Debug)]
pub struct TagClock {
    state: State,
    is_open: bool,
    write_limiter: RefCell<WriteMarkLimiter>,
    report_pace: Cell<ReportPace>,
    /// The number of stored versions of writes.
    write_versions: Cell<usize>,
}

impl DurableObject for TagClock {
    fn new(state: State, _: Env) -> Self {
        let write_limiter = RefCell::new(WriteMarkLimiter::new(now()));
        let report_pace = Cell::new(ReportPace::new(MAX_REPORT_WAIT_MS));
        let mut clock =
            Self { state, is_open: false, write_limiter, report_pace, write_versions: Cell::new(0) };
        match clock.open() {
            Ok(()) => clock.is_open = true,
            Err(error) => worker::console_error!("opening the tables of the purge clock failed: {error}"),
        }
        clock
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if !self.is_open {
            return Response::error(
                "the tables of the purge clock are unavailable; the log has the error",
                503,
            );
        }
        let (path, body) = (request.path(), request.text().await?);
        match self.answer(&path, &body) {
            Ok(response) => {
                if matches!(&*path, "/purge" | "/writes") {
                    self.schedule_sweep().await?;
                }
                Ok(response)
            }
            Err(ClockError::UnknownPath) => Response::error("unknown path", 404),
            Err(ClockError::Malformed(error)) => {
                Response::error(format!("the body of {path} is malformed: {error}"), 400)
            }
            Err(ClockError::Storage(error)) => {
                worker::console_error!("the purge clock failed at {path}: {error}");
                Response::error("the storage of the purge clock failed; the log has the error", 503)
            }
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.expire_versions()?;
        if self.count_versions()? > 0 {
            self.state.storage().set_alarm(SWEEP_INTERVAL).await?;
        }
        Response::empty()
    }
}

/// The reason why a call gets no answer.
enum ClockError {
    UnknownPath,
    Malformed(serde_json::Error),
    Storage(Error),
}

impl From<Error> for ClockError {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}

fn parse<T: DeserializeOwned>(body: &str) -> std::result::Result<T, ClockError> {
    serde_json::from_str(body).map_err(ClockError::Malformed)
}

impl TagClock {
    fn answer(&self, path: &str, body: &str) -> std::result::Result<Response, ClockError> {
        let done = |()| Response::empty().map(|response| response.with_status(204));
        Ok(match path {
            "/since" => Response::from_json(&self.changes_since(parse(body)?)?),
            "/purge" => Response::from_json(&self.purge(parse(body)?)?),
            "/writes" => Response::from_json(&self.purge_written(&parse(body)?)?),
            "/record" => self.record_call(&parse(body)?).and_then(done),
            "/seen" => self.add_metrics(&parse(body)?).and_then(|()| self.pace_reports()),
            "/ways" => self.add_transitions(&parse(body)?).and_then(|()| self.pace_reports()),
            "/popular" => {
                let metrics = self.metrics_since((now().0 / HOUR_MS).saturating_sub(POPULAR_HOURS))?;
                let top = metrics.keys.top(MAX_LIKELY).into_iter().map(|(key, _)| key);
                Response::from_json(&top.collect::<Vec<_>>())
            }
            "/codings" => {
                let mut metrics = self.metrics_since((now().0 / HOUR_MS).saturating_sub(POPULAR_HOURS))?;
                let codings = std::mem::take(&mut metrics.codings);
                Response::from_json(&CacheMetrics { codings, ..CacheMetrics::default() })
            }
            "/likely" => {
                Response::from_json(&self.load_transitions()?.most_likely_pages(MIN_SHARE, MAX_LIKELY))
            }
            "/analytics" => Response::from_json(&self.analytics()?),
            _ => return Err(ClockError::UnknownPath),
        }?)
    }

    /// Tells an isolate when to report again.
    fn pace_reports(&self) -> Result<Response> {
        let mut pace = self.report_pace.get();
        let interval = pace.next_in_ms(now());
        self.report_pace.set(pace);
        Response::from_json(&interval)
    }

    fn open(&self) -> Result<()> {
        SCHEMA.iter().try_for_each(|statement| self.sql().exec(statement, None).map(drop))?;
        self.retire_obsolete_versions()?;
        self.count_write_versions()
    }

    /// Replaces the versions of the first format by the floor.
    fn retire_obsolete_versions(&self) -> Result<()> {
        if self.count_prefix(OBSOLETE_URL_KEY)? == 0 {
            return Ok(());
        }
        let query = "SELECT name, hard, soft FROM marks WHERE name >= ? AND name < ?";
        self.delete_versions(query, key_range(OBSOLETE_URL_KEY), &mut self.load_clock()?)
    }

    async fn schedule_sweep(&self) -> Result<()> {
        if self.state.storage().get_alarm().await?.is_none() {
            self.state.storage().set_alarm(SWEEP_INTERVAL).await?;
        }
        Ok(())
    }

    /// Purges what visitors wrote to, as far as the limits allow. Its statements are one commit, because no
    /// await separates them.
    fn purge_written(&self, batch: &WriteBatch) -> Result<WriteReceipt> {
        let hashes: Vec<UrlHash> =
            batch.urls.iter().take(MAX_BATCH_MARKS).filter_map(|text| UrlHash::parse(text)).collect();
        let now = now();
        let stored = self.write_versions.get();
        let admitted = self.write_limiter.borrow_mut().admit(hashes.len(), stored, now);
        let refused = batch.urls.len().saturating_sub(admitted) as u64;
        if admitted > 0 {
            let mut clock = self.load_clock()?;
            for hash in hashes.into_iter().take(admitted) {
                self.purge_target(&PurgeTarget::WrittenUrl(hash), PurgeMode::Hard, &mut clock)?;
            }
            self.write_versions.set(stored.saturating_add(admitted));
        }
        Ok(WriteReceipt { refused })
    }

    /// Performs a purge. Its statements are one commit, because no await separates them.
    fn purge(&self, purge: PurgeRequest) -> Result<u64> {
        let mut clock = self.load_clock()?;
        for item in purge.targets {
            let target = match item {
                PurgeItem::Tag(tag) => PurgeTarget::Tag(tag),
                PurgeItem::Url(url) => PurgeTarget::Url(url),
                PurgeItem::Prefix(prefix) => PurgeTarget::Prefix(prefix),
                PurgeItem::All => PurgeTarget::Everything,
            };
            self.purge_target(&target, purge.mode, &mut clock)?;
        }
        if self.count_versions()? > MAX_PURGE_VERSIONS {
            self.delete_versions(
                "SELECT name, hard, soft FROM marks ORDER BY last LIMIT 1000",
                vec![],
                &mut clock,
            )?;
        }
        Ok(clock.seq)
    }

    fn purge_target(&self, target: &PurgeTarget, mode: PurgeMode, clock: &mut PurgeClock) -> Result<()> {
        let known = match target.version_key() {
            Some(name) => self.load_version(&name)?,
            None => PurgeVersion::default(),
        };
        self.apply_writes(clock.purge(target, mode, known))
    }

    fn apply_writes(&self, writes: Vec<PurgeWrite>) -> Result<()> {
        for write in writes {
            match write {
                PurgeWrite::Version { name, version } => self.sql().exec(
                    "INSERT OR REPLACE INTO marks (name, hard, soft, last, at) VALUES (?, ?, ?, ?, ?)",
                    vec![
                        name.into(),
                        to_sql_integer(version.hard),
                        to_sql_integer(version.soft),
                        to_sql_integer(version.latest()),
                        to_sql_integer(now().0),
                    ],
                )?,
                PurgeWrite::Clock(clock) => self.sql().exec(
                    "INSERT OR REPLACE INTO clock (id, state) VALUES (0, ?)",
                    vec![serde_json::to_string(&clock)?.into()],
                )?,
            };
        }
        Ok(())
    }

    fn changes_since(&self, since: u64) -> Result<PurgeChanges> {
        let clock = self.load_clock()?;
        let rows = self.sql().exec(
            "SELECT name, hard, soft, at FROM marks WHERE last > ? ORDER BY last LIMIT ?",
            vec![to_sql_integer(since), to_sql_integer(MAX_VERSIONS_PER_PAGE as u64)],
        )?;
        let (mut versions, mut written_at) = (Vec::new(), Vec::new());
        for row in rows.raw() {
            if let [name, hard, soft, time] = row?.as_slice() {
                versions.push(decode_version(&[name.clone(), hard.clone(), soft.clone()])?);
                written_at.push(UnixMillis(from_sql_integer(time).ok_or_else(|| unsupported_row("marks"))?));
            }
        }
        // After a full page, more changes may follow.
        let upto = match versions.last() {
            Some((_, version)) if versions.len() >= MAX_VERSIONS_PER_PAGE => version.latest(),
            _ => clock.seq,
        };
        Ok(PurgeChanges { clock, versions, upto, written_at })
    }

    /// Deletes the versions that are older than any stored response.
    fn expire_versions(&self) -> Result<()> {
        let before = to_sql_integer(now().0.saturating_sub(VERSION_RETENTION_MS));
        let mut clock = self.load_clock()?;
        self.delete_versions(
            "SELECT name, hard, soft FROM marks WHERE at < ? LIMIT 10000",
            vec![before],
            &mut clock,
        )?;
        Ok(())
    }

    fn delete_versions(
        &self,
        query: &str,
        values: Vec<SqlStorageValue>,
        clock: &mut PurgeClock,
    ) -> Result<()> {
        let rows: Vec<_> = self.sql().exec(query, values)?.raw().collect::<Result<_>>()?;
        for row in &rows {
            let (name, version) = decode_version(row)?;
            clock.raise_floor(version);
            self.sql().exec("DELETE FROM marks WHERE name = ?", vec![name.into()])?;
        }
        self.apply_writes(vec![PurgeWrite::Clock(*clock)])?;
        self.count_write_versions()
    }

    /// Adds an isolate's metrics to the current hour.
    fn add_metrics(&self, added: &CacheMetrics) -> Result<()> {
        let hour = now().0 / HOUR_MS;
        let mut metrics = self.metrics_since(hour)?;
        metrics.merge(added);
        let statement = "INSERT OR REPLACE INTO seen (hour, seen) VALUES (?, ?)";
        self.sql().exec(statement, vec![to_sql_integer(hour), serde_json::to_string(&metrics)?.into()])?;
        let before = to_sql_integer(hour.saturating_sub(METRICS_RETENTION_HOURS));
        self.sql().exec("DELETE FROM seen WHERE hour < ?", vec![before]).map(drop)
    }

    /// Returns the metrics from an hour on.
    fn metrics_since(&self, from: u64) -> Result<CacheMetrics> {
        let mut all = CacheMetrics::default();
        for row in self.sql().exec("SELECT seen FROM seen WHERE hour >= ?", vec![to_sql_integer(from)])?.raw()
        {
            match row?.as_slice() {
                [SqlStorageValue::String(text)] => all.merge(&serde_json::from_str(text)?),
                _ => return Err(unsupported_row("seen")),
            }
        }
        Ok(all)
    }

    /// Adds an isolate's transitions.
    fn add_transitions(&self, added: &MarkovTable) -> Result<()> {
        let mut transitions = match self.load_transitions() {
            Ok(transitions) => transitions,
            // They are statistics only, and learned anew.
            Err(error) => {
                worker::console_error!("the stored navigations are discarded: {error}");
                MarkovTable::default()
            }
        };
        transitions.merge(added);
        let decayed_at = self.load_note("aged_at")?.map(|text| text.parse::<u64>());
        if let Some(Err(error)) = &decayed_at {
            worker::console_error!("the time of the last decay is malformed and starts anew: {error}");
        }
        let decayed_at = decayed_at.and_then(std::result::Result::ok);
        if decayed_at.is_some_and(|at| now().0.saturating_sub(at) > DAY_MS) {
            transitions.decay();
        }
        if decayed_at.is_none_or(|at| now().0.saturating_sub(at) > DAY_MS) {
            self.store_note("aged_at", &now().0.to_string())?;
        }
        self.store_note("ways", &serde_json::to_string(&transitions)?)
    }

    fn load_transitions(&self) -> Result<MarkovTable> {
        match self.load_note("ways")? {
            Some(text) => Ok(serde_json::from_str(&text)?),
            None => Ok(MarkovTable::default()),
        }
    }

    fn load_note(&self, name: &str) -> Result<Option<String>> {
        let row = self.sql().exec("SELECT value FROM notes WHERE name = ?", vec![name.into()])?.raw().next();
        match row.transpose()?.as_deref() {
            None => Ok(None),
            Some([SqlStorageValue::String(text)]) => Ok(Some(text.clone())),
            Some(_) => Err(unsupported_row("notes")),
        }
    }

    fn store_note(&self, name: &str, value: &str) -> Result<()> {
        let statement = "INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)";
        self.sql().exec(statement, vec![name.into(), value.into()]).map(drop)
    }

    fn record_call(&self, call: &AdminCall) -> Result<()> {
        let AdminCall { action, what, outcome } = call;
        let values = vec![
            to_sql_integer(now().0),
            action.as_str().into(),
            what.as_str().into(),
            outcome.as_str().into(),
        ];
        self.sql().exec("INSERT INTO calls (at, action, what, outcome) VALUES (?, ?, ?, ?)", values)?;
        // Dashboards read every few seconds. Read calls have a limit of their own, so that they do not evict
        // the record of changes.
        if READ_ACTIONS.contains(&action.as_str()) {
            self.sql().exec(
                "DELETE FROM calls WHERE action IN ('analytics', 'explain')
                 AND id <= (SELECT max(id) FROM calls) - ?",
                vec![to_sql_integer(MAX_READ_CALLS)],
            )?;
        } else {
            self.sql().exec(
                "DELETE FROM calls WHERE id <= (SELECT id FROM calls
                 WHERE action NOT IN ('analytics', 'explain') ORDER BY id DESC LIMIT 1 OFFSET ?)",
                vec![to_sql_integer(MAX_CALLS)],
            )?;
        }
        Ok(())
    }

    fn analytics(&self) -> Result<ClockAnalytics> {
        let rows = self.sql().exec(
            "SELECT at, action, what, outcome FROM (
                SELECT * FROM calls ORDER BY action IN ('analytics', 'explain'), id DESC LIMIT 50
             ) ORDER BY id DESC",
            None,
        )?;
        let mut calls = Vec::new();
        for row in rows.raw() {
            let row = row?;
            let [
                at,
                SqlStorageValue::String(action),
                SqlStorageValue::String(what),
                SqlStorageValue::String(outcome),
            ] = row.as_slice()
            else {
                return Err(unsupported_row("calls"));
            };
            let call = AdminCall { action: action.clone(), what: what.clone(), outcome: outcome.clone() };
            calls.push(RecordedCall {
                at: from_sql_integer(at).ok_or_else(|| unsupported_row("calls"))?,
                call,
            });
        }
        let metrics = self.metrics_since((now().0 / HOUR_MS).saturating_sub(ANALYTICS_HOURS))?;
        Ok(ClockAnalytics { purges: self.load_clock()?.seq, marks: self.count_versions()?, metrics, calls })
    }

    fn load_clock(&self) -> Result<PurgeClock> {
        let row = self.sql().exec("SELECT state FROM clock WHERE id = 0", None)?.raw().next().transpose()?;
        match row.as_deref() {
            Some([SqlStorageValue::String(text)]) => Ok(serde_json::from_str(text)?),
            None => Ok(PurgeClock::default()),
            Some(_) => Err(Error::RustError("the stored purge clock has an unsupported format".into())),
        }
    }

    fn load_version(&self, name: &str) -> Result<PurgeVersion> {
        let rows = self.sql().exec("SELECT name, hard, soft FROM marks WHERE name = ?", vec![name.into()])?;
        let row = rows.raw().next().transpose()?;
        row.map_or(Ok(PurgeVersion::default()), |row| Ok(decode_version(&row)?.1))
    }

    /// Counts the versions of writes anew. In between, repeated writes to one URL count each.
    fn count_write_versions(&self) -> Result<()> {
        self.write_versions.set(self.count_prefix(WRITTEN_URL_KEY)?);
        Ok(())
    }

    fn count_versions(&self) -> Result<usize> {
        self.count_prefix("")
    }

    fn count_prefix(&self, prefix: &str) -> Result<usize> {
        let query = "SELECT count(*) FROM marks WHERE name >= ? AND name < ?";
        let count = query_integer(&self.sql(), query, key_range(prefix))?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn sql(&self) -> SqlStorage {
        self.state.storage().sql()
    }
}

fn decode_version(row: &[SqlStorageValue]) -> Result<(String, PurgeVersion)> {
    let version = match row {
        [SqlStorageValue::String(name), hard, soft] => from_sql_integer(hard)
            .zip(from_sql_integer(soft))
            .map(|(hard, soft)| (name.clone(), PurgeVersion { hard, soft })),
        _ => None,
    };
    // A purge that cannot be read must not pass for none.
    version.ok_or_else(|| unsupported_row("marks"))
}

/// Returns the parameters for `name >= ? AND name < ?` that select the keys with a prefix.
fn key_range(prefix: &str) -> Vec<SqlStorageValue> {
    vec![prefix.into(), format!("{prefix}\u{10ffff}").into()]
}

/// Version 1. A later version would use tables of other names.
/// The sums of an isolate wait no longer than this, unless it is idle: enough for a hundred thousand isolates.
const MAX_REPORT_WAIT_MS: u64 = 3_600_000;
const SCHEMA: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS clock (id INTEGER PRIMARY KEY, state TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, hard INTEGER NOT NULL, soft INTEGER NOT NULL,
     last INTEGER NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS marks_by_last ON marks (last)",
    "CREATE TABLE IF NOT EXISTS seen (hour INTEGER PRIMARY KEY, seen TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
     action TEXT NOT NULL, what TEXT NOT NULL, outcome TEXT NOT NULL)",
];

const SWEEP_INTERVAL: Duration = Duration::from_secs(3600);
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const ANALYTICS_HOURS: u64 = 24;
const POPULAR_HOURS: u64 = 2;
const METRICS_RETENTION_HOURS: u64 = 35 * 24;
const MAX_LIKELY: usize = 1_000;
/// Calls that change nothing, which the two statements above list, too.
const READ_ACTIONS: [&str; 2] = ["analytics", "explain"];
const MAX_READ_CALLS: u64 = 1_000;
const MAX_CALLS: u64 = 10_000;
