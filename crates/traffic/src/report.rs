//! Cache analytics from request statistics: hit ratios, tiers, reasons, and the origin time saved, which is the
//! number of hits of a route times the median response time of its origin.

use std::collections::BTreeMap;

use wire::beacon::CacheStatus;
use wire::cache_analytics::{CacheAnalytics, ReasonCount, RouteCacheStats, TierStats};

use crate::latency::LatencyHistogram;
use crate::stats::{RouteStats, TrafficStats};
use wire::sorting::SortSlice;

/// Fills the document with the statistics of each site.
pub fn fill_report<'a>(
    sites: impl IntoIterator<Item = (&'a str, &'a TrafficStats)>,
    into: &mut CacheAnalytics,
) {
    let (mut tiers, mut misses, mut bypassed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (site, traffic) in sites {
        for (name, stats) in &traffic.routes {
            into.routes.push(route_report(site, name, stats));
            for (class, responses) in &stats.responses {
                let sums: &mut BTreeMap<String, (u64, u64)> = match class.cache {
                    CacheStatus::Hit | CacheStatus::Stale => &mut tiers,
                    CacheStatus::Miss => &mut misses,
                    CacheStatus::Bypass => &mut bypassed,
                };
                let (n, bytes) = sums.entry(class.detail.clone()).or_default();
                (*n, *bytes) = (n.saturating_add(responses.n), bytes.saturating_add(responses.bytes));
            }
        }
    }
    into.routes.order_by(|a, b| {
        b.requests.cmp(&a.requests).then_with(|| (&a.site, &a.route).cmp(&(&b.site, &b.route)))
    });
    into.tiers = ranked(tiers).map(|(tier, requests, bytes)| TierStats { tier, requests, bytes }).collect();
    let reasons = |sums| ranked(sums).map(|(reason, requests, _)| ReasonCount { reason, requests }).collect();
    (into.misses, into.bypassed) = (reasons(misses), reasons(bypassed));
}

fn route_report(site: &str, name: &str, stats: &RouteStats) -> RouteCacheStats {
    let outcomes = stats.cache_outcomes();
    let mut origin = LatencyHistogram::default();
    // Bypassing responses could not have been saved, so their origin times do not count.
    let misses = stats.responses.iter().filter(|(class, _)| class.cache == CacheStatus::Miss);
    misses.for_each(|(_, responses)| origin.merge(&responses.origin));
    let origin_p50 = origin.percentile(50);
    RouteCacheStats {
        site: site.to_owned(),
        route: name.to_owned(),
        requests: stats.n(),
        hits: outcomes.hits,
        stale: outcomes.stale,
        misses: outcomes.misses,
        bypassed: outcomes.bypassed,
        hit_ratio: outcomes.hit_ratio(),
        bytes: stats.responses.values().fold(0, |sum, responses| sum.saturating_add(responses.bytes)),
        origin_p50,
        saved_ms: origin_p50.map(|median| median * outcomes.served_from_cache() as f64),
    }
}

fn ranked(sums: BTreeMap<String, (u64, u64)>) -> impl Iterator<Item = (String, u64, u64)> {
    let mut all: Vec<_> = sums.into_iter().map(|(name, (n, bytes))| (name, n, bytes)).collect();
    all.order_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response_class::{RequestMethod, ResponseClass, StatusClass};
    use crate::stats::ResponseRecord;

    fn add(traffic: &mut TrafficStats, route: &str, cache: CacheStatus, detail: &str, origin: Option<u64>) {
        let class = ResponseClass {
            method: RequestMethod::Get,
            status_class: StatusClass::Success,
            cache,
            detail: detail.into(),
        };
        traffic.add(&ResponseRecord { route, class, bytes: 10, edge_ms: 1, origin_ms: origin, queries: &[] });
    }

    #[test]
    fn saved_time_is_hits_times_the_median_origin_time() {
        let mut traffic = TrafficStats::default();
        for millis in [10, 100, 1000] {
            add(&mut traffic, "/a", CacheStatus::Miss, "stored", Some(millis));
        }
        add(&mut traffic, "/a", CacheStatus::Bypass, "cookie", Some(90_000));
        (0..5).for_each(|_| add(&mut traffic, "/a", CacheStatus::Hit, "memory", None));
        add(&mut traffic, "/a", CacheStatus::Stale, "colo", None);
        add(&mut traffic, "/b", CacheStatus::Hit, "memory", None);
        let mut report = CacheAnalytics::default();
        fill_report([("site", &traffic)], &mut report);
        let [a, b] = report.routes.as_slice() else { panic!("two routes") };
        assert_eq!((a.requests, a.hits, a.stale, a.misses, a.bypassed, a.bytes), (10, 5, 1, 3, 1, 100));
        assert_eq!(a.hit_ratio, Some(6.0 / 9.0));
        let median = a.origin_p50.expect("a median");
        assert!((median - 100.0).abs() <= 1.6, "{median}");
        assert_eq!(a.saved_ms, Some(median * 6.0));
        assert_eq!((b.hit_ratio, b.origin_p50, b.saved_ms), (Some(1.0), None, None));
        let tiers: Vec<_> =
            report.tiers.iter().map(|tier| (&*tier.tier, tier.requests, tier.bytes)).collect();
        assert_eq!(tiers, [("memory", 6, 60), ("colo", 1, 10)]);
        assert_eq!((report.misses[0].requests, &*report.bypassed[0].reason), (3, "cookie"));
    }
}
