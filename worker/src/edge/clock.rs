//! The one authority on purges, a Durable Object: it counts them, remembers what was purged last, tells
//! isolates what they have missed, and keeps the sums and the record of who did what.

use std::time::Duration;

use crate::edge::ahead::LEAST_SHARE;
use cache::predict::Transitions;
use cache::seen::Seen;
use cache::tags::{Changes, Clock, Effect, Force, MOST_MARKS, MOST_OF_A_PAGE, Mark, REMEMBERED, Target};
use serde::{Deserialize, Serialize};
use wire::UnixMillis;
use worker::{
    Date, DurableObject, Env, Error, Request, Response, Result, SqlStorage, SqlStorageValue, State,
    durable_object, wasm_bindgen,
};

/// What is to be purged, as the object is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Purge {
    pub(crate) what: Vec<What>,
    pub(crate) force: Force,
}

/// One of those things.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    Tag(String),
    Url(String),
    Prefix(String),
    All,
}

/// A call of the management API, for the record.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) action: String,
    pub(crate) what: String,
    pub(crate) outcome: String,
}

/// The object.
#[durable_object]
#[derive(Debug)]
pub struct TagClock {
    state: State,
    is_open: bool,
}

impl DurableObject for TagClock {
    fn new(state: State, _: Env) -> Self {
        let mut clock = Self { state, is_open: false };
        match SCHEMA.iter().try_for_each(|statement| clock.sql().exec(statement, None).map(drop)) {
            Ok(()) => clock.is_open = true,
            Err(error) => worker::console_error!("the clock's tables could not be opened: {error}"),
        }
        clock
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        if !self.is_open {
            return Response::error("the tables are not open", 503);
        }
        match request.path().as_str() {
            "/since" => {
                let since: u64 = request.text().await?.parse().unwrap_or_default();
                Response::from_json(&self.since(since)?)
            }
            "/purge" => {
                let purge: Purge = request.json().await?;
                let seq = self.purge(purge)?;
                if self.state.storage().get_alarm().await?.is_none() {
                    self.state.storage().set_alarm(SWEPT_EVERY).await?;
                }
                Response::from_json(&seq)
            }
            "/record" => {
                self.record(&request.json().await?)?;
                Ok(Response::empty()?.with_status(204))
            }
            "/seen" => {
                self.see(&request.json().await?)?;
                Ok(Response::empty()?.with_status(204))
            }
            "/ways" => {
                self.learn(&request.json().await?)?;
                Ok(Response::empty()?.with_status(204))
            }
            "/popular" => {
                let seen = self.seen((now() / HOUR).saturating_sub(HOURS_POPULAR))?;
                let top = seen.keys.top(MOST_LIKELY).into_iter().map(|(key, _)| key);
                Response::from_json(&top.collect::<Vec<_>>())
            }
            "/likely" => Response::from_json(&self.ways()?.likeliest(LEAST_SHARE, MOST_LIKELY)),
            "/analytics" => Response::from_json(&self.told()?),
            _ => Response::error("there is nothing here", 404),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.sweep()?;
        if self.marks()? > 0 {
            self.state.storage().set_alarm(SWEPT_EVERY).await?;
        }
        Response::empty()
    }
}

impl TagClock {
    /// All in one commit: there is no await between its statements.
    fn purge(&self, purge: Purge) -> Result<u64> {
        let mut clock = self.clock()?;
        for what in purge.what {
            let target = match what {
                What::Tag(tag) => Target::Tag(tag),
                What::Url(url) => Target::Url(url),
                What::Prefix(prefix) => Target::Prefix(prefix),
                What::All => Target::Everything,
            };
            let known = match target.name() {
                Some(name) => self.mark(&name)?,
                None => Mark::default(),
            };
            self.perform(clock.purge(&target, purge.force, known))?;
        }
        if self.marks()? > MOST_MARKS {
            self.forget("SELECT name, hard, soft FROM marks ORDER BY last LIMIT 1000", vec![], &mut clock)?;
        }
        Ok(clock.seq)
    }

    fn perform(&self, effects: Vec<Effect>) -> Result<()> {
        for effect in effects {
            match effect {
                Effect::Mark { name, mark } => self.sql().exec(
                    "INSERT OR REPLACE INTO marks (name, hard, soft, last, at) VALUES (?, ?, ?, ?, ?)",
                    vec![
                        name.into(),
                        number(mark.hard),
                        number(mark.soft),
                        number(mark.last()),
                        number(now()),
                    ],
                )?,
                Effect::Clock(clock) => self.sql().exec(
                    "INSERT OR REPLACE INTO clock (id, state) VALUES (0, ?)",
                    vec![serde_json::to_string(&clock)?.into()],
                )?,
            };
        }
        Ok(())
    }

    fn since(&self, since: u64) -> Result<Changes> {
        let clock = self.clock()?;
        let rows = self.sql().exec(
            "SELECT name, hard, soft, at FROM marks WHERE last > ? ORDER BY last LIMIT ?",
            vec![number(since), number(MOST_OF_A_PAGE as u64)],
        )?;
        let (mut marks, mut at) = (Vec::new(), Vec::new());
        for row in rows.raw() {
            if let [name, hard, soft, time] = row?.as_slice() {
                marks.extend(named(&[name.clone(), hard.clone(), soft.clone()]));
                at.push(UnixMillis(whole(time)));
            }
        }
        // A full page: what comes after its last is not known yet.
        let upto = match marks.last() {
            Some((_, mark)) if marks.len() >= MOST_OF_A_PAGE => mark.last(),
            _ => clock.seq,
        };
        Ok(Changes { clock, marks, upto, at })
    }

    /// What is older than anything that is stored says nothing any more.
    fn sweep(&self) -> Result<()> {
        let before = number(now().saturating_sub(REMEMBERED));
        let mut clock = self.clock()?;
        self.forget("SELECT name, hard, soft FROM marks WHERE at < ? LIMIT 10000", vec![before], &mut clock)?;
        Ok(())
    }

    fn forget(&self, which: &str, values: Vec<SqlStorageValue>, clock: &mut Clock) -> Result<()> {
        let rows: Vec<_> = self.sql().exec(which, values)?.raw().collect::<Result<_>>()?;
        for (name, mark) in rows.iter().filter_map(|row| named(row)) {
            clock.forget(mark);
            self.sql().exec("DELETE FROM marks WHERE name = ?", vec![name.into()])?;
        }
        self.perform(vec![Effect::Clock(*clock)])
    }

    /// Adds what an isolate saw to the hour.
    fn see(&self, news: &Seen) -> Result<()> {
        let hour = now() / HOUR;
        let mut seen = self.seen(hour)?;
        seen.merge(news);
        let statement = "INSERT OR REPLACE INTO seen (hour, seen) VALUES (?, ?)";
        self.sql().exec(statement, vec![number(hour), serde_json::to_string(&seen)?.into()])?;
        let before = number(hour.saturating_sub(HOURS_SEEN));
        self.sql().exec("DELETE FROM seen WHERE hour < ?", vec![before]).map(drop)
    }

    /// What was seen from an hour on.
    fn seen(&self, from: u64) -> Result<Seen> {
        let mut all = Seen::default();
        for row in self.sql().exec("SELECT seen FROM seen WHERE hour >= ?", vec![number(from)])?.raw() {
            all.merge(&serde_json::from_str(&row?.first().map(text).unwrap_or_default())?);
        }
        Ok(all)
    }

    /// Adds the ways that an isolate saw. They are for guessing, so that one that is lost is no loss.
    fn learn(&self, news: &Transitions) -> Result<()> {
        let mut ways = self.ways()?;
        ways.merge(news);
        let aged_at = self.noted("aged_at")?.and_then(|text| text.parse().ok());
        if aged_at.is_some_and(|at: u64| now().saturating_sub(at) > DAY) {
            ways.age();
        }
        if aged_at.is_none_or(|at| now().saturating_sub(at) > DAY) {
            self.note("aged_at", &now().to_string())?;
        }
        self.note("ways", &serde_json::to_string(&ways)?)
    }

    fn ways(&self) -> Result<Transitions> {
        // What another version has written is for guessing only, and begins anew.
        Ok(self.noted("ways")?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    fn noted(&self, name: &str) -> Result<Option<String>> {
        let row = self.sql().exec("SELECT value FROM notes WHERE name = ?", vec![name.into()])?.raw().next();
        Ok(row.transpose()?.and_then(|row| row.first().map(text)))
    }

    fn note(&self, name: &str, value: &str) -> Result<()> {
        let statement = "INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)";
        self.sql().exec(statement, vec![name.into(), value.into()]).map(drop)
    }

    fn record(&self, call: &Call) -> Result<()> {
        let Call { action, what, outcome } = call;
        let values =
            vec![number(now()), action.as_str().into(), what.as_str().into(), outcome.as_str().into()];
        self.sql().exec("INSERT INTO calls (at, action, what, outcome) VALUES (?, ?, ?, ?)", values)?;
        // Whoever looks on asks every few seconds; what was changed is remembered all the same.
        if READS.contains(&action.as_str()) {
            self.sql().exec(
                "DELETE FROM calls WHERE action IN ('analytics', 'explain')
                 AND id <= (SELECT max(id) FROM calls) - ?",
                vec![number(MOST_READS)],
            )?;
        } else {
            self.sql().exec(
                "DELETE FROM calls WHERE id <= (SELECT id FROM calls
                 WHERE action NOT IN ('analytics', 'explain') ORDER BY id DESC LIMIT 1 OFFSET ?)",
                vec![number(MOST_CALLS)],
            )?;
        }
        Ok(())
    }

    fn told(&self) -> Result<Told> {
        let rows = self.sql().exec(
            "SELECT at, action, what, outcome FROM (
                SELECT * FROM calls ORDER BY action IN ('analytics', 'explain'), id DESC LIMIT 50
             ) ORDER BY id DESC",
            None,
        )?;
        let mut calls = Vec::new();
        for row in rows.raw() {
            if let [at, action, what, outcome] = row?.as_slice() {
                let call = Call { action: text(action), what: text(what), outcome: text(outcome) };
                calls.push(Recorded { at: whole(at), call });
            }
        }
        let seen = self.seen((now() / HOUR).saturating_sub(HOURS_TOLD))?;
        Ok(Told { purges: self.clock()?.seq, marks: self.marks()?, seen, calls })
    }

    fn clock(&self) -> Result<Clock> {
        let row = self.sql().exec("SELECT state FROM clock WHERE id = 0", None)?.raw().next().transpose()?;
        match row.as_deref() {
            Some([SqlStorageValue::String(text)]) => Ok(serde_json::from_str(text)?),
            None => Ok(Clock::default()),
            Some(_) => Err(Error::RustError("the stored clock is of no version of ours".into())),
        }
    }

    fn mark(&self, name: &str) -> Result<Mark> {
        let rows = self.sql().exec("SELECT name, hard, soft FROM marks WHERE name = ?", vec![name.into()])?;
        let row = rows.raw().next().transpose()?;
        Ok(row.and_then(|row| named(&row)).map(|(_, mark)| mark).unwrap_or_default())
    }

    fn marks(&self) -> Result<usize> {
        let row = self.sql().exec("SELECT count(*) FROM marks", None)?.raw().next().transpose()?;
        let count = row.and_then(|row| row.first().map(whole)).unwrap_or_default();
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn sql(&self) -> SqlStorage {
        self.state.storage().sql()
    }
}

/// What the clock tells of itself, for the analytics.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) purges: u64,
    pub(crate) marks: usize,
    pub(crate) seen: Seen,
    pub(crate) calls: Vec<Recorded>,
}

/// A call, and when it was.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recorded {
    pub(crate) at: u64,
    #[serde(flatten)]
    pub(crate) call: Call,
}

fn named(row: &[SqlStorageValue]) -> Option<(String, Mark)> {
    match row {
        [SqlStorageValue::String(name), hard, soft] => {
            Some((name.clone(), Mark { hard: whole(hard), soft: whole(soft) }))
        }
        _ => None,
    }
}

fn whole(value: &SqlStorageValue) -> u64 {
    match value {
        SqlStorageValue::Integer(number) => u64::try_from(*number).unwrap_or_default(),
        SqlStorageValue::Float(number) => *number as u64,
        _ => 0,
    }
}

fn text(value: &SqlStorageValue) -> String {
    match value {
        SqlStorageValue::String(text) => text.clone(),
        _ => String::new(),
    }
}

fn number(value: u64) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn now() -> u64 {
    Date::now().as_millis()
}

/// Version 1. A later one is told by the name of its table.
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

const SWEPT_EVERY: Duration = Duration::from_secs(3600);
/// Milliseconds.
const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;
const HOURS_TOLD: u64 = 24;
const HOURS_POPULAR: u64 = 2;
const HOURS_SEEN: u64 = 35 * 24;
const MOST_LIKELY: usize = 1_000;
/// Calls that change nothing.
const READS: [&str; 2] = ["analytics", "explain"];
const MOST_READS: u64 = 1_000;
const MOST_CALLS: u64 = 10_000;
