//! What all sources say of each page, side by side: the visits with what the cache said and how they came,
//! the reasons of the slow ones, and the queries behind the page. Bottlenecks and advice are told from these;
//! asking the sources is the shell's.

use std::collections::BTreeMap;

use budget::Budgets;
use ledger::causes::Causes as Reasons;
use ledger::traffic::{Ran, Traffic};
use ledger::{Dimension, Groups, OTHER, Tally};
use wire::beacon::{CacheStatus, Navigation};
use wire::{Device, Metric};

use crate::bottleneck::{Causes, Culprit, Place, Query, Returns, Subpart};
use crate::queries;
use crate::target::{Bounds, Signal};

/// What the groups have in common that are asked for.
pub const BY: [Dimension; 4] = [Dimension::Route, Dimension::Device, Dimension::Cache, Dimension::Navigation];

/// Every page with its metrics.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pages: BTreeMap<(String, Device, Metric), Found>,
    returns: BTreeMap<(String, Device), Returns>,
    queries: BTreeMap<String, Vec<(String, Ran)>>,
}

#[derive(Clone, Debug)]
struct Found {
    tally: Tally,
    by_cache: Vec<(CacheStatus, Tally)>,
    reasons: Option<Reasons>,
}

impl Findings {
    /// Lays side by side the visits, grouped by [`BY`], the reasons of the slow ones, and what the edge
    /// answered.
    #[must_use]
    pub fn of(groups: &Groups, reasons: Vec<(String, Device, Metric, Reasons)>, traffic: &Traffic) -> Self {
        let mut all = Self::default();
        for (group, cell) in &groups.cells {
            let Some((route, device)) = group.page(&BY).filter(|(route, _)| *route != OTHER) else {
                continue;
            };
            let said = |dimension| group.value(&BY, &dimension);
            let cache = said(Dimension::Cache).and_then(CacheStatus::named);
            for (metric, tally) in &cell.metrics {
                all.add(route, device, *metric, cache, tally);
            }
            let returns =
                all.returns.entry((route.to_owned(), device)).or_insert(Returns { loaded: 0, restored: 0 });
            let sum = match said(Dimension::Navigation).and_then(Navigation::named) {
                Some(Navigation::BackForward) => &mut returns.loaded,
                Some(Navigation::BackForwardCache) => &mut returns.restored,
                _ => continue,
            };
            *sum = sum.saturating_add(cell.views);
        }
        for (route, device, metric, reasons) in reasons {
            if let Some(found) = all.pages.get_mut(&(route, device, metric)) {
                match &mut found.reasons {
                    Some(known) => known.merge(&reasons),
                    none => *none = Some(reasons),
                }
            }
        }
        for (route, served) in &traffic.routes {
            let queries = served.queries.iter().map(|(name, ran)| (name.clone(), ran.clone()));
            all.queries.insert(route.clone(), queries.collect());
        }
        all
    }

    fn add(
        &mut self,
        route: &str,
        device: Device,
        metric: Metric,
        cache: Option<CacheStatus>,
        tally: &Tally,
    ) {
        let key = (route.to_owned(), device, metric);
        match self.pages.get_mut(&key) {
            Some(found) => found.tally.merge(tally),
            None => {
                let found = Found { tally: tally.clone(), by_cache: Vec::new(), reasons: None };
                self.pages.insert(key.clone(), found);
            }
        }
        let (Some(found), Some(cache)) = (self.pages.get_mut(&key), cache) else { return };
        match found.by_cache.iter_mut().find(|(known, _)| *known == cache) {
            Some((_, known)) => known.merge(tally),
            None => found.by_cache.push((cache, tally.clone())),
        }
    }

    /// The places where time may be lost, judged by these budgets; by the good threshold where there is none.
    #[must_use]
    pub fn places<'a>(&'a self, budgets: &Budgets) -> Vec<Place<'a>> {
        let mut places = Vec::new();
        for ((route, device, metric), found) in &self.pages {
            let limit = budgets.limit(route, *device, *metric);
            places.push(Place {
                route,
                device: *device,
                metric: *metric,
                limit: limit.map_or_else(|| metric.to_wire(metric.thresholds().good), |limit| limit.max),
                tally: &found.tally,
                causes: self.causes(route, *device, *metric, found),
            });
        }
        places
    }

    fn causes<'a>(&'a self, route: &str, device: Device, metric: Metric, found: &'a Found) -> Causes<'a> {
        let returns = self.returns.get(&(route.to_owned(), device)).copied();
        let (_, queries) = queries::behind(&self.queries, route);
        let queries = queries.into_iter().flat_map(|(_, all)| all);
        Causes {
            subparts: found.reasons.as_ref().map_or_else(Vec::new, |reasons| subparts(metric, reasons)),
            culprits: found.reasons.as_ref().map_or_else(Vec::new, culprits),
            by_cache: found.by_cache.iter().map(|(status, tally)| (*status, tally)).collect(),
            queries: queries.filter_map(|(name, ran)| query(name, ran)).collect(),
            returns: returns.filter(|returns| returns.loaded.saturating_add(returns.restored) > 0),
        }
    }
}

fn subparts(metric: Metric, reasons: &Reasons) -> Vec<Subpart> {
    reasons.parts(metric).map(|(part, millis)| Subpart { part, millis }).collect()
}

fn culprits(reasons: &Reasons) -> Vec<Culprit<'_>> {
    let named = reasons.elements.iter().chain(&reasons.sources);
    named.map(|(name, visits)| Culprit { name, visits: *visits }).collect()
}

fn query<'a>(name: &'a str, ran: &Ran) -> Option<Query<'a>> {
    let Bounds::Number(number) = Signal::QueryTime.target().bounds else { return None };
    let over = |(bucket, n): (sketch::Bucket, u64)| {
        (f64::from(bucket.middle()) - number.target).max(0.0) * n as f64 / 1000.0
    };
    let p95 = ran.times.percentile(95)?;
    Some(Query { name, n: ran.times.n(), p95, seconds_over: ran.times.sketch.buckets().map(over).sum() })
}

#[cfg(test)]
mod tests {
    use ledger::traffic::{Answer, Cached, Class, Method, Record};
    use ledger::{Cell, Group};
    use sketch::Sketch;

    use super::*;
    use crate::bottleneck::{Part, rank};

    fn cell(values: &[u32]) -> Cell {
        let mut sketch = Sketch::new(Metric::Lcp);
        values.iter().for_each(|value| sketch.insert(*value, 1));
        let n = sketch.n();
        let tally = Tally { n, kept: BTreeMap::new(), sketch };
        Cell { views: n, visits: n, metrics: [(Metric::Lcp, tally)].into(), ..Cell::default() }
    }

    fn group(cache: Option<&str>, navigation: &str) -> Group {
        let [route, device, navigation] = ["/", "phone", navigation].map(|value| Some(value.to_owned()));
        Group { values: vec![route, device, cache.map(str::to_owned), navigation], at: None }
    }

    #[test]
    fn all_sources_speak_of_one_page() {
        let mut groups = Groups::default();
        groups.add(group(Some("hit"), "navigate"), &cell(&[1000; 200]));
        groups.add(group(Some("miss"), "navigate"), &cell(&[4000; 100]));
        groups.add(group(None, "back-forward"), &cell(&[3000; 50]));
        groups.add(group(None, "back-forward-cache"), &cell(&[100; 10]));
        let reasons = Reasons {
            n: 100,
            timed: 100,
            millis: vec![100_000, 20_000, 200_000, 5000],
            elements: [("img.hero".to_owned(), 90)].into(),
            sources: BTreeMap::new(),
        };
        let mut traffic = Traffic::default();
        let answer = Answer {
            method: Method::Get,
            class: Class::Success,
            cache: Cached::Miss,
            detail: "expired".into(),
        };
        let queries = [("products".to_owned(), 1250.0)];
        let record = Record { route: "/", answer, bytes: 1, edge: 1, origin: None, queries: &queries };
        (0..10).for_each(|_| traffic.add(&record));
        let found = Findings::of(&groups, vec![("/".into(), Device::Phone, Metric::Lcp, reasons)], &traffic);
        let budgets =
            Budgets::parse(r#"[{"timings":[{"metric":"largest-contentful-paint","budget":2000}]}]"#).unwrap();
        let places = found.places(&budgets);
        let [place] = places.as_slice() else { unreachable!("{places:?}") };
        assert_eq!((place.limit, place.tally.n, place.over()), (2000, 360, 150));
        assert_eq!(place.causes.returns, Some(Returns { loaded: 50, restored: 10 }));
        assert_eq!(place.causes.subparts[2], Subpart { part: Part::ResourceLoadDuration, millis: 2000.0 });
        let by_cache = place.by_cache().unwrap();
        assert_eq!((by_cache.hits, by_cache.misses, by_cache.per_hit), (200, 100, 0.0));
        let [query] = place.causes.queries[..] else { unreachable!() };
        assert!(query.n == 10 && (query.seconds_over - 10.0).abs() < 0.2, "{query:?}");
        let ranked = rank(&places);
        assert_eq!(ranked[0].culprit, Some(("img.hero".into(), 90)));
        assert_eq!(ranked[0].query.as_deref(), Some("products"));
    }
}
