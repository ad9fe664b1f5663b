//! What a cache was worth, told from the records of its answers: ratios, tiers, reasons, and the origin's
//! time that was saved, which is the hits of a route times the median that its origin takes.

use std::collections::BTreeMap;

use wire::caching::{Caching, Reason, Route, Tier};

use crate::traffic::{Cached, Served, Times, Traffic};

/// Puts what was answered for each site into a document.
pub fn told<'a>(sites: impl IntoIterator<Item = (&'a str, &'a Traffic)>, into: &mut Caching) {
    let (mut tiers, mut misses, mut bypassed) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (site, traffic) in sites {
        for (name, served) in &traffic.routes {
            into.routes.push(route(site, name, served));
            for (answer, answered) in &served.answers {
                let sums: &mut BTreeMap<String, (u64, u64)> = match answer.cache {
                    Cached::Hit | Cached::Stale => &mut tiers,
                    Cached::Miss => &mut misses,
                    Cached::Bypass => &mut bypassed,
                };
                let (n, bytes) = sums.entry(answer.detail.clone()).or_default();
                (*n, *bytes) = (n.saturating_add(answered.n), bytes.saturating_add(answered.bytes));
            }
        }
    }
    into.routes.sort_by(|a, b| {
        b.requests.cmp(&a.requests).then_with(|| (&a.site, &a.route).cmp(&(&b.site, &b.route)))
    });
    into.tiers = ranked(tiers).map(|(tier, requests, bytes)| Tier { tier, requests, bytes }).collect();
    let reasons = |sums| ranked(sums).map(|(reason, requests, _)| Reason { reason, requests }).collect();
    (into.misses, into.bypassed) = (reasons(misses), reasons(bypassed));
}

fn route(site: &str, name: &str, served: &Served) -> Route {
    let did = served.outcomes();
    let mut origin = Times::default();
    // What is not the cache's takes the time that it takes.
    let misses = served.answers.iter().filter(|(answer, _)| answer.cache == Cached::Miss);
    misses.for_each(|(_, answered)| origin.merge(&answered.origin));
    let origin_p50 = origin.percentile(50);
    Route {
        site: site.to_owned(),
        route: name.to_owned(),
        requests: served.n(),
        hits: did.hits,
        stale: did.stale,
        misses: did.misses,
        bypassed: did.bypassed,
        hit_ratio: did.ratio(),
        bytes: served.answers.values().fold(0, |sum, answered| sum.saturating_add(answered.bytes)),
        origin_p50,
        saved_ms: origin_p50.map(|median| median * did.had() as f64),
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
    use crate::traffic::{Answer, Class, Method, Record};

    fn add(traffic: &mut Traffic, route: &str, cache: Cached, detail: &str, origin: Option<u64>) {
        let answer = Answer { method: Method::Get, class: Class::Success, cache, detail: detail.into() };
        traffic.add(&Record { route, answer, bytes: 10, edge: 1, origin, queries: &[] });
    }

    #[test]
    fn what_was_saved_is_the_hits_times_the_median_of_the_origin() {
        let mut traffic = Traffic::default();
        for millis in [10, 100, 1000] {
            add(&mut traffic, "/a", Cached::Miss, "stored", Some(millis));
        }
        add(&mut traffic, "/a", Cached::Bypass, "cookie", Some(90_000));
        (0..5).for_each(|_| add(&mut traffic, "/a", Cached::Hit, "memory", None));
        add(&mut traffic, "/a", Cached::Stale, "colo", None);
        add(&mut traffic, "/b", Cached::Hit, "memory", None);
        let mut said = Caching::default();
        told([("site", &traffic)], &mut said);
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
