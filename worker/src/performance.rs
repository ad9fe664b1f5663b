//! `GET /api/performance/…`: where visitors lose time, what would help, where it is going; and the calls that
//! stop and start the monitoring of a site. It asks, and lays the answers side by side; what they mean is
//! `report`'s to say.

use std::collections::BTreeMap;

use budget::Budgets;
use ledger::{Dimension, MetricCell, SeriesQuery};
use report::advice::advise;
use report::backend_queries::BackendQueries;
use report::bottleneck::rank;
use report::page_evidence::{self, PageEvidence};
use report::performance_document::{
    BottleneckReport, MonitoringResponse, PerformanceDashboard, PerformanceMetrics, PerformanceScope,
    QueryReport, RecommendationReport, ReleaseEffect, TrendReport, VERSION,
};
use report::release::{self, ReleasePage};
use report::request_report::{CacheUsage, RequestReport};
use report::stats_format::{display_value, stats};
use report::trend::{DailyValue, Trend};
use wire::{Metric, WindowSpan};
use worker::{Env, Error, Request, Result};

use crate::config::Config;
use crate::query_api::{BY_PAGE, CONTENT_TYPE_JSON, QueryRequest};
use crate::response::{self, HandlerError, HandlerResult};
use crate::shard::{self, Shard, cause_store, now};
use crate::{auth, budgets, health, traffic_collector};

/// All at a glance: the health with its reasons, what costs most, and what would help.
pub(crate) async fn dashboard(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let known = health::snapshot(env, config, &asked.site).await?.report;
    // What the machinery does is told to those who hold a token, here as there.
    let operations = if auth::can_read(request, env)? { known.operations } else { None };
    let (query, found) = load_evidence(env, config, &asked).await?;
    let budgets = found.budgets;
    let places = found.evidence.page_metrics(&budgets);
    let (mut bottlenecks, mut advice) = (rank(&places), advise(&places));
    bottlenecks.truncate(MAX_DASHBOARD_ITEMS);
    advice.truncate(MAX_DASHBOARD_ITEMS);
    let mut details = known.details;
    if let Some(details) = &mut details {
        details.vitals.truncate(MAX_DASHBOARD_ITEMS);
    }
    let document = PerformanceDashboard {
        scope: scope(&asked, &query),
        health: known.health,
        score: known.score,
        parts: known.parts,
        details,
        bottlenecks,
        recommendations: advice,
        alerts: operations.map(|operations| operations.alerts),
    };
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        asked.cache_control(&query),
        serde_json::to_vec(&document).map_err(Error::from)?,
    )
}

/// The figures of the span: vitals, answers, the cache, queries.
pub(crate) async fn metrics(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", &[], None)?;
    let groups = shard::query(env, config, &asked.site, &query).await?;
    let traffic = traffic_collector::read_total(env, &asked.site, query.from, query.to).await?;
    let total = groups.total();
    let vitals =
        total.metrics.iter().map(|(metric, tally)| (metric.name(), stats(*metric, Some(tally)))).collect();
    let span = query.to.0.saturating_sub(query.from.0);
    let document = PerformanceMetrics {
        scope: scope(&asked, &query),
        views: total.views,
        vitals,
        requests: RequestReport::from_traffic(&traffic, span),
        cache: CacheUsage::from_traffic(&traffic),
        queries: BackendQueries::new(&traffic, None).queries,
    };
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        asked.cache_control(&query),
        serde_json::to_vec(&document).map_err(Error::from)?,
    )
}

/// The queries behind a page, or all of them. The edge tells them apart by route and time alone.
pub(crate) async fn queries(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", &[], None)?;
    let page = query.only.iter().find_map(|(dimension, value)| match dimension {
        Dimension::Route => Some(value.as_str()),
        _ => None,
    });
    let traffic = traffic_collector::read_total(env, &asked.site, query.from, query.to).await?;
    let document = QueryReport {
        scope: scope(&asked, &query),
        page: page.map(str::to_owned),
        queries: BackendQueries::new(&traffic, page),
    };
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        asked.cache_control(&query),
        serde_json::to_vec(&document).map_err(Error::from)?,
    )
}

/// Where visitors lose time, the dearest first.
pub(crate) async fn bottlenecks(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let (query, found) = load_evidence(env, config, &asked).await?;
    let mut all = rank(&found.evidence.page_metrics(&found.budgets));
    all.truncate(MAX_LINES);
    let document = BottleneckReport { scope: scope(&asked, &query), bottlenecks: all };
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        asked.cache_control(&query),
        serde_json::to_vec(&document).map_err(Error::from)?,
    )
}

/// What would help, with its evidence, the greatest gain first.
pub(crate) async fn recommendations(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let (query, found) = load_evidence(env, config, &asked).await?;
    let mut all = advise(&found.evidence.page_metrics(&found.budgets));
    all.truncate(MAX_LINES);
    let document = RecommendationReport { scope: scope(&asked, &query), recommendations: all };
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        asked.cache_control(&query),
        serde_json::to_vec(&document).map_err(Error::from)?,
    )
}

/// Where each vital is going, day by day; and what a release did, where two are named.
pub(crate) async fn analytics(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", &[], Some(WindowSpan::Day))?;
    let groups = shard::query(env, config, &asked.site, &query).await?;
    let mut days: BTreeMap<Metric, Vec<DailyValue>> = BTreeMap::new();
    for (group, cell) in &groups.cells {
        let Some(at) = group.at else { continue };
        let index = u32::try_from(at.0 / WindowSpan::Day.millis()).unwrap_or(u32::MAX);
        for (metric, tally) in &cell.metrics {
            let Some(p75) = tally.sketch.percentile(75) else { continue };
            let value = display_value(*metric, p75.midpoint());
            days.entry(*metric).or_default().push(DailyValue { index, n: tally.n, value });
        }
    }
    let trends = days.iter().map(|(metric, days)| (metric.name(), Trend::from_days(days))).collect();
    let release = match asked.parameters.comparison_query(&query)? {
        Some((against, _)) => {
            let pages = release_comparison(env, config, &asked, &query).await?;
            Some(ReleaseEffect { against: against.to_owned(), differences: release::compare(&pages) })
        }
        None => None,
    };
    let document = TrendReport { scope: scope(&asked, &query), trends, release };
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        asked.cache_control(&query),
        serde_json::to_vec(&document).map_err(Error::from)?,
    )
}

/// `POST /api/performance/monitoring/stop` and `/start`: whether what is sent for a site is counted.
pub(crate) async fn set_monitoring(
    request: &Request,
    env: &Env,
    config: &Config,
    is_on: bool,
) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    for shard in config.shards.indices() {
        let body = if is_on { "start" } else { "stop" };
        shard::call_shard(env, &site, shard, "monitoring", Some(body.into())).await?;
    }
    let monitoring = if is_on { "on" } else { "stopped" };
    response::document(&MonitoringResponse { v: VERSION, site, monitoring })
}

fn scope(asked: &QueryRequest, query: &SeriesQuery) -> PerformanceScope {
    PerformanceScope::new(asked.site.clone(), query.from, query.to)
}

struct BudgetedEvidence {
    evidence: PageEvidence,
    budgets: Budgets,
}

async fn load_evidence(
    env: &Env,
    config: &Config,
    asked: &QueryRequest,
) -> core::result::Result<(SeriesQuery, BudgetedEvidence), HandlerError> {
    let query = asked.parameters.query("", &page_evidence::GROUP_BY, None)?;
    let groups = shard::query(env, config, &asked.site, &query).await?;
    let question = cause_store::CauseQuery { from: query.from, to: query.to, route: None, device: None };
    let caused = shard::query_causes(env, config, &asked.site, &question).await?.into_iter();
    let reasons = caused.filter_map(|(route, device, metric, causes)| {
        Some((route, device, Metric::from_name(&metric)?, causes))
    });
    let traffic = traffic_collector::read_total(env, &asked.site, query.from, query.to).await?;
    let findings = PageEvidence::new(&groups, reasons.collect(), &traffic);
    Ok((query, BudgetedEvidence { evidence: findings, budgets: budgets::in_force(&groups.budget_history)? }))
}

/// The visits of both releases against their budgets, page by page.
async fn release_comparison(
    env: &Env,
    config: &Config,
    asked: &QueryRequest,
    query: &SeriesQuery,
) -> core::result::Result<Vec<ReleasePage>, HandlerError> {
    let after = SeriesQuery { by: BY_PAGE.to_vec(), step: None, ..query.clone() };
    let Some((_, before)) = asked.parameters.comparison_query(&after)? else { return Ok(Vec::new()) };
    let before = shard::query(env, config, &asked.site, &before).await?;
    let now = shard::query(env, config, &asked.site, &after).await?;
    let budgets = budgets::in_force(&now.budget_history)?;
    let mut pages = Vec::new();
    for (group, cell) in &now.cells {
        let Some((route, device)) = group.page(BY_PAGE) else { continue };
        for (metric, tally) in &cell.metrics {
            let Some(limit) = budgets.limit(route, device, *metric) else { continue };
            let earlier = before.cells.get(group).and_then(|cell| cell.metrics.get(metric));
            let kept = |tally: Option<&MetricCell>| {
                budget::BudgetTally::from(
                    tally.map(|tally| tally.counts_for_limit(limit.max)).unwrap_or_default(),
                )
            };
            let (before, after) = (kept(earlier), kept(Some(tally)));
            pages.push(ReleasePage { route: route.to_owned(), device, metric: *metric, before, after });
        }
    }
    Ok(pages)
}

impl Shard {
    /// Counts what is sent, or lets it go by. It is remembered, whatever becomes of the object.
    pub(crate) fn set_monitoring(&self, is_on: bool) -> Result<()> {
        if is_on == self.is_monitored() {
            return Ok(());
        }
        self.store_fact("monitoring", &is_on)?;
        self.monitored.set(Some(is_on));
        // What was not counted meanwhile was not to be expected either.
        if is_on { self.update_last_beacon_at(Some(now())).map(drop) } else { Ok(()) }
    }

    pub(crate) fn is_monitored(&self) -> bool {
        if let Some(known) = self.monitored.get() {
            return known;
        }
        // What cannot be read is no reason to lose a visit.
        let is_on = self.load_fact("monitoring").ok().flatten().unwrap_or(true);
        self.monitored.set(Some(is_on));
        is_on
    }
}

const MAX_DASHBOARD_ITEMS: usize = 10;
const MAX_LINES: usize = 500;
