//! The health document of a site: counts of its shards, and the status of its coordinator. `report::health_inputs`
//! evaluates them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join3;
use report::health_document::HealthReport;
use report::health_inputs::{RecentTraffic, SiteCounts, last_day_query};
use wire::{ApiError, ShardCoverage, UnixMillis, WindowSpan};
use worker::{Env, Request};

use crate::admission::Admission;
use crate::budgets;
use crate::clock::now;
use crate::config::Config;
use crate::response::{self, HandlerError, HandlerResult};
use crate::shard_client::{self, COORDINATOR, call_coordinator};
use crate::shard_protocol::{ReadStatus, TrafficQuery};
use crate::traffic_collector::read_windows;

/// `GET /api/health/advanced`: the document; its operations for holders of a token.
pub(crate) async fn advanced(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let holds_token = admission.holds_read_token();
    let report = snapshot(env, config, &admission.site).await?.redacted(true, holds_token);
    let cache = if holds_token { "private, max-age=5" } else { "public, max-age=5" };
    let body = serde_json::to_vec(&report).map_err(worker::Error::from)?;
    let status = if report.status == "fail" { 503 } else { 200 };
    let response = response::conditional(request, CONTENT_TYPE_HEALTH_JSON, cache, body)?;
    Ok(if response.status_code() == 200 { response.with_status(status) } else { response })
}

/// Evaluates a site, or returns the document of the last few seconds: frequent reads cost no more than rare ones.
pub(crate) async fn snapshot(env: &Env, config: &Config, site: &str) -> Result<HealthReport, HandlerError> {
    let now = now();
    let known = SNAPSHOTS.with_borrow(|snapshots| snapshots.get(site).cloned());
    if let Some(known) = known.filter(|known| now.0.saturating_sub(known.at.0) < SNAPSHOT_MAX_AGE_MS) {
        return Ok(known);
    }
    let query = last_day_query(now);
    let (groups, limit_counts, recent) = try_join3(
        shard_client::query(env, config, site, &query),
        shard_client::limit_counts(env, config, site),
        recent_traffic(env, config, site, now),
    )
    .await?;
    let (traffic, shards) = recent;
    let mut shards = [groups.shards, limit_counts.shards].into_iter().fold(shards, ShardCoverage::of_both);
    let (groups, limit_counts) = (groups.merged, limit_counts.merged);
    let is_coordinated = !shards.as_ref().is_some_and(|shards| shards.unanswered.contains(&COORDINATOR));
    let status = match is_coordinated {
        true => call_coordinator(env, site, ReadStatus { last_beacon_at: groups.last_beacon_at }).await,
        false => Err(ApiError::Unavailable { component: "ledger" }.into()),
    };
    let status = status.inspect_err(|failure| {
        worker::console_error!("the coordinator of site {site} was not read: {failure:?}");
        let missing = ShardCoverage::new(config.shards_of(site).indices().end, BTreeSet::from([COORDINATOR]));
        shards = ShardCoverage::of_both(shards.take(), missing);
    });
    let counts = SiteCounts {
        query: &query,
        groups: &groups,
        limit_counts: &limit_counts,
        budgets: &budgets::in_force(&groups.budget_history)?,
        traffic: &traffic,
        shards: shards.as_ref(),
    };
    let report = counts.evaluate(site, status.ok(), env!("CARGO_PKG_VERSION"), now);
    SNAPSHOTS.with_borrow_mut(|snapshots| snapshots.insert(site.to_owned(), report.clone()));
    Ok(report)
}

async fn recent_traffic(
    env: &Env,
    config: &Config,
    site: &str,
    now: UnixMillis,
) -> Result<(RecentTraffic, Option<ShardCoverage>), HandlerError> {
    let to = now.saturating_add(1);
    let of_span = |span: WindowSpan, past: WindowSpan| {
        let from = now.saturating_sub(past.millis());
        read_windows(env, config, site, TrafficQuery { span, from, to })
    };
    let hour = of_span(WindowSpan::Minute, WindowSpan::Hour).await?;
    let mut recent = RecentTraffic::of_hour(&hour.merged, now);
    if !recent.needs_day() {
        return Ok((recent, hour.shards));
    }
    let day = of_span(WindowSpan::Day, WindowSpan::Day).await?;
    recent.add_day(&day.merged);
    Ok((recent, ShardCoverage::of_both(hour.shards, day.shards)))
}

thread_local! {
    // Plain data, one document for each configured site: nothing in it belongs to a request.
    static SNAPSHOTS: RefCell<BTreeMap<String, HealthReport>> = RefCell::default();
}

const CONTENT_TYPE_HEALTH_JSON: &str = "application/health+json";
const SNAPSHOT_MAX_AGE_MS: u64 = 5_000;
