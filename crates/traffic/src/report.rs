//! What a cache was worth, told from the records of its answers: ratios, tiers, reasons, and the origin's
//! time that was saved, which is the hits of a route times the median that its origin takes.

use std::collections::BTreeMap;

use wire::beacon::CacheStatus;
use wire::cache_analytics::{CacheAnalytics, ReasonCount, RouteCacheStats, TierStats};

use crate::latency::LatencyHistogram;
use crate::stats::{RouteStats, TrafficStats};

/// Puts what was answered for each site into a document.
pub fn fill_report<'a>(
    sites: impl IntoIterator<Item = (&'a str, &'a TrafficStats)>,
    into: &mut CacheAnalytics,
) {
    let (mut tiers, mut misses, mut bypassed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (site, traffic) in sites {
        for (name, served) in &traffic.routes {
            into.routes.push(route_report(site, name, served));
            for (answer, answered) in &served.responses {
                let sums: &mut BTreeMap<String, (u64, u64)> = match answer.cache {
                    CacheStatus::Hit | CacheStatus::Stale => &mut tiers,
                    CacheStatus::Miss => &mut misses,
                    CacheStatus::Bypass => &mut bypassed,
                };
                let (n, bytes) = sums.entry(answer.detail.clone()).or_default();
                (*n, *bytes) = (n.saturating_add(answered.n), bytes.saturating_add(answered.bytes));
            }
        }
    }
    into.routes.sort_by(|a, b| {
        b.requests.cmp(&a.requests).then_with(|| (&a.site, &a.route).cmp(&(&b.site, &b.route)))
    });
    into.tiers = ranked(tiers).map(|(tier, requests, bytes)| TierStats { tier, requests, bytes }).collect();
    let reasons = |sums| ranked(sums).map(|(reason, requests, _)| ReasonCount { reason, requests }).collect();
    (into.misses, into.bypassed) = (reasons(misses), reasons(bypassed));
}

fn route_report(site: &str, name: &str, served: &RouteStats) -> RouteCacheStats {
    let outcomes = served.cache_outcomes();
    let mut origin = LatencyHistogram::default();
    // What is not the cache's takes the time that it takes.
    let misses = served.responses.iter().filter(|(answer, _)| answer.cache == CacheStatus::Miss);
    misses.for_each(|(_, answered)| origin.merge(&answered.origin));
    let origin_p50 = origin.percentile(50);
    RouteCacheStats {
        site: site.to_owned(),
        route: name.to_owned(),
        requests: served.n(),
        hits: outcomes.hits,
        stale: outcomes.stale,
        misses: outcomes.misses,
        bypassed: outcomes.bypassed,
        hit_ratio: outcomes.hit_ratio(),
        bytes: served.responses.values().fold(0, |sum, answered| sum.saturating_add(answered.bytes)),
        origin_p50,
        saved_ms: origin_p50.map(|median| median * outcomes.served_from_cache() as f64),
    }
}

fn ranked(sums: BTreeMap<String, (u64, u64)>) -> impl Iterator<Item = (String, u64, u64)> {
    let mut all: Vec<_> = sums.into_iter().map(|(name, (n, bytes))| (name, n, bytes)).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response_class::{Method, ResponseClass, StatusClass};
    use crate::stats::ResponseRecord;

    fn add(traffic: &mut TrafficStats, route: &str, cache: CacheStatus, detail: &str, origin: Option<u64>) {
        let answer = ResponseClass {
            method: Method::Get,
            status_class: StatusClass::Success,
            cache,
            detail: detail.into(),
        };
        traffic.add(&ResponseRecord {
            route,
            class: answer,
            bytes: 10,
            edge_ms: 1,
            origin_ms: origin,
            queries: &[],
        });
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
        let mut said = CacheAnalytics::default();
        fill_report([("site", &traffic)], &mut said);
        let [a, b] = said.routes.as_slice() else { panic!("two routes") };
        assert_eq!((a.requests, a.hits, a.stale, a.misses, a.bypassed, a.bytes), (10, 5, 1, 3, 1, 100));
        assert_eq!(a.hit_ratio, Some(6.0 / 9.0));
        let median = a.origin_p50.expect("a median");
        assert!((median - 100.0).abs() <= 1.6, "{median}");
        assert_eq!(a.saved_ms, Some(median * 6.0));
        assert_eq!((b.hit_ratio, b.origin_p50, b.saved_ms), (Some(1.0), None, None));
        let tiers: Vec<_> = said.tiers.iter().map(|tier| (&*tier.tier, tier.requests, tier.bytes)).collect();
        assert_eq!(tiers, [("memory", 6, 60), ("colo", 1, 10)]);
        assert_eq!((said.misses[0].requests, &*said.bypassed[0].reason), (3, "cookie"));
    }
}
