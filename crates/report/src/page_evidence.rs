//! The evidence on each page from all sources: visits by cache status and navigation, the causes of slow ones,
//! and the backend's queries. Bottlenecks and advice are derived from it. Querying is left to the shell.

use std::collections::BTreeMap;

use budget::Budgets;
use ledger::causes::CauseTotals;
use ledger::{Dimension, MetricCell, QueryResult};
use traffic::{QueryStats, TrafficStats};
use wire::beacon::{CacheStatus, Navigation};
use wire::{Device, Metric, OTHER_LABEL};

use crate::backend_queries;
use crate::bottleneck::{BackForwardViews, BackendQueryCost, BottleneckCauses, Culprit, PageMetric, Subpart};
use crate::signals::{AlertBounds, Signal};

/// The dimensions to group the query by.
pub const GROUP_BY: [Dimension; 4] =
    [Dimension::Route, Dimension::Device, Dimension::Cache, Dimension::Navigation];

/// The evidence on all pages.
#[derive(Clone, Debug, Default)]
pub struct PageEvidence {
    pages: BTreeMap<(String, Device, Metric), MetricEvidence>,
    back_forward: BTreeMap<(String, Device), BackForwardViews>,
    queries: BTreeMap<String, Vec<(String, QueryStats)>>,
}

#[derive(Clone, Debug)]
struct MetricEvidence {
    tally: MetricCell,
    by_cache: Vec<(CacheStatus, MetricCell)>,
    causes: Option<CauseTotals>,
}

impl PageEvidence {
    /// Joins the visits, grouped by [`GROUP_BY`], the causes of slow ones, and the edge's traffic.
    #[must_use]
    pub fn new(
        groups: &QueryResult,
        causes: Vec<(String, Device, Metric, CauseTotals)>,
        traffic: &TrafficStats,
    ) -> Self {
        let mut all = Self::default();
        for (group, cell) in &groups.cells {
            let Some((route, device)) = group.page(&GROUP_BY).filter(|(route, _)| *route != OTHER_LABEL)
            else {
                continue;
            };
            let dimension_value = |dimension| group.value(&GROUP_BY, &dimension);
            let navigation = dimension_value(Dimension::Navigation).and_then(Navigation::from_name);
            if navigation.is_some_and(|navigation| !navigation.is_hard()) {
                continue;
            }
            let cache = dimension_value(Dimension::Cache).and_then(CacheStatus::from_name);
            for (metric, tally) in &cell.metrics {
                all.add(route, device, *metric, cache, tally);
            }
            let back_forward = all
                .back_forward
                .entry((route.to_owned(), device))
                .or_insert(BackForwardViews { loaded: 0, restored: 0 });
            let sum = match navigation {
                Some(Navigation::BackForward) => &mut back_forward.loaded,
                Some(Navigation::BackForwardCache) => &mut back_forward.restored,
                _ => continue,
            };
            *sum = sum.saturating_add(cell.views);
        }
        for (route, device, metric, causes) in causes {
            if let Some(evidence) = all.pages.get_mut(&(route, device, metric)) {
                match &mut evidence.causes {
                    Some(known) => known.merge(&causes),
                    none => *none = Some(causes),
                }
            }
        }
        for (route, served) in &traffic.routes {
            let queries = served.queries.iter().map(|(name, stats)| (name.clone(), stats.clone()));
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
        tally: &MetricCell,
    ) {
        let key = (route.to_owned(), device, metric);
        match self.pages.get_mut(&key) {
            Some(evidence) => evidence.tally.merge(tally),
            None => {
                let evidence = MetricEvidence { tally: tally.clone(), by_cache: Vec::new(), causes: None };
                self.pages.insert(key.clone(), evidence);
            }
        }
        let (Some(evidence), Some(cache)) = (self.pages.get_mut(&key), cache) else { return };
        match evidence.by_cache.iter_mut().find(|(known, _)| *known == cache) {
            Some((_, known)) => known.merge(tally),
            None => evidence.by_cache.push((cache, tally.clone())),
        }
    }

    /// Returns the metrics of all pages with their budgets, or the good threshold without one.
    #[must_use]
    pub fn page_metrics<'a>(&'a self, budgets: &Budgets) -> Vec<PageMetric<'a>> {
        let mut metrics = Vec::new();
        for ((route, device, metric), evidence) in &self.pages {
            let limit = budgets.limit(route, *device, *metric);
            metrics.push(PageMetric {
                route,
                device: *device,
                metric: *metric,
                limit: limit.map_or_else(|| metric.to_wire(metric.thresholds().good), |limit| limit.max),
                tally: &evidence.tally,
                causes: self.causes(route, *device, *metric, evidence),
            });
        }
        metrics
    }

    fn causes<'a>(
        &'a self,
        route: &str,
        device: Device,
        metric: Metric,
        evidence: &'a MetricEvidence,
    ) -> BottleneckCauses<'a> {
        let back_forward = self.back_forward.get(&(route.to_owned(), device)).copied();
        let (_, queries) = backend_queries::matching_routes(&self.queries, route);
        let queries = queries.into_iter().flat_map(|(_, all)| all);
        BottleneckCauses {
            subparts: evidence.causes.as_ref().map_or_else(Vec::new, |causes| subparts(metric, causes)),
            culprits: evidence.causes.as_ref().map_or_else(Vec::new, culprits),
            by_cache: evidence.by_cache.iter().map(|(status, tally)| (*status, tally)).collect(),
            queries: queries.filter_map(|(name, stats)| query_cost(name, stats)).collect(),
            back_forward: back_forward.filter(|returns| returns.loaded.saturating_add(returns.restored) > 0),
        }
    }
}

fn subparts(metric: Metric, causes: &CauseTotals) -> Vec<Subpart> {
    causes.mean_parts(metric).map(|(part, millis)| Subpart { part, millis }).collect()
}

fn culprits(causes: &CauseTotals) -> Vec<Culprit<'_>> {
    let named = causes.elements.iter().chain(&causes.sources);
    named.map(|(name, visits)| Culprit { name, visits: *visits }).collect()
}

fn query_cost<'a>(name: &'a str, stats: &QueryStats) -> Option<BackendQueryCost<'a>> {
    let AlertBounds::Numeric(number) = Signal::QueryTime.rule().bounds else { return None };
    let over = |(bucket, n): (sketch::SketchBucket, u64)| {
        (f64::from(bucket.midpoint()) - number.target).max(0.0) * n as f64 / 1000.0
    };
    let p95 = stats.latency.percentile(95)?;
    Some(BackendQueryCost {
        name,
        n: stats.latency.n(),
        p95,
        seconds_over: stats.latency.sketch.buckets().map(over).sum(),
    })
}

#[cfg(test)]
mod tests {
    use ledger::{Cell, Group};
    use sketch::Sketch;
    use traffic::{RequestMethod, ResponseClass, ResponseRecord, StatusClass};
    use wire::beacon::CacheStatus;

    use super::*;
    use crate::bottleneck::{SubpartKind, rank};

    fn cell(values: &[u32]) -> Cell {
        let mut sketch = Sketch::new(Metric::Lcp);
        values.iter().for_each(|value| sketch.insert(*value, 1));
        let n = sketch.n();
        let tally = MetricCell { n, limit_counts: BTreeMap::new(), sketch };
        Cell { views: n, visits: n, metrics: [(Metric::Lcp, tally)].into(), ..Cell::default() }
    }

    fn group(cache: Option<&str>, navigation: &str) -> Group {
        let [route, device, navigation] = ["/", "phone", navigation].map(|value| Some(value.to_owned()));
        Group { values: vec![route, device, cache.map(str::to_owned), navigation], at: None }
    }

    #[test]
    fn all_sources_are_joined_by_page() {
        let mut groups = QueryResult::default();
        groups.add(group(Some("hit"), "navigate"), &cell(&[1000; 200]));
        groups.add(group(Some("miss"), "navigate"), &cell(&[4000; 100]));
        groups.add(group(None, "back-forward"), &cell(&[3000; 50]));
        groups.add(group(None, "back-forward-cache"), &cell(&[100; 10]));
        let causes = CauseTotals {
            n: 100,
            with_parts: 100,
            millis: vec![100_000, 20_000, 200_000, 5000],
            elements: [("img.hero".to_owned(), 90)].into(),
            sources: BTreeMap::new(),
        };
        let mut traffic = TrafficStats::default();
        let answer = ResponseClass {
            method: RequestMethod::Get,
            status_class: StatusClass::Success,
            cache: CacheStatus::Miss,
            detail: "expired".into(),
        };
        let queries = [("products".to_owned(), 1250.0)];
        let record = ResponseRecord {
            route: "/",
            class: answer,
            bytes: 1,
            edge_ms: 1,
            origin_ms: None,
            queries: &queries,
        };
        (0..10).for_each(|_| traffic.add(&record));
        let evidence =
            PageEvidence::new(&groups, vec![("/".into(), Device::Phone, Metric::Lcp, causes)], &traffic);
        let budgets =
            Budgets::parse(r#"[{"timings":[{"metric":"largest-contentful-paint","budget":2000}]}]"#).unwrap();
        let metrics = evidence.page_metrics(&budgets);
        let [page] = metrics.as_slice() else { unreachable!("{metrics:?}") };
        assert_eq!((page.limit, page.tally.n, page.visits_over_budget()), (2000, 360, 150));
        assert_eq!(page.causes.back_forward, Some(BackForwardViews { loaded: 50, restored: 10 }));
        assert_eq!(
            page.causes.subparts[2],
            Subpart { part: SubpartKind::ResourceLoadDuration, millis: 2000.0 }
        );
        let by_cache = page.loss_by_cache().unwrap();
        assert_eq!((by_cache.hits, by_cache.misses, by_cache.per_hit), (200, 100, 0.0));
        let [query] = page.causes.queries[..] else { unreachable!() };
        assert!(query.n == 10 && (query.seconds_over - 10.0).abs() < 0.2, "{query:?}");
        let ranked = rank(&metrics);
        assert_eq!(ranked[0].culprit, Some(("img.hero".into(), 90)));
        assert_eq!(ranked[0].query.as_deref(), Some("products"));
    }
}
