//! The read API: `GET /api/vitals/…` and `GET /api/budgets`. `report` parses the parameters and writes the documents.

use std::collections::BTreeSet;

use futures_util::future::{try_join, try_join4};
use ledger::{Dimension, MAX_PUBLIC_ROWS, QueryResult, Retention, SeriesQuery};
use report::budget_report::BudgetReportInputs;
use report::query_csv::to_csv;
use report::query_parameters::{BY_PAGE, QueryParameters};
use report::{query_response, stats_format};
use wire::path_limits::{self, PathLimit, PathLimits};
use wire::query_response::{ComparisonResponse, QueryResponse, VERSION};
use wire::routes::Endpoint;
use wire::{ApiError, Device, Metric, ShardCoverage, WindowSpan};
use worker::{Env, Request};

use crate::admission::Admission;
use crate::budgets;
use crate::clock::now;
use crate::config::Config;
use crate::response::{self, CONTENT_TYPE_JSON, HandlerError, HandlerResult};
use crate::shard_client::{self, COORDINATOR, SiteRead, call, read_all};
use crate::shard_protocol::{EvaluateWatches, RunQuery};
use wire::sorting::CollectOrdered;

/// `GET /api/vitals/summary`: each route and device class with its verdicts.
pub(crate) async fn summary(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let query = asked.query("", BY_PAGE, None)?;
    let (read, navigations) = try_join(
        shard_client::query(env, config, &asked.site, &query),
        shard_client::query(env, config, &asked.site, &query.by_navigation()),
    )
    .await?;
    let shards = ShardCoverage::of_both(read.shards, navigations.shards);
    let budgets = budgets::in_force(&read.merged.budget_history)?;
    let cache = asked.cache_control(&query, shards.as_ref());
    let summary =
        query_response::summary(asked.site, &query, read.merged, &navigations.merged, &budgets, shards);
    response::conditional_json(request, cache, &summary)
}

/// `GET /api/vitals/series`: groups over time.
pub(crate) async fn series(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let step = asked.parameters.step()?;
    let query = asked.query("", &asked.parameters.dimensions()?, Some(step))?;
    respond_with_lines(request, env, config, asked, query, false).await
}

/// `GET /api/vitals/routes`: groups by route.
pub(crate) async fn routes(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let mut by = asked.parameters.dimensions()?;
    if !by.contains(&Dimension::Route) {
        by.insert(0, Dimension::Route);
    }
    let query = asked.query("", &by, None)?;
    respond_with_lines(request, env, config, asked, query, false).await
}

/// `GET /api/vitals/distribution`: groups with their distributions.
pub(crate) async fn distribution(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let query = asked.query("", &asked.parameters.dimensions()?, None)?;
    respond_with_lines(request, env, config, asked, query, true).await
}

/// `GET /api/vitals/compare`: two releases or spans; parameters with the prefix `a.` or `b.` are of one of them.
pub(crate) async fn compare(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let (before, after) = (asked.query("a.", BY_PAGE, None)?, asked.query("b.", BY_PAGE, None)?);
    if before == after {
        return Err(ApiError::BadQuery {
            name: "b.release",
            expected: "another than `a.release`, or of another time",
        }
        .into());
    }
    let (a, b) = try_join(
        shard_client::query(env, config, &asked.site, &before),
        shard_client::query(env, config, &asked.site, &after),
    )
    .await?;
    let shards = ShardCoverage::of_both(a.shards, b.shards);
    let (a, b) = (a.merged, b.merged);
    let budgets = budgets::in_force(&b.budget_history)?;
    let cache = asked.cache_control(&after, shards.as_ref());
    let compared = ComparisonResponse {
        v: VERSION,
        site: asked.site,
        a: query_response::totals(&before, &a),
        b: query_response::totals(&after, &b),
        lines: query_response::differences(BY_PAGE, &a, &b, &budgets),
        shards,
    };
    response::conditional_json(request, cache, &compared)
}

async fn respond_with_lines(
    request: &Request,
    env: &Env,
    config: &Config,
    asked: QueryRequest,
    query: SeriesQuery,
    with_buckets: bool,
) -> HandlerResult {
    let metric = asked.parameters.metric()?;
    let (offset, limit) = asked.parameters.pagination()?;
    let SiteRead { merged: groups, shards } = shard_client::query(env, config, &asked.site, &query).await?;
    let cache = asked.cache_control(&query, shards.as_ref());
    let format = asked.parameters.get("format").unwrap_or("json");
    if shards.is_some() && format != "json" {
        // Neither a table nor a sketch can say that a part is missing.
        return Err(ApiError::Unavailable { component: "ledger" }.into());
    }
    if format == "sketch" {
        return respond_with_sketch(request, cache, &groups, metric);
    }
    let mut lines = query_response::query_lines(&query, &groups, metric, with_buckets);
    let next = offset.saturating_add(limit);
    let next = (lines.len() > next).then_some(next);
    lines = lines.into_iter().skip(offset).take(limit).collect();
    match format {
        "json" => {
            let totals = query_response::totals(&query, &groups);
            let document = QueryResponse { v: VERSION, site: asked.site, totals, lines, next, shards };
            response::conditional_json(request, cache, &document)
        }
        "csv" => response::conditional(
            request,
            "text/csv; charset=utf-8",
            cache,
            to_csv(&query, &lines).into_bytes(),
        ),
        _ => Err(ApiError::BadQuery { name: "format", expected: "json, csv or sketch" }.into()),
    }
}

/// Returns the sketch of the only series of a result.
fn respond_with_sketch(
    request: &Request,
    cache: &str,
    groups: &QueryResult,
    metric: Option<Metric>,
) -> HandlerResult {
    let want = "asked for where one series is left: give `metric`, and no `by` that leaves several";
    let mut tallies = query_response::metric_tallies(groups, metric);
    match (tallies.next(), tallies.next()) {
        (Some((_, _, tally)), None) => {
            response::conditional(request, "application/octet-stream", cache, tally.sketch.encode())
        }
        _ => Err(ApiError::BadQuery { name: "format", expected: want }.into()),
    }
}

/// `GET /api/budgets`: the budget report.
pub(crate) async fn budget_report(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let asked = QueryRequest::new(request, admission, config)?;
    let query = asked.query("", BY_PAGE, None)?;
    let against = asked.parameters.comparison_query(&query)?;
    let selection = asked.parameters.cell_selection()?;
    let read =
        read_all(env, config, &asked.site, RunQuery { query: query.clone(), with_latest_budgets: true });
    let other_release = async {
        let Some((release, query)) = against else { return Ok(None) };
        Ok(Some((release, shard_client::query(env, config, &asked.site, &query).await?)))
    };
    let counts = shard_client::limit_counts(env, config, &asked.site);
    let by_navigation = query.by_navigation();
    let navigations = shard_client::query(env, config, &asked.site, &by_navigation);
    let (SiteRead { merged: groups, mut shards }, navigations, baseline, counts) =
        try_join4(read, navigations, other_release, counts).await?;
    shards = ShardCoverage::of_both(shards, navigations.shards);
    shards = ShardCoverage::of_both(shards, counts.shards);
    let counts = counts.merged;
    let baseline = baseline.map(|(release, read)| {
        shards = ShardCoverage::of_both(shards.take(), read.shards);
        (release, read.merged)
    });
    // A sequential test would take an hour without some of its views for the whole hour.
    let outcomes = match shards {
        Some(_) => Vec::new(),
        None => {
            let request = EvaluateWatches { counts: counts.clone() };
            call(env, &asked.site, COORDINATOR, request).await.unwrap_or_else(|failure| {
                worker::console_error!("the coordinator of {} was not asked: {failure:?}", asked.site);
                let missing = BTreeSet::from([COORDINATOR]);
                shards = ShardCoverage::new(config.shards_of(&asked.site).indices().end, missing);
                Vec::new()
            })
        }
    };
    let watches = outcomes.into_iter().map(|outcome| (outcome.key.clone(), outcome)).collect_map();
    let inputs = BudgetReportInputs {
        site: asked.site.clone(),
        query: &query,
        groups: &groups,
        navigations: &navigations.merged,
        baseline,
        budgets: &budgets::in_force(&groups.budget_history)?,
        counts: &counts,
        watches: &watches,
        now: asked.parameters.now(),
        selection,
        shards: shards.as_ref(),
    };
    let body =
        serde_json::to_vec(&inputs.report().map_err(|error| worker::Error::RustError(error.to_string()))?)
            .map_err(worker::Error::from)?;
    response::conditional(request, CONTENT_TYPE_JSON, asked.cache_control(&query, shards.as_ref()), body)
}

/// `GET /api/budgets/limits`: the limits of a path, for the demo page and the client.
pub(crate) async fn path_limits(request: &Request, env: &Env) -> HandlerResult {
    let parameters = QueryParameters::new(query_pairs(request)?, now());
    let path = parameters.get("path").unwrap_or("/");
    let device = parameters.device()?.unwrap_or(Device::Desktop);
    let budgets = budgets::current(env).await?;
    let limits = Metric::ALL
        .into_iter()
        .filter_map(|metric| {
            let limit = budgets.limit(path, device, metric)?;
            let max = stats_format::display_value(metric, limit.max);
            Some((metric.name(), PathLimit { max, percentile: limit.percentile, line: limit.line }))
        })
        .collect();
    let document = PathLimits { v: path_limits::VERSION, path: path.to_owned(), device, limits };
    Ok(response::public_json(serde_json::to_string(&document).map_err(worker::Error::from)?)?)
}

/// Returns the endpoint that answers: `/api/budgets` with `path` has the limits of that path, for clients that predate
/// `/api/budgets/limits`.
pub(crate) fn effective_endpoint(endpoint: Endpoint, request: &Request) -> worker::Result<Endpoint> {
    let is_of_path =
        endpoint == Endpoint::BudgetReport && query_pairs(request)?.iter().any(|(name, _)| name == "path");
    Ok(if is_of_path { Endpoint::PathLimits } else { endpoint })
}

/// A read of a site.
pub(crate) struct QueryRequest {
    pub(crate) site: String,
    is_public: bool,
    pub(crate) holds_read_token: bool,
    retention: Retention,
    pub(crate) parameters: QueryParameters,
}

impl QueryRequest {
    pub(crate) fn new(
        request: &Request,
        admission: &Admission,
        config: &Config,
    ) -> Result<Self, HandlerError> {
        let parameters = QueryParameters::new(query_pairs(request)?, now());
        Ok(Self {
            site: admission.site.clone(),
            is_public: admission.is_public,
            holds_read_token: admission.holds_read_token(),
            retention: config.retention,
            parameters,
        })
    }

    /// Builds the query, and refuses one that reads more than anybody without a token may.
    pub(crate) fn query(
        &self,
        prefix: &'static str,
        by: &[Dimension],
        step: Option<WindowSpan>,
    ) -> Result<SeriesQuery, ApiError> {
        let query = self.parameters.query(prefix, by, step)?;
        let rows = query.estimated_rows(&self.retention, self.parameters.now());
        match !self.holds_read_token && rows > MAX_PUBLIC_ROWS {
            true => Err(ApiError::TooDear { rows, limit: MAX_PUBLIC_ROWS }),
            false => Ok(query),
        }
    }

    /// Returns the `Cache-Control` of a response to `query`. No cache keeps one of a part of the shards.
    pub(crate) const fn cache_control(
        &self,
        query: &SeriesQuery,
        shards: Option<&ShardCoverage>,
    ) -> &'static str {
        match shards {
            Some(_) => "no-store",
            None => self.parameters.cache_control(query, self.is_public),
        }
    }
}

pub(crate) fn query_pairs(request: &Request) -> worker::Result<Vec<(String, String)>> {
    Ok(request.url()?.query_pairs().map(|(name, value)| (name.into(), value.into())).collect())
}

/// Returns the first value of a parameter.
pub(crate) fn parameter<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}
