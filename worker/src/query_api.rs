//! Reading: `GET /api/vitals/…` and `GET /api/budgets`. What is asked is parsed here, what it comes to
//! is the ledger's and the verdicts' business.

use ledger::{BotFilter, Dimension, QueryResult, SeriesQuery, lookback_start};
use report::stats_format;
use wire::path_limits::{self, PathLimit, PathLimits};
use wire::query_response::{ComparisonResponse, QueryLine, QueryResponse, VERSION};
use wire::{ApiError, Device, Metric, UnixMillis, Window, WindowSpan};
use worker::{Date, Env, Request};

use crate::budget_report::{BudgetReportInputs, CellSelection};
use crate::config::Config;
use crate::response::{self, HandlerError, HandlerResult};
use crate::{auth, budget_watch, budgets, query_response, rejection_counter, shard};

/// Each route and device with its verdicts.
pub(crate) async fn summary(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", BY_PAGE, None)?;
    let groups = shard::query(env, config, &asked.site, &query).await?;
    let budgets = budgets::in_force(&groups.budget_history)?;
    let cache = asked.cache_control(&query);
    let summary = query_response::summary(asked.site, &query, groups, &budgets);
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        cache,
        serde_json::to_vec(&summary).map_err(worker::Error::from)?,
    )
}

/// Groups over time.
pub(crate) async fn series(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let step = match asked.parameters.get("step") {
        Some("minute") => WindowSpan::Minute,
        None | Some("hour") => WindowSpan::Hour,
        Some("day") => WindowSpan::Day,
        Some(_) => return Err(ApiError::BadQuery { name: "step", expected: "minute, hour or day" }.into()),
    };
    let query = asked.parameters.query("", &asked.parameters.dimensions()?, Some(step))?;
    respond_with_lines(request, env, config, asked, query, false).await
}

/// A page of routes.
pub(crate) async fn routes(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let mut by = asked.parameters.dimensions()?;
    if !by.contains(&Dimension::Route) {
        by.insert(0, Dimension::Route);
    }
    let query = asked.parameters.query("", &by, None)?;
    respond_with_lines(request, env, config, asked, query, false).await
}

/// Groups with their distributions.
pub(crate) async fn distribution(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", &asked.parameters.dimensions()?, None)?;
    respond_with_lines(request, env, config, asked, query, true).await
}

/// Two releases or two spans of time: what begins with `a.` and `b.` is asked of one of them.
pub(crate) async fn compare(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let (before, after) =
        (asked.parameters.query("a.", BY_PAGE, None)?, asked.parameters.query("b.", BY_PAGE, None)?);
    if before == after {
        return Err(ApiError::BadQuery {
            name: "b.release",
            expected: "another than `a.release`, or of another time",
        }
        .into());
    }
    let a = shard::query(env, config, &asked.site, &before).await?;
    let b = shard::query(env, config, &asked.site, &after).await?;
    let budgets = budgets::in_force(&b.budget_history)?;
    let cache = asked.cache_control(&after);
    let compared = ComparisonResponse {
        v: VERSION,
        site: asked.site,
        a: query_response::totals(&before, &a),
        b: query_response::totals(&after, &b),
        lines: query_response::differences(BY_PAGE, &a, &b, &budgets),
    };
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        cache,
        serde_json::to_vec(&compared).map_err(worker::Error::from)?,
    )
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
    let groups = shard::query(env, config, &asked.site, &query).await?;
    let cache = asked.cache_control(&query);
    let format = asked.parameters.get("format").unwrap_or("json");
    if format == "sketch" {
        return respond_with_sketch(request, cache, &groups, metric);
    }
    let mut lines = query_response::query_lines(&query, &groups, metric, with_buckets);
    let next = offset.saturating_add(limit);
    let next = (lines.len() > next).then_some(next);
    lines = lines.into_iter().skip(offset).take(limit).collect();
    match format {
        "json" => {
            let whole = query_response::totals(&query, &groups);
            let reading = QueryResponse { v: VERSION, site: asked.site, totals: whole, lines, next };
            response::conditional(
                request,
                CONTENT_TYPE_JSON,
                cache,
                serde_json::to_vec(&reading).map_err(worker::Error::from)?,
            )
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

/// The one series that the question leaves, as the bytes of its sketch.
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

/// RFC 4180: a line of names, then one for each line of the answer. Nothing for what is unknown.
fn to_csv(query: &SeriesQuery, lines: &[QueryLine]) -> String {
    let quoted = |text: &str| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let mut head = vec!["at".to_owned()];
    head.extend(query.by.iter().map(|dimension| quoted(&dimension.name())));
    head.extend(CSV_COLUMNS.iter().map(|&name| name.to_owned()));
    let mut rows = vec![head.join(",")];
    for QueryLine { at, group, metric, unit, stats, .. } in lines {
        let mut row = vec![at.map(|at| at.0.to_string()).unwrap_or_default()];
        row.extend(query.by.iter().map(|dimension| {
            quoted(group.get(dimension.name().as_ref()).cloned().flatten().as_deref().unwrap_or_default())
        }));
        row.extend([(*metric).to_owned(), (*unit).to_owned(), stats.n.to_string(), stats.visits.to_string()]);
        let [low, high] = stats.p75_interval.map_or([None, None], |interval| interval.map(Some));
        let [good, middling, poor] = [stats.good, stats.needs_improvement, stats.poor].map(Some);
        let numbers =
            [stats.p50, stats.p75, low, high, stats.p90, stats.p95, stats.p99, good, middling, poor];
        row.extend(numbers.map(number));
        rows.push(row.join(","));
    }
    rows.push(String::new());
    rows.join("\r\n")
}

/// How the site stands against its budgets. With a path it is asked for the limits of that path, as it
/// was before these had an address of their own.
pub(crate) async fn budget_report(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    if query_pairs(request)?.iter().any(|(name, _)| name == "path") {
        return path_limits(request, env).await;
    }
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", BY_PAGE, None)?;
    let against = asked.parameters.comparison_query(&query)?;
    let page = asked.parameters.cell_selection()?;
    let groups = shard::query_with_latest_budgets(env, config, &asked.site, &query).await?;
    let against = match against {
        Some((release, query)) => Some((release, shard::query(env, config, &asked.site, &query).await?)),
        None => None,
    };
    let (counts, watches) = budget_watch::watch_site(env, config, &asked.site).await?;
    let inputs = BudgetReportInputs {
        site: asked.site.clone(),
        query: &query,
        groups: &groups,
        baseline: against,
        budgets: &budgets::in_force(&groups.budget_history)?,
        counts: &counts,
        watches: &watches,
        now: asked.now,
        selection: page,
    };
    let body = serde_json::to_vec(&inputs.report()?).map_err(worker::Error::from)?;
    response::conditional(request, CONTENT_TYPE_JSON, asked.cache_control(&query), body)
}

/// The field's limits of a path: what the demo page and the client hold a visit against.
pub(crate) async fn path_limits(request: &Request, env: &Env) -> HandlerResult {
    let now = UnixMillis(Date::now().as_millis());
    let parameters = QueryParameters { pairs: query_pairs(request)?, now };
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

/// Whose numbers are asked for, by somebody who may know them.
pub(crate) struct QueryRequest {
    pub(crate) site: String,
    is_public: bool,
    pub(crate) parameters: QueryParameters,
    now: UnixMillis,
}

impl QueryRequest {
    pub(crate) fn from_request(request: &Request, env: &Env, config: &Config) -> Result<Self, HandlerError> {
        let now = UnixMillis(Date::now().as_millis());
        let parameters = QueryParameters { pairs: query_pairs(request)?, now };
        let site = match parameters.get("site") {
            Some(name) => name.to_owned(),
            None => config.sites.keys().next().cloned().unwrap_or_default(),
        };
        authorize_read(request, env, config, &site)?;
        let is_public = config.sites.get(&site).is_some_and(|site| site.public);
        Ok(Self { site, is_public, parameters, now })
    }

    /// How long an answer may be kept, and by whom. What lies behind changes no more, but for a late
    /// correction.
    pub(crate) const fn cache_control(&self, query: &SeriesQuery) -> &'static str {
        let is_past = query.to.0 < self.now.saturating_sub(WindowSpan::Day.millis()).0;
        match (self.is_public, is_past) {
            (true, true) => "public, max-age=300",
            (true, false) => "public, max-age=5",
            (false, true) => "private, max-age=300",
            (false, false) => "private, max-age=5",
        }
    }
}

pub(crate) fn authorize_read(
    request: &Request,
    env: &Env,
    config: &Config,
    name: &str,
) -> Result<(), HandlerError> {
    match config.sites.get(name) {
        Some(site) if site.public => return Ok(()),
        None if name != rejection_counter::UNKNOWN_SITE => {
            return Err(ApiError::UnknownSite { site: name.to_owned() }.into());
        }
        _ => {}
    }
    if auth::can_read(request, env)? { Ok(()) } else { Err(ApiError::Unauthorized.into()) }
}

fn query_pairs(request: &Request) -> worker::Result<Vec<(String, String)>> {
    Ok(request.url()?.query_pairs().map(|(name, value)| (name.into(), value.into())).collect())
}

pub(crate) struct QueryParameters {
    pairs: Vec<(String, String)>,
    now: UnixMillis,
}

impl QueryParameters {
    fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The question; what begins with `side` goes before what does not.
    pub(crate) fn query(
        &self,
        prefix: &'static str,
        by: &[Dimension],
        step: Option<WindowSpan>,
    ) -> Result<SeriesQuery, ApiError> {
        let to = self.timestamp(prefix, "to")?.unwrap_or(self.now);
        let from = match (self.timestamp(prefix, "from")?, self.window_ms()?) {
            (Some(_), Some(_)) => {
                return Err(ApiError::BadQuery { name: "window", expected: "left out beside `from`" });
            }
            (Some(from), None) => from,
            (None, window) => lookback_start(to, window.unwrap_or(WindowSpan::Day.millis())),
        };
        if from > to {
            return Err(ApiError::BadQuery { name: "from", expected: "before `to`" });
        }
        let bots = match self.get("bots") {
            None | Some("exclude") => BotFilter::Exclude,
            Some("include") => BotFilter::Include,
            Some("only") => BotFilter::Only,
            Some(_) => return Err(ApiError::BadQuery { name: "bots", expected: "exclude, include or only" }),
        };
        self.device()?;
        let mut only: Vec<(Dimension, String)> = Vec::new();
        for (name, value) in &self.pairs {
            let own = name.strip_prefix(prefix).filter(|_| !prefix.is_empty());
            let Some(dimension) = Dimension::from_name(own.unwrap_or(name)) else { continue };
            only.retain(|(other, _)| own.is_none() || *other != dimension);
            if own.is_some() || only.iter().all(|(other, _)| *other != dimension) {
                only.push((dimension, value.clone()));
            }
        }
        Ok(SeriesQuery {
            from: Window::containing(WindowSpan::Minute, from).start,
            // The minute that is going on belongs to the answer.
            to: Window::containing(WindowSpan::Minute, to).start.saturating_add(WindowSpan::Minute.millis()),
            bots,
            only,
            by: by.to_vec(),
            step,
        })
    }

    /// How long the span is, where it is said so.
    fn window_ms(&self) -> Result<Option<u64>, ApiError> {
        let read = |text: &str| {
            let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
            let spans = [("m", WindowSpan::Minute), ("h", WindowSpan::Hour), ("d", WindowSpan::Day)];
            let (_, span) = spans.into_iter().find(|(name, _)| *name == unit)?;
            let count: u64 = count.parse().ok().filter(|count| (1..=9999).contains(count))?;
            Some(count * span.millis())
        };
        let want = "a whole number of minutes, hours or days, such as `30m`, `24h` or `28d`";
        let window = |text| read(text).ok_or(ApiError::BadQuery { name: "window", expected: want });
        self.get("window").map(window).transpose()
    }

    /// The release to compare with, and the question about it.
    pub(crate) fn comparison_query(
        &self,
        query: &SeriesQuery,
    ) -> Result<Option<(String, SeriesQuery)>, ApiError> {
        let Some(against) = self.get("against") else { return Ok(None) };
        match self.get("release") {
            Some(release) if release != against => {}
            _ => {
                return Err(ApiError::BadQuery {
                    name: "against",
                    expected: "given with `release`, and another one",
                });
            }
        }
        let mut query = query.clone();
        query.only.retain(|(dimension, _)| *dimension != Dimension::Release);
        query.only.push((Dimension::Release, against.to_owned()));
        Ok(Some((against.to_owned(), query)))
    }

    fn dimensions(&self) -> Result<Vec<Dimension>, ApiError> {
        let want =
            "up to 4 of route, device, nav, cache, net, release, country, bot and dim.<name>, with commas";
        let wrong = ApiError::BadQuery { name: "by", expected: want };
        let names = self.get("by").unwrap_or_default().split(',').filter(|name| !name.is_empty());
        let by: Option<Vec<Dimension>> = names.map(Dimension::from_name).collect();
        by.filter(|by| by.len() <= MAX_DIMENSIONS).ok_or(wrong)
    }

    pub(crate) fn metric(&self) -> Result<Option<Metric>, ApiError> {
        let want = "FCP, LCP, CLS, INP, FID or TTFB";
        let named =
            |name| Metric::from_name(name).ok_or(ApiError::BadQuery { name: "metric", expected: want });
        self.get("metric").map(named).transpose()
    }

    /// Which cells of a standing are told: all of them, unless a page is asked for.
    fn cell_selection(&self) -> Result<CellSelection, ApiError> {
        let worst_first = match self.get("sort") {
            None | Some("file") => false,
            Some("trouble") => true,
            Some(_) => return Err(ApiError::BadQuery { name: "sort", expected: "file or trouble" }),
        };
        let (offset, limit) = self.pagination()?;
        let limit = self.get("limit").map(|_| limit);
        Ok(CellSelection { metric: self.metric()?, worst_first, offset, limit })
    }

    fn pagination(&self) -> Result<(usize, usize), ApiError> {
        let whole = |name: &'static str, want, otherwise: usize| match self.get(name) {
            None => Ok(otherwise),
            Some(text) => text.parse().map_err(|_| ApiError::BadQuery { name, expected: want }),
        };
        let want = "a whole number from 1 to 5000";
        let limit = whole("limit", want, 1000)?;
        if !(1..=MAX_LINES).contains(&limit) {
            return Err(ApiError::BadQuery { name: "limit", expected: want });
        }
        Ok((whole("offset", "a whole number, as `next` says it", 0)?, limit))
    }

    fn device(&self) -> Result<Option<Device>, ApiError> {
        let want = "phone, tablet or desktop";
        let named =
            |name| Device::from_name(name).ok_or(ApiError::BadQuery { name: "device", expected: want });
        self.get("device").map(named).transpose()
    }

    fn timestamp(&self, prefix: &str, name: &'static str) -> Result<Option<UnixMillis>, ApiError> {
        let want = "milliseconds since the Unix epoch";
        let read = |text: &str| {
            text.parse().map(UnixMillis).map_err(|_| ApiError::BadQuery { name, expected: want })
        };
        self.get(&format!("{prefix}{name}")).or_else(|| self.get(name)).map(read).transpose()
    }
}

pub(crate) const CONTENT_TYPE_JSON: &str = "application/json";
pub(crate) const BY_PAGE: &[Dimension] = &[Dimension::Route, Dimension::Device];
const CSV_COLUMNS: &[&str] = &[
    "metric",
    "unit",
    "n",
    "visits",
    "p50",
    "p75",
    "p75_low",
    "p75_high",
    "p90",
    "p95",
    "p99",
    "good",
    "needs_improvement",
    "poor",
];
const MAX_DIMENSIONS: usize = 4;
const MAX_LINES: usize = 5000;
