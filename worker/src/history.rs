//! `GET /api/health/history`: how a site was, and what was called about. At each look of the cron the first
//! shard of a site writes down how it stands, and each alert from its beginning to its end. What a look
//! means is `insight::history`'s, what an incident is `insight::alert`'s.

use insight::alert::Record;
use insight::health::Status;
use insight::history::{History, Run};
use ledger::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wire::UnixMillis;
use worker::{Env, Error, Request, Result, SqlStorage, SqlStorageValue};

use crate::answer::{self, Outcome};
use crate::config::Config;
use crate::leave;
use crate::read::{Asked, JSON};
use crate::shard::{self, Shard, now, number, whole};

/// The status over a span for whoever may read the site; its incidents for whoever holds a token.
pub(crate) async fn history(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let query = asked.parameters.query("", &[], None)?;
    let (from, to) = (query.from, query.to.min(now()));
    let with_incidents = leave::reads(request, env)?;
    let span = Between { from, to, with_incidents };
    let Told { runs, incidents, more } = shard::first(env, &asked.site, "history", &span).await?;
    let History { statuses, spent, unseen } = History::between(&runs, from, to);
    let mut document = json!({
        "v": 1,
        "site": asked.site,
        "from": from,
        "to": to,
        "statuses": statuses,
        "spent": spent,
        "unseen": unseen,
    });
    if let Some(fields) = document.as_object_mut().filter(|_| with_incidents) {
        fields.insert("incidents".into(), incidents.into());
        fields.insert("more_incidents".into(), more.into());
    }
    let cache = if with_incidents { "private, max-age=5" } else { asked.cache(&query) };
    answer::read(request, JSON, cache, document.to_string().into_bytes())
}

/// What is asked of the first shard.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Between {
    from: UnixMillis,
    to: UnixMillis,
    with_incidents: bool,
}

/// What it knows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    /// The oldest first.
    runs: Vec<Run>,
    /// The newest first.
    incidents: Vec<Value>,
    more: u64,
}

impl Shard {
    /// What was written down of a span.
    pub(crate) fn history(&self, span: &Between) -> Result<Told> {
        let Between { from, to, with_incidents } = span;
        let (incidents, more) = if *with_incidents { self.incidents(*from, *to)? } else { (Vec::new(), 0) };
        Ok(Told { runs: self.runs(*from, *to)?, incidents, more })
    }

    /// Writes down how the site stands.
    pub(crate) fn write_status(&self, health: Status, score: u8) -> Result<()> {
        let before = self.runs_by("start <= ?1 ORDER BY start DESC LIMIT 1", vec![number(now().0)])?;
        let run = Run::after(before.into_iter().next(), now(), health, score);
        self.sql().exec(
            "INSERT OR REPLACE INTO statuses (start, until, health, score) VALUES (?, ?, ?, ?)",
            vec![number(run.from.0), number(run.to.0), run.health.name().into(), number(run.score.into())],
        )?;
        self.sql().exec("DELETE FROM statuses WHERE until < ?", vec![number(now().before(KEPT).0)])?;
        let surplus = "DELETE FROM statuses WHERE start IN
            (SELECT start FROM statuses ORDER BY start DESC LIMIT -1 OFFSET ?)";
        self.sql().exec(surplus, vec![number(MOST_RUNS)]).map(drop)
    }

    fn runs(&self, from: UnixMillis, to: UnixMillis) -> Result<Vec<Run>> {
        // The one before the span may speak for its beginning, and the one after it for its end.
        self.runs_by(
            "start >= coalesce((SELECT max(start) FROM statuses WHERE start <= ?1), 0)
             AND start <= coalesce((SELECT min(start) FROM statuses WHERE start >= ?2), ?2) ORDER BY start",
            vec![number(from.0), number(to.0)],
        )
    }

    fn runs_by(&self, so: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Run>> {
        let query = format!("SELECT start, until, health, score FROM statuses WHERE {so}");
        let mut runs = Vec::new();
        for row in self.sql().exec(&query, values)?.raw() {
            let row = row?;
            let [start, until, SqlStorageValue::String(health), score] = row.as_slice() else {
                return Err(stranger());
            };
            let run = || {
                let score = u8::try_from(whole(score)?).ok()?;
                let [from, to] = [UnixMillis(whole(start)?), UnixMillis(whole(until)?)];
                Some(Run { from, to, health: Status::named(health)?, score })
            };
            runs.push(run().ok_or_else(stranger)?);
        }
        Ok(runs)
    }

    /// Those that were going on in a span, the newest first; and how many more there are.
    fn incidents(&self, from: UnixMillis, to: UnixMillis) -> Result<(Vec<Value>, u64)> {
        let span = vec![number(from.0), number(to.0)];
        let going_on = "FROM incidents WHERE opened < ?2 AND coalesce(ended, ?1) >= ?1";
        let counted = self.sql().exec(&format!("SELECT count(*) {going_on}"), span.clone())?;
        let all = counted.raw().next().transpose()?.as_deref().and_then(|row| whole(row.first()?));
        let newest = format!("SELECT incident {going_on} ORDER BY opened DESC, key LIMIT {MOST_SHOWN}");
        let mut incidents = Vec::new();
        for row in self.sql().exec(&newest, span)?.raw() {
            let Some(SqlStorageValue::String(text)) = row?.into_iter().next() else { return Err(stranger()) };
            incidents.push(serde_json::from_str(&text)?);
        }
        let more = all.unwrap_or_default().saturating_sub(incidents.len() as u64);
        Ok((incidents, more))
    }
}

/// Writes down an incident as it is now, and lets go of those that are too old or too many.
pub(crate) fn record(sql: &SqlStorage, record: &Record) -> Result<()> {
    let ended = record.incident.ended.map_or(SqlStorageValue::Null, |ended| number(ended.at.0));
    let text = serde_json::to_string(record).map_err(Error::from)?;
    sql.exec(
        "INSERT OR REPLACE INTO incidents (opened, key, ended, incident) VALUES (?, ?, ?, ?)",
        vec![number(record.incident.opened.0), record.key.as_str().into(), ended, text.into()],
    )?;
    sql.exec("DELETE FROM incidents WHERE ended < ?", vec![number(now().before(KEPT).0)])?;
    let surplus = "DELETE FROM incidents WHERE (opened, key) IN
        (SELECT opened, key FROM incidents ORDER BY opened DESC, key LIMIT -1 OFFSET ?)";
    sql.exec(surplus, vec![number(MOST_INCIDENTS)]).map(drop)
}

fn stranger() -> Error {
    Error::RustError("what is stored of the history is of no version of ours".into())
}

/// Beside the shard's own tables.
pub(crate) const TABLES: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS statuses (
        start INTEGER PRIMARY KEY, until INTEGER NOT NULL, health TEXT NOT NULL, score INTEGER NOT NULL
     )",
    "CREATE TABLE IF NOT EXISTS incidents (
        opened INTEGER NOT NULL, key TEXT NOT NULL, ended INTEGER, incident TEXT NOT NULL,
        PRIMARY KEY (opened, key)
     ) WITHOUT ROWID",
];

/// As long as days are kept.
const KEPT: u64 = 400 * Span::Day.millis();
/// A status that changes at each look fills them in a month; one that seldom does, in years.
const MOST_RUNS: u64 = 3000;
const MOST_INCIDENTS: u64 = 1000;
/// What a page reads at once.
const MOST_SHOWN: u64 = 200;
