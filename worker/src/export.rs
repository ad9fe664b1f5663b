//! What goes out to where people look already: totals that the first shard of a site keeps and that only
//! grow, scraped at `GET /metrics` or sent by the cron. What they say and how each format writes it is
//! `export`'s.

use export::prometheus::{self, ExpositionFormat};
use export::{Gauge, Totals, otlp};
use ledger::{BotFilter, SeriesQuery};
use serde::{Deserialize, Serialize};
use wire::{ApiError, UnixMillis, Window, WindowSpan};
use worker::{Env, Error, Request, Result, SqlStorageValue};

use crate::config::Config;
use crate::query_api::BY_PAGE;
use crate::response::{self, HandlerError, HandlerResult};
use crate::shard::{self, Shard, now};
use crate::{auth, health, outbound};

/// Since when is counted, and up to which minute.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct TotalsRange {
    since: UnixMillis,
    to: UnixMillis,
}

/// `GET /metrics`: every site that the request may read, or the one that it names.
pub(crate) async fn metrics(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let url = request.url()?;
    let named = url.query_pairs().any(|(name, _)| name == "site");
    let only = if named { Some(auth::requested_site(request, config)?) } else { None };
    let holds_token = auth::can_read(request, env)?;
    let is_meant = |name: &&String| only.as_ref().is_none_or(|only| only == *name);
    let may = |name: &&String| holds_token || config.sites.get(*name).is_some_and(|site| site.public);
    let sites: Vec<&String> = config.sites.keys().filter(is_meant).filter(may).collect();
    if sites.is_empty() {
        return Err(ApiError::NeedsToken { secret: auth::READ_TOKEN }.into());
    }
    let mut all = Vec::new();
    for site in sites {
        all.push((totals(env, site).await?, gauges(env, config, site).await?));
    }
    let accept = request.headers().get("accept")?.unwrap_or_default();
    let format = ExpositionFormat::from_accept(&accept);
    let page = prometheus::render(all.iter().map(|(totals, gauges)| (totals, gauges.as_slice())), format);
    response::conditional(request, format.content_type(), "no-store", page.into_bytes())
}

/// Sends a site's totals to a collector of OpenTelemetry, where one is configured. They are cumulative, so
/// what one export lacks the next one has.
pub(crate) async fn export_otlp(
    env: &Env,
    config: &Config,
    site: &str,
) -> core::result::Result<(), HandlerError> {
    let Some(outlet) = &config.exports.otlp else { return Ok(()) };
    let (totals, gauges) = (totals(env, site).await?, gauges(env, config, site).await?);
    let body = otlp::body(&totals, &gauges, env!("CARGO_PKG_VERSION"), now()).to_string();
    let own = outlet.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fields: Vec<(&str, &str)> = own.chain([("content-type", "application/json")]).collect();
    match outbound::post(&outlet.metrics_url, &fields, body.into(), EXPORT_TIMEOUT_MS).await?.status {
        200..=299 => Ok(()),
        status => Err(Error::RustError(format!("the collector answers {status}")).into()),
    }
}

/// Everything that a site has counted, brought up to now.
pub(crate) async fn totals(env: &Env, site: &str) -> core::result::Result<Totals, HandlerError> {
    let bytes = shard::call_coordinator_bytes(env, site, "totals").await?;
    Ok(Totals::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?)
}

/// What is so at the moment.
pub(crate) async fn gauges(
    env: &Env,
    config: &Config,
    site: &str,
) -> core::result::Result<Vec<Gauge>, HandlerError> {
    let known = health::snapshot(env, config, site).await?;
    let mut gauges = vec![Gauge::Health(known.report.score)];
    if let Some(operations) = &known.report.operations {
        gauges.push(Gauge::Backlog(operations.queues.push));
        gauges.push(Gauge::Memory(operations.memory.bytes));
    }
    let heard_at = known.report.details.as_ref().and_then(|details| details.last_beacon_at);
    gauges.extend(heard_at.map(Gauge::LastBeaconAt));
    Ok(gauges)
}

impl Shard {
    /// The totals, with the minutes that have closed since they were last asked for. What comes late for a
    /// minute that was counted is not, because a total must not fall.
    pub(crate) async fn totals(&self, site: &str) -> Result<Totals> {
        let config = self.config()?;
        let closed = Window::containing(WindowSpan::Minute, now().saturating_sub(LATE_BEACON_GRACE_MS)).start;
        let known: Option<TotalsRange> = self.load_fact("totals")?;
        let counted = known.unwrap_or(TotalsRange { since: closed, to: closed });
        // Minutes that nobody counted before they were rolled up are a part of an hour, and cannot be told
        // from the others; whole hours can.
        let from = match counted.to {
            to if to < self.horizon()?.minutes => {
                let hour = Window::containing(WindowSpan::Hour, to).start;
                if hour == to { to } else { hour.saturating_add(WindowSpan::Hour.millis()) }
            }
            to => to,
        };
        if from >= closed {
            if known.is_none() {
                self.store_fact("totals", &counted)?;
            }
            return self.load_totals(site, counted.since);
        }
        let by = BY_PAGE.to_vec();
        let query =
            SeriesQuery { from, to: closed, bots: BotFilter::default(), only: Vec::new(), by, step: None };
        let groups = self.query_site(site, &config, &query).await?;
        let answers = self.traffic_windows(WindowSpan::Minute, from, closed)?;
        // Another scrape may have been quicker while the shards were asked.
        if self.load_fact::<TotalsRange>("totals")? != known {
            return self.load_totals(site, counted.since);
        }
        let mut totals = self.load_totals(site, counted.since)?;
        let before = totals.to_rows().map_err(|error| Error::RustError(error.to_string()))?;
        for (group, cell) in &groups.cells {
            if let Some((route, device)) = group.page(&query.by) {
                totals.add_visits(route, device, cell);
            }
        }
        answers.0.values().for_each(|traffic| totals.add_traffic(traffic));
        for (route, row) in totals.to_rows().map_err(|error| Error::RustError(error.to_string()))? {
            if before.get(&route) != Some(&row) {
                let row = vec![route.into(), SqlStorageValue::Blob(row)];
                self.sql().exec("INSERT OR REPLACE INTO totals (route, total) VALUES (?, ?)", row)?;
            }
        }
        self.store_fact("totals", &TotalsRange { to: closed, ..counted })?;
        Ok(totals)
    }

    fn load_totals(&self, site: &str, since: UnixMillis) -> Result<Totals> {
        let mut rows = Vec::new();
        for row in self.sql().exec("SELECT route, total FROM totals", None)?.raw() {
            if let [SqlStorageValue::String(route), SqlStorageValue::Blob(total)] = row?.as_slice() {
                rows.push((route.clone(), total.clone()));
            }
        }
        let totals = Totals::from_rows(site.to_owned(), since, rows);
        totals.map_err(|_| Error::RustError("a stored total is of no version of ours".into()))
    }
}

const EXPORT_TIMEOUT_MS: u32 = 10_000;
/// Milliseconds after its end at which a minute is counted: most late beacons have come by then.
const LATE_BEACON_GRACE_MS: u64 = 30_000;
