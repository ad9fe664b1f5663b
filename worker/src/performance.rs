//! `/api/performance/…`: bottlenecks, recommendations, trends and figures, which `insight` makes from the counts; and
//! the calls that stop and start monitoring.

use std::collections::BTreeMap;

use budget::Budgets;
use insight::advice::advise;
use insight::backend_queries::BackendQueries;
use insight::bottleneck::rank;
use insight::cause_report::{CauseQuery, PageCauses};
use insight::health_document::{CacheUsage, RequestReport};
use insight::page_evidence::{self, PageEvidence};
use insight::performance_report::{release_pages, trends};
use insight::query_parameters::BY_PAGE;
use insight::release::{self, ReleasePage};
use insight::stats_format::stats;
use ledger::{Dimension, SeriesQuery, WindowSpan};
use serde_json::{Value, json};
use wire::Metric;
use worker::{Env, Error, Request};

use crate::config::Config;
use crate::query_api::QueryRequest;
use crate::response::{self, CONTENT_TYPE_JSON, HandlerError, HandlerResult};
use crate::shard_client::{self, call_all};
use crate::shard_protocol::SetMonitoring;
use crate::{auth, budgets, health, traffic_collector};

/// `GET /api/performance/dashboard`: health, bottlenecks and recommendations in one document.
pub(crate) async fn dashboard(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let report = health::snapshot(env, config, &asked.site).await?;
    // As in the health document, operations need a token.
    let operations = if auth::can_read(request, env)? { report.operations } else { None };
    let (query, found) = load_evidence(env, config, &asked).await?;
    let budgets = found.budgets;
    let places = found.evidence.page_metrics(&budgets);
    let (mut bottlenecks, mut advice) = (rank(&places), advise(&places));
    bottlenecks.truncate(MAX_DASHBOARD_ITEMS);
    advice.truncate(MAX_DASHBOARD_ITEMS);
    let mut details = report.details;
    if let Some(details) = &mut details {
        details.vitals.truncate(MAX_DASHBOARD_ITEMS);
    }
    let document = json!({
        "v": 1,
        "site": asked.site,
        "from": query.from,
        "to": query.to,
        "health": report.health,
        "score": report.score,
        "parts": report.parts,
        "details": details,
        "bottlenecks": bottlenecks,
        "recommendations": advice,
        "alerts": operations.map(|operations| operations.alerts),
    });
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        asked.cache_control(&query),
        document.to_string().into_bytes(),
    )
}

/// `GET /api/performance/metrics`: figures of vitals, requests, cache and backend queries.
pub(crate) async fn metrics(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", &[], None)?;
    let groups = shard_client::query(env, config, &asked.site, &query).await?;
    let traffic = traffic_collector::read_total(env, &asked.site, query.from, query.to).await?;
    let total = groups.total();
    let vitals: BTreeMap<&str, Value> = total
        .metrics
        .iter()
        .map(|(metric, tally)| Ok((metric.name(), serde_json::to_value(stats(*metric, Some(tally)))?)))
        .collect::<Result<_, serde_json::Error>>()
        .map_err(Error::from)?;
    let span = query.to.0.saturating_sub(query.from.0);
    let document = json!({
        "v": 1,
        "site": asked.site,
        "from": query.from,
        "to": query.to,
        "views": total.views,
        "vitals": vitals,
        "requests": RequestReport::from_traffic(&traffic, span),
        "cache": CacheUsage::from_traffic(&traffic),
        "queries": BackendQueries::new(&traffic, None).queries,
    });
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        asked.cache_control(&query),
        document.to_string().into_bytes(),
    )
}

/// `GET /api/performance/queries`: the backend queries of a route, or of all. They are attributed by route and time.
pub(crate) async fn queries(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", &[], None)?;
    let page = query.only.iter().find_map(|(dimension, value)| match dimension {
        Dimension::Route => Some(value.as_str()),
        _ => None,
    });
    let traffic = traffic_collector::read_total(env, &asked.site, query.from, query.to).await?;
    let BackendQueries {
        found,
        routes,
        answers,
        origin_responses: asked_for,
        origin_seconds,
        queries,
        more,
        elsewhere,
    } = BackendQueries::new(&traffic, page);
    let document = json!({
        "v": 1,
        "site": asked.site,
        "from": query.from,
        "to": query.to,
        "page": page,
        "found": found,
        "routes": routes,
        "answers": answers,
        "asked": asked_for,
        "origin_seconds": origin_seconds,
        "queries": queries,
        "more": more,
        "elsewhere": elsewhere,
    });
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        asked.cache_control(&query),
        document.to_string().into_bytes(),
    )
}

/// `GET /api/performance/bottlenecks`: the most costly ones first.
pub(crate) async fn bottlenecks(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let (query, found) = load_evidence(env, config, &asked).await?;
    let mut all = rank(&found.evidence.page_metrics(&found.budgets));
    all.truncate(MAX_LINES);
    let document =
        json!({ "v": 1, "site": asked.site, "from": query.from, "to": query.to, "bottlenecks": all });
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        asked.cache_control(&query),
        document.to_string().into_bytes(),
    )
}

/// `GET /api/performance/recommendations`: with their evidence, the greatest gain first.
pub(crate) async fn recommendations(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let (query, found) = load_evidence(env, config, &asked).await?;
    let mut all = advise(&found.evidence.page_metrics(&found.budgets));
    all.truncate(MAX_LINES);
    let document =
        json!({ "v": 1, "site": asked.site, "from": query.from, "to": query.to, "recommendations": all });
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        asked.cache_control(&query),
        document.to_string().into_bytes(),
    )
}

/// `GET /api/performance/analytics`: the trend of each vital by day, and the comparison of two releases.
pub(crate) async fn analytics(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", &[], Some(WindowSpan::Day))?;
    let groups = shard_client::query(env, config, &asked.site, &query).await?;
    let trends = trends(&groups);
    let release = match asked.parameters.comparison_query(&query)? {
        Some((against, _)) => {
            let pages = release_comparison(env, config, &asked, &query).await?;
            Some(json!({ "against": against, "differences": release::compare(&pages) }))
        }
        None => None,
    };
    let document = json!({
        "v": 1,
        "site": asked.site,
        "from": query.from,
        "to": query.to,
        "trends": trends,
        "release": release,
    });
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        asked.cache_control(&query),
        document.to_string().into_bytes(),
    )
}

/// `POST /api/performance/monitoring/stop` and `/start`: stops or starts the counting of beacons.
pub(crate) async fn set_monitoring(
    request: &Request,
    env: &Env,
    config: &Config,
    is_on: bool,
) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    call_all(env, config, &site, SetMonitoring { is_on }).await?;
    let monitoring = if is_on { "on" } else { "stopped" };
    Ok(response::json(json!({ "v": 1, "site": site, "monitoring": monitoring }).to_string())?)
}

struct BudgetedEvidence {
    evidence: PageEvidence,
    budgets: Budgets,
}

async fn load_evidence(
    env: &Env,
    config: &Config,
    asked: &QueryRequest,
) -> Result<(SeriesQuery, BudgetedEvidence), HandlerError> {
    let query = asked.parameters.query("", &page_evidence::GROUP_BY, None)?;
    let groups = shard_client::query(env, config, &asked.site, &query).await?;
    let question = CauseQuery { from: query.from, to: query.to, route: None, device: None };
    let causes = call_all(env, config, &asked.site, question).await?.into_iter();
    let causes = causes.filter_map(|PageCauses { route, device, metric, causes }| {
        Some((route, device, Metric::from_name(&metric)?, causes))
    });
    let traffic = traffic_collector::read_total(env, &asked.site, query.from, query.to).await?;
    let findings = PageEvidence::new(&groups, causes.collect(), &traffic);
    Ok((query, BudgetedEvidence { evidence: findings, budgets: budgets::in_force(&groups.budget_history)? }))
}

/// Reads both releases, and compares their visits against budgets, page by page.
async fn release_comparison(
    env: &Env,
    config: &Config,
    asked: &QueryRequest,
    query: &SeriesQuery,
) -> Result<Vec<ReleasePage>, HandlerError> {
    let after = SeriesQuery { by: BY_PAGE.to_vec(), step: None, ..query.clone() };
    let Some((_, before)) = asked.parameters.comparison_query(&after)? else { return Ok(Vec::new()) };
    let before = shard_client::query(env, config, &asked.site, &before).await?;
    let now = shard_client::query(env, config, &asked.site, &after).await?;
    Ok(release_pages(&before, &now, &budgets::in_force(&now.budget_history)?))
}

const MAX_DASHBOARD_ITEMS: usize = 10;
const MAX_LINES: usize = 500;
