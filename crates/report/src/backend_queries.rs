//! The backend's queries behind a page. Applications and the edge name routes independently: an application
//! uses its own templates, the edge the names of `EDGE` or templates made from paths. A page therefore gets the
//! queries of the edge's route of the same name, or else of the routes of the same shape.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Serialize;
use traffic::{LatencyHistogram, QueryStats, RouteStats, TrafficStats};
use wire::sorting::SortSlice;

/// The queries of a page, or of the whole site.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackendQueries {
    /// The match between the page and the edge's routes.
    pub found: RouteMatch,
    /// The edge's routes of these queries, the busiest first; empty for the whole site.
    pub routes: Vec<String>,
    /// The responses on these routes.
    pub answers: u64,
    /// The responses that came from the origin.
    #[serde(rename = "asked")]
    pub origin_responses: u64,
    /// The total time of the origin, in seconds.
    pub origin_seconds: f64,
    /// The queries, slowest first.
    pub queries: Vec<BackendQuery>,
    /// The number of queries left out.
    pub more: usize,
    /// If the page has no queries, the edge's routes that have some, those with most runs first.
    pub elsewhere: Vec<String>,
}

/// The match between a page and the edge's routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RouteMatch {
    /// No page was requested: all routes.
    All,
    /// A route has the same name.
    Name,
    /// Routes differ only in the names of parameters.
    Shape,
    /// No route matches.
    Nowhere,
}

/// A query that the origin reported in `Server-Timing`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BackendQuery {
    /// The name of the query.
    pub name: String,
    /// The number of runs.
    pub n: u64,
    /// The median duration, in milliseconds.
    pub p50: Option<f64>,
    /// The 95th percentile, in milliseconds.
    pub p95: Option<f64>,
    /// The 99th percentile, in milliseconds.
    pub p99: Option<f64>,
    /// The total duration of all runs, in seconds.
    pub seconds: f64,
    /// The percentage of the origin's time on these routes; more than 100 % is possible for concurrent queries.
    /// `None` if the origin's time is unknown.
    pub share: Option<f64>,
    /// The responses in which it ran.
    pub answers: u64,
    /// The responses in which it ran suspiciously often, as in an N+1 loop.
    pub repeated: u64,
    /// The maximum number of runs in one response.
    #[serde(rename = "most")]
    pub max_per_response: u32,
    /// The edge's routes on which it ran, those with most runs first.
    pub routes: Vec<String>,
}

impl BackendQueries {
    /// Returns the queries behind a page, or of the whole site.
    #[must_use]
    pub fn new(traffic: &TrafficStats, page: Option<&str>) -> Self {
        let (found, routes) = match page {
            Some(page) => matching_routes(&traffic.routes, page),
            None => (
                RouteMatch::All,
                traffic.routes.iter().map(|(name, served)| (name.as_str(), served)).collect(),
            ),
        };
        let mut total = RouteStats::default();
        routes.iter().for_each(|(_, served)| total.merge(served));
        let origin = origin_latency(&total);
        let query = |(name, ran): (&String, &QueryStats)| BackendQuery::new(name, ran, &origin, &routes);
        let mut queries: Vec<BackendQuery> = total.queries.iter().map(query).collect();
        queries.order_by(|a, b| {
            let p95 = |query: &BackendQuery| query.p95.unwrap_or_default();
            p95(b)
                .total_cmp(&p95(a))
                .then_with(|| b.seconds.total_cmp(&a.seconds))
                .then_with(|| a.name.cmp(&b.name))
        });
        let more = queries.len().saturating_sub(MAX_QUERIES);
        queries.truncate(MAX_QUERIES);
        let is_known = found == RouteMatch::All || !queries.is_empty();
        Self {
            found,
            routes: if found == RouteMatch::All {
                Vec::new()
            } else {
                top_route_names(&routes, RouteStats::n)
            },
            answers: total.n(),
            origin_responses: origin.n(),
            origin_seconds: total_seconds(&origin),
            queries,
            more,
            elsewhere: if is_known { Vec::new() } else { routes_with_queries(traffic) },
        }
    }
}

impl BackendQuery {
    fn new(
        name: &str,
        stats: &QueryStats,
        origin: &LatencyHistogram,
        routes: &[(&str, &RouteStats)],
    ) -> Self {
        let runs = |served: &RouteStats| served.queries.get(name).map_or(0, |ran| ran.latency.n());
        let all = total_seconds(&stats.latency);
        Self {
            name: name.to_owned(),
            n: stats.latency.n(),
            p50: stats.latency.percentile(50),
            p95: stats.latency.percentile(95),
            p99: stats.latency.percentile(99),
            seconds: all,
            share: (origin.sum_ms > 0).then(|| 100.0 * all / total_seconds(origin)),
            answers: stats.responses,
            repeated: stats.repeated,
            max_per_response: stats.max_per_response,
            routes: top_route_names(routes, runs),
        }
    }
}

/// Returns the route with the name of the page, or else the routes of its shape.
pub(crate) fn matching_routes<'a, T>(
    routes: &'a BTreeMap<String, T>,
    page: &str,
) -> (RouteMatch, Vec<(&'a str, &'a T)>) {
    if let Some((name, own)) = routes.get_key_value(page) {
        return (RouteMatch::Name, vec![(name, own)]);
    }
    let is_alike = |(name, _): &(&'a String, &'a T)| shape(name).eq(shape(page));
    let alike: Vec<_> = routes.iter().filter(is_alike).map(|(name, own)| (name.as_str(), own)).collect();
    (if alike.is_empty() { RouteMatch::Nowhere } else { RouteMatch::Shape }, alike)
}

/// Returns the segments of a template with `None` for parameters: `:id`, `[id]`, `{id}` and `$id` are equal.
fn shape(template: &str) -> impl Iterator<Item = Option<&str>> {
    let segments = template.trim_end_matches('/').split('/');
    segments.map(|segment| Some(segment).filter(|segment| !segment.starts_with([':', '[', '{', '$'])))
}

fn origin_latency(served: &RouteStats) -> LatencyHistogram {
    let mut all = LatencyHistogram::default();
    served.responses.values().for_each(|answered| all.merge(&answered.origin));
    all
}

/// Returns the names of routes with a non-zero count, the largest first.
fn top_route_names(routes: &[(&str, &RouteStats)], count: impl Fn(&RouteStats) -> u64) -> Vec<String> {
    let mut all: Vec<(u64, &str)> = routes.iter().map(|(name, served)| (count(served), *name)).collect();
    all.retain(|(n, _)| *n > 0);
    all.order_by_key(|(n, name)| (Reverse(*n), *name));
    all.into_iter().take(MAX_ROUTE_NAMES).map(|(_, name)| name.to_owned()).collect()
}

fn routes_with_queries(traffic: &TrafficStats) -> Vec<String> {
    let routes: Vec<_> = traffic.routes.iter().map(|(name, served)| (name.as_str(), served)).collect();
    top_route_names(&routes, |served| served.queries.values().map(|ran| ran.latency.n()).sum())
}

fn total_seconds(times: &LatencyHistogram) -> f64 {
    times.sum_ms as f64 / 1000.0
}

/// Limits of the document.
const MAX_QUERIES: usize = 200;
const MAX_ROUTE_NAMES: usize = 10;

#[cfg(test)]
mod tests {
    use traffic::{RequestMethod, ResponseClass, ResponseRecord, StatusClass};
    use wire::beacon::CacheStatus;

    use super::*;

    /// A response: the route, the origin's milliseconds, and the runs of queries.
    type RouteResponse<'a> = (&'a str, u64, &'a [(&'a str, f64)]);

    fn traffic(answers: &[RouteResponse<'_>]) -> TrafficStats {
        let mut all = TrafficStats::default();
        for (route, origin, runs) in answers {
            let runs: Vec<_> = runs.iter().map(|(name, millis)| ((*name).to_owned(), *millis)).collect();
            let (method, class, cache) = (RequestMethod::Get, StatusClass::Success, CacheStatus::Miss);
            let answer = ResponseClass { method, status_class: class, cache, detail: "uri-miss".into() };
            all.add(&ResponseRecord {
                route,
                class: answer,
                bytes: 1,
                edge_ms: *origin,
                origin_ms: Some(*origin),
                queries: &runs,
            });
        }
        all
    }

    #[test]
    fn a_page_has_the_queries_of_its_route_slowest_first() {
        let traffic = traffic(&[
            ("/product/:id", 100, &[("product", 40.0), ("stock", 10.0)]),
            ("/product/:id", 100, &[("product", 60.0), ("stock", 10.0), ("stock", 10.0)]),
            ("/cart", 100, &[("cart", 90.0)]),
        ]);
        let own = BackendQueries::new(&traffic, Some("/product/:id"));
        assert_eq!(
            (own.found, own.answers, own.origin_responses, own.origin_seconds),
            (RouteMatch::Name, 2, 2, 0.2)
        );
        let shown: Vec<_> =
            own.queries.iter().map(|query| (query.name.as_str(), query.n, query.share)).collect();
        assert_eq!(shown, [("product", 2, Some(50.0)), ("stock", 3, Some(15.0))]);
        let all = BackendQueries::new(&traffic, None);
        assert_eq!((all.found, all.routes.len(), all.answers), (RouteMatch::All, 0, 3));
        assert_eq!(
            (all.queries[0].name.as_str(), &all.queries[0].routes),
            ("cart", &vec!["/cart".to_owned()])
        );
    }

    #[test]
    fn routes_match_by_shape_when_only_parameter_names_differ() {
        let traffic = traffic(&[
            ("/product/:id", 100, &[("product", 40.0)]),
            ("products", 100, &[("named", 40.0)]),
            ("/plain", 10, &[]),
        ]);
        for (page, found, routes) in [
            ("/product/[slug]", RouteMatch::Shape, vec!["/product/:id"]),
            ("/product/{id}/", RouteMatch::Shape, vec!["/product/:id"]),
            ("/product/42", RouteMatch::Nowhere, vec![]),
            ("/product", RouteMatch::Nowhere, vec![]),
            ("/plain", RouteMatch::Name, vec!["/plain"]),
        ] {
            let queries = BackendQueries::new(&traffic, Some(page));
            assert_eq!(
                (queries.found, queries.routes),
                (found, routes.into_iter().map(str::to_owned).collect()),
                "{page}"
            );
            // A page without queries lists the routes that have some.
            assert_eq!(
                queries.queries.is_empty(),
                queries.elsewhere == ["/product/:id", "products"],
                "{page}"
            );
        }
    }
}
