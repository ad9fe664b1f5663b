//! `GET /api/health/advanced`: how healthy a site is, for people and for monitors. It asks the shards for
//! their counts and the first one for what it owes, and the origin, through the first shard, how it is. What
//! all that means is `report::health`'s to say, and who reads which part of it `report::health_document`'s.

use std::cell::{Cell as Slot, RefCell};
use std::collections::BTreeMap;

use alerting::inputs;
use budget::Budgets;
use ledger::{HourlyLimitCounts, MetricCell, QueryResult, SeriesQuery};
use report::health::{self, Availability, BudgetedCell, Health, HealthStatus};
use report::health_document::{BeaconCounts, HealthDetails, HealthReport, VitalReport};
use report::operations::{BackendStatus, MemoryUsage, Operations, QueueDepths};
use report::origin_check::OriginCheck;
use report::request_report::{CacheUsage, RequestReport};
use serde::{Deserialize, Serialize};
use traffic::TrafficStats;
use wire::{Device, Metric, OTHER_LABEL, UnixMillis, Window, WindowSpan};
use worker::{Date, Env, Method, Request, Result, web_sys};

use crate::config::Config;
use crate::query_api::BY_PAGE;
use crate::response::{self, HandlerError, HandlerResult};
use crate::shard::{self, Shard, now};
use crate::{auth, budgets, outbound, traffic_collector};

/// What the first shard knows besides its counts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CoordinatorStatus {
    pub(crate) operations: Operations,
    heard_at: Option<UnixMillis>,
    missed: f64,
}

/// The document, in as much of it as the request may know.
pub(crate) async fn advanced(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    let is_public = config.sites.get(&site).is_some_and(|site| site.public);
    let holds_token = auth::can_read(request, env)?;
    let snapshot = snapshot(env, config, &site).await?;
    let HealthSnapshot { report: bulletin, .. } = &snapshot;
    let bulletin = HealthReport {
        details: bulletin.details.clone().filter(|_| is_public || holds_token),
        operations: bulletin.operations.clone().filter(|_| holds_token),
        ..bulletin.clone()
    };
    let cache = if holds_token || !is_public { "private, max-age=5" } else { "public, max-age=5" };
    let body = serde_json::to_vec(&bulletin).map_err(worker::Error::from)?;
    let status = if bulletin.status == "fail" { 503 } else { 200 };
    let response = response::conditional(request, CONTENT_TYPE_HEALTH_JSON, cache, body)?;
    Ok(if response.status_code() == 200 { response.with_status(status) } else { response })
}

/// All that is known of a site, whoever may know it.
#[derive(Clone)]
pub(crate) struct HealthSnapshot {
    evaluated_at: u64,
    pub(crate) report: HealthReport,
}

/// The same as a few seconds ago, where somebody asked then: who asks often must not cost more.
pub(crate) async fn snapshot(env: &Env, config: &Config, site: &str) -> Result<HealthSnapshot, HandlerError> {
    let asked_at = Date::now().as_millis();
    let known = KEPT.with_borrow(|kept| kept.get(site).cloned());
    if let Some(known) =
        known.filter(|known| asked_at.saturating_sub(known.evaluated_at) < SNAPSHOT_MAX_AGE_MS)
    {
        return Ok(known);
    }
    let now = UnixMillis(asked_at);
    let query = last_day_query(now);
    let groups = shard::query(env, config, site, &query).await?;
    let counts = shard::limit_counts(env, config, site).await?;
    let rules = budgets::in_force(&groups.budget_history)?;
    let (traffic, answers) = recent_traffic(env, site, now).await?;
    let standing: CoordinatorStatus =
        shard::call_coordinator(env, site, "standing", &groups.last_beacon_at).await?;
    let snapshot =
        HealthSnapshot::evaluate(site, &query, &groups, &counts, &rules, &traffic, answers, standing, now);
    KEPT.with_borrow_mut(|kept| kept.insert(site.to_owned(), snapshot.clone()));
    Ok(snapshot)
}

/// What the edge answered in the last hour; and whether it answers at all, by the last day.
async fn recent_traffic(
    env: &Env,
    site: &str,
    now: UnixMillis,
) -> Result<(TrafficStats, bool), HandlerError> {
    let hour = traffic_collector::read_windows(
        env,
        site,
        WindowSpan::Minute,
        now.saturating_sub(WindowSpan::Hour.millis()),
        now.saturating_add(1),
    )
    .await?;
    let mut last = TrafficStats::default();
    hour.iter().for_each(|(_, traffic)| last.merge(traffic));
    let answers = !last.is_empty()
        || !traffic_collector::read_total(env, site, now.saturating_sub(WindowSpan::Day.millis()), now)
            .await?
            .is_empty();
    Ok((last, answers))
}

/// The last day, by page.
fn last_day_query(now: UnixMillis) -> SeriesQuery {
    SeriesQuery {
        from: Window::containing(WindowSpan::Minute, now.saturating_sub(WindowSpan::Day.millis())).start,
        to: now.saturating_add(WindowSpan::Minute.millis()),
        bots: ledger::BotFilter::default(),
        only: Vec::new(),
        by: BY_PAGE.to_vec(),
        step: None,
    }
}

/// What is not there, of a site that has such a thing or has not.
const fn unknown_or_unused<T>(has: bool) -> Availability<T> {
    if has { Availability::Unknown } else { Availability::NotUsed }
}

impl HealthSnapshot {
    #[expect(clippy::too_many_arguments, reason = "each is a fact of the one document")]
    fn evaluate(
        site: &str,
        query: &SeriesQuery,
        groups: &QueryResult,
        counts: &HourlyLimitCounts,
        budgets: &Budgets,
        traffic: &TrafficStats,
        has_traffic: bool,
        status: CoordinatorStatus,
        now: UnixMillis,
    ) -> Self {
        let CoordinatorStatus { operations, heard_at, missed } = status;
        let heard_at = groups.last_beacon_at.max(heard_at);
        let cells = budgeted_cells(query, groups, budgets);
        let requests = RequestReport::from_traffic(traffic, WindowSpan::Hour.millis());
        let cache = CacheUsage::from_traffic(traffic);
        let health = Health::evaluate(
            &health::HealthInputs {
                vitals: cells.iter().map(|(cell, _)| cell.clone()).collect(),
                requests: requests.as_ref().map_or(unknown_or_unused(has_traffic), |requests| {
                    let load = &requests.total;
                    let p95 = load.p95.unwrap_or_default();
                    Availability::Known(health::RequestHealth {
                        n: load.n,
                        p95,
                        error_percent: load.error_rate,
                    })
                }),
                hit_ratio: cache
                    .as_ref()
                    .and_then(|cache| cache.hit_ratio)
                    .map_or(Availability::NotUsed, Availability::Known),
                origin: operations.origin.as_ref().map_or(Availability::NotUsed, |origin| {
                    Availability::Known(health::OriginHealth {
                        is_up: origin.is_up,
                        response_ms: origin.response_ms,
                    })
                }),
                last_beacon_at: heard_at,
                missed_views: missed,
            },
            now,
        );
        let total = groups.total();
        let vital = |(cell, measured): &(BudgetedCell, Option<&MetricCell>)| {
            let page = ledger::PageLabels { route: cell.route.clone(), device: cell.device };
            let key = (page, cell.metric.name().to_owned(), cell.limit.max);
            let hours = counts.histories.get(&key).map(|track| &track.hours);
            VitalReport::new(cell, *measured, hours.and_then(|hours| hours.keys().next_back().copied()))
        };
        let (vitals, more_vitals) = VitalReport::worst_first(cells.iter().map(vital).collect());
        let mut report = HealthReport::new(site, &health, env!("CARGO_PKG_VERSION"), now);
        report.details = Some(HealthDetails {
            reasons: health.reasons.clone(),
            because: health.parts.iter().map(|part| (part.name, part.because.clone())).collect(),
            last_beacon_at: heard_at,
            missed_views: missed,
            losses: BeaconCounts {
                views: total.views,
                sent: total.sent,
                received: total.received,
                lost: total.lost,
                refused: groups.rejections.clone(),
            },
            vitals,
            more_vitals,
            requests,
            cache,
        });
        report.operations = Some(operations);
        Self { evaluated_at: now.0, report }
    }
}

/// Every budgeted cell with what was measured of it; and the budgets that no view has met.
fn budgeted_cells<'a>(
    query: &SeriesQuery,
    groups: &'a QueryResult,
    budgets: &Budgets,
) -> Vec<(BudgetedCell, Option<&'a MetricCell>)> {
    let mut cells = Vec::new();
    let mut met = std::collections::BTreeSet::new();
    let pages = groups.cells.iter().filter_map(|(group, cell)| Some((group.page(&query.by)?, cell)));
    for ((route, device), cell) in pages.filter(|((route, _), _)| *route != OTHER_LABEL) {
        for metric in Metric::ALL {
            let Some(rule) = budgets.rule(route, device, metric) else { continue };
            met.insert(rule.position);
            let measured = cell.metrics.get(&metric);
            cells.push((budgeted_cell(route, device, &rule, measured), measured));
        }
    }
    for rule in budgets.rules().filter(|rule| !met.contains(&rule.position)) {
        cells.push((budgeted_cell(rule.pattern, rule.device.unwrap_or(Device::Phone), &rule, None), None));
    }
    cells
}

fn budgeted_cell(
    route: &str,
    device: Device,
    rule: &budget::BudgetRule<'_>,
    measured: Option<&MetricCell>,
) -> BudgetedCell {
    let kept = measured.map(|tally| tally.counts_for_limit(rule.limit.max)).unwrap_or_default();
    let (route, metric, limit) = (route.to_owned(), rule.metric, rule.limit);
    BudgetedCell { route, device, metric, limit, tally: budget::BudgetTally::from(kept) }
}

impl Shard {
    /// How the site is, with its score: by the same grounds as the document.
    pub(crate) async fn evaluate_health(&self, site: &str, config: &Config) -> Result<(HealthStatus, u8)> {
        let now = now();
        let query = last_day_query(now);
        let groups = self.query_site(site, config, &query).await?;
        let counts = self.site_limit_counts(site, config).await?;
        let rules = self.active_budgets(budgets::MAX_AGE_MS).await?.budgets;
        let since = |span: WindowSpan| {
            self.traffic_windows(span, now.saturating_sub(span.millis()), now.saturating_add(1))
        };
        let mut last = TrafficStats::default();
        since(WindowSpan::Hour)?.0.values().for_each(|traffic| last.merge(traffic));
        let answers =
            !last.is_empty() || since(WindowSpan::Day)?.0.values().any(|traffic| !traffic.is_empty());
        let standing = self.coordinator_status(site, groups.last_beacon_at).await?;
        let snapshot =
            HealthSnapshot::evaluate(site, &query, &groups, &counts, &rules, &last, answers, standing, now);
        Ok((snapshot.report.health, snapshot.report.score))
    }

    /// What this one owes and how it is, for the whole site.
    pub(crate) async fn coordinator_status(
        &self,
        site: &str,
        heard_at: Option<UnixMillis>,
    ) -> Result<CoordinatorStatus> {
        let config = self.config()?;
        let pushes = self.push_dispatcher.statuses(site, &config.push)?;
        let push: Vec<BackendStatus> =
            pushes.into_iter().map(|(name, status)| BackendStatus::new(name, site, status)).collect();
        let journal = self.uncounted_count()?;
        let heard_at = self.update_last_beacon_at(heard_at)?;
        let hours = self.hourly_series()?;
        let is_monitored = self.is_monitored();
        let missed = heard_at
            .filter(|_| is_monitored)
            .zip(hours.get(inputs::VIEWS_SERIES))
            .map_or(0.0, |(at, (hours, _))| hours.expected_views(at, now()));
        let (alerts, notices) = self.alert_counts(site)?;
        let operations = Operations {
            monitoring: if is_monitored { "on" } else { "stopped" }.to_owned(),
            memory: memory_usage(),
            queues: QueueDepths {
                journal,
                push: push.iter().map(|backend| backend.waiting).sum(),
                dead_letters: push.iter().map(|backend| backend.dead_letters.len() as u64).sum(),
                notices,
            },
            push,
            origin: match config.origin_health_url(site) {
                Some(url) => self.origin_probe.probe(url).await,
                None => None,
            },
            alerts,
        };
        Ok(CoordinatorStatus { operations, heard_at, missed })
    }
}

/// The memory of this module. It never shrinks.
pub(crate) fn memory_usage() -> MemoryUsage {
    #[cfg(target_arch = "wasm32")]
    let bytes = core::arch::wasm32::memory_size::<0>() as u64 * 65_536;
    #[cfg(not(target_arch = "wasm32"))]
    let bytes = 0;
    MemoryUsage::from_bytes(bytes)
}

/// The origin's own health, asked by one object and seldom, so that many who ask us are one who asks it.
#[derive(Debug, Default)]
pub(crate) struct OriginHealthProbe {
    last: RefCell<Option<OriginCheck>>,
    /// Since when somebody asks. Who was cut off while asking asks no more.
    probing_since: Slot<Option<UnixMillis>>,
}

impl OriginHealthProbe {
    /// What it says; while somebody else is asking, what it said last.
    async fn probe(&self, url: &str) -> Option<OriginCheck> {
        let asked_at = now();
        let last = self.last.borrow().clone();
        let is_since = |moment: UnixMillis, span: u64| asked_at.0.abs_diff(moment.0) < span;
        let is_fresh = last.as_ref().is_some_and(|last| is_since(last.checked_at, PROBE_INTERVAL_MS));
        if is_fresh || self.probing_since.get().is_some_and(|since| is_since(since, PROBE_INTERVAL_MS)) {
            return last;
        }
        self.probing_since.set(Some(asked_at));
        let fields = [("accept", "application/health+json, application/json"), ("user-agent", "edge-vitals")];
        let (status, body) = match outbound::send(Method::Get, url, &fields, None, PROBE_TIMEOUT_MS).await {
            Ok(response) => {
                let status = response.status_code();
                let body =
                    outbound::read_bounded(web_sys::Response::from(response).body(), MAX_PROBE_BYTES).await;
                (Some(status), body.unwrap_or_default())
            }
            Err(_) => (None, Vec::new()),
        };
        let took = now().0.saturating_sub(asked_at.0) as f64;
        let health = OriginCheck::from_response(status, &body, took, asked_at);
        self.probing_since.set(None);
        *self.last.borrow_mut() = Some(health.clone());
        Some(health)
    }
}

thread_local! {
    // Plain data, one for each configured site: nothing in it belongs to a request.
    static KEPT: RefCell<BTreeMap<String, HealthSnapshot>> = RefCell::default();
}

pub(crate) const CONTENT_TYPE_HEALTH_JSON: &str = "application/health+json";
/// Milliseconds for which one answer serves all who ask.
const SNAPSHOT_MAX_AGE_MS: u64 = 5_000;
const PROBE_INTERVAL_MS: u64 = 10_000;
const PROBE_TIMEOUT_MS: u32 = 5_000;
/// An origin that goes on for ever is not listened to.
const MAX_PROBE_BYTES: usize = 65_536;
