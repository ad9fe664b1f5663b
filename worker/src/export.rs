//! What goes out to where people look already: totals that the first shard of a site keeps and that only
//! grow, scraped at `GET /metrics` or sent by the cron. What they say and how each format writes it is
//! `insight::export`'s.

use insight::export::prometheus::{self, Format};
use insight::export::{Gauge, Totals, otlp};
use ledger::{Bots, Query, Span, Window};
use serde::{Deserialize, Serialize};
use wire::{Refusal, UnixMillis};
use worker::{Env, Error, Request, Result, SqlStorageValue};

use crate::answer::{self, Failure, Outcome};
use crate::config::Config;
use crate::read::PAGE;
use crate::shard::{self, Shard, now};
use crate::{health, leave, post};

/// Since when is counted, and up to which minute.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Counted {
    since: UnixMillis,
    to: UnixMillis,
}

/// `GET /metrics`: every site that the request may read, or the one that it names.
pub(crate) async fn metrics(request: &Request, env: &Env, config: &Config) -> Outcome {
    let url = request.url()?;
    let named = url.query_pairs().any(|(name, _)| name == "site");
    let only = if named { Some(leave::site(request, config)?) } else { None };
    let holds_token = leave::reads(request, env)?;
    let is_meant = |name: &&String| only.as_ref().is_none_or(|only| only == *name);
    let may = |name: &&String| holds_token || config.sites.get(*name).is_some_and(|site| site.public);
    let sites: Vec<&String> = config.sites.keys().filter(is_meant).filter(may).collect();
    if sites.is_empty() {
        return Err(Refusal::NeedsToken { secret: leave::READ }.into());
    }
    let mut all = Vec::new();
    for site in sites {
        all.push((totals(env, site).await?, gauges(env, config, site).await?));
    }
    let accept = request.headers().get("accept")?.unwrap_or_default();
    let format = Format::accepted(&accept);
    let page = prometheus::page(all.iter().map(|(totals, gauges)| (totals, gauges.as_slice())), format);
    answer::read(request, format.content_type(), "no-store", page.into_bytes())
}

/// Sends a site's totals to a collector of OpenTelemetry, where one is configured. They are cumulative, so
/// what one export lacks the next one has.
pub(crate) async fn send(env: &Env, config: &Config, site: &str) -> core::result::Result<(), Failure> {
    let Some(outlet) = &config.outlets.otlp else { return Ok(()) };
    let (totals, gauges) = (totals(env, site).await?, gauges(env, config, site).await?);
    let body = otlp::body(&totals, &gauges, env!("CARGO_PKG_VERSION"), now()).to_string();
    let own = outlet.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fields: Vec<(&str, &str)> = own.chain([("content-type", "application/json")]).collect();
    match post::post(&outlet.metrics, &fields, body.into(), PATIENCE).await?.status {
        200..=299 => Ok(()),
        status => Err(Error::RustError(format!("the collector answers {status}")).into()),
    }
}

/// Everything that a site has counted, brought up to now.
pub(crate) async fn totals(env: &Env, site: &str) -> core::result::Result<Totals, Failure> {
    let bytes = shard::first_bytes(env, site, "totals").await?;
    Ok(Totals::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?)
}

/// What is so at the moment.
pub(crate) async fn gauges(
    env: &Env,
    config: &Config,
    site: &str,
) -> core::result::Result<Vec<Gauge>, Failure> {
    let known = health::whole_of(env, config, site).await?;
    let mut gauges = vec![Gauge::Health(known.bulletin.score)];
    if let Some(operations) = &known.bulletin.operations {
        gauges.push(Gauge::Backlog(operations.queues.push));
        gauges.push(Gauge::Memory(operations.memory.bytes));
    }
    let heard_at = known.bulletin.details.as_ref().and_then(|details| details.heard_at);
    gauges.extend(heard_at.map(Gauge::HeardAt));
    Ok(gauges)
}

impl Shard {
    /// The totals, with the minutes that have closed since they were last asked for. What comes late for a
    /// minute that was counted is not, because a total must not fall.
    pub(crate) async fn totals(&self, site: &str) -> Result<Totals> {
        let config = self.config()?;
        let closed = Window::of(Span::Minute, now().before(GRACE)).start;
        let known: Option<Counted> = self.kept("totals")?;
        let counted = known.unwrap_or(Counted { since: closed, to: closed });
        // Minutes that nobody counted before they were rolled up are a part of an hour, and cannot be told
        // from the others; whole hours can.
        let from = match counted.to {
            to if to < self.horizon()?.minutes => {
                let hour = Window::of(Span::Hour, to).start;
                if hour == to { to } else { hour.after(Span::Hour.millis()) }
            }
            to => to,
        };
        if from >= closed {
            if known.is_none() {
                self.keep("totals", &counted)?;
            }
            return self.stored_totals(site, counted.since);
        }
        let by = PAGE.to_vec();
        let query = Query { from, to: closed, bots: Bots::default(), only: Vec::new(), by, step: None };
        let groups = self.read_all(site, &config, &query).await?;
        let answers = self.answered(Span::Minute, from, closed)?;
        // Another scrape may have been quicker while the shards were asked.
        if self.kept::<Counted>("totals")? != known {
            return self.stored_totals(site, counted.since);
        }
        let mut totals = self.stored_totals(site, counted.since)?;
        let before = totals.rows();
        for (group, cell) in &groups.cells {
            if let Some((route, device)) = group.page(&query.by) {
                totals.add_visits(route, device, cell);
            }
        }
        answers.0.values().for_each(|traffic| totals.add_traffic(traffic));
        for (route, row) in totals.rows() {
            if before.get(&route) != Some(&row) {
                let row = vec![route.into(), SqlStorageValue::Blob(row)];
                self.sql().exec("INSERT OR REPLACE INTO totals (route, total) VALUES (?, ?)", row)?;
            }
        }
        self.keep("totals", &Counted { to: closed, ..counted })?;
        Ok(totals)
    }

    fn stored_totals(&self, site: &str, since: UnixMillis) -> Result<Totals> {
        let mut rows = Vec::new();
        for row in self.sql().exec("SELECT route, total FROM totals", None)?.raw() {
            if let [SqlStorageValue::String(route), SqlStorageValue::Blob(total)] = row?.as_slice() {
                rows.push((route.clone(), total.clone()));
            }
        }
        let totals = Totals::restored(site.to_owned(), since, rows);
        totals.map_err(|_| Error::RustError("a stored total is of no version of ours".into()))
    }
}

const PATIENCE: u32 = 10_000;
/// Milliseconds after its end at which a minute is counted: most late beacons have come by then.
const GRACE: u64 = 30_000;
