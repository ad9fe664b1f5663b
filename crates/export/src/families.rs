//! The exported metric families of a site's totals and gauges.

use std::collections::BTreeMap;

use traffic::{LatencyHistogram, RequestMethod, StatusClass};
use wire::Metric;
use wire::beacon::CacheStatus;

use crate::family::{LabelledSamples, MetricData, MetricFamily, MetricName};
use crate::gauge::Gauge;
use crate::histogram::Histogram;
use crate::totals::Totals;

/// Merges the families of several sites by name.
pub(crate) fn merge_families<'a>(
    sites: impl IntoIterator<Item = (&'a Totals, &'a [Gauge])>,
) -> Vec<MetricFamily> {
    let mut all: Vec<MetricFamily> = Vec::new();
    for family in sites.into_iter().flat_map(|(totals, gauges)| families(totals, gauges)) {
        match all.iter_mut().find(|known| known.name == family.name) {
            Some(known) => known.data.extend(family.data),
            None => all.push(family),
        }
    }
    all
}

pub(crate) fn families(totals: &Totals, gauges: &[Gauge]) -> Vec<MetricFamily> {
    let site = || ("site", totals.site().to_owned());
    let mut families = Vec::new();
    for (metric, name, help) in VITAL_FAMILIES {
        let of_metric = totals.vitals().iter().filter(|((other, ..), _)| *other == metric);
        let samples: LabelledSamples<Histogram> = of_metric
            .map(|((_, route, device), sketch)| {
                let labels = vec![site(), ("route", route.clone()), ("device", device.name().to_owned())];
                (labels, Histogram::from_sketch(sketch))
            })
            .collect();
        families.push(MetricFamily { name, help, data: MetricData::Histogram(samples) });
    }
    families.extend(traffic_families(totals));
    families.extend(gauges.iter().map(|gauge| {
        let (name, help, value) = gauge.describe();
        MetricFamily { name, help, data: MetricData::Gauge(vec![(vec![site()], value)]) }
    }));
    families.retain(|family| !family.data.is_empty());
    families
}

fn traffic_families(totals: &Totals) -> [MetricFamily; 6] {
    let mut requests: BTreeMap<(&str, RequestMethod, StatusClass), LatencyHistogram> = BTreeMap::new();
    let mut hits: BTreeMap<&str, u64> = BTreeMap::new();
    let mut misses: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for (route, served) in &totals.traffic().routes {
        for (class, stats) in &served.responses {
            let key = (route.as_str(), class.method, class.status_class);
            requests.entry(key).or_default().merge(&stats.edge);
            let sum = match class.cache {
                CacheStatus::Hit | CacheStatus::Stale => hits.entry(route).or_default(),
                CacheStatus::Miss => misses.entry((route, &class.detail)).or_default(),
                CacheStatus::Bypass => continue,
            };
            *sum = sum.saturating_add(stats.n);
        }
    }
    let site = || ("site", totals.site().to_owned());
    let route = |route: &str| ("route", route.to_owned());
    let of_request = |(path, method, class): &(&str, RequestMethod, StatusClass)| {
        let (method, class) = (method.name().to_owned(), class.name().to_owned());
        vec![site(), route(path), ("method", method), ("status", class)]
    };
    let total = totals.traffic().total();
    [
        MetricFamily {
            name: MetricName { prometheus: "http_requests", otel: "http.server.requests", unit: "{request}" },
            help: "Requests served.",
            data: MetricData::Counter(
                requests.iter().map(|(key, times)| (of_request(key), times.n())).collect(),
            ),
        },
        MetricFamily {
            name: MetricName {
                prometheus: "http_request_duration_seconds",
                otel: "http.server.request.duration",
                unit: "s",
            },
            help: "Response times.",
            data: MetricData::Histogram(
                requests
                    .iter()
                    .map(|(key, times)| (of_request(key), Histogram::from_latencies(times)))
                    .collect(),
            ),
        },
        MetricFamily {
            name: MetricName { prometheus: "cache_hits", otel: "cache.hits", unit: "{request}" },
            help: "Requests served from the cache.",
            data: MetricData::Counter(hits.iter().map(|(path, n)| (vec![site(), route(path)], *n)).collect()),
        },
        MetricFamily {
            name: MetricName { prometheus: "cache_misses", otel: "cache.misses", unit: "{request}" },
            help: "Requests not served from the cache, by reason.",
            data: MetricData::Counter(
                misses
                    .iter()
                    .map(|((path, reason), n)| {
                        (vec![site(), route(path), ("reason", (*reason).to_owned())], *n)
                    })
                    .collect(),
            ),
        },
        MetricFamily {
            name: MetricName { prometheus: "origin_requests", otel: "origin.requests", unit: "{request}" },
            help: "Requests to origins, by their result.",
            data: MetricData::Counter(
                total
                    .origins
                    .iter()
                    .flat_map(|(name, stats)| {
                        let responded = stats.requests.saturating_sub(stats.failures());
                        let results = [
                            ("responded", responded),
                            ("server_error", stats.server_errors),
                            ("unreachable", stats.unreachable),
                        ];
                        let labels = |result: &str| {
                            vec![site(), ("origin", name.clone()), ("result", result.to_owned())]
                        };
                        results.map(|(result, n)| (labels(result), n))
                    })
                    .collect(),
            ),
        },
        MetricFamily {
            name: MetricName {
                prometheus: "db_query_duration_seconds",
                otel: "db.client.operation.duration",
                unit: "s",
            },
            help: "Durations of the backend's queries, from Server-Timing.",
            data: MetricData::Histogram(
                total
                    .queries
                    .iter()
                    .map(|(name, stats)| {
                        (vec![site(), ("query", name.clone())], Histogram::from_latencies(&stats.latency))
                    })
                    .collect(),
            ),
        },
    ]
}

const VITAL_FAMILIES: [(Metric, MetricName, &str); Metric::ALL.len()] = [
    (
        Metric::Fcp,
        MetricName { prometheus: "web_vitals_fcp_seconds", otel: "web_vitals.fcp", unit: "s" },
        "First Contentful Paint of visits.",
    ),
    (
        Metric::Lcp,
        MetricName { prometheus: "web_vitals_lcp_seconds", otel: "web_vitals.lcp", unit: "s" },
        "Largest Contentful Paint of visits.",
    ),
    (
        Metric::Cls,
        MetricName { prometheus: "web_vitals_cls", otel: "web_vitals.cls", unit: "1" },
        "Cumulative Layout Shift of visits.",
    ),
    (
        Metric::Inp,
        MetricName { prometheus: "web_vitals_inp_seconds", otel: "web_vitals.inp", unit: "s" },
        "Interaction to Next Paint of visits.",
    ),
    (
        Metric::Fid,
        MetricName { prometheus: "web_vitals_fid_seconds", otel: "web_vitals.fid", unit: "s" },
        "First Input Delay of visits.",
    ),
    (
        Metric::Ttfb,
        MetricName { prometheus: "web_vitals_ttfb_seconds", otel: "web_vitals.ttfb", unit: "s" },
        "Time to First Byte of visits.",
    ),
];
