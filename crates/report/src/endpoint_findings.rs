//! Slow endpoints, slow queries and queries in loops, from the edge's statistics alone: also of routes that no page with
//! vitals stands behind, such as an API.

use serde::Serialize;
use traffic::{LatencyHistogram, QueryStats, RouteStats, TrafficStats};
use wire::OTHER_LABEL;
use wire::sorting::SortSlice;

use crate::signal_score::is_share_above;
use crate::signals::{AlertBounds, Signal};

/// A finding about a route of the edge.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EndpointFinding {
    /// The kind.
    pub kind: EndpointFindingKind,
    /// The route.
    pub route: String,
    /// The query; absent for the endpoint itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// The finding in a sentence.
    pub finding: String,
    /// The recommended action.
    pub action: &'static str,
    /// The responses or runs behind it.
    pub n: u64,
    /// The 95th percentile of their times, in milliseconds.
    pub p95: f64,
    /// The seconds beyond the target, or those of repeated runs, of all of them together.
    pub seconds: f64,
}

/// The kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum EndpointFindingKind {
    /// The origin is slow.
    SlowEndpoint,
    /// A query is slow.
    SlowQuery,
    /// A query runs again and again in one response.
    RepeatedQuery,
}

/// Returns the findings, the most costly first.
#[must_use]
pub fn endpoint_findings(traffic: &TrafficStats) -> Vec<EndpointFinding> {
    let named = traffic.routes.iter().filter(|(route, _)| *route != OTHER_LABEL);
    let mut all: Vec<EndpointFinding> = named.flat_map(|(route, stats)| findings_of(route, stats)).collect();
    all.order_by(|a, b| {
        b.seconds.total_cmp(&a.seconds).then_with(|| (&a.route, a.kind).cmp(&(&b.route, b.kind)))
    });
    all.truncate(MAX_FINDINGS);
    all
}

fn findings_of(route: &str, stats: &RouteStats) -> Vec<EndpointFinding> {
    let mut origin = LatencyHistogram::default();
    stats.responses.values().for_each(|responses| origin.merge(&responses.origin));
    let slow_endpoint = slow(Signal::ResponseTime, &origin).map(|(p95, seconds, target)| EndpointFinding {
        kind: EndpointFindingKind::SlowEndpoint,
        route: route.to_owned(),
        query: None,
        finding: format!(
            "{route}: the origin takes {p95:.0} ms at the 95th percentile of {} responses; the target is {target:.0} ms.",
            origin.n()
        ),
        action: "Find what the origin waits for: its queries are in Server-Timing; cache the response if it may be shared.",
        n: origin.n(),
        p95,
        seconds,
    });
    let of_queries = stats.queries.iter().filter(|(name, _)| *name != OTHER_LABEL);
    let of_queries = of_queries
        .flat_map(|(name, query)| [slow_query(route, name, query), repeated_query(route, name, query)]);
    std::iter::once(slow_endpoint).chain(of_queries).flatten().collect()
}

fn slow_query(route: &str, name: &str, query: &QueryStats) -> Option<EndpointFinding> {
    let (p95, seconds, target) = slow(Signal::QueryTime, &query.latency)?;
    let n = query.latency.n();
    Some(EndpointFinding {
        kind: EndpointFindingKind::SlowQuery,
        route: route.to_owned(),
        query: Some(name.to_owned()),
        finding: format!(
            "{route}: the query `{name}` takes {p95:.0} ms at the 95th percentile of {n} runs; the target is {target:.0} ms."
        ),
        action: "Run EXPLAIN on the query, add a missing index, or cache its result.",
        n,
        p95,
        seconds,
    })
}

fn repeated_query(route: &str, name: &str, query: &QueryStats) -> Option<EndpointFinding> {
    let (n, responses) = (query.latency.n(), query.responses);
    if query.repeated < MIN_REPEATED {
        return None;
    }
    // All runs but the first of each response.
    let seconds = query.latency.sum_ms as f64 / 1000.0 * (1.0 - responses as f64 / n.max(1) as f64);
    Some(EndpointFinding {
        kind: EndpointFindingKind::RepeatedQuery,
        route: route.to_owned(),
        query: Some(name.to_owned()),
        finding: format!(
            "{route}: the query `{name}` runs again and again in {} of {responses} responses, up to {} times in one.",
            query.repeated, query.max_per_response
        ),
        action: "Read the rows of the loop with one query: a join, or `WHERE id IN (…)`.",
        n,
        p95: query.latency.percentile(95).unwrap_or_default(),
        seconds,
    })
}

/// Returns the 95th percentile, the seconds beyond the target, and the target, if the times prove that it is exceeded.
fn slow(signal: Signal, times: &LatencyHistogram) -> Option<(f64, f64, f64)> {
    let AlertBounds::Numeric(bounds) = signal.rule().bounds else { return None };
    let slower = times.n().saturating_sub(times.sketch.within(bounds.target as u32).at_most);
    let p95 = times.percentile(95).filter(|_| is_share_above(slower, times.n(), 0.05))?;
    let beyond = |(bucket, n): (sketch::SketchBucket, u64)| {
        (f64::from(bucket.midpoint()) - bounds.target).max(0.0) * n as f64 / 1000.0
    };
    Some((p95, times.sketch.buckets().map(beyond).sum(), bounds.target))
}

/// A query that repeats in fewer responses may be an exception.
const MIN_REPEATED: u64 = 5;
const MAX_FINDINGS: usize = 100;

#[cfg(test)]
mod tests {
    use traffic::{RequestMethod, ResponseClass, ResponseRecord, StatusClass};
    use wire::beacon::CacheStatus;

    use super::*;

    /// Responses of the origin in so many milliseconds, each with a query that runs so often.
    fn add(
        traffic: &mut TrafficStats,
        route: &str,
        responses: u64,
        origin_ms: u64,
        runs: usize,
        query_ms: f64,
    ) {
        let queries: Vec<(String, f64)> = (0..runs).map(|_| ("getReview".to_owned(), query_ms)).collect();
        let class = ResponseClass {
            method: RequestMethod::Get,
            status_class: StatusClass::Success,
            cache: CacheStatus::Bypass,
            detail: "method".into(),
        };
        for _ in 0..responses {
            let (bytes, edge_ms, origin_ms) = (10, origin_ms, Some(origin_ms));
            traffic.add(&ResponseRecord {
                route,
                class: class.clone(),
                bytes,
                edge_ms,
                origin_ms,
                queries: &queries,
            });
        }
    }

    fn kinds(traffic: &TrafficStats) -> Vec<(EndpointFindingKind, String)> {
        endpoint_findings(traffic).into_iter().map(|one| (one.kind, one.route)).collect()
    }

    #[test]
    fn an_endpoint_that_no_page_stands_behind_is_found_with_its_query() {
        use EndpointFindingKind::{SlowEndpoint, SlowQuery};
        let mut traffic = TrafficStats::default();
        add(&mut traffic, "/slow/:id", 40, 1300, 1, 1200.0);
        add(&mut traffic, "/fast", 1000, 40, 1, 20.0);
        let found = endpoint_findings(&traffic);
        assert_eq!(
            kinds(&traffic),
            [(SlowQuery, "/slow/:id".to_owned()), (SlowEndpoint, "/slow/:id".to_owned())]
        );
        let [query, endpoint] = &found[..] else { unreachable!() };
        // 40 responses, 950 and 800 ms beyond the targets.
        assert!((query.seconds - 38.0).abs() < 1.0 && (endpoint.seconds - 32.0).abs() < 1.0, "{found:?}");
        assert!(endpoint.finding.contains("of 40 responses; the target is 500 ms."), "{}", endpoint.finding);
    }

    #[test]
    fn a_query_that_runs_sixty_times_in_a_response_is_found() {
        let mut traffic = TrafficStats::default();
        add(&mut traffic, "/api/reviews", 5, 90, 60, 1.0);
        let found = endpoint_findings(&traffic);
        let [one] = &found[..] else { unreachable!("{found:?}") };
        assert_eq!((one.kind, one.query.as_deref()), (EndpointFindingKind::RepeatedQuery, Some("getReview")));
        assert!(one.finding.contains("in 5 of 5 responses, up to 60 times in one"), "{}", one.finding);
        assert!((one.seconds - 0.295).abs() < 0.001, "59 of 60 runs: {}", one.seconds);
    }

    #[test]
    fn few_slow_responses_and_few_repetitions_are_no_finding() {
        let mut traffic = TrafficStats::default();
        add(&mut traffic, "/rare", 2, 3000, 60, 1000.0);
        assert_eq!(kinds(&traffic), [(EndpointFindingKind::SlowQuery, "/rare".to_owned())], "120 slow runs");
        let mut traffic = TrafficStats::default();
        add(&mut traffic, "/", 1000, 100, 1, 1.0);
        add(&mut traffic, "/", 20, 3000, 1, 1.0);
        assert_eq!(kinds(&traffic), []);
    }
}
