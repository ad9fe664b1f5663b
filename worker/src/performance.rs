//! `/api/performance/…`: bottlenecks, recommendations, trends and figures, which `report` makes from the counts; and
//! the calls that stop and start monitoring.

use budget::Budgets;
use futures_util::future::{try_join, try_join3};
use ledger::{Dimension, SeriesQuery};
use report::advice::advise;
use report::backend_queries::BackendQueries;
use report::bottleneck::rank;
use report::cause_report::{CauseQuery, PageCauses};
use report::endpoint_findings::{EndpointFinding, endpoint_findings};
use report::page_evidence::{self, PageEvidence};
use report::performance_document::{
    BottleneckReport, MonitoringResponse, PerformanceDashboard, PerformanceMetrics, PerformanceScope,
    QueryReport, RecommendationReport, ReleaseEffect, TrendReport, VERSION,
};
use report::performance_report::{release_pages, trends};
use report::query_parameters::BY_PAGE;
use report::release::{self, ReleasePage};
use report::request_report::{CacheUsage, RequestReport};
use report::stats_format::stats;
use wire::{Metric, ShardCoverage, WindowSpan};
use worker::{Env, Request};

use crate::admission::Admission;
use crate::config::Config;
use crate::query_api::QueryRequest;
use crate::response::{self, HandlerError, HandlerResult};
use crate::shard_client::{self, SiteRead, call_all, read_all};
use crate::shard_protocol::SetMonitoring;
use crate::traffic_collector::read_sum;
use crate::{budgets, health};
use wire::sorting::CollectOrdered;

/// `GET /api/performance/dashboard`: health, bottlenecks and recommendations in one document.
pub(crate) async fn dashboard(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let (report, (query, found)) =
        try_join(health::snapshot(env, config, &asked.site), load_evidence(env, config, &asked)).await?;
    // As in the health document, operations need a token.
    let operations = if asked.holds_read_token { report.operations } else { None };
    let shards = ShardCoverage::of_both(report.shards, found.shards);
    let places = found.evidence.page_metrics(&found.budgets);
    let (mut bottlenecks, mut advice) = (rank(&places), advise(&places));
    bottlenecks.truncate(MAX_DASHBOARD_ITEMS);
    advice.truncate(MAX_DASHBOARD_ITEMS);
    let mut details = report.details;
    if let Some(details) = &mut details {
        details.vitals.truncate(MAX_DASHBOARD_ITEMS);
    }
    let document = PerformanceDashboard {
        scope: scope(&asked, &query, shards.as_ref()),
        health: report.health,
        score: report.score,
        parts: report.parts,
        details,
        bottlenecks,
        recommendations: advice,
        alerts: operations.map(|operations| operations.alerts),
    };
    response::conditional_json(request, asked.cache_control(&query, shards.as_ref()), &document)
}

/// `GET /api/performance/metrics`: figures of vitals, requests, cache and backend queries.
pub(crate) async fn metrics(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let query = asked.query("", &[], None)?;
    let (groups, traffic) = try_join(
        shard_client::query(env, config, &asked.site, &query),
        read_sum(env, config, &asked.site, WindowSpan::Day, query.from, query.to),
    )
    .await?;
    let shards = ShardCoverage::of_both(groups.shards, traffic.shards);
    let (total, traffic) = (groups.merged.total(), traffic.merged);
    let vitals = total
        .metrics
        .iter()
        .map(|(metric, tally)| (metric.name(), stats(*metric, Some(tally))))
        .collect_map();
    let span = query.to.0.saturating_sub(query.from.0);
    let document = PerformanceMetrics {
        scope: scope(&asked, &query, shards.as_ref()),
        views: total.views,
        vitals,
        requests: RequestReport::from_traffic(&traffic, span),
        cache: CacheUsage::from_traffic(&traffic),
        queries: BackendQueries::new(&traffic, None).queries,
    };
    response::conditional_json(request, asked.cache_control(&query, shards.as_ref()), &document)
}

/// `GET /api/performance/queries`: the backend queries of a route, or of all. They are attributed by route and time.
pub(crate) async fn queries(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let query = asked.query("", &[], None)?;
    let page = query.only.iter().find_map(|(dimension, value)| match dimension {
        Dimension::Route => Some(value.as_str()),
        _ => None,
    });
    let SiteRead { merged: traffic, shards } =
        read_sum(env, config, &asked.site, WindowSpan::Day, query.from, query.to).await?;
    let document = QueryReport {
        scope: scope(&asked, &query, shards.as_ref()),
        page: page.map(str::to_owned),
        queries: BackendQueries::new(&traffic, page),
    };
    response::conditional_json(request, asked.cache_control(&query, shards.as_ref()), &document)
}

/// `GET /api/performance/bottlenecks`: the most costly ones first.
pub(crate) async fn bottlenecks(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let (query, found) = load_evidence(env, config, &asked).await?;
    let mut all = rank(&found.evidence.page_metrics(&found.budgets));
    all.truncate(MAX_LINES);
    let shards = found.shards;
    let document = BottleneckReport {
        scope: scope(&asked, &query, shards.as_ref()),
        bottlenecks: all,
        endpoints: found.endpoints,
    };
    response::conditional_json(request, asked.cache_control(&query, shards.as_ref()), &document)
}

/// `GET /api/performance/recommendations`: with their evidence, the greatest gain first.
pub(crate) async fn recommendations(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let (query, found) = load_evidence(env, config, &asked).await?;
    let mut all = advise(&found.evidence.page_metrics(&found.budgets));
    all.truncate(MAX_LINES);
    let shards = found.shards;
    let document = RecommendationReport {
        scope: scope(&asked, &query, shards.as_ref()),
        recommendations: all,
        endpoints: found.endpoints,
    };
    response::conditional_json(request, asked.cache_control(&query, shards.as_ref()), &document)
}

/// `GET /api/performance/analytics`: the trend of each vital by day, and the comparison of two releases.
pub(crate) async fn analytics(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let query = asked.query("", &[], Some(WindowSpan::Day))?;
    let SiteRead { merged: groups, mut shards } =
        shard_client::query(env, config, &asked.site, &query).await?;
    let trends = trends(&groups);
    let release = match asked.parameters.comparison_query(&query)? {
        Some((against, _)) => {
            let pages = release_comparison(env, config, &asked, &query).await?;
            shards = ShardCoverage::of_both(shards, pages.shards);
            Some(ReleaseEffect { against: against.to_owned(), differences: release::compare(&pages.merged) })
        }
        None => None,
    };
    let document = TrendReport { scope: scope(&asked, &query, shards.as_ref()), trends, release };
    response::conditional_json(request, asked.cache_control(&query, shards.as_ref()), &document)
}

/// `POST /api/performance/monitoring/stop` and `/start`: stops or starts the counting of beacons.
pub(crate) async fn set_monitoring(
    env: &Env,
    config: &Config,
    admission: &Admission,
    is_on: bool,
) -> HandlerResult {
    let site = admission.site.clone();
    call_all(env, config, &site, SetMonitoring { is_on }).await?;
    let monitoring = if is_on { "on" } else { "stopped" };
    response::document(&MonitoringResponse { v: VERSION, site, monitoring })
}

fn scope(asked: &QueryRequest, query: &SeriesQuery, shards: Option<&ShardCoverage>) -> PerformanceScope {
    PerformanceScope::new(asked.site.clone(), query.from, query.to, shards.cloned())
}

struct BudgetedEvidence {
    evidence: PageEvidence,
    endpoints: Vec<EndpointFinding>,
    budgets: Budgets,
    shards: Option<ShardCoverage>,
}

async fn load_evidence(
    env: &Env,
    config: &Config,
    asked: &QueryRequest,
) -> Result<(SeriesQuery, BudgetedEvidence), HandlerError> {
    let query = asked.query("", &page_evidence::GROUP_BY, None)?;
    let question = CauseQuery { from: query.from, to: query.to, route: None, device: None };
    let (groups, causes, traffic) = try_join3(
        shard_client::query(env, config, &asked.site, &query),
        read_all(env, config, &asked.site, question),
        read_sum(env, config, &asked.site, WindowSpan::Day, query.from, query.to),
    )
    .await?;
    let shards = [causes.shards, traffic.shards].into_iter().fold(groups.shards, ShardCoverage::of_both);
    let causes = causes.merged.into_iter().filter_map(|PageCauses { route, device, metric, causes }| {
        Some((route, device, Metric::from_name(&metric)?, causes))
    });
    let evidence = PageEvidence::new(&groups.merged, causes.collect(), &traffic.merged);
    let budgets = budgets::in_force(&groups.merged.budget_history)?;
    let endpoints = endpoint_findings(&traffic.merged);
    Ok((query, BudgetedEvidence { evidence, endpoints, budgets, shards }))
}

/// Reads both releases, and compares their visits against budgets, page by page.
async fn release_comparison(
    env: &Env,
    config: &Config,
    asked: &QueryRequest,
    query: &SeriesQuery,
) -> Result<SiteRead<Vec<ReleasePage>>, HandlerError> {
    let after = SeriesQuery { by: BY_PAGE.to_vec(), step: None, ..query.clone() };
    let Some((_, before)) = asked.parameters.comparison_query(&after)? else {
        return Ok(SiteRead { merged: Vec::new(), shards: None });
    };
    let (before, now) = try_join(
        shard_client::query(env, config, &asked.site, &before),
        shard_client::query(env, config, &asked.site, &after),
    )
    .await?;
    let budgets = budgets::in_force(&now.merged.budget_history)?;
    Ok(SiteRead {
        merged: release_pages(&before.merged, &now.merged, &budgets),
        shards: ShardCoverage::of_both(before.shards, now.shards),
    })
}

const MAX_DASHBOARD_ITEMS: usize = 10;
const MAX_LINES: usize = 500;
